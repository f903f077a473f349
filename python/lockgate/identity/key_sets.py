"""An issuer's keys, fetched: by discovery, from a URL, from a file."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lockgate import _native
from lockgate.config.issuers import KeyOrigin, read_key_file
from lockgate.identity.discovery import DiscoveryError, discover
from lockgate.outgoing import Answer, Outgoing, OutgoingError

OK: Final = 200
LONGEST_SECONDS: Final = 86_400
"""A Cache-Control that promises more is held to a day."""
SHORTEST_SECONDS: Final = 30

_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])", re.IGNORECASE)


class KeysError(Exception):
    """The keys could not be had; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class FetchedKeys:
    """What an issuer publishes."""

    keys: list[dict[str, Any]]
    """Those that a gate can use, in the issuer's order."""
    unusable: list[dict[str, Any]]
    """The others: `kid` and `why`."""
    fresh_seconds: int | None = None
    """How long the issuer says that they stay what they are."""

    @property
    def kids(self) -> list[str]:
        """The keys' names."""
        return [str(key.get("kid", "")) for key in self.keys]


async def fetch(origin: KeyOrigin, outgoing: Outgoing, pepper: bytes) -> FetchedKeys:
    """Fetch an issuer's keys; raises `KeysError` for whatever keeps them from being had.

    Those of this installation itself are made of `pepper`, its secret.
    """
    try:
        if origin.kind == "own":
            from lockgate.identity.own_keys import OwnKeys

            return _read(OwnKeys(pepper, origin.issuer, int(origin.location)).text())
        if origin.kind == "file":
            return _read(await asyncio.to_thread(read_key_file, Path(origin.location)))
        url = origin.location if origin.kind == "url" else await _discovered(origin.issuer, outgoing)
        answer = await outgoing.get(url, accept="application/jwk-set+json, application/json")
    except (OutgoingError, OSError, ValueError) as error:
        raise KeysError(str(error)) from error
    if answer.status != OK:
        raise KeysError(f"{url} answers with status {answer.status}")
    return _read(answer.body, _fresh_seconds(answer))


async def _discovered(issuer: str, outgoing: Outgoing) -> str:
    """Where the discovery document says that the keys are."""
    try:
        return (await discover(issuer, outgoing)).address("jwks_uri")
    except DiscoveryError as error:
        hint = ". `jwks: {url: …}` names the keys without one" if error.missing else ""
        raise KeysError(f"{error}{hint}") from error


def _read(text: bytes, fresh_seconds: int | None = None) -> FetchedKeys:
    try:
        read = _native.read_key_set(text)
    except _native.LockgateError as error:
        raise KeysError(str(error)) from error
    if not read["keys"]:
        why = "; ".join(f"{key['kid'] or 'a key without `kid`'}: {key['why']}" for key in read["unusable"])
        raise KeysError(f"the key set has no key that can be used{f' ({why})' if why else ''}")
    return FetchedKeys(read["keys"], read["unusable"], fresh_seconds)


def _fresh_seconds(answer: Answer) -> int | None:
    said = answer.headers.get("cache-control", "")
    found = _MAX_AGE.search(said)
    if found is None or "no-store" in said.lower() or "no-cache" in said.lower():
        return None
    seconds = int(found[1])
    return min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS) if seconds else None
