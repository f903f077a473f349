//! Runs of transformations. Rules share most of them, and a long one begins
//! with a short one, so that nothing is worked out twice.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::bytes::{Arena, Span};
use crate::transform::Transformation;

/// The number of a run of transformations. 0 is none.
pub type ChainIndex = u16;

/// All runs: a tree, each node of which is one transformation more.
#[derive(Debug, Clone)]
pub struct Chains {
    nodes: Vec<Node>,
}

/// A run: another one, and what comes after it.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// The run before; of the first node itself.
    pub before: ChainIndex,
    /// What comes after it. The first node has none.
    pub last: Option<Transformation>,
}

impl Default for Chains {
    fn default() -> Self {
        let none = Node {
            before: 0,
            last: None,
        };
        Self { nodes: vec![none] }
    }
}

impl Chains {
    /// The number of this run, which gets one if it has none.
    pub fn number(&mut self, transformations: &[Transformation]) -> ChainIndex {
        let mut at = 0;
        for last in transformations {
            let next = |node: &Node| node.last == Some(*last) && node.before == at;
            at = match self.nodes.iter().position(next) {
                Some(place) => ChainIndex::try_from(place).unwrap_or(ChainIndex::MAX),
                None => {
                    self.nodes.push(Node {
                        before: at,
                        last: Some(*last),
                    });
                    ChainIndex::try_from(self.nodes.len() - 1).unwrap_or(ChainIndex::MAX)
                }
            };
        }
        at
    }

    /// The transformations of a run, in order.
    #[must_use]
    pub fn run(&self, mut chain: ChainIndex) -> Vec<Transformation> {
        let mut run = Vec::new();
        while let Some(Node {
            before,
            last: Some(last),
        }) = self.nodes.get(usize::from(chain))
        {
            run.push(*last);
            chain = *before;
        }
        run.reverse();
        run
    }

    /// As [`Chains::apply`]: what was made of a long value is not made again.
    pub fn apply_once(
        &self,
        chain: ChainIndex,
        value: Span,
        (arena, room): (&mut Arena, &mut Vec<u8>),
        formed: &mut Formed,
    ) -> Span {
        let Some(Node {
            before,
            last: Some(last),
        }) = self.nodes.get(usize::from(chain)).copied()
        else {
            return value;
        };
        let value = self.apply_once(before, value, (&mut *arena, &mut *room), formed);
        formed.step(last, value, arena, room)
    }

    /// What a run makes of a value; the value itself where it changes nothing.
    pub fn apply(
        &self,
        chain: ChainIndex,
        value: Span,
        arena: &mut Arena,
        room: &mut Vec<u8>,
    ) -> Span {
        let Some(Node {
            before,
            last: Some(last),
        }) = self.nodes.get(usize::from(chain)).copied()
        else {
            return value;
        };
        let value = self.apply(before, value, arena, room);
        step(last, value, arena, room)
    }
}

/// Of shorter values it costs as much to know what was made of them as to make it.
const LONG: u32 = 1024;

/// How many things that were made are known with the same room.
const KEPT: usize = 64;

/// What transformations have made of the long values of a transaction.
#[derive(Debug, Default)]
pub struct Formed {
    known: HashMap<(Span, Transformation), Span, FixedState>,
    spared: usize,
}

impl Formed {
    /// As [`step`]: what was made of a long value is not made again.
    pub fn step(
        &mut self,
        last: Transformation,
        value: Span,
        arena: &mut Arena,
        room: &mut Vec<u8>,
    ) -> Span {
        if value.len < LONG {
            return step(last, value, arena, room);
        }
        if let Some(made) = self.known.get(&(value, last)).copied() {
            if made != value {
                self.spared += made.len as usize;
            }
            return made;
        }
        let made = step(last, value, arena, room);
        self.known.insert((value, last), made);
        made
    }

    /// Bytes that would have been made again.
    #[must_use]
    pub fn spared(&self) -> usize {
        self.spared
    }

    /// Forgets everything, as whoever takes bytes of the arena back has to.
    pub fn clear(&mut self) {
        self.known.clear();
        self.known.shrink_to(KEPT);
        self.spared = 0;
    }
}

/// What one transformation makes of a value; the value itself where it changes nothing.
pub fn step(last: Transformation, value: Span, arena: &mut Arena, room: &mut Vec<u8>) -> Span {
    room.clear();
    if last.apply(arena.get(value), room) {
        arena.keep(room)
    } else {
        value
    }
}
