//! One request and its answer, from the first byte to the event. The event is
//! written when this is dropped, so that it always is: after an answer, a
//! refusal, a client that went away, or a panic.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{HOST, USER_AGENT};
use http::uri::Uri;
use http::{HeaderMap, HeaderValue, Method};
use lockgate_policy::{Denial, Own, Place, ReasonRef};

use crate::bundle::Timeouts;
use crate::continuous::Continuous;
use lockgate_waf::engine::Progress;
use lockgate_wire::grpc;
use lockgate_wire::headers::trace::TraceParent;

use crate::events::{blotted, blotted_text, AccessRecord, DeviceRecord, SpanRecord, VerdictRecord};
use crate::grpc::answered_in;
use crate::id::RequestId;
use crate::judge::{Judgement, Seen};
use crate::metrics::OperationMetrics;
use crate::net::ConnectionState;
use crate::operations::Operation;
use crate::reasons;
use crate::snapshot::{CompiledApi, CompiledListener, Forwarding, Snapshot, Target};
use crate::trace::{self, Outcome};
use crate::worker::Worker;

/// One request and its answer.
pub struct Exchange {
    worker: Rc<Worker>,
    /// What the request is judged by, from its first byte to its last.
    pub snapshot: Rc<Arc<Snapshot>>,
    /// The connection that it came over.
    pub state: Rc<ConnectionState>,
    /// Where it arrived.
    pub listener: Arc<CompiledListener>,
    /// Its id, in events, answers and for the upstream.
    pub id: RequestId,
    started_us: u64,
    started_ms: u64,
    method: Method,
    text: Text,
    /// What the gate read in place of a head that it refused.
    pub malformed: bool,
    /// What was decided of it.
    pub judgement: Judgement,
    /// Status of the answer.
    pub status: u16,
    /// Why the gate answered, where it did.
    pub reason: Option<ReasonRef>,
    /// What a plugin calls its refusal, where one refused.
    pub own: Option<Box<Own>>,
    /// The upstream's server.
    pub target: Option<Arc<Target>>,
    /// From the request's head to the answer's, microseconds.
    upstream_us: Option<u64>,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// The answer is whole.
    pub complete: bool,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
    /// Which of gRPC's protocols its answer is in, if any.
    pub grpc: Option<grpc::Protocol>,
    /// The number of who was shut out by then, when it was last looked whether it is the caller.
    shut: u64,
    /// What it is judged by again, as long as it is under way.
    pub continuous: Continuous,
    /// Why who called was let in no more, where it was ended for that.
    pub ended: Option<ReasonRef>,
}

impl Exchange {
    /// Begins with a head.
    #[must_use]
    pub fn begin(
        worker: Rc<Worker>,
        snapshot: Rc<Arc<Snapshot>>,
        state: Rc<ConnectionState>,
        listener: Arc<CompiledListener>,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
    ) -> Box<Self> {
        let started_us = worker.clock.precise_us();
        let started_ms = worker.clock.coarse_ms();
        state.active.set(state.active.get() + 1);
        state.body.begin();
        state.look_from(started_ms);
        let judgement = Judgement {
            client: state.source.peer,
            ..Judgement::default()
        };
        let grpc = grpc::request(method, headers).map(|sent| answered_in(sent.protocol, headers));
        if grpc.is_some() {
            state.stream_from(started_ms);
        }
        Box::new(Self {
            id: worker.ids.next(started_ms),
            shut: worker.shared.facts.shut(),
            continuous: Continuous::default(),
            ended: None,
            worker,
            snapshot,
            state,
            listener,
            started_us,
            started_ms,
            method: method.clone(),
            text: Text::of(uri, headers),
            malformed: false,
            judgement,
            status: 0,
            reason: None,
            own: None,
            target: None,
            upstream_us: None,
            bytes_out: 0,
            complete: false,
            trace: None,
            grpc,
        })
    }

    /// The worker that serves it.
    #[must_use]
    pub const fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// When it began, milliseconds since the epoch.
    #[must_use]
    pub const fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// How long ago it began, microseconds.
    #[must_use]
    pub fn age_us(&self) -> u64 {
        let now_us = self.worker.clock.precise_us();
        now_us.saturating_sub(self.started_us)
    }

    /// Takes in what a policy said of the body, once it was on its way. A
    /// refusal comes back if it held.
    pub fn hear_body(&mut self) -> Option<Denial> {
        let said = self.state.body.refused.take()?;
        let outcome = if said.enforced {
            Outcome::Deny
        } else {
            Outcome::ObserveDeny
        };
        let judgement = &mut self.judgement;
        judgement
            .trace
            .revise(said.step, outcome, said.denial.reason);
        if !said.enforced {
            return None;
        }
        let api = self.snapshot.apis.get(judgement.matched?.api)?;
        judgement.decided = api.steps.get(said.step).map(|step| step.span);
        Some(said.denial)
    }

