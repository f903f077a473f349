//! Prototype pollution: a name that leads to the object that all others have
//! their members from, or to what loads a program's classes.
//!
//! **What it stops.** `a[__proto__][admin]=1`, `/constructor/prototype/admin` in
//! JSON, `a.__proto__.x`: code that sets members by such a path changes every
//! object of a JavaScript program. `class.module.classLoader.resources…`: what binds
//! names to objects of Java sets what the whole server loads (CVE-2022-22965).
//!
//! **How it decides.** A name is split as the usual readers split it (at `[`,
//! `]`, `.` and, in JSON pointers, `/`); one of its parts is `__proto__`, or
//! `prototype` stands behind `constructor`, or `classLoader` behind `class`. In a value
//! the same counts where it is JSON's name (`"__proto__":`), is indexed or goes on as a
//! path (`__proto__.x`, `__proto__[x]`), or is all there is, before a `=` or not.
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
    title: "A name leads to the prototype of all objects, or to what loads classes",
    severity: Severity::Critical,
    tag: "attack-injection-generic",
    places: Where::VALUES_AND_FILE_NAMES,
    // `__proto__`, `constructor.prototype`, `class.classLoader`.
    needs: &[ByteSet::of(b"_[./"), ByteSet::of(b"oO"), ByteSet::of(b"rR")],
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
    let mut class = None;
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
        if word.eq_ignore_ascii_case(b"classLoader") {
            if let Some(from) = class {
                return Some(finding(from, end, LOADS, None));
            }
        }
        if word.eq_ignore_ascii_case(b"class") {
            class = class.or(Some(start));
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

/// What a way to a loader of classes does.
const LOADS: &str = "names what loads a program's classes";

/// A value that is such a way and nothing else, or a pair's name: `class.module.classLoader.x=1`. Each piece between
/// signs that no way has is read once.
fn to_loader(bytes: &[u8]) -> Option<Finding> {
    memchr::memchr2(b'l', b'L', bytes)?;
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$./[]'\"-".contains(byte);
    let mut start = 0;
    while start < bytes.len() {
        let rest = bytes.get(start..)?;
        let length = rest.iter().take_while(|byte| part(byte)).count();
        let before = start.checked_sub(1).and_then(|at| bytes.get(at));
        let behind = rest.get(length);
        let pair = matches!(before, None | Some(b'&' | b'?' | b';' | b'\n'));
        let ends = matches!(behind, None | Some(b'=' | b'&' | b'\r' | b'\n'));
        if length >= b"class.classLoader".len() && pair && ends {
            let way = in_name(rest.get(..length)?).filter(|found| found.what == LOADS);
            if let Some(found) = way {
                return Some(finding(
                    start + found.at.start,
                    start + found.at.end,
                    LOADS,
                    None,
                ));
            }
        }
        start += length + 1;
    }
    None
}

fn in_value(bytes: &[u8]) -> Option<Finding> {
    if let Some(found) = to_loader(bytes.trim_ascii()) {
        let before = bytes.len() - bytes.trim_ascii_start().len();
        return Some(Finding {
            at: before + found.at.start..before + found.at.end,
            ..found
        });
    }
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
