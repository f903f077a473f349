"""`upstreams`: what the gate forwards to."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lockgate.addresses import Target
from lockgate.config.model_balance import Balance, Breaker, Dns, Health, Retry, in_full
from lockgate.config.model_tls import UpstreamTls
from lockgate.headers import Header
from lockgate.policies import Settings, Waiver
from lockgate.scalars import Name, Secret, ShortForm, Text, count, duration, refusal, shown, size

HOUR_MS = 3_600_000
MAX_TARGETS = 256


class Credential(Settings):
    """A header that proves the gate to the upstream."""

    header: Header = Field(
        description="The header's name; not one that the gate itself writes or takes off.", examples=["X-Gate-Token"]
    )
    value: Secret = Field(
        description="Where its value is: a reference, read by the gate and kept in memory only.",
        examples=["${env:SHOP_TOKEN}"],
    )


def _audiences(value: object) -> object:
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, list) and not texts:
        raise refusal("list-empty", "this list is empty", allowed="for whom assertions are made")
    return texts


class Assertion(Settings):
    """Tells the upstream who calls, signed by the gate and good for a minute, in the place of the credential."""

    audience: Annotated[list[Text], BeforeValidator(_audiences)] = Field(
        max_length=8,
        description="For whom it is made: what the upstream wants to see in `aud`. Another upstream has another, so "
        "that none can use what it was told at the next.",
        examples=["orders"],
    )
    header: Header = Field(
        default="Authorization",
        description="The header that carries it; in `Authorization` it is a bearer's. What the client sent there never "
        "arrives.",
        examples=["X-Gate-Assertion"],
    )
    claims: list[Text] = Field(
        default=["name", "email", "preferred_username", "groups", "roles", "scope", "acr", "amr", "auth_time"],
        max_length=32,
        description="What of the caller's verified claims it says, besides `iss`, `aud`, `sub`, `iat`, `exp`, "
        "`client_id`, `credential` and `proved_by`.",
        examples=[["email", "groups"]],
    )
    lifetime: Annotated[int, duration(10_000, HOUR_MS)] = Field(
        default=60_000,
        description="How long it holds. It is used again for half of that time.",
        examples=["60s"],
        json_schema_extra={"default": "60s"},
    )

    def bundled(self) -> dict[str, object]:
        """As the bundle has it."""
        return {
            "header": self.header,
            "audience": self.audience,
            "claims": self.claims,
            "lifetime_s": self.lifetime // 1000,
        }


class UpstreamToken(Settings):
    """Gives the upstream a token of the identity provider's, in the place of the caller's credential."""

    issuer: Name = Field(description="Who makes it: a name under `issuers` that has a `client`.", examples=["company"])
    take: Literal["exchanged", "session"] = Field(
        default="exchanged",
        description="`exchanged`: the caller's token, or the session's, is exchanged for one that opens this upstream "
        "alone (RFC 8693). `session`: the access token of the person's session as it is, with all that it opens.",
        examples=["session"],
    )
    audience: Annotated[list[Text], BeforeValidator(_audiences)] | None = Field(
        default=None,
        max_length=8,
        description="For which service it is to be, by the provider's name of it.",
        examples=["orders"],
    )
    resource: Annotated[list[Text], BeforeValidator(_audiences)] | None = Field(
        default=None,
        max_length=8,
        description="The same by its address (RFC 8707).",
        examples=["https://orders.internal"],
    )
    scopes: list[Text] = Field(
        default=[],
        max_length=32,
        description="What it may be used for at most. Left out, the provider decides.",
        examples=[["orders:read"]],
    )
    header: Header = Field(
        default="Authorization",
        description="The header that carries it; in `Authorization` it is a bearer's. What the client sent there never "
        "arrives.",
        examples=["X-Orders-Token"],
    )

    @model_validator(mode="after")
    def _narrow(self) -> Self:
        narrow = self.audience is not None or self.resource is not None
        if self.take == "exchanged" and not narrow:
            raise refusal(
                "token-without-audience",
                "it does not say for whom the token is to be, so it would open whatever the caller's own does",
                hint="add `audience: …`, or `resource: …` where the provider goes by addresses",
            )
        if self.take == "session" and (narrow or self.scopes):
            raise refusal(
                "token-narrowed-twice",
                "the session's own token is passed on as it is; nothing narrows it",
                hint="take `audience`, `resource` and `scopes` out, or `take: session`",
            )
        return self


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


class Server(Settings):
    """One of an API's servers."""

    url: Target = Field(
        description="`https://` or `http://` with a host and a port, `unix:` with the path of a socket, or "
        "`https+srv://` or `http+srv://` with the name of a service whose servers DNS knows. `tcp://` and `tcp+srv://` "
        "are for what `passthrough` carries there unread.",
        examples=["https://orders.internal:9443", "unix:/run/shop.sock", "http+srv://_http._tcp.shop.internal"],
    )
    weight: Annotated[int, count(0, 100)] = Field(
        default=1,
        description="Its share beside the others. `0` gives it nothing new: only clients that stick to it go on there.",
        examples=[3],
    )
    priority: Annotated[int, count(0, 1000)] = Field(
        default=0,
        description="Lower ones first: the next are asked only while none of these is well.",
        examples=[1],
    )


