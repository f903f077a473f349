//! Timeouts without timers: each connection notes what it waits for and since
//! when; once a tick the worker looks over all of them and wakes those whose
//! time is up. A request costs no timer, and ten thousand idle connections cost
//! a walk over ten thousand numbers.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use lockgate_policy::ReasonRef;
use lockgate_wire::framing::reasons::{BODY_TOO_SLOW, HEAD_TOO_SLOW};

use crate::bundle::ListenerLimits;
use crate::net::{RequestBody, Source};
use crate::reasons::{CLIENT_GONE, CLIENT_TAKES_NOTHING};
use crate::snapshot::CompiledListener;
use crate::tls::Secured;

/// How long a body may be slow before its rate is looked at, milliseconds.
/// Long enough for a phone to change networks.
const BODY_GRACE_MS: u64 = 5_000;

/// How long a byte or the end of a refused request is waited for, milliseconds; nginx's
/// `lingering_timeout` is 5 s.
const LINGER_MS: u64 = 2_000;

/// Between two looks at the caller of what is under way, milliseconds: with the sweep's own time
/// who is let in no more is out within a second of the word.
const LOOK_MS: u64 = 600;
/// From when on a request is looked at that is no stream, milliseconds: few last as long, and most
/// of those are downloads and reports.
const LONG_MS: u64 = 5_000;

/// What a connection waits for from its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// For the end of a TLS handshake.
    Handshake,
    /// For the first byte of a new connection.
    First,
    /// For a further request's first byte.
    Request,
    /// For the rest of a head.
    Head,
    /// For more of a body.
    Body,
    /// For anything, in either direction.
    Tunnel,
    /// The same, of what is carried on unread: nobody is looked at in it.
    Carried,
    /// For the rest of a body that nobody wants.
    Discard,
    /// For the end of what was told to end, once its last requests are answered.
    Leaving,
    /// For the end of what is no longer read.
    Linger,
    /// For nothing: the gate or the upstream is at work.
    Nothing,
}

/// Why a connection was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trip {
    /// Close it without a word.
    Close,
    /// Refuse what is arriving.
    Refuse(ReasonRef),
}

/// The limit that a client was too slow for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// It took nothing of what waits for it.
    Write,
    /// Its TLS handshake.
    Handshake,
    /// The first byte of a request, or the rest of its head.
    Head,
    /// The bytes of a body.
    Body,
    /// A further request.
    Idle,
    /// Anything over a tunnel.
    Tunnel,
}

impl Overdue {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Write,
        Self::Handshake,
        Self::Head,
        Self::Body,
        Self::Idle,
        Self::Tunnel,
    ];

    /// The limit in the words of the configuration; a tunnel's is its API's or its `passthrough`'s.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write_timeout",
            Self::Handshake => "handshake_timeout",
            Self::Head => "head_timeout",
            Self::Body => "body_rate_min",
            Self::Idle => "idle_timeout",
            Self::Tunnel => "tunnel_idle",
        }
    }
}

/// One client connection, as the sweep and the pipeline see it.
pub struct ConnectionState {
    /// Whom it comes from; its streams come from the same.
    pub source: Rc<Source>,
    /// The present request's body.
    pub body: RequestBody,
    limits: Arc<ListenerLimits>,
    waker: RefCell<Option<Waker>>,
    waiting: Cell<Waiting>,
    since_ms: Cell<u64>,
    stalled_ms: Cell<u64>,
    body_bytes: Cell<u64>,
    body_waited_ms: Cell<u64>,
    trip: Cell<Option<Trip>>,
    upstream_until_ms: Cell<u64>,
    upstream_late: Cell<bool>,
    /// Requests in work; at most one with HTTP/1.1.
    pub active: Cell<u32>,
    /// The client took nothing of what waited for it until its time was up.
    takes_nothing: Cell<bool>,
    tunnel_idle_ms: Cell<u32>,
    /// When the caller of what is under way is looked at again, milliseconds since the epoch; 0
    /// where nothing is.
    look_ms: Cell<u64>,
    looks: Cell<bool>,
    /// Set to let the connection end after the request in work.
    pub draining: Cell<bool>,
    /// Set to let it end after the next answer, whenever that is.
    pub retiring: Cell<bool>,
}

