//! The engine within an application's own process: a middleware asks, and does
//! what it is told. What a request is judged by, how it is refused and what is
//! changed of it and of its answer are the gate's; what a gate does on the way
//! to an upstream is the application's server's.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_policy::{Answers, ConfigError, Content, Need};

use crate::bundle::Bundle;
use crate::clock::wall_ms;
use crate::compile::{compile, Surroundings};
use crate::counters::Local;
use crate::facts::{FactError, FactStore, KeySetFact};
use crate::gate::secret::{self, resolve};
use crate::gate::{hash, GateError};
use crate::head::{Head, Told};
use crate::id::{Ids, RequestId};
use crate::judge::{answer, Arrival, End, Judgement, Judging, Stores};
use crate::metrics::Metrics;
use crate::places::Places;
use crate::proofs::Proofs;
use crate::reasons;
use crate::sightings::Sightings;
use crate::snapshot::{CompiledListener, Policy, Snapshot};

mod call;

pub use call::{Account, Call, Own};

/// What an engine is started with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Secret under which API keys are hashed.
    pub pepper: Vec<u8>,
    /// The APIs that the application serves; none means all.
    pub apis: Option<Vec<String>>,
    /// The listener whose proxies are believed and whose bounds on heads hold;
    /// the first where none is named.
    pub listener: Option<String>,
}

/// The engine of one application.
pub struct InProcess {
    snapshot: Snapshot,
    listener: Arc<CompiledListener>,
    /// Of each API of the snapshot, whether the application serves it.
    served: Box<[bool]>,
    facts: FactStore,
    counters: Local,
    proofs: Proofs,
    sightings: Sightings,
    places: Places,
    ids: Mutex<Ids>,
    /// Whether any policy may want a body before it says who calls.
    contents: bool,
}

impl InProcess {
    /// An engine for a bundle, the JSON of one, not signed.
    ///
    /// # Errors
    /// What is wrong with the bundle, or that it has no such API or listener.
    pub fn start(bundle: &[u8], settings: &Settings) -> Result<Arc<Self>, GateError> {
        let mut seed = [0; 16];
        rand::fill(&mut seed).map_err(|_| {
            GateError::State(std::io::Error::other(
                "the system has no randomness to give",
            ))
        })?;
        let snapshot = build(bundle, &settings.pepper)?;
        let listener = match &settings.listener {
            None => snapshot.listeners.first().cloned(),
            Some(name) => {
                let mut listeners = snapshot.listeners.iter();
                let named = listeners.find(|listener| *listener.name == **name).cloned();
                Some(named.ok_or_else(|| unknown("listener", name))?)
            }
        };
        let wanted = settings.apis.as_deref();
        for name in wanted.unwrap_or_default() {
            if !snapshot.apis.iter().any(|api| *api.name == **name) {
                return Err(unknown("API", name));
            }
        }
        let served = snapshot
            .apis
            .iter()
            .map(|api| wanted.is_none_or(|wanted| wanted.iter().any(|name| *api.name == **name)));
        let served: Vec<bool> = served.collect();
        let serving = snapshot
            .apis
            .iter()
            .zip(&served)
            .filter(|(_, served)| **served);
        let mut all = serving.flat_map(|(api, _)| &api.steps);
        if let Some(error) = all.find_map(|step| wants_gate(&step.policy)) {
            return Err(GateError::Config(vec![error]));
        }
        let mut steps = snapshot.apis.iter().flat_map(|api| &api.steps);
        let contents = steps.any(|step| step.policy.wants_content());
        Ok(Arc::new(Self {
            served: served.into(),
            listener: listener.unwrap_or_else(|| Arc::new(CompiledListener::offline())),
            snapshot,
            facts: FactStore::in_memory(),
            counters: Local::default(),
            proofs: Proofs::default(),
            sightings: Sightings::default(),
            places: Places::default(),
            ids: Mutex::new(Ids::new(seed)),
            contents,
        }))
    }

    /// Takes facts in, and gives the last one's number.
    ///
    /// # Errors
    /// The first that is none; the ones before it hold.
    pub fn apply_facts<B: AsRef<[u8]>>(&self, facts: &[B]) -> Result<u64, FactError> {
        self.facts.apply(facts)
    }

    /// Takes in the keys of an issuer that were read from a file: the JSON of a [`KeySetFact`].
    ///
    /// # Errors
    /// If they are none.
    pub fn put_key_set(&self, keys: &[u8]) -> Result<(), FactError> {
        let keys: KeySetFact = serde_json::from_slice(keys)
            .map_err(|error| FactError::Malformed(error.to_string()))?;
        self.facts.put_key_set(&keys)
    }

