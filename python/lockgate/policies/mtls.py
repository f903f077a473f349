"""`mtls`: the certificate that a client shows in its handshake proves who calls."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from typing_extensions import override

from lockgate.addresses import Network
from lockgate.expressions import parse_regex
from lockgate.policies._base import Authentication, Lists, Settings
from lockgate.scalars import Pin, Scalar, refusal, shown

ATTRIBUTES: Final = (
    "CN",
    "serialNumber",
    "C",
    "L",
    "ST",
    "STREET",
    "O",
    "OU",
    "DC",
    "UID",
    "emailAddress",
)
"""Attributes of a subject, by their short names; the core has the same."""
MAX_ALLOW: Final = 1_000
MAX_BYTES: Final = 256
MAX_STARS: Final = 8

KnownBy = Literal["any", "spiffe", "uri", "dns", "email", "subject", "common_name", "spki"]

_ALLOWED: Final = "a text, in which `*` stands for a part and `**` for any number of them, or `{regex: …}`"
_SCHEMA: Final = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": MAX_BYTES},
        {
            "type": "object",
            "properties": {"regex": {"type": "string"}},
            "required": ["regex"],
            "additionalProperties": False,
        },
    ]
}


class Like(NamedTuple):
    """What a name must be like."""

    kind: Literal["text", "regex"]
    text: str

    def __str__(self) -> str:
        """As the file says it."""
        return self.text if self.kind == "text" else f"{{regex: {self.text}}}"


def parse_like(value: object) -> Like:
    """A text with stars, or an expression."""
    if isinstance(value, Like):
        return value
    if isinstance(value, dict) and value.keys() == {"regex"}:
        return Like("regex", parse_regex(value["regex"]))
    if not isinstance(value, str) or not value or not value.isprintable():
        raise refusal("name-malformed", f"{shown(value)} is no name to look for", allowed=_ALLOWED)
    if len(value.encode()) > MAX_BYTES or value.count("*") > MAX_STARS:
        most = f"at most {MAX_BYTES} bytes, with at most {MAX_STARS} stars"
        raise refusal("name-malformed", "this name is too long", allowed=most)
    return Like("text", value)


def _of_kind(kind: str, form: str, example: str) -> AfterValidator:
    """Refuses a text that no name of this kind can be like."""

    def checked(like: Like) -> Like:
        if like.kind == "text" and not re.fullmatch(form, like.text):
            raise refusal("name-malformed", f"{shown(like.text)} is no {kind}", allowed=f"such as `{example}`")
        return like

    return AfterValidator(checked)


Name = Annotated[Like, Scalar(parse_like, _SCHEMA)]


def parse_attribute(value: object) -> str:
    """The short name of a subject's attribute."""
    if isinstance(value, str) and value in ATTRIBUTES:
        return value
    folded = {known.lower(): known for known in ATTRIBUTES}
    close = difflib.get_close_matches(str(value).lower(), folded, n=1)
    guess = f"did you mean `{folded[close[0]]}`?" if close else None
    raise refusal(
        "subject-attribute-unknown",
        f"{shown(value)} is no attribute of a subject",
        allowed=", ".join(ATTRIBUTES),
        hint=guess,
    )


Attribute = Annotated[str, Scalar(parse_attribute, {"type": "string", "enum": list(ATTRIBUTES)})]


class Wanted(Settings):
    """What one certificate must be; all that is said must hold."""

    spiffe: (
        Annotated[Name, _of_kind("SPIFFE ID", r"(spiffe://|\*)[!-~]+", "spiffe://example.org/ns/shop/**")] | None
    ) = Field(
        default=None,
        description="Its SPIFFE ID: a `*` stands for one segment of the path, `**` for any number of them. A "
        "certificate with more than one URI has none.",
        examples=["spiffe://example.org/ns/shop/**"],
    )
    uri: Annotated[Name, _of_kind("URI", r"[!-~]+", "urn:example:shop:*")] | None = Field(
        default=None,
        description="One of its URIs: `*` goes up to the next `/`, `**` beyond it.",
        examples=["urn:example:shop:*"],
    )
    dns: Annotated[Name, _of_kind("DNS name", r"[A-Za-z0-9._*-]+", "*.partners.example.com")] | None = Field(
        default=None,
        description="One of its DNS names: `*` stands for one label, `**` for any number of them. A name that has a "
        "`*` of its own is nobody's.",
        examples=["*.partners.example.com"],
    )
    email: Annotated[Name, _of_kind("address of e-mail", r"[!-~]*[@*][!-~]*", "*@example.com")] | None = Field(
        default=None,
        description="One of its addresses of e-mail: `*` stands for what is before the `@`, or behind it.",
        examples=["*@example.com"],
    )
    ip: Network | None = Field(
        default=None,
        description="The network that one of its IP addresses is of. Where the client calls from is another matter: "
        "for that there is `ip_filter`.",
        examples=["10.20.0.0/16"],
    )
    subject: dict[Attribute, Name] = Field(
        default={},
        description="Attributes of its subject, by their short names; each has to be there once, and `*` stands for "
        "anything.",
        examples=[{"O": "Example Ltd", "OU": "Payments"}],
    )
    spki: Pin | None = Field(
        default=None,
        description="The hash of its public key, as pins of upstreams have it: one key, whoever vouches for it.",
        examples=["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any((self.spiffe, self.uri, self.dns, self.email, self.ip, self.subject, self.spki)):
            raise refusal(
                "certificate-rule-empty",
                "this entry wants nothing, so it would be every certificate",
                hint="name what it must be, or leave `allow` out",
            )
        return self

    def bundled(self) -> dict[str, Any]:
        """As the bundle has it."""
        return {
            **{kind: _like(getattr(self, kind)) for kind in ("spiffe", "uri", "dns", "email")},
            "ip": self.ip,
            "subject": {name: _like(like) for name, like in self.subject.items()},
            "spki": self.spki,
        }


def _like(like: Like | None) -> dict[str, str] | None:
    return None if like is None else {like.kind: like.text}


def _entries(value: object) -> object:
    if value == []:
        raise refusal(
            "list-empty",
            "an empty `allow` would mean none or any, depending on who reads it",
            hint="leave it out for every certificate that the listener trusts",
        )
    if isinstance(value, dict):
        raise refusal("allow-malformed", "`allow` is a list", hint="begin the entry with `-`")
    if isinstance(value, list) and len(value) > MAX_ALLOW:
        raise refusal("list-too-long", f"this list has {len(value)} entries", allowed=f"at most {MAX_ALLOW}")
    return value


class Mtls(Authentication):
    """Takes certificates that the listener or the host trusts: `tls.client_certificates` says whose those are."""

    room: ClassVar[str] = "mtls"

    allow: Annotated[list[Wanted], BeforeValidator(_entries)] = Field(
        default=[],
        description="The certificates that open the API: any one of these. Left out, every one that the listener or "
        "the host trusts.",
        examples=[[{"dns": "*.partners.example.com"}, {"spiffe": "spiffe://example.org/ns/shop/**"}]],
    )
    known_by: KnownBy = Field(
        default="any",
        description="By which of its names the caller is known, and counted: the first of its kind. With `any`, the "
        "first that it has of SPIFFE ID, DNS name, e-mail, URI, subject and public key.",
        examples=["dns"],
    )

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it."""
        return {"allow": [wanted.bundled() for wanted in self.allow], "known_by": self.known_by}
