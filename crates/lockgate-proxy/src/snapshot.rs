//! What a gate serves by: a bundle, compiled. Immutable; a request keeps the
//! one that it began with.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use lockgate_policy::api_key::ApiKey;
use lockgate_policy::apps::{self, AppsPolicy};
use lockgate_policy::basic::{self, Basic};
use lockgate_policy::body_limit::BodyLimit;
use lockgate_policy::cedar::{self, Cedar};
use lockgate_policy::compress::Compress;
use lockgate_policy::cors::Cors;
use lockgate_policy::decide::{self, Decide};
use lockgate_policy::device::{self, Device};
use lockgate_policy::enumeration::{self, Enumeration};
use lockgate_policy::grpc::Grpc;
use lockgate_policy::headers::Headers;
use lockgate_policy::inflate::Inflate;
use lockgate_policy::introspection::{self, Introspection};
use lockgate_policy::ip_filter::IpFilter;
use lockgate_policy::jwt::{self, Jwt};
use lockgate_policy::limits::{Limits, Penalty};
use lockgate_policy::minimise::{self, Minimise};
use lockgate_policy::mtls::{self, Mtls};
use lockgate_policy::objects::{self, Objects};
use lockgate_policy::only::Meant;
use lockgate_policy::plugins::Plugin;
use lockgate_policy::properties::{self, Properties};
use lockgate_policy::redirect::Redirect;
use lockgate_policy::rewrite::Rewrite;
use lockgate_policy::risk::{self, Risk};
use lockgate_policy::roles::{self, Roles};
use lockgate_policy::scopes::{self, Scopes};
use lockgate_policy::session::{self, Session};
use lockgate_policy::signature::{self, Signature};
use lockgate_policy::step_up::{self, StepUp};
use lockgate_policy::users::{self, Users};
use lockgate_policy::webhook::{self, Webhook};
use lockgate_policy::websocket::{self, WebSocket};
use lockgate_policy::{
    api_key, body_limit, compress, cors, grpc, headers, inflate, ip_filter, limits, plugins,
    redirect, rewrite, waf, Edit, Geo, Mode, OnError, Ranges, ReasonRef, Span, Waiver,
};
use lockgate_wire::target::TargetSwitches;

use crate::assertion::{Assertion, Signer};
use crate::bundle::{
    ClientCert, Duplicates, EventsConfig, FactsPolicy, Joined, Listener, ListenerLimits, PluginSet,
    Protocol, ProxyVersion, Suggest, Timeouts, UnixSocket, WhenStale,
};
use crate::decisions::Decisions;
use crate::guards::Guard;
use crate::metrics::{self, ApiMetrics, OperationMetrics};
use crate::mirror::Mirror;
use crate::net::{Each, Endpoint, NO_ADDRESS};
use crate::operations::{Operation, Operations};
use crate::pipeline;
use crate::plugins::Pool;
use crate::route::Router;
use crate::split::Split;
use crate::tls::{Outbound, Tls};
use crate::token::UpstreamToken;
use crate::upstream::Group;
pub use crate::upstream::Target;
use crate::versions::Versions;

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
    /// Every set of switches that some API has, but the usual one.
    pub switches: Vec<TargetSwitches>,
    /// By the bundle's index.
    pub apis: Vec<CompiledApi>,
    /// By the bundle's index.
    pub upstreams: Vec<Arc<CompiledUpstream>>,
    /// By the bundle's index.
    pub listeners: Vec<Arc<CompiledListener>>,
    /// Whether an upstream is told by the PROXY protocol who calls.
    pub tells_clients: bool,
    /// Documents' operations, by the bundle's index.
    pub documents: Vec<Arc<Operations>>,
    /// How long facts may be unheard of.
    pub facts: FactsPolicy,
    /// What is written down.
    pub events: EventsConfig,
    /// Base of the `type` of a refusal.
    pub problem_base: String,
    /// What signs for upstreams who calls; none where none wants to know.
    pub signer: Option<Arc<Signer>>,
    /// Every header that carries a key to some API, or proves the gate to some upstream.
    pub credentials: Vec<HeaderName>,
    /// Secrets that are missing or unfit, and what that closes, in words.
    pub unfit: Vec<String>,
    /// What became of the attacks that each `waf` was tried with, where a gate serves by it.
    pub guards: Vec<Guard>,
    /// Where it is looked up where addresses are.
    pub geo: Geo,
    /// Whether some API takes WebSockets.
    pub websockets: bool,
    /// Whether somebody asks what clients' programs look like.
    pub programs: bool,
    /// And how they write the fields of requests.
    pub header_orders: bool,
    /// What decision points have said under this bundle, where an API asks one.
    pub decisions: Option<Box<Decisions>>,
    /// What processes for plugins run.
    pub plugins: Option<PluginSet>,
    /// Those processes, where a gate runs some.
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
            switches: Vec::new(),
            apis: Vec::new(),
            upstreams: Vec::new(),
            tells_clients: false,
            listeners: Vec::new(),
            documents: Vec::new(),
            facts: FactsPolicy {
                max_age_ms: 0,
                then: WhenStale::Deny,
            },
            events: EventsConfig {
                access: true,
                retain_bytes: 0,
                header_order: false,
            },
            problem_base: String::new(),
            signer: None,
            credentials: Vec::new(),
            decisions: None,
            unfit: Vec::new(),
            guards: Vec::new(),
            geo: Geo::default(),
            websockets: false,
            programs: false,
            header_orders: false,
            plugins: None,
            pool: None,
        }
    }
}

