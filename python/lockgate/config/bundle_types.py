"""The bundle's types. Written by `make docs` from `crates/lockgate-proxy/src/bundle.rs`; changes here are lost."""

from __future__ import annotations

from typing import Literal, TypedDict

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"
]
"""How a token is signed."""

Algorithm2 = Literal[
    "ed25519", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-sha512", "rsa-v1_5-sha256", "hmac-sha256"
]
"""How a request can be signed (RFC 9421 section 3.3)."""


class Answered(TypedDict):
    """Which answers are looked at."""

    types: list[str]
    """Types whose bodies are, in lower case and without parameters."""
    bytes: int
    """How much of a body is."""


class Api(TypedDict):
    """One API: what it answers to, who may call it, where it goes."""

    name: str
    """Its name in the configuration."""
    route: str | None
    """The route of the API that this is; none for the API itself."""
    hosts: list[str]
    """`shop.example.com`, `*.example.com` or `*`; none means any."""
    paths: list[PathMatch]
    """What paths it answers to."""
    methods: list[str]
    """Upper-case methods; none means any."""
    conditions: list[Condition]
    """What a request must carry; all of it must hold."""
    normal_form: NormalForm
    """What is done with targets that servers read in different ways."""
    upstream: str | None
    """Name of its upstream; none where a split chooses among several."""
    split: Split | None
    """Several upstreams in place of one."""
    mirror: Mirror | None
    """What gets copies of its requests."""
    strip_path: bool
    """Take the matched prefix off before forwarding."""
    own: bool
    """Whether it is the gate's own, and so answers below `/.lockgate`."""
    client_cert: ClientCert
    """What the upstream is told of the certificate that the client showed."""
    openapi: Attached | None
    """The document whose operations it has."""
    versions: Versions | None
    """Its versions, each with its upstream and document."""
    public: Waiver | None
    """Set where anyone may call."""
    authorize: Authorize
    """What an authenticated caller may do."""
    open: list[Open] | None
    """What of it is open to anyone."""
    suggest: Suggest | None
    """Of which requests it is noted where they say what is verified of their callers."""
    policies: Policies
    """Its policies; the pipeline orders them."""
    span: Span
    """Where the configuration says it."""
    authorize_span: Span
    """Where the configuration says `authorize` or `public`."""


class ApiDocument(TypedDict):
    """A document, as it applies to the APIs that name it."""

    bases: list[str]
    """What stands before its paths in what an API gets; `""` for nothing."""
    security: list[Security] | None
    """What its operations demand; each counts into this list."""
    operations: list[Operation]
    """Its operations, in the document's order."""
    span: Span
    """Where it begins."""


class ApiKeyConfig(TypedDict):
    """The room's config."""

    header: str
    """The header that carries the key."""
    environments: list[str]
    """The environments whose keys are taken; empty means all."""
    imported: bool
    """Whether keys of another form than ours are looked up, as imports by SHA-256 left them."""


class App(TypedDict):
    """A program that the configuration names."""

    name: str
    """Its name."""
    clients: list[AppClient]
    """What issuers call it."""
    tier: Tier
    """How far it is trusted."""
    scopes: list[str] | None
    """Scopes that it was given; all that its credentials say where it is left out."""
    apis: list[str] | None
    """APIs that it was given; all where it is left out."""
    operations: list[AppOperations]
    """Operations that it was given, of APIs that are named here."""
    until_ms: int | None
    """When its time is over, milliseconds since the epoch."""
    span: Span
    """Where the configuration says it."""


class AppClient(TypedDict):
    """What an issuer calls a program."""

    issuer: str
    """The issuer's name in the configuration."""
    client: str
    """Its `client_id`, or `azp`."""


class AppOperations(TypedDict):
    """Operations of an API."""

    api: str
    """The API's name."""
    names: list[str]
    """The operations' names."""


class AppRegistry(TypedDict):
    """Programs, and what bounds them."""

    named: list[App]
    """Programs that the configuration names."""
    tiers: Tiers
    """What bounds the programs of each tier."""
    own: list[str]
    """Issuers that are this installation itself: they call programs by their names."""


class AppsConfig(TypedDict):
    """The room's config."""

    registered: bool
    """Whether programs that nobody has registered are refused."""
    bulk: list[Only]
    """What reads much at once."""


class Assertion(TypedDict):
    """What an upstream is told of who calls, signed."""

    header: str
    """The header that carries it; in `Authorization` it is a bearer's."""
    audience: list[str]
    """For whom it is made."""
    claims: list[str]
    """What of the caller's claims it says."""
    lifetime_s: int
    """How long it holds, seconds."""


class Assertions(TypedDict):
    """Who speaks where upstreams are told who calls."""

    issuer: str
    """Their `iss`."""
    rotation: int
    """The number of the key that signs."""


class Attached(TypedDict):
    """A document that an API, or a version of one, is held to."""

    document: int
    """Index into the bundle's `documents`."""
    mode: Mode
    """Whether what the document does not know is refused."""
    span: Span
    """Where the configuration names the document."""


class AuthenticatorApiKey(TypedDict):
    """A key that Lockgate made."""

    api_key: PlacedApiKey


class AuthenticatorJwt(TypedDict):
    """A token of an issuer."""

    jwt: PlacedJwt


class AuthenticatorIntrospection(TypedDict):
    """A token that its issuer is asked about."""

    introspection: PlacedIntrospection


class AuthenticatorBasic(TypedDict):
    """A name and a password."""

    basic: PlacedBasic


class AuthenticatorMtls(TypedDict):
    """The certificate that the client showed."""

    mtls: PlacedMtls


class AuthenticatorSession(TypedDict):
    """The cookie of a person who has signed in."""

    session: PlacedSession


class AuthenticatorSignature(TypedDict):
    """A signature over the request."""

    signature: PlacedSignature


class AuthenticatorWebhook(TypedDict):
    """A sender's signature over a webhook."""

    webhook: PlacedWebhook


Authenticator = (
    AuthenticatorApiKey
    | AuthenticatorJwt
    | AuthenticatorIntrospection
    | AuthenticatorBasic
    | AuthenticatorMtls
    | AuthenticatorSession
    | AuthenticatorSignature
    | AuthenticatorWebhook
)
"""One way to prove an identity."""

Authorize = Literal["authenticated", "ruled", "public"]
"""Who, of those who are known, may call."""


class Balance(TypedDict):
    """Which server gets a request."""

    by: BalanceBy
    """By what."""
    key: HashKey | None
    """What is hashed, where `by` is `hash`."""
    cookie: StickyCookie | None
    """The cookie, where `by` is `sticky`."""


BalanceBy = Literal["round_robin", "least_requests", "hash", "sticky"]
"""Ways to choose a server."""


class BasicConfig(TypedDict):
    """The room's config."""

    issuer: str
    """Name of the issuer whose people they are."""
    source: str
    """Where they are asked about; what was said elsewhere does not count."""
    realm: str
    """What the API is called where the password is asked for."""
    forward: bool
    """Leave the password on the request that goes to the upstream."""
    cache_ms: int
    """How long a right password is not asked about again, milliseconds."""
    negative_ms: int
    """The same of wrong ones."""
    timeout_ms: int
    """How long an answer may take, milliseconds."""


Binding = Literal["dpop", "mtls"]
"""How a token can be bound."""


class BodyLimitConfig(TypedDict):
    """The room's config."""

    bytes: int
    """Largest body, in bytes of content (after the chunked coding is taken off)."""


class Breaker(TypedDict):
    """Bounds how much is under way."""

    concurrent: int
    """Requests under way, over all workers."""
    queue: int
    """Requests that may wait for one of them to end."""
    wait_ms: int
    """For how long, milliseconds."""


class Brownout(TypedDict):
    """A while in which a version is refused, milliseconds since the epoch."""

    start_ms: int
    """Its beginning."""
    end_ms: int
    """Its end."""


