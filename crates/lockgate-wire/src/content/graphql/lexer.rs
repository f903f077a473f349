//! Tokens of GraphQL (2.1): what is ignored between them is left out.

use crate::content::{reasons, Flaw};
use crate::reason::ReasonRef;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    End,
    /// One of `! $ & ( ) : = @ [ ] { | }`; a spread is `.`.
    Sign(u8),
    Name(&'a [u8]),
    Number,
    /// A string; what it says is in [`Lexer::text`].
    Text,
}

#[derive(Debug)]
pub(super) struct Lexer<'a> {
    document: &'a [u8],
    at: usize,
    /// Where the last token began.
    pub(super) began: usize,
    tokens_left: u32,
    pub(super) text: Vec<u8>,
    /// Whether there were comments.
    pub(super) comments: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(document: &'a [u8], tokens: u32) -> Self {
        let marked = document.starts_with(b"\xef\xbb\xbf");
        Self {
            document,
            at: if marked { 3 } else { 0 },
            began: 0,
            tokens_left: tokens,
            text: Vec::new(),
            comments: false,
        }
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, Flaw> {
        self.skip_ignored();
        self.began = self.at;
        let Some(left) = self.tokens_left.checked_sub(1) else {
            return self.fail(&reasons::GRAPHQL_TOO_MANY);
        };
        self.tokens_left = left;
        let rest = self.document.get(self.at..).unwrap_or_default();
        let Some(first) = rest.first().copied() else {
            return Ok(Token::End);
        };
        match first {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|'
            | b'}' => {
                self.at += 1;
                Ok(Token::Sign(first))
            }
            b'.' if rest.starts_with(b"...") => {
                self.at += 3;
                Ok(Token::Sign(b'.'))
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => Ok(Token::Name(self.word(rest))),
            b'-' | b'0'..=b'9' => {
                let end = rest.iter().position(|byte| {
                    !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'+' | b'.' | b'_')
                });
                let number = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                self.at += number.len();
                match is_number(number) {
                    true => Ok(Token::Number),
                    false => self.fail(&reasons::GRAPHQL_SYNTAX),
                }
            }
            b'"' => {
                self.text.clear();
                match rest.strip_prefix(b"\"\"\"") {
                    Some(inside) => self.block(inside),
                    None => self.string(rest.get(1..).unwrap_or_default()),
                }
            }
            _ => self.fail(&reasons::GRAPHQL_SYNTAX),
        }
    }

    fn word(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let end = rest.iter().position(|byte| !is_name(*byte));
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }

    fn skip_ignored(&mut self) {
        while let Some(rest) = self.document.get(self.at..) {
            match rest {
                [b' ' | b'\t' | b'\r' | b'\n' | b',', ..] => self.at += 1,
                [b'#', ..] => {
                    self.comments = true;
                    let end = memchr::memchr2(b'\n', b'\r', rest);
                    self.at += end.unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn string(&mut self, inside: &[u8]) -> Result<Token<'a>, Flaw> {
        let mut left = inside;
        loop {
            let Some(end) = memchr::memchr3(b'"', b'\\', b'\n', left) else {
                return self.fail(&reasons::GRAPHQL_SYNTAX);
            };
            let (run, behind) = left.split_at(end);
            self.text.extend_from_slice(run);
            match behind {
                [b'"', behind @ ..] => return self.end_text(behind),
                [b'\\', behind @ ..] => left = self.escape(behind)?,
                _ => return self.fail(&reasons::GRAPHQL_SYNTAX),
            }
        }
    }

    /// A block string; indentation is left in, since it means nothing to rules.
    fn block(&mut self, inside: &[u8]) -> Result<Token<'a>, Flaw> {
        let mut left = inside;
        loop {
            let Some(end) = memchr::memmem::find(left, b"\"\"\"") else {
                return self.fail(&reasons::GRAPHQL_SYNTAX);
            };
            let (run, behind) = left.split_at(end);
            left = behind.get(3..).unwrap_or_default();
            match run.strip_suffix(b"\\") {
                Some(run) => {
                    self.text.extend_from_slice(run);
                    self.text.extend_from_slice(b"\"\"\"");
                }
                None => {
                    self.text.extend_from_slice(run);
                    return self.end_text(left);
                }
            }
        }
    }

    fn end_text(&mut self, behind: &[u8]) -> Result<Token<'a>, Flaw> {
        self.at = self.document.len() - behind.len();
        match std::str::from_utf8(&self.text) {
            Ok(_) => Ok(Token::Text),
            Err(_) => self.fail(&reasons::GRAPHQL_SYNTAX),
        }
    }

    fn escape<'b>(&mut self, behind: &'b [u8]) -> Result<&'b [u8], Flaw> {
        let Some((letter, rest)) = behind.split_first() else {
            return self.fail(&reasons::GRAPHQL_SYNTAX);
        };
        self.text.push(match letter {
            b'"' | b'\\' | b'/' => *letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(rest),
            _ => return self.fail(&reasons::GRAPHQL_SYNTAX),
        });
        Ok(rest)
    }

    fn unicode<'b>(&mut self, rest: &'b [u8]) -> Result<&'b [u8], Flaw> {
        let (code, rest) = match rest.strip_prefix(b"{") {
            Some(inside) => {
                let end =
                    memchr::memchr(b'}', inside.get(..inside.len().min(9)).unwrap_or_default());
                let end = end.unwrap_or(0);
                (
                    hex(inside.get(..end)),
                    inside.get(end + 1..).unwrap_or_default(),
                )
            }
            None => (hex(rest.get(..4)), rest.get(4..).unwrap_or_default()),
        };
        let (code, rest) = match (code, rest) {
            (Some(high @ 0xd800..=0xdbff), [b'\\', b'u', rest @ ..]) => {
                let low = hex(rest.get(..4)).filter(|low| (0xdc00..=0xdfff).contains(low));
                let code = low.map(|low| 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                (code, rest.get(4..).unwrap_or_default())
            }
            other => other,
        };
        match code.and_then(char::from_u32) {
            Some(character) => {
                let bytes = character.encode_utf8(&mut [0; 4]).as_bytes().to_owned();
                self.text.extend_from_slice(&bytes);
                Ok(rest)
            }
            None => self.fail(&reasons::GRAPHQL_SYNTAX),
        }
    }

    pub(super) fn fail<T>(&self, reason: ReasonRef) -> Result<T, Flaw> {
        Err(Flaw::new(reason, self.began))
    }
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    let digits = std::str::from_utf8(digits?).ok()?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok())?
}

const fn is_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// 2.9.1 and 2.9.2: as in JSON.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(text);
    if whole == 0 || whole > 1 && text.first() == Some(&b'0') {
        return false;
    }
    let mut rest = text.get(whole..).unwrap_or_default();
    if let Some(part) = rest.strip_prefix(b".") {
        let count = digits(part);
        if count == 0 {
            return false;
        }
        rest = part.get(count..).unwrap_or_default();
    }
    match rest {
        [] => true,
        [b'e' | b'E', power @ ..] => {
            let power = power
                .strip_prefix(b"+")
                .or(power.strip_prefix(b"-"))
                .unwrap_or(power);
            !power.is_empty() && digits(power) == power.len()
        }
        _ => false,
    }
}
