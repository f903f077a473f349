//! The headers of one part.

use super::{boundary::is_space, Flags};
use crate::chars;
use crate::content::reasons;
use crate::framing::has_second_type;
use crate::reason::ReasonRef;

/// Names under which a form says the character set of its text (HTML's old
/// way; RFC 7578, 4.6).
const CHARSET_FIELD: &[u8] = b"_charset_";

#[derive(Debug, Default)]
pub(super) struct Headers {
    /// The lines one after another, unfolded.
    text: Vec<u8>,
    lines: Vec<Line>,
    /// Whether the last line can be gone on with.
    building: bool,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    start: usize,
    /// Bytes of the name; none where there is no colon.
    name: usize,
}

impl Headers {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.building = false;
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn last_len(&self) -> usize {
        let last = self.lines.last();
        last.map_or(0, |last| self.text.len() - last.start)
    }

    /// The lines, as they are told to rules.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().enumerate().map(|(number, line)| {
            let end = self.lines.get(number + 1);
            let end = end.map_or(self.text.len(), |next| next.start);
            self.text.get(line.start..end).unwrap_or_default()
        })
    }

    /// The value of a header whose name is given in lower case.
    pub(super) fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.lines.iter().zip(self.lines());
        let (line, text) =
            found
                .filter(|(line, _)| line.name == name.len())
                .find(|(_, text)| {
                    text.get(..name.len())
                        .is_some_and(|found| found.eq_ignore_ascii_case(name))
                })?;
        let value = text.get(line.name + 1..).unwrap_or_default();
        let begin = value.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
        value.get(begin?..)
    }

    /// Takes a line that is not empty, with its end; says what is wrong with it.
    pub(super) fn read(&mut self, line: &[u8], flags: &mut Flags) -> Option<ReasonRef> {
        let first = line.first().copied().unwrap_or_default();
        if is_space(first) {
            return self.fold(line, flags);
        }
        let text = trimmed_end(line);
        let colon = memchr::memchr(b':', text).unwrap_or(0);
        let name = text.get(..colon).unwrap_or_default();
        let right = colon > 0
            && chars::all(name, chars::TOKEN)
            && memchr::memchr(0, text).is_none()
            && self.value_is_new(name);
        self.push(text, colon);
        self.building = colon > 0;
        (!right).then_some(&reasons::MULTIPART_HEADER)
    }

    fn value_is_new(&self, name: &[u8]) -> bool {
        !self.lines.iter().zip(self.lines()).any(|(line, text)| {
            text.get(..line.name)
                .is_some_and(|found| found.eq_ignore_ascii_case(name))
        })
    }

    fn fold(&mut self, line: &[u8], flags: &mut Flags) -> Option<ReasonRef> {
        flags.header_folding = true;
        let space = line.iter().position(|byte| !is_space(*byte));
        let (space, rest) = line.split_at(space.unwrap_or(line.len()));
        flags.invalid_header_folding |= space.iter().any(|byte| !matches!(byte, b' ' | b'\t'));
        let text = trimmed_end(rest);
        let nul = memchr::memchr(0, text).is_some();
        if self.building {
            self.text.push(b' ');
            self.text.extend_from_slice(text);
        } else {
            self.push(text, 0);
        }
        (nul || !self.building).then_some(&reasons::MULTIPART_HEADER)
    }

    fn push(&mut self, text: &[u8], name: usize) {
        let start = self.text.len();
        self.lines.push(Line { start, name });
        self.text.extend_from_slice(text);
    }

    /// What is wrong beyond what ModSecurity looks at, in a part of this name.
    pub(super) fn strict(&self, name: &[u8]) -> Option<ReasonRef> {
        let lower = |header| self.value(header).map(<[u8]>::to_ascii_lowercase);
        if name.eq_ignore_ascii_case(CHARSET_FIELD) {
            return Some(&reasons::MULTIPART_CHARSET);
        }
        if let Some(encoding) = lower(b"content-transfer-encoding") {
            if !matches!(encoding.trim_ascii(), b"7bit" | b"8bit" | b"binary") {
                return Some(&reasons::MULTIPART_ENCODING);
            }
        }
        let kind = lower(b"content-type")?;
        if kind.starts_with(b"multipart/") {
            return Some(&reasons::MULTIPART_NESTED);
        }
        // As it is refused in the request's own head.
        if has_second_type(&kind) {
            return Some(&reasons::MULTIPART_HEADER);
        }
        let mut said = memchr::memmem::find_iter(&kind, b"charset");
        let other = said.any(|at| {
            let value = kind.get(at + b"charset".len()..).unwrap_or_default();
            let Some(value) = value.trim_ascii_start().strip_prefix(b"=") else {
                return false;
            };
            let end = memchr::memchr(b';', value).unwrap_or(value.len());
            let value = value.get(..end).unwrap_or_default().trim_ascii();
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let value = value.strip_suffix(b"\"").unwrap_or(value);
            !matches!(value, b"utf-8" | b"utf8" | b"us-ascii")
        });
        other.then_some(&reasons::MULTIPART_CHARSET)
    }
}

fn trimmed_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
