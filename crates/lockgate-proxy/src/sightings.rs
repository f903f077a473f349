//! What was seen of callers who ask for objects: one store for the process, sharded by caller.
//!
//! Memory is bounded. What is thrown away is idle; where all are busy and there is no room, who
//! comes newly is not followed, and that is counted: nobody else is forgotten because of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use lockgate_policy::enumeration::{Bounds, Flag, Seen, Sighting};
use lockgate_policy::limits::CounterKey;

/// Shards, each with a lock of its own: more than there are cores.
const SHARDS: usize = 64;
/// Callers that are followed, in all: some 200 bytes each.
pub const MOST_CALLERS: usize = 1 << 17;
/// Objects that are remembered, of all callers: four bytes each.
pub const MOST_OBJECTS: usize = 1 << 22;
/// Between two looks for idle callers of a shard, milliseconds.
const PAUSE_MS: u64 = 100;

#[derive(Debug, Default)]
struct Shard {
    callers: HashMap<u64, Seen, RandomState>,
    objects: usize,
    looked_ms: u64,
}

/// What was seen of all callers.
#[derive(Debug)]
pub struct Sightings {
    shards: Box<[Mutex<Shard>]>,
    callers: usize,
    objects: usize,
    flagged: AtomicU64,
    crowded: AtomicU64,
}

impl Default for Sightings {
    fn default() -> Self {
        Self::with_room(MOST_CALLERS, MOST_OBJECTS)
    }
}

impl Sightings {
    /// A store for so many callers, and so many objects.
    #[must_use]
    pub fn with_room(callers: usize, objects: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            callers: callers.div_ceil(SHARDS),
            objects: objects.div_ceil(SHARDS),
            flagged: AtomicU64::new(0),
            crowded: AtomicU64::new(0),
        }
    }

    /// Takes a sighting in; whether its caller is refused.
    pub fn see(&self, one: &Sighting, now_ms: u64) -> Option<Flag> {
        let mut shard = self.lock(one.key);
        // Callers who choose what they are told apart by get three quarters of the room.
        let most = self.callers - if one.chosen { self.callers / 4 } else { 0 };
        if !shard.callers.contains_key(&one.key.0) && !shard.has_room(most, now_ms) {
            self.crowded.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let room = shard.objects < self.objects;
        let seen = shard.callers.entry(one.key.0).or_default();
        let (before, refused) = (seen.objects(), seen.is_refused(now_ms));
        let flag = seen.see(one, room, now_ms);
        let after = seen.objects();
        shard.objects = (shard.objects + after).saturating_sub(before);
        if flag.is_some() && !refused {
            self.flagged.fetch_add(1, Ordering::Relaxed);
        }
        if !room {
            self.crowded.fetch_add(1, Ordering::Relaxed);
        }
        flag
    }

    /// One that was seen ended with a refusal, or is not there.
    pub fn refuse(&self, key: CounterKey, bounds: Bounds, now_ms: u64) {
        let mut shard = self.lock(key);
        let Some(seen) = shard.callers.get_mut(&key.0) else {
            return;
        };
        let before = seen.objects();
        if seen.refuse(bounds, now_ms) {
            self.flagged.fetch_add(1, Ordering::Relaxed);
        }
        let after = seen.objects();
        shard.objects = (shard.objects + after).saturating_sub(before);
    }

    /// How often a caller was found to go through all there is.
    #[must_use]
    pub fn flagged(&self) -> u64 {
        self.flagged.load(Ordering::Relaxed)
    }

    /// How often somebody was not followed, since there was no room.
    #[must_use]
    pub fn crowded(&self) -> u64 {
        self.crowded.load(Ordering::Relaxed)
    }

    fn lock(&self, key: CounterKey) -> MutexGuard<'_, Shard> {
        let place = (key.0 >> 40) as usize % SHARDS;
        self.shards[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Whether one more may come.
    fn has_room(&mut self, most: usize, now_ms: u64) -> bool {
        if self.callers.len() >= most && now_ms.saturating_sub(self.looked_ms) >= PAUSE_MS {
            self.looked_ms = now_ms;
            self.callers.retain(|_, seen| !seen.is_idle(now_ms));
            self.objects = self.callers.values().map(Seen::objects).sum();
        }
        self.callers.len() < most
    }
}

#[cfg(test)]
mod tests;
