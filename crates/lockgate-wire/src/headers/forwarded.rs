//! Whom a request came from, told by proxies that are trusted.
//!
//! Each proxy adds the address that it saw at the right. So the list is walked
//! from the right: as long as the teller is trusted, what it tells is believed;
//! the first address that is not a trusted proxy's is the client. What stands
//! left of it may have been written by the client itself, and is not read at
//! all: nothing in it, not even an open quotation mark, has any effect.
//!
//! A proxy writes `X-Forwarded-For` or `Forwarded`, and may pass on the other
//! one from outside. So the list that is there says which family is the proxy's
//! own, and scheme and host are taken of that family alone; where both are
//! there, `X-Forwarded-*` is it. What the other family says besides has to be
//! the same, or the request is refused.

use std::net::{IpAddr, Ipv6Addr};

use http::{header::FORWARDED, HeaderMap, HeaderName, HeaderValue};

use super::forwarding::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO};
use super::reasons;
use crate::host;
use crate::reason::ReasonRef;

/// Trusted proxies in a row. Real chains have two or three; nginx walks any
/// number, HAProxy's `xff` examples go to ten.
const MAX_HOPS: usize = 16;
/// Longest single entry that is looked at: an IPv6 address, a port and the
/// other parameters of RFC 7239 with a long host.
const ENTRY_BYTES: usize = 512;

/// What trusted proxies tell of a request, as far as it is believed. Nothing, of a peer that is not
/// believed or says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The client's address, and behind it those of the proxies up to the peer, less the peer's own.
    pub way: Vec<IpAddr>,
    /// Whether the client spoke TLS.
    pub secure: Option<bool>,
    /// The host that it asked for.
    pub host: Option<HeaderValue>,
    /// The port that it came to.
    pub port: Option<HeaderValue>,
}

impl Told {
    /// The client's address, where one is told.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.way.first().copied()
    }

    /// What `peer` says, which is believed whatever its address is.
    ///
    /// What a trusted proxy tells but nobody can read (`unknown`, `_hidden`, or
    /// garbage) ends the walk at that proxy. IPv4 addresses mapped into IPv6 come
    /// back as IPv4.
    ///
    /// # Errors
    /// `forwarded-conflict` if `Forwarded` and `X-Forwarded-*` say different things of address, scheme
    /// or host: one of the two was passed on from outside, and to guess which would let a client
    /// choose its own address, or hide behind the proxy's.
    pub fn read(
        headers: &HeaderMap,
        peer: IpAddr,
        is_trusted: impl Fn(IpAddr) -> bool,
    ) -> Result<Self, ReasonRef> {
        let peer = peer.to_canonical();
        let walked = |name: &HeaderName, read: for<'t> fn(&'t str) -> Option<Entry<'t>>| {
            headers
                .contains_key(name)
                .then(|| walk(headers, name, read, &is_trusted))
        };
        let by_x = walked(&X_FORWARDED_FOR, bare_entry);
        let by_rfc = walked(&FORWARDED, rfc_entry);
        // The one of RFC 7239 is the proxy's own where it is the only list.
        let rfc = by_x.is_none() && by_rfc.is_some();
        let x = Said {
            secure: single(headers, &X_FORWARDED_PROTO)
                .map(HeaderValue::as_bytes)
                .and_then(scheme),
            host: single(headers, &X_FORWARDED_HOST)
                .map(HeaderValue::as_bytes)
                .filter(|text| host::split(text).is_some()),
        };
        let elsewhere = by_rfc
            .as_ref()
            .map(|walked| walked.said)
            .unwrap_or_default();
        if let (Some(one), Some(other)) = (&by_x, &by_rfc) {
            let first = |walked: &Walked<'_>| walked.way.last().copied().unwrap_or(peer);
            if first(one) != first(other) {
                return Err(&reasons::FORWARDED_CONFLICT);
            }
        }
        if x.contradicts(&elsewhere) {
            return Err(&reasons::FORWARDED_CONFLICT);
        }
        let said = if rfc { elsewhere } else { x };
        let mut way = by_x.or(by_rfc).map(|walked| walked.way).unwrap_or_default();
        way.reverse();
        Ok(Self {
            way,
            secure: said.secure,
            host: said
                .host
                .and_then(|text| HeaderValue::from_bytes(text).ok()),
            port: single(headers, &X_FORWARDED_PORT)
                .filter(|value| !rfc && is_number(value.as_bytes()))
                .cloned(),
        })
    }
}

/// The address of the client, as `peer` and the trusted proxies before it tell.
///
/// # Errors
/// As [`Told::read`].
pub fn client_address(
    headers: &HeaderMap,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, ReasonRef> {
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        return Ok(peer);
    }
    let told = Told::read(headers, peer, is_trusted)?;
    Ok(told.client().unwrap_or(peer))
}

/// What is said of a request besides addresses.
#[derive(Debug, Clone, Copy, Default)]
struct Said<'h> {
    secure: Option<bool>,
    host: Option<&'h [u8]>,
}

