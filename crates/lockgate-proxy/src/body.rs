//! Bodies on their way through: counted, watched by policies, never kept.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};
use lockgate_wire::framing::trailer;
use lockgate_wire::headers::{remove_hop_by_hop, remove_look_alikes, strip_identity};

use crate::client::{Tunnel, Upload};
use crate::exchange::Exchange;
use crate::inspect::Calls;
use crate::judge::Watcher;
use crate::mirror::Kept;
use crate::net::{BodyRefusal, ConnectionState};
use crate::reasons;
use crate::respond::X_REQUEST_ID;
use crate::snapshot::Snapshot;
use crate::upstream::{Broke, Link};

mod call;
mod chain;
mod packing;
mod unpacking;

pub use call::Call;
pub(crate) use chain::Chain;
pub use packing::Packing;
pub use unpacking::Unpacking;

/// Most that policies may hold back of one body, bytes; beyond it the request
/// is refused. Precedent: Envoy's per-connection buffer limit is 1 MiB.
pub const MAX_HELD: usize = 1024 * 1024;

/// Bytes of a kept body that go on at once. What sends it copies that much, so
/// that what is kept can be counted until it is sent.
const PIECE: usize = 64 * 1024;

/// The next bytes of what is kept.
fn a_piece(left: &mut Bytes) -> Bytes {
    left.split_to(left.len().min(PIECE))
}

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
    source: Source,
}

enum Source {
    Nothing,
    Arriving(Arriving),
    /// One that has passed before, and was kept.
    Kept(Bytes),
    /// One of which these pieces, the last first, have passed before.
    Again(Vec<Bytes>, Option<Box<RequestBody>>),
    /// One whose messages are looked at as they come.
    Calls(Box<Calls>),
    /// One of which nothing is left but its trailers.
    Ended(Box<HeaderMap>),
}

struct Arriving {
    upload: Upload,
    chain: Chain,
    /// What takes its codings off.
    unpacking: Option<Box<Unpacking>>,
    /// To be sent after what was held to the end.
    trailers: Option<Box<HeaderMap>>,
    /// Whether none go on.
    drops_trailers: bool,
    /// What policies set or took off in the head.
    settled: Vec<HeaderName>,
    state: Rc<ConnectionState>,
    first_byte_ms: u64,
    now: crate::clock::Clock,
    /// Knows which headers carry credentials.
    // As the exchange holds it: see there.
    #[allow(clippy::redundant_allocation)]
    snapshot: Rc<Arc<Snapshot>>,
    /// What keeps it as it passes, for a copy of the request.
    keeper: Option<Rc<Kept>>,
}

