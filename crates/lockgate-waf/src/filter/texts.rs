//! Texts with what can be beside them, and how rare they are.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::LazyLock;

use super::sides::{Beside, Side};
use super::Bounds;
use crate::bytes::ByteSet;

/// A text of a pattern, in lower case.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub bytes: Rc<[u8]>,
    pub before: Side,
    pub after: Side,
    /// How likely its bytes begin at a place of benign text.
    rare: f32,
}

impl Text {
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.into(),
            before: Side::OPEN,
            after: Side::OPEN,
            rare: rarity(bytes),
        }
    }

    /// Its shortest part that is rare enough, with what is beside that.
    fn window(self) -> Self {
        /// Longer parts are found no less often, and fill the automaton.
        const ENOUGH: f32 = 1e-12;
        let count = self.bytes.len();
        for len in 6..count {
            let rarest = (0..=count - len)
                .map(|at| (rarity(&self.bytes[at..at + len]), at))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            let Some((rare, at)) = rarest.filter(|(rare, _)| *rare < ENOUGH) else {
                continue;
            };
            let known = |byte: u8| Side {
                known: ByteSet::of(&[byte]),
                open: Beside::NOTHING,
            };
            let end = at + len;
            return Self {
                before: at
                    .checked_sub(1)
                    .map_or(self.before, |at| known(self.bytes[at])),
                after: self.bytes.get(end).map_or(self.after, |byte| known(*byte)),
                bytes: self.bytes[at..end].into(),
                rare,
            };
        }
        self
    }

    /// How likely its bytes begin at a place of benign text.
    pub fn rarity(&self) -> f32 {
        self.rare
    }

    /// How likely it begins at a place of benign text, with what is beside it,
    /// and with whatever.
    fn odds(&self) -> (f32, f32) {
        let beside = part(&self.before.all()) * part(&self.after.all());
        (self.rare * beside, self.rare)
    }

    /// Whether it occurs wherever the other does.
    fn covers(&self, other: &Self) -> bool {
        if self.bytes.len() > other.bytes.len() {
            return false;
        }
        let (before, after) = (self.before.all(), self.after.all());
        (0..=other.bytes.len() - self.bytes.len()).any(|at| {
            let end = at + self.bytes.len();
            other.bytes[at..end] == *self.bytes
                && match at {
                    0 => other.before.all().within(&before),
                    _ => before.bytes.contains(other.bytes[at - 1]),
                }
                && match other.bytes.get(end) {
                    None => other.after.all().within(&after),
                    Some(next) => after.bytes.contains(*next),
                }
        })
    }
}

/// Texts of which a pattern needs one: in order, each once.
pub type Texts = Vec<Text>;

/// Whether it is the empty text alone, that says nothing of what is beside it.
fn is_nothing(texts: &Texts) -> bool {
    matches!(texts.as_slice(), [text] if text.bytes.is_empty()
        && text.before == Side::OPEN && text.after == Side::OPEN)
}

/// The empty text.
pub fn nothing() -> Texts {
    vec![Text::of(b"")]
}

/// In order, each once.
pub fn sorted(mut texts: Texts) -> Texts {
    texts.sort_by(|a, b| a.bytes.cmp(&b.bytes));
    texts.dedup_by(|next, kept| {
        let same = next.bytes == kept.bytes;
        if same {
            kept.before = kept.before.either(&next.before);
            kept.after = kept.after.either(&next.after);
        }
        same
    });
    texts
}

