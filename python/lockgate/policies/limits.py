"""`limits`: how much may come, from whom."""

from __future__ import annotations

import difflib
import functools
import re
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import override

from lockgate.addresses import Method, Network
from lockgate.paths import PATH, PathMatch
from lockgate.policies._base import Lists, Policy, Settings
from lockgate.scalars import Flag, Name, Scalar, Text, duration, refusal, say_duration, shown
from lockgate.scalars import count as whole

UNITS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
MOST_EACH_SECOND: Final = 1_000_000
"""More than any gate serves on one core; the core says the same."""
MOST_AT_ONCE: Final = 10**9
LONGEST_WINDOW: Final = 366 * 86_400_000
"""A burst takes this long at most to be there again."""

_RATE: Final = re.compile(r"([0-9]{1,10})([kM]?) ?/ ?([0-9]{0,6}) ?([A-Za-z]{1,10})")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_WORDS: Final = {
    **dict.fromkeys(("sec", "second", "seconds", "S"), "s"),
    **dict.fromkeys(("min", "minute", "minutes", "M"), "m"),
    **dict.fromkeys(("hr", "hour", "hours", "H"), "h"),
    **dict.fromkeys(("day", "days", "D"), "d"),
}
_CALENDAR: Final = frozenset({"w", "week", "weeks", "mo", "month", "months", "y", "year", "years"})
_ALLOWED: Final = "a number for each unit of time, such as `100/s`, `30/m`, `5/10s` or `1k/d`"

PLAIN: Final = ("address", "client", "app", "route", "operation", "api")
NAMED: Final = ("claim", "header")
_BY_ALLOWED: Final = (
    "`address`, `client`, `app`, `route`, `operation`, `api`, `{claim: NAME}`, `{header: NAME}`, or a list of these"
)
MAX_PARTS: Final = 8
"""Of what one limit counts by; there are eight kinds."""


class Rate(NamedTuple):
    """So many in so many milliseconds."""

    number: int
    per_ms: int

    def __str__(self) -> str:
        """As the file says it."""
        window = say_duration(self.per_ms)
        return f"{self.number}/{window.removeprefix('1') if window[1:] in UNITS else window}"


class By(NamedTuple):
    """One thing that a limit counts by."""

    kind: str
    name: str | None = None

    def __str__(self) -> str:
        """As the file says it."""
        return self.kind if self.name is None else f"{{{self.kind}: {self.name}}}"


def parse_allow(value: object) -> Rate:
    """How many, in how long."""
    if isinstance(value, Rate):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        each = f"write `{value}/s` if you mean for each second" if value > 0 else None
        raise refusal("allow-malformed", f"{shown(value)} does not say in how long", allowed=_ALLOWED, hint=each)
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        negative = isinstance(value, str) and value.startswith("-")
        hint = "a limit cannot be negative" if negative else None
        raise refusal("allow-malformed", f"{shown(value)} is not a number of requests", allowed=_ALLOWED, hint=hint)
    number = int(found[1]) * {"": 1, "k": 1_000, "M": 1_000_000}[found[2]]
    per_ms = int(found[3] or 1) * _unit(found[4])
    if number == 0 or per_ms == 0:
        hint = "to close an API to some callers use `ip_filter`, or revoke their keys" if number == 0 else None
        raise refusal("allow-zero", f"{shown(value)} would let nobody through", allowed="at least 1", hint=hint)
    if number * 1_000 > MOST_EACH_SECOND * per_ms:
        allowed = f"at most {MOST_EACH_SECOND} for each second"
        raise refusal("out-of-range", f"{shown(value)} is too large", allowed=allowed)
    if per_ms > LONGEST_WINDOW:
        raise refusal("out-of-range", f"{shown(value)} is over too long a time", allowed="at most 366d")
    return Rate(number, per_ms)


def _unit(word: str) -> int:
    if word in UNITS:
        return UNITS[word]
    hint = f"write `{_WORDS[word]}`" if word in _WORDS else None
    if word in _CALENDAR:
        hint = "quotas by the calendar are not in this version; write weeks and months in days, such as `7d`"
    raise refusal("allow-unit", f"{shown(word)} is not a unit of time here", allowed="s, m, h or d", hint=hint)


def parse_by(value: object) -> tuple[By, ...]:
    """What is counted by: one thing, or several together."""
    if isinstance(value, tuple):
        return value
    if value == []:
        raise refusal("by-empty", "the list of what to count by is empty", allowed=_BY_ALLOWED)
    parts = tuple(map(_part, value)) if isinstance(value, list) else (_part(value),)
    if len(parts) > MAX_PARTS:
        raise refusal("by-malformed", "this counts by too many things", allowed=f"at most {MAX_PARTS}")
    if len(set(parts)) < len(parts):
        raise refusal("by-malformed", "this counts by one thing twice", hint="name each once")
    return parts


