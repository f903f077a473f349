//! What several tests of the crate share: a bundle with everything a bundle
//! needs, to be changed where a test cares, and what is made of one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use lockgate_policy::{api_key, Mode, OnError, Span, Waiver};

use crate::bundle::{
    Api, Authenticator, Authorize, Balance, Bundle, Dns, EventsConfig, FactsPolicy, Listener,
    NormalForm, Passive, PathMatch, Placed, Policies, Protocol, Server, Timeouts, UnixSocket,
    Upstream, WhenStale, BUNDLE_VERSION,
};
use crate::compile::{compile, Surroundings};
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;

/// The time at which tests take place, milliseconds since the epoch.
pub(crate) const NOW: u64 = 1_800_000_000_000;
/// The pepper of [`snapshot`].
pub(crate) const PEPPER: &[u8] = b"pepper";

/// A target on which serving panics, and a listener's name on which its worker
/// does, in tests alone: nothing else is known to do so.
pub(crate) const PANICS: &str = "/panics-on-demand";

/// A place that says which line it is.
pub(crate) fn line(line: u32) -> Span {
    Span {
        file: 0,
        line,
        column: 1,
    }
}

/// An exception until `until_ms`.
pub(crate) fn waiver(until_ms: u64) -> Waiver {
    Waiver {
        owner: "ops".into(),
        reason: "a test".into(),
        until_ms,
        span: line(7),
    }
}

/// An enforced policy, said at `at`.
pub(crate) fn placed<C>(config: C, at: u32) -> Placed<C> {
    Placed {
        mode: Mode::Enforce,
        on_error: OnError::Deny,
        waiver: None,
        span: line(at),
        config,
    }
}

/// Keys in the header `name`, said at `at`.
pub(crate) fn keys(name: &str, at: u32) -> Authenticator {
    let header = name.to_owned();
    Authenticator::ApiKey(placed(
        api_key::Config {
            header,
            environments: Vec::new(),
            imported: false,
        },
        at,
    ))
}

/// An API for anyone, at `paths` of any host.
pub(crate) fn api(name: &str, paths: &[PathMatch]) -> Api {
    Api {
        name: name.to_owned(),
        hosts: Vec::new(),
        paths: paths.to_vec(),
        route: None,
        methods: Vec::new(),
        conditions: Vec::new(),
        normal_form: NormalForm::default(),
        upstream: Some("shop".to_owned()),
        split: None,
        mirror: None,
        strip_path: false,
        own: false,
        client_cert: Default::default(),
        openapi: None,
        versions: None,
        public: Some(waiver(u64::MAX)),
        authorize: Authorize::Public,
        open: Vec::new(),
        suggest: None,
        policies: Policies::default(),
        span: line(10),
        authorize_span: line(11),
    }
}

/// The same for those who have a key.
pub(crate) fn keyed(name: &str, paths: &[PathMatch]) -> Api {
    let mut api = api(name, paths);
    api.public = None;
    api.authorize = Authorize::Authenticated;
    api.policies.authenticate = vec![keys("x-api-key", 12)];
    api
}

/// A target of an upstream.
pub(crate) fn server(url: &str) -> Server {
    Server {
        url: url.to_owned(),
        weight: 1,
        priority: 0,
    }
}

/// A bundle with these APIs, one listener on loopback and one upstream.
pub(crate) fn bundle(apis: Vec<Api>) -> Bundle {
    Bundle {
        assertions: crate::bundle::Assertions::default(),
        bundle_version: BUNDLE_VERSION,
        sequence: 1,
        created_ms: NOW,
        geo: None,
        plugins: None,
        sources: vec!["lockgate.yaml".to_owned()],
        listeners: vec![Listener {
            name: "public".to_owned(),
            address: "127.0.0.1:0".to_owned(),
            socket: UnixSocket::default(),
            protocols: vec![Protocol::Http1],
            tls: None,
            redirect_port: 0,
            public_port: 0,
            proxy_protocol: false,
            trusted_proxies: Vec::new(),
            limits: Listener::default_limits(),
            insecure: None,
            span: line(2),
        }],
        upstreams: vec![Upstream {
            name: "shop".to_owned(),
            targets: vec![server("http://127.0.0.1:9")],
            balance: Balance::default(),
            health: None,
            passive: Passive::default(),
            slow_start_ms: 0,
            retry: None,
            breaker: None,
            dns: Dns::default(),
            protocol: Protocol::Http1,
            proxy_protocol: None,
            tls: None,
            timeouts: Timeouts {
                connect_ms: 1000,
                first_byte_ms: 30_000,
                idle_ms: 60_000,
                keep_alive_ms: 30_000,
            },
            credential: None,
            assertion: None,
            token: None,
            head_bytes: 64 * 1024,
            insecure: None,
            span: line(4),
        }],
        issuers: Vec::new(),
        roles: Vec::new(),
        relations: Vec::new(),
        apps: None,
        apis,
        documents: Vec::new(),
        rule_sets: Vec::new(),
        facts: FactsPolicy {
            max_age_ms: 86_400_000,
            then: WhenStale::Continue,
        },
        events: EventsConfig {
            access: true,
            retain_bytes: 1 << 30,
            header_order: false,
        },
        problem_base: "/reasons/".to_owned(),
    }
}

/// What to compile with, where the only secret is `file:/here`.
pub(crate) fn surroundings() -> Surroundings<'static> {
    Surroundings {
        state: Path::new(""),
        tls: None,
        pepper: api_key::pepper(PEPPER),
        secret: &|reference| (reference == "file:/here").then(|| b"hush\n".to_vec()),
        metrics: Metrics::new(1),
        upstreams: std::sync::Arc::default(),
        tokens: Arc::default(),
        introspected: Arc::default(),
        databases: None,
    }
}

/// The bundle, compiled.
pub(crate) fn snapshot(bundle: Bundle) -> Arc<Snapshot> {
    Arc::new(compile(bundle, "0123456789abcdef", &surroundings()).expect("the bundle is right"))
}

/// The fact that makes `key` known as `id`.
pub(crate) fn key_fact(seq: u64, id: &str, key: &str, more: &str) -> Vec<u8> {
    let digest = api_key::digest(&api_key::pepper(PEPPER), key.as_bytes()).to_hex();
    format!(
        r#"{{"seq":{seq},"at_ms":1,"kind":"key.put","key":{{"id":"{id}","digest":"{digest}","name":"n","owner":"ann","environment":"live"{more}}}}}"#
    )
    .into_bytes()
}

/// Shorthands for the three kinds of path.
pub(crate) fn exact(path: &str) -> PathMatch {
    PathMatch::Exact(path.to_owned())
}

/// See [`exact`].
pub(crate) fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.to_owned())
}

/// See [`exact`].
pub(crate) fn template(path: &str) -> PathMatch {
    PathMatch::Template(path.to_owned())
}

/// A directory that goes when the test ends.
pub(crate) struct Dir(PathBuf);

impl Dir {
    /// A new one.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lockgate-proxy-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("the directory is new");
        Self(path)
    }
}

impl std::ops::Deref for Dir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // What is left behind is the system's to tidy.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
