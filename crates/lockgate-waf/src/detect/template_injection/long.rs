//! Expressions that are longer than one is read at once: what is padded so much
//! hides what it runs.

/// Bytes behind an opening in which its end is looked for.
const FAR: usize = 1 << 18;
/// Of those with parentheses, which have to be counted.
const NEAR: usize = 4096;

/// Where what is opened is closed. Where nothing was found is remembered, so that
/// each byte is looked at about twice for each kind, whatever opens.
#[derive(Default)]
pub(super) struct Closings {
    /// Up to where there is none, by what closes.
    none: Vec<(&'static [u8], usize)>,
    /// How many parentheses were not closed.
    unpaired: usize,
}

impl Closings {
    /// How far behind `from` it is closed.
    pub(super) fn find(
        &mut self,
        bytes: &[u8],
        from: usize,
        close: &'static [u8],
    ) -> Option<usize> {
        let end = bytes.len().min(from + FAR);
        if close == b")" {
            let near = bytes.get(from..bytes.len().min(from + NEAR))?;
            let found = (self.unpaired < FAR / NEAR).then(|| paired(near)).flatten();
            self.unpaired += usize::from(found.is_none());
            return found;
        }
        let known = self.none.iter().position(|(kind, _)| *kind == close);
        let until = known
            .and_then(|at| self.none.get(at))
            .map_or(0, |(_, until)| *until);
        // Only once half of what would be looked at is new.
        if until >= end || until > from + FAR / 2 {
            return None;
        }
        let found = memchr::memmem::find(bytes.get(from..end)?, close);
        if found.is_none() {
            match known.and_then(|at| self.none.get_mut(at)) {
                Some((_, until)) => *until = end,
                None => self.none.push((close, end)),
            }
        }
        found
    }
}

/// Bytes of a text in quotes that are kept.
const QUOTED: usize = 32;

/// An expression without what only makes it long: blanks beyond one, and most of
/// what stands in quotes.
pub(super) fn condensed(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut quote: Option<u8> = None;
    let mut held = 0;
    for (at, byte) in text.iter().enumerate() {
        let escaped = at
            .checked_sub(1)
            .is_some_and(|at| text.get(at) == Some(&b'\\'));
        match quote {
            Some(open) if open == *byte && !escaped => quote = None,
            Some(_) => {
                held += 1;
                if held > QUOTED {
                    continue;
                }
            }
            None if matches!(byte, b'\'' | b'"') => (quote, held) = (Some(*byte), 0),
            None if byte.is_ascii_whitespace() => {
                if out.last() != Some(&b' ') {
                    out.push(b' ');
                }
                continue;
            }
            None => {}
        }
        out.push(*byte);
    }
    out
}

/// Pieces of a text, each half in the one before.
pub(super) fn pieces(text: &[u8], length: usize) -> impl Iterator<Item = &[u8]> {
    let step = (length / 2).max(1);
    let last = text.len().saturating_sub(step);
    (0..=last)
        .step_by(step)
        .filter_map(move |at| text.get(at..text.len().min(at + length)))
}

/// Where the parenthesis ends that was opened before.
fn paired(text: &[u8]) -> Option<usize> {
    let mut depth = 1;
    text.iter().position(|byte| {
        depth += match byte {
            b'(' => 1,
            b')' => -1,
            _ => 0,
        };
        depth == 0
    })
}
