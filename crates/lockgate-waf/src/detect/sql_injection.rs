//! SQL injection: a value that ends what it was put into, and goes on as SQL.
//!
//! **What it stops.** A query is made of text, and a value in it ends its own
//! place: `' OR 1=1 --` in a string, `1 UNION SELECT …` where a number stands,
//! `id,(SELECT …)` where a column is named, `*/ OR 1=1` in a comment.
//!
//! **How it decides.** The value is read as a database would read it in each
//! place where it could stand: in `'…'`, in `"…"`, in `` `…` ``, and without
//! quotes. Tokens are those of MySQL (with its `/*!…*/`), PostgreSQL, MSSQL,
//! Oracle and SQLite together. What follows the break-out has to be SQL by its
//! grammar: an operator, an operand, and so on; at the first word that has no
//! place there reading ends, which is what prose comes to after one or two
//! tokens. What was read up to there is then weighed: a boolean with a
//! comparison of constants, another `SELECT`, a subquery, a statement after
//! `;`, a call that waits or reads files, a comment that cuts the rest. How it
//! ends counts too: with a comment, or in a string that the query's own quote
//! ends, an injection works; otherwise it is only an attempt.
//!
//! **What it lets pass.** Names (`O'Brien`), prose with SQL's words, code,
//! comparisons that begin with a comparison (`1 < 2 and 3 > 2`). A whole
//! statement as a value is no injection: it adds a little, and more where it
//! reads the database's own tables.
//!
//! **Limits.** A value that is read as a column or a table and says only
//! another name is not seen; nor is one that is put together from two
//! parameters.

mod grammar;
mod tokens;
mod whole;
mod words;

use super::prose::{wordly, words};
use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;
use grammar::{Ending, Lone, Seen, Start};
use tokens::{Token, Tokens};
use words::Word;

/// The detector.
pub static DETECTOR: Detector = Detector {
    name: "sql-injection",
    title: "A value ends its place in an SQL query and goes on as SQL",
    severity: Severity::Critical,
    tag: "attack-sqli",
    places: Where::VALUES_AND_FILE_NAMES,
    needs: &[APART],
    min_len: 3,
    unwraps: true,
    find,
};

/// What keeps an operator and its operands apart: without any there is one token.
/// A number ends where a word begins: `1or.1<2` needs no blank.
const APART: ByteSet = ByteSet::of(b" \t\n\r\x0b\x0c\0\xa0'\"`(),;#*-=|&+.<>@!~\\$[?");

/// How often reading begins anew in text that holds several values: a path, a header, a body.
const RESTARTS: usize = 8;
/// So many bytes are read again from where reading begins anew.
const OVERLAP: usize = 4096;

fn find(value: &Value<'_>) -> Option<Finding> {
    let bytes = value.bytes;
    if matches!(value.stood, Where::Parameter | Where::Cookie | Where::Xml) {
        if let Some(what) = whole::read(bytes) {
            return Some(finding(0..bytes.len(), (what, Severity::Critical)));
        }
    }
    let mut found = Best::default();
    let (first, mut reached) = unquoted(bytes, 0);
    found.take(first);
    for quote in [b'\'', b'"', b'`'] {
        if found.is_sure() {
            break;
        }
        let Some(first) = memchr::memchr(quote, bytes) else {
            continue;
        };
        found.take(quoted(bytes, quote, first));
        if let Some(odd) = unpaired(bytes, quote, first) {
            if !found.is_sure() {
                found.take(quoted(bytes, quote, odd));
            }
        }
    }
    if !found.is_sure() {
        found.take(commented(bytes));
    }
    if !found.is_sure() && matches!(value.stood, Where::Path | Where::Header | Where::Body) {
        let starts = memchr::memchr3_iter(b'=', b'/', b':', bytes).take(RESTARTS);
        for start in starts {
            // What was read from before it need not be read again, but for its beginning.
            if start + OVERLAP < reached {
                continue;
            }
            let (other, at) = unquoted(bytes, start + 1);
            found.take(other);
            reached = reached.max(at);
        }
    }
    found.0
}

#[derive(Default)]
struct Best(Option<Finding>);

impl Best {
    fn take(&mut self, other: Option<Finding>) {
        let rank = |finding: &Option<Finding>| {
            let severity = finding.as_ref().and_then(|finding| finding.severity);
            severity.map_or(u8::MAX, Severity::rank)
        };
        if rank(&other) < rank(&self.0) {
            self.0 = other;
        }
    }

