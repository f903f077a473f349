//! The bundle: everything a gate needs to serve, compiled by the control
//! process from the configuration, in one immutable, versioned value.
//!
//! These types are the only declaration of it. Python's are generated from the
//! JSON Schema that [`schema`] returns.

mod documents;
mod geo;
mod listeners;
mod plugins;
mod routing;
mod versions;

pub use documents::{ApiDocument, Attached, Operation};
pub use geo::Geo;
pub use listeners::{
    Certificate, Clients, Listener, ListenerLimits, Ocsp, Passthrough, PemFiles, Protocol, Tls,
    TlsHost, TlsVersion, UnixSocket, UnknownRevocation,
};
pub use plugins::{PluginSet, PluginSource};
pub use routing::{Duplicates, NormalForm, Odd, Share, Split, SplitBy};
pub use versions::{Brownout, Version, VersionBy, Versions};

use lockgate_policy::only::Only;
use lockgate_policy::plugins as plugin;
use lockgate_policy::roles::Role;
use lockgate_policy::{
    api_key, apps, basic, body_limit, cedar, compress, conditions, cors, decide, device,
    enumeration, grpc, headers, inflate, introspection, ip_filter, jwt, limits, minimise, mtls,
    objects, properties, redirect, rewrite, risk, roles, scopes, session, signature, step_up,
    users, waf, webhook, websocket, Mode, OnError, Span, Waiver,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod upstreams;

pub use upstreams::{
    Assertion, Balance, BalanceBy, Breaker, Dns, HashKey, HashKind, HealthCheck, Passive,
    ProxyVersion, Retry, Server, StatusRange, StickyCookie, Upstream, UpstreamTls, UpstreamToken,
};

/// The version that this gate writes. It reads this one and the one before.
pub const BUNDLE_VERSION: u32 = 1;

/// Everything a gate needs to serve.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Format version; see [`BUNDLE_VERSION`].
    pub bundle_version: u32,
    /// Grows with each bundle that a control process signs; a gate refuses a smaller one.
    pub sequence: u64,
    /// When it was compiled, milliseconds since the epoch.
    pub created_ms: u64,
    /// Configuration files, in reading order; [`Span::file`] counts into this list.
    pub sources: Vec<String>,
    /// Where the gate listens.
    pub listeners: Vec<Listener>,
    /// What the gate forwards to.
    pub upstreams: Vec<Upstream>,
    /// Whose tokens are believed.
    pub issuers: Vec<Issuer>,
    /// What callers can be, and who is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Relations that rules of `objects` look up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<objects::Relation>,
    /// Programs of others, and what bounds them; none are looked at without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apps: Option<apps::Registry>,
    /// The APIs, in the order of the file; the order has no meaning.
    pub apis: Vec<Api>,
    /// Who speaks where upstreams are told who calls.
    #[serde(default)]
    pub assertions: Assertions,
    /// OpenAPI documents that APIs are held to.
    pub documents: Vec<ApiDocument>,
    /// Rules in SecLang that APIs are guarded by.
    #[serde(default)]
    pub rule_sets: Vec<waf::RuleSet>,
    /// How long facts may be unheard of, and what then.
    pub facts: FactsPolicy,
    /// What is written down.
    pub events: EventsConfig,
    /// Where it is looked up where addresses are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo: Option<Geo>,
    /// Policies in Python, where there are any.
    pub plugins: Option<PluginSet>,
    /// Base of the `type` of a refusal, ending in `/`.
    pub problem_base: String,
}

/// Timeouts of one exchange with an upstream, milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// To open a connection.
    pub connect_ms: u32,
    /// From the request's last byte (or the connection's readiness) to the answer's head.
    pub first_byte_ms: u32,
    /// Between two pieces of an answer's body.
    pub idle_ms: u32,
    /// How long an unused connection is kept.
    pub keep_alive_ms: u32,
}

/// Who speaks where upstreams are told who calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertions {
    /// Their `iss`.
    pub issuer: String,
    /// The number of the key that signs.
    pub rotation: u32,
}

impl Default for Assertions {
    fn default() -> Self {
        Self {
            issuer: "lockgate".into(),
            rotation: 1,
        }
    }
}

/// A header set on each request to an upstream, its value a secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Header name.
    pub header: String,
    /// `env:NAME` or `file:/path`: resolved in the gate's memory, never written to disk.
    pub secret: String,
}

/// Somebody whose tokens are believed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its name in the configuration.
    pub name: String,
    /// What is demanded of its tokens.
    pub rules: jwt::Rules,
    /// Where the configuration says it.
    pub span: Span,
}

