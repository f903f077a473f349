//! Sessions renewed and tokens for upstreams: got by the control process, once for all who wait
//! for the same, and kept for as long as they hold.
//!
//! A gate calls no identity provider and has no client secret; it orders. What is under way is
//! bounded for each sign-in and upstream, so a provider that hangs keeps nobody from another.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use lockgate_policy::broker::{Brought, Goods, Mark, Order};
use lockgate_policy::jwt::{Memo, Remembered, TokenCache};

use crate::bell::Bell;
use crate::flights::{Flights, Hearing};
use crate::metrics::{head, line};
use crate::refetch::{Place, SILENCE_MS};

/// How long a request waits: the control process gives up on a provider before.
const PATIENCE: Duration = Duration::from_secs(12);
/// Orders for one sign-in or upstream that are under way.
const UNDER_WAY: usize = 256;
/// The same of one person or program, where it is told whose they are: nobody makes others wait.
const OF_ONE: usize = 4;
/// Requests that may wait at a time, of the whole process.
const WAITING: usize = 4_096;
/// Memory for what was got: some ten thousand sessions and tokens.
const BYTES: usize = 32 * 1024 * 1024;
/// What it takes to remember that there is nothing.
const NOTHING: usize = 256;
/// How long a refusal is not questioned.
const REFUSED_MS: u64 = 5_000;
/// When to try again where nothing was said of it, seconds.
const RETRY_S: u32 = 2;
/// The longest that is believed when a provider is to be tried again, seconds.
const LONGEST_RETRY_S: u32 = 60;

/// What came of an order, as the control process tells it.
#[derive(Debug)]
pub enum Told {
    /// Here it is, and until when it is good, milliseconds since the epoch.
    Got(String, u64),
    /// No.
    Refused,
    /// Nobody could be asked; in how many seconds to try again.
    Unavailable(u32),
    /// Too much is under way.
    Busy,
}

/// All orders of a process.
#[derive(Debug)]
pub struct Broker {
    kept: TokenCache<Brought>,
    desks: Mutex<HashMap<(Goods, Arc<str>), Desk, RandomState>>,
    waiting: AtomicUsize,
    bell: Bell,
}

#[derive(Debug)]
struct Desk {
    flights: Flights<Mark, Order, Brought>,
    /// By [`OUTCOMES`].
    counts: [u64; 4],
}

const OUTCOMES: [&str; 4] = ["got", "refused", "unavailable", "busy"];

