//! Answers, looked at before they go on: as they are, or unpacked where the API
//! packs them though it was asked not to.

use std::task::Poll;

use bytes::Bytes;
use http::header::{HeaderMap, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use lockgate_policy::waf::{self, unreadable, Look, TELLING_BYTES};
use lockgate_policy::{Denial, ReasonRef};
use lockgate_waf::engine::{AnswerHead, Progress};
use lockgate_wire::coding::{Bounds, Inflater};

use super::slices::{is_stream, Slices, PAUSE_MS};
use super::{full, unpacked::WINDOW};
use crate::exchange::Exchange;
use crate::judge::Inspecting;
use crate::memory::Charge;
use crate::net::BodyRefusal;
use crate::reasons;
use crate::respond::Fields;
use crate::snapshot::Policy;
use crate::upstream::{Broke, Head, Link};

/// How much longer a body may come than what was unpacked of it: a block of zstd has to be whole.
const OVERHEAD: u64 = 256 * 1024;

/// Bytes that are unpacked before others of the worker have a turn.
const TURN: usize = 256 * 1024;

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
    let look = policy.looks_at(&headers);
    // Rules see what is unpacked, and are not told that it came otherwise.
    let packed = matches!(&look, Ok(Some(look)) if !look.codings.is_empty());
    let told = headers
        .iter()
        .filter(|(name, _)| !packed || (*name != CONTENT_ENCODING && *name != CONTENT_LENGTH));
    let inspection = &mut inspecting.inspection;
    let of = AnswerHead {
        status: head.status.as_u16(),
        protocol: b"HTTP/1.1",
    };
    let told = told.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    inspection.answer(&of, told);
    while inspection.answer_head() == Progress::More {
        tokio::task::yield_now().await;
    }
    let events = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| is_stream(kind.as_bytes()));
    head.fields = Fields::Own(headers);
    if let Err(denial) = waf::answer_verdict(inspection) {
        return Ok(Err(denial));
    }
    if inspection.wants_answer_body() {
        let said = match look {
            Ok(Some(look)) => look_at_body(exchange, inspecting, link, (&look, events)).await?,
            Ok(None) => Ok(()),
            // There is nothing that could be read.
            Err(_) if link.is_over() => Ok(()),
            Err(denial) => Err(denial),
        };
        if said.is_err() {
            return Ok(said);
        }
    }
    let inspection = &mut inspecting.inspection;
    while inspection.answer_end() == Progress::More {
        tokio::task::yield_now().await;
    }
    Ok(waf::answer_verdict(inspection))
}

/// Hands the beginning of a body over, or says how it is looked at while it goes on.
async fn look_at_body(
    exchange: &Exchange,
    inspecting: &mut Inspecting,
    link: &mut Link,
    (look, events): (&Look, bool),
) -> Result<Result<(), Denial>, Denial> {
    let packed = !look.codings.is_empty();
    // An answer of gRPC is no stream of text.
    let open = exchange.grpc.is_none() && link.left().is_none();
    if open && events {
        if packed {
            return Ok(Err(unreadable("It is a stream of events, and packed.")));
        }
        inspecting.slices = Some(Box::new(Slices::of_stream(look.most)));
        inspecting.inspection.answer_slice(b"");
        return Ok(Ok(()));
    }
    let pause_ms = (open && !packed).then_some(PAUSE_MS);
    let (mut bytes, goes_on) = match gather(exchange, link, look, (pause_ms, None)).await? {
        Ok(gathered) => gathered,
        Err(denial) => return Ok(Err(denial)),
    };
    if !look.suits(&bytes) {
        return Ok(Ok(()));
    }
    bytes.truncate(usize::try_from(look.most).unwrap_or(usize::MAX));
    let text = look.text(&bytes);
    if goes_on {
        inspecting.slices = Some(Box::new(Slices::behind(&bytes, look.most)));
        inspecting.inspection.answer_slice(&text);
    } else {
        inspecting.inspection.answer_body(&text);
    }
    Ok(Ok(()))
}

