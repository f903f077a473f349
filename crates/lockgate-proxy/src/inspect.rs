//! Bodies that are looked at before they go on: all of what is looked at has
//! arrived by then, so that an upstream never sees a part of what is refused.

mod aside;
mod calls;
mod held;
mod slices;
mod unpacked;

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http_body::Body;
use lockgate_policy::waf::{self, Longer};
use lockgate_policy::{Denial, ReasonRef};
use lockgate_waf::engine::{AnswerHead, Progress};

use crate::body::{Broken, RequestBody};
use crate::exchange::Exchange;
use crate::judge::Inspecting;
use crate::net::BodyRefusal;
use crate::reasons;
use crate::respond::Fields;
use crate::snapshot::Policy;
use crate::trace::Outcome;
use crate::upstream::{Broke, Head, Link};

pub use calls::Calls;
use held::{held, joined};
pub use slices::{slice, Slices};

/// Seconds after which there may be room again: bodies are short.
const RETRY_AFTER_S: u64 = 1;

/// What has arrived of a body.
#[derive(Default)]
struct Gathered {
    bytes: Bytes,
    trailers: Option<HeaderMap>,
    /// Whether there is nothing more to come.
    whole: bool,
}

impl Gathered {
    /// The body, as it goes on; `left` is what has not arrived.
    fn into_body(mut self, left: RequestBody) -> RequestBody {
        if !self.whole {
            return RequestBody::again(self.pieces(), Some(left));
        }
        if let Some(trailers) = self.trailers.take() {
            return RequestBody::again(self.pieces(), Some(RequestBody::ended(trailers)));
        }
        // All of it is here, so that its length can be told.
        RequestBody::kept(self.bytes)
    }

    fn pieces(&mut self) -> Vec<Bytes> {
        let bytes = std::mem::take(&mut self.bytes);
        Vec::from_iter((!bytes.is_empty()).then_some(bytes))
    }
}

/// Looks at a request's body, where its API wants that; what comes back goes on
/// in its place.
///
/// # Errors
/// If the body is refused, or did not arrive.
pub async fn request(
    exchange: &mut Exchange,
    mut body: RequestBody,
) -> Result<RequestBody, Broken> {
    let inspecting = exchange.judgement.inspecting.as_ref();
    if inspecting.is_some_and(|inspecting| inspecting.enforced) {
        // Nobody looks at them, and some applications put them among the fields of the head.
        body.drop_trailers();
    }
    if exchange.judgement.inspecting.is_none() || body.is_empty() {
        return Ok(body);
    }
    // In a box, so that requests that are not looked at carry nothing of it along.
    Box::pin(inspected(exchange, body)).await
}

async fn inspected(exchange: &mut Exchange, mut body: RequestBody) -> Result<RequestBody, Broken> {
    let Some(mut inspecting) = exchange.judgement.inspecting.take() else {
        return Ok(body);
    };
    let call = inspecting.call.take();
    if let Some(head) = call.filter(|_| inspecting.inspection.wants_body()) {
        let calls = Calls::new(exchange, body, &mut inspecting, *head);
        exchange.judgement.inspecting = Some(inspecting);
        return Ok(RequestBody::looked_at(calls));
    }
    let arrived = arrive(exchange, &inspecting, &mut body).await;
    // The upstream's time begins once it is asked.
    exchange.state.upstream_until(0);
    let (step, enforced) = (inspecting.step, inspecting.enforced);
    let (gathered, refused) = match arrived {
        Ok(arrived) => arrived,
        Err(broken) => {
            exchange.judgement.inspecting = Some(inspecting);
            return Err(broken);
        }
    };
    if refused.is_none() && inspecting.inspection.wants_body() {
        inspecting = aside::judge(inspecting, &gathered.bytes, gathered.whole).await;
    }
    let judged = refused.map_or_else(|| waf::verdict(&inspecting.inspection), Err);
    let said = match judged {
        Ok(()) => scanned(exchange, &mut inspecting, &gathered.bytes).await,
        Err(denial) => Err(denial),
    };
    exchange.judgement.inspecting = Some(inspecting);
    if let Err(denial) = said {
        exchange.state.body.refused.replace(Some(BodyRefusal {
            step,
            enforced,
            denial,
        }));
        if enforced {
            return Err(Broken);
        }
        let _ = exchange.hear_body();
    }
    Ok(gathered.into_body(body))
}

