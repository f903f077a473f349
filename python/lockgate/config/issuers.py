"""Issuers: what holds between their fields, their key files, and what the bundle says of them."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

from lockgate import _native
from lockgate.config import bundle_types as types
from lockgate.config.document import Document
from lockgate.config.effective import EffectiveApi
from lockgate.config.known import known
from lockgate.config.model_issuers import SHARED, Issuer
from lockgate.config.people import asked_at, issues_nothing
from lockgate.config.references import References, client_references, secret_reference
from lockgate.outgoing import Rules
from lockgate.policies import Basic, Introspection, Jwt, Session, Signature
from lockgate.scalars import shown

TURN_MS: Final = 5_000
"""How long a password may wait until it is looked at: hashing takes long, and is done for few at a time."""
OWN: Final = ["at+jwt"]
"""What tokens are that this installation issues (RFC 9068)."""
KEY_FILE_BYTES: Final = 2**20
"""64 keys with their certificates have some 200 KiB."""

Kind = Literal["file", "url", "discovery", "own"]


@dataclass(frozen=True, slots=True)
class KeyOrigin:
    """Where the keys of one issuer are."""

    name: str
    issuer: str
    kind: Kind
    location: str
    refresh_ms: int
    stale_for_ms: int

    @property
    def source(self) -> str:
        """What tells this origin from every other, as the bundle and the facts say it."""
        return f"{self.kind}:{self.location}"


@dataclass(frozen=True, slots=True)
class AskedIssuer:
    """How one issuer is asked about tokens; there is no secret in it."""

    name: str
    issuer: str
    url: str | None
    """Where; none where the discovery document says it."""
    client_id: str
    secret: str | None
    """`env:NAME` or `file:/path`."""
    method: str | None
    """How the client proves itself; none where that follows from what it has and the discovery document says."""
    timeout_ms: int
    concurrent: int
    key: str | None = None
    """A reference, as `secret`; a client has one of them."""
    kid: str | None = None

    @property
    def source(self) -> str:
        """What tells it from every other, as the bundle says it."""
        return _asked_at(self.url, self.issuer, self.client_id)


def _asked_at(url: str | None, issuer: str, client: str) -> str:
    return f"{'discovery' if url is None else 'url'}:{url or issuer} as {client}"


def asked(document: Document, references: References) -> Iterator[AskedIssuer]:
    """The issuers that are asked about tokens."""
    wanted = _used(document, Introspection)
    for name, issuer in document.issuers.items():
        client = issuer.client
        if name not in wanted or client is None or (client.secret is None and client.key is None):
            continue
        secret, key = client_references(document, name, client, references)
        how = issuer.introspection
        yield AskedIssuer(
            name, issuer.issuer, how.url, client.id, secret, client.method, how.timeout, how.concurrent, key, client.kid
        )


def asking(document: Document, policy: Introspection | Basic) -> dict[str, Any]:
    """What the bundle says of asking, beside what the policy itself does."""
    issuer = document.issuers[policy.issuer]
    if isinstance(policy, Basic):
        directory_ms = issuer.ldap.timeout if issuer.ldap is not None else 0
        return {"source": asked_at(issuer.issuer), "timeout_ms": TURN_MS + directory_ms}
    client = issuer.client.id if issuer.client is not None else ""
    return {
        "source": _asked_at(issuer.introspection.url, issuer.issuer, client),
        "timeout_ms": issuer.introspection.timeout,
    }


def of_api(document: Document, api: EffectiveApi) -> list[str]:
    """The issuers whose credentials an API takes, by their names."""
    found: list[str] = []
    for placed in api.authenticate:
        policy = placed.policy
        if isinstance(policy, Session):
            found += document.sign_in[policy.sign_in].issuers if policy.sign_in in document.sign_in else []
        elif isinstance(policy, Jwt | Introspection | Basic):
            found.append(policy.issuer)
    return [name for name in dict.fromkeys(found) if name in document.issuers]


def _used(document: Document, *kinds: type[Introspection | Jwt | Signature]) -> set[str]:
    """The issuers whose tokens or keys some API takes in one of these ways."""
    ways = (way for api in document.apis.values() for entry in api.authenticate or () for way in entry.ways)
    policies = (policy for way in ways for policy in (way.jwt, way.introspection, way.signature))
    used = (policy.issuer for policy in policies if isinstance(policy, kinds))
    return {issuer for issuer in used if issuer is not None}


def keys_in_file(origin: KeyOrigin, confirmed_ms: int) -> dict[str, Any]:
    """The keys that an issuer's file holds now, as an engine is told of them.

    Raises `OSError`, `ValueError` or `LockgateError` where it cannot be read as keys.
    """
    keys = _native.read_key_set(read_key_file(Path(origin.location)))["keys"]
    return {"issuer": origin.name, "source": origin.source, "confirmed_ms": confirmed_ms, "keys": keys}


def origins(document: Document, references: References) -> Iterator[KeyOrigin]:
    """Where the keys of each issuer are, but for those with a shared secret, and those that are only asked."""
    only_asked = _used(document, Introspection) - _used(document, Jwt, Signature)
    for name, issuer in document.issuers.items():
        origin = _origin(document, name, issuer, references)
        if origin is not None and name not in only_asked:
            yield origin


def outgoing(document: Document, references: References) -> Rules:
    """What our own calls may reach."""
    said = document.outgoing
    trust = None if said.trust is None else str(_absolute(document, ("outgoing", "trust"), said.trust, references))
    return Rules(tuple(ipaddress.ip_network(network) for network in said.allow), trust)


def rules(document: Document, name: str, issuer: Issuer, references: References) -> types.Rules:
    """What the bundle says of an issuer."""
    return {
        "issuer": issuer.issuer,
        "audiences": issuer.audience or _audiences(name, issuer),
        "algorithms": issuer.algorithms if issuer.grants is None else ["ES256"],
        "types": [one.lower().removeprefix("application/") for one in issuer.types] if issuer.grants is None else OWN,
        "skew_ms": issuer.skew,
        "max_age_ms": issuer.max_age,
        "require": issuer.require or [],
        "token_bytes": issuer.token_bytes,
        "stale_for_ms": issuer.stale_for,
        "keys": _keys(document, name, issuer, references),
    }


def _audiences(name: str, issuer: Issuer) -> list[str]:
    """Of an issuer that only signs people in: `jwt` takes none of its tokens, and they are revoked by its name."""
    if issuer.by_password:
        return [name]
    if issuer.grants is not None:
        return [issuer.issuer]
    return [issuer.client.id] if issuer.client is not None else []


def read_files(document: Document, references: References) -> None:
    """Read each issuer's key file, and note what keeps it from being used."""
    for name, issuer in document.issuers.items():
        if issuer.jwks is None or issuer.jwks.file is None:
            continue
        path = ("issuers", name, "jwks", "file")
        target = _absolute(document, path, issuer.jwks.file, references)
        references.name(target)
        try:
            read_key_file(target)
        except OSError as error:
            message = f"{references.say(target)} cannot be read: {error.strerror or error}"
            document.problems.add(document.value_region(*path), "file-unreadable", message, path=path)
        except ValueError as error:
            message = f"{references.say(target)}: {error}"
            document.problems.add(document.value_region(*path), "key-set-malformed", message, path=path)