/// One API, ready to judge with. Small, and what few have stands elsewhere: among ten thousand
/// each request finds its own in memory that no cache holds, and reads three lines of it.
#[derive(Debug)]
#[repr(align(64))]
pub struct CompiledApi {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where the configuration says it.
    pub span: Span,
    /// Where its requests go.
    pub forwarding: Forwarding,
    /// What gets copies of its requests.
    pub mirror: Option<Box<Mirror>>,
    /// The route of the API that this is; none for the API itself.
    pub route: Option<Arc<str>>,
    /// What a request must carry, in words.
    pub conditions: Box<str>,
    /// What is done with paths that servers read in different ways.
    pub switches: TargetSwitches,
    /// What is done with a parameter that is there twice.
    pub duplicates: Duplicates,
    /// Take the matched prefix off before forwarding.
    pub strip_path: bool,
    /// Whether it is the gate's own, below what is reserved.
    pub own: bool,
    /// The document whose operations it has.
    pub openapi: Option<Box<Document>>,
    /// Its versions.
    pub versions: Option<Box<Versions>>,
    /// What the upstream is told of the certificate that the client showed.
    pub client_cert: ClientCert,
    /// Fields that a decision point alone may say: what clients send under these names is taken off.
    pub stripped: Box<[HeaderName]>,
    /// Changes to every request of the API: credentials taken off.
    pub edits: Box<[Edit]>,
    /// Which of its steps changes its answers at last, where one does.
    pub headers: Option<usize>,
    /// Whether a plugin judges its answers.
    pub judges_answers: bool,
    /// Whether a policy wants to know where clients are.
    pub locates: bool,
    /// Whether a policy wants to know what stands in the braces of an operation's path.
    pub captures: bool,
    /// Of which requests it is noted what they say of their callers.
    pub suggest: Option<Suggest>,
    /// Its policies, in the pipeline's order.
    pub steps: Box<[Step]>,
    /// What is counted of it.
    pub metrics: ApiMetrics,
}

impl CompiledApi {
    /// Whether nobody is let in at `now_ms` who cannot say who he is.
    #[must_use]
    pub fn authenticates(&self, now_ms: u64) -> bool {
        let mut ways = self.steps.iter().filter(|step| step.policy.authenticates());
        ways.any(|step| step.mode_at(now_ms) == Mode::Enforce)
    }

    /// Whether it answers browsers' preflights itself, at `now_ms`.
    #[must_use]
    pub fn answers_preflights(&self, now_ms: u64) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.policy, Policy::Cors(_)) && step.mode_at(now_ms) != Mode::Off)
    }
}

/// Where an API's requests go: an index into [`Snapshot::upstreams`], or several.
#[derive(Debug)]
pub enum Forwarding {
    /// To this upstream.
    One(usize),
    /// To one of several.
    Split(Box<Split>),
    /// To none: the gate answers.
    Nowhere,
    /// Each version says it.
    Versions,
}

