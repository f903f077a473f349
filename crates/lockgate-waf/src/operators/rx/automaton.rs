//! An expression as a nondeterministic automaton without empty steps.
//!
//! A state is a place in the expression and, where the expression looks behind
//! (`\b`, `^`), the kind of byte before it. So whether `\b` holds is known when
//! the automaton is made, and what is looked at ahead is a byte of a step.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use regex_automata::nfa::thompson::{State as Place, NFA};
use regex_automata::util::look::{Look, LookMatcher, LookSet};
use regex_automata::util::primitives::StateID;

use crate::bytes::ByteSet;

/// How many states an automaton may have. The largest of the Core Rule Set has
/// four thousand.
const STATES: usize = 1 << 16;
/// How many steps. The largest there has a hundred thousand.
const STEPS: usize = 1 << 20;

/// A state.
#[derive(Debug, Clone)]
pub(super) struct State {
    steps: Range<u32>,
    /// The bytes that some step takes.
    pub(super) first: ByteSet,
    /// How many bytes there are to a match at least.
    pub(super) least: u32,
    /// Whether there is a match already.
    pub(super) matched: bool,
    /// Whether there is one where the text ends here.
    pub(super) at_end: bool,
}

/// A step: with any byte of this set to that state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) bytes: u32,
    pub(super) to: u32,
}

/// The automaton.
#[derive(Debug)]
pub(super) struct Automaton {
    states: Vec<State>,
    steps: Vec<Step>,
    sets: Vec<ByteSet>,
    /// Bytes that no step tells apart have one class.
    pub(super) classes: Box<[u8; 256]>,
    /// A byte of each class.
    pub(super) examples: Vec<u8>,
    /// The state where a match may begin: at the start of the text, and behind
    /// a byte of each class.
    pub(super) at_start: Option<u32>,
    pub(super) behind: Vec<Option<u32>>,
}

impl Automaton {
    pub(super) fn state(&self, number: u32) -> &State {
        // The first one is always there.
        self.states.get(number as usize).unwrap_or(&self.states[0])
    }

    pub(super) fn steps(&self, state: &State) -> &[Step] {
        let Range { start, end } = state.steps;
        self.steps
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }

    pub(super) fn bytes(&self, step: Step) -> ByteSet {
        self.sets
            .get(step.bytes as usize)
            .copied()
            .unwrap_or_default()
    }

    /// How much memory it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.states.len() * size_of::<State>()
            + self.steps.len() * size_of::<Step>()
            + self.sets.len() * size_of::<ByteSet>()
    }

    /// Of a compiled expression; `None` where it is too large, or looks at
    /// something that takes more than one byte to see.
    pub(super) fn new(nfa: &NFA) -> Option<Self> {
        let kinds = Kinds::of(nfa.look_set_any())?;
        Builder {
            nfa,
            kinds,
            numbers: HashMap::new(),
            looks: HashMap::new(),
            queue: Vec::new(),
        }
        .build()
    }
}

/// What looking around tells apart.
struct Kinds {
    /// An example and all bytes of each kind.
    kinds: Vec<(u8, ByteSet)>,
    matcher: LookMatcher,
}

impl Kinds {
    fn of(looks: LookSet) -> Option<Self> {
        let word = ByteSet::range(b'0', b'9')
            .union(&ByteSet::range(b'a', b'z'))
            .union(&ByteSet::range(b'A', b'Z'))
            .union(&ByteSet::of(b"_"));
        let mut kinds = vec![ByteSet::ALL];
        let mut split = |by: ByteSet| {
            kinds = kinds
                .iter()
                .flat_map(|kind| [kind.intersection(&by), kind.intersection(&by.complement())])
                .filter(|kind| !kind.is_empty())
                .collect();
        };
        for look in looks.iter() {
            match look {
                Look::Start | Look::End => {}
                Look::StartLF | Look::EndLF => split(ByteSet::of(b"\n")),
                Look::WordAscii
                | Look::WordAsciiNegate
                | Look::WordStartAscii
                | Look::WordEndAscii
                | Look::WordStartHalfAscii
                | Look::WordEndHalfAscii => split(word),
                // Between CR and LF no line ends, and Unicode's words take more
                // than one byte to see.
                _ => return None,
            }
        }
        Some(Self {
            kinds: kinds
                .into_iter()
                .filter_map(|kind| Some((kind.iter().next()?, kind)))
                .collect(),
            matcher: LookMatcher::new(),
        })
    }

    /// Whether all of `looks` hold between two bytes of these kinds; `None` is the
    /// start or the end of the text.
    fn hold(&self, looks: LookSet, behind: Option<u8>, ahead: Option<u8>) -> bool {
        let text = [behind.unwrap_or(0), ahead.unwrap_or(0)];
        let start = usize::from(behind.is_none());
        let end = if ahead.is_none() { 1 } else { 2 };
        let at = 1 - start;
        text.get(start..end).is_some_and(|text| {
            looks
                .iter()
                .all(|look| self.matcher.matches(look, text, at))
        })
    }

