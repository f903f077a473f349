"""One Pebble for all of these tests; each takes names of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lockgate.certificates import Store
from lockgate.state import StateFolder
from support.acme import Answers, Pebble
from support.processes import Processes


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    folder = tmp_path_factory.mktemp("pebble")
    processes = Processes(folder)
    try:
        yield Pebble(processes, folder)
    finally:
        processes.end()


@pytest.fixture
def answers(pebble: Pebble) -> Iterator[Answers]:
    with Answers(pebble) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(StateFolder.without_secrets(tmp_path / "state"))
