//! One exchange with an upstream's server, over a connection of its own
//! (HTTP/1.1) or as one stream of many (HTTP/2). Driven by the task that uses it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request};
use http_body::Frame;
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::trailer;

use super::forward::Lease;
use super::head::Head;
use super::http1::Http1;
use super::http2::Http2;
use super::spoken::Spoken;
use super::state::NameState;
use super::target::Target;
use crate::body::{Broken, RequestBody};
use crate::reasons;
use crate::respond::X_REQUEST_ID;
use crate::tls::Outbound;

/// One exchange with a server, and the connection that carries it.
pub struct Link {
    carrier: Carrier,
    target: Arc<Target>,
    /// When its connection was put to rest, or was used last, milliseconds since
    /// the epoch; 0 for a new one.
    pub rested_ms: u64,
    /// What the request holds of a group, if it went through one.
    pub lease: Option<Box<Lease>>,
    /// Where the address comes from, if DNS named it.
    pub name: Option<Arc<NameState>>,
    /// How it was made safe, where it was.
    pub tls: Option<Arc<Outbound>>,
    /// For whom it is, where the server was told.
    pub spoken: Option<Box<Spoken>>,
    /// Pieces of the answer's body that were taken and put back, the last first.
    back: Vec<Frame<Bytes>>,
}

/// What carries it.
pub(super) enum Carrier {
    /// A connection of its own.
    Http1(Http1),
    /// A stream.
    Http2(Http2),
}

/// A request as it was sent, to be sent once more.
pub enum Written {
    /// The head's bytes; there is no body.
    Head(Vec<u8>),
    /// Its parts, and its body from the start.
    Parts(Box<Parts>, Option<RequestBody>),
    /// Nothing that could be sent once more.
    Nothing,
}

/// Why an exchange broke off.
#[derive(Debug)]
pub enum Broke {
    /// The upstream's connection, or what came over it.
    Upstream(ReasonRef),
    /// The request's own body; whoever reads it knows why.
    Request,
}

/// The upstream's connection broke.
pub(super) const RESET: Broke = Broke::Upstream(&reasons::RESET);

impl From<Broken> for Broke {
    fn from(_: Broken) -> Self {
        Self::Request
    }
}

impl Link {
    /// Over a new connection, or a stream of one that there is.
    pub(super) const fn new(carrier: Carrier, target: Arc<Target>) -> Self {
        Self {
            carrier,
            target,
            rested_ms: 0,
            lease: None,
            name: None,
            tls: None,
            spoken: None,
            back: Vec::new(),
        }
    }

