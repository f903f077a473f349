//! Commands that a value would slip into a shell's line.
//!
//! **What it stops.** A program builds a line for a shell out of what it was
//! sent, and what was sent ends its own word and goes on: `8.8.8.8; id`,
//! `x|/bin/cat /etc/passwd`, `$(curl …)`, `` `…` ``, `a' && whoami #`, a new line,
//! `& dir` for Windows; or it hands the whole to a shell (`system("…")`,
//! `/bin/sh -c …`, `powershell -enc …`); or a value is an option that names a
//! command to the program that it is given to (`--upload-pack=…`).
//!
//! **How it decides.** It walks from one place to the next where a shell of any
//! quoting would begin a command, and reads there as the shell would: it skips
//! assignments, redirections and prefixes (`sudo`), takes the quoting off the
//! word (`c''at`, `c\at`, `c$@at`, `$'\143at'`, `w^hoami`), resolves separators
//! made of variables (`${IFS}`), braces (`{cat,x}`) and patterns (`/???/c?t`), and asks
//! whether what is left is a program. What speaks for it is counted: how the
//! command was opened, whether the name is a word of a language too, whether
//! its arguments are a shell's, whether it was disguised; what speaks against it
//! is prose around it.
//!
//! **What it lets pass.** `cats & dogs; find out more`, `AT&T`, `R&D | sales`,
//! `price: $(100)`, lists such as `id;name;date`, jQuery's `$(document)`, HTML
//! entities; a shell's snippet within prose or Markdown adds little or nothing; what
//! stands between fences in a text of Markdown is a notice at most.
//!
//! **Its limits.** Programs that it has no name for are found by their path, by
//! disguise or by what they are given, else not. It does not run what it reads:
//! a name that another command prints is a pattern that any letter fits.

use std::ops::Range;

use super::{prose, Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;

mod arguments;
mod batch;
mod command;
mod fences;
mod held;
mod option;
mod place;
mod text;
mod word;
mod words;

use arguments::Arguments;
use command::Command;
use fences::{Fences, FENCE};
use text::Text;
use words::Kind;

/// What stands before a command, or between it and its arguments.
const SIGNS: ByteSet = ByteSet::of(b";|&\n\r`$(<>{ /\\^\t+'\"%=");

/// Command injection.
pub static DETECTOR: Detector = Detector {
    name: "command-injection",
    title: "A command that a shell would run",
    severity: Severity::Critical,
    tag: "attack-rce",
    places: Where::VALUES_AND_FILE_NAMES,
    needs: &[SIGNS],
    min_len: 3,
    unwraps: true,
    find,
};

/// How a command was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// The value begins with it.
    Start,
    /// `;`, `|`, `||`, `&&`, `&`.
    Separator,
    /// A new line.
    Line,
    /// `$(…)`, `<(…)`.
    Bracket,
    /// `` `…` ``.
    Backtick,
    /// A function that hands text to a shell.
    Call,
}

/// Bytes at which a shell may begin a command.
static OPENS: [bool; 256] = {
    let set = ByteSet::of(b";|&\n\r`$(<>");
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = set.contains(byte as u8);
        byte += 1;
    }
    table
};

/// What counts as found for certain, as likely, as a hint.
const CRITICAL: i32 = 5;
const WARNING: i32 = 4;
const NOTICE: i32 = 3;

#[derive(Default)]
struct Best {
    points: i32,
    at: Range<usize>,
    what: &'static str,
}

