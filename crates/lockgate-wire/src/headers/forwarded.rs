//! Whose address a request came from, told by proxies that are trusted.
//!
//! Each proxy adds the address that it saw at the right. So the list is walked
//! from the right: as long as the teller is trusted, what it tells is believed;
//! the first address that is not a trusted proxy's is the client. What stands
//! left of it may have been written by the client itself, and is not read at
//! all: nothing in it, not even an open quotation mark, has any effect.

use std::net::{IpAddr, Ipv6Addr};

use http::{header::FORWARDED, HeaderMap, HeaderName};

use super::reasons;
use crate::reason::ReasonRef;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Trusted proxies in a row. Real chains have two or three; nginx walks any
/// number, HAProxy's `xff` examples go to ten.
const MAX_HOPS: usize = 16;
/// Longest single entry that is looked at: an IPv6 address, a port and the
/// other parameters of RFC 7239 with a long host.
const ENTRY_BYTES: usize = 512;

/// The address of the client, as `peer` and the trusted proxies before it tell.
///
/// What a trusted proxy tells but nobody can read (`unknown`, `_hidden`, or
/// garbage) ends the walk at that proxy. IPv4 addresses mapped into IPv6 come
/// back as IPv4.
///
/// # Errors
/// `forwarded-conflict` if `Forwarded` and `X-Forwarded-For` lead to different
/// addresses: one of the two was passed on from outside, and to guess which
/// would let a client choose its own address, or hide behind the proxy's.
pub fn client_address(
    headers: &HeaderMap,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, ReasonRef> {
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        return Ok(peer);
    }
    Ok(client_behind(headers, peer, is_trusted)?.unwrap_or(peer))
}

/// As [`client_address`], of a peer that is believed whatever its address is; `None` where it
/// names nobody.
///
/// # Errors
/// As [`client_address`].
pub fn client_behind(
    headers: &HeaderMap,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Option<IpAddr>, ReasonRef> {
    let peer = peer.to_canonical();
    let told = |name: &HeaderName, entry: fn(&str) -> Option<IpAddr>| {
        headers
            .contains_key(name)
            .then(|| walk(headers, name, entry, &is_trusted))
    };
    let by_x = told(&X_FORWARDED_FOR, address_with_port);
    let by_rfc = told(&FORWARDED, forwarded_for);
    match (by_x, by_rfc) {
        (Some(x), Some(rfc)) if x.unwrap_or(peer) != rfc.unwrap_or(peer) => {
            Err(&reasons::FORWARDED_CONFLICT)
        }
        (x, rfc) => Ok(x.flatten().or(rfc.flatten())),
    }
}

/// Walks the entries of all lines of a field from the right; `None` if it names nobody.
fn walk(
    headers: &HeaderMap,
    name: &HeaderName,
    address: fn(&str) -> Option<IpAddr>,
    is_trusted: &impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut client = None;
    let mut hops = 0;
    for line in headers.get_all(name).iter().rev() {
        let Ok(mut left) = line.to_str() else {
            return client;
        };
        while hops < MAX_HOPS {
            let (rest, entry) = last_entry(left);
            let Some(told) = address(entry) else {
                return client;
            };
            let told = told.to_canonical();
            client = Some(told);
            if !is_trusted(told) {
                return client;
            }
            hops += 1;
            match rest {
                Some(rest) => left = rest,
                None => break,
            }
        }
    }
    client
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

/// The `for` of one element of RFC 7239.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    let mut rest = element;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        if name.trim_ascii().eq_ignore_ascii_case("for") {
            // RFC 7239, 4: "Each parameter MUST NOT occur more than once".
            if found.replace(value).is_some() {
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
    address_with_port(found?)
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