    /// Notes that facts are complete as of now.
    pub fn contact(&self) {
        self.facts.heard(wall_ms());
    }

    /// How many keys are known.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.facts.keys()
    }

    /// Whether a body may be wanted before it can be said who calls.
    #[must_use]
    pub const fn may_want(&self) -> bool {
        self.contents
    }

    /// Most bytes of the body that are wanted before it can be said who calls; none where it can
    /// be said without. What is counted here is counted for this question alone.
    #[must_use]
    pub fn wants(
        &self,
        told: &Told<'_>,
        peer: Option<IpAddr>,
        body: bool,
        now_ms: Option<u64>,
    ) -> Option<u64> {
        let now_ms = now_ms.unwrap_or_else(wall_ms);
        let asked = catch_unwind(AssertUnwindSafe(|| {
            let head = Head::read(told, &self.listener.limits).ok()?;
            let arrival = self.arrival(&head, (peer, body), "");
            let (counters, proofs) = (Local::default(), Proofs::default());
            let (sightings, places) = (Sightings::default(), Places::default());
            let stores = Stores {
                counters: &counters,
                proofs: &proofs,
                sightings: &sightings,
                places: &places,
                ..self.stores()
            };
            let mut judgement = Judgement::default();
            let mut judging = Judging::new(&self.snapshot, arrival, now_ms, &mut judgement);
            let most = Cell::new(None);
            if self.serves(&judging) {
                let stale = self.snapshot.facts.stale(self.facts.heard_ms(), now_ms);
                judging.complete(&|need| match need {
                    // Another way of the list may want more.
                    Need::Content(gather) => {
                        most.set(most.get().max(Some(gather.most)));
                        Answers::Content(gather, Content::TooLong)
                    }
                    need => answer(&stores, stale, need, now_ms),
                });
            }
            most.get()
        }));
        asked.unwrap_or(None)
    }

    /// Judges a request, all but its body. `body` is whether one may follow of
    /// which no header tells, `now_ms` the time for those who know another, `content` the body
    /// where it was wanted: [`Self::wants`].
    #[must_use]
    pub fn begin(
        self: &Arc<Self>,
        told: &Told<'_>,
        peer: Option<IpAddr>,
        body: bool,
        now_ms: Option<u64>,
        content: Option<&[u8]>,
    ) -> Call {
        let now_ms = now_ms.unwrap_or_else(wall_ms);
        let came = (peer, body);
        let peer = address(peer);
        let id = self.id(now_ms);
        let mut judgement = Judgement {
            client: peer,
            ..Judgement::default()
        };
        let mut head = None;
        let mut length = None;
        let judged = catch_unwind(AssertUnwindSafe(|| {
            match Head::read(told, &self.listener.limits) {
                Ok(read) => {
                    length = content_length(&read.headers);
                    let arrival = self.arrival(&read, came, id.as_str());
                    let comes = arrival.body;
                    self.judge(arrival, now_ms, &mut judgement, content);
                    judgement.watch_inspected(comes, false);
                    head = Some(read);
                }
                Err(reason) => judgement.end = End::Refuse(reason.into()),
            }
        }));
        if judged.is_err() {
            judgement.end = End::Refuse((&reasons::INTERNAL_PANIC).into());
        }
        Call::new(
            Arc::clone(self),
            id,
            (now_ms, peer),
            (head, length),
            judgement,
        )
    }

    /// A request that could not even be shown to the engine: there is nothing to do but to refuse it.
    #[must_use]
    pub fn failed(self: &Arc<Self>) -> Call {
        let now_ms = wall_ms();
        let judgement = Judgement {
            end: End::Refuse((&reasons::INTERNAL_PANIC).into()),
            ..Judgement::default()
        };
        let peer = judgement.client;
        Call::new(
            Arc::clone(self),
            self.id(now_ms),
            (now_ms, peer),
            (None, None),
            judgement,
        )
    }

    fn id(&self, now_ms: u64) -> RequestId {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.next(now_ms)
    }

    fn arrival<'h>(
        &'h self,
        head: &'h Head,
        (peer, body): (Option<IpAddr>, bool),
        id: &'h str,
    ) -> Arrival<'h> {
        let length = content_length(&head.headers);
        let chunked = head.headers.contains_key(TRANSFER_ENCODING);
        Arrival {
            version: http::Version::HTTP_11,
            method: &head.method,
            target: &head.target,
            host: head.host(),
            headers: &head.headers,
            content_length: length,
            body: chunked || length.map_or(body, |length| length > 0),
            peer: address(peer),
            id,
            // Who ended TLS is the application's server: what it was shown is not told here.
            certificate: None,
            listener: &self.listener,
        }
    }

    fn stores(&self) -> Stores<'_> {
        Stores {
            facts: &self.facts,
            counters: &self.counters,
            proofs: &self.proofs,
            sightings: &self.sightings,
            places: &self.places,
            // Nobody tells when an answer ends.
            stays: false,
            introspections: None,
            broker: None,
            // No processes of the application's server are ours to start: plugins fail closed.
            plugins: None,
        }
    }

    fn judge(
        &self,
        arrival: Arrival<'_>,
        now_ms: u64,
        judgement: &mut Judgement,
        content: Option<&[u8]>,
    ) {
        let facts = &self.snapshot.facts;
        let stores = self.stores();
        let mut judging = Judging::new(&self.snapshot, arrival, now_ms, judgement);
        if self.serves(&judging) {
            let stale = facts.stale(self.facts.heard_ms(), now_ms);
            judging.complete(&|need| match (need, content) {
                (Need::Content(gather), Some(_)) => Answers::content(gather, content),
                (need, _) => answer(&stores, stale, need, now_ms),
            });
        } else {
            *judgement = Judgement {
                client: judgement.client,
                end: End::Refuse((&reasons::NO_ROUTE).into()),
                ..Judgement::default()
            };
        }
    }

    /// Whether the application has the API that the request is for; what is for none is refused by itself.
    fn serves(&self, judging: &Judging<'_, '_, '_>) -> bool {
        let number = judging.matched().map(|matched| matched.api);
        number.is_none_or(|number| self.served.get(number).copied().unwrap_or(false))
    }
}