/// One API: what it answers to, who may call it, where it goes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Its name in the configuration.
    pub name: String,
    /// The route of the API that this is; none for the API itself.
    #[serde(default)]
    pub route: Option<String>,
    /// `shop.example.com`, `*.example.com` or `*`; none means any.
    pub hosts: Vec<String>,
    /// What paths it answers to.
    pub paths: Vec<PathMatch>,
    /// Upper-case methods; none means any.
    pub methods: Vec<String>,
    /// What a request must carry; all of it must hold.
    #[serde(default)]
    pub conditions: Vec<conditions::Config>,
    /// What is done with targets that servers read in different ways.
    #[serde(default)]
    pub normal_form: NormalForm,
    /// Name of its upstream; none where a split chooses among several.
    pub upstream: Option<String>,
    /// Several upstreams in place of one.
    pub split: Option<Split>,
    /// What gets copies of its requests.
    #[serde(default)]
    pub mirror: Option<Mirror>,
    /// Take the matched prefix off before forwarding.
    pub strip_path: bool,
    /// Whether it is the gate's own, and so answers below `/.lockgate`.
    #[serde(default)]
    pub own: bool,
    /// What the upstream is told of the certificate that the client showed.
    #[serde(default)]
    pub client_cert: ClientCert,
    /// The document whose operations it has.
    pub openapi: Option<Attached>,
    /// Its versions, each with its upstream and document.
    pub versions: Option<Versions>,
    /// Set where anyone may call.
    pub public: Option<Waiver>,
    /// What an authenticated caller may do.
    pub authorize: Authorize,
    /// What of it is open to anyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Open>,
    /// Of which requests it is noted where they say what is verified of their callers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggest: Option<Suggest>,
    /// Its policies; the pipeline orders them.
    pub policies: Policies,
    /// Where the configuration says it.
    pub span: Span,
    /// Where the configuration says `authorize` or `public`.
    pub authorize_span: Span,
}

/// Requests of which it is noted where they, or their answers, say what is verified of their callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suggest {
    /// Percent of the requests.
    pub percent: u8,
    /// Longest answer that is looked at, bytes.
    pub answer_bytes: u64,
}

/// What an upstream is told of a client's certificate (RFC 9440).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCert {
    /// Nothing.
    #[default]
    Off,
    /// The certificate, in `Client-Cert`.
    Certificate,
    /// Those too that came with it, in `Client-Cert-Chain`.
    Chain,
}

/// What gets copies of requests; its answers go nowhere.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// The upstream's name.
    pub upstream: String,
    /// Percent of the requests.
    pub share: u8,
    /// The methods of those that are copied.
    pub methods: Vec<String>,
    /// Of a request with a longer body there is no copy.
    pub bytes: u32,
}

/// A path, as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PathMatch {
    /// This path alone.
    Exact(String),
    /// This path and all below it, by whole segments: `/a` matches `/a` and `/a/b`, not `/ab`.
    Prefix(String),
    /// Segments in braces match any one segment: `/orders/{id}`.
    Template(String),
    /// An expression that matches the whole path.
    Regex(String),
}

impl PathMatch {
    /// The route's name in events and explanations.
    #[must_use]
    pub fn pattern(&self) -> String {
        match self {
            Self::Exact(text) | Self::Template(text) | Self::Regex(text) => text.clone(),
            Self::Prefix(text) => format!("{}/*", text.trim_end_matches('/')),
        }
    }
}

/// Who, of those who are known, may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authorize {
    /// Everyone who proved an identity, where nothing else speaks of what is asked for.
    Authenticated,
    /// Whom a policy of the API entitles. What none speaks of is refused.
    Ruled,
    /// Anyone at all; wants a waiver.
    Public,
}

/// A part of an API that is open to anyone.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// Which requests.
    pub only: Only,
    /// Who opened it.
    pub waiver: Waiver,
}

/// Entries of `authenticate` that follow one another and must all hold; the first says who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Together {
    /// The number of the first, from 0 on.
    pub first: u16,
    /// How many they are.
    pub count: u16,
}

impl Together {
    /// How the entry of this number stands to those around it.
    #[must_use]
    pub fn joins(all: &[Self], number: usize) -> Joined {
        let place = all.iter().find_map(|one| {
            let after = number.checked_sub(one.first.into())?;
            (after < one.count.into()).then_some((after, one.count))
        });
        match place {
            None | Some((_, 1)) => Joined::Alone,
            Some((0, _)) => Joined::First,
            Some((after, count)) if after + 1 == usize::from(count) => Joined::Last,
            Some(_) => Joined::Next,
        }
    }
}

/// How a way to authenticate stands to those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Joined {
    /// It is enough.
    #[default]
    Alone,
    /// Others after it must hold, too.
    First,
    /// Those before it and after it must hold, too.
    Next,
    /// Those before it must hold, too.
    Last,
}