class Bundle(TypedDict):
    """Everything a gate needs to serve."""

    bundle_version: int
    """Format version; see `BUNDLE_VERSION`."""
    sequence: int
    """Grows with each bundle that a control process signs; a gate refuses a smaller one."""
    created_ms: int
    """When it was compiled, milliseconds since the epoch."""
    sources: list[str]
    """Configuration files, in reading order; `Span::file` counts into this list."""
    listeners: list[Listener]
    """Where the gate listens."""
    upstreams: list[Upstream]
    """What the gate forwards to."""
    issuers: list[Issuer]
    """Whose tokens are believed."""
    roles: list[Role] | None
    """What callers can be, and who is."""
    relations: list[Relation] | None
    """Relations that rules of `objects` look up."""
    apps: AppRegistry | None
    """Programs of others, and what bounds them; none are looked at without it."""
    apis: list[Api]
    """The APIs, in the order of the file; the order has no meaning."""
    assertions: Assertions
    """Who speaks where upstreams are told who calls."""
    documents: list[ApiDocument]
    """OpenAPI documents that APIs are held to."""
    rule_sets: list[RuleSet]
    """Rules in SecLang that APIs are guarded by."""
    facts: FactsPolicy
    """How long facts may be unheard of, and what then."""
    events: EventsConfig
    """What is written down."""
    geo: Geo | None
    """Where it is looked up where addresses are."""
    plugins: PluginSet | None
    """Policies in Python, where there are any."""
    problem_base: str
    """Base of the `type` of a refusal, ending in `/`."""


class ByClaim(TypedDict):
    """A claim of the credential; the client where it has none."""

    claim: str


class ByHeader(TypedDict):
    """A header of the request; the client where it has none."""

    header: str


By = Literal["address", "client", "app", "route", "operation", "api"] | ByClaim | ByHeader
"""What a limit counts by."""


class CedarConfig(TypedDict):
    """The room's config."""

    sources: list[CedarSource]
    """The files of policies."""
    operations: list[CedarOperation]
    """What may be asked for."""
    claims: list[Field]
    """Claims that callers may have."""
    body_bytes: int
    """Longest body that a policy looks at, bytes."""


class CedarOperation(TypedDict):
    """What may be asked for."""

    name: str
    """The operation of the document; the method where there is no document."""
    groups: list[str]
    """What it belongs to: its method, permissions."""
    path: list[Field]
    """Names in the braces of its path."""
    query: list[Field]
    """Parameters of its query."""
    body: list[Field] | None
    """What is in its body, where that is a JSON object."""
    body_required: bool
    """Whether there always is one."""


class CedarSource(TypedDict):
    """A file of policies."""

    file: int
    """Index into the bundle's `sources`."""
    name: str
    """Its name."""
    text: str
    """What is in it."""


class CertificateFiles(TypedDict):
    """From files, which are looked at again when they change."""

    files: PemFiles


class CertificateManaged(TypedDict):
    """From the control process, which looks after it under this name."""

    managed: str


Certificate = CertificateFiles | CertificateManaged
"""Where a certificate comes from."""


class ClaimTest(TypedDict):
    """What a claim must say."""

    path: list[str]
    """Where it is: names of claims, each within the one before."""
    test: Is
    """What it must be."""


class ClaimValueText(TypedDict):
    """A text, letter by letter."""

    text: str


class ClaimValueNumber(TypedDict):
    """A number."""

    number: float


class ClaimValueTruth(TypedDict):
    """Yes or no."""

    truth: bool


ClaimValue = ClaimValueText | ClaimValueNumber | ClaimValueTruth
"""A value that a claim can have."""

ClientCert = Literal["off", "certificate", "chain"]
"""What an upstream is told of a client's certificate (RFC 9440)."""


class Clients(TypedDict):
    """Whose certificates clients may show."""

    trust: list[str]
    """Files of authorities, PEM."""
    require: bool
    """Whether a client without one is turned away."""
    crl: list[str]
    """Files of revocation lists, PEM."""
    unknown_revocation: UnknownRevocation
    """What becomes of a certificate of which neither a list that is up to date nor a responder tells."""
    ocsp: Ocsp | None
    """How responders are asked whether it was revoked; none where they are not."""


class CompressConfig(TypedDict):
    """The room's config."""

    codings: list[Named]
    """Codings that are offered; the first is taken where a client likes several alike."""
    types: list[str]
    """Media types that are packed; `text/*` for all of a kind, `application/*+json` for all of a suffix."""
    min_bytes: int
    """Least length of an answer that is packed, bytes, where the length is told."""
    gzip_level: int
    """How hard gzip tries, 1 to 9."""
    br_level: int
    """How hard brotli tries, 0 to 11."""
    zstd_level: int
    """How hard zstd tries, 1 to 19."""
    unsafe_with_cookies: bool
    """Also packs what other sites' pages could ask for with a user's credentials."""


class Condition(TypedDict):
    """One condition, as a bundle has it."""

    part: ConditionPart
    """Where it looks."""
    name: str
    """The name of the header, parameter or cookie."""
    test: ConditionTest
    """What must be there."""


ConditionPart = Literal["header", "query", "cookie"]
"""Where a condition looks."""


class ConditionTestPresent(TypedDict):
    """Whether it is there, with any value, or is not."""

    present: bool


class ConditionTestExact(TypedDict):
    """This value."""

    exact: str


class ConditionTestRegex(TypedDict):
    """A value that this expression matches whole."""

    regex: str


ConditionTest = ConditionTestPresent | ConditionTestExact | ConditionTestRegex
"""What must be there."""


class CorsConfig(TypedDict):
    """The room's config."""

    origins: list[str]
    """`https://shop.example.com`, `https://*.example.com`, or `*` alone."""
    methods: list[str]
    """Methods that pages may use; empty means those that the API answers to."""
    headers: list[str]
    """Headers that pages may send, or `*` alone."""
    expose: list[str]
    """Headers of answers that pages may read."""
    credentials: bool
    """Whether cookies and the like may come along."""
    max_age_s: int
    """How long a browser may remember a preflight's answer, seconds."""
    private_network: bool
    """Whether pages of public sites may call into a private network."""


Count = Literal["requests", "failures"]
"""What is counted."""


class Credential(TypedDict):
    """A header set on each request to an upstream, its value a secret."""

    header: str
    """Header name."""
    secret: str
    """`env:NAME` or `file:/path`: resolved in the gate's memory, never written to disk."""


class DecideConfig(TypedDict):
    """The room's config: one decision point of an API."""

    upstream: str
    """Name of the upstream that is asked."""
    way: DecideWay
    """How it is asked."""
    deadline_ms: int
    """From the question to the answer, milliseconds."""
    cache_ms: int
    """How long an answer is believed of the same question, milliseconds; 0 is not at all."""
    headers: list[str]
    """Fields of the request that it is shown; `*` is all but those with credentials."""
    to_upstream: list[str]
    """Fields of its answer that go to the API's upstream. What clients send under these names is taken off."""


class DecideWayOpa(TypedDict):
    """By OPA's data API."""

    opa: dict[str, object]


class DecideWayExtAuthz(TypedDict):
    """By HTTP: a 2xx lets through, what else is answered refuses."""

    ext_authz: dict[str, object]


DecideWay = DecideWayOpa | DecideWayExtAuthz
"""How a decision point is asked."""


class DeviceConfig(TypedDict):
    """The room's config."""

    without: bool
    """Whether callers are let through whose credential is bound to no device."""
    unapproved: bool
    """Whether devices are let through that no operator has approved."""
    new: DeviceThen
    """What becomes of one that nobody has confirmed or approved."""
    changed: DeviceThen
    """What becomes of one that looks otherwise than it did."""
    travel: DeviceThen
    """What becomes of one whose owner was elsewhere a moment ago."""
    most: int | None
    """How many devices one owner may use at once; any number without."""
    amr: list[str]
    """Means of which one confirms a device (`amr`)."""
    acr: list[str]
    """Classes of which one confirms a device (`acr`)."""
    sign_in: str | None
    """The sign-in whose pages a browser is sent to."""


DeviceThen = Literal["allow", "step_up", "deny"]
"""What becomes of a device that something speaks against."""


class Dns(TypedDict):
    """How names are looked up."""

    servers: list[str]
    """`address:port` each; none for the system's."""
    least_ms: int
    """An answer is believed at least this long, milliseconds, whatever its TTL."""
    most_ms: int
    """And at most this long, milliseconds."""


Duplicates = Literal["keep", "reject", "first", "last"]
"""What is done with a parameter that is there twice."""

Encoding = Literal["text", "base64", "hex"]
"""How a secret is written."""


class EnumerationBounds(TypedDict):
    """From when on it is too much; zero is never."""

    objects: int
    """Most objects within a window."""
    steps: int
    """Most numbers in a row."""
    percent: int
    """From how many in a hundred on that are refused."""
    of: int
    """Of so many at least."""
    window_ms: int
    """The window, milliseconds; it begins with the first request."""
    block_ms: int
    """For how long a caller is refused, milliseconds."""