def read_key_file(target: Path) -> bytes:
    """The text of a file with keys that a gate can use; raises `OSError` or `ValueError`."""
    # A pipe would make the load wait for whoever writes to it, and a device has no end.
    if not target.is_file():
        raise FileNotFoundError(2, "there is no such file")
    with target.open("rb") as stream:
        text = stream.read(KEY_FILE_BYTES + 1)
    if len(text) > KEY_FILE_BYTES:
        raise ValueError("it is larger than 1MiB")
    try:
        read = _native.read_key_set(text)
    except _native.LockgateError as error:
        raise ValueError(str(error)) from error
    if not read["keys"]:
        why = "; ".join(f"{key['kid'] or 'a key without `kid`'}: {key['why']}" for key in read["unusable"])
        raise ValueError(f"no key in it can be used{': ' if why else ''}{why}")
    return text


def check(document: Document, apis: list[EffectiveApi], references: References) -> None:
    """Run the rules that look at more than one value."""
    _trust(document, references)
    for name, issuer in document.issuers.items():
        if issuer.by_password or issuer.grants is not None:
            continue
        _secret_or_keys(document, name, issuer)
        _reachable(document, name, issuer)
        _askable(document, name, issuer)
    used = {name for said in document.sign_in.values() for name in said.issuers}
    used |= {one.token.issuer for one in document.upstreams.values() if one.token is not None}
    for api in apis:
        for placed in api.authenticate:
            policy = placed.policy
            if not isinstance(policy, Jwt | Introspection | Signature | Basic) or policy.issuer is None:
                continue
            used.add(policy.issuer)
            path = (*placed.path, "issuer")
            if not known(document, "issuers", path, policy.issuer, "issuer"):
                continue
            if isinstance(policy, Basic):
                _knows_people(document, path, policy.issuer)
            else:
                issues_nothing(document, path, policy.issuer)
        _asks_one(document, api)
    # What is wrong elsewhere may be just what would use it.
    if len(apis) == len(document.apis) and not document.problems.errors:
        for name in document.issuers:
            if name not in used:
                document.problems.add(
                    document.region("issuers", name),
                    "issuer-unused",
                    f"no API takes {'people' if document.issuers[name].by_password else 'tokens'} of the issuer "
                    f"{shown(name)}",
                    severity="warning",
                    path=("issuers", name),
                )


