//! Cuts a body into its messages, for whoever has to see each before it goes on.

use bytes::{Bytes, BytesMut};

use super::prefix::Prefix;
use super::reasons;
use crate::reason::ReasonRef;

/// What has come of a body and did not go on yet.
#[derive(Debug)]
pub struct Cutter {
    waiting: BytesMut,
    /// Bytes that go on as they come, unseen.
    passing: usize,
    /// Most bytes of a message that are waited for.
    most: usize,
    /// Why a longer one is refused; none where its beginning is enough.
    too_long: Option<ReasonRef>,
}

/// What goes on next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that nobody asked to see.
    Passing(Bytes),
    /// A message to be seen.
    Message(Message),
}

/// A message, or as much of it as is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// With its prefix, as it goes on.
    pub frame: Bytes,
    /// Whether its flag says that it is packed.
    pub packed: bool,
    /// Whether all of it is there; the rest passes.
    pub whole: bool,
}

impl Message {
    /// The message alone.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.frame.slice(self.frame.len().min(Prefix::LEN)..)
    }
}

impl Cutter {
    /// Waits for `most` bytes of each message. A longer one is refused for
    /// `too_long`, or cut off there where that is none.
    #[must_use]
    pub fn new(most: usize, too_long: Option<ReasonRef>) -> Self {
        Self {
            waiting: BytesMut::new(),
            passing: 0,
            most,
            too_long,
        }
    }

    /// Takes what came.
    pub fn feed(&mut self, piece: &[u8]) {
        self.waiting.extend_from_slice(piece);
    }

    /// Bytes that are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.waiting.len()
    }

    /// Whether what comes next goes on unseen.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.passing > 0
    }

    /// Lets everything go on as it comes, from here on.
    pub fn pass_all(&mut self) {
        self.passing = usize::MAX;
    }

    /// What goes on next; nothing as long as too little is there.
    ///
    /// # Errors
    /// [`reasons::FLAG`] for a flag that is neither 0 nor 1, or that a message is too long.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, ReasonRef> {
        if self.is_passing() {
            let here = self.passing.min(self.waiting.len());
            if self.passing != usize::MAX {
                self.passing -= here;
            }
            let piece = self.waiting.split_to(here).freeze();
            return Ok((here > 0).then_some(Piece::Passing(piece)));
        }
        // The flag is judged first, so that cuts make no difference.
        if self.waiting.first().is_some_and(|flag| *flag > 1) {
            return Err(&reasons::FLAG);
        }
        let Some(prefix) = Prefix::read(&self.waiting) else {
            return Ok(None);
        };
        let length = prefix.length as usize;
        if let Some(reason) = self.too_long.filter(|_| length > self.most) {
            return Err(reason);
        }
        let here = Prefix::LEN + length.min(self.most);
        if self.waiting.len() < here {
            return Ok(None);
        }
        self.passing = length.saturating_sub(self.most);
        Ok(Some(Piece::Message(Message {
            frame: self.waiting.split_to(here).freeze(),
            packed: prefix.flag == 1,
            whole: length <= self.most,
        })))
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// [`reasons::INCOMPLETE`] if something of a message is there that can never be whole.
    pub fn end(&self) -> Result<(), ReasonRef> {
        match !self.is_passing() && !self.waiting.is_empty() {
            true => Err(&reasons::INCOMPLETE),
            false => Ok(()),
        }
    }
}
