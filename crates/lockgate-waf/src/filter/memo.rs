//! What a worker keeps of the sets of bytes that it has seen.

use super::level::{DIGITS, HIGH, LETTERS};
use super::scanner::Room;
use super::Filter;
use crate::bytes::ByteSet;

/// Sets that a memo keeps plans for: those of ordinary traffic are some hundred.
const SLOTS: usize = 1024;

/// Sets of patterns in a plan.
const SETS: usize = 3;

/// What a plan costs beside what each value pays in: a plan takes about a hundred
/// times the time of a value that has one.
const PRICE: u32 = 128;

/// What can be saved up, so that a worker learns ordinary traffic at once.
const MOST_SAVED: u32 = 128 * PRICE;

/// Plans that a worker made for sets of bytes, and room to work in. It may be
/// used with one filter after another; what it keeps is then made anew.
///
/// Whoever sends ever new sets of bytes gets what was made for whole alphabets,
/// which costs a little more later, so plans cannot be made to cost much.
#[derive(Debug, Default)]
pub struct Memo {
    keys: Vec<Key>,
    /// For each key the sets of a [`Plan`].
    plans: Vec<u64>,
    left: Vec<u64>,
    room: Room,
    savings: u32,
    words: usize,
    made_for: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Key {
    bytes: ByteSet,
    level: u32,
    used: bool,
}

/// What is to be done with a value.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Which level.
    pub level: usize,
    /// Patterns whose texts have to be looked for.
    pub plain: &'a [u64],
    /// Patterns whose texts have to be looked for in what is left of the value.
    pub erasing: &'a [u64],
    /// Patterns that are told by their conditions alone.
    pub told: &'a [u64],
    /// Room for patterns that are left.
    pub left: &'a mut [u64],
    /// Room for a scan.
    pub room: &'a mut Room,
}

impl Memo {
    /// Keeps nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The plan for a value with these bytes.
    pub(super) fn plan<'a>(&'a mut self, filter: &'a Filter, mask: &ByteSet) -> Plan<'a> {
        if self.made_for != filter.serial {
            self.renew(filter);
        }
        let bytes = classes(mask);
        let slot = slot(&bytes);
        self.savings = (self.savings + 1).min(MOST_SAVED);
        let known = self
            .keys
            .get(slot)
            .is_some_and(|key| key.used && key.bytes == bytes);
        let level = if known {
            self.keys[slot].level as usize
        } else {
            let level = filter
                .levels
                .iter()
                .position(|level| bytes.within(&level.alphabet))
                .unwrap_or(filter.levels.len().saturating_sub(1));
            if self.savings < PRICE {
                return self.fallback(filter, level);
            }
            self.savings -= PRICE;
            self.make(filter, slot, &bytes, level);
            level
        };
        let from = slot * SETS * self.words;
        let (plain, rest) = self.plans[from..from + SETS * self.words].split_at(self.words);
        let (erasing, told) = rest.split_at(self.words);
        Plan {
            level,
            plain,
            erasing,
            told,
            left: &mut self.left,
            room: &mut self.room,
        }
    }

    /// Whether it cannot pay for a plan.
    #[cfg(test)]
    pub fn is_poor(&self) -> bool {
        self.savings + 1 < PRICE
    }

    fn fallback<'a>(&'a mut self, filter: &'a Filter, level: usize) -> Plan<'a> {
        let of = filter.levels.get(level);
        Plan {
            level,
            plain: of.map_or(&[], |level| level.texts.words()),
            erasing: of.map_or(&[], |level| level.erased.words()),
            told: of.map_or(&[], |level| level.bare.words()),
            left: &mut self.left,
            room: &mut self.room,
        }
    }

    fn make(&mut self, filter: &Filter, slot: usize, bytes: &ByteSet, level: usize) {
        let lower = bytes.lowered();
        let from = slot * SETS * self.words;
        let plan = &mut self.plans[from..from + SETS * self.words];
        let Some(of) = filter.levels.get(level) else {
            return;
        };
        let alive = |word: u64, at: usize| {
            let mut alive = 0;
            let mut open = word;
            while open != 0 {
                let bit = open.trailing_zeros();
                open &= open - 1;
                if filter.conditions[at * 64 + bit as usize].met(bytes, &lower) {
                    alive |= 1 << bit;
                }
            }
            alive
        };
        let sets = [&of.texts, &of.erased, &of.bare];
        for (set, to) in sets.iter().zip(plan.chunks_mut(self.words.max(1))) {
            for (at, (to, word)) in to.iter_mut().zip(set.words()).enumerate() {
                *to = alive(*word, at);
            }
        }
        self.keys[slot] = Key {
            bytes: *bytes,
            level: u32::try_from(level).unwrap_or(0),
            used: true,
        };
    }

    fn renew(&mut self, filter: &Filter) {
        self.made_for = filter.serial;
        self.words = filter.count.div_ceil(64);
        self.keys.clear();
        self.keys.resize(SLOTS, Key::default());
        self.plans.clear();
        self.plans.resize(SLOTS * SETS * self.words, 0);
        self.left.clear();
        self.left.resize(self.words, 0);
        self.savings = MOST_SAVED;
    }
}

/// The set with all letters for any letter, all digits for any digit, and all
/// bytes beyond ASCII for any of them: ordinary values have few such sets.
fn classes(mask: &ByteSet) -> ByteSet {
    [LETTERS, DIGITS, HIGH].iter().fold(*mask, |mask, class| {
        if mask.meets(class) {
            mask.union(class)
        } else {
            mask
        }
    })
}

fn slot(bytes: &ByteSet) -> usize {
    let words = bytes.words();
    let mixed = (words[0] ^ words[2].rotate_left(17))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(words[1] ^ words[3].rotate_left(31))
        .wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 32) as usize % SLOTS
}