    fn is_sure(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|finding| finding.severity == Some(Severity::Critical))
    }
}

/// The first quote that is not one of a pair, where the first of all is one:
/// two stand for one within a string.
fn unpaired(bytes: &[u8], quote: u8, first: usize) -> Option<usize> {
    let mut at = first;
    while bytes.get(at + 1) == Some(&quote) {
        at += 2;
        at += memchr::memchr(quote, bytes.get(at..)?)?;
    }
    (at != first).then_some(at)
}

fn finding(at: std::ops::Range<usize>, (what, severity): (&'static str, Severity)) -> Finding {
    Finding {
        at,
        what,
        severity: Some(severity),
    }
}

/// In a string that the quote at `at` ends.
fn quoted(bytes: &[u8], quote: u8, at: usize) -> Option<Finding> {
    let mut tokens = Tokens::from(bytes, at + 1);
    let (seen, ending) = grammar::read(&mut tokens, Some(quote), Start::Operator);
    let (what, severity) = in_string(&seen, ending, &tokens)?;
    let severity = match severity {
        Severity::Warning if ending == Ending::Held && is_quoted_word(bytes, at, &tokens) => {
            Severity::Notice
        }
        severity => severity,
    };
    Some(finding(at..tokens.at(), (what, severity)))
}

/// Whether a text has an operator in quotes, as people quote a word: `digits and '-'.`
fn is_quoted_word(bytes: &[u8], at: usize, tokens: &Tokens<'_>) -> bool {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    let behind = tokens.text().get(1);
    !before.into_iter().chain(behind).copied().any(wordly) && words(bytes, SENTENCE) == SENTENCE
}

/// So many words are no longer a value of one.
const SENTENCE: usize = 2;

/// In a comment that the first `*/` ends, if the value did not begin one itself.
fn commented(bytes: &[u8]) -> Option<Finding> {
    let end = memchr::memmem::find(bytes, b"*/")?;
    if memchr::memmem::find(bytes.get(..end)?, b"/*").is_some() {
        return None;
    }
    let mut tokens = Tokens::from(bytes, end + 2);
    // What stood before the comment may be `UNION`.
    let start = match tokens.peek() {
        Token::Word(Word::Select) => Start::Statement,
        _ => Start::Operator,
    };
    let (seen, ending) = grammar::read(&mut tokens, None, start);
    let (what, severity) = in_comment(&seen, ending)?;
    Some(finding(end..tokens.at(), (what, severity)))
}

/// Code that is written behind a comment is no SQL, or cuts nothing off.
fn in_comment(seen: &Seen, ending: Ending) -> Option<(&'static str, Severity)> {
    use Severity::{Critical, Warning};
    let whole = ending != Ending::Broken;
    let does = seen.union
        || seen.telling
        || seen.sleeps
        || seen.subquery
        || seen.stacked
        || seen.file
        || (seen.decides || seen.constants || seen.function && seen.boolean) && whole;
    if does {
        return Some(("ends a comment and goes on as SQL", Critical));
    }
    let goes_on = seen.compared || seen.sorted || seen.lone != Lone::None || seen.subquery_of_names;
    (goes_on && whole).then_some((
        "ends a comment and goes on with a condition",
        match ending {
            Ending::Cut => Critical,
            _ => Warning,
        },
    ))
}

fn in_string(seen: &Seen, ending: Ending, tokens: &Tokens<'_>) -> Option<(&'static str, Severity)> {
    use Severity::{Critical, Error, Notice, Warning};
    let works = matches!(ending, Ending::Cut | Ending::Held) || seen.open;
    let whole = ending != Ending::Broken;
    let sure = |holds: bool, otherwise| if holds { Critical } else { otherwise };
    Some(if seen.union {
        ("ends a string and adds another SELECT", Critical)
    } else if seen.telling || seen.sleeps {
        (
            "ends a string and calls what waits, reads or fails",
            Critical,
        )
    } else if seen.subquery {
        ("ends a string and goes on with a subquery", Critical)
    } else if seen.stacked {
        ("ends a string and begins another statement", Critical)
    } else if seen.file {
        ("ends a string and writes a file", Critical)
    } else if seen.constants {
        ("ends a string and compares constants", sure(whole, Error))
    } else if seen.decides && whole {
        ("ends a string and decides by constants", sure(works, Error))
    } else if seen.compared && whole {
        (
            "ends a string and goes on with a condition",
            sure(works, Error),
        )
    } else if seen.called && works || (seen.boolean || seen.bars) && seen.function && whole {
        (
            "ends a string and goes on with a function",
            sure(works, Error),
        )
    } else if seen.union_of_names || seen.subquery_of_names {
        (
            "ends a string and adds another SELECT",
            sure(works, Warning),
        )
    } else if seen.sorted && whole && !seen.lists {
        ("ends a string and sorts or limits", sure(works, Error))
    } else if !whole {
        return None;
    } else if seen.lone == Lone::Number {
        ("ends a string and goes on with OR", sure(works, Warning))
    } else if seen.lone == Lone::Text {
        let severity = match ending {
            Ending::Cut => Critical,
            Ending::Held => Warning,
            _ => Notice,
        };
        ("ends a string and goes on with OR", severity)
    } else if seen.compared_first {
        let severity = match ending {
            Ending::Cut => cut_off(tokens.text()),
            Ending::Held => Warning,
            _ => Notice,
        };
        ("ends a string and compares it", severity)
    } else if ending == Ending::Cut {
        let severity = match cut_off(tokens.text()) {
            Critical => Critical,
            _ if seen.operators => Error,
            other => other,
        };
        ("ends a string and cuts the rest off", severity)
    } else if seen.operators && seen.function {
        ("ends a string and joins a function's result", Error)
    } else if seen.operators && ending == Ending::Held {
        ("ends a string and goes on with an operator", Warning)
    } else {
        return None;
    })
}

/// A comment with text in it may be text: `'#1'`, `the dogs' -- and mine`.
fn cut_off(comment: &[u8]) -> Severity {
    let text = comment
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric() || **byte >= 0x80)
        .count();
    match text {
        0 => Severity::Critical,
        1..=8 => Severity::Warning,
        _ => Severity::Notice,
    }
}

