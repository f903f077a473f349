//! Whom an address names, in any client's reading.

use super::address::{of_v4, of_v6, v4, v6};

/// What a host is to the server that would ask it; later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    /// Anybody's.
    Public,
    /// A name without a dot, or of a domain that only inner resolvers know.
    Inner,
    /// An address of an inner network.
    Private,
    /// The server itself.
    Loopback,
    /// A public name that holds an inner address.
    Embedded,
    /// Where a cloud tells a machine its secrets.
    Metadata,
}

/// The longest host, folded.
const HOST: usize = 255;
/// Bytes of an address that are looked at: its host stands at its beginning.
pub(super) const ADDRESS: usize = 300;
/// Readings of one address: hosts between its `@`.
const READINGS: usize = 6;

/// How long the address is: up to a blank, a quote or an angle bracket. Tabs and
/// line ends are dropped by the WHATWG's parser, but nobody sends them inside.
pub(super) fn length(rest: &[u8]) -> usize {
    let rest = rest.get(..ADDRESS).unwrap_or(rest);
    rest.iter().position(ends).unwrap_or(rest.len())
}

fn ends(byte: &u8) -> bool {
    matches!(
        byte,
        b' ' | b'"' | b'<' | b'>' | b'\'' | b'`' | b'\n' | b'\r' | b')' | b'}'
    )
}

/// Addresses longer than [`ADDRESS`] that are read of one text: each may reach to its end.
const LONG: usize = 8;

/// Where addresses in a text end, for addresses asked for from its beginning on: each byte is looked at once.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// No address that begins before here ends before here.
    known: usize,
    /// Long ones that were read.
    long: usize,
}

impl Ends {
    /// How long the address is that begins at `from`.
    pub(super) fn length(&mut self, text: &[u8], from: usize) -> usize {
        if self.known < from || self.known == 0 {
            self.known = from;
        }
        let most = (from + ADDRESS).min(text.len());
        while self.known < most && !text.get(self.known).is_some_and(ends) {
            self.known += 1;
        }
        self.known.min(most).saturating_sub(from)
    }

    /// What stands before the path of a long address, however long that is: behind a long
    /// name and password stands the host all the same. Nothing behind too many such.
    pub(super) fn authority<'t>(&mut self, text: &'t [u8], from: usize) -> Option<&'t [u8]> {
        let rest = text.get(from..).unwrap_or_default();
        let host = |byte: &u8| !matches!(byte, b'/' | b'\\');
        let slashes = rest.iter().position(host).unwrap_or(rest.len());
        let name = rest.get(slashes..).unwrap_or_default();
        let stops = |byte: &u8| *byte == b'/' || ends(byte);
        let near = name.get(..ADDRESS).unwrap_or(name);
        let mut stop = near.iter().position(stops);
        if stop.is_none() && near.len() < name.len() {
            self.long += 1;
            if self.long > LONG {
                return None;
            }
            stop = name.iter().position(stops);
        }
        rest.get(..slashes + stop.unwrap_or(name.len()))
    }
}

/// The worst host that a client may read in what stands after a scheme's colon.
pub(super) fn worst(rest: &[u8]) -> Host {
    let skipped = rest
        .iter()
        .take_while(|byte| matches!(byte, b'/' | b'\\'))
        .count();
    let rest = rest.get(skipped..).unwrap_or_default();
    // The WHATWG ends a host at a backslash, RFC 3986 does not; `?` and `#` end it in both,
    // and in some clients they do not if an `@` follows.
    let slash = |text: &[u8]| memchr::memchr(b'/', text).unwrap_or(text.len());
    let authority = rest.get(..slash(rest)).unwrap_or_default();
    let mut worst = Host::Public;
    let mut from = 0;
    for _ in 0..READINGS {
        let part = authority.get(from..).unwrap_or_default();
        let end = part
            .iter()
            .position(|byte| matches!(byte, b'@' | b'\\' | b'?' | b'#'))
            .unwrap_or(part.len());
        let piece = part.get(..end).unwrap_or_default();
        let stop = part.get(end).copied();
        // What stands before an `@` is a name and a password, unless a client was misled.
        let misled = stop == Some(b'@')
            && from == 0
            && !authority
                .iter()
                .any(|byte| matches!(byte, b'\\' | b'#' | b'?'));
        let host = named(piece);
        let name = stop == Some(b'@') && host == Host::Inner;
        if !(misled || name) {
            worst = worst.max(host);
        }
        let Some(stop) = stop else { return worst };
        if stop == b'?'
            && !authority
                .get(from + end..)
                .unwrap_or_default()
                .contains(&b'@')
        {
            return worst;
        }
        from += end + 1;
    }
    // Whoever takes a name and a password to be as long as they can be asks what stands behind.
    let last = memchr::memrchr(b'@', authority).map_or(from, |at| at + 1);
    let last = authority.get(last.max(from)..).unwrap_or_default();
    let stop = last
        .iter()
        .position(|byte| matches!(byte, b'\\' | b'?' | b'#'));
    worst.max(named(
        last.get(..stop.unwrap_or(last.len())).unwrap_or_default(),
    ))
}

