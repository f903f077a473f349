//! A request's body, as its stream brings it.

use std::rc::Rc;
use std::task::{ready, Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use http_body::Frame;

use crate::body::Broken;
use crate::clock::Clock;
use crate::net::{ConnectionState, Waiting};

/// A request's body, as its stream brings it.
pub struct Upload {
    stream: RecvStream,
    state: Rc<ConnectionState>,
    clock: Clock,
    /// Bytes to come, where the head said it.
    left: Option<u64>,
    data_over: bool,
}

impl Upload {
    /// The body of a request whose head told `length`.
    #[must_use]
    pub fn new(
        stream: RecvStream,
        state: Rc<ConnectionState>,
        clock: Clock,
        length: Option<u64>,
    ) -> Self {
        state.begin_body();
        Self {
            stream,
            state,
            clock,
            left: length,
            data_over: false,
        }
    }

    /// Bytes to come, where that is known.
    #[must_use]
    pub const fn left(&self) -> Option<u64> {
        self.left
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read to its end; the connection's state says why.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.state.interrupted() {
            return Poll::Ready(Some(Err(Broken)));
        }
        while !self.data_over {
            let Poll::Ready(polled) = self.stream.poll_data(cx) else {
                self.state.wait(Waiting::Body, self.clock.coarse_ms());
                return Poll::Pending;
            };
            match polled {
                Some(Ok(data)) => {
                    self.state.body_came(data.len());
                    self.state.wait(Waiting::Nothing, self.clock.coarse_ms());
                    if let Some(left) = &mut self.left {
                        *left = left.saturating_sub(data.len() as u64);
                    }
                    // What is passed on makes room for more; a stream that is over needs none.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(Broken))),
                None => self.data_over = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Ok(None) => Poll::Ready(None),
            Err(_) => Poll::Ready(Some(Err(Broken))),
        }
    }
}
