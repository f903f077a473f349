//! One worker: a thread with a runtime, listeners, pools and caches of its own.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use lockgate_policy::jwt::TokenCache;
use lockgate_policy::{PolicyError, ReasonRef};
use lockgate_wire::framing::HeadLimits;
use tokio::sync::{mpsc, Notify};

use crate::broker::Broker;
use crate::bundle::{FactsPolicy, Protocol};
use crate::client::{converse, Client, Spare};
use crate::clock::Clock;
use crate::counters::Local;
use crate::events::{EventLog, Sink};
use crate::exchange::Exchange;
use crate::facts::FactStore;
use crate::id::Ids;
use crate::introspections::Introspections;
use crate::memory::Memory;
use crate::metrics::{Metrics, WorkerMetrics};
use crate::net::{
    client_of, out_of_descriptors, Acceptor, Admission, ConnectionState, Endpoint, Ends, Full,
    Incoming, ListeningSocket, Permit, Scratch, Stream, Watch,
};
use crate::ocsp::Inquiries;
use crate::pipeline::outlived;
use crate::places::Places;
use crate::plugins::Ledger;
use crate::proofs::Proofs;
use crate::refetch::Refetches;
use crate::scan::Scans;
use crate::sightings::Sightings;
use crate::snapshot::{CompiledListener, Snapshot};
use crate::tls::{self, Handshake, Managed};
use crate::upstream::{Led, Pools, Registry};
use crate::{http2, http3, passthrough};

mod failed;
mod itself;
mod obtain;
mod quic;
mod under_way;

pub(crate) use failed::{HANDSHAKE, HEADER};
pub use quic::Datagrams;
pub(crate) use under_way::UnderWay;

/// How often a worker looks at its clock, and hands events over.
const TICK: Duration = Duration::from_millis(50);
/// Ticks between two looks at what connections wait for.
const SWEEP_TICKS: u64 = 4;
/// Ticks between two looks at resting upstream connections.
const POOL_TICKS: u64 = 20;
/// How long to wait before accepting again, when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Statuses of the reasons that are floods.
const FLOODS: [u16; 2] = [429, 431];
/// Turns of the other tasks before a worker's end: a connection's and its endpoint's.
const LAST_TURNS: usize = 8;

/// One read.
const SCRATCH_BYTES: usize = 64 * 1024;

/// What all workers of a process share.
pub struct Shared {
    /// What requests are judged by; none until the first bundle.
    pub current: Arc<ArcSwapOption<Snapshot>>,
    /// Keys and the like.
    pub facts: FactStore,
    /// What limits take from.
    pub counters: Local,
    /// Proofs of keys that were used.
    pub proofs: Proofs,
    /// What was seen of callers who ask for objects.
    pub sightings: Sightings,
    /// Who has a place, of APIs that have so many.
    pub places: Places,
    /// Tokens that were verified.
    pub tokens: Arc<TokenCache>,
    /// Issuers' keys that are asked for anew.
    pub refetches: Refetches,
    /// Whether clients' certificates were revoked, as their issuers say.
    pub inquiries: Inquiries,
    /// What issuers say of tokens.
    pub introspections: Introspections,
    /// Sessions that are renewed, and tokens of upstreams'.
    pub broker: Broker,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// What is known of upstreams.
    pub upstreams: Arc<Registry>,
    /// What plugins cost.
    pub ledger: Ledger,
    /// Certificates that the control process looks after.
    pub managed: Managed,
    /// Memory for bodies that are packed and unpacked.
    pub memory: Memory,
    /// Files that are scanned for viruses.
    pub scans: Scans,
    /// What endpoints of QUIC share.
    pub quic: http3::Shared,
    /// The event log.
    pub log: Arc<EventLog>,
    /// Open connections of all workers.
    pub connections: AtomicU32,
    /// Whether the gate is going down.
    pub draining: AtomicBool,
    /// Told when the last connection is over, while the gate is going down.
    pub over: Condvar,
    /// Held while the last connection is told of, so that nobody misses it.
    pub counting: Mutex<()>,
}

impl Listening {
    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.stop.notify_waiters();
    }
}

impl Shared {
    /// Waits until no connection is left; false if some are, after `within`.
    #[must_use]
    pub fn wait_until_over(&self, within: Duration) -> bool {
        let counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let open = |(): &mut ()| self.connections.load(Ordering::Acquire) > 0;
        let waited = self.over.wait_timeout_while(counting, within, open);
        waited.is_ok_and(|(_, result)| !result.timed_out())
    }

