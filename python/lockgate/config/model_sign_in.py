"""`sign_in`: how people sign in with a browser; and what Lockgate is to a provider (`client`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lockgate.policies import Settings
from lockgate.scalars import Name, Scalar, Secret, Text, duration, refusal, shown

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
MAX_LIST: Final = 32
KEPT: Final = frozenset({"iss", "sub", "jti", "iat", "exp", "sid", "aud", "azp", "nonce", "device", "earlier_auth"})
"""Claims that a session has anyway, or that are no one's business once a person has signed in."""

PASSWORD: Final = "pwd"  # noqa: S105 - a means (RFC 8176), and no password
"""What `amr` says where somebody has signed in by a password."""

Factor = Literal["passkey", "totp"]
MEANS: Final[Mapping[str, frozenset[str]]] = {
    "passkey": frozenset({"hwk", "swk", "user", "mfa"}),
    "totp": frozenset({"otp", "mfa"}),
}
"""What a session says of how its person was authenticated (`amr`, RFC 8176) once a second factor was shown here."""
Method = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


class Client(Settings):
    """What Lockgate is to the provider: a client that was registered there."""

    id: Text = Field(description="The `client_id` that the provider gave it.", examples=["lockgate"])
    secret: Secret | None = Field(
        default=None,
        description="Its secret. Only the control process reads it; gates never have it.",
        examples=["${env:OIDC_SECRET}"],
    )
    key: Secret | None = Field(
        default=None,
        description="Its private key (PEM, P-256 or RSA), in the place of a secret: the provider knows the public part "
        "and nobody else can prove to be this client (`private_key_jwt`, RFC 7523).",
        examples=["${file:client.key}"],
    )
    kid: Text | None = Field(
        default=None, description="How the provider names that key, where it wants to be told.", examples=["2026-1"]
    )
    method: Method | None = Field(
        default=None,
        description="How it proves itself. Left out, `private_key_jwt` with a `key`; with a `secret` "
        "`client_secret_basic`, or `client_secret_post` where the provider offers only that; with neither, `none`.",
        examples=["client_secret_post"],
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.secret is not None and self.key is not None:
            raise refusal("client-two-proofs", "a client has a secret or a key", hint="take `secret` or `key` out")
        wants = {"private_key_jwt": "key", "none": None}.get(self.method or "", "secret")
        has = "key" if self.key is not None else "secret" if self.secret is not None else None
        if self.method is not None and wants != has:
            raise refusal(
                "client-method-unfit",
                f"`{self.method}` wants {f'`{wants}`' if wants else 'neither `secret` nor `key`'}",
                hint="leave `method` out: it follows from what is there",
            )
        return self


def _names(value: object) -> object:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list) and not names:
        raise refusal("list-empty", "this list is empty", allowed="at least one name under `issuers`")
    if isinstance(names, list) and len(names) != len({str(name) for name in names}):
        raise refusal("list-repeated", "an issuer stands here twice", hint="name each once")
    return names


def _scopes(value: object) -> object:
    scopes = value.split() if isinstance(value, str) else value
    if isinstance(scopes, list) and "openid" not in scopes:
        raise refusal(
            "scope-openid", "without the scope `openid` nobody says who signed in", hint="add `openid` to the list"
        )
    return scopes


def parse_claim(value: object) -> str:
    """A claim's name that a session can hold besides its own."""
    if isinstance(value, str) and value in KEPT:
        raise refusal("claim-reserved", f"{shown(value)} is in a session anyway, or has no place in it")
    if isinstance(value, str) and 0 < len(value) <= 128 and value.isprintable():
        return value
    raise refusal("claim-malformed", f"{shown(value)} is no claim's name", allowed="1 to 128 characters")


class SignIn(Settings):
    """A way to sign in: its pages lie below `/.lockgate/NAME` on the hosts of every API that takes its sessions."""

    issuers: Annotated[list[Name], BeforeValidator(_names)] = Field(
        max_length=MAX_LIST,
        description="Who signs people in: names under `issuers` that have a `client`, `users` or `ldap`. With more "
        "than one, a page lets people choose.",
        examples=[["company"]],
    )
    scopes: Annotated[list[Text], BeforeValidator(_scopes)] = Field(
        default=["openid", "profile", "email"],
        max_length=MAX_LIST,
        description="What the provider is asked for.",
        examples=[["openid", "email", "groups"]],
    )
    claims: list[Annotated[str, Scalar(parse_claim, {"type": "string"})]] = Field(
        default=["name", "email", "email_verified", "preferred_username", "groups", "roles", "acr", "amr", "auth_time"],
        max_length=MAX_LIST,
        description="What of the provider's claims (ID token and userinfo) a session holds. A cookie has room for "
        "3.8 KiB; where they do not fit, signing in says so.",
        examples=[["email", "groups"]],
    )
    lifetime: Annotated[int, duration(MINUTE_MS, 30 * DAY_MS)] = Field(
        default=8 * 3_600_000,
        description="How long a session lasts. After that the provider is asked again; who is still signed in there "
        "notices nothing of it.",
        examples=["8h"],
        json_schema_extra={"default": "8h"},
    )
    refresh: Annotated[int, duration(1_000, 30 * DAY_MS)] = Field(
        default=15 * MINUTE_MS,
        description="How old may be what a session says. After that the provider is asked, with the refresh token that "
        "it gave, whether the person is still who they were: while a request waits, and nobody notices. Where it says "
        "no, the session ends. Providers that give no refresh token are not asked; many want the scope "
        "`offline_access`.",
        examples=["5m"],
        json_schema_extra={"default": "15m"},
    )
    grace: Annotated[int, duration(0, DAY_MS)] = Field(
        default=3_600_000,
        description="How long sessions go on, over `refresh`, that the provider cannot be asked about: it is down, or "
        "the control process is.",
        examples=["0s"],
        json_schema_extra={"default": "1h"},
    )
    second_factor: list[Factor] = Field(
        default=[],
        max_length=2,
        description="Second factors that people can add here, for `step_up`: `passkey` (fingerprint, face, security "
        "key) and `totp` (codes of an app). Left out, `step_up` sends people back to the provider.",
        examples=[["passkey", "totp"]],
    )
    title: Text | None = Field(
        default=None,
        max_length=80,
        description="What the pages call the place that one signs in to; left out, its host.",
        examples=["Example Ltd"],
    )

    @property
    def own_means(self) -> frozenset[str]:
        """Means by which people can prove themselves here, whatever the provider says (`amr`)."""
        return frozenset[str]().union(*(MEANS[factor] for factor in self.second_factor))
