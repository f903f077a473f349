//! NoSQL injection: a value that is an operator of a document database, or a
//! script for it.
//!
//! **What it stops.** `password[$ne]=x` and `{"password": {"$ne": null}}`, which
//! readers of bodies make an operator of; the same as JSON in a text; scripts
//! for `$where` (`'; return true; var x='`, `this.a == this.b`).
//!
//! **How it decides.** A name is split as readers split it; a part that is an
//! operator of the query language counts. At the top of a query string `$filter`
//! and its like are other protocols' own names (OData, SoQL) and do not count;
//! at the top of a JSON body only those that run code do. In a value, an
//! operator counts where it is a member's name in an object. A script is told by what stands behind the quote or
//! number that it ends: a statement of JavaScript that returns, loops or waits; or a value is one as a whole, on one line.
//!
//! **What it lets pass.** `$5`, `$ref`, `$schema`, `$name`, names that only begin
//! like operators, text about them.
//!
//! **Limits.** Operators of other databases than those that took MongoDB's are
//! not known.

use super::prose::words;
use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity::{self, Critical, Error, Warning};

/// The detector.
pub static DETECTOR: Detector = Detector {
    name: "nosql-injection",
    title: "A value is an operator of a document database, or a script for it",
    severity: Severity::Critical,
    tag: "attack-nosql",
    places: &[
        Where::ParameterName,
        Where::Parameter,
        Where::Cookie,
        Where::Header,
        Where::Body,
    ],
    needs: &[ByteSet::of(b"$;'\"|&(")],
    min_len: 3,
    unwraps: true,
    find,
};

fn find(value: &Value<'_>) -> Option<Finding> {
    if value.stood == Where::ParameterName {
        return in_name(value.bytes);
    }
    in_object(value.bytes)
        .or_else(|| in_script(value.bytes))
        .or_else(|| alone(value.bytes))
}

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// It compares, or joins conditions.
    Asks,
    /// It runs code.
    Runs,
}

/// The query language's operators, and those of the pipeline that read or run more.
fn operator(word: &[u8]) -> Option<Operator> {
    match word {
        b"$where" | b"$function" | b"$accumulator" | b"$expr" | b"$jsonSchema" => {
            Some(Operator::Runs)
        }
        b"$eq" | b"$ne" | b"$gt" | b"$gte" | b"$lt" | b"$lte" | b"$in" | b"$nin" | b"$and"
        | b"$or" | b"$nor" | b"$not" | b"$exists" | b"$type" | b"$mod" | b"$regex"
        | b"$options" | b"$text" | b"$all" | b"$elemMatch" | b"$size" | b"$geoWithin"
        | b"$geoIntersects" | b"$near" | b"$nearSphere" | b"$bitsAllSet" | b"$bitsAnySet"
        | b"$lookup" | b"$graphLookup" | b"$unionWith" | b"$out" | b"$merge" | b"$set"
        | b"$unset" | b"$inc" | b"$push" | b"$pull" | b"$rename" | b"$setOnInsert"
        | b"$comment" | b"$rand" | b"$sampleRate" | b"$like" | b"$iLike" | b"$notLike"
        | b"$between" | b"$contains" | b"$startsWith" | b"$endsWith" => Some(Operator::Asks),
        _ => None,
    }
}

fn in_name(name: &[u8]) -> Option<Finding> {
    memchr::memchr(b'$', name)?;
    let pointer = name.first() == Some(&b'/');
    let mut start = 0;
    let mut parts = 0;
    for part in name.split(|byte| b"[]./".contains(byte)) {
        let word = match part.trim_ascii() {
            [b'"' | b'\'', inner @ .., b'"' | b'\''] => inner,
            other => other,
        };
        let found = match (operator(word), parts, pointer) {
            (None, ..) => None,
            // Other protocols have `$filter` and `$where` in the query.
            (Some(Operator::Runs), 0, false) => Some(Error),
            (Some(Operator::Asks), 0, false) => Some(Warning),
            (Some(_), ..) => Some(Critical),
        };
        if let Some(severity) = found {
            return Some(Finding {
                at: start..start + part.len(),
                what: "names an operator",
                severity: Some(severity),
            });
        }
        parts += usize::from(!word.is_empty());
        start += part.len() + 1;
    }
    None
}

/// `{"$ne": …}`, `{$gt: ''}` as text; `a[$ne]=b` in a text that holds pairs.
fn in_object(bytes: &[u8]) -> Option<Finding> {
    for at in memchr::memchr_iter(b'$', bytes) {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = 1 + rest
            .iter()
            .skip(1)
            .take(LONGEST_OPERATOR)
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        if operator(rest.get(..length).unwrap_or_default()).is_none() {
            continue;
        }
        let behind = rest.get(length..).unwrap_or_default();
        let before = bytes.get(..at).unwrap_or_default();
        let quoted = matches!(behind.first(), Some(b'"' | b'\''));
        let behind = behind.get(usize::from(quoted)..).unwrap_or_default();
        let before = match before {
            [head @ .., b'"' | b'\''] if quoted => head,
            other if !quoted => other,
            _ => continue,
        };
        // A value may begin with what runs code, as it is put between braces.
        let runs = operator(rest.get(..length).unwrap_or_default()) == Some(Operator::Runs);
        let begins = runs && before.is_empty() && !quoted;
        let member = matches!(behind.trim_ascii_start(), [b':', ..])
            && near_end(before).map_or(begins, |byte| matches!(byte, b'{' | b','));
        let indexed = matches!(behind, [b']', ..]) && matches!(before, [.., b'[']);
        if member || indexed {
            return Some(Finding {
                at: at..at + length,
                what: "is an object with an operator",
                severity: Some(Critical),
            });
        }
    }
    None
}