/// Each of the first followed by each of the second, and whether some were cut
/// at their end, or at their beginning; nothing, where there are too many.
pub fn product(
    first: &Rc<Texts>,
    second: &Rc<Texts>,
    cut_end: bool,
    bounds: &Bounds,
) -> Option<(Rc<Texts>, bool)> {
    if is_nothing(second) {
        return Some((first.clone(), false));
    }
    if is_nothing(first) {
        return Some((second.clone(), false));
    }
    let count = first.len().saturating_mul(second.len());
    if count > bounds.product && first.len() > 1 && second.len() > 1 {
        return None;
    }
    let mut out = Vec::with_capacity(count);
    let mut cut = false;
    for head in first.iter() {
        for tail in second.iter() {
            let mut text = Text {
                bytes: [&head.bytes[..], &tail.bytes[..]].concat().into(),
                before: head.before,
                after: tail.after,
                rare: head.rare * tail.rare,
            };
            let over = text.bytes.len().saturating_sub(bounds.text);
            if over > 0 {
                cut = true;
                if cut_end {
                    text.bytes = text.bytes[..bounds.text].into();
                    text.after = Side::CUT;
                } else {
                    text.bytes = text.bytes[over..].into();
                    text.before = Side::CUT;
                }
                text.rare = rarity(&text.bytes);
            }
            out.push(text);
        }
    }
    Some((Rc::new(sorted(out)), cut))
}

/// The odds that one of the texts begins at a place of benign text, with what is
/// beside it, and with whatever; none, where one of them is empty.
pub fn odds(texts: &Texts) -> Option<(f32, f32)> {
    if texts.iter().any(|text| text.bytes.is_empty()) {
        return None;
    }
    Some(
        texts
            .iter()
            .map(Text::odds)
            .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1)),
    )
}

/// What is rare enough of each, without those that occur only where another does.
pub fn minimal(texts: Texts) -> Texts {
    let mut texts = sorted(texts.into_iter().map(Text::window).collect());
    texts.sort_by_key(|text| text.bytes.len());
    let mut kept: HashMap<Rc<[u8]>, Text> = HashMap::new();
    let mut lengths: Vec<usize> = Vec::new();
    for text in texts {
        let covered = lengths.iter().any(|length| {
            text.bytes
                .windows(*length)
                .any(|window| kept.get(window).is_some_and(|kept| kept.covers(&text)))
        });
        if !covered {
            if lengths.last() != Some(&text.bytes.len()) {
                lengths.push(text.bytes.len());
            }
            kept.insert(text.bytes.clone(), text);
        }
    }
    sorted(kept.into_values().collect())
}

/// The part of all places that has this beside it.
fn part(beside: &Beside) -> f32 {
    const EDGE: f32 = 0.05;
    if beside.bytes == ByteSet::ALL {
        return 1.0;
    }
    let words = beside.bytes.words();
    let bytes: f32 = words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .zip(SUMS.iter())
        .map(|(eight, sums)| sums[usize::from(eight)])
        .sum();
    (bytes + if beside.edge { EDGE } else { 0.0 }).min(1.0)
}

/// The sum of the shares of eight bytes that are next to each other, for each set of them.
static SUMS: LazyLock<Box<[[f32; 256]; 32]>> = LazyLock::new(|| {
    let mut sums = Box::new([[0.0; 256]; 32]);
    for (byte, sums) in (0..=u8::MAX).step_by(8).zip(sums.iter_mut()) {
        for (set, sum) in (0..=u8::MAX).zip(sums.iter_mut()) {
            let eight = (0..8).filter(|bit| set & (1 << bit) != 0);
            *sum = eight.map(|bit| share(byte + bit)).sum();
        }
    }
    sums
});

fn rarity(bytes: &[u8]) -> f32 {
    bytes.iter().map(|byte| share(*byte)).product()
}

/// The share of a byte in what is not an attack: prose, names, numbers, links
/// and JSON mixed. Only the order of magnitude matters.
pub fn share(byte: u8) -> f32 {
    match byte {
        b' ' => 0.12,
        b'e' => 0.09,
        b'a' | b't' => 0.07,
        b'i' | b'n' | b'o' | b'r' | b's' => 0.06,
        b'c' | b'd' | b'h' | b'l' => 0.04,
        b'm' | b'p' | b'u' => 0.03,
        b'0'..=b'9' | b'-' | b'.' | b'/' | b'b' | b'f' | b'g' | b'v' | b'w' | b'y' => 0.02,
        b'k' | b',' | b':' | b'"' => 0.01,
        b'j' | b'q' | b'x' | b'z' | b'_' | b'=' | b'&' | b'%' | b'\n' | b'\'' => 0.006,
        b'(' | b')' | b'?' | b';' | b'+' | b'!' => 0.004,
        128..=255 => 0.002,
        _ => 0.001,
    }
}
