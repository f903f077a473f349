//! SQL's tokens, as the dialects read them together: what one of them takes
//! for a blank is a blank.

use super::words::{meaning, Word};

/// What a piece of SQL is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// `1`, `0x1f`, `1e5`.
    Number,
    /// `'…'`, `"…"`, `$$…$$`, `N'…'`.
    Text,
    /// A string of this quote that nothing ends.
    Unended(u8),
    /// A word, or words with dots between them.
    Word(Word),
    /// `@x`.
    Variable,
    /// `@@version`.
    ServerVariable,
    /// `+`, `-`.
    Sign,
    /// `*`.
    Star,
    /// `/`, `%`, `^`, `&`, `|`, `~`, `<<`.
    Arithmetic,
    /// `||`: OR in one dialect, joins texts in others.
    Bars,
    /// `&&`.
    Ampersands,
    /// `!`.
    Bang,
    /// `=`, `==`, `<=>`.
    Equals,
    /// `<`, `>`, `<>`, `!=`, `!~`.
    Unequal,
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `,`.
    Comma,
    /// `;`.
    Semicolon,
    /// `::`.
    Cast,
    /// A comment that goes on to the end, over what would follow the value.
    Cut,
    /// Nothing that SQL has.
    Other,
    /// All is read.
    End,
}

/// Reads tokens. A comparison of two is not needed, so it is small and copied to look ahead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the last token began.
    pub(super) start: usize,
    /// Whether a comment stood where a blank would do.
    pub(super) commented: bool,
    /// Whether a comment stood between two words in place of a blank.
    pub(super) glued: bool,
    /// Whether something stood there that only MySQL's reader passes over: `1.e(`, `{f 1}`.
    pub(super) odd: bool,
    versioned: bool,
    /// ODBC's braces that are open.
    braces: u8,
    /// Ends of strings that were looked for and were not there.
    sought: u8,
}

/// After so many ends that are nowhere, no more are looked for.
const MOST_SOUGHT: u8 = 16;
/// A longer name between brackets is none.
const LONGEST_BRACKETED: usize = 128;
/// More digits before MySQL's missing exponent are not passed over.
const LONGEST_VOID: usize = 32;
/// A longer tag of a dollar-quoted string is none (PostgreSQL: 63).
const LONGEST_TAG: usize = 63;

