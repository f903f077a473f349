//! Connections to upstreams: one pool per worker, and the exchange of one
//! request for one answer.
//!
//! A connection is driven by the task that uses it, not by one of its own: a
//! request then costs no task switch and no channel. Resting connections are
//! looked at when they are taken out again, and once a second by the worker.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use foldhash::fast::RandomState;
use http::{Method, Request};
use lockgate_policy::ReasonRef;
use lockgate_wire::framing::{HeadLimits, ResponseGuard};

use crate::body::RequestBody;
use crate::bundle::Protocol;
use crate::clock::Clock;
use crate::http1::SpareMap;
use crate::net::{out_of_descriptors, ConnectionState, Reserve, Scratch};
use crate::reasons;
use crate::snapshot::{CompiledUpstream, Snapshot};
use crate::tls::Outbound;

mod balance;
mod breaker;
mod budget;
mod dns;
mod forward;
mod group;
mod head;
mod http1;
mod http2;
mod keeper;
mod link;
mod probe;
mod raw;
mod report;
mod socket;
mod spoken;
mod state;
mod sticky;
mod target;

pub use dns::{Resolver, MAX_SERVERS};
pub use group::{Choice, Group, Place, Rules};
pub use head::Head;
pub use http1::Upgrading;
pub use keeper::Keeper;
pub use link::{Broke, Link, Written};
pub use raw::{Led, Raw};

pub use report::{standing, write, Standing};
pub use state::Registry;
pub use sticky::Sticky;
pub use target::{At, Target};

use http1::Http1;
use http2::{Http2, Shared};
use link::Carrier;
use socket::Socket;
use spoken::Spoken;

/// Resting connections of one target that a worker keeps. Fewer than are used at once are made anew all the time, and
/// few connections of HTTP/2 ask for hundreds; precedents: Envoy's pool has no such bound, nginx's `keepalive` is what
/// somebody wrote.
const MAX_RESTING: usize = 1024;
/// The same of connections that are for one client each: all of them are looked through for those of a client.
const MAX_SPOKEN: usize = 256;
/// How long to wait for a descriptor before looking again.
const ROOM_PAUSE: Duration = Duration::from_millis(20);
/// Headers of an answer; nginx and Envoy take 100 as well.
const MAX_HEADERS: usize = 100;

/// A connection that carries several exchanges, and for how long it may be unused, milliseconds.
type Kept = (Shared, u32);

/// A connection at rest, and for how long it may be, milliseconds.
type Resting = (Box<Link>, u32);

/// The resting connections of one worker.
pub struct Pools {
    resting: RefCell<HashMap<Arc<Target>, Vec<Resting>, RandomState>>,
    /// Connections that carry several exchanges, and for how long they are kept, milliseconds.
    shared: RefCell<HashMap<Arc<Target>, Vec<Kept>, RandomState>>,
    /// Servers that the present bundle speaks of; a connection to another one does not rest.
    known: RefCell<Known>,
    scratch: Scratch,
    clock: Clock,
    /// Descriptors for connections to upstreams, which accepting leaves alone.
    pub reserve: Reserve,
    /// A buffer for a request's own header lines, used by one after the other.
    pub lines: RefCell<Vec<u8>>,
    /// The fields of requests, which are done with once they are written.
    pub maps: SpareMap,
}

/// The servers that a bundle speaks of.
#[derive(Default)]
struct Known {
    /// The bundle's.
    hash: Arc<str>,
    targets: HashSet<Arc<Target>, RandomState>,
    /// Those whose servers DNS may change at any time.
    changing: Vec<Arc<Group>>,
}

impl Known {
    /// Whether the bundle is another one.
    fn renew(&mut self, snapshot: &Snapshot) -> bool {
        if self.hash == snapshot.hash {
            return false;
        }
        let targets = snapshot.upstreams.iter().flat_map(|one| &one.targets);
        let groups = snapshot
            .upstreams
            .iter()
            .filter_map(|one| one.group.as_ref());
        *self = Self {
            hash: Arc::clone(&snapshot.hash),
            targets: targets.cloned().collect(),
            changing: groups
                .filter(|group| !group.services().is_empty())
                .cloned()
                .collect(),
        };
        true
    }

