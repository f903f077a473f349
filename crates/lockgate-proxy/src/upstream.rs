//! Connections to upstreams: one pool per worker, and the exchange of one
//! request for one answer.
//!
//! A connection is driven by the task that uses it, not by one of its own: a
//! request then costs no task switch. Resting connections are looked at when
//! they are taken out again, and once a second by the worker.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{poll_fn, Future};
use std::io;
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use foldhash::fast::RandomState;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::{Expect, HeadLimits, ResponseGuard};
use tokio::net::TcpStream;

use crate::body::RequestBody;
use crate::clock::Clock;
use crate::net::{ConnectionState, Scratch, UpstreamIo, UpstreamState};
use crate::reasons;
use crate::snapshot::{CompiledUpstream, Target};

/// Resting connections of one target that a worker keeps; precedents: nginx's
/// `keepalive` is usually 16 to 64 a worker, Envoy's pool has no such bound.
const MAX_RESTING: usize = 256;
/// A connection that rested longer may be closing as it is used again: then
/// the request is kept, so that it can be sent once more.
const SURE_MS: u64 = 1_000;
/// Headers of an answer; nginx and Envoy take 100 as well.
const MAX_HEADERS: usize = 100;

type Connection = http1::Connection<UpstreamIo, RequestBody>;

/// An open connection to an upstream.
pub struct Link {
    sender: http1::SendRequest<RequestBody>,
    connection: Connection,
    state: Rc<UpstreamState>,
    target: Arc<Target>,
    over: bool,
    keep_ms: u32,
    rested_ms: u64,
    reused: bool,
}

impl Link {
    /// Reads and writes what there is to read and write.
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.over && Pin::new(&mut self.connection).poll(cx).is_ready() {
            self.over = true;
        }
    }

    /// What was wrong with the answer, as far as the guard saw it.
    #[must_use]
    pub fn problem(&self) -> Option<ReasonRef> {
        self.state.problem.get()
    }

    /// The target's name for events.
    #[must_use]
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    fn usable(&mut self, now_ms: u64) -> bool {
        if now_ms >= self.rested_ms + u64::from(self.keep_ms) {
            return false;
        }
        // An upstream that closed, or spoke out of turn, shows here.
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.over && self.sender.is_ready()
    }
}

/// The resting connections of one worker.
pub struct Pools {
    resting: RefCell<HashMap<Arc<Target>, Vec<Link>, RandomState>>,
    scratch: Scratch,
    clock: Clock,
    /// Connections opened so far.
    pub opened: Cell<u64>,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Failure {
    /// What to tell the client.
    pub reason: ReasonRef,
    /// For the log.
    pub cause: String,
}

impl Failure {
    fn new(reason: ReasonRef, cause: impl Into<String>) -> Self {
        Self {
            reason,
            cause: cause.into(),
        }
    }
}

/// An answer's head, and the connection that its body comes over.
pub type Answer = (Response<Incoming>, Link);

impl Pools {
    /// An empty pool.
    #[must_use]
    pub fn new(scratch: Scratch, clock: Clock) -> Self {
        Self {
            resting: RefCell::default(),
            scratch,
            clock,
            opened: Cell::new(0),
        }
    }

    /// Sends a request and waits for the answer's head.
    ///
    /// # Errors
    /// The reason why there is none.
    pub async fn exchange(
        &self,
        upstream: &CompiledUpstream,
        state: &ConnectionState,
        request: Request<RequestBody>,
    ) -> Result<Answer, Failure> {
        let mut request = request;
        loop {
            let link = self.open(upstream).await?;
            let again = spare(&link, &request, self.clock.coarse_ms());
            match self.ask(link, upstream, state, request).await {
                Ok(answer) => return Ok(answer),
                Err((_, Some(unsent))) => request = *unsent,
                Err((failure, None)) => match again {
                    Some(spare) if failure.reason == &reasons::RESET => request = spare,
                    _ => return Err(failure),
                },
            }
        }
    }

    /// Puts a connection to rest, if it can serve again.
    pub fn rest(&self, mut link: Link) {
        let now_ms = self.clock.coarse_ms();
        if link.over || !link.sender.is_ready() {
            return;
        }
        link.rested_ms = now_ms;
        link.reused = true;
        let mut resting = self.resting.borrow_mut();
        if let Some(links) = resting.get_mut(&link.target) {
            if links.len() < MAX_RESTING {
                links.push(link);
            }
        } else {
            resting.insert(Arc::clone(&link.target), vec![link]);
        }
    }

    /// Lets go of connections that rested too long or were closed.
    pub fn sweep(&self, now_ms: u64) {
        self.resting.borrow_mut().retain(|_, links| {
            links.retain_mut(|link| link.usable(now_ms));
            !links.is_empty()
        });
    }