/// What a host with its port is.
fn named(piece: &[u8]) -> Host {
    let mut buffer = [0; HOST];
    let Some(host) = fold(piece, &mut buffer) else {
        // No name is as long; a number behind zeros is, to those that read it.
        let digit = piece.first().is_some_and(u8::is_ascii_digit);
        return if digit { Host::Private } else { Host::Public };
    };
    if let Some(rest) = host.strip_prefix(b"[") {
        let inside = rest.split(|byte| *byte == b']').next().unwrap_or_default();
        return v6(inside).map_or(Host::Public, of_v6);
    }
    // `name:password` is no host with a port, but both have a colon.
    let host = host.split(|byte| *byte == b':').next().unwrap_or_default();
    if host.is_empty() {
        return Host::Public;
    }
    if host.first().is_some_and(u8::is_ascii_digit) {
        let read = [v4(host, true), v4(host, false)];
        if let Some(worst) = read.into_iter().flatten().map(of_v4).max() {
            return worst;
        }
    }
    name(host)
}

/// What a name is.
fn name(host: &[u8]) -> Host {
    const METADATA: [&[u8]; 8] = [
        b"metadata.packet.net",
        b"metadata.tencentyun.com",
        b"metadata.google.internal",
        b"metadata.goog",
        b"metadata",
        b"metadata.azure.internal",
        b"instance-data",
        b"instance-data.ec2.internal",
    ];
    const SELF: [&[u8]; 5] = [
        b"localhost",
        b"localhost.localdomain",
        b"ip6-localhost",
        b"ip6-loopback",
        b"host.docker.internal",
    ];
    // Public names of this machine, without an address in them.
    const POINTING: [&[u8]; 7] = [
        b"spoofed.burpcollaborator.net",
        b"localtest.me",
        b"lvh.me",
        b"vcap.me",
        b"lacolhost.com",
        b"localho.st",
        b"yoogle.com",
    ];
    const CLUSTER: [&[u8]; 5] = [
        b"svc",
        b"cluster.local",
        b"consul",
        b"kubernetes.default",
        b"docker",
    ];
    const INNER: [&[u8]; 8] = [
        b"local",
        b"internal",
        b"intranet",
        b"lan",
        b"corp",
        b"localdomain",
        b"private",
        b"home",
    ];
    let host = host.strip_suffix(b".").unwrap_or(host);
    if METADATA.contains(&host) {
        return Host::Metadata;
    }
    if SELF.contains(&host) || host.ends_with(b".localhost") {
        return Host::Loopback;
    }
    let under = |domain: &[u8]| {
        host.strip_suffix(domain)
            .is_some_and(|before| before.is_empty() || before.ends_with(b"."))
    };
    if POINTING.iter().any(|domain| under(domain)) {
        return Host::Embedded;
    }
    let worst = embedded(host);
    if worst > Host::Public {
        return if worst == Host::Metadata {
            worst
        } else {
            Host::Embedded
        };
    }
    if CLUSTER
        .iter()
        .any(|domain| under(domain) && host.len() > domain.len())
    {
        return Host::Private;
    }
    let Some(dot) = host.iter().rposition(|byte| *byte == b'.') else {
        let plain = host
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        return if plain && host.first().is_some_and(u8::is_ascii_alphabetic) {
            Host::Inner
        } else {
            Host::Public
        };
    };
    let top = host.get(dot + 1..).unwrap_or_default();
    if INNER.contains(&top) || under(b"home.arpa") {
        return Host::Inner;
    }
    Host::Public
}

