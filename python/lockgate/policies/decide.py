"""`decide`: another server says whether a request goes on, such as OPA, or what Envoy and Traefik ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, model_validator
from typing_extensions import override

from lockgate.policies._base import Lists, Policy, Settings
from lockgate.scalars import Flag, Scalar, Text, duration, refusal, shown

DEADLINE_MS: Final = 50
"""OPA answers beside the gate within a few; fifty leave room for a busy machine, and are noticed by nobody."""
LONGEST_MS: Final = 10_000
LONGEST_CACHE_MS: Final = 3_600_000
MOST_FIELDS: Final = 64
PATH: Final = re.compile(r"/[!-~]{0,1023}")
FIELD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")


def parse_path(value: object) -> str:
    """What a decision point is asked for."""
    if isinstance(value, str) and PATH.fullmatch(value) and "#" not in value:
        return value
    raise refusal("decide-malformed", f"{shown(value)} is no path", allowed="a path, which begins with `/`")


def parse_field(value: object) -> str:
    """The name of a header field."""
    if isinstance(value, str) and FIELD.fullmatch(value):
        return value
    raise refusal("decide-malformed", f"{shown(value)} is no name of a field", allowed="a name such as `X-Tenant`")


AskedFor = Annotated[str, Scalar(parse_path, {"type": "string", "pattern": "^/"})]
Fields = Annotated[
    list[Annotated[str, Scalar(parse_field, {"type": "string"})]],
    Field(max_length=MOST_FIELDS),
]


class Point(Policy):
    """A decision point: what is asked elsewhere, within which time."""

    room: ClassVar[str] = "decide"
    key: ClassVar[str]
    """What the configuration calls it."""

    upstream: Text = Field(
        description="The upstream that is asked, by its name: with its servers, TLS, credential, health and breaker.",
        examples=["opa"],
    )
    headers: Fields = Field(
        default=[],
        description="Fields of the request that it is shown, by name; `*` is all but those with credentials. What "
        "carries credentials for the gate itself cannot be named.",
        examples=[["X-Tenant"]],
    )
    to_upstream: Fields = Field(
        default=[],
        description="Fields of its answer that go to the API. What clients send under these names is taken off every "
        "request.",
        examples=[["X-User-Level"]],
    )
    deadline: Annotated[int, duration(1, LONGEST_MS)] = Field(
        default=DEADLINE_MS,
        description="From the question to the answer; beyond it the policy fails.",
        examples=["50ms"],
        json_schema_extra={"default": "50ms"},
    )
    cache: Annotated[int, duration(0, LONGEST_CACHE_MS)] = Field(
        default=0,
        description="How long an answer is believed where the very same is asked. Left out, every request asks, but "
        "for those that wait together.",
        examples=["10s"],
        json_schema_extra={"default": "0s"},
    )

    def way(self) -> dict[str, Any]:
        """How it is asked, as the bundle writes it."""
        raise NotImplementedError

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part."""
        return {
            "upstream": self.upstream,
            "way": {self.key: self.way()},
            "deadline_ms": self.deadline,
            "cache_ms": self.cache,
            "headers": self.headers,
            "to_upstream": self.to_upstream,
        }


class Opa(Point):
    """Open Policy Agent, asked by its REST API."""

    key: ClassVar[str] = "opa"

    path: AskedFor = Field(
        description="The rule that decides, as OPA's data API names it. It says `true`, `false`, or an object with "
        "`allow`, and with `reason` and `headers` where it likes.",
        examples=["/v1/data/httpapi/allow"],
    )

    @override
    def way(self) -> dict[str, Any]:
        return {"path": self.path}


class ExtAuthz(Point):
    """A server that is asked by HTTP, as Envoy (`ext_authz`) and Traefik (`forwardAuth`) ask it."""

    key: ClassVar[str] = "ext_authz"

    path: AskedFor | None = Field(
        default=None,
        description="What is asked for, always with GET, as Traefik asks. Left out, the request's own method and path, "
        "as Envoy asks. Either way `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` and `-For` tell of the request.",
        examples=["/verify"],
    )
    prefix: AskedFor | None = Field(
        default=None,
        description="What stands before the request's own path, where `path` is left out.",
        examples=["/authz"],
    )
    to_client: Fields = Field(
        default=[],
        description="Fields of a refusal that go to the client, beside its status.",
        examples=[["Location", "WWW-Authenticate"]],
    )
    body: Flag = Field(
        default=False,
        description="Whether the body of a refusal goes to the client, up to 16 KiB; else the gate says what it is in "
        "its own words.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if self.path is not None and self.prefix is not None:
            hint = "take one of them out: `path` is asked for itself, `prefix` stands before the request's own"
            raise refusal("decide-malformed", "`path` and `prefix` exclude each other", hint=hint)
        if self.prefix is not None and (self.prefix.endswith("/") or "?" in self.prefix):
            hint = "write it as `/authz`"
            raise refusal("decide-malformed", f"{shown(self.prefix)} cannot stand before a path", hint=hint)
        return self

    @override
    def way(self) -> dict[str, Any]:
        return {"path": self.path, "prefix": self.prefix or "", "to_client": self.to_client, "body": self.body}


class Decide(Settings):
    """Decision points elsewhere. Where there are two, both must say yes."""

    opa: Opa | None = Field(
        default=None,
        description="Open Policy Agent, asked by its REST API.",
        examples=[{"upstream": "opa", "path": "/v1/data/httpapi/allow", "deadline": "50ms", "cache": "10s"}],
    )
    ext_authz: ExtAuthz | None = Field(
        default=None,
        description="A server that is asked by HTTP, as Envoy and Traefik ask it: 2xx lets through.",
        examples=[{"upstream": "authz", "path": "/verify", "headers": ["Cookie"], "to_client": ["Location"]}],
    )

    @property
    def points(self) -> Iterator[Point]:
        """Those that are asked, in the order in which they are."""
        yield from (point for point in (self.opa, self.ext_authz) if point is not None)

    @model_validator(mode="after")
    def _someone(self) -> Self:
        if not any(self.points):
            raise refusal("decide-malformed", "nobody is asked here", hint="say `opa` or `ext_authz`, or take it out")
        return self
