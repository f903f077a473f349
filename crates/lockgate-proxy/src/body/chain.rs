//! Policies that watch one body, in order: each sees what the ones before it
//! let go.

use bytes::{Bytes, BytesMut};
use lockgate_policy::{BodyVerdict, Denial};

use super::{Broken, MAX_HELD};
use crate::judge::Watcher;
use crate::net::BodyRefusal;
use crate::reasons;

/// The watchers of a body, and what each holds back.
pub struct Chain {
    watchers: Vec<Watcher>,
    held: Box<[BytesMut]>,
    held_bytes: usize,
}

impl Chain {
    /// These watchers, nothing seen yet.
    #[must_use]
    pub fn new(watchers: Vec<Watcher>) -> Self {
        let held = watchers.iter().map(|_| BytesMut::new()).collect();
        Self {
            watchers,
            held,
            held_bytes: 0,
        }
    }

    /// Whether nobody watches, or no longer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watchers.is_empty()
    }

    /// Shows a chunk to the watchers. What is left goes on; nothing where all
    /// of it is held back.
    ///
    /// # Errors
    /// If one refused and its word holds; `said` has it, and the first word of
    /// those whose does not.
    pub fn pass(
        &mut self,
        chunk: Bytes,
        said: &mut Option<BodyRefusal>,
    ) -> Result<Option<Bytes>, Broken> {
        self.pass_from(0, chunk, said)
    }

    /// Shows the end to the watchers: each sees what the ones before it still
    /// held, and then that nothing more comes. What was held goes on.
    ///
    /// # Errors
    /// As [`Self::pass`].
    pub fn end(&mut self, said: &mut Option<BodyRefusal>) -> Result<Bytes, Broken> {
        let mut rest = BytesMut::new();
        for at in 0..self.watchers.len() {
            let verdict = self.watchers[at].machine.on_end();
            let held = self.let_go(at).freeze();
            let last = match verdict {
                BodyVerdict::Pass | BodyVerdict::Hold => held,
                BodyVerdict::Replace(other) => other,
                BodyVerdict::Deny(denial) => {
                    self.refused(at, denial, said)?;
                    held
                }
            };
            if !last.is_empty() {
                rest.extend(self.pass_from(at + 1, last, said)?);
            }
        }
        self.watchers.clear();
        Ok(rest.freeze())
    }

    fn pass_from(
        &mut self,
        first: usize,
        mut chunk: Bytes,
        said: &mut Option<BodyRefusal>,
    ) -> Result<Option<Bytes>, Broken> {
        for at in first..self.watchers.len() {
            match self.watchers[at].machine.on_chunk(&chunk) {
                BodyVerdict::Pass => {}
                BodyVerdict::Replace(other) => {
                    self.let_go(at);
                    chunk = other;
                }
                BodyVerdict::Hold if self.held_bytes + chunk.len() <= MAX_HELD => {
                    self.held_bytes += chunk.len();
                    self.held[at].extend_from_slice(&chunk);
                    return Ok(None);
                }
                BodyVerdict::Hold => {
                    self.refused(at, Denial::new(&reasons::HELD_TOO_MUCH), said)?;
                }
                BodyVerdict::Deny(denial) => self.refused(at, denial, said)?,
            }
            let mut held = self.let_go(at);
            if !held.is_empty() {
                held.extend_from_slice(&chunk);
                chunk = held.freeze();
            }
        }
        Ok(Some(chunk))
    }

    /// What a watcher held back.
    fn let_go(&mut self, at: usize) -> BytesMut {
        let held = std::mem::take(&mut self.held[at]);
        self.held_bytes -= held.len();
        held
    }

    /// A watcher refused: that ends the body, or is written down and no more.
    fn refused(
        &self,
        at: usize,
        denial: Denial,
        said: &mut Option<BodyRefusal>,
    ) -> Result<(), Broken> {
        let watcher = &self.watchers[at];
        // The first word counts; an observed watcher goes on and is not heard again.
        if watcher.enforced || said.is_none() {
            *said = Some(BodyRefusal {
                step: watcher.step,
                enforced: watcher.enforced,
                denial,
            });
        }
        if watcher.enforced {
            Err(Broken)
        } else {
            Ok(())
        }
    }
}
