//! `@ipMatch`, `@ipMatchFromFile`.

use std::net::IpAddr;

/// A set of networks: ranges of addresses, sorted, none of which touch. Those of
/// IPv4 stand among those of IPv6 as it maps them (`::ffff:0:0/96`), so that both
/// spellings of an address are found.
#[derive(Debug)]
pub struct Networks {
    ranges: Box<[(u128, u128)]>,
}

/// The number of an address, mapped where it is one of IPv4.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Networks {
    /// Of addresses and the lengths of their networks in bits; what is longer than
    /// an address is the address.
    #[must_use]
    pub fn new(networks: &[(IpAddr, u8)]) -> Self {
        let mut ranges: Vec<(u128, u128)> = networks
            .iter()
            .map(|(address, bits)| {
                let bits = match address {
                    IpAddr::V4(_) => 96 + u32::from(*bits).min(32),
                    IpAddr::V6(_) => u32::from(*bits).min(128),
                };
                let hosts = u128::MAX.checked_shr(bits).unwrap_or(0);
                let first = number(*address) & !hosts;
                (first, first | hosts)
            })
            .collect();
        ranges.sort_unstable();
        ranges.dedup_by(|next, kept| {
            let touch = next.0 <= kept.1.saturating_add(1);
            if touch {
                kept.1 = kept.1.max(next.1);
            }
            touch
        });
        Self {
            ranges: ranges.into(),
        }
    }

    /// Whether the address that `value` spells is in it; what spells none is not.
    #[must_use]
    pub fn contain(&self, value: &[u8]) -> bool {
        let address = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse::<IpAddr>().ok());
        let Some(address) = address.map(number) else {
            return false;
        };
        let after = self.ranges.partition_point(|(first, _)| *first <= address);
        after
            .checked_sub(1)
            .and_then(|at| self.ranges.get(at))
            .is_some_and(|(_, last)| address <= *last)
    }
}
