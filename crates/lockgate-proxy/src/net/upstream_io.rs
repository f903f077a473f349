//! The guard between an upstream's socket and hyper's client: an answer that
//! breaks RFC 9112 is not passed on, and the reason is kept for the refusal.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::{Expect, ResponseGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::client_io::Scratch;

/// What the guard and the exchange tell each other.
#[derive(Default)]
pub struct UpstreamState {
    /// What the next answer may be; taken by the guard before it reads.
    pub expect: Cell<Option<Expect>>,
    /// What was wrong with the answer.
    pub problem: Cell<Option<ReasonRef>>,
    /// Whether any byte of the answer came.
    pub began: Cell<bool>,
}

/// An upstream's socket, guarded.
pub struct UpstreamIo {
    stream: TcpStream,
    guard: ResponseGuard,
    state: Rc<UpstreamState>,
    scratch: Scratch,
    ready: Vec<u8>,
    given: usize,
}

impl UpstreamIo {
    /// Guards `stream`.
    pub fn new(
        stream: TcpStream,
        guard: ResponseGuard,
        state: Rc<UpstreamState>,
        scratch: Scratch,
    ) -> Self {
        Self {
            stream,
            guard,
            state,
            scratch,
            ready: Vec::new(),
            given: 0,
        }
    }

    fn give(&mut self, buf: &mut ReadBufCursor<'_>) {
        let rest = &self.ready[self.given..];
        let part = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..part]);
        self.given += part;
        if self.given == self.ready.len() {
            self.ready = Vec::new();
            self.given = 0;
        }
    }

    fn fail(&self, reason: ReasonRef) -> Poll<io::Result<()>> {
        self.state.problem.set(Some(reason));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason.code)))
    }
}

impl Read for UpstreamIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given < this.ready.len() {
            this.give(&mut buf);
            return Poll::Ready(Ok(()));
        }
        loop {
            let scratch = Rc::clone(&this.scratch);
            let mut scratch = scratch.borrow_mut();
            let room = scratch.len().min(buf.remaining());
            let mut read = ReadBuf::new(&mut scratch[..room]);
            if Pin::new(&mut this.stream)
                .poll_read(cx, &mut read)?
                .is_pending()
            {
                return Poll::Pending;
            }
            if let Some(expect) = this.state.expect.take() {
                this.guard.expect(expect);
            }
            let bytes = read.filled();
            if bytes.is_empty() {
                return match this.guard.eof() {
                    Ok(()) => Poll::Ready(Ok(())),
                    Err(reason) => this.fail(reason),
                };
            }
            this.state.began.set(true);
            let Self { guard, ready, .. } = this;
            let mut passed = false;
            let fed = guard.feed(bytes, &mut |run: &[u8]| {
                passed = passed || !run.is_empty();
                let direct = if ready.is_empty() {
                    run.len().min(buf.remaining())
                } else {
                    0
                };
                buf.put_slice(&run[..direct]);
                ready.extend_from_slice(&run[direct..]);
            });
            match fed {
                Ok(()) if passed => return Poll::Ready(Ok(())),
                Ok(()) => {}
                Err(reason) => return this.fail(reason),
            }
        }
    }
}

impl Write for UpstreamIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