    /// Whether the caller was let in, and would not be any more: its credential was revoked
    /// since. Looks only where somebody's was.
    pub(crate) fn shut_out(&mut self) -> bool {
        let facts = &self.worker.shared.facts;
        let shut = facts.shut();
        if std::mem::replace(&mut self.shut, shut) == shut {
            return false;
        }
        let now_ms = self.worker.clock.coarse_ms();
        let identity = self.judgement.identity.as_ref();
        let enforced = self.api().is_some_and(|api| api.authenticates(now_ms));
        enforced && identity.is_some_and(|identity| facts.shuts_out(identity, now_ms))
    }

    /// The answer cannot be completed.
    pub fn broke_off(&mut self, reason: ReasonRef) {
        self.reason = Some(reason);
    }

    /// Who called is let in no more, and the rest of the answer is not sent; what is said of it where anything
    /// can be said.
    pub fn end(&mut self, denial: &Denial) -> Denial {
        let reason = match denial.status() {
            401 => &reasons::CREDENTIAL_ENDED,
            _ => &reasons::ACCESS_ENDED,
        };
        self.broke_off(reason);
        Denial::new(reason).detail(format!(
            "{} ({})",
            denial.reason.title.trim_end_matches('.'),
            denial.reason.code
        ))
    }

    /// Its answer has no end that is known: it is judged again from now on.
    pub fn streams(&self) {
        self.state.stream_from(self.worker.clock.coarse_ms());
    }

    /// The method that it came with.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The upstream's answer began.
    pub fn answered(&mut self) {
        if self.snapshot.events.access {
            let now_us = self.worker.clock.precise_us();
            self.upstream_us = Some(now_us.saturating_sub(self.started_us));
        }
    }

    /// Whether the client asks for the head of an answer alone.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// The API that the request was routed to.
    #[must_use]
    pub fn api(&self) -> Option<&CompiledApi> {
        self.snapshot.apis.get(self.judgement.matched?.api)
    }

    fn version(&self) -> Option<&str> {
        let versions = self.api()?.versions.as_ref()?;
        Some(&*versions.get(self.judgement.version?)?.name)
    }

    /// The operation that it is, and what is counted of it.
    fn operation(&self) -> Option<(&Operation, &OperationMetrics)> {
        let document = self.api()?.document(self.judgement.version)?;
        let number = self.judgement.operation?;
        let metrics = document.metrics.get(number as usize)?;
        Some((document.operation(number)?, metrics))
    }

    /// The timeouts of the upstream that it went to.
    #[must_use]
    pub fn upstream_times(&self) -> Timeouts {
        let upstream = self
            .judgement
            .upstream
            .and_then(|upstream| self.snapshot.upstreams.get(upstream));
        upstream
            .map(|upstream| upstream.timeouts)
            .unwrap_or_default()
    }

    fn close(&mut self) {
        let _ = self.hear_body();
        if let Some(inspecting) = &mut self.judgement.inspecting {
            while inspecting.inspection.end() == Progress::More {}
        }
        if std::thread::panicking() {
            self.status = 500;
            self.reason = Some(&reasons::INTERNAL_PANIC);
        } else if !self.complete && self.reason.is_none() {
            self.reason = Some(self.state.gone());
        }
        if let Some((key, bounds)) = self.judgement.sighting.take() {
            // Not there any more, not there, or not for the caller: whoever says so.
            if matches!(self.status, 403 | 404 | 410) {
                let sightings = &self.worker.shared.sightings;
                sightings.refuse(key, bounds, self.worker.clock.coarse_ms());
            }
        }
        if let Some(seats) = self.judgement.seats.take() {
            let places = &self.worker.shared.places;
            places.leave(&seats, self.worker.clock.coarse_ms());
        }
        self.state
            .active
            .set(self.state.active.get().saturating_sub(1));
        self.state.upstream_until(0);
        self.state.look_no_more();
        self.state.rest(self.worker.clock.coarse_ms());
    }

    fn path(&self) -> &str {
        let path = match &self.judgement.rewritten {
            Some(rewritten) => rewritten,
            None => self.text.path(),
        };
        path.split_once('?').map_or(path, |(path, _)| path)
    }