    fn example(&self, kind: Behind) -> Option<u8> {
        match kind {
            Behind::Kind(kind) => self.kinds.get(usize::from(kind)).map(|(byte, _)| *byte),
            Behind::Nothing | Behind::Any => None,
        }
    }
}

/// What stands before a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Behind {
    /// The text starts here.
    Nothing,
    /// A byte of this kind.
    Kind(u8),
    /// It is not looked at.
    Any,
}

struct Builder<'a> {
    nfa: &'a NFA,
    kinds: Kinds,
    numbers: HashMap<(StateID, Behind), u32>,
    /// Whether a place looks around before it takes a byte.
    looks: HashMap<StateID, bool>,
    queue: Vec<(StateID, Behind)>,
}

/// What is found from a place on, before a byte is taken.
#[derive(Default)]
struct Closure {
    steps: Vec<(ByteSet, u32)>,
    matched: bool,
    at_end: bool,
}

/// The state that is reached when a match had to see what comes after it.
const MATCHED: u32 = 0;

impl Builder<'_> {
    fn build(mut self) -> Option<Automaton> {
        let start = self.nfa.start_anchored();
        let at_start = self.number(start, Behind::Nothing);
        let kinds = u8::try_from(self.kinds.kinds.len()).ok()?;
        let behind: Vec<u32> = (0..kinds)
            .map(|kind| self.number(start, Behind::Kind(kind)))
            .collect();
        let mut sets: Vec<ByteSet> = Vec::new();
        let mut set_numbers: HashMap<ByteSet, u32> = HashMap::new();
        let mut steps: Vec<Step> = Vec::new();
        let mut states = vec![State {
            steps: 0..0,
            first: ByteSet::NONE,
            least: 0,
            matched: true,
            at_end: true,
        }];
        let mut done = 0;
        while let Some((place, behind)) = self.queue.get(done).copied() {
            done += 1;
            let closure = self.closure(place, behind);
            let from = u32::try_from(steps.len()).ok()?;
            let mut by_target: Vec<(u32, ByteSet)> = Vec::new();
            let mut at: HashMap<u32, usize> = HashMap::new();
            for (bytes, to) in closure.steps {
                let index = *at.entry(to).or_insert(by_target.len());
                match by_target.get_mut(index) {
                    Some((_, all)) => *all = all.union(&bytes),
                    None => by_target.push((to, bytes)),
                }
            }
            let mut first = ByteSet::NONE;
            for (to, bytes) in by_target {
                first = first.union(&bytes);
                let new = u32::try_from(sets.len()).ok()?;
                let number = *set_numbers.entry(bytes).or_insert(new);
                if number == new {
                    sets.push(bytes);
                }
                steps.push(Step { bytes: number, to });
            }
            states.push(State {
                steps: from..u32::try_from(steps.len()).ok()?,
                first,
                least: u32::MAX,
                matched: closure.matched,
                at_end: closure.at_end,
            });
            if states.len() > STATES || steps.len() > STEPS {
                return None;
            }
        }
        let mut automaton = Automaton {
            states,
            steps,
            sets,
            classes: Box::new([0; 256]),
            examples: Vec::new(),
            at_start: Some(at_start),
            behind: Vec::new(),
        };
        automaton.measure();
        let live = |number: u32| Some(number).filter(|n| automaton.state(*n).least < u32::MAX);
        let at_start = live(at_start);
        let behind: Vec<Option<u32>> = behind.into_iter().map(live).collect();
        automaton.at_start = at_start;
        self.classify(&mut automaton);
        automaton.behind = automaton
            .examples
            .iter()
            .map(|byte| {
                let kind = self
                    .kinds
                    .kinds
                    .iter()
                    .position(|(_, all)| all.contains(*byte));
                kind.and_then(|kind| behind.get(kind).copied().flatten())
            })
            .collect();
        Some(automaton)
    }

    /// The classes of bytes that nothing tells apart.
    fn classify(&self, automaton: &mut Automaton) {
        let mut classes = [0_u8; 256];
        let mut count = 1_usize;
        let kinds = self.kinds.kinds.iter().map(|(_, kind)| kind);
        for set in automaton.sets.iter().chain(kinds) {
            // What becomes of each class within and without the set.
            let mut parts = [[None; 2]; 256];
            count = 0;
            for (byte, class) in (0..=u8::MAX).zip(&mut classes) {
                let part = &mut parts[usize::from(*class)][usize::from(set.contains(byte))];
                *class = *part.get_or_insert_with(|| {
                    count += 1;
                    // 256 bytes have no more than 256 classes.
                    (count - 1) as u8
                });
            }
        }
        automaton.examples = vec![0; count];
        for (byte, class) in (0..=u8::MAX).zip(classes) {
            if let Some(example) = automaton.examples.get_mut(usize::from(class)) {
                *example = byte;
            }
        }
        *automaton.classes = classes;
    }

    /// The number of a state, which is looked into later if it is new.
    fn number(&mut self, place: StateID, behind: Behind) -> u32 {
        let behind = if self.looks_around(place) {
            behind
        } else {
            Behind::Any
        };
        let new = self.queue.len() as u32 + 1;
        let number = *self.numbers.entry((place, behind)).or_insert(new);
        if number == new {
            self.queue.push((place, behind));
        }
        number
    }

    fn looks_around(&mut self, place: StateID) -> bool {
        if self.nfa.look_set_any().is_empty() {
            return false;
        }
        if let Some(known) = self.looks.get(&place) {
            return *known;
        }
        let mut found = false;
        self.walk(place, |at, _| found |= matches!(at, Place::Look { .. }));
        self.looks.insert(place, found);
        found
    }

    /// Shows all that can be reached without a byte, and what is looked at on the way.
    fn walk(&self, place: StateID, mut show: impl FnMut(&Place, LookSet)) {
        let mut seen = HashSet::new();
        let mut stack = vec![(place, LookSet::empty())];
        while let Some((id, looks)) = stack.pop() {
            if !seen.insert((id, looks.bits)) {
                continue;
            }
            let at = self.nfa.state(id);
            show(at, looks);
            match at {
                Place::Look { look, next } => stack.push((*next, looks.insert(*look))),
                Place::Union { alternates } => {
                    stack.extend(alternates.iter().map(|next| (*next, looks)));
                }
                Place::BinaryUnion { alt1, alt2 } => {
                    stack.extend([(*alt1, looks), (*alt2, looks)]);
                }
                Place::Capture { next, .. } => stack.push((*next, looks)),
                Place::ByteRange { .. }
                | Place::Sparse(_)
                | Place::Dense(_)
                | Place::Fail
                | Place::Match { .. } => {}
            }
        }
    }

    fn closure(&mut self, place: StateID, behind: Behind) -> Closure {
        let mut closure = Closure::default();
        let mut found: Vec<(ByteSet, LookSet, StateID)> = Vec::new();
        let mut ends: Vec<LookSet> = Vec::new();
        self.walk(place, |at, looks| match at {
            Place::ByteRange { trans } => {
                found.push((ByteSet::range(trans.start, trans.end), looks, trans.next));
            }
            Place::Sparse(sparse) => found.extend(
                sparse
                    .transitions
                    .iter()
                    .map(|trans| (ByteSet::range(trans.start, trans.end), looks, trans.next)),
            ),
            Place::Dense(dense) => found.extend(
                (0..=u8::MAX)
                    .zip(&dense.transitions)
                    .filter(|(_, next)| **next != StateID::ZERO)
                    .map(|(byte, next)| (ByteSet::of(&[byte]), looks, *next)),
            ),
            Place::Match { .. } => ends.push(looks),
            _ => {}
        });
        let before = self.kinds.example(behind);
        for (bytes, looks, next) in found {
            for kind in 0..self.kinds.kinds.len() {
                let (example, all) = self.kinds.kinds[kind];
                let bytes = bytes.intersection(&all);
                if !bytes.is_empty()
                    && (looks.is_empty() || self.kinds.hold(looks, before, Some(example)))
                {
                    let to = self.number(next, Behind::Kind(kind as u8));
                    closure.steps.push((bytes, to));
                }
            }
        }
        for looks in ends {
            if looks.is_empty() {
                closure.matched = true;
                continue;
            }
            closure.at_end |= self.kinds.hold(looks, before, None);
            for (example, all) in &self.kinds.kinds {
                if self.kinds.hold(looks, before, Some(*example)) {
                    closure.steps.push((*all, MATCHED));
                }
            }
        }
        closure
    }
}

