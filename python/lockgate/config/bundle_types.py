"""The bundle's types. Written by `make docs` from `crates/lockgate-proxy/src/bundle.rs`; changes here are lost."""

from __future__ import annotations

from typing import Literal, TypedDict


class Api(TypedDict):
    """One API: what it answers to, who may call it, where it goes."""

    authorize: Authorize
    """What an authenticated caller may do."""
    authorize_span: Span
    """Where the configuration says `authorize` or `public`."""
    hosts: list[str]
    """`shop.example.com`, `*.example.com` or `*`; none means any."""
    methods: list[str]
    """Upper-case methods; none means any."""
    name: str
    """Its name in the configuration."""
    paths: list[PathMatch]
    """What paths it answers to."""
    policies: Policies
    """Its policies; the pipeline orders them."""
    public: Waiver | None
    """Set where anyone may call."""
    span: Span
    """Where the configuration says it."""
    strip_path: bool
    """Take the matched prefix off before forwarding."""
    upstream: str
    """Name of its upstream."""


class ApiKeyConfig(TypedDict):
    """The room's config."""

    header: str
    """The header that carries the key."""


class AuthenticatorApiKey(TypedDict):
    """A key that Lockgate made."""

    api_key: PlacedApiKey


Authenticator = AuthenticatorApiKey
"""One way to prove an identity."""

Authorize = Literal["authenticated", "public"]
"""Who, of those who are known, may call."""


class BodyLimitConfig(TypedDict):
    """The room's config."""

    bytes: int
    """Largest body, in bytes of content (after the chunked coding is taken off)."""


class Bundle(TypedDict):
    """Everything a gate needs to serve."""

    apis: list[Api]
    """The APIs, in the order of the file; the order has no meaning."""
    bundle_version: int
    """Format version; see `BUNDLE_VERSION`."""
    created_ms: int
    """When it was compiled, milliseconds since the epoch."""
    events: EventsConfig
    """What is written down."""
    facts: FactsPolicy
    """How long facts may be unheard of, and what then."""
    listeners: list[Listener]
    """Where the gate listens."""
    problem_base: str
    """Base of the `type` of a refusal, ending in `/`."""
    sequence: int
    """Grows with each bundle that a control process signs; a gate refuses a smaller one."""
    sources: list[str]
    """Configuration files, in reading order; `Span::file` counts into this list."""
    upstreams: list[Upstream]
    """What the gate forwards to."""


class CorsConfig(TypedDict):
    """The room's config."""

    credentials: bool
    """Whether cookies and the like may come along."""
    expose: list[str]
    """Headers of answers that pages may read."""
    headers: list[str]
    """Headers that pages may send, or `*` alone."""
    max_age_s: int
    """How long a browser may remember a preflight's answer, seconds."""
    methods: list[str]
    """Methods that pages may use; empty means those that the API answers to."""
    origins: list[str]
    """`https://shop.example.com`, `https://*.example.com`, or `*` alone."""
    private_network: bool
    """Whether pages of public sites may call into a private network."""


class Credential(TypedDict):
    """A header set on each request to an upstream, its value a secret."""

    header: str
    """Header name."""
    secret: str
    """`env:NAME` or `file:/path`: resolved in the gate's memory, never written to disk."""


class EventsConfig(TypedDict):
    """What is written down."""

    access: bool
    """Whether access events are written; security and system events always are."""
    retain_bytes: int
    """Segments beyond this many bytes in all are deleted, oldest first."""


class FactsPolicy(TypedDict):
    """How long a gate may hear nothing from a control process."""

    max_age_ms: int
    """Milliseconds; beyond them `then` holds."""
    then: WhenStale
    """What happens to requests that need facts."""


class HeadersConfig(TypedDict):
    """The room's config. Taking off comes first, then setting, then adding."""

    request: RequestChanges
    """Changes to what goes to the upstream."""
    response: ResponseChanges
    """Changes to what goes to the client."""


class IpFilterConfig(TypedDict):
    """The room's config."""

    allow: list[str]
    """Networks or addresses that may call; empty means all."""
    deny: list[str]
    """Networks or addresses that may not."""


class Listener(TypedDict):
    """One listening socket per worker on one address."""

    address: str
    """`address:port`; port 0 asks for a free one."""
    insecure: Waiver | None
    """Needed for plain HTTP off loopback."""
    limits: ListenerLimits
    """Bounds on what a stranger may send."""
    name: str
    """Its name in the configuration."""
    span: Span
    """Where the configuration says it."""
    trusted_proxies: list[str]
    """Networks (CIDR) whose `Forwarded` and `X-Forwarded-*` are believed."""


