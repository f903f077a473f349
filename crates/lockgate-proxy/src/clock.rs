//! Time. Requests read the precise clock at their edges; everything that waits
//! goes by the worker's tick, which costs nothing to read.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A worker's clock.
#[derive(Debug, Clone)]
pub struct Clock {
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    start_ms: u64,
    coarse_ms: Cell<u64>,
    /// The last date that was asked for, and its second.
    date: Cell<(u64, [u8; 29])>,
}

/// Milliseconds since the epoch, by the system's clock.
#[must_use]
pub fn wall_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Default for Clock {
    fn default() -> Self {
        let start_ms = wall_ms();
        Self {
            shared: Rc::new(Shared {
                start: Instant::now(),
                start_ms,
                coarse_ms: Cell::new(start_ms),
                date: Cell::new((0, [b' '; 29])),
            }),
        }
    }
}

impl Clock {
    /// Milliseconds since the epoch as of the last tick or request; never goes back.
    #[must_use]
    pub fn coarse_ms(&self) -> u64 {
        self.shared.coarse_ms.get()
    }

    /// Microseconds since the worker's start.
    #[must_use]
    pub fn precise_us(&self) -> u64 {
        let us = u64::try_from(self.shared.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.shared.coarse_ms.set(self.shared.start_ms + us / 1000);
        us
    }

    /// The present second as a `Date` field has it (RFC 9110 section 5.6.7).
    #[must_use]
    pub fn date(&self) -> [u8; 29] {
        let second = self.coarse_ms() / 1000;
        let (kept, date) = self.shared.date.get();
        if kept == second {
            return date;
        }
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        let mut date = [b' '; 29];
        for (place, byte) in date.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        self.shared.date.set((second, date));
        date
    }

    /// Notes the time for those who read [`Clock::coarse_ms`].
    pub fn tick(&self) -> u64 {
        let _ = self.precise_us();
        self.coarse_ms()
    }
}
