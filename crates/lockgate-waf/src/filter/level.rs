//! All patterns over one alphabet: which can match at all, and their texts.

use std::rc::Rc;

use super::literals::{phrases, required, Bounds, Ways};
use super::node::Node;
use super::scanner::{Room, Scanner};
use super::{Bits, Error, Pattern};
use crate::bytes::ByteSet;

const LETTERS: ByteSet = ByteSet::range(b'a', b'z').union(&ByteSet::range(b'A', b'Z'));
pub const DIGITS: ByteSet = ByteSet::range(b'0', b'9');
pub const HIGH: ByteSet = ByteSet::range(128, 255);
const WORDS: ByteSet = LETTERS.union(&DIGITS).union(&ByteSet::of(b" _.,@-"));
const PROSE: ByteSet = WORDS.union(&HIGH).union(&ByteSet::of(b"!?:;/+=%*#\n\r\t"));

/// Alphabets, each within the next; what a value's bytes are within picks the
/// first that holds them all.
pub const ALPHABETS: [ByteSet; 4] = [WORDS, PROSE, ByteSet::of(b"$").complement(), ByteSet::ALL];

/// What a shell takes out of words: patterns that tolerate these between any two
/// letters of a word are sought in what is left of a value without them.
const ERASED: ByteSet = ByteSet::of(b"'\"\\^[)");

/// Longer values are long enough for whatever is to be told by length.
const LENGTHS: usize = 32;

/// All patterns over one alphabet.
#[derive(Debug)]
pub struct Level {
    /// Its bytes.
    pub alphabet: ByteSet,
    /// Those that have texts.
    pub texts: Bits,
    /// Those that have texts in what is left without some bytes.
    pub erased: Bits,
    /// Those that can match, and have none.
    pub bare: Bits,
    /// For each length those that may match a value so long.
    lengths: Vec<Bits>,
    /// How long a value is at least that each matches.
    pub least: Vec<usize>,
    plain: Scanner,
    erasing: Scanner,
}

