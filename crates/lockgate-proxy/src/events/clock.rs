//! The time, and ids made of it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

fn since_epoch() -> Duration {
    // A clock before 1970 is no reason to fail; it reads as 1970.
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// An id for an event that is no request: unique in the process, and across
/// restarts but for two within one microsecond.
pub(crate) fn event_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!(
        "evt_{:013x}{:04x}",
        since_epoch().as_micros(),
        COUNT.fetch_add(1, Relaxed) & 0xFFFF
    )
}