fn find(value: &Value<'_>) -> Option<Finding> {
    let text = value.bytes;
    if let Some(at) = shellshock(text) {
        return Some(Finding {
            at,
            what: "defines a function that Bash runs as it starts",
            severity: Some(Severity::Critical),
        });
    }
    if option::runs(text) {
        return Some(Finding {
            at: 0..text.len(),
            what: "is an option that names a command",
            severity: Some(Severity::Critical),
        });
    }
    let mut best = Best::default();
    let whole = Text::new(text);
    let began = consider(&whole, Opening::Start, 0, 0, false, &mut best);
    let mut at = 0;
    let mut ticked = false;
    let mut fences = Fences::default();
    while best.points < CRITICAL {
        if whole.is_spent() {
            return Some(Finding {
                at: at..text.len(),
                what: "nests commands deeper than anybody reads",
                severity: Some(Severity::Critical),
            });
        }
        let Some(found) = text
            .get(at..)
            .and_then(|rest| rest.iter().position(|byte| OPENS[usize::from(*byte)]))
        else {
            break;
        };
        let here = at + found;
        // A fence of Markdown, not three commands.
        if text.get(here..).is_some_and(|rest| rest.starts_with(FENCE)) {
            fences.pass(text, here);
            at = here + FENCE.len();
            continue;
        }
        let (opening, next) = opened(text, here, ticked);
        ticked ^= text.get(here) == Some(&b'`');
        at = next;
        if opening.is_none() && !text.get(here..).is_some_and(|rest| rest.starts_with(b"<?")) {
            continue;
        }
        let mut found = Best::default();
        let shown = fences.show(&whole, here);
        // What goes into a shell is known by what stands before.
        let into = if shown { &mut found } else { &mut best };
        if let Some((points, what)) = code(text, here, next, opening) {
            if points > into.points {
                *into = Best {
                    points,
                    at: here..text.len(),
                    what,
                };
            }
        } else if let Some(opening) = opening {
            consider(&whole, opening, here, next, began, into);
        }
        // Documents show commands; none that hides itself.
        if found.what != HIDES {
            found.points = found.points.min(NOTICE);
        }
        if found.points > best.points {
            best = found;
        }
    }
    let severity = match best.points {
        CRITICAL.. => Severity::Critical,
        WARNING => Severity::Warning,
        NOTICE => Severity::Notice,
        _ => return None,
    };
    Some(Finding {
        at: best.at,
        what: best.what,
        severity: Some(severity),
    })
}

/// Code of PHP at `here`: it has no other way to a shell than to be run.
fn code(
    text: &[u8],
    here: usize,
    next: usize,
    opening: Option<Opening>,
) -> Option<(i32, &'static str)> {
    let rest = text.get(here..)?;
    if opening == Some(Opening::Call) && text.get(next) == Some(&b'$') {
        return Some((CRITICAL, "hands what it was sent to a shell by a function"));
    }
    let tag = rest
        .get(..5)
        .is_some_and(|tag| tag.eq_ignore_ascii_case(b"<?php"))
        && rest.get(5).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let short = rest.starts_with(b"<?=")
        && memchr::memmem::find(rest.get(..256).unwrap_or(rest), b"?>").is_some();
    if !(tag || short) {
        return None;
    }
    // Who writes of PHP writes before it, and fences it.
    let before = text.get(..here.min(256)).unwrap_or_default();
    let written = prose::words(before, 3) > 2 || before.contains(&b'`');
    Some((if written { NOTICE } else { CRITICAL }, "is code of PHP"))
}

/// How a command is opened at `here`, and where it begins.
fn opened(text: &[u8], here: usize, ticked: bool) -> (Option<Opening>, usize) {
    let byte = text.get(here).copied().unwrap_or(0);
    let next = text.get(here + 1).copied().unwrap_or(0);
    let before = here.checked_sub(1).and_then(|at| text.get(at)).copied();
    match byte {
        b'\n' | b'\r' => (Some(Opening::Line), here + 1),
        b'`' => ((!ticked).then_some(Opening::Backtick), here + 1),
        b'$' | b'<' | b'>' if next == b'(' => {
            let arithmetic = byte == b'$' && text.get(here + 2) == Some(&b'(');
            ((!arithmetic).then_some(Opening::Bracket), here + 2)
        }
        b'(' => match command::call(text, here) {
            Some(inside) => (Some(Opening::Call), inside),
            None => (None, here + 1),
        },
        // A command of server-side includes.
        b'<' if text
            .get(here + 1..)
            .is_some_and(|rest| rest.starts_with(b"!--#exec cmd=")) =>
        {
            (Some(Opening::Call), here + 15)
        }
        // `2>&1`, `&>file`.
        b'&' if matches!(before, Some(b'>' | b'<')) || next == b'>' => (None, here + 1),
        b';' if entity(text, here) => (None, here + 1),
        b';' | b'|' | b'&' => {
            let doubled = usize::from(next == byte || (byte == b'|' && next == b'&'));
            (Some(Opening::Separator), here + 1 + doubled)
        }
        _ => (None, here + 1),
    }
}

