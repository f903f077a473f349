//! What is known of upstreams and their servers: true for the process, and
//! kept over a reload for what the reload left alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::breaker::Breaker;
use super::budget::Budget;
use super::dns::Service;
use super::target::{At, Target};

/// Tells somebody what happened: a code and a message.
type Tell = Box<dyn Fn(&'static str, &str) + Send + Sync>;

/// All upstreams of a process.
#[derive(Default)]
pub struct Registry {
    upstreams: Mutex<HashMap<Arc<str>, Arc<UpstreamState>>>,
    tell: OnceLock<Tell>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// Sets whom to tell what happens. The first word counts.
    pub fn tell_to(&self, tell: impl Fn(&'static str, &str) + Send + Sync + 'static) {
        let _ = self.tell.set(Box::new(tell));
    }

    /// Tells what happened.
    pub fn tell(&self, code: &'static str, message: &str) {
        if let Some(tell) = self.tell.get() {
            tell(code, message);
        }
    }

    /// What is known of the upstream with this name.
    pub fn upstream(&self, name: &Arc<str>) -> Arc<UpstreamState> {
        Arc::clone(lock(&self.upstreams).entry(Arc::clone(name)).or_default())
    }

    /// Forgets what no bundle speaks of any more.
    pub fn prune(&self) {
        let mut upstreams = lock(&self.upstreams);
        upstreams.retain(|_, upstream| Arc::strong_count(upstream) > 1);
        for upstream in upstreams.values() {
            lock(&upstream.targets).retain(|_, target| Arc::strong_count(target) > 1);
            lock(&upstream.names).retain(|_, name| Arc::strong_count(name) > 1);
            lock(&upstream.services).retain(|_, service| Arc::strong_count(service) > 1);
        }
    }
}

/// What is known of one upstream.
#[derive(Debug, Default)]
pub struct UpstreamState {
    targets: Mutex<HashMap<Arc<Target>, Arc<TargetState>>>,
    names: Mutex<HashMap<String, Arc<NameState>>>,
    services: Mutex<HashMap<String, Arc<ServiceState>>>,
    /// Counts choices, so that turns are taken over all workers.
    pub turns: AtomicU64,
    /// Who is under way.
    pub breaker: Arc<Breaker>,
    /// What may be sent once more.
    pub budget: Budget,
    /// One at a time decides who is taken out.
    pub ejecting: Mutex<()>,
    /// Whether it was told that no server is available.
    pub down: AtomicBool,
    /// What is counted.
    pub counts: UpstreamCounts,
}

/// What is counted of an upstream.
#[derive(Debug, Default)]
pub struct UpstreamCounts {
    /// Attempts after the first.
    pub retries: AtomicU64,
    /// Attempts that the budget did not allow.
    pub retries_withheld: AtomicU64,
    /// Refused, since too many were under way.
    pub turned_away: AtomicU64,
    /// Refused, since no server was available.
    pub unavailable: AtomicU64,
    /// Connections that were carried on unread.
    pub carried: AtomicU64,
    /// Those that are open.
    pub carrying: AtomicU64,
    /// Bytes of clients that were carried on.
    pub carried_in: AtomicU64,
    /// Bytes for clients.
    pub carried_out: AtomicU64,
}

impl UpstreamState {
    /// What is known of a server.
    pub fn target(&self, target: &Arc<Target>) -> Arc<TargetState> {
        let name = match target.at() {
            At::Name(host, _) => Some(self.name(host)),
            _ => None,
        };
        let mut targets = lock(&self.targets);
        let state = targets.entry(Arc::clone(target));
        Arc::clone(state.or_insert_with(|| Arc::new(TargetState::new(name))))
    }

    /// What is known of a service in DNS.
    pub fn service(&self, name: &str) -> Arc<ServiceState> {
        Arc::clone(lock(&self.services).entry(name.to_owned()).or_default())
    }

    fn name(&self, host: &str) -> Arc<NameState> {
        Arc::clone(lock(&self.names).entry(host.to_owned()).or_default())
    }
}

/// When something is next looked after, by one at a time.
#[derive(Debug, Default)]
pub struct Due {
    at_ms: AtomicU64,
    busy: AtomicBool,
}

impl Due {
    /// Takes it on, if it is due and nobody is at it.
    pub fn take(&self, now_ms: u64) -> bool {
        self.at_ms.load(Ordering::Acquire) <= now_ms && !self.busy.swap(true, Ordering::AcqRel)
    }

    /// It is done, and due again at that time.
    pub fn again(&self, at_ms: u64) {
        self.at_ms.store(at_ms, Ordering::Release);
        self.busy.store(false, Ordering::Release);
    }
}

/// A host's name, and its addresses.
#[derive(Debug, Default)]
pub struct NameState {
    /// As they were last known; kept while DNS has nothing to say.
    pub addresses: ArcSwap<Vec<IpAddr>>,
    /// When it is looked up next.
    pub due: Due,
    /// Whether DNS was asked at all.
    pub asked: AtomicBool,
    /// Whether the last look-up failed.
    pub failing: AtomicBool,
    /// Told when DNS has answered.
    pub answered: Notify,
    /// Counts connections, so that addresses take turns.
    pub turns: AtomicU64,
}

/// A service's name, and its servers.
#[derive(Debug, Default)]
pub struct ServiceState {
    /// As they were last known; kept while DNS has nothing to say.
    pub services: ArcSwap<Vec<Service>>,
    /// When it is looked up next.
    pub due: Due,
    /// Whether DNS was asked at all.
    pub asked: AtomicBool,
    /// Whether the last look-up failed.
    pub failing: AtomicBool,
    /// Told when DNS has answered.
    pub answered: Notify,
}

/// What the health check says of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It was not asked yet.
    Unknown,
    /// It answers as it should.
    Healthy,
    /// It does not.
    Unhealthy,
}

/// What is known of one server. A cache line of its own, so that servers do
/// not slow each other.
#[derive(Debug)]
#[repr(align(128))]
pub struct TargetState {
    /// Requests under way, over all workers.
    pub in_flight: AtomicU32,
    /// Failures since the last success.
    pub failures: AtomicU32,
    /// Until when it is out, milliseconds since the epoch; 0 where it is not.
    pub ejected_until_ms: AtomicU64,
    /// How often in a row it was taken out.
    pub ejections: AtomicU32,
    /// Since when it is back, milliseconds since the epoch; 0 where it never was away.
    pub back_ms: AtomicU64,
    health: AtomicU8,
    /// Good answers to the health check in a row; bad ones below zero.
    streak: AtomicI32,
    /// When the health check is next.
    pub due: Due,
    /// Its addresses, where they must be looked up.
    pub name: Option<Arc<NameState>>,
    /// What is counted.
    pub counts: TargetCounts,
}

/// What is counted of a server.
#[derive(Debug, Default)]
pub struct TargetCounts {
    /// Requests sent.
    pub requests: AtomicU64,
    /// Failures, as the passive check has them.
    pub failures: AtomicU64,
    /// How often it was taken out.
    pub ejections: AtomicU64,
    /// Answers whose time is in the next.
    pub answers: AtomicU64,
    /// From the request to the answer's head, microseconds in all.
    pub took_us: AtomicU64,
}

impl TargetState {
    fn new(name: Option<Arc<NameState>>) -> Self {
        Self {
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejected_until_ms: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            back_ms: AtomicU64::new(0),
            health: AtomicU8::new(0),
            streak: AtomicI32::new(0),
            due: Due::default(),
            name,
            counts: TargetCounts::default(),
        }
    }

    /// What the health check says.
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Acquire) {
            0 => Health::Unknown,
            1 => Health::Healthy,
            _ => Health::Unhealthy,
        }
    }

    /// Takes in a health check's outcome; whether that changed what is said.
    /// The first answer decides, later ones in rows of these lengths.
    pub fn checked(
        &self,
        good: bool,
        healthy_after: u16,
        unhealthy_after: u16,
        now_ms: u64,
    ) -> bool {
        // One prober at a time writes here.
        let streak = self.streak.load(Ordering::Relaxed);
        let streak = if good {
            streak.max(0).saturating_add(1)
        } else {
            streak.min(0).saturating_sub(1)
        };
        self.streak.store(streak, Ordering::Relaxed);
        let before = self.health();
        let after = match before {
            Health::Unknown if good => Health::Healthy,
            Health::Unknown => Health::Unhealthy,
            Health::Healthy if streak <= -i32::from(unhealthy_after) => Health::Unhealthy,
            Health::Unhealthy if streak >= i32::from(healthy_after) => Health::Healthy,
            same => same,
        };
        if after == before {
            return false;
        }
        if before == Health::Unhealthy {
            self.back_ms.store(now_ms, Ordering::Relaxed);
        }
        self.health.store(
            if after == Health::Healthy { 1 } else { 2 },
            Ordering::Release,
        );
        // That a new server is well is what was hoped for.
        before != Health::Unknown || after == Health::Unhealthy
    }

    /// Whether failures have put it out.
    pub fn is_ejected(&self, now_ms: u64) -> bool {
        self.ejected_until_ms.load(Ordering::Acquire) > now_ms
    }
}

