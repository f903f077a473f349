"""Signing in: what holds between `sign_in`, `issuers` and APIs; the pages as an API; what the control process does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from lockgate.config.document import Document
from lockgate.config.effective import PAGES, EffectiveApi, effective
from lockgate.config.grants import WELL_KNOWN, page_hosts
from lockgate.config.known import known
from lockgate.config.model_apis import Api
from lockgate.config.model_issuers import Issuer
from lockgate.config.model_sign_in import Client, Method
from lockgate.config.placed import Path
from lockgate.config.references import References, client_references
from lockgate.paths import RESERVED, PathMatch
from lockgate.policies import Introspection, Jwt, Session
from lockgate.scalars import shown

UPSTREAM: Final = "lockgate:identity"
"""Where the pages are, as the gate knows it: a socket in its state folder."""
BODY_BYTES: Final = 64 * 2**10
"""A logout token has 2 KiB, a form of these pages less."""
FOR_EVER: Final = "9999-12-31"


@dataclass(frozen=True, slots=True)
class Provider:
    """Who signs people in, and what Lockgate is there."""

    name: str
    issuer: str
    algorithms: tuple[str, ...]
    skew_ms: int
    client_id: str
    secret: str | None
    """A reference, never the secret."""
    key: str | None
    kid: str | None
    method: Method | None

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Provider:
        """What was kept of it. Raises `TypeError` or `KeyError` where another version wrote it."""
        return cls(**{**kept, "algorithms": tuple(kept["algorithms"])})


@dataclass(frozen=True, slots=True)
class Known:
    """An issuer that knows people by passwords, which the pages ask for."""

    name: str
    issuer: str
    local: bool
    """Whether passwords are chosen and changed here."""
    forgotten: bool
    """Whether people can ask for a new one by themselves."""


@dataclass(frozen=True, slots=True)
class SignInSetup:
    """One way to sign in, as the identity pages are told of it."""

    name: str
    title: str | None
    scopes: tuple[str, ...]
    claims: tuple[str, ...]
    lifetime_ms: int
    refresh_ms: int
    factors: tuple[str, ...]
    providers: tuple[Provider, ...]
    passed_on: tuple[str, ...]
    """The issuers whose access tokens are kept with sessions: upstreams are given them, or others for them."""
    people: tuple[Known, ...] = ()

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> SignInSetup:
        """What was kept of it. Raises `TypeError` or `KeyError` where another version wrote it."""
        providers = tuple(Provider.from_json(one) for one in kept["providers"])
        lists = {name: tuple(kept[name]) for name in ("scopes", "claims", "factors", "passed_on")}
        people = tuple(Known(**one) for one in kept.get("people", ()))
        return cls(**{**kept, **lists, "providers": providers, "people": people})


def setups(document: Document, references: References) -> Iterator[SignInSetup]:
    """What the control process serves."""
    tokens = (upstream.token for upstream in document.upstreams.values())
    passed_on = {token.issuer for token in tokens if token is not None}
    for name, said in document.sign_in.items():
        known = ((one, document.issuers.get(one)) for one in said.issuers)
        providers = tuple(
            provider_of(document, one, issuer, issuer.client, references)
            for one, issuer in known
            if issuer is not None and issuer.client is not None
        )
        yield SignInSetup(
            name=name,
            title=said.title,
            scopes=tuple(said.scopes),
            claims=tuple(said.claims),
            lifetime_ms=said.lifetime,
            refresh_ms=said.refresh,
            factors=tuple(said.second_factor),
            providers=providers,
            passed_on=tuple(name for name in said.issuers if name in passed_on),
            people=tuple(
                Known(
                    one,
                    issuer.issuer,
                    issuer.users is not None,
                    issuer.users is not None and issuer.users.pages is not None and issuer.users.mail is not None,
                )
                for one in said.issuers
                if (issuer := document.issuers.get(one)) is not None and issuer.by_password
            ),
        )


def provider_of(document: Document, name: str, issuer: Issuer, client: Client, references: References) -> Provider:
    """An issuer as its client is told of it."""
    secret, key = client_references(document, name, client, references)
    return Provider(
        name=name,
        issuer=issuer.issuer,
        algorithms=tuple(issuer.algorithms),
        skew_ms=issuer.skew,
        client_id=client.id,
        secret=secret,
        key=key,
        kid=client.kid,
        method=client.method,
    )


def pages(document: Document, apis: list[EffectiveApi]) -> Iterator[EffectiveApi]:
    """The pages of each way to sign in: an API of the gate's own on the hosts of those that take its sessions."""
    for name in document.sign_in:
        of_each = [api.api.hosts for api in apis if any(_takes(placed.policy, name) for placed in api.authenticate)]
        granting = page_hosts(document, name)
        if granting is not None:
            of_each.append(granting)
        if not of_each:
            continue
        hosts = list(dict.fromkeys(host for hosts in of_each for host in hosts)) if all(of_each) else []
        paths = [PathMatch("prefix", f"/{RESERVED}/{name}")]
        if granting is not None:
            paths.append(PathMatch("exact", f"{WELL_KNOWN}/{RESERVED}/{name}"))
        said = {
            "hosts": hosts,
            "path": paths,
            "methods": ["GET", "HEAD", "POST", *(("PUT", "DELETE") if granting is not None else ())],
            "upstream": PAGES,
            "public": {"owner": "lockgate", "reason": "people sign in here", "until": FOR_EVER},
            "body_limit": {"bytes": f"{BODY_BYTES}B"},
        }
        yield effective(document, f"{PAGES}{name}", Api.model_construct(**_parsed(said)))


