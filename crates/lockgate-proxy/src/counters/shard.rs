//! One shard of counters: a table that throws idle entries away before it
//! grows, and that never looks at all of them twice in short order.

use lockgate_policy::limits::{Charge, Record};

use super::table::Table;

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

/// A part of the counters. On cache lines of its own (two are fetched at once),
/// since the next one is another core's at the same moment.
#[repr(align(128))]
pub(super) struct Shard<V> {
    pub(super) table: Table<V>,
    most: usize,
    /// With so many entries it is time to look for idle ones.
    look_at: usize,
    looked_ns: u64,
}

impl<V: Idle + Copy + Default> Shard<V> {
    pub(super) fn with_room(most: usize) -> Self {
        Self {
            table: Table::default(),
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
        let count = self.table.len();
        if count < most.min(self.look_at) {
            return true;
        }
        if now_ns.saturating_sub(self.looked_ns) >= PAUSE_NS {
            self.looked_ns = now_ns;
            self.table.retain(|entry| !entry.is_idle(now_ns));
            self.look_at = (self.table.len() * 2).clamp(SMALL.min(self.most), self.most);
        }
        self.table.len() < most
    }
}

impl Shard<u64> {
    /// Where the counter stands that a charge is taken from.
    pub(super) fn due_ns(&self, charge: &Charge) -> u64 {
        self.table.get(charge.slot.0).copied().unwrap_or(0)
    }
}
