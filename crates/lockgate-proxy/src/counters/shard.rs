//! One shard of counters: a table that throws idle entries away before it
//! grows, and that never looks at all of them twice in short order.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use lockgate_policy::limits::{Charge, Record};

/// Below this a shard does not look for idle entries.
const SMALL: usize = 64;
/// Between two looks for idle entries of a shard, nanoseconds: 16,384 entries
/// take some 20 µs, so a flood of keys costs no more than that.
const PAUSE_NS: u64 = 100_000_000;

/// What may be thrown away.
pub(super) trait Idle {
    /// Whether it says no more than nothing would.
    fn is_idle(&self, now_ns: u64) -> bool;
}

impl Idle for u64 {
    fn is_idle(&self, now_ns: u64) -> bool {
        *self <= now_ns
    }
}

impl Idle for Record {
    fn is_idle(&self, now_ns: u64) -> bool {
        Self::is_idle(self, now_ns)
    }
}

/// A part of the counters.
pub(super) struct Shard<V> {
    pub(super) map: HashMap<u64, V, BuildHasherDefault<Kept>>,
    most: usize,
    /// With so many entries it is time to look for idle ones.
    look_at: usize,
    looked_ns: u64,
}

impl<V: Idle> Shard<V> {
    pub(super) fn with_room(most: usize) -> Self {
        Self {
            map: HashMap::default(),
            most,
            look_at: SMALL.min(most),
            looked_ns: 0,
        }
    }

    /// Whether one more may come; those whose keys callers choose get three
    /// quarters of the room and no more.
    pub(super) fn has_room(&mut self, chosen: bool, now_ns: u64) -> bool {
        let most = if chosen {
            self.most - self.most / 4
        } else {
            self.most
        };
        let count = self.map.len();
        if count < most.min(self.look_at) {
            return true;
        }
        if now_ns.saturating_sub(self.looked_ns) >= PAUSE_NS {
            self.looked_ns = now_ns;
            self.map.retain(|_, entry| !entry.is_idle(now_ns));
            if self.map.len() < self.map.capacity() / 4 {
                self.map.shrink_to(self.map.len() * 2);
            }
            self.look_at = (self.map.len() * 2).clamp(SMALL.min(self.most), self.most);
        }
        self.map.len() < most
    }
}

impl Shard<u64> {
    /// Where the counter stands that a charge is taken from.
    pub(super) fn due_ns(&self, charge: &Charge) -> u64 {
        self.map.get(&charge.slot.0).copied().unwrap_or(0)
    }
}

/// Keys are hashes already, under a secret.
#[derive(Default)]
pub(super) struct Kept(u64);

impl Hasher for Kept {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
