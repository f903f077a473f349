//! XML external entities: a document that has its reader fetch or unfold something.
//!
//! **What it stops.** `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>`, parameter entities, entities that
//! unfold to many others, a document type at an address, `XInclude`, style sheets that include others, read documents
//! or run programs (XSLT), where a value holds XML that somebody reads later.
//! Of bodies that are XML the reader itself refuses a document type.
//!
//! **How it decides.** It reads the declarations as an XML reader does: an entity with `SYSTEM` or `PUBLIC`, or one
//! whose text names other entities, an `include` or `import` with an address, by any prefix, or what XSLT computes by
//! `document()`, `unparsed-text()`, `system-property()` or a function of the language it runs in.
//!
//! **What it lets pass.** `<!DOCTYPE html>` and the public document types of HTML, entities with a plain text, and
//! declarations that stand in prose or in a listing behind prose.
//!
//! **Its limits.** A document that is compressed or in UTF-16 is not read.

mod utf7;

use super::prose::words;
use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;

/// XML external entities.
pub static DETECTOR: Detector = Detector {
    name: "external-entity",
    title: "XML that has its reader fetch or unfold something",
    severity: Severity::Critical,
    tag: "attack-xxe",
    places: Where::VALUES,
    needs: &[ByteSet::of(b"<+")],
    min_len: 16,
    unwraps: true,
    find,
};

/// A declaration is read so far.
const DECLARATION: usize = 512;
/// So many declarations are read.
const DECLARATIONS: usize = 64;
/// Words before a declaration from which on it is shown to people.
const PROSE: usize = 3;

fn find(value: &Value<'_>) -> Option<Finding> {
    declares(value.bytes).or_else(|| {
        let text = utf7::decoded(value.bytes)?;
        let found = declares(&text)?;
        Some(Finding {
            at: 0..value.bytes.len(),
            ..found
        })
    })
}

fn declares(bytes: &[u8]) -> Option<Finding> {
    let mut named = 0;
    for start in memchr::memchr_iter(b'<', bytes) {
        let rest = bytes.get(start + 1..).unwrap_or_default();
        if !rest
            .first()
            .is_some_and(|byte| matches!(byte, b'!' | b'?') || byte.is_ascii_alphabetic())
        {
            continue;
        }
        let end = rest.len().min(DECLARATION);
        let rest = rest.get(..end).unwrap_or_default();
        let what = if let Some(declared) = after(rest, b"!ENTITY") {
            named += 1;
            entity(declared)
        } else if let Some(declared) = after(rest, b"!DOCTYPE") {
            named += 1;
            document_type(declared)
        } else {
            included(rest).or_else(|| disguised(rest))
        };
        if let Some(what) = what {
            let before = bytes.get(..start).unwrap_or_default();
            let shown =
                before.first().is_some_and(|byte| *byte != b'<') && words(before, PROSE) >= PROSE;
            return (!shown).then(|| Finding {
                at: start..start + 1 + rest.len(),
                what,
                severity: None,
            });
        }
        if named == DECLARATIONS {
            break;
        }
    }
    None
}

/// What stands behind a keyword and a blank.
fn after<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let rest = text.get(word.len()..)?;
    let is = text.get(..word.len())?.eq_ignore_ascii_case(word);
    (is && rest.first()?.is_ascii_whitespace()).then(|| rest.trim_ascii_start())
}

/// `[%] name SYSTEM "…"`, or `name "&other;&other;"`.
fn entity(declared: &[u8]) -> Option<&'static str> {
    let (declared, parameter) = match declared {
        [b'%', rest @ ..] => (rest.trim_ascii_start(), true),
        _ => (declared, false),
    };
    let name = declared.iter().position(u8::is_ascii_whitespace)?;
    let said = declared.get(name..)?.trim_ascii_start();
    if external(said) {
        return Some("declares an entity that is fetched");
    }
    let (quote, text) = said.split_first()?;
    if !matches!(quote, b'"' | b'\'') {
        return None;
    }
    // Data has no use for what only declarations can name.
    if parameter {
        return Some("declares an entity for other declarations");
    }
    let text = text.get(..memchr::memchr(*quote, text)?)?;
    let mut names = memchr::memchr2_iter(b'&', b'%', text).filter(|at| {
        let name = text.get(at + 1..).unwrap_or_default();
        name.first().is_some_and(u8::is_ascii_alphabetic) && memchr::memchr(b';', name).is_some()
    });
    let unfolds = names.next().is_some() && names.next().is_some();
    (unfolds || memchr::memmem::find(text, b"<!ENTITY").is_some())
        .then_some("declares an entity that unfolds to others")
}

