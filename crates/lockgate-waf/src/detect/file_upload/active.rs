//! Code inside of what should be none.

use super::kind::{Claim, Kind};
use super::Found;
use crate::rule::Severity;

/// Bytes after a beginning of code that have to be text, so that a picture's
/// points are not taken for it.
const TEXT: usize = 6;

/// Beginnings of code: PHP's, ASP's and JSP's, a script of HTML.
pub(super) fn code(bytes: &[u8]) -> Option<Found> {
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'<', bytes.get(from..)?) {
        let at = from + found;
        from = at + 1;
        let rest = bytes.get(from..)?;
        let text = |skip: usize| {
            rest.get(skip..skip + TEXT).is_some_and(|text| {
                text.iter()
                    .all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7E))
            })
        };
        let starts = |with: &[u8]| {
            rest.get(..with.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(with))
        };
        if starts(b"?php") && rest.get(4).is_none_or(|byte| !byte.is_ascii_alphanumeric()) {
            return Some((Severity::Critical, "holds code of PHP"));
        }
        if starts(b"?=") && text(2) && code_like(rest) {
            return Some((Severity::Critical, "holds code of PHP"));
        }
        if (starts(b"%@") || starts(b"%=") || starts(b"%!")) && text(2) && code_like(rest) {
            return Some((Severity::Critical, "holds code of a web server"));
        }
        if starts(b"script")
            && matches!(rest.get(6), Some(b'>' | b' ' | b'/' | b'\n' | b'\t'))
            && text(6)
        {
            return Some((Severity::Critical, "holds a script"));
        }
    }
    None
}

/// Whether what stands after a short beginning is closed as code is, among text.
fn code_like(rest: &[u8]) -> bool {
    const MOST: usize = 512;
    let rest = rest.get(..MOST).unwrap_or(rest);
    let text = rest
        .iter()
        .take_while(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7E))
        .count();
    rest.get(..text)
        .is_some_and(|text| text.windows(2).any(|two| two == b"?>" || two == b"%>"))
}

/// What a PDF does by itself.
pub(super) fn pdf(bytes: &[u8]) -> Option<Found> {
    /// Bytes that are looked at: names of a PDF stand in its objects, all over it.
    const MOST: usize = 1 << 20;
    let bytes = bytes.get(..MOST).unwrap_or(bytes);
    let (mut script, mut opens, mut acts, mut launches) = (false, false, false, false);
    let mut from = 0;
    while let Some(found) = bytes
        .get(from..)
        .and_then(|rest| memchr::memchr(b'/', rest))
    {
        from += found + 1;
        let rest = bytes.get(from..).unwrap_or_default();
        let mut room = [0; LONGEST_NAME];
        let (name, behind) = pdf_name(rest, &mut room);
        match name {
            b"JavaScript" | b"JS" => script = true,
            b"AA" => acts = true,
            // A place to begin at is an array, or its name.
            b"OpenAction" => {
                opens |= matches!(behind.trim_ascii_start(), [b'<' | b'0'..=b'9', ..]);
            }
            b"Launch" => launches = true,
            _ => {}
        }
    }
    if launches && (opens || acts) {
        Some((Severity::Critical, "is a PDF that starts a program"))
    } else if script && opens {
        Some((
            Severity::Critical,
            "is a PDF that runs a script when it is opened",
        ))
    } else if script && acts {
        Some((
            Severity::Warning,
            "is a PDF that runs a script as it is used",
        ))
    } else if script || launches {
        Some((Severity::Notice, "is a PDF with a script"))
    } else {
        None
    }
}

/// A longer name of a PDF says nothing that is asked here.
const LONGEST_NAME: usize = 12;

/// A name behind its slash, in which `#4a` stands for `J`, and what stands behind it.
fn pdf_name<'a, 'b>(text: &'a [u8], room: &'b mut [u8; LONGEST_NAME]) -> (&'b [u8], &'a [u8]) {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut at, mut length) = (0, 0);
    while let Some(byte) = text.get(at) {
        let (byte, taken) = match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'#', Some(high), Some(low)) => (u8::try_from(high << 4 | low).unwrap_or_default(), 3),
            (byte, ..) if byte.is_ascii_alphanumeric() => (*byte, 1),
            _ => break,
        };
        let Some(to) = room.get_mut(length) else {
            return (b"", text);
        };
        *to = byte;
        length += 1;
        at += taken;
    }
    (
        room.get(..length).unwrap_or_default(),
        text.get(at..).unwrap_or_default(),
    )
}

/// Macros in the old files of Office: their folder's name, in UTF-16.
pub(super) fn macros(bytes: &[u8]) -> Option<Found> {
    const NAME: &[u8] = b"_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0";
    memchr::memmem::find(bytes, NAME).map(|_| (Severity::Warning, "is a document with macros"))
}

