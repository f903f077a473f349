//! Lookups of Log4j that reach for code.
//!
//! **What it stops.** Text that a vulnerable Log4j (CVE-2021-44228 and those after
//! it) resolves while it writes a line: `${jndi:ldap://…}`, also where the word is
//! put together by other lookups: `${${lower:j}ndi:…}`, `${${::-j}${::-n}di:…}`,
//! `${${env:X:-j}ndi:…}`, `${${date:'j'}ndi:…}`, `${${upper:ı}…}`.
//!
//! **How it decides.** It evaluates nested lookups from the inside out, as Log4j's
//! `StrSubstitutor` does: `lower`, `upper` and `date` of literals give what they
//! give, everything that is not known gives its default (`:-`). A lookup that
//! comes out as `jndi:` is found, whatever it asks for. So are lookups that spell
//! several single letters: nothing but evasion is written so.
//!
//! **What it lets pass.** `${name}`, `${a.b}`, shells' `${x:-y}` by itself, templates.
//! A lookup of the environment (`${env:SECRET}`) is a hint.
//!
//! **Its limits.** A variable of the server's own that holds letters of the word is
//! not known here. [`DEPTH`] lookups inside of each other are found for that alone.

use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity;

/// JNDI lookups.
pub static DETECTOR: Detector = Detector {
    name: "jndi-lookup",
    title: "A lookup by which Log4j loads code",
    severity: Severity::Critical,
    tag: "attack-rce",
    places: Where::VALUES_AND_FILE_NAMES,
    needs: &[ByteSet::of(b"$"), ByteSet::of(b"{")],
    min_len: 7,
    unwraps: true,
    find,
};

/// Lookups inside of each other that are followed.
const DEPTH: usize = 24;
/// Bytes of a lookup that are kept: what it is stands at its beginning.
const KEPT: usize = 48;
/// Lookups that give one letter, from which on nothing but evasion is meant.
const SPELLED: usize = 3;

/// A lookup that is not closed yet, as far as it is known.
#[derive(Clone, Copy)]
struct Lookup {
    text: [u8; KEPT],
    len: usize,
}

impl Lookup {
    const EMPTY: Self = Self {
        text: [0; KEPT],
        len: 0,
    };

    fn push(&mut self, byte: u8) {
        if let Some(to) = self.text.get_mut(self.len) {
            *to = byte;
            self.len += 1;
        }
    }

    fn said(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}

fn find(value: &Value<'_>) -> Option<Finding> {
    let text = value.bytes;
    let mut stack = [Lookup::EMPTY; DEPTH];
    let mut depth = 0;
    let mut start = 0;
    let mut spelled = 0;
    let mut hint = None;
    let mut dollar = false;
    let mut at = memchr::memmem::find(text, b"${")?;
    while let Some(byte) = text.get(at).copied() {
        // What was looked up may be the dollar sign of another lookup.
        let made = dollar && byte == b'{';
        dollar = false;
        if made || byte == b'$' && text.get(at + 1) == Some(&b'{') {
            if depth == 0 {
                (start, spelled) = (at, 0);
            }
            let Some(fresh) = stack.get_mut(depth) else {
                return found(
                    start..at,
                    "nests lookups deeper than anybody writes",
                    Severity::Critical,
                );
            };
            *fresh = Lookup::EMPTY;
            depth += 1;
            at += if made { 1 } else { 2 };
            continue;
        }
        at += 1;
        let Some(top) = depth.checked_sub(1) else {
            // Between lookups nothing is to be seen.
            let Some(next) = text
                .get(at..)
                .and_then(|rest| memchr::memmem::find(rest, b"${"))
            else {
                break;
            };
            at += next;
            continue;
        };
        if byte != b'}' {
            let lookup = stack.get_mut(top)?;
            lookup.push(byte);
            if byte == b':'
                && lookup
                    .said()
                    .trim_ascii_start()
                    .eq_ignore_ascii_case(b"jndi:")
            {
                return found(start..at, "has Log4j load code by JNDI", Severity::Critical);
            }
            continue;
        }
        let lookup = stack.get(top).copied().unwrap_or(Lookup::EMPTY);
        depth = top;
        let (given, known) = evaluate(&lookup);
        dollar = known && given.said().ends_with(b"$");
        if depth > 0 {
            spelled += usize::from(known && given.len <= 2);
            if spelled >= SPELLED {
                return found(
                    start..at,
                    "spells text letter by letter with lookups",
                    Severity::Critical,
                );
            }
            let outer = stack.get_mut(depth - 1)?;
            for byte in given.said() {
                outer.push(*byte);
                if *byte == b':'
                    && outer
                        .said()
                        .trim_ascii_start()
                        .eq_ignore_ascii_case(b"jndi:")
                {
                    return found(start..at, "has Log4j load code by JNDI", Severity::Critical);
                }
            }
        } else if hint.is_none() && inner(lookup.said()) {
            hint = found(
                start..at,
                "looks the server's environment up",
                Severity::Notice,
            );
        }
    }
    hint
}

fn found(at: std::ops::Range<usize>, what: &'static str, severity: Severity) -> Option<Finding> {
    Some(Finding {
        at,
        what,
        severity: Some(severity),
    })
}

/// Whether a lookup reads what only the server knows.
fn inner(said: &[u8]) -> bool {
    const KINDS: [&[u8]; 9] = [
        b"env:", b"sys:", b"java:", b"log4j:", b"docker:", b"k8s:", b"web:", b"bundle:", b"spring:",
    ];
    KINDS.iter().any(|kind| {
        said.get(..kind.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(kind))
    })
}

/// What a lookup gives, and whether it gives something of its own: a letter, a default.
fn evaluate(lookup: &Lookup) -> (Lookup, bool) {
    let said = lookup.said();
    let mut given = Lookup::EMPTY;
    let kind = said.iter().position(|byte| *byte == b':');
    let (name, rest) = match kind {
        Some(at) => (
            said.get(..at).unwrap_or_default().trim_ascii(),
            said.get(at + 1..).unwrap_or_default(),
        ),
        None => (said, &said[..0]),
    };
    if name.eq_ignore_ascii_case(b"lower") || name.eq_ignore_ascii_case(b"upper") {
        fold(rest, &mut given);
        return (given, true);
    }
    if name.eq_ignore_ascii_case(b"date") {
        rest.iter()
            .filter(|byte| **byte != b'\'')
            .for_each(|byte| given.push(*byte));
        return (given, true);
    }
    let default = said.windows(2).position(|pair| pair == b":-");
    if let Some(at) = default {
        said.iter().skip(at + 2).for_each(|byte| given.push(*byte));
        return (given, true);
    }
    (given, false)
}

/// Text in lower case, as far as it matters: signs whose other case is an ASCII letter are that.
fn fold(text: &[u8], given: &mut Lookup) {
    let mut at = 0;
    while let Some(byte) = text.get(at).copied() {
        let (sign, len) = match text.get(at..).unwrap_or_default() {
            [0xC4, 0xB0 | 0xB1, ..] => (b'i', 2),
            [0xC5, 0xBF, ..] => (b's', 2),
            [0xE2, 0x84, 0xAA, ..] => (b'k', 3),
            _ => (byte.to_ascii_lowercase(), 1),
        };
        given.push(sign);
        at += len;
    }
}

#[cfg(test)]
mod tests;
