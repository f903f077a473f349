//! Cuts a value into tokens of SQL, whichever dialect.

use memchr::{memchr, memchr_iter};

use super::token::{kind, Token};
use super::words::{look_up, pair};

/// How what begins with a byte is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    White,
    /// One byte that is its own kind.
    Itself,
    Unknown,
    /// An operator of one byte.
    Operator,
    /// An operator of one or two bytes, or three.
    Operators,
    Quote,
    Tick,
    Hash,
    Dollar,
    Dash,
    Slash,
    Backslash,
    At,
    Bracket,
    Digit,
    Word,
    /// Words that may be a string's prefix.
    BitString,
    EscapedString,
    NationalString,
    QuotedString,
    UnicodeString,
    HexString,
}

static STARTS: [Start; 256] = starts();

const fn starts() -> [Start; 256] {
    let mut all = [Start::Word; 256];
    let mut byte = 0;
    while byte < 256 {
        all[byte] = match byte as u8 {
            0..=32 | 127 | 0xA0 => Start::White,
            b'(' | b')' | b',' | b';' | b'{' | b'}' => Start::Itself,
            b'?' | b']' => Start::Unknown,
            b'%' | b'+' | b'^' | b'~' => Start::Operator,
            b'!' | b'&' | b'*' | b':' | b'<' | b'=' | b'>' | b'|' => Start::Operators,
            b'"' | b'\'' => Start::Quote,
            b'`' => Start::Tick,
            b'#' => Start::Hash,
            b'$' => Start::Dollar,
            b'-' => Start::Dash,
            b'/' => Start::Slash,
            b'\\' => Start::Backslash,
            b'@' => Start::At,
            b'[' => Start::Bracket,
            b'.' | b'0'..=b'9' => Start::Digit,
            b'B' | b'b' => Start::BitString,
            b'E' | b'e' => Start::EscapedString,
            b'N' | b'n' => Start::NationalString,
            b'Q' | b'q' => Start::QuotedString,
            b'U' | b'u' => Start::UnicodeString,
            b'X' | b'x' => Start::HexString,
            _ => Start::Word,
        };
        byte += 1;
    }
    all
}

/// What ends a word.
const ENDS_WORD: u8 = 1;
/// What may end a word that is a keyword so far.
const SPLITS_WORD: u8 = 2;
/// What ends a variable's name.
const ENDS_VARIABLE: u8 = 4;
/// What may stand after `--` for it to be a comment everywhere.
const WHITE: u8 = 8;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut all = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        all[byte] = match byte as u8 {
            0 | b' ' | b'\t' | b'\n' | 11 | 12 | b'\r' => ENDS_WORD | ENDS_VARIABLE | WHITE,
            0xA0 => ENDS_WORD | WHITE,
            b'[' | b']' | b'{' | b'}' => ENDS_WORD,
            b'<' | b'>' | b':' | b'\\' | b'?' | b'=' | b'@' | b'!' | b'#' | b'~' | b'+' | b'-'
            | b'*' | b'/' | b'&' | b'|' | b'^' | b'%' | b'(' | b')' | b',' | b'\'' | b';'
            | b'"' => ENDS_WORD | ENDS_VARIABLE,
            b'.' => SPLITS_WORD,
            b'`' => SPLITS_WORD | ENDS_VARIABLE,
            _ => 0,
        };
        byte += 1;
    }
    all
}

fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// A zero byte counts as one of what C's `strchr` is asked for.
fn run(text: &[u8], takes: impl Fn(u8) -> bool) -> usize {
    text.iter()
        .take_while(|byte| **byte == 0 || takes(**byte))
        .count()
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Where the byte stands next, from a place on. Most strings are short, and what is
/// made for long ones takes longer to begin.
#[inline]
fn find(byte: u8, text: &[u8], from: usize) -> Option<usize> {
    const SHORT: usize = 16;
    let rest = text.get(from..)?;
    let near = rest.iter().take(SHORT).position(|other| *other == byte);
    let at = near.or_else(|| Some(SHORT + memchr(byte, rest.get(SHORT..)?)?))?;
    Some(from + at)
}

/// Where the two bytes first stand together.
fn find_pair(text: &[u8], first: u8, second: u8) -> Option<usize> {
    memchr_iter(first, text).find(|at| text.get(at + 1) == Some(&second))
}

/// A value that is cut into tokens.
pub(super) struct Sql<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether it is MySQL's dialect; else the standard's.
    mysql: bool,
    /// The quote that is open when the value begins; 0 where none is.
    quote: u8,
    /// How many tokens there were.
    pub(super) count: usize,
    /// Whether something is a comment in one dialect only.
    pub(super) ambiguous: bool,
}

