//! The engine within an application's own process: a middleware asks, and
//! answers for it. What a request is judged by, how it is refused and what is
//! written down of it are the gate's; what a gate does on the way to an
//! upstream (connections, timeouts) is the application's server's.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use aws_lc_rs::{hmac, rand};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use lockgate_policy::{ConfigError, Denial, ReasonRef};
use lockgate_wire::headers::strip_identity;

use crate::body::Chain;
use crate::bundle::Bundle;
use crate::clock::wall_ms;
use crate::compile::{compile, Surroundings};
use crate::events::{EventLog, Options, Sink};
use crate::exchange::{hear, Account};
use crate::facts::{FactError, FactStore};
use crate::gate::{hash, GateError};
use crate::head::{Head, Told};
use crate::id::{Ids, RequestId};
use crate::judge::{answer, Arrival, End, Judgement, Judging};
use crate::metrics::{Metrics, WorkerMetrics};
use crate::net::BodyRefusal;
use crate::reasons;
use crate::respond::{self, X_REQUEST_ID};
use crate::snapshot::{CompiledApi, CompiledListener, Snapshot};
use crate::bundle::WhenStale;

/// The engine, with what requests are judged by at the moment.
pub struct InProcess {
    current: ArcSwap<Snapshot>,
    pepper: Arc<hmac::Key>,
    facts: FactStore,
    metrics: Arc<Metrics>,
    counting: WorkerMetrics,
    writing: Mutex<Writing>,
    log: Option<EventLog>,
}

/// What belongs to one thread at a time.
struct Writing {
    ids: Ids,
    sink: Option<Sink>,
}

/// One request and its answer. Dropped without an end, it was never answered.
pub struct Call {
    engine: Arc<InProcess>,
    snapshot: Arc<Snapshot>,
    listener: CompiledListener,
    id: RequestId,
    began: Instant,
    started_ms: u64,
    /// None where the head broke the framing: what it meant to ask is not known.
    head: Option<Head>,
    judgement: Judgement,
    chain: Chain,
    said: Option<BodyRefusal>,
    reason: Option<ReasonRef>,
    bytes_in: u64,
    written: bool,
}

/// An answer of the engine's own.
pub struct Own {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl InProcess {
    /// An engine for a bundle (not signed). Events go to a folder of its own.
    ///
    /// # Errors
    /// What is wrong with the bundle, or with the folder.
    pub fn start(bundle: &[u8], pepper: &[u8], events: Option<&Path>) -> Result<Arc<Self>, GateError> {
        let mut seed = [0; 16];
        rand::fill(&mut seed)
            .map_err(|_| GateError::State(std::io::Error::other("the system gives no randomness")))?;
        let (pepper, metrics) = (lockgate_policy::api_key::pepper(pepper), Metrics::new(1));
        let snapshot = build(bundle, &pepper, &metrics)?;
        let options = Options {
            node: format!("app-{}", std::process::id()),
            retain_bytes: snapshot.events.retain_bytes,
            ..Options::default()
        };
        let log = events
            .map(|folder| EventLog::start(folder, options))
            .transpose()
            .map_err(GateError::State)?;
        Ok(Arc::new(Self {
            current: ArcSwap::from_pointee(snapshot),
            pepper,
            facts: FactStore::in_memory(),
            counting: WorkerMetrics::new(Arc::clone(&metrics), 0),
            metrics,
            writing: Mutex::new(Writing {
                ids: Ids::new(seed),
                sink: log.as_ref().map(EventLog::sink),
            }),
            log,
        }))
    }

    /// Judges by this bundle from now on; requests that began keep theirs.
    ///
    /// # Errors
    /// What is wrong with it; the one before serves on.
    pub fn load(&self, bundle: &[u8]) -> Result<(), GateError> {
        let snapshot = build(bundle, &self.pepper, &self.metrics)?;
        if let Some(log) = &self.log {
            log.retain(snapshot.events.retain_bytes);
        }
        self.current.store(Arc::new(snapshot));
        Ok(())
    }

    /// Takes facts in, and gives the last one's number.
    ///
    /// # Errors
    /// If one is no fact.
    pub fn apply_facts<B: AsRef<[u8]>>(&self, facts: &[B]) -> Result<u64, FactError> {
        self.facts.apply(facts)
    }

    /// Notes that facts are complete as of now.
    pub fn contact(&self) {
        self.facts.heard(wall_ms());
    }

    /// Numbers for Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut out = String::new();
        self.metrics.write(&mut out);
        out
    }

