//! Addresses that a server would be sent to on somebody else's behalf.
//!
//! **What it stops.** A value that the application fetches, and that leads into
//! its own network: `http://127.0.0.1/`, `http://0x7f.1/`, `http://[::ffff:10.0.0.1]/`,
//! `http://169.254.169.254/latest/meta-data/`, `http://10.0.0.1.nip.io/`,
//! `gopher://…`, `file:///…`, `php://filter/…`.
//!
//! **How it decides.** It parses the address as clients do: by the WHATWG's
//! rules and by RFC 3986's as curl reads them, which differ on backslashes and on
//! `@`; a host in either reading counts. Hosts are folded as IDNA does (full-width
//! and circled signs, other full stops), percent-decoded, and read as an IPv4
//! address in every spelling of `inet_aton` (decimal, octal, hexadecimal, short
//! forms), as an IPv6 address with what it may carry (mapped, compatible, NAT64,
//! 6to4, a zone), or as a name: what means this machine, what only resolves
//! inside, what holds an address in its labels.
//!
//! **What it lets pass.** Addresses of public hosts, addresses of networks that
//! stand alone (`10.0.0.5` in a log), `mailto:`, `data:image/…`, addresses of this
//! machine in prose. `Referer`, `Origin`, `Host` and the `Forwarded` family are not asked.
//!
//! **Its limits.** What a public name resolves to is for the one who fetches to
//! check. A redirect leads where it leads.

use std::ops::Range;

use super::prose::{blanks, words};
use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;

mod address;
mod host;
mod scheme;

use host::Host;
use scheme::Scheme;

/// Server-side request forgery.
pub static DETECTOR: Detector = Detector {
    name: "server-side-request-forgery",
    title: "An address inside the network, for the server to fetch",
    severity: Severity::Critical,
    tag: "attack-ssrf",
    places: Where::VALUES,
    needs: &[ByteSet::of(b":/\\")],
    min_len: 6,
    unwraps: true,
    find,
};

/// Header fields that say where a client comes from or goes to.
const OWN: [&[u8]; 11] = [
    b"host",
    b"origin",
    b"referer",
    b"forwarded",
    b"via",
    b"content-security-policy",
    b"access-control-request-headers",
    b"sec-websocket-origin",
    b":authority",
    b"from",
    b"link",
];

/// Words around an address from which on it stands in prose.
const PROSE: usize = 3;
/// The longest scheme that is looked for before a colon.
const SCHEME: usize = 16;

fn find(value: &Value<'_>) -> Option<Finding> {
    if value.stood == Where::Header
        && (OWN.contains(&value.name) || value.name.starts_with(b"x-forwarded"))
    {
        return None;
    }
    // Who fetches takes blanks off before, however many (WHATWG URL 4.4, step 1).
    let before = blanks(value.bytes);
    let behind = value.bytes.get(before..).unwrap_or_default();
    let text = behind.trim_ascii_end();
    let found = within(text, value)?;
    Some(Finding {
        at: before + found.at.start..before + found.at.end,
        ..found
    })
}

/// An address in a text without blanks around it.
fn within(text: &[u8], value: &Value<'_>) -> Option<Finding> {
    let mut best: Option<(i32, Range<usize>, &'static str)> = None;
    // Programs that call say in brackets where their makers are to be found.
    let agent = value.stood == Where::Header && value.name == b"user-agent";
    if let Some((points, end, what)) = bare(text, value.name).filter(|_| !agent) {
        best = Some((points, 0..end, what));
    }
    let gap = memchr::memchr(b' ', text).unwrap_or(text.len());
    let mut ends = host::Ends::default();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr(b':', rest)) {
        let colon = at + found;
        at = colon + 1;
        let named = colon.checked_sub(1).and_then(|at| text.get(at));
        if !named.is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        let Some((start, scheme)) = scheme::before(text, colon, SCHEME) else {
            continue;
        };
        let length = ends.length(text, colon + 1);
        let (points, end, what) = judge(text, start, colon, length, scheme, &mut ends);
        // Where it stands makes it no worse.
        let most = best.as_ref().map_or(0, |(points, ..)| *points);
        if points <= most || agent && start > 0 {
            continue;
        }
        let before = text.get(..start).unwrap_or_default();
        let whole = start < 2 || matches!(before.last(), Some(b'=')) && gap >= start;
        // Where it is a part of something it is less, whatever stands around it.
        if !whole && points - 1 <= most {
            continue;
        }
        let after = text.get(end..).unwrap_or_default();
        let apart = before
            .last()
            .is_some_and(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'(' | b'<' | b'`'))
            || text.starts_with(b"```");
        let prose = !whole && (apart || words(before, PROSE) + words(after, PROSE) >= PROSE);
        // In prose people write of their own machine; elsewhere it is a part of something.
        let points = if prose {
            points - 4
        } else if whole {
            points
        } else {
            points - 1
        };
        if points > most {
            best = Some((points, start..end, what));
        }
        if points >= 5 {
            break;
        }
    }
    let (points, at, what) = best?;
    let severity = match points {
        5.. => Severity::Critical,
        4 => Severity::Warning,
        3 => Severity::Notice,
        _ => return None,
    };
    Some(Finding {
        at,
        what,
        severity: Some(severity),
    })
}

