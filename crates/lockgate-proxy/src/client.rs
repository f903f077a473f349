//! A client's connection, HTTP/1.1. What arrives passes the framing guard and
//! is read as requests; each is served in its turn, by the task of the
//! connection, and answered.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{ready, Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::{reasons, HeadLimits, Phase, RequestGuard};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::body::Broken;
use crate::clock::Clock;
use crate::http1::{Coding, Piece, SpareMap};
use crate::net::{acknowledge, ConnectionState, Scratch, Stream, Trip, Waiting};
use crate::{http2, http3};

mod conversation;
mod head;
mod kept;
mod outbox;
mod sending;
mod tunnel;

pub use conversation::converse;
pub use head::Asked;
use head::Head;
pub use kept::Kept;
use outbox::Outbox;
pub use outbox::Spare;
pub use tunnel::Tunnel;
pub(crate) use tunnel::{carry, Side};

/// Bytes of a refused request that are read and thrown away, so that its sender
/// gets to read the answer; nginx's `lingering_close` bounds only the time.
const LINGER_BYTES: usize = 1024 * 1024;

/// The rest of a body that nobody wants is read and thrown away up to this
/// length, so that the connection can serve on; a longer one costs more than a
/// new connection.
const DISCARD_BYTES: u64 = 64 * 1024;

/// Bytes of further requests that are read while one is in work: enough to see
/// that a client which sends several is gone.
const AHEAD_BYTES: usize = 16 * 1024;

/// How long the rest of a body may take that is thrown away, milliseconds.
const DISCARD_MS: u64 = 5_000;

/// A client's connection.
pub struct Client {
    stream: Stream,
    guard: RequestGuard,
    state: Rc<ConnectionState>,
    clock: Clock,
    scratch: Scratch,
    maps: SpareMap,
    /// Passed by the guard, and not taken yet.
    inbox: BytesMut,
    /// The body of the request in work.
    body: Coding,
    /// A `100 (Continue)` is awaited before the body is sent.
    expects: bool,
    /// What the guard found after what is in the inbox.
    flaw: Option<ReasonRef>,
    /// Nothing more will come.
    closed: bool,
    /// How far its closing has come.
    shutting: Shutting,
    outbox: Outbox,
}

/// How far the closing of the writing side has come.
#[derive(PartialEq, Eq)]
enum Shutting {
    No,
    Begun,
    Done,
}

/// What a connection brings next.
enum Next {
    /// A request.
    Request(Head),
    /// A head that the framing refuses.
    Refused(ReasonRef),
    /// Nothing more.
    Over,
}

/// The client went away, or has to.
#[derive(Debug)]
pub(crate) struct Gone;

impl Client {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(
        stream: Stream,
        limits: HeadLimits,
        state: Rc<ConnectionState>,
        clock: Clock,
        scratch: Scratch,
        (spare, maps): (Spare, SpareMap),
    ) -> Self {
        Self {
            stream,
            guard: RequestGuard::new(limits),
            state,
            clock,
            scratch,
            maps,
            inbox: BytesMut::new(),
            body: Coding::OVER,
            expects: false,
            flaw: None,
            closed: false,
            shutting: Shutting::No,
            outbox: Outbox::new(spare),
        }
    }

