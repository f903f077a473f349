//! Streams of a connection to an upstream, HTTP/2 (RFC 9113). One connection
//! carries the exchanges of many; a task of its own drives it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{ready, Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::header::{
    HeaderName, HeaderValue, CONNECTION, CONTENT_LENGTH, HOST, SEC_WEBSOCKET_KEY, TE, UPGRADE,
};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, Method, Request, Version};
use http_body::{Body, Frame};
use tokio::sync::Notify;

use super::head::Head;
use super::http1::Upgrading;
use super::link::{is_current, trailing, Broke, RESET};
use super::socket::Socket;
use super::state::NameState;
use crate::body::RequestBody;
use crate::http1::Coding;
use crate::reasons;
use crate::respond::Fields;
use crate::tls::Outbound;

/// What an upstream may send of one answer before it is read on, bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all answers of a connection together.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Streams on one connection, also where the server allows more: beyond them
/// another connection is opened, so that one is not all that there is.
const MAX_STREAMS: u32 = 256;

/// What is asked of the window of a tunnel at once, bytes.
const PIECE: usize = 16 * 1024;

/// Of a body that was sent, what is kept until an answer comes, bytes and
/// pieces: a server that leaves has not looked at it, and another one may.
const KEPT_BYTES: usize = 64 * 1024;
const KEPT_PIECES: usize = 16;

/// A connection that carries many exchanges.
#[derive(Clone)]
pub struct Shared {
    send: SendRequest<Bytes>,
    secure: bool,
    peer: Option<SocketAddr>,
    standing: Rc<Standing>,
    /// How it was made safe, where it was.
    pub tls: Option<Arc<Outbound>>,
    /// Where the address comes from, if DNS named it.
    pub name: Option<Arc<NameState>>,
}

/// How a connection is doing.
#[derive(Default)]
struct Standing {
    streams: Cell<u32>,
    /// When a stream of it ended last, milliseconds since the epoch.
    used_ms: Cell<u64>,
    /// How often anything came over it.
    heard: Cell<u64>,
    closed: Cell<bool>,
    /// Asks the server for a sign, once somebody has to know its settings.
    ping: RefCell<Option<PingPong>>,
    /// Told when the settings have come.
    settled: Notify,
}

impl Standing {
    fn hear(&self) {
        self.heard.set(self.heard.get().wrapping_add(1));
    }

    /// Whether the server's settings have come: they are the first that it says.
    fn is_settled(&self) -> bool {
        self.heard.get() != 0
    }

    /// Waits for them.
    async fn settle(self: Rc<Self>) {
        let mut told = pin!(self.settled.notified());
        // From here on nothing that is told is missed.
        told.as_mut().enable();
        let ping = self.ping.borrow_mut().take();
        if let Some(mut ping) = ping {
            let standing = Rc::clone(&self);
            tokio::task::spawn_local(async move {
                if ping.ping(Ping::opaque()).await.is_ok() {
                    standing.hear();
                }
                standing.settled.notify_waiters();
            });
        }
        if !self.is_settled() && !self.closed.get() {
            told.await;
        }
    }
}

