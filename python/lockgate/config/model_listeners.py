"""`listeners`: where the gate listens, and what a stranger may send there."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from lockgate.addresses import ANY_CALLER, UNIX, Account, Mode, Proxy, is_inside
from lockgate.addresses import Listener as Address
from lockgate.config.model_tls import Tls
from lockgate.policies import Settings, Waiver
from lockgate.scalars import Flag, Name, ShortForm, count, duration, rate, refusal, say_size, size

Protocol = Literal["http/1.1", "h2", "h3"]
PROTOCOLS: Final[tuple[Protocol, ...]] = ("http/1.1", "h2", "h3")

HOUR_MS = 3_600_000
NEW_CONNECTIONS_PER_IP: Final = 200
"""In a second, by default. A handshake costs 100 µs with ECDSA, and 700 µs with RSA."""
MEMORY: Final = 256 * 2**20
INSECURE_EXAMPLE = {"owner": "platform", "reason": "TLS ends at the balancer", "until": "2027-01-01"}


def _protocols(value: object) -> object:
    """One alone stands for a list of one."""
    several = [value] if isinstance(value, str) else value
    if isinstance(several, list) and (not several or len(several) != len({str(one) for one in several})):
        raise refusal("protocols-malformed", "each protocol is named once", allowed=", ".join(PROTOCOLS))
    return several


Protocols = Annotated[list[Protocol], BeforeValidator(_protocols), ShortForm({"enum": list(PROTOCOLS)})]


class Limits(Settings):
    """Bounds on what a stranger may send to a listener."""

    head_bytes: Annotated[int, size(1024, 2**20)] = Field(
        default=32 * 2**10,
        description="Request line and headers together.",
        examples=["32KiB"],
        json_schema_extra={"default": "32KiB"},
    )
    headers: Annotated[int, count(1, 1000)] = Field(default=100, description="Number of header lines.", examples=[100])
    handshake_timeout: Annotated[int, duration(100, HOUR_MS)] = Field(
        default=10_000,
        description="From a connection's beginning to the end of its TLS handshake.",
        examples=["10s"],
        json_schema_extra={"default": "10s"},
    )
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
    # On loopback it is who ends TLS before the gate, who may well open a connection for each request.
    new_connections_per_ip: Annotated[int, count(0, 1_000_000)] | None = Field(
        default=None,
        description="New connections of one address in a second, and five times as many at once; `0` for no bound. "
        "Each costs a TLS handshake. Where nothing is said, 200; no bound on loopback or a Unix socket without "
        "`tls`. Does not bound `trusted_proxies`.",
        examples=[50],
    )
    streams: Annotated[int, count(1, 10_000)] = Field(
        default=100,
        description="Requests of one HTTP/2 or HTTP/3 connection that are under way at once.",
        examples=[100],
    )
    control_frames: Annotated[int, count(1, 1_000)] = Field(
        default=1,
        description="How many times the usual number of control frames (`PING`, `SETTINGS`, `RST_STREAM`, …) a "
        "connection of HTTP/2 or HTTP/3 may send before it is closed; `1` is enough for every client that is known.",
        examples=[4],
    )
    # A thousand answers with brotli would take 2.5 GiB, and one body of 80 KB can fill a window of 8 MiB.
    compress_memory: Annotated[int, size(2**20, 2**50)] = Field(
        default=MEMORY,
        description="Memory that all answers which `compress` packs at once may take, of which one address gets half; "
        "beyond it an answer goes out as it is. Each counts for the most that its coding and level take.",
        examples=["1GiB"],
        json_schema_extra={"default": say_size(MEMORY)},
    )
    inflate_memory: Annotated[int, size(2**20, 2**50)] = Field(
        default=MEMORY,
        description="Memory that all bodies which `inflate` unpacks at once may take, of which one address gets half; "
        "beyond it a body is refused with 503 (`inflate-full`). Each counts for what its coding and window take.",
        examples=["1GiB"],
        json_schema_extra={"default": say_size(MEMORY)},
    )
    inspect_memory: Annotated[int, size(2**20, 2**50)] = Field(
        default=256 * 2**20,
        description="Memory that all bodies which `waf` holds back at once may take, of which one address gets half; "
        "beyond it a body is refused with 503 (`inspect-full`).",
        examples=["64MiB"],
        json_schema_extra={"default": "256MiB"},
    )


class UnixSocket(Settings):
    """The file of a listener's Unix socket: whoever may write to it may connect."""

    mode: Mode = Field(
        default=0o660,
        description="Its mode, in octal. By default its owner and its group may connect, and nobody else on the "
        "machine.",
        examples=["0660"],
        json_schema_extra={"default": "0660"},
    )
    owner: Account | None = Field(
        default=None,
        description="Whose it is, by name or number; left out, the gate's user's. Only root may give it away.",
        examples=["lockgate"],
    )
    group: Account | None = Field(
        default=None,
        description="Its group, by name or number; left out, the gate's user's. The gate's user has to be in it.",
        examples=["www-data"],
    )