impl ConnectionState {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(peer: IpAddr, listener: &CompiledListener, port: u16, now_ms: u64) -> Rc<Self> {
        let waiting = if listener.secure {
            Waiting::Handshake
        } else {
            Waiting::First
        };
        // Whoever connects has something to say: its time runs from here.
        Rc::new(Self {
            waiting: Cell::new(waiting),
            ..Self::blank(
                Rc::new(Source::new(peer, listener, port)),
                &listener.limits,
                now_ms,
            )
        })
    }

    /// Of whom nothing has come, and nothing is waited for.
    fn blank(source: Rc<Source>, limits: &Arc<ListenerLimits>, now_ms: u64) -> Self {
        Self {
            source,
            body: RequestBody::default(),
            limits: Arc::clone(limits),
            waker: RefCell::default(),
            waiting: Cell::new(Waiting::Nothing),
            since_ms: Cell::new(now_ms),
            stalled_ms: Cell::new(0),
            body_bytes: Cell::new(0),
            body_waited_ms: Cell::new(0),
            trip: Cell::new(None),
            upstream_until_ms: Cell::new(0),
            upstream_late: Cell::new(false),
            active: Cell::new(0),
            takes_nothing: Cell::new(false),
            tunnel_idle_ms: Cell::new(0),
            look_ms: Cell::new(0),
            looks: Cell::new(false),
            draining: Cell::new(false),
            retiring: Cell::new(false),
        }
    }

    /// One of its streams, each of which is waited for by itself.
    #[must_use]
    pub fn stream(&self, now_ms: u64) -> Rc<Self> {
        Rc::new(Self::blank(Rc::clone(&self.source), &self.limits, now_ms))
    }

    /// It is a tunnel from now on, through which something has to pass now and then.
    pub fn tunnel(&self, idle_ms: u32, now_ms: u64) {
        self.tunnel_idle_ms.set(idle_ms);
        self.waiting.set(Waiting::Tunnel);
        self.since_ms.set(now_ms);
        self.stream_from(now_ms);
    }

    /// It is carried on unread from now on, and something has to pass now and then.
    pub fn carried(&self, idle_ms: u32, now_ms: u64) {
        self.tunnel(idle_ms, now_ms);
        self.waiting.set(Waiting::Carried);
        self.look_ms.set(0);
    }

    /// As [`Self::carried`], with another time and from the last that passed.
    pub fn carried_for(&self, idle_ms: u32) {
        self.tunnel_idle_ms.set(idle_ms);
    }

    /// A request is under way from now on: should it last, its caller is looked at now and then.
    pub fn look_from(&self, now_ms: u64) {
        self.look_ms.set(now_ms + LONG_MS);
        self.looks.set(false);
    }

    /// It lasts for as long as both sides want: its caller is looked at from now on.
    pub fn stream_from(&self, now_ms: u64) {
        let due_ms = now_ms + LOOK_MS;
        if self.look_ms.get() == 0 || due_ms < self.look_ms.get() {
            self.look_ms.set(due_ms);
        }
    }

    /// Nothing is under way any more.
    pub fn look_no_more(&self) {
        self.look_ms.set(0);
        self.looks.set(false);
    }

    /// Whether it is time to look whether the caller is still let in; told once.
    pub fn looks(&self) -> bool {
        self.looks.take()
    }

    /// Something passed.
    pub fn passed(&self, now_ms: u64) {
        self.since_ms.set(now_ms);
    }

    /// Bounds on what a stranger may send.
    #[must_use]
    pub fn limits(&self) -> &ListenerLimits {
        &self.limits
    }

    /// A request is awaited from now on, for as long as none is under way.
    pub fn await_request(&self, now_ms: u64) {
        self.wait(Waiting::Request, now_ms);
    }

    /// It was told to end.
    pub fn leave(&self, now_ms: u64) {
        self.wait(Waiting::Leaving, now_ms);
    }

    /// Its end is awaited from now on.
    pub fn linger(&self, now_ms: u64) {
        self.wait(Waiting::Linger, now_ms);
    }

    /// One of its requests begins.
    pub fn begin_request(&self) {
        self.active.set(self.active.get() + 1);
    }

    /// One of its requests is over.
    pub fn end_request(&self, now_ms: u64) {
        self.active.set(self.active.get().saturating_sub(1));
        if self.active.get() == 0 {
            // Whatever it waits for now, to be asked again or to end: from here.
            self.since_ms.set(now_ms);
            self.wake();
        }
    }

