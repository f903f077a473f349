"""Programs that people let in: what holds between `grants` and the rest, and what the control process is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from lockgate.config.document import Document
from lockgate.config.known import known
from lockgate.config.model_apps import withheld
from lockgate.config.placed import Path
from lockgate.paths import RESERVED
from lockgate.scalars import shown

WELL_KNOWN: Final = "/.well-known/oauth-authorization-server"
"""Where the metadata of an issuer are, before the path that it has (RFC 8414 section 3.1)."""
_LOOPBACK: Final = ("127.0.0.1", "[::1]", "localhost")


@dataclass(frozen=True, slots=True)
class RegistrationSetup:
    """How programs register themselves."""

    open: bool
    apis: tuple[str, ...]
    scopes: tuple[str, ...]
    most: int
    unused_ms: int


@dataclass(frozen=True, slots=True)
class GrantSetup:
    """An issuer of tokens for programs that people let in."""

    name: str
    issuer: str
    audience: str
    sign_in: str
    people: str
    """Who knows those that sign in there, as `iss` says it: by that alone they are told from others of their names."""
    scopes: tuple[tuple[str, str], ...]
    """Each with the words that people read."""
    access_ms: int
    refresh_ms: int
    rotation: int
    registration: RegistrationSetup | None

    @property
    def source(self) -> str:
        """What tells its keys from all others, as the bundle says it."""
        return f"own:{self.rotation}"

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> GrantSetup:
        """What was kept of it. Raises `TypeError` or `KeyError` where another version wrote it."""
        said = kept["registration"]
        registration = None
        if said is not None:
            registration = RegistrationSetup(**{**said, "apis": tuple(said["apis"]), "scopes": tuple(said["scopes"])})
        scopes = tuple((str(scope), str(words)) for scope, words in kept["scopes"])
        return cls(**{**kept, "scopes": scopes, "registration": registration})


def setups(document: Document) -> Iterator[GrantSetup]:
    """Each of them."""
    for name, issuer in document.issuers.items():
        said = issuer.grants
        if said is None:
            continue
        registration = None
        if (own := said.registration) is not None:
            registration = RegistrationSetup(own.open, tuple(own.apis), tuple(own.scopes), own.most, own.unused)
        yield GrantSetup(
            name=name,
            issuer=issuer.issuer,
            audience=(issuer.audience or [issuer.issuer])[0],
            sign_in=said.sign_in,
            people=document.issuers[document.sign_in[said.sign_in].issuers[0]].issuer,
            scopes=tuple(said.scopes.items()),
            access_ms=said.access,
            refresh_ms=said.refresh,
            rotation=said.rotation,
            registration=registration,
        )


def page_hosts(document: Document, sign_in: str) -> list[str] | None:
    """Hosts of the pages on which people of a sign-in let programs in; empty for any, none where they let in none."""
    found = [
        urlsplit(issuer.issuer).netloc
        for issuer in document.issuers.values()
        if issuer.grants is not None and issuer.grants.sign_in == sign_in
    ]
    if not found:
        return None
    hosts = [re.sub(r":[0-9]+$", "", host) for host in found]
    return [] if any(host in _LOOPBACK for host in hosts) else hosts


def check(document: Document) -> None:
    """Run the rules that look at more than one value."""
    taken: dict[str, str] = {}
    for name, issuer in document.issuers.items():
        said = issuer.grants
        if said is None:
            continue
        path: Path = ("issuers", name, "grants")
        if not document.holds_apps:
            document.problems.add(
                document.region(*path),
                "apps-off",
                "people are to let programs in, and nothing holds programs to what they were given",
                hint="add `apps: {}` to the document",
                path=path,
            )
        if known(document, "sign_in", (*path, "sign_in"), said.sign_in, "sign-in"):
            _people(document, (*path, "sign_in"), said.sign_in)
            _issuer(document, name, issuer.issuer, said.sign_in)
        if said.sign_in in taken:
            document.problems.add(
                document.value_region(*path, "sign_in"),
                "grants-twice",
                f"people of the sign-in {shown(said.sign_in)} let programs in by the issuer "
                f"{shown(taken[said.sign_in])} already",
                hint="one issuer is enough for all of its scopes; or make another sign-in",
                path=(*path, "sign_in"),
            )
        taken.setdefault(said.sign_in, name)
        if said.registration is not None:
            _registration(document, name, path)


def _people(document: Document, path: Path, sign_in: str) -> None:
    said = document.sign_in.get(sign_in)
    issuers = said.issuers if said is not None else []
    if len(issuers) > 1:
        document.problems.add(
            document.value_region(*path),
            "grants-of-several",
            f"{len(issuers)} issuers sign people in by {shown(sign_in)}, and two of them may call two people the same",
            hint="name a sign-in with one issuer",
            path=path,
        )


def _issuer(document: Document, name: str, issuer: str, sign_in: str) -> None:
    path: Path = ("issuers", name, "issuer")
    try:
        url = urlsplit(issuer)
        loopback = url.hostname in {"127.0.0.1", "::1", "localhost"}
        fits = url.scheme == "https" or (url.scheme == "http" and loopback)
        # Compared letter by letter, by whoever looks at `iss`.
        fits = fits and url.netloc == url.netloc.lower()
        fits = fits and bool(url.hostname) and url.path == f"/{RESERVED}/{sign_in}"
        fits = fits and not (url.query or url.fragment or "@" in url.netloc)
    except ValueError:
        fits = False
    if not fits:
        document.problems.add(
            document.value_region(*path),
            "grants-issuer",
            f"{shown(issuer)} is not the address at which people of the sign-in {shown(sign_in)} let programs in",
            allowed=f"`https://HOST/{RESERVED}/{sign_in}` (`http` for loopback alone), without anything behind it",
            hint="write the host under which browsers reach the gate, in small letters, with its port unless it is 443",
            path=path,
        )


def _registration(document: Document, name: str, path: Path) -> None:
    said = document.issuers[name].grants
    if said is None or said.registration is None:
        return
    for index, api in enumerate(said.registration.apis):
        known(document, "apis", (*path, "registration", "apis", index), api, "API")
    for index, scope in enumerate(said.registration.scopes):
        place: Path = (*path, "registration", "scopes", index)
        if scope not in said.scopes:
            document.problems.add(
                document.value_region(*place),
                "grants-scope-unknown",
                f"nobody can be asked for the scope {shown(scope)}",
                allowed=", ".join(map(shown, list(said.scopes)[:20])),
                hint=f"add it to `issuers.{name}.grants.scopes`, with the words that people read",
                path=place,
            )
        elif withheld(document.third_party.tiers.of("unreviewed"), scope):
            document.problems.add(
                document.value_region(*place),
                "grants-scope-never",
                f"programs that nobody has reviewed never have the scope {shown(scope)}, so none could register",
                hint="take it out; a program that needs it gets it once it was reviewed: `lockgate apps change`",
                path=place,
            )