def _part(value: object) -> By:
    if isinstance(value, dict) and len(value) == 1:
        kind, name = next(iter(value.items()))
        if kind in NAMED:
            return By(kind, _name_of(kind, name))
        raise refusal("by-unknown", f"nothing is counted by {shown(kind)}", allowed=_BY_ALLOWED)
    if not isinstance(value, str):
        raise refusal("by-malformed", f"{shown(value)} is nothing to count by", allowed=_BY_ALLOWED)
    if value in PLAIN:
        return By(value)
    kind, _, which = value.partition(":")
    if kind in NAMED:
        hint = f"write `{{{kind}: {which.strip() or 'NAME'}}}`"
        raise refusal("by-malformed", f"{shown(value)} does not say which {kind}", allowed=_BY_ALLOWED, hint=hint)
    meant = {"ip": "address", "key": "client", "consumer": "client", "user": "client", "path": "route"}.get(value)
    close = [meant] if meant else difflib.get_close_matches(value, PLAIN, n=1, cutoff=0.5)
    guess = f"did you mean `{close[0]}`?" if close else None
    raise refusal("by-unknown", f"nothing is counted by {shown(value)}", allowed=_BY_ALLOWED, hint=guess)


def _name_of(kind: str, name: object) -> str:
    if kind == "header":
        if isinstance(name, str) and _HEADER.fullmatch(name):
            return name.lower()
        raise refusal("header-malformed", f"{shown(name)} is not a header's name", allowed="a name such as `X-Tenant`")
    if isinstance(name, str) and name and name.isprintable() and len(name) <= 200:
        return name
    raise refusal("by-malformed", f"{shown(name)} is not the name of a claim", allowed="a text such as `tenant`")


_RATE_SCHEMA: Final = {"type": "string", "pattern": r"^[0-9]+[kM]? ?/ ?[0-9]* ?(s|m|h|d)$"}
_PART_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"enum": list(PLAIN)},
        *(
            {
                "type": "object",
                "properties": {kind: {"type": "string", "minLength": 1}},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in NAMED
        ),
    ]
}
_BY_SCHEMA: Final = {"anyOf": [_PART_SCHEMA, {"type": "array", "items": _PART_SCHEMA, "minItems": 1}]}


class PenaltyTimes(Settings):
    """How long an address is refused that has failed too often."""

    first: Annotated[int, duration(1_000, UNITS["d"])] = Field(
        default=5_000,
        description="How long the first time. Each further time is twice as long.",
        examples=["10s"],
        json_schema_extra={"default": "5s"},
    )
    longest: Annotated[int, duration(1_000, 30 * UNITS["d"])] = Field(
        default=900_000,
        description="How long at most; after as long again without failures it begins with the first.",
        examples=["1h"],
        json_schema_extra={"default": "15m"},
    )
    absent: Flag = Field(
        default=False,
        description="Whether a request without any credential counts as a failure too.",
        examples=[True],
    )


def _some(value: object) -> object:
    if value == []:
        raise refusal("filter-empty", "an empty list would mean none or any, depending on who reads it")
    return value


def _no_expressions(paths: list[PathMatch]) -> list[PathMatch]:
    for match in paths:
        if match.kind == "regex":
            message = "a limit is for paths by prefix, exact path or template, not by expression"
            raise refusal("path-malformed", message, hint="count by `route`, where an API has the expression as a path")
    return paths


