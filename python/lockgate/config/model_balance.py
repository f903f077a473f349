"""`upstreams.*`: how requests are spread over servers, repeated and held back."""

from __future__ import annotations

import difflib
import ipaddress
import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lockgate.addresses import parse_listen
from lockgate.headers import Header
from lockgate.policies import Settings
from lockgate.scalars import Flag, Scalar, ShortForm, count, duration, refusal, shown

HOUR_MS: Final = 3_600_000
MAX_NAME_SERVERS: Final = 8
DAY_MS: Final = 24 * HOUR_MS
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
CLASS: Final = re.compile(r"([1-5])xx")
STATUS: Final = re.compile(r"[1-5][0-9]{2}")
RETRY_ON: Final = ("connect", "reset", "timeout")
CHOICES: Final = ("round_robin", "least_requests", "hash", "sticky")
KEYS: Final = ("header", "cookie", "by")


def parse_cookie_name(value: object) -> str:
    """The name of a cookie."""
    if isinstance(value, str) and TOKEN.fullmatch(value):
        return value
    raise refusal("cookie-malformed", f"{shown(value)} is not the name of a cookie", allowed="a name such as `session`")


def say_percent(value: int) -> str:
    """A percentage."""
    return f"{value}%"


def parse_percent(value: object) -> int:
    """A share, written `20%`."""
    found = re.fullmatch(r"([0-9]{1,3}) ?%", value) if isinstance(value, str) else None
    if found is None or int(found[1]) > 100:
        hint = f"write `{value}%`" if isinstance(value, int) and not isinstance(value, bool) else None
        if isinstance(value, float) and 0 < value < 1:
            hint = f"write `{max(1, round(value * 100))}%`"
        message = f"{shown(value)} is not a share"
        raise refusal("percent-malformed", message, allowed="from `0%` to `100%`", hint=hint)
    return int(found[1])


def parse_share(value: object) -> int:
    """A share that is not nothing."""
    share = parse_percent(value)
    if share == 0:
        raise refusal(
            "percent-malformed",
            "a share of nothing means that no server is ever taken out",
            allowed="from `1%` to `100%`",
            hint="write `failures: 0` if that is meant",
        )
    return share


def parse_name_server(value: object) -> str:
    """A name server: an address, with a port if it is not 53."""
    if isinstance(value, str):
        try:
            ip = ipaddress.ip_address(value)
        except ValueError:
            ip = None
        if ip is not None and "%" not in value:
            return f"[{ip}]:53" if ip.version == 6 else f"{ip}:53"
        if not value.endswith(":0"):
            try:
                return parse_listen(value)
            except PydanticCustomError:
                pass  # The refusal below says what a name server is.
    raise refusal(
        "name-server-malformed",
        f"{shown(value)} is not a name server",
        allowed="an address, with a port if it is not 53, such as `10.0.0.53` or `[::1]:5353`",
    )