impl Said<'_> {
    fn contradicts(&self, other: &Said<'_>) -> bool {
        let schemes = self.secure.zip(other.secure);
        let hosts = self.host.zip(other.host);
        schemes.is_some_and(|(one, other)| one != other)
            || hosts.is_some_and(|(one, other)| !one.eq_ignore_ascii_case(other))
    }
}

/// What a proxy says of the one before it.
struct Entry<'h> {
    address: Option<IpAddr>,
    said: Said<'h>,
}

/// What came of a walk.
#[derive(Default)]
struct Walked<'h> {
    /// The proxies that are named, from the nearest on, and at last the client.
    way: Vec<IpAddr>,
    /// What is said with the client, or by the peer where nobody is named.
    said: Said<'h>,
}

/// Walks the entries of all lines of a field from the right.
fn walk<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    read: for<'t> fn(&'t str) -> Option<Entry<'t>>,
    is_trusted: &impl Fn(IpAddr) -> bool,
) -> Walked<'h> {
    let mut walked = Walked::default();
    for line in headers.get_all(name).iter().rev() {
        let Ok(mut left) = line.to_str() else {
            return walked;
        };
        while walked.way.len() < MAX_HOPS {
            let (rest, entry) = last_entry(left);
            let Some(entry) = read(entry) else {
                return walked;
            };
            if walked.way.is_empty() || entry.address.is_some() {
                walked.said = entry.said;
            }
            let Some(address) = entry.address.map(|address| address.to_canonical()) else {
                return walked;
            };
            walked.way.push(address);
            if !is_trusted(address) {
                return walked;
            }
            match rest {
                Some(rest) => left = rest,
                None => break,
            }
        }
    }
    walked
}

/// The one line of a field; `None` where there are several.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// Whether a scheme is the one with TLS; `None` where it is neither.
fn scheme(text: &[u8]) -> Option<bool> {
    let is = |name: &[u8]| text.eq_ignore_ascii_case(name);
    is(b"https")
        .then_some(true)
        .or(is(b"http").then_some(false))
}

fn is_number(text: &[u8]) -> bool {
    (1..=5).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}

/// Cuts off what follows the last comma outside of quotation marks. Reading
/// from the right, a quotation mark opens; whether one is escaped shows in the
/// number of backslashes before it.
fn last_entry(list: &str) -> (Option<&str>, &str) {
    let bytes = list.as_bytes();
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate().rev().take(ENTRY_BYTES) {
        match byte {
            b'"' => {
                let slashes = bytes[..at]
                    .iter()
                    .rev()
                    .take_while(|byte| **byte == b'\\')
                    .count();
                quoted ^= slashes % 2 == 0;
            }
            b',' if !quoted => return (Some(&list[..at]), list[at + 1..].trim_ascii()),
            _ => {}
        }
    }
    (None, list.trim_ascii())
}

/// An entry of `X-Forwarded-For`.
fn bare_entry(text: &str) -> Option<Entry<'_>> {
    Some(Entry {
        address: Some(address_with_port(text)?),
        said: Said::default(),
    })
}

/// One element of RFC 7239.
fn rfc_entry(element: &str) -> Option<Entry<'_>> {
    const NAMES: [&str; 3] = ["for", "proto", "host"];
    let mut found = [None; NAMES.len()];
    let mut rest = element;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        let name = name.trim_ascii();
        if let Some(at) = NAMES.iter().position(|it| name.eq_ignore_ascii_case(it)) {
            // RFC 7239, 4: "Each parameter MUST NOT occur more than once".
            if found[at].replace(value).is_some() {
                return None;
            }
        }
        let after = after.trim_ascii_start();
        rest = match after.strip_prefix(';') {
            Some(after) => after,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    let [whom, proto, named] = found;
    Some(Entry {
        address: whom.and_then(address_with_port),
        said: Said {
            secure: proto.and_then(|text| scheme(text.as_bytes())),
            host: named
                .map(str::as_bytes)
                .filter(|text| host::split(text).is_some()),
        },
    })
}

/// A token or a quoted string at the beginning of `text`, and what follows it.
/// No address needs an escape, so one makes the element unreadable.
fn value(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"')?;
        return (!value.contains('\\')).then_some((value, rest));
    }
    let end = text.find([';', ' ', '\t', '"']).unwrap_or(text.len());
    Some((&text[..end], &text[end..]))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or
/// `[2001:db8::1]:80`: everything that real proxies write.
fn address_with_port(text: &str) -> Option<IpAddr> {
    if text.len() > ENTRY_BYTES {
        return None;
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return is_port(port).then_some(address.into());
    }
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (address, port) = text.split_at(text.find(':')?);
    is_port(port)
        .then(|| address.parse().ok().map(IpAddr::V4))
        .flatten()
}

/// Nothing, `:80`, or the obfuscated port of RFC 7239, 6.2.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| {
            (1..=16).contains(&port.len())
                && port
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        })
}
