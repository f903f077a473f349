"""A table of requests and what is expected of them, as its file says it."""

from __future__ import annotations

import datetime as dt
import difflib
import ipaddress
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lockgate._native import reasons
from lockgate.addresses import Host
from lockgate.config.model_issuers import Algorithm
from lockgate.policies import Settings
from lockgate.policies.mtls import Attribute
from lockgate.policies.users import MAX_USERS
from lockgate.rehearsal.decisions import DECISION, Decision
from lockgate.rehearsal.devices import USUAL, contradiction, number_of
from lockgate.scalars import Flag, Name, Scalar, ShortForm, Text, count, duration, refusal, shown, size

VERDICTS: Final = ("allow", "deny", "respond")
Verdict = Literal["allow", "deny", "respond"]
MEANT: Final = {
    "redirect": "a redirect is an answer of the gate's own: `respond`, or `{verdict: respond, status: 308}`",
    "preflight": "the answer to a preflight is the gate's own: `respond`",
    **dict.fromkeys(("pass", "ok", "allowed", "accept"), "what is let through is `allow`"),
    **dict.fromkeys(("refuse", "refused", "denied", "block", "reject"), "what is refused is `deny`"),
}
"""Words that others use, and what to write for them."""

MAX_REPEAT: Final = 100_000
"""A limit of a month's requests is tested by its smaller brother."""
MAX_BYTES: Final = 64 * 2**20
"""Room for a body: the largest that anybody would hold in memory to test a bound."""


def parse_moment(value: object) -> int:
    """Milliseconds since the epoch, from a day or a moment; without a zone it is UTC, so that all machines agree."""
    try:
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    at = moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    if at is None or not 1970 <= at.year < 2200 or at.timestamp() < 0:
        raise refusal(
            "moment-malformed",
            f"{shown(value)} is no moment",
            allowed="a day such as 2027-01-31, or a moment such as 2027-01-31T09:30:00Z",
        )
    return int(at.timestamp() * 1000)


def parse_request(value: object) -> tuple[str, str]:
    """`GET /orders`: a method and a path or URL."""
    parts = value.split() if isinstance(value, str) and value.isprintable() else []
    wrong = _no_target(parts[1]) if len(parts) == 2 else "is no request"
    if wrong is not None:
        raise refusal(
            "request-malformed",
            f"{shown(value)} {wrong}",
            allowed="a method and a path or URL, such as `GET /orders` or `GET http://shop.example.com/orders`",
        )
    return parts[0], parts[1]


def _no_target(text: str) -> str | None:
    """Why a request cannot be for `text`; nothing where it can."""
    scheme, separator, _ = text.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        return None if text.startswith("/") or text == "*" else "is no request"
    try:
        host = urlsplit(text).netloc
    except ValueError:
        host = ""
    if not host:
        return "is no request"
    if "@" in host:
        return "names a user, which clients send as `Authorization`: write that header"
    return "holds a fragment, which clients keep for themselves: leave it out" if "#" in text else None


def parse_reason(value: object) -> str:
    """A reason's code; one that there is not would never be met."""
    codes = [reason["code"] for reason in reasons()]
    if value in codes:
        return str(value)
    close = difflib.get_close_matches(str(value), codes, n=1, cutoff=0.5)
    raise refusal(
        "reason-unknown",
        f"{shown(value)} is no reason",
        hint=f"did you mean `{close[0]}`?" if close else "docs/reference/reasons.md lists them all",
    )


def parse_device(value: object) -> str:
    """A word for what is known of a device."""
    word = str(value).strip()
    try:
        number_of(word)
    except ValueError as error:
        raise refusal("device-word-unknown", str(error)) from error
    return word


def _words(value: object) -> object:
    """`new`, or `new, travel`, in the place of a list."""
    return value.split(",") if isinstance(value, str) else value


def _one_device(words: list[str]) -> list[str]:
    if (found := contradiction(words)) is not None:
        index, why = found
        raise refusal("device-contradictory", why, at=(index,))
    return words


def parse_peer(value: object) -> str:
    """The address that a request comes from."""
    try:
        # Which link a local one is on, nobody beyond it knows.
        if isinstance(value, str) and "%" not in value:
            return str(ipaddress.ip_address(value))
    except ValueError:
        pass
    raise refusal("peer-malformed", f"{shown(value)} is no IP address", allowed="one such as `203.0.113.9`")


