//! PCRE's syntax, said in that of `regex-syntax`.
//!
//! Every literal byte is written as `\xHH` unless it is a letter or a digit, and
//! every class as its bytes: so nothing is left that both read differently.

use super::class::{class, written, ACROSS, DOWN};
use crate::seclang::codes::Code;
use crate::seclang::errors::Fault;
use crate::seclang::text::Text;

/// A pattern in the syntax of `regex-syntax`.
#[derive(Debug)]
pub(super) struct Translated {
    /// The pattern.
    pub pattern: String,
    /// Where in it something begins, and where that stood in the directive.
    origins: Vec<(usize, usize)>,
}

impl Translated {
    /// Where in the directive that stood which is at `offset` now.
    pub fn origin(&self, offset: usize) -> usize {
        let after = self.origins.partition_point(|(to, _)| *to <= offset);
        let found = after.checked_sub(1).and_then(|i| self.origins.get(i));
        found.map_or(0, |(_, from)| *from)
    }
}

/// A pattern, byte by byte.
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    text: Text<'a>,
    index: usize,
    /// Whether what follows stands for itself up to a `\E`, in a class.
    pub quoted: bool,
}

impl<'a> Scanner<'a> {
    /// Where the next byte stands in the directive.
    pub fn position(&self) -> usize {
        self.text.at + self.index
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.text.bytes.get(self.index..).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    pub fn peek_second(&self) -> Option<u8> {
        self.rest().get(1).copied()
    }

    pub fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.index += 1;
        Some(byte)
    }

    pub fn eat(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.index += usize::from(is);
        is
    }

    pub fn skip(&mut self, count: usize) {
        self.index += count;
    }

    /// A byte written with up to three octal digits, `first` among them.
    pub fn octal(&mut self, first: u8) -> u8 {
        let mut value = u32::from(first - b'0');
        for _ in 0..2 {
            match self.peek() {
                Some(digit @ b'0'..=b'7') => value = value * 8 + u32::from(digit - b'0'),
                _ => break,
            }
            self.index += 1;
        }
        // As PCRE does without UTF: the low eight bits.
        (value & 0xFF) as u8
    }

    /// The byte that a backslash and `byte` stand for, inside a class and outside alike.
    pub fn escaped_byte(&mut self, byte: u8, at: usize) -> Result<u8, Fault> {
        let bad = |message: String| Err(Fault::new(at, Code::BadPattern, message));
        match byte {
            b'a' => Ok(7),
            b'e' => Ok(0x1B),
            b'f' => Ok(0x0C),
            b'n' => Ok(b'\n'),
            b'r' => Ok(b'\r'),
            b't' => Ok(b'\t'),
            b'c' => match self.next() {
                Some(key @ b' '..=b'~') => Ok(key.to_ascii_uppercase() ^ 0x40),
                _ => bad("A printable character has to follow `\\c`.".to_owned()),
            },
            b'x' | b'o' => {
                let radix = if byte == b'x' { 16 } else { 8 };
                let digits: &[u8] = if self.eat(b'{') {
                    let Some(end) = self.rest().iter().position(|b| *b == b'}') else {
                        return bad("A `}` is missing.".to_owned());
                    };
                    let digits = self.rest().get(..end).unwrap_or_default();
                    self.index += end + 1;
                    digits
                } else if byte == b'x' {
                    let most = self.rest().get(..2).unwrap_or(self.rest());
                    let count = most.iter().take_while(|b| b.is_ascii_hexdigit()).count();
                    self.index += count;
                    most.get(..count).unwrap_or_default()
                } else {
                    return bad("`\\o` is written `\\o{…}`.".to_owned());
                };
                if digits.is_empty() {
                    return bad("Here hexadecimal digits are missing, as in `\\x41`.".to_owned());
                }
                let text = std::str::from_utf8(digits).unwrap_or_default();
                match u32::from_str_radix(text, radix).map(u8::try_from) {
                    Ok(Ok(value)) => Ok(value),
                    Ok(Err(_)) => bad(format!(
                        "Patterns match bytes, and {text} is more than a byte: write the character's UTF-8 bytes, each as `\\xHH`."
                    )),
                    Err(_) => bad(format!("`{text}` is no number.")),
                }
            }
            letter if letter.is_ascii_alphanumeric() => {
                bad(format!("`\\{}` means nothing here.", char::from(letter)))
            }
            other => Ok(other),
        }
    }
}

/// Reads a pattern, and writes it anew.
pub(super) fn translate(text: Text<'_>) -> Result<Translated, Fault> {
    let mut translator = Translator {
        scanner: Scanner {
            text,
            index: 0,
            quoted: false,
        },
        out: String::with_capacity(text.bytes.len() * 2),
        origins: Vec::new(),
        extended: false,
        outer: Vec::new(),
    };
    while translator.scanner.peek().is_some() {
        translator.piece()?;
    }
    Ok(Translated {
        pattern: translator.out,
        origins: translator.origins,
    })
}