class ListenerLimits(TypedDict):
    """Bounds on what a stranger may send to a listener."""

    body_rate_min: int
    """Floor of a request body's rate after a grace of five seconds, bytes per second; 0 turns it off."""
    connections: int
    """Open connections of the listener."""
    connections_per_ip: int
    """Open connections of one address."""
    head_bytes: int
    """Bytes of request line and headers together."""
    head_timeout_ms: int
    """From a head's first byte to its last, milliseconds."""
    headers: int
    """Number of header lines."""
    idle_timeout_ms: int
    """Between requests on a kept-alive connection, milliseconds."""
    write_timeout_ms: int
    """A peer that takes no byte of its answer for this long is let go, milliseconds."""


Mode = Literal["enforce", "observe", "off"]
"""Whether a policy's verdict counts."""

OnError = Literal["deny", "allow"]
"""What an error of the policy itself (not a refusal) does."""


class PathMatchExact(TypedDict):
    """This path alone."""

    exact: str


class PathMatchPrefix(TypedDict):
    """This path and all below it, by whole segments: `/a` matches `/a` and `/a/b`, not `/ab`."""

    prefix: str


class PathMatchTemplate(TypedDict):
    """Segments in braces match any one segment: `/orders/{id}`."""

    template: str


PathMatch = PathMatchExact | PathMatchPrefix | PathMatchTemplate
"""A path, as the configuration names it."""


class PlacedApiKey(TypedDict):
    """A policy's config with what every policy has."""

    config: ApiKeyConfig
    """The policy's own part."""
    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    span: Span
    """Where the configuration says it."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""


class PlacedBodyLimit(TypedDict):
    """A policy's config with what every policy has."""

    config: BodyLimitConfig
    """The policy's own part."""
    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    span: Span
    """Where the configuration says it."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""


class PlacedCors(TypedDict):
    """A policy's config with what every policy has."""

    config: CorsConfig
    """The policy's own part."""
    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    span: Span
    """Where the configuration says it."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""


class PlacedHeaders(TypedDict):
    """A policy's config with what every policy has."""

    config: HeadersConfig
    """The policy's own part."""
    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    span: Span
    """Where the configuration says it."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""


class PlacedIpFilter(TypedDict):
    """A policy's config with what every policy has."""

    config: IpFilterConfig
    """The policy's own part."""
    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    span: Span
    """Where the configuration says it."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""


class Policies(TypedDict):
    """An API's policies. The order of the fields has no meaning: the pipeline has its own."""

    authenticate: list[Authenticator]
    """Any one of these proves an identity."""
    body_limit: PlacedBodyLimit | None
    """Size of a request's body."""
    cors: PlacedCors | None
    """Which pages of other origins may call."""
    headers: PlacedHeaders | None
    """Changes to header fields, both ways."""
    ip_filter: PlacedIpFilter | None
    """Address filter."""


class RequestChanges(TypedDict):
    """Changes to requests. `{owner}` and the like in a value stand for what the gate knows."""

    add: dict[str, list[str]]
    """Fields beside what stands there, by name."""
    remove: list[str]
    """Names that are taken off."""
    set: dict[str, str]
    """Fields that replace what stands there, by name."""


class ResponseChanges(TypedDict):
    """Changes to answers, the gate's own among them."""

    add: dict[str, list[str]]
    """Fields beside what stands there, by name."""
    hide: list[str]
    """Names that are taken off."""
    set: dict[str, str]
    """Fields that replace what stands there, by name."""


class Span(TypedDict):
    """A place in the configuration."""

    column: int
    """From 1, in characters."""
    file: int
    """Index into the bundle's `sources`."""
    line: int
    """From 1."""


class Timeouts(TypedDict):
    """Timeouts of one exchange with an upstream, milliseconds."""

    connect_ms: int
    """To open a connection."""
    first_byte_ms: int
    """From the request's last byte (or the connection's readiness) to the answer's head."""
    idle_ms: int
    """Between two pieces of an answer's body."""
    keep_alive_ms: int
    """How long an unused connection is kept."""


class Upstream(TypedDict):
    """An API's servers."""

    credential: Credential | None
    """A header that proves the gate to the upstream."""
    head_bytes: int
    """Bytes of status line and headers of an answer."""
    insecure: Waiver | None
    """Needed for plain HTTP off loopback."""
    name: str
    """Its name in the configuration."""
    span: Span
    """Where the configuration says it."""
    targets: list[str]
    """`http://host:port` each; asked in turn."""
    timeouts: Timeouts
    """Phase by phase."""


class Waiver(TypedDict):
    """An exception somebody answers for, until a day."""

    owner: str
    """Who answers for it."""
    reason: str
    """Why it is needed."""
    span: Span
    """Where the configuration says it."""
    until_ms: int
    """Milliseconds since the epoch; from then on the exception is closed."""


WhenStale = Literal["deny", "continue"]
"""What happens to requests that need facts which may be out of date."""
