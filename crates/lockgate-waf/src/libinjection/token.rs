//! One token of SQL.

use super::words::Word;

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

/// A token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    /// One of [`kind`].
    pub(super) kind: u8,
    /// What opened it, where something did.
    pub(super) opened: u8,
    /// What closed it, where something did.
    pub(super) closed: u8,
    /// How many `@` stood before it.
    #[cfg_attr(not(test), allow(dead_code))] // Only written out.
    pub(super) ats: u8,
    /// Whether a phrase may go on from it.
    pub(super) begins: bool,
    /// Whether a phrase may go on with it.
    pub(super) continues: bool,
    /// Its text; of a phrase the table's.
    pub(super) text: &'a [u8],
}

impl<'a> Token<'a> {
    /// No token.
    pub(super) const NONE: Self = Self {
        kind: kind::NONE,
        opened: 0,
        closed: 0,
        ats: 0,
        begins: false,
        continues: false,
        text: &[],
    };

    /// A token of this kind and text.
    pub(super) fn new(kind: u8, text: &'a [u8]) -> Self {
        let text = text.get(..LONGEST).unwrap_or(text);
        Self {
            kind,
            text,
            ..Self::NONE
        }
    }

    /// The same, with what is known of the word that is its text.
    pub(super) fn known(self, word: &Word) -> Self {
        Self {
            begins: word.begins,
            continues: word.continues,
            ..self
        }
    }

    /// Whether its text is this, without regard to case.
    pub(super) fn is(&self, word: &[u8]) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// Whether its text is one of these, without regard to case.
    pub(super) fn is_one_of(&self, words: &[&[u8]]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// Whether it is an operator that takes what follows it alone.
    pub(super) fn is_unary(&self) -> bool {
        self.kind == kind::OPERATOR
            && match self.text {
                [b'+' | b'-' | b'!' | b'~'] | b"!!" => true,
                text => text.eq_ignore_ascii_case(b"NOT"),
            }
    }

    /// Whether it calculates.
    pub(super) fn is_arithmetic(&self) -> bool {
        self.kind == kind::OPERATOR && matches!(self.text, [b'*' | b'/' | b'-' | b'+' | b'%'])
    }
}
