//! Markup whose reader makes objects of what it names: XStream, XAML, .NET's SOAP and data contracts.

use super::names::{platform, qualified};
use super::Found;
use crate::detect::prose::words;
use crate::rule::Severity::Critical;

/// Elements that are looked at.
const MOST: usize = 64;
/// Words before the markup from which on it is shown to people.
const PROSE: usize = 3;

/// An element named as a class of Java's own, or a namespace that stands for classes of .NET.
pub(super) fn makes(text: &[u8]) -> Option<Found> {
    let text_end = text.trim_ascii_end();
    if text_end.last() != Some(&b'>') {
        return None;
    }
    let first = memchr::memchr(b'<', text)?;
    let found = element(text).or_else(|| namespace(text))?;
    (words(text.get(..first)?, PROSE) < PROSE).then_some(found)
}

/// `<java.util.PriorityQueue>`, with what ends it: `List<java.lang.String>` has that not.
fn element(text: &[u8]) -> Option<Found> {
    let starts = memchr::memchr_iter(b'<', text).take(MOST);
    let mut names = starts.filter_map(|at| {
        let rest = text.get(at + 1..)?;
        // XStream writes `_-` for `$`.
        let length = rest.iter().take(128).position(|byte| {
            !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        })?;
        let name = rest.get(..length)?;
        let behind = rest.get(length..)?;
        let named = platform(name) && qualified(name) > 1;
        let is_element = || matches!(behind, [b'/' | b' ', ..]) || closes(behind, name);
        (named && is_element()).then_some(at)
    });
    let at = names.next()?;
    Some((at, "names a class for a reader of XML", Critical))
}

/// Whether `</name>` stands there.
fn closes(text: &[u8], name: &[u8]) -> bool {
    /// An element that is longer ends too late to be looked for.
    const LONGEST: usize = 4096;
    let text = text.get(..LONGEST).unwrap_or(text);
    memchr::memmem::find_iter(text, b"</").any(|at| {
        text.get(at + 2..)
            .is_some_and(|rest| rest.starts_with(name))
    })
}

/// `xmlns:c="clr-namespace:System.Diagnostics;assembly=System"` and its like.
fn namespace(text: &[u8]) -> Option<Found> {
    const SPACES: [&[u8]; 3] = [
        b"clr-namespace:",
        b"http://schemas.microsoft.com/clr/nsassem/",
        b"http://schemas.microsoft.com/2003/10/Serialization/",
    ];
    let at = SPACES.iter().find_map(|space| {
        let at = memchr::memmem::find(text, space)?;
        let before = text.get(..at)?;
        let quoted = matches!(before.last(), Some(b'"' | b'\''));
        // Of data contracts most are plain data: not where they name whose class it is.
        let plain = space.ends_with(b"Serialization/")
            && memchr::memmem::find(text, b":Assembly=").is_none();
        (quoted && !plain && memchr::memmem::find(before, b"xmlns").is_some()).then_some(at)
    })?;
    Some((at, "names a class for a reader of XML", Critical))
}