def _of_somebody(claims: dict[str, Any]) -> dict[str, Any]:
    subject = claims.get("sub", "somebody")
    if not isinstance(subject, str) or not subject:
        hint = f'write it in quotes: `sub: "{subject}"`' if isinstance(subject, int | float) else None
        raise refusal("subject-malformed", f"`sub` is a text, not {shown(subject)}", hint=hint, at=("sub",))
    return claims


HAVE: Final = {
    "token": "a token that you have goes under `headers`",
    "certificate": "`lockgate explain --certificate FILE` takes one that you have",
}
"""What to do with a credential that is there already."""


def _made(what: str, example: str) -> Callable[[object], object]:
    """`true` for a mapping that says nothing. What else stands there may be a real credential, and is not shown."""

    def parse(value: object) -> object:
        if value is True:
            return {}
        if value is False:
            words = f"`{what}: false` says nothing"
            raise refusal(f"{what}-absent", words, hint=f"leave `{what}` out for a request without one")
        if not isinstance(value, dict):
            words = f"a case makes its own {what}; what stands here is none that it could make"
            hint = HAVE.get(what)
            raise refusal(f"{what}-made", words, allowed=f"`true`, or a mapping such as `{example}`", hint=hint)
        return value

    return parse


def _headers(value: object) -> object:
    """A value or several by name; numbers and switches as the texts that they stand for."""
    if not isinstance(value, dict):
        return value
    return {name: said if isinstance(said, list) else [said] for name, said in value.items()}


def _expected(value: object) -> object:
    """A verdict, or the code of the reason that a refusal must have, in place of the whole mapping."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise refusal(
            "expectation-unknown", f"{shown(value)} alone says too little", hint=f"write `{{status: {value}}}`"
        )
    if not isinstance(value, str):
        return value
    if value in VERDICTS:
        return {"verdict": value}
    codes = [reason["code"] for reason in reasons()]
    if value not in codes:
        close = difflib.get_close_matches(value, [*VERDICTS, *codes], n=1, cutoff=0.5)
        raise refusal(
            "expectation-unknown",
            f"{shown(value)} is neither a verdict nor a reason",
            allowed="`allow`, `deny`, `respond`, or a reason's code such as `key-missing`",
            hint=MEANT.get(value) or (f"did you mean `{close[0]}`?" if close else None),
        )
    return {"reason": value}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise refusal("wrong-kind", f"{shown(value)} is no text")


Claims = Annotated[dict[str, Any], AfterValidator(_of_somebody)]
Peer = Annotated[str, Scalar(parse_peer, {"type": "string"})]
Moment = Annotated[int, Scalar(parse_moment, {"type": "string"})]
Request = Annotated[
    tuple[str, str], Scalar(parse_request, {"type": "string", "pattern": "^[A-Za-z]+ (/|[Hh][Tt][Tt][Pp][Ss]?://|\\*)"})
]
ReasonCode = Annotated[str, Scalar(parse_reason, {"type": "string"})]
Value = Annotated[str, Scalar(_text, {"type": ["string", "number", "boolean"]})]
Headers = Annotated[
    dict[str, list[Value]],
    BeforeValidator(_headers),
    ShortForm({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}),
]


class Key(Settings):
    """A key that is made for one case, and put where the API looks for it."""

    owner: Text = Field(default="tests@example.com", description="Who answers for it.", examples=["crm@example.com"])
    apis: list[Name] | None = Field(
        default=None, description="The APIs that it opens; left out, all.", examples=[["shop"]]
    )
    scopes: list[Text] | None = Field(
        default=None, description="What it was given; left out, nothing.", examples=[["orders:read"]]
    )
    app: Name | None = Field(
        default=None, description="The program that has it, by its name under `apps`.", examples=["crm-sync"]
    )
    revoked: Flag = Field(default=False, description="It has been taken away.", examples=[True])
    expired: Flag = Field(default=False, description="Its time is over.", examples=[True])
    unknown: Flag = Field(default=False, description="A well-formed key that was never made here.", examples=[True])


class Token(Settings):
    """A token that is made for one case, as the issuer's rules want it, and put where the API looks for it."""

    issuer: Name | None = Field(
        default=None,
        description="Whose it is, by the name under `issuers`; left out, the first that the API takes.",
        examples=["company"],
    )
    claims: Claims = Field(
        default={},
        description="Claims besides those that the issuer's rules want, or in their place.",
        examples=[{"sub": "ann", "scope": "orders.read"}],
    )
    without: list[Text] = Field(default=[], description="Claims that it lacks.", examples=[["sub"]])
    algorithm: Algorithm | None = Field(
        default=None, description="How it is signed; left out, the issuer's first.", examples=["ES256"]
    )
    type: Text | None = Field(default=None, description="Its `typ`; left out, the issuer's first.", examples=["at+jwt"])
    opaque: Flag | None = Field(
        default=None,
        description="One that its issuer is asked about, and `claims` are what it answers; with `expired`, `forged` or "
        "`unknown` it answers that it is not active. Left out, so it is where the API takes no signed ones of the "
        "issuer.",
        examples=[True],
    )
    expired: Flag = Field(default=False, description="Its time is over.", examples=[True])
    forged: Flag = Field(default=False, description="Signed with a key that is not the issuer's.", examples=[True])
    unknown: Flag = Field(
        default=False, description="Signed with a key of a name that the issuer never published.", examples=[True]
    )

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.expired and "exp" in self.claims:
            raise refusal("token-ends-twice", "`expired` and `claims.exp` both say when it ends", hint="keep one")
        return self


