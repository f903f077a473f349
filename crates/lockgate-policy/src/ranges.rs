//! Sets of addresses as sorted, disjoint ranges: a million networks take
//! 8 bytes (IPv4) or 32 bytes (IPv6) each and twenty comparisons to search.

use std::net::{IpAddr, Ipv6Addr};

/// A set of IPv4 and IPv6 addresses.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct Ranges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    /// Builds the set from networks (`10.0.0.0/8`, `2001:db8::/32`, or one address).
    ///
    /// # Errors
    /// The index and text of the first entry that is not a network, with what is wrong.
    pub fn new<S: AsRef<str>>(networks: &[S]) -> Result<Self, (usize, String)> {
        let mut ranges = Self::default();
        for (index, text) in networks.iter().enumerate() {
            ranges
                .insert(text.as_ref())
                .map_err(|message| (index, message))?;
        }
        merge(&mut ranges.v4, |end, start| {
            end.checked_add(1).is_none_or(|next| start <= next)
        });
        merge(&mut ranges.v6, |end, start| {
            end.checked_add(1).is_none_or(|next| start <= next)
        });
        Ok(ranges)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether the address is in the set. An IPv4 address inside IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => search(&self.v4, u32::from(v4)),
            IpAddr::V6(v6) => search(&self.v6, u128::from(v6)),
        }
    }

    fn insert(&mut self, text: &str) -> Result<(), String> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("`{text}` is not an IP address or network such as 10.0.0.0/8"))?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => bits,
            // `u32::from_str` takes a sign and any number of zeroes; a prefix length has neither.
            Some(digits) if digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits
                    .parse::<u32>()
                    .ok()
                    .filter(|length| *length <= bits)
                    .ok_or_else(|| format!("`{text}`: the prefix length is from 0 to {bits}"))?
            }
            Some(_) => return Err(format!("`{text}`: the prefix length is from 0 to {bits}")),
        };
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                let first = u32::from(v4);
                if first & !mask != 0 {
                    return Err(host_bits(
                        text,
                        &format!("{}/{length}", std::net::Ipv4Addr::from(first & mask)),
                    ));
                }
                self.v4.push((first, first | !mask));
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                let first = u128::from(v6);
                if first & !mask != 0 {
                    return Err(host_bits(
                        text,
                        &format!("{}/{length}", Ipv6Addr::from(first & mask)),
                    ));
                }
                if let Some(inner) = v6.to_ipv4_mapped().filter(|_| length >= 96) {
                    let mask = u32::MAX.checked_shl(128 - length).unwrap_or(0);
                    self.v4.push((u32::from(inner), u32::from(inner) | !mask));
                } else {
                    self.v6.push((first, first | !mask));
                }
            }
        }
        Ok(())
    }
}

fn host_bits(text: &str, network: &str) -> String {
    format!("`{text}` has bits set beyond its prefix length; did you mean `{network}`?")
}

fn merge<T: Copy + Ord>(ranges: &mut Vec<(T, T)>, touches: impl Fn(T, T) -> bool) {
    ranges.sort_unstable();
    let mut kept = 0;
    for index in 0..ranges.len() {
        let (start, end) = ranges[index];
        if kept > 0 && touches(ranges[kept - 1].1, start) {
            ranges[kept - 1].1 = ranges[kept - 1].1.max(end);
        } else {
            ranges[kept] = (start, end);
            kept += 1;
        }
    }
    ranges.truncate(kept);
    ranges.shrink_to_fit();
}

fn search<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(start, _)| *start <= address);
    after > 0 && ranges[after - 1].1 >= address
}

#[cfg(test)]
mod tests;