impl Level {
    /// Finds the texts of all patterns.
    pub fn new(
        patterns: &[Pattern<'_>],
        nodes: &[Option<Node>],
        alphabet: &ByteSet,
        bounds: &Bounds,
        before: &mut [Before],
    ) -> Result<Self, Error> {
        let count = patterns.len();
        let erased = ERASED.intersection(alphabet);
        let (mut texts, mut erased_texts) = (Bits::none(count), Bits::none(count));
        let mut bare = Bits::none(count);
        let mut least = vec![0; count];
        let (mut plain, mut erasing) = (Vec::new(), Vec::new());
        for (number, (pattern, node)) in patterns.iter().zip(nodes).enumerate() {
            let known = Known::of(
                pattern,
                node.as_ref(),
                alphabet,
                &erased,
                bounds,
                &mut before[number],
            );
            least[number] = known.least;
            match known.texts {
                _ if !known.possible => {}
                Found::Plain(ways) => {
                    texts.insert(number);
                    plain.push((number, ways));
                }
                Found::Erasing(ways) => {
                    erased_texts.insert(number);
                    erasing.push((number, ways));
                }
                Found::Nothing => bare.insert(number),
            }
        }
        let lengths = (0..LENGTHS)
            .map(|length| {
                let mut bits = Bits::none(count);
                for (number, least) in least.iter().enumerate() {
                    if *least <= length || length + 1 == LENGTHS {
                        bits.insert(number);
                    }
                }
                bits
            })
            .collect();
        Ok(Self {
            alphabet: *alphabet,
            texts,
            erased: erased_texts,
            bare,
            lengths,
            least,
            plain: Scanner::new(plain, ByteSet::NONE, bounds.states)?,
            erasing: Scanner::new(erasing, erased, bounds.states)?,
        })
    }

    /// Those that may match a value of so many bytes.
    pub fn of_length(&self, length: usize) -> &[u64] {
        self.lengths
            .get(length.min(LENGTHS - 1))
            .map_or(&[], Bits::words)
    }

    /// Tells those of `left` whose texts occur.
    pub fn scan(
        &self,
        value: &[u8],
        room: &mut Room,
        left: &mut [u64],
        tell: &mut dyn FnMut(usize),
    ) {
        self.plain.scan(value, room, left, tell);
    }

    /// Tells those of `left` whose texts occur in what is left of the value.
    pub fn scan_erasing(
        &self,
        value: &[u8],
        room: &mut Room,
        left: &mut [u64],
        tell: &mut dyn FnMut(usize),
    ) {
        self.erasing.scan(value, room, left, tell);
    }

    /// Makes one of so many texts say nothing.
    #[cfg(test)]
    pub fn forget(&mut self, one_of: usize) {
        self.plain.forget(one_of);
        self.erasing.forget(one_of);
    }

    /// Bytes of memory, about.
    pub fn memory(&self) -> usize {
        self.plain.memory() + self.erasing.memory()
    }
}

/// Texts of a pattern.
enum Found {
    Plain(Rc<Ways>),
    Erasing(Rc<Ways>),
    Nothing,
}

/// What was found of a pattern over the alphabet before; most are the same over
/// the next.
#[derive(Debug, Default)]
pub struct Before {
    plain: Option<(Node, Priced)>,
    erasing: Option<(Node, Priced)>,
}

type Priced = Option<(Rc<Ways>, f32)>;

/// What is known of a pattern over an alphabet.
struct Known {
    /// Whether it can match at all.
    possible: bool,
    /// How long a value is at least that it matches.
    least: usize,
    texts: Found,
}

impl Known {
    fn of(
        pattern: &Pattern<'_>,
        node: Option<&Node>,
        alphabet: &ByteSet,
        erased: &ByteSet,
        bounds: &Bounds,
        before: &mut Before,
    ) -> Self {
        let told = |possible: bool, least: usize| Self {
            possible,
            least,
            texts: Found::Nothing,
        };
        match (pattern, node) {
            (_, Some(node)) => match node.within(alphabet, &ByteSet::NONE) {
                Some(left) => Self {
                    possible: true,
                    least: left.min_len(),
                    texts: Self::texts(left, || node.within(alphabet, erased), bounds, before),
                },
                None => told(false, 0),
            },
            (Pattern::Phrases(texts), _) => {
                let left: Vec<Box<[u8]>> = texts
                    .iter()
                    .map(|text| text.to_ascii_lowercase().into_boxed_slice())
                    .filter(|text| text.iter().all(|byte| alphabet.contains(*byte)))
                    .collect();
                match left.iter().map(|text| text.len()).min() {
                    None => told(false, 0),
                    Some(0) => told(true, 0),
                    Some(least) => Self {
                        possible: true,
                        least,
                        texts: Found::Plain(Rc::new(phrases(left, bounds))),
                    },
                }
            }
            (Pattern::Outside(set), _) => told(!alphabet.within(set), 1),
            (Pattern::NeedsAny(set, least), _) => told(alphabet.meets(set), *least),
            (Pattern::Glance(set, _), _) => told(alphabet.meets(set), 1),
            _ => told(true, 0),
        }
    }

    /// The better of what occurs in the value and in what is left of it.
    fn texts(
        left: Node,
        erased: impl Fn() -> Option<Node>,
        bounds: &Bounds,
        before: &mut Before,
    ) -> Found {
        /// Where texts are as rare, nothing is to be won by erasing.
        const GOOD: f32 = 1e-3;
        let plain = again(&mut before.plain, left, bounds);
        let price = plain.as_ref().map_or(f32::MAX, |(_, price)| *price);
        if price > GOOD {
            let erasing = erased().and_then(|left| again(&mut before.erasing, left, bounds));
            if let Some((ways, other)) = erasing {
                if other < price * 0.5 {
                    return Found::Erasing(ways);
                }
            }
        }
        plain.map_or(Found::Nothing, |(ways, _)| Found::Plain(ways))
    }
}

fn again(before: &mut Option<(Node, Priced)>, left: Node, bounds: &Bounds) -> Priced {
    if let Some((node, found)) = before {
        if *node == left {
            return found.clone();
        }
    }
    let found = required(&left, bounds).map(|(ways, price)| (Rc::new(ways), price));
    *before = Some((left, found.clone()));
    found
}