impl Automaton {
    /// Finds how far each state is from a match, and leaves out the steps to those
    /// from which there is none.
    fn measure(&mut self) {
        let mut into: Vec<Vec<u32>> = vec![Vec::new(); self.states.len()];
        for (from, state) in (0_u32..).zip(&self.states) {
            for step in self.steps(state) {
                if let Some(into) = into.get_mut(step.to as usize) {
                    into.push(from);
                }
            }
        }
        let mut reached: Vec<u32> = (0_u32..)
            .zip(&self.states)
            .filter(|(_, state)| state.matched || state.at_end)
            .map(|(number, _)| number)
            .collect();
        let mut least = 0;
        while !reached.is_empty() {
            let mut next = Vec::new();
            for number in reached {
                let Some(state) = self.states.get_mut(number as usize) else {
                    continue;
                };
                if state.least == u32::MAX || least == 0 {
                    state.least = least;
                    next.extend(into.get(number as usize).into_iter().flatten().copied());
                }
            }
            next.sort_unstable();
            next.dedup();
            next.retain(|number| self.state(*number).least == u32::MAX);
            reached = next;
            least += 1;
        }
        let mut kept = Vec::with_capacity(self.steps.len());
        for number in 0..self.states.len() {
            let from = kept.len() as u32;
            let mut first = ByteSet::NONE;
            for step in self.steps(&self.states[number]) {
                if self.state(step.to).least < u32::MAX {
                    first = first.union(&self.bytes(*step));
                    kept.push(*step);
                }
            }
            let to = kept.len() as u32;
            self.states[number].first = first;
            self.states[number].steps = from..to;
        }
        self.steps = kept;
    }
}
