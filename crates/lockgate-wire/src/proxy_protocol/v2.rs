//! Version 2: binary, with additions in type, length and value
//! (proxy-protocol.txt, 2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{crc32c, reasons, Addresses, Header, Progress};
use crate::reason::ReasonRef;

pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version with command, family with protocol, and length.
pub(super) const START: usize = 16;
/// The most that may follow; see [`super::MAX_HEADER`].
pub(super) const MAX_BODY: usize = 2048;
/// A unique identifier's length, by the specification.
pub(super) const MAX_UNIQUE_ID: usize = 128;

pub(super) const ALPN: u8 = 0x01;
pub(super) const AUTHORITY: u8 = 0x02;
pub(super) const CRC32C: u8 = 0x03;
pub(super) const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_COMMON_NAME: u8 = 0x22;

const CLIENT_SSL: u8 = 0x01;
const CLIENT_CERTIFICATE: u8 = 0x02 | 0x04;

/// What the load balancer says of TLS that it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ssl {
    /// Whether the client spoke TLS at all.
    pub used: bool,
    /// Whether the client showed a certificate, now or in the session before,
    /// and the load balancer verified it.
    pub verified: bool,
    /// The version, such as `TLSv1.3`.
    pub version: Option<String>,
    /// The common name in the client's certificate.
    pub common_name: Option<String>,
}

/// Whether the bytes are, or may become, such a header.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.iter().zip(SIGNATURE).all(|(byte, due)| byte == due)
}

pub(super) fn parse(bytes: &[u8]) -> Result<Progress, ReasonRef> {
    let Some((start, rest)) = bytes.split_first_chunk::<START>() else {
        return Ok(Progress::Need(START));
    };
    let [.., version_command, family, high, low] = *start;
    let is_local = match version_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(&reasons::MALFORMED),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_BODY {
        return Err(&reasons::TOO_LONG);
    }
    let Some(body) = rest.get(..length) else {
        return Ok(Progress::Need(START + length));
    };
    let mut header = Header {
        consumed: START + length,
        ..Header::default()
    };
    // For LOCAL, and where nothing is known, all else must be ignored.
    if !is_local {
        let wrong: ReasonRef = &reasons::MALFORMED;
        if let Some((addresses, block)) = block(family, body).ok_or(wrong)? {
            header.addresses = addresses;
            let whole = &bytes[..header.consumed];
            additions(&mut header, whole, START + block)?;
        }
    }
    Ok(Progress::Done(header))
}

/// The addresses, and the length of their block. `None` if it is wrong;
/// `Some(None)` if nothing is known.
#[allow(clippy::option_option)] // As `v1::addresses`.
fn block(family: u8, body: &[u8]) -> Option<Option<(Option<Addresses>, usize)>> {
    let transport = family & 15;
    if transport > 2 {
        return None;
    }
    let length = match family >> 4 {
        0 => return Some(None),
        1 => 12,
        2 => 36,
        3 => 216,
        _ => return None,
    };
    let block = body.get(..length)?;
    // Without a transport the real endpoints count; UNIX sockets have no
    // addresses of the kind that policies ask for.
    let addresses = match transport {
        0 => None,
        _ => addresses(block),
    };
    Some(Some((addresses, length)))
}

fn addresses(block: &[u8]) -> Option<Addresses> {
    let (ips, ports) = block.split_last_chunk::<4>()?;
    let (source, destination) = match ips.len() {
        8 => (v4(&ips[..4])?, v4(&ips[4..])?),
        32 => (v6(&ips[..16])?, v6(&ips[16..])?),
        _ => return None,
    };
    let [a, b, c, d] = *ports;
    Some(Addresses::new(
        (source, u16::from_be_bytes([a, b])),
        (destination, u16::from_be_bytes([c, d])),
    ))
}

fn v4(bytes: &[u8]) -> Option<IpAddr> {
    let bytes: [u8; 4] = bytes.try_into().ok()?;
    Some(Ipv4Addr::from(bytes).into())
}

fn v6(bytes: &[u8]) -> Option<IpAddr> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

/// Reads the additions of a whole header from `at` on. The header's bound
/// bounds their number: each has three bytes at least.
fn additions(header: &mut Header, whole: &[u8], mut at: usize) -> Result<(), ReasonRef> {
    let wrong: ReasonRef = &reasons::MALFORMED;
    let mut summed = false;
    while at < whole.len() {
        let (kind, value) = addition(&whole[at..]).ok_or(wrong)?;
        at += 3;
        match kind {
            ALPN => header.alpn = Some(value.to_vec()),
            AUTHORITY => header.authority = Some(text(value).ok_or(wrong)?),
            UNIQUE_ID if value.len() > MAX_UNIQUE_ID => return Err(wrong),
            UNIQUE_ID => header.unique_id = Some(value.to_vec()),
            SSL => header.ssl = Some(ssl(value).ok_or(wrong)?),
            CRC32C => {
                let sum: [u8; 4] = value.try_into().map_err(|_| wrong)?;
                // A second one would cost the whole again.
                if std::mem::replace(&mut summed, true) {
                    return Err(wrong);
                }
                let expected = crc32c::checksum(&[&whole[..at], &[0; 4], &whole[at + 4..]]);
                if u32::from_be_bytes(sum) != expected {
                    return Err(&reasons::CHECKSUM);
                }
            }
            // Unknown ones must be skipped.
            _ => {}
        }
        at += value.len();
    }
    Ok(())
}

fn addition(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let ([kind, high, low], rest) = bytes.split_first_chunk::<3>()?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    Some((*kind, rest.get(..length)?))
}

fn ssl(value: &[u8]) -> Option<Ssl> {
    let ([client, verify @ ..], mut rest) = value.split_first_chunk::<5>()?;
    let mut ssl = Ssl {
        used: client & CLIENT_SSL != 0,
        // Zero says verified, and also stands there without a certificate.
        verified: *verify == [0; 4] && client & CLIENT_CERTIFICATE != 0,
        ..Ssl::default()
    };
    while !rest.is_empty() {
        let (kind, value) = addition(rest)?;
        match kind {
            SSL_VERSION => ssl.version = Some(text(value)?),
            SSL_COMMON_NAME => ssl.common_name = Some(text(value)?),
            _ => {}
        }
        rest = &rest[3 + value.len()..];
    }
    Some(ssl)
}

fn text(value: &[u8]) -> Option<String> {
    std::str::from_utf8(value).ok().map(str::to_owned)
}
