"""A gate for a whole file of cases: each case gives it a bundle of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.harness.gate import Gate
from gateway.harness.upstream import AutoUpstream
from lockgate import _native
from lockgate.config import ConfigErrors, load

Evaluate = Callable[..., dict[str, Any]]
Refusals = Callable[..., list[str]]
WAIVED_UNTIL = "2100-01-01"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(tmp_path_factory.mktemp("gate") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def auto() -> Iterator[AutoUpstream]:
    with AutoUpstream() as serving:
        yield serving


def written(folder: Path, api: dict[str, Any], **sections: Any) -> Path:
    """A configuration with one API, and sections beside it, as a user writes it."""
    waiver = {"owner": "tests", "reason": "A case.", "until": WAIVED_UNTIL}
    who = {"authorize": "authenticated"} if "authenticate" in api else {"public": waiver}
    config = {"version": 1, "apis": {"shop": {"upstream": "http://127.0.0.1:9000", **who, **api}}, **sections}
    file = folder / "lockgate.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    return file


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """From the configuration, by way of the bundle, to the engine's answer."""

    def asked(
        api: dict[str, Any],
        request: dict[str, Any],
        *,
        facts: list[bytes] | None = None,
        pepper: bytes = b"",
        now_ms: int | None = None,
        **sections: Any,
    ) -> dict[str, Any]:
        bundle = load(written(tmp_path, api, **sections)).compile(1, 1)
        engine = _native.Engine(json.dumps(bundle).encode(), facts=facts or [], pepper=pepper)
        return engine.evaluate({"method": "GET", "target": "/", "peer": "127.0.0.1", **request}, now_ms=now_ms)

    return asked


@pytest.fixture
def refusals(tmp_path: Path) -> Refusals:
    """The codes with which a configuration is refused."""

    def asked(api: dict[str, Any], **sections: Any) -> list[str]:
        with pytest.raises(ConfigErrors) as refused:
            load(written(tmp_path, api, **sections))
        return sorted(error.code for error in refused.value.errors)

    return asked