impl CompiledApi {
    /// The document that holds for a version of it, or for all of it.
    #[must_use]
    pub fn document(&self, version: Option<usize>) -> Option<&Document> {
        match &self.versions {
            Some(versions) => versions.get(version?)?.openapi.as_ref(),
            None => self.openapi.as_deref(),
        }
    }
}

/// A document, as one API has it.
#[derive(Debug)]
pub struct Document {
    /// Index into [`Snapshot::documents`].
    pub document: usize,
    /// Its operations.
    pub operations: Arc<Operations>,
    /// Whether what it does not know is refused.
    pub mode: Mode,
    /// What is counted of each operation.
    pub metrics: Box<[Arc<OperationMetrics>]>,
}

impl Document {
    /// The operation with this number.
    #[must_use]
    pub fn operation(&self, number: u32) -> Option<&Operation> {
        self.operations.get(number)
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
    pub waiver: Option<Box<Waiver>>,
    /// Where the configuration says it.
    pub span: Span,
    /// Where its verdicts are counted.
    pub room: metrics::Room,
    /// How it stands to the ways to authenticate around it.
    pub joined: Joined,
}

impl Step {
    /// One that is enforced and fails closed.
    #[must_use]
    pub fn enforced(policy: Policy, span: Span) -> Self {
        Self {
            room: metrics::room(policy.name()),
            policy,
            mode: Mode::Enforce,
            on_error: OnError::Deny,
            waiver: None,
            span,
            joined: Joined::Alone,
        }
    }

    /// The mode that holds at `now_ms`: an expired waiver enforces.
    #[must_use]
    pub fn mode_at(&self, now_ms: u64) -> Mode {
        match &self.waiver {
            Some(waiver) if !waiver.holds(now_ms) => Mode::Enforce,
            _ => self.mode,
        }
    }