def _knows_people(document: Document, path: tuple[str | int, ...], name: str) -> None:
    issuer = document.issuers.get(name)
    if issuer is not None and not issuer.by_password:
        document.problems.add(
            document.value_region(*path),
            "issuer-without-people",
            f"the issuer {shown(name)} knows nobody by a password",
            hint="name one with `users` or `ldap`; a provider's people sign in on its own pages (`session`)",
            path=path,
        )


def _trust(document: Document, references: References) -> None:
    if document.outgoing.trust is None:
        return
    path = ("outgoing", "trust")
    target = _absolute(document, path, document.outgoing.trust, references)
    references.name(target)
    try:
        ssl.create_default_context(cafile=str(target))
    except OSError as error:  # Among them `SSLError`.
        message = f"the certificates in {references.say(target)} cannot be read: {error.strerror or error}"
        document.problems.add(document.value_region(*path), "file-unreadable", message, path=path)


def _secret_or_keys(document: Document, name: str, issuer: Issuer) -> None:
    path = ("issuers", name)
    shared = [one for one in issuer.algorithms if one in SHARED]
    if issuer.secret is not None and issuer.jwks is not None:
        document.problems.add(
            document.region(*path, "jwks"),
            "issuer-two-keys",
            f"the issuer {shown(name)} has a shared secret and public keys",
            hint="take `secret` or `jwks` out",
            path=(*path, "jwks"),
        )
    elif issuer.secret is not None and len(shared) < len(issuer.algorithms):
        document.problems.add(
            document.region(*path, "algorithms"),
            "algorithms-mixed",
            f"the issuer {shown(name)} has a shared secret, and takes what is signed with other keys",
            allowed="`HS256`, `HS384` and `HS512`, with a secret",
            hint="write `algorithms: [HS256]`",
            path=(*path, "algorithms"),
        )
    elif issuer.secret is None and shared:
        document.problems.add(
            document.region(*path, "algorithms"),
            "algorithms-mixed",
            f"`{shared[0]}` wants a secret that the issuer shares, and a public key must never be taken for one",
            hint='take it out, or add `secret: "${file:…}"` and take the others out',
            path=(*path, "algorithms"),
        )


def _askable(document: Document, name: str, issuer: Issuer) -> None:
    """Say before the first question what would keep it from being put."""
    if name not in _used(document, Introspection):
        return
    if issuer.client is None:
        document.problems.add(
            document.region("issuers", name),
            "issuer-no-client",
            f"APIs have the issuer {shown(name)} asked about tokens, and nobody says who asks",
            hint='add `client: {id: lockgate, secret: "${env:OIDC_SECRET}"}`, as it is registered there',
            path=("issuers", name),
        )
    elif issuer.client.secret is None and issuer.client.key is None:
        document.problems.add(
            document.region("issuers", name, "client"),
            "client-method-unfit",
            f"APIs have the issuer {shown(name)} asked about tokens, and its `client` has no `secret` or `key` to "
            "ask with",
            hint="add one of them, or take `introspection` out where tokens of this issuer are taken",
            path=("issuers", name, "client"),
        )
    if issuer.introspection.url is not None:
        plain = "whoever is on the way could read tokens and let anybody in"
        url = issuer.introspection.url.partition("?")[0]
        _callable(document, ("issuers", name, "introspection", "url"), url, "", plain)
    elif name not in _used(document, Jwt, Signature):
        plain = "whoever is on the way could say of themselves where it is asked"
        hint = "say where it is asked about tokens: `introspection: {url: …}`"
        _callable(document, ("issuers", name, "issuer"), issuer.issuer, hint, plain)