def _parsed(said: dict[str, Any]) -> dict[str, Any]:
    # Its path is one that no file may say, and its upstream too: the rest goes through the model.
    whole = Api.model_validate({key: value for key, value in said.items() if key not in {"path", "upstream"}})
    fields = {name: getattr(whole, name) for name in Api.model_fields}
    return {**fields, "path": said["path"], "upstream": said["upstream"]}


def _takes(policy: object, name: str) -> bool:
    return isinstance(policy, Session) and policy.sign_in == name


def check(document: Document, apis: list[EffectiveApi]) -> None:
    """Run the rules that look at more than one value."""
    for name, said in document.sign_in.items():
        for index, issuer in enumerate(said.issuers):
            _signs_in(document, ("sign_in", name, "issuers", index), issuer)
    used = {issuer.grants.sign_in for issuer in document.issuers.values() if issuer.grants is not None}
    for api in apis:
        for placed in api.authenticate:
            if isinstance(placed.policy, Session):
                used.add(placed.policy.sign_in)
                known(document, "sign_in", (*placed.path, "sign_in"), placed.policy.sign_in, "sign-in")
            elif isinstance(placed.policy, Jwt | Introspection):
                _audience(document, (*placed.path, "issuer"), placed.policy.issuer)
    people = {name for said in document.sign_in.values() for name in said.issuers}
    for name, one in document.issuers.items():
        if (
            not one.by_password
            and one.grants is None
            and name not in people
            and one.audience is None
            and one.client is None
            and not document.says("issuers", name, "client")
        ):
            _audience(document, ("issuers", name), name)
    if len(apis) == len(document.apis) and not document.problems.errors:
        for name in document.sign_in:
            if name not in used:
                document.problems.add(
                    document.region("sign_in", name),
                    "sign-in-unused",
                    f"no API takes sessions of the sign-in {shown(name)}, so it has no pages",
                    severity="warning",
                    hint=f"write `authenticate: [{{session: {{sign_in: {name}}}}}]` at the API that people open",
                    path=("sign_in", name),
                )


def _signs_in(document: Document, path: Path, name: str) -> None:
    if not known(document, "issuers", path, name, "issuer"):
        return
    issuer = document.issuers.get(name)
    if issuer is not None and issuer.by_password:
        return
    if issuer is not None and issuer.grants is not None:
        document.problems.add(
            document.value_region(*path),
            "issuer-without-client",
            f"the issuer {shown(name)} is this installation itself, which lets programs in and signs nobody in",
            hint="name who knows people",
            path=path,
        )
        return
    if issuer is not None and issuer.client is None and not document.says("issuers", name, "client"):
        document.problems.add(
            document.value_region(*path),
            "issuer-without-client",
            f"nobody can sign in by the issuer {shown(name)}: it does not say what Lockgate is to the provider",
            hint=f'add `client: {{id: …, secret: "${{env:…}}"}}` to `issuers.{name}`',
            path=path,
        )
    elif issuer is not None and issuer.secret is not None:
        document.problems.add(
            document.value_region(*path),
            "issuer-not-found",
            f"the issuer {shown(name)} signs with a shared secret; nobody signs in by it",
            hint="name one whose keys are public",
            path=path,
        )


def _audience(document: Document, path: Path, name: str) -> None:
    issuer = document.issuers.get(name)
    if (
        issuer is not None
        and not issuer.by_password
        and issuer.grants is None
        and issuer.audience is None
        and not document.says("issuers", name, "audience")
    ):
        document.problems.add(
            document.value_region(*path),
            "audience-missing",
            f"the issuer {shown(name)} does not say for whom its tokens must be: one that was made for any other API "
            "would open this one",
            hint=f"add `audience: …` to `issuers.{name}`, what its tokens' `aud` says for this API",
            path=path,
        )
