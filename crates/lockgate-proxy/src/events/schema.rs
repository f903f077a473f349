//! The event, version 1: what is kept of a request, of a change by a person,
//! and of the gate's own life.
//!
//! On disk an event is a CBOR map with integer keys. Keys are never reused, a
//! reader skips those that it does not know, and a new field is always
//! optional: so version N reads what N+1 wrote. Tools see the JSON form, whose
//! JSON Schema [`json_schema`] returns.

use std::net::IpAddr;

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cbor;

/// The version that this gate writes.
pub const EVENT_VERSION: u32 = 1;

/// What kind of event it is; it decides what may be dropped first and who looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Class {
    /// An answered request.
    Access = 1,
    /// A refused request.
    Security = 2,
    /// A change that somebody made; hash-chained and answered only when it is on disk.
    Audit = 3,
    /// The gate's own life: starts, reloads, drops.
    System = 4,
}

impl Class {
    /// All classes, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Access, Self::Security, Self::Audit, Self::System];

    /// The word in the JSON form and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Security => "security",
            Self::Audit => "audit",
            Self::System => "system",
        }
    }

    /// The class of a frame's class byte; a later version may write others.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Access),
            2 => Some(Self::Security),
            3 => Some(Self::Audit),
            4 => Some(Self::System),
            _ => None,
        }
    }

    /// The class's place in an array of four counters.
    pub(crate) const fn index(self) -> usize {
        self as usize - 1
    }
}

/// One event. In JSON its body's fields stand beside the common ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Version of the schema that wrote it.
    #[serde(default = "current_version")]
    pub v: u32,
    /// When it began, milliseconds since the epoch. 0 in an event to be
    /// appended means now.
    #[serde(default)]
    pub at_ms: u64,
    /// Request id, or event id. Empty in an event to be appended: one is made.
    #[serde(default)]
    pub id: String,
    /// The process's node name. Empty in an event to be appended: the log's own.
    #[serde(default)]
    pub node: String,
    /// What happened.
    #[serde(flatten)]
    pub body: Body,
}

impl Event {
    /// A system event, to be appended.
    #[must_use]
    pub fn system(code: &str, message: String, detail: serde_json::Value) -> Self {
        Self::new(Body::System(System {
            code: code.to_owned(),
            message,
            detail,
        }))
    }

    /// An event of now, to be appended; the log gives it its id and node.
    #[must_use]
    pub const fn new(body: Body) -> Self {
        Self {
            v: EVENT_VERSION,
            at_ms: 0,
            id: String::new(),
            node: String::new(),
            body,
        }
    }
}

/// What happened, by class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "class", rename_all = "lowercase")]
pub enum Body {
    /// An answered request.
    Access(Box<Exchange>),
    /// A refused request.
    Security(Box<Exchange>),
    /// A change that somebody made.
    Audit(Audit),
    /// The gate's own life.
    System(System),
}

impl Body {
    /// The class that it belongs to.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Access(_) => Class::Access,
            Self::Security(_) => Class::Security,
            Self::Audit(_) => Class::Audit,
            Self::System(_) => Class::System,
        }
    }
}

