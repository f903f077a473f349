//! Bodies that are looked at before they go on: all of what is looked at has
//! arrived by then, so that an upstream never sees a part of what is refused.

use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, CONTENT_ENCODING, CONTENT_TYPE};
use http_body::Body;
use lockgate_policy::waf::{self, Longer};
use lockgate_policy::{Denial, ReasonRef};
use lockgate_waf::engine::{AnswerHead, Progress};

use crate::body::{Broken, RequestBody};
use crate::exchange::Exchange;
use crate::judge::Inspecting;
use crate::memory::Charge;
use crate::net::BodyRefusal;
use crate::reasons;
use crate::respond::Fields;
use crate::snapshot::Policy;
use crate::upstream::{Broke, Head, Link};

/// What has arrived of a body.
#[derive(Default)]
struct Gathered {
    pieces: Vec<Bytes>,
    bytes: u64,
    trailers: Option<HeaderMap>,
    /// Whether there is nothing more to come.
    whole: bool,
    charge: Option<Charge>,
}

impl Gathered {
    /// The body, as it goes on; `left` is what has not arrived.
    fn into_body(self, left: RequestBody) -> RequestBody {
        if !self.whole {
            return RequestBody::again(self.pieces, Some(left));
        }
        if let Some(trailers) = self.trailers {
            return RequestBody::again(self.pieces, Some(RequestBody::ended(trailers)));
        }
        // All of it is here, so that its length can be told.
        let mut pieces = self.pieces;
        let joined = match pieces.len() {
            0 => Bytes::new(),
            1 => pieces.remove(0),
            _ => pieces.concat().into(),
        };
        RequestBody::kept(joined)
    }
}

/// Looks at a request's body, where its API wants that; what comes back goes on
/// in its place.
///
/// # Errors
/// If the body is refused, or did not arrive.
pub async fn request(exchange: &mut Exchange, body: RequestBody) -> Result<RequestBody, Broken> {
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
    let looked = look(exchange, &mut inspecting, &mut body).await;
    // The upstream's time begins once it is asked.
    exchange.state.upstream_until(0);
    let (step, enforced) = (inspecting.step, inspecting.enforced);
    exchange.judgement.inspecting = Some(inspecting);
    let (gathered, said) = looked?;
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

async fn look(
    exchange: &Exchange,
    inspecting: &mut Inspecting,
    body: &mut RequestBody,
) -> Result<(Gathered, Result<(), Denial>), Broken> {
    let (most, longer) = inspecting.bounds;
    let inspection = &mut inspecting.inspection;
    if body.is_end_stream() || !inspection.wants_body() {
        return Ok((Gathered::default(), Ok(())));
    }
    let gathered = gather(exchange, body, most).await?;
    let gathered = match gathered {
        Ok(gathered) => gathered,
        Err(denial) => return Ok((Gathered::default(), Err(denial))),
    };
    if !gathered.whole && longer == Longer::Refuse {
        return Ok((gathered, Err(Denial::new(&waf::TOO_LONG))));
    }
    let joined;
    let bytes: &[u8] = match gathered.pieces.as_slice() {
        [piece] => piece,
        pieces => {
            joined = pieces.concat();
            &joined
        }
    };
    while inspection.body(bytes, gathered.whole) == Progress::More {
        tokio::task::yield_now().await;
    }
    while inspection.request_body() == Progress::More {
        tokio::task::yield_now().await;
    }
    let said = waf::verdict(inspection);
    Ok((gathered, said))
}

/// Reads the body, up to so many bytes or a piece more.
async fn gather(
    exchange: &Exchange,
    body: &mut RequestBody,
    most: u64,
) -> Result<Result<Gathered, Denial>, Broken> {
    let budget = &exchange.worker().shared.memory.inspecting;
    let all = exchange.listener.limits.inspect_memory;
    let mut gathered = Gathered {
        charge: budget.take_for(exchange, 0, all),
        ..Gathered::default()
    };
    while let Some(frame) = frame(body).await {
        match frame?.into_data() {
            Ok(piece) => {
                gathered.bytes += piece.len() as u64;
                gathered.pieces.push(piece);
            }
            Err(frame) => gathered.trailers = frame.into_trailers().ok(),
        }
        let held = usize::try_from(gathered.bytes).unwrap_or(usize::MAX);
        let charged = gathered
            .charge
            .as_mut()
            .is_some_and(|charge| charge.grow_to(held));
        if !charged {
            return Ok(Err(Denial::new(&reasons::INSPECT_FULL)));
        }
        if gathered.bytes > most {
            return Ok(Ok(gathered));
        }
    }
    gathered.whole = true;
    Ok(Ok(gathered))
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
    let most = policy.inspects_answer(kind);
    let most = most.filter(|_| !headers.contains_key(CONTENT_ENCODING));
    head.fields = Fields::Own(headers);
    if let Err(denial) = waf::answer_verdict(inspection) {
        return Ok(Err(denial));
    }
    if let Some(most) = most.filter(|_| inspection.wants_answer_body()) {
        let mut frames = Vec::new();
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < most {
            let Some(frame) = next_of_answer(exchange, link).await? else {
                break;
            };
            if let Some(piece) = frame.data_ref() {
                bytes.extend_from_slice(piece);
            }
            frames.push(frame);
        }
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        link.put_back(frames);
        inspection.answer_body(&bytes);
    }
    while inspection.answer_end() == Progress::More {
        tokio::task::yield_now().await;
    }
    Ok(waf::answer_verdict(inspection))
}

/// The next piece of an answer's body, within the upstream's time.
async fn next_of_answer(
    exchange: &Exchange,
    link: &mut Link,
) -> Result<Option<http_body::Frame<Bytes>>, Denial> {
    let frame = std::future::poll_fn(|cx| match link.poll_body(cx) {
        Poll::Ready(polled) => Poll::Ready(polled.map(Ok)),
        Poll::Pending if exchange.state.upstream_late() => {
            Poll::Ready(Some(Err(&reasons::IDLE_TIMEOUT)))
        }
        Poll::Pending => {
            let idle_ms = u64::from(exchange.upstream_times().idle_ms);
            let until_ms = exchange.worker().clock.coarse_ms() + idle_ms;
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
        None => Ok(None),
        Some(Ok(Ok(frame))) => Ok(Some(frame)),
        Some(Ok(Err(Broke::Upstream(reason))) | Err(reason)) => Err(failed(reason)),
        Some(Ok(Err(Broke::Request))) => Err(Denial::new(&reasons::CLIENT_GONE)),
    }
}