    /// Brings events to disk.
    pub fn flush(&self) {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sink) = &writing.sink {
            sink.hand_over();
        }
        drop(writing);
        if let Some(log) = &self.log {
            // What the disk refuses is counted and told by the log itself.
            let _ = log.flush();
        }
    }

    /// Judges a request, all but its body. `body` is whether it may have one
    /// though no header says so.
    #[must_use]
    pub fn begin(self: &Arc<Self>, told: &Told<'_>, peer: Option<IpAddr>, body: bool) -> Call {
        let snapshot = self.current.load_full();
        let listener = match snapshot.listeners.first() {
            Some(listener) => CompiledListener::clone(listener),
            None => CompiledListener::offline(),
        };
        let started_ms = wall_ms();
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let id = writing.ids.next(started_ms);
        drop(writing);
        // A caller that has no address is on no list of those who may call.
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.to_canonical());
        let mut call = Call {
            engine: Arc::clone(self),
            snapshot,
            listener,
            id,
            began: Instant::now(),
            started_ms,
            head: None,
            judgement: Judgement {
                client: peer,
                ..Judgement::default()
            },
            chain: Chain::new(Vec::new()),
            said: None,
            reason: None,
            bytes_in: 0,
            written: false,
        };
        match Head::read(told, &call.listener.limits) {
            Ok(head) => call.judge(head, peer, body),
            Err(reason) => call.judgement.end = End::Refuse(reason.into()),
        }
        call
    }

    fn stale(&self, snapshot: &Snapshot, now_ms: u64) -> bool {
        let policy = &snapshot.facts;
        policy.then == WhenStale::Deny && now_ms >= self.facts.heard_ms() + policy.max_age_ms
    }
}

impl Call {
    fn judge(&mut self, head: Head, peer: IpAddr, body: bool) {
        let length = head.headers.get(CONTENT_LENGTH);
        let content_length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let chunked = head.headers.contains_key(http::header::TRANSFER_ENCODING);
        let arrival = Arrival {
            method: &head.method,
            target: &head.target,
            host: head.host(),
            headers: &head.headers,
            content_length,
            body: chunked || content_length.map_or(body, |length| length > 0),
            peer,
            listener: &self.listener,
        };
        let stale = self.engine.stale(&self.snapshot, self.started_ms);
        let mut judging = Judging::new(&self.snapshot, arrival, self.started_ms, &mut self.judgement);
        judging.complete(&|need| answer(&self.engine.facts, stale, need));
        self.chain = Chain::new(std::mem::take(&mut self.judgement.watchers));
        self.head = Some(head);
    }

    /// The request's id.
    #[must_use]
    pub const fn id(&self) -> &RequestId {
        &self.id
    }

    /// What was decided.
    #[must_use]
    pub const fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// The API that the request was routed to.
    #[must_use]
    pub fn api(&self) -> Option<&CompiledApi> {
        self.snapshot.apis.get(self.judgement.matched?.api)
    }

    /// The answer, where the engine gives it.
    pub fn answer(&mut self) -> Option<Own> {
        match std::mem::replace(&mut self.judgement.end, End::Forward) {
            End::Forward => None,
            End::Refuse(denial) => Some(self.refuse(&denial)),
            End::Respond(response) => {
                let (parts, body) = response.into_parts();
                let mut headers = parts.headers;
                self.edit_answer(&mut headers);
                Some(Own {
                    status: parts.status.as_u16(),
                    headers,
                    body: body.into(),
                })
            }
        }
    }

    /// Whether somebody watches the body.
    #[must_use]
    pub fn watches(&self) -> bool {
        !self.chain.is_empty()
    }

    /// Shows a piece of the body, and at the end that nothing more comes. What
    /// is left goes to the application.
    ///
    /// # Errors
    /// The answer that is given instead.
    pub fn body(&mut self, piece: Bytes, end: bool) -> Result<Bytes, Box<Own>> {
        self.bytes_in += piece.len() as u64;
        let passed = if piece.is_empty() {
            Ok(None)
        } else {
            self.chain.pass(piece, &mut self.said)
        };
        let shown = passed.and_then(|passed| {
            let mut left = passed.unwrap_or_default();
            if end {
                let rest = self.chain.end(&mut self.said)?;
                if left.is_empty() {
                    left = rest;
                } else if !rest.is_empty() {
                    left = [left, rest].concat().into();
                }
            }
            Ok(left)
        });
        let heard = self
            .said
            .take()
            .and_then(|said| hear(&self.snapshot, &mut self.judgement, said));
        match (shown, heard) {
            (Ok(left), None) => Ok(left),
            (_, Some(denial)) => Err(Box::new(self.refuse(&denial))),
            // A watcher that refuses says why; without a word there is no going on either.
            (Err(_), None) => Err(Box::new(self.refuse(&(&reasons::CLIENT_GONE).into()))),
        }
    }

