//! One direction of a connection that is carried on.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads of one side before others have their turn: a MiB.
const READS: usize = 16;

/// What was read and not taken yet, and how far its end has come.
#[derive(Debug, Default)]
pub(super) struct Half {
    held: Vec<u8>,
    /// How much of it was taken.
    taken: usize,
    /// Nothing more comes.
    over: bool,
    /// That was passed on.
    told: bool,
}

/// Which side broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broke {
    /// What was read from.
    Reader,
    /// What was written to.
    Writer,
}

/// What came of one turn.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Bytes that came.
    pub bytes: u64,
    /// Whether anything went on.
    pub moved: bool,
}

impl Half {
    /// This came already.
    pub fn holding(held: Vec<u8>) -> Self {
        Self {
            held,
            ..Self::default()
        }
    }

    /// Nothing comes, and nobody is told.
    pub fn ended() -> Self {
        Self {
            over: true,
            told: true,
            ..Self::default()
        }
    }

    /// Whether something waits to be taken.
    pub const fn is_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether nothing more comes.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Whether all that will ever come was passed on.
    pub const fn is_through(&self) -> bool {
        self.over && self.held.is_empty()
    }

    /// Whether its end was passed on too.
    pub const fn is_told(&self) -> bool {
        self.told
    }

    /// Passes on what there is. What is not taken is held, and nothing is read before it was.
    pub fn pass<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        (from, to): (&mut R, &mut W),
        scratch: &mut [u8],
    ) -> Result<Passed, Broke> {
        let mut passed = Passed::default();
        for _ in 0..READS {
            if self.is_held() {
                let taken = write(cx, to, &self.held[self.taken..])?;
                if taken == 0 {
                    return Ok(passed);
                }
                passed.moved = true;
                self.taken += taken;
                if self.taken < self.held.len() {
                    continue;
                }
                // Who rests holds no memory for what once was.
                self.held = Vec::new();
                self.taken = 0;
            }
            if self.over {
                if !self.told {
                    match Pin::new(&mut *to).poll_shutdown(cx) {
                        Poll::Ready(Ok(())) => self.told = true,
                        Poll::Ready(Err(_)) => return Err(Broke::Writer),
                        Poll::Pending => {}
                    }
                }
                return Ok(passed);
            }
            let mut read = ReadBuf::new(scratch);
            match Pin::new(&mut *from).poll_read(cx, &mut read) {
                Poll::Pending => return Ok(passed),
                Poll::Ready(Err(_)) => return Err(Broke::Reader),
                Poll::Ready(Ok(())) => {}
            }
            let came = read.filled();
            if came.is_empty() {
                self.over = true;
                continue;
            }
            passed.moved = true;
            passed.bytes += came.len() as u64;
            let taken = write(cx, to, came)?;
            if taken < came.len() {
                self.held = came[taken..].to_vec();
            }
        }
        // There may be more, once others had their turn.
        cx.waker().wake_by_ref();
        Ok(passed)
    }
}

/// How much was taken at once; 0 for nothing.
fn write<W: AsyncWrite + Unpin>(
    cx: &mut Context<'_>,
    to: &mut W,
    bytes: &[u8],
) -> Result<usize, Broke> {
    match Pin::new(to).poll_write(cx, bytes) {
        Poll::Ready(Ok(0) | Err(_)) => Err(Broke::Writer),
        Poll::Ready(Ok(count)) => Ok(count),
        Poll::Pending => Ok(0),
    }
}

#[cfg(test)]
mod tests;
