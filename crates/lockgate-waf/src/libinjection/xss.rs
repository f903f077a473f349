//! Whether a value is HTML that runs code.

use memchr::{memchr, memchr2};

use crate::bytes::ByteSet;

use super::html::{Context, Html, Piece};
use super::names::{attribute_of, begins_with, is_code_tag, Attribute, SCHEMES};

/// Up to this length, bytes, to read a value five times takes less than to notice
/// that two readings have come to the same.
const SHORT: usize = 256;

/// Where a value may stand, and the byte without which it says nothing there.
const CONTEXTS: [(Context, Option<u8>); 5] = [
    (Context::Tag, None),
    (Context::Text, Some(b'<')),
    (Context::Quoted(b'\''), Some(b'\'')),
    (Context::Quoted(b'"'), Some(b'"')),
    (Context::Quoted(b'`'), Some(b'`')),
];

/// Whether `value` is HTML that runs code, between tags, within one or within an
/// attribute's value. Linear in the value's length; nothing is allocated.
#[must_use]
pub fn xss(value: &[u8]) -> bool {
    if cannot_be_xss(value) {
        return false;
    }
    let mut contexts = CONTEXTS.iter().filter(|(_, needs)| {
        let found = |byte| memchr(byte, value).is_some();
        needs.is_none_or(found)
    });
    if value.len() <= SHORT {
        return contexts.any(|(context, _)| Reading::new(value, *context).runs());
    }
    let mut readings = [None; CONTEXTS.len()];
    for (reading, (context, _)) in readings.iter_mut().zip(contexts) {
        *reading = Some(Reading::new(value, *context));
    }
    any_runs(&mut readings)
}