    /// The server at the other end.
    #[must_use]
    pub const fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Begins to send a request, with header lines of the gate's own. Gives back
    /// its fields, where they are done with.
    pub fn begin(&mut self, request: Request<RequestBody>, own: &[u8]) -> HeaderMap {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.begin(request, own),
            Carrier::Http2(stream) => {
                stream.begin(request, own);
                HeaderMap::new()
            }
        }
    }

    /// Begins to send a request once more, as another link has written it.
    pub fn begin_again(&mut self, written: Written, no_body: bool) {
        match (&mut self.carrier, written) {
            (Carrier::Http1(connection), Written::Head(head)) => {
                connection.begin_again(head, no_body);
            }
            (Carrier::Http2(stream), Written::Parts(parts, body)) => {
                stream.begin_again(*parts, body);
            }
            // An upstream's protocol is one for all of its servers.
            (Carrier::Http1(connection), _) => connection.fail(),
            (Carrier::Http2(stream), _) => stream.fail(),
        }
    }

    /// What was sent last, where it can be sent once more.
    pub fn written(&mut self) -> Written {
        match &mut self.carrier {
            Carrier::Http1(connection) => Written::Head(connection.written()),
            Carrier::Http2(stream) => match stream.written() {
                Some((parts, body)) => Written::Parts(Box::new(parts), body),
                None => Written::Nothing,
            },
        }
    }

    /// Nothing came in time.
    pub fn late(&self) {
        if let Carrier::Http2(stream) = &self.carrier {
            stream.late();
        }
    }

    /// Whether the server said that it did nothing with the request, so that it
    /// may be sent once more whatever it asks for.
    #[must_use]
    pub const fn is_untouched(&self) -> bool {
        match &self.carrier {
            Carrier::Http1(_) => false,
            Carrier::Http2(stream) => stream.is_untouched(),
        }
    }

    /// Whether any byte of the answer came.
    #[must_use]
    pub const fn began(&self) -> bool {
        match &self.carrier {
            Carrier::Http1(connection) => connection.began,
            Carrier::Http2(stream) => stream.began(),
        }
    }

    /// Sends on, and waits for the answer's head. Interim answers are passed over.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Broke>> {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.poll_head(cx),
            Carrier::Http2(stream) => stream.poll_head(cx),
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broke>>> {
        if let Some(frame) = self.back.pop() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.poll_body(cx),
            Carrier::Http2(stream) => stream.poll_body(cx),
        }
    }

    /// Puts back what was taken of the answer's body, in its order.
    pub fn put_back(&mut self, mut frames: Vec<Frame<Bytes>>) {
        frames.reverse();
        self.back.append(&mut frames);
    }

    /// What comes through the tunnel that it has become; `None` once it is over.
    pub fn poll_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.poll_tunnel(cx),
            Carrier::Http2(stream) => stream.poll_tunnel(cx),
        }
    }

    /// Sends `bytes` through the tunnel, and takes off what went; ready when all did.
    pub fn poll_push(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Bytes,
    ) -> Poll<Result<(), Broke>> {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.poll_push(cx, bytes),
            Carrier::Http2(stream) => stream.poll_push(cx, bytes),
        }
    }

    /// Whether the answer's body is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        if !self.back.is_empty() {
            return false;
        }
        match &self.carrier {
            Carrier::Http1(connection) => connection.is_over(),
            Carrier::Http2(stream) => stream.is_over(),
        }
    }

    /// Bytes of the body still to come, where that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        let back = self.back.iter().filter_map(Frame::data_ref);
        let back: u64 = back.map(|piece| piece.len() as u64).sum();
        let left = match &self.carrier {
            Carrier::Http1(connection) => connection.left(),
            Carrier::Http2(stream) => stream.left(),
        };
        left.map(|left| left + back)
    }

    /// Whether its connection can serve another exchange, now that the answer is
    /// over. One of many streams is done with: its connection is kept elsewhere.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        match &self.carrier {
            Carrier::Http1(connection) => connection.is_reusable(),
            Carrier::Http2(_) => false,
        }
    }

    /// Whether a resting connection is still silent: one that closed, or
    /// speaks out of turn, is of no use.
    pub fn is_silent(&mut self) -> bool {
        match &mut self.carrier {
            Carrier::Http1(connection) => connection.is_silent(),
            Carrier::Http2(_) => false,
        }
    }

    /// Whether DNS still names the address that it goes to, where DNS named it.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let peer = match &self.carrier {
            Carrier::Http1(connection) => connection.peer(),
            Carrier::Http2(stream) => stream.peer(),
        };
        is_current(self.name.as_ref(), peer)
    }
}

/// Whether DNS still names `peer`, where it named it.
pub(super) fn is_current(name: Option<&Arc<NameState>>, peer: Option<SocketAddr>) -> bool {
    let Some(name) = name else { return true };
    let peer = peer.as_ref().map(SocketAddr::ip);
    peer.is_some_and(|peer| name.addresses.load().contains(&peer))
}

pub(super) fn trailing(mut trailers: HeaderMap) -> Frame<Bytes> {
    lockgate_wire::headers::remove_hop_by_hop(&mut trailers);
    // The id is the gate's, here as in the head.
    trailers.remove(X_REQUEST_ID);
    // Whoever puts trailers among the fields of the head would have another answer than was let
    // through (RFC 9110 section 6.5.1).
    trailer::remove_forbidden(&mut trailers);
    Frame::trailers(trailers)
}