class EnumerationConfig(TypedDict):
    """The room's config."""

    what: list[Only]
    """Requests that it is for."""
    query: list[str]
    """Parameters of the query that name objects, beside the path."""
    bounds: EnumerationBounds
    """From when on it is too much."""


class EventsConfig(TypedDict):
    """What is written down."""

    access: bool
    """Whether access events are written; security and system events always are."""
    retain_bytes: int
    """Segments beyond this many bytes in all are deleted, oldest first."""
    header_order: bool
    """Whether they tell in which order, and with which letters, clients write the fields of requests."""


class Exclude(TypedDict):
    """Rules or detectors that leave out some values."""

    rule: str
    """A rule's id, a range such as `942100-942199`, a tag, or a detector's name."""
    at: str | None
    """Which values, by the part of the request and the way to them; all, if none."""
    request: str | None
    """Of which requests: a path, or a method and a path; of all, if none."""
    waiver: Waiver
    """Who answers for it, and until when."""


class FactsPolicy(TypedDict):
    """How long a gate may hear nothing from a control process."""

    max_age_ms: int
    """Milliseconds; beyond them `then` holds."""
    then: WhenStale
    """What happens to requests that need facts."""


class Field(TypedDict):
    """A value with its name."""

    name: str
    """Its name."""
    shape: Shape
    """What it is."""
    required: bool
    """Whether it is always there."""


class FieldsForRole(TypedDict):
    """Who has this role."""

    role: str


class FieldsForScope(TypedDict):
    """Who shows a credential with this scope."""

    scope: str


FieldsFor = Literal["anyone"] | FieldsForRole | FieldsForScope
"""Who may have some fields."""


class FieldsOpen(TypedDict):
    """Fields that are open to some."""

    to: FieldsFor
    """To whom."""
    fields: list[str]
    """JSON Pointers: each opens what stands there and below; `*` stands for every item of a list."""


class Form(TypedDict):
    """How a sender signs what it sends."""

    header: str
    """The field that carries signatures."""
    separator: str | None
    """What stands between several of them; none where there is but one."""
    prefix: str
    """What stands before each that was made with a secret (HMAC with SHA-256)."""
    public_prefix: str | None
    """What stands before each that was made with a private key (Ed25519), if there are such."""
    encoding: Written
    """How a signature's bytes are written."""
    secret_prefix: str | None
    """What stands before a secret; the rest of it is base64. None where its bytes are the secret."""
    id: str | None
    """The field that carries the webhook's id."""
    timestamp: str | None
    """The field that carries the time."""
    timestamp_prefix: str | None
    """What stands before the time, where it stands among the signatures."""
    signed: list[Part]
    """What is signed, in order."""


class Geo(TypedDict):
    """Databases in `MaxMind`'s format: files of the gate's machine."""

    countries: str | None
    """The file of countries, or of cities."""
    networks: str | None
    """The file of autonomous systems."""


class GrpcConfig(TypedDict):
    """The room's config."""

    message_bytes: int
    """Largest message, either way, bytes as they are sent."""
    deadline_ms: int
    """How long a call may take, milliseconds; 0 for as long as its client waits."""
    web: bool
    """Whether gRPC-Web is taken, and made gRPC."""
    only: bool
    """Whether whatever is no call of gRPC is refused."""


class HashKey(TypedDict):
    """What is hashed."""

    kind: HashKind
    """What part of a request."""
    name: str
    """Name of the header or cookie; empty for the others."""


HashKind = Literal["header", "cookie", "client", "path"]
"""Parts of a request that can be hashed."""


class HeadersConfig(TypedDict):
    """The room's config. Taking off comes first, then setting, then adding."""

    request: RequestChanges
    """Changes to what goes to the upstream."""
    response: ResponseChanges
    """Changes to what goes to the client."""


class HealthCheck(TypedDict):
    """Asks each server how it is."""

    path: str
    """Path with query; empty where it is only asked whether a connection can be had."""
    host: str | None
    """The `Host` that is asked for; none for the server's own name."""
    every_ms: int
    """From one question to the next, milliseconds."""
    timeout_ms: int
    """For the whole answer, milliseconds."""
    expect: list[StatusRange]
    """Statuses of a good answer."""
    unhealthy_after: int
    """So many bad answers in a row take it out."""
    healthy_after: int
    """So many good answers in a row take it in again."""


class InflateConfig(TypedDict):
    """The room's config."""

    codings: list[Named]
    """Codings that are taken off."""
    ratio: int
    """How many times its size a body may become; 64 KiB are always allowed."""
    layers: int
    """Most codings that one body may have."""
    window: int
    """Most bytes that a coding may look back at, which is what a body costs."""


class IntrospectionConfig(TypedDict):
    """The room's config."""

    issuer: str
    """Name of the issuer whose tokens are taken."""
    source: str
    """Where it is asked; what was said elsewhere does not count."""
    place: Place
    """Where the token is read."""
    forward: bool
    """Leave the token on the request that goes to the upstream."""
    bound: list[Binding]
    """Ways of which a token must be bound in one; empty: one that is not bound is taken, too."""
    proof: ProofRules
    """How proofs are judged."""
    audiences: list[str]
    """What `aud` must name one of; empty: what the issuer's rules say."""
    scopes: list[str]
    """Scopes that there must be, all of them."""
    require: list[str]
    """What the answer must say, besides `active` and what the issuer's rules require."""
    cache_ms: int
    """How long a good token is not asked about again, milliseconds."""
    negative_ms: int
    """The same of others."""
    timeout_ms: int
    """How long the issuer may take to answer, milliseconds."""


class IpFilterConfig(TypedDict):
    """The room's config."""

    allow: list[str]
    """Networks or addresses that may call; empty means all."""
    deny: list[str]
    """Networks or addresses that may not."""
    geo: PlaceRules | None
    """Where they may be; none where that does not count."""


class IsEquals(TypedDict):
    """This value."""

    equals: ClaimValue


class IsOneOf(TypedDict):
    """One of these values."""

    one_of: list[ClaimValue]


class IsContains(TypedDict):
    """A list with one of these values in it, or one of these values."""

    contains: list[ClaimValue]


class IsAtLeast(TypedDict):
    """A number of at least this."""

    at_least: float


class IsAtMost(TypedDict):
    """A number of at most this."""

    at_most: float


class IsPresent(TypedDict):
    """There, with any value but null; or not there."""

    present: bool


Is = IsEquals | IsOneOf | IsContains | IsAtLeast | IsAtMost | IsPresent
"""What a claim must be. A claim of another type never is."""


class Issuer(TypedDict):
    """Somebody whose tokens are believed."""

    name: str
    """Its name in the configuration."""
    rules: Rules
    """What is demanded of its tokens."""
    span: Span
    """Where the configuration says it."""


class JwtConfig(TypedDict):
    """The room's config."""

    issuer: str
    """Name of the issuer whose tokens are taken."""
    place: Place
    """Where the token is read."""
    forward: bool
    """Leave the token on the request that goes to the upstream."""
    bound: list[Binding]
    """Ways of which a token must be bound in one; empty: one that is not bound is taken, too."""
    proof: ProofRules
    """How proofs are judged."""


class KeyFormPublic(TypedDict):
    """A public key, as a JWK."""

    public: dict[str, str]


class KeyFormSecret(TypedDict):
    """A secret, `env:NAME` or `file:/path`: resolved in the gate's memory."""

    secret: dict[str, object]


KeyForm = KeyFormPublic | KeyFormSecret
"""A key itself."""


class KeySourcePublished(TypedDict):
    """The control process fetches them; this names from where, and facts say the same."""

    published: str


class KeySourceSecret(TypedDict):
    """A shared secret, `env:NAME` or `file:/path`: resolved in the gate's memory."""

    secret: str


KeySource = KeySourcePublished | KeySourceSecret
"""Where an issuer's keys come from."""

KnownBy = Literal["any", "spiffe", "uri", "dns", "email", "subject", "common_name", "spki"]
"""By what the caller is known."""


class LikeText(TypedDict):
    """A text in which `*` stands for a part, and `**` for any number of them."""

    text: str


class LikeRegex(TypedDict):
    """An expression that matches the whole name."""

    regex: str


Like = LikeText | LikeRegex
"""What a name must be like."""


