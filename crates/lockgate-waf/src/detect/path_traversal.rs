//! Paths that leave where they should stay.
//!
//! **What it stops.** A value that becomes a part of a file's name, and climbs
//! out of its folder (`../../etc/passwd`), names a system's file outright
//! (`/proc/self/environ`, `c:\windows\win.ini`), or what a site keeps to itself
//! (`.git/config`, `WEB-INF/web.xml`), however it is spelled.
//!
//! **How it decides.** It resolves each run of text that can be a path as a
//! resolver does, POSIX's and Windows' at once: both slashes, empty segments and
//! `.`, path parameters (`..;/`), overlong and full-width forms of dots and
//! slashes, those that are still percent-encoded, forms that become `..` once
//! somebody strips `../` (`....//`), a NUL at which C ends a name, drive letters. It
//! counts how deep the path is below its start: below zero it has left. What
//! stands after the last step up is compared with the names of what is secret.
//! A path that is the whole value tells more than one inside of text.
//!
//! **What it lets pass.** Paths that stay below their start (`a/b/../c`), people's
//! own (`/home/user1/photo.jpg`, `C:\Users\me`), links of Markdown (`../images/a.png`),
//! prose that speaks of `/etc/hosts`.
//!
//! **Its limits.** It does not know where the application keeps its files: one
//! step up as a whole value is a warning only. A name of a secret file that is not
//! in the short list is found by the climbing alone.

use std::cell::OnceCell;
use std::ops::Range;

use super::prose::{words, LOOKED_AT};
use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;

mod nested;
mod plain;
mod secrets;
mod single;
mod spelling;
mod walk;

use secrets::Secret;
use walk::{Room, Walk};

/// Path traversal, and names of secret files.
pub static DETECTOR: Detector = Detector {
    name: "path-traversal",
    title: "A path that leaves its folder, or names a secret file",
    severity: Severity::Critical,
    tag: "attack-lfi",
    places: Where::VALUES_AND_FILE_NAMES,
    needs: &[ByteSet::of(b"/\\%x~.\0\xC0\xC1\xE0\xE2\xEF")],
    min_len: 3,
    unwraps: true,
    find,
};

/// Words around a path from which on it stands in prose.
const PROSE: usize = 3;
/// Blanks before a path that do not count.
const EDGE: usize = 16;

fn find(value: &Value<'_>) -> Option<Finding> {
    let text = value.bytes;
    if let Some(found) = single::name(text).or_else(|| nested::path(value)) {
        return Some(found);
    }
    let whole = Whole::default();
    let mut best: Option<(i32, Range<usize>, &'static str)> = None;
    let mut at = 0;
    let mut room = Room::default();
    while let Some(walk) = Walk::next(text, plain::skip(text, at), &mut room) {
        at = walk.end;
        if !walk.tells() {
            continue;
        }
        let (points, what) = judge(value, &walk, &whole);
        if points > best.as_ref().map_or(0, |(points, ..)| *points) {
            best = Some((points, walk.start..walk.end, what));
            if points >= 5 {
                break;
            }
        }
    }
    let (points, at, what) = best?;
    let severity = match points {
        5.. => Severity::Critical,
        4 => Severity::Warning,
        3 => Severity::Notice,
        _ => return None,
    };
    Some(Finding {
        at,
        what,
        severity: Some(severity),
    })
}

const SECRET: &str = "names a file that is nobody's business";

/// What is asked of the whole value, once for all of its paths.
#[derive(Default)]
struct Whole {
    dots: OnceCell<bool>,
    spaced: OnceCell<bool>,
    words: OnceCell<usize>,
}

impl Whole {
    /// Whether there are but dots and slashes.
    fn is_dots(&self, text: &[u8]) -> bool {
        let dots = |byte: &u8| matches!(byte, b'.' | b'/' | b'\\');
        *self.dots.get_or_init(|| text.trim_ascii().iter().all(dots))
    }

    /// Whether there is a blank.
    fn is_spaced(&self, text: &[u8]) -> bool {
        let found = || memchr::memchr(b' ', text).is_some();
        *self.spaced.get_or_init(found)
    }

    /// How many words the text begins with, as far as a path that begins at `until`.
    fn words(&self, text: &[u8], until: usize) -> usize {
        match text.get(..until) {
            Some(before) if until < LOOKED_AT => words(before, PROSE),
            // No more than that is looked at.
            _ => *self.words.get_or_init(|| words(text, PROSE)),
        }
    }
}

/// How much a path tells, and what it does.
fn judge(value: &Value<'_>, walk: &Walk<'_>, all: &Whole) -> (i32, &'static str) {
    const LEAVES: &str = "climbs out of the folder that it starts in";
    const HIDDEN: &str = "spells a step up so that filters do not see it";
    let text = value.bytes;
    let before = text.get(..walk.start).unwrap_or_default();
    let after = text.get(walk.end..).unwrap_or_default();
    let secret = walk.secret();
    // Most paths are plain: nothing around them matters.
    let plain = walk.ups == 0 && walk.stripped == 0 && !walk.cut && !walk.share;
    if plain && secret == Secret::None {
        return (0, LEAVES);
    }
    let behind = || words(after, PROSE);
    let begins = before.len() <= EDGE && before.trim_ascii_start().is_empty();
    let whole = begins && behind() < 2 || matches!(before, [b'"' | b'\'']);
    let prose = || !whole && all.words(text, walk.start) + behind() >= PROSE;
    let served = value.stood == Where::Path;

    if walk.ups > 0 && (walk.leaves || walk.rooted) {
        if secret != Secret::None {
            return (if !walk.odd && prose() { 3 } else { 5 }, SECRET);
        }
        if walk.odd {
            return (if prose() { 3 } else { 5 }, HIDDEN);
        }
        let points = match (walk.ups, whole) {
            _ if served => 5,
            // What pages and programs are made of, from a folder beside: nobody's secret.
            (1..=3, true) if walk.part() => 0,
            (1, true) => 4,
            (_, true) => 5,
            (1, false) => 0,
            (2..=3, false) if prose() => 0,
            (_, false) if prose() => 3,
            (_, false) => 4,
        };
        return (points, LEAVES);
    }
    if walk.ups > 0 && (walk.odd || served) {
        return (if prose() { 0 } else { 4 }, HIDDEN);
    }
    if walk.stripped > 0 && all.is_dots(text) {
        return (5, HIDDEN);
    }
    if walk.stripped > 1 || (walk.stripped > 0 && secret != Secret::None) {
        return (if prose() { 3 } else { 5 }, HIDDEN);
    }
    if walk.cut && (walk.absolute || walk.depth > 0) {
        return (if prose() { 3 } else { 5 }, "ends a file's name with a NUL");
    }
    let points = match secret {
        Secret::System if served => 0,
        Secret::System if whole => 5,
        Secret::System if prose() => 0,
        Secret::System => 4 + i32::from(!all.is_spaced(text)),
        Secret::Site if served => 5,
        // Below a folder, or in it: more than a name that lists are made of.
        Secret::Site if whole && walk.depth > 1 => 5,
        Secret::Site if whole => 4,
        Secret::Log if whole && !served => 4,
        _ if walk.share && whole => return (3, "names a folder of another machine"),
        _ => 0,
    };
    (points, SECRET)
}

#[cfg(test)]
mod tests;
