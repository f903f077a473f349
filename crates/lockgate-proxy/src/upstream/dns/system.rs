//! What the system says of names: resolv.conf(5) and hosts(5). Both are short
//! and read anew for each look-up, so that a change counts at once.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Bytes of such a file that are read.
const MAX_FILE: u64 = 1024 * 1024;
/// Domains that are searched; glibc had 6 for long.
const MAX_SEARCH: usize = 8;
/// The port of DNS.
const PORT: u16 = 53;

/// What the system says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whom to ask.
    pub servers: Vec<SocketAddr>,
    search: Vec<String>,
    dots: usize,
    hosts: String,
}

impl Settings {
    /// As of now.
    #[must_use]
    pub fn read() -> Self {
        let mut settings = Self::parse(&text("/etc/resolv.conf"));
        settings.hosts = text("/etc/hosts");
        settings
    }

    fn parse(file: &str) -> Self {
        let mut settings = Self {
            dots: 1,
            ..Self::default()
        };
        for line in file.lines() {
            let line = line.split(['#', ';']).next().unwrap_or("");
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    settings
                        .servers
                        .extend(address.map(|ip| SocketAddr::new(ip, PORT)));
                }
                // The last of them counts.
                Some("search" | "domain") => {
                    settings.search = words.take(MAX_SEARCH).map(str::to_owned).collect();
                }
                Some("options") => {
                    let mut dots =
                        words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    settings.dots = dots.next_back().unwrap_or(settings.dots).min(15);
                }
                _ => {}
            }
        }
        if settings.servers.is_empty() {
            settings.servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        settings
    }

    /// The full names that a name may stand for, in the order in which they are asked for.
    #[must_use]
    pub fn candidates(&self, host: &str) -> Vec<String> {
        if let Some(full) = host.strip_suffix('.') {
            return vec![full.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{host}.{domain}"));
        let own = std::iter::once(host.to_owned());
        if host.matches('.').count() >= self.dots {
            own.chain(searched).collect()
        } else {
            searched.chain(own).collect()
        }
    }

    /// Addresses that the file of hosts has.
    #[must_use]
    pub fn hosts(&self, host: &str) -> Vec<IpAddr> {
        let lines = self.hosts.lines().filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let address = words.next()?.parse::<IpAddr>().ok()?;
            words
                .any(|name| name.eq_ignore_ascii_case(host))
                .then_some(address)
        });
        lines.collect()
    }
}

fn text(path: &str) -> String {
    let mut text = String::new();
    // A file that is not there, or cannot be read, says nothing.
    if let Ok(file) = File::open(path) {
        let _ = file.take(MAX_FILE).read_to_string(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_servers_and_domains_are_read() {
        let told = "# comment\nnameserver 10.0.0.53\nnameserver ::1 ; second\nnameserver nonsense\nsearch old\nsearch svc.cluster.local cluster.local\noptions ndots:5 timeout:1\n";
        let settings = Settings::parse(told);
        let servers: Vec<SocketAddr> = ["10.0.0.53:53", "[::1]:53"]
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        assert_eq!(settings.servers, servers);
        assert_eq!(
            settings.candidates("shop"),
            ["shop.svc.cluster.local", "shop.cluster.local", "shop"]
        );
        assert_eq!(settings.candidates("shop.")[..], ["shop"]);
        assert_eq!(settings.candidates("a.b.c.d.e.f")[0], "a.b.c.d.e.f");
    }

    #[test]
    fn an_empty_file_means_this_machine() {
        let settings = Settings::parse("");
        assert_eq!(settings.servers, [(Ipv4Addr::LOCALHOST, 53).into()]);
        assert_eq!(settings.candidates("shop"), ["shop"]);
    }

    #[test]
    fn hosts_are_looked_up_in_any_case() {
        let settings = Settings {
            hosts:
                "127.0.0.1 localhost\n10.1.2.3 Shop shop.internal # shop2\n::7 shop\nbroken shop\n"
                    .to_owned(),
            ..Settings::default()
        };
        let addresses: Vec<IpAddr> = ["10.1.2.3", "::7"]
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        assert_eq!(settings.hosts("shop"), addresses);
        assert!(settings.hosts("shop2").is_empty());
    }
}
