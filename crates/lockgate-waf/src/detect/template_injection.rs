//! Template injection: a value that a template engine takes for an expression.
//!
//! **What it stops.** `{{7*7}}`, `${7*7}`, `<%= 7*7 %>`, `#{…}`, `*{…}`, `@(…)`,
//! `#set(…)`, `<#assign …>` where a server makes a template of what it was sent:
//! Jinja, Twig, Freemarker, Velocity, ERB, Handlebars, Razor, Thymeleaf, Smarty
//! and the expression languages of Java; server-side includes and Edge Side Includes.
//!
//! **How it decides.** What stands between an engine's delimiters is read as an
//! expression. It is sure where it reckons with constants at its beginning,
//! which no template of anybody's data needs; where it calls a method of a
//! literal; and where it reaches behind the objects it is given: by reflection
//! (`__class__`, `getClass`), by what makes objects of names (`?new()`,
//! `T(java.…)`), or by what runs, reads or imports (`popen`, `require`). A value
//! that is an expression and nothing else is one too where it asks for an engine's
//! own (`{{config}}`, `{{self}}`). Directives that a server or a cache puts something
//! in place of are known by their grammar: `<!--#exec cmd="…"-->`, `<esi:include src="…"/>`.
//!
//! **What it lets pass.** Placeholders (`{{name}}`, `${user.name}`, `{{#each x}}`),
//! filters, template literals of JavaScript, variables of a shell, `style={{…}}`.
//!
//! **Limits.** An expression that only names an application's own objects looks
//! like a placeholder. Delimiters that somebody chose are not known.

mod engines;
mod expression;
mod includes;
mod long;
mod probe;
mod ruby;

use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity::{self, Critical, Error, Warning};
use expression::Does;

/// The detector.
pub static DETECTOR: Detector = Detector {
    name: "template-injection",
    title: "A value is an expression that a template engine runs",
    severity: Severity::Critical,
    tag: "attack-ssti",
    places: Where::VALUES_AND_FILE_NAMES,
    needs: &[ByteSet::of(b"{%@#$:-"), ByteSet::of(b"{(<[.")],
    min_len: 4,
    unwraps: true,
    find,
};

/// Delimiters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `{{…}}`
    Double,
    /// `{…}`
    Single,
    /// `${…}`: JavaScript and shells have it too.
    Dollar,
    /// `#{…}`, `*{…}`, `@{…}`, `~{…}`, `@(…)`
    Marked,
    /// `{%…%}`
    Statement,
    /// `<%…%>`
    Percent,
    /// `<#…>`, `#set(…)`
    Directive,
    /// `$x.y(…)`
    Reference,
}

/// An expression is read so far.
const LONGEST_EXPRESSION: usize = 4096;
/// So many bytes are read of expressions in a value that are closed, and of those that are not: hostile ones overlap.
const MOST_READ: usize = 1 << 18;

fn find(value: &Value<'_>) -> Option<Finding> {
    let bytes = value.bytes;
    let mut best = included(bytes);
    if best
        .as_ref()
        .is_some_and(|best| best.severity == Some(Critical))
    {
        return best;
    }
    let (mut closed, mut open) = (MOST_READ, MOST_READ);
    let mut closings = long::Closings::default();
    let mut at = 0;
    while let Some(skip) = bytes.get(at..).and_then(|rest| {
        rest.iter()
            .position(|byte| matches!(byte, b'{' | b'%' | b'@' | b'#' | b'$'))
    }) {
        let start = at + skip;
        at = start + 1;
        if let Some((length, what)) = engines::statement(bytes, start) {
            return Some(Finding {
                at: start..start + length,
                what,
                severity: Some(Critical),
            });
        }
        let Some((kind, from, close)) = opening(bytes, start) else {
            continue;
        };
        at = from;
        let all = bytes.get(from..).unwrap_or_default();
        let near = all.len().min(LONGEST_EXPRESSION);
        let end = closings.find(bytes, from, close);
        let length = end.unwrap_or(near);
        let left = if end.is_some() {
            &mut closed
        } else {
            &mut open
        };
        let Some(rest) = left.checked_sub(length) else {
            if end.is_none() {
                continue;
            }
            // What stands behind it is not read: that is a doubt.
            return best.or(Some(Finding {
                at: start..from,
                what: "has more expressions than anybody reads",
                severity: Some(Warning),
            }));
        };
        *left = rest;
        let body = all.get(..length).unwrap_or_default();
        let verdict = if length <= LONGEST_EXPRESSION {
            judge(kind, body, end.is_some())
        } else {
            let condensed = long::condensed(body);
            long::pieces(&condensed, LONGEST_EXPRESSION)
                .filter_map(|piece| judge(kind, piece, true))
                .min_by_key(|(_, severity)| *severity)
        };
        let first = start - usize::from(kind == Kind::Percent);
        // What is more than the expression is text that it stands in.
        let alone = || end.is_some_and(|end| whole(bytes, first, from + end + close.len()));
        let verdict = match verdict {
            None if expression::probes(body) && alone() => Some((PROBE, Critical)),
            Some((what, Error)) if kind == Kind::Single && asks(body, bytes) => {
                Some((what, Critical))
            }
            Some((what, Error)) if kind != Kind::Single && alone() => Some((what, Critical)),
            other => other,
        };
        if let Some((what, severity)) = verdict {
            let better = best
                .as_ref()
                .and_then(|best| best.severity)
                .is_none_or(|before| severity < before);
            if better {
                best = Some(Finding {
                    at: start..from + body.len(),
                    what,
                    severity: Some(severity),
                });
            }
            if severity == Critical {
                break;
            }
        }
        // `{{` is read once; what stands in it may hold others.
    }
    best
}