impl<'a> Sql<'a> {
    /// `text`, as it stands or (`quote` being one) behind an open quote.
    pub(super) fn new(text: &'a [u8], quote: u8, mysql: bool) -> Self {
        Self {
            text,
            at: 0,
            mysql,
            quote,
            count: 0,
            ambiguous: false,
        }
    }

    /// The next token, if one is left.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Token> {
        if self.at == 0 && self.quote != 0 && !self.text.is_empty() {
            self.count += 1;
            return Some(self.string(0, self.quote));
        }
        while let Some(&byte) = self.text.get(self.at) {
            if let Some(sign) = Token::sign(byte, self.peek(1), self.at) {
                self.at += 1;
                self.count += 1;
                return Some(sign);
            }
            if let Some(token) = self.token(byte) {
                self.count += 1;
                return Some(token);
            }
        }
        None
    }

    /// What begins with `byte`, which is the next; nothing where it is white, or
    /// is read over.
    #[inline(never)]
    fn token(&mut self, byte: u8) -> Option<Token> {
        Some(match STARTS[usize::from(byte)] {
            Start::White => {
                self.at += 1;
                return None;
            }
            Start::Itself => self.take(byte, 1),
            Start::Unknown => self.take(kind::UNKNOWN, 1),
            Start::Operator => self.operator(1),
            Start::Operators => self.operators(byte),
            Start::Quote => self.string(1, byte),
            Start::Tick => self.tick(),
            Start::Hash => self.hash(),
            Start::Dollar => self.dollar(),
            Start::Dash => self.dash(),
            Start::Slash => self.slash(),
            Start::Backslash if self.peek(1) == Some(b'N') => self.take(kind::NUMBER, 2),
            Start::Backslash => self.take(kind::BACKSLASH, 1),
            Start::At => self.variable(),
            Start::Bracket => {
                let rest = self.rest(0);
                let len = memchr(b']', rest).map_or(rest.len(), |end| end + 1);
                self.take(kind::BAREWORD, len)
            }
            Start::Digit => return self.number(byte),
            Start::Word => self.word(),
            Start::BitString => self.digit_string(|byte| matches!(byte, b'0' | b'1')),
            Start::HexString => self.digit_string(|byte| byte.is_ascii_hexdigit()),
            Start::EscapedString => self.prefixed_string(),
            Start::NationalString if self.peek(1) == Some(b'\'') => self.prefixed_string(),
            Start::NationalString => self.quoted_string(1),
            Start::QuotedString => self.quoted_string(0),
            Start::UnicodeString => self.unicode_string(),
        })
    }

    /// What is left, from `skip` bytes on.
    fn rest(&self, skip: usize) -> &'a [u8] {
        self.text.get(self.at + skip..).unwrap_or_default()
    }

    fn peek(&self, skip: usize) -> Option<u8> {
        self.text.get(self.at + skip).copied()
    }

    /// What is read, all of it.
    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The next `len` bytes.
    #[inline]
    fn take(&mut self, kind: u8, len: usize) -> Token {
        let at = self.at;
        self.at = self.text.len().min(at + len);
        Token::new(kind, at, self.at - at)
    }

    /// An operator of so many bytes.
    #[inline]
    fn operator(&mut self, len: usize) -> Token {
        let at = self.at;
        self.at = self.text.len().min(at + len);
        Token::operator(at, self.text.get(at..self.at).unwrap_or_default())
    }

    /// A string whose text begins `skip` bytes on. A quote in it is doubled, or
    /// follows an odd number of backslashes.
    fn string(&mut self, skip: usize, quote: u8) -> Token {
        let rest = self.rest(skip);
        let opened = if skip > 0 { quote } else { 0 };
        // Each run of backslashes is counted once: a quote ends it.
        let mut from = 0;
        while let Some(end) = find(quote, rest, from) {
            let before = rest.get(..end).unwrap_or_default();
            let escapes = before
                .iter()
                .rev()
                .take_while(|byte| **byte == b'\\')
                .count();
            if escapes % 2 == 1 {
                from = end + 1;
                continue;
            }
            if rest.get(end + 1) == Some(&quote) {
                from = end + 2;
                continue;
            }
            let token = Token::new(kind::STRING, self.at + skip, end);
            self.at += skip + end + 1;
            return token.marked(opened, quote);
        }
        let token = Token::new(kind::STRING, self.at + skip, rest.len());
        self.at = self.text.len();
        token.marked(opened, 0)
    }

    /// A string that ends with two bytes, which are `first` and `second`.
    fn string_until(&mut self, skip: usize, first: u8, second: u8, mark: u8) -> Token {
        let end = find_pair(self.rest(skip), first, second);
        self.marked(skip, end, 2, mark)
    }

    /// A string from `skip` on, `len` bytes and what closes it, or all.
    fn marked(&mut self, skip: usize, len: Option<usize>, closing: usize, mark: u8) -> Token {
        let at = self.at + skip;
        let closed = if len.is_some() { mark } else { 0 };
        let len = match len {
            Some(len) => {
                self.at = at + len + closing;
                len
            }
            None => {
                self.at = self.text.len();
                self.at.saturating_sub(at)
            }
        };
        Token::new(kind::STRING, at, len).marked(mark, closed)
    }

    /// `E'…'` and `N'…'`.
    fn prefixed_string(&mut self) -> Token {
        if self.peek(1) != Some(b'\'') || self.peek(2).is_none() {
            return self.word();
        }
        self.string(2, b'\'')
    }

    /// `u&'…'`.
    fn unicode_string(&mut self) -> Token {
        if self.peek(1) != Some(b'&') || self.peek(2) != Some(b'\'') {
            return self.word();
        }
        self.at += 2;
        let token = self.string(1, b'\'');
        let closed = if token.closed() == 0 { 0 } else { b'u' };
        token.marked(b'u', closed)
    }

    /// Oracle's `q'[…]'`, `prefix` bytes on.
    fn quoted_string(&mut self, prefix: usize) -> Token {
        let (Some(b'q' | b'Q'), Some(b'\''), Some(open @ 33..=127)) = (
            self.peek(prefix),
            self.peek(prefix + 1),
            self.peek(prefix + 2),
        ) else {
            return self.word();
        };
        let close = match open {
            b'(' => b')',
            b'[' => b']',
            b'{' => b'}',
            b'<' => b'>',
            other => other,
        };
        self.string_until(prefix + 3, close, b'\'', b'q')
    }

    /// `b'01'` and `x'0F'`.
    fn digit_string(&mut self, takes: impl Fn(u8) -> bool) -> Token {
        if self.peek(1) != Some(b'\'') {
            return self.word();
        }
        let len = run(self.rest(2), takes);
        if self.peek(2 + len) != Some(b'\'') {
            return self.word();
        }
        self.take(kind::NUMBER, len + 3)
    }

    fn operators(&mut self, byte: u8) -> Token {
        let Some(next) = self.peek(1) else {
            return self.operator(1);
        };
        if (byte, next, self.peek(2)) == (b'<', b'=', Some(b'>')) {
            return self.operator(3);
        }
        match pair(byte, next) {
            kind::NONE if byte == b':' => self.take(kind::COLON, 1),
            kind::NONE => self.operator(1),
            kind::OPERATOR => self.operator(2),
            other => self.take(other, 2),
        }
    }

    fn line_comment(&mut self) -> Token {
        let rest = self.rest(0);
        let Some(len) = memchr(b'\n', rest) else {
            return self.take(kind::COMMENT, rest.len());
        };
        let token = self.take(kind::COMMENT, len);
        self.at += 1;
        token
    }

    /// A comment in MySQL, an operator elsewhere.
    fn hash(&mut self) -> Token {
        self.ambiguous = true;
        if self.mysql {
            return self.line_comment();
        }
        self.operator(1)
    }

    /// Two of them are a comment; in MySQL if white space follows.
    fn dash(&mut self) -> Token {
        if self.peek(1) != Some(b'-') {
            return self.operator(1);
        }
        match self.peek(2) {
            Some(next) if !is(next, WHITE) => {
                if self.mysql {
                    return self.operator(1);
                }
                self.ambiguous = true;
            }
            _ => {}
        }
        self.line_comment()
    }

    fn slash(&mut self) -> Token {
        if self.peek(1) != Some(b'*') {
            return self.operator(1);
        }
        let inside = self.rest(2);
        let end = find_pair(inside, b'*', b'/');
        // PostgreSQL's comments nest, and MySQL runs what stands in `/*! */`.
        let nested = end.is_some_and(|end| {
            let until = inside.get(..=end).unwrap_or_default();
            find_pair(until, b'/', b'*').is_some()
        });
        let evil = nested || inside.first() == Some(&b'!');
        let kind = if evil { kind::EVIL } else { kind::COMMENT };
        self.take(kind, end.map_or(inside.len() + 2, |end| end + 4))
    }

    /// Money, or PostgreSQL's `$$…$$` and `$tag$…$tag$`.
    fn dollar(&mut self) -> Token {
        let rest = self.rest(1);
        let Some(&next) = rest.first() else {
            return self.take(kind::BAREWORD, 1);
        };
        let len = run(rest, |byte| matches!(byte, b'0'..=b'9' | b'.' | b','));
        if len == 1 && next == b'.' {
            return self.word();
        }
        if len > 0 {
            return self.take(kind::NUMBER, len + 1);
        }
        if next == b'$' {
            return self.string_until(2, b'$', b'$', b'$');
        }
        let tag = run(rest, |byte| byte.is_ascii_alphabetic());
        if tag == 0 || rest.get(tag) != Some(&b'$') {
            return self.take(kind::BAREWORD, 1);
        }
        let mark = self.rest(0).get(..tag + 2).unwrap_or_default();
        let inside = self.rest(tag + 2);
        // No `$` is within the mark, so comparing stops before the next one.
        let end = memchr_iter(b'$', inside)
            .find(|at| inside.get(*at..).is_some_and(|from| from.starts_with(mark)));
        self.marked(tag + 2, end, tag + 2, b'$')
    }

    /// MySQL's quoted names.
    fn tick(&mut self) -> Token {
        let token = self.string(1, b'`').turned(kind::BAREWORD);
        match look_up(token.text(self.text)) {
            Some(found) if found.kind == kind::FUNCTION => {
                token.known(&found).turned(kind::FUNCTION)
            }
            Some(found) => token.known(&found),
            None => token,
        }
    }

    fn variable(&mut self) -> Token {
        let ats = if self.peek(1) == Some(b'@') { 2 } else { 1 };
        self.at += ats;
        let token = match self.peek(0) {
            Some(b'`') => self.tick(),
            Some(quote @ (b'\'' | b'"')) => self.string(1, quote),
            _ => {
                let rest = self.rest(0);
                let ends = rest.iter().position(|byte| is(*byte, ENDS_VARIABLE));
                self.take(kind::VARIABLE, ends.unwrap_or(rest.len()))
            }
        };
        token.turned(kind::VARIABLE).behind(ats)
    }

    fn word(&mut self) -> Token {
        let rest = self.rest(0);
        let mut len = 0;
        while let Some(&byte) = rest.get(len) {
            let class = CLASSES[usize::from(byte)];
            if class & ENDS_WORD != 0 {
                break;
            }
            // Looked for only where a token's text ends: the rest of a long word is
            // read over once, not again for each keyword that it is cut at.
            if class & SPLITS_WORD != 0 && len < super::token::LONGEST {
                if let Some(found) = rest.get(..len).and_then(look_up) {
                    if found.kind != kind::NONE && found.kind != kind::BAREWORD {
                        return self.take(found.kind, len).known(&found);
                    }
                }
            }
            len += 1;
        }
        let token = self.take(kind::BAREWORD, len);
        if len > super::token::LONGEST {
            return token;
        }
        match rest.get(..len).and_then(look_up) {
            Some(found) if found.kind != kind::NONE => token.known(&found).turned(found.kind),
            Some(found) => token.known(&found),
            None => token,
        }
    }

    fn number(&mut self, byte: u8) -> Option<Token> {
        let rest = self.rest(0);
        if byte == b'0' {
            let len = match rest.get(1) {
                Some(b'x' | b'X') => Some(run(self.rest(2), |byte| byte.is_ascii_hexdigit())),
                Some(b'b' | b'B') => Some(run(self.rest(2), |byte| matches!(byte, b'0' | b'1'))),
                _ => None,
            };
            match len {
                Some(0) => return Some(self.take(kind::BAREWORD, 2)),
                Some(len) => return Some(self.take(kind::NUMBER, len + 2)),
                None => {}
            }
        }
        let mut len = digits(rest);
        if rest.get(len) == Some(&b'.') {
            len += 1 + digits(self.rest(len + 1));
            if len == 1 {
                return Some(self.take(kind::DOT, 1));
            }
        }
        let mut exponent = true;
        if matches!(rest.get(len), Some(b'e' | b'E')) {
            len += 1;
            if matches!(rest.get(len), Some(b'+' | b'-')) {
                len += 1;
            }
            let power = digits(self.rest(len));
            exponent = power > 0;
            len += power;
        }
        // Oracle's `1.2f`; and `1fUNION` is `1f UNION`.
        if matches!(rest.get(len), Some(b'd' | b'D' | b'f' | b'F')) {
            match rest.get(len + 1) {
                None | Some(b';' | b'u' | b'U') => len += 1,
                Some(next) if is(*next, WHITE) => len += 1,
                Some(_) => {}
            }
        }
        let token = self.take(kind::NUMBER, len);
        // MySQL reads over `1.e`, and so do we.
        exponent.then_some(token)
    }
}
