//! Prototype pollution: a name that leads to the object that all others have
//! their members from.
//!
//! **What it stops.** `a[__proto__][admin]=1`, `/constructor/prototype/admin` in
//! JSON, `a.__proto__.x`: code that sets members by such a path changes every
//! object of a JavaScript program.
//!
//! **How it decides.** A name is split as the usual readers split it (at `[`,
//! `]`, `.` and, in JSON pointers, `/`); one of its parts is `__proto__`, or
//! `prototype` stands behind `constructor`. In a value the same counts where it
//! is JSON's name (`"__proto__":`) or is indexed or goes on as a path
//! (`__proto__.x`, `__proto__[x]`).
//!
//! **What it lets pass.** The words in prose and in code that only reads them.
//!
//! **Limits.** A path whose separator is another is not seen.

use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;

/// The detector.
pub static DETECTOR: Detector = Detector {
    name: "prototype-pollution",
    title: "A name leads to the prototype of all objects",
    severity: Severity::Critical,
    tag: "attack-injection-generic",
    places: Where::VALUES_AND_FILE_NAMES,
    needs: &[ByteSet::of(b"_[./"), ByteSet::of(b"p"), ByteSet::of(b"t")],
    min_len: 9,
    unwraps: true,
    find,
};

fn find(value: &Value<'_>) -> Option<Finding> {
    match value.stood {
        Where::ParameterName => in_name(value.bytes),
        _ => in_value(value.bytes),
    }
}

/// A part of a path: `__proto__`, or `constructor` with `prototype` behind it.
fn in_name(name: &[u8]) -> Option<Finding> {
    let mut start = 0;
    let mut constructor = None;
    for part in name.split(|byte| b"[]./".contains(byte)) {
        let word = part.trim_ascii();
        let word = match word {
            [b'"' | b'\'', inner @ .., b'"' | b'\''] => inner,
            other => other,
        };
        let end = start + part.len();
        if word == b"__proto__" {
            return Some(finding(start, end, "names an object's prototype", None));
        }
        if word == b"prototype" {
            if let Some(from) = constructor {
                return Some(finding(from, end, "names a constructor's prototype", None));
            }
        }
        if !word.is_empty() {
            constructor = (word == b"constructor").then_some(start);
        }
        start = end + 1;
    }
    None
}

fn finding(at: usize, end: usize, what: &'static str, severity: Option<Severity>) -> Finding {
    Finding {
        at: at..end,
        what,
        severity,
    }
}

/// The longest way to a member, as libraries take it.
const LONGEST_WAY: usize = 128;

/// A value that is a way and nothing else: `/__proto__/x` of a patch, `constructor.prototype.x` of a setter.
fn is_way(bytes: &[u8]) -> bool {
    let begins = [b"/".as_slice(), b"[", b"constructor", b"__proto__"];
    let steps = begins.iter().any(|head| bytes.starts_with(head))
        && bytes.iter().any(|byte| b"./[".contains(byte));
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$./[]-~".contains(byte);
    steps && bytes.len() <= LONGEST_WAY && bytes.iter().all(named)
}

fn in_value(bytes: &[u8]) -> Option<Finding> {
    if is_way(bytes) {
        if let Some(found) = in_name(bytes) {
            return Some(found);
        }
    }
    let mut best = None;
    let first = memchr::memchr(b'_', bytes).unwrap_or(bytes.len());
    let underlined = bytes.get(first..).unwrap_or_default();
    let found = (!underlined.is_empty())
        .then(|| memchr::memmem::find_iter(underlined, b"__proto__"))
        .into_iter()
        .flatten();
    for at in found.map(|at| first + at) {
        let end = at + b"__proto__".len();
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let behind = bytes.get(end..).unwrap_or_default();
        match (before, behind) {
            (Some(b'"' | b'\''), [b'"' | b'\'', rest @ ..])
                if matches!(rest.trim_ascii_start(), [b':', ..]) =>
            {
                return Some(finding(at, end, "names an object's prototype", None));
            }
            // A query's pairs: `__proto__[x]=y`.
            (None | Some(b'&' | b'?' | b'[' | b';' | b'#'), [b'[' | b'.' | b']', ..])
                if memchr::memchr(b'=', behind).is_some() =>
            {
                return Some(finding(at, end, "names an object's prototype", None));
            }
            (Some(b'.' | b'['), _) | (_, [b'.' | b'[', ..]) => {
                let severity = Some(Severity::Warning);
                best = Some(finding(at, end, "goes by an object's prototype", severity));
                break;
            }
            _ => {}
        }
    }
    let behind_constructor = memchr::memchr2_iter(b'[', b'.', bytes).find(|at| {
        let head = bytes.get(..*at).unwrap_or_default();
        head.ends_with(b"constructor")
    });
    let Some(at) = behind_constructor else {
        return best;
    };
    let start = at - b"constructor".len();
    let rest = bytes.get(at..).unwrap_or_default();
    let indexed = rest.starts_with(b"[prototype]");
    if !indexed && !rest.starts_with(b".prototype.") {
        return best;
    }
    let assigned = memchr::memchr(b'=', rest).is_some() && (indexed || start == 0);
    let severity = (!assigned).then_some(Severity::Warning);
    let what = "names a constructor's prototype";
    best.or_else(|| Some(finding(start, at + b".prototype.".len(), what, severity)))
}

#[cfg(test)]
mod tests;
