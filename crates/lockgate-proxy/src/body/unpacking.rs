//! A body being unpacked on its way to the upstream.

use bytes::Bytes;
use http::header::RETRY_AFTER;
use lockgate_policy::inflate::Plan;
use lockgate_policy::Denial;
use lockgate_wire::coding::Inflater;

use crate::exchange::Exchange;
use crate::memory::Charge;
use crate::net::BodyRefusal;
use crate::reasons;

/// Seconds after which there may be room again: bodies are short.
const RETRY_AFTER_S: u64 = 1;

/// What takes a body's codings off, and the memory that this takes.
pub struct Unpacking {
    inflater: Inflater,
    /// The number of the step that says so.
    step: usize,
    charge: Charge,
}

impl Unpacking {
    /// Begins, if there is memory for one more.
    ///
    /// # Errors
    /// If there is not.
    pub fn begin(exchange: &Exchange, step: usize, plan: &Plan) -> Result<Box<Self>, Denial> {
        let inflater = plan.begin().map_err(Denial::new)?;
        let budget = &exchange.worker().shared.memory.unpacking;
        let most = exchange.listener.limits.inflate_memory;
        match budget.take_for(exchange, inflater.holds(), most) {
            Some(charge) => Ok(Box::new(Self {
                inflater,
                step,
                charge,
            })),
            None => Err(full()),
        }
    }

    /// Takes a piece of the body, once nothing comes out of the one before.
    pub fn take(&mut self, piece: Bytes) -> Result<(), BodyRefusal> {
        let taken = self.inflater.take(piece);
        taken.map_err(|reason| self.refuse(reason))
    }

    /// What came out; none where more has to come in.
    pub fn unpack(&mut self) -> Result<Option<Bytes>, BodyRefusal> {
        let piece = self.inflater.unpack();
        let piece = piece.map_err(|reason| self.refuse(reason))?;
        // How far it looks back is known once its head is read, and no byte of that is used yet.
        if self.charge.grow_to(self.inflater.holds()) {
            Ok(piece)
        } else {
            Err(self.refuse(full()))
        }
    }

    /// The body ended.
    pub fn end(&self) -> Result<(), BodyRefusal> {
        let ended = self.inflater.end();
        ended.map_err(|reason| self.refuse(reason))
    }

    fn refuse(&self, denial: impl Into<Denial>) -> BodyRefusal {
        BodyRefusal {
            step: self.step,
            enforced: true,
            denial: denial.into(),
        }
    }
}

fn full() -> Denial {
    Denial::new(&reasons::INFLATE_FULL).header(RETRY_AFTER, RETRY_AFTER_S.into())
}