class SignedIn(Settings):
    """Somebody who has signed in with a browser: a session that is made for one case."""

    sign_in: Name | None = Field(
        default=None,
        description="Where, by the name under `sign_in`; left out, the first whose sessions the API takes.",
        examples=["staff"],
    )
    issuer: Name | None = Field(
        default=None,
        description="By whom, by the name under `issuers`; left out, the sign-in's first.",
        examples=["company"],
    )
    claims: Claims = Field(
        default={},
        description="What the session says of them, besides `sub` and what every session has, or in its place: of what "
        "`sign_in.NAME.claims` keeps.",
        examples=[{"sub": "ann", "amr": ["pwd", "otp"]}],
    )
    without: list[Text] = Field(
        default=[],
        description="Claims that it lacks; without `device`, one of no known browser.",
        examples=[["device"]],
    )
    ago: Annotated[int, duration(0, 366 * 86_400_000)] = Field(
        default=0,
        description="How long ago they proved who they are (`auth_time`).",
        examples=["20m"],
        json_schema_extra={"default": "0s"},
    )
    expired: Flag = Field(default=False, description="The session is over.", examples=[True])
    forged: Flag = Field(default=False, description="Sealed by nobody of this installation.", examples=[True])


class ByPassword(Settings):
    """Somebody with a name and a password (Basic): made for one case, and nobody is asked."""

    issuer: Name | None = Field(
        default=None,
        description="Who knows them, by the name under `issuers`; left out, the first that the API asks.",
        examples=["people"],
    )
    claims: Claims = Field(
        default={},
        description="What is known of them, besides `sub` or in its place.",
        examples=[{"groups": ["staff"]}],
    )
    wrong: Flag = Field(default=False, description="The password is wrong, or nobody has that name.", examples=[True])


class Signed(Settings):
    """A signature that is made for one case, over what the API wants signed, with a scratch key."""

    key: Name | None = Field(
        default=None,
        description="Whose it is, by the name under `keys`; left out, the first that the API takes.",
        examples=["partner"],
    )
    without: list[Text] = Field(
        default=[], description="Components that it does not cover.", examples=[["content-digest"]]
    )
    expired: Flag = Field(default=False, description="It was made too long ago.", examples=[True])
    forged: Flag = Field(default=False, description="Made with another key than it names.", examples=[True])
    unknown: Flag = Field(default=False, description="Its `keyid` is nobody's.", examples=[True])


class SignedWebhook(Settings):
    """A webhook that is signed for one case, in the form of the API's entry, with a scratch secret."""

    name: Name | None = Field(
        default=None,
        description="Whose it is, by the entry's `name`; left out, the first that the API takes.",
        examples=["payments"],
    )
    expired: Flag = Field(default=False, description="It was signed too long ago.", examples=[True])
    forged: Flag = Field(default=False, description="Signed with another secret.", examples=[True])


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[Text], BeforeValidator(_one_or_more), ShortForm({"type": "string"})]


class ShownCertificate(Settings):
    """A certificate that is made for one case, and shown as one that the listener trusts."""

    subject: dict[Attribute, Text] = Field(
        default={}, description="Attributes of its subject.", examples=[{"CN": "crm", "O": "Example Ltd"}]
    )
    dns: Names = Field(default=[], description="Its DNS names.", examples=["crm.partners.example.com"])
    uri: Names = Field(default=[], description="Its URIs.", examples=["spiffe://example.org/ns/shop/sa/cart"])
    email: Names = Field(default=[], description="Its addresses of e-mail.", examples=["ann@example.com"])
    ip: Names = Field(default=[], description="Its IP addresses.", examples=["10.20.0.5"])
    expired: Flag = Field(default=False, description="Its time was over the day before.", examples=[True])