    fn write(&self, took_us: u64) {
        let refused = self
            .reason
            .is_some_and(|reason| reason != &reasons::CLIENT_GONE);
        if !refused && !self.snapshot.events.access {
            return;
        }
        let api = self.api();
        let mut verdicts = [VerdictRecord {
            policy: "",
            outcome: Outcome::Allow,
            reason: None,
        }; trace::MAX];
        let mut count = 0;
        if let Some(api) = api {
            for (verdict, entry) in verdicts.iter_mut().zip(self.judgement.trace.entries(api)) {
                *verdict = VerdictRecord {
                    policy: entry.policy,
                    outcome: entry.outcome,
                    reason: entry.reason.map(|reason| reason.code),
                };
                count += 1;
            }
        }
        let trace_hex = self.trace.as_ref().map(TraceParent::trace_hex);
        // A credential in the wrong place is a secret all the same.
        let (host, path) = if self.malformed {
            (Cow::Borrowed(""), Cow::Borrowed(""))
        } else {
            (blotted_text(self.text.host()), blotted_text(self.path()))
        };
        let user_agent = self.text.user_agent().map(blotted);
        let judged = &self.judgement;
        let known = judged.identity.as_ref().or(judged.known.as_deref());
        let found = judged
            .inspecting
            .as_ref()
            .map(|inspecting| inspecting.told());
        let place = judged.place(&self.snapshot.geo);
        let device = judged.device.as_deref();
        let signals = device.map(|standing| standing.signals().collect::<Vec<_>>());
        // Names that a client chose.
        let dropped = judged.dropped.as_deref().map(blotted_text);
        let record = AccessRecord {
            country: place.as_deref().and_then(Place::code),
            network: place.as_deref().and_then(|place| place.network),
            device: device.map(|standing| DeviceRecord {
                id: &standing.id,
                signals: signals.as_deref().unwrap_or_default(),
            }),
            app: known.and_then(|identity| identity.app.as_deref()),
            ended: self.ended.map(|reason| reason.code),
            risk: judged.risk.as_deref().map(|score| score.points),
            grounds: &judged.grounds,
            dropped: dropped.as_deref(),
            noted: judged.noted.as_deref(),
            waf: found.as_ref().and_then(Seen::record),
            at_ms: self.started_ms,
            id: self.id.as_str(),
            method: if self.malformed {
                ""
            } else {
                self.method.as_str()
            },
            host: &host,
            path: &path,
            listener: &self.listener.name,
            api: api.map(|api| &*api.name),
            route: self
                .judgement
                .matched
                .map(|matched| self.snapshot.router.pattern(matched)),
            version: self.version(),
            operation: self.operation().map(|(operation, _)| &*operation.name),
            own: self.own.as_deref().map(|own| &*own.code),
            peer: self.judgement.client,
            key: known.map(|identity| &*identity.credential),
            identity: known.map(|identity| &*identity.owner),
            secret: judged.previous_secret.then_some("previous"),
            status: self.status,
            reason: self.reason.map(|reason| reason.code),
            room: self.reason.map(|reason| reason.room),
            span: self.judgement.decided.map(|span| SpanRecord {
                file: self
                    .snapshot
                    .sources
                    .get(span.file as usize)
                    .map_or("", String::as_str),
                line: span.line,
                column: span.column,
            }),
            verdicts: &verdicts[..count],
            bytes_in: self.state.body.bytes.get(),
            bytes_out: self.bytes_out,
            took_us,
            upstream_us: self.upstream_us,
            // Where the API's name says it already, it is not written again for each request.
            upstream: judged
                .upstream
                .filter(|upstream| {
                    let alone = api.is_some_and(|api| {
                        api.route.is_none()
                            && matches!(api.forwarding, Forwarding::One(only) if only == *upstream)
                    });
                    self.target.is_some() && !alone
                })
                .and_then(|upstream| self.snapshot.upstreams.get(upstream))
                .map(|upstream| &*upstream.name),
            target: self.target.as_deref().map(Target::as_str),
            bundle: &self.snapshot.hash,
            trace: trace_hex
                .as_ref()
                .and_then(|hex| std::str::from_utf8(hex).ok()),
            worker: self.worker.number,
            user_agent: user_agent.as_deref(),
            protocol: self.state.source.protocol(),
            tls: self.state.source.tls().map(|secured| secured.version),
            ja4: self
                .state
                .source
                .tls()
                .and_then(|secured| secured.ja4.as_deref()),
            http2: self.state.source.http2(),
            header_order: judged
                .program
                .as_ref()
                .filter(|_| self.snapshot.events.header_order)
                .and_then(|program| program.header_order.as_deref()),
        };
        if refused {
            self.worker.sink.security(&record);
        } else {
            self.worker.sink.access(&record);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close();
        let took_us = self
            .worker
            .clock
            .precise_us()
            .saturating_sub(self.started_us);
        let api = self.api();
        self.worker.metrics.request(
            api,
            self.status,
            self.reason,
            took_us,
            self.state.body.bytes.get(),
            self.bytes_out,
        );
        if let Some((_, metrics)) = self.operation() {
            self.worker.metrics.operation(metrics, self.status);
        }
        if let Some(api) = api {
            self.worker.metrics.verdicts(api, &self.judgement.trace);
        }
        if self.judgement.previous_secret {
            let all = self.worker.metrics.all();
            all.previous_secrets
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        self.write(took_us);
    }
}

/// Host, path and user agent, copied: the head itself is gone once the upstream has it.
#[derive(Debug)]
struct Text {
    bytes: Box<[u8]>,
    host: usize,
    path: usize,
}

impl Text {
    fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let host = headers.get(HOST).map_or(&b""[..], HeaderValue::as_bytes);
        let agent = headers
            .get(USER_AGENT)
            .map_or(&b""[..], HeaderValue::as_bytes);
        let path = uri.path().as_bytes();
        Self {
            bytes: [host, path, agent].concat().into(),
            host: host.len(),
            path: host.len() + path.len(),
        }
    }

    fn host(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.host]).unwrap_or("")
    }

    fn path(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.host..self.path]).unwrap_or("")
    }

    fn user_agent(&self) -> Option<&[u8]> {
        let agent = &self.bytes[self.path..];
        (!agent.is_empty()).then_some(agent)
    }
}