/// How much an address tells that has so many bytes behind its colon, and where it ends.
fn judge(
    text: &[u8],
    start: usize,
    colon: usize,
    mut length: usize,
    scheme: Scheme,
    ends: &mut host::Ends,
) -> (i32, usize, &'static str) {
    let rest = text.get(colon + 1..).unwrap_or_default();
    // Some readers go on behind a blank, to an `@`.
    if start == 0
        && rest
            .get(length..)
            .is_some_and(|more| more.starts_with(b" "))
    {
        let more = rest.get(..128).unwrap_or(rest);
        let stop = more.iter().rposition(|byte| *byte == b'@');
        if let Some(at) =
            stop.filter(|at| *at > length && !more.get(2..*at).unwrap_or_default().contains(&b'/'))
        {
            length = at + host::length(rest.get(at..).unwrap_or_default());
        }
    }
    let end = colon + 1 + length;
    let rest = rest.get(..length).unwrap_or_default();
    let points = match scheme {
        Scheme::Data => {
            // A script of PHP, as text or in base64; pictures and texts come so all day.
            let data = memchr::memchr(b',', rest).and_then(|at| rest.get(at + 1..));
            let code = data.is_some_and(|data| {
                ["PD9", "PD8", "PCU", "<?", "<%", "%3C%3F"]
                    .iter()
                    .any(|begin| data.starts_with(begin.as_bytes()))
            });
            let strange = rest.starts_with(b"//");
            let points = if code || strange { 6 } else { 0 };
            return (points, end, "gives code by a scheme that holds its data");
        }
        Scheme::Inner { bare } => {
            let slashed = rest.starts_with(b"//") || rest.starts_with(b"\\\\");
            if slashed || (bare && !rest.is_empty()) {
                return (
                    6,
                    end,
                    "asks for a file or a service by a scheme of its own",
                );
            }
            0
        }
        Scheme::Directory => {
            if !rest.starts_with(b"//") {
                return (0, end, "");
            }
            4
        }
        Scheme::Other if !rest.starts_with(b"//") => 0,
        Scheme::Web | Scheme::Other => 0,
        Scheme::Wrapped => {
            // `jar:http://…!/`, `url:file:…`: what it wraps is read by itself.
            return (
                i32::from(memchr::memchr(b':', rest).is_some()) * 5,
                end,
                "wraps an address in a scheme of Java's",
            );
        }
    };
    // `http::80//host`: some readers take the first port that they see for the scheme's.
    let port = rest.strip_prefix(b":").map_or(0, |rest| {
        1 + rest
            .iter()
            .take(5)
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    });
    let short = rest.len() < host::ADDRESS;
    let rest = rest.get(port..).unwrap_or_default();
    let slashes = matches!(rest.first(), Some(b'/' | b'\\'));
    let begins = scheme == Scheme::Web && start == 0;
    if !(slashes || begins) {
        return (0, end, "");
    }
    let rest = match short {
        true => rest,
        false => match ends.authority(text, colon + 1 + port) {
            Some(rest) => rest,
            None => {
                return (
                    4,
                    end,
                    "is hidden behind more long addresses than anybody has",
                )
            }
        },
    };
    match host::worst(rest) {
        Host::Inner if scheme == Scheme::Other => (points, end, ""),
        Host::Public => (points, end, "names a directory of the network"),
        Host::Inner => (4, end, "leads to a name that only the network knows"),
        Host::Private => (6, end, "leads to an address inside the network"),
        Host::Loopback => (6, end, "leads back to the server itself"),
        Host::Metadata => (8, end, "leads to where a cloud keeps a machine's secrets"),
        Host::Embedded => (7, end, "leads to a name that holds an inner address"),
    }
}

/// An address without a scheme, as the whole value: `//127.0.0.1/`, `169.254.169.254/latest`.
fn bare(text: &[u8], name: &[u8]) -> Option<(i32, usize, &'static str)> {
    let slashed = text.starts_with(b"//") || text.starts_with(b"\\\\") || text.starts_with(b"/\\");
    let digits = text
        .first()
        .is_some_and(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'[' | b'l' | b'm'));
    if !slashed && !digits {
        return None;
    }
    let length = host::length(text);
    let whole = text
        .get(length..)?
        .iter()
        .all(|byte| !byte.is_ascii_whitespace());
    if length != text.len() && !(whole && length >= host::ADDRESS) {
        return None;
    }
    let (host, what) = match host::worst(text) {
        Host::Public | Host::Inner => return None,
        Host::Metadata => (6, "leads to where a cloud keeps a machine's secrets"),
        Host::Loopback => (4, "leads back to the server itself"),
        // Networks and ports of logs.
        Host::Private if !slashed && !scheme::fetches(name) => return None,
        Host::Private | Host::Embedded => (4, "leads to an address inside the network"),
    };
    let text = text.get(..length).unwrap_or(text);
    let further = text.iter().any(|byte| matches!(byte, b'/' | b'\\'))
        || text
            .iter()
            .rposition(|byte| *byte == b':')
            .is_some_and(|at| {
                text.get(at + 1..)
                    .is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit))
            });
    let dotted = text
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
        .filter(|byte| **byte == b'.')
        .count();
    let number = text.first().is_some_and(u8::is_ascii_digit) && dotted < 3;
    if !further || (number && !slashed && !scheme::fetches(name)) {
        return None;
    }
    let wanted = scheme::fetches(name);
    let points = match (slashed, wanted) {
        (true, _) => host + 1,
        (false, true) => host + 1,
        (false, false) => host - 1,
    };
    Some((points, text.len(), what))
}

#[cfg(test)]
mod tests;