def _asks_one(document: Document, api: EffectiveApi) -> None:
    """No token is shown to two issuers: the other one could use it."""
    before: dict[str, str] = {}
    for placed in api.authenticate:
        if not isinstance(placed.policy, Introspection):
            continue
        place = str(placed.policy.place).lower()
        other = before.get(place)
        before[place] = placed.policy.issuer
        if other is not None:
            document.problems.add(
                document.region(*placed.path),
                "introspection-twice",
                f"tokens in this place are shown to the issuer {shown(other)} already",
                hint="read the other issuer's tokens from another `header`, or take this entry out",
                path=placed.path,
            )


def _reachable(document: Document, name: str, issuer: Issuer) -> None:
    """Say before the first call what would keep it from being made."""
    if issuer.secret is not None or (issuer.jwks is not None and issuer.jwks.file is not None):
        return
    if name in _used(document, Introspection) - _used(document, Jwt, Signature):
        return  # No keys of its are wanted.
    path: tuple[str, ...] = ("issuers", name, "issuer")
    url = issuer.issuer
    if issuer.jwks is not None and issuer.jwks.url is not None:
        path, url = ("issuers", name, "jwks", "url"), issuer.jwks.url
    hint = "name the keys with `jwks: {url: …}` or `jwks: {file: …}`"
    _callable(document, path, url, hint, "whoever is on the way could put keys of their own in")


def _callable(document: Document, path: tuple[str, ...], url: str, hint: str, plain: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:  # Brackets without an address of IPv6 between them.
        parts = urlsplit("")
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
        document.problems.add(
            document.value_region(*path),
            "issuer-not-found",
            f"{shown(url)} is no URL below which a discovery document could lie",
            hint=hint,
            path=path,
        )
    elif parts.scheme == "http" and not _allowed(document, parts.hostname):
        document.problems.add(
            document.value_region(*path),
            "issuer-plain",
            f"{shown(url)} is not encrypted: {plain}",
            hint="use https; for an issuer of your own network, add it to `outgoing: {allow: [10.0.0.0/8]}`",
            path=path,
        )


def _allowed(document: Document, host: str) -> bool:
    """Whether a host may be called without TLS; a name's addresses are not known before the call."""
    if not document.outgoing.allow:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    networks = [ipaddress.ip_network(network, strict=False) for network in document.outgoing.allow]
    return any(address.version == network.version and address in network for network in networks)


def _origin(document: Document, name: str, issuer: Issuer, references: References) -> KeyOrigin | None:
    if issuer.secret is not None or issuer.by_password:
        return None
    if issuer.grants is not None:
        return KeyOrigin(name, issuer.issuer, "own", str(issuer.grants.rotation), issuer.refresh, issuer.stale_for)
    kind: Kind = "discovery"
    location = issuer.issuer
    if issuer.jwks is not None and issuer.jwks.file is not None:
        kind = "file"
        location = str(_absolute(document, ("issuers", name, "jwks", "file"), issuer.jwks.file, references))
    elif issuer.jwks is not None and issuer.jwks.url is not None:
        kind, location = "url", issuer.jwks.url
    return KeyOrigin(name, issuer.issuer, kind, location, issuer.refresh, issuer.stale_for)


def _keys(document: Document, name: str, issuer: Issuer, references: References) -> types.KeySource:
    if issuer.secret is not None:
        item = document.item("issuers", name, "secret")
        return cast("types.KeySource", {"secret": secret_reference(issuer.secret, item, references)})
    if issuer.by_password:
        # There are no keys: `jwt` does not take such an issuer, and none are ever fetched.
        return cast("types.KeySource", {"published": asked_at(issuer.issuer)})
    origin = _origin(document, name, issuer, references)
    if origin is None:
        message = "an issuer without keys and without a secret passed the checks"
        raise ValueError(message)
    return cast("types.KeySource", {"published": origin.source})


def _absolute(document: Document, path: tuple[str, ...], name: str, references: References) -> Path:
    item = document.item(*path)
    return references.absolute(name, item.file if item is not None else 0)
