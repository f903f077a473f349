//! Regular expressions that a configuration may use: always matched whole, in
//! time linear in the text, and bounded in size.
//!
//! The engine is a finite automaton, so what would need going back over the
//! text (look-around, back-references) cannot be said, and no text that a
//! stranger sends can make it slow.

use std::ops::Range;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use regex_syntax::ast::ErrorKind;

/// Longest expression, bytes. Precedents: Envoy bounds the program, not the
/// text; nobody reads a path of a kilobyte.
pub const MAX_TEXT: usize = 1024;
/// Largest compiled expression, bytes: `/[a-z]{1,200}/\d+` has room, and
/// `(\w{1000}){1000}` has not.
pub const MAX_COMPILED: usize = 256 * 1024;
/// Largest set of expressions together, bytes.
pub const MAX_SET: usize = 16 * 1024 * 1024;

/// An expression, matched whole.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
}

/// Why a text is no expression that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternFault {
    /// Kebab-case, stable.
    pub code: &'static str,
    /// What is wrong, and where.
    pub message: String,
    /// What to do instead.
    pub advice: &'static str,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Where it is none, cannot be matched in linear time, or is too large.
    pub fn new(text: &str) -> Result<Self, PatternFault> {
        if text.len() > MAX_TEXT {
            return Err(too_large(format!(
                "the expression has {} bytes; at most {MAX_TEXT} are taken",
                text.len()
            )));
        }
        if let Err(error) = regex_syntax::ast::parse::Parser::new().parse(text) {
            let (start, end) = (error.span().start.offset, error.span().end.offset);
            return Err(fault(text, start..end, error.kind()));
        }
        let regex = RegexBuilder::new(&anchored(text))
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build()
            .map_err(|error| not_compiled(text, &error))?;
        Ok(Self {
            text: text.into(),
            regex,
        })
    }

    /// As the configuration says it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The names of its groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.regex.capture_names().flatten()
    }

    /// Where the named groups matched, an empty place where one did not; `None`
    /// where the whole text does not match.
    #[must_use]
    pub fn captures(&self, text: &str) -> Option<Vec<(&str, Range<usize>)>> {
        let found = self.regex.captures(text)?;
        let named = self
            .names()
            .map(|name| (name, found.name(name).map_or(0..0, |group| group.range())));
        Some(named.collect())
    }
}

/// Several expressions, looked for in one pass over the text.
#[derive(Debug)]
pub struct PatternSet(RegexSet);

impl PatternSet {
    /// Compiles expressions that each are a [`Pattern`] already.
    ///
    /// # Errors
    /// Where they are too large together.
    pub fn new<'p>(patterns: impl Iterator<Item = &'p Pattern>) -> Result<Self, PatternFault> {
        let texts: Vec<String> = patterns.map(|pattern| anchored(&pattern.text)).collect();
        RegexSetBuilder::new(texts)
            .size_limit(MAX_SET)
            .dfa_size_limit(MAX_SET / 8)
            .build()
            .map(Self)
            .map_err(|_| {
                too_large(format!(
                    "the expressions of this host are too large together: more than {MAX_SET} bytes compiled"
                ))
            })
    }

    /// The place of the first that matches, in the order in which they were given.
    #[must_use]
    pub fn first(&self, text: &str) -> Option<usize> {
        self.0.matches(text).iter().next()
    }
}

/// Nothing may stand before or behind what matched. The line feed ends a
/// comment that `(?x)` may have begun.
fn anchored(text: &str) -> String {
    if text.contains("(?") && text.contains('#') {
        format!("\\A(?:{text}\n)\\z")
    } else {
        format!("\\A(?:{text})\\z")
    }
}

fn fault(text: &str, at: Range<usize>, kind: &ErrorKind) -> PatternFault {
    let part = text.get(at.clone()).unwrap_or("");
    let character = text
        .get(..at.start)
        .map_or(0, |before| before.chars().count())
        + 1;
    let (code, what, advice) = match kind {
        ErrorKind::UnsupportedLookAround => (
            "regex-not-linear",
            format!("look-around `{part}` at character {character} cannot be matched in linear time"),
            "say what is to match rather than what is not: the most specific route wins, so another route can take the rest",
        ),
        ErrorKind::UnsupportedBackreference => (
            "regex-not-linear",
            format!("the back-reference `{part}` at character {character} cannot be matched in linear time"),
            "write out what may stand there",
        ),
        ErrorKind::NestLimitExceeded(_)
        | ErrorKind::CaptureLimitExceeded
        | ErrorKind::RepetitionCountInvalid => (
            "regex-too-large",
            format!("{kind} at character {character}"),
            "write a simpler expression",
        ),
        other => (
            "regex-malformed",
            format!("{other} at character {character}"),
            "a backslash before a character takes its meaning away, as in `\\.`",
        ),
    };
    PatternFault {
        code,
        message: format!("`{text}`: {what}"),
        advice,
    }
}

fn not_compiled(text: &str, error: &regex::Error) -> PatternFault {
    match error {
        regex::Error::CompiledTooBig(_) => too_large(format!(
            "`{text}` is too large: compiled it has more than {MAX_COMPILED} bytes"
        )),
        _ => PatternFault {
            code: "regex-malformed",
            message: format!("`{text}` is no regular expression that can be matched whole"),
            advice: "see that every group and class in it is closed",
        },
    }
}

fn too_large(message: String) -> PatternFault {
    PatternFault {
        code: "regex-too-large",
        message,
        advice: "use smaller counts in `{…}`, or `*` and `+`, or fewer expressions",
    }
}

#[cfg(test)]
mod tests;
