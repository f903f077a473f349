//! Answers that tell whose they are: held whole, within a bound, until that is known.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use http::StatusCode;
use http_body::Frame;
use lockgate_policy::objects::Objects;
use lockgate_policy::waf::Look;
use lockgate_policy::Denial;
use lockgate_wire::coding::codings;

use super::answer::{next_of_answer, Beginning, Next};
use super::full;
use crate::exchange::Exchange;
use crate::judge::Owned;
use crate::net::BodyRefusal;
use crate::reasons;
use crate::respond::Fields;
use crate::snapshot::Policy;
use crate::upstream::{Head, Link};

/// What is said of an answer's bytes, and is not true of others (RFC 9530, RFC 3230, RFC 1864).
static OF_BYTES: [HeaderName; 6] = [
    CONTENT_ENCODING,
    ETAG,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Judges whose an answer is, and takes out of it what is somebody else's, where rules say so.
///
/// # Errors
/// If it is refused, or does not arrive.
pub async fn owned(
    exchange: &mut Exchange,
    head: &mut Head,
    link: &mut Link,
) -> Result<(), Denial> {
    let Some(owned) = exchange.judgement.owned.take() else {
        return Ok(());
    };
    // What is no success is the API's word on the request, and none of its objects.
    let empty = head.status == StatusCode::NO_CONTENT;
    let headless = exchange.is_head() && !owned.enforced;
    if !head.status.is_success() || empty || headless {
        return Ok(());
    }
    let Err(denial) = judged(exchange, &owned, head, link).await? else {
        return Ok(());
    };
    exchange.state.body.refused.replace(Some(BodyRefusal {
        step: owned.step,
        enforced: owned.enforced,
        denial,
    }));
    exchange.hear_body().map_or(Ok(()), Err)
}

async fn judged(
    exchange: &Exchange,
    owned: &Owned,
    head: &mut Head,
    link: &mut Link,
) -> Result<Result<(), Denial>, Denial> {
    let snapshot = std::rc::Rc::clone(&exchange.snapshot);
    let matched = exchange.judgement.matched;
    let api = matched.and_then(|matched| snapshot.apis.get(matched.api));
    let step = api.and_then(|api| api.steps.get(owned.step));
    let Some(Policy::Objects(policy)) = step.map(|step| &step.policy) else {
        return Ok(Ok(()));
    };
    let unreadable = |told| policy.unreadable(&owned.pending, told);
    if head.status == StatusCode::PARTIAL_CONTENT {
        return Ok(Err(unreadable("it is a part of one")));
    }
    let fields = std::mem::replace(&mut head.fields, Fields::Own(HeaderMap::new()));
    let mut headers = fields.map().ok_or(&reasons::GARBAGE)?;
    let Ok(packed) = codings(&headers) else {
        head.fields = Fields::Own(headers);
        return Ok(Err(unreadable(
            "it is in a content coding that is not known",
        )));
    };
    // One more than is taken, so that what is longer shows.
    let look = Look::all(policy.answer_bytes() + 1, packed);
    let mut frames = Vec::new();
    let said = match whole(exchange, link, &look, policy, &mut frames).await? {
        Ok(bytes) => policy.judge(&owned.pending, &bytes),
        Err(None) => Err(unreadable("it is longer than is looked at")),
        Err(Some(denial)) => Err(denial),
    };
    let left = match said {
        Ok(left) => left,
        Err(denial) => {
            head.fields = Fields::Own(headers);
            link.put_back(frames);
            return Ok(Err(denial));
        }
    };
    if let Some(left) = left.filter(|_| owned.enforced) {
        for name in &OF_BYTES {
            headers.remove(name);
        }
        if headers.contains_key(CONTENT_LENGTH) {
            headers.insert(CONTENT_LENGTH, left.len().into());
        }
        frames = vec![Frame::data(Bytes::from(left))];
    }
    head.fields = Fields::Own(headers);
    // Of a HEAD that was asked as a GET nothing but the head goes out.
    if !exchange.is_head() {
        link.put_back(frames);
    }
    Ok(Ok(()))
}

/// A whole body, unpacked; none where it is longer than is taken. Its pieces, as they came, go to `frames`.
async fn whole(
    exchange: &Exchange,
    link: &mut Link,
    look: &Look,
    policy: &Objects,
    frames: &mut Vec<Frame<Bytes>>,
) -> Result<Result<Vec<u8>, Option<Denial>>, Denial> {
    let budget = &exchange.worker().shared.memory.inspecting;
    let all = exchange.listener.limits.inspect_memory;
    let Some(mut charge) = budget.take_for(exchange, 0, all) else {
        return Ok(Err(Some(full())));
    };
    let mut beginning = match Beginning::new(exchange, look) {
        Ok(beginning) => beginning,
        Err(denial) => return Ok(Err(Some(denial))),
    };
    let mut came = 0_u64;
    loop {
        let frame = match next_of_answer(exchange, link, None).await? {
            Next::Frame(frame) => frame,
            Next::Pause | Next::End => break,
        };
        let piece = frame.data_ref().cloned().unwrap_or_default();
        came += piece.len() as u64;
        frames.push(frame);
        if let Err(denial) = beginning.add(piece).await {
            return Ok(Err(Some(denial)));
        }
        // What came is held as well as what was unpacked of it.
        let held = usize::try_from(came).unwrap_or(usize::MAX);
        if !charge.grow_to(held.saturating_add(beginning.bytes.len())) {
            return Ok(Err(Some(full())));
        }
        if beginning.is_whole() || came > policy.answer_bytes() {
            return Ok(Err(None));
        }
    }
    match beginning.end() {
        Ok(()) => Ok(Ok(beginning.bytes)),
        Err(denial) => Ok(Err(Some(denial))),
    }
}
