//! Line ends that begin a header field, a request or an answer of somebody's own.
//!
//! **What it stops.** A value that the application puts into a header field
//! (`Location`, `Set-Cookie`, a mail's `To`), and that ends the line and goes on
//! with a field, a status line or a request of its own.
//!
//! **How it decides.** After every line end (CR, LF, both, and the signs whose low
//! byte is one: U+560A, U+010D, which careless writers cut down) it reads what
//! follows as a head is read. A name that heads know and a colon, a status line or
//! a request line is found. How sure that is says what stands before: a value for
//! a header field is short and without lines, a letter is not.
//!
//! **What it lets pass.** Text with lines, `Subject:` and `Note:` in prose, lists of
//! names and values, CSV, code.
//!
//! **Its limits.** A field that it does not know is a hint, and only after a single
//! word. Whoever sends whole messages (`From: …`) as a value gets hints as well.

use super::prose::words;
use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;

/// CRLF injection: response splitting, header injection, request splitting.
pub static DETECTOR: Detector = Detector {
    name: "crlf-injection",
    title: "A line end, and a header field or a message after it",
    severity: Severity::Critical,
    tag: "attack-protocol",
    places: &[
        Where::Path,
        Where::ParameterName,
        Where::Parameter,
        Where::Cookie,
        Where::Header,
        Where::FileName,
        Where::Xml,
    ],
    needs: &[ByteSet::of(b"\r\n\\\xE5\xC4")],
    min_len: 6,
    unwraps: true,
    find,
};

/// Words before a line end from which on it stands in a letter.
const PROSE: usize = 3;
/// Bytes before a line end that are looked at for that.
const NEAR: usize = 256;
/// Line ends that are read; a value for a header field has none.
const LINES: usize = 64;
/// The longest name of a field.
const NAME: usize = 40;

/// What a line reads as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// A field of an answer's or a request's head.
    Field,
    /// A field of a mail.
    Mail,
    /// A field with a name that says nothing.
    Unknown,
    /// `HTTP/1.1 200`.
    Status,
    /// `GET / HTTP/1.1`.
    Request,
}

fn find(value: &Value<'_>) -> Option<Finding> {
    let text = value.bytes;
    let mut best: Option<(i32, Finding)> = None;
    let mut at = 0;
    for nth in 0..LINES {
        let Some((end, begin)) = line_end(text, at) else {
            break;
        };
        at = begin;
        // Neither a path nor a name has lines.
        let plain = matches!(text.get(end), Some(b'\r' | b'\n'));
        if plain && best.is_none() && matches!(value.stood, Where::Path | Where::ParameterName) {
            let severity = if value.stood == Where::Path {
                Severity::Critical
            } else {
                Severity::Warning
            };
            best = Some((
                3,
                Finding {
                    at: end..begin,
                    what: "has a line end where none belongs",
                    severity: Some(severity),
                },
            ));
        }
        let before = text.get(..end).unwrap_or_default();
        let before = before.get(..NEAR).unwrap_or(before);
        let next = text.get(begin..).unwrap_or_default();
        let Some(line) = line(next).or_else(|| folded(next, before)) else {
            continue;
        };
        // A first line that is a field itself: a list of names and values, or a whole head.
        let listed = matches!(
            self::line(before),
            Some(Line::Field | Line::Mail | Line::Unknown)
        ) && memchr::memmem::find(before, b": ").is_some();
        let letter = nth > 1 || listed || words(before, PROSE) >= PROSE;
        let single = !before.contains(&b' ');
        let strict = matches!(
            value.stood,
            Where::Path | Where::Header | Where::Cookie | Where::FileName
        );
        let escaped = text.get(end) == Some(&b'\\');
        let (points, what) = match line {
            // Escapes that nobody has resolved yet: only what is plain counts.
            Line::Field if escaped && !letter => {
                (5, "ends a line by an escape and begins a header field")
            }
            _ if escaped => (0, ""),
            Line::Status => (
                5 - i32::from(letter) * 3,
                "ends a head and begins an answer",
            ),
            Line::Request => (
                5 - i32::from(letter) * 3,
                "ends a message and begins a request",
            ),
            Line::Field if letter => (2, "ends a line and begins a header field"),
            Line::Field => (5, "ends a line and begins a header field"),
            Line::Mail if letter => (0, ""),
            Line::Mail if single => (5, "ends a line and begins a field of a mail"),
            Line::Mail => (2, "ends a line and begins a field of a mail"),
            Line::Unknown if strict || request_line(before) => {
                (5, "ends a line and begins a header field")
            }
            // Nothing but a line end and a name of two words.
            Line::Unknown if before.is_empty() && compound(text.get(begin..)) => {
                (5, "begins with a line end and a header field")
            }
            Line::Unknown if single && nth == 0 && text.get(end) == Some(&b'\r') => {
                (3, "ends a line and begins something like a header field")
            }
            Line::Unknown => (0, ""),
        };
        if points > best.as_ref().map_or(0, |(points, _)| *points) {
            let severity = match points {
                5.. => Severity::Critical,
                3.. => Severity::Warning,
                _ => Severity::Notice,
            };
            let finding = Finding {
                at: end..text.len(),
                what,
                severity: Some(severity),
            };
            best = Some((points, finding));
        }
        if points >= 5 {
            break;
        }
    }
    best.map(|(_, finding)| finding)
}

