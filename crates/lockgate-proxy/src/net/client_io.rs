//! The guard between a client's socket and hyper.
//!
//! A head that breaks RFC 9112 never reaches hyper. In its place hyper reads a
//! small request of ours, so that the refusal is answered in its turn behind
//! pipelined requests, counted and written down like every other, by the one
//! function that answers. The number of the request ties the two together.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::{Phase, RequestGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::deadline::{ConnectionState, Refusal, Trip, Waiting};
use crate::clock::Clock;

/// What hyper reads in place of a head that was refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\n\r\n";

/// Bytes of a refused request that are read and thrown away, so that its sender
/// gets to read the answer; nginx's `lingering_close` bounds only the time.
const LINGER_BYTES: usize = 1024 * 1024;

/// Most that is copied together to be written at once.
const GATHER: usize = 8 * 1024;

/// One read buffer for all connections of a worker: nothing stays in it.
pub type Scratch = Rc<RefCell<Box<[u8]>>>;

/// A client's socket, guarded.
pub struct ClientIo {
    stream: TcpStream,
    guard: RequestGuard,
    state: Rc<ConnectionState>,
    clock: Clock,
    scratch: Scratch,
    /// Passed, but not yet taken by hyper.
    ready: Vec<u8>,
    given: usize,
    ended: Option<ReasonRef>,
    reading: Reading,
    /// Bytes that may still be thrown away before the socket is closed.
    linger: usize,
}

/// What a read will find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// What the client sends.
    On,
    /// Nothing more, for the client closed.
    Closed,
    /// Nothing more, for what it sent was refused. hyper takes an end here for a
    /// client that went away, and would not answer: it waits instead.
    Refused,
}

impl ClientIo {
    /// Guards `stream`.
    pub fn new(
        stream: TcpStream,
        guard: RequestGuard,
        state: Rc<ConnectionState>,
        clock: Clock,
        scratch: Scratch,
    ) -> Self {
        Self {
            stream,
            guard,
            state,
            clock,
            scratch,
            ready: Vec::new(),
            given: 0,
            ended: None,
            reading: Reading::On,
            linger: LINGER_BYTES,
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

    /// Refuses what is arriving: a head by the stand-in, a body by an error.
    fn refuse(&mut self, reason: ReasonRef, buf: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.reading = Reading::Refused;
        self.state.wait(Waiting::Nothing, self.clock.coarse_ms());
        if self.guard.in_body() {
            self.state.refusal.set(Some(Refusal {
                request: self.guard.heads(),
                reason,
                in_body: true,
            }));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason.code)));
        }
        self.state.refusal.set(Some(Refusal {
            request: self.guard.heads() + 1,
            reason,
            in_body: false,
        }));
        self.ready.extend_from_slice(STAND_IN);
        self.give(buf);
        Poll::Ready(Ok(()))
    }

    fn note(&self) {
        let waiting = match self.guard.phase() {
            Phase::Idle if self.guard.heads() == 0 => Waiting::First,
            Phase::Idle => Waiting::Request,
            Phase::Head => Waiting::Head,
            Phase::Body => Waiting::Body,
            Phase::Failed | Phase::Tunnel | Phase::Waiting => Waiting::Nothing,
        };
        self.state.wait(waiting, self.clock.coarse_ms());
    }
}

impl Read for ClientIo {
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
        match this.reading {
            Reading::On => {}
            Reading::Closed => return Poll::Ready(Ok(())),
            Reading::Refused => return Poll::Pending,
        }
        if let Some(reason) = this.ended.take() {
            return this.refuse(reason, &mut buf);
        }
        loop {
            match this.state.tripped() {
                Some(Trip::Close) => {
                    this.reading = Reading::Closed;
                    return Poll::Ready(Ok(()));
                }
                Some(Trip::Refuse(reason)) => return this.refuse(reason, &mut buf),
                None => {}
            }
            let scratch = Rc::clone(&this.scratch);
            let mut scratch = scratch.borrow_mut();
            let room = scratch.len().min(buf.remaining());
            let mut read = ReadBuf::new(&mut scratch[..room]);
            if Pin::new(&mut this.stream)
                .poll_read(cx, &mut read)?
                .is_pending()
            {
                this.note();
                return Poll::Pending;
            }
            let bytes = read.filled();
            if bytes.is_empty() {
                if let Err(reason) = this.guard.eof() {
                    return this.refuse(reason, &mut buf);
                }
                this.reading = Reading::Closed;
                return Poll::Ready(Ok(()));
            }
            let Self {
                guard,
                ready,
                state,
                ..
            } = this;
            let before = guard.phase();
            if before == Phase::Body {
                state.body_came(bytes.len());
            }
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
                Ok(()) if passed => {
                    if before != Phase::Body && guard.phase() == Phase::Body {
                        state.begin_body();
                    }
                    state.wait(Waiting::Nothing, this.clock.coarse_ms());
                    return Poll::Ready(Ok(()));
                }
                Ok(()) => {}
                Err(reason) if passed => {
                    this.ended = Some(reason);
                    return Poll::Ready(Ok(()));
                }
                Err(reason) => return this.refuse(reason, &mut buf),
            }
        }
    }
}

impl Write for ClientIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > GATHER {
            let written = Pin::new(&mut this.stream).poll_write_vectored(cx, parts);
            return this.wrote(written);
        }
        // A head and a small body: copying them together costs less than the
        // kernel's way through two places.
        let scratch = Rc::clone(&this.scratch);
        let mut scratch = scratch.borrow_mut();
        let mut end = 0;
        for part in parts {
            scratch[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        }
        let written = Pin::new(&mut this.stream).poll_write(cx, &scratch[..end]);
        this.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.state.lingers() {
            if Pin::new(&mut this.stream).poll_shutdown(cx)?.is_pending() {
                return Poll::Pending;
            }
            let unread = this.reading == Reading::Refused || this.guard.phase() != Phase::Idle;
            if this.reading == Reading::Closed || !unread {
                return Poll::Ready(Ok(()));
            }
            this.state.wait(Waiting::Linger, this.clock.coarse_ms());
        }
        this.linger(cx)
    }
}

impl ClientIo {
    /// Throws away what the client still sends. Closing at once would reset the
    /// connection, and the answer would be lost on its way (RFC 9112 section 9.6).
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        while self.linger > 0 && self.state.tripped().is_none() {
            let mut read = ReadBuf::new(&mut scratch);
            if Pin::new(&mut self.stream)
                .poll_read(cx, &mut read)?
                .is_pending()
            {
                return Poll::Pending;
            }
            if read.filled().is_empty() {
                break;
            }
            self.linger = self.linger.saturating_sub(read.filled().len());
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.state.stalled(0);
            return written;
        }
        if let Some(Trip::Close) = self.state.tripped() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.state.stalled(self.clock.coarse_ms());
        Poll::Pending
    }
}
