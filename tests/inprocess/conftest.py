"""A configuration with keys, and the state folder that knows them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockgate.admin.keys import CreatedKey, create_key, offline
from lockgate.state import StateFolder

PUBLIC = {"owner": "tests", "reason": "A case.", "until": "2100-01-01"}
UPSTREAM = "http://127.0.0.1:9000"


@dataclass
class Installed:
    """A folder with a configuration and, once a key is made, state beside it."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "lockgate.yaml"

    @property
    def state(self) -> Path:
        return self.folder / ".lockgate"

    def write(self, apis: dict[str, Any], **more: Any) -> Path:
        """Write a configuration; each API goes somewhere, as a gate wants it."""
        whole = {name: {"upstream": UPSTREAM, **api} for name, api in apis.items()}
        self.config.write_text(yaml.safe_dump({"version": 1, "apis": whole, **more}), encoding="utf-8")
        return self.config

    def keyed(self, **more: Any) -> Path:
        """Write one with an API that wants keys."""
        return self.write({"shop": {"authenticate": ["api_key"], "authorize": "authenticated"}}, **more)

    def key(self, owner: str = "crm") -> CreatedKey:
        """Make a key, and the state folder where it is not there."""
        return create_key(self.state, name="test", owner=owner)

    def revoke(self, key: CreatedKey) -> None:
        with offline(StateFolder.open(self.state)) as keys:
            keys.revoke("test", key.record.id)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    monkeypatch.delenv("LOCKGATE_STATE", raising=False)
    return Installed(tmp_path)