/// Has files scanned of a request that nothing else refuses.
async fn scanned(
    exchange: &mut Exchange,
    inspecting: &mut Inspecting,
    body: &Bytes,
) -> Result<(), Denial> {
    let worker = Rc::clone(exchange.worker());
    let unscanned = worker.shared.scans.scan(inspecting, body).await?;
    if let Some(why) = unscanned {
        let trace = &mut exchange.judgement.trace;
        trace.revise(inspecting.step, Outcome::Error, &waf::SCAN_UNAVAILABLE);
        let told = format!("{why}; it passed (request {})", exchange.id.as_str());
        worker.tell("waf-unscanned", &told);
    }
    Ok(())
}

/// What arrives of a body, and why it cannot be judged.
async fn arrive(
    exchange: &Exchange,
    inspecting: &Inspecting,
    body: &mut RequestBody,
) -> Result<(Gathered, Option<Denial>), Broken> {
    let (most, longer) = inspecting.bounds;
    let wanted = inspecting.inspection.wants_body() || inspecting.scanning.is_some();
    if body.is_end_stream() || !wanted {
        return Ok((Gathered::default(), None));
    }
    let (gathered, full) = gather(exchange, body, most).await?;
    let too_long = !gathered.whole && longer == Longer::Refuse;
    let too_long = too_long.then(|| Denial::new(&waf::TOO_LONG));
    Ok((gathered, full.or(too_long)))
}

/// Reads the body, up to so many bytes or a piece more, or to the end of the
/// memory for it.
async fn gather(
    exchange: &Exchange,
    body: &mut RequestBody,
    most: u64,
) -> Result<(Gathered, Option<Denial>), Broken> {
    let budget = &exchange.worker().shared.memory.inspecting;
    let all = exchange.listener.limits.inspect_memory;
    let mut charge = budget.take_for(exchange, 0, all);
    let mut gathered = Gathered::default();
    let mut pieces = Vec::new();
    let mut bytes = 0;
    while let Some(frame) = frame(body).await {
        match frame?.into_data() {
            Ok(piece) => {
                bytes += piece.len();
                pieces.push(piece);
            }
            Err(frame) => gathered.trailers = frame.into_trailers().ok(),
        }
        let charged = charge.as_mut().is_some_and(|charge| charge.grow_to(bytes));
        if !charged || bytes as u64 > most {
            gathered.bytes = held(joined(pieces, bytes), charge);
            return Ok((gathered, (!charged).then(full)));
        }
    }
    gathered.whole = true;
    if bytes > 0 {
        gathered.bytes = held(joined(pieces, bytes), charge);
    }
    Ok((gathered, None))
}

/// There is no memory to hold more.
fn full() -> Denial {
    Denial::new(&reasons::INSPECT_FULL).header(RETRY_AFTER, RETRY_AFTER_S.into())
}

