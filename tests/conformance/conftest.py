"""Fixtures: the gates that foreign suites are let loose on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.place import Place
from gateway.harness.upstream import AutoUpstream
from support.certificates import Authority

Told = Callable[[str, object], None]

BODY = b"twenty bytes of body"
"""h2spec tries windows only on bodies of five bytes or more."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the gate."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Place]:
    """A gate with a public API over TLS, as the preset `intermediate` has it."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
    issued = authority.issue("shop", "shop.example", "localhost", "127.0.0.1")
    listener = bundles.listener(tls=bundles.tls(issued))
    with AutoUpstream(lambda _: answer) as upstream, Gate(tmp_path_factory.mktemp("place") / "state") as running:
        running.load(bundles.bundle([bundles.api()], [bundles.upstream(upstream.port)], listeners=[listener]))
        yield Place(running, upstream, running.port())


@pytest.fixture
def summary(capsys: pytest.CaptureFixture[str], record_property: Told) -> Told:
    """Tells a suite's outcome: on the terminal where one process runs the tests, and in the report's file."""

    def tell(name: str, value: object) -> None:
        record_property(name, value)
        with capsys.disabled():
            sys.stdout.write(f"\n{name}: {value}\n")

    return tell


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a suite writes."""
    return tmp_path_factory.mktemp("suite")
