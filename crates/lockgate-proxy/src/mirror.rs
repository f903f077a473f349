//! Copies of requests for another upstream, whose answers nobody waits for: a
//! new version sees real traffic before it has to answer it.
//!
//! A copy is made of what the first upstream got, and is sent once that one has
//! answered: whatever becomes of the copy, the client cannot notice.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use lockgate_policy::ConfigError;
use lockgate_wire::headers::remove_look_alikes;

use crate::body::RequestBody;
use crate::bundle;
use crate::exchange::Exchange;
use crate::net::ConnectionState;
use crate::snapshot::{CompiledUpstream, Snapshot};
use crate::upstream::Link;
use crate::worker::Worker;

/// Copies kept or under way at a time, of the whole process; one more is left out.
const MOST_AT_ONCE: u32 = 256;
/// Bytes of an answer that are read for the sake of its connection, which can
/// be used again; of a longer one it is closed.
const MOST_READ: usize = 1024 * 1024;
/// Most of a body that can be kept for a copy, bytes: with [`MOST_AT_ONCE`] a quarter of a gibibyte at the worst.
pub const MOST_KEPT: u32 = 1024 * 1024;

/// What is copied of an API's requests, and to where.
#[derive(Debug)]
pub struct Mirror {
    /// Index into [`Snapshot::upstreams`].
    pub upstream: usize,
    /// Percent of the requests.
    pub share: u8,
    methods: Box<[Method]>,
    bytes: usize,
}

/// What became of copies.
#[derive(Debug, Default)]
pub struct Counts {
    running: AtomicU32,
    /// Answered, whatever the answer.
    pub answered: AtomicU64,
    /// Not answered.
    pub failed: AtomicU64,
    /// Not sent: too many were under way, the body was too long, or its answer came before its end.
    pub left_out: AtomicU64,
}

impl Mirror {
    /// Compiles a mirror; `upstream` finds an upstream by its name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(
        config: &bundle::Mirror,
        upstream: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, ConfigError> {
        let wrong = |code, pointer, message: String| Err(ConfigError::new(code, pointer, message));
        let Some(upstream) = upstream(&config.upstream) else {
            let message = format!("there is no upstream `{}`", config.upstream);
            return wrong("no-upstream", "/upstream", message);
        };
        if !(1..=100).contains(&config.share) {
            let message = "a share is between 1 and 100 percent".to_owned();
            return wrong("mirror-share", "/share", message);
        }
        if config.bytes > MOST_KEPT {
            let message = format!("at most {MOST_KEPT} bytes of a body are kept for a copy");
            return wrong("mirror-bytes", "/bytes", message);
        }
        let methods = config.methods.iter().map(|method| method.parse());
        let Ok(methods) = methods.collect() else {
            let message = "a method is a word such as GET".to_owned();
            return wrong("method-malformed", "/methods", message);
        };
        Ok(Self {
            upstream,
            share: config.share,
            methods,
            bytes: config.bytes as usize,
        })
    }

    /// Whether requests with this method are copied.
    #[must_use]
    pub fn is_for(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// Whether this request is copied; `draw` is a random number.
    fn takes(&self, method: &Method, draw: impl FnOnce() -> u64) -> bool {
        self.is_for(method) && (self.share >= 100 || draw() % 100 < self.share.into())
    }
}

/// A request as its upstream gets it, kept until that one's answer is there.
pub struct Copied {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    own: Vec<u8>,
    upstream: usize,
    body: Option<Rc<Kept>>,
    running: Running,
}

impl Copied {
    /// Copies a request of the exchange, if its API says so and chance does.
    /// `first` is where the request itself goes: what proves the gate to it is not copied.
    pub fn of(
        exchange: &Exchange,
        parts: &Parts,
        (own, body): (&[u8], bool),
        first: &CompiledUpstream,
    ) -> Option<Self> {
        let mirror = exchange.api()?.mirror.as_ref()?;
        let draw = || exchange.worker().ids.random();
        if !mirror.takes(&parts.method, draw) {
            return None;
        }
        // From here on there is memory for it, so the bound is here.
        let Some(running) = Running::begin(exchange.worker()) else {
            let counts = exchange.worker().metrics.all();
            counts.mirrored.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let mut headers = parts.headers.clone();
        if let Some(secret) = &first.credential {
            headers.remove(&secret.header);
        }
        // What the one upstream is told of the caller is for no other's ears.
        if let Some(assertion) = &first.assertion {
            headers.remove(assertion.header());
        }
        if let Some(token) = &first.token {
            headers.remove(token.header());
        }
        if let Some(secret) = &exchange.snapshot.upstreams.get(mirror.upstream)?.credential {
            remove_look_alikes(&mut headers, &secret.header);
            headers.insert(secret.header.clone(), secret.value.clone()?);
        }
        Some(Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers,
            own: own.to_vec(),
            upstream: mirror.upstream,
            body: body.then(|| Rc::new(Kept::new(mirror.bytes))),
            running,
        })
    }

