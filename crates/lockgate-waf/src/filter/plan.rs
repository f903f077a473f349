//! What is to be done with values that have certain bytes.

use super::level::{DIGITS, HIGH};
use super::{scanner, Bits, Filter};
use crate::bytes::ByteSet;

const UPPER: ByteSet = ByteSet::range(b'A', b'Z');
const LOWER: ByteSet = ByteSet::range(b'a', b'z');

/// Of as few patterns the conditions are asked before texts are looked for, where
/// the plan did not ask them already.
const FEW: usize = 8;

/// What is to be done with values of some bytes, for some patterns.
#[derive(Debug, Default)]
pub struct Plan {
    level: usize,
    /// Whether it was made for a whole alphabet, and not for a value's own bytes.
    wide: bool,
    /// Patterns whose texts have to be looked for.
    plain: Set,
    /// Patterns whose texts have to be looked for in what is left of the value.
    erasing: Set,
    /// Patterns that are told by their conditions alone.
    told: Set,
}

/// Some patterns.
#[derive(Debug, Default)]
struct Set {
    patterns: Bits,
    count: usize,
}

impl Set {
    fn of(patterns: Bits) -> Self {
        let count = patterns.len();
        Self { patterns, count }
    }
}

/// Room to work in.
#[derive(Debug, Default)]
pub struct Room {
    left: Vec<u64>,
    scan: scanner::Room,
}

impl Filter {
    /// The set with all capitals for any capital, all small letters for any small
    /// letter, all digits for any digit, and all bytes beyond ASCII for any of them:
    /// ordinary values have few such sets.
    #[must_use]
    pub fn classes(mask: &ByteSet) -> ByteSet {
        [UPPER, LOWER, DIGITS, HIGH]
            .iter()
            .fold(*mask, |mask, class| {
                if mask.meets(class) {
                    mask.union(class)
                } else {
                    mask
                }
            })
    }

    /// The smallest alphabet that holds these bytes: there are few of these.
    #[must_use]
    pub fn alphabet(&self, mask: &ByteSet) -> ByteSet {
        self.levels
            .get(self.level(mask))
            .map_or(ByteSet::ALL, |level| level.alphabet)
    }

    fn level(&self, mask: &ByteSet) -> usize {
        let holds = |level: &super::Level| mask.within(&level.alphabet);
        let last = self.levels.len().saturating_sub(1);
        self.levels.iter().position(holds).unwrap_or(last)
    }

    /// What is to be done with values that have no bytes but these, for the `wanted` patterns.
    #[must_use]
    pub fn plan(&self, bytes: &ByteSet, wanted: &Bits) -> Plan {
        let level = self.level(bytes);
        let lower = bytes.lowered();
        let live = |of: &Bits| {
            let mut live = Bits::none(self.count);
            for number in of.iter().filter(|number| wanted.contains(*number)) {
                if self.conditions[number].met(bytes, &lower) {
                    live.insert(number);
                }
            }
            Set::of(live)
        };
        let none = Bits::default();
        let of = self.levels.get(level);
        Plan {
            level,
            wide: of.is_none_or(|of| of.alphabet == *bytes),
            plain: live(of.map_or(&none, |of| &of.texts)),
            erasing: live(of.map_or(&none, |of| &of.erased)),
            told: live(of.map_or(&none, |of| &of.bare)),
        }
    }

    /// How long a value of no bytes but these is at least that one of these
    /// patterns matches; nothing where none can.
    #[must_use]
    pub fn least(&self, bytes: &ByteSet, wanted: &Bits) -> Option<usize> {
        let level = self.levels.get(self.level(bytes))?;
        let lower = bytes.lowered();
        let possible = |number: &usize| {
            [&level.texts, &level.erased, &level.bare]
                .iter()
                .any(|of| of.contains(*number))
                && self.conditions[*number].met(bytes, &lower)
        };
        let least = |number: usize| level.least.get(number).copied().unwrap_or(0);
        wanted.iter().filter(possible).map(least).min()
    }

    /// Adds to `hits` those of the plan's patterns that may match the value, whose
    /// bytes are `mask`, and are among those that the plan was made for. `hits`
    /// are made for at least [`Filter::count`] numbers.
    pub fn tell(
        &self,
        value: &[u8],
        mask: &ByteSet,
        plan: &Plan,
        room: &mut Room,
        hits: &mut Bits,
    ) {
        let Some(level) = self.levels.get(plan.level) else {
            return;
        };
        let long_enough = level.of_length(value.len());
        let lower = mask.lowered();
        if plan.told.count > 0 {
            let words = plan.told.patterns.words().iter().zip(long_enough);
            for (at, (told, length)) in words.enumerate() {
                let mut told = told & length;
                while told != 0 {
                    let number = at * 64 + told.trailing_zeros() as usize;
                    told &= told - 1;
                    if self.conditions[number].met(mask, &lower) && self.fits(number, value, mask) {
                        hits.insert(number);
                    }
                }
            }
        }
        for (set, erasing) in [(&plan.plain, false), (&plan.erasing, true)] {
            if set.count == 0 {
                continue;
            }
            room.left.clear();
            let words = set.patterns.words().iter().zip(long_enough);
            room.left.extend(words.map(|(word, length)| word & length));
            if plan.wide && set.count <= FEW {
                for number in set.patterns.iter() {
                    if !self.conditions[number].met(mask, &lower) {
                        room.left[number >> 6] &= !(1 << (number & 63));
                    }
                }
            }
            if room.left.iter().all(|word| *word == 0) {
                continue;
            }
            let mut tell = |number: usize| {
                if self.fits(number, value, mask) {
                    hits.insert(number);
                }
            };
            let Room { left, scan } = &mut *room;
            if erasing {
                level.scan_erasing(value, scan, left, &mut tell);
            } else {
                level.scan(value, scan, left, &mut tell);
            }
        }
    }
}