def _server(value: object) -> object:
    """Turn the short form, an address alone, into the long one."""
    return value if isinstance(value, dict | Server) else {"url": value}


def _not_too_many(value: object) -> object:
    if isinstance(value, list) and len(value) > MAX_TARGETS:
        raise refusal(
            "list-too-long",
            f"this list has {len(value)} entries",
            allowed=f"at most {MAX_TARGETS}",
            hint="let DNS name them, with one target `http+srv://NAME`, or put a balancer between",
        )
    return value


class Upstream(Settings):
    """An API's servers."""

    targets: Annotated[
        list[Annotated[Server, BeforeValidator(_server), ShortForm({"type": "string"})]], BeforeValidator(_not_too_many)
    ] = Field(
        description="The servers: addresses alone, or with a weight and a priority.",
        examples=[["http://127.0.0.1:9000", {"url": "http://127.0.0.1:9001", "weight": 2}]],
    )
    balance: Annotated[
        Balance, BeforeValidator(in_full), ShortForm({"enum": ["round_robin", "least_requests", "sticky"]})
    ] = Field(
        default=Balance(by="round_robin"),
        description="How a server is chosen for each request.",
        examples=["least_requests", {"hash": {"header": "X-Tenant"}}],
        json_schema_extra={"default": "round_robin"},
    )
    health: Health = Field(
        default=Health(),
        description="How servers are, and what becomes of those that are not well.",
        examples=[{"path": "/healthz", "every": "5s"}],
    )
    retry: Retry | None = Field(
        default=None,
        description="Sends once more what failed, where that is safe. Without it only a connection that cannot be "
        "had is asked of another target.",
        examples=[{"attempts": 2, "on": ["connect", "503"], "budget": "20%"}],
    )
    breaker: Breaker | None = Field(
        default=None,
        description="Bounds how much is under way at once; what is too much waits or is refused.",
        examples=[{"concurrent": 500, "queue": 100}],
    )
    dns: Dns = Field(
        default=Dns(), description="How names among the targets are looked up.", examples=[{"most": "60s"}]
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
    protocol: Literal["http/1.1", "h2"] = Field(
        default="http/1.1",
        description="What is spoken with the targets. `h2` is HTTP/2, over `http://` without an upgrade (prior "
        "knowledge); gRPC needs it.",
        examples=["h2"],
    )
    proxy_protocol: Literal["v1", "v2"] | None = Field(
        default=None,
        description="Each connection begins by saying, in this version of the PROXY protocol, which client it is for, "
        "and is used for no other. The targets have to expect that.",
        examples=["v2"],
    )
    tls: UpstreamTls | None = Field(
        default=None,
        description="How targets that begin with `https://` are spoken to. Left out, their certificates have to be "
        "vouched for by an authority of this machine.",
        examples=[{"trust": "internal-ca.pem", "server_name": "orders.internal"}],
    )
    assertion: Assertion | None = Field(
        default=None,
        description="A signed statement of who calls, for the upstream to verify.",
        examples=[{"audience": "orders"}],
    )
    token: UpstreamToken | None = Field(
        default=None,
        description="A token of the identity provider's for this upstream, in the place of the caller's credential.",
        examples=[{"issuer": "company", "audience": "orders"}],
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

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.proxy_protocol is not None and self.protocol == "h2":
            raise refusal(
                "proxy-protocol-shared",
                "one HTTP/2 connection carries the requests of many clients, and could name only one of them",
                hint="take `protocol: h2` out, or `proxy_protocol`; each request says in `X-Forwarded-For` whose it is",
            )
        carried: dict[str, str] = {}
        for what, said in (
            ("the gate's credential", self.credential),
            ("the assertion", self.assertion),
            ("the token", self.token),
        ):
            if said is None:
                continue
            before = carried.setdefault(said.header.lower(), what)
            if before != what:
                raise refusal(
                    "header-twice",
                    f"{shown(said.header)} carries {before} and {what}",
                    hint=f"give {what} another `header`, such as X-Gate-Assertion",
                )
        return self