    fn connection_over(&self) {
        self.connections.fetch_sub(1, Ordering::AcqRel);
        if self.draining.load(Ordering::Acquire) {
            let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
            self.over.notify_all();
        }
    }

    /// Whether facts are too old to be believed.
    #[must_use]
    pub fn facts_stale(&self, policy: &FactsPolicy, now_ms: u64) -> bool {
        policy.stale(self.facts.heard_ms(), now_ms)
    }
}

/// A listener of the process, whatever the bundle says of it at the moment.
pub struct Listening {
    /// As the bundle said it when it was opened.
    pub opened: Arc<CompiledListener>,
    /// The address that it really has.
    pub bound: Endpoint,
    /// Who is connected.
    pub admission: Arc<Admission>,
    /// Set as it closes.
    pub closed: AtomicBool,
    /// Told as it closes.
    pub stop: Notify,
}

/// Where a connection came in.
pub struct Origin {
    listening: Arc<Listening>,
    /// As it was when the connection came in.
    pub(crate) accepted: Arc<CompiledListener>,
}

impl Origin {
    /// Bounds on a request's head.
    #[must_use]
    pub fn head_limits(&self) -> HeadLimits {
        let limits = &self.accepted.limits;
        HeadLimits {
            head_bytes: limits.head_bytes as usize,
            headers: usize::from(limits.headers),
            ..HeadLimits::default()
        }
    }
}

/// What a worker is told.
pub enum Command {
    /// Accept on this socket.
    Listen(Arc<Listening>, ListeningSocket),
    /// Stop accepting there, and let its connections end.
    Close(Arc<Listening>),
    /// Take HTTP/3 on this socket.
    Take(Arc<Datagrams>, std::net::UdpSocket),
    /// Take no more of it there, and let its connections end.
    Leave(Arc<Datagrams>),
    /// Stop accepting, and let each connection end with its next answer.
    Retire,
    /// Stop accepting, and let all connections end.
    Drain,
}

/// The snapshot that a worker holds, and the way to the next: looking whether
/// there is one costs a comparison.
struct Held {
    // Counted by `Rc` per request: the `Arc`'s count would go from core to core.
    #[allow(clippy::redundant_allocation)]
    snapshot: Rc<Arc<Snapshot>>,
    next: arc_swap::Cache<Arc<ArcSwapOption<Snapshot>>, Option<Arc<Snapshot>>>,
}

/// One worker.
pub struct Worker {
    /// From 0.
    pub number: u16,
    /// Its time.
    pub clock: Clock,
    /// Its request ids.
    pub ids: Ids,
    /// Its end of the event log.
    pub sink: Sink,
    /// Its numbers.
    pub metrics: WorkerMetrics,
    /// Its connections to upstreams.
    pub pools: Pools,
    /// What all workers share.
    pub shared: Arc<Shared>,
    snapshot: RefCell<Held>,
    watch: Watch,
    /// For one read.
    pub(crate) scratch: Scratch,
    spare: Spare,
    listeners: RefCell<Vec<Arc<Listening>>>,
    datagrams: RefCell<Vec<(Arc<Datagrams>, Arc<http3::Socket>)>>,
    /// Told when a task panicked that the worker cannot do without.
    crippled: Notify,
    /// Events of connections that came to nothing.
    written: failed::Written,
}

impl Worker {
    /// A worker, to be made on its own thread.
    #[must_use]
    pub fn new(number: u16, seed: [u8; 16], shared: Arc<Shared>) -> Rc<Self> {
        let clock = Clock::default();
        let scratch: Scratch = Rc::new(RefCell::new(vec![0; SCRATCH_BYTES].into()));
        let empty = Rc::new(Arc::new(Snapshot::empty()));
        Rc::new(Self {
            number,
            ids: Ids::new(seed),
            sink: shared.log.sink(),
            metrics: WorkerMetrics::new(Arc::clone(&shared.metrics), usize::from(number)),
            pools: Pools::new(Rc::clone(&scratch), clock.clone()),
            snapshot: RefCell::new(Held {
                snapshot: empty,
                next: arc_swap::Cache::new(Arc::clone(&shared.current)),
            }),
            watch: Watch::default(),
            listeners: RefCell::default(),
            datagrams: RefCell::default(),
            spare: Spare::default(),
            crippled: Notify::new(),
            written: failed::Written::default(),
            scratch,
            clock,
            shared,
        })
    }

