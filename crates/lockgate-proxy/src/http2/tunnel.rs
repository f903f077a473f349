//! A stream that has become a WebSocket (RFC 8441).

use std::rc::Rc;
use std::task::{ready, Context, Poll};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};

use crate::client::{Gone, Side};
use crate::clock::Clock;
use crate::net::ConnectionState;

/// What is asked of the window at once, bytes.
const PIECE: usize = 16 * 1024;

/// Both directions of a stream.
pub struct Stream {
    receiving: RecvStream,
    sending: SendStream<Bytes>,
    state: Rc<ConnectionState>,
    clock: Clock,
    /// To be written.
    out: Bytes,
}

impl Stream {
    pub fn new(
        receiving: RecvStream,
        sending: SendStream<Bytes>,
        state: Rc<ConnectionState>,
        clock: Clock,
    ) -> Self {
        Self {
            receiving,
            sending,
            state,
            clock,
            out: Bytes::new(),
        }
    }

    /// Ends it; with a reset where not all was taken.
    pub fn end(mut self) {
        if self.out.is_empty() {
            // Whoever went needs no word.
            let _ = self.sending.send_data(Bytes::new(), true);
        } else {
            self.sending.send_reset(Reason::CANCEL);
        }
    }
}

impl Side for Stream {
    fn poll_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let Some(Ok(data)) = ready!(self.receiving.poll_data(cx)) else {
                return Poll::Ready(None);
            };
            // A stream that is over needs no room.
            let _ = self.receiving.flow_control().release_capacity(data.len());
            if !data.is_empty() {
                return Poll::Ready(Some(data));
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        if self.sending.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Gone));
        }
        while !self.out.is_empty() {
            self.sending.reserve_capacity(self.out.len().min(PIECE));
            while self.sending.capacity() == 0 {
                match self.sending.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Poll::Ready(Err(Gone)),
                    Poll::Pending => {
                        self.state.stalled(self.clock.coarse_ms());
                        return Poll::Pending;
                    }
                }
            }
            let taken = self.sending.capacity().min(self.out.len());
            if self
                .sending
                .send_data(self.out.split_to(taken), false)
                .is_err()
            {
                return Poll::Ready(Err(Gone));
            }
        }
        self.state.stalled(0);
        Poll::Ready(Ok(()))
    }

    fn has_room(&self) -> bool {
        self.out.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    fn push(&mut self, bytes: Bytes) {
        self.out = bytes;
    }
}
