"""Which requests a route takes, and which upstream gets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from lockgate import _native
from lockgate.addresses import Method
from lockgate.config import bundle_types as types
from lockgate.config.model_balance import parse_percent, say_percent
from lockgate.expressions import parse_regex
from lockgate.policies import Redirect, Rewrite, Settings
from lockgate.scalars import Flag, Name, Scalar, ShortForm, count, refusal, shown, size

MAX_WEIGHT: Final = 1_000_000
MAX_TEXT: Final = 1_024

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_COOKIE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_TEST: Final = "a text to be equal to, or one of `{present: true}`, `{regex: …}`"
_TEXT_SCHEMA: Final = {"type": ["string", "integer"]}


class Test(NamedTuple):
    """What must be there."""

    kind: Literal["exact", "regex", "present"]
    value: str | bool


def parse_test(value: object) -> Test:
    """A value to be equal to, or what else is asked of it."""
    if isinstance(value, Test):
        return value
    if isinstance(value, dict):
        if value.keys() == {"present"} and isinstance(value["present"], bool):
            return Test("present", value["present"])
        if value.keys() == {"regex"}:
            return Test("regex", parse_regex(value["regex"]))
        if value.keys() == {"exact"}:
            return Test("exact", _text(value["exact"]))
        raise refusal("test-malformed", "this is no condition", allowed=_TEST)
    return Test("exact", _text(value))


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        hint = f'write `"{str(value).lower()}"` in quotes' if isinstance(value, bool | float) else None
        raise refusal("test-malformed", f"{shown(value)} is not a text", allowed=_TEST, hint=hint)
    if len(value.encode()) > MAX_TEXT:
        raise refusal("test-malformed", "this text is too long", allowed=f"at most {MAX_TEXT} bytes")
    return value


def parse_matched_header(value: object) -> str:
    """The name of a header that may choose a route."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise refusal(
            "header-malformed", f"{shown(value)} is not a header's name", allowed="a header's name, such as `X-Version`"
        )
    name = value.lower()
    instead = {
        "host": "`hosts` of the API",
        "cookie": "`cookies` beside `headers`",
        "authorization": "`authenticate`: a credential is judged, not compared",
    }
    if name in instead:
        raise refusal("header-reserved", f"{shown(value)} chooses no route", hint=f"use {instead[name]}")
    if _native.reserved_header(value) in {"framing", "hop-by-hop"}:
        raise refusal("header-reserved", f"{shown(value)} is for one connection alone, and chooses no route")
    return value


def parse_cookie(value: object) -> str:
    """A cookie's name."""
    if not isinstance(value, str) or not _COOKIE.fullmatch(value):
        raise refusal("cookie-malformed", f"{shown(value)} is not a cookie's name", allowed="a name such as `session`")
    return value


def parse_parameter(value: object) -> str:
    """The name of a parameter in the query, decoded."""
    if not isinstance(value, str) or not value or len(value.encode()) > MAX_TEXT or not value.isprintable():
        raise refusal("parameter-malformed", f"{shown(value)} is not a parameter's name", allowed="such as `page`")
    return value


MatchedHeader = Annotated[str, Scalar(parse_matched_header, {"type": "string"})]
Cookie = Annotated[str, Scalar(parse_cookie, {"type": "string"})]
Parameter = Annotated[str, Scalar(parse_parameter, {"type": "string"})]
Condition = Annotated[
    Test,
    Scalar(
        parse_test,
        {
            "anyOf": [
                _TEXT_SCHEMA,
                *(
                    {
                        "type": "object",
                        "properties": {kind: schema},
                        "required": [kind],
                        "additionalProperties": False,
                    }
                    for kind, schema in (
                        ("exact", _TEXT_SCHEMA),
                        ("regex", {"type": "string"}),
                        ("present", {"type": "boolean"}),
                    )
                ),
            ]
        },
    ),
]