/// No operator is longer.
const LONGEST_OPERATOR: usize = 16;
/// How many blanks may stand before a member's name.
const MOST_BLANKS: usize = 64;

fn near_end(text: &[u8]) -> Option<u8> {
    text.iter()
        .rev()
        .take(MOST_BLANKS)
        .find(|byte| **byte > b' ')
        .copied()
}

/// In a string or behind a number of a script for `$where`.
fn in_script(bytes: &[u8]) -> Option<Finding> {
    for quote in [Some(b'\''), Some(b'"'), None] {
        let at = match quote {
            Some(quote) => match memchr::memchr(quote, bytes) {
                Some(at) => at + 1,
                None => continue,
            },
            None => bytes
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count(),
        };
        let behind = bytes.get(at..).unwrap_or_default();
        if let Some(severity) = runs(behind) {
            return Some(Finding {
                at: at..bytes.len(),
                what: "goes on with a script",
                severity: Some(severity),
            });
        }
    }
    None
}

/// A longer script for `$where` is nobody's probe.
const LONGEST_SCRIPT: usize = 256;

/// A value that is a script for `$where` and nothing else: `function(){return …}`, `this.a==…||…`, `db.a.drop()`.
fn alone(bytes: &[u8]) -> Option<Finding> {
    let text = bytes.trim_ascii();
    let one_line = text.len() <= LONGEST_SCRIPT && !text.contains(&b'\n');
    let has = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    let is = one_line
        && match text {
            [b'f', ..] => {
                let rest = text.strip_prefix(b"function")?.trim_ascii_start();
                rest.starts_with(b"(") && has(b"return") && text.ends_with(b"}")
            }
            [b't', ..] => {
                let joined = has(b"||") || has(b"&&");
                text.starts_with(b"this.") && joined && has(b"==") && words(text, 4) < 4
            }
            [b'd', ..] => calls_collection(text.strip_prefix(b"db.")?),
            _ => false,
        };
    is.then_some(Finding {
        at: 0..bytes.len(),
        what: "is a script for a document database",
        severity: Some(Critical),
    })
}

/// `users.find(…)` to the end, behind `db.`.
fn calls_collection(text: &[u8]) -> bool {
    const CALLS: [&[u8]; 12] = [
        b"find",
        b"findOne",
        b"insert",
        b"insertOne",
        b"update",
        b"updateOne",
        b"remove",
        b"deleteMany",
        b"drop",
        b"mapReduce",
        b"aggregate",
        b"save",
    ];
    let Some(open) = memchr::memchr(b'(', text) else {
        return false;
    };
    let name = text.get(..open).unwrap_or_default();
    let last = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let plain = name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    let ends = matches!(text, [.., b')'] | [.., b')', b';']);
    plain && ends && last.len() < name.len() && CALLS.contains(&last)
}

/// Whether a script goes on here: `; return true`, `|| this.a`, `}); db.x.drop(`.
fn runs(behind: &[u8]) -> Option<Severity> {
    let mut text = behind.trim_ascii_start();
    let mut ended = false;
    let mut joined = false;
    // No more signs than these stand between a value and the next statement.
    for _ in 0..16 {
        text = text.trim_ascii_start();
        match text {
            [b';' | b'}', rest @ ..] => {
                ended = true;
                text = rest;
            }
            [b')' | b']', rest @ ..] => text = rest,
            [b'|', b'|', rest @ ..] | [b'&', b'&', rest @ ..] => {
                joined = true;
                text = rest;
            }
            _ => break,
        }
    }
    let word = text
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        .unwrap_or(text.len());
    let (word, rest) = (text.get(..word)?, text.get(word..)?);
    let rest = rest.trim_ascii_start();
    if ended {
        return match word {
            b"return" => {
                let value = rest
                    .iter()
                    .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
                    .unwrap_or(rest.len());
                let (value, behind) = (rest.get(..value)?, rest.get(value..)?);
                let stops = matches!(
                    behind.trim_ascii_start(),
                    [] | [
                        b';' | b'}' | b'/' | b'.' | b'(' | b'=' | b'<' | b'>' | b'!',
                        ..
                    ]
                );
                stops.then_some(match value {
                    b"true" | b"false" | b"this" | b"1" | b"0" | b"" => Critical,
                    _ => Warning,
                })
            }
            b"sleep" if rest.first() == Some(&b'(') => Critical.into(),
            b"db" if matches!(rest, [b'.', ..]) => Critical.into(),
            b"while" | b"for" if rest.first() == Some(&b'(') => Error.into(),
            b"do" if rest.first() == Some(&b'{') => Critical.into(),
            b"it" | b"var" if rest.windows(9).take(32).any(|nine| nine == b"new Date(") => {
                Critical.into()
            }
            _ => None,
        };
    }
    if joined {
        return match (word, rest) {
            (b"this", [b'.' | b'[', ..]) => Some(Critical),
            (b"true" | b"1", [] | [b'/', b'/', ..] | [b';' | b'}', ..]) => Some(Critical),
            (b"", [b'\'' | b'"', ..]) if memchr::memmem::find(rest, b"==").is_some() => Some(Error),
            (left, [b'=', b'=', more @ ..]) => {
                let right = more
                    .iter()
                    .skip_while(|byte| **byte == b'=' || **byte == b' ');
                let digits = right.take_while(|byte| byte.is_ascii_digit()).count();
                let constant = digits > 0 && left.iter().all(u8::is_ascii_digit);
                (constant && !left.is_empty()).then_some(Critical)
            }
            _ => None,
        };
    }
    None
}

#[cfg(test)]
mod tests;
