//! The PROXY protocol, versions 1 and 2: a load balancer says before all else
//! which client it speaks for (HAProxy's `proxy-protocol.txt`).
//!
//! Whoever may send the header may claim any address. So the caller asks for
//! it on listeners and from peers that are set so, and there it **must** come:
//! taking it where it happens to be there lets any client choose its address.

mod crc32c;
pub mod reasons;
#[cfg(test)]
mod tests;
mod v1;
mod v2;
mod write;

pub use v2::Ssl;
pub use write::{write_v1, V2};

use std::net::{IpAddr, SocketAddr};

use crate::reason::ReasonRef;

/// The most that a header may have: version 2 with 2 KiB of addresses and
/// additions. HAProxy reads 16 KiB at most and Envoy 64 KiB; load balancers in
/// clouds add less than 300 bytes, and client certificates' names a bit more.
pub const MAX_HEADER: usize = v2::START + v2::MAX_BODY;

/// How far [`parse`] has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The header is not whole; it has at least so many bytes in all.
    Need(usize),
    /// The header is whole.
    Done(Header),
}

/// A whole header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header; what follows is the client's.
    pub consumed: usize,
    /// Whom the connection is for. `None` if it is the load balancer's own (a
    /// health check), or of a kind without addresses: then the connection's
    /// own addresses count.
    pub addresses: Option<Addresses>,
    /// The host that the client asked for in TLS.
    pub authority: Option<String>,
    /// The protocol chosen by ALPN.
    pub alpn: Option<Vec<u8>>,
    /// What the sender calls the connection; 128 bytes at most.
    pub unique_id: Option<Vec<u8>>,
    /// What TLS was, if the load balancer ended it.
    pub ssl: Option<Ssl>,
}

/// Both ends of the client's connection to the load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// Where the client connected to.
    pub destination: SocketAddr,
}

impl Addresses {
    /// An IPv4 address written as an IPv6 one becomes IPv4, so that rules for
    /// addresses find it.
    fn new(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Self {
        let canonical = |(ip, port): (IpAddr, u16)| SocketAddr::new(ip.to_canonical(), port);
        Self {
            source: canonical(source),
            destination: canonical(destination),
        }
    }
}

/// Reads the header off a connection's first bytes: all that have come so
/// far, from the first. The caller collects them, [`MAX_HEADER`] at most.
///
/// # Errors
/// The reason why it is no header, as soon as that is certain. The connection
/// must be dropped then.
pub fn parse(bytes: &[u8]) -> Result<Progress, ReasonRef> {
    // Version 1 first: of nothing, it needs less.
    if v1::begins(bytes) {
        return v1::parse(bytes);
    }
    if v2::begins(bytes) {
        return v2::parse(bytes);
    }
    Err(&reasons::MISSING)
}