class Match(Settings):
    """What a request must carry. All of it must hold."""

    headers: dict[MatchedHeader, Condition] = Field(
        default={},
        description="Headers by name: a text to be equal to, `{present: true}` (or `false`), or `{regex: …}`, which "
        "matches the whole value.",
        examples=[{"X-Version": "2", "X-Beta": {"present": True}}],
    )
    query: dict[Parameter, Condition] = Field(
        default={},
        description="Parameters of the query by name, both decoded. A request that has one of them twice is refused.",
        examples=[{"action": "export"}],
    )
    cookies: dict[Cookie, Condition] = Field(
        default={}, description="Cookies by name.", examples=[{"tier": {"regex": "gold|silver"}}]
    )

    def conditions(self) -> list[types.Condition]:
        """As the bundle writes them."""
        return list(self._conditions())

    def _conditions(self) -> Iterator[types.Condition]:
        parts = (("header", self.headers), ("query", self.query), ("cookie", self.cookies))
        for part, tests in parts:
            for name, test in tests.items():
                found: Any = {"part": part, "name": name, "test": {test.kind: test.value}}
                yield found


class Share(Settings):
    """One upstream's part of an API's requests."""

    upstream: Name = Field(description="A name under `upstreams`.", examples=["shop"])
    weight: Annotated[int, count(0, MAX_WEIGHT)] = Field(
        default=0, description="Its part of the sum of all weights.", examples=[95]
    )
    when: Match | None = Field(
        default=None,
        description="Requests that carry this go there, whatever the weights; the first entry that holds has them.",
        examples=[{"headers": {"X-Canary": "always"}}],
    )


class ByHeader(NamedTuple):
    """A client is known by a header or a cookie."""

    kind: Literal["header", "cookie"]
    name: str


By = Literal["request", "client", "address"]


def parse_by(value: object) -> By | ByHeader:
    """What is to stay with one upstream."""
    if isinstance(value, ByHeader) or value in ("request", "client", "address"):
        return value
    if isinstance(value, dict) and value.keys() == {"header"}:
        return ByHeader("header", parse_matched_header(value["header"]))
    if isinstance(value, dict) and value.keys() == {"cookie"}:
        return ByHeader("cookie", parse_cookie(value["cookie"]))
    allowed = "`request`, `client`, `address`, `{header: NAME}` or `{cookie: NAME}`"
    raise refusal("by-malformed", f"{shown(value)} is nothing to keep together", allowed=allowed)


