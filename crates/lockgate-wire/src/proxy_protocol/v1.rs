//! Version 1: a line of text (proxy-protocol.txt, 2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{reasons, Addresses, Header, Progress};
use crate::reason::ReasonRef;

pub(super) const PREFIX: &[u8] = b"PROXY ";
/// The longest line with its end, by the specification.
pub(super) const MAX_LINE: usize = 107;
/// The shortest: `PROXY UNKNOWN` with its end.
const MIN_LINE: usize = 15;

/// Whether the bytes are, or may become, such a line.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.iter().zip(PREFIX).all(|(byte, due)| byte == due)
}

pub(super) fn parse(bytes: &[u8]) -> Result<Progress, ReasonRef> {
    let within = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = memchr::memchr(b'\n', within) else {
        return match within.len() {
            MAX_LINE => Err(&reasons::TOO_LONG),
            length => Ok(Progress::Need(MIN_LINE.max(length + 1))),
        };
    };
    let line = within[..end].strip_suffix(b"\r");
    let line = line.and_then(|line| std::str::from_utf8(line).ok());
    let line = line.ok_or(&reasons::MALFORMED)?;
    Ok(Progress::Done(Header {
        consumed: end + 1,
        addresses: addresses(line).ok_or(&reasons::MALFORMED)?,
        ..Header::default()
    }))
}

/// `None` if the line is wrong; `Some(None)` if it names no addresses.
fn addresses(line: &str) -> Option<Option<Addresses>> {
    let mut words = line.split(' ');
    if words.next()? != "PROXY" {
        return None;
    }
    let family = words.next()?;
    if family == "UNKNOWN" {
        // What follows must be ignored.
        return Some(None);
    }
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = (address()?, address()?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    let addresses = Addresses::new((source, from), (destination, to));
    words.next().is_none().then_some(Some(addresses))
}

/// Digits without zeroes or a sign before them.
fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let padded = word.len() > 1 && word.starts_with('0');
    (plain && !padded).then(|| word.parse().ok()).flatten()
}