class LimitsConfig(TypedDict):
    """One limit, as the bundle has it."""

    name: str
    """Its name: unique in its API, and what answers call it."""
    scope: str
    """Where it is said, as `apis/NAME`, `defaults` or `built-in`: limits of one name and place share their counters."""
    count: Count
    """What is counted."""
    by: list[By]
    """What it counts by; each combination has a counter of its own."""
    allow: int
    """How many."""
    per_ms: int
    """In how many milliseconds."""
    burst: int
    """How many at once."""
    ipv4_prefix: int
    """Bits of an IPv4 address that count as one."""
    ipv6_prefix: int
    """Bits of an IPv6 address that count as one."""
    exempt: list[str]
    """Networks that are not counted."""
    only: Only
    """Which requests it is for."""
    tell: Tell
    """Which answers tell of it."""
    legacy: bool
    """Whether they also have the older `X-RateLimit-*` fields."""
    penalty: PenaltyConfig | None
    """What too many failures bring; set if failures are counted."""


class Listener(TypedDict):
    """One listening socket per worker on one address."""

    name: str
    """Its name in the configuration."""
    address: str
    """`address:port`, where port 0 asks for a free one, or `unix:` with a path."""
    socket: UnixSocket
    """Who may connect to a socket in the file system."""
    protocols: list[Protocol]
    """What may be spoken there; with TLS the client chooses."""
    tls: Tls | None
    """How it speaks TLS; none for plain HTTP."""
    redirect_port: int
    """Every request is sent to this port over HTTPS instead of being served; 0 is no such port."""
    public_port: int
    """The port by which clients reach it, where that is another than its own; 0 where it is not."""
    proxy_protocol: bool
    """Trusted proxies say by the PROXY protocol whom they speak for, and have to."""
    trusted_proxies: list[str]
    """Networks (CIDR) whose `Forwarded` and `X-Forwarded-*` are believed; `unix` for whoever may connect."""
    limits: ListenerLimits
    """Bounds on what a stranger may send."""
    insecure: Waiver | None
    """Needed for plain HTTP off loopback."""
    span: Span
    """Where the configuration says it."""


class ListenerLimits(TypedDict):
    """Bounds on what a stranger may send to a listener."""

    head_bytes: int
    """Bytes of request line and headers together."""
    headers: int
    """Number of header lines."""
    handshake_timeout_ms: int
    """From a connection's first byte to the end of its TLS handshake, milliseconds."""
    head_timeout_ms: int
    """From a head's first byte to its last, milliseconds."""
    idle_timeout_ms: int
    """Between requests on a kept-alive connection, milliseconds."""
    body_rate_min: int
    """Floor of a request body's rate after a grace of five seconds, bytes per second; 0 turns it off."""
    write_timeout_ms: int
    """A peer that takes no byte of its answer for this long is let go, milliseconds."""
    connections: int
    """Open connections of the listener."""
    connections_per_ip: int
    """Open connections of one address."""
    new_connections_per_ip: int
    """New connections of one address in a second, and five times as many at once; 0 for no bound."""
    streams: int
    """Requests of one HTTP/2 or HTTP/3 connection that are under way at once."""
    control_frames: int
    """How many times the usual number of HTTP/2's and HTTP/3's control frames a connection may send."""
    compress_memory: int
    """Bytes of memory that all answers being packed may take: beyond it they go out as they are."""
    inflate_memory: int
    """Bytes of memory that all bodies being unpacked may take: beyond it they are refused."""
    inspect_memory: int
    """Bytes of memory that all bodies being looked at may take: beyond it they are refused."""


Longer = Literal["refuse", "begin"]
"""What becomes of a body that is longer than what is looked at."""


class MinimiseConfig(TypedDict):
    """The room's config."""

    rules: list[MinimiseRule]
    """The rules; the first that is for a request holds."""
    errors: MinimiseErrors
    """What goes out of an answer that is no success."""
    types: list[str]
    """Types of answers that go out as they are, in lower case and without parameters."""
    answer_bytes: int
    """Longest answer that is looked at, bytes."""


MinimiseErrors = Literal["known", "all"]
"""What goes out of an answer that is no success."""


class MinimiseRule(TypedDict):
    """A rule, as a bundle has it."""

    what: list[Only]
    """Requests that it is for."""
    open: list[FieldsOpen]
    """Who may read what."""
    span: Span
    """Where the configuration says it."""


class Mirror(TypedDict):
    """What gets copies of requests; its answers go nowhere."""

    upstream: str
    """The upstream's name."""
    share: int
    """Percent of the requests."""
    methods: list[str]
    """The methods of those that are copied."""
    bytes: int
    """Of a request with a longer body there is no copy."""


Mode = Literal["enforce", "observe", "off"]
"""Whether a policy's verdict counts."""


class MtlsConfig(TypedDict):
    """The room's config."""

    allow: list[Wanted]
    """The certificates that open the API: any one of these; none for all that TLS trusts."""
    known_by: KnownBy
    """By which of its names the caller is known."""


Named = Literal["gzip", "deflate", "br", "zstd"]
"""A coding as the configuration names it."""


class NamedKey(TypedDict):
    """A key, and whose it is."""

    name: str
    """By which its holder is known and counted."""
    keyid: str
    """What signatures call it."""
    algorithm: Algorithm2
    """What it is for."""
    key: KeyForm
    """The key itself."""


class NormalForm(TypedDict):
    """What an API's upstream is known to do with targets that servers read in different ways."""

    dot_segments: Odd
    """`.` and `..`."""
    double_slash: Odd
    """`//`."""
    encoded_slash: Odd
    """`%2F`."""
    backslash: Odd
    """`\\\\` and `%5C`."""
    path_parameters: Odd
    """`;` and what follows it in a segment."""
    nul: Odd
    """`%00`."""
    duplicate_parameters: Duplicates
    """A parameter that is there twice."""


class NotFound(TypedDict):
    """What an API says of what there is not."""

    content_type: str
    """What kind of a body that is, as `Content-Type` has it."""
    body: str
    """The body, byte by byte."""


class ObjectAnswer(TypedDict):
    """Where an answer says it."""

    pointer: str
    """The pointer."""
    filter: bool
    """Whether items of others are taken out, and not the whole refused."""


class ObjectKnownClaim(TypedDict):
    """A claim: names, each within the one before."""

    claim: list[str]


ObjectKnown = Literal["owner", "app", "credential"] | ObjectKnownClaim
"""What is verified of a caller."""


class ObjectMustEqual(TypedDict):
    """This."""

    equal: ObjectKnown


class ObjectMustBeIn(TypedDict):
    """In this list."""

    be_in: ObjectKnown


class ObjectMustRelated(TypedDict):
    """Among what relations lead to."""

    related: ObjectRelated


ObjectMust = ObjectMustEqual | ObjectMustBeIn | ObjectMustRelated
"""What a value must be."""


class ObjectRelated(TypedDict):
    """What is looked up."""

    known: ObjectKnown
    """With what it begins; each of them, where that is a list."""
    via: list[str]
    """Names of relations, each of which begins with what the one before leads to."""


class ObjectRule(TypedDict):
    """A rule, as a bundle has it."""

    what: list[Only]
    """Requests that it is for."""
    whose: ObjectWhose
    """What says whose it is."""
    must: ObjectMust
    """What that must be."""
    unless: list[str]
    """Roles that it is not for."""
    hidden: bool
    """Whether a refusal says that there is no such thing."""
    span: Span
    """Where the configuration says it."""


class ObjectWhosePath(TypedDict):
    """A name in the braces of the operation's path."""

    path: str


class ObjectWhoseQuery(TypedDict):
    """A parameter of the query."""

    query: str


class ObjectWhoseBody(TypedDict):
    """A JSON Pointer into the body."""

    body: str


class ObjectWhoseAnswer(TypedDict):
    """JSON Pointers into the answer; `*` stands for every item of a list."""

    answer: ObjectAnswer


ObjectWhose = ObjectWhosePath | ObjectWhoseQuery | ObjectWhoseBody | ObjectWhoseAnswer
"""What says whose something is."""


class ObjectsConfig(TypedDict):
    """The room's config."""

    rules: list[ObjectRule]
    """The rules; of all that are for a request each must hold."""
    body_bytes: int
    """Longest body that is looked at, bytes."""
    answer_bytes: int
    """Longest answer that is, bytes."""
    not_found: NotFound | None
    """What the API says of what there is not; none where nobody knows."""


class Ocsp(TypedDict):
    """How responders are asked whether a client's certificate was revoked (RFC 6960)."""

    rules: str
    """The rules for clients that this is of, by their path in the configuration."""
    responder: str | None
    """The one responder; none for the one that each certificate names."""
    timeout_ms: int
    """How long a responder has, milliseconds."""
    max_age_ms: int
    """How long an answer is believed before it is asked for again, milliseconds."""