/// Whether any of these readings of one value runs code. The one that is least far
/// goes on, so that those which come to the same are noticed: from there on one of
/// them does for both.
fn any_runs(readings: &mut [Option<Reading<'_>>]) -> bool {
    while let Some((place, next)) = least_far(readings) {
        let Some(reading) = readings.get_mut(place).and_then(Option::as_mut) else {
            break;
        };
        let goes_on = loop {
            match reading.step() {
                None => break false,
                Some(true) => return true,
                Some(false) if reading.html.at() >= next => break true,
                Some(false) => {}
            }
        };
        let (before, behind) = readings.split_at_mut(place);
        let Some((reading, behind)) = behind.split_first_mut() else {
            break;
        };
        let mut others = before.iter().chain(&*behind).flatten();
        let met = |reading: &Reading<'_>| others.any(|other| reading.goes_on_as(other));
        if !goes_on || reading.as_ref().is_some_and(met) {
            *reading = None;
        }
    }
    false
}

/// Which reading is least far, and how far the next one is.
fn least_far(readings: &[Option<Reading<'_>>]) -> Option<(usize, usize)> {
    let (mut least, mut next) = (None, usize::MAX);
    for (place, reading) in readings.iter().enumerate() {
        let Some(at) = reading.as_ref().map(|reading| reading.html.at()) else {
            continue;
        };
        match least {
            Some((_, first)) if at >= first => next = next.min(at),
            _ => {
                next = least.map_or(usize::MAX, |(_, first)| first);
                least = Some((place, at));
            }
        }
    }
    least.map(|(place, _)| (place, next))
}

/// A value that is read in one context.
#[derive(Clone, Copy)]
struct Reading<'a> {
    html: Html<'a>,
    /// What the attribute whose name was read last makes of its value.
    attribute: Attribute,
}

impl<'a> Reading<'a> {
    fn new(value: &'a [u8], context: Context) -> Self {
        Self {
            html: Html::new(value, context),
            attribute: Attribute::Plain,
        }
    }

    /// Whether anything in it runs code.
    fn runs(mut self) -> bool {
        while let Some(found) = self.step() {
            if found {
                return true;
            }
        }
        false
    }

    fn goes_on_as(&self, other: &Self) -> bool {
        self.attribute == other.attribute && self.html.goes_on_as(&other.html)
    }

    /// Reads a piece and says whether it runs code; nothing where none is left.
    fn step(&mut self) -> Option<bool> {
        let piece = self.html.next()?;
        let before = std::mem::replace(&mut self.attribute, Attribute::Plain);
        Some(match piece {
            Piece::Doctype(_) => true,
            Piece::Tag(name) => is_code_tag(name),
            Piece::Name(name) => {
                self.attribute = attribute_of(name);
                false
            }
            Piece::Value(value) => match before {
                Attribute::Plain => false,
                Attribute::Code => true,
                Attribute::Address => is_code_address(value),
                Attribute::Name => attribute_of(value) != Attribute::Plain,
            },
            Piece::Comment(text) => is_code_comment(text),
            Piece::Text(_) | Piece::TagEnd(_) | Piece::SelfClosing(_) | Piece::Closing(_) => false,
        })
    }
}

/// A value with none of these bytes is no HTML that runs code: it has no tag, and no
/// attribute has a value.
pub const XSS_NEEDS: ByteSet = ByteSet::of(b"<=");

/// Whether [`xss`] cannot but find nothing, told at a glance. `false` says nothing.
#[must_use]
pub fn cannot_be_xss(value: &[u8]) -> bool {
    memchr2(b'<', b'=', value).is_none()
}

/// Internet Explorer's conditional comments, imports, and comments that a
/// backquote ends; namespaces and entities of XML.
fn is_code_comment(text: &[u8]) -> bool {
    memchr(b'`', text).is_some()
        || (text.len() > 3 && (begins_with(text, b"[IF") || begins_with(text, b"XML")))
        || begins_with(text, b"IMPORT")
        || begins_with(text, b"ENTITY")
}

fn is_code_address(value: &[u8]) -> bool {
    let start = value.iter().position(|byte| matches!(byte, 33..=126));
    let address = start
        .and_then(|start| value.get(start..))
        .unwrap_or_default();
    SCHEMES.iter().any(|scheme| decodes_to(address, scheme))
}

/// Whether `text` begins with `word` once its character references are read,
/// without regard to case. What is not seen at its beginning does not count, nor
/// do zero bytes and line feeds.
fn decodes_to(text: &[u8], word: &[u8]) -> bool {
    let mut rest = text;
    let mut want = word.iter();
    let Some(mut next) = want.next() else {
        return true;
    };
    let mut begun = false;
    while !rest.is_empty() {
        let (point, len) = decode(rest);
        rest = rest.get(len..).unwrap_or_default();
        if !begun && point <= 32 {
            continue;
        }
        begun = true;
        if point == 0 || point == 10 {
            continue;
        }
        let point = if (97..=122).contains(&point) {
            point - 32
        } else {
            point
        };
        // Only the lowest byte of a character is compared.
        if point & 0xFF != u32::from(*next) {
            return false;
        }
        match want.next() {
            Some(after) => next = after,
            None => return true,
        }
    }
    false
}

/// Beyond this a character reference is none.
const HIGHEST: u32 = 0x10_00FF;

/// The first character of `text` and how many bytes it takes: a byte, or a numeric
/// reference with or without its semicolon.
fn decode(text: &[u8]) -> (u32, usize) {
    let first = text.first().copied().map_or(0, u32::from);
    let (digits, base, at) = match text {
        [b'&', b'#', b'x' | b'X', digits @ ..] => (digits, 16, 3),
        [b'&', b'#', digits @ ..] => (digits, 10, 2),
        _ => return (first, 1),
    };
    let mut point = 0;
    let mut len = 0;
    while let Some(digit) = digits
        .get(len)
        .and_then(|byte| char::from(*byte).to_digit(base))
    {
        point = point * base + digit;
        if point > HIGHEST {
            return (first, 1);
        }
        len += 1;
    }
    if len == 0 {
        return (first, 1);
    }
    let semicolon = usize::from(digits.get(len) == Some(&b';'));
    (point, at + len + semicolon)
}
