//! Regular expressions: PCRE's syntax, read as what runs in linear time.
//!
//! Patterns see bytes, as PCRE does without UTF. A dot matches every byte, and
//! `^` and `$` are the beginning and the end of the whole value: so version 2
//! of ModSecurity compiles them (DOTALL, DOLLAR_ENDONLY), and so the Core Rule
//! Set is written. Version 3 adds MULTILINE, by which `!@rx ^[a-z]+$` lets
//! through whatever follows a first good line; `(?m)` asks for that here.
//!
//! Look-around, back-references, recursion, atomic groups and possessive
//! quantifiers are errors: no matcher with linear time has them.

mod class;
mod size;
mod translate;

use regex_syntax::hir::Hir;
use regex_syntax::ParserBuilder;

use super::codes::Code;
use super::errors::Fault;
use super::text::Text;
use super::Limits;
use crate::rule::Pattern;

/// Reads a regular expression.
pub(super) fn pattern(
    text: Text<'_>,
    ignore_case: bool,
    limits: &Limits,
) -> Result<Pattern, Fault> {
    let translated = translate::translate(text)?;
    let parsed = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .dot_matches_new_line(true)
        .case_insensitive(ignore_case)
        .nest_limit(limits.pattern_depth)
        .build()
        .parse(&translated.pattern);
    let hir: Hir = parsed.map_err(|error| {
        let (what, offset) = match &error {
            regex_syntax::Error::Parse(e) => (e.kind().to_string(), e.span().start.offset),
            regex_syntax::Error::Translate(e) => (e.kind().to_string(), e.span().start.offset),
            _ => ("it cannot be read".to_owned(), 0),
        };
        Fault::new(
            translated.origin(offset),
            Code::BadPattern,
            format!("This is no regular expression: {what}."),
        )
    })?;
    let states = size::states(&hir);
    if states > limits.pattern_states {
        return Err(Fault::new(
            text.at,
            Code::PatternTooLarge,
            format!(
                "This regular expression would take {states} states, and {} are allowed. Repetitions within repetitions multiply: bound only one of them, or write `*` or `+`.",
                limits.pattern_states
            ),
        ));
    }
    Ok(Pattern {
        source: text.kept(),
        hir,
    })
}
