//! What the upstream is told about where a request came from.

use std::net::IpAddr;

use bytes::Bytes;
use http::{
    header::{FORWARDED, HOST},
    HeaderMap, HeaderName, HeaderValue,
};

use super::forwarded::Told;
use crate::host;

/// The fields that [`Hop::write`] writes.
pub(super) const WRITTEN: &[&str] = &[
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
];

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// What a list says of whom nobody knows the address (RFC 7239, 6.2).
const UNKNOWN: &str = "unknown";
/// Between two entries of a list.
const SEPARATOR: &str = ", ";

/// One connection from a client: its values are made once, and copied into
/// each request by counting references.
#[derive(Debug, Clone)]
pub struct Hop {
    peer: IpAddr,
    element: Bytes,
    proto: &'static str,
    /// None where it came to no port.
    port: Option<HeaderValue>,
    /// Whether the peer has no address: it is on this machine, and came over a socket
    /// of the file system.
    nameless: bool,
    /// The lines that are the same for every request.
    lines: Vec<u8>,
}

impl Hop {
    /// A connection from `peer` to `port` of ours; `secure` says that it is TLS.
    /// A peer without an address is `0.0.0.0`, and came to port 0.
    #[must_use]
    pub fn new(peer: IpAddr, secure: bool, port: u16) -> Self {
        let peer = peer.to_canonical();
        let proto = scheme(secure);
        let nameless = peer.is_unspecified();
        let (name, node) = if nameless {
            // RFC 7239, 6.2.
            (UNKNOWN.to_owned(), UNKNOWN.to_owned())
        } else {
            (peer.to_string(), node(peer))
        };
        let mut lines = format!("{X_FORWARDED_FOR}: {name}\r\n{X_FORWARDED_PROTO}: {proto}\r\n");
        if port != 0 {
            lines += &format!("{X_FORWARDED_PORT}: {port}\r\n");
        }
        Self {
            peer,
            lines: lines.into(),
            element: format!("for={node};proto={proto}").into(),
            proto,
            port: (port != 0).then(|| HeaderValue::from(port)),
            nameless,
        }
    }

    /// Writes `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `Forwarded`: both of what was `told`,
    /// so that they say the same, and of the connection where nothing was. What stood there is gone.
    pub fn write(&self, headers: &mut HeaderMap, told: &Told) {
        let host = told.host.as_ref().or_else(|| own_host(headers)).cloned();
        let proto = told.secure.map_or(self.proto, scheme);
        let mut list = String::new();
        let mut elements = String::new();
        let way = told
            .way
            .iter()
            .map(|address| (address.to_string(), node(*address)));
        // A proxy on this machine is no hop: whoever reads the list from the right would
        // have to stop there, short of whom the proxy speaks for.
        let last = if !self.nameless {
            Some((self.peer.to_string(), node(self.peer)))
        } else if told.way.is_empty() {
            Some((UNKNOWN.to_owned(), UNKNOWN.to_owned()))
        } else {
            None
        };
        for (name, node) in way.chain(last) {
            if list.is_empty() {
                // Of the client's own request; how its proxies spoke among themselves is of no account.
                elements = format!("for={node};proto={proto}");
                if let Some(host) = host.as_ref().and_then(|host| host.to_str().ok()) {
                    let (label, quote) = naming(host.as_bytes());
                    elements.extend([label, quote, host, quote]);
                }
            } else {
                list += SEPARATOR;
                elements.extend([SEPARATOR, "for=", &node]);
            }
            list += &name;
        }
        headers.insert(X_FORWARDED_FOR, ascii(list));
        headers.insert(FORWARDED, ascii(elements));
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
        match told.port.as_ref().or(self.port.as_ref()) {
            Some(port) => headers.insert(X_FORWARDED_PORT, port.clone()),
            None => headers.remove(X_FORWARDED_PORT),
        };
        match host {
            Some(host) => headers.insert(X_FORWARDED_HOST, host),
            None => headers.remove(X_FORWARDED_HOST),
        };
    }

    /// As [`Hop::write`] where nothing was told, but as lines of a head
    /// that is being written: a map would have to grow for them. What the peer
    /// said of all this must be gone from `headers` ([`super::strip_identity`]).
    pub fn write_lines(&self, headers: &HeaderMap, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lines);
        let host = own_host(headers);
        if let Some(host) = host {
            for part in [
                X_FORWARDED_HOST.as_str().as_bytes(),
                b": ",
                host.as_bytes(),
                b"\r\n",
            ] {
                out.extend_from_slice(part);
            }
        }
        let host = host.map_or(&b""[..], HeaderValue::as_bytes);
        let (label, quote) = naming(host);
        let name = FORWARDED.as_str().as_bytes();
        for part in [
            name,
            b": ",
            &self.element,
            label.as_bytes(),
            quote.as_bytes(),
            host,
            quote.as_bytes(),
            b"\r\n",
        ] {
            out.extend_from_slice(part);
        }
    }
}

/// The Host of a request, where it is one.
fn own_host(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers
        .get(HOST)
        .filter(|host| host::split(host.as_bytes()).is_some())
}

const fn scheme(secure: bool) -> &'static str {
    if secure {
        "https"
    } else {
        "http"
    }
}

/// An address as RFC 7239 writes it.
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        // RFC 7239, 6: brackets, and therefore quotation marks.
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

/// What stands before a host in `Forwarded`, and what goes around it.
fn naming(host: &[u8]) -> (&'static str, &'static str) {
    match host {
        b"" => ("", ""),
        // A port or an IPv6 address is no token, and wants quotation marks.
        host if host.contains(&b':') => (";host=", "\""),
        _ => (";host=", ""),
    }
}

/// A value of which every byte came out of a header or a number: it can only
/// be a valid one, and an empty one stands for what cannot happen.
fn ascii(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}
