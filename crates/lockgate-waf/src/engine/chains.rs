//! Runs of transformations. Rules share most of them, and a long one begins
//! with a short one, so that nothing is worked out twice.

use crate::bytes::{Arena, Span};
use crate::transform::Transformation;

use super::formed::Formed;

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
        self.each(chain, value, &mut |last, value| {
            formed.step(last, value, arena, room)
        })
    }

    /// What a run makes of a value; the value itself where it changes nothing.
    pub fn apply(
        &self,
        chain: ChainIndex,
        value: Span,
        arena: &mut Arena,
        room: &mut Vec<u8>,
    ) -> Span {
        self.each(chain, value, &mut |last, value| {
            step(last, value, arena, room)
        })
    }

    /// What the steps of a run make of a value, one behind the other.
    fn each(
        &self,
        chain: ChainIndex,
        value: Span,
        step: &mut impl FnMut(Transformation, Span) -> Span,
    ) -> Span {
        let Some(Node {
            before,
            last: Some(last),
        }) = self.nodes.get(usize::from(chain)).copied()
        else {
            return value;
        };
        let value = self.each(before, value, step);
        step(last, value)
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
