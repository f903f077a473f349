//! A request's head that did not come over a socket of the gate's: it is
//! written as a client would have written it, and shown to the framing guard.

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::{HeadLimits, RequestGuard};

use crate::bundle::ListenerLimits;
use crate::reasons;

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
        let framed = named(b"content-length") || named(b"transfer-encoding");
        let length = told.length.filter(|length| *length > 0 && !framed);
        let length = length.map(|length| length.to_string());
        let added = [
            host.map(|host| (&b"host"[..], host.as_bytes())),
            length.as_deref().map(|length| (&b"content-length"[..], length.as_bytes())),
        ];
        let headers = || told.headers.iter().copied().chain(added.into_iter().flatten());

        let version = if told.old { "HTTP/1.0" } else { "HTTP/1.1" };
        let mut raw = Vec::with_capacity(512);
        for piece in [told.method, b" ", told.target, b" ", version.as_bytes(), b"\r\n"] {
            raw.extend_from_slice(piece);
        }
        for (name, value) in headers() {
            for piece in [name, b": ", value, b"\r\n"] {
                raw.extend_from_slice(piece);
            }
        }
        raw.extend_from_slice(b"\r\n");
        let bounds = HeadLimits {
            head_bytes: limits.head_bytes as usize,
            headers: usize::from(limits.headers),
            ..HeadLimits::default()
        };
        RequestGuard::new(bounds).feed(&raw, &mut |_| {})?;

        let mut map = HeaderMap::with_capacity(told.headers.len() + 2);
        for (name, value) in headers() {
            if let (Ok(name), Ok(value)) = (
                HeaderName::try_from(name),
                HeaderValue::from_bytes(value.trim_ascii()),
            ) {
                map.append(name, value);
            }
        }
        let target = uri.and_then(|uri| uri.path_and_query().map(ToString::to_string));
        Ok(Self {
            method: Method::from_bytes(told.method).map_err(|_| &reasons::METHOD_NOT_ALLOWED)?,
            target: target.unwrap_or_else(|| "/".to_owned()),
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
