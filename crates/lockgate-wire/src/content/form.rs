//! Forms and queries: pairs between `&`, a name before the first `=`, `+` for a
//! space, `%XX`; an escape that is none stays as it stands.

use super::{Progress, Sink};
use crate::target::triplet;

/// Reads `application/x-www-form-urlencoded`, or a query.
#[derive(Debug, Default)]
pub struct Reader {
    at: usize,
    name: Vec<u8>,
    value: Vec<u8>,
    broken: bool,
}

impl Reader {
    /// To read another; what was allocated is kept, up to `most` bytes.
    pub fn reset(&mut self, most: usize) {
        self.at = 0;
        self.broken = false;
        for buffer in [&mut self.name, &mut self.value] {
            buffer.clear();
            buffer.shrink_to(most);
        }
    }

    /// Whether a `%` stood without two hexadecimal digits behind it.
    #[must_use]
    pub const fn has_broken_escape(&self) -> bool {
        self.broken
    }

    /// Reads on, about `budget` bytes. `separator` is `&`, save where rules say
    /// otherwise. A pair that is empty is left out.
    pub fn run<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        separator: u8,
        budget: usize,
        sink: &mut S,
    ) -> Progress {
        let stop = self.at.saturating_add(budget.max(1));
        while let Some(rest) = body.get(self.at..).filter(|rest| !rest.is_empty()) {
            if self.at >= stop {
                return Progress::More;
            }
            let end = memchr::memchr(separator, rest).unwrap_or(rest.len());
            self.at += end + 1;
            let text = &rest[..end];
            if text.is_empty() {
                continue;
            }
            let (name, value) = match memchr::memchr(b'=', text) {
                Some(at) => (&text[..at], &text[at + 1..]),
                None => (text, &[][..]),
            };
            let name = decode(name, &mut self.name, &mut self.broken);
            let value = decode(value, &mut self.value, &mut self.broken);
            if !sink.pair(name, value) {
                return Progress::Stopped;
            }
        }
        Progress::Done
    }
}

/// Reads a query at once.
pub fn read<S: Sink + ?Sized>(query: &[u8], separator: u8, sink: &mut S) -> Progress {
    Reader::default().run(query, separator, usize::MAX, sink)
}

/// The text with its escapes decoded: itself, where there are none.
fn decode<'a>(text: &'a [u8], out: &'a mut Vec<u8>, broken: &mut bool) -> &'a [u8] {
    let Some(mut at) = memchr::memchr2(b'%', b'+', text) else {
        return text;
    };
    out.clear();
    out.extend_from_slice(&text[..at]);
    while let Some(byte) = text.get(at) {
        match byte {
            b'+' => out.push(b' '),
            b'%' => match triplet(&text[at..]) {
                Some(decoded) => {
                    out.push(decoded);
                    at += 2;
                }
                None => {
                    *broken = true;
                    out.push(b'%');
                }
            },
            other => out.push(*other),
        }
        at += 1;
    }
    out
}
