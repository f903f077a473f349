//! A connection to an upstream, HTTP/1.1: sends a request, receives its answer,
//! both at once where the body is long.

use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{ready, Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::{Body, Frame};
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::{Expect, Phase, ResponseGuard};
use tokio::io::ReadBuf;

use super::head::{self, Head};
use super::link::{trailing, Broke, RESET};
use super::socket::Socket;
use crate::body::RequestBody;
use crate::http1::{write_fields, Coding, Piece};
use crate::net::Scratch;
use crate::reasons;

/// Bytes of a request that are gathered before they are written.
const GATHER: usize = 16 * 1024;

/// Bytes of a read before the answer's head is whole. What comes with it waits here, and not with the
/// upstream, for as long as the client takes nothing.
const FIRST: usize = 16 * 1024;

/// An open connection.
pub struct Http1 {
    stream: Socket,
    /// The other end, over TCP.
    peer: Option<SocketAddr>,
    guard: ResponseGuard,
    scratch: Scratch,
    out: Vec<u8>,
    sent: usize,
    /// Whether the socket has all that was sent.
    flushed: bool,
    upload: Option<Upload>,
    inbox: BytesMut,
    body: Coding,
    /// The answer is to HEAD: it has no body, whatever its fields say.
    no_body: bool,
    keep_alive: bool,
    /// It is asked to become a tunnel.
    upgrading: bool,
    /// Whether any byte of the answer came.
    pub began: bool,
}

/// Marks a request that asks the connection to become a tunnel.
#[derive(Debug, Clone, Copy)]
pub struct Upgrading;

/// A request's body that is still being sent.
struct Upload {
    body: RequestBody,
    chunked: bool,
}

impl Http1 {
    /// A new connection.
    pub fn new(stream: Socket, guard: ResponseGuard, scratch: Scratch) -> Self {
        let peer = stream.peer();
        Self {
            stream,
            peer,
            guard,
            scratch,
            out: Vec::new(),
            sent: 0,
            flushed: true,
            upload: None,
            inbox: BytesMut::new(),
            body: Coding::OVER,
            no_body: false,
            keep_alive: true,
            upgrading: false,
            began: false,
        }
    }

    /// Begins to send a request, with header lines of the gate's own. Gives back
    /// its fields, which are written.
    pub fn begin(&mut self, request: Request<RequestBody>, own: &[u8]) -> HeaderMap {
        self.upgrading = request.extensions().get::<Upgrading>().is_some();
        let no_body = request.method() == Method::HEAD;
        let chunked = !request.body().is_empty() && request.body().size_hint().exact().is_none();
        let mut head = std::mem::take(&mut self.out);
        head.clear();
        head::write(&request, own, chunked, &mut head);
        self.start(head, no_body);
        let (parts, body) = request.into_parts();
        self.upload = (!body.is_empty()).then_some(Upload { body, chunked });
        parts.headers
    }

    /// Begins to send a request without a body, whose head another connection has written.
    pub fn begin_again(&mut self, head: Vec<u8>, no_body: bool) {
        self.upgrading = false;
        self.start(head, no_body);
    }

    fn start(&mut self, head: Vec<u8>, no_body: bool) {
        let (expect, body) = if self.upgrading {
            (Expect::Upgrade, Coding::UntilClose)
        } else if no_body {
            (Expect::NoBody, Coding::OVER)
        } else {
            (Expect::Body, Coding::UntilClose)
        };
        self.guard.expect(expect);
        self.no_body = no_body;
        self.body = body;
        self.began = false;
        self.out = head;
        self.sent = 0;
        self.flushed = false;
    }

    /// Nothing can be sent: an answer never comes.
    pub fn fail(&mut self) {
        self.guard.expect(Expect::Body);
        self.body = Coding::OVER;
        self.keep_alive = false;
    }

    /// The head that was written last, where no body followed it.
    pub fn written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Sends on, and waits for the answer's head. Interim answers are passed over.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Broke>> {
        // A server may answer before it has read all, and close: what it said counts.
        let sending = self.poll_send(cx);
        loop {
            if let Some(head) = head::read(&mut self.inbox, self.no_body) {
                let Ok(head) = head else {
                    return Poll::Ready(Err(Broke::Upstream(&reasons::GARBAGE)));
                };
                if head.status == StatusCode::SWITCHING_PROTOCOLS {
                    self.keep_alive = false;
                    self.body = Coding::UntilClose;
                    return Poll::Ready(Ok(head));
                }
                if head.status.is_informational() {
                    continue;
                }
                self.keep_alive = head.keep_alive;
                self.body = head.coding;
                if !self.body.is_over() && self.inbox.is_empty() {
                    self.stream.acknowledge();
                }
                return Poll::Ready(Ok(head));
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(RESET)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(broke)) => return Poll::Ready(Err(broke)),
                Poll::Pending => break,
            }
        }
        match sending {
            Poll::Ready(Err(Broke::Request)) => Poll::Ready(Err(Broke::Request)),
            // The other direction tells more, and it is still open.
            _ => Poll::Pending,
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broke>>> {
        if self.upload.is_some() || !self.flushed {
            // An error of the connection shows in the answer, or as its absence.
            if let Poll::Ready(Err(Broke::Request)) = self.poll_send(cx) {
                return Poll::Ready(Some(Err(Broke::Request)));
            }
        }
        loop {
            match self.body.next(&mut self.inbox) {
                Some(Piece::Data(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(trailing(trailers))))
                }
                Some(Piece::End) => return Poll::Ready(None),
                None => {}
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if self.body == Coding::UntilClose => {
                    self.body = Coding::OVER;
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(Some(Err(RESET))),
                Ok(_) => {}
                Err(broke) => return Poll::Ready(Some(Err(broke))),
            }
        }
    }

    /// What comes through the tunnel that the connection has become; `None` once it is over.
    pub fn poll_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if !self.inbox.is_empty() {
                return Poll::Ready(Some(std::mem::take(&mut self.inbox).freeze()));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(None),
                Ok(_) => {}
            }
        }
    }

    /// Sends `bytes` through the tunnel, and takes off what went; ready when all did.
    pub fn poll_push(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Bytes,
    ) -> Poll<Result<(), Broke>> {
        while !bytes.is_empty() {
            match ready!(self.stream.poll_write(cx, bytes)) {
                Ok(count) => bytes.advance(count),
                Err(_) => return Poll::Ready(Err(RESET)),
            }
        }
        self.stream.poll_flush(cx).map_err(|_| RESET)
    }

    /// Whether the answer's body is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.body.is_over()
    }

    /// Bytes of the body still to come, where that is known.
    #[must_use]
    pub const fn left(&self) -> Option<u64> {
        self.body.left()
    }

    /// Whether the connection can serve again, now that the answer is over.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.keep_alive
            && self.is_over()
            && self.upload.is_none()
            && self.sent == self.out.len()
            && self.flushed
            && self.inbox.is_empty()
            && self.guard.phase() == Phase::Idle
    }

    /// Whether a resting connection is still silent: one that closed, or
    /// speaks out of turn, is of no use.
    pub fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        let mut read = ReadBuf::new(&mut byte);
        self.stream
            .poll_read(&mut Context::from_waker(Waker::noop()), &mut read)
            .is_pending()
    }

    /// The other end, over TCP.
    pub const fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        loop {
            let gathered = self.gather(cx)?;
            while self.sent < self.out.len() {
                match ready!(self.stream.poll_write(cx, &self.out[self.sent..])) {
                    Ok(bytes) => self.sent += bytes,
                    Err(_) => return Poll::Ready(Err(RESET)),
                }
            }
            if self.upload.is_none() || gathered.is_pending() {
                self.flushed = self.stream.poll_flush(cx).is_ready();
            }
            if self.upload.is_none() {
                return if self.flushed {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                };
            }
            self.out.clear();
            self.sent = 0;
            if gathered.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Takes what there is of the body, as long as little is waiting to be written.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Broke> {
        while let Some(upload) = &mut self.upload {
            if self.out.len() >= GATHER {
                break;
            }
            match Pin::new(&mut upload.body).poll_frame(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Some(frame)) => upload.encode(frame?, &mut self.out),
                Poll::Ready(None) => {
                    if upload.chunked {
                        self.out.extend_from_slice(b"0\r\n\r\n");
                    }
                    self.upload = None;
                }
            }
            if self.upload.as_ref().is_some_and(|upload| upload.ended()) {
                self.upload = None;
            }
        }
        Ok(Poll::Ready(()))
    }

    /// Reads once; 0 if the upstream closed, rightly as far as the framing goes.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Broke>> {
        let scratch = self.scratch.clone();
        let mut scratch = scratch.borrow_mut();
        let most = match self.guard.phase() {
            Phase::Body | Phase::Tunnel => scratch.len(),
            _ => FIRST.min(scratch.len()),
        };
        let mut read = ReadBuf::new(&mut scratch[..most]);
        if ready!(self.stream.poll_read(cx, &mut read)).is_err() {
            return Poll::Ready(Err(RESET));
        }
        let bytes = read.filled();
        if bytes.is_empty() {
            return Poll::Ready(match self.guard.eof() {
                Ok(()) => Ok(0),
                Err(reason) => Err(self.wrong(reason)),
            });
        }
        self.began = true;
        let Self { guard, inbox, .. } = self;
        match guard.feed(bytes, &mut |run: &[u8]| inbox.extend_from_slice(run)) {
            Ok(()) => Poll::Ready(Ok(bytes.len())),
            Err(reason) => Poll::Ready(Err(self.wrong(reason))),
        }
    }

    fn wrong(&self, reason: ReasonRef) -> Broke {
        // Before the first byte there is no answer that could be wrong.
        Broke::Upstream(if self.began { reason } else { &reasons::RESET })
    }
}

impl Upload {
    fn encode(&mut self, frame: Frame<Bytes>, out: &mut Vec<u8>) {
        match frame.into_data() {
            Ok(data) if self.chunked => {
                if !data.is_empty() {
                    // Writing to memory cannot fail.
                    let _ = write!(out, "{:x}\r\n", data.len());
                    out.extend_from_slice(&data);
                    out.extend_from_slice(b"\r\n");
                }
            }
            Ok(data) => out.extend_from_slice(&data),
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.end(&trailers, out);
                }
            }
        }
    }

    fn end(&mut self, trailers: &HeaderMap, out: &mut Vec<u8>) {
        // A body of known length has no place for trailers (RFC 9112 section 7.1.2).
        if !self.chunked {
            return;
        }
        out.extend_from_slice(b"0\r\n");
        write_fields(out, trailers);
        out.extend_from_slice(b"\r\n");
        self.body = RequestBody::empty();
        self.chunked = false;
    }

    fn ended(&self) -> bool {
        !self.chunked && self.body.is_end_stream()
    }
}