    /// What is to keep the request's body as it passes.
    pub fn keeper(&self) -> Option<Rc<Kept>> {
        self.body.clone()
    }

    /// Sends the copy, and waits for nothing.
    pub fn send(mut self, exchange: &Exchange) {
        let worker = Rc::clone(exchange.worker());
        let counts = worker.metrics.all();
        let body = match self.body.take() {
            None => Some(RequestBody::empty()),
            Some(kept) => kept.whole(),
        };
        let Some(body) = body else {
            counts.mirrored.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if let Some(bytes) = body.kept_bytes() {
            self.headers
                .insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        let state = ConnectionState::new(
            exchange.state.source.peer,
            &exchange.listener,
            exchange.state.source.port,
            worker.clock.coarse_ms(),
        );
        state.source.ends.set(exchange.state.source.ends.get());
        let (snapshot, client) = (Rc::clone(&exchange.snapshot), exchange.judgement.client);
        tokio::task::spawn_local(async move {
            let answered = self
                .exchanged(&worker, &snapshot, (&state, client), body)
                .await;
            let counts = &worker.metrics.all().mirrored;
            let counted = if answered {
                &counts.answered
            } else {
                &counts.failed
            };
            counted.fetch_add(1, Ordering::Relaxed);
        });
    }

    async fn exchanged(
        self,
        worker: &Rc<Worker>,
        snapshot: &Arc<Snapshot>,
        (state, client): (&ConnectionState, std::net::IpAddr),
        body: RequestBody,
    ) -> bool {
        let Some(upstream) = snapshot.upstreams.get(self.upstream) else {
            return false;
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        let times = &upstream.timeouts;
        let asked = worker
            .pools
            .exchange(upstream, state, request, self.own, client);
        // Nobody looks at this connection's own deadlines, as a client's task does.
        let head_within = u64::from(times.connect_ms) + u64::from(times.first_byte_ms);
        let Ok(Ok((_, mut link))) = tokio::time::timeout(millis(head_within), asked).await else {
            return false;
        };
        let read = tokio::time::timeout(millis(times.idle_ms.into()), read_to_end(&mut link));
        if read.await == Ok(true) {
            worker.pools.rest(link, times.keep_alive_ms);
        }
        drop(self.running);
        true
    }
}

/// Reads an answer's body; false if it is too long or breaks off.
async fn read_to_end(link: &mut Link) -> bool {
    let mut read = 0;
    while !link.is_over() {
        match poll_fn(|cx| link.poll_body(cx)).await {
            None => break,
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) => return false,
        }
        if read > MOST_READ {
            return false;
        }
    }
    true
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A copy's place among those under way.
struct Running(Rc<Worker>);

impl Running {
    fn begin(worker: &Rc<Worker>) -> Option<Self> {
        let running = Self(Rc::clone(worker));
        let before = worker
            .metrics
            .all()
            .mirrored
            .running
            .fetch_add(1, Ordering::Relaxed);
        (before < MOST_AT_ONCE).then_some(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0
            .metrics
            .all()
            .mirrored
            .running
            .fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request's body, as far as it has passed.
pub struct Kept {
    bytes: RefCell<BytesMut>,
    most: usize,
    ended: Cell<bool>,
    too_long: Cell<bool>,
}

impl Kept {
    fn new(most: usize) -> Self {
        Self {
            bytes: RefCell::default(),
            most,
            ended: Cell::new(false),
            too_long: Cell::new(false),
        }
    }

    /// A piece passes. It is copied: many small ones, kept as they are, would
    /// each hold what they were read into.
    pub fn piece(&self, piece: &[u8]) {
        if self.too_long.get() {
            return;
        }
        let mut bytes = self.bytes.borrow_mut();
        if bytes.len() + piece.len() > self.most {
            self.too_long.set(true);
            *bytes = BytesMut::new();
        } else {
            bytes.extend_from_slice(piece);
        }
    }

    /// Nothing more will.
    pub fn end(&self) {
        self.ended.set(true);
    }

    fn whole(&self) -> Option<RequestBody> {
        let whole = self.ended.get() && !self.too_long.get();
        whole.then(|| RequestBody::kept(self.bytes.take().freeze()))
    }
}

#[cfg(test)]
mod tests;
