//! A text as it is put together: a piece of the body while there is one alone,
//! else a copy.

use super::chars::is_allowed;
use crate::content::{reasons, Flaw};
use crate::reason::ReasonRef;

/// Longest reference: `&#x10FFFF;` with zeros before.
const LONGEST_REFERENCE: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Text {
    begin: Option<usize>,
    len: usize,
    copied: bool,
    copy: Vec<u8>,
}

impl Text {
    pub(super) fn reset(&mut self, most: usize) {
        self.clear();
        self.copy.shrink_to(most);
    }

    pub(super) fn clear(&mut self) {
        self.begin = None;
        self.len = 0;
        self.copied = false;
        self.copy.clear();
    }

    pub(super) const fn begins(&self) -> Option<usize> {
        self.begin
    }

    pub(super) fn value<'a>(&'a self, body: &'a [u8]) -> &'a [u8] {
        match (self.begin, self.copied) {
            (Some(begin), false) => body.get(begin..begin + self.len).unwrap_or_default(),
            _ => &self.copy,
        }
    }

    /// Adds the `len` bytes at `at`.
    pub(super) fn add(&mut self, body: &[u8], at: usize, len: usize) {
        if len == 0 {
            return;
        }
        if self.begin.is_none() {
            self.begin = Some(at);
            self.len = len;
            return;
        }
        let copy = self.decoded(body, at);
        copy.extend_from_slice(body.get(at..at + len).unwrap_or_default());
    }

    /// To add to it something else than stands in the body at `at`.
    pub(super) fn decoded(&mut self, body: &[u8], at: usize) -> &mut Vec<u8> {
        let begin = *self.begin.get_or_insert(at);
        if !self.copied {
            self.copied = true;
            let so_far = body.get(begin..begin + self.len).unwrap_or_default();
            self.copy.extend_from_slice(so_far);
        }
        &mut self.copy
    }
}

/// Writes what the reference at `at` stands for, and says where it ends.
pub(super) fn reference(body: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, Flaw> {
    let flaw = |reason: ReasonRef| Flaw::new(reason, at);
    let rest = body.get(at + 1..).unwrap_or_default();
    let near = rest.get(..rest.len().min(LONGEST_REFERENCE));
    let near = near.unwrap_or_default();
    let Some(end) = memchr::memchr(b';', near) else {
        return Err(flaw(match near.len() < LONGEST_REFERENCE {
            true => &reasons::XML_END,
            false => &reasons::XML_ENTITY,
        }));
    };
    match near.get(..end).unwrap_or_default() {
        b"amp" => out.push(b'&'),
        b"lt" => out.push(b'<'),
        b"gt" => out.push(b'>'),
        b"quot" => out.push(b'"'),
        b"apos" => out.push(b'\''),
        [b'#', number @ ..] => {
            let code = match number {
                [b'x', digits @ ..] => parse(digits, 16),
                digits => parse(digits, 10),
            };
            let char = code.ok_or_else(|| flaw(&reasons::XML_ENTITY))?;
            let char = char::from_u32(char).filter(|char| is_allowed(*char));
            let char = char.ok_or_else(|| flaw(&reasons::XML_CHARACTER))?;
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => return Err(flaw(&reasons::XML_ENTITY)),
    }
    Ok(at + 1 + end + 1)
}

fn parse(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        number.checked_mul(radix)?.checked_add(digit)
    })
}
