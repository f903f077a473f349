//! Answers that are looked at for what they say that is also verified of their callers. Nothing
//! of it decides anything: what cannot be looked at goes on as any other.

use http::header::HeaderMap;
use http::StatusCode;
use lockgate_policy::document::{kind, parse, Kind};
use lockgate_policy::objects::Noted;
use lockgate_policy::waf::Look;
use lockgate_policy::Denial;
use lockgate_wire::coding::{codings, Coding};

use super::answer::gather;
use super::slices::PAUSE_MS;
use crate::exchange::Exchange;
use crate::reasons;
use crate::respond::Fields;
use crate::upstream::{Head, Link};

/// Notes what a request says, where its API wants some of them looked at and this is one.
pub fn note_request(exchange: &mut Exchange, query: Option<&str>) {
    let Some(suggest) = exchange.api().and_then(|api| api.suggest) else {
        return;
    };
    let drawn = || exchange.worker().ids.random() % 100 < suggest.percent.into();
    let judgement = &exchange.judgement;
    let Some(identity) = judgement.identity.as_ref().filter(|_| drawn()) else {
        return;
    };
    let noted = Noted::of_request(identity, &judgement.captures, query);
    exchange.judgement.noted = Some(Box::new(noted));
}

/// Notes what its answer says, if that is a document in JSON.
///
/// # Errors
/// If the answer does not arrive.
pub async fn note_answer(
    exchange: &mut Exchange,
    head: &mut Head,
    link: &mut Link,
) -> Result<(), Denial> {
    let Some(mut noted) = exchange.judgement.noted.take() else {
        return Ok(());
    };
    // What is no success is the API's word on the request, and none of its objects.
    if !head.status.is_success() {
        return Ok(());
    }
    let suggest = exchange.api().and_then(|api| api.suggest);
    let most = suggest.map_or(0, |suggest| suggest.answer_bytes);
    let fields = std::mem::replace(&mut head.fields, Fields::Own(HeaderMap::new()));
    let headers = fields.map().ok_or(&reasons::GARBAGE)?;
    // One more than is taken, so that what is longer shows.
    let look = looked_at(exchange, head.status, &headers)
        .filter(|_| link.left().is_none_or(|left| left <= most))
        .map(|codings| Look::all(most + 1, codings));
    head.fields = Fields::Own(headers);
    let budget = &exchange.worker().shared.memory.inspecting;
    let held = look.and_then(|look| {
        let bytes = usize::try_from(most).unwrap_or(usize::MAX);
        let charge = budget.take_for(exchange, bytes, exchange.listener.limits.inspect_memory);
        Some((look, charge?))
    });
    if let Some((look, _charge)) = held {
        // It may come a piece at a time, and for ever: nobody waits longer than that for it.
        let until_ms = exchange.worker().clock.coarse_ms() + PAUSE_MS;
        let read = gather(exchange, link, &look, (None, Some(until_ms))).await?;
        let whole = read.ok().filter(|(_, paused)| !paused);
        let document =
            whole.and_then(|(bytes, _)| parse(&bytes).ok().filter(|_| bytes.len() as u64 <= most));
        if let (Some(document), Some(identity)) = (document, &exchange.judgement.identity) {
            noted.add_answer(identity, &document);
        }
    }
    exchange.judgement.noted = Some(noted);
    Ok(())
}

/// What an answer is packed in that can be looked at.
fn looked_at(exchange: &Exchange, status: StatusCode, headers: &HeaderMap) -> Option<Vec<Coding>> {
    let whole = !matches!(status, StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT);
    let document = whole && !exchange.is_head() && kind(headers) == Some(Kind::Json);
    codings(headers).ok().filter(|_| document)
}
