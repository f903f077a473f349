//! What a client's program looks like from outside: its TLS, its HTTP/2, and how it
//! writes the fields of a request.

use aws_lc_rs::digest::{digest, SHA256};
use http::request::Parts;
use http::{HeaderName, Version};
use lockgate_policy::Program;
use lockgate_wire::headers::order;

use crate::http1::Lines;
use crate::net::ConnectionState;

/// Of a request that nothing was changed of yet. `lines` are its fields as they were
/// written, where they were; HTTP/2 and HTTP/3 have names in small letters, in an
/// order that the map keeps. Without `ordered` nobody asks how they were written.
pub fn of(state: &ConnectionState, parts: &Parts, lines: Option<&Lines>, ordered: bool) -> Program {
    let tls = state.source.tls();
    Program {
        ja4: tls.and_then(|secured| secured.ja4.clone()),
        http2: state.source.http2().map(Into::into),
        header_order: ordered.then(|| header_order(parts, lines).into()),
    }
}

fn header_order(parts: &Parts, lines: Option<&Lines>) -> String {
    let version = match parts.version {
        Version::HTTP_10 => "10",
        Version::HTTP_2 => "20",
        Version::HTTP_3 => "30",
        _ => "11",
    };
    let sha256 = |text: &[u8]| {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, text).as_ref());
        hash
    };
    match lines {
        Some(lines) => order::fingerprint(version, lines.iter().map(|(name, _)| name), sha256),
        None => {
            let names = parts.headers.keys().map(HeaderName::as_str);
            order::fingerprint(version, names.map(str::as_bytes), sha256)
        }
    }
}
