//! Bodies on their way through: counted, watched by policies, never kept.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{ready, Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use lockgate_policy::{BodyMachine, BodyVerdict, Denial};

use crate::exchange::Exchange;
use crate::net::ConnectionState;
use crate::reasons;
use crate::upstream::{Broke, Link};

/// Most that policies may hold back of one body, bytes; beyond it the request
/// is refused. Precedent: Envoy's per-connection buffer limit is 1 MiB.
pub const MAX_HELD: usize = 1024 * 1024;

/// A body that could not be passed on.
#[derive(Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the body ended early")
    }
}

impl std::error::Error for Broken {}

/// A request's body, on its way to the upstream.
pub struct RequestBody {
    arriving: Option<Arriving>,
}

struct Arriving {
    incoming: Incoming,
    watchers: Vec<Box<dyn BodyMachine>>,
    held: BytesMut,
    state: Rc<ConnectionState>,
    first_byte_ms: u64,
    now: crate::clock::Clock,
}

impl RequestBody {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self { arriving: None }
    }

    /// A body that is arriving. `first_byte_ms` is how long the upstream may
    /// take from its last byte on.
    #[must_use]
    pub fn arriving(
        incoming: Incoming,
        watchers: Vec<Box<dyn BodyMachine>>,
        state: Rc<ConnectionState>,
        now: crate::clock::Clock,
        first_byte_ms: u32,
    ) -> Self {
        let held = BytesMut::new();
        let first_byte_ms = u64::from(first_byte_ms);
        Self {
            arriving: Some(Arriving {
                incoming,
                watchers,
                held,
                state,
                first_byte_ms,
                now,
            }),
        }
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.arriving.is_none()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(arriving) = &mut self.get_mut().arriving else {
            return Poll::Ready(None);
        };
        loop {
            let frame = ready!(Pin::new(&mut arriving.incoming).poll_frame(cx));
            arriving
                .state
                .upstream_until(arriving.now.coarse_ms() + arriving.first_byte_ms);
            match frame {
                None => return Poll::Ready(arriving.end().transpose()),
                Some(Err(_)) => return Poll::Ready(Some(Err(Broken))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => {
                        if let Some(out) = arriving.chunk(chunk).transpose() {
                            return Poll::Ready(Some(out));
                        }
                    }
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.arriving.as_ref().is_none_or(|arriving| {
            arriving.watchers.is_empty() && arriving.incoming.is_end_stream()
        })
    }

    fn size_hint(&self) -> SizeHint {
        match &self.arriving {
            None => SizeHint::with_exact(0),
            Some(arriving) if arriving.watchers.is_empty() => arriving.incoming.size_hint(),
            // A watcher may replace: what will be sent is not known.
            Some(_) => SizeHint::default(),
        }
    }
}

impl Arriving {
    fn chunk(&mut self, chunk: Bytes) -> Result<Option<Frame<Bytes>>, Broken> {
        self.state
            .body_in
            .set(self.state.body_in.get() + chunk.len() as u64);
        if self.watchers.is_empty() {
            return Ok(Some(Frame::data(chunk)));
        }
        let mut chunk = chunk;
        for watcher in &mut self.watchers {
            match watcher.on_chunk(&chunk) {
                BodyVerdict::Pass => {}
                BodyVerdict::Replace(other) => {
                    self.held.clear();
                    chunk = other;
                }
                BodyVerdict::Hold if self.held.len() + chunk.len() <= MAX_HELD => {
                    self.held.extend_from_slice(&chunk);
                    return Ok(None);
                }
                BodyVerdict::Hold => return self.deny(Denial::new(&reasons::HELD_TOO_MUCH)),
                BodyVerdict::Deny(denial) => return self.deny(denial),
            }
        }
        Ok(Some(Frame::data(self.release(chunk))))
    }

    fn end(&mut self) -> Result<Option<Frame<Bytes>>, Broken> {
        for watcher in &mut self.watchers {
            match watcher.on_end() {
                BodyVerdict::Pass | BodyVerdict::Hold => {}
                BodyVerdict::Replace(other) => {
                    self.held.clear();
                    self.held.extend_from_slice(&other);
                }
                BodyVerdict::Deny(denial) => return self.deny(denial),
            }
        }
        self.watchers.clear();
        let rest = self.release(Bytes::new());
        Ok((!rest.is_empty()).then(|| Frame::data(rest)))
    }

    fn release(&mut self, chunk: Bytes) -> Bytes {
        if self.held.is_empty() {
            return chunk;
        }
        self.held.extend_from_slice(&chunk);
        self.held.split().freeze()
    }

    fn deny(&mut self, denial: Denial) -> Result<Option<Frame<Bytes>>, Broken> {
        self.state.body_refused.replace(Some(denial));
        Err(Broken)
    }
}

/// An answer's body, on its way to the client. The exchange ends with it.
pub struct AnswerBody {
    source: Source,
    exchange: Box<Exchange>,
}

enum Source {
    /// Said by the gate itself.
    Own(Option<Bytes>),
    /// Coming from the upstream, until it is over.
    Upstream(Option<Link>),
}

impl AnswerBody {
    /// A body of the gate's own.
    #[must_use]
    pub fn own(bytes: Bytes, exchange: Box<Exchange>) -> Self {
        let bytes = (!bytes.is_empty()).then_some(bytes);
        Self {
            source: Source::Own(bytes),
            exchange,
        }
    }

    /// A body that comes over `link`.
    #[must_use]
    pub fn upstream(link: Link, exchange: Box<Exchange>) -> Self {
        let mut body = Self {
            source: Source::Upstream(Some(link)),
            exchange,
        };
        body.settle();
        body
    }

    /// Puts the connection to rest as soon as the body is over.
    fn settle(&mut self) {
        if let Source::Upstream(slot) = &mut self.source {
            if let Some(link) = slot.take_if(|link| link.is_over()) {
                let keep_ms = self.exchange.upstream_times().keep_alive_ms;
                self.exchange.worker().pools.rest(link, keep_ms);
            }
        }
    }

    fn poll_upstream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Source::Upstream(Some(link)) = &mut self.source else {
            return Poll::Ready(None);
        };
        let state = &self.exchange.state;
        let polled = link.poll_body(cx);
        let Poll::Ready(polled) = polled else {
            if state.upstream_late() {
                self.exchange.broke_off(&reasons::IDLE_TIMEOUT);
                return Poll::Ready(Some(Err(Broken)));
            }
            let idle_ms = u64::from(self.exchange.upstream_times().idle_ms);
            state.upstream_wait(self.exchange.worker().clock.coarse_ms() + idle_ms);
            return Poll::Pending;
        };
        state.upstream_until(0);
        match polled {
            Some(Ok(frame)) => {
                self.exchange.bytes_out += frame.data_ref().map_or(0, Bytes::len) as u64;
                self.settle();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(broke)) => {
                self.exchange.broke_off(match broke {
                    Broke::Upstream(reason, _) => reason,
                    Broke::Request => &reasons::CLIENT_GONE,
                });
                Poll::Ready(Some(Err(Broken)))
            }
            None => {
                self.settle();
                Poll::Ready(None)
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        if let Source::Own(bytes) = &mut this.source {
            let bytes = bytes.take();
            this.exchange.bytes_out += bytes.as_ref().map_or(0, Bytes::len) as u64;
            this.exchange.complete = true;
            return Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))));
        }
        this.poll_upstream(cx)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(bytes) => bytes.is_none(),
            Source::Upstream(link) => link.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Source::Upstream(None) => SizeHint::with_exact(0),
            Source::Upstream(Some(link)) => link
                .left()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if self.is_end_stream() {
            self.exchange.complete = true;
        }
    }
}

#[cfg(test)]
mod tests;