_BY_SCHEMA: Final = {
    "anyOf": [
        {"enum": ["request", "client", "address"]},
        *(
            {
                "type": "object",
                "properties": {kind: {"type": "string"}},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in ("header", "cookie")
        ),
    ]
}


class Split(Settings):
    """Several upstreams in place of one."""

    to: list[Share] = Field(
        description="The upstreams, each once. What `when` does not decide, the weights do.",
        examples=[[{"upstream": "stable", "weight": 95}, {"upstream": "canary", "weight": 5}]],
    )
    by: Annotated[By | ByHeader, Scalar(parse_by, _BY_SCHEMA)] = Field(
        default="request",
        description="What stays with one upstream while the weights stand: nothing (`request`), who calls by the "
        "credential (`client`), the `address`, or who sends the same header or cookie. Whoever lacks it goes by the "
        "address.",
        examples=["client", {"cookie": "session"}],
    )

    def bundled(self) -> types.Split:
        """As the bundle writes it."""
        by: Any = {self.by.kind: self.by.name} if isinstance(self.by, ByHeader) else {self.by: {}}
        return {
            "to": [
                {
                    "upstream": share.upstream,
                    "weight": share.weight,
                    "when": share.when.conditions() if share.when is not None else [],
                }
                for share in self.to
            ],
            "by": by,
        }


def parse_part(value: object) -> int:
    """A part of the requests that is not none of them."""
    part = parse_percent(value)
    if part == 0:
        raise refusal("percent-malformed", "a copy of no request is no copy", hint="take `mirror` out")
    return part


def _mirror(value: object) -> object:
    return {"upstream": value} if isinstance(value, str) else value


class Mirror(Settings):
    """Copies of requests for another upstream, whose answers nobody waits for."""

    upstream: Name = Field(description="A name under `upstreams`.", examples=["next"])
    share: Annotated[int, Scalar(parse_part, {"type": "string", "pattern": "^[0-9]{1,3} ?%$"}, say_percent)] = Field(
        default=100,
        description="How many of the requests are copied.",
        examples=["10%"],
        json_schema_extra={"default": "100%"},
    )
    methods: list[Method] = Field(
        default=["GET", "HEAD"],
        description="Which methods are. What changes something changes it twice where both upstreams share their data.",
        examples=[["GET", "POST"]],
    )
    bytes: Annotated[int, size(0, 2**20)] = Field(
        default=64 * 2**10,
        description="Of a request with a longer body there is no copy: until it is sent, the body is kept.",
        examples=["64KiB"],
        json_schema_extra={"default": "64KiB"},
    )

    def bundled(self) -> types.Mirror:
        """As the bundle writes it."""
        return {"upstream": self.upstream, "share": self.share, "methods": self.methods, "bytes": self.bytes}


Odd = Literal["reject", "normalize", "keep"]


class NormalForm(Settings):
    """What the API's server is known to do with targets that servers read in different ways."""

    dot_segments: Literal["normalize", "reject"] = Field(
        default="normalize",
        description="`.` and `..`: resolved, or refused. They are never forwarded.",
        examples=["reject"],
    )
    double_slash: Odd = Field(
        default="reject", description="`//`: refused, made one, or kept (OCSP, base64 in paths, S3).", examples=["keep"]
    )
    encoded_slash: Odd = Field(
        default="reject",
        description="`%2F`: refused, decoded, or kept (identifiers that hold slashes).",
        examples=["keep"],
    )
    backslash: Odd = Field(
        default="reject",
        description="`\\` and `%5C`: refused, made a slash (IIS), or kept.",
        examples=["normalize"],
    )
    path_parameters: Odd = Field(
        default="reject",
        description="`;` and what follows it in a segment: refused, taken off (Tomcat), or kept (matrix parameters).",
        examples=["keep"],
    )
    nul: Literal["reject", "keep"] = Field(
        default="reject",
        description="`%00`: refused, or kept. Languages such as C end a text there.",
        examples=["keep"],
    )
    duplicate_parameters: Literal["keep", "reject", "first", "last"] = Field(
        default="keep",
        description="A parameter that is there twice: all are kept, the request is refused, or the first or the last "
        "is kept. No route is chosen by such a parameter, whatever is said here.",
        examples=["reject"],
    )


class Goes(Settings):
    """Where requests go, and how they are changed for it."""

    match: Match | None = Field(
        default=None,
        description="What a request must carry besides. A request for the same path that lacks it goes to the route "
        "without `match`, or is refused; never to a less specific path.",
        examples=[{"headers": {"X-Version": "2"}}],
    )
    split: Split | None = Field(
        default=None,
        description="Several upstreams in place of one, by weight and by what a request carries.",
        examples=[{"to": [{"upstream": "stable", "weight": 95}, {"upstream": "canary", "weight": 5}]}],
    )
    mirror: Annotated[Mirror | None, BeforeValidator(_mirror), ShortForm({"type": "string"})] = Field(
        default=None,
        description="An upstream that gets a copy of each request, or a `share` of them. Its answers go nowhere: a new "
        "version sees real requests before it serves any.",
        examples=["next", {"upstream": "next", "share": "10%"}],
    )
    strip_path: Flag = Field(
        default=False, description="Take the matched prefix off before forwarding.", examples=[True]
    )
    rewrite: Rewrite | None = Field(
        default=None, description="Another path and query for the upstream.", examples=[{"path": "/items/{id}"}]
    )
    redirect: Redirect | None = Field(
        default=None,
        description="The gate answers with another place; then no upstream is needed.",
        examples=[{"to": "https://shop.example.com{path}"}],
    )
