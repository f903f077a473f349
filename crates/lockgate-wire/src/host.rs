//! The syntax of `host[:port]`, shared by the framing guard and the normal form.

use std::net::Ipv6Addr;

use crate::chars;

/// DNS names have at most 253 characters and a final dot (RFC 1035, 2.3.4).
const NAME_BYTES: usize = 254;

/// A host and its port, as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostPort<'a> {
    pub(crate) host: Host<'a>,
    pub(crate) port: Option<u16>,
}

/// What stands before the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host<'a> {
    /// A DNS name or an IPv4 address, with its case and final dot.
    Name(&'a [u8]),
    /// The address between brackets.
    V6(Ipv6Addr),
}

/// Reads `host[:port]`; `None` where it is anything else. Userinfo, an empty
/// host, an empty port and IPv6 zones are all something else.
pub(crate) fn split(text: &[u8]) -> Option<HostPort<'_>> {
    if let Some(rest) = text.strip_prefix(b"[") {
        let end = memchr::memchr(b']', rest)?;
        let address = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        return Some(HostPort {
            host: Host::V6(address),
            port: port(&rest[end + 1..])?,
        });
    }
    let mut end = 0;
    let mut previous = b'.';
    while let Some(byte) = text.get(end).filter(|byte| chars::is(**byte, chars::HOST)) {
        // An empty label; the root's, at the end, is none.
        if *byte == b'.' && previous == b'.' {
            return None;
        }
        previous = *byte;
        end += 1;
    }
    if end == 0 || end > NAME_BYTES {
        return None;
    }
    let name = &text[..end];
    Some(HostPort {
        host: Host::Name(name),
        port: port(&text[end..])?,
    })
}

/// Reads `:port` or nothing. RFC 3986 allows an empty port; nobody sends it
/// in earnest, and it makes two spellings of one host.
fn port(text: &[u8]) -> Option<Option<u16>> {
    let Some(digits) = text.strip_prefix(b":") else {
        return text.is_empty().then_some(None);
    };
    if digits.is_empty() || digits.len() > 5 {
        return None;
    }
    let mut value = 0_u32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(digit - b'0');
    }
    u16::try_from(value)
        .ok()
        .filter(|port| *port != 0)
        .map(Some)
}