impl RequestBody {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            source: Source::Nothing,
        }
    }

    /// A body that is arriving. `first_byte_ms` is how long the upstream may
    /// take from its last byte on.
    #[must_use]
    pub fn arriving(
        upload: Upload,
        watchers: Vec<Watcher>,
        state: Rc<ConnectionState>,
        now: crate::clock::Clock,
        first_byte_ms: u32,
        snapshot: Rc<Arc<Snapshot>>,
    ) -> Self {
        let first_byte_ms = u64::from(first_byte_ms);
        Self {
            source: Source::Arriving(Arriving {
                upload,
                chain: Chain::new(watchers),
                unpacking: None,
                trailers: None,
                drops_trailers: false,
                settled: Vec::new(),
                state,
                first_byte_ms,
                now,
                snapshot,
                keeper: None,
            }),
        }
    }

    /// The same; fields of these names do not go behind it.
    #[must_use]
    pub fn without(mut self, settled: Vec<HeaderName>) -> Self {
        if let Source::Arriving(arriving) = &mut self.source {
            arriving.settled = settled;
        }
        self
    }

    /// Has no trailers go on, as RFC 9110, 6.5 allows to whoever passes a message on.
    pub fn drop_trailers(&mut self) {
        if let Source::Arriving(arriving) = &mut self.source {
            arriving.drops_trailers = true;
        }
    }

    /// One that was kept.
    #[must_use]
    pub const fn kept(bytes: Bytes) -> Self {
        Self {
            source: Source::Kept(bytes),
        }
    }

    /// One of which `sent` has passed already, from its start; `left` is what has not.
    #[must_use]
    pub fn again(mut sent: Vec<Bytes>, left: Option<Self>) -> Self {
        sent.reverse();
        Self {
            source: Source::Again(sent, left.map(Box::new)),
        }
    }

    /// One of which only these trailers are left.
    #[must_use]
    pub fn ended(trailers: HeaderMap) -> Self {
        Self {
            source: Source::Ended(Box::new(trailers)),
        }
    }

    /// One whose messages are looked at as they come.
    #[must_use]
    pub fn looked_at(calls: Calls) -> Self {
        Self {
            source: Source::Calls(Box::new(calls)),
        }
    }

    /// Takes its codings off as it arrives.
    #[must_use]
    pub fn unpacked(mut self, unpacking: Option<Box<Unpacking>>) -> Self {
        if let Source::Arriving(arriving) = &mut self.source {
            arriving.unpacking = unpacking;
        }
        self
    }

    /// How long it is, if it was kept.
    #[must_use]
    pub fn kept_bytes(&self) -> Option<u64> {
        match &self.source {
            Source::Kept(bytes) => Some(bytes.len() as u64),
            _ => None,
        }
    }

    /// Shows all that passes from here on.
    #[must_use]
    pub fn shown_to(mut self, shown: Option<Rc<Kept>>) -> Self {
        if let Source::Arriving(arriving) = &mut self.source {
            arriving.keeper = shown;
        }
        self
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.source {
            Source::Nothing => true,
            Source::Arriving(_) | Source::Calls(_) | Source::Ended(_) => false,
            Source::Kept(bytes) => bytes.is_empty(),
            Source::Again(sent, left) => {
                sent.is_empty() && left.as_ref().is_none_or(|left| left.is_empty())
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        match &mut this.source {
            Source::Nothing => Poll::Ready(None),
            Source::Ended(trailers) => {
                let trailers = std::mem::take(&mut **trailers);
                this.source = Source::Nothing;
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Source::Kept(bytes) => {
                let piece = a_piece(bytes);
                Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
            }
            Source::Again(sent, left) => match (sent.pop(), left) {
                (Some(mut left), _) => {
                    let piece = a_piece(&mut left);
                    sent.extend((!left.is_empty()).then_some(left));
                    Poll::Ready(Some(Ok(Frame::data(piece))))
                }
                (None, Some(left)) => Pin::new(left.as_mut()).poll_frame(cx),
                (None, None) => Poll::Ready(None),
            },
            Source::Calls(calls) => calls.poll(cx),
            Source::Arriving(arriving) => {
                let polled = arriving.poll(cx);
                arriving.show(&polled);
                polled.map(Result::transpose)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Nothing => true,
            Source::Ended(_) => false,
            Source::Kept(bytes) => bytes.is_empty(),
            Source::Again(sent, left) => {
                sent.is_empty() && left.as_ref().is_none_or(|left| left.is_end_stream())
            }
            Source::Calls(calls) => calls.is_over(),
            Source::Arriving(arriving) => arriving.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.source {
            Source::Nothing => Some(0),
            Source::Kept(_) => self.kept_bytes(),
            // Its head was written with the length that it has.
            Source::Again(..) | Source::Calls(_) | Source::Ended(_) => None,
            // A watcher may replace: what will be sent is not known.
            Source::Arriving(arriving) if arriving.may_change() => None,
            Source::Arriving(arriving) => arriving.upload.left(),
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Arriving {
    fn is_over(&self) -> bool {
        !self.may_change() && self.upload.left() == Some(0)
    }

    /// Whether what goes on may be other than what arrives.
    fn may_change(&self) -> bool {
        !self.chain.is_empty() || self.unpacking.is_some()
    }

    fn show(&self, polled: &Poll<Result<Option<Frame<Bytes>>, Broken>>) {
        let (Some(keeper), Poll::Ready(Ok(frame))) = (&self.keeper, polled) else {
            return;
        };
        match frame.as_ref().map(Frame::data_ref) {
            Some(Some(piece)) => keeper.piece(piece),
            // Trailers, or nothing: the body is over.
            Some(None) | None => keeper.end(),
        }
        if self.is_over() {
            keeper.end();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Ok(Some(Frame::trailers(*trailers))));
        }
        loop {
            if let Some(piece) = self.next_unpacked()? {
                let mut said = self.state.body.refused.borrow_mut();
                if let Some(passed) = self.chain.pass(piece, &mut said)? {
                    return Poll::Ready(Ok(Some(Frame::data(passed))));
                }
                continue;
            }
            let Poll::Ready(frame) = self.upload.poll_frame(cx) else {
                // The client is awaited: that is not the upstream's time.
                self.state.upstream_until(0);
                return Poll::Pending;
            };
            let until_ms = self.now.coarse_ms() + self.first_byte_ms;
            self.state.upstream_until(until_ms);
            let Some(frame) = frame.transpose()? else {
                return Poll::Ready(self.end());
            };
            let chunk = match frame.into_data() {
                Ok(chunk) => chunk,
                Err(frame) => return Poll::Ready(self.trailers(frame)),
            };
            let counted = self.state.body.bytes.get() + chunk.len() as u64;
            self.state.body.bytes.set(counted);
            if let Some(unpacking) = &mut self.unpacking {
                if let Err(refusal) = unpacking.take(chunk) {
                    return Poll::Ready(Err(self.not_unpacked(refusal)));
                }
                continue;
            }
            let mut said = self.state.body.refused.borrow_mut();
            if let Some(passed) = self.chain.pass(chunk, &mut said)? {
                return Poll::Ready(Ok(Some(Frame::data(passed))));
            }
        }
    }

    /// What came out of the codings, if they are taken off.
    fn next_unpacked(&mut self) -> Result<Option<Bytes>, Broken> {
        match &mut self.unpacking {
            Some(unpacking) => unpacking
                .unpack()
                .map_err(|refusal| self.not_unpacked(refusal)),
            None => Ok(None),
        }
    }

    /// The codings could not be taken off.
    fn not_unpacked(&self, refusal: BodyRefusal) -> Broken {
        self.state.body.refused.replace(Some(refusal));
        Broken
    }

    /// Shows the end to the watchers; what they held goes on.
    fn end(&mut self) -> Result<Option<Frame<Bytes>>, Broken> {
        if let Some(unpacking) = self.unpacking.take() {
            let ended = unpacking.end();
            ended.map_err(|refusal| self.not_unpacked(refusal))?;
        }
        let rest = self.chain.end(&mut self.state.body.refused.borrow_mut())?;
        Ok((!rest.is_empty()).then(|| Frame::data(rest)))
    }

    /// Trailers end the body too. They may not say what the head may not: an
    /// upstream may merge them.
    fn trailers(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, Broken> {
        if self.drops_trailers {
            return self.end();
        }
        let mut trailers = frame.into_trailers().unwrap_or_default();
        remove_hop_by_hop(&mut trailers);
        trailer::remove_forbidden(&mut trailers);
        trailers.remove(X_REQUEST_ID);
        strip_identity(&mut trailers, false);
        for name in self.snapshot.credentials.iter().chain(&self.settled) {
            remove_look_alikes(&mut trailers, name);
            trailers.remove(name);
        }
        let rest = self.end()?;
        if rest.is_some() {
            self.trailers = Some(Box::new(trailers));
            return Ok(rest);
        }
        Ok(Some(Frame::trailers(trailers)))
    }
}

/// An answer's body, on its way to the client. The exchange ends with it.
pub enum AnswerBody {
    /// Said by the gate itself. Only after a panic is there no exchange left.
    Own(Option<Bytes>, Option<Box<Exchange>>),
    /// None: the connection becomes a tunnel.
    Tunnel(Option<Box<Tunnel>>),
    /// Coming from the upstream, over a connection until it is over; packed on its way.
    Upstream(Option<Box<Link>>, Box<Exchange>, Option<Box<Packing>>),
    /// Coming from the upstream message by message, and ending with a status.
    Call(Box<Call>),
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
        // What tells no length may go on for as long as both sides want.
        if link.as_ref().is_some_and(|link| link.left().is_none()) {
            exchange.streams();
        }
        Self::Upstream(link, exchange, None)
    }

    /// Packs it, if it comes from an upstream.
    #[must_use]
    pub fn packed(mut self, packed: Option<Box<Packing>>) -> Self {
        if let Self::Upstream(_, _, packing) = &mut self {
            *packing = packed;
        }
        self
    }

    /// Whether it comes from an upstream.
    #[must_use]
    pub const fn is_upstream(&self) -> bool {
        matches!(self, Self::Upstream(..) | Self::Call(_))
    }

    /// The id of the request that it answers; none after a panic.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.exchange().map(|exchange| exchange.id.as_str())
    }

    /// Looks whether the time of a call is up, and whether who asked is still let in, while
    /// nobody takes more of it.
    ///
    /// # Errors
    /// If nothing more of it may go out.
    pub fn look(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        match self {
            Self::Call(call) => call.look(cx),
            Self::Upstream(Some(_), exchange, _) => still_allowed(exchange)?,
            Self::Own(..) | Self::Tunnel(_) | Self::Upstream(None, ..) => {}
        }
        Ok(())
    }

    /// Nobody wants the bytes: the answer goes without them.
    pub fn skip(&mut self) {
        if let Self::Own(bytes, _) = self {
            *bytes = None;
        }
    }

    /// The client did not take all of it.
    pub fn lost(&mut self) {
        if let Some(exchange) = self.exchange_mut() {
            let gone = exchange.state.gone();
            exchange.reason.get_or_insert(gone);
        }
    }

    fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::Own(_, exchange) => exchange.as_deref(),
            Self::Tunnel(tunnel) => tunnel.as_deref().map(Tunnel::exchange),
            Self::Upstream(_, exchange, _) => Some(exchange),
            Self::Call(call) => Some(call.exchange()),
        }
    }

    fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match self {
            Self::Own(_, exchange) => exchange.as_deref_mut(),
            Self::Tunnel(_) => None,
            Self::Upstream(_, exchange, _) => Some(exchange),
            Self::Call(call) => Some(call.exchange_mut()),
        }
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

/// Whether a piece of an answer may go on, where it is judged on its way.
fn goes_on(frame: &Frame<Bytes>, exchange: &mut Exchange) -> bool {
    let piece = frame.data_ref();
    piece.is_none_or(|piece| crate::inspect::slice(exchange, piece))
}

/// Whether who asked is still let in; the reason is noted.
fn still_allowed(exchange: &mut Exchange) -> Result<(), Broken> {
    match exchange.ended() {
        None => Ok(()),
        Some(denial) => {
            let _ = exchange.end(&denial);
            Err(Broken)
        }
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
    if let Err(broken) = still_allowed(exchange) {
        return Poll::Ready(Some(Err(broken)));
    }
    let Poll::Ready(polled) = link.poll_body(cx) else {
        if exchange.state.upstream_late() {
            if let Some(lease) = &link.lease {
                lease.failed(exchange.worker().clock.coarse_ms(), &reasons::IDLE_TIMEOUT);
            }
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
        Some(Ok(frame)) if !goes_on(&frame, exchange) => Some(Err(Broken)),
        Some(Ok(frame)) => {
            exchange.bytes_out += frame.data_ref().map_or(0, Bytes::len) as u64;
            settle(slot, exchange);
            Some(Ok(frame))
        }
        Some(Err(broke)) => {
            if let (Broke::Upstream(reason), Some(lease)) = (&broke, &link.lease) {
                lease.failed(exchange.worker().clock.coarse_ms(), reason);
            }
            exchange.broke_off(match broke {
                Broke::Upstream(reason) => reason,
                Broke::Request => exchange
                    .state
                    .body
                    .broken
                    .get()
                    .unwrap_or(exchange.state.gone()),
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
            Self::Tunnel(_) => Poll::Ready(None),
            Self::Upstream(link, exchange, Some(packing)) => packing.poll(link, exchange, cx),
            Self::Upstream(link, exchange, None) => poll_upstream(link, exchange, cx),
            Self::Call(call) => call.poll_frame(cx),
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
            Self::Tunnel(_) => true,
            Self::Upstream(_, _, Some(packing)) => packing.is_over(),
            Self::Upstream(link, _, None) => link.is_none(),
            Self::Call(call) => call.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes, _) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Self::Upstream(_, _, Some(packing)) if !packing.is_over() => SizeHint::default(),
            Self::Tunnel(_) | Self::Upstream(_, _, Some(_)) | Self::Upstream(None, ..) => {
                SizeHint::with_exact(0)
            }
            Self::Call(call) if call.is_over() => SizeHint::with_exact(0),
            Self::Call(_) => SizeHint::default(),
            Self::Upstream(Some(link), ..) => link
                .left()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let over = self.is_end_stream();
        if let Some(exchange) = self.exchange_mut() {
            exchange.complete = over;
        }
    }
}

#[cfg(test)]
mod tests;
