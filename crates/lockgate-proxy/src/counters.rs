//! The counters that limits take from: one store for the process, sharded by
//! key and never by worker, so that a limit is one limit however many workers
//! there are and however many APIs share it.
//!
//! Memory is bounded, and a bound must not become a way around a limit. What
//! is thrown away is idle: a counter that says no more than no counter would.
//! Where all are busy and there is no room, who comes newly shares one counter
//! of the limit with all others who do (in each shard), and that is counted:
//! nobody's counter is forgotten because of somebody else's many keys.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lockgate_policy::limits::{Charge, CounterKey, Record, Strike, Take, MAX_TOGETHER};
use serde::Serialize;

mod shard;
mod table;

use shard::Shard;

/// Shards, each with a lock of its own: more than there are cores.
const SHARDS: usize = 64;
/// So many charges as most requests have at most: room for more costs them time.
const FEW: usize = 4;
/// Counters in all: 16 bytes each, in tables that are three eighths full at
/// least and of which all together take 32 MB at most. Envoy's local
/// limits have 20 by default, nginx's usual 10 MB zone has 160,000.
pub const MOST_COUNTERS: usize = 1 << 20;
/// Addresses that failed, in all; some 80 bytes each at worst.
pub const MOST_FAILING: usize = 1 << 18;

/// Where counters are kept. In the process here; what shares counters between
/// gates comes behind the same: each call answers at once, from what the
/// process holds (a lease of its own share, where there are other gates).
pub trait Counters: Send + Sync {
    /// Takes from all counters, or from none: then what was taken before is
    /// given back, and the answer says which refused.
    fn take(&self, take: Take, now_ms: u64) -> Take;

    /// Until when the address behind this counter of failures is refused,
    /// nanoseconds since the epoch.
    fn standing(&self, key: CounterKey, now_ms: u64) -> Option<u64>;

    /// Counts failures.
    fn strike(&self, strikes: &[Strike], now_ms: u64);

    /// Whether one of these counters of failures is half used up.
    fn failing(&self, strikes: &[Strike], now_ms: u64) -> bool {
        let now_ns = nanoseconds(now_ms);
        strikes.iter().any(|strike| {
            let (_, record) = self.look(strike.key);
            record.is_some_and(|record| strike.is_near(&record, now_ns))
        })
    }

    /// What stands there now, of a counter or of a penalty.
    fn look(&self, key: CounterKey) -> (Option<u64>, Option<Record>);

    /// Forgets a counter and a penalty; whether there was one.
    fn clear(&self, key: CounterKey) -> bool;

    /// How it is doing.
    fn stats(&self) -> CounterStats;
}

/// Numbers about the counters.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct CounterStats {
    /// Counters that there are; idle ones too, until their room is wanted.
    pub counters: usize,
    /// Addresses whose failures are counted.
    pub failing: usize,
    /// Penalties given.
    pub penalties: u64,
    /// Requests that shared a counter, since there was no room for one of their own.
    pub crowded: u64,
    /// Failures that were not counted, since there was no room.
    pub uncounted: u64,
}

/// The counters of this process.
pub struct Local {
    shards: Box<[Mutex<Shard<u64>>]>,
    failing: Box<[Mutex<Shard<Record>>]>,
    penalties: AtomicU64,
    crowded: AtomicU64,
    uncounted: AtomicU64,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stats().fmt(f)
    }
}

impl Default for Local {
    fn default() -> Self {
        Self::with_room(MOST_COUNTERS, MOST_FAILING)
    }
}

impl Local {
    /// A store for so many counters, and so many addresses that fail.
    #[must_use]
    pub fn with_room(counters: usize, failing: usize) -> Self {
        let each = |most: usize| most.div_ceil(SHARDS);
        Self {
            shards: (0..SHARDS)
                .map(|_| Mutex::new(Shard::with_room(each(counters))))
                .collect(),
            failing: (0..SHARDS)
                .map(|_| Mutex::new(Shard::with_room(each(failing))))
                .collect(),
            penalties: AtomicU64::new(0),
            crowded: AtomicU64::new(0),
            uncounted: AtomicU64::new(0),
        }
    }

    fn give_back(&self, charges: &[Charge], now_ns: u64) {
        for charge in charges {
            let mut shard = lock(&self.shards[place(charge.key)]);
            if let Some(due_ns) = shard.table.get_mut(charge.slot.0) {
                let back = charge.quota.give_back(*due_ns, charge.cost);
                // Not below the present: what others took since then stays taken.
                *due_ns = back.max(now_ns.min(*due_ns));
            }
        }
    }

    /// Takes from one counter, the common case.
    fn take_one(&self, charge: &mut Charge, now_ns: u64) -> Result<(), u64> {
        let mut shard = lock(&self.shards[place(charge.key)]);
        charge.slot = self.slot(&mut shard, charge, now_ns);
        charge.due_ns = shard.due_ns(charge);
        charge.due_ns = charge.quota.take(charge.due_ns, now_ns, charge.cost)?;
        *shard.table.entry(charge.slot.0) = charge.due_ns;
        Ok(())
    }