    /// The request's fields as the application gets them: without credentials,
    /// and without what only a proxy may say.
    #[must_use]
    pub fn request_headers(&self) -> HeaderMap {
        let Some(head) = &self.head else {
            return HeaderMap::new();
        };
        let mut headers = head.headers.clone();
        let edits = self.api().map_or(&[][..], |api| &api.edits);
        for edit in edits.iter().chain(&self.judgement.edits) {
            edit.apply(&mut headers);
        }
        respond::strip_keys(&mut headers, &self.snapshot.credentials);
        strip_identity(&mut headers, self.listener.trusts(self.judgement.client));
        headers.insert(X_REQUEST_ID, self.id.header());
        headers
    }

    /// Path and query as they were judged, where that is not what arrived.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        let outgoing = self.judgement.outgoing.as_ref();
        outgoing.map(http::uri::PathAndQuery::as_str)
    }

    /// Makes the changes that policies want in the answer, and names the request.
    pub fn edit_answer(&self, headers: &mut HeaderMap) {
        respond::edit(self.api(), &self.judgement, headers);
        headers.insert(X_REQUEST_ID, self.id.header());
    }

    /// The answer ended, or broke off. Written down and counted, once.
    pub fn finish(&mut self, status: u16, bytes_out: u64, complete: bool) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        if !complete && self.reason.is_none() {
            self.reason = Some(&reasons::CLIENT_GONE);
        }
        let took_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let counting = &self.engine.counting;
        let api = self.api();
        counting.request(api, status, self.reason, took_us, self.bytes_in, bytes_out);
        let document = api.and_then(|api| api.openapi.as_ref());
        let operation = document.zip(self.judgement.operation);
        if let Some(cells) = operation.and_then(|(document, number)| document.metrics.get(number as usize)) {
            counting.operation(cells, status);
        }
        counting.all().policy_errors.fetch_add(self.judgement.errors.len() as u64, Ordering::Relaxed);
        let head = self.head.as_ref();
        let agent = head.and_then(|head| head.headers.get(USER_AGENT));
        let account = Account {
            snapshot: &self.snapshot,
            judgement: &self.judgement,
            listener: &self.listener.name,
            id: self.id.as_str(),
            started_ms: self.started_ms,
            method: head.map_or("", |head| head.method.as_str()),
            host: head.map_or("", Head::host),
            path: head.map_or("", |head| head.target.as_str()),
            user_agent: agent.map(HeaderValue::as_bytes),
            malformed: head.is_none(),
            status,
            reason: self.reason,
            bytes_in: self.bytes_in,
            bytes_out,
            took_us,
            upstream_us: None,
            target: None,
            trace: None,
            worker: 0,
        };
        let writing = self.engine.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sink) = &writing.sink {
            account.write(sink);
            sink.flush();
        }
    }

    fn refuse(&mut self, denial: &Denial) -> Own {
        self.reason = Some(denial.reason);
        let mut headers = respond::refusal(denial);
        self.edit_answer(&mut headers);
        Own {
            status: denial.reason.status,
            headers,
            body: respond::problem(&self.snapshot.problem_base, denial, self.id.as_str()),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let status = if self.reason.is_some() { 0 } else { 500 };
        self.finish(status, 0, false);
    }
}

fn build(bundle: &[u8], pepper: &Arc<hmac::Key>, metrics: &Arc<Metrics>) -> Result<Snapshot, GateError> {
    let malformed = |cause: &dyn std::fmt::Display| GateError::Malformed(cause.to_string());
    let text = std::str::from_utf8(bundle).map_err(|cause| malformed(&cause))?;
    let parsed: Bundle = serde_json::from_str(text).map_err(|cause| malformed(&cause))?;
    let around = Surroundings {
        pepper: Arc::clone(pepper),
        // Nothing is forwarded, so no upstream's secret is read.
        secret: &|_| Some(b"in-process".to_vec()),
        metrics: Arc::clone(metrics),
    };
    compile(parsed, &hash(text), &around).map_err(|errors: Vec<ConfigError>| GateError::Config(errors))
}

#[cfg(test)]
mod tests;