    /// What an error of its own does at `now_ms`: where that lets in, a waiver that expired denies.
    #[must_use]
    pub fn on_error_at(&self, now_ms: u64) -> OnError {
        match &self.waiver {
            Some(waiver) if self.policy.authorizes() && !waiver.holds(now_ms) => OnError::Deny,
            _ => self.on_error,
        }
    }
}

/// The name of the step between authentication and everything that costs.
pub const AUTHORIZE: &str = "authorize";

/// The name of the step that knows an API's versions.
pub const VERSION: &str = "version";

/// The name of the step that knows an API's operations.
pub const OPERATION: &str = "operation";

/// The policies that there are. The large ones stand elsewhere, so that a step is small.
#[derive(Debug)]
pub enum Policy {
    /// Which addresses may call.
    IpFilter(Box<IpFilter>),
    /// Which pages of other origins may call.
    Cors(Box<Cors>),
    /// Who calls, by a key.
    ApiKey(ApiKey),
    /// Who calls, by an issuer's token.
    Jwt(Jwt),
    /// Who calls, by the word of a token's issuer.
    Introspection(Box<Introspection>),
    /// Who calls, by a name and a password.
    Basic(Box<Basic>),
    /// Who calls, by the certificate that was shown.
    Mtls(Box<Mtls>),
    /// Who calls, by the cookie of whom the identity pages have signed in.
    Session(Box<Session>),
    /// Who calls, by a signature over the request.
    Signature(Box<Signature>),
    /// Who calls, by a signature over a webhook.
    Webhook(Box<Webhook>),
    /// Whether the version that is asked for is served.
    Version,
    /// Whether the document knows what is asked for.
    Operation,
    /// What a caller may do.
    Authorize(Rule),
    /// Through which program it comes.
    Apps(Box<AppsPolicy>),
    /// What a credential was given.
    Scopes(Box<Scopes>),
    /// What a caller is.
    Roles(Box<Roles>),
    /// What policies in Cedar say.
    Cedar(Box<Cedar>),
    /// What a decision point says.
    Decide(Box<Decide>),
    /// Whose it is.
    Objects(Box<Objects>),
    /// How much of it somebody asks for.
    Enumeration(Box<Enumeration>),
    /// How many may use it.
    Users(Box<Users>),
    /// What may be set of it.
    Properties(Box<Properties>),
    /// What may be read of it.
    Minimise(Box<Minimise>),
    /// Which devices are let in.
    Device(Box<Device>),
    /// What speaks against a request.
    Risk(Box<Risk>),
    /// What wants more of a proof.
    StepUp(Box<StepUp>),
    /// Where it is to be found instead.
    Redirect(Box<Redirect>),
    /// How much may be sent.
    BodyLimit(BodyLimit),
    /// Which packed bodies are unpacked.
    Inflate(Box<Inflate>),
    /// Which answers are packed.
    Compress(Box<Compress>),
    /// How much may come.
    Limits(Limits),
    /// How many failures are borne.
    Penalty(Box<Penalty>),
    /// What the upstream is asked for instead.
    Rewrite(Box<Rewrite>),
    /// What the operator's own check says.
    Plugin(Box<Plugin>),
    /// Which header fields are changed.
    Headers(Headers),
    /// What looks for attacks.
    Waf(Box<waf::Waf>),
    /// What may become a WebSocket.
    WebSocket(Box<WebSocket>),
    /// Which calls of gRPC are taken.
    Grpc(Grpc),
}

/// What a caller may do.
#[derive(Debug)]
pub enum Rule {
    /// Having proved who they are, whatever nothing speaks of, or what something entitles to.
    Known {
        /// Whether what no other policy speaks of is refused.
        ruled: bool,
        /// What is open to anyone.
        open: Box<[Open]>,
    },
    /// Whatever the API offers, as long as the waiver holds.
    Public(Waiver),
}

/// A part of an API that is open to anyone, as long as the waiver holds.
#[derive(Debug)]
pub struct Open {
    /// Which requests.
    pub meant: Meant,
    /// Who opened it.
    pub waiver: Waiver,
}

impl Policy {
    /// The room's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::IpFilter(_) => ip_filter::NAME,
            Self::Cors(_) => cors::NAME,
            Self::ApiKey(_) => api_key::NAME,
            Self::Jwt(_) => jwt::NAME,
            Self::Introspection(_) => introspection::NAME,
            Self::Basic(_) => basic::NAME,
            Self::Mtls(_) => mtls::NAME,
            Self::Session(_) => session::NAME,
            Self::Signature(_) => signature::NAME,
            Self::Webhook(_) => webhook::NAME,
            Self::Apps(_) => apps::NAME,
            Self::Scopes(_) => scopes::NAME,
            Self::Roles(_) => roles::NAME,
            Self::Cedar(_) => cedar::NAME,
            Self::Decide(_) => decide::NAME,
            Self::Objects(_) => objects::NAME,
            Self::Enumeration(_) => enumeration::NAME,
            Self::Users(_) => users::NAME,
            Self::Properties(_) => properties::NAME,
            Self::Minimise(_) => minimise::NAME,
            Self::Device(_) => device::NAME,
            Self::Risk(_) => risk::NAME,
            Self::StepUp(_) => step_up::NAME,
            Self::Version => VERSION,
            Self::Operation => OPERATION,
            Self::Authorize(_) => AUTHORIZE,
            Self::Redirect(_) => redirect::NAME,
            Self::BodyLimit(_) => body_limit::NAME,
            Self::Inflate(_) => inflate::NAME,
            Self::Compress(_) => compress::NAME,
            Self::Rewrite(_) => rewrite::NAME,
            Self::Plugin(_) => plugins::NAME,
            Self::Headers(_) => headers::NAME,
            Self::Waf(_) => waf::NAME,
            Self::WebSocket(_) => websocket::NAME,
            Self::Grpc(_) => grpc::NAME,
            Self::Limits(_) | Self::Penalty(_) => limits::NAME,
        }
    }

    /// Which part of its room it is, where a room has several places in the order.
    #[must_use]
    pub const fn part(&self) -> &'static str {
        match self {
            Self::Limits(limits) if !limits.is_early() => pipeline::BY_CLIENT,
            Self::Limits(_) | Self::Penalty(_) => pipeline::BY_ADDRESS,
            _ => "",
        }
    }

    /// What the configuration calls it, where a room holds several by name.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Limits(limits) => limits.names().map(str::to_owned).collect(),
            Self::Penalty(penalty) => vec![penalty.name().to_owned()],
            Self::Plugin(plugin) => vec![plugin.name().to_owned()],
            Self::Decide(policy) => vec![policy.point().name().to_owned()],
            _ => Vec::new(),
        }
    }

    /// Whether the configuration says it; else it holds by default.
    #[must_use]
    pub const fn is_said(&self) -> bool {
        match self {
            Self::Penalty(penalty) => penalty.is_said(),
            _ => true,
        }
    }

    /// Whether it may want a whole body before it decides.
    #[must_use]
    pub const fn wants_content(&self) -> bool {
        matches!(
            self,
            Self::Signature(_)
                | Self::Webhook(_)
                | Self::Cedar(_)
                | Self::Objects(_)
                | Self::Properties(_)
        )
    }

    /// Whether it says who may do what.
    #[must_use]
    pub const fn authorizes(&self) -> bool {
        matches!(
            self,
            Self::Authorize(_)
                | Self::Apps(_)
                | Self::Scopes(_)
                | Self::Roles(_)
                | Self::Cedar(_)
                | Self::Decide(_)
                | Self::Objects(_)
                | Self::Properties(_)
                | Self::Minimise(_)
        )
    }

    /// Whether it proves who calls. Any one such policy of an API is enough.
    #[must_use]
    pub const fn authenticates(&self) -> bool {
        matches!(
            self,
            Self::ApiKey(_)
                | Self::Jwt(_)
                | Self::Introspection(_)
                | Self::Basic(_)
                | Self::Mtls(_)
                | Self::Session(_)
                | Self::Signature(_)
                | Self::Webhook(_)
        )
    }
}

