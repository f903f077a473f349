//! gRPC on its way through: deadlines for both sides, gRPC-Web made gRPC and
//! back, and a status for whatever ends a call.

use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lockgate_policy::grpc::{self as policy, GRPC_TIMEOUT, NOT_GRPC};
use lockgate_policy::Denial;
use lockgate_wire::grpc::{
    self, encode_message, format_timeout, Code, ContentType, Protocol, GRPC_MESSAGE, GRPC_STATUS,
    GRPC_STATUS_DETAILS,
};
use tokio::time::{Duration, Instant};

use crate::body::{AnswerBody, Call};
use crate::bundle::Protocol as Spoken;
use crate::exchange::Exchange;
use crate::reasons;
use crate::respond::{edited, refuse, refuse_with, Answer, Fields};
use crate::snapshot::CompiledUpstream;
use crate::upstream::{Head, Link};

/// Said by scripts in browsers; to a gRPC server it means nothing.
const X_GRPC_WEB: HeaderName = HeaderName::from_static("x-grpc-web");

/// What a call goes by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// When it ends at the latest.
    pub deadline: Option<Instant>,
    /// Largest message of the answer, bytes, where the API bounds it.
    pub message_bytes: Option<u32>,
    /// How its answer is written for a browser, where it is.
    pub web: Option<Protocol>,
}

/// What a client that sent this wants its answer in: as it asked, or as it says.
#[must_use]
pub fn answered_in(sent: Protocol, headers: &HeaderMap) -> Protocol {
    if sent == Protocol::Grpc {
        return sent;
    }
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let mut kinds = accepted.into_iter().flat_map(|accept| accept.split(','));
    let named = kinds.find_map(|kind| {
        let kind = ContentType::parse(kind.trim())?.protocol;
        (kind != Protocol::Grpc).then_some(kind)
    });
    named.unwrap_or(sent)
}

/// Makes of a call what the upstream gets; what it goes by.
///
/// # Errors
/// If the upstream cannot take it.
pub fn outgoing(
    exchange: &Exchange,
    headers: &mut HeaderMap,
    upstream: &CompiledUpstream,
) -> Result<Terms, Denial> {
    let Some(answered) = exchange.grpc else {
        return Ok(Terms::default());
    };
    let judged = exchange.judgement.grpc;
    let deadline_us = match judged {
        Some(call) => call.deadline_us,
        None if answered != Protocol::Grpc => return Ok(Terms::default()),
        // Where the API says nothing of gRPC, its client's word holds as far as it makes sense.
        None => policy::told(headers).ok().flatten(),
    };
    let mut terms = Terms::default();
    if let Some(deadline_us) = deadline_us {
        let left_us = deadline_us.saturating_sub(exchange.age_us());
        if left_us == 0 {
            return Err((&policy::DEADLINE).into());
        }
        if let Ok(left) = HeaderValue::try_from(format_timeout(left_us)) {
            headers.insert(GRPC_TIMEOUT, left);
        }
        terms.deadline = Instant::now().checked_add(Duration::from_micros(left_us));
    }
    let Some(call) = judged else {
        return Ok(terms);
    };
    if upstream.protocol != Spoken::Http2 {
        return Err((&reasons::NO_GRPC).into());
    }
    terms.message_bytes = Some(call.message_bytes);
    if call.protocol == Protocol::Grpc {
        return Ok(terms);
    }
    terms.web = Some(answered);
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(ContentType::parse);
    let kind = kind.map(|kind| HeaderValue::try_from(kind.with(Protocol::Grpc)));
    if let Some(Ok(kind)) = kind {
        headers.insert(CONTENT_TYPE, kind);
    }
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT);
    headers.remove(X_GRPC_WEB);
    headers.insert(TE, HeaderValue::from_static("trailers"));
    Ok(terms)
}

/// Gives the upstream's answer to a call.
pub fn answer(mut exchange: Box<Exchange>, head: Head, link: Box<Link>, terms: &Terms) -> Answer {
    let Some(mut headers) = head.fields.map() else {
        return refuse(exchange, Denial::new(&reasons::GARBAGE), true);
    };
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(ContentType::parse);
    let grpc = kind.is_some_and(|kind| kind.protocol == Protocol::Grpc);
    if terms.message_bytes.is_some() && !grpc && !headers.contains_key(GRPC_STATUS) {
        let told = format!("It answered with HTTP {}.", head.status.as_u16());
        let denial = Denial::new(&NOT_GRPC).detail(told);
        return refuse_with(exchange, &denial, Some(Code::of_http(head.status.as_u16())));
    }
    let mut last = None;
    if let Some(web) = terms.web {
        let kind = kind.unwrap_or(ContentType {
            protocol: Protocol::Grpc,
            suffix: "",
        });
        if let Ok(kind) = HeaderValue::try_from(kind.with(web)) {
            headers.insert(CONTENT_TYPE, kind);
        }
        headers.remove(CONTENT_LENGTH);
        if headers.contains_key(GRPC_STATUS) {
            last = Some(ending(&mut headers));
        }
    }
    let Some(fields) = edited(&exchange, Fields::Own(headers)) else {
        return refuse(exchange, Denial::new(&reasons::GARBAGE), true);
    };
    exchange.status = head.status.as_u16();
    Answer {
        status: head.status,
        fields,
        close: false,
        body: AnswerBody::Call(Box::new(Call::new(link, exchange, terms, last))),
    }
}

/// Takes off a head what tells how the call went: pages of other origins may
/// not read it there, and in the body they may.
fn ending(headers: &mut HeaderMap) -> HeaderMap {
    let mut last = HeaderMap::new();
    for name in [GRPC_STATUS, GRPC_MESSAGE, GRPC_STATUS_DETAILS] {
        if let Some(value) = headers.remove(&name) {
            last.insert(name, value);
        }
    }
    last
}

/// What a client of gRPC is told of a refusal. `code` is what is known better
/// than by its reason.
#[must_use]
pub fn status_of(denial: &Denial, code: Option<Code>, id: &str) -> HeaderMap {
    let reason = denial.reason;
    let code = code.unwrap_or_else(|| Code::of_refusal(reason));
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(GRPC_STATUS, HeaderValue::from_static(code.as_str()));
    let detail = denial.detail.as_deref().unwrap_or(reason.title);
    let words = format!("{detail} ({}, request {id})", reason.code);
    if let Ok(words) = HeaderValue::try_from(encode_message(&words)) {
        headers.insert(GRPC_MESSAGE, words);
    }
    headers
}

/// The head and the body of a refusal, in the words of `protocol`.
#[must_use]
pub fn refusal(
    protocol: Protocol,
    denial: &Denial,
    code: Option<Code>,
    id: &str,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let kind = ContentType {
        protocol,
        suffix: "",
    };
    let last = status_of(denial, code, id);
    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::try_from(kind.with(protocol)) {
        headers.insert(CONTENT_TYPE, kind);
    }
    let body = match protocol {
        Protocol::Grpc => {
            headers.extend(last);
            Vec::new()
        }
        Protocol::Web => grpc::trailer_frame(&last),
        Protocol::WebText => {
            let (mut text, mut out) = (grpc::TextEncoder::default(), Vec::new());
            text.feed(&grpc::trailer_frame(&last), &mut out);
            text.flush(&mut out);
            out
        }
    };
    (StatusCode::OK, headers, body)
}