    /// Waits until none of its requests is under way: their events are still to be
    /// written, and the process may end with its last connection.
    pub async fn all_answered(&self) {
        poll_fn(|_| match self.active.get() {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }

    /// Whether the body that is being read has to be given up; the reason is noted.
    pub fn interrupted(&self) -> bool {
        match self.tripped() {
            None => false,
            Some(Trip::Close) => true,
            Some(Trip::Refuse(reason)) => {
                self.body.broken.set(Some(reason));
                true
            }
        }
    }

    /// Its handshake is over: its first request is awaited.
    pub fn secured(&self, secured: Secured, now_ms: u64) {
        self.source.secured(secured);
        self.wait(Waiting::First, now_ms);
    }

    /// Notes whom to wake.
    pub fn wake_with(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }

    /// Notes what is waited for from now on.
    pub fn wait(&self, waiting: Waiting, now_ms: u64) {
        if self.waiting.get() == Waiting::Body {
            let waited = now_ms.saturating_sub(self.since_ms.get());
            self.body_waited_ms.set(self.body_waited_ms.get() + waited);
        }
        if self.waiting.get() != waiting || waiting == Waiting::Body {
            self.waiting.set(waiting);
            self.since_ms.set(now_ms);
        }
    }

    /// The time between requests runs from now.
    pub fn rest(&self, now_ms: u64) {
        if self.waiting.get() == Waiting::Request {
            self.since_ms.set(now_ms);
        }
    }

    /// A body begins.
    pub fn begin_body(&self) {
        self.body_bytes.set(0);
        self.body_waited_ms.set(0);
    }

    /// Some of a body came.
    pub fn body_came(&self, bytes: usize) {
        self.body_bytes.set(self.body_bytes.get() + bytes as u64);
    }

    /// The client takes nothing; `0` once it does again.
    pub fn stalled(&self, since_ms: u64) {
        if since_ms == 0 || self.stalled_ms.get() == 0 {
            self.stalled_ms.set(since_ms);
        }
    }

    /// Sets when the upstream is late, milliseconds since the epoch; 0 for never.
    pub fn upstream_until(&self, until_ms: u64) {
        self.upstream_until_ms.set(until_ms);
        self.upstream_late.set(false);
    }

    /// As [`Self::upstream_until`], unless something is awaited already.
    pub fn upstream_wait(&self, until_ms: u64) {
        if self.upstream_until_ms.get() == 0 {
            self.upstream_until(until_ms);
        }
    }

    /// Whether the upstream is late.
    pub fn upstream_late(&self) -> bool {
        self.upstream_late.get()
    }

    /// How long it waits by now for what it waits for, milliseconds.
    pub fn waited_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms.get())
    }

    /// Why the connection was woken, if it was; told once.
    pub fn tripped(&self) -> Option<Trip> {
        self.trip.take()
    }

    /// Why a client is there no more.
    pub fn gone(&self) -> ReasonRef {
        if self.takes_nothing.get() {
            &CLIENT_TAKES_NOTHING
        } else {
            &CLIENT_GONE
        }
    }

