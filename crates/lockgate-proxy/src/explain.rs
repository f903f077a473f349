//! The engine without a gate: one request in, the whole decision out. It runs
//! the framing guard, the judge and the body watchers that a gate runs.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LOCATION};
use http::Method;
use lockgate_policy::broker::{Brought, Goods};
use lockgate_policy::decide;
use lockgate_policy::introspection::Answer;
use lockgate_policy::mtls::ClientCertificate;
use lockgate_policy::waf::Scanning;
use lockgate_policy::{
    Answers, BodyVerdict, ConfigError, Denial, Edit, Geo, Need, ReasonRef, Span,
};
use lockgate_waf::engine::Inspection;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::clock::wall_ms;
use crate::compile::{compile, Surroundings};
use crate::counters::Local;
use crate::edits;
use crate::facts::FactStore;
use crate::gate::secret::{self, resolve};
use crate::gate::{hash, GateError};
use crate::geo::ReadFile;
use crate::guards::{guards, Guard};
use crate::head::{Head, Told};
use crate::judge::{answer, Arrival, End, Judgement, Judging, Seen, Stores};
use crate::metrics::Metrics;
use crate::net::NO_ADDRESS;
use crate::pipeline;
use crate::places::Places;
use crate::plugins::Offline;
use crate::proofs::Proofs;
use crate::sightings::Sightings;
use crate::snapshot::{CompiledApi, CompiledListener, Forwarding, Policy, Snapshot, Step};
use crate::trace::{Entry, Outcome};

mod access;
mod outline;

pub use access::{access, Part, Sample};
pub use outline::{Outlined, OutlinedStep};

/// Piece in which a body is shown to watchers.
const CHUNK: usize = 16 * 1024;

/// The engine, with a bundle and facts.
pub struct Engine {
    snapshot: Snapshot,
    facts: FactStore,
    /// Each API's hosts and paths, as the configuration says them.
    routes: Vec<Vec<String>>,
    counters: Local,
    proofs: Proofs,
    sightings: Sightings,
    places: Places,
    plugins: Option<Arc<Offline>>,
}

/// A request to be judged.
#[derive(Debug, Clone)]
pub struct Question {
    /// The method.
    pub method: String,
    /// Path and query, or a whole URL.
    pub target: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The address that it comes from.
    pub peer: IpAddr,
    /// Where it arrives; the first listener where none is named.
    pub listener: Option<String>,
    /// The certificate that the client showed, taken for one that the listener trusts.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// What the control process is taken to say of the caller's device, JSON; nothing where nobody can be asked.
    pub device: Option<String>,
    /// What decision points are taken to say, as OPA's `result`, JSON; nothing where that is not stated.
    pub decision: Option<String>,
    /// How many other users are taken to have places already, of each cap on them; none where nobody is.
    pub others: u32,
    /// Its body, where there is one.
    pub body: Option<Vec<u8>>,
    /// When, milliseconds since the epoch.
    pub now_ms: Option<u64>,
}

/// The whole decision.
#[derive(Debug, Serialize)]
pub struct Explanation {
    request: Normal,
    route: Option<Route>,
    steps: Vec<Shown>,
    verdict: &'static str,
    status: Option<u16>,
    reason: Option<Why>,
    errors: Vec<String>,
    identity: Option<Who>,
    upstream: Option<Target>,
    /// Where a redirect leads to, or a refusal that sends a browser to where it can be mended.
    location: Option<String>,
    changes: Changes,
    /// What looked for attacks, and found something.
    waf: Option<Seen>,
    /// What a virus scanner would be asked about, where nothing else refuses it.
    scans: Vec<Scans>,
    client: IpAddr,
    /// Where that is, by the databases, where there are some.
    place: Option<Located>,
    bundle: String,
}

#[derive(Debug, Serialize)]
struct Located {
    country: Option<String>,
    network: Option<u32>,
    organization: Option<String>,
}

impl Located {
    fn of(geo: &Geo, client: IpAddr) -> Option<Self> {
        let place = geo.ask(&client)?;
        Some(Self {
            country: place.country.map(|country| country.to_string()),
            network: place.network,
            organization: place.organization.map(Into::into),
        })
    }
}

