//! What the gate answers itself, whatever there is behind it.

use http::header::{HeaderValue, CACHE_CONTROL, CONTENT_TYPE};
use lockgate_policy::Denial;

use super::End;
use crate::assertion::Signer;
use crate::reasons;

/// The public keys of what upstreams are told (RFC 7517 section 8.5.2 for the type).
pub(super) fn keys(signer: &Signer) -> End {
    let mut response = http::Response::new(signer.published().to_vec());
    let fields = response.headers_mut();
    let kind = HeaderValue::from_static("application/jwk-set+json");
    fields.insert(CONTENT_TYPE, kind);
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    End::Respond(Box::new(response))
}

/// What the gate says of itself: `reasons/<code>` is where the `type` of a
/// refusal leads. Nothing below the prefix ever goes to an upstream.
pub(super) fn reserved(rest: &str) -> Result<End, Denial> {
    let code = rest.strip_prefix("/reasons/").unwrap_or("");
    let known = crate::reasons()
        .into_iter()
        .find(|reason| reason.code == code);
    let reason = known.ok_or(&reasons::NO_ROUTE)?;
    let page = serde_json::json!({
        "reason": reason.code,
        "status": reason.status,
        "title": reason.title,
        "given_by": reason.room,
        "advice": reason.advice,
    });
    let mut response = http::Response::new(page.to_string().into_bytes());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(End::Respond(Box::new(response)))
}
