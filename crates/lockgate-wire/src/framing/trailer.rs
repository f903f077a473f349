//! Fields after a chunked body (RFC 9110, 6.5).

use http::{HeaderMap, HeaderName};

use super::{field::Field, flaw::Flaw};
use crate::headers::{is_identity, WRITTEN};

/// Bytes of all trailers together. hyper and others stop at 16 KiB; gRPC, the one great
/// user of trailers, stays below 8 KiB by default.
pub(super) const TRAILER_BYTES: usize = 8 * 1024;

/// What RFC 9110, 6.5.1 keeps out of trailers: framing, routing, modifiers,
/// authentication and content. A reader that merged them into the head would
/// see another request than the gate judged. Sorted by length.
const FORBIDDEN: &[&[u8]] = &[
    b"te",
    b"age",
    b"host",
    b"vary",
    b"range",
    b"cookie",
    b"expect",
    b"pragma",
    b"trailer",
    b"upgrade",
    b"if-match",
    b"if-range",
    b"forwarded",
    b"connection",
    b"keep-alive",
    b"set-cookie",
    b"content-type",
    b"max-forwards",
    b"authorization",
    b"cache-control",
    b"content-range",
    b"if-none-match",
    b"content-length",
    b"content-encoding",
    b"proxy-connection",
    b"www-authenticate",
    b"if-modified-since",
    b"transfer-encoding",
    b"proxy-authenticate",
    b"if-unmodified-since",
    b"proxy-authorization",
];

/// Takes off what may not stand behind a body, whatever protocol it came by. HTTP/1.1
/// refuses it with the body's framing.
pub fn remove_forbidden(trailers: &mut HeaderMap) {
    let is_forbidden = |name: &&HeaderName| FORBIDDEN.contains(&name.as_str().as_bytes());
    let forbidden: Vec<HeaderName> = trailers.keys().filter(is_forbidden).cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
}

/// What the gate reads keys from by default.
const KEY: &str = "x-api-key";

/// Refuses a trailer that belongs in the head.
pub(super) fn check(field: &Field<'_>) -> Result<(), Flaw> {
    if FORBIDDEN.iter().any(|name| field.is(name)) {
        Err(Flaw::TrailerField)
    } else {
        Ok(())
    }
}

/// Refuses a client's trailer that says who is calling or from where: nobody
/// outside may, and an upstream may well merge it into the head.
pub(super) fn check_identity(field: &Field<'_>) -> Result<(), Flaw> {
    // CGI-like upstreams read every odd character as `_`.
    let dashed = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte.to_ascii_lowercase()),
        _ => '-',
    };
    let name: String = field.name.iter().map(dashed).collect();
    let ours = WRITTEN.contains(&name.as_str()) || name == KEY;
    if FORBIDDEN.contains(&name.as_bytes()) || ours || is_identity(&name) {
        Err(Flaw::TrailerField)
    } else {
        Ok(())
    }
}
