//! The PROXY protocol towards an upstream: whom a connection speaks for, said
//! before anything else. See docs/decisions/0173-who-calls-over-a-socket-and-for-whom.md.

use std::net::{IpAddr, SocketAddr};

use lockgate_wire::proxy_protocol::{write_v1, Addresses, V2};

use crate::bundle::ProxyVersion;
use crate::net::{ConnectionState, NO_ADDRESS};

/// Whom a connection speaks for. It is used again for nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    version: ProxyVersion,
    /// None for a client without an address.
    addresses: Option<Addresses>,
    /// The host that the client asked for in TLS; told by version 2.
    authority: Option<Box<str>>,
}

impl Spoken {
    /// For `client`, whose request came over this connection. Where a proxy has
    /// said who it is, its port is not known, and is 0.
    pub fn of(version: ProxyVersion, state: &ConnectionState, client: IpAddr) -> Self {
        let ends = state.source.ends.get();
        let port = if client == state.source.peer {
            ends.port
        } else {
            0
        };
        let addresses = (client != NO_ADDRESS).then(|| {
            let nowhere = || SocketAddr::new(unspecified(client), 0);
            Addresses {
                source: SocketAddr::new(client, port),
                destination: ends.to.unwrap_or_else(nowhere),
            }
        });
        let asked = || state.source.tls()?.name.clone();
        Self {
            version,
            addresses,
            authority: match version {
                ProxyVersion::V1 => None,
                ProxyVersion::V2 => asked(),
            },
        }
    }

    /// As [`Self::of`], for a client that asked for `name` and is carried on unread.
    pub fn carried(version: ProxyVersion, state: &ConnectionState, name: &str) -> Self {
        let said = Self::of(version, state, state.source.peer);
        Self {
            authority: (version == ProxyVersion::V2).then(|| name.into()),
            ..said
        }
    }

    /// What is said first.
    pub fn header(&self) -> Vec<u8> {
        match self.version {
            ProxyVersion::V1 => write_v1(self.addresses.as_ref()).into_bytes(),
            ProxyVersion::V2 => V2 {
                addresses: self.addresses.as_ref(),
                authority: self.authority.as_deref(),
                checksum: true,
                ..V2::default()
            }
            .write(),
        }
    }
}

/// What is said first by the gate for itself, as it asks a server how it is.
pub fn own(version: ProxyVersion) -> Vec<u8> {
    match version {
        ProxyVersion::V1 => write_v1(None).into_bytes(),
        ProxyVersion::V2 => V2 {
            own: true,
            ..V2::default()
        }
        .write(),
    }
}

const fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests;
