//! Where the gate listens, and how it speaks there.

use lockgate_policy::{ip_filter, Span, Waiver};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One listening socket per worker on one address.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Its name in the configuration.
    pub name: String,
    /// `address:port`, where port 0 asks for a free one, or `unix:` with a path.
    pub address: String,
    /// Who may connect to a socket in the file system.
    #[serde(default)]
    pub socket: UnixSocket,
    /// What may be spoken there; with TLS the client chooses.
    #[serde(default = "http1")]
    pub protocols: Vec<Protocol>,
    /// How it speaks TLS; none for plain HTTP.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Every request is sent to this port over HTTPS instead of being served; 0 is no such port.
    #[serde(default)]
    pub redirect_port: u16,
    /// The port by which clients reach it, where that is another than its own; 0 where it is not.
    #[serde(default)]
    pub public_port: u16,
    /// Trusted proxies say by the PROXY protocol whom they speak for, and have to.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// Networks (CIDR) whose `Forwarded` and `X-Forwarded-*` are believed; `unix` for whoever may connect.
    pub trusted_proxies: Vec<String>,
    /// Bounds on what a stranger may send.
    pub limits: ListenerLimits,
    /// Needed for plain HTTP off loopback.
    pub insecure: Option<Waiver>,
    /// Where the configuration says it.
    pub span: Span,
}

/// Who may connect to a socket in the file system: whoever may write to its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnixSocket {
    /// The file's mode.
    pub mode: u32,
    /// Name or number of its owner; none for the gate's own user.
    pub owner: Option<String>,
    /// Name or number of its group; none for the gate's own.
    pub group: Option<String>,
}

impl Default for UnixSocket {
    fn default() -> Self {
        Self {
            // Its owner and its group, and nobody else on the machine.
            mode: 0o660,
            owner: None,
            group: None,
        }
    }
}

/// What is spoken over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// RFC 9112.
    #[serde(rename = "http/1.1")]
    Http1,
    /// RFC 9113.
    #[serde(rename = "h2")]
    Http2,
    /// RFC 9114.
    #[serde(rename = "h3")]
    Http3,
}

impl Protocol {
    /// Its name in ALPN (RFC 7301), where it has one over TCP.
    #[must_use]
    pub const fn alpn(self) -> Option<&'static [u8]> {
        match self {
            Self::Http1 => Some(b"http/1.1"),
            Self::Http2 => Some(b"h2"),
            // Over QUIC alone.
            Self::Http3 => None,
        }
    }
}

fn http1() -> Vec<Protocol> {
    vec![Protocol::Http1]
}

const fn handshake_timeout_ms() -> u32 {
    Listener::default_limits().handshake_timeout_ms
}

const fn new_connections_per_ip() -> u32 {
    Listener::default_limits().new_connections_per_ip
}

const fn streams() -> u32 {
    Listener::default_limits().streams
}

const fn control_frames() -> u32 {
    Listener::default_limits().control_frames
}

const fn compress_memory() -> u64 {
    Listener::default_limits().compress_memory
}

const fn inflate_memory() -> u64 {
    Listener::default_limits().inflate_memory
}

const fn inspect_memory() -> u64 {
    Listener::default_limits().inspect_memory
}

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The first is shown to who asks for no name.
    pub certificates: Vec<Certificate>,
    /// The oldest version that is spoken.
    pub minimum: TlsVersion,
    /// Whose certificates clients may show.
    pub clients: Option<Clients>,
    /// Hosts with rules of their own.
    pub hosts: Vec<TlsHost>,
    /// Value of `Strict-Transport-Security` on every answer; none for no such field.
    pub hsts: Option<String>,
    /// Names whose connections are carried on unread.
    #[serde(default)]
    pub passthrough: Vec<Passthrough>,
}

/// Names whose connections are carried on unread, to who ends their TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Passthrough {
    /// `db.example.com`, or `*.example.com` for every name below it.
    pub hosts: Vec<String>,
    /// Names below a wildcard of `hosts` that the listener ends itself.
    pub ended: Vec<String>,
    /// Name of the upstream, of targets that begin with `tcp://`.
    pub upstream: String,
    /// How long nothing may pass, milliseconds.
    pub idle_ms: u32,
    /// Which addresses may come.
    #[serde(default)]
    pub ip_filter: ip_filter::Config,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Certificate {
    /// From files, which are looked at again when they change.
    Files(PemFiles),
    /// From the control process, which looks after it under this name.
    Managed(String),
}

impl Certificate {
    /// The chain's path, or what the control process knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Files(files) => &files.chain,
            Self::Managed(name) => name,
        }
    }
}

impl std::fmt::Display for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Files(files) => f.write_str(&files.chain),
            Self::Managed(name) => write!(f, "the certificate `{name}`"),
        }
    }
}