    /// Lets the connection end after the request in work.
    pub fn drain(&self) {
        self.draining.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The limit that its time ran out by, where it did.
    fn sweep(&self, now_ms: u64) -> Option<Overdue> {
        let until = self.upstream_until_ms.get();
        if until != 0 && now_ms >= until {
            self.upstream_until_ms.set(0);
            self.upstream_late.set(true);
            self.wake();
        }
        let look_ms = self.look_ms.get();
        if look_ms != 0 && now_ms >= look_ms {
            self.look_ms.set(now_ms + LOOK_MS);
            self.looks.set(true);
            self.wake();
        }
        let (trip, overdue) = self.due(now_ms)?;
        self.trip.set(Some(trip));
        self.waiting.set(Waiting::Nothing);
        self.stalled_ms.set(0);
        if overdue == Some(Overdue::Write) {
            self.takes_nothing.set(true);
        }
        self.wake();
        overdue
    }

    fn due(&self, now_ms: u64) -> Option<(Trip, Option<Overdue>)> {
        let stalled = self.stalled_ms.get();
        let write_timeout_ms = u64::from(self.limits.write_timeout_ms);
        if stalled != 0 && now_ms >= stalled + write_timeout_ms {
            return Some((Trip::Close, Some(Overdue::Write)));
        }
        let waited = self.waited_ms(now_ms);
        let head_timeout_ms = u64::from(self.limits.head_timeout_ms);
        let close = |most: u64, overdue| (waited >= most).then_some((Trip::Close, overdue));
        match self.waiting.get() {
            Waiting::Nothing => None,
            Waiting::Handshake => {
                let most = u64::from(self.limits.handshake_timeout_ms);
                close(most, Some(Overdue::Handshake))
            }
            Waiting::First => close(head_timeout_ms, Some(Overdue::Head)),
            Waiting::Linger | Waiting::Leaving if self.active.get() > 0 => None,
            // The last answer may still be on its way to a slow client.
            Waiting::Leaving => close(write_timeout_ms, None),
            Waiting::Discard | Waiting::Linger => close(LINGER_MS, None),
            Waiting::Request if self.active.get() > 0 => None,
            Waiting::Request => {
                let most = u64::from(self.limits.idle_timeout_ms);
                close(most, Some(Overdue::Idle))
            }
            Waiting::Tunnel | Waiting::Carried => {
                let most = u64::from(self.tunnel_idle_ms.get());
                close(most, Some(Overdue::Tunnel))
            }
            Waiting::Head => (waited >= head_timeout_ms)
                .then_some((Trip::Refuse(&HEAD_TOO_SLOW), Some(Overdue::Head))),
            Waiting::Body => {
                let trip = self.body_due(now_ms, waited)?;
                Some((trip, Some(Overdue::Body)))
            }
        }
    }

    /// Judges stretches of the grace's length, each by itself: what was sent
    /// quickly at first buys no time later.
    fn body_due(&self, now_ms: u64, waited: u64) -> Option<Trip> {
        let waited = self.body_waited_ms.get() + waited;
        if waited <= BODY_GRACE_MS {
            return None;
        }
        let floor = u64::from(self.limits.body_rate_min);
        if self.body_bytes.get() * 1000 < floor * waited {
            return Some(Trip::Refuse(&BODY_TOO_SLOW));
        }
        self.begin_body();
        self.since_ms.set(now_ms);
        None
    }
}

/// The connections of one worker.
#[derive(Default)]
pub struct Watch {
    all: RefCell<Vec<Option<Rc<ConnectionState>>>>,
    free: RefCell<Vec<usize>>,
    shut: Cell<u64>,
}

impl Watch {
    /// Adds a connection; `remove` wants the number back.
    pub fn add(&self, state: Rc<ConnectionState>) -> usize {
        let mut all = self.all.borrow_mut();
        if let Some(number) = self.free.borrow_mut().pop() {
            all[number] = Some(state);
            return number;
        }
        all.push(Some(state));
        all.len() - 1
    }

    /// Takes a connection out.
    pub fn remove(&self, number: usize) {
        self.all.borrow_mut()[number] = None;
        self.free.borrow_mut().push(number);
    }

    /// Wakes every connection whose time is up, and tells by which limit.
    pub fn sweep(&self, now_ms: u64, told: impl Fn(Overdue)) {
        for state in self.all.borrow().iter().flatten() {
            if let Some(overdue) = state.sweep(now_ms) {
                told(overdue);
            }
        }
    }

    /// Has every connection that is carried on unread looked at: there is another bundle.
    pub fn look_again(&self) {
        let all = self.all.borrow();
        let carried = |state: &&Rc<ConnectionState>| state.waiting.get() == Waiting::Carried;
        for state in all.iter().flatten().filter(carried) {
            state.looks.set(true);
            state.wake();
        }
    }

    /// Has every caller looked at whom something is still under way for, if somebody was shut
    /// out since the last time, as `shut` tells.
    pub fn look_at_callers(&self, shut: u64) {
        if self.shut.replace(shut) == shut {
            return;
        }
        for state in self.all.borrow().iter().flatten() {
            if state.waiting.get() == Waiting::Tunnel {
                state.looks.set(true);
            }
            state.wake();
        }
    }

    /// Lets every connection end after its next answer; one that rests is not closed.
    pub fn retire(&self) {
        for state in self.all.borrow().iter().flatten() {
            state.retiring.set(true);
        }
    }

    /// Lets every connection end after the request in work.
    pub fn drain(&self, concerned: impl Fn(&ConnectionState) -> bool) {
        for state in self
            .all
            .borrow()
            .iter()
            .flatten()
            .filter(|state| concerned(state))
        {
            state.drain();
        }
    }
}

#[cfg(test)]
mod tests;