#[derive(Debug, Serialize)]
struct Normal {
    method: String,
    host: String,
    path: String,
    query: Option<String>,
    rewritten: bool,
}

#[derive(Debug, Serialize)]
struct Route {
    api: String,
    route: Option<String>,
    conditions: String,
    pattern: String,
    span: Place,
    version: Option<Version>,
    operation: Option<Operation>,
}

#[derive(Debug, Serialize)]
struct Version {
    name: String,
    deprecated_ms: Option<u64>,
    sunset_ms: Option<u64>,
    span: Place,
}

#[derive(Debug, Serialize)]
struct Operation {
    name: String,
    method: String,
    path: String,
    span: Place,
}

#[derive(Debug, Serialize)]
struct Shown {
    policy: &'static str,
    part: &'static str,
    /// What the configuration calls it, where a room holds several by name.
    names: Vec<String>,
    phase: &'static str,
    verdict: String,
    reason: Option<&'static str>,
    /// What entitles the caller, where the policy says what does.
    grounds: Vec<String>,
    /// What would have, any one of these, where the policy refuses because nothing does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    enough: Vec<String>,
    span: Place,
}

#[derive(Debug, Serialize)]
struct Why {
    code: &'static str,
    /// What an operator's own check calls it.
    own: Option<String>,
    title: &'static str,
    room: &'static str,
    advice: &'static str,
    detail: Option<String>,
    span: Option<Place>,
}

#[derive(Debug, Serialize)]
struct Who {
    proved_by: &'static str,
    credential: String,
    owner: String,
    app: Option<String>,
}

#[derive(Debug, Serialize)]
struct Share {
    upstream: String,
    weight: u32,
}

#[derive(Debug, Serialize)]
struct Target {
    name: String,
    chosen_by: &'static str,
    shares: Vec<Share>,
    /// What gets copies, and of how many percent of the requests.
    mirror: Option<Share>,
    targets: Vec<String>,
    target: String,
}

/// Where a file stands that would be scanned, and by whom.
#[derive(Debug, Serialize)]
struct Scans {
    at: String,
    bytes: usize,
    clamd: String,
}

impl Scans {
    fn of(scanning: &Scanning, inspection: &Inspection, body: &[u8]) -> impl Iterator<Item = Self> {
        let clamd = scanning.scanner.clamd.to_string();
        // Where there are too many it is refused, and says so.
        let files = scanning.files(inspection, body).unwrap_or_default();
        files.into_iter().map(move |file| Self {
            at: file.place,
            bytes: file.bytes.len(),
            clamd: clamd.clone(),
        })
    }
}

/// What policies change of header fields.
#[derive(Debug, Default, Serialize)]
struct Changes {
    request: Vec<Changed>,
    response: Vec<Changed>,
}

#[derive(Debug, Serialize)]
struct Changed {
    change: &'static str,
    header: String,
    value: Option<String>,
}