/// Locks; a panic elsewhere leaves nothing here half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_decides_and_then_rows_do() {
        let state = TargetState::new(None);
        let check = |good| state.checked(good, 2, 3, 7);
        assert_eq!(state.health(), Health::Unknown);
        assert!(!check(true), "a new server that is well is no news");
        assert_eq!(state.health(), Health::Healthy);
        assert!(!check(false) && !check(false) && !check(true));
        assert!(!check(false) && !check(false) && check(false));
        assert_eq!(state.health(), Health::Unhealthy);
        assert!(!check(true) && !check(false) && !check(true));
        assert!(check(true));
        assert_eq!(state.health(), Health::Healthy);
        assert_eq!(state.back_ms.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn a_new_server_that_is_ill_is_out_at_once() {
        let state = TargetState::new(None);
        assert!(state.checked(false, 2, 3, 7));
        assert_eq!(state.health(), Health::Unhealthy);
    }

    #[test]
    fn what_no_bundle_speaks_of_is_forgotten() {
        let registry = Registry::default();
        let upstream = registry.upstream(&"shop".into());
        let target = Arc::new(Target::from(At::Localhost(1)));
        let kept = upstream.target(&target);
        kept.in_flight.store(3, Ordering::Relaxed);
        drop(upstream.target(&Arc::new(Target::from(At::Localhost(2)))));
        registry.prune();
        assert_eq!(lock(&upstream.targets).len(), 1);
        let again = registry.upstream(&"shop".into()).target(&target);
        assert!(Arc::ptr_eq(&kept, &again));
        drop((upstream, kept, again));
        registry.prune();
        assert!(lock(&registry.upstreams).is_empty());
    }

    #[test]
    fn one_at_a_time_looks_after_something() {
        let due = Due::default();
        assert!(due.take(5) && !due.take(5));
        due.again(10);
        assert!(!due.take(9) && due.take(10));
    }
}
