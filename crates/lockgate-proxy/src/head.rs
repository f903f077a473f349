//! A request's head that did not come over a socket of the gate's: it is
//! written as a client would have written it, and shown to the framing guard.

use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::{reasons as framing, HeadLimits, RequestGuard};

use crate::bundle::ListenerLimits;

/// Room for a head of the usual length, bytes; a longer one makes it grow.
const USUAL_BYTES: usize = 1024;

/// A head as somebody else has read it.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The method.
    pub method: &'a [u8],
    /// Path and query, or a whole URL.
    pub target: &'a [u8],
    /// Names and values, in order.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// Length of a body whose length no header tells.
    pub length: Option<usize>,
    /// HTTP/1.0, which knows no Host.
    pub old: bool,
}

/// A head that the framing let pass.
#[derive(Debug)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// All headers.
    pub headers: HeaderMap,
    authority: Option<String>,
}

impl Head {
    /// Reads a head.
    ///
    /// # Errors
    /// What the framing guard of a gate says of it.
    pub fn read(told: &Told<'_>, limits: &ListenerLimits) -> Result<Self, ReasonRef> {
        let uri = Uri::try_from(told.target).ok();
        let authority = uri.as_ref().and_then(|uri| uri.authority());
        let authority = authority.map(ToString::to_string);
        let named = |wanted: &[u8]| {
            let mut headers = told.headers.iter();
            headers.any(|(name, _)| name.eq_ignore_ascii_case(wanted))
        };
        let host = authority.as_deref().filter(|_| !named(b"host"));
        let length = told
            .length
            .filter(|length| *length > 0)
            .filter(|_| !named(b"content-length") && !named(b"transfer-encoding"))
            .map(|length| length.to_string());
        let added = [
            host.map(|host| (&b"host"[..], host.as_bytes())),
            length
                .as_deref()
                .map(|length| (&b"content-length"[..], length.as_bytes())),
        ];
        let headers = || {
            let added = added.into_iter().flatten();
            told.headers.iter().copied().chain(added)
        };
        let limits = HeadLimits {
            head_bytes: limits.head_bytes as usize,
            headers: usize::from(limits.headers),
            ..HeadLimits::default()
        };
        RequestGuard::new(limits).feed(&written(told, headers()), &mut |_| {})?;

        let mut map = HeaderMap::with_capacity(told.headers.len() + added.len());
        // What was written is taken apart by nobody else: a line end within a part is refused here.
        for (name, value) in headers() {
            let name = HeaderName::try_from(name).map_err(|_| &framing::FIELD_NAME)?;
            let value = HeaderValue::from_bytes(value.trim_ascii());
            map.append(name, value.map_err(|_| &framing::FIELD_VALUE)?);
        }
        Ok(Self {
            method: Method::from_bytes(told.method).map_err(|_| &framing::METHOD)?,
            target: uri.map(origin_form).ok_or(&framing::TARGET)?,
            headers: map,
            authority,
        })
    }

    /// The host that it names; empty where it names none.
    #[must_use]
    pub fn host(&self) -> &str {
        let header = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        header.or(self.authority.as_deref()).unwrap_or("")
    }
}

/// Path and query alone. An empty path is `/` (RFC 9110 section 4.2.3).
fn origin_form(uri: Uri) -> String {
    match uri.path_and_query().map(PathAndQuery::as_str) {
        Some(whole) if whole.starts_with('/') || whole == "*" => whole.to_owned(),
        Some(query) => format!("/{query}"),
        None => "/".to_owned(),
    }
}

/// The head as a client writes it.
fn written<'a>(told: &Told<'_>, headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let version: &[u8] = if told.old {
        b" HTTP/1.0\r\n"
    } else {
        b" HTTP/1.1\r\n"
    };
    let mut raw = Vec::with_capacity(USUAL_BYTES);
    for piece in [told.method, b" ", told.target, version] {
        raw.extend_from_slice(piece);
    }
    for (name, value) in headers {
        for piece in [name, b": ", value, b"\r\n"] {
            raw.extend_from_slice(piece);
        }
    }
    raw.extend_from_slice(b"\r\n");
    raw
}
