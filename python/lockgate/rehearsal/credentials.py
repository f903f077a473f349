"""Credentials made for one case, and where an API looks for them. None of them opens anything that runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from lockgate._native import mint_key
from lockgate.rehearsal.model import Key

PEPPER: Final = bytes(range(32))
"""Of the scratch keys alone: an installation's pepper is no business of a test."""

ENDED_MS: Final = 1
"""When an expired key's time was over."""


class CaseError(Exception):
    """The case says something that cannot be; `path` is where in it, the message what."""

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.path = path


class ScratchKeys:
    """Keys of a run's cases, and what the engine must know of them."""

    def __init__(self) -> None:
        self.facts: list[bytes] = []

    def make(self, wanted: Key) -> str:
        """A key as the case wants it."""
        key, digest = mint_key(PEPPER, "test")
        if not wanted.unknown:
            number = len(self.facts) + 1
            record: dict[str, Any] = {
                "id": f"key_case{number}",
                "digest": digest,
                "owner": wanted.owner,
                "apis": wanted.apis,
                "expires_ms": ENDED_MS if wanted.expired else None,
                "revoked": wanted.revoked,
            }
            if wanted.app is not None:
                record["app"] = wanted.app
            if wanted.scopes is not None:
                record["scopes"] = wanted.scopes
            fact = {"seq": number, "at_ms": 1, "kind": "key.put", "key": record}
            self.facts.append(json.dumps(fact).encode())
        return key


def key_headers(bundle: Mapping[str, Any], route: Mapping[str, Any]) -> list[str]:
    """The headers in which an API of a bundle looks for a key; `route` as for `api_of`."""
    api = api_of(bundle, route)
    ways = api["policies"]["authenticate"] if api is not None else []
    return list(dict.fromkeys(way["api_key"]["config"]["header"] for way in ways if "api_key" in way))


def api_of(bundle: Mapping[str, Any], route: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The API of a bundle that a route belongs to; `route` is an explanation's, or a bundle's API."""
    wanted = (route.get("api", route.get("name")), route.get("route"))
    found: list[Mapping[str, Any]] = bundle["apis"]
    return next((api for api in found if (api["name"], api.get("route")) == wanted), None)
