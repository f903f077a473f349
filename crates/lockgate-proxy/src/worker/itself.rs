//! Whether a connection of the gate's own leads back to it.

use std::fs::metadata;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::net::Endpoint;
use crate::upstream::Led;

/// Whether who was led there met the listener that is bound so.
pub(super) fn is_at(bound: &Endpoint, led: Led<'_>) -> bool {
    match (bound, led) {
        (Endpoint::Network(bound), Led::Network(here, there)) => meets(*bound, here, there),
        (Endpoint::Path(bound), Led::Path(there)) => is_same(bound, there),
        _ => false,
    }
}

/// Whether both are names of one file; what is not there any more is nobody's.
fn is_same(one: &Path, other: &Path) -> bool {
    match (metadata(one), metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Whether who connected from `here` to `there` met the socket that is bound so.
fn meets(bound: SocketAddr, here: SocketAddr, there: SocketAddr) -> bool {
    let [bound_ip, here_ip, there_ip] =
        [bound, here, there].map(|address| address.ip().to_canonical());
    if bound.port() != there.port() {
        return false;
    }
    if !bound_ip.is_unspecified() {
        return bound_ip == there_ip;
    }
    // `[::]` takes what comes over IPv4, too.
    let heard = bound_ip.is_ipv6() || there_ip.is_ipv4();
    heard && (there_ip.is_loopback() || there_ip == here_ip)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{is_same, meets};

    #[test]
    fn a_connection_to_the_gate_itself_is_known() {
        for (bound, here, there, own) in [
            ("10.0.0.1:443", "10.0.0.1:5000", "10.0.0.1:443", true),
            ("10.0.0.1:443", "10.0.0.1:5000", "10.0.0.1:444", false),
            ("10.0.0.1:443", "10.0.0.1:5000", "10.0.0.2:443", false),
            ("127.0.0.1:443", "127.0.0.1:5000", "127.0.0.2:443", false),
            ("0.0.0.0:443", "127.0.0.1:5000", "127.0.0.2:443", true),
            ("0.0.0.0:443", "10.0.0.1:5000", "10.0.0.1:443", true),
            ("0.0.0.0:443", "10.0.0.1:5000", "10.0.0.2:443", false),
            ("0.0.0.0:443", "[::1]:5000", "[::1]:443", false),
            ("[::]:443", "[::1]:5000", "[::1]:443", true),
            ("[::]:443", "10.0.0.1:5000", "10.0.0.1:443", true),
            (
                "[::]:443",
                "[::ffff:10.0.0.1]:5000",
                "[::ffff:10.0.0.1]:443",
                true,
            ),
            (
                "10.0.0.1:443",
                "[::ffff:10.0.0.1]:5000",
                "[::ffff:10.0.0.1]:443",
                true,
            ),
            ("[::]:443", "[2001:db8::1]:5000", "[2001:db8::2]:443", false),
        ] {
            let address = |text: &str| text.parse::<SocketAddr>().unwrap();
            let found = meets(address(bound), address(here), address(there));
            assert_eq!(found, own, "{bound} {here} {there}");
        }
    }

    #[test]
    fn a_socket_is_the_same_by_another_name() {
        let folder = crate::testing::Dir::new();
        let [one, link, other] = ["one", "link", "other"].map(|name| folder.join(name));
        let _listening = std::os::unix::net::UnixListener::bind(&one).unwrap();
        let _also = std::os::unix::net::UnixListener::bind(&other).unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        assert!(is_same(&one, &one) && is_same(&one, &link));
        assert!(!is_same(&one, &other));
        assert!(!is_same(&one, &folder.join("none")));
    }
}
