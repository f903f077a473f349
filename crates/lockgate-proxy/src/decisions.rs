//! Decision points elsewhere: each is asked once for all who want to know the same, over an
//! upstream's own connections, and its answer is believed for as long as the configuration says.
//!
//! What was said belongs to the snapshot: another bundle asks anew. A question is a task of its
//! own, so that who else waits for it hears the answer when the first client is gone.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Method, Request};
use lockgate_policy::decide::{
    Heard, Point, Question, Said, Silent, ANSWER_BYTES, MALFORMED, OVERLOADED, SLOW, UNAVAILABLE,
};
use lockgate_policy::jwt::{Memo, Remembered, TokenCache};
use lockgate_wire::headers::remove_look_alikes;
use tokio::time::{timeout, Instant};

use crate::body::RequestBody;
use crate::flights::{Flights, Hearing};
use crate::net::ConnectionState;
use crate::reasons;
use crate::snapshot::{CompiledListener, CompiledUpstream, Snapshot};
use crate::upstream::{Failure, Link};
use crate::worker::Worker;

mod counts;

pub use counts::Counts;

/// Memory for what was said, bytes: some ten thousand answers of common size.
const KNOWN_BYTES: usize = 16 * 1024 * 1024;
/// Questions under way at a time, of the whole process: each holds a connection, and whoever
/// comes on top of that many would only wait for the deadline to pass.
const UNDER_WAY: usize = 1024;
/// How much longer than `cache` the word of before counts for what is open and has asked anew.
const OPEN_MS: u64 = 30_000;

/// How long an answer counts at least for what is open: that is looked at twice a second, and there may be
/// thousands of it.
const AGAIN_MS: u64 = 2_000;

/// Where a question comes from.
type From<'a> = (&'a ConnectionState, &'a Arc<CompiledListener>);
type Mark = [u8; 32];

/// What decision points have said, and what they are being asked.
#[derive(Debug)]
pub struct Decisions {
    known: TokenCache<(u64, Arc<Said>)>,
    flights: Mutex<Flights<Mark, (), Heard>>,
}

impl Default for Decisions {
    fn default() -> Self {
        Self {
            known: TokenCache::bounded(KNOWN_BYTES),
            flights: Mutex::new(Flights::bounded(UNDER_WAY)),
        }
    }
}

/// What became of putting a question.
enum Begun {
    /// The answer is known.
    Known(Arc<Said>),
    /// Somebody has put it.
    Joined(Hearing<Heard>),
    /// It is to be put.
    New(Hearing<Heard>),
    /// Too many are under way.
    Full,
}

impl Decisions {
    /// An answer is believed that is no older than `most_ms`.
    fn begin(&self, question: &Question, most_ms: u64, now_ms: u64) -> Begun {
        let (mark, point) = (question.mark, &question.point);
        if let Some(said) = self.find(&mark, most_ms, now_ms) {
            return Begun::Known(said);
        }
        let now = std::time::Instant::now();
        let mut flights = self.lock();
        if let Some(hearing) = flights.join(&mark, now) {
            return Begun::Joined(hearing);
        }
        // It may have been answered since it was looked for.
        if let Some(said) = self.find(&mark, most_ms, now_ms) {
            return Begun::Known(said);
        }
        match flights.begin(mark, (), point.deadline, now) {
            Some(hearing) => Begun::New(hearing),
            None => Begun::Full,
        }
    }

    /// What was said no longer ago than that.
    fn find(&self, mark: &Mark, most_ms: u64, now_ms: u64) -> Option<Arc<Said>> {
        if most_ms == 0 {
            return None;
        }
        let (heard_ms, said) = self.known.find(&memo(mark))?.value;
        (now_ms < heard_ms.saturating_add(most_ms)).then_some(said)
    }

    fn keep(&self, mark: &Mark, point: &Point, said: &Arc<Said>, (asked_ms, now_ms): (u64, u64)) {
        let known = Remembered {
            value: (asked_ms, Arc::clone(said)),
            until_ms: asked_ms.saturating_add(point.cache_ms + OPEN_MS),
            checked: 0,
        };
        self.known.keep(memo(mark), &known, said.weight(), now_ms);
    }

    // A panic while it was held leaves a table that is whole: each change is one insert.
    fn lock(&self) -> MutexGuard<'_, Flights<Mark, (), Heard>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn memo(mark: &Mark) -> Memo {
    Memo {
        token: *mark,
        rules: 0,
        keys: 0,
    }
}