class Limit(Policy):
    """One limit: how many, counted by what. Several are taken all together, or none of them."""

    room: ClassVar[str] = "limits"

    name: Name = Field(
        description="Its name, also in `RateLimit`. An API's limit of the name of one of `defaults` refines that one; "
        "`failed-authentication` is there without being said.",
        examples=["per-client"],
    )
    count: Literal["requests", "failures"] | None = Field(
        default=None,
        description="`requests`, or `failures`: credentials that were presented and refused. Left out, requests.",
        examples=["failures"],
    )
    by: Annotated[tuple[By, ...], Scalar(parse_by, _BY_SCHEMA)] | None = Field(
        default=None,
        description="What it counts by: `address`, `client`, `app`, `route`, `operation`, `api`, `{claim: NAME}`, "
        "`{header: NAME}`, or a list of these. What counts by address alone stands before authentication. Who has no "
        "such claim, program or header is counted as a client, and who is not known by address.",
        examples=["client", ["address", "route"], {"header": "X-Tenant"}],
    )
    allow: Annotated[Rate, Scalar(parse_allow, _RATE_SCHEMA)] | None = Field(
        default=None,
        description="How many in how long: a number, `/`, and `s`, `m`, `h`, `d` or several of them, as in `5/10s`.",
        examples=["100/s", "1k/h"],
    )
    burst: Annotated[int, whole(1, MOST_AT_ONCE)] | None = Field(
        default=None, description="How many at once; left out, the number of `allow`.", examples=[200]
    )
    ipv4_prefix: Annotated[int, whole(1, 32)] = Field(
        default=32, description="Bits of an IPv4 address that are counted as one.", examples=[24]
    )
    ipv6_prefix: Annotated[int, whole(1, 128)] = Field(
        default=64,
        description="Bits of an IPv6 address that are counted as one; most have a whole /64 for themselves.",
        examples=[56],
    )
    exempt: list[Network] | None = Field(
        default=None, description="Networks that are not counted.", examples=[["10.0.0.0/8"]]
    )
    methods: Annotated[list[Method], BeforeValidator(_some)] | None = Field(
        default=None,
        description="Methods that it is for; left out, all. `GET` is also for `HEAD`.",
        examples=[["POST"]],
        json_schema_extra={"minItems": 1},
    )
    operations: Annotated[list[Text], BeforeValidator(_some)] | None = Field(
        default=None,
        description="Operations of the API's document that it is for; left out, all.",
        examples=[["search"]],
        json_schema_extra={"minItems": 1},
    )
    paths: (
        Annotated[list[Annotated[PathMatch, PATH]], BeforeValidator(_some), AfterValidator(_no_expressions)] | None
    ) = Field(
        default=None,
        description="Paths that it is for, spelt as an API's `path` but for expressions; left out, all.",
        examples=[["/search"]],
        json_schema_extra={"minItems": 1},
    )
    tell: Literal["always", "refused", "never"] = Field(
        default="always",
        description="Which answers have `RateLimit` and `RateLimit-Policy`: `always` all, `refused` those that were "
        "refused, `never` none. `Retry-After` is always there.",
        examples=["refused"],
    )
    legacy_headers: Flag = Field(
        default=False,
        description="Whether they also have `X-RateLimit-Limit`, `-Remaining` and `-Reset` (in seconds).",
        examples=[True],
    )
    penalty: PenaltyTimes | None = Field(
        default=None,
        description="What too many failures bring; for `count: failures`.",
        examples=[{"first": "10s", "longest": "1h"}],
    )

    @property
    def is_complete(self) -> bool:
        """Whether it says how many, and by what; what refines another need not."""
        return self.by is not None and self.allow is not None

    @property
    def at_once(self) -> int:
        """How many at once."""
        return self.burst or (self.allow.number if self.allow is not None else 1)

    @property
    def window_ms(self) -> int:
        """How long all of it takes to be there again."""
        return self.at_once * self.allow.per_ms // self.allow.number if self.allow is not None else 0

    @property
    def is_early(self) -> bool:
        """Whether it stands before authentication; the core says the same."""
        kinds = {part.kind for part in self.by or ()}
        return "address" in kinds and kinds <= {"address", "route", "operation", "api"}

    @override
    def own(self, lists: Lists) -> dict[str, Any]:
        """The policy's own part, as the bundle's `config` wants it, but for the place that it is said in."""
        allow = self.allow or Rate(0, 0)
        failures = self.count == "failures"
        penalty = (self.penalty or PenaltyTimes()) if failures else None
        return {
            "name": self.name,
            "count": "failures" if failures else "requests",
            "by": [part.kind if part.name is None else {part.kind: part.name} for part in self.by or ()],
            "allow": allow.number,
            "per_ms": allow.per_ms,
            "burst": self.at_once,
            "ipv4_prefix": self.ipv4_prefix,
            "ipv6_prefix": self.ipv6_prefix,
            "exempt": self.exempt or [],
            "only": {
                "methods": self.methods or [],
                "operations": self.operations or [],
                "paths": [{match.kind: match.path} for match in self.paths or ()],
            },
            "tell": self.tell,
            "legacy": self.legacy_headers,
            "penalty": None
            if penalty is None
            else {"first_ms": penalty.first, "longest_ms": penalty.longest, "absent": penalty.absent},
        }


@functools.cache
def built_in() -> Limit:
    """What holds without being said: sixty wrong credentials at once and one a second are borne from an address.

    A login page's users mistype, and a whole office may have one address; guessing wants thousands. Addresses of this
    machine are exempt, since behind a proxy that is not among `trusted_proxies` everybody has one.
    """
    return Limit.model_validate(
        {
            "name": "failed-authentication",
            "count": "failures",
            "by": "address",
            "allow": "60/m",
            "exempt": ["127.0.0.0/8", "::1/128"],
            "tell": "never",
            "penalty": {},
        }
    )


def incomplete(limit: Limit) -> PydanticCustomError:
    """Why a limit that refines nothing is refused."""
    lacks = "by" if limit.by is None else "allow"
    example = "by: client" if lacks == "by" else "allow: 100/s"
    return refusal("missing-key", f"the limit {shown(limit.name)} has no `{lacks}`", hint=f"add `{example}`")