/// What a value begins with where no quotes stand around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Number,
    /// It begins with an operator, as behind a name or number of the query.
    Nothing,
    /// A parenthesis.
    Group,
    /// A name or a string.
    Other,
    /// A statement of its own.
    Statement,
}

/// Without quotes around it; and how far that was read.
fn unquoted(bytes: &[u8], from: usize) -> (Option<Finding>, usize) {
    let mut tokens = Tokens::from(bytes, from);
    let Some((first, start)) = first(tokens) else {
        return (None, from);
    };
    let (seen, ending) = grammar::read(&mut tokens, None, start);
    let verdict = without_quotes(first, &seen, ending, &tokens);
    let at = tokens.at();
    (verdict.map(|verdict| finding(from..at, verdict)), at)
}

/// What it begins with, and where reading begins with that.
fn first(tokens: Tokens<'_>) -> Option<(First, Start)> {
    let mut ahead = tokens;
    Some(match ahead.next() {
        Token::Number | Token::Variable | Token::ServerVariable => (First::Number, Start::Operand),
        Token::Sign | Token::Word(Word::Literal) => (First::Number, Start::Operand),
        // Code in braces.
        Token::Open if ahead.text().first() == Some(&b'{') => return None,
        Token::Open if ahead.odd => (First::Number, Start::Operand),
        Token::Open => (First::Group, Start::Operand),
        Token::Text => (First::Other, Start::Operand),
        Token::Word(Word::Select | Word::Statement(_)) => (First::Statement, Start::Statement),
        Token::Word(Word::Boolean | Word::Union | Word::Sorting | Word::Having) => {
            (First::Nothing, Start::Operator)
        }
        Token::Word(Word::Where | Word::Limit | Word::Procedure | Word::Into) => {
            (First::Nothing, Start::Operator)
        }
        // Most prose ends here: two words that nothing joins.
        Token::Word(word) => {
            if matches!(ahead.next(), Token::Word(Word::Name)) {
                return None;
            }
            match word {
                Word::Before | Word::Case => (First::Nothing, Start::Operand),
                _ => (First::Other, Start::Operand),
            }
        }
        Token::Close | Token::Semicolon | Token::Comma => (First::Nothing, Start::Operator),
        Token::Bars | Token::Ampersands => (First::Nothing, Start::Operator),
        _ => return None,
    })
}

