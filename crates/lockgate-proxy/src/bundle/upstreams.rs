//! The bundle's part about upstreams: servers, and how requests are spread
//! over them, repeated, held back.

use lockgate_policy::{Span, Waiver};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Certificate, Credential, Protocol, Timeouts, TlsVersion};

/// An API's servers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: String,
    /// Its servers.
    pub targets: Vec<Server>,
    /// Which server gets a request.
    #[serde(default)]
    pub balance: Balance,
    /// Asks each server how it is.
    pub health: Option<HealthCheck>,
    /// Learns from answers how servers are.
    #[serde(default)]
    pub passive: Passive,
    /// How long a server that came back takes to get its whole share, milliseconds; 0 for at once.
    #[serde(default)]
    pub slow_start_ms: u32,
    /// Sends once more what failed.
    pub retry: Option<Retry>,
    /// Bounds how much is under way.
    pub breaker: Option<Breaker>,
    /// How names are looked up.
    #[serde(default)]
    pub dns: Dns,
    /// Phase by phase.
    pub timeouts: Timeouts,
    /// A header that proves the gate to the upstream.
    pub credential: Option<Credential>,
    /// What it is told of who calls.
    #[serde(default)]
    pub assertion: Option<Assertion>,
    /// What it is given in the place of the caller's credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<UpstreamToken>,
    /// What is spoken with its servers.
    #[serde(default = "http1")]
    pub protocol: Protocol,
    /// Each connection begins by saying whom it speaks for.
    #[serde(default)]
    pub proxy_protocol: Option<ProxyVersion>,
    /// How it speaks TLS with targets of `https`.
    #[serde(default)]
    pub tls: Option<UpstreamTls>,
    /// Bytes of status line and headers of an answer.
    pub head_bytes: u32,
    /// Needed for plain HTTP off loopback.
    pub insecure: Option<Waiver>,
    /// Where the configuration says it.
    pub span: Span,
}

/// What an upstream is told of who calls, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The header that carries it; in `Authorization` it is a bearer's.
    pub header: String,
    /// For whom it is made.
    pub audience: Vec<String>,
    /// What of the caller's claims it says.
    pub claims: Vec<String>,
    /// How long it holds, seconds.
    pub lifetime_s: u32,
}

/// A token that an upstream is given, which the identity provider has made for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamToken {
    /// The header that carries it; in `Authorization` it is a bearer's.
    pub header: String,
    /// What the control process knows by which it is got; changes with what is wanted.
    pub about: String,
}

const fn http1() -> Protocol {
    Protocol::Http1
}

/// A version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary, with a checksum, and with the host that the client asked for in TLS.
    V2,
}

/// How the gate speaks TLS with an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTls {
    /// Files of authorities, PEM; none for the system's.
    pub trust: Vec<String>,
    /// Whom to ask for, instead of the target's host.
    pub server_name: Option<String>,
    /// SHA-256 of public keys (SPKI), hexadecimal, one of which the server's has to be.
    pub pins: Vec<String>,
    /// What the gate shows to who asks for a certificate.
    pub client: Option<Certificate>,
    /// The oldest version that is spoken.
    pub minimum: TlsVersion,
    /// Needed to take any certificate.
    pub unverified: Option<Waiver>,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self {
            trust: Vec::new(),
            server_name: None,
            pins: Vec::new(),
            client: None,
            minimum: TlsVersion::Tls12,
            unverified: None,
        }
    }
}

/// One server of an upstream.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// `https://host:port`, `http://` or `tcp://`; `unix:/path`; or `https+srv://name` and such for what DNS says.
    pub url: String,
    /// Its share; 0 for none but those who stick to it.
    pub weight: u16,
    /// Lower ones first; the next only while none of these is available.
    pub priority: u16,
}

/// Which server gets a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    /// By what.
    pub by: BalanceBy,
    /// What is hashed, where `by` is `hash`.
    pub key: Option<HashKey>,
    /// The cookie, where `by` is `sticky`.
    pub cookie: Option<StickyCookie>,
}

/// Ways to choose a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BalanceBy {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// The less busy of two chosen at random.
    LeastRequests,
    /// The same key, the same server.
    Hash,
    /// The same client, the same server: by a cookie of the gate's.
    Sticky,
}

/// What is hashed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HashKey {
    /// What part of a request.
    pub kind: HashKind,
    /// Name of the header or cookie; empty for the others.
    pub name: String,
}

/// Parts of a request that can be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashKind {
    /// A header.
    Header,
    /// A cookie.
    Cookie,
    /// The client's address.
    Client,
    /// The path.
    Path,
}

/// The cookie by which a client keeps its server.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StickyCookie {
    /// Its name.
    pub name: String,
    /// How long it is kept, seconds; 0 for as long as the browser is open.
    pub max_age_s: u32,
}

/// Asks each server how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// Path with query; empty where it is only asked whether a connection can be had.
    pub path: String,
    /// The `Host` that is asked for; none for the server's own name.
    pub host: Option<String>,
    /// From one question to the next, milliseconds.
    pub every_ms: u32,
    /// For the whole answer, milliseconds.
    pub timeout_ms: u32,
    /// Statuses of a good answer.
    pub expect: Vec<StatusRange>,
    /// So many bad answers in a row take it out.
    pub unhealthy_after: u16,
    /// So many good answers in a row take it in again.
    pub healthy_after: u16,
}

/// Statuses from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusRange {
    /// The lowest.
    pub low: u16,
    /// The highest.
    pub high: u16,
}

/// Learns from answers how servers are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passive {
    /// So many failures in a row take a server out for a while; 0 turns it off.
    pub failures: u16,
    /// For how long at first, milliseconds; each further time twice as long.
    pub eject_ms: u32,
    /// And at most, milliseconds.
    pub eject_most_ms: u32,
    /// Percent of the servers that may be out at once.
    pub share: u8,
    /// Statuses that are failures, besides no answer at all.
    pub statuses: Vec<u16>,
}

impl Default for Passive {
    fn default() -> Self {
        Self {
            failures: 5,
            eject_ms: 30_000,
            eject_most_ms: 300_000,
            share: 50,
            statuses: vec![502, 503, 504],
        }
    }
}

/// Sends once more what failed, where that is safe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Further attempts after the first.
    pub attempts: u8,
    /// Where no connection could be had.
    pub connect: bool,
    /// Where the connection broke before the answer.
    pub reset: bool,
    /// Where the answer did not come within `per_try_ms`.
    pub timeout: bool,
    /// On these statuses.
    pub statuses: Vec<u16>,
    /// Percent of requests that may be sent once more.
    pub budget: u8,
    /// How long each attempt may take to begin its answer, milliseconds; 0 for as long as there is time.
    pub per_try_ms: u32,
}

/// Bounds how much is under way.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Requests under way, over all workers.
    pub concurrent: u32,
    /// Requests that may wait for one of them to end.
    pub queue: u32,
    /// For how long, milliseconds.
    pub wait_ms: u32,
}

/// How names are looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// `address:port` each; none for the system's.
    pub servers: Vec<String>,
    /// An answer is believed at least this long, milliseconds, whatever its TTL.
    pub least_ms: u32,
    /// And at most this long, milliseconds.
    pub most_ms: u32,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            least_ms: 1_000,
            most_ms: 60_000,
        }
    }
}
