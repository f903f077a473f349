//! A packed body on its way in, unpacked within bounds.

use bytes::{Buf, Bytes};

use super::stage::Stage;
use super::{reasons, Coding, PIECE};
use crate::reason::ReasonRef;

/// What may come out before the ratio is looked at: a short text repeats more
/// than a long one, and harms nobody. Envoy's decompressor allows a chunk too.
const RATIO_GRACE: u64 = 64 * 1024;

/// Bytes that may come in with nothing coming out. A zstd block is the largest
/// thing that has to be whole, 128 KiB; empty deflate blocks, brotli's metadata
/// and zstd's skippable frames could go on for ever.
const MAX_SILENT: usize = 256 * 1024;

/// How much a packed body may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Times its size, over all its codings.
    pub ratio: u64,
    /// Bytes that a coding may look back at.
    pub window: u64,
}

struct Layer {
    stage: Stage,
    /// What came and was not taken.
    waiting: Bytes,
    /// It has more to give without taking.
    full: bool,
    ended: bool,
    given: u64,
    silent: usize,
}

/// Takes the codings off a body.
pub struct Inflater {
    /// The one that was put on last comes first.
    layers: Vec<Layer>,
    ratio: u64,
    taken: u64,
    room: Box<[u8; PIECE]>,
}

impl Inflater {
    /// For a body with these codings, in the order in which they were put on.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new(codings: &[Coding], bounds: Bounds) -> Result<Self, ReasonRef> {
        let layer = |coding: &Coding| -> Result<Layer, ReasonRef> {
            Ok(Layer {
                stage: Stage::new(*coding, bounds.window)?,
                waiting: Bytes::new(),
                full: false,
                ended: false,
                given: 0,
                silent: 0,
            })
        };
        Ok(Self {
            layers: codings.iter().rev().map(layer).collect::<Result<_, _>>()?,
            ratio: bounds.ratio,
            taken: 0,
            room: Box::new([0; PIECE]),
        })
    }

    /// Takes a piece of the body. What it becomes is asked for with [`Self::unpack`]
    /// until there is nothing, and only then comes the next piece.
    ///
    /// # Errors
    /// If bytes stand behind the body's own end.
    pub fn take(&mut self, piece: Bytes) -> Result<(), ReasonRef> {
        self.taken += piece.len() as u64;
        match self.layers.first_mut() {
            Some(first) => first.put(piece),
            None => Err(&reasons::MALFORMED),
        }
    }

    /// The next bytes that came out; none where more has to come in.
    ///
    /// # Errors
    /// If the body is not what it says, or becomes too much.
    pub fn unpack(&mut self) -> Result<Option<Bytes>, ReasonRef> {
        // What came furthest goes first, so that no layer gathers anything.
        while let Some(at) = self.layers.iter().rposition(Layer::can_go_on) {
            let given = self.layers[at].step(&mut self.room)?;
            if self.layers[at].given
                > self
                    .taken
                    .saturating_mul(self.ratio)
                    .saturating_add(RATIO_GRACE)
            {
                return Err(&reasons::RATIO);
            }
            if given == 0 {
                continue;
            }
            let piece = Bytes::copy_from_slice(&self.room[..given]);
            match self.layers.get_mut(at + 1) {
                Some(next) => next.put(piece)?,
                None => return Ok(Some(piece)),
            }
        }
        Ok(None)
    }

    /// Bytes of memory that it holds at the moment.
    #[must_use]
    pub fn holds(&self) -> usize {
        let layers = self.layers.iter();
        PIECE
            + layers
                .map(|layer| layer.stage.holds() + PIECE)
                .sum::<usize>()
    }

    /// The body ended.
    ///
    /// # Errors
    /// If it is cut short.
    pub fn end(&self) -> Result<(), ReasonRef> {
        if self.layers.iter().all(|layer| layer.ended) {
            Ok(())
        } else {
            Err(&reasons::MALFORMED)
        }
    }
}

impl Layer {
    fn can_go_on(&self) -> bool {
        !self.ended && (self.full || !self.waiting.is_empty())
    }

    fn put(&mut self, piece: Bytes) -> Result<(), ReasonRef> {
        if piece.is_empty() {
            return Ok(());
        }
        // It was asked until it had nothing more: what came before was taken.
        if self.ended || !self.waiting.is_empty() {
            return Err(&reasons::MALFORMED);
        }
        self.waiting = piece;
        Ok(())
    }

    fn step(&mut self, room: &mut [u8; PIECE]) -> Result<usize, ReasonRef> {
        let step = self.stage.step(&self.waiting, room)?;
        self.waiting.advance(step.taken);
        self.given += step.given as u64;
        self.ended = step.ended;
        self.full = step.given == room.len();
        self.silent = match step.given {
            0 => self.silent + step.taken,
            _ => 0,
        };
        // Nothing taken and nothing given would go on for ever.
        let stuck = !step.ended && step.taken == 0 && step.given == 0 && !self.waiting.is_empty();
        let garbage = step.ended && !self.waiting.is_empty();
        if stuck || garbage || self.silent > MAX_SILENT {
            return Err(&reasons::MALFORMED);
        }
        Ok(step.given)
    }
}
