//! Code injection: a value that is a program, in a language that servers evaluate.
//!
//! **What it stops.** `system('id')`, `';phpinfo();//`, `__import__('os').system('id')`,
//! `require('child_process').execSync('id')`, `Runtime.getRuntime().exec("id")`, `<?php …`, where a server
//! evaluates what it was sent: PHP, Python, Ruby, JavaScript and the languages of Java.
//!
//! **How it decides.** Past what may end a string or an expression, it reads one statement: a chain of names, members
//! and calls. It is found where a name in the chain runs commands or code, reads files, or loads what does, that
//! name is called, and nothing but the end of the statement follows. A value of several statements and nothing else is
//! a program, read to its end: it is found where one of them calls a shell (`import os`, `x = 1`, `os.system("id")`).
//!
//! **What it lets pass.** Code that stands in prose: nobody's evaluated field holds it. Programs that call no shell, or
//! only in a function that they do not call. Calls of anything else. `<?php` in a text.
//!
//! **Its limits.** A program that only uses names of its own, or that hides those of others.

mod chain;
mod names;
mod program;
mod statement;

use super::prose::words;
use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;

/// Code injection.
pub static DETECTOR: Detector = Detector {
    name: "code-injection",
    title: "A value is a program that a server may evaluate",
    severity: Severity::Critical,
    tag: "attack-rce",
    places: Where::VALUES_AND_FILE_NAMES,
    needs: &[ByteSet::of(b"(?\"'`%")],
    min_len: 5,
    unwraps: true,
    find,
};

/// A longer statement is nobody's probe.
const LONGEST: usize = 1024;
/// Words before a program from which on it is shown to people.
const PROSE: usize = 3;
/// Statements that are read, and places where one may begin.
const MOST: usize = 8;

fn find(value: &Value<'_>) -> Option<Finding> {
    let sure = opened(value.bytes).or_else(|| begins(value));
    sure.or_else(|| program::find(value.bytes))
}

/// A statement at the beginning of a value, or behind the end of what the value was put into.
fn begins(value: &Value<'_>) -> Option<Finding> {
    let text = value.bytes.trim_ascii();
    if text.len() > LONGEST || memchr::memchr(b'\n', text).is_some() {
        return None;
    }
    memchr::memchr(b'(', text)?;
    let mut from = 0;
    for _ in 0..MOST {
        let rest = text.get(from..)?;
        let begins = rest.iter().position(|byte| !ends_something(*byte))?;
        let rest = rest.get(begins..)?;
        if let Some((length, what)) = chain::runs(rest) {
            let at = value.bytes.len() - value.bytes.trim_ascii_start().len() + from + begins;
            return Some(Finding {
                at: at..at + length,
                what,
                severity: None,
            });
        }
        // The next statement, what a call is given, or what is behind the end of a string.
        let next = rest
            .iter()
            .position(|byte| matches!(byte, b';' | b'\'' | b'"' | b'|' | b'&' | b'('))?;
        let before = rest.get(..next)?;
        if words(before, PROSE) >= PROSE {
            return None;
        }
        from += begins + next + 1;
        let behind = text.get(from..).unwrap_or_default().trim_ascii_start();
        // Behind a string's end the expression goes on; a name stands within one that begins.
        let quoted = matches!(rest.get(next), Some(b'\'' | b'"'));
        if quoted && behind.first().is_some_and(|byte| !ends_something(*byte)) {
            from += memchr::memchr2(b'\'', b'"', text.get(from..)?)?;
        }
    }
    None
}

/// What ends a string, a call or a statement that the value was put into.
fn ends_something(byte: u8) -> bool {
    matches!(
        byte,
        b'\''
            | b'"'
            | b')'
            | b'}'
            | b']'
            | b';'
            | b'.'
            | b'+'
            | b'|'
            | b'&'
            | b','
            | b'-'
            | b'$'
            | b'{'
            | b'@'
            | b'!'
            | b'='
            | b'('
            | b'`'
    ) || byte <= b' '
}

/// `<?php …` and `<?= …` where no page's text stands before it.
fn opened(bytes: &[u8]) -> Option<Finding> {
    let at = memchr::memmem::find(bytes, b"<?")?;
    let rest = bytes.get(at + 2..)?;
    let behind = match rest {
        [b'=', behind @ ..] => behind,
        _ if rest.get(..3)?.eq_ignore_ascii_case(b"php") => rest.get(3..)?,
        _ => return None,
    };
    let runs = memchr::memchr3(b'(', b'`', b'$', behind).is_some() || behind.len() > 8;
    let before = bytes.get(..at)?;
    let lines = memchr::memchr_iter(b'\n', behind).take(MOST).count();
    (runs && words(before, PROSE) < PROSE && lines < MOST).then_some(Finding {
        at: at..bytes.len(),
        what: "begins a program in PHP",
        severity: None,
    })
}

#[cfg(test)]
mod tests;