/// Where the answer leads to: a redirect's, or that of a refusal which sends a browser to where it can be mended.
fn location(end: &End) -> Option<String> {
    let location = match end {
        End::Forward => None,
        End::Respond(response) => response.headers().get(LOCATION),
        End::Refuse(denial) => {
            let found = denial.headers.iter().find(|(name, _)| *name == LOCATION);
            found.map(|(_, value)| value)
        }
    }?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

impl Changed {
    fn of(edit: &Edit) -> Self {
        let (change, value) = match edit {
            Edit::Remove(_) | Edit::RemoveCookie(_) => ("remove", None),
            Edit::Set(_, value) => ("set", Some(value)),
            Edit::Add(_, value) => ("add", Some(value)),
        };
        Self {
            change,
            header: edit.header().to_string(),
            value: value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        }
    }
}

impl Changes {
    fn of(api: &CompiledApi, judgement: &Judgement, now_ms: u64) -> Self {
        let mut changes = Self::default();
        if matches!(judgement.end, End::Forward) {
            let request = edits::of_request(api, judgement);
            changes.request = request.map(Changed::of).collect();
        }
        edits::of_answer(api, judgement, (edits::OFFLINE_ID, now_ms), &mut |edit| {
            changes.response.push(Changed::of(edit));
        });
        changes
    }
}

/// A place in a configuration file.
#[derive(Debug, Default, Serialize)]
pub struct Place {
    file: String,
    line: u32,
    column: u32,
}

/// Everything that is wrong with a bundle.
///
/// # Errors
/// If it is no bundle at all.
pub fn check(bundle: &[u8]) -> Result<Vec<ConfigError>, GateError> {
    match build(bundle, &[], &offline, None) {
        Ok(_) => Ok(Vec::new()),
        Err(GateError::Config(errors)) => Ok(errors),
        Err(error) => Err(error),
    }
}

type Secret<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// Stands for every secret where none is to be read.
fn offline(_reference: &str) -> Option<Vec<u8>> {
    Some(b"offline".to_vec())
}

fn build(
    bundle: &[u8],
    pepper: &[u8],
    secret: Secret<'_>,
    databases: Option<ReadFile<'_>>,
) -> Result<(Snapshot, Vec<Vec<String>>), GateError> {
    let text =
        std::str::from_utf8(bundle).map_err(|error| GateError::Malformed(error.to_string()))?;
    let parsed: Bundle =
        serde_json::from_str(text).map_err(|error| GateError::Malformed(error.to_string()))?;
    let around = Surroundings {
        state: std::path::Path::new(""),
        pepper: lockgate_policy::api_key::pepper(pepper),
        secret,
        metrics: Metrics::new(0),
        upstreams: std::sync::Arc::default(),
        tokens: Arc::default(),
        introspected: Arc::default(),
        tls: None,
        databases,
    };
    let routes = parsed.apis.iter().map(outline::patterns).collect();
    let snapshot = compile(parsed, &hash(text), &around).map_err(GateError::Config)?;
    Ok((snapshot, routes))
}

impl Engine {
    /// An engine for a bundle (not signed) and facts, each the JSON of one.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn new<B: AsRef<[u8]>>(
        bundle: &[u8],
        facts: &[B],
        pepper: &[u8],
    ) -> Result<Self, GateError> {
        // A token that an issuer's secret signed can be judged with that secret alone;
        // one for an upstream that cannot be read is of no account, as nothing is forwarded.
        let secret = |reference: &str| resolve(reference).or_else(|| offline(reference));
        let (snapshot, routes) = build(bundle, pepper, &secret, Some(&secret::file))?;
        let store = FactStore::in_memory();
        store
            .apply(facts)
            .map_err(|error| GateError::Malformed(error.to_string()))?;
        Ok(Self {
            snapshot,
            facts: store,
            routes,
            counters: Local::default(),
            proofs: Proofs::default(),
            sightings: Sightings::default(),
            places: Places::default(),
            plugins: None,
        })
    }

    /// Has plugins asked there; without it they fail.
    #[must_use]
    pub fn with_plugins(mut self, plugins: Arc<Offline>) -> Self {
        self.plugins = Some(plugins);
        self
    }

    /// Takes an issuer's answer about a token: nobody is asked here. It holds for good.
    ///
    /// # Errors
    /// Why it is no answer.
    pub fn hear(&self, issuer: &str, token: &[u8], answer: &[u8]) -> Result<(), &'static str> {
        let answer = Answer::read(answer)?;
        for step in self.snapshot.apis.iter().flat_map(|api| &api.steps) {
            match &step.policy {
                Policy::Introspection(policy) if **policy.issuer() == *issuer => {
                    policy.hear(token, answer.clone());
                }
                Policy::Basic(policy) if **policy.issuer() == *issuer => {
                    policy.hear(token, answer.clone());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How well each API is guarded, at `now_ms`.
    #[must_use]
    pub fn guards(&self, now_ms: Option<u64>) -> Vec<Guard> {
        guards(&self.snapshot, now_ms.unwrap_or_else(wall_ms))
    }

    pub(crate) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Scratch stores of its own: nothing of them is anybody else's.
    pub(crate) fn stores(&self) -> Stores<'_> {
        Stores {
            facts: &self.facts,
            counters: &self.counters,
            proofs: &self.proofs,
            sightings: &self.sightings,
            places: &self.places,
            stays: false,
            introspections: None,
            broker: None,
            plugins: self.plugins.as_deref().zip(self.snapshot.plugins.as_ref()),
        }
    }

    /// Judges a request.
    #[must_use]
    pub fn evaluate(&self, question: &Question) -> Explanation {
        let listener = self.listener(question.listener.as_deref());
        let headers: Vec<(&[u8], &[u8])> = question
            .headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let told = Told {
            method: question.method.as_bytes(),
            target: question.target.as_bytes(),
            headers: &headers,
            length: question.body.as_ref().map(Vec::len),
            old: false,
        };
        match Head::read(&told, &listener.limits) {
            Ok(head) => self.judge(question, &head, &listener),
            Err(reason) => self.malformed(question, reason),
        }
    }

    fn listener(&self, name: Option<&str>) -> CompiledListener {
        let listeners = &self.snapshot.listeners;
        let named = name.and_then(|name| listeners.iter().find(|listener| &*listener.name == name));
        match named.or_else(|| listeners.first()) {
            Some(listener) => (**listener).clone(),
            None => CompiledListener::offline(),
        }
    }

    fn judge(&self, question: &Question, head: &Head, listener: &CompiledListener) -> Explanation {
        let arrival = Arrival {
            version: http::Version::HTTP_11,
            method: &head.method,
            target: &head.target,
            host: head.host(),
            headers: &head.headers,
            content_length: head
                .headers
                .get(CONTENT_LENGTH)
                .and_then(|length| length.to_str().ok()?.parse().ok()),
            body: question.body.as_ref().is_some_and(|body| !body.is_empty()),
            peer: peer(question.peer, listener),
            id: "",
            certificate: question.certificate.as_deref(),
            listener,
        };
        let now_ms = question.now_ms.unwrap_or_else(wall_ms);
        let mut judgement = Judgement::default();
        let mut judging = Judging::new(&self.snapshot, arrival, now_ms, &mut judgement);
        judging.complete(&|need| match need {
            Need::Content(gather) => Answers::content(gather, question.body.as_deref()),
            Need::Order(order) if order.goods == Goods::Device && question.device.is_some() => {
                let said = question.device.as_deref().unwrap_or_default();
                Answers::Brought(Brought::Got(said.into()))
            }
            Need::Decision(asked) if question.decision.is_some() => {
                let said = asked
                    .point
                    .stated(question.decision.as_deref().unwrap_or_default());
                Answers::Decision(match said {
                    Ok(said) => decide::Heard::Said(said.into()),
                    Err(silent) => decide::Heard::Silent(silent),
                })
            }
            Need::Seat(seats) if question.others > 0 => {
                let full = seats.full(question.others, now_ms);
                Answers::Seated(seats, full)
            }
            need => answer(&self.stores(), false, need, now_ms),
        });
        let (method, host, path, query) = judging.normal();
        let request = Normal {
            method: method.to_string(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            rewritten: false,
        };
        let api = judging.api();
        let enough = judging.enough();
        let (mut seen, mut scans) = (None, Vec::new());
        if let (End::Forward, Some(api), Some(body)) = (&judgement.end, api, &question.body) {
            (seen, scans) = watch(&mut judgement, api, body);
        }
        let inspecting = judgement.inspecting.as_ref();
        let seen = seen.or_else(|| inspecting.map(|inspecting| inspecting.told()));
        let rewritten = judgement.rewritten.is_some();
        let upstream = judgement
            .upstream
            .and_then(|upstream| self.snapshot.upstreams.get(upstream));
        let (verdict, status, reason) = match &judgement.end {
            End::Forward => ("allow", None, None),
            End::Respond(response) => ("respond", Some(response.status().as_u16()), None),
            End::Refuse(denial) => (
                "deny",
                Some(denial.status()),
                Some(self.why(denial, judgement.decided)),
            ),
        };
        Explanation {
            request: Normal {
                rewritten,
                ..request
            },
            route: api.zip(judgement.matched).map(|(api, matched)| Route {
                api: api.name.to_string(),
                route: api.route.as_deref().map(str::to_owned),
                conditions: api.conditions.to_string(),
                pattern: self.snapshot.router.pattern(matched).to_owned(),
                span: self.place(api.span),
                version: self.version(api, &judgement),
                operation: self.operation(api, &judgement),
            }),
            steps: api.map_or_else(Vec::new, |api| {
                let entries = judgement.trace.entries(api);
                let entries = entries.zip(&api.steps);
                let shown = entries.enumerate().map(|(number, (entry, step))| Shown {
                    grounds: judgement.grounds_of(number),
                    enough: enough
                        .iter()
                        .filter(|(step, _)| *step == number)
                        .flat_map(|(_, grounds)| grounds.clone())
                        .collect(),
                    ..self.shown(&entry, step)
                });
                shown.collect()
            }),
            verdict,
            status,
            reason,
            errors: judgement.errors.iter().map(ToString::to_string).collect(),
            identity: judgement.identity.as_ref().map(|identity| Who {
                proved_by: identity.proved_by,
                credential: identity.credential.to_string(),
                owner: identity.owner.to_string(),
                app: identity.app.as_ref().map(ToString::to_string),
            }),
            upstream: upstream
                .filter(|_| verdict == "allow")
                .map(|upstream| Target {
                    name: upstream.name.to_string(),
                    chosen_by: judgement.chosen_by.as_str(),
                    shares: api.map_or_else(Vec::new, |api| self.shares(api)),
                    mirror: api.and_then(|api| self.mirror(api, &head.method)),
                    targets: upstream.targets.iter().map(ToString::to_string).collect(),
                    target: judgement
                        .outgoing
                        .as_ref()
                        .map_or_else(|| head.target.clone(), ToString::to_string),
                }),
            location: location(&judgement.end),
            changes: api.map_or_else(Changes::default, |api| Changes::of(api, &judgement, now_ms)),
            waf: seen.filter(Seen::found_any),
            scans,
            client: judgement.client,
            place: Located::of(&self.snapshot.geo, judgement.client),
            bundle: self.snapshot.hash.to_string(),
        }
    }

    fn malformed(&self, question: &Question, reason: ReasonRef) -> Explanation {
        Explanation {
            request: Normal {
                method: question.method.clone(),
                host: String::new(),
                path: question.target.clone(),
                query: None,
                rewritten: false,
            },
            route: None,
            steps: Vec::new(),
            verdict: "deny",
            status: Some(reason.status),
            reason: Some(self.why(&reason.into(), None)),
            errors: Vec::new(),
            identity: None,
            upstream: None,
            location: None,
            changes: Changes::default(),
            waf: None,
            scans: Vec::new(),
            client: question.peer,
            place: Located::of(&self.snapshot.geo, question.peer),
            bundle: self.snapshot.hash.to_string(),
        }
    }

    fn why(&self, denial: &Denial, span: Option<Span>) -> Why {
        Why {
            code: denial.reason.code,
            own: denial.own.as_ref().map(|own| own.code.to_string()),
            title: denial.reason.title,
            room: denial.reason.room,
            advice: denial.reason.advice,
            detail: denial.detail.as_ref().map(ToString::to_string),
            span: span.map(|span| self.place(span)),
        }
    }

    fn shown(&self, entry: &Entry, step: &Step) -> Shown {
        let verdict = serde_json::to_value(entry.outcome).ok();
        Shown {
            policy: entry.policy,
            part: entry.part,
            names: step.policy.names(),
            phase: phase(entry.policy, entry.part),
            verdict: verdict
                .and_then(|word| word.as_str().map(str::to_owned))
                .unwrap_or_default(),
            reason: entry.reason.map(|reason| reason.code),
            grounds: Vec::new(),
            enough: Vec::new(),
            span: self.place(entry.span),
        }
    }

    /// The upstreams among which the API chooses, each with its weight.
    fn shares(&self, api: &CompiledApi) -> Vec<Share> {
        let Forwarding::Split(split) = &api.forwarding else {
            return Vec::new();
        };
        split
            .shares()
            .filter_map(|(upstream, weight)| {
                let upstream = self.snapshot.upstreams.get(upstream)?;
                Some(Share {
                    upstream: upstream.name.to_string(),
                    weight,
                })
            })
            .collect()
    }

    /// What gets a copy of a request with this method.
    fn mirror(&self, api: &CompiledApi, method: &Method) -> Option<Share> {
        let mirror = api.mirror.as_ref()?;
        let upstream = self.snapshot.upstreams.get(mirror.upstream)?;
        mirror.is_for(method).then(|| Share {
            upstream: upstream.name.to_string(),
            weight: mirror.share.into(),
        })
    }

    fn version(&self, api: &CompiledApi, judgement: &Judgement) -> Option<Version> {
        let version = api.versions.as_ref()?.get(judgement.version?)?;
        Some(Version {
            name: version.name.to_string(),
            deprecated_ms: version.deprecated_ms,
            sunset_ms: version.sunset_ms,
            span: self.place(version.span),
        })
    }

    fn operation(&self, api: &CompiledApi, judgement: &Judgement) -> Option<Operation> {
        let document = api.document(judgement.version)?;
        let operation = document.operation(judgement.operation?)?;
        Some(Operation {
            name: operation.name.to_string(),
            method: operation.method.to_string(),
            path: operation.path.to_string(),
            span: self.place(operation.span),
        })
    }

    fn place(&self, span: Span) -> Place {
        let file = self
            .snapshot
            .sources
            .get(span.file as usize)
            .cloned()
            .unwrap_or_default();
        Place {
            file,
            line: span.line,
            column: span.column,
        }
    }
}

/// Shows the body to those who watch it; what looked for attacks tells what it
/// found, and what of it would be scanned.
fn watch(judgement: &mut Judgement, api: &CompiledApi, body: &[u8]) -> (Option<Seen>, Vec<Scans>) {
    let (mut seen, mut scans) = (None, Vec::new());
    let inspecting = judgement.inspecting.as_ref();
    let scanning = inspecting.and_then(|inspecting| inspecting.scanning.clone());
    judgement.watch_inspected(!body.is_empty(), true);
    let body = Bytes::copy_from_slice(body);
    for mut watcher in std::mem::take(&mut judgement.watchers) {
        let chunks = (0..body.len())
            .step_by(CHUNK)
            .map(|at| body.slice(at..body.len().min(at + CHUNK)));
        let machine = &mut watcher.machine;
        let mut verdicts: Vec<BodyVerdict> = chunks.map(|chunk| machine.on_chunk(&chunk)).collect();
        verdicts.push(machine.on_end());
        if let Some(inspection) = machine.inspection() {
            seen = Some(Seen::of(inspection));
            let scanning = scanning.iter();
            scans = scanning
                .flat_map(|scanning| Scans::of(scanning, inspection, &body))
                .collect();
        }
        let refused = verdicts.into_iter().find_map(|verdict| match verdict {
            BodyVerdict::Deny(denial) => Some(denial),
            _ => None,
        });
        let Some(denial) = refused else {
            continue;
        };
        let outcome = if watcher.enforced {
            Outcome::Deny
        } else {
            Outcome::ObserveDeny
        };
        judgement.trace.revise(watcher.step, outcome, denial.reason);
        if watcher.enforced {
            judgement.decided = api.steps.get(watcher.step).map(|step| step.span);
            judgement.end = End::Refuse(denial);
            return (seen, Vec::new());
        }
    }
    (seen, scans)
}

/// When a policy, or this part of it, runs.
fn phase(policy: &str, part: &str) -> &'static str {
    pipeline::ORDER
        .get(pipeline::position(policy, part))
        .map_or("", |place| place.phase)
}

/// Whoever asks from this machine has no address, where the listener is in the file system.
fn peer(said: IpAddr, listener: &CompiledListener) -> IpAddr {
    let said = said.to_canonical();
    if said.is_loopback() && listener.address.network().is_none() {
        return NO_ADDRESS;
    }
    said
}

#[cfg(test)]
mod tests;
