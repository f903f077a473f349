//! The stream under an HTTP/2 connection, with an eye on its frames: what
//! costs the gate more than the client is counted before the library reads it.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{ready, Context, Poll, Waker};

use lockgate_wire::http2::{Breach, Budgets, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::Clock;
use crate::net::Stream;

/// What a client did that ends its connection.
pub type Found = Rc<Cell<Option<Breach>>>;

/// What a watcher tells of a connection.
#[derive(Default)]
pub struct Seen {
    /// What ends it.
    pub found: Found,
    /// How its client began, once the first request is there.
    pub fingerprint: Rc<OnceCell<Box<str>>>,
}

/// Whether there is a breach; it stays where it is.
pub fn has_found(found: &Found) -> bool {
    let breach = found.take();
    let there = breach.is_some();
    found.set(breach);
    there
}

/// What is gathered before it is written, bytes: what one record of TLS holds.
const GATHER: usize = 16 * 1024;

/// What the library holds of all answers of a connection, bytes, before more is read of any.
const GIVEN: usize = 256 * 1024;

/// A stream with a watcher of what the client sends. What is sent to it is gathered until [`Wire::poll_send`]: the
/// library flushes after each frame of DATA, so that each answer of a hundred would be a record and a write of its own.
pub struct Watched(Rc<RefCell<Inner>>);

/// The same stream, for whoever drives the connection.
pub struct Wire {
    inner: Rc<RefCell<Inner>>,
    /// Where answers wait.
    pub room: Rc<Room>,
}

/// Whether the client takes what is written. While it does not, answers stay with their upstreams: the library would
/// take some of each, and has no bound over all of a connection's.
#[derive(Default)]
pub struct Room {
    none: Cell<bool>,
    /// Bytes that the library was given since the client took all.
    given: Cell<usize>,
    /// Streams that wait, each once.
    waiting: RefCell<Vec<Waker>>,
}

struct Inner {
    stream: Stream,
    /// What was gathered; nothing while the connection is idle.
    out: Vec<u8>,
    /// How much of it is written.
    sent: usize,
    /// How much was written in all.
    taken: u64,
    watcher: Box<Watcher>,
    clock: Clock,
    found: Found,
    fingerprint: Rc<OnceCell<Box<str>>>,
    deaf: bool,
}

impl Watched {
    /// Watches a connection from its preface on. What it sees comes into the last part.
    #[must_use]
    pub fn new(stream: Stream, budgets: Budgets, clock: Clock) -> (Self, Wire, Seen) {
        let seen = Seen::default();
        let inner = Rc::new(RefCell::new(Inner {
            stream,
            out: Vec::new(),
            sent: 0,
            taken: 0,
            watcher: Box::new(Watcher::new(budgets, clock.coarse_ms())),
            clock,
            found: Rc::clone(&seen.found),
            fingerprint: Rc::clone(&seen.fingerprint),
            deaf: false,
        }));
        let room = Rc::default();
        (Self(Rc::clone(&inner)), Wire { inner, room }, seen)
    }
}

impl Wire {
    /// Writes what was gathered; to be called whenever the library has done its turn.
    ///
    /// # Errors
    /// The stream's.
    pub fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner.borrow_mut();
        let sent = match inner.poll_drain(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut inner.stream).poll_flush(cx),
            sent => sent,
        };
        self.room.set(!sent.is_pending());
        sent
    }

    /// Bytes that the client took so far.
    pub fn taken(&self) -> u64 {
        self.inner.borrow().taken
    }
}

impl Room {
    fn set(&self, there: bool) {
        self.none.set(!there);
        if there {
            self.given.set(0);
            self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
        }
    }

    /// Notes what the library was given to send.
    pub fn give(&self, bytes: usize) {
        self.given.set(self.given.get() + bytes);
    }

    /// Waits while the client takes nothing of what was written before, or much is still to be written.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.none.get() && self.given.get() < GIVEN {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Inner {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let mut stream = Pin::new(&mut self.stream);
            // TLS takes more than the socket does: only what went before says that the client takes anything.
            ready!(stream.as_mut().poll_flush(cx))?;
            let written = ready!(stream.poll_write(cx, &self.out[self.sent..]))?;
            self.wrote(written)?;
        }
        self.out = Vec::new();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.sent += written;
        self.taken += written as u64;
        self.watcher.sent_data(written as u64);
        Ok(())
    }

    /// Gathers what fits, and writes what does not together with what was gathered.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = slices.iter().map(|slice| slice.len()).sum();
        loop {
            if self.out.len() + all <= GATHER {
                if self.out.is_empty() {
                    self.out.reserve(GATHER);
                }
                for slice in slices {
                    self.out.extend_from_slice(slice);
                }
                return Poll::Ready(Ok(all));
            }
            let waiting = &self.out[self.sent..];
            let before = waiting.len();
            // The library gives two: what is before a payload, and the payload.
            let [first, second] = [0, 1].map(|at| slices.get(at).map_or(&[][..], |slice| &**slice));
            let together = [waiting, first, second].map(IoSlice::new);
            let mut stream = Pin::new(&mut self.stream);
            ready!(stream.as_mut().poll_flush(cx))?;
            let written = ready!(stream.poll_write_vectored(cx, &together))?;
            self.wrote(written)?;
            if self.sent >= self.out.len() {
                self.out = Vec::new();
                self.sent = 0;
            }
            if written > before {
                return Poll::Ready(Ok(written - before));
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self.0.borrow_mut();
        if this.deaf {
            // The library still says good-bye, and is told nothing more.
            return Poll::Pending;
        }
        let before = read.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, read))?;
        let came = &read.filled()[before..];
        if let Err(breach) = this.watcher.feed(came, this.clock.coarse_ms()) {
            this.deaf = true;
            this.found.set(Some(breach));
            read.set_filled(before);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.fingerprint.get().is_none() && this.watcher.fingerprint().is_complete() {
            let text = this.watcher.fingerprint().akamai();
            // It was empty a line above.
            let _ = this.fingerprint.set(text.into());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_take(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_take(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// It is done by [`Wire::poll_send`], once for all frames of a turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        ready!(inner.poll_drain(cx))?;
        Pin::new(&mut inner.stream).poll_shutdown(cx)
    }
}
