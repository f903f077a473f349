//! One token of SQL.

use super::words::{self, Word};

/// What a token is: the letters of fingerprints, in lower case where they tell more.
/// Besides these there are `k` keyword, `U` union, `B` what groups, `E` what begins an
/// expression, `A` collate, and `(`, `)`, `{`, `}`, `.`, `,`, `;` which stand for
/// themselves.
pub(super) mod kind {
    /// No token.
    pub(crate) const NONE: u8 = 0;
    /// A type of data.
    pub(crate) const TYPE: u8 = b't';
    pub(crate) const FUNCTION: u8 = b'f';
    /// A name, or a word that is none of the others.
    pub(crate) const BAREWORD: u8 = b'n';
    pub(crate) const NUMBER: u8 = b'1';
    pub(crate) const VARIABLE: u8 = b'v';
    pub(crate) const STRING: u8 = b's';
    pub(crate) const OPERATOR: u8 = b'o';
    /// `AND`, `||` and their like.
    pub(crate) const LOGIC: u8 = b'&';
    pub(crate) const COMMENT: u8 = b'c';
    pub(crate) const OPEN: u8 = b'(';
    pub(crate) const CLOSE: u8 = b')';
    pub(crate) const OPEN_BRACE: u8 = b'{';
    pub(crate) const CLOSE_BRACE: u8 = b'}';
    pub(crate) const DOT: u8 = b'.';
    pub(crate) const COMMA: u8 = b',';
    pub(crate) const COLON: u8 = b':';
    pub(crate) const SEMICOLON: u8 = b';';
    /// A statement of Transact-SQL.
    pub(crate) const TSQL: u8 = b'T';
    pub(crate) const UNKNOWN: u8 = b'?';
    /// What no one writes but to be misread: it alone is an attack.
    pub(crate) const EVIL: u8 = b'X';
    pub(crate) const BACKSLASH: u8 = b'\\';
}

/// The longest text that a token keeps, bytes; of longer ones the beginning.
pub(super) const LONGEST: usize = 31;

/// A token, in one number: it is moved about more often than it is looked at, and
/// what is put together field by field is slow to move.
///
/// From the lowest bit on: where its text begins (32 bits), how long it is (5), what
/// opened and what closed it (3 each), how many `@` stand before it (2), what is known
/// of it (6), its kind's place among all (5) and, from bit 56 on, its kind.
#[derive(Clone, Copy)]
pub(super) struct Token(u64);

const LEN: u32 = 32;
const OPENED: u32 = 37;
const CLOSED: u32 = 40;
const ATS: u32 = 43;
const PLACE: u32 = 51;
const KIND: u32 = 56;

/// A phrase may go on from it.
const BEGINS: u64 = 1 << 45;
/// A phrase may go on with it.
const CONTINUES: u64 = 1 << 46;
/// Its text is the table's, not the value's.
const LISTED: u64 = 1 << 47;
/// As an operator it takes what follows it alone.
const UNARY: u64 = 1 << 48;
/// As an operator it calculates.
const ARITHMETIC: u64 = 1 << 49;
/// As an operator it says a type.
const CAST: u64 = 1 << 50;

/// All kinds; less than 32.
pub(super) const KINDS: &[u8] = b"\0tfn1vso&c(){}.,:;T?X\\kUBEA";

/// The highest bits of a token of each kind.
static HEADS: [u64; 128] = {
    let mut heads = [0; 128];
    let mut place = 0;
    while place < KINDS.len() {
        let kind = KINDS[place] as usize;
        heads[kind] = (kind as u64) << KIND | (place as u64) << PLACE;
        place += 1;
    }
    heads
};

#[inline]
fn head(kind: u8) -> u64 {
    HEADS[usize::from(kind & 0x7F)]
}

/// What opens and closes strings.
const MARKS: [u8; 8] = [0, b'\'', b'"', b'`', b'u', b'q', b'$', 0];

const fn mark(byte: u8) -> u64 {
    match byte {
        b'\'' => 1,
        b'"' => 2,
        b'`' => 3,
        b'u' => 4,
        b'q' => 5,
        b'$' => 6,
        _ => 0,
    }
}

impl Token {
    /// No token.
    pub(super) const NONE: Self = Self(0);

    /// A token of this kind, whose text stands `at` so many bytes and is so long.
    #[inline]
    pub(super) fn new(kind: u8, at: usize, len: usize) -> Self {
        // Values are shorter than 4 GiB.
        Self((at & 0xFFFF_FFFF) as u64 | (len.min(LONGEST) as u64) << LEN | head(kind))
    }

    /// The sign that stands `at` so many bytes, where it is a token by itself; nothing
    /// where that depends on what follows, if `follows` says so.
    #[inline]
    pub(super) fn sign(sign: u8, follows: Option<u8>, at: usize) -> Option<Self> {
        let token = SIGNS[usize::from(sign)];
        let goes_on = || {
            let row = GOES_ON.get(usize::from(sign));
            follows.is_some_and(|follows| row.is_some_and(|row| row[usize::from(follows)]))
        };
        (token != 0 && !goes_on()).then_some(Self(token | (at & 0xFFFF_FFFF) as u64))
    }

    /// An operator, as [`Token::new`], with what its text says.
    #[inline]
    pub(super) fn operator(at: usize, text: &[u8]) -> Self {
        Self(Self::new(kind::OPERATOR, at, text.len()).0 | operates(text))
    }

    /// The same, opened and closed by these.
    #[inline]
    pub(super) const fn marked(self, opened: u8, closed: u8) -> Self {
        let marks = 0b11_1111 << OPENED;
        Self(self.0 & !marks | mark(opened) << OPENED | mark(closed) << CLOSED)
    }