/// Objects in RTF that are started: `\objdata`, `\objupdate`.
pub(super) fn rtf(bytes: &[u8]) -> Option<Found> {
    let object = memchr::memmem::find(bytes, b"\\objdata").is_some();
    let starts = memchr::memmem::find(bytes, b"\\objupdate").is_some();
    match (object, starts) {
        (true, true) => Some((
            Severity::Critical,
            "is a document that starts an object by itself",
        )),
        (true, false) => Some((Severity::Notice, "is a document with an object inside")),
        _ => None,
    }
}

/// A picture with more points than any memory: its size stands in its first chunk.
pub(super) fn png(bytes: &[u8]) -> Option<Found> {
    /// Points from which on a picture is a bomb; large scans have a tenth of it.
    const POINTS: u64 = 1_000_000_000;
    let number = |at: usize| {
        bytes.get(at..at + 4).map(|digits| {
            digits
                .iter()
                .fold(0u64, |value, byte| value << 8 | u64::from(*byte))
        })
    };
    let points = number(16)?.saturating_mul(number(20)?);
    (points > POINTS).then_some((
        Severity::Warning,
        "is a picture that unfolds without measure",
    ))
}

/// Scripts in SVG and in XML that is sent as something else.
pub(super) fn vector(bytes: &[u8], kind: Kind, claim: Claim) -> Option<Found> {
    if claim == Claim::Code && kind == Kind::Markup {
        // HTML and XML under their own names do as they do.
        return entity(bytes);
    }
    if kind == Kind::Markup && claim != Claim::Vector {
        return entity(bytes);
    }
    const SCRIPT: Found = (Severity::Critical, "is a picture of lines with a script");
    let mut from = 0;
    while let Some(found) = bytes
        .get(from..)
        .and_then(|rest| memchr::memchr2(b'<', b'=', rest))
    {
        let at = from + found;
        from = at + 1;
        let rest = bytes.get(from..).unwrap_or_default();
        if bytes.get(at) == Some(&b'=') {
            if handler(bytes.get(..at).unwrap_or_default()) || leads_to_script(rest) {
                return Some(SCRIPT);
            }
            continue;
        }
        // A prefix may stand before: `<svg:script`.
        let name = rest.get(..24).unwrap_or(rest);
        let length = name
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b':')
            .count();
        let name = name.get(..length).unwrap_or_default();
        let name = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        let tags: [&[u8]; 4] = [b"script", b"iframe", b"embed", b"object"];
        if tags.iter().any(|tag| name.eq_ignore_ascii_case(tag)) {
            return Some(SCRIPT);
        }
        if name.eq_ignore_ascii_case(b"foreignObject") {
            continue;
        }
    }
    entity(bytes)
}

/// Whether an attribute's name before a `=` is a handler's: ` onload`.
fn handler(before: &[u8]) -> bool {
    const LONGEST: usize = 24;
    let before = before.trim_ascii_end();
    let tail = before
        .get(before.len().saturating_sub(LONGEST)..)
        .unwrap_or_default();
    let letters = tail
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let name = tail.get(tail.len() - letters..).unwrap_or_default();
    let apart = tail
        .get(..tail.len() - letters)
        .and_then(<[u8]>::last)
        .is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'/' | b'"' | b'\''));
    apart
        && letters > 4
        && name
            .get(..2)
            .is_some_and(|two| two.eq_ignore_ascii_case(b"on"))
}

/// `"javascript:…"`, after a `=`.
fn leads_to_script(rest: &[u8]) -> bool {
    let rest = rest.get(..32).unwrap_or(rest);
    let rest = rest
        .iter()
        .position(|byte| !matches!(byte, b'"' | b'\'' | b' ' | b'\t' | b'\n' | b'\r'))
        .and_then(|at| rest.get(at..))
        .unwrap_or_default();
    rest.get(..11)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"javascript:"))
}

/// An entity from outside: `<!ENTITY x SYSTEM "…">`.
fn entity(bytes: &[u8]) -> Option<Found> {
    const MOST: usize = 1024;
    let mut from = 0;
    while let Some(found) = bytes
        .get(from..)
        .and_then(|rest| memchr::memmem::find(rest, b"<!ENTITY"))
    {
        from += found + 8;
        let rest = bytes.get(from..).unwrap_or_default();
        let rest = rest.get(..MOST).unwrap_or(rest);
        let end = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        let said = rest.get(..end).unwrap_or_default();
        if said
            .windows(6)
            .any(|word| word == b"SYSTEM" || word == b"PUBLIC")
        {
            return Some((
                Severity::Critical,
                "reads a file or an address by an entity of XML",
            ));
        }
    }
    None
}
