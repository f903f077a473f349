//! What a gate serves by: a bundle, compiled. Immutable; a request keeps the
//! one that it began with.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use lockgate_policy::api_key::ApiKey;
use lockgate_policy::body_limit::BodyLimit;
use lockgate_policy::cors::Cors;
use lockgate_policy::headers::Headers;
use lockgate_policy::ip_filter::IpFilter;
use lockgate_policy::plugins::Plugin;
use lockgate_policy::{
    api_key, body_limit, cors, headers, ip_filter, plugins, Edit, Mode, OnError, Ranges, Span,
    Waiver,
};

use crate::bundle::{EventsConfig, FactsPolicy, ListenerLimits, Timeouts, WhenStale};
use crate::metrics::ApiMetrics;
use crate::plugins::Pool;
use crate::route::Router;

/// Everything a request is judged and forwarded by.
#[derive(Debug)]
pub struct Snapshot {
    /// The first 16 hexadecimal digits of the bundle's SHA-256.
    pub hash: Arc<str>,
    /// The bundle's place in the order of bundles.
    pub sequence: u64,
    /// Configuration files; [`Span::file`] counts into this list.
    pub sources: Vec<String>,
    /// From host, path and method to an API.
    pub router: Router,
    /// By the bundle's index.
    pub apis: Vec<CompiledApi>,
    /// By the bundle's index.
    pub upstreams: Vec<Arc<CompiledUpstream>>,
    /// By the bundle's index.
    pub listeners: Vec<Arc<CompiledListener>>,
    /// How long facts may be unheard of.
    pub facts: FactsPolicy,
    /// What is written down.
    pub events: EventsConfig,
    /// Base of the `type` of a refusal.
    pub problem_base: String,
    /// Every header that carries a key to some API, or proves the gate to some upstream.
    pub credentials: Vec<HeaderName>,
    /// Processes for plugins, where a gate runs some.
    pub pool: Option<Arc<Pool>>,
}

impl Snapshot {
    /// What a worker holds before the first bundle: nothing is served.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            hash: "".into(),
            sequence: 0,
            sources: Vec::new(),
            router: Router::default(),
            apis: Vec::new(),
            upstreams: Vec::new(),
            listeners: Vec::new(),
            facts: FactsPolicy {
                max_age_ms: 0,
                then: WhenStale::Deny,
            },
            events: EventsConfig {
                access: true,
                retain_bytes: 0,
            },
            problem_base: String::new(),
            credentials: Vec::new(),
            pool: None,
        }
    }
}

/// One API, ready to judge with.
#[derive(Debug)]
pub struct CompiledApi {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where the configuration says it.
    pub span: Span,
    /// Index into [`Snapshot::upstreams`].
    pub upstream: usize,
    /// Take the matched prefix off before forwarding.
    pub strip_path: bool,
    /// Changes to every request of the API: credentials taken off.
    pub edits: Vec<Edit>,
    /// Changes to every answer of the API, the gate's own among them.
    pub answer_edits: Vec<Edit>,
    /// Which of its steps changes its answers at last, where one does.
    pub headers: Option<usize>,
    /// Whether a plugin judges its answers.
    pub judges_answers: bool,
    /// Its policies, in the pipeline's order.
    pub steps: Vec<Step>,
    /// What is counted of it.
    pub metrics: Arc<ApiMetrics>,
}

impl CompiledApi {
    /// Whether it answers browsers' preflights itself, at `now_ms`.
    #[must_use]
    pub fn answers_preflights(&self, now_ms: u64) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.policy, Policy::Cors(_)) && step.mode_at(now_ms) != Mode::Off)
    }
}

/// A policy in its place.
#[derive(Debug)]
pub struct Step {
    /// What decides.
    pub policy: Policy,
    /// Whether its verdict counts.
    pub mode: Mode,
    /// What an error of its own does.
    pub on_error: OnError,
    /// What allows it not to be enforced, where that needs allowing.
    pub waiver: Option<Waiver>,
    /// Where the configuration says it.
    pub span: Span,
}

impl Step {
    /// The mode that holds at `now_ms`: an expired waiver enforces.
    #[must_use]
    pub fn mode_at(&self, now_ms: u64) -> Mode {
        match &self.waiver {
            Some(waiver) if !waiver.holds(now_ms) => Mode::Enforce,
            _ => self.mode,
        }
    }
}

/// The name of the step between authentication and everything that costs.
pub const AUTHORIZE: &str = "authorize";

/// The policies that there are.
#[derive(Debug)]
pub enum Policy {
    /// Which addresses may call.
    IpFilter(IpFilter),
    /// Which pages of other origins may call.
    Cors(Cors),
    /// Who calls, by a key.
    ApiKey(ApiKey),
    /// What a caller may do.
    Authorize(Rule),
    /// How much may be sent.
    BodyLimit(BodyLimit),
    /// What the operator's own check says.
    Plugin(Plugin),
    /// Which header fields are changed.
    Headers(Headers),
}

/// What a caller may do.
#[derive(Debug)]
pub enum Rule {
    /// Whatever the API offers, having proved who they are.
    Authenticated,
    /// Whatever the API offers, as long as the waiver holds.
    Public(Waiver),
}

impl Policy {
    /// The room's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::IpFilter(_) => ip_filter::NAME,
            Self::Cors(_) => cors::NAME,
            Self::ApiKey(_) => api_key::NAME,
            Self::Authorize(_) => AUTHORIZE,
            Self::BodyLimit(_) => body_limit::NAME,
            Self::Plugin(_) => plugins::NAME,
            Self::Headers(_) => headers::NAME,
        }
    }

    /// Whether it proves who calls. Any one such policy of an API is enough.
    #[must_use]
    pub const fn authenticates(&self) -> bool {
        matches!(self, Self::ApiKey(_))
    }
}

/// A listener, ready to bind.
#[derive(Debug, Clone)]
pub struct CompiledListener {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Proxies that are believed.
    pub trusted: Ranges,
    /// Bounds on what a stranger may send.
    pub limits: ListenerLimits,
    /// What allows plain HTTP off loopback.
    pub insecure: Option<Waiver>,
}

impl CompiledListener {
    /// Whether `peer` is a proxy that is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        !self.trusted.is_empty() && self.trusted.contains(peer)
    }
}

/// An upstream, ready to forward to.
#[derive(Debug)]
pub struct CompiledUpstream {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its servers.
    pub targets: Vec<Arc<Target>>,
    /// Phase by phase.
    pub timeouts: Timeouts,
    /// Bound on an answer's head, bytes.
    pub head_bytes: u32,
    /// What proves the gate to it.
    pub credential: Option<Secret>,
    /// What allows plain HTTP off loopback.
    pub insecure: Option<Waiver>,
    /// Counts requests, so that targets take turns over all workers.
    pub turns: AtomicUsize,
}

impl CompiledUpstream {
    /// Whose turn it is; to be taken modulo the number of targets.
    pub fn turn(&self) -> usize {
        if self.targets.len() < 2 {
            0
        } else {
            self.turns.fetch_add(1, Ordering::Relaxed)
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A header with a secret value; `None` where the secret could not be resolved.
#[derive(Debug)]
pub struct Secret {
    /// The header.
    pub header: HeaderName,
    /// Its value, marked sensitive.
    pub value: Option<HeaderValue>,
}
