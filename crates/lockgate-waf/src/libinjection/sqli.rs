//! Whether a value is an SQL injection.

use std::fmt;

use memchr::{memchr, memchr2, memmem};

use crate::bytes::ByteSet;

use super::fold::{Folding, MOST};
use super::sql::Sql;
use super::token::{kind, Token};
use super::words::is_attack;

/// The token types that an attack came to: up to five letters, as libinjection
/// writes them (`s&1c` of `' or 1--`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    letters: [u8; MOST],
    len: u8,
}

impl Fingerprint {
    /// Its letters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.letters
            .get(..usize::from(self.len))
            .unwrap_or_default()
    }

    fn push(&mut self, kind: u8) {
        if let Some(letter) = self.letters.get_mut(usize::from(self.len)) {
            *letter = kind;
            self.len += 1;
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Whether `value` is an SQL injection, and what it came to if it is. Linear in the
/// value's length; nothing is allocated.
#[must_use]
pub fn sqli(value: &[u8]) -> Option<Fingerprint> {
    both_dialects(value, 0).or_else(|| {
        let at = memchr2(b'\'', b'"', value)?;
        let rest = value.get(at..).unwrap_or_default();
        let single = memchr(b'\'', rest).and_then(|_| both_dialects(value, b'\''));
        single.or_else(|| memchr(b'"', rest).and_then(|_| read(value, b'"', true).0))
    })
}

/// As the standard reads it, and as MySQL does where that makes a difference.
fn both_dialects(value: &[u8], quote: u8) -> Option<Fingerprint> {
    let (found, ambiguous) = read(value, quote, false);
    if found.is_none() && ambiguous {
        return read(value, quote, true).0;
    }
    found
}

/// What the value came to, if it is an attack, and whether the other dialect
/// reads it otherwise.
fn read(value: &[u8], quote: u8, mysql: bool) -> (Option<Fingerprint>, bool) {
    let mut folding = Folding::new(value, quote, mysql);
    let fingerprint = fingerprint(folding.fold());
    let attack = is_attack(fingerprint.as_bytes()) && !is_innocent(value, &folding, &fingerprint);
    (attack.then_some(fingerprint), folding.is_ambiguous())
}

/// The types of the tokens that are left.
pub(super) fn fingerprint(tokens: &[Token]) -> Fingerprint {
    let mut fingerprint = Fingerprint {
        letters: [0; MOST],
        len: 0,
    };
    for token in tokens {
        if token.kind() == kind::EVIL {
            return Fingerprint {
                letters: [kind::EVIL, 0, 0, 0, 0],
                len: 1,
            };
        }
        fingerprint.push(token.kind());
    }
    if let [_, _, .., last] = tokens {
        // An open backquote at the end comments out what follows.
        let open_tick = last.opened() == b'`' && last.closed() == 0 && last.len() == 0;
        if open_tick && last.kind() == kind::BAREWORD {
            if let Some(letter) = fingerprint.letters.get_mut(tokens.len() - 1) {
                *letter = kind::COMMENT;
            }
        }
    }
    fingerprint
}

/// Whether it only looks like an attack.
fn is_innocent(value: &[u8], folding: &Folding<'_>, fingerprint: &Fingerprint) -> bool {
    let letters = fingerprint.as_bytes();
    // SQL Server leaves statements with this word out of its log.
    if letters.len() > 1
        && letters.last() == Some(&kind::COMMENT)
        && memmem::find(value, b"sp_password").is_some()
    {
        return false;
    }
    match (letters, folding.tokens()) {
        // `1 union` is only told apart by what was folded away.
        ([_, b'U'], _) => folding.count() == 2,
        ([first, second], [one, two, ..]) => {
            let starts = two.text(value).first().copied().unwrap_or_default();
            if starts == b'#' {
                return true;
            }
            match (first, second) {
                (b'n', b'c') => starts != b'/' || two.len() > 2 && starts == b'-',
                (b'1', b'c') => {
                    starts != b'/' && folding.count() <= 2 && !goes_on(value, one.len())
                }
                // Dashes are common in prose, but not at its end.
                _ => two.len() > 2 && starts == b'-',
            }
        }
        // `a' + 'b` is cut out of a string; a whole one is none.
        (b"sos" | b"s&s", [one, _, three, ..]) => {
            !(one.opened() == 0 && three.closed() == 0 && one.closed() == three.opened())
        }
        (b"s&n" | b"n&1" | b"1&1" | b"1&v" | b"1&s", _) => folding.count() == 3,
        ([_, b'k', _], [_, two, ..]) => {
            let into = two
                .text(value)
                .get(..4)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"INTO"));
            two.len() < 5 || !into
        }
        _ => false,
    }
}

/// Whether white space or a comment follows a number of this length at the
/// value's beginning. Bytes from 0x80 on count as white.
fn goes_on(value: &[u8], len: usize) -> bool {
    match value.get(len..).unwrap_or_default() {
        [] | [..=32 | 0x80.., ..] => true,
        rest => rest.starts_with(b"/*") || rest.starts_with(b"--"),
    }
}

/// A value with none of these bytes is no SQL injection: there is no word in it, no
/// string, comment, bracket or variable, and no logic.
pub const SQLI_NEEDS: ByteSet = ByteSet::range(b'A', b'Z')
    .union(&ByteSet::range(b'a', b'z'))
    .union(&ByteSet::of(b"'\"`$#@()&|-*"));

/// The longest value that [`cannot_be_sqli`] looks at, bytes: [`sqli`] reads no more
/// of a longer one than its first few tokens anyway.
const GLANCE: usize = 128;

/// Whether [`sqli`] cannot but find nothing, told without folding: no fingerprint
/// consists only of what the value has. `false` says nothing.
#[must_use]
pub fn cannot_be_sqli(value: &[u8]) -> bool {
    value.len() <= GLANCE
        && is_harmless(value, 0)
        && memchr2(b'\'', b'"', value).is_none_or(|at| {
            let rest = value.get(at..).unwrap_or_default();
            [b'\'', b'"']
                .into_iter()
                .all(|quote| memchr(quote, rest).is_none() || is_harmless(value, quote))
        })
}

/// Whether no fingerprint consists only of what the value has, read as behind an open
/// `quote` (0: as it stands).
fn is_harmless(value: &[u8], quote: u8) -> bool {
    let mut sql = Sql::new(value, quote, false);
    let (mut operators, mut variables, mut strings, mut phrases) = (false, false, false, false);
    while let Some(token) = sql.next() {
        // A phrase may be something else than its words.
        if phrases && token.continues() {
            return false;
        }
        phrases |= token.begins();
        match token.kind() {
            // So may a name that is empty.
            kind::BAREWORD if token.len() == 0 => return false,
            kind::BAREWORD | kind::NUMBER | kind::COMMA | kind::DOT | kind::COLON => {}
            kind::OPEN_BRACE | kind::CLOSE_BRACE | kind::UNKNOWN | kind::BACKSLASH => {}
            kind::OPERATOR | kind::SEMICOLON => operators = true,
            kind::VARIABLE => variables = true,
            kind::STRING => strings = true,
            _ => return false,
        }
    }
    // One of these three alone does no harm.
    let kinds = u8::from(operators) + u8::from(variables) + u8::from(strings);
    kinds < 2 && !sql.ambiguous
}