    /// Waits for the next request.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            match head::read(&mut self.inbox, &self.maps) {
                Some(Ok(head)) => {
                    self.body = head.body;
                    self.expects = head.expects && !head.body.is_over();
                    if !head.body.is_over() && self.inbox.is_empty() {
                        if let Some(stream) = self.stream.tcp() {
                            acknowledge(stream);
                        }
                    }
                    return Poll::Ready(Next::Request(head));
                }
                Some(Err(head::NotTaken)) => return Poll::Ready(Next::Refused(&reasons::TARGET)),
                None => {}
            }
            if let Some(reason) = self.flaw {
                return Poll::Ready(Next::Refused(reason));
            }
            let idle = self.guard.phase() == Phase::Idle;
            if self.closed {
                return Poll::Ready(Next::Over);
            }
            if idle && self.state.draining.get() {
                // What has come already is answered: its sender could not know.
                if self.poll_fill(cx).is_pending() {
                    return Poll::Ready(Next::Over);
                }
                continue;
            }
            match self.state.tripped() {
                Some(Trip::Close) => return Poll::Ready(Next::Over),
                Some(Trip::Refuse(reason)) => return Poll::Ready(Next::Refused(reason)),
                None => {}
            }
            if self.poll_fill(cx).is_pending() {
                self.state.wait(self.waiting(), self.clock.coarse_ms());
                return Poll::Pending;
            }
        }
    }

    /// The next piece of the body of the request in work; `None` at its end.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            match self.body.next(&mut self.inbox) {
                Some(Piece::Data(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))))
                }
                Some(Piece::End) => return Poll::Ready(None),
                None => {}
            }
            match self.state.tripped() {
                Some(Trip::Close) => self.closed = true,
                Some(Trip::Refuse(reason)) => self.flaw = Some(reason),
                None => {}
            }
            if self.flaw.is_some() {
                self.state.body.broken.set(self.flaw);
                return Poll::Ready(Some(Err(Broken)));
            }
            if self.closed {
                return Poll::Ready(Some(Err(Broken)));
            }
            if std::mem::take(&mut self.expects) {
                let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
                self.outbox.small().extend_from_slice(interim);
                // What cannot be written now goes out with the answer.
                let _ = self.poll_flush(cx);
            }
            if self.poll_fill(cx).is_pending() {
                self.state.wait(Waiting::Body, self.clock.coarse_ms());
                return Poll::Pending;
            }
        }
    }

    /// What comes through the tunnel that the connection has become; `None` once it is over.
    fn poll_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if !self.inbox.is_empty() {
                return Poll::Ready(Some(std::mem::take(&mut self.inbox).freeze()));
            }
            if self.closed {
                return Poll::Ready(None);
            }
            ready!(self.poll_fill(cx));
        }
    }

    /// Looks whether the client went away while it is being served. Whatever
    /// else it sends meanwhile waits in the inbox.
    fn is_gone(&mut self, cx: &mut Context<'_>) -> bool {
        let room = |inbox: &BytesMut| inbox.len() < AHEAD_BYTES;
        while self.body.is_over() && room(&self.inbox) && self.flaw.is_none() && !self.closed {
            if self.poll_fill(cx).is_pending() {
                return false;
            }
        }
        self.closed
    }

    /// Takes off what is there of a body that nobody wants. Whether the
    /// connection can serve on, as far as that goes.
    fn discards(&mut self) -> bool {
        while let Some(Piece::Data(_)) = self.body.next(&mut self.inbox) {}
        self.body.left().is_some_and(|left| left <= DISCARD_BYTES)
    }

    /// Reads the rest of a body, and throws it away.
    ///
    /// `since_ms` is when that began: whoever was refused gets no more time by
    /// sending a byte now and then.
    fn poll_discarded(&mut self, cx: &mut Context<'_>, since_ms: u64) -> Poll<bool> {
        while self.discards() {
            if self.body.is_over() {
                return Poll::Ready(true);
            }
            let late = self.clock.coarse_ms() >= since_ms + DISCARD_MS;
            let ends = late || self.closed || self.state.draining.get();
            if ends || self.flaw.is_some() || self.state.tripped().is_some() {
                break;
            }
            if self.poll_fill(cx).is_pending() {
                self.state.wait(Waiting::Discard, self.clock.coarse_ms());
                return Poll::Pending;
            }
        }
        Poll::Ready(false)
    }

    /// Reads once, if anything is to be had.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            stream,
            guard,
            inbox,
            state,
            ..
        } = self;
        let mut scratch = self.scratch.borrow_mut();
        let mut read = ReadBuf::new(&mut scratch);
        if ready!(Pin::new(stream).poll_read(cx, &mut read)).is_err() {
            self.closed = true;
            return Poll::Ready(());
        }
        let bytes = read.filled();
        if bytes.is_empty() {
            self.closed = true;
            self.flaw = guard.eof().err();
            return Poll::Ready(());
        }
        let before = guard.phase();
        if before == Phase::Body {
            state.body_came(bytes.len());
        }
        let fed = guard.feed(bytes, &mut |run: &[u8]| inbox.extend_from_slice(run));
        if before != Phase::Body && guard.phase() == Phase::Body {
            state.begin_body();
        }
        if !inbox.is_empty() && guard.phase() != Phase::Tunnel {
            state.wait(Waiting::Nothing, self.clock.coarse_ms());
        }
        self.flaw = fed.err();
        Poll::Ready(())
    }

    /// Writes what is in the outbox.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        while !self.outbox.is_empty() {
            match self.outbox.poll_write(&mut self.stream, cx) {
                Poll::Ready(Ok(())) => self.state.stalled(0),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Gone)),
                Poll::Pending => {
                    match self.state.tripped() {
                        Some(Trip::Close) => return Poll::Ready(Err(Gone)),
                        // Of the body, which is still being read.
                        Some(Trip::Refuse(reason)) => self.flaw = Some(reason),
                        None => {}
                    }
                    self.state.stalled(self.clock.coarse_ms());
                    return Poll::Pending;
                }
            }
        }
        // TLS may still hold what a full socket did not take.
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.state.stalled(0);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Gone)),
            Poll::Pending if matches!(self.state.tripped(), Some(Trip::Close)) => {
                Poll::Ready(Err(Gone))
            }
            Poll::Pending => {
                self.state.stalled(self.clock.coarse_ms());
                Poll::Pending
            }
        }
    }

    /// Closes the writing side, then throws away what the client still sends.
    /// Closing at once would reset the connection, and the answer would be lost
    /// on its way (RFC 9112 section 9.6).
    fn poll_close(&mut self, cx: &mut Context<'_>, linger: &mut usize) -> Poll<()> {
        if self.shutting == Shutting::No {
            self.shutting = Shutting::Begun;
            // What ended the conversation does not end this.
            let _ = self.state.tripped();
            self.state.linger(self.clock.coarse_ms());
        }
        if self.shutting == Shutting::Begun {
            // With TLS there is a word to say, and a client that takes none is not waited for.
            let shut = match Pin::new(&mut self.stream).poll_shutdown(cx) {
                Poll::Pending if self.state.tripped().is_none() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(()),
                Poll::Ready(shut) => shut,
            };
            self.shutting = Shutting::Done;
            let unread = self.flaw.is_some() || self.guard.phase() != Phase::Idle;
            if shut.is_err() || self.closed || !unread {
                return Poll::Ready(());
            }
        }
        let mut scratch = self.scratch.borrow_mut();
        while *linger > 0 && self.state.tripped().is_none() {
            let mut read = ReadBuf::new(&mut scratch);
            let polled = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read));
            if polled.is_err() || read.filled().is_empty() {
                break;
            }
            *linger = linger.saturating_sub(read.filled().len());
        }
        Poll::Ready(())
    }

    fn waiting(&self) -> Waiting {
        match self.guard.phase() {
            Phase::Idle if self.guard.heads() == 0 => Waiting::First,
            Phase::Idle => Waiting::Request,
            Phase::Head => Waiting::Head,
            Phase::Body => Waiting::Body,
            Phase::Failed | Phase::Tunnel | Phase::Waiting => Waiting::Nothing,
        }
    }
}

/// The body of a request, as it arrives.
pub enum Upload {
    /// Of the request in work on a connection.
    Http1(Rc<RefCell<Client>>),
    /// Of a stream.
    Http2(Box<http2::Upload>),
    /// Of a stream of HTTP/3.
    Http3(Box<http3::Upload>),
    /// One that was read, in part or whole, before it is sent on.
    Kept(Box<Kept>),
}

impl Upload {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read to its end; the connection's state says why.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Http1(client) => client.borrow_mut().poll_body(cx),
            Self::Http2(stream) => stream.poll_frame(cx),
            Self::Http3(stream) => stream.poll_frame(cx),
            Self::Kept(kept) => kept.poll_frame(cx),
        }
    }

    /// Bytes to come, where that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Http1(client) => client.borrow().body.left(),
            Self::Http2(stream) => stream.left(),
            Self::Http3(stream) => stream.left(),
            Self::Kept(kept) => kept.left(),
        }
    }

    /// All of it, where it was read already.
    #[must_use]
    pub fn kept(&self) -> Option<&Bytes> {
        match self {
            Self::Kept(kept) => kept.bytes(),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