    /// Serves until told to drain, and then until the last connection is over.
    pub async fn run(self: Rc<Self>, mut commands: mpsc::Receiver<Command>) {
        let ticking = tokio::task::spawn_local(Rc::clone(&self).tick());
        loop {
            let command = tokio::select! {
                biased;
                // Without its clock or a listener a worker is half a one; the process starts anew.
                () = self.crippled.notified() => return,
                command = commands.recv() => command,
            };
            let Some(command) = command else { break };
            match command {
                Command::Listen(listening, socket) => self.listen(listening, socket),
                Command::Close(listening) => self.close(&listening),
                Command::Take(datagrams, socket) => self.take(datagrams, socket),
                Command::Leave(datagrams) => self.leave(&datagrams),
                Command::Retire => {
                    self.stop_accepting(true);
                    self.watch.retire();
                }
                Command::Drain => {
                    self.stop_accepting(false);
                    self.watch.drain(|_| true);
                }
            }
        }
        // What QUIC says at its end is sent by tasks of its own.
        for _ in 0..LAST_TURNS {
            tokio::task::yield_now().await;
        }
        ticking.abort();
        self.sink.hand_over();
    }

    /// What a request that begins now is judged by, and the listener as that
    /// bundle has it.
    #[must_use]
    pub fn snapshot(&self, origin: &Origin) -> (Rc<Arc<Snapshot>>, Arc<CompiledListener>) {
        self.snapshot_at(&origin.accepted)
    }

    /// The same for what came in over a listener, as it was then.
    #[must_use]
    pub fn snapshot_at(
        &self,
        accepted: &Arc<CompiledListener>,
    ) -> (Rc<Arc<Snapshot>>, Arc<CompiledListener>) {
        let mut slot = self.snapshot.borrow_mut();
        let Held {
            snapshot: held,
            next,
        } = &mut *slot;
        if let Some(current) = next.load() {
            if !Arc::ptr_eq(current, held) {
                *held = Rc::new(Arc::clone(current));
            }
        }
        // Trust in a proxy that was taken away is gone at once, also on open connections.
        // By its address: a listener may be renamed.
        let address = &accepted.address;
        let listener = held
            .listeners
            .iter()
            .find(|listener| listener.address == *address);
        (Rc::clone(held), Arc::clone(listener.unwrap_or(accepted)))
    }

    /// Writes down that a policy failed.
    pub fn report(&self, exchange: &Exchange, error: &PolicyError) {
        self.shared
            .metrics
            .policy_errors
            .fetch_add(1, Ordering::Relaxed);
        crate::gate::system(
            &self.shared.log,
            "policy-failed",
            &format!("{error} (request {})", exchange.id.as_str()),
        );
    }

    /// Writes down what the operator should know.
    pub fn tell(&self, code: &'static str, message: &str) {
        crate::gate::system(&self.shared.log, code, message);
    }

    /// Whether a connection that led there is one to the gate itself.
    pub(crate) fn listens_at(&self, led: Led<'_>) -> bool {
        let listeners = self.listeners.borrow();
        let mut bound = listeners.iter().map(|listening| &listening.bound);
        bound.any(|bound| itself::is_at(bound, led))
    }

    fn listen(self: &Rc<Self>, listening: Arc<Listening>, socket: ListeningSocket) {
        match Acceptor::new(socket) {
            Ok(listener) => {
                self.listeners.borrow_mut().push(Arc::clone(&listening));
                tokio::task::spawn_local(Rc::clone(self).accept(listening, listener));
            }
            Err(error) => {
                crate::gate::system(&self.shared.log, "listen-failed", &error.to_string())
            }
        }
    }

    /// `followed` by another gate, which reads from the same sockets and passes on what
    /// is not its own.
    fn stop_accepting(&self, followed: bool) {
        for listening in self.listeners.take() {
            listening.close();
        }
        for (datagrams, socket) in self.datagrams.take() {
            datagrams.close();
            if followed {
                socket.leave();
            }
        }
    }

    fn close(&self, listening: &Arc<Listening>) {
        self.listeners
            .borrow_mut()
            .retain(|open| !Arc::ptr_eq(open, listening));
        listening.close();
        self.watch
            .drain(|state| state.source.listener == listening.opened.address);
    }

