//! Bodies that are looked at before they go on: all of what is looked at has
//! arrived by then, so that an upstream never sees a part of what is refused.

mod answer;
mod aside;
mod calls;
mod held;
mod noting;
mod slices;
mod unpacked;
mod whole;

use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{HeaderMap, RETRY_AFTER};
use http_body::Body;
use lockgate_policy::waf::{self, Longer};
use lockgate_policy::Denial;

use crate::body::{Broken, RequestBody};
use crate::exchange::Exchange;
use crate::judge::Inspecting;
use crate::net::BodyRefusal;
use crate::reasons;
use crate::trace::Outcome;

pub use answer::answer;
pub use calls::Calls;
pub(crate) use held::held;
pub use noting::{note_answer, note_request};
pub use slices::{slice, Slices};
pub use whole::whole;

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
    // Not the pieces as they came: each can be one byte of a buffer that it keeps.
    let mut bytes = Vec::new();
    while let Some(frame) = frame(body).await {
        match frame?.into_data() {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(frame) => gathered.trailers = frame.into_trailers().ok(),
        }
        let length = bytes.len();
        let charged = charge.as_mut().is_some_and(|charge| charge.grow_to(length));
        if !charged || length as u64 > most {
            gathered.bytes = held(bytes, charge);
            return Ok((gathered, (!charged).then(full)));
        }
    }
    gathered.whole = true;
    if !bytes.is_empty() {
        gathered.bytes = held(bytes, charge);
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