async fn frame(body: &mut RequestBody) -> Option<Result<http_body::Frame<Bytes>, Broken>> {
    std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

/// Looks at an answer, where the API wants that: at its head, and at the body
/// of some types.
///
/// # Errors
/// If the answer is refused, or cannot be read.
pub async fn answer(
    exchange: &mut Exchange,
    head: &mut Head,
    link: &mut Link,
) -> Result<(), Denial> {
    let Some(mut inspecting) = exchange.judgement.inspecting.take() else {
        return Ok(());
    };
    let said = look_at_answer(exchange, &mut inspecting, head, link).await;
    let (step, enforced) = (inspecting.step, inspecting.enforced);
    exchange.judgement.inspecting = Some(inspecting);
    let Err(denial) = said? else {
        return Ok(());
    };
    exchange.state.body.refused.replace(Some(BodyRefusal {
        step,
        enforced,
        denial,
    }));
    exchange.hear_body().map_or(Ok(()), Err)
}

async fn look_at_answer(
    exchange: &mut Exchange,
    inspecting: &mut Inspecting,
    head: &mut Head,
    link: &mut Link,
) -> Result<Result<(), Denial>, Denial> {
    let steps = exchange.api().map(|api| &api.steps);
    let step = steps.and_then(|steps| steps.get(inspecting.step));
    let policy = match step.map(|step| &step.policy) {
        Some(Policy::Waf(policy)) if policy.answers() => policy,
        _ => return Ok(Ok(())),
    };
    let fields = std::mem::replace(&mut head.fields, Fields::Own(HeaderMap::new()));
    let headers = fields.map().ok_or(&reasons::GARBAGE)?;
    let inspection = &mut inspecting.inspection;
    let told = AnswerHead {
        status: head.status.as_u16(),
        protocol: b"HTTP/1.1",
    };
    let pairs = headers.iter();
    let pairs = pairs.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    inspection.answer(&told, pairs);
    while inspection.answer_head() == Progress::More {
        tokio::task::yield_now().await;
    }
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let stream = kind.is_some_and(slices::is_stream);
    let most = policy.inspects_answer(kind);
    let most = most.filter(|_| !headers.contains_key(CONTENT_ENCODING));
    head.fields = Fields::Own(headers);
    if let Err(denial) = waf::answer_verdict(inspection) {
        return Ok(Err(denial));
    }
    if let Some(most) = most.filter(|_| inspection.wants_answer_body()) {
        // An answer of gRPC is no stream of text.
        let slices = exchange.grpc.is_none() && link.left().is_none();
        let stream = slices && stream;
        inspecting.slices = stream.then(|| Box::new(Slices::of_stream(most)));
        let pause_ms = slices.then_some(slices::PAUSE_MS);
        let mut frames = Vec::new();
        let mut bytes = Vec::new();
        while !stream && (bytes.len() as u64) < most {
            let frame = match next_of_answer(exchange, link, pause_ms).await? {
                Next::Frame(frame) => frame,
                Next::Pause => {
                    inspecting.slices = Some(Box::new(Slices::behind(&bytes, most)));
                    break;
                }
                Next::End => break,
            };
            if let Some(piece) = frame.data_ref() {
                bytes.extend_from_slice(piece);
            }
            frames.push(frame);
        }
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        link.put_back(frames);
        match inspecting.slices {
            Some(_) => inspecting.inspection.answer_slice(&bytes),
            None => inspecting.inspection.answer_body(&bytes),
        }
    }
    let inspection = &mut inspecting.inspection;
    while inspection.answer_end() == Progress::More {
        tokio::task::yield_now().await;
    }
    Ok(waf::answer_verdict(inspection))
}

/// What comes next of an answer's body.
enum Next {
    Frame(http_body::Frame<Bytes>),
    /// Nothing, for as long as is waited.
    Pause,
    End,
}

/// The next piece of an answer's body, within the upstream's time; where it may
/// go on for ever, within so many milliseconds.
async fn next_of_answer(
    exchange: &Exchange,
    link: &mut Link,
    pause_ms: Option<u64>,
) -> Result<Next, Denial> {
    let idle_ms = u64::from(exchange.upstream_times().idle_ms);
    let frame = std::future::poll_fn(|cx| match link.poll_body(cx) {
        Poll::Ready(polled) => Poll::Ready(polled.map(Ok)),
        Poll::Pending if exchange.state.upstream_late() => {
            Poll::Ready(Some(Err(&reasons::IDLE_TIMEOUT)))
        }
        Poll::Pending => {
            let wait_ms = pause_ms.map_or(idle_ms, |pause_ms| pause_ms.min(idle_ms));
            let until_ms = exchange.worker().clock.coarse_ms() + wait_ms;
            exchange.state.upstream_wait(until_ms);
            Poll::Pending
        }
    });
    let frame = frame.await;
    exchange.state.upstream_until(0);
    let failed = |reason: ReasonRef| {
        if let Some(lease) = &link.lease {
            lease.failed(exchange.worker().clock.coarse_ms(), reason);
        }
        Denial::new(reason)
    };
    match frame {
        None => Ok(Next::End),
        Some(Ok(Ok(frame))) => Ok(Next::Frame(frame)),
        Some(Err(_)) if pause_ms.is_some_and(|pause_ms| pause_ms < idle_ms) => Ok(Next::Pause),
        Some(Ok(Err(Broke::Upstream(reason))) | Err(reason)) => Err(failed(reason)),
        Some(Ok(Err(Broke::Request))) => Err(Denial::new(&reasons::CLIENT_GONE)),
    }
}