/// An API's policies. The order of the fields has no meaning: the pipeline has its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// Address filter.
    pub ip_filter: Option<Placed<ip_filter::Config>>,
    /// Which pages of other origins may call.
    pub cors: Option<Placed<cors::Config>>,
    /// Any one of these proves an identity.
    pub authenticate: Vec<Authenticator>,
    /// Which of them prove one only together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub together: Vec<Together>,
    /// The gate answers with another place.
    #[serde(default)]
    pub redirect: Option<Placed<redirect::Config>>,
    /// Another path and query for the upstream.
    #[serde(default)]
    pub rewrite: Option<Placed<rewrite::Config>>,
    /// Size of a request's body.
    pub body_limit: Option<Placed<body_limit::Config>>,
    /// Which packed bodies of requests are unpacked; none are without it.
    #[serde(default)]
    pub inflate: Option<Placed<inflate::Config>>,
    /// Which answers are packed; none are without it.
    #[serde(default)]
    pub compress: Option<Placed<compress::Config>>,
    /// Policies in Python, asked in this order.
    #[serde(default)]
    pub plugins: Vec<Placed<plugin::Config>>,
    /// What looks for attacks; none does without it.
    #[serde(default)]
    pub waf: Option<Placed<waf::Config>>,
    /// What may become a WebSocket; none for nothing.
    #[serde(default)]
    pub websocket: Option<Placed<websocket::Config>>,
    /// Which calls of gRPC are taken, how large and how long.
    #[serde(default)]
    pub grpc: Option<Placed<grpc::Config>>,
    /// What speaks against requests, and what becomes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Placed<risk::Config>>,
    /// From which devices the API is called; from any without it.
    #[serde(default)]
    pub device: Option<Placed<device::Config>>,
    /// Through which programs the API is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apps: Option<Placed<apps::Config>>,
    /// What a credential was given, and what that opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Placed<scopes::Config>>,
    /// What a caller is, and what that opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Placed<roles::Config>>,
    /// What policies in Cedar say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cedar: Option<Placed<cedar::Config>>,
    /// Decision points elsewhere that are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decide: Vec<Placed<decide::Config>>,
    /// Whose it is what is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Placed<objects::Config>>,
    /// How much of it somebody asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enumeration: Option<Placed<enumeration::Config>>,
    /// How many may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Placed<users::Config>>,
    /// What may be set of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Placed<properties::Config>>,
    /// What may be read of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimise: Option<Placed<minimise::Config>>,
    /// What wants a newer or stronger proof of who calls; nothing does without it.
    #[serde(default)]
    pub step_up: Option<Placed<step_up::Config>>,
    /// Changes to header fields, both ways.
    pub headers: Option<Placed<headers::Config>>,
    /// How much may come.
    #[serde(default)]
    pub limits: Vec<Placed<limits::Config>>,
}

/// One way to prove an identity.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Authenticator {
    /// A key that Lockgate made.
    ApiKey(Placed<api_key::Config>),
    /// A token of an issuer.
    Jwt(Placed<jwt::Config>),
    /// A token that its issuer is asked about.
    Introspection(Placed<introspection::Config>),
    /// A name and a password.
    Basic(Placed<basic::Config>),
    /// The certificate that the client showed.
    Mtls(Placed<mtls::Config>),
    /// The cookie of a person who has signed in.
    Session(Placed<session::Config>),
    /// A signature over the request.
    Signature(Placed<signature::Config>),
    /// A sender's signature over a webhook.
    Webhook(Placed<webhook::Config>),
}

/// A policy's config with what every policy has.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Placed<C> {
    /// Enforce, observe or off.
    pub mode: Mode,
    /// What an error of the policy itself does.
    pub on_error: OnError,
    /// Needed where authentication or authorization is not enforced.
    pub waiver: Option<Waiver>,
    /// Where the configuration says it.
    pub span: Span,
    /// The policy's own part.
    pub config: C,
}

/// How long a gate may hear nothing from a control process.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactsPolicy {
    /// Milliseconds; beyond them `then` holds.
    pub max_age_ms: u64,
    /// What happens to requests that need facts.
    pub then: WhenStale,
}

impl FactsPolicy {
    /// Whether facts that were complete at `heard_ms` are not believed any more.
    #[must_use]
    pub fn stale(&self, heard_ms: u64, now_ms: u64) -> bool {
        self.then == WhenStale::Deny && now_ms >= heard_ms.saturating_add(self.max_age_ms)
    }
}

/// What happens to requests that need facts which may be out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenStale {
    /// Refuse them with `facts-stale`.
    Deny,
    /// Serve on with the last known facts.
    Continue,
}

/// What is written down.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsConfig {
    /// Whether access events are written; security and system events always are.
    pub access: bool,
    /// Segments beyond this many bytes in all are deleted, oldest first.
    pub retain_bytes: u64,
    /// Whether they tell in which order, and with which letters, clients write the fields of requests.
    #[serde(default)]
    pub header_order: bool,
}

/// The JSON Schema of [`Bundle`], from which Python's types are generated.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Bundle)
}