    async fn tick(self: Rc<Self>) {
        let _vital = Vital(&self);
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for turn in 0_u64.. {
            interval.tick().await;
            let now_ms = self.clock.tick();
            self.sink.flush();
            if turn % SWEEP_TICKS == 0 {
                self.watch.look_at_callers(self.shared.facts.shut());
                let timed_out = &self.shared.metrics.timed_out;
                self.watch.sweep(now_ms, |overdue| {
                    timed_out[overdue as usize].fetch_add(1, Ordering::Relaxed);
                });
            }
            if turn % POOL_TICKS == 0 {
                let current = self.shared.current.load();
                if self.pools.sweep(now_ms, current.as_deref()) {
                    self.watch.look_again();
                }
            }
        }
    }

    async fn accept(self: Rc<Self>, listening: Arc<Listening>, listener: Acceptor) {
        let _vital = Vital(&self);
        #[cfg(test)]
        assert_ne!(&*listening.opened.name, crate::testing::PANICS, "on demand");
        let metrics = Arc::clone(&self.shared.metrics);
        while !listening.closed.load(Ordering::Acquire) {
            if !self.pools.reserve.refill() {
                // Those who are connected are served on; the backlog waits for a free descriptor.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            let accepted = tokio::select! {
                biased;
                () = listening.stop.notified() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(&listening, stream, peer),
                Err(error) => {
                    metrics.accept_errors.fetch_add(1, Ordering::Relaxed);
                    if out_of_descriptors(&error) {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }

    fn admit(self: &Rc<Self>, listening: &Arc<Listening>, stream: Incoming, peer: SocketAddr) {
        let origin = self.origin(listening);
        if let Some(permit) = self.permit(&origin, peer.ip()) {
            tokio::task::spawn_local(Rc::clone(self).converse(stream, peer, origin, permit));
        }
    }

    /// Where a connection comes in that begins now.
    fn origin(&self, listening: &Arc<Listening>) -> Origin {
        let origin = Origin {
            listening: Arc::clone(listening),
            accepted: Arc::clone(&listening.opened),
        };
        let (_, current) = self.snapshot(&origin);
        Origin {
            accepted: current,
            ..origin
        }
    }

    /// The right to a connection; none where there are too many.
    fn permit(&self, origin: &Origin, peer: IpAddr) -> Option<Permit> {
        let limits = &origin.accepted.limits;
        let each = origin.accepted.each(peer);
        let now_ms = self.clock.coarse_ms();
        let admission = &origin.listening.admission;
        match admission.admit(peer, limits.connections, each, now_ms) {
            Ok(permit) => {
                self.shared.metrics.accepted.fetch_add(1, Ordering::Relaxed);
                Some(permit)
            }
            Err(why) => {
                self.turned_away(why);
                None
            }
        }
    }

    async fn converse(
        self: Rc<Self>,
        mut stream: Incoming,
        from: SocketAddr,
        origin: Origin,
        permit: Permit,
    ) {
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let made = |peer| {
            let port = origin.listening.bound.port();
            ConnectionState::new(peer, &origin.accepted, port, self.clock.coarse_ms())
        };
        let peer = from.ip();
        let mut state = made(peer);
        state.source.ends.set(Ends {
            port: from.port(),
            to: self.destination(&origin, &stream),
        });
        let mut registered = Registered {
            number: self.watch.add(Rc::clone(&state)),
            worker: &self,
            _permit: permit,
            also: None,
        };
        if origin.accepted.proxy_protocol && origin.accepted.trusts(peer) {
            match Box::pin(client_of(&mut stream, &state)).await {
                // The proxy speaks for itself, or does not say for whom: then nobody else says it.
                Ok(None) => state.source.own_word.set(true),
                Ok(Some(addresses)) => {
                    let client = addresses.source.ip();
                    // From here on it is the client's connection, and the proxy is not there.
                    let each = origin.accepted.each_named(client);
                    let admission = &origin.listening.admission;
                    match admission.admit_also(client, each, self.clock.coarse_ms()) {
                        Ok(permit) => registered.also = Some(permit),
                        Err(why) => {
                            self.turned_away(why);
                            return;
                        }
                    }
                    let before = Rc::clone(&state);
                    state = made(client);
                    state.source.named.set(true);
                    state.source.ends.set(Ends {
                        port: addresses.source.port(),
                        to: Some(addresses.destination),
                    });
                    state.draining.set(before.draining.get());
                    state.retiring.set(before.retiring.get());
                    self.watch.remove(registered.number);
                    registered.number = self.watch.add(Rc::clone(&state));
                }
                Err(reason) => return self.failed(HEADER, (&origin, &state), &reason.into()),
            }
        }
        let stream = match &origin.accepted.tls {
            // In a box, so that a connection does not carry the size of a handshake along.
            Some(tls) => {
                match Box::pin(tls::accept(stream, tls, &self.shared.managed, &state)).await {
                    Ok(Handshake::Safe(stream, secured)) => {
                        state.secured(secured, self.clock.coarse_ms());
                        stream
                    }
                    Ok(Handshake::Carried(carried)) => {
                        let carrying = passthrough::carry(*carried, &self, &origin, &state);
                        return Box::pin(carrying).await;
                    }
                    Ok(Handshake::Over) => return,
                    Err(failed) => return Box::pin(self.part((&origin, &state), failed)).await,
                }
            }
            // Never without TLS where it is wanted.
            None if origin.accepted.secure => return,
            None => Stream::Plain(stream),
        };
        if state
            .source
            .tls()
            .is_some_and(|secured| secured.protocol == Protocol::Http2)
        {
            let origin = Rc::new(origin);
            return Box::pin(http2::converse(stream, &self, &origin, &state)).await;
        }
        let client = Client::new(
            stream,
            origin.head_limits(),
            Rc::clone(&state),
            self.clock.clone(),
            Rc::clone(&self.scratch),
            (Rc::clone(&self.spare), self.pools.maps.clone()),
        );
        let client = Rc::new(RefCell::new(client));
        // In a box: what comes before it is not carried along beside it.
        Box::pin(converse(client, &self, &origin, &state)).await;
    }

    /// Where a client came to, if an upstream is told: to ask costs a system call.
    fn destination(&self, origin: &Origin, stream: &Incoming) -> Option<SocketAddr> {
        match origin.listening.bound.network() {
            Some(bound) if !bound.ip().is_unspecified() => Some(bound),
            _ if self.snapshot(origin).0.tells_clients => stream.local(),
            _ => None,
        }
    }

    /// Registers one of a connection's streams, until what comes back is dropped.
    /// One beside others takes the place of a connection.
    ///
    /// # Errors
    /// The bound that it met.
    pub(crate) fn under_way(
        self: &Rc<Self>,
        origin: &Origin,
        connection: &Rc<ConnectionState>,
        stream: &Rc<ConnectionState>,
    ) -> Result<UnderWay, Full> {
        let permit = if connection.active.get() == 0 {
            None
        } else {
            let listener = &origin.accepted;
            let each = listener.each(connection.source.peer);
            let admission = &origin.listening.admission;
            let most = listener.limits.connections;
            let now_ms = self.clock.coarse_ms();
            Some(admission.admit_stream(connection.source.peer, most, each, now_ms)?)
        };
        connection.begin_request();
        if outlived(self, origin, connection) {
            connection.retiring.set(true);
        }
        Ok(UnderWay {
            worker: Rc::clone(self),
            connection: Rc::clone(connection),
            stream: Rc::clone(stream),
            number: self.watch.add(Rc::clone(stream)),
            permit,
            answered: false,
        })
    }

    /// Counts a connection, or a request beside others of one, that is not taken.
    pub(crate) fn turned_away(&self, why: Full) {
        self.shared.metrics.turned_away[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A connection of many requests was ended for this reason; where it was a flood, its address
    /// pays for it.
    pub(crate) fn broken_off(&self, origin: &Origin, state: &ConnectionState, reason: ReasonRef) {
        self.metrics.refused(reason);
        let each = origin.accepted.each(state.source.peer);
        if let (Some(each), true) = (each, FLOODS.contains(&reason.status)) {
            let admission = &origin.listening.admission;
            admission.charge(state.source.peer, each, self.clock.coarse_ms());
        }
    }
}

/// Held by a task that the worker cannot do without.
struct Vital<'a>(&'a Worker);

impl Drop for Vital<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.crippled.notify_one();
        }
    }
}

/// An open connection; it is over when this is dropped, also by a panic.
struct Registered<'a> {
    worker: &'a Worker,
    number: usize,
    _permit: Permit,
    /// That of whom a proxy speaks for.
    also: Option<Permit>,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.worker.watch.remove(self.number);
        let shared = &self.worker.shared;
        if shared.draining.load(Ordering::Acquire) {
            // The process may end with the last connection: its events must be out of here.
            self.worker.sink.hand_over();
        }
        shared.connection_over();
    }
}