/// A request and what became of it. [`AccessRecord`](super::AccessRecord) is
/// the same, borrowed, and is what the request path writes.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[cbor(map)]
#[serde(default)]
pub struct Exchange {
    /// HTTP method.
    #[n(0)]
    pub method: String,
    /// Host in normal form; empty where the request never had a valid one.
    #[n(1)]
    pub host: String,
    /// Path in normal form, without the query.
    #[n(2)]
    pub path: String,
    /// Name of the listener.
    #[n(3)]
    pub listener: String,
    /// The API that the request was routed to.
    #[n(4)]
    pub api: Option<String>,
    /// The matching route's pattern.
    #[n(5)]
    pub route: Option<String>,
    /// Address of the caller, behind trusted proxies the one that they name.
    #[cbor(n(6), with = "cbor::address")]
    pub peer: IpAddr,
    /// Key id.
    #[n(7)]
    pub key: Option<String>,
    /// Who was identified.
    #[n(8)]
    pub identity: Option<String>,
    /// Status of the answer; 0 where none could be sent.
    #[n(9)]
    pub status: u16,
    /// Reason code of an answer that the gate made itself.
    #[n(10)]
    pub reason: Option<String>,
    /// The room that gave the reason.
    #[n(11)]
    pub room: Option<String>,
    /// Where the configuration says what decided.
    #[n(12)]
    pub span: Option<Span>,
    /// Each policy that was asked, in the pipeline's order.
    #[cbor(n(13), default)]
    pub verdicts: Vec<Verdict>,
    /// Bytes of the request's body.
    #[n(14)]
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    #[n(15)]
    pub bytes_out: u64,
    /// From the request's first byte to the answer's last, microseconds.
    #[n(16)]
    pub took_us: u64,
    /// From sending to the upstream to its answer's first byte, microseconds.
    #[n(17)]
    pub upstream_us: Option<u64>,
    /// The target of the upstream that was asked.
    #[n(18)]
    pub target: Option<String>,
    /// Hash of the bundle that judged it.
    #[n(19)]
    pub bundle: String,
    /// Trace id of `traceparent`.
    #[n(20)]
    pub trace: Option<String>,
    /// Number of the worker.
    #[n(21)]
    pub worker: u16,
    /// `User-Agent`; bytes that are no ASCII text read `?`.
    #[n(22)]
    pub user_agent: Option<String>,
    /// The upstream that was asked, where the API has more than one.
    #[n(23)]
    pub upstream: Option<String>,
    /// The operation of the API's document that it is.
    #[n(24)]
    pub operation: Option<String>,
    /// The version of the API that it asks for.
    #[n(25)]
    pub version: Option<String>,
    /// What a plugin calls its refusal, beside `plugin-denied`.
    #[n(26)]
    pub own: Option<String>,
    /// What the connection speaks, by its name in ALPN (RFC 7301), `h2` or
    /// `h3`; none where that is HTTP/1. `tls-passthrough` is a whole connection
    /// that was carried on unread: its host is the name that the client asked
    /// for, and its bytes are all that passed, TLS included.
    #[n(27)]
    pub protocol: Option<String>,
    /// The version of TLS, `1.2` or `1.3`; none without TLS.
    #[n(28)]
    pub tls: Option<String>,
    /// The fingerprint JA4 of the client's TLS.
    #[n(29)]
    pub ja4: Option<String>,
    /// What tells an HTTP/2 client from others:
    /// `SETTINGS|WINDOW_UPDATE|PRIORITY|pseudo-headers`, as Akamai writes it.
    #[n(30)]
    pub http2: Option<String>,
    /// In which order, and with which letters, the client wrote the fields of the
    /// request; only where `events.header_order` asks for it.
    #[n(31)]
    pub header_order: Option<String>,
    /// What looked for attacks, and found something.
    #[n(32)]
    pub waf: Option<Inspected>,
    /// `previous` where the key was used by the secret that it had before the newest.
    #[n(33)]
    pub secret: Option<String>,
    /// The country that `peer` is in, by the database that `geo.countries` names:
    /// its two letters (ISO 3166-1).
    #[n(34)]
    pub country: Option<String>,
    /// The number of the autonomous system that `peer` belongs to, by the database
    /// that `geo.networks` names.
    #[n(35)]
    pub network: Option<u32>,
    /// The caller's device, where the API asks for it.
    #[n(36)]
    pub device: Option<Device>,
    /// The program that called, where the credential tells it.
    #[n(37)]
    pub app: Option<String>,
    /// What entitled the caller, in words: `role support`, `scope orders:read`; and what speaks against the
    /// request: `new_device 25`.
    #[n(38)]
    pub grounds: Option<Vec<String>>,
    /// What `properties` left out of its body: JSON Pointers, in words.
    #[n(40)]
    pub dropped: Option<String>,
    /// Where it, or its answer, says what is verified of its caller, and which claim: `path:id claim:sub`,
    /// `response:/team claim:teams[]`. No values. Only of requests that `authorize.suggest` draws.
    #[n(41)]
    pub noted_own: Option<Vec<String>>,
    /// Lists in its answer of which some items do, and others do not.
    #[n(42)]
    pub noted_partly: Option<Vec<String>>,
    /// Lists in its answer that are empty.
    #[n(43)]
    pub noted_empty: Option<Vec<String>>,
    /// What was looked at for that: `request`, or `answer` as well.
    #[n(44)]
    pub looked: Option<String>,
    /// Why who called was let in no more while the request or its answer was under way, and that
    /// was ended: the reason that a new request would have been refused for. It was `took_us` after `at_ms`.
    #[n(45)]
    pub ended: Option<String>,
    /// How much speaks against it, 0 to 100, where the API asks (`risk`). `grounds` says what.
    #[n(46)]
    pub risk: Option<u8>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            method: String::new(),
            host: String::new(),
            path: String::new(),
            listener: String::new(),
            api: None,
            route: None,
            peer: IpAddr::from([0, 0, 0, 0]),
            key: None,
            identity: None,
            status: 0,
            reason: None,
            room: None,
            span: None,
            verdicts: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
            took_us: 0,
            upstream_us: None,
            target: None,
            bundle: String::new(),
            trace: None,
            worker: 0,
            user_agent: None,
            upstream: None,
            operation: None,
            version: None,
            own: None,
            protocol: None,
            tls: None,
            ja4: None,
            http2: None,
            header_order: None,
            waf: None,
            secret: None,
            country: None,
            network: None,
            device: None,
            app: None,
            grounds: None,
            dropped: None,
            noted_own: None,
            noted_partly: None,
            noted_empty: None,
            looked: None,
            ended: None,
            risk: None,
        }
    }
}

/// The caller's device, as it was known then.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Its public id, `dev_…`.
    #[n(0)]
    pub id: String,
    /// What spoke against it: `revoked`, `unapproved`, `new`, `changed`, `travel`.
    #[n(1)]
    pub signals: Vec<String>,
}