impl Shared {
    /// Says hello over a new connection. `head_bytes` bounds an answer's head.
    ///
    /// # Errors
    /// If the server does not speak HTTP/2.
    pub async fn open(
        socket: Socket,
        head_bytes: u32,
        tls: Option<Arc<Outbound>>,
    ) -> Result<Self, h2::Error> {
        let peer = socket.peer();
        let (send, mut connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(head_bytes)
            .handshake::<_, Bytes>(socket)
            .await?;
        let standing = Rc::<Standing>::default();
        standing.ping.replace(connection.ping_pong());
        let told = Rc::clone(&standing);
        tokio::task::spawn_local(async move {
            // Why it ended shows in each of its streams.
            let _ = connection.await;
            told.closed.set(true);
            told.settled.notify_waiters();
        });
        Ok(Self {
            send,
            secure: tls.is_some(),
            peer,
            standing,
            tls,
            name: None,
        })
    }

    /// Whether another exchange can go over it.
    #[must_use]
    pub fn has_room(&self) -> bool {
        // A server that said good-bye takes no more, though older exchanges go on.
        let mut context = Context::from_waker(Waker::noop());
        if !matches!(
            self.send.clone().poll_ready(&mut context),
            Poll::Ready(Ok(()))
        ) {
            return false;
        }
        let most = u32::try_from(self.send.current_max_send_streams()).unwrap_or(MAX_STREAMS);
        !self.standing.closed.get()
            && self.standing.streams.get() < most.min(MAX_STREAMS)
            && is_current(self.name.as_ref(), self.peer)
    }

    /// Whether it can be let go of: it is closed, or nobody has used it for `keep_ms`.
    #[must_use]
    pub fn is_done(&self, keep_ms: u32, now_ms: u64) -> bool {
        let idle = self.standing.streams.get() == 0;
        self.standing.closed.get()
            || (idle && now_ms >= self.standing.used_ms.get() + u64::from(keep_ms))
    }

    /// When it was used last, milliseconds since the epoch; 0 for a new one.
    #[must_use]
    pub fn used_ms(&self) -> u64 {
        self.standing.used_ms.get()
    }
}

/// One exchange on a connection.
pub struct Http2 {
    connection: Shared,
    now_ms: u64,
    state: State,
    send: Option<SendStream<Bytes>>,
    upload: Option<RequestBody>,
    /// As it was sent.
    written: Option<Parts>,
    /// What went of the body; `None` where it is too much to be sent once more.
    sent: Option<Vec<Bytes>>,
    /// What was heard over the connection before.
    heard: u64,
    /// The server itself broke it off: it is no sign of a connection that was closing.
    reset: bool,
    /// The server said that it did nothing with it.
    untouched: bool,
    /// It shall become a tunnel.
    tunnel: bool,
}

enum State {
    /// Nothing was sent, or it could not be.
    Failed,
    /// The server's settings are awaited: they say whether it can be sent.
    Settling(Pin<Box<dyn Future<Output = ()>>>, Box<Parts>),
    /// It cannot be sent there.
    NotTaken,
    /// The head is awaited.
    Asked(ResponseFuture),
    /// The body comes.
    Answered {
        stream: RecvStream,
        left: Option<u64>,
        data_over: bool,
        over: bool,
    },
}

impl Http2 {
    /// A new exchange; `now_ms` is the time, milliseconds since the epoch.
    #[must_use]
    pub fn new(connection: Shared, now_ms: u64) -> Self {
        let streams = &connection.standing.streams;
        streams.set(streams.get() + 1);
        Self {
            connection,
            now_ms,
            state: State::Failed,
            send: None,
            upload: None,
            written: None,
            sent: Some(Vec::new()),
            heard: 0,
            reset: false,
            untouched: false,
            tunnel: false,
        }
    }

