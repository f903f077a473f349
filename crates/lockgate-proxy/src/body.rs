//! Bodies on their way through: counted, watched by policies, never kept.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use lockgate_policy::{BodyVerdict, Denial};
use lockgate_wire::headers::{remove_hop_by_hop, remove_look_alikes, strip_identity};

use crate::exchange::Exchange;
use crate::judge::Watcher;
use crate::net::{BodyRefusal, ConnectionState};
use crate::reasons;
use crate::snapshot::Snapshot;
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
    watchers: Vec<Watcher>,
    held: BytesMut,
    state: Rc<ConnectionState>,
    first_byte_ms: u64,
    now: crate::clock::Clock,
    /// Knows which headers carry credentials.
    // As the exchange holds it: see there.
    #[allow(clippy::redundant_allocation)]
    snapshot: Rc<Arc<Snapshot>>,
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
        watchers: Vec<Watcher>,
        state: Rc<ConnectionState>,
        now: crate::clock::Clock,
        first_byte_ms: u32,
        snapshot: Rc<Arc<Snapshot>>,
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
                snapshot,
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
            let Poll::Ready(frame) = Pin::new(&mut arriving.incoming).poll_frame(cx) else {
                // The client is awaited: that is not the upstream's time.
                arriving.state.upstream_until(0);
                return Poll::Pending;
            };
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
                    Err(frame) => return Poll::Ready(Some(Ok(arriving.trailers(frame)))),
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
        let mut at = 0;
        while let Some(watcher) = self.watchers.get_mut(at) {
            match watcher.machine.on_chunk(&chunk) {
                BodyVerdict::Pass => {}
                BodyVerdict::Replace(other) => {
                    self.held.clear();
                    chunk = other;
                }
                BodyVerdict::Hold if self.held.len() + chunk.len() <= MAX_HELD => {
                    self.held.extend_from_slice(&chunk);
                    return Ok(None);
                }
                BodyVerdict::Hold => self.refused(at, Denial::new(&reasons::HELD_TOO_MUCH))?,
                BodyVerdict::Deny(denial) => self.refused(at, denial)?,
            }
            at += 1;
        }
        Ok(Some(Frame::data(self.release(chunk))))
    }

    fn end(&mut self) -> Result<Option<Frame<Bytes>>, Broken> {
        let mut at = 0;
        while let Some(watcher) = self.watchers.get_mut(at) {
            match watcher.machine.on_end() {
                BodyVerdict::Pass | BodyVerdict::Hold => {}
                BodyVerdict::Replace(other) => {
                    self.held.clear();
                    self.held.extend_from_slice(&other);
                }
                BodyVerdict::Deny(denial) => self.refused(at, denial)?,
            }
            at += 1;
        }
        self.watchers.clear();
        let rest = self.release(Bytes::new());
        Ok((!rest.is_empty()).then(|| Frame::data(rest)))
    }

    /// A watcher refused: that ends the body, or is written down and no more.
    fn refused(&mut self, at: usize, denial: Denial) -> Result<(), Broken> {
        let watcher = &mut self.watchers[at];
        let said = BodyRefusal {
            step: watcher.step,
            enforced: watcher.enforced,
            denial,
        };
        // The first word counts; an observed watcher goes on and is not heard again.
        let heard = self.state.body_refused.borrow().is_some();
        if said.enforced || !heard {
            self.state.body_refused.replace(Some(said));
        }
        if watcher.enforced {
            Err(Broken)
        } else {
            Ok(())
        }
    }

    /// Trailers may not say what the head may not: an upstream may merge them.
    fn trailers(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let Ok(mut trailers) = frame.into_trailers() else {
            return Frame::trailers(HeaderMap::new());
        };
        remove_hop_by_hop(&mut trailers);
        strip_identity(&mut trailers, false);
        for name in &self.snapshot.credentials {
            remove_look_alikes(&mut trailers, name);
            trailers.remove(name);
        }
        Frame::trailers(trailers)
    }

    fn release(&mut self, chunk: Bytes) -> Bytes {
        if self.held.is_empty() {
            return chunk;
        }
        self.held.extend_from_slice(&chunk);
        self.held.split().freeze()
    }
}

/// An answer's body, on its way to the client. The exchange ends with it.
pub enum AnswerBody {
    /// Said by the gate itself. Only after a panic is there no exchange left.
    Own(Option<Bytes>, Option<Box<Exchange>>),
    /// Coming from the upstream, over a connection until it is over.
    Upstream(Option<Box<Link>>, Box<Exchange>),
}

impl AnswerBody {
    /// A body of the gate's own.
    #[must_use]
    pub fn own(bytes: Bytes, exchange: Option<Box<Exchange>>) -> Self {
        Self::Own((!bytes.is_empty()).then_some(bytes), exchange)
    }

    /// A body that comes over `link`.
    #[must_use]
    pub fn upstream(link: Box<Link>, exchange: Box<Exchange>) -> Self {
        let mut link = Some(link);
        settle(&mut link, &exchange);
        Self::Upstream(link, exchange)
    }
}

/// Puts the connection to rest as soon as the body is over.
fn settle(slot: &mut Option<Box<Link>>, exchange: &Exchange) {
    if let Some(link) = slot.take_if(|link| link.is_over()) {
        exchange
            .worker()
            .pools
            .rest(link, exchange.upstream_times().keep_alive_ms);
    }
}

fn poll_upstream(
    slot: &mut Option<Box<Link>>,
    exchange: &mut Exchange,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
    let Some(link) = slot else {
        return Poll::Ready(None);
    };
    let Poll::Ready(polled) = link.poll_body(cx) else {
        if exchange.state.upstream_late() {
            exchange.broke_off(&reasons::IDLE_TIMEOUT);
            return Poll::Ready(Some(Err(Broken)));
        }
        let idle_ms = u64::from(exchange.upstream_times().idle_ms);
        exchange
            .state
            .upstream_wait(exchange.worker().clock.coarse_ms() + idle_ms);
        return Poll::Pending;
    };
    exchange.state.upstream_until(0);
    Poll::Ready(match polled {
        Some(Ok(frame)) => {
            exchange.bytes_out += frame.data_ref().map_or(0, Bytes::len) as u64;
            settle(slot, exchange);
            Some(Ok(frame))
        }
        Some(Err(broke)) => {
            exchange.broke_off(match broke {
                Broke::Upstream(reason) => reason,
                Broke::Request => &reasons::CLIENT_GONE,
            });
            Some(Err(Broken))
        }
        None => {
            settle(slot, exchange);
            None
        }
    })
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Upstream(link, exchange) => poll_upstream(link, exchange, cx),
            Self::Own(bytes, exchange) => {
                let bytes = bytes.take();
                if let Some(exchange) = exchange {
                    exchange.bytes_out += bytes.as_ref().map_or(0, Bytes::len) as u64;
                }
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes, _) => bytes.is_none(),
            Self::Upstream(link, _) => link.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes, _) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Self::Upstream(None, _) => SizeHint::with_exact(0),
            Self::Upstream(Some(link), _) => link
                .left()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let over = self.is_end_stream();
        if let Self::Own(_, Some(exchange)) | Self::Upstream(_, exchange) = self {
            exchange.complete = over;
        }
    }
}

#[cfg(test)]
mod tests;
