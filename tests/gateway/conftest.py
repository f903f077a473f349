"""Fixtures: gates and upstreams that end with the test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.bundles import Signer
from gateway.harness.gate import Gate
from gateway.harness.place import Place
from gateway.harness.upstream import AutoUpstream, Upstream

Measured = Callable[[str, object], None]


@pytest.fixture(scope="session")
def signer() -> Signer:
    """The control process's key, one for all tests."""
    return Signer()


@pytest.fixture
def measured(capsys: pytest.CaptureFixture[str], record_property: Measured) -> Measured:
    """Tells a number: on the terminal where one process runs the tests, and in the report's file."""

    def tell(name: str, value: object) -> None:
        record_property(name, value)
        with capsys.disabled():
            sys.stdout.write(f"\n{name}: {value}\n")

    return tell


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    """Whatever is entered here ends with the test, the last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A gate with a public API, the same for a whole module."""
    with AutoUpstream() as upstream, Gate(tmp_path_factory.mktemp("place") / "state") as running:
        running.load(bundles.plain(upstream.port))
        yield Place(running, upstream, running.port())


@pytest.fixture
def gate(tmp_path: Path, signer: Signer) -> Iterator[Gate]:
    """A gate with one worker and no bundle yet."""
    with Gate(tmp_path / "state", signer=signer) as running:
        yield running


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream whose every byte the test says itself."""
    with Upstream() as listening:
        yield listening


@pytest.fixture
def auto() -> Iterator[AutoUpstream]:
    """An upstream that answers every request with `ok`, and keeps it."""
    with AutoUpstream() as serving:
        yield serving