fn without_quotes(
    first: First,
    seen: &Seen,
    ending: Ending,
    tokens: &Tokens<'_>,
) -> Option<(&'static str, Severity)> {
    use Severity::{Critical, Error, Info, Notice, Warning};
    let numeric = matches!(first, First::Number | First::Nothing);
    let cut = ending == Ending::Cut;
    let whole = ending != Ending::Broken;
    let sure = |holds: bool, otherwise| if holds { Critical } else { otherwise };
    if first == First::Statement {
        return of_statement(seen, ending, tokens.glued);
    }
    Some(if seen.union {
        ("adds another SELECT", Critical)
    } else if seen.telling {
        ("calls what waits, reads or fails", Critical)
    } else if seen.telling_first || seen.sleeps_first {
        let sure_of = seen.telling_first && whole && seen.operators;
        let sure_of = sure_of || cut || seen.function && seen.telling_first;
        (
            "is a call that waits, reads or fails",
            sure(sure_of, Warning),
        )
    } else if seen.decides
        && (whole || numeric)
        && (first != First::Other || whole && seen.function)
    {
        ("decides by constants", Critical)
    } else if seen.sleeps && (numeric || whole && !seen.compared_first) {
        ("calls what waits, reads or fails", Critical)
    } else if seen.subquery || (seen.subquery_of_names && (numeric || cut)) {
        (
            "goes on with a subquery",
            sure(seen.operators || cut, Error),
        )
    } else if seen.union_of_names {
        (
            "adds another SELECT",
            sure((numeric || cut) && whole, Warning),
        )
    } else if seen.stacked {
        let sure_of = numeric || cut || seen.runs;
        ("begins another statement", sure(sure_of, Error))
    } else if seen.file {
        ("writes a file", Critical)
    } else if seen.constants {
        let plain = !seen.compared_first && whole;
        let severity = match first {
            First::Number | First::Nothing if plain => Critical,
            _ if cut => Critical,
            _ if plain => Error,
            // `5 > 4 or 3 < 2`
            _ if seen.compared_first && whole && !tokens.glued && !tokens.commented => Notice,
            _ => Warning,
        };
        ("goes on with a comparison of constants", severity)
    } else if numeric && seen.boolean && seen.function && !seen.compared_first && whole {
        ("goes on with a function", Critical)
    } else if seen.compared && whole && (numeric || cut) {
        let severity = match (numeric && !seen.compared_first, cut) {
            (true, true) => Critical,
            (false, true) => Error,
            _ => Warning,
        };
        ("goes on with a condition", severity)
    } else if seen.sorted && whole && seen.operators {
        let severity = match first {
            First::Number => Critical,
            _ if cut => Error,
            _ => Notice,
        };
        ("sorts or limits", severity)
    } else if cut && seen.boolean && seen.lone != Lone::None && numeric {
        ("goes on with OR", Critical)
    } else if numeric
        && whole
        && (tokens.glued || tokens.odd)
        && seen.boolean
        && seen.lone != Lone::None
    {
        ("goes on with OR, and not as people write it", Critical)
    } else if first == First::Number && whole && seen.between && seen.lone == Lone::Number {
        ("goes on with BETWEEN and constants", Critical)
    } else if cut && numeric && seen.closes {
        ("closes a parenthesis and cuts the rest off", Error)
    } else if cut && first == First::Number {
        ("cuts the rest off", Notice)
    } else if seen.begins || whole && seen.by_words() {
        ("reads as SQL", Info)
    } else {
        return None;
    })
}

fn of_statement(seen: &Seen, ending: Ending, glued: bool) -> Option<(&'static str, Severity)> {
    use Severity::{Critical, Error, Notice};
    Some(if seen.file || seen.telling {
        ("is a statement that waits, reads or writes", Critical)
    } else if seen.constants && ending != Ending::Broken {
        ("is a statement with a comparison of constants", Critical)
    } else if glued && ending != Ending::Broken {
        ("is a statement with comments for blanks", Critical)
    } else if seen.system {
        ("is a statement about the database's own tables", Error)
    } else if seen.union || seen.stacked || seen.subquery {
        ("is a statement", Notice)
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests;
