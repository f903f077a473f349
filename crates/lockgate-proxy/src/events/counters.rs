//! What the log counts about itself, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::schema::Class;

/// A number per class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerClass(pub(crate) [u64; 4]);

impl PerClass {
    /// The number of one class.
    #[must_use]
    pub const fn of(&self, class: Class) -> u64 {
        self.0[class.index()]
    }

    /// All classes together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// The log's counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Events that are in a segment (though perhaps not yet synced).
    pub written: PerClass,
    /// Events that are nowhere: there was no room, or the disk refused them.
    pub dropped: PerClass,
    /// Bytes of those written.
    pub bytes: u64,
    /// Completed fdatasyncs.
    pub syncs: u64,
    /// Failed writes; each is tried again.
    pub write_errors: u64,
    /// Failed fdatasyncs.
    pub sync_errors: u64,
    /// Segments deleted because the log had reached its size.
    pub segments_deleted: u64,
    /// The last failure, in words; empty while all is well.
    pub last_error: String,
}

/// The counters themselves. The request path touches them only to count a drop.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub written: [AtomicU64; 4],
    pub dropped: [AtomicU64; 4],
    pub bytes: AtomicU64,
    pub syncs: AtomicU64,
    pub write_errors: AtomicU64,
    pub sync_errors: AtomicU64,
    pub segments_deleted: AtomicU64,
    pub last_error: Mutex<String>,
}

impl Counting {
    pub fn drop_one(&self, class: Class) {
        self.dropped[class.index()].fetch_add(1, Relaxed);
    }

    pub fn add(into: &[AtomicU64; 4], counts: &[u32; 4]) {
        for (total, count) in into.iter().zip(counts) {
            if *count > 0 {
                total.fetch_add(u64::from(*count), Relaxed);
            }
        }
    }

    /// Sets the last failure; true if that went from none to some or back.
    pub fn set_error(&self, error: &str) -> bool {
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = last.is_empty() != error.is_empty();
        error.clone_into(&mut last);
        changed
    }

    pub fn dropped(&self) -> PerClass {
        PerClass(self.dropped.each_ref().map(|count| count.load(Relaxed)))
    }

    pub fn read(&self) -> Counters {
        Counters {
            written: PerClass(self.written.each_ref().map(|count| count.load(Relaxed))),
            dropped: self.dropped(),
            bytes: self.bytes.load(Relaxed),
            syncs: self.syncs.load(Relaxed),
            write_errors: self.write_errors.load(Relaxed),
            sync_errors: self.sync_errors.load(Relaxed),
            segments_deleted: self.segments_deleted.load(Relaxed),
            last_error: self
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}
