//! The words of SQL that libinjection knows, and what attacks come to.
//!
//! Both are open-addressed hash tables that the compiler makes of text files.

use super::token::kind;

/// The kind, what is said of phrases, the word; one a line.
pub(super) const KEYWORDS: &[u8] = include_bytes!("keywords.txt");
/// Words of up to five letters.
const FINGERPRINTS: &[u8] = include_bytes!("fingerprints.txt");

/// A word or phrase, or how one begins.
#[derive(Clone, Copy)]
pub(super) struct Word {
    /// In upper case.
    pub(super) text: &'static [u8],
    /// Where that stands in [`KEYWORDS`].
    pub(super) at: usize,
    /// The token it is; 0 where it only begins a phrase.
    pub(super) kind: u8,
    /// Whether a longer phrase goes on from it.
    pub(super) begins: bool,
    /// Whether a phrase may go on with it.
    pub(super) continues: bool,
}

/// As [`Word`], with where it stands in the file.
#[derive(Clone, Copy)]
struct Entry {
    at: u16,
    len: u8,
    kind: u8,
    begins: bool,
    continues: bool,
}

const WORDS: usize = lines(KEYWORDS);
const SLOT_BITS: u32 = 11;
const SLOTS: usize = 1 << SLOT_BITS;
/// The longest word: longer ones are not looked up.
const LONGEST: usize = 31;

static ENTRIES: [Entry; WORDS] = entries();
/// For each hash a tag in the upper half, and in the lower one more than an entry's number.
static BY_HASH: [u32; SLOTS] = by_hash();

/// How many lines are no comments.
const fn lines(text: &[u8]) -> usize {
    let (mut at, mut count, mut starts) = (0, 0, true);
    while at < text.len() {
        if starts && text[at] != b'#' {
            count += 1;
        }
        starts = text[at] == b'\n';
        at += 1;
    }
    count
}

const fn entries() -> [Entry; WORDS] {
    let none = Entry {
        at: 0,
        len: 0,
        kind: 0,
        begins: false,
        continues: false,
    };
    let mut all = [none; WORDS];
    let (mut at, mut number) = (0, 0);
    while at < KEYWORDS.len() {
        let start = at;
        while KEYWORDS[at] != b'\n' {
            at += 1;
        }
        if KEYWORDS[start] != b'#' {
            all[number] = Entry {
                at: (start + 2) as u16,
                len: (at - start - 2) as u8,
                kind: if KEYWORDS[start] == b'-' {
                    0
                } else {
                    KEYWORDS[start]
                },
                begins: matches!(KEYWORDS[start + 1], b'+' | b'*'),
                continues: matches!(KEYWORDS[start + 1], b'=' | b'*'),
            };
            number += 1;
        }
        at += 1;
    }
    all
}