/// `name SYSTEM "…"`; a public one of HTML's is what pages begin with.
fn document_type(declared: &[u8]) -> Option<&'static str> {
    let name = declared.iter().position(u8::is_ascii_whitespace)?;
    let html = declared.get(..name)?.eq_ignore_ascii_case(b"html");
    let said = declared.get(name..)?.trim_ascii_start();
    (!html && external(said) && memchr::memmem::find(said, b"//DTD ").is_none())
        .then_some("has a document type that is fetched")
}

fn external(said: &[u8]) -> bool {
    let quoted = |rest: &[u8]| matches!(rest.first(), Some(b'"' | b'\''));
    after(said, b"SYSTEM").is_some_and(quoted) || after(said, b"PUBLIC").is_some_and(quoted)
}

/// `<?xml version="1.0" encoding="UTF-7"?>`: nobody writes so but to hide what follows.
fn disguised(text: &[u8]) -> Option<&'static str> {
    let rest = after(text, b"?xml")?;
    let at = memchr::memmem::find(rest.get(..128).unwrap_or(rest), b"encoding")?;
    let name = rest.get(at + 8..)?.trim_ascii_start().strip_prefix(b"=")?;
    let name = name.trim_ascii_start().get(1..6)?;
    name.eq_ignore_ascii_case(b"utf-7")
        .then_some("is written so that others read it otherwise")
}

/// `<xi:include href="…"`, `<xsl:import href="…"`, `<xs:include schemaLocation="…"`: by any prefix.
fn included(text: &[u8]) -> Option<&'static str> {
    if let Some(rest) = after(text, b"?xml-stylesheet") {
        return styled(rest);
    }
    let colon = text.iter().take(16).position(|byte| *byte == b':')?;
    let prefix = text.get(..colon)?;
    if !prefix.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let rest = text.get(colon + 1..)?;
    let end = memchr::memchr(b'>', rest).unwrap_or(rest.len());
    let rest = rest.get(..end)?;
    let has = |word: &[u8]| memchr::memmem::find(rest, word).is_some();
    if after(rest, b"include")
        .or_else(|| after(rest, b"import"))
        .is_some()
    {
        let fetched = has(b"href=") || has(b"schemaLocation=") && has(b"://");
        return fetched.then_some("includes another document");
    }
    let selects = [
        b"value-of".as_slice(),
        b"copy-of",
        b"variable",
        b"for-each",
        b"param",
    ];
    if selects.iter().any(|name| after(rest, name).is_some()) && has(b"select=") {
        return transformed(rest);
    }
    let scripts = after(rest, b"script").is_some() && has(b"implements-prefix");
    scripts.then_some("is a style sheet that runs a program")
}

/// What a style sheet of XSLT computes.
fn transformed(rest: &[u8]) -> Option<&'static str> {
    let has = |word: &[u8]| memchr::memmem::find(rest, word).is_some();
    if has(b"document(") || has(b"unparsed-text") || has(b"doc(") || has(b"collection(") {
        return Some("is a style sheet that reads other documents");
    }
    if has(b"system-property(") || has(b"environment-variable(") {
        return Some("is a style sheet that asks what runs it");
    }
    (has(b"php:function") || has(b":exec(") || has(b"getRuntime") || has(b"Runtime"))
        .then_some("is a style sheet that runs a program")
}

/// `<?xml-stylesheet type="text/xsl" href="http://…"?>`: styles of pages run nothing on a server.
fn styled(rest: &[u8]) -> Option<&'static str> {
    let end = memchr::memchr(b'>', rest)?;
    let rest = rest.get(..end)?;
    let has = |word: &[u8]| memchr::memmem::find(rest, word).is_some();
    let transforms = has(b"xsl") || has(b"text/xml") || has(b"application/xml");
    let fetched = has(b"://") || has(b"file:") || has(b"href=\"//");
    (transforms && fetched).then_some("has a style sheet that is fetched")
}

#[cfg(test)]
mod tests;
