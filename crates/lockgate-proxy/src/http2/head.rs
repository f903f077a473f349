//! Heads from and to HTTP/2. A request's head has to pass the same guard as
//! one of HTTP/1.1, written as the upstream will read it: what could be taken
//! in two ways there is refused here.

use h2::ext::Protocol;
use http::header::{
    HeaderValue, ALT_SVC, CONNECTION, CONTENT_LENGTH, COOKIE, DATE, HOST, SEC_WEBSOCKET_KEY,
    STRICT_TRANSPORT_SECURITY, UPGRADE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Version};
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::{HeadLimits, RequestGuard};
use lockgate_wire::headers::remove_hop_by_hop;
use lockgate_wire::websocket::key;

use super::reasons;
use crate::http1::write_field;
use crate::http3::reasons as http3;
use crate::respond::{Fields, X_REQUEST_ID};

/// RFC 6455 section 4.1.
const KEY_BYTES: usize = 16;

/// What differs between HTTP/2 and HTTP/3: what a refusal is called.
pub struct Dialect {
    version: Version,
    connect_unsupported: ReasonRef,
    authority_differs: ReasonRef,
    field_malformed: ReasonRef,
}

/// Heads of HTTP/2.
pub const HTTP_2: Dialect = Dialect {
    version: Version::HTTP_2,
    connect_unsupported: &reasons::CONNECT_UNSUPPORTED,
    authority_differs: &reasons::AUTHORITY_DIFFERS,
    field_malformed: &reasons::FIELD_MALFORMED,
};

/// Heads of HTTP/3.
pub const HTTP_3: Dialect = Dialect {
    version: Version::HTTP_3,
    connect_unsupported: &http3::CONNECT_UNSUPPORTED,
    // The library has compared them already.
    authority_differs: &http3::PROTOCOL,
    field_malformed: &http3::FIELD_MALFORMED,
};

/// Brings a head into the form that the pipeline knows: a Host field, one
/// Cookie field. `scratch` is for what the guard is shown.
///
/// # Errors
/// Why it is refused.
pub fn take(
    parts: &mut Parts,
    limits: HeadLimits,
    dialect: &Dialect,
    scratch: &mut Vec<u8>,
) -> Result<(), ReasonRef> {
    if parts.method == Method::CONNECT {
        return Err(dialect.connect_unsupported);
    }
    // Not every library looks: the upstream would read them as of its own connection.
    let of_a_connection = |(name, value): (&HeaderName, &HeaderValue)| match name.as_str() {
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => true,
        "te" => !value.as_bytes().eq_ignore_ascii_case(b"trailers"),
        _ => false,
    };
    if parts.headers.iter().any(of_a_connection) {
        return Err(dialect.field_malformed);
    }
    host(parts, dialect)?;
    join_cookies(&mut parts.headers);
    let target = parts
        .uri
        .path_and_query()
        .map_or("", PathAndQuery::as_str)
        .as_bytes();
    if target.is_empty() {
        return Err(dialect.field_malformed);
    }
    scratch.clear();
    for piece in [
        parts.method.as_str().as_bytes(),
        b" ",
        target,
        b" HTTP/1.1\r\n",
    ] {
        scratch.extend_from_slice(piece);
    }
    for (name, value) in &parts.headers {
        let value = value.as_bytes();
        // HTTP/1.1 would trim it, and see another value than the policies.
        if value.trim_ascii().len() != value.len() {
            return Err(dialect.field_malformed);
        }
        write_field(scratch, name.as_str().as_bytes(), value);
    }
    scratch.extend_from_slice(b"\r\n");
    RequestGuard::new(limits).feed(scratch, &mut |_| {})?;
    parts.version = dialect.version;
    Ok(())
}

/// Whether a request asks for a WebSocket: CONNECT with a `:protocol` (RFC 8441 section 4).
#[must_use]
pub fn asks_for_websocket(parts: &Parts) -> bool {
    let protocol = parts.extensions.get::<Protocol>();
    parts.method == Method::CONNECT
        && protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"))
}

/// Says it as HTTP/1.1 does, so that the same policies judge the same head.
pub fn as_upgrade(parts: &mut Parts, random: [u8; 24]) {
    let headers = &mut parts.headers;
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    // The client has none; the upstream is to prove that it understood.
    let key = key(&random[..KEY_BYTES]);
    if let Ok(key) = HeaderValue::from_bytes(&key) {
        headers.insert(SEC_WEBSOCKET_KEY, key);
    }
}

/// `:authority` becomes Host. Both may be there, and then they have to agree
/// (RFC 9113 section 8.3.1).
fn host(parts: &mut Parts, dialect: &Dialect) -> Result<(), ReasonRef> {
    let Some(authority) = parts.uri.authority() else {
        return Ok(());
    };
    match parts.headers.get(HOST) {
        Some(host)
            if host
                .as_bytes()
                .eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            Ok(())
        }
        Some(_) => Err(dialect.authority_differs),
        None => {
            let host = HeaderValue::from_str(authority.as_str());
            parts
                .headers
                .insert(HOST, host.map_err(|_| dialect.field_malformed)?);
            Ok(())
        }
    }
}

/// Cookies may come in pieces, and go on as one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut pieces = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (pieces.next(), pieces.next()) else {
        return;
    };
    let mut whole = first.as_bytes().to_vec();
    for piece in std::iter::once(second).chain(pieces) {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(piece.as_bytes());
    }
    // Made of values, and so one itself.
    if let Ok(mut whole) = HeaderValue::from_bytes(&whole) {
        whole.set_sensitive(true);
        headers.insert(COOKIE, whole);
    }
}

/// The fields of an answer. `None` if `http` does not take what the guard took,
/// which tests say never happens.
pub fn fields(
    fields: Fields,
    bodiless: bool,
    id: Option<&str>,
    date: &[u8],
    hsts: Option<&HeaderValue>,
    alt_svc: Option<&HeaderValue>,
) -> Option<HeaderMap> {
    let mut headers = fields.map()?;
    remove_hop_by_hop(&mut headers);
    if bodiless {
        headers.remove(CONTENT_LENGTH);
    }
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(X_REQUEST_ID, id);
    }
    if !headers.contains_key(DATE) {
        headers.insert(DATE, HeaderValue::from_bytes(date).ok()?);
    }
    if let Some(hsts) = hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    if let Some(alt_svc) = alt_svc {
        headers.insert(ALT_SVC, alt_svc.clone());
    }
    Some(headers)
}