/// Files of PEM, as the gate finds them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PemFiles {
    /// The certificate, then who issued it, and so on.
    pub chain: String,
    /// Its private key.
    pub key: String,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    Tls12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whose certificates clients may show.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clients {
    /// Files of authorities, PEM.
    pub trust: Vec<String>,
    /// Whether a client without one is turned away.
    pub require: bool,
    /// Files of revocation lists, PEM.
    pub crl: Vec<String>,
    /// What becomes of a certificate of which neither a list that is up to date nor a responder tells.
    #[serde(default)]
    pub unknown_revocation: UnknownRevocation,
    /// How responders are asked whether it was revoked; none where they are not.
    #[serde(default)]
    pub ocsp: Option<Ocsp>,
}

/// How responders are asked whether a client's certificate was revoked (RFC 6960).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ocsp {
    /// The rules for clients that this is of, by their path in the configuration.
    pub rules: String,
    /// The one responder; none for the one that each certificate names.
    pub responder: Option<String>,
    /// How long a responder has, milliseconds.
    pub timeout_ms: u32,
    /// How long an answer is believed before it is asked for again, milliseconds.
    pub max_age_ms: u64,
}

/// What becomes of a certificate of which it is not known whether it was revoked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownRevocation {
    /// It is taken.
    #[default]
    Allow,
    /// It is refused.
    Deny,
}

/// Hosts with rules of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsHost {
    /// `shop.example.com` or `*.example.com`.
    pub names: Vec<String>,
    /// Whose certificates clients may show; none to ask for none.
    pub clients: Option<Clients>,
}

/// Bounds on what a stranger may send to a listener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerLimits {
    /// Bytes of request line and headers together.
    pub head_bytes: u32,
    /// Number of header lines.
    pub headers: u16,
    /// From a connection's first byte to the end of its TLS handshake, milliseconds.
    #[serde(default = "handshake_timeout_ms")]
    pub handshake_timeout_ms: u32,
    /// From a head's first byte to its last, milliseconds.
    pub head_timeout_ms: u32,
    /// Between requests on a kept-alive connection, milliseconds.
    pub idle_timeout_ms: u32,
    /// Floor of a request body's rate after a grace of five seconds, bytes per second; 0 turns it off.
    pub body_rate_min: u32,
    /// A peer that takes no byte of its answer for this long is let go, milliseconds.
    pub write_timeout_ms: u32,
    /// Open connections of the listener.
    pub connections: u32,
    /// Open connections of one address.
    pub connections_per_ip: u32,
    /// New connections of one address in a second, and five times as many at once; 0 for no bound.
    #[serde(default = "new_connections_per_ip")]
    pub new_connections_per_ip: u32,
    /// Requests of one HTTP/2 or HTTP/3 connection that are under way at once.
    #[serde(default = "streams")]
    pub streams: u32,
    /// How many times the usual number of HTTP/2's and HTTP/3's control frames a connection may send.
    #[serde(default = "control_frames")]
    pub control_frames: u32,
    /// Bytes of memory that all answers being packed may take: beyond it they go out as they are.
    #[serde(default = "compress_memory")]
    pub compress_memory: u64,
    /// Bytes of memory that all bodies being unpacked may take: beyond it they are refused.
    #[serde(default = "inflate_memory")]
    pub inflate_memory: u64,
    /// Bytes of memory that all bodies being looked at may take: beyond it they are refused.
    #[serde(default = "inspect_memory")]
    pub inspect_memory: u64,
}

impl Listener {
    /// Bounds where the configuration says nothing.
    #[must_use]
    pub const fn default_limits() -> ListenerLimits {
        ListenerLimits {
            head_bytes: 32 * 1024,
            headers: 100,
            handshake_timeout_ms: 10_000,
            head_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            body_rate_min: 1024,
            write_timeout_ms: 60_000,
            connections: 10_000,
            // A tenth of all: no one address takes every place.
            connections_per_ip: 1_000,
            // A handshake costs the gate some 100 µs with ECDSA, and 700 µs with RSA: no one
            // address takes more than a seventh of a core for long.
            new_connections_per_ip: 200,
            // RFC 9113 section 6.5.2 recommends no less; nginx has 128, Envoy 100.
            streams: 100,
            control_frames: 1,
            // A hundred answers of zstd, ninety of brotli, six hundred of gzip, at their usual levels.
            compress_memory: 256 * 1024 * 1024,
            // Thirty with the largest window, a hundred of zstd's own, three thousand of gzip.
            inflate_memory: 256 * 1024 * 1024,
            // Two hundred and fifty of the longest that are looked at by default.
            inspect_memory: 256 * 1024 * 1024,
        }
    }
}