impl<'a> Tokens<'a> {
    /// From this byte on.
    pub(super) const fn from(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            start: at,
            commented: false,
            glued: false,
            odd: false,
            versioned: false,
            braces: 0,
            sought: 0,
        }
    }

    /// Where the next byte stands.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The bytes of the last token.
    pub(super) fn text(&self) -> &'a [u8] {
        self.bytes.get(self.start..self.at).unwrap_or_default()
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Whether an opening parenthesis follows.
    pub(super) fn calls(&self) -> bool {
        self.byte(0) == b'('
            || (blank(self.byte(0)) || self.byte(0) == b'/') && {
                let mut ahead = *self;
                ahead.next() == Token::Open
            }
    }

    /// The next, without taking it.
    pub(super) fn peek(&self) -> Token {
        let mut ahead = *self;
        ahead.next()
    }

    /// Takes the next.
    pub(super) fn next(&mut self) -> Token {
        if self.skip_blanks() {
            return Token::Cut;
        }
        self.start = self.at;
        let Some(&byte) = self.bytes.get(self.at) else {
            return Token::End;
        };
        match byte {
            b'0'..=b'9' => match self.void() {
                0 => self.number(),
                len => {
                    self.at += len;
                    self.start = self.at;
                    self.odd = true;
                    self.sign(self.byte(0))
                }
            },
            b'.' if self.byte(1).is_ascii_digit() => self.number(),
            b'\'' | b'"' | b'`' => self.quoted(byte),
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80.. => self.word(),
            _ => self.sign(byte),
        }
    }

    /// Passes over blanks and comments; whether a comment goes on to the end.
    fn skip_blanks(&mut self) -> bool {
        loop {
            match self.byte(0) {
                b'\0' if self.at >= self.bytes.len() => return false,
                byte if blank(byte) => self.at += 1,
                0xc2 if self.byte(1) == 0xa0 => self.at += 2,
                b'/' if self.byte(1) == b'*' => {
                    if self.block_comment() {
                        return true;
                    }
                }
                b'*' if self.versioned && self.byte(1) == b'/' => {
                    self.versioned = false;
                    self.at += 2;
                }
                b'-' if self.byte(1) == b'-' => {
                    if self.line_comment() {
                        return true;
                    }
                }
                b'#' => {
                    if self.line_comment() {
                        return true;
                    }
                }
                _ => return false,
            }
        }
    }

    /// `/*!50000 … */` is no comment to MySQL, so what is in it is read.
    fn block_comment(&mut self) -> bool {
        self.commented = true;
        self.start = self.at;
        if self.byte(2) == b'!' || self.byte(2) == b'M' && self.byte(3) == b'!' {
            self.at += if self.byte(2) == b'!' { 3 } else { 4 };
            // Five or six digits; a value that is compared is not one of them.
            let digits = (0..6).take_while(|ahead| self.byte(*ahead).is_ascii_digit());
            let digits = digits.count();
            self.at += if digits >= 5 { digits } else { 0 };
            self.versioned = true;
            return false;
        }
        let body = self.bytes.get(self.at + 2..).unwrap_or_default();
        match memchr::memmem::find(body, b"*/") {
            Some(end) => {
                let before = self.at.checked_sub(1).and_then(|at| self.bytes.get(at));
                self.at += 2 + end + 2;
                self.glued |= before.is_some_and(u8::is_ascii_alphanumeric)
                    && self.byte(0).is_ascii_alphanumeric();
                false
            }
            None => {
                self.at = self.bytes.len();
                true
            }
        }
    }

    fn line_comment(&mut self) -> bool {
        self.start = self.at;
        match memchr::memchr2(b'\n', b'\r', self.rest()) {
            Some(end) => {
                self.commented = true;
                self.at += end + 1;
                false
            }
            None => {
                self.at = self.bytes.len();
                true
            }
        }
    }

    /// The length of a `1.e` before a sign: MySQL begins a number there, finds
    /// no exponent, and goes on with the sign as if nothing had been.
    fn void(&self) -> usize {
        let rest = self.rest();
        let digits = rest.iter().take(LONGEST_VOID);
        let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
        if self.byte(digits) != b'.' {
            return 0;
        }
        let more = rest.iter().skip(digits + 1).take(LONGEST_VOID);
        let more = more.take_while(|byte| byte.is_ascii_digit()).count();
        let exponent = digits + 1 + more;
        let signs = matches!(self.byte(exponent + 1), b'(' | b')' | b',' | b'=' | b';');
        match self.byte(exponent) | 0x20 == b'e' && signs {
            true => exponent + 1,
            false => 0,
        }
    }

    /// ODBC's `{name …}` is to MySQL what stands in it.
    fn escape(&mut self) -> Token {
        let mut ahead = *self;
        ahead.at += 1;
        ahead.while_(blank);
        let name = ahead.at;
        if ahead.byte(0) == b'`' {
            let end = ahead.rest().iter().skip(1).take(LONGEST_TAG);
            let end = end.take_while(|byte| **byte != b'`').count();
            ahead.at += match ahead.byte(end + 1) {
                b'`' => end + 2,
                _ => 0,
            };
        } else {
            ahead.while_(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$'));
        }
        let parts = matches!(
            ahead.byte(0),
            b'(' | b'\'' | b'"' | b'`' | b'/' | b'@' | b'-' | b'+' | b'!' | b'~' | b'.'
        );
        let parts = parts || blank(ahead.byte(0)) || ahead.bytes.get(name) == Some(&b'`');
        if ahead.at == name || ahead.at - name > LONGEST_TAG || !parts {
            self.at += 1;
            return Token::Other;
        }
        self.at = ahead.at;
        self.odd = true;
        self.braces = self.braces.saturating_add(1);
        Token::Open
    }

    fn number(&mut self) -> Token {
        let prefix = self.byte(1) | 0x20;
        if self.byte(0) == b'0' && (prefix == b'x' || prefix == b'b') {
            self.at += 2;
            self.while_(|byte| byte.is_ascii_hexdigit());
            return Token::Number;
        }
        self.while_(|byte| byte.is_ascii_digit());
        if self.byte(0) == b'.' {
            self.at += 1;
            self.while_(|byte| byte.is_ascii_digit());
        }
        if self.byte(0) | 0x20 == b'e' {
            let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
            // `1e union` is a number to MySQL.
            if self.byte(1 + sign).is_ascii_digit() || blank(self.byte(1)) {
                self.at += 1 + sign;
                self.while_(|byte| byte.is_ascii_digit());
            }
        }
        Token::Number
    }

    fn while_(&mut self, holds: impl Fn(u8) -> bool) {
        let rest = self.rest();
        self.at += rest
            .iter()
            .position(|byte| !holds(*byte))
            .unwrap_or(rest.len());
    }

    /// To the quote that ends it: two of them stand for one, and so does one after a backslash.
    fn quoted(&mut self, quote: u8) -> Token {
        self.at += 1;
        loop {
            let Some(found) = memchr::memchr2(quote, b'\\', self.rest()) else {
                self.at = self.bytes.len();
                return Token::Unended(quote);
            };
            self.at += found;
            if self.byte(0) == b'\\' {
                self.at = (self.at + 2).min(self.bytes.len());
            } else if self.byte(1) == quote && self.at + 1 < self.bytes.len() {
                self.at += 2;
            } else {
                self.at += 1;
                return match quote {
                    b'`' => Token::Word(Word::Name),
                    _ => Token::Text,
                };
            }
        }
    }

    fn word(&mut self) -> Token {
        let introduced = matches!(self.byte(0) | 0x20, b'n' | b'e' | b'x' | b'b');
        if introduced && self.byte(1) == b'\'' {
            self.at += 1;
            return self.quoted(b'\'');
        }
        if self.byte(0) | 0x20 == b'q' && self.byte(1) == b'\'' && self.byte(2) != b'\'' {
            if let Some(token) = self.oracle_string() {
                return token;
            }
        }
        loop {
            let rest = self.rest();
            let end = rest.iter().enumerate().position(|(place, byte)| {
                let before = place.checked_sub(1).and_then(|at| rest.get(at));
                let after = rest.get(place + 1);
                let ascii_before = before.is_none_or(|byte| *byte < 0x80);
                match byte {
                    b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'$' => false,
                    0xa0 => ascii_before,
                    0xc2 => after == Some(&0xa0),
                    0x80.. => false,
                    _ => true,
                }
            });
            self.at += end.unwrap_or(rest.len()).max(1);
            // `a.b`, `master..x`
            let dots = (0..2).take_while(|ahead| self.byte(*ahead) == b'.').count();
            let next = self.byte(dots);
            if dots > 0 && (next.is_ascii_alphabetic() || next == b'_') {
                self.at += dots;
            } else {
                break;
            }
        }
        let text = self.text();
        if text.first() == Some(&b'_') && matches!(self.byte(0), b'\'' | b'"') {
            return self.quoted(self.byte(0));
        }
        Token::Word(meaning(text))
    }

    /// Oracle's `q'[…]'`.
    fn oracle_string(&mut self) -> Option<Token> {
        let open = self.byte(2);
        let close = match open {
            b'[' => b']',
            b'{' => b'}',
            b'(' => b')',
            b'<' => b'>',
            other if other.is_ascii_punctuation() => other,
            _ => return None,
        };
        let end = self.seek(self.at + 3, &[close, b'\''])?;
        self.at += 3 + end + 2;
        Some(Token::Text)
    }

    fn sign(&mut self, byte: u8) -> Token {
        let next = self.byte(1);
        let (len, token) = match (byte, next) {
            (b'(', _) => (1, Token::Open),
            (b')', _) => (1, Token::Close),
            (b'}', _) if self.braces > 0 => {
                self.braces -= 1;
                (1, Token::Close)
            }
            (b',', _) => (1, Token::Comma),
            (b';', _) => (1, Token::Semicolon),
            (b'|', b'|') => (2, Token::Bars),
            (b'&', b'&') => (2, Token::Ampersands),
            (b':', b':') => (2, Token::Cast),
            (b':', b'=') | (b'=', b'=') => (2, Token::Equals),
            (b'=', _) => (1, Token::Equals),
            // PostgreSQL's and MySQL's operators for JSON.
            (b'-', b'>') if self.byte(2) == b'>' => (3, Token::Arithmetic),
            (b'-', b'>') => (2, Token::Arithmetic),
            (b'@', b'>' | b'?') | (b'?', b'|' | b'&') => (2, Token::Unequal),
            (b'?', _) => (1, Token::Unequal),
            (b'<', b'=') if self.byte(2) == b'>' => (3, Token::Equals),
            (b'<', b'<') | (b'>', b'>') => (2, Token::Arithmetic),
            (b'<', b'>' | b'=' | b'@') | (b'>', b'=') | (b'!', b'=' | b'<' | b'>' | b'~') => {
                (2, Token::Unequal)
            }
            (b'<' | b'>', _) => (1, Token::Unequal),
            (b'!', _) => (1, Token::Bang),
            (b'+' | b'-', _) => (1, Token::Sign),
            (b'*', _) => (1, Token::Star),
            (b'/' | b'%' | b'^' | b'&' | b'|' | b'~', _) => (1, Token::Arithmetic),
            (b'\\', b'N') => (2, Token::Word(Word::Literal)),
            (b'@', _) => return self.variable(),
            (b'[', _) => return self.bracketed(),
            (b'$', _) => return self.dollar_string(),
            (b'{', _) => return self.escape(),
            _ => (1, Token::Other),
        };
        self.at += len;
        token
    }

    fn variable(&mut self) -> Token {
        let server = self.byte(1) == b'@';
        self.at += if server { 2 } else { 1 };
        match self.byte(0) {
            quote @ (b'`' | b'\'' | b'"') => {
                self.quoted(quote);
            }
            _ => self.while_(|byte| byte.is_ascii_alphanumeric() || b"_.$".contains(&byte)),
        }
        if server {
            Token::ServerVariable
        } else {
            Token::Variable
        }
    }

    /// `[a name]`
    fn bracketed(&mut self) -> Token {
        let body = self.rest();
        let body = body
            .get(..body.len().min(LONGEST_BRACKETED))
            .unwrap_or_default();
        let end = body.iter().skip(1).position(|byte| {
            !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ' | b'$' | b'#'))
        });
        match end.map(|end| (end + 1, body.get(end + 1))) {
            Some((end, Some(b']'))) if end > 1 => {
                self.at += end + 1;
                Token::Word(Word::Name)
            }
            _ => {
                self.at += 1;
                Token::Other
            }
        }
    }

    /// How far behind `from` a string ends.
    fn seek(&mut self, from: usize, end: &[u8]) -> Option<usize> {
        if self.sought >= MOST_SOUGHT {
            return None;
        }
        let found = memchr::memmem::find(self.bytes.get(from..)?, end);
        self.sought += u8::from(found.is_none());
        found
    }

    /// PostgreSQL's `$$…$$`, `$tag$…$tag$`; `$1`, `$x` are variables.
    fn dollar_string(&mut self) -> Token {
        let rest = self.rest();
        let name = rest.iter().skip(1).take(LONGEST_TAG);
        let name = name.take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
        let name = name.count();
        if rest.get(name + 1) == Some(&b'$') {
            let tag = rest.get(..name + 2).unwrap_or_default();
            if let Some(end) = self.seek(self.at + name + 2, tag) {
                self.at += name + 2 + end + name + 2;
                return Token::Text;
            }
        }
        self.at += 1 + name;
        Token::Variable
    }
}

/// What any dialect takes for a blank between tokens.
pub(super) const fn blank(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | 0xa0)
}
