//! Objects that come alive when they are read.
//!
//! **What it stops.** Values that a program would turn into objects, and which run
//! code while they become some: Java's serialised streams, PHP's `serialize`,
//! Python's pickles, .NET's `BinaryFormatter` and `$type`, Ruby's `Marshal`, tags of
//! YAML that name classes, node-serialize, names of classes that type-aware
//! JSON readers instantiate.
//!
//! **How it decides.** It reads each format by its grammar: a Java stream by its
//! magic, version and first record; a PHP object by its lengths, which have to fit
//! its text; a pickle by walking its opcodes up to `STOP`, with a call among them; a
//! `Marshal` stream by its version and first type; `LosFormatter` by its mark and the stream
//! within. Each is known in base64 and hexadecimal too, and packed by gzip or zlib within these;
//! other layers are taken off before. Markup is one that makes objects where it names classes
//! of a language as its elements, or its namespaces are such.
//!
//! **What it lets pass.** PHP arrays and scalars, pickles of plain data, JSON-LD's
//! `@type`, stack traces of Java, `ViewState` (its own check guards it), YAML's
//! own tags (`!!str`).
//!
//! **Its limits.** It does not look into a stream for what it would do: that there is
//! one is enough.

use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;

mod encoded;
mod markup;
mod names;
mod php;
mod pickle;

/// Deserialisation of foreign objects.
pub static DETECTOR: Detector = Detector {
    name: "deserialisation",
    title: "A serialised object that runs code when it is read",
    severity: Severity::Critical,
    tag: "attack-deserialization",
    places: &[
        Where::Path,
        Where::ParameterName,
        Where::Parameter,
        Where::Cookie,
        Where::Header,
        Where::Xml,
        Where::Body,
        Where::Bytes,
    ],
    // Digits and a slash are in what is encoded (a colon is 3a), the rest in what is not.
    needs: &[ByteSet::of(b"03:!$./AKTYzHe_\n\x00\x04\x80\xAC\x1Fx")],
    min_len: 6,
    unwraps: true,
    find,
};

fn find(value: &Value<'_>) -> Option<Finding> {
    let text = value.bytes;
    let (at, what, severity) = encoded::begins(text)
        .or_else(|| in_path(value))
        .or_else(|| names::tag(text))
        .or_else(|| names::class(value))
        .or_else(|| names::typed(text))
        .or_else(|| markup::makes(text))?;
    Some(Finding {
        at: at..text.len(),
        what,
        severity: Some(severity),
    })
}

/// A stream or a text that is an object, as it stands there.
fn plain(text: &[u8]) -> Option<Found> {
    stream(text)
        .or_else(|| php::object(text))
        .or_else(|| pickle::calls(text))
}

/// Where something was found, what it is and how sure.
type Found = (usize, &'static str, Severity);

/// A segment of a path that is a stream by itself.
fn in_path(value: &Value<'_>) -> Option<Found> {
    /// Segments that are looked at.
    const MOST: usize = 32;
    if value.stood != Where::Path {
        return None;
    }
    let slashes = memchr::memchr_iter(b'/', value.bytes).take(MOST);
    slashes
        .filter_map(|slash| {
            let (_, what, severity) = stream(value.bytes.get(slash + 1..)?)?;
            Some((slash + 1, what, severity))
        })
        .next()
}

/// Streams that are known by how they begin.
fn stream(text: &[u8]) -> Option<Found> {
    const JAVA: Found = (0, "is a serialised object of Java", Severity::Critical);
    const DOTNET: Found = (
        0,
        "is an object of .NET's BinaryFormatter",
        Severity::Critical,
    );
    let record = |byte: u8| (0x70..=0x7E).contains(&byte);
    match text {
        [0xAC, 0xED, 0x00, 0x05, next, ..] if record(*next) => Some(JAVA),
        // `AC ED 00 05` and the top of what follows it in base64.
        [b'r', b'O', b'0', b'A', b'B', b'Q' | b'W' | b'X' | b'c' | b'd' | b'e', ..] => Some(JAVA),
        [b'a' | b'A', b'c' | b'C', b'e' | b'E', b'd' | b'D', b'0', b'0', b'0', b'5', b'7', ..] => {
            Some(JAVA)
        }
        [0, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, ..] => Some(DOTNET),
        // `LosFormatter` holds one whole: its mark, the length in seven bits a byte, the stream.
        [0xFF, 1, 0x32, rest @ ..] => {
            let length = rest.iter().take(5).position(|byte| *byte < 0x80)?;
            stream(rest.get(length + 1..)?).filter(|found| found.1 == DOTNET.1)
        }
        [b'A', b'A', b'E', b'A', b'A', b'A', b'D', b'/', b'/', b'/', b'/', b'/', b'A', ..] => {
            Some(DOTNET)
        }
        [4, 8, kind, rest @ ..] => marshal(*kind, rest),
        _ => None,
    }
}

/// Ruby's `Marshal`, version 4.8: objects count, plain data is a hint.
fn marshal(kind: u8, rest: &[u8]) -> Option<Found> {
    const PLAIN: &[u8] = b"[{\"I:iTF0f";
    const OBJECTS: &[u8] = b"oucmMUeS";
    /// Bytes that are looked at for an object within plain data.
    const MOST: usize = 4096;
    let rest = rest.get(..MOST).unwrap_or(rest);
    let inside = rest.windows(3).any(|three| {
        matches!(three, [kind, b':' | b';', length] if OBJECTS.contains(kind) && *length > 5)
    });
    if OBJECTS.contains(&kind) || (PLAIN.contains(&kind) && inside) {
        return Some((0, "is a marshalled object of Ruby", Severity::Critical));
    }
    (PLAIN.contains(&kind) && rest.len() > 3).then_some((
        0,
        "is marshalled data of Ruby",
        Severity::Notice,
    ))
}

#[cfg(test)]
mod tests;