    /// Begins to send a request, with header lines of the gate's own.
    pub fn begin(&mut self, request: Request<RequestBody>, own: &[u8]) {
        let (mut parts, body) = request.into_parts();
        let headers = &mut parts.headers;
        for line in own.split(|byte| *byte == b'\n') {
            let Some(colon) = memchr::memchr(b':', line) else {
                continue;
            };
            let name = HeaderName::from_bytes(&line[..colon]);
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
        // RFC 9113 section 8.2.2: what speaks of the connection is not said; TE may say this.
        headers.remove(CONNECTION);
        if headers.contains_key(TE) {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        let Some(uri) = self.target(&mut parts) else {
            return;
        };
        parts.uri = uri;
        parts.version = Version::HTTP_2;
        if parts.extensions.remove::<Upgrading>().is_some() {
            // RFC 8441 section 5: a WebSocket's handshake without what HTTP/1.1 needs.
            parts.headers.remove(UPGRADE);
            parts.headers.remove(SEC_WEBSOCKET_KEY);
            parts.method = Method::CONNECT;
            parts.extensions.insert(Protocol::from_static("websocket"));
        }
        let body = (!body.is_empty()).then_some(body);
        self.ask(parts, body);
    }

    /// Begins to send a request once more.
    pub fn begin_again(&mut self, parts: Parts, body: Option<RequestBody>) {
        self.ask(parts, body);
    }

    /// What was sent, and its body from the start, where that can be had.
    pub fn written(&mut self) -> Option<(Parts, Option<RequestBody>)> {
        let sent = self.sent.take()?;
        let left = self.upload.take();
        let body = (left.is_some() || !sent.is_empty()).then(|| RequestBody::again(sent, left));
        Some((self.written.take()?, body))
    }

    /// Whether the server said that it did nothing with it, so that any request
    /// may be sent once more (RFC 9113 section 8.7).
    #[must_use]
    pub const fn is_untouched(&self) -> bool {
        self.untouched && self.sent.is_some()
    }

    /// Nothing came in time. Where nothing came over the whole connection since
    /// this was asked, nobody may be there any more: it carries nothing new.
    pub fn late(&self) {
        if self.connection.standing.heard.get() == self.heard {
            self.connection.standing.closed.set(true);
        }
    }

    /// Nothing can be sent.
    pub fn fail(&mut self) {
        self.state = State::Failed;
    }

    /// Whether the answer's head came, or the server's word that there is none.
    #[must_use]
    pub const fn began(&self) -> bool {
        self.reset || matches!(self.state, State::Answered { .. })
    }

    /// The other end, over TCP.
    #[must_use]
    pub const fn peer(&self) -> Option<SocketAddr> {
        self.connection.peer
    }

    /// The `:scheme`, `:authority` and `:path` of a request.
    fn target(&self, parts: &mut Parts) -> Option<Uri> {
        let scheme = if self.connection.secure {
            "https"
        } else {
            "http"
        };
        let host = parts.headers.remove(HOST)?;
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Uri::builder()
            .scheme(scheme)
            .authority(host.as_bytes())
            .path_and_query(path)
            .build()
            .ok()
    }

    fn ask(&mut self, parts: Parts, body: Option<RequestBody>) {
        self.tunnel = parts.extensions.get::<Protocol>().is_some();
        if self.tunnel && !self.connection.send.is_extended_connect_protocol_enabled() {
            let standing = &self.connection.standing;
            self.state = if standing.is_settled() {
                State::NotTaken
            } else {
                let settling = Box::pin(Rc::clone(standing).settle());
                State::Settling(settling, Box::new(parts))
            };
            return;
        }
        self.written = Some(parts.clone());
        self.heard = self.connection.standing.heard.get();
        let request = Request::from_parts(parts, ());
        let over = body.is_none() && !self.tunnel;
        self.state = match self.connection.send.send_request(request, over) {
            Ok((response, send)) => {
                self.send = (!over).then_some(send);
                State::Asked(response)
            }
            Err(_) => State::Failed,
        };
        self.upload = body;
    }

    /// Sends on, and waits for the answer's head.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Broke>> {
        if let State::Settling(settling, _) = &mut self.state {
            ready!(settling.as_mut().poll(cx));
            if let State::Settling(_, parts) = std::mem::replace(&mut self.state, State::Failed) {
                let settled = self.connection.standing.is_settled();
                if settled {
                    self.ask(*parts, None);
                }
            }
        }
        if matches!(self.state, State::NotTaken) {
            return Poll::Ready(Err(Broke::Upstream(&reasons::NO_WEBSOCKET)));
        }
        let sending = self.poll_send(cx);
        let State::Asked(response) = &mut self.state else {
            return Poll::Ready(Err(RESET));
        };
        match Pin::new(response).poll(cx) {
            Poll::Ready(Ok(response)) => {
                self.connection.standing.hear();
                let (parts, stream) = response.into_parts();
                let length = parts.headers.get(CONTENT_LENGTH);
                let over = stream.is_end_stream();
                self.state = State::Answered {
                    left: length.and_then(|length| length.to_str().ok()?.parse().ok()),
                    data_over: over,
                    over,
                    stream,
                };
                Poll::Ready(Ok(Head {
                    status: parts.status,
                    fields: Fields::Own(parts.headers),
                    coding: Coding::OVER,
                    keep_alive: true,
                }))
            }
            Poll::Ready(Err(error)) => {
                // RFC 9113 sections 8.7 and 6.8: what is refused so, and what a
                // good-bye leaves out, was not looked at.
                let refused = error.reason() == Some(Reason::REFUSED_STREAM);
                self.untouched = error.is_remote() && (refused || error.is_go_away());
                self.reset = error.is_remote() && error.is_reset() && !refused;
                Poll::Ready(Err(broke(&error)))
            }
            Poll::Pending => match sending {
                Poll::Ready(Err(Broke::Request)) => Poll::Ready(Err(Broke::Request)),
                _ => Poll::Pending,
            },
        }
    }

    /// The next piece of the answer's body; `None` at its end.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broke>>> {
        if self.upload.is_some() {
            if let Poll::Ready(Err(Broke::Request)) = self.poll_send(cx) {
                return Poll::Ready(Some(Err(Broke::Request)));
            }
        }
        let State::Answered {
            stream,
            left,
            data_over,
            over,
        } = &mut self.state
        else {
            return Poll::Ready(Some(Err(RESET)));
        };
        while !*data_over {
            match ready!(stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    self.connection.standing.hear();
                    if let Some(left) = left {
                        *left = left.saturating_sub(data.len() as u64);
                    }
                    // A stream that is over needs no room.
                    let _ = stream.flow_control().release_capacity(data.len());
                    *over = stream.is_end_stream();
                    *data_over = *over;
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(broke(&error)))),
                None => *data_over = true,
            }
        }
        if *over {
            return Poll::Ready(None);
        }
        let trailers = ready!(stream.poll_trailers(cx));
        *over = true;
        match trailers {
            Ok(Some(trailers)) => Poll::Ready(Some(Ok(trailing(trailers)))),
            Ok(None) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(broke(&error)))),
        }
    }

    /// What comes through the tunnel that it has become; `None` once it is over.
    pub fn poll_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let State::Answered { stream, .. } = &mut self.state else {
            return Poll::Ready(None);
        };
        loop {
            let Some(Ok(data)) = ready!(stream.poll_data(cx)) else {
                return Poll::Ready(None);
            };
            self.connection.standing.hear();
            // A stream that is over needs no room.
            let _ = stream.flow_control().release_capacity(data.len());
            if !data.is_empty() {
                return Poll::Ready(Some(data));
            }
        }
    }

    /// Sends `bytes` through the tunnel, and takes off what went; ready when all did.
    pub fn poll_push(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Bytes,
    ) -> Poll<Result<(), Broke>> {
        let Some(send) = self.send.as_mut().filter(|_| self.tunnel) else {
            return Poll::Ready(Err(RESET));
        };
        while !bytes.is_empty() {
            send.reserve_capacity(bytes.len().min(PIECE));
            while send.capacity() == 0 {
                match ready!(send.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    _ => return Poll::Ready(Err(RESET)),
                }
            }
            let taken = send.capacity().min(bytes.len());
            if send.send_data(bytes.split_to(taken), false).is_err() {
                return Poll::Ready(Err(RESET));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the answer's body is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Answered { over: true, .. })
    }

    /// Bytes of the body still to come, where that is known.
    #[must_use]
    pub const fn left(&self) -> Option<u64> {
        match self.state {
            State::Answered { over: true, .. } => Some(0),
            State::Answered { left, .. } => left,
            _ => None,
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broke>> {
        let (Some(body), Some(send)) = (&mut self.upload, &mut self.send) else {
            return Poll::Ready(Ok(()));
        };
        loop {
            // Room first: what waits for a window waits with the client, not here.
            send.reserve_capacity(1);
            while send.capacity() == 0 {
                match ready!(send.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    // The answer tells more of why, or its absence does.
                    _ => return Poll::Ready(Err(RESET)),
                }
            }
            let sent = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None => {
                    self.upload = None;
                    let sent = send.send_data(Bytes::new(), true);
                    return Poll::Ready(sent.map_err(|_| RESET));
                }
                Some(frame) => match frame?.into_data() {
                    Ok(data) => {
                        keep(&mut self.sent, &data);
                        send.send_data(data, body.is_end_stream())
                    }
                    Err(frame) => {
                        self.sent = None;
                        let trailers = frame.into_trailers().unwrap_or_else(|_| HeaderMap::new());
                        let sent = send.send_trailers(trailers);
                        self.upload = None;
                        return Poll::Ready(sent.map_err(|_| RESET));
                    }
                },
            };
            if sent.is_err() {
                return Poll::Ready(Err(RESET));
            }
            if body.is_end_stream() {
                self.upload = None;
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        let standing = &self.connection.standing;
        standing
            .streams
            .set(standing.streams.get().saturating_sub(1));
        standing.used_ms.set(self.now_ms);
    }
}

/// Keeps a piece of a body that was sent, as long as all of them are few.
fn keep(sent: &mut Option<Vec<Bytes>>, piece: &Bytes) {
    let Some(pieces) = sent else { return };
    let bytes: usize = pieces.iter().map(Bytes::len).sum();
    if pieces.len() < KEPT_PIECES && bytes + piece.len() <= KEPT_BYTES {
        pieces.push(piece.clone());
    } else {
        *sent = None;
    }
}

/// What an error of the library means.
fn broke(error: &h2::Error) -> Broke {
    match error.reason() {
        // Its head was too large, or it broke the rules (RFC 9113 section 7).
        Some(Reason::PROTOCOL_ERROR | Reason::COMPRESSION_ERROR | Reason::FRAME_SIZE_ERROR)
            if !error.is_remote() =>
        {
            Broke::Upstream(&reasons::GARBAGE)
        }
        _ => RESET,
    }
}