/// A listener, ready to bind.
#[derive(Debug, Clone)]
pub struct CompiledListener {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: Endpoint,
    /// Who may connect, where it is in the file system.
    pub socket: UnixSocket,
    /// Proxies that are believed.
    pub trusted: Ranges,
    /// Whoever may connect to its socket in the file system is believed. No address stands for
    /// them: one could be written by anybody.
    pub trusts_callers: bool,
    /// Trusted proxies say by the PROXY protocol whom they speak for.
    pub proxy_protocol: bool,
    /// Whether its clients speak TLS.
    pub secure: bool,
    /// How, where it serves.
    pub tls: Option<Arc<Tls>>,
    /// Where connections go that are carried on unread, by their number in [`Tls::carries`].
    pub passthrough: Box<[Passthrough]>,
    /// What may be spoken there.
    pub protocols: Vec<Protocol>,
    /// Every request is sent to this port over HTTPS; 0 is no such port.
    pub redirect_port: u16,
    /// The port by which clients reach it, where that is another than its own; 0 where it is not.
    pub public_port: u16,
    /// Bounds on what a stranger may send.
    pub limits: Arc<ListenerLimits>,
    /// What allows plain HTTP off loopback.
    pub insecure: Option<Waiver>,
}

impl CompiledListener {
    /// The port that it listens at.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// A listener for judging where the bundle has none.
    #[must_use]
    pub fn offline() -> Self {
        Self {
            name: "".into(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
            socket: UnixSocket::default(),
            trusted: Ranges::default(),
            trusts_callers: false,
            proxy_protocol: false,
            secure: false,
            tls: None,
            passthrough: Box::default(),
            protocols: vec![Protocol::Http1],
            redirect_port: 0,
            public_port: 0,
            limits: Arc::new(Listener::default_limits()),
            insecure: None,
        }
    }

    /// The same for a peer whose word on others is not believed.
    #[must_use]
    pub fn believing_nobody(&self) -> Self {
        Self {
            trusted: Ranges::default(),
            trusts_callers: false,
            ..self.clone()
        }
    }

    /// The same for a connection whose client was named to it: whatever its address, it is no
    /// caller of the socket.
    #[must_use]
    pub fn of_the_named(&self) -> Self {
        Self {
            trusts_callers: false,
            ..self.clone()
        }
    }

    /// The port by which clients reach it, of which `own` is the gate's.
    #[must_use]
    pub const fn reached_at(&self, own: u16) -> u16 {
        match self.public_port {
            0 => own,
            public => public,
        }
    }

    /// Whether it speaks HTTP/3 as well.
    #[must_use]
    pub fn speaks_http3(&self) -> bool {
        self.tls.is_some() && self.protocols.contains(&Protocol::Http3)
    }

    /// Whether `peer`, the other end of a socket, is a proxy that is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        (self.trusts_callers && peer == NO_ADDRESS) || self.trusts_named(peer)
    }