impl Broker {
    /// None yet.
    ///
    /// # Errors
    /// If the system has no socket to give.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            kept: TokenCache::bounded(BYTES),
            desks: Mutex::default(),
            waiting: AtomicUsize::new(0),
            bell: Bell::new()?,
        })
    }

    /// Gets what is ordered, and waits for it. `silent_ms` is for how long the control process
    /// was not heard of.
    pub async fn get(&self, order: Order, silent_ms: u64, now_ms: u64) -> Brought {
        let (desk, mark) = ((order.goods, Arc::clone(&order.about)), order.mark);
        let mut hearing = match self.begin(order, silent_ms, now_ms, Instant::now()) {
            Begun::Under(hearing) => hearing,
            Begun::Over(outcome) => return outcome,
        };
        let _place = Place::take(&self.waiting);
        if tokio::time::timeout(PATIENCE, hearing.changed())
            .await
            .is_err()
        {
            if let Some(desk) = self.lock().get_mut(&desk) {
                let given_up = desk.flights.give_up(&mark, Instant::now());
                desk.counts[2] += u64::from(given_up);
            }
            return Brought::Unavailable(RETRY_S);
        }
        let outcome = hearing.borrow().clone();
        outcome.unwrap_or(Brought::Unavailable(RETRY_S))
    }

    /// As [`Self::get`], for who waits for nobody: it is there the next time.
    #[must_use]
    pub fn renew(&self, order: Order, silent_ms: u64, now_ms: u64) -> Brought {
        match self.begin(order, silent_ms, now_ms, Instant::now()) {
            Begun::Over(outcome @ (Brought::Got(_) | Brought::Refused)) => outcome,
            Begun::Over(_) | Begun::Under(_) => Brought::Later,
        }
    }

    /// What the control process is to get; each is told once.
    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        self.bell.silence();
        let now = Instant::now();
        let mut desks = self.lock();
        let open = desks.values_mut();
        open.flat_map(|desk| desk.flights.open(now)).collect()
    }

    /// Another control process is there, which was told nothing.
    pub fn untold(&self) {
        let mut desks = self.lock();
        // Each of them, and not only until one has something to tell.
        let open = desks
            .values_mut()
            .filter_map(|desk| desk.flights.untold().then_some(()));
        if open.count() > 0 {
            self.bell.ring();
        }
    }

    /// What can be read while there are orders.
    #[must_use]
    pub fn bell(&self) -> RawFd {
        self.bell.descriptor()
    }

    /// What came of an order. What nobody has ordered, or not within the time, is nobody's.
    pub fn brought(&self, (goods, about): (Goods, &str), mark: &Mark, told: Told, now_ms: u64) {
        let mut desks = self.lock();
        let Some(desk) = desks.get_mut(&(goods, about.into())) else {
            return;
        };
        let Some(flight) = desk.flights.take(mark) else {
            return;
        };
        let (outcome, number, until_ms, weight) = match told {
            Told::Got(what, until_ms) => {
                let weight = NOTHING + what.len();
                (Brought::Got(what.into()), 0, until_ms, weight)
            }
            Told::Refused => (Brought::Refused, 1, now_ms + REFUSED_MS, NOTHING),
            Told::Unavailable(seconds) => {
                let seconds = seconds.clamp(1, LONGEST_RETRY_S);
                let until_ms = now_ms + u64::from(seconds) * 1_000;
                (Brought::Unavailable(seconds), 2, until_ms, NOTHING)
            }
            Told::Busy => (Brought::Busy, 3, now_ms, NOTHING),
        };
        desk.counts[number] += 1;
        let known = Remembered {
            value: outcome.clone(),
            until_ms,
            checked: 0,
        };
        // Before the lock goes: whoever finds nothing under way finds the outcome.
        if now_ms < until_ms {
            self.kept.keep(memo(mark), &known, weight, now_ms);
        }
        drop(desks);
        flight.land(outcome);
    }

    /// Writes its numbers.
    pub fn write(&self, out: &mut String) {
        let metric = "lockgate_broker_orders_total";
        let help = "What came of orders for sessions renewed and for upstreams' tokens.";
        head(out, metric, "counter", &["goods", "about", "outcome"], help);
        for ((goods, about), desk) in &*self.lock() {
            for (outcome, value) in OUTCOMES.into_iter().zip(desk.counts) {
                let labels = [
                    ("goods", goods.word()),
                    ("about", about),
                    ("outcome", outcome),
                ];
                line(out, metric, &labels, value);
            }
        }
        let metric = "lockgate_broker_kept";
        let help = "Sessions renewed and tokens for upstreams that are kept to be used again.";
        head(out, metric, "gauge", &[], help);
        line(out, metric, &[], self.kept.counts().tokens);
    }

    fn begin(&self, order: Order, silent_ms: u64, now_ms: u64, now: Instant) -> Begun {
        let mut desks = self.lock();
        // It is looked for under the lock: what was brought is there before its flight has gone.
        let known = self.kept.find(&memo(&order.mark));
        if let Some(known) = known.filter(|known| now_ms < known.until_ms) {
            return Begun::Over(known.value);
        }
        let key = (order.goods, Arc::clone(&order.about));
        let desk = desks.entry(key).or_insert_with(|| Desk {
            flights: Flights::bounded(UNDER_WAY),
            counts: [0; 4],
        });
        let full = self.waiting.load(Relaxed) >= WAITING;
        if let Some(hearing) = desk.flights.join(&order.mark, now).filter(|_| !full) {
            return Begun::Under(hearing);
        }
        if silent_ms > SILENCE_MS {
            desk.counts[2] += 1;
            return Begun::Over(Brought::Unavailable(RETRY_S));
        }
        let of_theirs = |other: &Order| order.share.is_some() && other.share == order.share;
        let greedy = desk.flights.count(of_theirs, now) >= OF_ONE;
        let begun = if full || greedy {
            None
        } else {
            desk.flights.begin(order.mark, order, PATIENCE, now)
        };
        match begun {
            Some(hearing) => {
                self.bell.ring();
                Begun::Under(hearing)
            }
            None => {
                desk.counts[3] += 1;
                Begun::Over(Brought::Busy)
            }
        }
    }

    // A panic while it was held leaves tables that are whole: each change is one insert.
    fn lock(&self) -> MutexGuard<'_, HashMap<(Goods, Arc<str>), Desk, RandomState>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of an order.
enum Begun {
    /// It is under way.
    Under(Hearing<Brought>),
    /// There is nothing to wait for.
    Over(Brought),
}

const fn memo(mark: &Mark) -> Memo {
    Memo {
        token: *mark,
        rules: 0,
        keys: 0,
    }
}

#[cfg(test)]
mod tests;