/// Whether the name before a colon is of two words: `Remote-Addr`.
fn compound(rest: Option<&[u8]>) -> bool {
    rest.and_then(|rest| {
        rest.get(..NAME)
            .unwrap_or(rest)
            .split(|byte| *byte == b':')
            .next()
    })
    .is_some_and(|name| name.contains(&b'-'))
}

/// Whether a line ends as a request's first one does.
fn request_line(before: &[u8]) -> bool {
    let from = before.len().saturating_sub(9);
    before
        .get(from..)
        .is_some_and(|end| end.starts_with(b" HTTP/"))
}

/// Where the next line end stands, and where the next line begins.
fn line_end(text: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = text.get(from..)?;
    let mut skipped = 0;
    let found = loop {
        let rest = rest.get(skipped..)?;
        let next = rest
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n' | b'\\' | 0xE5 | 0xC4))?;
        skipped += next;
        if ended(rest.get(next..)?) > 0 {
            break skipped;
        }
        skipped += 1;
    };
    let mut at = found;
    loop {
        match ended(rest.get(at..).unwrap_or_default()) {
            0 => break,
            length => at += length,
        }
    }
    Some((from + found, from + at))
}

/// How many bytes of a line end stand at the beginning.
fn ended(rest: &[u8]) -> usize {
    match rest {
        [b'\r' | b'\n', ..] => 1,
        [0xE5, 0x98, 0x8A | 0x8D, ..] => 3,
        [0xC4, 0x8A | 0x8D, ..] | [b'\\', b'r' | b'n', ..] => 2,
        _ => 0,
    }
}

/// A field behind a blank: the field before goes on with it, unless readers drop the blank. Where a text begins with
/// that, or a word stands before it, it is none of a list that is set in.
fn folded(rest: &[u8], before: &[u8]) -> Option<Line> {
    let rest = match rest {
        [b' ' | b'\t', rest @ ..] => rest,
        _ => return None,
    };
    let found = line(rest).filter(|found| *found == Line::Field)?;
    let listed = before.iter().any(|byte| *byte <= b' ');
    (!listed && !before.ends_with(b":")).then_some(found)
}

fn line(rest: &[u8]) -> Option<Line> {
    // Lines of a head begin at once; a blank goes on with the field before.
    if rest.len() > 5 && rest.get(..5)?.eq_ignore_ascii_case(b"HTTP/") {
        return rest.get(5)?.is_ascii_digit().then_some(Line::Status);
    }
    let head = rest.get(..NAME).unwrap_or(rest);
    let length = head
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        .count();
    let name = head.get(..length)?;
    match head.get(length) {
        Some(b':') if length > 1 => {}
        Some(b' ') if matches!(name, b"RCPT" | b"MAIL") => {
            let more = rest.get(length + 1..).unwrap_or_default();
            return (more.starts_with(b"TO:") || more.starts_with(b"FROM:"))
                .then_some(Line::Request);
        }
        Some(b' ') => {
            const METHODS: [&[u8]; 9] = [
                b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE",
                b"CONNECT",
            ];
            let target = rest.get(length + 1)?;
            let request = METHODS.contains(&name)
                && (*target == b'/' || rest.get(length + 1..length + 5) == Some(b"http"));
            return request.then_some(Line::Request);
        }
        _ => return None,
    }
    let mut small = [0; NAME];
    for (to, from) in small.iter_mut().zip(name) {
        *to = from.to_ascii_lowercase();
    }
    let small = small.get(..length)?;
    if FIELDS.binary_search(&small).is_ok()
        || small.starts_with(b"access-control-")
        || small.starts_with(b"content-")
        || (small.starts_with(b"x-") && length > 2)
        || small.starts_with(b"sec-")
    {
        return Some(Line::Field);
    }
    if MAIL.contains(&small) {
        return Some(Line::Mail);
    }
    Some(Line::Unknown)
}

/// Names of fields that matter to a browser, a cache or a proxy, and are seldom words.
static FIELDS: [&[u8]; 39] = [
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"authorization",
    b"cache-control",
    b"clear-site-data",
    b"connection",
    b"cookie",
    b"etag",
    b"expect",
    b"expires",
    b"forwarded",
    b"host",
    b"if-modified-since",
    b"if-none-match",
    b"keep-alive",
    b"last-modified",
    b"location",
    b"mime-version",
    b"origin",
    b"p3p",
    b"pragma",
    b"proxy-authorization",
    b"proxy-connection",
    b"range",
    b"referer",
    b"refresh",
    b"retry-after",
    b"server",
    b"set-cookie",
    b"set-cookie2",
    b"strict-transport-security",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"user-agent",
    b"vary",
    b"www-authenticate",
];

/// Names of fields by which a mail gets other receivers.
static MAIL: [&[u8]; 6] = [b"bcc", b"cc", b"to", b"from", b"subject", b"reply-to"];

#[cfg(test)]
mod tests;