    /// The same, with so many `@` before it.
    pub(super) const fn behind(self, ats: usize) -> Self {
        Self(self.0 | (ats as u64 & 3) << ATS)
    }

    /// The same, of another kind.
    #[inline]
    pub(super) fn turned(self, kind: u8) -> Self {
        Self(self.0 & ((1 << PLACE) - 1) | head(kind))
    }

    /// The same, with what is known of the word that is its text.
    pub(super) fn known(self, word: &Word) -> Self {
        let not = if word.text == b"NOT" { UNARY } else { 0 };
        let known = self.0 & !(BEGINS | CONTINUES);
        let begins = if word.begins { BEGINS } else { 0 };
        let continues = if word.continues { CONTINUES } else { 0 };
        Self(known | begins | continues | not)
    }

    /// The same, having become a phrase of the table: its kind, its text.
    pub(super) fn joined(self, phrase: &Word) -> Self {
        let kept = self.0 & (0b1111_1111 << OPENED);
        let new = Self::new(phrase.kind, phrase.at, phrase.text.len());
        Self(new.0 | kept | LISTED).known(phrase)
    }

    /// One of [`kind`].
    #[inline]
    pub(super) const fn kind(self) -> u8 {
        (self.0 >> KIND) as u8
    }

    /// The place of its kind among [`KINDS`].
    #[inline]
    pub(super) const fn place(self) -> usize {
        (self.0 >> PLACE & 31) as usize
    }

    /// What opened it, where something did.
    pub(super) const fn opened(self) -> u8 {
        MARKS[(self.0 >> OPENED & 7) as usize]
    }

    /// What closed it, where something did.
    pub(super) const fn closed(self) -> u8 {
        MARKS[(self.0 >> CLOSED & 7) as usize]
    }

    /// How many `@` stood before it.
    #[cfg(test)]
    pub(super) const fn ats(self) -> usize {
        (self.0 >> ATS & 3) as usize
    }

    /// How long its text is.
    #[inline]
    pub(super) const fn len(self) -> usize {
        (self.0 >> LEN) as usize & LONGEST
    }

    /// Its text; of a phrase the table's. `value` is what it was read of.
    pub(super) fn text(self, value: &[u8]) -> &[u8] {
        let at = (self.0 & 0xFFFF_FFFF) as usize;
        let all = if self.0 & LISTED == 0 {
            value
        } else {
            words::KEYWORDS
        };
        all.get(at..at + self.len()).unwrap_or_default()
    }

    /// Whether a phrase may go on from it.
    #[inline]
    pub(super) const fn begins(self) -> bool {
        self.0 & BEGINS != 0
    }

    /// Whether a phrase may go on with it.
    pub(super) const fn continues(self) -> bool {
        self.0 & CONTINUES != 0
    }

    /// Whether it is an operator that takes what follows it alone.
    #[inline]
    pub(super) const fn is_unary(self) -> bool {
        self.kind() == kind::OPERATOR && self.0 & UNARY != 0
    }

    /// Whether it is an operator that calculates.
    #[inline]
    pub(super) const fn is_arithmetic(self) -> bool {
        self.kind() == kind::OPERATOR && self.0 & ARITHMETIC != 0
    }

    /// Whether it is an operator that says a type.
    #[inline]
    pub(super) const fn casts(self) -> bool {
        self.kind() == kind::OPERATOR && self.0 & CAST != 0
    }

    /// Whether its text is one of these, without regard to case.
    pub(super) fn is_one_of(self, value: &[u8], words: &[&[u8]]) -> bool {
        let text = self.text(value);
        words.iter().any(|word| text.eq_ignore_ascii_case(word))
    }
}

/// What the text of an operator says.
const fn operates(text: &[u8]) -> u64 {
    match text {
        b"+" | b"-" => UNARY | ARITHMETIC,
        b"*" | b"/" | b"%" => ARITHMETIC,
        b"!" | b"~" | b"!!" => UNARY,
        b"::" => CAST,
        _ => 0,
    }
}

/// Of each byte the token that it is by itself, if it is one.
static SIGNS: [u64; 256] = {
    let mut signs = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let sign = byte as u8;
        let kind = match sign {
            b'(' | b')' | b',' | b';' | b'{' | b'}' => sign,
            b'?' | b']' => kind::UNKNOWN,
            b'%' | b'+' | b'^' | b'~' | b'!' | b'&' | b'*' | b'<' | b'=' | b'>' | b'|' | b'-'
            | b'/' => kind::OPERATOR,
            _ => kind::NONE,
        };
        if kind != kind::NONE {
            let known = if kind == kind::OPERATOR {
                operates(&[sign])
            } else {
                0
            };
            signs[byte] = 1 << LEN | known | HEADS[kind as usize];
        }
        byte += 1;
    }
    signs
};

/// Which bytes behind a sign may make another token of it.
static GOES_ON: [[bool; 256]; 128] = {
    let mut all = [[false; 256]; 128];
    let mut first = 0;
    while first < 128 {
        // Those that are operators whatever follows.
        let alone = matches!(first as u8, b'%' | b'+' | b'^' | b'~');
        let mut second = 0;
        while second < 128 && !alone {
            all[first][second] = words::PAIRS[first][second] != kind::NONE;
            second += 1;
        }
        first += 1;
    }
    all[b'-' as usize][b'-' as usize] = true;
    all[b'/' as usize][b'*' as usize] = true;
    all
};
