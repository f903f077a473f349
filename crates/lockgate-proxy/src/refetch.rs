//! Asking for an issuer's keys anew, because a token names one that is not known.
//!
//! A token's key may be minutes old or made up, and only the issuer can tell. So
//! the control process is asked to look, once for all who wait (single flight),
//! and not again for a while for a name that was not there. It keeps the pace:
//! whoever makes up names costs the issuer a request a second, and the gate
//! nothing that grows. Who comes while an older question is under way waits for
//! the next, if the answer has not their key: it may be newer.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use tokio::sync::watch;

use crate::bell::Bell;

/// How long a request waits for keys; it has a client that waits, too.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a name that the issuer did not know is not asked for again.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// Names that are remembered as not known, of one issuer. The pace lets only a
/// few come together; beyond them all are forgotten, and the pace alone holds.
const UNKNOWN_NAMES: usize = 64;
/// Requests that may wait for keys at a time, of the whole process.
const WAITING: usize = 4_096;
/// A control process that was not heard of for so long is not asked: it beats
/// every second.
pub(crate) const SILENCE_MS: u64 = 5_000;

/// All askings of a process.
#[derive(Debug)]
pub struct Refetches {
    issuers: Mutex<HashMap<Arc<str>, Flight, RandomState>>,
    hasher: RandomState,
    patience: Duration,
    waiting: AtomicUsize,
    asked: AtomicU64,
    spared: AtomicU64,
    /// Rings while there are wishes.
    bell: Bell,
}

/// The state of one issuer's.
#[derive(Debug)]
struct Flight {
    /// When it was asked, while there is no answer yet.
    asked: Option<Instant>,
    /// Whether the control process still has to be told.
    wished: bool,
    /// Names that the issuer did not know, by their hash.
    unknown: HashSet<u64, RandomState>,
    unknown_since: Instant,
    done: watch::Sender<u64>,
}

impl Refetches {
    /// None yet.
    ///
    /// # Errors
    /// If the system has no socket to give.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            issuers: Mutex::default(),
            hasher: RandomState::default(),
            patience: PATIENCE,
            waiting: AtomicUsize::new(0),
            asked: AtomicU64::new(0),
            spared: AtomicU64::new(0),
            bell: Bell::new()?,
        })
    }

    /// Waits until the issuer's keys were asked for anew, if that may be done: after it was
    /// called, unless `found` says that what was asked before will do. `silent_ms` is for how long
    /// the control process was not heard of.
    pub async fn ask(
        &self,
        issuer: &Arc<str>,
        kid: &str,
        silent_ms: u64,
        found: &dyn Fn() -> bool,
    ) {
        let name = self.hasher.hash_one(kid);
        let arrived = Instant::now();
        let waiting = async {
            while let Some((mut done, asked)) = self.begin(issuer, name, silent_ms) {
                let _place = Place::take(&self.waiting);
                // Told or not, the caller looks at the keys again.
                let _ = done.changed().await;
                if asked >= arrived || found() {
                    return;
                }
            }
            self.spared.fetch_add(1, Ordering::Relaxed);
        };
        let _ = tokio::time::timeout(self.patience, waiting).await;
    }

    /// Issuers whose keys the control process is to fetch.
    #[must_use]
    pub fn wishes(&self) -> Vec<String> {
        self.bell.silence();
        let mut issuers = self.lock();
        let wished = issuers.iter_mut().filter(|(_, flight)| flight.wished);
        wished
            .map(|(name, flight)| {
                flight.wished = false;
                name.to_string()
            })
            .collect()
    }

    /// What to wait on for wishes: it can be read while there are any.
    #[must_use]
    pub fn bell(&self) -> RawFd {
        self.bell.descriptor()
    }

    /// The control process has looked, whatever it found; those who wait go on.
    pub fn answered(&self, issuer: &str) {
        if let Some(flight) = self.lock().get_mut(issuer) {
            flight.asked = None;
            flight.done.send_modify(|count| *count += 1);
        }
    }

    /// How often the control process was asked, and how often that was not needed.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (
            self.asked.load(Ordering::Relaxed),
            self.spared.load(Ordering::Relaxed),
        )
    }

    /// Joins what is under way, or begins it; when it began.
    fn begin(
        &self,
        issuer: &Arc<str>,
        name: u64,
        silent_ms: u64,
    ) -> Option<(watch::Receiver<u64>, Instant)> {
        if silent_ms > SILENCE_MS || self.waiting.load(Ordering::Relaxed) >= WAITING {
            return None;
        }
        let now = Instant::now();
        let mut issuers = self.lock();
        let flight = issuers.entry(Arc::clone(issuer)).or_insert_with(|| Flight {
            asked: None,
            wished: false,
            unknown: HashSet::default(),
            unknown_since: now,
            done: watch::Sender::new(0),
        });
        let under_way = flight.asked.filter(|asked| now - *asked < self.patience);
        if under_way.is_none() {
            if now - flight.unknown_since > UNKNOWN_FOR || flight.unknown.len() >= UNKNOWN_NAMES {
                flight.unknown.clear();
                flight.unknown_since = now;
            }
            // A name that is here was asked for: were it known by now, it would be in the set.
            if flight.unknown.contains(&name) {
                return None;
            }
            flight.asked = Some(now);
            flight.wished = true;
            // Who only joins is not noted: the answer may be older than their key.
            flight.unknown.insert(name);
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.bell.ring();
        }
        Some((flight.done.subscribe(), under_way.unwrap_or(now)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Flight, RandomState>> {
        self.issuers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait; given back also by who goes away.
pub(crate) struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    pub(crate) fn take(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
