"""APIs whose callers have tokens: a configuration in its own words, in an engine and in a running gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import yaml

from gateway.harness import bundles
from gateway.harness.gate import Gate
from gateway.harness.tokens import Tokens
from gateway.harness.wire import Message
from lockgate import _native
from lockgate.config import load
from lockgate.config.bundle_types import Bundle
from policies.test_session import PEPPER

UNTIL: Final = 4_000_000_000_000
ISSUER: Final = "https://login.example"


def document(authorize: Any, **more: Any) -> dict[str, Any]:
    """A configuration with one API, `orders`, whose callers have tokens or keys."""
    issuer = {"issuer": ISSUER, "audience": "shop", "algorithms": ["ES256"]}
    api = {
        "path": "/orders",
        "upstream": "http://127.0.0.1:9000",
        "authenticate": [{"jwt": {"issuer": "company"}}, "api_key"],
        "authorize": authorize,
        **more.pop("api", {}),
    }
    return {"version": 1, "issuers": {"company": issuer}, "apis": {"orders": api}, **more}


def compiled(folder: Path, said: dict[str, Any]) -> dict[str, Any]:
    """The configuration's bundle."""
    file = folder / "lockgate.yaml"
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    return load(file, environment={"OIDC_SECRET": "hush"}).compile(1, bundles.now_ms())


def people(authorize: Any, **more: Any) -> dict[str, Any]:
    """The same, with callers who have sessions, which can be made without an issuer."""
    said = document(authorize, **more)
    said["issuers"]["company"]["client"] = {"id": "gate", "secret": "${env:OIDC_SECRET}"}
    said["sign_in"] = {"staff": {"issuers": ["company"]}}
    said["apis"]["orders"]["authenticate"] = [{"session": {"sign_in": "staff"}}]
    return said


def session(claims: dict[str, Any]) -> tuple[str, str]:
    """The header of a person of whom this is verified."""
    value = {"issuer": "company", "until_ms": UNTIL, "claims": {"iss": ISSUER, "sub": "ada", "jti": "s-1", **claims}}
    return "Cookie", f"__Host-lockgate-staff={_native.seal_session(PEPPER, 'staff', json.dumps(value).encode())}"


def explained(
    bundle: dict[str, Any],
    method: str,
    target: str,
    *headers: tuple[str, str],
    body: bytes | None = None,
    others: int = 0,
) -> dict[str, Any]:
    """What the engine says of a request."""
    engine = _native.Engine(json.dumps(bundle).encode(), facts=[], pepper=PEPPER)
    sent = [("Host", "a.example"), *headers]
    request = {
        "method": method,
        "target": target,
        "peer": "127.0.0.1",
        "headers": sent,
        "body": body,
        "others": others,
    }
    return engine.evaluate(request, now_ms=bundles.now_ms())


def step(answer: dict[str, Any], room: str) -> tuple[str, str | None, list[str]]:
    """What one room said: its verdict, its reason, and what entitles the caller."""
    (said,) = [one for one in answer["steps"] if one["policy"] == room]
    return said["verdict"], said["reason"], said["grounds"]


class Entitled:
    """A gate that serves such a configuration, and callers of it."""

    def __init__(
        self,
        gate: Gate,
        port: int,
        folder: Path,
        said: dict[str, Any],
        change: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self.gate, self.tokens = gate, Tokens()
        for api in said["apis"].values():
            api["upstream"] = f"http://127.0.0.1:{port}"
        made = compiled(folder, said)
        change(made)
        bundle = cast("Bundle", made)
        bundle["listeners"] = [bundles.listener()]
        gate.load(self.tokens.add_to(bundle))
        self.tokens.publish(gate)

    def token(self, method: str, target: str, **claims: Any) -> Message:
        """The answer to somebody whose token says this."""
        return self.ask(method, target, f"Authorization: {self.tokens.bearer(2**31, **claims)}")

    def key(self, method: str, target: str, name: str, **more: Any) -> Message:
        """The answer to somebody with a key that is made now."""
        return self.ask(
            method, target, f"X-API-Key: {self.gate.key(int(self.gate.tell('facts_seq')) + 1, name, **more)}"
        )

    def ask(self, method: str, target: str, *headers: str) -> Message:
        """The answer to a request with these headers."""
        with self.gate.client() as client:
            return client.get(target, *headers, method=method)
