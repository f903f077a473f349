//! Which of many patterns may match a value at all.
//!
//! Rules ask some hundred questions of every value, and on benign traffic nearly
//! every answer is no. A [`Filter`] finds these answers together: it names a few
//! patterns that may match, and whatever it does not name does not match.
//!
//! 1. The set of the value's bytes picks a [`Plan`]: patterns that need other bytes,
//!    or a longer value, fall out. Whoever asks keeps plans of sets that come often.
//! 2. Of each pattern texts are known one of which has to occur; one scan finds
//!    the texts of all patterns. They were drawn from what is left of a pattern
//!    where a value has only the bytes of a certain alphabet: without quotes,
//!    say, a pattern that tolerates quotes between any two letters is a word.
//! 3. What has no such texts is named where its condition on bytes holds.
//!
//! The time is linear in the value's length, and memory is bounded.

use regex_syntax::hir::Hir;

use crate::bytes::ByteSet;

mod bits;
mod condition;
mod facts;
mod found;
mod level;
mod literals;
mod node;
mod plan;
mod runs;
mod scanner;
mod shape;
mod sides;
mod texts;

pub use bits::Bits;
pub use literals::Bounds;
pub use plan::{Plan, Room};

use condition::Condition;
use level::Level;
use node::Node;
use shape::Shape;

/// Whether a value may match, told at a glance.
pub type Glance = fn(&[u8]) -> bool;

/// What an operator asks of a value, after transformations.
#[derive(Debug, Clone, Copy)]
pub enum Pattern<'a> {
    /// A regular expression over bytes, anywhere in the value.
    Rx(&'a Hir),
    /// Any of these occurs, without ASCII case.
    Phrases(&'a [Box<[u8]>]),
    /// This occurs.
    Literal(&'a [u8]),
    /// A byte beside these occurs.
    Outside(ByteSet),
    /// One of these bytes occurs, and the value has at least so many bytes.
    NeedsAny(ByteSet, usize),
    /// One of these bytes occurs, and a glance at the value does not say no.
    Glance(ByteSet, Glance),
    /// Nothing can be said.
    Always,
}

/// Why there is no filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// More than [`MOST_PATTERNS`]: so many.
    TooManyPatterns(usize),
    /// There is too much of this.
    TooLarge(&'static str),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooManyPatterns(count) => {
                write!(f, "{count} patterns are more than {MOST_PATTERNS}")
            }
            Self::TooLarge(cause) => write!(f, "too many {cause}"),
        }
    }
}

impl std::error::Error for Error {}

/// Up to this length, bytes, to look all bytes up in a table takes more than to collect them.
const SHORT: usize = 512;

/// The set of each byte: two loads, where shifting takes a dozen steps.
static ONES: [[u64; 4]; 256] = {
    let mut ones = [[0; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        ones[byte][byte >> 6] = 1 << (byte & 63);
        byte += 1;
    }
    ones
};

/// Patterns that one filter takes. The Core Rule Set has about 400.
pub const MOST_PATTERNS: usize = 16_384;

/// What is known of all patterns; shared by all workers, and never changed.
#[derive(Debug)]
pub struct Filter {
    count: usize,
    conditions: Vec<Condition>,
    shapes: Vec<Shape>,
    /// Of few patterns: what is asked of the value itself.
    glances: Vec<Option<Glance>>,
    /// From the smallest alphabet to the one of all bytes.
    levels: Vec<Level>,
}

impl Filter {
    /// Reads all patterns; their places in the list are their numbers.
    ///
    /// # Errors
    ///
    /// Where they are too many, or too large.
    pub fn new(patterns: &[Pattern<'_>], bounds: &Bounds) -> Result<Self, Error> {
        if patterns.len() > MOST_PATTERNS {
            return Err(Error::TooManyPatterns(patterns.len()));
        }
        let nodes: Vec<Option<Node>> = patterns
            .iter()
            .map(|pattern| match pattern {
                Pattern::Rx(hir) => Some(Node::of(hir)),
                Pattern::Literal(text) => Some(Node::text(text)),
                _ => None,
            })
            .collect();
        let conditions = patterns
            .iter()
            .zip(&nodes)
            .map(|(pattern, node)| match (pattern, node) {
                (_, Some(node)) => Condition::of(node),
                (Pattern::Phrases(texts), _) => {
                    Condition::any_text(texts.iter().map(|text| &text[..]))
                }
                (Pattern::Outside(set), _) => Condition::Outside(*set),
                (Pattern::NeedsAny(set, _) | Pattern::Glance(set, _), _) => Condition::some_of(set),
                _ => Condition::Always,
            })
            .collect();
        let shapes = nodes
            .iter()
            .zip(patterns)
            .map(|(node, pattern)| match (node, pattern) {
                (Some(node), Pattern::Rx(_)) => Shape::of(node),
                _ => Shape::ANY,
            })
            .collect();
        let glances = patterns
            .iter()
            .map(|pattern| match pattern {
                Pattern::Glance(_, may) => Some(*may),
                _ => None,
            })
            .collect();
        let mut before = Vec::new();
        before.resize_with(patterns.len(), level::Before::default);
        let levels = level::ALPHABETS
            .iter()
            .map(|alphabet| Level::new(patterns, &nodes, alphabet, bounds, &mut before))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            count: patterns.len(),
            conditions,
            shapes,
            glances,
            levels,
        })
    }

    /// The bytes of a value.
    #[must_use]
    pub fn mask(value: &[u8]) -> ByteSet {
        if value.len() > SHORT {
            let mut seen = [false; 256];
            for byte in value {
                seen[usize::from(*byte)] = true;
            }
            let mut set = ByteSet::NONE;
            let bytes = (0..=u8::MAX).zip(seen).filter(|(_, seen)| *seen);
            bytes.for_each(|(byte, _)| set.insert(byte));
            return set;
        }
        let mut words = [0_u64; 4];
        for byte in value {
            let one = &ONES[usize::from(*byte)];
            for (word, one) in words.iter_mut().zip(one) {
                *word |= one;
            }
        }
        ByteSet::from_words(words)
    }

    /// How many patterns it knows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Patterns that no text is known of, where a value may have any bytes: these
    /// are told by the value's bytes, length and ends alone.
    #[must_use]
    pub fn without_texts(&self) -> Bits {
        self.levels
            .last()
            .map_or_else(Bits::default, |level| level.bare.clone())
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.levels.iter().map(Level::memory).sum()
    }

    /// Whether a pattern's number may match a value, which has all that was asked before.
    fn fits(&self, number: usize, value: &[u8], mask: &ByteSet) -> bool {
        self.shapes[number].fits(value, mask) && self.glances[number].is_none_or(|may| may(value))
    }
}

#[cfg(test)]
mod tests;