class Listener(Settings):
    """One place at which the gate takes requests."""

    address: Address = Field(
        default="127.0.0.1:8080",
        description="An IP address and a port, where port 0 takes a free one; or `unix:` with the path of a socket.",
        examples=["127.0.0.1:8080", "unix:/run/lockgate/gate.sock"],
    )
    socket: UnixSocket | None = Field(
        default=None,
        description="Who may connect to a Unix socket.",
        examples=[{"mode": "0660", "group": "www-data"}],
    )
    trusted_proxies: list[Proxy] = Field(
        default=[],
        description="Networks whose `Forwarded` and `X-Forwarded-*` are believed; others' are thrown away. On a Unix "
        "socket `unix` is whoever may connect.",
        examples=[["10.0.0.0/8"], ["unix"]],
    )
    proxy_protocol: Flag = Field(
        default=False,
        description="The `trusted_proxies` say by the PROXY protocol (version 1 or 2) whom they speak for, before "
        "anything else, and have to; of others it is not taken.",
        examples=[True],
    )
    protocols: Annotated[list[Protocol], BeforeValidator(_protocols), ShortForm({"enum": list(PROTOCOLS)})] | None = (
        Field(
            default=None,
            description="What is spoken. Left out, HTTP/2 and HTTP/1.1 with TLS, where clients choose, and HTTP/1.1 "
            "without. `h3` is HTTP/3, on a UDP socket of the same port, which a firewall has to let through.",
            examples=[["http/1.1", "h2", "h3"]],
        )
    )
    tls: Tls | None = Field(
        default=None,
        description="How it speaks HTTPS; left out, it speaks plain HTTP.",
        examples=[{"certificate": {"chain": "certs/api.pem", "key": "certs/api.key"}}],
    )
    redirect_to: Name | None = Field(
        default=None,
        description="The listener with TLS that every request is sent to, with 308, instead of being served.",
        examples=["public"],
    )
    public_port: Annotated[int, count(1, 65_535)] | None = Field(
        default=None,
        description="The port by which clients reach it, where something in front maps that to the one of `address`. "
        "`redirect_to`, `Alt-Svc` and `X-Forwarded-Port` name it. Left out, the port of `address`.",
        examples=[443],
    )
    insecure: Waiver | None = Field(
        default=None,
        description="Needed to serve plain HTTP on an address other than loopback.",
        examples=[INSECURE_EXAMPLE],
    )
    limits: Limits = Field(
        default=Limits(), description="Bounds on what a stranger may send.", examples=[{"head_bytes": "32KiB"}]
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.tls is not None and self.redirect_to is not None:
            raise refusal(
                "redirects-from-tls",
                "a listener with `tls` serves its requests itself",
                hint="take `redirect_to` out, or `tls`",
                at=("redirect_to",),
            )
        if self.redirect_to is not None and self.insecure is not None:
            raise refusal(
                "insecure-needless",
                "a listener that only redirects serves nothing in the clear",
                hint="take `insecure` out",
                at=("insecure",),
            )
        if self.proxy_protocol and not self.trusted_proxies:
            example = ANY_CALLER if self.is_unix() else "10.0.0.0/8"
            raise refusal(
                "proxy-protocol-untrusted",
                "whom a proxy speaks for is believed of `trusted_proxies` alone, and there are none",
                hint=f"name the networks of your load balancers: `trusted_proxies: [{example}]`",
                at=("proxy_protocol",),
            )
        self._agree_on_place()
        if self.tls is None and self.protocols is not None and "h2" in self.protocols:
            raise refusal(
                "h2-wants-tls",
                "HTTP/2 is spoken over TLS",
                allowed="`http/1.1`, or `tls` beside it",
                at=("protocols", self.protocols.index("h2")),
            )
        if self.protocols is not None and "h3" in self.protocols:
            self._take_http3(self.protocols)
        return self

    def is_unix(self) -> bool:
        """Whether it is a socket in the file system."""
        return self.address.startswith(UNIX)

    def reached_at(self) -> int | None:
        """The port by which clients reach it, where there is one that is known."""
        if self.public_port is not None:
            return self.public_port
        return None if self.is_unix() else int(self.address.rpartition(":")[2]) or None

    def _agree_on_place(self) -> None:
        if self.is_unix():
            return
        if self.socket is not None:
            raise refusal(
                "socket-needless",
                "`socket` says who may connect to a Unix socket, and this listener is on the network",
                hint="take it out, or give an `address` such as `unix:/run/lockgate/gate.sock`",
                at=("socket",),
            )
        if ANY_CALLER in self.trusted_proxies:
            raise refusal(
                "network-malformed",
                "only the callers of a Unix socket are `unix`, and this listener is on the network",
                hint="name the networks of your proxies, such as `10.0.0.0/8`",
                at=("trusted_proxies", self.trusted_proxies.index(ANY_CALLER)),
            )

    def _take_http3(self, protocols: list[Protocol]) -> None:
        at = ("protocols", protocols.index("h3"))
        if self.tls is None:
            allowed = "`http/1.1`, or `tls` beside it"
            raise refusal("h3-wants-tls", "HTTP/3 is spoken over TLS", allowed=allowed, at=at)
        if self.is_unix():
            raise refusal(
                "h3-wants-udp",
                "HTTP/3 is spoken over UDP, which no Unix socket is",
                hint="take `h3` out of `protocols`",
                at=at,
            )
        if protocols == ["h3"]:
            raise refusal(
                "h3-alone",
                "clients come over TCP first, and are told of HTTP/3 there",
                hint="name `h2` and `http/1.1` beside it",
                at=at,
            )
        if self.proxy_protocol:
            raise refusal(
                "h3-wants-no-proxy-protocol",
                "the PROXY protocol says nothing of whom a packet of HTTP/3 comes from",
                hint="take `h3` out of `protocols`, or `proxy_protocol`",
                at=at,
            )

    def new_connections_per_ip(self) -> int:
        """How many one address may make in a second; 0 for no bound."""
        said = self.limits.new_connections_per_ip
        if said is not None:
            return said
        return 0 if self.tls is None and is_inside(self.address) else NEW_CONNECTIONS_PER_IP

    def spoken(self) -> list[Protocol]:
        """What is spoken there, best first."""
        if self.protocols is not None:
            return sorted(self.protocols, key=PROTOCOLS.index, reverse=True)
        return ["h2", "http/1.1"] if self.tls is not None else ["http/1.1"]