/// A caller that has no address is on no list of those who may call.
fn address(peer: Option<IpAddr>) -> IpAddr {
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    peer.map_or(unknown, |peer| peer.to_canonical())
}

/// The length that a head tells of its body.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

fn unknown(what: &str, name: &str) -> GateError {
    GateError::Config(vec![ConfigError::new(
        "name-unknown",
        "",
        format!("the configuration has no {what} `{name}`"),
    )])
}

fn build(bundle: &[u8], pepper: &[u8]) -> Result<Snapshot, GateError> {
    let malformed = |cause: &dyn std::fmt::Display| GateError::Malformed(cause.to_string());
    let text = std::str::from_utf8(bundle).map_err(|cause| malformed(&cause))?;
    let parsed: Bundle = serde_json::from_str(text).map_err(|cause| malformed(&cause))?;
    let around = Surroundings {
        state: std::path::Path::new(""),
        tls: None,
        pepper: lockgate_policy::api_key::pepper(pepper),
        // Never a stand-in: tokens would be believed that are signed with it.
        secret: &resolve,
        metrics: Metrics::new(0),
        upstreams: Arc::default(),
        tokens: Arc::default(),
        introspected: Arc::default(),
        databases: Some(&secret::file),
    };
    let mut snapshot = compile(parsed, &hash(text), &around).map_err(GateError::Config)?;
    let apis = snapshot.apis.iter_mut();
    for step in apis.flat_map(|api| api.steps.iter_mut()) {
        // Nobody shows an application's answers, so nothing is asked of it for them.
        if let Policy::Waf(policy) = &mut step.policy {
            policy.pass_answers();
        }
    }
    Ok(snapshot)
}

/// A status that has no body, and so no length (RFC 9110 section 8.6).
fn bodiless(status: u16) -> bool {
    status < 200
        || status == StatusCode::NO_CONTENT.as_u16()
        || status == StatusCode::NOT_MODIFIED.as_u16()
}

/// Says how long an answer's body is, where it has one.
fn measure(status: u16, length: usize, headers: &mut HeaderMap) {
    if !bodiless(status) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// What a policy does that cannot be done in an application's own process.
fn wants_gate(policy: &Policy) -> Option<ConfigError> {
    let (code, why) = match policy {
        Policy::Objects(policy) if policy.judges_answers() => (
            "objects-in-process",
            "rules of `objects` that look at answers want a gate, which holds them",
        ),
        Policy::Minimise(_) => (
            "minimise-in-process",
            "`minimise` wants a gate, which cuts answers",
        ),
        Policy::Properties(policy) if policy.drops() => (
            "properties-in-process",
            "rules of `properties` with `otherwise: drop` want a gate, which cuts bodies",
        ),
        Policy::Decide(_) => (
            "decide-in-process",
            "`decide` wants a gate, which asks the decision point",
        ),
        _ => return None,
    };
    Some(ConfigError::new(code, "/apis", why))
}

#[cfg(test)]
mod tests;
