//! Where a listener is: on the network, or in the file system.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// Whoever calls over a socket of the file system has no address. This one stands
/// for it: no packet comes from it (RFC 1122 section 3.2.1.3), so no other caller
/// is mistaken for these, no list of addresses has it unless somebody wrote it
/// there, and whatever is bounded by address bounds all of these together.
pub const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What an address in the file system begins with.
pub const UNIX: &str = "unix:";

/// Longest path of a socket: `sun_path` holds 108 bytes on Linux and 104 elsewhere,
/// one of them the final zero.
pub const MAX_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Where a listener is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An address and a port.
    Network(SocketAddr),
    /// A socket in the file system.
    Path(Arc<Path>),
}

impl Endpoint {
    /// Its address and port, where it has them.
    #[must_use]
    pub const fn network(&self) -> Option<SocketAddr> {
        match self {
            Self::Network(address) => Some(*address),
            Self::Path(_) => None,
        }
    }

    /// Its port; 0 where it has none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Network(address) => address.port(),
            Self::Path(_) => 0,
        }
    }

    /// Whether nobody comes there from another machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Network(address) => address.ip().to_canonical().is_loopback(),
            Self::Path(_) => true,
        }
    }
}

/// A path at which a socket can be, as it stands behind `unix:`.
#[must_use]
pub fn socket_path(text: &str) -> Option<&Path> {
    let path = text.strip_prefix(UNIX)?;
    let plain = path.starts_with('/') && !path.contains('\0') && path.len() <= MAX_SOCKET_PATH;
    plain.then(|| Path::new(path))
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with(UNIX) {
            return socket_path(text)
                .map(|path| Self::Path(path.into()))
                .ok_or_else(|| {
                    format!("`{text}` is not `unix:` with an absolute path of at most {MAX_SOCKET_PATH} bytes")
                });
        }
        text.parse().map(Self::Network).map_err(|_| {
            format!("`{text}` is not an address and port such as 127.0.0.1:8080, or `unix:` with a path")
        })
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Network(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Path(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}
