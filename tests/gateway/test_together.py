"""Credentials that must come together, through a whole `lockgate run`: a program's key, and a person's token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.harness.upstream import AutoUpstream
from support.issuer import Issuer
from support.processes import Processes
from support.running import Running
from support.waiting import until

pytestmark = pytest.mark.full


@pytest.fixture
def upstream() -> Iterator[AutoUpstream]:
    with AutoUpstream() as running:
        yield running


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def test_a_key_and_a_token(processes: Processes, tmp_path: Path, upstream: AutoUpstream, issuer: Issuer) -> None:
    config: dict[str, Any] = {
        "version": 1,
        "listeners": {"public": {"address": "127.0.0.1:0"}},
        "admin": {"address": "127.0.0.1:0"},
        "outgoing": {"allow": ["127.0.0.0/8"]},
        "issuers": {"company": {"issuer": issuer.url, "audience": "shop"}},
        "apis": {
            "shop": {
                "upstream": f"http://127.0.0.1:{upstream.port}",
                "authenticate": [{"all": [{"jwt": {"issuer": "company"}}, "api_key"]}],
                "authorize": "authenticated",
                "headers": {"request": {"set": {"X-Who": "{credential}"}}},
            },
        },
    }
    (tmp_path / "lockgate.yaml").write_text(yaml.safe_dump(config))
    running = Running(processes, tmp_path).ready()
    running.serving()
    key, token = running.make_key()["key"], issuer.token(aud="shop")
    other = issuer.token(aud="elsewhere")

    def asked(**headers: str) -> httpx.Response:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.get(f"{running.url()}/", headers=said, trust_env=False)

    bearer = f"Bearer {token}"
    until(lambda: asked(authorization=bearer, x_api_key=key).status_code == 200, "the issuer's keys to be there")
    fields = {name.lower(): value for name, value in upstream.requests[-1].headers}
    assert fields["x-who"] == "company/ann", "the first says who calls"
    assert not {"authorization", "x-api-key"} & fields.keys(), "neither is passed on"
    for headers, wanted in (
        ({"authorization": bearer}, "key-missing"),
        ({"x_api_key": key}, "jwt-missing"),
        ({"authorization": f"Bearer {other}", "x_api_key": key}, "jwt-audience"),
        ({"authorization": bearer, "x_api_key": f"{key[:-1]}{'a' if key[-1] != 'a' else 'b'}"}, "key-malformed"),
        ({}, "jwt-missing"),
    ):
        answer = asked(**headers)
        assert (answer.status_code, answer.json()["reason"]) == (401, wanted), headers
    assert "together" in asked(authorization=bearer).json()["detail"]