/// Asks a decision point, and waits for its answer no longer than its deadline.
pub async fn ask(
    worker: &Rc<Worker>,
    snapshot: &Rc<Arc<Snapshot>>,
    from: From<'_>,
    question: Question,
) -> Heard {
    let Some(decisions) = &snapshot.decisions else {
        return Heard::Silent(Silent::new(&UNAVAILABLE, "this bundle asks nobody"));
    };
    let point = Arc::clone(&question.point);
    let counts = &worker.metrics.all().decisions;
    let now_ms = worker.clock.coarse_ms();
    let mark = question.mark;
    let mut hearing = match decisions.begin(&question, point.cache_ms, now_ms) {
        Begun::Known(said) => {
            counts.known(point.name());
            return Heard::Said(said);
        }
        Begun::Joined(hearing) => hearing,
        Begun::New(hearing) => {
            let kept = question.point.cache_ms > 0;
            put(worker, snapshot, from, question, kept);
            hearing
        }
        Begun::Full => {
            let silent = Silent::new(&OVERLOADED, format!("{UNDER_WAY} questions are under way"));
            counts.heard(point.name(), &Err(silent.clone()), Duration::ZERO);
            return Heard::Silent(silent);
        }
    };
    let heard = match timeout(point.deadline, hearing.changed()).await {
        Ok(_) => hearing.borrow().clone(),
        Err(_) => None,
    };
    heard.unwrap_or_else(|| {
        decisions.lock().give_up(&mark, std::time::Instant::now());
        Heard::Silent(slow(&point))
    })
}

/// As [`ask`], for who waits for nobody: the answer is there the next time, and until then the word of before counts.
#[must_use]
pub fn meanwhile(
    worker: &Rc<Worker>,
    snapshot: &Rc<Arc<Snapshot>>,
    from: From<'_>,
    question: Question,
) -> Heard {
    let Some(decisions) = &snapshot.decisions else {
        return Heard::Silent(Silent::new(&UNAVAILABLE, "this bundle asks nobody"));
    };
    let (mark, point) = (question.mark, Arc::clone(&question.point));
    let now_ms = worker.clock.coarse_ms();
    let fresh_ms = point.cache_ms.max(AGAIN_MS);
    match decisions.begin(&question, fresh_ms, now_ms) {
        Begun::Known(said) => return Heard::Said(said),
        Begun::New(_) => put(worker, snapshot, from, question, true),
        Begun::Joined(_) | Begun::Full => {}
    }
    let before = decisions.find(&mark, fresh_ms + OPEN_MS, now_ms);
    before.map_or(Heard::Later, Heard::Said)
}

/// Puts a question, and waits for nothing.
// The snapshot as the exchange holds it: see there.
#[allow(clippy::redundant_allocation)]
fn put(
    worker: &Rc<Worker>,
    snapshot: &Rc<Arc<Snapshot>>,
    (state, listener): From<'_>,
    question: Question,
    kept: bool,
) {
    let now_ms = worker.clock.coarse_ms();
    let (peer, port) = (state.source.peer, state.source.port);
    let own = ConnectionState::new(peer, listener, port, now_ms);
    let (worker, snapshot) = (Rc::clone(worker), Rc::clone(snapshot));
    tokio::task::spawn_local(async move {
        let begun = Instant::now();
        let point = &question.point;
        let asking = exchange(&worker, &snapshot, &own, &question);
        let answered = timeout(point.deadline, asking).await;
        let answered = answered.unwrap_or_else(|_| Err(slow(point)));
        let counts = &worker.metrics.all().decisions;
        counts.heard(point.name(), &answered, begun.elapsed());
        let Some(decisions) = &snapshot.decisions else {
            return;
        };
        let heard = match answered {
            Ok(said) => {
                let said = Arc::new(said);
                if kept {
                    let times = (now_ms, worker.clock.coarse_ms());
                    // Before it lands: whoever finds no question under way finds the answer.
                    decisions.keep(&question.mark, point, &said, times);
                }
                Heard::Said(said)
            }
            Err(silent) => Heard::Silent(silent),
        };
        let flight = decisions.lock().take(&question.mark);
        if let Some(flight) = flight {
            flight.land(heard);
        }
    });
}

fn slow(point: &Point) -> Silent {
    let within = point.deadline.as_millis();
    Silent::new(&SLOW, format!("it did not answer within {within} ms"))
}

