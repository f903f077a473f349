//! What one engine alone writes, and data never does.

use super::probe;
use crate::detect::prose::words;

/// Words before a statement from which on it is shown to people.
const PROSE: usize = 3;
/// A statement is read so far.
const LONGEST: usize = 96;

/// A statement at `start` that an engine runs: how long what was read of it is, and what it is.
pub(super) fn statement(bytes: &[u8], start: usize) -> Option<(usize, &'static str)> {
    let rest = bytes.get(start..)?;
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let (length, what) = match rest {
        [b'#', next @ ..] => (
            velocity(next)?,
            "is a directive that a template engine runs",
        ),
        [b'{', b'{', next @ ..] => (
            handlebars(next)?,
            "gives a block of a template a text to work on",
        ),
        [b'{', b'%', next @ ..] => (debug(next)?, "has a template tell what it knows"),
        [b'{', next @ ..] => (smarty(next)?, "is a tag that a template engine runs"),
        [b'@', next @ ..] => (
            razor(next)?,
            "is an expression that reaches behind what it is given",
        ),
        // A run of signs is read once, from its beginning.
        [b'$', b'{', b'{' | b'<' | b'#' | b'%', ..] if !probe::signed(bytes, start) => (
            probe::signs(rest)?,
            "begins expressions of several engines at once",
        ),
        _ => return None,
    };
    let before = bytes.get(..start).unwrap_or_default();
    let near = before.get(before.len().saturating_sub(LONGEST)..)?;
    (words(near, PROSE) < PROSE).then_some((length, what))
}

/// `#set($x=…)`, `#foreach($x in …)`, `#include("…")`, behind the sign.
fn velocity(text: &[u8]) -> Option<usize> {
    const VARIABLES: [&[u8]; 4] = [b"set", b"foreach", b"if", b"define"];
    const TEXTS: [&[u8]; 3] = [b"include", b"parse", b"evaluate"];
    let given = |word: &[u8]| {
        let rest = text.strip_prefix(word)?.trim_ascii_start();
        Some(rest.strip_prefix(b"(")?.trim_ascii_start())
    };
    let variable = VARIABLES.iter().filter_map(|word| given(word)).next();
    let quoted = TEXTS.iter().filter_map(|word| given(word)).next();
    let begins = variable.is_some_and(|rest| rest.starts_with(b"$"))
        || quoted.is_some_and(|rest| matches!(rest.first(), Some(b'"' | b'\'' | b'$')));
    begins.then(|| 1 + memchr::memchr(b'(', text).unwrap_or_default())
}

/// `{{#with "x"}}`: a block is about what a template is given, not about a text in it.
fn handlebars(text: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(b"#with")?.trim_ascii_start();
    matches!(rest.first(), Some(b'"' | b'\'')).then_some(7)
}

/// `{% debug %}`.
fn debug(text: &[u8]) -> Option<usize> {
    let rest = text.trim_ascii_start().strip_prefix(b"debug")?;
    let rest = rest.trim_ascii_start();
    (rest.starts_with(b"%}") || rest.starts_with(b"-%}")).then_some(2 + text.len() - rest.len())
}

/// `{$smarty.version}`, `{math equation='…'}`, `{php}`, behind the brace.
fn smarty(text: &[u8]) -> Option<usize> {
    const FUNCTIONS: [&[u8]; 8] = [
        b"math",
        b"fetch",
        b"eval",
        b"include",
        b"include_php",
        b"insert",
        b"config_load",
        b"capture",
    ];
    if text.starts_with(b"$smarty.") {
        return Some(8);
    }
    if text.starts_with(b"php}") {
        return Some(5);
    }
    let length = text
        .iter()
        .position(|byte| !(byte.is_ascii_lowercase() || *byte == b'_'))?;
    let (name, rest) = text.split_at_checked(length)?;
    if !FUNCTIONS.contains(&name) {
        return None;
    }
    // `attribute=`, as no language has it behind a word in braces.
    let rest = rest.strip_prefix(b" ")?.trim_ascii_start();
    let attribute = rest
        .iter()
        .position(|byte| !(byte.is_ascii_lowercase() || *byte == b'_'))?;
    let given = rest.get(attribute..)?.strip_prefix(b"=")?;
    let value = matches!(given.first(), Some(b'"' | b'\'' | b'$' | b'`'));
    (attribute > 0 && value).then_some(1 + text.len() - given.len())
}

/// `@System.Diagnostics.…`.
fn razor(text: &[u8]) -> Option<usize> {
    const SPACES: [&[u8]; 5] = [
        b"Diagnostics.",
        b"IO.",
        b"Environment.",
        b"Reflection.",
        b"Net.",
    ];
    let rest = text.strip_prefix(b"System.")?;
    let space = SPACES.iter().find(|space| rest.starts_with(space))?;
    Some(8 + space.len())
}