    fn has(&self, target: &Arc<Target>) -> bool {
        self.targets.contains(target) || self.changing.iter().any(|group| group.has(target))
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Failure {
    /// What to tell the client; none where the request's own body broke off.
    pub reason: Option<ReasonRef>,
    /// The server that was asked last.
    pub target: Option<Arc<Target>>,
    /// When to come back, seconds, where the client was turned away.
    pub retry_after_s: Option<u64>,
    /// More of why, for the log.
    pub why: Option<String>,
}

impl Failure {
    fn new(reason: ReasonRef, target: &Arc<Target>) -> Self {
        Self {
            reason: Some(reason),
            target: Some(Arc::clone(target)),
            retry_after_s: None,
            why: None,
        }
    }
}

/// An answer's head, and the connection that its body comes over.
pub type Answer = (Head, Box<Link>);

impl Pools {
    /// An empty pool.
    #[must_use]
    pub fn new(scratch: Scratch, clock: Clock) -> Self {
        Self {
            resting: RefCell::default(),
            shared: RefCell::default(),
            known: RefCell::default(),
            scratch,
            clock,
            reserve: Reserve::default(),
            lines: RefCell::default(),
            maps: SpareMap::default(),
        }
    }

    /// Sends a request and waits for the answer's head. `own` are header lines
    /// of the gate's own, each with its line end; `client` is who asks.
    ///
    /// # Errors
    /// The reason why there is none.
    pub async fn exchange(
        &self,
        upstream: &CompiledUpstream,
        state: &ConnectionState,
        request: Request<RequestBody>,
        own: Vec<u8>,
        client: IpAddr,
    ) -> Result<Answer, Failure> {
        let said = |version| Box::new(Spoken::of(version, state, client));
        let spoken = upstream.proxy_protocol.map(said);
        let spoken = spoken.as_deref();
        if let Some(group) = &upstream.group {
            let whom = (client, spoken);
            // Apart, so that requests without a group do not carry its size.
            return Box::pin(self.forward(group, upstream, state, request, own, whom)).await;
        }
        // RFC 9110 section 9.2.2: what may be repeated. A body is gone once it was sent.
        let upgrading = request.extensions().get::<Upgrading>().is_some();
        let repeatable =
            request.method().is_idempotent() && request.body().is_empty() && !upgrading;
        let no_body = request.method() == Method::HEAD;
        let until_ms = self.clock.coarse_ms() + u64::from(upstream.timeouts.first_byte_ms);
        let mut link = self
            .only(upstream, spoken, upgrading && upstream.is_of_one())
            .await?;
        self.maps.give_back(link.begin(request, &own));
        self.lines.replace(own);
        let mut renewed = false;
        loop {
            let left_ms = until_ms.saturating_sub(self.clock.coarse_ms()).max(1);
            let failure = match self.answer(&mut link, left_ms, state).await {
                Ok(head) => return Ok((head, link)),
                Err(failure) => failure,
            };
            // A connection that rested may have been closing as it was used again:
            // once, on a new one.
            let stale = link.rested_ms != 0 && !link.began() && repeatable;
            let again = (stale || link.is_untouched()) && !renewed;
            if !(again && failure.reason == Some(&reasons::RESET)) {
                return Err(failure);
            }
            renewed = true;
            let written = link.written();
            link = self.only(upstream, spoken, true).await?;
            link.begin_again(written, no_body);
        }
    }

    /// Puts a connection to rest, if it can serve again. `keep_ms` is for how long.
    pub fn rest(&self, mut link: Box<Link>, keep_ms: u32) {
        link.lease = None;
        if !link.is_reusable() {
            return;
        }
        link.rested_ms = self.clock.coarse_ms();
        let mut resting = self.resting.borrow_mut();
        if let Some(links) = resting.get_mut(link.target()) {
            let most = match link.spoken {
                None => MAX_RESTING,
                Some(_) => MAX_SPOKEN,
            };
            if links.len() < most {
                links.push((link, keep_ms));
            } else if link.spoken.is_some() {
                // The one that has waited longest for its client is the last to be missed.
                let longest = links.iter_mut().min_by_key(|(link, _)| link.rested_ms);
                if let Some(longest) = longest {
                    *longest = (link, keep_ms);
                }
            }
        } else {
            resting.insert(Arc::clone(link.target()), vec![(link, keep_ms)]);
        }
    }

    /// Lets go of connections that rested too long or were closed, and of those
    /// to servers that the bundle at work does not speak of any more; whether
    /// that is another bundle than the last time.
    pub fn sweep(&self, now_ms: u64, snapshot: Option<&Snapshot>) -> bool {
        let mut known = self.known.borrow_mut();
        let renewed = snapshot.is_some_and(|snapshot| known.renew(snapshot));
        // Files are read anew without a new bundle, so this is asked of each snapshot.
        let rules: Option<HashSet<*const Outbound, RandomState>> = snapshot.map(|snapshot| {
            let tls = snapshot.upstreams.iter().filter_map(|one| one.tls.as_ref());
            tls.map(Arc::as_ptr).collect()
        });
        let trusted = |tls: Option<&Arc<Outbound>>| match (&rules, tls) {
            (Some(rules), Some(made)) => rules.contains(&Arc::as_ptr(made)),
            _ => true,
        };
        self.shared.borrow_mut().retain(|target, connections| {
            if !known.has(target) {
                return false;
            }
            connections.retain(|(connection, keep_ms)| {
                trusted(connection.tls.as_ref()) && !connection.is_done(*keep_ms, now_ms)
            });
            !connections.is_empty()
        });
        self.resting.borrow_mut().retain(|target, links| {
            if !known.has(target) {
                return false;
            }
            links.retain_mut(|(link, keep_ms)| {
                trusted(link.tls.as_ref()) && usable(link, *keep_ms, now_ms)
            });
            !links.is_empty()
        });
        renewed
    }

    /// A connection to the one server of an upstream without a group; a `new`
    /// one for what is sent once and for all.
    async fn only(
        &self,
        upstream: &CompiledUpstream,
        spoken: Option<&Spoken>,
        new: bool,
    ) -> Result<Box<Link>, Failure> {
        let Some(target) = upstream.targets.first() else {
            return Err(Failure {
                reason: Some(&reasons::CONNECT_FAILED),
                target: None,
                retry_after_s: None,
                why: None,
            });
        };
        let rested = if new {
            None
        } else {
            self.take(target, upstream, spoken)
        };
        match rested {
            Some(link) => Ok(link),
            None => self.open(target, &target.known(), upstream, spoken).await,
        }
    }

    /// A connection at rest, of those that are for whom this one is to be.
    fn take(
        &self,
        target: &Arc<Target>,
        upstream: &CompiledUpstream,
        spoken: Option<&Spoken>,
    ) -> Option<Box<Link>> {
        let now_ms = self.clock.coarse_ms();
        if upstream.protocol == Protocol::Http2 {
            return self.stream(target, upstream, now_ms);
        }
        let mut resting = self.resting.borrow_mut();
        let links = resting.get_mut(target)?;
        // One that was made safe by other rules is no proof by these, and may be another upstream's.
        let fits = |(link, _): &Resting| {
            link.spoken.as_deref() == spoken && upstream.trusts(link.tls.as_ref())
        };
        // The last one, unless some of them are for others.
        while let Some(at) = links.iter().rposition(fits) {
            let (mut link, keep_ms) = links.swap_remove(at);
            if usable(&mut link, keep_ms, now_ms) {
                return Some(link);
            }
        }
        None
    }

    /// A stream of a connection that there is.
    fn stream(
        &self,
        target: &Arc<Target>,
        upstream: &CompiledUpstream,
        now_ms: u64,
    ) -> Option<Box<Link>> {
        let shared = self.shared.borrow();
        // One that was made safe by other rules is no proof by these.
        let (connection, _) = shared
            .get(target)?
            .iter()
            .find(|(one, _)| upstream.trusts(one.tls.as_ref()) && one.has_room())?;
        Some(stream_of(connection, target, now_ms))
    }

    /// A new connection to a server, on which it was said whom it speaks for.
    async fn socket(
        &self,
        target: &Arc<Target>,
        addresses: &[SocketAddr],
        upstream: &CompiledUpstream,
        spoken: Option<&Spoken>,
    ) -> Result<Socket, Failure> {
        let within = Duration::from_millis(u64::from(upstream.timeouts.connect_ms));
        let full = Cell::new(false);
        let preamble = spoken.map(Spoken::header).unwrap_or_default();
        let dialing = self.dial(target, (addresses, &preamble), upstream, &full);
        match tokio::time::timeout(within, dialing).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Err(Failure {
                why: Some(format!("{target}: {error}")),
                ..Failure::new(&reasons::TLS_FAILED, target)
            }),
            Ok(Err(error)) => {
                // Of a path the system knows why, and nobody else could tell.
                let local = matches!(target.at(), At::Unix(_));
                Err(Failure {
                    why: local.then(|| format!("{target}: {error}")),
                    ..Failure::new(&reasons::CONNECT_FAILED, target)
                })
            }
            Err(_) if full.get() => Err(Failure::new(&reasons::OUT_OF_DESCRIPTORS, target)),
            Err(_) => Err(Failure::new(&reasons::CONNECT_TIMEOUT, target)),
        }
    }

    async fn open(
        &self,
        target: &Arc<Target>,
        addresses: &[SocketAddr],
        upstream: &CompiledUpstream,
        spoken: Option<&Spoken>,
    ) -> Result<Box<Link>, Failure> {
        let within = Duration::from_millis(u64::from(upstream.timeouts.connect_ms));
        let stream = self.socket(target, addresses, upstream, spoken).await?;
        if upstream.protocol == Protocol::Http2 {
            let tls = upstream.tls.clone();
            let opening = Shared::open(stream, upstream.head_bytes, tls);
            let opened = tokio::time::timeout(within, opening).await;
            let Ok(Ok(connection)) = opened else {
                return Err(Failure::new(&reasons::NO_HTTP2, target));
            };
            let link = stream_of(&connection, target, self.clock.coarse_ms());
            let mut shared = self.shared.borrow_mut();
            let kept = shared.entry(Arc::clone(target)).or_default();
            kept.push((connection, upstream.timeouts.keep_alive_ms));
            return Ok(link);
        }
        let limits = HeadLimits {
            head_bytes: upstream.head_bytes as usize,
            headers: MAX_HEADERS,
            target_bytes: 0,
        };
        let guard = ResponseGuard::new(limits);
        let connection = Http1::new(stream, guard, self.scratch.clone());
        let mut link = Link::new(Carrier::Http1(connection), Arc::clone(target));
        link.tls.clone_from(&upstream.tls);
        link.spoken = spoken.cloned().map(Box::new);
        Ok(Box::new(link))
    }

    /// Connects. Where descriptors have run out, the reserve is used, then
    /// resting connections make room, then others have to end.
    async fn dial(
        &self,
        target: &Target,
        (addresses, preamble): (&[SocketAddr], &[u8]),
        upstream: &CompiledUpstream,
        full: &Cell<bool>,
    ) -> io::Result<Socket> {
        loop {
            let socket = match (target.at(), &upstream.tls) {
                (_, Some(tls)) => Box::pin(Socket::tls(addresses, preamble, tls, target)).await,
                // Never in the clear where TLS is wanted.
                _ if upstream.secure => Err(unfit()),
                (At::Unix(path), None) => Socket::unix(path, preamble).await,
                (_, None) => Socket::tcp(addresses, preamble).await,
            };
            match socket {
                Ok(socket) => return Ok(socket),
                Err(error) if !out_of_descriptors(&error) => return Err(error),
                Err(_) => full.set(true),
            }
            let spare = self.reserve.give();
            let rested = std::mem::take(&mut *self.resting.borrow_mut());
            if !spare && rested.is_empty() {
                tokio::time::sleep(ROOM_PAUSE).await;
            }
        }
    }

    async fn answer(
        &self,
        link: &mut Link,
        first_byte_ms: u64,
        state: &ConnectionState,
    ) -> Result<Head, Failure> {
        state.upstream_until(self.clock.coarse_ms() + first_byte_ms);
        let head = poll_fn(|cx| match link.poll_head(cx) {
            Poll::Ready(head) => Poll::Ready(Some(head)),
            Poll::Pending if state.upstream_late() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        state.upstream_until(0);
        match head {
            Some(Ok(head)) => Ok(head),
            Some(Err(Broke::Upstream(reason))) => Err(Failure::new(reason, link.target())),
            Some(Err(Broke::Request)) => Err(Failure {
                reason: None,
                target: Some(Arc::clone(link.target())),
                retry_after_s: None,
                why: None,
            }),
            None => {
                link.late();
                Err(Failure::new(&reasons::FIRST_BYTE_TIMEOUT, link.target()))
            }
        }
    }
}

/// An exchange as one more stream of a connection.
fn stream_of(connection: &Shared, target: &Arc<Target>, now_ms: u64) -> Box<Link> {
    let stream = Http2::new(connection.clone(), now_ms);
    let mut link = Link::new(Carrier::Http2(stream), Arc::clone(target));
    link.rested_ms = connection.used_ms();
    link.tls.clone_from(&connection.tls);
    link.name.clone_from(&connection.name);
    Box::new(link)
}

/// What TLS is made of could not be read; the gate's log says what.
fn unfit() -> io::Error {
    let told = "its certificates could not be read";
    io::Error::new(io::ErrorKind::InvalidData, told)
}

fn usable(link: &mut Link, keep_ms: u32, now_ms: u64) -> bool {
    now_ms < link.rested_ms + u64::from(keep_ms) && link.is_silent() && link.is_current()
}