const PROBE: &str = "is an expression that asks for an engine's own";

/// The first directive of a server or a cache.
fn included(bytes: &[u8]) -> Option<Finding> {
    let mut best: Option<Finding> = None;
    for start in memchr::memchr_iter(b'<', bytes) {
        let Some((length, what, severity)) = includes::at(bytes, start) else {
            continue;
        };
        if best.is_none() || severity == Critical {
            best = Some(Finding {
                at: start..start + length,
                what,
                severity: Some(severity),
            });
        }
        if severity == Critical {
            break;
        }
    }
    best
}

/// `{if …}…{/if}`: a tag of Smarty's or Latte's that is ended as such.
fn asks(body: &[u8], bytes: &[u8]) -> bool {
    body.starts_with(b"if ") && memchr::memmem::find(bytes, b"{/if}").is_some()
}

/// Whether a value is no more than what stands there.
fn whole(bytes: &[u8], start: usize, end: usize) -> bool {
    let around = [bytes.get(..start), bytes.get(end..)];
    around
        .iter()
        .all(|text| text.is_some_and(|text| text.trim_ascii().is_empty()))
}

/// What opens there, where its body begins, and what closes it.
fn opening(bytes: &[u8], at: usize) -> Option<(Kind, usize, &'static [u8])> {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    let rest = bytes.get(at..)?;
    Some(match (rest, before) {
        ([b'{', b'{', ..], _) => (Kind::Double, at + 2, b"}}"),
        ([b'{', b'%', ..], _) => (Kind::Statement, at + 2, b"%}"),
        ([b'$', b'{', b'{', ..], _) => (Kind::Double, at + 3, b"}}"),
        ([b'$', b'{', ..], _) => (Kind::Dollar, at + 2, b"}"),
        ([b'#' | b'@', b'{', ..], _) => (Kind::Marked, at + 2, b"}"),
        ([b'@', b'(', ..], _) => (Kind::Marked, at + 2, b")"),
        // OGNL's; shells and formats of texts have it too.
        ([b'%', b'{', ..], _) => (Kind::Dollar, at + 2, b"}"),
        ([b'{', ..], Some(b'*' | b'~')) => (Kind::Marked, at + 1, b"}"),
        ([b'%', b'=' | b'-' | b'@' | b'!' | b'#' | 0..=b' ', ..], Some(b'<')) => {
            (Kind::Percent, at + 1, b"%>")
        }
        ([b'#', b'a'..=b'z', ..], Some(b'<' | b'[')) => (Kind::Directive, at + 1, b">"),
        ([b'#', b's', b'e', b't', b'(', ..], _) => (Kind::Directive, at + 5, b"\n"),
        ([b'$', next, ..], _) if next.is_ascii_alphabetic() || *next == b'!' => {
            (Kind::Reference, at + 1, b"\n")
        }
        // `x^{2*3}` is mathematics.
        ([b'{', ..], None | Some(b' ' | b'>' | b'"' | b'\'' | b'=')) => {
            (Kind::Single, at + 1, b"}")
        }
        _ => return None,
    })
}

fn judge(kind: Kind, body: &[u8], closed: bool) -> Option<(&'static str, Severity)> {
    let body = match kind {
        Kind::Reference => expression::reference(body),
        Kind::Directive => body,
        _ if closed => body,
        _ => return None,
    };
    if kind == Kind::Dollar && expression::of_ognl(body) {
        return Some((
            "is an expression that reaches behind what it is given",
            Critical,
        ));
    }
    if matches!(kind, Kind::Percent | Kind::Marked) && ruby::shell(body) {
        return Some(("is an expression that runs a command", Critical));
    }
    if kind == Kind::Percent && expression::includes_own(body) {
        return None;
    }
    // An array of PowerShell's.
    let array = kind == Kind::Marked && matches!(body.trim_ascii_start(), [b'$' | b'[', ..]);
    if array && body.contains(&b',') {
        return None;
    }
    let does = match kind {
        Kind::Single => expression::does_alone(body),
        _ => expression::does(body),
    };
    let severity = match (kind, does) {
        (_, Does::Nothing) => return None,
        (Kind::Single, Does::Reckons(true)) => Error,
        (
            Kind::Single | Kind::Directive | Kind::Reference,
            Does::Reckons(_) | Does::CallsLiteral,
        ) => return None,
        (_, Does::Reckons(true)) => Critical,
        (_, Does::Reckons(_)) => Error,
        (Kind::Dollar | Kind::Percent | Kind::Statement, Does::CallsLiteral) => Error,
        (_, Does::CallsLiteral) => Critical,
        (
            Kind::Dollar | Kind::Single | Kind::Directive | Kind::Reference,
            Does::Reaches { far: false },
        ) => Error,
        (_, Does::Reaches { .. }) => Critical,
    };
    let what = match does {
        Does::Reckons(_) => "is an expression that reckons",
        Does::CallsLiteral => "is an expression that calls a literal's method",
        _ => "is an expression that reaches behind what it is given",
    };
    Some((what, severity))
}

#[cfg(test)]
mod tests;