    /// Takes from several: every shard among them is locked, in one order for
    /// all, before the first counter is looked at.
    fn take_all<const MOST: usize>(
        &self,
        charges: &mut [Charge],
        now_ns: u64,
    ) -> Option<(usize, u64)> {
        let mut guards: [Option<MutexGuard<'_, Shard<u64>>>; MOST] = [const { None }; MOST];
        let mut wanted = [usize::MAX; MOST];
        for (wanted, charge) in wanted.iter_mut().zip(charges.iter()) {
            *wanted = place(charge.key);
        }
        let count = charges.len().min(MOST);
        let places = &mut wanted[..count];
        places.sort_unstable();
        for (at, guard) in guards.iter_mut().enumerate().take(count) {
            if at == 0 || places[at] != places[at - 1] {
                *guard = Some(lock(&self.shards[places[at]]));
            }
        }
        for charge in charges.iter().take(count) {
            if let Some(shard) = held(&mut guards, places, charge.key) {
                shard.table.touch(charge.key.0);
            }
        }
        let mut refused: Option<(usize, u64)> = None;
        for (number, charge) in charges.iter_mut().enumerate().take(count) {
            let Some(shard) = held(&mut guards, places, charge.key) else {
                continue;
            };
            charge.slot = self.slot(shard, charge, now_ns);
            charge.due_ns = shard.due_ns(charge);
            match charge.quota.take(charge.due_ns, now_ns, charge.cost) {
                Ok(due_ns) => charge.due_ns = due_ns,
                Err(wait_ns) => {
                    if refused.is_none_or(|(_, longest)| longest < wait_ns) {
                        refused = Some((number, wait_ns));
                    }
                }
            }
        }
        for charge in charges.iter_mut().take(count) {
            let Some(shard) = held(&mut guards, places, charge.key) else {
                continue;
            };
            if refused.is_none() {
                *shard.table.entry(charge.slot.0) = charge.due_ns;
            } else {
                charge.due_ns = shard.due_ns(charge);
            }
        }
        refused
    }

    /// The caller's own counter, or the one for those who come when there is no room.
    fn slot(&self, shard: &mut Shard<u64>, charge: &Charge, now_ns: u64) -> CounterKey {
        if shard.table.get(charge.key.0).is_some() || shard.has_room(charge.chosen, now_ns) {
            return charge.key;
        }
        self.crowded.fetch_add(1, Ordering::Relaxed);
        charge.shared
    }
}

impl Counters for Local {
    fn take(&self, mut take: Take, now_ms: u64) -> Take {
        let now_ns = nanoseconds(now_ms);
        take.refused = match take.charges.as_mut_slice() {
            [one] => self.take_one(one, now_ns).err().map(|wait| (0, wait)),
            several if several.len() <= FEW => self.take_all::<FEW>(several, now_ns),
            several => self.take_all::<MAX_TOGETHER>(several, now_ns),
        };
        if take.refused.is_some() {
            self.give_back(&take.back, now_ns);
        }
        take
    }

    fn standing(&self, key: CounterKey, now_ms: u64) -> Option<u64> {
        if self.penalties.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let record = lock(&self.failing[place(key)]).table.get(key.0).copied();
        record
            .map(|record| record.until_ns)
            .filter(|until_ns| *until_ns > nanoseconds(now_ms))
    }

    fn strike(&self, strikes: &[Strike], now_ms: u64) {
        let now_ns = nanoseconds(now_ms);
        for strike in strikes {
            let mut shard = lock(&self.failing[place(strike.key)]);
            if shard.table.get(strike.key.0).is_none() && !shard.has_room(false, now_ns) {
                self.uncounted.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            if strike.hit(shard.table.entry(strike.key.0), now_ns) {
                self.penalties.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn look(&self, key: CounterKey) -> (Option<u64>, Option<Record>) {
        let counter = lock(&self.shards[place(key)]).table.get(key.0).copied();
        let record = lock(&self.failing[place(key)]).table.get(key.0).copied();
        (counter, record)
    }

    fn clear(&self, key: CounterKey) -> bool {
        let counter = lock(&self.shards[place(key)]).table.remove(key.0);
        let record = lock(&self.failing[place(key)]).table.remove(key.0);
        counter.is_some() || record.is_some()
    }

    fn stats(&self) -> CounterStats {
        CounterStats {
            counters: self
                .shards
                .iter()
                .map(|shard| lock(shard).table.len())
                .sum(),
            failing: self
                .failing
                .iter()
                .map(|shard| lock(shard).table.len())
                .sum(),
            penalties: self.penalties.load(Ordering::Relaxed),
            crowded: self.crowded.load(Ordering::Relaxed),
            uncounted: self.uncounted.load(Ordering::Relaxed),
        }
    }
}

fn held<'g, 's>(
    guards: &'g mut [Option<MutexGuard<'s, Shard<u64>>>],
    places: &[usize],
    key: CounterKey,
) -> Option<&'g mut MutexGuard<'s, Shard<u64>>> {
    // The first of those that are equal is the one that was locked.
    let at = places.iter().position(|other| *other == place(key))?;
    guards.get_mut(at)?.as_mut()
}

/// The shard: by bits of the key that tables within a shard do not use.
fn place(key: CounterKey) -> usize {
    (key.0 >> 40) as usize % SHARDS
}

const fn nanoseconds(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
