"""`issuers` and `outgoing`: whose tokens are believed, and what our own calls may reach."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lockgate.addresses import Network
from lockgate.config.model_grants import Grants
from lockgate.config.model_people import Directory, LocalUsers
from lockgate.config.model_sign_in import Client
from lockgate.config.model_urls import Url
from lockgate.policies import Settings
from lockgate.scalars import Scalar, Secret, Text, count, duration, refusal, shown, size

DAY_MS: Final = 86_400_000
SHARED: Final = frozenset({"HS256", "HS384", "HS512"})
OF_OTHERS: Final = frozenset(
    {"client", "algorithms", "jwks", "secret", "introspection", "types", "skew", "max_age", "refresh", "stale_for"}
)
"""What is said of issuers that are not this installation itself."""
MAX_LIST: Final = 32
"""Audiences, types and claims: a list that is longer was made by a program that is wrong."""

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"
]


def _texts(value: object) -> object:
    """A text alone stands for a list of one."""
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and not texts:
        raise refusal("list-empty", "this list is empty", allowed="at least one entry")
    if isinstance(texts, list) and len(texts) > MAX_LIST:
        raise refusal("list-too-long", f"this list has {len(texts)} entries", allowed=f"at most {MAX_LIST}")
    return texts


def _algorithms(value: object) -> object:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and one.lower() == "none":
            raise refusal(
                "algorithm-none", "`none` means that anybody may write tokens", hint="name how they are signed"
            )
    return _texts(value)


Kinds = str | list[Any] | dict[str, Any]
Claims = dict[str, Kinds]
CLAIM_KINDS: Final = ("text", "number", "truth")
MAX_CLAIMS: Final = 200
MAX_NESTED: Final = 4


def parse_claims(value: object, depth: int = 1) -> Claims:
    """Claims by name, each with its kind."""
    if not isinstance(value, dict) or len(value) > MAX_CLAIMS or depth > MAX_NESTED:
        allowed = f"at most {MAX_CLAIMS} names with the kind of each, at most {MAX_NESTED} levels"
        raise refusal("claims-malformed", f"{shown(value)} names no claims", allowed=allowed)
    return {str(name): _kind(name, kind, depth) for name, kind in value.items()}


def _kind(name: object, kind: object, depth: int) -> Kinds:
    if isinstance(kind, dict) and kind:
        return parse_claims(kind, depth + 1)
    if isinstance(kind, list) and len(kind) == 1 and kind[0] in CLAIM_KINDS:
        return list(kind)
    if isinstance(kind, str) and kind in CLAIM_KINDS:
        return kind
    raise refusal(
        "claims-malformed",
        f"{shown(kind)} is not the kind of a claim such as {shown(name)}",
        allowed="`text`, `number`, `truth`, one of these in brackets for a list, or names with their kinds",
    )


class KeySource(Settings):
    """Where an issuer's keys are, if not where its discovery document says."""

    file: Text | None = Field(
        default=None,
        description="A key set (RFC 7517) in a file, relative to this one. A change is taken over at once.",
        examples=["keys/company.json"],
    )
    url: Url | None = Field(
        default=None,
        description="A key set at a URL.",
        examples=["https://login.example.com/realms/main/protocol/openid-connect/certs"],
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.url is None):
            raise refusal("key-source-malformed", "keys come from one place", allowed="`file` or `url`")
        return self


class IntrospectionEndpoint(Settings):
    """How an issuer is asked about tokens (RFC 7662)."""

    url: Url | None = Field(
        default=None,
        description="Where; left out, where the discovery document says (`introspection_endpoint`).",
        examples=["https://login.example.com/realms/main/protocol/openid-connect/token/introspect"],
    )
    timeout: Annotated[int, duration(100, 30_000)] = Field(
        default=5_000,
        description="How long it may take to answer. Who waits longer is told to come back.",
        examples=["5s"],
        json_schema_extra={"default": "5s"},
    )
    concurrent: Annotated[int, count(1, 256)] = Field(
        default=16,
        description="How many questions it is asked at a time. Others wait for their turn, within `timeout`.",
        examples=[16],
    )