    async fn open(&self, upstream: &CompiledUpstream) -> Result<Link, Failure> {
        let first = upstream.turn();
        let count = upstream.targets.len();
        let mut failure = None;
        for turn in 0..count {
            let target = &upstream.targets[(first + turn) % count];
            if let Some(link) = self.take(target) {
                return Ok(link);
            }
            match self.connect(target, upstream).await {
                Ok(link) => return Ok(link),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| {
            Failure::new(&reasons::CONNECT_FAILED, "the upstream has no targets")
        }))
    }

    fn take(&self, target: &Arc<Target>) -> Option<Link> {
        let now_ms = self.clock.coarse_ms();
        loop {
            let mut link = self.resting.borrow_mut().get_mut(target)?.pop()?;
            if link.usable(now_ms) {
                return Some(link);
            }
        }
    }

    async fn connect(
        &self,
        target: &Arc<Target>,
        upstream: &CompiledUpstream,
    ) -> Result<Link, Failure> {
        let within = Duration::from_millis(u64::from(upstream.timeouts.connect_ms));
        let connecting = TcpStream::connect((target.host.as_str(), target.port));
        let stream = match tokio::time::timeout(within, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(Failure::new(
                    &reasons::CONNECT_FAILED,
                    format!("{target}: {error}"),
                ))
            }
            Err(_) => {
                let cause = format!("{target}: no connection within {} ms", within.as_millis());
                return Err(Failure::new(&reasons::CONNECT_TIMEOUT, cause));
            }
        };
        self.opened.set(self.opened.get() + 1);
        self.greet(stream, target, upstream)
            .await
            .map_err(|error| Failure::new(&reasons::CONNECT_FAILED, format!("{target}: {error}")))
    }

    async fn greet(
        &self,
        stream: TcpStream,
        target: &Arc<Target>,
        upstream: &CompiledUpstream,
    ) -> io::Result<Link> {
        stream.set_nodelay(true)?;
        let limits = HeadLimits {
            head_bytes: upstream.head_bytes as usize,
            headers: MAX_HEADERS,
            target_bytes: 0,
        };
        let state = Rc::new(UpstreamState::default());
        let io = UpstreamIo::new(
            stream,
            ResponseGuard::new(limits),
            Rc::clone(&state),
            Rc::clone(&self.scratch),
        );
        let (sender, connection) = http1::Builder::new()
            .handshake(io)
            .await
            .map_err(io::Error::other)?;
        Ok(Link {
            sender,
            connection,
            state,
            target: Arc::clone(target),
            over: false,
            keep_ms: upstream.timeouts.keep_alive_ms,
            rested_ms: self.clock.coarse_ms(),
            reused: false,
        })
    }

    async fn ask(
        &self,
        mut link: Link,
        upstream: &CompiledUpstream,
        state: &ConnectionState,
        request: Request<RequestBody>,
    ) -> Result<Answer, (Failure, Option<Box<Request<RequestBody>>>)> {
        let expect = if request.method() == Method::HEAD {
            Expect::NoBody
        } else {
            Expect::Body
        };
        link.state.expect.set(Some(expect));
        link.state.began.set(false);
        state.upstream_until(self.clock.coarse_ms() + u64::from(upstream.timeouts.first_byte_ms));
        let answer = {
            let mut answer = pin!(link.sender.try_send_request(request));
            let Link {
                connection, over, ..
            } = &mut link;
            poll_fn(|cx| {
                if !*over && Pin::new(&mut *connection).poll(cx).is_ready() {
                    *over = true;
                }
                if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                    return Poll::Ready(Some(answer));
                }
                if state.upstream_late() {
                    Poll::Ready(None)
                } else {
                    Poll::Pending
                }
            })
            .await
        };
        state.upstream_until(0);
        match answer {
            Some(Ok(response)) => Ok((response, link)),
            Some(Err(mut error)) => {
                let unsent = error.take_message().map(Box::new);
                let reason = link.problem().unwrap_or(if link.state.began.get() {
                    &reasons::GARBAGE
                } else {
                    &reasons::RESET
                });
                Err((
                    Failure::new(reason, format!("{}: {}", link.target, error.into_error())),
                    unsent,
                ))
            }
            None => {
                let cause = format!(
                    "{}: no answer within {} ms",
                    link.target, upstream.timeouts.first_byte_ms
                );
                Err((Failure::new(&reasons::FIRST_BYTE_TIMEOUT, cause), None))
            }
        }
    }
}

/// A copy of the request, where it may have to be sent again: on a connection
/// that may be closing just now, with a method that may be repeated (RFC 9110
/// section 9.2.2), and without a body.
fn spare(link: &Link, request: &Request<RequestBody>, now_ms: u64) -> Option<Request<RequestBody>> {
    let unsure = link.reused && now_ms >= link.rested_ms + SURE_MS;
    if !unsure || !request.method().is_idempotent() || !request.body().is_empty() {
        return None;
    }
    let mut spare = Request::new(RequestBody::empty());
    *spare.method_mut() = request.method().clone();
    *spare.uri_mut() = request.uri().clone();
    *spare.headers_mut() = request.headers().clone();
    Some(spare)
}
