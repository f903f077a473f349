//! A deterministic automaton that is made while it is used: whether an expression
//! matches at all, in one look-up for each byte.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::automaton::Automaton;
use super::cover::Cover;

/// How much memory the states of one expression may take, in bytes; then they are
/// forgotten, and made again as they are met.
const STATE_BYTES: usize = 2 << 20;

/// What a cell of the table says, below the first row's place.
const UNKNOWN: u32 = 0;
const NO_MATCH: u32 = 1;
const MATCH: u32 = 2;

/// The states that were met so far.
#[derive(Debug, Default)]
pub(super) struct States {
    /// A row for each state, a cell for each class of bytes: where the row of the
    /// next state begins.
    cells: Vec<u32>,
    /// The set of the automaton's states that each row stands for.
    sets: Vec<Box<[u32]>>,
    rows: HashMap<Box<[u32]>, u32, FixedState>,
    cover: Cover,
    work: Vec<u32>,
    set_bytes: usize,
    start: u32,
}

impl States {
    /// How many bytes they take, about.
    pub(super) fn memory(&self) -> usize {
        self.cells.capacity() * size_of::<u32>() + self.set_bytes + self.cover.memory()
    }

    /// Where the match ends that ends first.
    pub(super) fn find_end(&mut self, automaton: &Automaton, text: &[u8]) -> Option<usize> {
        if self.start == UNKNOWN {
            self.begin(automaton);
        }
        let mut row = self.start;
        if row == MATCH {
            return Some(0);
        }
        if row == NO_MATCH {
            return None;
        }
        for (at, byte) in text.iter().enumerate() {
            let class = automaton.classes[usize::from(*byte)];
            let cell = row as usize + usize::from(class);
            let mut next = self.cells.get(cell).copied().unwrap_or(UNKNOWN);
            if next <= MATCH {
                if next == UNKNOWN {
                    next = self.step(automaton, row, class);
                }
                match next {
                    MATCH => return Some(at + 1),
                    NO_MATCH => return None,
                    _ => {}
                }
            }
            row = next;
        }
        let set = self.set(automaton, row);
        set.iter()
            .any(|state| automaton.state(*state).at_end)
            .then_some(text.len())
    }

    fn set(&self, automaton: &Automaton, row: u32) -> &[u32] {
        let index = (row as usize / automaton.examples.len()).saturating_sub(FIRST);
        self.sets.get(index).map_or(&[], |set| set)
    }

    /// The row of the start.
    fn begin(&mut self, automaton: &Automaton) {
        self.work.clear();
        self.work.extend(automaton.at_start);
        self.start = self.intern(automaton);
    }

    /// The row behind a row and a byte of a class.
    #[cold]
    fn step(&mut self, automaton: &Automaton, row: u32, class: u8) -> u32 {
        let example = automaton
            .examples
            .get(usize::from(class))
            .copied()
            .unwrap_or(0);
        let mut work = std::mem::take(&mut self.work);
        work.clear();
        for state in self.set(automaton, row) {
            for step in automaton.steps(automaton.state(*state)) {
                if automaton.bytes(*step).contains(example) {
                    work.push(step.to);
                }
            }
        }
        work.extend(automaton.behind.get(usize::from(class)).copied().flatten());
        self.work = work;
        let forgotten = self.memory() > STATE_BYTES;
        if forgotten {
            let work = std::mem::take(&mut self.work);
            *self = Self {
                work,
                ..Self::default()
            };
        }
        let next = self.intern(automaton);
        if !forgotten {
            let cell = row as usize + usize::from(class);
            if let Some(cell) = self.cells.get_mut(cell) {
                *cell = next;
            }
        }
        next
    }

    /// The row of the set that `work` holds.
    fn intern(&mut self, automaton: &Automaton) -> u32 {
        self.work.sort_unstable();
        self.work.dedup();
        if self.work.is_empty() && automaton.behind.iter().all(Option::is_none) {
            return NO_MATCH;
        }
        if self
            .work
            .iter()
            .any(|state| automaton.state(*state).matched)
        {
            return MATCH;
        }
        self.cover.reduce(automaton, &mut self.work);
        if let Some(row) = self.rows.get(self.work.as_slice()) {
            return *row;
        }
        let classes = automaton.examples.len();
        let index = self.sets.len() + FIRST;
        let Ok(row) = u32::try_from(index * classes) else {
            return NO_MATCH;
        };
        self.cells.resize((index + 1) * classes, UNKNOWN);
        let set: Box<[u32]> = self.work.as_slice().into();
        self.set_bytes += 2 * (size_of_val(&*set) + size_of::<(Box<[u32]>, u32)>());
        self.sets.push(set.clone());
        self.rows.insert(set, row);
        row
    }
}

/// Rows begin behind the numbers that mean something else, even if there is one
/// class only.
const FIRST: usize = MATCH as usize + 1;
