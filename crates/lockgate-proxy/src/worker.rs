//! One worker: a thread with a runtime, listeners, pools and caches of its own.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{poll_fn, Future};
use std::net::SocketAddr;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{service_fn, HttpService};
use hyper::Request;
use lockgate_policy::PolicyError;
use lockgate_wire::framing::{HeadLimits, RequestGuard};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, Notify};

use crate::body::AnswerBody;
use crate::bundle::{FactsPolicy, WhenStale};
use crate::clock::Clock;
use crate::events::{EventLog, Sink};
use crate::exchange::Exchange;
use crate::facts::FactStore;
use crate::id::Ids;
use crate::metrics::{Metrics, WorkerMetrics};
use crate::net::{
    out_of_descriptors, Admission, ClientIo, ConnectionState, Permit, Scratch, Watch,
};
use crate::pipeline::serve_request;
use crate::respond::{after_panic, Answer};
use crate::snapshot::{CompiledListener, Snapshot};
use crate::upstream::Pools;

/// How often a worker looks at its clock, and hands events over.
const TICK: Duration = Duration::from_millis(50);
/// Ticks between two looks at what connections wait for.
const SWEEP_TICKS: u64 = 4;
/// Ticks between two looks at resting upstream connections.
const POOL_TICKS: u64 = 20;
/// How long to wait before accepting again, when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// One read; hyper asks for no more than its own buffer has room for.
const SCRATCH_BYTES: usize = 64 * 1024;

/// What all workers of a process share.
pub struct Shared {
    /// What requests are judged by; none until the first bundle.
    pub current: Arc<ArcSwapOption<Snapshot>>,
    /// Keys and the like.
    pub facts: FactStore,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// The event log.
    pub log: EventLog,
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
        policy.then == WhenStale::Deny && now_ms >= self.facts.heard_ms() + policy.max_age_ms
    }
}

/// A listener of the process, whatever the bundle says of it at the moment.
pub struct Listening {
    /// As the bundle said it when it was opened.
    pub opened: Arc<CompiledListener>,
    /// The address that it really has.
    pub bound: SocketAddr,
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
    accepted: Arc<CompiledListener>,
}

