//! What is on its way to a client's socket: small pieces copied together, a
//! large one beside them, so that an answer usually takes one write.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{ready, Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use crate::net::Stream;

/// A piece of this length or more is written from where it lies.
const LARGE: usize = 8 * 1024;
/// A buffer that grew beyond this is not kept for others.
const KEPT: usize = 64 * 1024;

/// A buffer that the connections of a worker lend to each other: one that has
/// nothing to write holds none.
pub type Spare = Rc<Cell<Vec<u8>>>;

/// Bytes to be written, in order: `small`, then `large`.
pub struct Outbox {
    small: Vec<u8>,
    written: usize,
    large: Bytes,
    spare: Spare,
}

impl Outbox {
    /// Nothing to write.
    pub fn new(spare: Spare) -> Self {
        Self {
            small: Vec::new(),
            written: 0,
            large: Bytes::new(),
            spare,
        }
    }

    /// Where small pieces are put; only while [`Self::has_room`].
    pub fn small(&mut self) -> &mut Vec<u8> {
        if self.small.capacity() == 0 {
            self.small = self.spare.take();
        }
        &mut self.small
    }

    /// Adds a piece; only while [`Self::has_room`].
    pub fn push(&mut self, piece: Bytes) {
        if piece.len() < LARGE {
            self.small().extend_from_slice(&piece);
        } else {
            self.large = piece;
        }
    }

    /// Whether more may be added before something is written.
    pub fn has_room(&self) -> bool {
        self.large.is_empty() && self.small.len() < LARGE
    }

    /// Whether all was written.
    pub fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty()
    }

    /// Writes once; not to be called when there is nothing.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_write(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let small = &self.small[self.written..];
        let stream = Pin::new(stream);
        let written = ready!(match (small.is_empty(), self.large.is_empty()) {
            (_, true) => stream.poll_write(cx, small),
            (true, false) => stream.poll_write(cx, &self.large),
            (false, false) => {
                stream.poll_write_vectored(cx, &[IoSlice::new(small), IoSlice::new(&self.large)])
            }
        })?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let from_small = written.min(small.len());
        self.written += from_small;
        self.large.advance(written - from_small);
        if self.written == self.small.len() {
            self.give_back();
        }
        Poll::Ready(Ok(()))
    }

    fn give_back(&mut self) {
        self.written = 0;
        let mut buffer = std::mem::take(&mut self.small);
        if buffer.capacity() <= KEPT {
            buffer.clear();
            self.spare.set(buffer);
        }
    }
}