class Issuer(Settings):
    """Who may say who somebody is: by tokens, whose keys are fetched as it changes them, or by passwords."""

    issuer: Text = Field(
        default="",
        description="The issuer as its tokens' claim `iss` says it, letter by letter. Without `jwks` and `secret` it "
        "is a URL, and the keys are found by its discovery document (OpenID Connect, or RFC 8414), which must name the "
        "same issuer. It must be said, but with `users` or `ldap`: what those say is of `urn:lockgate:NAME`.",
        examples=["https://login.example.com/realms/main"],
    )
    users: LocalUsers | None = Field(
        default=None,
        description="People that this installation knows by itself, with passwords; `lockgate users` adds them. "
        "`users: {}` is enough.",
        examples=[{"pages": "https://portal.example.com"}],
    )
    ldap: Directory | None = Field(
        default=None,
        description="A directory that says whether a password is somebody's.",
        examples=[
            {
                "url": "ldaps://ldap.example.com",
                "template": "uid={name},ou=people,dc=example,dc=com",
                "base": "ou=people,dc=example,dc=com",
            }
        ],
    )
    grants: Grants | None = Field(
        default=None,
        description="This installation issues the tokens itself: for programs of others (`apps`) that people let in on "
        "its own pages. `issuer` is then `https://HOST/.lockgate/SIGN_IN`.",
        examples=[{"sign_in": "customers", "scopes": {"orders:read": "see your orders"}}],
    )
    audience: Annotated[list[Text], BeforeValidator(_texts)] | None = Field(
        default=None,
        description="What a token's claim `aud` must name one of: this API, as the identity provider knows it. Without "
        "it a token that was made for any other API would open this one, so `jwt` wants it; signing in does not.",
        examples=["https://api.example.com", ["orders", "orders-internal"]],
    )
    client: Client | None = Field(
        default=None,
        description="What Lockgate is to the provider: for people to sign in by it (`sign_in`), and to ask it about "
        "tokens (`introspection`).",
        examples=[{"id": "lockgate", "secret": "${env:OIDC_SECRET}"}],
    )
    algorithms: Annotated[list[Algorithm], BeforeValidator(_algorithms)] = Field(
        default=["RS256", "PS256", "ES256", "EdDSA"],
        description="How tokens may be signed; nothing else is taken. The `HS…` ones want `secret`, and go with no "
        "other.",
        examples=[["ES256", "RS256"]],
    )
    jwks: KeySource | None = Field(
        default=None,
        description="Where the keys are; left out, where the discovery document says.",
        examples=[{"file": "keys/company.json"}],
    )
    secret: Secret | None = Field(
        default=None,
        description="A secret that the issuer shares, for `HS256` (at least 32 bytes), `HS384` (48) or `HS512` (64). "
        "Whoever can verify with it can make tokens as well: prefer public keys.",
        examples=["${file:company.secret}"],
    )
    introspection: IntrospectionEndpoint = Field(
        default_factory=IntrospectionEndpoint,
        description="How the issuer is asked about tokens, where an API says `introspection`.",
        examples=[{"url": "https://login.example.com/introspect", "timeout": "2s"}],
    )
    claims: Annotated[Claims, Scalar(parse_claims, {"type": "object", "additionalProperties": True})] = Field(
        default={},
        description="The kinds of claims that policies in Cedar may look at: `text`, `number` (a whole one), `truth`, "
        "one of these in brackets for a list, or names with their kinds for claims within a claim.",
        examples=[{"tenant": "text", "level": "number", "groups": ["text"], "realm_access": {"roles": ["text"]}}],
    )
    types: Annotated[list[Text], BeforeValidator(_texts)] = Field(
        default=["at+jwt", "JWT"],
        description="What a token's `typ` may be. `[at+jwt]` alone takes access tokens of RFC 9068 and nothing that "
        "could be mistaken for one.",
        examples=[["at+jwt"]],
    )
    skew: Annotated[int, duration(0, 600_000)] = Field(
        default=30_000,
        description="How far the clocks of the issuer and the gate may differ.",
        examples=["30s"],
        json_schema_extra={"default": "30s"},
    )
    max_age: Annotated[int, duration(1_000, 366 * DAY_MS)] | None = Field(
        default=None,
        description="How long ago a token may have been issued, whatever its `exp` says. Wants `iat` in it.",
        examples=["12h"],
    )
    require: Annotated[list[Text], BeforeValidator(_texts)] | None = Field(
        default=None,
        description="Claims that a token must have, besides `iss`, `aud`, `exp` and `sub`.",
        examples=[["scope", "client_id"]],
    )
    token_bytes: Annotated[int, size(256, 64 * 2**10)] = Field(
        default=8 * 2**10,
        description="Longest token. A listener's `limits.head_bytes` bounds all headers together.",
        examples=["8KiB"],
        json_schema_extra={"default": "8KiB"},
    )
    refresh: Annotated[int, duration(1_000, DAY_MS)] = Field(
        default=600_000,
        description="How often keys are fetched again where the issuer's Cache-Control says nothing else; never less "
        "often than a quarter of `stale_for`. A token with a key not known has them fetched at once.",
        examples=["10m"],
        json_schema_extra={"default": "10m"},
    )
    stale_for: Annotated[int, duration(1_000, 366 * DAY_MS)] = Field(
        default=DAY_MS,
        description="How long keys are believed that the issuer could not confirm, because it is down. After that its "
        "tokens are refused with `jwt-keys-stale`.",
        examples=["24h"],
        json_schema_extra={"default": "24h"},
    )

    @property
    def by_password(self) -> bool:
        """Whether it knows people by passwords, and issues no tokens."""
        return self.users is not None or self.ldap is not None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        said = [name for name in type(self).model_fields if name in self.model_fields_set]
        kinds = [name for name in ("users", "ldap") if name in said]
        if not kinds and not self.issuer:
            raise refusal(
                "issuer-unnamed",
                "it is not said who this issuer is",
                allowed="`issuer`, as its tokens say it; or `users`, or `ldap`",
            )
        before, found, rest = self.issuer.partition("/.well-known/")
        if found:
            _, _, behind = rest.partition("/")
            raise refusal(
                "issuer-metadata",
                "this is where the issuer's metadata are, and no token's `iss` says it",
                hint=f"write {shown(before + (f'/{behind}' if behind else ''))}, from where its discovery document is "
                "found",
                at=("issuer",),
            )
        others = [name for name in said if name not in {*kinds[:1], "issuer"}]
        foreign = [one for one in said if one in OF_OTHERS]
        if self.grants is not None and not kinds and foreign:
            raise refusal(
                "issuer-two-kinds",
                f"this installation issues the tokens itself (`grants`), and `{foreign[0]}` is about others' issuers",
                hint=f"take `{foreign[0]}` out",
                at=(foreign[0],),
            )
        if kinds and others:
            raise refusal(
                "issuer-two-kinds",
                f"an issuer with `{kinds[0]}` issues no tokens, and `{others[0]}` is about them"
                if others[0] not in kinds
                else "an issuer knows people one way",
                hint=f"take `{others[0]}` out, or make another issuer of it",
                at=(others[0],),
            )
        return self


class Outgoing(Settings):
    """Lockgate's own calls, for issuers' keys, to ACME authorities and OCSP responders. Upstreams are not meant."""

    allow: list[Network] = Field(
        default=[],
        description="Networks that may be called besides public addresses, and without TLS. Without it a name that "
        "resolves to a private, loopback, link-local or metadata address is not called.",
        examples=[["10.0.0.0/8"]],
    )
    trust: Text | None = Field(
        default=None,
        description="A file of certificates (PEM), relative to this one, to trust in the place of the system's.",
        examples=["internal-ca.pem"],
    )
