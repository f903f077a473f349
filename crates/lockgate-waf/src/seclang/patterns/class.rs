//! Classes of bytes (`[…]`), as PCRE reads them.

use super::translate::Scanner;
use crate::bytes::ByteSet;
use crate::seclang::codes::Code;
use crate::seclang::errors::Fault;

/// A member of a class.
enum Member {
    Byte(u8),
    Set(ByteSet),
    Nothing,
}

/// White space that goes across (`\h`), as PCRE has it in bytes.
pub(super) const ACROSS: ByteSet = ByteSet::of(b"\t \xA0");
/// White space that goes down (`\v`).
pub(super) const DOWN: ByteSet = ByteSet::of(b"\n\x0B\x0C\r\x85");

/// Reads what follows a `[`, and gives it in the syntax of `regex-syntax`.
pub(super) fn class(scanner: &mut Scanner<'_>) -> Result<String, Fault> {
    let opened = scanner.position() - 1;
    let mut alone = scanner.clone();
    if alone.peek() == Some(b':') && !matches!(named(&mut alone, opened), Ok(Member::Byte(_))) {
        return Err(Fault::new(
            opened,
            Code::BadPattern,
            "A named class stands in a class: write [[:alpha:]].",
        ));
    }
    let negated = scanner.eat(b'^');
    let mut set = ByteSet::NONE;
    let mut first = true;
    loop {
        if scanner.peek().is_none() {
            return Err(Fault::new(
                opened,
                Code::BadPattern,
                "This class is not closed: a `]` is missing.",
            ));
        }
        if !first && !scanner.quoted && scanner.eat(b']') {
            break;
        }
        first = false;
        let at = scanner.position();
        match member(scanner)? {
            Member::Nothing => {}
            Member::Set(members) => set = set.union(&members),
            Member::Byte(low) => {
                let is_range = scanner.peek() == Some(b'-')
                    && scanner.peek_second().is_some_and(|byte| byte != b']');
                if !is_range {
                    set.insert(low);
                    continue;
                }
                scanner.eat(b'-');
                match member(scanner)? {
                    Member::Byte(high) if high < low => {
                        return Err(Fault::new(
                            at,
                            Code::BadPattern,
                            "This range ends before it begins. A `-` that stands for itself is written `\\-`.",
                        ));
                    }
                    Member::Byte(high) => set = set.union(&ByteSet::range(low, high)),
                    // `[a-\d]`: the hyphen stands for itself.
                    Member::Set(members) => {
                        set.insert(low);
                        set.insert(b'-');
                        set = set.union(&members);
                    }
                    Member::Nothing => {
                        set.insert(low);
                        set.insert(b'-');
                    }
                }
            }
        }
    }
    Ok(written(&set, negated))
}

/// A set in the syntax of `regex-syntax`.
pub(super) fn written(set: &ByteSet, negated: bool) -> String {
    use std::fmt::Write as _;
    if set.is_empty() {
        // An empty class cannot be written; its complement can.
        return if negated {
            "[\\x00-\\xFF]"
        } else {
            "[^\\x00-\\xFF]"
        }
        .to_owned();
    }
    let mut out = String::from(if negated { "[^" } else { "[" });
    let mut bytes = set.iter().peekable();
    while let Some(low) = bytes.next() {
        let mut high = low;
        while bytes
            .peek()
            .is_some_and(|next| Some(*next) == high.checked_add(1))
        {
            high = bytes.next().unwrap_or(high);
        }
        let _ = write!(out, "\\x{low:02X}");
        if high > low {
            let _ = write!(out, "-\\x{high:02X}");
        }
    }
    out.push(']');
    out
}

/// One member: a byte, or what stands for several.
fn member(scanner: &mut Scanner<'_>) -> Result<Member, Fault> {
    let at = scanner.position();
    if scanner.quoted && scanner.rest().starts_with(b"\\E") {
        scanner.skip(2);
        scanner.quoted = false;
        return Ok(Member::Nothing);
    }
    let Some(byte) = scanner.next() else {
        return Ok(Member::Nothing);
    };
    match byte {
        byte if scanner.quoted => Ok(Member::Byte(byte)),
        b'[' if matches!(scanner.peek(), Some(b':' | b'.' | b'=')) => named(scanner, at),
        b'\\' => escaped(scanner, at),
        byte => Ok(Member::Byte(byte)),
    }
}

/// `[:name:]`; where it is not written out, the bracket stands for itself.
fn named(scanner: &mut Scanner<'_>, at: usize) -> Result<Member, Fault> {
    /// `:^xdigit:]` is the longest.
    const LONGEST: usize = 12;
    let rest = scanner.rest();
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let Some(end) = rest.windows(2).skip(1).position(|pair| pair == b":]") else {
        return Ok(Member::Byte(b'['));
    };
    let name = rest.get(1..=end).unwrap_or_default();
    let (name, negated) = match name.strip_prefix(b"^") {
        Some(name) => (name, true),
        None => (name, false),
    };
    if !name.iter().all(u8::is_ascii_alphabetic) || rest.first() != Some(&b':') {
        return Ok(Member::Byte(b'['));
    }
    let is: fn(&u8) -> bool = match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"ascii" => u8::is_ascii,
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |b| matches!(b, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |b| matches!(b, b' ' | b'\t'..=b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"word" => |b| b.is_ascii_alphanumeric() || *b == b'_',
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => {
            return Err(Fault::new(
                at,
                Code::BadPattern,
                "There is no class of this name. There are alnum, alpha, ascii, blank, cntrl, digit, graph, lower, print, punct, space, upper, word, xdigit.",
            ));
        }
    };
    scanner.skip(end + 3);
    let mut set = ByteSet::NONE;
    (0..=u8::MAX).filter(is).for_each(|byte| set.insert(byte));
    Ok(Member::Set(if negated { set.complement() } else { set }))
}

/// What follows a backslash in a class.
fn escaped(scanner: &mut Scanner<'_>, at: usize) -> Result<Member, Fault> {
    let Some(byte) = scanner.next() else {
        return Err(Fault::new(
            at,
            Code::BadPattern,
            "A backslash ends the pattern.",
        ));
    };
    let digit = ByteSet::range(b'0', b'9');
    let space = ByteSet::of(b"\t\n\x0B\x0C\r ");
    let word = ByteSet::of(b"_")
        .union(&digit)
        .union(&ByteSet::range(b'a', b'z'))
        .union(&ByteSet::range(b'A', b'Z'));
    Ok(match byte {
        b'd' => Member::Set(digit),
        b'D' => Member::Set(digit.complement()),
        b's' => Member::Set(space),
        b'S' => Member::Set(space.complement()),
        b'w' => Member::Set(word),
        b'W' => Member::Set(word.complement()),
        b'h' => Member::Set(ACROSS),
        b'H' => Member::Set(ACROSS.complement()),
        b'v' => Member::Set(DOWN),
        b'V' => Member::Set(DOWN.complement()),
        b'b' => Member::Byte(8),
        b'E' => Member::Nothing,
        b'Q' => {
            scanner.quoted = true;
            Member::Nothing
        }
        b'0'..=b'7' => Member::Byte(scanner.octal(byte)),
        other => Member::Byte(scanner.escaped_byte(other, at)?),
    })
}
