//! One server of an upstream: where it is.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// One server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// An address.
    Address(SocketAddr),
    /// This machine by its name, which no name server is asked for (RFC 6761 section 6.3).
    Localhost(u16),
    /// A name and a port; DNS knows the addresses.
    Name(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
    /// A name under which DNS knows servers. It stands for them and is never connected to itself.
    Srv(String),
}

impl Target {
    /// What an HTTP/1.1 request to it has for `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            other => other.to_string(),
        }
    }

    /// The addresses that need not be looked up, in the order in which they are tried.
    #[must_use]
    pub fn known(&self) -> Vec<SocketAddr> {
        match self {
            Self::Address(address) => vec![*address],
            Self::Localhost(port) => vec![
                (Ipv4Addr::LOCALHOST, *port).into(),
                (Ipv6Addr::LOCALHOST, *port).into(),
            ],
            Self::Name(..) | Self::Unix(_) | Self::Srv(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Localhost(port) => write!(f, "localhost:{port}"),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Srv(name) => f.write_str(name),
        }
    }
}
