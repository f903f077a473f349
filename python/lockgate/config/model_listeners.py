"""`listeners`: where the gate listens, and what a stranger may send there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lockgate.addresses import Listen, Network
from lockgate.policies import Settings, Waiver
from lockgate.scalars import count, duration, rate, size

HOUR_MS = 3_600_000
INSECURE_EXAMPLE = {"owner": "platform", "reason": "TLS ends at the balancer", "until": "2027-01-01"}


class Limits(Settings):
    """Bounds on what a stranger may send to a listener."""

    head_bytes: Annotated[int, size(1024, 2**20)] = Field(
        default=32 * 2**10,
        description="Request line and headers together.",
        examples=["32KiB"],
        json_schema_extra={"default": "32KiB"},
    )
    headers: Annotated[int, count(1, 1000)] = Field(default=100, description="Number of header lines.", examples=[100])
    head_timeout: Annotated[int, duration(100, HOUR_MS)] = Field(
        default=10_000,
        description="From a head's first byte to its last.",
        examples=["10s"],
        json_schema_extra={"default": "10s"},
    )
    idle_timeout: Annotated[int, duration(100, 24 * HOUR_MS)] = Field(
        default=75_000,
        description="Between two requests of one connection.",
        examples=["75s"],
        json_schema_extra={"default": "75s"},
    )
    body_rate_min: Annotated[int, rate(0, 2**30)] = Field(
        default=1024,
        description="Slowest that a body may come in, after a grace of five seconds; `0` turns the floor off.",
        examples=["1KiB/s"],
        json_schema_extra={"default": "1KiB/s"},
    )
    write_timeout: Annotated[int, duration(100, 24 * HOUR_MS)] = Field(
        default=60_000,
        description="A client that takes no byte of its answer for this long is let go.",
        examples=["60s"],
        json_schema_extra={"default": "60s"},
    )
    connections: Annotated[int, count(1, 10_000_000)] = Field(
        default=10_000, description="Open connections in all.", examples=[10_000]
    )
    # A tenth of all, so that one address cannot keep everybody else out. An office or a mobile network behind one
    # address stays far below it: browsers open 6 connections to a host, and keep few of them.
    connections_per_ip: Annotated[int, count(1, 10_000_000)] = Field(
        default=1_000,
        description="Open connections of one address, or of one IPv6 network of 64 bits. Does not bound "
        "`trusted_proxies`: there one address stands for many clients.",
        examples=[200],
    )


class Listener(Settings):
    """One address on which the gate takes requests."""

    address: Listen = Field(
        default="127.0.0.1:8080",
        description="An IP address and a port; port 0 takes a free one.",
        examples=["127.0.0.1:8080"],
    )
    trusted_proxies: list[Network] = Field(
        default=[],
        description="Networks whose `Forwarded` and `X-Forwarded-*` are believed; others' are thrown away.",
        examples=[["10.0.0.0/8"]],
    )
    insecure: Waiver | None = Field(
        default=None,
        description="Needed to take plain HTTP on an address other than loopback.",
        examples=[INSECURE_EXAMPLE],
    )
    limits: Limits = Field(
        default=Limits(), description="Bounds on what a stranger may send.", examples=[{"head_bytes": "32KiB"}]
    )
