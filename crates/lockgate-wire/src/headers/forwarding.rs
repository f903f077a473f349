//! What the upstream is told about where a request came from.

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::{
    header::{FORWARDED, HOST},
    HeaderMap, HeaderName, HeaderValue,
};

use crate::host;

/// The fields that [`Hop::write`] writes.
pub(super) const WRITTEN: &[&str] = &[
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// What a list says of whom nobody knows the address (RFC 7239, 6.2).
const UNKNOWN: &str = "unknown";
/// Between two entries of a list.
const SEPARATOR: &[u8] = b", ";

/// Longest list that is added to. A longer one began far away, and is begun anew.
const LIST_BYTES: usize = 2048;

/// One connection from a client: its values are made once, and copied into
/// each request by counting references.
#[derive(Debug, Clone)]
pub struct Hop {
    trusted: bool,
    for_list: HeaderValue,
    element: Bytes,
    proto: HeaderValue,
    /// None where it came to no port.
    port: Option<HeaderValue>,
    /// Whether the peer has no address: it is on this machine, and came over a socket
    /// of the file system.
    nameless: bool,
    /// The lines that are the same for every request.
    lines: Vec<u8>,
}

impl Hop {
    /// A connection from `peer` to `port` of ours. `trusted` says that the
    /// peer is among the listener's trusted proxies, `secure` that it is TLS.
    /// A peer without an address is `0.0.0.0`, and came to port 0.
    #[must_use]
    pub fn new(peer: IpAddr, trusted: bool, secure: bool, port: u16) -> Self {
        let peer = peer.to_canonical();
        let proto = if secure { "https" } else { "http" };
        let nameless = peer.is_unspecified();
        let element = match peer {
            // RFC 7239, 6.2.
            _ if nameless => format!("for={UNKNOWN};proto={proto}"),
            IpAddr::V4(peer) => format!("for={peer};proto={proto}"),
            // RFC 7239, 6: brackets, and therefore quotation marks.
            IpAddr::V6(peer) => format!("for=\"[{peer}]\";proto={proto}"),
        };
        let name = if nameless {
            UNKNOWN.to_owned()
        } else {
            peer.to_string()
        };
        let mut lines = format!("{X_FORWARDED_FOR}: {name}\r\n{X_FORWARDED_PROTO}: {proto}\r\n");
        if port != 0 {
            lines += &format!("{X_FORWARDED_PORT}: {port}\r\n");
        }
        Self {
            trusted,
            lines: lines.into(),
            for_list: ascii(name.into()),
            element: element.into(),
            proto: HeaderValue::from_static(proto),
            port: (port != 0).then(|| HeaderValue::from(port)),
            nameless,
        }
    }

    /// Writes `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `Forwarded`.
    /// A trusted peer's lists are added to, and what it says of scheme, host
    /// and port is handed on if it can be right; anyone else's is replaced.
    pub fn write(&self, headers: &mut HeaderMap) {
        let host = headers
            .get(HOST)
            .filter(|host| host::split(host.as_bytes()).is_some())
            .cloned();
        let element = self.element(host.as_ref());
        if self.trusted {
            self.append(headers, &X_FORWARDED_FOR, self.for_list.as_bytes());
            self.append(headers, &FORWARDED, &element);
            keep_or_set(headers, X_FORWARDED_PROTO, is_scheme, Some(&self.proto));
            keep_or_set(
                headers,
                X_FORWARDED_HOST,
                |text| host::split(text).is_some(),
                host.as_ref(),
            );
            keep_or_set(headers, X_FORWARDED_PORT, is_port, self.port.as_ref());
            return;
        }
        headers.insert(X_FORWARDED_FOR, self.for_list.clone());
        headers.insert(FORWARDED, ascii(element));
        headers.insert(X_FORWARDED_PROTO, self.proto.clone());
        match &self.port {
            Some(port) => headers.insert(X_FORWARDED_PORT, port.clone()),
            None => headers.remove(X_FORWARDED_PORT),
        };
        match host {
            Some(host) => headers.insert(X_FORWARDED_HOST, host),
            None => headers.remove(X_FORWARDED_HOST),
        };
    }

    /// As [`Hop::write`] for a peer that is not trusted, but as lines of a head
    /// that is being written: a map would have to grow for them. What the peer
    /// said of all this must be gone from `headers` ([`super::strip_identity`]).
    pub fn write_lines(&self, headers: &HeaderMap, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lines);
        let host = headers
            .get(HOST)
            .filter(|host| host::split(host.as_bytes()).is_some());
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
            label,
            quote,
            host,
            quote,
            b"\r\n",
        ] {
            out.extend_from_slice(part);
        }
    }

    fn element(&self, host: Option<&HeaderValue>) -> Bytes {
        let Some(host) = host.map(HeaderValue::as_bytes) else {
            return self.element.clone();
        };
        let (label, quote) = naming(host);
        let parts = [&self.element, label, quote, host, quote];
        // Exactly as long as it becomes: a longer one would be moved to be shared.
        let mut element = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts
            .iter()
            .for_each(|part| element.extend_from_slice(part));
        element.into()
    }

    /// Adds an entry at the right of a list, all lines of it made one.
    fn append(&self, headers: &mut HeaderMap, name: &HeaderName, entry: &[u8]) {
        let mut list = BytesMut::new();
        let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
        for line in lines.filter(|line| !line.is_empty()) {
            list.put_slice(line);
            list.put_slice(SEPARATOR);
        }
        // A quotation mark left open by someone would swallow what we add.
        let open = list.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        if list.len() > LIST_BYTES || !list.is_ascii() || open {
            list.clear();
        }
        if self.nameless && !list.is_empty() {
            // A proxy on this machine is no hop: whoever reads the list from the right would
            // have to stop there, short of whom the proxy speaks for.
            list.truncate(list.len() - SEPARATOR.len());
        } else {
            list.put_slice(entry);
        }
        headers.insert(name, ascii(list.freeze()));
    }
}

/// What stands before a host in `Forwarded`, and what goes around it.
fn naming(host: &[u8]) -> (&'static [u8], &'static [u8]) {
    match host {
        b"" => (b"", b""),
        // A port or an IPv6 address is no token, and wants quotation marks.
        host if host.contains(&b':') => (b";host=", b"\""),
        _ => (b";host=", b""),
    }
}

/// Leaves a trusted proxy's word if there is one and it can be right.
fn keep_or_set(
    headers: &mut HeaderMap,
    name: HeaderName,
    is_right: impl Fn(&[u8]) -> bool,
    ours: Option<&HeaderValue>,
) {
    let mut told = headers.get_all(&name).iter();
    if told.next().is_some_and(|value| is_right(value.as_bytes())) && told.next().is_none() {
        return;
    }
    match ours {
        Some(ours) => headers.insert(name, ours.clone()),
        None => headers.remove(name),
    };
}

fn is_scheme(text: &[u8]) -> bool {
    matches!(text, b"http" | b"https")
}

fn is_port(text: &[u8]) -> bool {
    (1..=5).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

/// A value of which every byte came out of a header or a number: it can only
/// be a valid one, and an empty one stands for what cannot happen.
fn ascii(value: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}
