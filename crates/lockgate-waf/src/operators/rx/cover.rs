//! Which states of an automaton others stand for.
//!
//! Where two places in an expression are reached at once, and whatever leads to
//! a match from the one leads to one from the other too, the one need not be
//! followed. Behind `.*` that is nearly all, and of a counted repetition all but
//! the place that has most left: without it, the sets of places that hostile
//! text leads to would be exponentially many.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::automaton::Automaton;
use crate::bytes::ByteSet;

/// How many looks at a step or at a pair of states one set of them is worth; what
/// was not compared is followed for itself. Hostile text needs a few thousand for
/// the largest sets of the Core Rule Set.
const LOOKS: usize = 200_000;
/// How deep comparing goes: as long as the longest counted repetition that is
/// seen through.
const DEPTH: usize = 400;

/// What is known of pairs of states: whether the second stands for the first.
#[derive(Debug, Default)]
pub(super) struct Cover {
    known: HashMap<(u32, u32), bool, FixedState>,
    /// Pairs that were taken for true while others are looked at.
    taken: Vec<(u32, u32)>,
    left: usize,
}

impl Cover {
    /// How many bytes it takes, about.
    pub(super) fn memory(&self) -> usize {
        self.known.capacity() * (size_of::<(u32, u32, bool)>() + 1)
    }

    /// Leaves out of a set what others in it stand for.
    pub(super) fn reduce(&mut self, automaton: &Automaton, set: &mut Vec<u32>) {
        if set.len() < 2 {
            return;
        }
        self.left = LOOKS;
        let mut at = 0;
        while let (Some(state), 1..) = (set.get(at).copied(), self.left) {
            let covered = set
                .iter()
                .any(|other| *other != state && self.stands_for(automaton, *other, state));
            if covered {
                set.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Whether `other` leads to a match wherever `state` does.
    fn stands_for(&mut self, automaton: &Automaton, other: u32, state: u32) -> bool {
        self.taken.clear();
        self.compare(automaton, state, other, 0)
    }

    fn compare(&mut self, automaton: &Automaton, state: u32, other: u32, depth: usize) -> bool {
        self.left = self.left.saturating_sub(1);
        if state == other {
            return true;
        }
        let (a, b) = (automaton.state(state), automaton.state(other));
        if b.matched {
            return true;
        }
        if a.matched || (a.at_end && !b.at_end) || b.least > a.least || !a.first.within(&b.first) {
            return false;
        }
        if let Some(known) = self.known.get(&(state, other)) {
            return *known;
        }
        if depth > DEPTH || self.left == 0 {
            return false;
        }
        // Taken for true: if no step tells otherwise, it is.
        let mark = self.taken.len();
        self.known.insert((state, other), true);
        self.taken.push((state, other));
        for step in automaton.steps(a) {
            let mut bytes = automaton.bytes(*step);
            for reply in automaton.steps(b) {
                self.left = self.left.saturating_sub(1);
                let covers = automaton.bytes(*reply);
                if bytes.meets(&covers) && self.compare(automaton, step.to, reply.to, depth + 1) {
                    bytes = bytes.intersection(&covers.complement());
                    if bytes == ByteSet::NONE {
                        break;
                    }
                }
            }
            if bytes != ByteSet::NONE {
                // What was found true since may rest on this.
                for pair in self.taken.drain(mark..) {
                    self.known.remove(&pair);
                }
                self.known.insert((state, other), false);
                return false;
            }
        }
        true
    }
}