/// What rules and detectors found in a request or its answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, JsonSchema)]
pub struct Inspected {
    /// What it all adds up to.
    #[n(0)]
    pub score: u32,
    /// The score from which on it is refused.
    #[n(1)]
    pub threshold: u32,
    /// What was found, in order.
    #[n(2)]
    pub found: Vec<Found>,
    /// The id of the rule that refused it, or added the scores up and did; empty
    /// where our own detectors' score did, and where nothing was refused.
    #[n(3)]
    #[cbor(default)]
    #[serde(default)]
    pub by: String,
    /// How much more was found than is told.
    #[n(4)]
    #[cbor(default)]
    #[serde(default)]
    pub left_out: u32,
}

/// What one rule or detector found.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// The rule's id, or the detector's name.
    #[n(0)]
    pub rule: String,
    /// In what, as rules write it: `ARGS:q`.
    #[n(1)]
    pub at: String,
    /// What it is about.
    #[n(2)]
    pub message: String,
    /// What was found, letters and digits masked.
    #[n(3)]
    pub masked: String,
    /// What it adds to the score of its level of paranoia.
    #[n(4)]
    pub score: u32,
    /// Where, as an exclusion's `at` says it: `query/q`.
    #[n(5)]
    #[cbor(default)]
    #[serde(default)]
    pub places: Vec<String>,
    /// Its level of paranoia; 0 for what adds to no level.
    #[n(6)]
    #[cbor(default)]
    #[serde(default)]
    pub level: u8,
    /// 1 where what it adds counts, 0 where its level is above `paranoia`.
    #[n(7)]
    #[cbor(default)]
    #[serde(default)]
    pub counts: u8,
    /// 1 where it counts nothing since detectors read the same and found nothing.
    #[n(8)]
    #[cbor(default)]
    #[serde(default)]
    pub overruled: u8,
}

/// A place in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// The file as the configuration names it.
    #[n(0)]
    pub file: String,
    /// Line, from 1.
    #[n(1)]
    pub line: u32,
    /// Column, from 1.
    #[n(2)]
    pub column: u32,
}

/// What one policy said.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The policy's room name.
    #[n(0)]
    pub policy: String,
    /// What it said.
    #[cbor(n(1), with = "cbor::outcome")]
    pub outcome: Outcome,
    /// Reason code of a refusal.
    #[n(2)]
    pub reason: Option<String>,
}

/// What a policy said, in one word. On disk its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Outcome {
    /// Nothing against it.
    Allow = 0,
    /// It says who is calling.
    Identify = 1,
    /// Refused.
    Deny = 2,
    /// It would have refused, were it enforced.
    ObserveDeny = 3,
    /// It answered by itself.
    Respond = 4,
    /// An earlier policy ended the request.
    NotReached = 5,
    /// Turned off by the configuration.
    Off = 6,
    /// It failed; `on_error` decided.
    Error = 7,
    /// It would have answered by itself, were it enforced.
    ObserveRespond = 8,
    /// A later version's word.
    Other = 255,
}

impl Outcome {
    /// The outcome of a number on disk.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Allow,
            1 => Self::Identify,
            2 => Self::Deny,
            3 => Self::ObserveDeny,
            4 => Self::Respond,
            5 => Self::NotReached,
            6 => Self::Off,
            7 => Self::Error,
            8 => Self::ObserveRespond,
            _ => Self::Other,
        }
    }
}

/// A change that somebody made.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[cbor(map)]
pub struct Audit {
    /// Who did it.
    #[n(0)]
    pub actor: String,
    /// What was done, for example `key.create`.
    #[n(1)]
    pub action: String,
    /// What it was done to.
    #[n(2)]
    pub object: String,
    /// More about it, never a secret.
    #[cbor(n(3), with = "cbor::detail", has_nil, default)]
    #[serde(default)]
    pub detail: serde_json::Value,
    /// Hash of the audit event before this one, 64 hex digits; the log sets it.
    #[cbor(n(4), with = "cbor::hash")]
    #[serde(default)]
    pub prev: String,
    /// Hash of this event, 64 hex digits. It is computed from the bytes on disk
    /// and therefore not among them.
    #[cbor(skip)]
    #[serde(default)]
    pub hash: String,
}

/// The gate's own life.
#[derive(Debug, Clone, PartialEq, Default, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[cbor(map)]
pub struct System {
    /// What happened, kebab-case, for example `events-dropped`.
    #[n(0)]
    pub code: String,
    /// One sentence for people, saying what to do next where something is to be done.
    #[n(1)]
    pub message: String,
    /// More about it, never a secret.
    #[cbor(n(2), with = "cbor::detail", has_nil, default)]
    #[serde(default)]
    pub detail: serde_json::Value,
}

/// JSON Schema of an event's JSON form.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Event).to_value()
}

const fn current_version() -> u32 {
    EVENT_VERSION
}

#[cfg(test)]
mod tests;
