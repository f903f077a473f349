//! Headers on their way through: what ends here, what nobody outside may say,
//! and what is told to the upstream.
//!
//! The order of use for a request: [`forwarded::Told::read`] reads where it
//! came from; policies judge; then, when it goes on, [`remove_hop_by_hop`],
//! [`strip_identity`], [`forwarding::Hop::write`] and
//! [`trace::continue_or_begin`]. An answer needs [`remove_hop_by_hop`] alone,
//! trailers [`strip_identity`].

pub mod cookies;
pub mod forwarded;
pub mod forwarding;
mod identity;
pub mod order;
pub mod reasons;
mod reserved;
#[cfg(test)]
mod tests;
pub mod trace;

use http::{
    header::{CONNECTION, TE},
    HeaderMap, HeaderName, HeaderValue,
};

pub use identity::{is_identity, look_alikes, remove_look_alikes, strip_identity};
pub(crate) use reserved::WRITTEN;
pub use reserved::{reserved, Reserved};

/// Fields of one connection alone (RFC 9110, 7.6.1), each with the bit that
/// says it was found. Framing and upgrades are written anew; what speaks to a
/// proxy speaks to us. `Trailer` is not among them: the fields it announces
/// go on to the end.
const HOP_BY_HOP: &[(&str, u16)] = &[
    ("connection", FOUND_CONNECTION),
    ("te", FOUND_TE),
    ("keep-alive", 1 << 2),
    ("upgrade", 1 << 3),
    ("transfer-encoding", 1 << 4),
    ("proxy-connection", 1 << 5),
    ("proxy-authenticate", 1 << 6),
    ("proxy-authorization", 1 << 7),
    ("proxy-authentication-info", 1 << 8),
    ("http2-settings", 1 << 9),
];
const FOUND_CONNECTION: u16 = 1;
const FOUND_TE: u16 = 1 << 1;

/// Fields that `Connection` cannot take away. RFC 9110, 7.6.1 forbids to name
/// fields there that are meant for the end; whoever does wants the upstream to
/// miss what we judged by ("hop-by-hop header abuse"). They go on.
const ESSENTIAL: &[&str] = &[
    "host",
    "date",
    "range",
    "cookie",
    "expect",
    "origin",
    "accept",
    "trailer",
    "referer",
    "if-match",
    "x-api-key",
    "set-cookie",
    "tracestate",
    "traceparent",
    "x-request-id",
    "content-type",
    "authorization",
    "cache-control",
    "content-range",
    "if-none-match",
    "content-length",
    "content-encoding",
    "strict-transport-security",
];

/// Removes the fields that are for this connection alone, and those that
/// `Connection` names. `TE: trailers` stays, as gRPC needs it.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let mut found = 0;
    for name in headers.keys() {
        found |= hop_bit(name.as_str().as_bytes());
    }
    if found == 0 {
        return;
    }
    let trailers = found & FOUND_TE != 0 && headers.get_all(TE).iter().any(accepts_trailers);
    if found & FOUND_CONNECTION != 0 {
        remove_nominated(headers);
    }
    for (name, bit) in HOP_BY_HOP {
        if found & bit != 0 {
            headers.remove(*name);
        }
    }
    if trailers {
        // RFC 9110, 10.1.4: whoever sends TE also names it in Connection.
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Whether a field of this name, in any case, is for one connection alone.
#[inline]
#[must_use]
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    hop_bit(name) != 0
}

/// Compares lengths before letters: nearly every field falls through.
#[inline]
fn hop_bit(name: &[u8]) -> u16 {
    if !matches!(name.len(), 2 | 7 | 10 | 14 | 16..=19 | 25) {
        return 0;
    }
    HOP_BY_HOP
        .iter()
        .find(|(hop, _)| name.eq_ignore_ascii_case(hop.as_bytes()))
        .map_or(0, |(_, bit)| *bit)
}

fn accepts_trailers(value: &HeaderValue) -> bool {
    options(value).any(|option| {
        let coding = option
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        coding.trim_ascii().eq_ignore_ascii_case(b"trailers")
    })
}

fn remove_nominated(headers: &mut HeaderMap) {
    let usual = |value: &HeaderValue| {
        [&b"keep-alive"[..], b"close"]
            .iter()
            .any(|word| value.as_bytes().eq_ignore_ascii_case(word))
    };
    if headers.get_all(CONNECTION).iter().all(usual) {
        return;
    }
    // However many there are: each costs one look-up, and most find nothing. Only
    // the head's size bounds them; `examples/forwarding_cost.rs` says what they cost.
    let values: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    for option in values.iter().flat_map(options) {
        let Ok(option) = std::str::from_utf8(option) else {
            continue;
        };
        if !headers.contains_key(option) {
            continue;
        }
        if let Ok(name) = HeaderName::try_from(option) {
            if !is_kept(name.as_str()) {
                headers.remove(name);
            }
        }
    }
}

/// Why an upstream may not get what was verified of the field of this name: the client has it
/// taken off (`Connection`, RFC 9110 section 7.6.1), or another field can be taken for it.
#[must_use]
pub fn disturbed(headers: &HeaderMap, name: &HeaderName) -> Option<&'static str> {
    let nominated = |option: &[u8]| option.eq_ignore_ascii_case(name.as_str().as_bytes());
    let mut options = headers.get_all(CONNECTION).iter().flat_map(options);
    if !is_kept(name.as_str()) && options.any(nominated) {
        return Some("`Connection` has it taken off");
    }
    let mut others = look_alikes(headers, name);
    others.next().map(|_| "another field can be taken for it")
}

fn is_kept(name: &str) -> bool {
    ESSENTIAL.contains(&name) || is_identity(name)
}

fn options(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
}
