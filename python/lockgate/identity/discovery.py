"""What an issuer says of itself: OpenID Connect Discovery, then RFC 8414.

The document must name the very issuer that the configuration does: else whoever
answers at one address could speak for another (RFC 8414 section 3.3).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from lockgate.outgoing import Answer, Outgoing

DOCUMENT_BYTES: Final = 256 * 2**10
"""Discovery documents have 2 to 10 KiB."""
OK: Final = 200
NOT_FOUND: Final = 404


class DiscoveryError(Exception):
    """There is no document, or none to believe; the message says why."""

    def __init__(self, message: str, *, missing: bool = False) -> None:
        """`missing` where nothing is there, rather than something wrong."""
        super().__init__(message)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Metadata:
    """A discovery document that names its issuer."""

    url: str
    """Where it was found."""
    members: dict[str, Any]

    def address(self, name: str) -> str:
        """An address that must be in it; raises `DiscoveryError` where it is not."""
        address = self.members.get(name)
        if not isinstance(address, str):
            raise DiscoveryError(f"the discovery document at {self.url} has no `{name}`")
        return address

    def offered(self, name: str) -> str | None:
        """An address that may be in it."""
        address = self.members.get(name)
        return address if isinstance(address, str) and address else None

    def listed(self, name: str) -> list[str]:
        """A list of texts that may be in it."""
        said = self.members.get(name)
        return [one for one in said if isinstance(one, str)] if isinstance(said, list) else []


async def discover(issuer: str, outgoing: Outgoing) -> Metadata:
    """The issuer's document; raises `DiscoveryError`, or `OutgoingError` where it cannot be asked."""
    tried = []
    for url in _documents(issuer):
        answer = await outgoing.get(url, limit=DOCUMENT_BYTES)
        if answer.status == OK:
            return Metadata(url, _read(issuer, url, answer))
        tried.append(f"{url} answers with status {answer.status}")
        if answer.status != NOT_FOUND:
            break
    raise DiscoveryError(f"no discovery document: {'; '.join(tried)}", missing=True)


def _documents(issuer: str) -> list[str]:
    """OpenID Connect Discovery section 4 puts the path before, RFC 8414 section 3 behind the well-known part."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    before = urlunsplit((parts.scheme, parts.netloc, f"{path}/.well-known/openid-configuration", "", ""))
    behind = urlunsplit((parts.scheme, parts.netloc, f"/.well-known/oauth-authorization-server{path}", "", ""))
    return [before, behind]


def _read(issuer: str, url: str, answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except ValueError as error:
        raise DiscoveryError(f"the discovery document at {url} is not JSON") from error
    if not isinstance(document, dict):
        raise DiscoveryError(f"the discovery document at {url} is not a JSON object")
    named = document.get("issuer")
    if named != issuer:
        shown = json.dumps(named)[:200]
        raise DiscoveryError(f"the discovery document at {url} is of the issuer {shown}, not of {issuer}")
    return document
