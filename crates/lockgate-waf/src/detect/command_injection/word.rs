//! A shell's word, with its quoting taken away.

use super::text::Text;

/// Bytes of a word that are kept. All of it is read, so that no number of quotes hides what it says.
const MOST: usize = 96;

/// What a word says once a shell has read it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    buffer: [u8; MOST],
    len: usize,
    /// Where what follows the last separator of a Windows path begins.
    windows: usize,
    /// Quotes, escapes or variables stand within: nobody writes a name so.
    pub(super) disguised: bool,
    /// Backslashes stand before letters: an escape, or a path of Windows.
    pub(super) escaped: bool,
    /// Quotes stand around all of it.
    pub(super) quoted: bool,
    /// Something stands in it that the shell fills in (`?`, `*`, a variable).
    pub(super) wild: bool,
    /// A variable or a command stands in it.
    pub(super) expands: bool,
    /// The first byte after it.
    pub(super) end: usize,
    /// What follows it is a blank by a trick (`${IFS}`, a brace's comma).
    pub(super) odd_blank: bool,
}

impl Word {
    /// The word as a POSIX shell reads it; a variable's place is marked with `*`.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// What follows the last backslash of a Windows path.
    pub(super) fn windows_name(&self) -> &[u8] {
        self.buffer.get(self.windows..self.len).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        // Two of them fit what one does.
        if byte == b'*' && self.bytes().last() == Some(&b'*') {
            return;
        }
        if let Some(to) = self.buffer.get_mut(self.len) {
            *to = byte;
            self.len += 1;
        }
    }

    /// Reads the word that begins at `from`. Inside of braces a comma ends a word.
    pub(super) fn read(text: &Text<'_>, from: usize, braces: bool) -> Self {
        let mut word = Self {
            buffer: [0; MOST],
            len: 0,
            windows: 0,
            disguised: false,
            escaped: false,
            quoted: false,
            wild: false,
            expands: false,
            end: from,
            odd_blank: false,
        };
        if text.is_spent() {
            return word;
        }
        let (whole, text) = (text, text.bytes);
        let mut at = from;
        let mut within: Option<u8> = None;
        let mut inner = false;
        while let Some(byte) = text.get(at).copied() {
            let next = text.get(at + 1).copied().unwrap_or(0);
            match byte {
                b'\'' | b'"' => {
                    if within.is_none_or(|open| open == byte) {
                        word.quoted |= word.len == 0;
                        // A quote within a word, and its other half: `O'Brien` has none.
                        if within.is_some() {
                            word.disguised |= inner || continues(next);
                            within = None;
                        } else {
                            inner = word.len > 0;
                            within = Some(byte);
                        }
                    }
                    at += 1;
                }
                b'^' if next.is_ascii_alphanumeric() => {
                    word.disguised = true;
                    at += 1;
                }
                b'\\' => {
                    let (skipped, escape) = escape(text, at);
                    match escape {
                        Some(plain) if within == Some(b'\'') => {
                            word.push(plain);
                            word.disguised = true;
                        }
                        _ => {
                            word.escaped |= continues(next) && word.len > 0;
                            word.windows = word.len;
                        }
                    }
                    at += if escape.is_some() && within == Some(b'\'') {
                        skipped
                    } else if next == b'\n' {
                        2
                    } else {
                        1
                    };
                }
                b'$' => match variable(whole, at) {
                    Variable::Blank(end) => {
                        word.odd_blank = true;
                        word.end = at;
                        at = end;
                        if word.len > 0 {
                            break;
                        }
                    }
                    Variable::Nothing(end) => {
                        word.disguised |= end > at + 1;
                        // `$100` is a price, too.
                        word.expands |= !next.is_ascii_digit();
                        at = end;
                    }
                    Variable::Something(end) => {
                        word.expands = true;
                        word.wild = true;
                        word.disguised |=
                            word.len > 0 && continues(text.get(end).copied().unwrap_or(0));
                        word.push(b'*');
                        at = end;
                    }
                    Variable::Quote => at += 1,
                },
                b'%' => match windows_variable(text, at) {
                    Some(end) => {
                        word.expands = true;
                        word.wild = true;
                        word.push(b'*');
                        at = end;
                    }
                    None => {
                        word.push(byte);
                        at += 1;
                    }
                },
                b'`' if word.len > 0 && within.is_none() && continues(next) => {
                    // What a command within prints is not known.
                    let Some(close) = close(whole, at) else { break };
                    word.expands = true;
                    word.wild = true;
                    word.disguised = true;
                    word.push(b'*');
                    at = close;
                }
                b'?' | b'*' if within.is_none() => {
                    word.wild = true;
                    word.push(byte);
                    at += 1;
                }
                b'[' if within.is_none() && word.len > 0 => match bracket(text, at) {
                    Some(end) => {
                        word.wild = true;
                        word.push(b'?');
                        at = end;
                    }
                    None => break,
                },
                // A blank of a form's that nobody decoded.
                b'+' if word.len > 0 && matches!(next, b'/' | b'-') => {
                    word.odd_blank = true;
                    word.end = at;
                    break;
                }
                b',' if braces => {
                    word.odd_blank = true;
                    break;
                }
                _ if ends(byte) => break,
                _ => {
                    word.push(byte);
                    at += 1;
                }
            }
        }
        let kept = word.odd_blank && !braces && word.len > 0;
        if !kept {
            word.end = at;
        }
        whole.spend(at.saturating_sub(from) + 1);
        word
    }
}