class Expect(Settings):
    """What must come of a request. What is left out is not looked at."""

    verdict: Verdict | None = Field(
        default=None,
        description="`allow`, `deny`, or `respond` where a policy answers by itself. With a `reason` it is `deny`.",
        examples=["deny"],
    )
    reason: ReasonCode | None = Field(default=None, description="Why it is refused.", examples=["key-missing"])
    code: Text | None = Field(
        default=None,
        description="The reason that a plugin of yours gives, beside `plugin-denied`.",
        examples=["tenant-missing"],
    )
    status: Annotated[int, count(100, 599)] | None = Field(
        default=None, description="The status that the gate itself answers.", examples=[401]
    )
    api: Name | None = Field(default=None, description="The API that it is routed to.", examples=["shop"])
    route: Text | None = Field(default=None, description="The route's pattern.", examples=["/orders/{id}"])
    operation: Text | None = Field(
        default=None, description="The operation of the API's document.", examples=["getOrder"]
    )
    upstream: Text | None = Field(default=None, description="The upstream that it goes to.", examples=["shop"])
    target: Text | None = Field(
        default=None, description="What the upstream is asked for.", examples=["/v2/orders?page=1"]
    )
    location: Text | None = Field(
        default=None,
        description="Where a redirect leads to, or a refusal that sends a browser elsewhere, as to sign in.",
        examples=["https://shop.example.com/items/7"],
    )
    owner: Text | None = Field(
        default=None, description="Who is identified, by whom its credential belongs to.", examples=["crm@example.com"]
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise refusal(
                "expectation-empty",
                "nothing is expected here, so whatever comes would do",
                allowed="`allow`, `deny`, `respond`, a reason's code, or a mapping such as `{status: 401}`",
            )
        return self


Device = Annotated[
    list[Annotated[str, Scalar(parse_device, {"type": "string"})]],
    BeforeValidator(_words),
    AfterValidator(_one_device),
    ShortForm({"type": "string"}),
]
Expected = Annotated[Expect, BeforeValidator(_expected), ShortForm({"type": "string"})]


class Case(Settings):
    """One request, and what must come of it."""

    name: Text = Field(description="What is shown; a sentence says most.", examples=["orders want a key"])
    request: Request = Field(description="Method and path, or a whole URL.", examples=["GET /orders"])
    host: Host | None = Field(
        default=None, description="The Host header, where the request names none.", examples=["shop.example.com"]
    )
    headers: Headers = Field(
        default={}, description="Headers, each a value or several.", examples=[{"Accept": "application/json"}]
    )
    peer: Peer | None = Field(default=None, description="The address that it comes from.", examples=["203.0.113.9"])
    listener: Name | None = Field(default=None, description="Where it arrives.", examples=["public"])
    key: Annotated[Key, BeforeValidator(_made("key", "{owner: crm}")), ShortForm({"const": True})] | None = Field(
        default=None,
        description="An API key made for this case: `true`, or what it is.",
        examples=[{"owner": "crm@example.com", "apis": ["shop"]}],
    )
    token: (
        Annotated[Token, BeforeValidator(_made("token", "{claims: {sub: ann}}")), ShortForm({"const": True})] | None
    ) = Field(
        default=None,
        description="A token made for this case: `true` for one as the issuer's rules want it, or what it says.",
        examples=[{"claims": {"sub": "ann", "scope": "orders.read"}}],
    )
    session: (
        Annotated[SignedIn, BeforeValidator(_made("session", "{claims: {sub: ann}}")), ShortForm({"const": True})]
        | None
    ) = Field(
        default=None,
        description="Somebody who has signed in with a browser, made for this case: `true`, or what is said of them. A "
        "request that changes something comes from the API's own pages (`Sec-Fetch-Site: same-origin`), unless the "
        "case has that header or `Origin`.",
        examples=[{"claims": {"sub": "ann", "acr": "mfa"}}],
    )
    basic: (
        Annotated[ByPassword, BeforeValidator(_made("basic", "{claims: {sub: ann}}")), ShortForm({"const": True})]
        | None
    ) = Field(
        default=None,
        description="A name and a password (Basic), made for this case: `true` for right ones, or what they are.",
        examples=[{"claims": {"sub": "ann"}}],
    )
    certificate: (
        Annotated[
            ShownCertificate,
            BeforeValidator(_made("certificate", "{dns: crm.partners.example.com}")),
            ShortForm({"const": True}),
        ]
        | None
    ) = Field(
        default=None,
        description="A client certificate made for this case: `true`, or what it says.",
        examples=[{"dns": "crm.partners.example.com"}],
    )
    device: Device = Field(
        default=list(USUAL),
        min_length=1,
        max_length=8,
        description="What the caller's device is taken for where the API asks (`device`): `confirmed` by its owner, or "
        "one or some of `new`, `approved`, `changed`, `travel`, `revoked`, and such as `4 at once`.",
        examples=[["new", "travel"]],
    )
    decision: Annotated[Decision | None, *DECISION] = Field(
        default=None,
        description="What decision points are taken to say where the API asks them (`decide`): `allow`, `deny`, or "
        "more of it. Left out, such a request is refused as undecided (`decision-unstated`).",
        examples=["allow", {"allow": False, "reason": "not yours"}],
    )
    others: Annotated[int, count(0, MAX_USERS)] = Field(
        default=0,
        description="How many other users are taken to be there, and to have come today, where the API caps them "
        "(`users`). Left out, nobody is: a case begins without users.",
        examples=[5000],
    )
    signature: (
        Annotated[Signed, BeforeValidator(_made("signature", "{key: partner}")), ShortForm({"const": True})] | None
    ) = Field(
        default=None,
        description="A signature made for this case (RFC 9421): `true` for one as the API wants it, or what it is.",
        examples=[{"key": "partner"}],
    )
    webhook: (
        Annotated[SignedWebhook, BeforeValidator(_made("webhook", "{name: payments}")), ShortForm({"const": True})]
        | None
    ) = Field(
        default=None,
        description="A webhook's signature made for this case: `true` for one in the entry's form, or what it is.",
        examples=[{"name": "payments"}],
    )
    body: Value | None = Field(default=None, description="The body, as text.", examples=["a=1"])
    json_: Any = Field(
        default=None,
        alias="json",
        description="The body, as JSON; sets `Content-Type` where no header does.",
        examples=[{"sku": "LK-001"}],
    )
    bytes: Annotated[int, size(1, MAX_BYTES)] | None = Field(
        default=None, description="A body of this size, of no meaning.", examples=["70KiB"]
    )
    at: Moment | None = Field(
        default=None, description="When; now where nothing says so.", examples=["2027-01-31T09:30:00Z"]
    )
    repeat: Annotated[int, count(1, MAX_REPEAT)] = Field(
        default=1, description="How often it is sent; what is expected is expected of the last.", examples=[6]
    )
    every: Annotated[int, duration(0, 86_400_000)] = Field(
        default=0,
        description="Time between two of them.",
        examples=["100ms"],
        json_schema_extra={"default": "0s"},
    )
    expect: Expected = Field(
        description="A verdict, the code of a reason, or a mapping of what must come of it.",
        examples=["key-missing"],
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        said = [
            name
            for name, field in (("body", "body"), ("json", "json_"), ("bytes", "bytes"))
            if field in self.model_fields_set
        ]
        if len(said) > 1:
            words = f"a request has one body, and this says `{said[0]}` and `{said[1]}`"
            raise refusal("body-twice", words, hint="keep one of them", at=(said[1],))
        return self


class Defaults(Settings):
    """What holds for every case that says nothing else."""

    host: Host | None = Field(default=None, description="The Host header.", examples=["shop.example.com"])
    headers: Headers = Field(default={}, description="Headers of every request.", examples=[{"Accept": "*/*"}])
    peer: Peer = Field(
        default="127.0.0.1", description="The address that requests come from.", examples=["198.51.100.7"]
    )
    listener: Name | None = Field(default=None, description="Where they arrive.", examples=["public"])
    at: Moment | None = Field(
        default=None,
        description="When they arrive. Left out, now: then a case also tells that an exception has ended.",
        examples=["2027-01-31"],
    )


class Table(Settings):
    """Requests, and what a configuration must do with them."""

    version: Literal[1] = Field(description="The version of this spelling; always `1`.", examples=[1])
    defaults: Defaults = Field(default=Defaults(), description="For every case.", examples=[{"peer": "198.51.100.7"}])
    cases: list[Case] = Field(
        description="The requests.",
        examples=[[{"name": "orders want a key", "request": "GET /orders", "expect": "key-missing"}]],
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of a table, for editors."""
    from lockgate.config.models import without_null

    made = Table.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lockgate's table of requests",
        **{key: value for key, value in without_null(made).items() if key != "title"},
    }
