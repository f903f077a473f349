//! What the gate says itself: RFC 9457 problem+json, one shape for every
//! refusal. The only place where a reason becomes a status.

use std::fmt::Write;

use bytes::Bytes;
use http::header::{HeaderValue, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use lockgate_policy::objects::HIDDEN;
use lockgate_policy::Denial;
use lockgate_wire::grpc;

use crate::body::AnswerBody;
use crate::edits;
use crate::exchange::Exchange;
use crate::http1::Lines;
use crate::reasons;
use crate::snapshot::{CompiledApi, Policy};

/// The header that carries a request's id, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer, its body on the way.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, but for those of the connection.
    pub fields: Fields,
    /// Whether the connection ends with it, since what follows could not be understood.
    pub close: bool,
    /// Its body.
    pub body: AnswerBody,
}

/// The fields of an answer.
#[derive(Debug)]
pub enum Fields {
    /// As the gate wants them.
    Own(HeaderMap),
    /// As the upstream said them: nobody has asked to see or change one.
    Passed(Lines),
}

impl Fields {
    /// As a map; none where what the upstream said cannot be read as one.
    #[must_use]
    pub fn map(self) -> Option<HeaderMap> {
        match self {
            Self::Own(headers) => Some(headers),
            Self::Passed(lines) => lines.map(HeaderMap::with_capacity(16)).map(|(map, _)| map),
        }
    }
}

/// Refuses a request. `close` ends the connection after the answer, where what
/// follows on it cannot be understood.
#[must_use]
pub fn refuse(mut exchange: Box<Exchange>, denial: Denial, close: bool) -> Answer {
    if exchange.grpc.is_some() {
        return Answer {
            close,
            ..refuse_with(exchange, &denial, None)
        };
    }
    let about = (&*exchange.snapshot.problem_base, exchange.id.as_str());
    let (mut headers, body) = said(exchange.api(), &denial, about);
    exchange.status = denial.status();
    exchange.reason = Some(denial.reason);
    edit(&exchange, &mut headers);
    exchange.own.clone_from(&denial.own);
    shaped(
        &denial,
        headers,
        AnswerBody::own(body, Some(exchange)),
        close,
    )
}

/// Refuses a call of gRPC in its own words: a status and a message in the head,
/// and nothing behind it (`Trailers-Only` of PROTOCOL-HTTP2.md); with gRPC-Web in
/// the body. A client of it would take an HTTP status for a fault of something
/// on the way. `code` is what is known better than by the reason.
#[must_use]
pub fn refuse_with(
    mut exchange: Box<Exchange>,
    denial: &Denial,
    code: Option<grpc::Code>,
) -> Answer {
    exchange.status = denial.status();
    exchange.reason = Some(denial.reason);
    exchange.own.clone_from(&denial.own);
    let mut headers = refusal(denial);
    let protocol = exchange.grpc.unwrap_or(grpc::Protocol::Grpc);
    let (status, own, body) = crate::grpc::refusal(protocol, denial, code, exchange.id.as_str());
    for (name, value) in &own {
        headers.insert(name.clone(), value.clone());
    }
    edit(&exchange, &mut headers);
    Answer {
        status,
        fields: Fields::Own(headers),
        close: false,
        body: AnswerBody::own(body.into(), Some(exchange)),
    }
}

/// Answers for a request whose serving panicked. Its event was written as the
/// exchange was unwound, and carries the id.
#[must_use]
pub fn after_panic(base: &str) -> Answer {
    let denial = Denial::new(&reasons::INTERNAL_PANIC);
    let body = problem(base, &denial, "");
    shaped(&denial, refusal(&denial), AnswerBody::own(body, None), true)
}

