//! Files that are something else than they say, or that do something when they are kept.
//!
//! **What it stops.** Names that a web server runs or obeys (`shell.php`,
//! `a.php.jpg`, `a.phtml`, `.htaccess`, `web.config`), names that end differently for
//! different readers (a NUL, trailing dots and blanks, `::$DATA`, signs that turn
//! the direction of writing), programs sent as pictures or documents, pictures and
//! documents with code or an archive inside, SVG with a script, archives that
//! unfold without measure or out of their folder, macros, the test virus EICAR.
//!
//! **How it decides.** A name is read part by part, as Apache, IIS and Windows read
//! it. What is in the file is told by its first bytes, and held against the name
//! and the type that it was sent with. Pictures are searched for the beginnings of
//! scripts, archives are read by their directory: sizes, overlaps, names.
//!
//! **What it lets pass.** Pictures, PDF, Office files and archives that are what
//! they say; SVG without a script; a picture of another kind than its name says;
//! code under a name of code that no web server runs (`a.py`, `a.js`, `a.sh`).
//!
//! **Its limits.** It sees the bytes that it is given: of a long file its beginning,
//! where the directory of an archive is not. It knows no viruses: those are for a
//! scanner, which whoever holds the body asks about each of
//! [`Inspection::uploads`](crate::engine::Inspection::uploads).

use std::ops::Range;

use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;
use crate::wide::Wide;

mod active;
mod archive;
mod kind;
mod name;

pub use kind::Kind;

/// Dangerous files.
pub static DETECTOR: Detector = Detector {
    name: "file-upload",
    title: "A file that is not what it says, or that runs where it is kept",
    severity: Severity::Critical,
    tag: "attack-file-upload",
    places: &[Where::FileName, Where::FileContent],
    needs: &[ByteSet::ALL],
    min_len: 2,
    unwraps: false,
    find,
};

/// What was found: how sure, and what it is.
type Found = (Severity, &'static str);

fn find(value: &Value<'_>) -> Option<Finding> {
    let (severity, what) = match value.stood {
        Where::FileName => name::judge(value.bytes),
        Where::FileContent => content(value),
        _ => None,
    }?;
    let at: Range<usize> = 0..value.bytes.len();
    Some(Finding {
        at,
        what,
        severity: Some(severity),
    })
}

/// What of several findings is the worst.
fn worse(one: Option<Found>, other: Option<Found>) -> Option<Found> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if one.0 <= other.0 { one } else { other }),
        (one, other) => one.or(other),
    }
}

/// Judges what is in a file by its bytes, its name and the type that it was sent with.
fn content(value: &Value<'_>) -> Option<Found> {
    let bytes = value.bytes;
    if eicar(bytes) {
        return Some((Severity::Critical, "is the test virus EICAR"));
    }
    let text = wide(bytes);
    let bytes = text.as_deref().unwrap_or(bytes);
    let kind = Kind::of(bytes);
    let claim = kind::Claim::of(value.name, value.declared);
    worse(disguise(kind, claim), inside(bytes, kind, claim))
}

/// Markup in UTF-16, as UTF-8: every reader of XML takes both (XML 1.0, section 4.3.3),
/// with a mark before it or without.
fn wide(bytes: &[u8]) -> Option<Vec<u8>> {
    if let Some((wide, text)) = Wide::marked(bytes) {
        return Some(wide.decoded(text));
    }
    // A film begins with zeros, too.
    let markup = matches!(bytes, [b'<', 0, 1..=255, ..] | [0, b'<', ..]);
    let wide = Wide::guessed(bytes).filter(|_| markup)?;
    Some(wide.decoded(bytes))
}

/// What a file is against what it says.
fn disguise(kind: Kind, claim: kind::Claim) -> Option<Found> {
    use kind::Claim;
    let program = match kind {
        Kind::Program => "is a program of Windows, Linux or macOS",
        Kind::Bytecode => "is a class of Java",
        Kind::Shortcut => "is a shortcut of Windows",
        Kind::Script => "is a script with the name of its interpreter",
        _ => {
            // A picture that is markup or code is none.
            let code = matches!(kind, Kind::Markup | Kind::Code) && claim == Claim::Picture;
            return code.then_some((Severity::Critical, "is markup or code, sent as a picture"));
        }
    };
    match claim {
        Claim::Picture | Claim::Document | Claim::Media | Claim::Archive => {
            Some((Severity::Critical, program))
        }
        Claim::Code | Claim::Unknown if kind == Kind::Script => None,
        Claim::Text if kind == Kind::Script => Some((Severity::Notice, program)),
        Claim::Text => Some((Severity::Critical, program)),
        Claim::Program | Claim::Code | Claim::Unknown | Claim::Vector => {
            Some((Severity::Warning, program))
        }
    }
}

/// What a file holds that it should not.
fn inside(bytes: &[u8], kind: Kind, claim: kind::Claim) -> Option<Found> {
    use kind::Claim;
    let picture = kind.picture() || claim == Claim::Picture;
    let code = (picture || matches!(kind, Kind::Pdf | Kind::Zip | Kind::Media))
        .then(|| active::code(bytes))
        .flatten();
    let other = match kind {
        Kind::Zip => archive::zip(bytes, claim),
        Kind::Gzip => archive::gzip(bytes),
        Kind::Pdf => active::pdf(bytes),
        Kind::Ole => active::macros(bytes),
        Kind::Rtf => active::rtf(bytes),
        Kind::Png => active::png(bytes),
        Kind::Markup | Kind::Svg => active::vector(bytes, kind, claim),
        Kind::Code if claim != Claim::Code => Some((
            Severity::Warning,
            "is code of a web server under another name",
        )),
        _ => None,
    };
    let twofold = (picture && archive::ends_as_zip(bytes))
        .then_some((Severity::Critical, "is a picture and an archive at once"));
    worse(worse(code, other), twofold)
}

/// The test file of the virus scanners, in two pieces so that none stops at this one.
fn eicar(bytes: &[u8]) -> bool {
    const FIRST: &[u8] = br"X5O!P%@AP[4\PZX54(P^)7CC)7}";
    const SECOND: &[u8] = b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!";
    bytes
        .trim_ascii_start()
        .strip_prefix(FIRST)
        .is_some_and(|rest| rest.starts_with(SECOND))
}

#[cfg(test)]
mod tests;