/// One question, and its answer.
async fn exchange(
    worker: &Worker,
    snapshot: &Snapshot,
    state: &ConnectionState,
    question: &Question,
) -> Result<Said, Silent> {
    let Some(upstream) = snapshot.upstreams.get(question.point.upstream) else {
        return Err(Silent::new(&UNAVAILABLE, "its upstream is gone"));
    };
    let mut again = true;
    loop {
        let request = request(upstream, question, worker.clock.coarse_ms() / 1000)?;
        let pools = &worker.pools;
        let asked = pools.exchange(upstream, state, request, Vec::new(), state.source.peer);
        match asked.await {
            Ok((head, link)) => {
                let status = head.status.as_u16();
                let headers = head.fields.map().ok_or_else(|| {
                    Silent::new(&MALFORMED, "the head of its answer cannot be read")
                })?;
                let body = whole(link, worker, upstream).await?;
                return question.point.read(status, &headers, &body);
            }
            // A question changes nothing, so a connection that was closing as it was used again is
            // no reason to refuse: once.
            Err(failure) if again && failure.reason == Some(&reasons::RESET) => again = false,
            Err(failure) => return Err(silent(failure)),
        }
    }
}

/// The question as its upstream gets it.
fn request(
    upstream: &CompiledUpstream,
    question: &Question,
    now_s: u64,
) -> Result<Request<RequestBody>, Silent> {
    let body = match question.body.is_empty() {
        true => RequestBody::empty(),
        false => RequestBody::kept(question.body.clone()),
    };
    let mut request = Request::new(body);
    *request.method_mut() = question.method.clone();
    *request.uri_mut() = question.target.clone().into();
    let headers = request.headers_mut();
    headers.clone_from(&question.headers);
    if !matches!(question.method, Method::GET | Method::HEAD) {
        headers.insert(CONTENT_LENGTH, question.body.len().into());
    }
    let host = upstream.targets.first().map(|target| target.authority());
    let host = host.and_then(|host| HeaderValue::try_from(host).ok());
    headers.extend(host.map(|host| (HOST, host)));
    prove(headers, upstream, question, now_s)?;
    Ok(request)
}

/// Proves the gate to the decision point, and tells it who calls where it wants that said so.
fn prove(
    headers: &mut HeaderMap,
    upstream: &CompiledUpstream,
    question: &Question,
    now_s: u64,
) -> Result<(), Silent> {
    if let Some(assertion) = &upstream.assertion {
        if !assertion.make(headers, question.identity.as_ref(), now_s) {
            return Err(Silent::new(&UNAVAILABLE, "nothing could be signed for it"));
        }
    }
    if let Some(secret) = &upstream.credential {
        let value = secret.value.clone().ok_or_else(|| {
            Silent::new(&UNAVAILABLE, "the credential of its upstream is not there")
        })?;
        remove_look_alikes(headers, &secret.header);
        headers.insert(secret.header.clone(), value);
    }
    Ok(())
}

/// The whole of an answer's body; its connection rests then.
async fn whole(
    mut link: Box<Link>,
    worker: &Worker,
    upstream: &CompiledUpstream,
) -> Result<Bytes, Silent> {
    let mut body = BytesMut::new();
    while !link.is_over() {
        match poll_fn(|cx| link.poll_body(cx)).await {
            None => break,
            Some(Ok(frame)) => {
                let piece = frame.data_ref().map_or(&[][..], |piece| piece);
                if body.len() + piece.len() > ANSWER_BYTES {
                    let cause = format!("its answer is longer than {ANSWER_BYTES} bytes");
                    return Err(Silent::new(&MALFORMED, cause));
                }
                body.extend_from_slice(piece);
            }
            Some(Err(_)) => return Err(Silent::new(&UNAVAILABLE, "its answer broke off")),
        }
    }
    worker.pools.rest(link, upstream.timeouts.keep_alive_ms);
    Ok(body.freeze())
}

fn silent(failure: Failure) -> Silent {
    let code = failure
        .reason
        .map_or("upstream-reset", |reason| reason.code);
    let late = failure.reason.is_some_and(|reason| reason.status == 504);
    let why = failure
        .why
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    let reason = if late { &SLOW } else { &UNAVAILABLE };
    Silent::new(reason, format!("{code}{why}"))
}

#[cfg(test)]
mod tests;
