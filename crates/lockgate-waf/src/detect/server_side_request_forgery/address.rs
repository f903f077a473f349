//! IP addresses as clients read them, and what they lead to.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::host::Host;

/// What an IPv4 address leads to.
pub(super) fn of_v4(address: Ipv4Addr) -> Host {
    match address.octets() {
        [169, 254, 169, 254 | 253 | 123]
        | [169, 254, 170, 2]
        | [100, 100, 100, 200]
        | [192, 0, 0, 192] => Host::Metadata,
        [127, ..] | [0, ..] => Host::Loopback,
        [10, ..]
        | [192, 168, ..]
        | [172, 16..=31, ..]
        | [169, 254, ..]
        | [100, 64..=127, ..]
        | [192, 0, 0, _]
        | [198, 18 | 19, ..]
        | [240..=255, ..] => Host::Private,
        _ => Host::Public,
    }
}

/// What an IPv6 address leads to; an IPv4 address that it carries counts.
pub(super) fn of_v6(address: Ipv6Addr) -> Host {
    let parts = address.segments();
    let [.., high, low] = parts;
    let carried = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Host::Loopback,
        // Mapped, compatible, translated; NAT64 (RFC 6052, RFC 8215); ISATAP.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, ..] => carried(high, low),
        [0x2002, high, low, ..] => carried(high, low),
        // Teredo keeps its address inverted.
        [0x2001, 0, ..] => carried(!high, !low),
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => Host::Metadata,
        [0xfc00..=0xfdff, ..] | [0xfe80..=0xfeff, ..] | [0xff00..=0xffff, ..] => Host::Private,
        _ => Host::Public,
    }
}

/// Reads a number of an IPv4 address; `octal` says whether a zero before it means that.
fn number(part: &[u8], octal: bool) -> Option<u64> {
    let (digits, base) = match part {
        [] => return None,
        [b'0', b'x' | b'X', rest @ ..] => (rest, 16),
        [b'0', rest @ ..] if octal && !rest.is_empty() => (rest, 8),
        _ => (part, 10),
    };
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = digits.get(zeros..).unwrap_or_default();
    if digits.len() > 24 {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = char::from(*digit).to_digit(base)?;
        value
            .checked_mul(u64::from(base))?
            .checked_add(u64::from(digit))
    })
}

/// Reads an IPv4 address as `inet_aton` and the WHATWG do. `octal`: see
/// [`number`]; parts that are too large wrap, as they do in clients that do not look.
pub(super) fn v4(text: &[u8], octal: bool) -> Option<Ipv4Addr> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let mut parts = [0u64; 4];
    let mut count = 0;
    for part in text.split(|byte| *byte == b'.') {
        *parts.get_mut(count)? = number(part, octal)?;
        count += 1;
    }
    let last = count.checked_sub(1)?;
    let mut value = *parts.get(last)?;
    if count < 4 && value >> (8 * (4 - last)) != 0 && count > 1 {
        return None;
    }
    if count == 4 {
        value &= 0xff;
    }
    for (at, part) in parts.iter().enumerate().take(last) {
        value |= (part & 0xff) << (8 * (3 - at));
    }
    // One large number wraps at 32 bits.
    Some(Ipv4Addr::from((value & 0xffff_ffff) as u32))
}

/// Reads an IPv6 address, without its brackets; a zone is dropped.
pub(super) fn v6(text: &[u8]) -> Option<Ipv6Addr> {
    let text = text.split(|byte| *byte == b'%').next()?;
    if text.len() > 45 || !text.contains(&b':') {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{of_v4, of_v6, v4, v6, Host};

    #[test]
    fn every_spelling_of_this_machine_is_read() {
        for spelled in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "0177.0x0.0.1",
            "127.0.0.1.",
            "0x7F.0.0x0.1",
            "383.256.256.257",
            "6425673729",
            "00000177.0.0.1",
            "0",
        ] {
            let address = v4(spelled.as_bytes(), true).unwrap_or_else(|| panic!("{spelled}"));
            assert_eq!(of_v4(address), Host::Loopback, "{spelled}");
        }
        for spelled in [
            "",
            "1.2.3.4.5",
            "a.b",
            "1..2",
            "0xg",
            "127.0.0.x",
            "127.16777216",
        ] {
            assert_eq!(v4(spelled.as_bytes(), true), None, "{spelled}");
        }
        assert_eq!(v4(b"010.0.0.1", true).map(of_v4), Some(Host::Public));
        assert_eq!(v4(b"010.0.0.1", false).map(of_v4), Some(Host::Private));
    }

    #[test]
    fn what_an_ipv6_address_carries_counts() {
        for spelled in [
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::ffff:7f00:1",
        ] {
            assert_eq!(
                v6(spelled.as_bytes()).map(of_v6),
                Some(Host::Loopback),
                "{spelled}"
            );
        }
        for spelled in [
            "fe80::1%25eth0",
            "fc00::1",
            "fd12::",
            "::ffff:10.0.0.1",
            "2001:0:1:2:3:4:f5ff:fffe",
        ] {
            assert_eq!(
                v6(spelled.as_bytes()).map(of_v6),
                Some(Host::Private),
                "{spelled}"
            );
        }
        assert_eq!(v6(b"fd00:ec2::254").map(of_v6), Some(Host::Metadata));
        assert_eq!(v6(b"2606:4700::1111").map(of_v6), Some(Host::Public));
        assert_eq!(v6(b"2001:4860:4860::8888").map(of_v6), Some(Host::Public));
        assert_eq!(v6(b"64:ff9b::808:808").map(of_v6), Some(Host::Public));
    }
}
