//! The stream under an HTTP/2 connection, with an eye on its frames: what
//! costs the gate more than the client is counted before the library reads it.

use std::cell::{Cell, OnceCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{ready, Context, Poll};

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

/// A stream with a watcher of what the client sends.
pub struct Watched {
    stream: Stream,
    watcher: Box<Watcher>,
    clock: Clock,
    found: Found,
    fingerprint: Rc<OnceCell<Box<str>>>,
    deaf: bool,
}

impl Watched {
    /// Watches a connection from its preface on. What it sees comes into the second part.
    #[must_use]
    pub fn new(stream: Stream, budgets: Budgets, clock: Clock) -> (Self, Seen) {
        let seen = Seen::default();
        let watched = Self {
            stream,
            watcher: Box::new(Watcher::new(budgets, clock.coarse_ms())),
            clock,
            found: Rc::clone(&seen.found),
            fingerprint: Rc::clone(&seen.fingerprint),
            deaf: false,
        };
        (watched, seen)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
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
            // The library does not tell in which order pseudo-headers came.
            let text = this.watcher.fingerprint().akamai("");
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
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        this.watcher.sent_data(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, slices))?;
        this.watcher.sent_data(written as u64);
        Poll::Ready(Ok(written))
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