/// An inner address in a name's labels: `10.0.0.1.nip.io`, `app-10-0-0-1.example`,
/// `7f000001.c0a80001.rbndr.us`.
fn embedded(host: &[u8]) -> Host {
    let mut worst = Host::Public;
    let mut numbers = [0u8; 4];
    let mut run = 0;
    let mut hexes = 0;
    let mut hex_worst = Host::Public;
    let mut value: Option<u16> = None;
    let mut length = 0;
    let mut letters = false;
    let ended = host.iter().copied().chain(std::iter::once(b'.'));
    for byte in ended {
        if byte.is_ascii_digit() {
            let so_far = if length == 0 { Some(0) } else { value };
            value = so_far
                .and_then(|value| value.checked_mul(10)?.checked_add(u16::from(byte - b'0')))
                .filter(|value| *value < 256);
            length += 1;
            continue;
        }
        if !matches!(byte, b'.' | b'-') {
            (letters, value, length) = (true, None, length + 1);
            continue;
        }
        match value.and_then(|value| u8::try_from(value).ok()) {
            Some(number) if !letters && length > 0 => {
                numbers.rotate_left(1);
                if let Some(last) = numbers.last_mut() {
                    *last = number;
                }
                run += 1;
                if run >= 4 {
                    worst = worst.max(of_v4(numbers.into()));
                }
            }
            _ => run = 0,
        }
        (letters, value, length) = (false, None, 0);
    }
    for label in host.split(|byte| *byte == b'.') {
        let read = (label.len() == 8)
            .then(|| {
                label.iter().try_fold(0u32, |value, digit| {
                    Some(value << 4 | char::from(*digit).to_digit(16)?)
                })
            })
            .flatten();
        if let Some(address) = read {
            hexes += 1;
            hex_worst = hex_worst.max(of_v4(address.into()));
        }
    }
    if hexes > 1 {
        worst = worst.max(hex_worst);
    }
    worst
}

/// Folds a host as IDNA does, in lower case; what is left of percent-encoding is decoded.
fn fold<'a>(piece: &[u8], buffer: &'a mut [u8; HOST]) -> Option<&'a [u8]> {
    let mut len = 0;
    let mut at = 0;
    let mut raw = [0u8; 4];
    while at < piece.len() {
        let (sign, size) = decoded(piece, at, &mut raw);
        at += size;
        let folded = match sign {
            0x09 | 0x0a | 0x0d | 0xad | 0x200b..=0x200d | 0x2060 | 0xfeff => continue,
            0x3002 | 0xff0e | 0xff61 => b'.',
            0xff01..=0xff5e => u8::try_from(sign - 0xfee0).ok()?,
            0x2460..=0x2468 => u8::try_from(sign - 0x2460).ok()? + b'1',
            0x24ea => b'0',
            0x2469..=0x2473 => {
                // Ten to twenty, in one sign.
                *buffer.get_mut(len)? = if sign == 0x2473 { b'2' } else { b'1' };
                len += 1;
                u8::try_from((sign - 0x2469) % 10).ok()? + b'0'
            }
            0x24b6..=0x24cf => u8::try_from(sign - 0x24b6).ok()? + b'a',
            0x24d0..=0x24e9 => u8::try_from(sign - 0x24d0).ok()? + b'a',
            0x2070 => b'0',
            0xb9 => b'1',
            0xb2 | 0xb3 => u8::try_from(sign - 0xb0).ok()? + b'0',
            0x2074..=0x2079 => u8::try_from(sign - 0x2070).ok()? + b'0',
            0x2080..=0x2089 => u8::try_from(sign - 0x2080).ok()? + b'0',
            0x1d7ce..=0x1d7ff => u8::try_from((sign - 0x1d7ce) % 10).ok()? + b'0',
            0x1d400..=0x1d6a3 => u8::try_from((sign - 0x1d400) % 26).ok()? + b'a',
            0x17f => b's',
            0..=0x7f => u8::try_from(sign).ok()?,
            _ => 0xff,
        };
        *buffer.get_mut(len)? = folded.to_ascii_lowercase();
        len += 1;
    }
    buffer.get(..len)
}