def parse_status(value: object) -> int:
    """A status of an answer, as a number or as text."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if STATUS.fullmatch(text):
        return int(text)
    raise refusal("status-malformed", f"{shown(value)} is not a status", allowed="a number such as `503`")


def parse_expected(value: object) -> tuple[int, int]:
    """One status, or all of a class such as `2xx`."""
    if isinstance(value, str) and (found := CLASS.fullmatch(value)):
        return int(found[1]) * 100, int(found[1]) * 100 + 99
    status = parse_status(value)
    return status, status


def parse_retry_on(value: object) -> str:
    """What may be sent once more: a word, or a status of 4xx or 5xx."""
    if value in RETRY_ON:
        return str(value)
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if re.fullmatch(r"[45][0-9]{2}", text):
        return text
    allowed = "`connect`, `reset`, `timeout`, or a status from `400` to `599`"
    raise refusal("retry-malformed", f"{shown(value)} is nothing to retry on", allowed=allowed)


def parse_probe_path(value: object) -> str:
    """The path that a health check asks for."""
    if isinstance(value, str) and re.fullmatch(r"/[!$-;=?-Z_a-z~%]{0,1023}", value):
        return value
    message = f"{shown(value)} is not a path"
    raise refusal("path-malformed", message, allowed="a path with or without a query, such as `/healthz`")


def parse_probe_host(value: object) -> str:
    """The host that a health check asks for."""
    if isinstance(value, str) and re.fullmatch(
        r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[1-9][0-9]{0,3})?", value
    ):
        return value.lower()
    raise refusal("host-malformed", f"{shown(value)} is not a host", allowed="a name such as `shop.example.com`")


def _few(value: object) -> object:
    """Name servers are asked one after the other: more than a few are of no use."""
    if isinstance(value, list) and len(value) > MAX_NAME_SERVERS:
        raise refusal("list-too-long", f"this list has {len(value)} entries", allowed=f"at most {MAX_NAME_SERVERS}")
    return value


def _filled(value: object) -> object:
    """A list that wants at least one entry."""
    if value == []:
        raise refusal("list-empty", "this list is empty", allowed="at least one entry")
    return value


Percent = Annotated[int, Scalar(parse_percent, {"type": "string", "pattern": "^[0-9]{1,3} ?%$"}, say_percent)]
Share = Annotated[int, Scalar(parse_share, {"type": "string", "pattern": "^[0-9]{1,3} ?%$"}, say_percent)]
NameServer = Annotated[str, Scalar(parse_name_server, {"type": "string"})]
Status = Annotated[int, Scalar(parse_status, {"type": ["integer", "string"]})]
Expected = Annotated[tuple[int, int], Scalar(parse_expected, {"type": ["integer", "string"]})]
RetryOn = Annotated[str, Scalar(parse_retry_on, {"type": ["string", "integer"]})]
Cookie = Annotated[str, Scalar(parse_cookie_name, {"type": "string"})]


class HashOf(Settings):
    """What of a request says which server it goes to: exactly one of these."""

    header: Header | None = Field(default=None, description="The value of this header.", examples=["X-Tenant"])
    cookie: Cookie | None = Field(default=None, description="The value of this cookie.", examples=["session"])
    by: Literal["client", "path"] | None = Field(
        default=None,
        description="The client's address, as `trusted_proxies` lets it be known, or the path as the upstream gets "
        "it. May stand alone: `hash: client`.",
        examples=["client"],
    )


def _one_key(value: object) -> object:
    """One part of the request; `client` and `path` may stand alone."""
    if value in ("client", "path"):
        return {"by": value}
    allowed = "`{header: NAME}`, `{cookie: NAME}`, `client` or `path`"
    if isinstance(value, str) or (isinstance(value, dict) and len(value) != 1 and set(value) <= set(KEYS)):
        raise refusal("hash-malformed", f"{shown(value)} is not one thing to hash", allowed=allowed)
    return value


class StickyBy(Settings):
    """A cookie of the gate's, by which a client keeps its server."""

    cookie: Cookie = Field(default="lockgate_server", description="The cookie's name.", examples=["lockgate_server"])
    max_age: Annotated[int, duration(0, 366 * DAY_MS)] = Field(
        default=0,
        description="How long the client keeps it; `0` for as long as its browser is open.",
        examples=["1h"],
        json_schema_extra={"default": "0s"},
    )


class Balance(Settings):
    """How a server is chosen for each request: exactly one of these."""

    by: Literal["round_robin", "least_requests"] | None = Field(
        default=None,
        description="`round_robin`: in turn, as often as the weights say. `least_requests`: the less busy of two that "
        "are drawn. May stand alone: `balance: least_requests`.",
        examples=["least_requests"],
    )
    hash: Annotated[HashOf | None, BeforeValidator(_one_key), ShortForm({"enum": ["client", "path"]})] = Field(
        default=None,
        description="The same key, the same server. A server that goes or comes moves no more keys than its own. "
        "Requests without the key take turns.",
        examples=[{"header": "X-Tenant"}, "client"],
    )
    sticky: StickyBy | None = Field(
        default=None,
        description="A client keeps its server by a cookie that the gate sets; a new one gets the less busy of two. "
        "May stand alone: `balance: sticky`.",
        examples=[{"cookie": "lockgate_server"}],
    )


def in_full(value: object) -> object:
    """Turn the short form, a name alone, into the long one."""
    allowed = "`round_robin`, `least_requests`, `sticky`, or `{hash: {header: NAME}}`"
    if value in ("round_robin", "least_requests"):
        return {"by": value}
    if value == "sticky":
        return {"sticky": {}}
    if isinstance(value, str):
        close = difflib.get_close_matches(value, CHOICES, n=1, cutoff=0.5)
        hint = f"did you mean `{close[0]}`?" if close else None
        if value == "hash":
            hint = "write `{hash: {header: X-Tenant}}`, or what else is to be hashed"
        raise refusal("balance-unknown", f"there is no way to balance {shown(value)}", allowed=allowed, hint=hint)
    if isinstance(value, dict) and len(value) != 1 and set(value) <= {"by", "hash", "sticky"}:
        raise refusal("balance-malformed", "a server is chosen in exactly one way", allowed=allowed)
    return value


class Passive(Settings):
    """Learns from the answers themselves how servers are."""

    failures: Annotated[int, count(0, 1000)] = Field(
        default=5,
        description="So many failures in a row take a server out for a while; `0` turns it off.",
        examples=[5],
    )
    eject: Annotated[int, duration(100, HOUR_MS)] = Field(
        default=30_000,
        description="For how long at first; each further time in a row twice as long.",
        examples=["30s"],
        json_schema_extra={"default": "30s"},
    )
    eject_most: Annotated[int, duration(100, DAY_MS)] = Field(
        default=300_000, description="And for how long at most.", examples=["5m"], json_schema_extra={"default": "5m"}
    )
    share: Share = Field(
        default=50,
        description="How many of the servers may be out at once; the last one that is well never is.",
        examples=["50%"],
        json_schema_extra={"default": "50%"},
    )
    statuses: list[Status] = Field(
        default=[502, 503, 504],
        description="Statuses that are failures, besides no connection, a broken one and no answer in time.",
        examples=[[502, 503, 504]],
    )