    /// Whether the one whom somebody names is a proxy that is believed.
    #[must_use]
    pub fn trusts_named(&self, address: IpAddr) -> bool {
        !self.trusted.is_empty() && self.trusted.contains(address)
    }

    /// What `peer` may have; `None` for a proxy, whose connections are those of many.
    #[must_use]
    pub fn each(&self, peer: IpAddr) -> Option<Each> {
        self.each_of(self.trusts(peer))
    }

    /// The same of one whom somebody names.
    #[must_use]
    pub fn each_named(&self, client: IpAddr) -> Option<Each> {
        self.each_of(self.trusts_named(client))
    }

    fn each_of(&self, proxy: bool) -> Option<Each> {
        (!proxy).then_some(Each {
            open: self.limits.connections_per_ip,
            per_second: self.limits.new_connections_per_ip,
        })
    }
}

/// Where connections for some names are carried on to.
#[derive(Debug, Clone)]
pub struct Passthrough {
    /// To which upstream.
    pub upstream: Arc<CompiledUpstream>,
    /// How long nothing may pass, milliseconds.
    pub idle_ms: u32,
    /// Which addresses may come.
    pub addresses: Arc<IpFilter>,
}

impl Passthrough {
    /// Why an address may not come, if it may not.
    #[must_use]
    pub fn refuses(&self, address: IpAddr, geo: &Geo) -> Option<ReasonRef> {
        let wants = self.addresses.wants_place();
        let place = wants.then(|| geo.place(&address));
        let refused = self.addresses.refuses(address, place.as_ref());
        refused.unwrap_or_else(|error| Some(error.reason))
    }
}

/// An upstream, ready to forward to.
#[derive(Debug)]
pub struct CompiledUpstream {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its servers, as the configuration has them.
    pub targets: Vec<Arc<Target>>,
    /// What chooses between them, where there is anything to choose.
    pub group: Option<Arc<Group>>,
    /// Phase by phase.
    pub timeouts: Timeouts,
    /// Bound on an answer's head, bytes.
    pub head_bytes: u32,
    /// What proves the gate to it.
    pub credential: Option<Secret>,
    /// What it is told of who calls.
    pub assertion: Option<Assertion>,
    /// What it is given in the place of the caller's credential.
    pub token: Option<UpstreamToken>,
    /// What is spoken with its servers.
    pub protocol: Protocol,
    /// Each connection begins by saying whom it speaks for.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Whether its servers are spoken to over TLS.
    pub secure: bool,
    /// Whether connections are carried there unread, and no requests.
    pub raw: bool,
    /// How, where anything is forwarded.
    pub tls: Option<Arc<Outbound>>,
    /// What allows plain HTTP off loopback, or certificates that are not verified.
    pub insecure: Option<Waiver>,
}

impl CompiledUpstream {
    /// Whether a connection carries one exchange at a time.
    #[must_use]
    pub fn is_of_one(&self) -> bool {
        self.protocol == Protocol::Http1
    }

    /// Whether a connection that was made safe like this is one that the upstream asks for.
    #[must_use]
    pub fn trusts(&self, tls: Option<&Arc<Outbound>>) -> bool {
        match (tls, &self.tls) {
            (Some(made), Some(wanted)) => Arc::ptr_eq(made, wanted),
            (None, None) => !self.secure,
            _ => false,
        }
    }
}

/// A header with a secret value; `None` where the secret could not be resolved.
#[derive(Debug)]
pub struct Secret {
    /// The header.
    pub header: HeaderName,
    /// Its value, marked sensitive.
    pub value: Option<HeaderValue>,
}
