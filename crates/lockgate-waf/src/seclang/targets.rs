//! Targets: what a rule looks at (`ARGS|!ARGS:token|&REQUEST_HEADERS:Host`).

use super::codes::Code;
use super::errors::Fault;
use super::language::variables::{self, Shape};
use super::patterns;
use super::text::Text;
use super::Limits;
use crate::rule::{Collection, Selector, Target};

/// Reads a list of targets; what is wrong with any goes to `faults`.
pub(super) fn targets(text: Text<'_>, limits: &Limits, faults: &mut Vec<Fault>) -> Vec<Target> {
    let mut found = Vec::new();
    for part in parts(text) {
        match target(part, limits) {
            Ok(target) => found.push(target),
            Err(fault) => faults.push(fault),
        }
    }
    found
}

/// The targets, as they are written: what bars and commas part, outside of
/// patterns (`/…/`) and quotation marks.
fn parts(text: Text<'_>) -> Vec<Text<'_>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut index = 0;
    // Where a slash begins a pattern that nothing ends, no later one does either.
    let mut patterns = true;
    while let Some(byte) = text.bytes.get(index) {
        match byte {
            b'|' | b',' => {
                parts.push(text.first(index).after(start).trim());
                start = index + 1;
                index += 1;
            }
            b':' => index += 1 + selector_length(text, start, index + 1, &mut patterns),
            _ => index += 1,
        }
    }
    parts.push(text.after(start).trim());
    parts
}

/// How long the selector at `index` is, where it is a pattern or quoted; the
/// target begins at `start`.
fn selector_length(text: Text<'_>, start: usize, index: usize, patterns: &mut bool) -> usize {
    let selector = text.after(index).bytes;
    let name = text.first(index).after(start).trim().bytes;
    let is_xml = name
        .get(name.len().saturating_sub(4)..)
        .is_some_and(|end| end.eq_ignore_ascii_case(b"XML:"));
    match selector.first() {
        Some(b'\'') => {
            1 + super::lines::closing(selector.get(1..).unwrap_or_default(), b'\'')
                .unwrap_or(selector.len() - 1)
        }
        Some(b'/') if !is_xml && *patterns => {
            let end = pattern_end(selector);
            *patterns = end.is_some();
            end.unwrap_or(0)
        }
        _ => 0,
    }
}

/// Where the slash stands that ends a pattern: one that a bar, a comma or the end follows.
fn pattern_end(selector: &[u8]) -> Option<usize> {
    let mut index = 1;
    while let Some(byte) = selector.get(index) {
        match byte {
            b'\\' => index += 2,
            b'/' if matches!(
                selector.get(index + 1),
                None | Some(b'|' | b',' | b' ' | b'\'')
            ) =>
            {
                return Some(index);
            }
            _ => index += 1,
        }
    }
    None
}

/// Reads one target.
pub(super) fn target(text: Text<'_>, limits: &Limits) -> Result<Target, Fault> {
    let bad = |at: usize, message: String| Err(Fault::new(at, Code::BadTarget, message));
    let (excluded, counted) = match text.bytes.first() {
        Some(b'!') => (true, false),
        Some(b'&') => (false, true),
        _ => (false, false),
    };
    let rest = text.after(usize::from(excluded || counted)).trim_start();
    let (name, selector) = match rest.split_at_byte(b':') {
        Some((name, selector)) => (name.trim(), Some(selector.trim())),
        None => (rest, None),
    };
    if name.bytes.is_empty() {
        return bad(
            text.at,
            "A variable's name is missing here: targets stand between `|`.".to_owned(),
        );
    }
    let variable = variables::find(name, Code::UnknownVariable)?;
    if let (Some(selector), Shape::Single) = (selector, variable.shape) {
        return bad(
            selector.at,
            format!(
                "{} has no members: leave out what follows the colon.",
                variable.name
            ),
        );
    }
    let selector = match selector {
        None if variable.collection == Collection::Xml && !excluded => {
            return bad(
                name.at,
                "XML needs a selector: XML:/* for the text of elements, XML://@* for the values of attributes.".to_owned(),
            );
        }
        None if variable.collection == Collection::Rule
            || variable.collection == Collection::Env =>
        {
            return bad(
                name.at,
                format!(
                    "{} needs the name of a member: {}:name.",
                    variable.name, variable.name
                ),
            );
        }
        None => Selector::All,
        Some(text) if variable.collection == Collection::Xml => xml(text)?,
        Some(text) => self::selector(text, limits)?,
    };
    Ok(Target {
        collection: variable.collection,
        selector,
        excluded,
        counted,
    })
}

fn xml(text: Text<'_>) -> Result<Selector, Fault> {
    match text.bytes {
        b"/*" | b"//*" | b"/*/text()" | b"//text()" => Ok(Selector::Text),
        b"//@*" => Ok(Selector::Attributes),
        _ => Err(Fault::new(
            text.at,
            Code::BadTarget,
            "XPath is not evaluated: XML:/* is the text of all elements, XML://@* the values of all attributes.",
        )),
    }
}

fn selector(text: Text<'_>, limits: &Limits) -> Result<Selector, Fault> {
    let (inner, unquoted) = text.unquoted(b'\'');
    if unquoted.is_empty() {
        return Err(Fault::new(
            text.at,
            Code::BadTarget,
            "After the colon the name of a member is missing.",
        ));
    }
    if let [b'/', .., b'/'] = inner.bytes {
        let source = inner.after(1).first(inner.bytes.len() - 2);
        return patterns::pattern(source, true, limits).map(Selector::Matching);
    }
    if inner.bytes.first() == Some(&b'/')
        && pattern_end(inner.bytes).is_none()
        && inner.bytes.len() > 1
    {
        return Err(Fault::new(
            text.at,
            Code::BadTarget,
            "This begins as a pattern, and no `/` ends it.",
        ));
    }
    Ok(Selector::Named(unquoted.to_ascii_lowercase().into()))
}
