//! One server of an upstream: where it is.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// One server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    at: At,
    /// Written once: each request's event names it.
    text: Box<str>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum At {
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

impl From<At> for Target {
    fn from(at: At) -> Self {
        let text = match &at {
            At::Address(address) => address.to_string(),
            At::Localhost(port) => format!("localhost:{port}"),
            At::Name(host, port) => format!("{host}:{port}"),
            At::Unix(path) => format!("unix:{}", path.display()),
            At::Srv(name) => name.clone(),
        };
        Self {
            at,
            text: text.into(),
        }
    }
}

impl Target {
    /// Where it is.
    #[must_use]
    pub const fn at(&self) -> &At {
        &self.at
    }

    /// Its name in events, metrics and messages.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What an HTTP/1.1 request to it has for `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.at {
            At::Unix(_) => "localhost".to_owned(),
            _ => self.text.to_string(),
        }
    }

    /// The addresses that need not be looked up, in the order in which they are tried.
    #[must_use]
    pub fn known(&self) -> Vec<SocketAddr> {
        match &self.at {
            At::Address(address) => vec![*address],
            At::Localhost(port) => vec![
                (Ipv4Addr::LOCALHOST, *port).into(),
                (Ipv6Addr::LOCALHOST, *port).into(),
            ],
            At::Name(..) | At::Unix(_) | At::Srv(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