struct Translator<'a> {
    scanner: Scanner<'a>,
    out: String,
    origins: Vec<(usize, usize)>,
    /// Whether `(?x)` holds: white space and comments mean nothing.
    extended: bool,
    /// The same for the groups around.
    outer: Vec<bool>,
}

/// The fault that a pattern asks for what takes more than linear time.
fn unsupported(at: usize, what: &str) -> Fault {
    Fault::new(
        at,
        Code::UnsupportedPattern,
        format!("{what}: patterns are matched in linear time here, which has no such thing. Write the pattern without, or split it over the rules of a chain."),
    )
}

impl Translator<'_> {
    fn piece(&mut self) -> Result<(), Fault> {
        let at = self.scanner.position();
        self.origins.push((self.out.len(), at));
        let Some(byte) = self.scanner.next() else {
            return Ok(());
        };
        match byte {
            b'\\' => self.escape(at)?,
            b'[' => self.out += &class(&mut self.scanner)?,
            b'(' => self.group(at)?,
            b')' => {
                self.extended = self.outer.pop().unwrap_or(self.extended);
                self.out.push(')');
            }
            b'*' | b'+' | b'?' => {
                self.out.push(char::from(byte));
                self.after_quantifier(at)?;
            }
            b'{' => match bounds(self.scanner.rest()) {
                Some(length) => {
                    let bounds = self.scanner.rest().get(..length).unwrap_or_default();
                    self.out.push('{');
                    self.out += &String::from_utf8_lossy(bounds);
                    self.scanner.skip(length);
                    self.after_quantifier(at)?;
                }
                None if looks_like_bounds(self.scanner.rest()) => {
                    return Err(Fault::new(
                        at,
                        Code::BadPattern,
                        "Some versions of PCRE take this for a number of repetitions, and some for itself: write {0,n} without spaces, or `\\{`.",
                    ));
                }
                None => self.literal(b'{'),
            },
            b'.' | b'^' | b'$' | b'|' => self.out.push(char::from(byte)),
            b'#' if self.extended => {
                let rest = self.scanner.rest();
                let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                self.scanner.skip(end);
            }
            byte if self.extended && byte.is_ascii_whitespace() => {}
            byte => self.literal(byte),
        }
        Ok(())
    }

    fn literal(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() {
            self.out.push(char::from(byte));
        } else {
            self.out += &format!("\\x{byte:02X}");
        }
    }

    /// `?` makes it lazy; `+` makes it possessive.
    fn after_quantifier(&mut self, at: usize) -> Result<(), Fault> {
        if self.scanner.peek() == Some(b'+') {
            return Err(unsupported(at, "A possessive quantifier"));
        }
        if self.scanner.eat(b'?') {
            self.out.push('?');
        }
        Ok(())
    }

    fn escape(&mut self, at: usize) -> Result<(), Fault> {
        let Some(byte) = self.scanner.next() else {
            return Err(Fault::new(
                at,
                Code::BadPattern,
                "A backslash ends the pattern.",
            ));
        };
        match byte {
            b'd' | b'D' | b's' | b'S' | b'w' | b'W' | b'b' | b'B' | b'A' | b'z' => {
                self.out.push('\\');
                self.out.push(char::from(byte));
            }
            b'h' => self.out += &written(&ACROSS, false),
            b'H' => self.out += &written(&ACROSS, true),
            b'v' => self.out += &written(&DOWN, false),
            b'V' => self.out += &written(&DOWN, true),
            b'N' => self.out += "[^\\x0A]",
            b'C' => self.out += "[\\x00-\\xFF]",
            b'E' => {}
            b'Q' => {
                while let Some(byte) = self.scanner.next() {
                    if byte == b'\\' && self.scanner.eat(b'E') {
                        break;
                    }
                    self.literal(byte);
                }
            }
            b'Z' => {
                return Err(unsupported(
                    at,
                    "`\\Z` looks ahead for a last line feed (`\\z` is the end, `\\n?\\z` the end with one)",
                ))
            }
            b'1'..=b'9' => {
                let digits = self.scanner.rest().iter().take(2);
                let octal = digits.filter(|b| matches!(b, b'0'..=b'7')).count() == 2;
                if byte > b'7' || !octal {
                    return Err(unsupported(at, "A back-reference"));
                }
                let byte = self.scanner.octal(byte);
                self.literal(byte);
            }
            b'0' => {
                let byte = self.scanner.octal(byte);
                self.literal(byte);
            }
            b'g' | b'k' => return Err(unsupported(at, "A back-reference")),
            b'G' | b'K' | b'R' | b'X' => {
                let what = format!("`\\{}`", char::from(byte));
                return Err(unsupported(at, &what));
            }
            b'p' | b'P' => {
                return Err(Fault::new(
                    at,
                    Code::UnsupportedPattern,
                    "Patterns match bytes, and bytes have no Unicode properties: write the bytes out.",
                ))
            }
            other => {
                let byte = self.scanner.escaped_byte(other, at)?;
                self.literal(byte);
            }
        }
        Ok(())
    }

    fn group(&mut self, at: usize) -> Result<(), Fault> {
        if self.scanner.peek() == Some(b'*') {
            return Err(unsupported(at, "A verb such as (*ACCEPT)"));
        }
        if !self.scanner.eat(b'?') {
            self.out.push('(');
            self.outer.push(self.extended);
            return Ok(());
        }
        match (self.scanner.peek(), self.scanner.peek_second()) {
            (Some(b'='), _) | (Some(b'!'), _) => Err(unsupported(at, "Looking ahead")),
            (Some(b'<'), Some(b'=' | b'!')) => Err(unsupported(at, "Looking behind")),
            (Some(b'>'), _) => Err(unsupported(at, "An atomic group")),
            (Some(b'|'), _) => Err(unsupported(at, "Groups that share their numbers")),
            (Some(b'('), _) => Err(unsupported(at, "A condition")),
            (Some(b'P'), Some(b'=')) => Err(unsupported(at, "A back-reference")),
            (Some(b'R' | b'&' | b'C' | b'+' | b'0'..=b'9'), _)
            | (Some(b'P'), Some(b'>'))
            | (Some(b'-'), Some(b'0'..=b'9')) => Err(unsupported(at, "Recursion")),
            (Some(b'#'), _) => {
                let rest = self.scanner.rest();
                let end = rest.iter().position(|b| *b == b')');
                self.scanner.skip(end.map_or(rest.len(), |end| end + 1));
                Ok(())
            }
            (Some(b'P'), Some(b'<')) => {
                self.scanner.skip(2);
                self.name(b'>', at)
            }
            (Some(b'<'), _) => {
                self.scanner.skip(1);
                self.name(b'>', at)
            }
            (Some(b'\''), _) => {
                self.scanner.skip(1);
                self.name(b'\'', at)
            }
            _ => self.flags(at),
        }
    }

    fn name(&mut self, end: u8, at: usize) -> Result<(), Fault> {
        let rest = self.scanner.rest();
        let length = rest.iter().position(|b| *b == end).unwrap_or(0);
        let name = rest.get(..length).unwrap_or_default();
        let fits = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        if name.is_empty() || !name.iter().all(fits) {
            return Err(Fault::new(
                at,
                Code::BadPattern,
                "A group's name is made of letters, digits and `_`.",
            ));
        }
        self.out += &format!("(?P<{}>", String::from_utf8_lossy(name));
        self.scanner.skip(length + 1);
        self.outer.push(self.extended);
        Ok(())
    }

    /// `(?i)`, `(?i:`, `(?:`.
    fn flags(&mut self, at: usize) -> Result<(), Fault> {
        let mut flags = String::new();
        let mut extended = self.extended;
        let mut on = true;
        loop {
            match self.scanner.next() {
                Some(flag @ (b'i' | b'm' | b's' | b'U')) => flags.push(char::from(flag)),
                Some(b'x') => extended = on,
                Some(b'-') if on => {
                    on = false;
                    flags.push('-');
                }
                Some(b':') => {
                    let flags = flags.strip_suffix('-').unwrap_or(&flags);
                    self.out += &format!("(?{flags}:");
                    self.outer.push(self.extended);
                    self.extended = extended;
                    return Ok(());
                }
                Some(b')') => {
                    let flags = flags.strip_suffix('-').unwrap_or(&flags);
                    if !flags.is_empty() {
                        self.out += &format!("(?{flags})");
                    }
                    self.extended = extended;
                    return Ok(());
                }
                _ => {
                    return Err(Fault::new(
                        at,
                        Code::BadPattern,
                        "What follows `(?` is no kind of group and no flag: flags are i, m, s, x and U.",
                    ));
                }
            }
        }
    }
}

/// Whether what follows a `{` is like bounds and yet none: `{,3}`, `{1, 3}`.
fn looks_like_bounds(rest: &[u8]) -> bool {
    /// More than bounds and a few spaces have.
    const LONGEST: usize = 24;
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let inner = rest
        .iter()
        .position(|b| *b == b'}')
        .and_then(|end| rest.get(..end));
    inner.is_some_and(|inner| {
        inner.iter().any(u8::is_ascii_digit)
            && inner
                .iter()
                .all(|b| b.is_ascii_digit() || matches!(b, b',' | b' ' | b'\t'))
    })
}

/// How long the bounds are that follow a `{`, with the `}`; nothing, where the
/// bracket stands for itself.
fn bounds(rest: &[u8]) -> Option<usize> {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let first = digits(rest);
    if first == 0 {
        return None;
    }
    let after = rest.get(first..)?;
    match after.first()? {
        b'}' => Some(first + 1),
        b',' => {
            let second = digits(after.get(1..)?);
            (after.get(1 + second)? == &b'}').then_some(first + second + 2)
        }
        _ => None,
    }
}