/// Of a word of at least two bytes from its length and four of them, without
/// regard to case: a slot and a tag.
const fn hash(first: u8, second: u8, middle: u8, last: u8, len: usize) -> (usize, u32) {
    let bytes = u32::from_le_bytes([first, second, middle, last]) & 0xDFDF_DFDF;
    let mixed = (bytes as u64 | (len as u64) << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (
        (mixed >> (64 - SLOT_BITS)) as usize,
        (mixed >> 16) as u32 & 0xFFFF,
    )
}

const fn by_hash() -> [u32; SLOTS] {
    let mut slots = [0; SLOTS];
    let mut number = 0;
    while number < WORDS {
        let (at, len) = (ENTRIES[number].at as usize, ENTRIES[number].len as usize);
        let (mut slot, tag) = hash(
            KEYWORDS[at],
            KEYWORDS[at + 1],
            KEYWORDS[at + len / 2],
            KEYWORDS[at + len - 1],
            len,
        );
        while slots[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = tag << 16 | (number as u32 + 1);
        number += 1;
    }
    slots
}

/// The word or phrase, without regard to case.
#[inline]
pub(super) fn look_up(word: &[u8]) -> Option<Word> {
    let len = word.len();
    let &[first, second, ..] = word else {
        return None;
    };
    if len > LONGEST {
        return None;
    }
    let (mut slot, tag) = hash(first, second, word[len / 2], word[len - 1], len);
    loop {
        let held = BY_HASH[slot % SLOTS];
        if held == 0 {
            return None;
        }
        if held >> 16 == tag {
            if let Some(found) =
                entry(held & 0xFFFF).filter(|found| found.text.eq_ignore_ascii_case(word))
            {
                return Some(found);
            }
        }
        slot += 1;
    }
}

/// The kind of an operator of two signs: 0 where they are none.
#[inline]
pub(super) fn pair(first: u8, second: u8) -> u8 {
    let row = PAIRS.get(usize::from(first));
    row.and_then(|row| row.get(usize::from(second)).copied())
        .unwrap_or(kind::NONE)
}

/// Of each two bytes below 0x80 the kind, where they are in the list and no letters.
pub(super) static PAIRS: [[u8; 128]; 128] = pairs();

const fn pairs() -> [[u8; 128]; 128] {
    let mut all = [[0; 128]; 128];
    let mut number = 0;
    while number < WORDS {
        let (at, len) = (ENTRIES[number].at as usize, ENTRIES[number].len);
        let first = KEYWORDS[at] as usize;
        if len == 2 && !KEYWORDS[at].is_ascii_alphanumeric() {
            all[first][KEYWORDS[at + 1] as usize] = ENTRIES[number].kind;
        }
        number += 1;
    }
    all
}

fn entry(number: u32) -> Option<Word> {
    let entry = ENTRIES.get((number as usize).wrapping_sub(1))?;
    let at = usize::from(entry.at);
    Some(Word {
        text: KEYWORDS.get(at..at + usize::from(entry.len))?,
        at,
        kind: entry.kind,
        begins: entry.begins,
        continues: entry.continues,
    })
}

const PRINT_BITS: u32 = 14;
const PRINTS: usize = 1 << PRINT_BITS;
/// The letters of fingerprints.
const LETTERS: &[u8] = b"&(),1:;ABCEFKNOSTUVX";
/// Those of which no attack consists alone.
const HARMLESS: &[u8] = b",1:;NO";
/// Marks the other letters.
const TELLING: u8 = 0x20;
/// For each byte one more than its place among [`LETTERS`], without regard to case,
/// and whether it is telling; else 31.
static CODES: [u8; 256] = codes();
static FINGERPRINT: [u32; PRINTS] = fingerprints();

const fn codes() -> [u8; 256] {
    let mut codes = [31; 256];
    let mut at = 0;
    while at < LETTERS.len() {
        let code = (at as u8 + 1) | TELLING;
        codes[LETTERS[at] as usize] = code;
        codes[LETTERS[at].to_ascii_lowercase() as usize] = code;
        at += 1;
    }
    at = 0;
    while at < HARMLESS.len() {
        codes[HARMLESS[at] as usize] &= !TELLING;
        codes[HARMLESS[at].to_ascii_lowercase() as usize] &= !TELLING;
        at += 1;
    }
    codes
}

const fn print_slot(code: u32) -> usize {
    (code.wrapping_mul(0x9E37_79B1) >> (32 - PRINT_BITS)) as usize
}

#[allow(long_running_const_eval)] // 8,367 words, once per build.
const fn fingerprints() -> [u32; PRINTS] {
    let mut slots = [0; PRINTS];
    let (mut at, mut starts) = (0, true);
    while at < FINGERPRINTS.len() {
        if starts && FINGERPRINTS[at] == b'#' {
            while FINGERPRINTS[at] != b'\n' {
                at += 1;
            }
            at += 1;
            continue;
        }
        starts = false;
        let mut code = 0;
        while FINGERPRINTS[at] != b' ' && FINGERPRINTS[at] != b'\n' {
            code = code << 5 | (CODES[FINGERPRINTS[at] as usize] & 31) as u32;
            at += 1;
        }
        let mut slot = print_slot(code);
        while slots[slot] != 0 {
            slot = (slot + 1) % PRINTS;
        }
        slots[slot] = code;
        at += 1;
    }
    slots
}

/// Whether token types, up to five, in either case, are what an attack comes to.
pub(super) fn is_attack(kinds: &[u8]) -> bool {
    let (mut code, mut telling) = (0, 0);
    for kind in kinds {
        let letter = CODES[usize::from(*kind)];
        telling |= letter & TELLING;
        code = code << 5 | u32::from(letter & 31);
    }
    if telling == 0 {
        return false;
    }
    let mut slot = print_slot(code);
    loop {
        let held = FINGERPRINT[slot % PRINTS];
        if held == code || held == 0 {
            return held != 0;
        }
        slot += 1;
    }
}