Odd = Literal["reject", "normalize", "keep"]
"""What is done with something that servers read in different ways."""

OnError = Literal["deny", "allow"]
"""What an error of the policy itself (not a refusal) does."""


class Only(TypedDict):
    """Which requests are meant; what is empty is no condition."""

    methods: list[str]
    """Upper-case methods."""
    operations: list[str]
    """Operations of the API's document."""
    paths: list[PathPattern]
    """Paths, as patterns."""


class Open(TypedDict):
    """A part of an API that is open to anyone."""

    only: Only
    """Which requests."""
    waiver: Waiver
    """Who opened it."""


class Operation(TypedDict):
    """One operation of a document."""

    name: str
    """Its `operationId`, or `GET /path` where it has none."""
    method: str
    """Upper-case."""
    path: str
    """The path template, as the document says it."""
    bases: list[str] | None
    """Bases of its own `servers`, in place of the document's."""
    security: int | None
    """Index into the document's `security`; none where it demands nothing."""
    span: Span
    """Where the document says it."""


class Parameter(TypedDict):
    """A parameter of the query."""

    name: str
    """Its name, decoded."""
    value: str
    """A template for its value, written as it stands in a query."""


class PartText(TypedDict):
    """This."""

    text: str


Part = Literal["id", "timestamp", "body"] | PartText
"""A part of what is signed."""


class Passive(TypedDict):
    """Learns from answers how servers are."""

    failures: int
    """So many failures in a row take a server out for a while; 0 turns it off."""
    eject_ms: int
    """For how long at first, milliseconds; each further time twice as long."""
    eject_most_ms: int
    """And at most, milliseconds."""
    share: int
    """Percent of the servers that may be out at once."""
    statuses: list[int]
    """Statuses that are failures, besides no answer at all."""


class Passthrough(TypedDict):
    """Names whose connections are carried on unread, to who ends their TLS."""

    hosts: list[str]
    """`db.example.com`, or `*.example.com` for every name below it."""
    ended: list[str]
    """Names below a wildcard of `hosts` that the listener ends itself."""
    upstream: str
    """Name of the upstream, of targets that begin with `tcp://`."""
    idle_ms: int
    """How long nothing may pass, milliseconds."""
    ip_filter: IpFilterConfig
    """Which addresses may come."""


class PathMatchExact(TypedDict):
    """This path alone."""

    exact: str


class PathMatchPrefix(TypedDict):
    """This path and all below it, by whole segments: `/a` matches `/a` and `/a/b`, not `/ab`."""

    prefix: str


class PathMatchTemplate(TypedDict):
    """Segments in braces match any one segment: `/orders/{id}`."""

    template: str


class PathMatchRegex(TypedDict):
    """An expression that matches the whole path."""

    regex: str


PathMatch = PathMatchExact | PathMatchPrefix | PathMatchTemplate | PathMatchRegex
"""A path, as the configuration names it."""


class PathPatternExact(TypedDict):
    """This path alone."""

    exact: str


class PathPatternPrefix(TypedDict):
    """This path and all below it, by whole segments."""

    prefix: str


class PathPatternTemplate(TypedDict):
    """Segments in braces match any one segment."""

    template: str


PathPattern = PathPatternExact | PathPatternPrefix | PathPatternTemplate
"""A path that is meant."""


class PemFiles(TypedDict):
    """Files of PEM, as the gate finds them."""

    chain: str
    """The certificate, then who issued it, and so on."""
    key: str
    """Its private key."""


class PenaltyConfig(TypedDict):
    """How long too many failures are answered for."""

    first_ms: int
    """Milliseconds the first time; each further time is twice as long."""
    longest_ms: int
    """Milliseconds at most; also how long it takes until the first time comes again."""
    absent: bool
    """Whether a request without any credential counts too."""


class PlaceHeader(TypedDict):
    """A header. `Authorization` wants the scheme `Bearer`; another may hold the token alone."""

    header: str


class PlaceCookie(TypedDict):
    """A cookie."""

    cookie: str


Place = PlaceHeader | PlaceCookie
"""Where the token is read."""


class PlaceRules(TypedDict):
    """The rules as the bundle has them."""

    allow_countries: list[str]
    """Countries that may call, by their two letters; empty means all."""
    deny_countries: list[str]
    """Countries that may not."""
    deny_networks: list[int]
    """Numbers of autonomous systems that may not."""


