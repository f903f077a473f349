"""What the tests of the control process share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lockgate.admin.store import Store
from lockgate.state import StateFolder


class ListJournal:
    """A journal in memory, with a fault to switch on."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.broken = False

    def audit(self, actor: str, action: str, object_: str, detail: dict[str, Any]) -> None:
        if self.broken:
            raise OSError("disk full")
        self.events.append({"actor": actor, "action": action, "object": object_, "detail": detail})

    def system(self, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        self.events.append({"code": code, "message": message, "detail": detail})

    def messages(self) -> list[str]:
        return [event["message"] for event in self.events if "code" in event]

    def codes(self) -> list[str]:
        return [event["code"] for event in self.events if "code" in event]


@pytest.fixture
def journal() -> ListJournal:
    return ListJournal()


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder.open(tmp_path / ".lockgate")


@pytest.fixture
def store(state: StateFolder) -> Iterator[Store]:
    store = Store.open(state.database)
    yield store
    store.close()