/// The fields and the body of a refusal; `base` and `id` are what its body names. What is hidden is
/// told as the API tells of what there is not, as far as that is known; what decides elsewhere may have
/// a body of its own.
pub(crate) fn said(
    api: Option<&CompiledApi>,
    denial: &Denial,
    (base, id): (&str, &str),
) -> (HeaderMap, Bytes) {
    if let Some((kind, body)) = denial.own.as_ref().and_then(|own| own.body.clone()) {
        let mut headers = refusal(denial);
        headers.insert(CONTENT_TYPE, kind);
        return (headers, body);
    }
    if denial.reason != &HIDDEN {
        return (refusal(denial), problem(base, denial, id));
    }
    let mut steps = api.iter().flat_map(|api| &api.steps);
    let known = steps.find_map(|step| match &step.policy {
        Policy::Objects(policy) => policy.not_found(),
        _ => None,
    });
    match known {
        Some((kind, body)) => {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.clone())]);
            (headers, body.clone())
        }
        None => (refusal(denial), Bytes::from_static(NOT_FOUND)),
    }
}

/// A problem that is no more than its status (RFC 9457 section 4.2.1).
const NOT_FOUND: &[u8] = br#"{"type":"about:blank","title":"Not Found","status":404}"#;

/// The fields of a refusal.
fn refusal(denial: &Denial) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in &denial.headers {
        headers.append(name.clone(), value.clone());
    }
    headers
}

fn shaped(denial: &Denial, headers: HeaderMap, body: AnswerBody, close: bool) -> Answer {
    Answer {
        status: StatusCode::from_u16(denial.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        fields: Fields::Own(headers),
        close,
        body,
    }
}

/// Gives an answer that a policy made.
#[must_use]
pub fn respond(mut exchange: Box<Exchange>, answer: Response<Vec<u8>>) -> Answer {
    let (mut parts, body) = answer.into_parts();
    edit(&exchange, &mut parts.headers);
    exchange.status = parts.status.as_u16();
    Answer {
        status: parts.status,
        fields: Fields::Own(parts.headers),
        close: false,
        body: AnswerBody::own(body.into(), Some(exchange)),
    }
}

/// An upstream's fields with the changes that policies made. `None` if `http`
/// does not take what the guard took, which tests say never happens.
#[must_use]
pub fn edited(exchange: &Exchange, fields: Fields) -> Option<Fields> {
    let judgement = &exchange.judgement;
    if !exchange
        .api()
        .is_some_and(|api| edits::any_of_answer(api, judgement))
    {
        return Some(fields);
    }
    let mut headers = match fields {
        Fields::Own(headers) => headers,
        Fields::Passed(lines) => {
            // What is only added needs no look at what is there.
            let plain = exchange.api().filter(|api| api.headers.is_none());
            let added = plain.and_then(|_| lines.with(judgement.answer_edits.iter()));
            match added {
                Some(lines) => return Some(Fields::Passed(lines)),
                None => lines.map(HeaderMap::new())?.0,
            }
        }
    };
    edit(exchange, &mut headers);
    Some(Fields::Own(headers))
}

/// Makes the changes of the API and of its policies.
fn edit(exchange: &Exchange, headers: &mut HeaderMap) {
    let Some(api) = exchange.api() else {
        return;
    };
    let of = (exchange.id.as_str(), exchange.started_ms());
    edits::of_answer(api, &exchange.judgement, of, &mut |edit| {
        edit.apply(headers);
    });
}

/// What a refusal says, for a person and for a program.
fn problem(base: &str, denial: &Denial, id: &str) -> Bytes {
    let reason = denial.reason;
    let mut out = String::with_capacity(256);
    // Codes, titles and ids are ours; the base and details are not, so they are escaped.
    out.push_str("{\"type\":");
    string(&mut out, &[base, reason.code]);
    let _ = write!(
        out,
        ",\"title\":\"{}\",\"status\":{}",
        reason.title,
        denial.status()
    );
    if let Some(own) = &denial.own {
        out.push_str(",\"code\":");
        string(&mut out, &[&own.code]);
    }
    if let Some(detail) = &denial.detail {
        out.push_str(",\"detail\":");
        string(&mut out, &[detail]);
    }
    let _ = write!(
        out,
        ",\"instance\":\"{id}\",\"reason\":\"{}\"}}",
        reason.code
    );
    out.into()
}

fn string(out: &mut String, parts: &[&str]) {
    out.push('"');
    for character in parts.iter().flat_map(|part| part.chars()) {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
