//! XPath injection: a value that ends its place in a query of an XML document
//! and goes on as XPath.
//!
//! **What it stops.** In `//user[name='VALUE']` the value `' or count(//*)>0 or '`
//! or `']|//*|//a['` changes what is selected.
//!
//! **How it decides.** The value is read in its places: in `'…'`, in `"…"`,
//! without quotes. Behind the break-out has to stand what XPath goes on with: `or`,
//! `and`, a comparison, or `]` and `|`; and then something that only XPath has:
//! a path (`//*`, `/a/b`, `name::node()`), one of its functions, an attribute
//! (`@id`). A comparison of constants is enough in quotes.
//!
//! **What it lets pass.** Whole XPath expressions (`//div[@class='x']`), CSS
//! selectors, prose, paths.
//!
//! **Limits.** What looks like SQL too (`' or '1'='1`) is told by both detectors.

use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity::{self, Critical, Error};

/// The detector.
pub static DETECTOR: Detector = Detector {
    name: "xpath-injection",
    title: "A value ends its place in an XPath query and goes on as XPath",
    severity: Severity::Critical,
    tag: "attack-injection-generic",
    places: &[
        Where::Parameter,
        Where::Cookie,
        Where::Header,
        Where::Path,
        Where::Xml,
        Where::Body,
    ],
    needs: &[ByteSet::of(b"/(@=]")],
    min_len: 5,
    unwraps: true,
    find,
};

fn find(value: &Value<'_>) -> Option<Finding> {
    let bytes = value.bytes;
    for quote in [b'\'', b'"'] {
        let Some(at) = memchr::memchr(quote, bytes) else {
            continue;
        };
        let behind = bytes.get(at + 1..).unwrap_or_default();
        if let Some(severity) = goes_on(behind, Some(quote)) {
            return Some(Finding {
                at: at..bytes.len(),
                what: "ends a string and goes on as XPath",
                severity: Some(severity),
            });
        }
    }
    if computes(bytes.trim_ascii()) {
        return Some(Finding {
            at: 0..bytes.len(),
            what: "is a function of XPath over all of a document",
            severity: Some(Critical),
        });
    }
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let severity = goes_on(bytes.get(digits..)?, None)?;
    Some(Finding {
        at: digits..bytes.len(),
        what: "goes on as XPath",
        severity: Some(severity),
    })
}

/// `count(/child::node())`, `string(//a/b)`: nothing else, and what it is given is a path from the root.
fn computes(text: &[u8]) -> bool {
    const FUNCTIONS: [&[u8]; 9] = [
        b"count",
        b"string",
        b"name",
        b"local-name",
        b"string-length",
        b"boolean",
        b"sum",
        b"normalize-space",
        b"number",
    ];
    let Some(open) = memchr::memchr(b'(', text.get(..LONGEST_FUNCTION).unwrap_or(text)) else {
        return false;
    };
    let given = text.get(open + 1..).unwrap_or_default().trim_ascii_start();
    // A path of files has no axes, brackets or stars.
    let steps = [b"::".as_slice(), b"[", b"*", b"//", b"()"];
    FUNCTIONS.contains(&text.get(..open).unwrap_or_default())
        && given.starts_with(b"/")
        && path(given).is_some()
        && text.ends_with(b")")
        && steps
            .iter()
            .any(|step| memchr::memmem::find(given, step).is_some())
}

/// With its parenthesis.
const LONGEST_FUNCTION: usize = 17;

/// No more steps are read: the first that says something is near the break-out.
const MOST_STEPS: usize = 64;

/// Whether XPath goes on here.
fn goes_on(behind: &[u8], quote: Option<u8>) -> Option<Severity> {
    let mut text = behind.trim_ascii_start();
    let mut closed = false;
    while let [b']' | b')', rest @ ..] = text {
        closed |= text.first() == Some(&b']');
        text = rest.trim_ascii_start();
    }
    if let [b'|', rest @ ..] = text {
        let rest = rest.trim_ascii_start();
        return (closed || quote.is_some())
            .then(|| path(rest))
            .flatten()
            .map(|_| Critical);
    }
    if closed && quote.is_some() && matches!(text, [b'/', ..]) {
        return path(text).map(|_| Critical);
    }
    let mut joined = false;
    for _ in 0..MOST_STEPS {
        text = text.trim_ascii_start();
        if let Some(rest) = keyword(text, b"or").or_else(|| keyword(text, b"and")) {
            joined = true;
            text = rest;
            continue;
        }
        if !joined {
            return None;
        }
        if path(text).is_some() {
            return Some(if quote.is_some() || !text.starts_with(b"/") {
                Critical
            } else {
                Error
            });
        }
        // An operand that says nothing: a string, a number, a comparison.
        text = match text {
            [b'=' | b'<' | b'>' | b'+' | b'-' | b'(' | b')' | b'|', rest @ ..] => rest,
            [b'!', b'=', rest @ ..] => rest,
            [mark @ (b'\'' | b'"'), rest @ ..] => {
                let end = memchr::memchr(*mark, rest)?;
                rest.get(end + 1..).unwrap_or_default()
            }
            [b'0'..=b'9', ..] => {
                let end = text
                    .iter()
                    .position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
                text.get(end..).unwrap_or_default()
            }
            _ => keyword(text, b"not").filter(|rest| rest.trim_ascii_start().starts_with(b"("))?,
        };
    }
    None
}

fn keyword<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let rest = text.strip_prefix(word)?;
    let apart = rest
        .first()
        .is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    apart.then_some(rest)
}

/// What only XPath has: how it begins.
fn path(text: &[u8]) -> Option<()> {
    let word = text
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || b"-_".contains(byte)))
        .unwrap_or(text.len());
    let (word, rest) = (text.get(..word)?, text.get(word..)?);
    let spaced = rest.trim_ascii_start();
    let called = spaced.first() == Some(&b'(');
    let found = match word {
        b"" => match rest {
            [b'/', b'/', b'*' | b'@', ..] | [b'/', b'*', ..] => true,
            [b'/', b'/', next, ..] | [b'/', next, ..] => next.is_ascii_alphabetic(),
            [b'@', b'*', ..] => true,
            [b'@', next, ..] => next.is_ascii_alphabetic() && memchr::memchr(b'=', rest).is_some(),
            _ => false,
        },
        b"text"
        | b"node"
        | b"comment"
        | b"last"
        | b"position"
        | b"name"
        | b"local-name"
        | b"processing-instruction" => called,
        b"count" | b"string-length" | b"starts-with" | b"ends-with" | b"normalize-space"
        | b"namespace-uri" | b"contains" | b"substring" | b"substring-before"
        | b"substring-after" | b"translate" | b"doc" | b"doc-available" | b"document"
        | b"system-property" | b"unparsed-text" | b"string" | b"boolean" | b"matches" => called,
        b"child"
        | b"parent"
        | b"self"
        | b"ancestor"
        | b"descendant"
        | b"following"
        | b"preceding"
        | b"following-sibling"
        | b"preceding-sibling"
        | b"descendant-or-self"
        | b"ancestor-or-self"
        | b"attribute"
        | b"namespace" => spaced.starts_with(b"::"),
        _ => false,
    };
    found.then_some(())
}

#[cfg(test)]
mod tests;