/// Whether this byte begins no word, and ends one.
pub(super) const fn ends(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\r'
            | b'\n'
            | b';'
            | b'|'
            | b'&'
            | b'`'
            | b'('
            | b')'
            | b'<'
            | b'>'
            | b'}'
            | b'{'
            | b'#'
            | 0
    )
}

/// Whether a word goes on with this byte.
const fn continues(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'\'' | b'"' | b'\\' | b'$')
}

/// What a variable stands for.
enum Variable {
    /// A blank: the shell's own separators.
    Blank(usize),
    /// Nothing: a parameter that is not set.
    Nothing(usize),
    /// Some text.
    Something(usize),
    /// A dollar sign before quotes, or by itself.
    Quote,
}

/// The longest name of a variable, and what stands in braces or within a command where lines may end too.
const VARIABLE: usize = 48;
/// What stands there on one line.
const WITHIN: usize = 1024;

fn variable(whole: &Text<'_>, at: usize) -> Variable {
    let text = whole.bytes;
    let rest = text.get(at + 1..).unwrap_or_default();
    let rest = rest.get(..VARIABLE).unwrap_or(rest);
    match rest.first() {
        Some(b'{') => {
            let Some(end) = behind(whole, at + 1, b'}') else {
                return Variable::Quote;
            };
            if rest.starts_with(b"{IFS") {
                Variable::Blank(end)
            } else if rest.starts_with(b"{@") || rest.starts_with(b"{*") {
                Variable::Nothing(end)
            } else {
                Variable::Something(end)
            }
        }
        Some(b'(') => close(whole, at).map_or(Variable::Quote, Variable::Something),
        Some(b'@' | b'*' | b'#' | b'!' | b'-' | b'?' | b'$' | b'0'..=b'9') => {
            Variable::Nothing(at + 2)
        }
        Some(b'\'' | b'"') => Variable::Quote,
        Some(first) if first.is_ascii_alphabetic() || *first == b'_' => {
            let name = rest
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                .count();
            if rest.starts_with(b"IFS") {
                // `$IFS$9`: what has no value ends the name.
                let mut end = at + 4;
                if text.get(end) == Some(&b'$') && text.get(end + 1).is_some_and(u8::is_ascii_digit)
                {
                    end += 2;
                }
                Variable::Blank(end)
            } else {
                Variable::Something(at + 1 + name)
            }
        }
        _ => Variable::Quote,
    }
}

/// `%NAME%` or `%NAME:~3,1%`.
fn windows_variable(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at + 1..)?;
    let rest = rest.get(..VARIABLE).unwrap_or(rest);
    let end = rest.iter().position(|byte| *byte == b'%')?;
    let name = rest.get(..end)?;
    let named = name.iter().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'~' | b',' | b'-')
    });
    (named && name.first()?.is_ascii_alphabetic()).then_some(at + 2 + end)
}

/// Where a command within ends: after its backtick or bracket.
fn close(whole: &Text<'_>, at: usize) -> Option<usize> {
    let tick = whole.bytes.get(at) == Some(&b'`');
    behind(whole, at + 1, if tick { b'`' } else { b')' })
}