/// The longest name of an entity of HTML that is looked for.
const ENTITY: usize = 10;

/// Whether the semicolon ends an entity of HTML: `&amp;`, `&#39;`.
fn entity(text: &[u8], end: usize) -> bool {
    let from = end.saturating_sub(ENTITY);
    let before = text.get(from..end).unwrap_or_default();
    let name = before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#')
        .count();
    name > 1
        && before
            .len()
            .checked_sub(name + 1)
            .and_then(|at| before.get(at))
            == Some(&b'&')
}

/// `() { …`, with which CVE-2014-6271 begins.
fn shellshock(text: &[u8]) -> Option<Range<usize>> {
    let rest = text.trim_ascii_start().strip_prefix(b"()")?;
    let rest = rest.trim_ascii_start().strip_prefix(b"{")?;
    rest.contains(&b';').then_some(0..text.len())
}

/// Counts what speaks for a command at `begin`, opened at `here`; says whether the value begins with one.
fn consider(
    whole: &Text<'_>,
    opening: Opening,
    here: usize,
    begin: usize,
    began: bool,
    best: &mut Best,
) -> bool {
    let text = whole.bytes;
    let spaced = text.get(begin) == Some(&b' ');
    if let Some(end) = batch::read(text, begin + usize::from(spaced)) {
        let found = Best {
            points: CRITICAL,
            at: here..end,
            what: "is a loop or a question of Windows' command line",
        };
        *best = if best.points < CRITICAL {
            found
        } else {
            return false;
        };
        return false;
    }
    if matches!(opening, Opening::Separator | Opening::Line) && held::runs(whole, here, begin) {
        *best = Best {
            points: CRITICAL,
            at: here..text.len().min(begin + held::HELD),
            what: "runs what a variable holds",
        };
        return false;
    }
    let Some(command) = Command::read(whole, begin) else {
        return false;
    };
    // `ls]` is another word: what a value begins with is a command up to a blank or a sign of the shell.
    let behind = text.get(command.end);
    if opening == Opening::Start && behind.is_some_and(|byte| !SIGNS.contains(*byte)) {
        return false;
    }
    let mut arguments = Arguments::read(whole, command.end, command.braces);
    if command.kind == Some(Kind::Shell) && arguments.option {
        arguments.telling = arguments.telling.max(2);
    }
    let Some(said) = command.points(&arguments) else {
        return false;
    };
    // What goes into a shell by a pipe after another command.
    let piped = command.kind == Some(Kind::Shell) && best.points >= NOTICE;
    let began = began || piped;
    let Some(place) = place::judge(whole, opening, here, begin, began, &command, &arguments) else {
        return false;
    };
    let points = (said + place.points).min(place.most);
    if points > best.points {
        *best = Best {
            points,
            at: here..arguments.end.max(command.end),
            what: what(opening, &command),
        };
    }
    opening == Opening::Start && arguments.count > 0
}

/// What nobody shows to people.
const HIDES: &str = "hides the name of a command as only a shell would read it";

const fn what(opening: Opening, command: &Command) -> &'static str {
    if command.disguised {
        return HIDES;
    }
    match opening {
        Opening::Start => "is a command with its arguments",
        Opening::Separator => "ends a word and begins a command",
        Opening::Line => "begins a command on a new line",
        Opening::Bracket | Opening::Backtick => "puts what a command prints into a line",
        Opening::Call => "hands a command to a shell by a function",
    }
}

#[cfg(test)]
mod tests;