/// The sign at `at`, percent-decoded once where it is encoded, and the bytes that it takes.
fn decoded(piece: &[u8], at: usize, raw: &mut [u8; 4]) -> (u32, usize) {
    let byte = |at: usize| -> Option<(u8, usize)> {
        let first = *piece.get(at)?;
        if first == b'%' {
            let high = char::from(*piece.get(at + 1)?).to_digit(16);
            let low = char::from(*piece.get(at + 2)?).to_digit(16);
            if let (Some(high), Some(low)) = (high, low) {
                return Some((u8::try_from(high << 4 | low).ok()?, 3));
            }
        }
        Some((first, 1))
    };
    let Some((first, mut size)) = byte(at) else {
        return (u32::from(piece.get(at).copied().unwrap_or(0)), 1);
    };
    let more = match first {
        0xC2..=0xDF => 1,
        0xE0..=0xEF => 2,
        0xF0..=0xF4 => 3,
        _ => return (u32::from(first), size),
    };
    raw[0] = first;
    for to in raw.iter_mut().skip(1).take(more) {
        let Some((next, length)) = byte(at + size) else {
            return (u32::from(first), 1);
        };
        *to = next;
        size += length;
    }
    let sign = raw
        .get(..=more)
        .and_then(|raw| std::str::from_utf8(raw).ok())
        .and_then(|text| text.chars().next());
    match sign {
        Some(sign) => (u32::from(sign), size),
        None => (0xff, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::{worst, Host};

    fn of(address: &str) -> Host {
        worst(address.as_bytes())
    }

    #[test]
    fn hosts_are_read_as_any_client_would() {
        for address in [
            "//127.0.0.1/",
            "//user@127.0.0.1/",
            "//a:b@127.0.0.1:80/",
            "///127.0.0.1",
            "127.0.0.1",
            "\\\\127.0.0.1\\x",
            "//example.com\\@127.0.0.1/",
            "//127.0.0.1\\@example.com",
            "//example.com#@127.0.0.1/",
            "//example.com?@127.0.0.1/",
            "//a@127.0.0.1:80@example.com/",
            "//localhost",
            "//LOCALHOST.:80",
            "//①②⑦.⓪.⓪.①/",
            "//127。0。0。1",
            "//127.0.0.1/",
            "//ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
            "//%6cocalhost/",
            "//127.0.0.%31/",
            "//[::1]:80/",
            "//[::ffff:7f00:1]",
            "//𝟏𝟐𝟕.0.0.1",
            "//a.localhost/",
            "//0/",
            "//①②⑦.1",
        ] {
            assert_eq!(of(address), Host::Loopback, "{address}");
        }
        for address in [
            "//example.com/",
            "//example.com/@127.0.0.1",
            "//example.com/?u=http://127.0.0.1/",
            "//127.0.0.1@example.com/",
            "//8.8.8.8/",
            "//münchen.example/",
            "//10.example.com",
            "//v10-0-1.example.com",
            "//0a000001.example.com",
            "//ec2-54-12-3-4.example.com",
            "//",
        ] {
            assert_eq!(of(address), Host::Public, "{address}");
        }
        for address in [
            "//10.0.0.1.nip.io",
            "//www.10-0-0-1.sslip.io/",
            "//7f000001.c0a80001.rbndr.us",
            "//make-127-0-0-1-rr.1u.ms",
            "//x.lvh.me",
            "//ip-10-0-0-5.ec2.internal",
        ] {
            assert_eq!(of(address), Host::Embedded, "{address}");
        }
        assert_eq!(of("//169.254.169.254/"), Host::Metadata);
        assert_eq!(of("//169.254.169.254.nip.io/"), Host::Metadata);
        assert_eq!(of("//metadata.google.internal/"), Host::Metadata);
        assert_eq!(of("//redis:6379/"), Host::Inner);
        assert_eq!(of("//api.default.svc.cluster.local/"), Host::Private);
    }
}