/// What follows the next such byte, if that is near. Whoever asks for it again and again pays for what was looked at.
fn behind(whole: &Text<'_>, from: usize, wanted: u8) -> Option<usize> {
    let rest = whole.bytes.get(from..)?;
    let rest = rest.get(..WITHIN).unwrap_or(rest);
    let found = memchr::memchr(wanted, rest);
    let within = rest.get(..found.unwrap_or(rest.len()))?;
    whole.spend(within.len());
    let near = within.len() < VARIABLE || memchr::memchr(b'\n', within).is_none();
    found.filter(|_| near).map(|found| from + found + 1)
}

/// The longest bracket of a pattern.
const BRACKET: usize = 16;

/// A bracket of a shell's pattern: `[a]`, `[a-z]`.
fn bracket(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at + 1..)?;
    let rest = rest.get(..BRACKET).unwrap_or(rest);
    Some(at + 2 + rest.iter().position(|byte| *byte == b']')?)
}

/// An escape by a number (`\x63`, `\143`), and how long it is.
fn escape(text: &[u8], at: usize) -> (usize, Option<u8>) {
    let digits = |from: usize, most: usize, base: u32| {
        let mut value = 0;
        let mut count = 0;
        while let Some(digit) = text
            .get(from + count)
            .filter(|_| count < most)
            .and_then(|byte| char::from(*byte).to_digit(base))
        {
            value = value * base + digit;
            count += 1;
        }
        u8::try_from(value).ok().map(|value| (count, value))
    };
    match text.get(at + 1) {
        Some(b'x') => match digits(at + 2, 2, 16) {
            Some((count, value)) if count > 0 => (2 + count, Some(value)),
            _ => (1, None),
        },
        Some(b'0'..=b'7') => match digits(at + 1, 3, 8) {
            Some((count, value)) if count > 1 => (1 + count, Some(value)),
            _ => (1, None),
        },
        _ => (1, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Text, Word};

    fn read(text: &[u8], braces: bool) -> Word {
        Word::read(&Text::new(text), 0, braces)
    }

    fn said(text: &str) -> String {
        String::from_utf8_lossy(read(text.as_bytes(), false).bytes()).into_owned()
    }

    #[test]
    fn quoting_is_taken_away() {
        for written in [
            "cat x",
            "c''at",
            "c\"\"at",
            "c\\at",
            "c^at",
            "'cat'",
            "c$@at",
            "ca$9t",
            "$'\\x63at'",
            "$'\\143at'",
            "ca\\\nt",
        ] {
            assert_eq!(said(written), "cat", "{written}");
        }
        assert_eq!(said("c$(x)$(y)t"), "c*t");
        assert_eq!(said("c$(x)t"), "c*t");
        assert_eq!(said("c${x}t"), "c*t");
        assert_eq!(said("c[a]t"), "c?t");
        assert_eq!(said("%COMSPEC:~0,1%cat"), "*cat");
    }

    #[test]
    fn any_number_of_signs_that_say_nothing_is_taken_away() {
        for nothing in ["''", "\"\"", "$@", "$9", "\\\n", "^", "\"''\"", "''$@\"\""] {
            for many in [1, 50, 51, 100, 1000, 20_000] {
                // A caret stands before a letter.
                let many = if nothing == "^" { 1 } else { many };
                let written = format!("c{}a{0}t /etc", nothing.repeat(many));
                let word = read(written.as_bytes(), false);
                assert_eq!(word.bytes(), b"cat", "{many} of {nothing}");
                assert_eq!(word.end, written.len() - 5, "{many} of {nothing}");
            }
        }
        let long = "x".repeat(900);
        assert_eq!(said(&format!("c${{{long}}}t")), "c*t");
        assert_eq!(said(&format!("c$({long})t")), "c*t");
        let value = format!("X={long} cat");
        assert_eq!(read(value.as_bytes(), false).end, 902);
    }

    #[test]
    fn a_word_ends_where_the_shell_ends_it() {
        for written in [
            "cat$IFS$9/etc",
            "cat${IFS}/etc",
            "cat</etc",
            "cat;x",
            "cat|x",
            "cat\nx",
        ] {
            let word = read(written.as_bytes(), false);
            assert_eq!((word.bytes(), word.end), (&b"cat"[..], 3), "{written}");
        }
        let word = read(b"cat,/etc/passwd}", true);
        assert_eq!((word.bytes(), word.end), (&b"cat"[..], 3));
    }

    #[test]
    fn a_windows_path_has_its_name_at_its_end() {
        let word = read(br"c:\windows\system32\cmd.exe /c", false);
        assert_eq!(word.windows_name(), b"cmd.exe");
    }
}
