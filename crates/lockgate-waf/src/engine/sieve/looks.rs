//! What is to be done with a value whose bytes are known: which patterns are asked
//! of it, and which transformations may make something of it that matches.
//!
//! Runs of transformations that change nothing of such a value come to the same, so
//! they are one [`State`]: a set of nodes of a group, as in making an automaton
//! deterministic. Looks are kept, and what cannot match is left out once for all
//! values with such bytes.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::bytes::ByteSet;
use crate::filter::{Bits, Filter, Plan};

use super::super::pattern::Step;
use super::groups::Group;
use super::Sieve;

/// Looks that are kept: those of ordinary traffic are some hundred.
const SLOTS: usize = 2048;

/// What making a look costs, where finding one costs 1.
const PRICE: u32 = 128;

/// What can be saved up, so that a worker learns ordinary traffic at once.
const MOST_SAVED: u32 = 512 * PRICE;

/// States that are known at once, and looks for whole alphabets; beyond these all
/// is forgotten, for who sends values of ever new kinds must not fill the memory.
const MOST_KNOWN: usize = 8192;

/// The number of a set of nodes that all come to the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State(u32);

impl Default for State {
    /// None that there is.
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl State {
    /// The value as it came, for the rules of a group.
    #[must_use]
    pub fn of_group(group: usize) -> Self {
        Self(u32::try_from(group).unwrap_or(u32::MAX))
    }

    /// A number from 1 that no other has.
    #[must_use]
    pub fn kind(self) -> u32 {
        self.0.saturating_add(1)
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Look {
    /// What is asked of the value.
    pub plan: Plan,
    /// What is made of it.
    pub next: Box<[Next]>,
}

/// A transformation that may make something that matches.
#[derive(Debug)]
pub struct Next {
    /// Which.
    pub step: Step,
    /// Bytes without which it leaves a value as it is.
    pub triggers: ByteSet,
    /// What comes after it.
    pub state: State,
    /// How long a thing that it makes is at least, for that.
    pub least: usize,
}

/// Nodes of a group.
type Nodes = (usize, Box<[u16]>);

/// For as few patterns looks are made for whole alphabets: what was decoded has
/// ever new sets of bytes, and a look of its own would not serve twice.
const FEW: usize = 8;

/// Looks that a worker keeps.
///
/// Whoever sends ever new sets of bytes gets what was made for whole alphabets,
/// which costs a little more later, so looks cannot be made to cost much.
#[derive(Debug, Default)]
pub struct Looks {
    slots: Vec<Kept>,
    alphabets: HashMap<(State, ByteSet, u128), Box<Look>, FixedState>,
    states: Vec<Nodes>,
    /// Of each state, whether few patterns follow from it.
    few: Vec<bool>,
    numbers: HashMap<Nodes, State, FixedState>,
    savings: u32,
    made_for: u64,
}

#[derive(Debug, Default)]
struct Kept {
    state: State,
    bytes: ByteSet,
    left: u128,
    look: Look,
}

impl Looks {
    /// Forgets what was kept for other rules, or where it became too much, and says
    /// whether it did.
    pub fn serve(&mut self, sieve: &Sieve) -> bool {
        let known = self.states.len().max(self.alphabets.len());
        if self.made_for == sieve.serial && known <= MOST_KNOWN {
            return false;
        }
        self.made_for = sieve.serial;
        self.slots.clear();
        self.slots.resize_with(SLOTS, Kept::default);
        self.alphabets.clear();
        self.states.clear();
        self.few.clear();
        self.numbers.clear();
        for group in 0..sieve.groups.len() {
            self.number(sieve, (group, [0].into()));
        }
        self.savings = MOST_SAVED;
        true
    }

    /// What is to be done with a value in this state that has these bytes and that
    /// some steps (their [`Step::bit`]s are in `left`) leave as it is.
    pub fn at(&mut self, sieve: &Sieve, state: State, mask: &ByteSet, left: u128) -> &Look {
        let bytes = match self.few.get(state.0 as usize) {
            Some(true) => sieve.filter.alphabet(mask),
            _ => Filter::classes(mask),
        };
        let slot = slot(state, &bytes, left);
        self.savings = (self.savings + 1).min(MOST_SAVED);
        let kept = &self.slots[slot];
        if kept.state != state || kept.bytes != bytes || kept.left != left {
            if self.savings < PRICE {
                return self.of_alphabet(sieve, state, mask, left);
            }
            self.savings -= PRICE;
            let look = self.make(sieve, state, &bytes, left);
            self.slots[slot] = Kept {
                state,
                bytes,
                left,
                look,
            };
        }
        &self.slots[slot].look
    }

    fn of_alphabet(&mut self, sieve: &Sieve, state: State, mask: &ByteSet, left: u128) -> &Look {
        let alphabet = sieve.filter.alphabet(mask);
        let key = (state, alphabet, left);
        if !self.alphabets.contains_key(&key) {
            let look = self.make(sieve, state, &alphabet, left);
            self.alphabets.insert(key, Box::new(look));
        }
        &self.alphabets[&key]
    }

    fn make(&mut self, sieve: &Sieve, state: State, bytes: &ByteSet, left: u128) -> Look {
        let (group, nodes) = self.states[state.0 as usize].clone();
        let nodes_of = &sieve.groups[group];
        let mut wanted = Bits::none(sieve.rules.len());
        let mut open = nodes.to_vec();
        let mut steps: Vec<(Step, Vec<u16>)> = Vec::new();
        while let Some(number) = open.pop() {
            let node = &nodes_of[usize::from(number)];
            wanted.extend(&node.wanted);
            for next in &node.next {
                let child = &nodes_of[usize::from(*next)];
                let Some(step) = child.built else {
                    continue;
                };
                if !bytes.meets(&child.triggers) || left & step.bit() != 0 {
                    open.push(*next);
                } else if let Some((_, nodes)) = steps.iter_mut().find(|known| known.0 == step) {
                    nodes.push(*next);
                } else {
                    steps.push((step, vec![*next]));
                }
            }
        }
        let mut next = Vec::new();
        for (step, mut nodes) in steps {
            let image = step.last.image(*bytes);
            nodes.retain(|node| least(sieve, nodes_of, *node, &image).is_some());
            let shortest = nodes
                .iter()
                .filter_map(|node| least(sieve, nodes_of, *node, &image))
                .min();
            let Some(least) = shortest else {
                continue;
            };
            nodes.sort_unstable();
            next.push(Next {
                step,
                triggers: step.triggers(),
                state: self.number(sieve, (group, nodes.into())),
                least,
            });
        }
        Look {
            plan: sieve.filter.plan(bytes, &wanted),
            next: next.into(),
        }
    }

    fn number(&mut self, sieve: &Sieve, nodes: Nodes) -> State {
        if let Some(state) = self.numbers.get(&nodes) {
            return *state;
        }
        let state = State(u32::try_from(self.states.len()).unwrap_or(u32::MAX));
        let mut follow = Bits::default();
        let mut open = nodes.1.to_vec();
        while let Some(node) = open.pop() {
            let node = &sieve.groups[nodes.0][usize::from(node)];
            follow.extend(&node.wanted);
            open.extend(&node.next);
        }
        self.few.push(follow.len() <= FEW);
        self.states.push(nodes.clone());
        self.numbers.insert(nodes, state);
        state
    }

    /// Whether it cannot pay for a look.
    #[cfg(test)]
    pub fn is_poor(&self) -> bool {
        self.savings + 1 < PRICE
    }
}

/// How long what a node is shown has to be at least, having no bytes but these, for
/// one of the patterns that follow from it; nothing where none can match.
fn least(sieve: &Sieve, group: &Group, number: u16, bytes: &ByteSet) -> Option<usize> {
    let node = &group[usize::from(number)];
    let own = sieve.filter.least(bytes, &node.wanted);
    let later = node.next.iter().filter_map(|next| {
        let child = &group[usize::from(*next)];
        let last = child.built?.last;
        let image = if bytes.meets(&child.triggers) {
            last.image(*bytes)
        } else {
            *bytes
        };
        let least = least(sieve, group, *next, &image)?;
        Some(
            (0..least)
                .find(|len| last.max_len(*len) >= least)
                .unwrap_or(least),
        )
    });
    own.into_iter().chain(later).min()
}

fn slot(state: State, bytes: &ByteSet, left: u128) -> usize {
    let words = bytes.words();
    let left = (left ^ (left >> 64)) as u64;
    let mixed = (words[0] ^ words[2].rotate_left(17) ^ u64::from(state.0) ^ left.rotate_left(32))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(words[1] ^ words[3].rotate_left(31))
        .wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 32) as usize % SLOTS
}
