//! Directives out of a file's lines.
//!
//! A backslash at the end of a line joins the next to it. A comment is a line
//! that begins with `#`, and ends with it; only a rule that is commented out
//! (`#SecRule … \`) goes on as its lines do, as in ModSecurity 3. (Version 2
//! takes each comment so: there a comment that ends with a backslash swallows
//! the directive below it.)

use super::codes::Code;
use super::errors::Fault;
use super::text::Text;

/// A directive with its continuation lines.
#[derive(Debug)]
pub(super) struct Directive<'a> {
    /// The file's name.
    pub file: &'a str,
    /// All of it, without the line ends.
    pub bytes: Vec<u8>,
    /// Its lines as they stand in the file, and where each begins in `bytes`.
    parts: Vec<Part<'a>>,
}

#[derive(Debug)]
struct Part<'a> {
    at: usize,
    line: u32,
    text: &'a [u8],
}

impl<'a> Directive<'a> {
    /// All of it.
    pub fn text(&self) -> Text<'_> {
        Text {
            bytes: &self.bytes,
            at: 0,
        }
    }

    /// The number of the line on which its byte `at` stands, and what stands there before it.
    pub fn place(&self, at: usize) -> (u32, &'a [u8]) {
        let Some(part) = self.part(at) else {
            return (1, b"");
        };
        let offset = (at - part.at).min(part.text.len());
        (part.line, part.text.get(..offset).unwrap_or_default())
    }

    /// The line on which its byte `at` stands.
    pub fn line_text(&self, at: usize) -> &'a [u8] {
        self.part(at).map_or(b"", |part| part.text)
    }

    fn part(&self, at: usize) -> Option<&Part<'a>> {
        let after = self.parts.partition_point(|part| part.at <= at);
        self.parts.get(after.checked_sub(1)?)
    }
}

/// The directives of a file, one after the other.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    file: &'a str,
    rest: &'a [u8],
    line: u32,
}

impl<'a> Lines<'a> {
    /// Those of `bytes`.
    pub fn new(file: &'a str, bytes: &'a [u8]) -> Self {
        // Windows' editors put it there; it is no part of the first directive.
        let rest = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        Self {
            file,
            rest,
            line: 0,
        }
    }

    /// The next line, without its end.
    fn line(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest);
        let line = self.rest.get(..end.unwrap_or(self.rest.len()))?;
        self.rest = match end {
            Some(end) => self.rest.get(end + 1..).unwrap_or_default(),
            None => b"",
        };
        self.line = self.line.saturating_add(1);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Directive<'a>;

    fn next(&mut self) -> Option<Directive<'a>> {
        let mut line = self.line()?;
        loop {
            let trimmed = line.trim_ascii_start();
            if let Some(comment) = trimmed.strip_prefix(b"#") {
                if is_rule(comment.trim_ascii_start()) {
                    while line.trim_ascii_end().ends_with(b"\\") {
                        line = self.line()?;
                    }
                }
            } else if !trimmed.is_empty() {
                break;
            }
            line = self.line()?;
        }
        let mut directive = Directive {
            file: self.file,
            bytes: Vec::new(),
            parts: Vec::new(),
        };
        loop {
            let (text, goes_on) = match line.strip_suffix(b"\\") {
                Some(text) => (text, true),
                None => (line, false),
            };
            directive.parts.push(Part {
                at: directive.bytes.len(),
                line: self.line,
                text: line,
            });
            directive.bytes.extend_from_slice(text);
            if !goes_on {
                return Some(directive);
            }
            match self.line() {
                Some(next) => line = next,
                None => return Some(directive),
            }
        }
    }
}

/// Whether a comment begins as a rule does.
fn is_rule(comment: &[u8]) -> bool {
    ["SecRule", "SecAction"].iter().any(|name| {
        comment
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// The words of a directive: what white space parts, or what stands within
/// quotation marks; a backslash takes a mark its meaning.
pub(super) fn words(text: Text<'_>) -> Result<Vec<Text<'_>>, Fault> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.bytes.first() {
        let quote = matches!(first, b'"' | b'\'').then_some(*first);
        let Some(quote) = quote else {
            let end = rest.bytes.iter().position(u8::is_ascii_whitespace);
            let end = end.unwrap_or(rest.bytes.len());
            let word = rest.first(end);
            if word.bytes == b"\\" {
                return Err(Fault::new(
                    word.at,
                    Code::StrayText,
                    "Nothing may follow the backslash at a line's end, not even a space.",
                ));
            }
            words.push(word);
            rest = rest.after(end).trim_start();
            continue;
        };
        let inner = rest.after(1);
        let Some(end) = closing(inner.bytes, quote) else {
            return Err(Fault::new(
                rest.at,
                Code::UnclosedQuote,
                "This quotation mark is not closed. Close it on the same line, or end each line but the last with a backslash, with nothing after it.",
            ));
        };
        words.push(inner.first(end));
        rest = inner.after(end + 1);
        if rest.bytes.first().is_some_and(|b| !b.is_ascii_whitespace()) {
            return Err(Fault::new(
                rest.at,
                Code::StrayText,
                "A space has to follow the quotation mark that closes. A mark inside quotes is written with a backslash before it.",
            ));
        }
        rest = rest.trim_start();
    }
    Ok(words)
}

/// Where the mark stands that closes what `bytes` begin.
pub(super) fn closing(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        match byte {
            b'\\' => index += 2,
            byte if *byte == quote => return Some(index),
            _ => index += 1,
        }
    }
    None
}
