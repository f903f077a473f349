//! A body of which a part, or all, has been read before it was sent on.

use std::task::{ready, Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use super::Upload;
use crate::body::Broken;

/// Bytes that go on at once: what sends them copies that much.
const PIECE: usize = 64 * 1024;

/// A body of which a part, or all, has been read.
pub struct Kept {
    read: Bytes,
    /// What has not been read; none where all was.
    rest: Option<Upload>,
    /// Whether the head told its length.
    told: bool,
}

impl Kept {
    /// All of it.
    #[must_use]
    pub const fn whole(read: Bytes, told: bool) -> Self {
        Self {
            read,
            rest: None,
            told,
        }
    }

    /// Its beginning, and what is left.
    #[must_use]
    pub const fn begun(read: Bytes, rest: Upload) -> Self {
        Self {
            read,
            rest: Some(rest),
            told: false,
        }
    }

    /// All of it, where all of it is here.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        self.rest.is_none().then_some(&self.read)
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if !self.read.is_empty() {
            let piece = self.read.split_to(self.read.len().min(PIECE));
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(rest) = &mut self.rest {
            return Poll::Ready(ready!(rest.poll_frame(cx)));
        }
        Poll::Ready(None)
    }

    pub(super) fn left(&self) -> Option<u64> {
        let read = self.read.len() as u64;
        match &self.rest {
            Some(rest) => rest.left().map(|left| left + read),
            None => self.told.then_some(read),
        }
    }
}