/// What a worker is told.
pub enum Command {
    /// Accept on this socket.
    Listen(Arc<Listening>, std::net::TcpListener),
    /// Stop accepting there, and let its connections end.
    Close(Arc<Listening>),
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
    scratch: Scratch,
    listeners: RefCell<Vec<Arc<Listening>>>,
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
            scratch,
            clock,
            shared,
        })
    }

    /// Serves until told to drain, and then until the last connection is over.
    pub async fn run(self: Rc<Self>, mut commands: mpsc::Receiver<Command>) {
        let ticking = tokio::task::spawn_local(Rc::clone(&self).tick());
        while let Some(command) = commands.recv().await {
            match command {
                Command::Listen(listening, socket) => self.listen(listening, socket),
                Command::Close(listening) => self.close(&listening),
                Command::Drain => {
                    for listening in self.listeners.take() {
                        listening.close();
                    }
                    self.watch.drain(|_| true);
                }
            }
        }
        ticking.abort();
        self.sink.hand_over();
    }

    /// What a request that begins now is judged by, and the listener as that
    /// bundle has it.
    #[must_use]
    pub fn snapshot(&self, origin: &Origin) -> (Rc<Arc<Snapshot>>, Arc<CompiledListener>) {
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
        let address = origin.accepted.address;
        let listener = held
            .listeners
            .iter()
            .find(|listener| listener.address == address);
        (
            Rc::clone(held),
            Arc::clone(listener.unwrap_or(&origin.accepted)),
        )
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

    fn listen(self: &Rc<Self>, listening: Arc<Listening>, socket: std::net::TcpListener) {
        match TcpListener::from_std(socket) {
            Ok(listener) => {
                self.listeners.borrow_mut().push(Arc::clone(&listening));
                tokio::task::spawn_local(Rc::clone(self).accept(listening, listener));
            }
            Err(error) => {
                crate::gate::system(&self.shared.log, "listen-failed", &error.to_string())
            }
        }
    }

    fn close(&self, listening: &Arc<Listening>) {
        self.listeners
            .borrow_mut()
            .retain(|open| !Arc::ptr_eq(open, listening));
        listening.close();
        self.watch
            .drain(|state| state.listener == listening.opened.address);
    }

    async fn tick(self: Rc<Self>) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for turn in 0_u64.. {
            interval.tick().await;
            let now_ms = self.clock.tick();
            self.sink.flush();
            if turn % SWEEP_TICKS == 0 {
                self.watch.sweep(now_ms);
            }
            if turn % POOL_TICKS == 0 {
                self.pools.sweep(now_ms);
            }
        }
    }

    async fn accept(self: Rc<Self>, listening: Arc<Listening>, listener: TcpListener) {
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
                Ok((stream, peer)) => self.admit(&listening, stream, peer.ip().to_canonical()),
                Err(error) => {
                    metrics.accept_errors.fetch_add(1, Ordering::Relaxed);
                    if out_of_descriptors(&error) {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }

    fn admit(
        self: &Rc<Self>,
        listening: &Arc<Listening>,
        stream: TcpStream,
        peer: std::net::IpAddr,
    ) {
        let origin = Origin {
            listening: Arc::clone(listening),
            accepted: Arc::clone(&listening.opened),
        };
        let (_, current) = self.snapshot(&origin);
        let origin = Origin {
            accepted: current,
            ..origin
        };
        let limits = &origin.accepted.limits;
        let permit =
            origin
                .listening
                .admission
                .admit(peer, limits.connections, limits.connections_per_ip);
        let Some(permit) = permit else {
            self.shared
                .metrics
                .turned_away
                .fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.shared.metrics.accepted.fetch_add(1, Ordering::Relaxed);
        let state = ConnectionState::new(
            peer,
            &origin.accepted,
            origin.listening.bound.port(),
            self.clock.coarse_ms(),
        );
        tokio::task::spawn_local(Rc::clone(self).converse(stream, origin, state, permit));
    }

    async fn converse(
        self: Rc<Self>,
        stream: TcpStream,
        origin: Origin,
        state: Rc<ConnectionState>,
        permit: Permit,
    ) {
        let number = self.watch.add(Rc::clone(&state));
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let limits = HeadLimits {
            head_bytes: origin.accepted.limits.head_bytes as usize,
            headers: usize::from(origin.accepted.limits.headers),
            ..HeadLimits::default()
        };
        let guard = RequestGuard::new(limits);
        let io = ClientIo::new(
            stream,
            guard,
            Rc::clone(&state),
            self.clock.clone(),
            Rc::clone(&self.scratch),
        );
        let mut builder = http1::Builder::new();
        builder.header_read_timeout(None).half_close(false);
        if limits.headers != HeadLimits::default().headers {
            builder.max_headers(limits.bounded().headers);
        }
        let (worker, origin, serving) = (Rc::clone(&self), Rc::new(origin), Rc::clone(&state));
        // hyper keeps the future in a place of the connection: no allocation for a request.
        let service = service_fn(move |request| {
            serve(
                Rc::clone(&worker),
                Rc::clone(&origin),
                Rc::clone(&serving),
                request,
            )
        });
        let connection = builder.serve_connection(io, service);
        // An error here is a client that went away: the exchange in work has said so.
        let _ = Conversation {
            connection: Box::pin(connection),
            state,
            ending: false,
        }
        .await;
        self.watch.remove(number);
        if self.shared.draining.load(Ordering::Acquire) {
            // The process may end with the last connection: its events must be out of here.
            self.sink.hand_over();
        }
        self.shared.connection_over();
        drop(permit);
    }
}

/// A connection, until its last answer.
struct Conversation<S: HttpService<Incoming>> {
    connection: Pin<Box<http1::Connection<ClientIo, S>>>,
    state: Rc<ConnectionState>,
    ending: bool,
}

impl<S> Future for Conversation<S>
where
    S: HttpService<Incoming, ResBody = AnswerBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.state.wake_with(cx.waker());
        if this.state.draining.get() && !this.ending {
            this.ending = true;
            this.connection.as_mut().graceful_shutdown();
        }
        this.connection.as_mut().poll(cx)
    }
}

/// Serves one request, also if that panics.
async fn serve(
    worker: Rc<Worker>,
    origin: Rc<Origin>,
    state: Rc<ConnectionState>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let mut serving = pin!(serve_request(&worker, &origin, &state, request));
    let served = poll_fn(|cx| {
        // The exchange in work is dropped by the unwinding, and writes its event.
        match catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(Some(answer)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    });
    Ok(served.await.unwrap_or_else(|| {
        let panics = &worker.shared.metrics.panics;
        panics.fetch_add(1, Ordering::Relaxed);
        after_panic(&worker.snapshot(&origin).0.problem_base)
    }))
}
