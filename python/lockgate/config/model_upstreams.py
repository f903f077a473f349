"""`upstreams`: what the gate forwards to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lockgate.addresses import Target
from lockgate.config.references import REFERENCE
from lockgate.headers import Header
from lockgate.policies import Settings, Waiver
from lockgate.scalars import Scalar, duration, refusal, size

HOUR_MS = 3_600_000


def parse_secret(value: object) -> str:
    """A reference to a secret. The value itself is refused, since a file with it would be copied and kept."""
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return value
    # The value is not quoted here: it may be the secret.
    raise refusal(
        "secret-literal",
        "a secret must not stand in the file",
        allowed="`${env:NAME}` or `${file:path}`",
        hint='put it into a variable or a file of mode 0600, and write "${env:NAME}" here',
    )


Secret = Annotated[
    str,
    Scalar(parse_secret, {"type": "string", "pattern": r"^\$\{(env|file):[^${}]+\}$", "secret": True}),
]


class Credential(Settings):
    """A header that proves the gate to the upstream."""

    header: Header = Field(
        description="The header's name; not one that the gate itself writes or takes off.", examples=["X-Gate-Token"]
    )
    value: Secret = Field(
        description="Where its value is: a reference, read by the gate and kept in memory only.",
        examples=["${env:SHOP_TOKEN}"],
    )


class Timeouts(Settings):
    """Timeouts of one exchange, phase by phase."""

    connect: Annotated[int, duration(1, HOUR_MS)] = Field(
        default=1_000, description="To open a connection.", examples=["1s"], json_schema_extra={"default": "1s"}
    )
    first_byte: Annotated[int, duration(1, 24 * HOUR_MS)] = Field(
        default=30_000,
        description="From the request's last byte to the answer's head.",
        examples=["30s"],
        json_schema_extra={"default": "30s"},
    )
    idle: Annotated[int, duration(1, 24 * HOUR_MS)] = Field(
        default=60_000,
        description="Between two pieces of an answer.",
        examples=["60s"],
        json_schema_extra={"default": "60s"},
    )
    keep_alive: Annotated[int, duration(0, 24 * HOUR_MS)] = Field(
        default=30_000,
        description="How long an unused connection is kept.",
        examples=["30s"],
        json_schema_extra={"default": "30s"},
    )


class Upstream(Settings):
    """An API's servers."""

    targets: list[Target] = Field(
        description="The servers, asked in turn.", examples=[["http://127.0.0.1:9000", "http://127.0.0.1:9001"]]
    )
    timeouts: Timeouts = Field(
        default=Timeouts(), description="Timeouts, phase by phase.", examples=[{"first_byte": "30s"}]
    )
    head_bytes: Annotated[int, size(1024, 2**20)] = Field(
        default=64 * 2**10,
        description="Status line and headers of an answer together.",
        examples=["64KiB"],
        json_schema_extra={"default": "64KiB"},
    )
    credential: Credential | None = Field(
        default=None,
        description="A header that is set on every request, its value a secret.",
        examples=[{"header": "X-Gate-Token", "value": "${env:SHOP_TOKEN}"}],
    )
    insecure: Waiver | None = Field(
        default=None,
        description="Needed to speak plain HTTP with servers other than on loopback.",
        examples=[{"owner": "platform", "reason": "TLS comes with the mesh", "until": "2027-01-01"}],
    )