class Health(Settings):
    """How servers are: by asking each (`path`), and by how they answer requests (`passive`)."""

    path: Annotated[str, Scalar(parse_probe_path, {"type": "string", "pattern": "^/"})] | None = Field(
        default=None,
        description="What each server is asked for with GET; left out, none is asked.",
        examples=["/healthz"],
    )
    connect: Flag = Field(
        default=False,
        description="For targets that begin with `tcp://`, which nothing can be asked of: each is seen to take a "
        "connection.",
        examples=[True],
    )
    host: Annotated[str, Scalar(parse_probe_host, {"type": "string"})] | None = Field(
        default=None,
        description="The `Host` of the question; left out, the target's own.",
        examples=["shop.example.com"],
    )
    every: Annotated[int, duration(100, HOUR_MS)] = Field(
        default=5_000,
        description="From one question to the next, give or take a tenth.",
        examples=["5s"],
        json_schema_extra={"default": "5s"},
    )
    timeout: Annotated[int, duration(10, HOUR_MS)] = Field(
        default=2_000,
        description="How long the answer's status may take.",
        examples=["2s"],
        json_schema_extra={"default": "2s"},
    )
    expect: Annotated[list[Expected], BeforeValidator(_filled)] = Field(
        default=[(200, 299)],
        description="Statuses of a good answer: numbers, or classes such as `2xx`.",
        examples=[["2xx", 304]],
        json_schema_extra={"default": ["2xx"], "minItems": 1},
    )
    unhealthy_after: Annotated[int, count(1, 100)] = Field(
        default=3,
        description="So many bad answers in a row take a server out. The first answer of all decides alone.",
        examples=[3],
    )
    healthy_after: Annotated[int, count(1, 100)] = Field(
        default=2, description="So many good answers in a row take it in again.", examples=[2]
    )
    slow_start: Annotated[int, duration(0, HOUR_MS)] = Field(
        default=0,
        description="A server that comes back gets a tenth of its share at first, and all of it after this time. "
        "Not with `hash`, which would move keys twice.",
        examples=["30s"],
        json_schema_extra={"default": "0s"},
    )
    passive: Passive = Field(
        default=Passive(),
        description="What failures of requests do; it is on wherever there are two targets.",
        examples=[{"failures": 5, "eject": "30s"}],
    )


class Retry(Settings):
    """Sends once more what failed, where that is safe: to another server, if there is one."""

    attempts: Annotated[int, count(1, 10)] = Field(
        default=1, description="Further attempts after the first.", examples=[2]
    )
    on: Annotated[list[RetryOn], BeforeValidator(_filled)] = Field(
        default=["connect", "reset"],
        description="On what: `connect` (no connection; safe for any request, as nothing was sent), and for requests "
        "that are idempotent and have no body `reset` (it broke off before an answer), `timeout`, and statuses.",
        examples=[["connect", "reset", "503"]],
        json_schema_extra={"minItems": 1},
    )
    budget: Percent = Field(
        default=20,
        description="How many requests may be sent once more, as a share of all. Ten are free to begin with.",
        examples=["20%"],
        json_schema_extra={"default": "20%"},
    )
    per_try: Annotated[int, duration(0, 24 * HOUR_MS)] = Field(
        default=0,
        description="How long each attempt of a request that may be repeated can take to begin its answer. All "
        "together have `timeouts.first_byte`; `0` for no other bound.",
        examples=["2s"],
        json_schema_extra={"default": "0s"},
    )


class Breaker(Settings):
    """Bounds how much of the upstream is under way at once, over all workers."""

    concurrent: Annotated[int, count(1, 1_000_000)] = Field(
        description="Requests under way, from the first byte sent to the last received.", examples=[500]
    )
    queue: Annotated[int, count(0, 1_000_000)] = Field(
        default=0, description="Requests that may wait for one of them to end; more are refused.", examples=[100]
    )
    wait: Annotated[int, duration(1, HOUR_MS)] = Field(
        default=1_000, description="For how long they wait.", examples=["1s"], json_schema_extra={"default": "1s"}
    )


class Dns(Settings):
    """How names among the targets are looked up. An answer holds for its TTL, within these bounds."""

    servers: Annotated[list[NameServer], BeforeValidator(_few)] = Field(
        default=[],
        description="Name servers, up to eight; left out, the system's (`/etc/resolv.conf`).",
        examples=[["10.0.0.53"]],
    )
    least: Annotated[int, duration(100, DAY_MS)] = Field(
        default=1_000,
        description="An answer is believed at least so long; after a failure it is asked again that soon.",
        examples=["1s"],
        json_schema_extra={"default": "1s"},
    )
    most: Annotated[int, duration(100, DAY_MS)] = Field(
        default=60_000,
        description="And at most so long.",
        examples=["60s"],
        json_schema_extra={"default": "60s"},
    )
