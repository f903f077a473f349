"""`upstreams.NAME.token`: what holds between upstreams, issuers and those who call; what the control process gets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.known import known
from lockgate.config.model_upstreams import UpstreamToken
from lockgate.config.placed import Path
from lockgate.config.references import References
from lockgate.config.sign_in import Provider, provider_of
from lockgate.policies import Authentication, Introspection, Jwt, Session
from lockgate.scalars import shown

MARK_CHARACTERS: Final = 12


@dataclass(frozen=True, slots=True)
class TokenSetup:
    """A token that upstreams are given, as the control process gets it."""

    about: str
    """What a gate calls it."""
    upstream: str
    take: str
    audience: tuple[str, ...]
    resource: tuple[str, ...]
    scopes: tuple[str, ...]
    provider: Provider

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> TokenSetup:
        """What was kept of it. Raises `TypeError` or `KeyError` where another version wrote it."""
        lists = {name: tuple(kept[name]) for name in ("audience", "resource", "scopes")}
        return cls(**{**kept, **lists, "provider": Provider.from_json(kept["provider"])})


def about(name: str, said: UpstreamToken) -> str:
    """What it is called: with a mark of what is wanted, so that a changed wish finds nothing that was got before."""
    wanted = json.dumps([said.issuer, said.take, said.audience, said.resource, said.scopes])
    return f"{name}:{hashlib.sha256(wanted.encode()).hexdigest()[:MARK_CHARACTERS]}"


def bundled(name: str, said: UpstreamToken) -> dict[str, str]:
    """As the bundle has it."""
    return {"header": said.header, "about": about(name, said)}


def token_setups(document: Document, references: References) -> Iterator[TokenSetup]:
    """What the control process gets."""
    for name, upstream in document.upstreams.items():
        said = upstream.token
        issuer = document.issuers.get(said.issuer) if said is not None else None
        if said is None or issuer is None or issuer.client is None:
            continue
        yield TokenSetup(
            about=about(name, said),
            upstream=name,
            take=said.take,
            audience=tuple(said.audience or ()),
            resource=tuple(said.resource or ()),
            scopes=tuple(said.scopes),
            provider=provider_of(document, said.issuer, issuer, issuer.client, references),
        )


def check(document: Document, apis: list[EffectiveApi]) -> None:
    """Run the rules that look at more than one value."""
    for name, upstream in document.upstreams.items():
        if upstream.token is not None:
            _gets(document, ("upstreams", name, "token", "issuer"), upstream.token.issuer)
    for api in apis:
        for name in dict.fromkeys(api.goes_to):
            said = document.upstreams.get(name)
            if said is not None and said.token is not None:
                _callers(document, api, name, said.token)


def _gets(document: Document, path: Path, name: str) -> None:
    if not known(document, "issuers", path, name, "issuer"):
        return
    issuer = document.issuers.get(name)
    if issuer is not None and issuer.client is None and not document.says("issuers", name, "client"):
        document.problems.add(
            document.value_region(*path),
            "issuer-without-client",
            f"the issuer {shown(name)} gives Lockgate no token: it does not say what Lockgate is to the provider",
            hint=f'add `client: {{id: …, secret: "${{env:…}}"}}` to `issuers.{name}`',
            path=path,
        )


def _callers(document: Document, api: EffectiveApi, name: str, token: UpstreamToken) -> None:
    """Whoever may call has to have something that the token can be got for."""
    if api.api.public is not None or not api.authenticate:
        document.problems.add(
            document.region(*api.said),
            "token-without-caller",
            f"the API {shown(api.name)} is open to anyone, and its upstream {shown(name)} wants a token for its caller",
            hint="say with `authenticate` who may call, or take `token` out of the upstream",
            path=api.said,
        )
        return
    for placed in api.authenticate:
        why = _lacks(document, placed.policy, token)
        if why is not None:
            document.problems.add(
                document.region(*placed.path),
                "token-without-caller",
                f"the upstream {shown(name)} wants a token of {shown(token.issuer)} for its caller, and {why}",
                hint="let these callers go to an upstream without `token`: another API, or another route",
                path=placed.path,
            )


def _lacks(document: Document, way: Authentication, token: UpstreamToken) -> str | None:
    if isinstance(way, Session):
        sign_in = document.sign_in.get(way.sign_in)
        others = [name for name in (sign_in.issuers if sign_in is not None else []) if name != token.issuer]
        return f"who signs in by {shown(others[0])} has none" if others else None
    if not isinstance(way, Jwt | Introspection):
        return f"`{way.room}` brings nothing that one could be got for"
    if way.issuer != token.issuer:
        return f"a token of {shown(way.issuer)} is none"
    return "only sessions have one that is passed on as it is" if token.take == "session" else None
