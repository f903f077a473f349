//! Whether a connection of the gate's own leads back to it.

use std::net::SocketAddr;

/// Whether who connected from `here` to `there` met the listener that is bound so.
pub(super) fn is_at(bound: SocketAddr, here: SocketAddr, there: SocketAddr) -> bool {
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

    use super::is_at;

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
            let found = is_at(address(bound), address(here), address(there));
            assert_eq!(found, own, "{bound} {here} {there}");
        }
    }
}
