//! What transformations have made of long values: rules share most of them.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::bytes::{Arena, Span};
use crate::transform::Transformation;

use super::chains::step;

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
