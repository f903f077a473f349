//! The header for an upstream that wants it.

use std::net::{IpAddr, Ipv6Addr};

use super::{crc32c, v2, Addresses};

/// A line of version 1; `None` says that nobody is named: the connection is the
/// gate's own, or its client has no address.
#[must_use]
pub fn write_v1(addresses: Option<&Addresses>) -> String {
    let Some(Addresses {
        source,
        destination,
    }) = addresses
    else {
        return "PROXY UNKNOWN\r\n".to_owned();
    };
    let (from, to) = (source.port(), destination.port());
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            format!("PROXY TCP4 {source} {destination} {from} {to}\r\n")
        }
        (source, destination) => {
            let (source, destination) = (wide(source), wide(destination));
            format!("PROXY TCP6 {source} {destination} {from} {to}\r\n")
        }
    }
}

/// A header of version 2.
#[derive(Debug, Clone, Copy, Default)]
pub struct V2<'a> {
    /// `None` where they are not known; the connection's own count then.
    pub addresses: Option<&'a Addresses>,
    /// Whether the connection is the gate's own, and nobody is spoken for.
    pub own: bool,
    /// The host that the client asked for; left out if longer than 255 bytes,
    /// as no host is.
    pub authority: Option<&'a str>,
    /// The protocol chosen by ALPN; left out if longer than 255 bytes.
    pub alpn: Option<&'a [u8]>,
    /// What the gate calls the connection; left out if longer than 128 bytes.
    pub unique_id: Option<&'a [u8]>,
    /// Whether a checksum is written.
    pub checksum: bool,
}

impl V2<'_> {
    /// Writes the header: at most 723 bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut header = v2::SIGNATURE.to_vec();
        match self.addresses {
            _ if self.own => header.extend([0x20, 0, 0, 0]),
            None => header.extend([0x21, 0, 0, 0]),
            Some(addresses) => block(addresses, &mut header),
        }
        let authority = self.authority.map(str::as_bytes);
        add(v2::AUTHORITY, authority, 255, &mut header);
        add(v2::ALPN, self.alpn, 255, &mut header);
        add(
            v2::UNIQUE_ID,
            self.unique_id,
            v2::MAX_UNIQUE_ID,
            &mut header,
        );
        if self.checksum {
            add(v2::CRC32C, Some(&[0; 4]), 4, &mut header);
        }
        // Bounded above, so the cast loses nothing.
        let length = ((header.len() - v2::START) as u16).to_be_bytes();
        header[v2::START - 2..v2::START].copy_from_slice(&length);
        if self.checksum {
            let sum = crc32c::checksum(&[&header]).to_be_bytes();
            let at = header.len() - sum.len();
            header[at..].copy_from_slice(&sum);
        }
        header
    }
}

/// The rest of the start, with a length to be filled in, and the addresses.
fn block(addresses: &Addresses, header: &mut Vec<u8>) {
    let Addresses {
        source,
        destination,
    } = addresses;
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            header.extend([0x21, 0x11, 0, 0]);
            header.extend([source.octets(), destination.octets()].concat());
        }
        (source, destination) => {
            header.extend([0x21, 0x21, 0, 0]);
            header.extend([wide(source).octets(), wide(destination).octets()].concat());
        }
    }
    header.extend(source.port().to_be_bytes());
    header.extend(destination.port().to_be_bytes());
}

fn add(kind: u8, value: Option<&[u8]>, most: usize, header: &mut Vec<u8>) {
    if let Some(value) = value.filter(|value| value.len() <= most) {
        header.push(kind);
        // Not more than 255, so the cast loses nothing.
        header.extend((value.len() as u16).to_be_bytes());
        header.extend(value);
    }
}

/// Both must be of one family.
fn wide(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}