/// Reads as much of a body as is looked at, and puts it back; and whether it
/// paused before that, or had not come by then.
pub(super) async fn gather(
    exchange: &Exchange,
    link: &mut Link,
    look: &Look,
    (pause_ms, until_ms): (Option<u64>, Option<u64>),
) -> Result<Result<(Vec<u8>, bool), Denial>, Denial> {
    let mut beginning = match Beginning::new(exchange, look) {
        Ok(beginning) => beginning,
        Err(denial) => return Ok(Err(denial)),
    };
    let mut frames = Vec::new();
    let mut said = Ok(false);
    while !beginning.is_enough() {
        let now_ms = exchange.worker().clock.coarse_ms();
        let left_ms = until_ms.map(|until_ms| until_ms.saturating_sub(now_ms));
        if left_ms == Some(0) {
            said = Ok(true);
            break;
        }
        let pause_ms = pause_ms.into_iter().chain(left_ms).min();
        let frame = match next_of_answer(exchange, link, pause_ms).await? {
            Next::Frame(frame) => frame,
            Next::Pause => {
                said = Ok(true);
                break;
            }
            Next::End => {
                said = beginning.end().map(|()| false);
                break;
            }
        };
        let piece = frame.data_ref().cloned();
        frames.push(frame);
        if let Err(denial) = beginning.add(piece.unwrap_or_default()).await {
            said = Err(denial);
            break;
        }
    }
    link.put_back(frames);
    Ok(said.map(|paused| (beginning.bytes, paused)))
}

/// The beginning of a body, unpacked.
pub(super) struct Beginning<'l> {
    look: &'l Look,
    pub(super) bytes: Vec<u8>,
    /// Bytes that came.
    came: u64,
    /// What unpacks it, where it is packed, and the memory that this takes.
    inflater: Option<(Inflater, Charge)>,
}

impl<'l> Beginning<'l> {
    pub(super) fn new(exchange: &Exchange, look: &'l Look) -> Result<Self, Denial> {
        let mut inflater = None;
        if !look.codings.is_empty() {
            let bounds = Bounds {
                // What comes out is bounded by itself.
                ratio: u64::MAX,
                window: WINDOW,
            };
            let made = Inflater::new(&look.codings, bounds).map_err(broken)?;
            let budget = &exchange.worker().shared.memory.inspecting;
            let all = exchange.listener.limits.inspect_memory;
            let charge = budget.take_for(exchange, made.holds(), all);
            inflater = Some((made, charge.ok_or_else(full)?));
        }
        Ok(Self {
            look,
            bytes: Vec::new(),
            came: 0,
            inflater,
        })
    }

    pub(super) fn is_whole(&self) -> bool {
        self.bytes.len() as u64 >= self.look.most
    }

    /// Whether there is nothing more to be known.
    fn is_enough(&self) -> bool {
        let tells = self.bytes.len() >= TELLING_BYTES;
        self.is_whole() || (tells && !self.look.suits(&self.bytes))
    }

    pub(super) async fn add(&mut self, piece: Bytes) -> Result<(), Denial> {
        self.came += piece.len() as u64;
        let Some((inflater, charge)) = &mut self.inflater else {
            self.bytes.extend_from_slice(&piece);
            return Ok(());
        };
        inflater.take(piece).map_err(broken)?;
        let mut turn = self.bytes.len() + TURN;
        while (self.bytes.len() as u64) < self.look.most {
            let Some(piece) = inflater.unpack().map_err(broken)? else {
                let more = self.bytes.len() as u64 + OVERHEAD;
                return if self.came > more {
                    Err(broken(()))
                } else {
                    Ok(())
                };
            };
            if !charge.grow_to(inflater.holds()) {
                return Err(full());
            }
            self.bytes.extend_from_slice(&piece);
            if self.bytes.len() >= turn {
                turn += TURN;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// The body ended.
    pub(super) fn end(&self) -> Result<(), Denial> {
        match &self.inflater {
            // An answer to HEAD tells of a coding, and has no body.
            Some((inflater, _)) if self.came > 0 => inflater.end().map_err(broken),
            _ => Ok(()),
        }
    }
}

fn broken<T>(_: T) -> Denial {
    unreadable("It is not what its content coding says.")
}

/// What comes next of an answer's body.
pub(super) enum Next {
    Frame(http_body::Frame<Bytes>),
    /// Nothing, for as long as is waited.
    Pause,
    End,
}

/// The next piece of an answer's body, within the upstream's time; where it may
/// go on for ever, within so many milliseconds.
pub(super) async fn next_of_answer(
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