class PlacedApiKey(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: ApiKeyConfig
    """The policy's own part."""


class PlacedApps(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: AppsConfig
    """The policy's own part."""


class PlacedBasic(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: BasicConfig
    """The policy's own part."""


class PlacedBodyLimit(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: BodyLimitConfig
    """The policy's own part."""


class PlacedCedar(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: CedarConfig
    """The policy's own part."""


class PlacedCompress(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: CompressConfig
    """The policy's own part."""


class PlacedCors(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: CorsConfig
    """The policy's own part."""


class PlacedDecide(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: DecideConfig
    """The policy's own part."""


class PlacedDevice(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: DeviceConfig
    """The policy's own part."""


class PlacedEnumeration(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: EnumerationConfig
    """The policy's own part."""


class PlacedGrpc(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: GrpcConfig
    """The policy's own part."""


class PlacedHeaders(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: HeadersConfig
    """The policy's own part."""


class PlacedInflate(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: InflateConfig
    """The policy's own part."""


class PlacedIntrospection(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: IntrospectionConfig
    """The policy's own part."""


class PlacedIpFilter(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: IpFilterConfig
    """The policy's own part."""


class PlacedJwt(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: JwtConfig
    """The policy's own part."""


class PlacedLimits(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: LimitsConfig
    """The policy's own part."""


class PlacedMinimise(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: MinimiseConfig
    """The policy's own part."""


class PlacedMtls(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: MtlsConfig
    """The policy's own part."""


class PlacedObjects(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: ObjectsConfig
    """The policy's own part."""


class PlacedPlugins(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: PluginsConfig
    """The policy's own part."""


class PlacedProperties(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: PropertiesConfig
    """The policy's own part."""


class PlacedRedirect(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: RedirectConfig
    """The policy's own part."""


class PlacedRewrite(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: RewriteConfig
    """The policy's own part."""


class PlacedRisk(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: RiskConfig
    """The policy's own part."""


class PlacedRoles(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: RolesConfig
    """The policy's own part."""


class PlacedScopes(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: ScopesConfig
    """The policy's own part."""


class PlacedSession(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: SessionConfig
    """The policy's own part."""


class PlacedSignature(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: SignatureConfig
    """The policy's own part."""


class PlacedStepUp(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: StepUpConfig
    """The policy's own part."""


class PlacedUsers(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: UsersConfig
    """The policy's own part."""


class PlacedWaf(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: WafConfig
    """The policy's own part."""


class PlacedWebhook(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: WebhookConfig
    """The policy's own part."""


class PlacedWebsocket(TypedDict):
    """A policy's config with what every policy has."""

    mode: Mode
    """Enforce, observe or off."""
    on_error: OnError
    """What an error of the policy itself does."""
    waiver: Waiver | None
    """Needed where authentication or authorization is not enforced."""
    span: Span
    """Where the configuration says it."""
    config: WebsocketConfig
    """The policy's own part."""


class PluginSet(TypedDict):
    """What a pool of processes for plugins runs. Another set is another pool."""

    folder: str
    """The folder that modules are looked for in first, absolute."""
    digest: str
    """SHA-256 over the modules of that folder which the plugins read."""
    memory_bytes: int
    """Most memory of one process, bytes of address space."""
    plugins: list[PluginSource]
    """Every plugin of the bundle; policies name them by their place."""


class PluginSource(TypedDict):
    """A plugin, as a process makes it."""

    name: str
    """`module:Class`."""
    options: str
    """What it is made with, JSON."""


class PluginsConfig(TypedDict):
    """The room's config: one plugin of an API."""

    name: str
    """`module:Class`, for people and numbers."""
    plugin: int
    """Its place in the bundle's list of plugins."""
    digest: str
    """SHA-256 of the code that it was loaded from."""
    deadline_ms: int
    """From the question to the answer, waiting included, milliseconds."""
    request: bool
    """Whether it is asked about requests."""
    response: bool
    """Whether it is asked about answers."""
    credentials: list[str]
    """Fields with credentials that it is shown all the same."""


class Policies(TypedDict):
    """An API's policies. The order of the fields has no meaning: the pipeline has its own."""

    ip_filter: PlacedIpFilter | None
    """Address filter."""
    cors: PlacedCors | None
    """Which pages of other origins may call."""
    authenticate: list[Authenticator]
    """Any one of these proves an identity."""
    together: list[Together] | None
    """Which of them prove one only together."""
    redirect: PlacedRedirect | None
    """The gate answers with another place."""
    rewrite: PlacedRewrite | None
    """Another path and query for the upstream."""
    body_limit: PlacedBodyLimit | None
    """Size of a request's body."""
    inflate: PlacedInflate | None
    """Which packed bodies of requests are unpacked; none are without it."""
    compress: PlacedCompress | None
    """Which answers are packed; none are without it."""
    plugins: list[PlacedPlugins]
    """Policies in Python, asked in this order."""
    waf: PlacedWaf | None
    """What looks for attacks; none does without it."""
    websocket: PlacedWebsocket | None
    """What may become a WebSocket; none for nothing."""
    grpc: PlacedGrpc | None
    """Which calls of gRPC are taken, how large and how long."""
    risk: PlacedRisk | None
    """What speaks against requests, and what becomes of it."""
    device: PlacedDevice | None
    """From which devices the API is called; from any without it."""
    apps: PlacedApps | None
    """Through which programs the API is used."""
    scopes: PlacedScopes | None
    """What a credential was given, and what that opens."""
    roles: PlacedRoles | None
    """What a caller is, and what that opens."""
    cedar: PlacedCedar | None
    """What policies in Cedar say."""
    decide: list[PlacedDecide] | None
    """Decision points elsewhere that are asked."""
    objects: PlacedObjects | None
    """Whose it is what is asked for."""
    enumeration: PlacedEnumeration | None
    """How much of it somebody asks for."""
    users: PlacedUsers | None
    """How many may use it."""
    properties: PlacedProperties | None
    """What may be set of it."""
    minimise: PlacedMinimise | None
    """What may be read of it."""
    step_up: PlacedStepUp | None
    """What wants a newer or stronger proof of who calls; nothing does without it."""
    headers: PlacedHeaders | None
    """Changes to header fields, both ways."""
    limits: list[PlacedLimits]
    """How much may come."""


class ProofRules(TypedDict):
    """How proofs are judged."""

    max_age_ms: int
    """How long ago a proof may have been made, milliseconds."""
    nonce: bool
    """Whether it has to hold what the gate gave out just before."""


class PropertiesConfig(TypedDict):
    """The room's config."""

    rules: list[PropertyRule]
    """The rules; the first that is for a request holds."""
    body_bytes: int
    """Longest body that is looked at, bytes."""


class PropertyRule(TypedDict):
    """A rule, as a bundle has it."""

    what: list[Only]
    """Requests that it is for."""
    open: list[FieldsOpen]
    """Who may set what."""
    drop: bool
    """Whether what nobody opens to the caller is left out, and the rest goes on."""
    query: bool
    """Whether parameters of the query are properties as well."""
    span: Span
    """Where the configuration says it."""


Protocol = Literal["http/1.1", "h2", "h3"]
"""What is spoken over a connection."""

ProxyVersion = Literal["v1", "v2"]
"""A version of the PROXY protocol."""


class RedirectConfig(TypedDict):
    """The room's config."""

    status: int
    """301, 302, 303, 307 or 308."""
    to: str
    """A template: a path, or a URL."""
    hosts: list[str]
    """Hosts that `{host}` may be."""
    query: bool
    """Whether the request's query goes along."""


class Relation(TypedDict):
    """A relation, as a bundle has it."""

    name: str
    """Its name."""
    pairs: dict[str, list[str]]
    """What leads to what."""


class Replacement(TypedDict):
    """A path written anew by an expression."""

    matches: str
    """Matches the whole path."""
    to: str
    """A template; its names are the expression's groups."""


class RequestChanges(TypedDict):
    """Changes to requests. `{owner}` and the like in a value stand for what the gate knows."""

    set: dict[str, str]
    """Fields that replace what stands there, by name."""
    add: dict[str, list[str]]
    """Fields beside what stands there, by name."""
    remove: list[str]
    """Names that are taken off."""


class ResponseChanges(TypedDict):
    """Changes to answers, the gate's own among them."""

    set: dict[str, str]
    """Fields that replace what stands there, by name."""
    add: dict[str, list[str]]
    """Fields beside what stands there, by name."""
    hide: list[str]
    """Names that are taken off."""


class Retry(TypedDict):
    """Sends once more what failed, where that is safe."""

    attempts: int
    """Further attempts after the first."""
    connect: bool
    """Where no connection could be had."""
    reset: bool
    """Where the connection broke before the answer."""
    timeout: bool
    """Where the answer did not come within `per_try_ms`."""
    statuses: list[int]
    """On these statuses."""
    budget: int
    """Percent of requests that may be sent once more."""
    per_try_ms: int
    """How long each attempt may take to begin its answer, milliseconds; 0 for as long as there is time."""


class RewriteConfig(TypedDict):
    """The room's config. At most one of `prefix`, `path` and `regex`."""

    prefix: str | None
    """In place of the prefix that matched."""
    path: str | None
    """The whole path, a template."""
    regex: Replacement | None
    """The whole path by an expression; a path that it does not match stays."""
    set: list[Parameter]
    """Parameters to set: name and a template for the value."""
    remove: list[str]
    """Parameters to take out."""


class RiskConfig(TypedDict):
    """The room's config."""

    step_up_at: int | None
    """The sum from which on a proof is asked for."""
    deny_at: int | None
    """The sum from which on a request is refused."""
    weights: list[RiskWeight]
    """What counts, and how much."""
    within_s: int
    """How new the proof must be that is asked for, seconds."""
    amr: list[str]
    """Means of which one must have been used for it (`amr`)."""
    acr: list[str]
    """Classes of which one must have been reached (`acr`)."""
    old_s: int
    """How long ago the caller may have been authenticated before that counts, seconds."""
    countries: list[str]
    """Countries that callers usually are in."""
    networks: list[int]
    """Numbers of autonomous systems that speak against a request."""
    addresses: list[str]
    """Addresses and networks that do."""
    hours: RiskHours | None
    """When callers usually call."""
    sign_in: str | None
    """The sign-in whose pages a browser is sent to."""


class RiskHours(TypedDict):
    """A part of each of some days, in UTC."""

    start: int
    """Where it begins, minutes of the day."""
    end: int
    """Where it ends, which is on the next day where that is no later."""
    days: list[int]
    """The days on which it begins: 1 is Monday (ISO 8601)."""


RiskSignal = Literal[
    "new_device",
    "changed_device",
    "unapproved_device",
    "impossible_travel",
    "unbound_credential",
    "foreign_country",
    "listed_network",
    "listed_address",
    "outside_hours",
    "failed_tries",
    "weak_proof",
    "old_proof",
    "old_tls",
]
"""What may speak against a request. The names are stable."""


class RiskWeight(TypedDict):
    """How much a signal counts."""

    signal: RiskSignal
    """Which."""
    points: int
    """From 1 to 100."""


class Role(TypedDict):
    """One role."""

    name: str
    """Its name."""
    who: list[list[Who]]
    """Who has it: of any one of these, all must hold."""
    includes: list[str]
    """Roles whose rights it has as well."""
    span: Span
    """Where the configuration says it."""


class RoleOpening(TypedDict):
    """What one role opens."""

    role: str
    """The role's name."""
    what: list[Only]
    """What it opens."""


class RolesConfig(TypedDict):
    """The room's config."""

    opens: list[RoleOpening]
    """What each role opens."""


class RuleFile(TypedDict):
    """A file of a rule set."""

    name: str
    """Its path within the set."""
    text: str
    """What is in it."""


class RuleSet(TypedDict):
    """Rule files that belong together."""

    name: str
    """What it is called: `core 4.25.0`."""
    files: list[RuleFile]
    """All files, also those that others include or read words from."""
    entries: list[str]
    """The files that are read, in this order."""
    span: Span
    """Where the configuration asks for it."""


class Rules(TypedDict):
    """What is demanded of an issuer's tokens."""

    issuer: str
    """What the claim `iss` must be, letter by letter."""
    audiences: list[str]
    """What the claim `aud` must name one of."""
    algorithms: list[Algorithm]
    """How tokens may be signed."""
    types: list[str]
    """What `typ` may be; without case, `application/` left out."""
    skew_ms: int
    """How far clocks may differ, milliseconds."""
    max_age_ms: int | None
    """How long ago a token may have been issued, milliseconds."""
    require: list[str]
    """Claims that there must be, besides `exp` and `sub`."""
    token_bytes: int
    """Longest token, bytes."""
    stale_for_ms: int
    """How long keys are believed that could not be confirmed, milliseconds."""
    keys: KeySource
    """Where keys come from."""


Scalar = Literal["text", "whole", "truth"]
"""Kinds without parts."""


class Scan(TypedDict):
    """Where files are scanned, and how."""

    clamd: str
    """Where `clamd` listens: `unix:` and a path, or an address and a port."""
    timeout_ms: int
    """How long all scans of one request may take, milliseconds."""
    bytes: int
    """Most bytes of one file."""
    at_once: int
    """Requests whose files are scanned at the same time; others wait."""
    on_error: Unscanned
    """What becomes of files that cannot be scanned."""


class Scheme(TypedDict):
    """One scheme that must be satisfied."""

    name: str
    """Its name in the document."""
    kind: SchemeKind
    """What kind it is of."""
    scopes: list[str]
    """Scopes that the credential must have."""


SchemeKind = Literal["api_key", "cookie", "basic", "token", "mutual_tls", "signature", "other"]
"""Kinds of schemes."""


class SchemeWays(TypedDict):
    """What satisfies a scheme."""

    scheme: str
    """The scheme's name in the document."""
    ways: list[str]
    """Any one of these ways to prove who calls."""


class ScopeOpening(TypedDict):
    """What one scope opens."""

    scope: str
    """The scope."""
    what: list[Only]
    """What it opens."""


class ScopesConfig(TypedDict):
    """The room's config."""

    from_openapi: bool
    """Whether each operation's `security` in the API's document holds."""
    schemes: list[SchemeWays]
    """What satisfies schemes of the document, where their kind does not say it."""
    opens: list[ScopeOpening]
    """What each scope opens."""


class Security(TypedDict):
    """What a document demands of some of its operations: any one of these; none of them where it demands nothing."""

    any: list[list[Scheme]]
    """Of each all must be shown."""


class Server(TypedDict):
    """One server of an upstream."""

    url: str
    """`https://host:port`, `http://` or `tcp://`; `unix:/path`; or `https+srv://name` and such for what DNS says."""
    weight: int
    """Its share; 0 for none but those who stick to it."""
    priority: int
    """Lower ones first; the next only while none of these is available."""


class SessionConfig(TypedDict):
    """The room's config."""

    sign_in: str
    """Name of the sign-in whose sessions are taken."""
    issuers: list[str]
    """Names of the issuers by which people may have signed in."""
    origins: list[str]
    """Origins of other sites that may call with the cookie, such as `https://app.example.com`."""
    grace_ms: int
    """How long a session goes on that the provider could not be asked about, milliseconds."""


class ShapeOne(TypedDict):
    """One without parts."""

    one: Scalar


class ShapeMany(TypedDict):
    """A list of them. Cedar has sets."""

    many: Scalar


class ShapeRecord(TypedDict):
    """Several by name."""

    record: list[Field]


Shape = ShapeOne | ShapeMany | ShapeRecord
"""A kind of value."""


class Share(TypedDict):
    """One upstream's part of an API's requests."""

    upstream: str
    """Name of the upstream."""
    weight: int
    """Its part of the sum of all weights."""
    when: list[Condition]
    """Requests for which these hold go there, whatever the weights; none means that none does."""


class SignatureConfig(TypedDict):
    """The room's config."""

    keys: list[NamedKey]
    """Keys that requests may be signed with."""
    issuer: str | None
    """The issuer whose published keys are taken as well."""
    components: list[str]
    """What has to be covered, as it stands in a signature base, such as `"@method"`."""
    content_digest: bool
    """Whether a request with a body has to carry a digest of it, which is covered."""
    max_age_ms: int
    """How long ago a signature may have been made, milliseconds."""
    skew_ms: int
    """How far clocks may differ, milliseconds."""
    expires: bool
    """Whether a signature has to say when it ends."""
    nonce: bool
    """Whether a signature has to carry a nonce; one that does counts once."""
    tag: str | None
    """What a signature has to be for, if that matters."""
    label: str | None
    """By which label it is looked for, if that matters."""
    body_bytes: int
    """Most bytes of a body."""
    forward: bool
    """Leave the signature on the request that goes to the upstream."""


class Span(TypedDict):
    """A place in the configuration."""

    file: int
    """Index into the bundle's `sources`."""
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""


class Split(TypedDict):
    """Several upstreams for one API."""

    to: list[Share]
    """The upstreams, each once."""
    by: SplitBy
    """What is to stay with one upstream."""


class SplitByRequest(TypedDict):
    """Nothing: each request is for itself."""

    request: dict[str, object]


class SplitByClient(TypedDict):
    """Who calls, by the credential; a caller without one by the address."""

    client: dict[str, object]


class SplitByAddress(TypedDict):
    """The client's address."""

    address: dict[str, object]


class SplitByHeader(TypedDict):
    """The value of this header; a request without it by the address."""

    header: str


class SplitByCookie(TypedDict):
    """The value of this cookie; a request without it by the address."""

    cookie: str


SplitBy = SplitByRequest | SplitByClient | SplitByAddress | SplitByHeader | SplitByCookie
"""What is to stay with one upstream as long as the weights do."""


class StatusRange(TypedDict):
    """Statuses from one to another, both included."""

    low: int
    """The lowest."""
    high: int
    """The highest."""


class StepUpConfig(TypedDict):
    """The room's config."""

    rules: list[StepUpRule]
    """What is asked for what; all that fit must hold."""
    sign_in: str | None
    """The sign-in whose pages a browser is sent to."""


class StepUpRule(TypedDict):
    """What is asked for some requests."""

    operations: list[str]
    """Operations of the API's document; none means any."""
    methods: list[str]
    """Methods; none means any."""
    within_s: int | None
    """How long ago the caller may have been authenticated, seconds."""
    amr: list[str]
    """Means of which one must have been used (`amr`)."""
    acr: list[str]
    """Classes of which one must have been reached (`acr`)."""


class StickyCookie(TypedDict):
    """The cookie by which a client keeps its server."""

    name: str
    """Its name."""
    max_age_s: int
    """How long it is kept, seconds; 0 for as long as the browser is open."""


class Suggest(TypedDict):
    """Requests of which it is noted where they, or their answers, say what is verified of their callers."""

    percent: int
    """Percent of the requests."""
    answer_bytes: int
    """Longest answer that is looked at, bytes."""


Tell = Literal["always", "refused", "never"]
"""Which answers tell of a limit."""

Tier = Literal["unreviewed", "reviewed", "trusted"]
"""How far a program is trusted."""


class TierBound(TypedDict):
    """What bounds the programs of a tier."""

    rate: TierRate | None
    """How much each of them may send; as much as others allow where it is left out."""
    methods: list[str] | None
    """Methods that they may use; all where it is left out. GET brings HEAD."""
    bulk: bool
    """Whether they may read in bulk."""
    never: list[str]
    """Scopes that they never have, whoever gave them; `*` stands for anything."""


class TierRate(TypedDict):
    """`allow` in each `per_ms`, and `burst` of them at once."""

    allow: int
    """How many."""
    per_ms: int
    """In how many milliseconds."""
    burst: int
    """How many at once."""


class Tiers(TypedDict):
    """What bounds the programs of each tier."""

    unreviewed: TierBound
    """Those that nobody has looked at."""
    reviewed: TierBound
    """Those that somebody answers for."""
    trusted: TierBound
    """One's own."""


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


class Tls(TypedDict):
    """How a listener speaks TLS."""

    certificates: list[Certificate]
    """The first is shown to who asks for no name."""
    minimum: TlsVersion
    """The oldest version that is spoken."""
    clients: Clients | None
    """Whose certificates clients may show."""
    hosts: list[TlsHost]
    """Hosts with rules of their own."""
    hsts: str | None
    """Value of `Strict-Transport-Security` on every answer; none for no such field."""
    passthrough: list[Passthrough]
    """Names whose connections are carried on unread."""


class TlsHost(TypedDict):
    """Hosts with rules of their own."""

    names: list[str]
    """`shop.example.com` or `*.example.com`."""
    clients: Clients | None
    """Whose certificates clients may show; none to ask for none."""


TlsVersion = Literal["1.2", "1.3"]
"""A version of TLS."""


class Together(TypedDict):
    """Entries of `authenticate` that follow one another and must all hold; the first says who calls."""

    first: int
    """The number of the first, from 0 on."""
    count: int
    """How many they are."""


class UnixSocket(TypedDict):
    """Who may connect to a socket in the file system: whoever may write to its file."""

    mode: int
    """The file's mode."""
    owner: str | None
    """Name or number of its owner; none for the gate's own user."""
    group: str | None
    """Name or number of its group; none for the gate's own."""


UnknownRevocation = Literal["allow", "deny"]
"""What becomes of a certificate of which it is not known whether it was revoked."""

Unscanned = Literal["refuse", "pass"]
"""What becomes of files that cannot be scanned."""


class Upstream(TypedDict):
    """An API's servers."""

    name: str
    """Its name in the configuration."""
    targets: list[Server]
    """Its servers."""
    balance: Balance
    """Which server gets a request."""
    health: HealthCheck | None
    """Asks each server how it is."""
    passive: Passive
    """Learns from answers how servers are."""
    slow_start_ms: int
    """How long a server that came back takes to get its whole share, milliseconds; 0 for at once."""
    retry: Retry | None
    """Sends once more what failed."""
    breaker: Breaker | None
    """Bounds how much is under way."""
    dns: Dns
    """How names are looked up."""
    timeouts: Timeouts
    """Phase by phase."""
    credential: Credential | None
    """A header that proves the gate to the upstream."""
    assertion: Assertion | None
    """What it is told of who calls."""
    token: UpstreamToken | None
    """What it is given in the place of the caller's credential."""
    protocol: Protocol
    """What is spoken with its servers."""
    proxy_protocol: ProxyVersion | None
    """Each connection begins by saying whom it speaks for."""
    tls: UpstreamTls | None
    """How it speaks TLS with targets of `https`."""
    head_bytes: int
    """Bytes of status line and headers of an answer."""
    insecure: Waiver | None
    """Needed for plain HTTP off loopback."""
    span: Span
    """Where the configuration says it."""


class UpstreamTls(TypedDict):
    """How the gate speaks TLS with an upstream."""

    trust: list[str]
    """Files of authorities, PEM; none for the system's."""
    server_name: str | None
    """Whom to ask for, instead of the target's host."""
    pins: list[str]
    """SHA-256 of public keys (SPKI), hexadecimal, one of which the server's has to be."""
    client: Certificate | None
    """What the gate shows to who asks for a certificate."""
    minimum: TlsVersion
    """The oldest version that is spoken."""
    unverified: Waiver | None
    """Needed to take any certificate."""


class UpstreamToken(TypedDict):
    """A token that an upstream is given, which the identity provider has made for it."""

    header: str
    """The header that carries it; in `Authorization` it is a bearer's."""
    about: str
    """What the control process knows by which it is got; changes with what is wanted."""


class UsersCap(TypedDict):
    """How many there may be."""

    distinct: int
    """How many different ones a day (UTC); zero is any number."""
    concurrent: int
    """How many at once; zero is any number."""
    idle_ms: int
    """For how long who is done keeps a place, milliseconds."""
    by: UsersOf
    """Of what."""
    role: str | None
    """Which users are counted: those that have this role; else all."""
    span: Span
    """Where the configuration says it."""


class UsersConfig(TypedDict):
    """The room's config."""

    caps: list[UsersCap]
    """The caps, of which all hold."""


class UsersOfClaim(TypedDict):
    """Of each value of a claim; who has none of it is of one that is nobody's."""

    claim: str


UsersOf = Literal["api", "app"] | UsersOfClaim
"""Of what there may be so many users."""


class Version(TypedDict):
    """One version."""

    name: str
    """Its name, as requests say it."""
    upstream: str | None
    """Name of its upstream; none for the API's own."""
    openapi: Attached | None
    """The document whose operations it has."""
    deprecated_ms: int | None
    """Since when it should not be used any more, milliseconds since the epoch."""
    sunset_ms: int | None
    """From when on it is refused."""
    brownouts: list[Brownout]
    """When it is refused for a while, so that those who still use it notice."""
    successor: str | None
    """Name of the version to use instead."""
    notice: str | None
    """Where people read of its end: a URL."""
    span: Span
    """Where the configuration says it."""


class VersionByPath(TypedDict):
    """The segment behind the API's prefix."""

    path: dict[str, object]


class VersionByHeader(TypedDict):
    """This header."""

    header: str


class VersionByMediaType(TypedDict):
    """This parameter of a media type in `Accept`, or else in `Content-Type`."""

    media_type: str


class VersionByQuery(TypedDict):
    """This parameter of the query."""

    query: str


VersionBy = VersionByPath | VersionByHeader | VersionByMediaType | VersionByQuery
"""What says which version is asked for."""


class Versions(TypedDict):
    """The versions of an API."""

    by: VersionBy
    """What says which version is asked for."""
    default: str | None
    """The version of requests that name none; without one they are refused."""
    list: list[Version]
    """The versions, in the order of the file; the order has no meaning."""
    span: Span
    """Where the configuration says them."""


class WafConfig(TypedDict):
    """The room's config."""

    set: int | None
    """Index into the bundle's `rule_sets`; none where only detectors look."""
    native: bool
    """Whether detectors of our own look."""
    overrule: bool
    """Whether rules count nothing for what detectors have read and found clean."""
    variables: dict[str, str]
    """Variables of `TX` that rules begin with, such as `blocking_paranoia_level`."""
    threshold: int
    """From this score on detectors refuse, where no rules decide that."""
    exclude: list[Exclude]
    """What is left out."""
    inspect_bytes: int
    """Most bytes of a body that are looked at."""
    longer: Longer
    """What becomes of longer bodies."""
    answers: Answered | None
    """Which answers are looked at; none where there is none."""
    scan: Scan | None
    """Where files are scanned for viruses, and how; they are not where there is none."""


class Waiver(TypedDict):
    """An exception somebody answers for, until a day."""

    owner: str
    """Who answers for it."""
    reason: str
    """Why it is needed."""
    until_ms: int
    """Milliseconds since the epoch; from then on the exception is closed."""
    span: Span
    """Where the configuration says it."""


class Wanted(TypedDict):
    """What one certificate must be; all that is said must hold."""

    spiffe: Like | None
    """Its SPIFFE ID."""
    uri: Like | None
    """One of its URIs."""
    dns: Like | None
    """One of its DNS names."""
    email: Like | None
    """One of its addresses of e-mail."""
    ip: str | None
    """The network (CIDR) that one of its IP addresses is of."""
    subject: dict[str, Like]
    """Attributes of its subject, by their short names."""
    spki: str | None
    """SHA-256 of its public key, hexadecimal."""


class WebhookConfig(TypedDict):
    """The room's config."""

    name: str
    """By which the sender is known and counted."""
    secrets: list[str]
    """Secrets, `env:NAME` or `file:/path`: resolved in the gate's memory. Any one of them will do."""
    public_keys: list[str]
    """Public keys of Ed25519, in base64 behind `whpk_`. Any one of them will do."""
    form: Form
    """How the sender signs."""
    tolerance_ms: int
    """How far the time may lie back or ahead, milliseconds."""
    once: bool
    """Whether an attempt counts once."""
    body_bytes: int
    """Most bytes of a body."""
    forward: bool
    """Leave the signature on the request that goes to the upstream."""


class WebsocketConfig(TypedDict):
    """The room's config."""

    origins: list[str]
    """Origins whose pages may open one, besides those of the same host; `*` for any."""
    frame_bytes: int
    """Largest frame, bytes."""
    message_bytes: int
    """Largest message, over all its frames, bytes as they are sent."""
    messages: int
    """Messages of the client in a second, and five times as many at once; 0 for no bound."""
    idle_ms: int
    """How long nothing may pass, milliseconds."""


WhenStale = Literal["deny", "continue"]
"""What happens to requests that need facts which may be out of date."""


class WhoClaim(TypedDict):
    """A claim says this."""

    claim: ClaimTest


class WhoIssuer(TypedDict):
    """The credential is of one of these issuers, by their names in the configuration."""

    issuer: list[str]


class WhoApp(TypedDict):
    """The program that calls is one of these."""

    app: list[str]


class WhoOwner(TypedDict):
    """One of these answers for the credential."""

    owner: list[str]


class WhoCredential(TypedDict):
    """The credential is one of these, by its public id."""

    credential: list[str]


class WhoWay(TypedDict):
    """It was proved in one of these ways."""

    way: list[str]


class WhoScope(TypedDict):
    """The credential has one of these scopes."""

    scope: list[str]


Who = WhoClaim | WhoIssuer | WhoApp | WhoOwner | WhoCredential | WhoWay | WhoScope
"""One thing that must hold."""

Written = Literal["hex", "base64"]
"""How bytes are written."""
