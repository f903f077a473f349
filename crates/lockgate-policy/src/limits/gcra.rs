//! The arithmetic of a limit: GCRA (the generic cell rate algorithm of ITU-T
//! I.371), in whole nanoseconds. A counter is one number: the moment from
//! which nothing of what was taken counts any more. No floating point, so no
//! drift; nothing to reset, so no edge at which twice as much gets through.

/// A second, in the unit that counters have.
pub const SECOND_NS: u64 = 1_000_000_000;

/// How much may be taken: `burst` at once, and one again after each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    interval_ns: u64,
    burst_ns: u64,
}

impl Quota {
    /// `count` in each `per_ns`, and `burst` of them at once. The interval is
    /// rounded up: never more gets through than was said, and less by a
    /// nanosecond in each interval at most.
    ///
    /// `None` where that is no quota: nothing at all, or more than the clock can tell.
    #[must_use]
    pub fn new(count: u64, per_ns: u64, burst: u64) -> Option<Self> {
        if count == 0 || burst == 0 || per_ns == 0 {
            return None;
        }
        let interval_ns = per_ns.div_ceil(count);
        let burst_ns = interval_ns.checked_mul(burst)?;
        Some(Self {
            interval_ns,
            burst_ns,
        })
    }

    /// Takes `cost` from a counter that stands at `due_ns`: where it stands
    /// then, or how long to wait until as much can be taken.
    ///
    /// # Errors
    /// Nanoseconds to wait. The counter stands as it stood.
    pub fn take(self, due_ns: u64, now_ns: u64, cost: u32) -> Result<u64, u64> {
        let due_ns = due_ns
            .max(now_ns)
            .saturating_add(self.interval_ns.saturating_mul(u64::from(cost)));
        match (due_ns - now_ns).checked_sub(self.burst_ns) {
            None | Some(0) => Ok(due_ns),
            Some(wait_ns) => Err(wait_ns),
        }
    }

    /// Gives `cost` back to a counter. What has become free meanwhile is not
    /// given a second time, since a counter never stands before the present.
    #[must_use]
    pub fn give_back(self, due_ns: u64, cost: u32) -> u64 {
        due_ns.saturating_sub(self.interval_ns.saturating_mul(u64::from(cost)))
    }

    /// How many can be taken at once from a counter that stands at `due_ns`.
    #[must_use]
    pub fn left(self, due_ns: u64, now_ns: u64) -> u64 {
        self.burst_ns.saturating_sub(due_ns.saturating_sub(now_ns)) / self.interval_ns
    }

    /// How many can be taken at once from a counter that is untouched.
    #[must_use]
    pub const fn burst(self) -> u64 {
        self.burst_ns / self.interval_ns
    }

    /// How long a counter takes from nothing left to untouched.
    #[must_use]
    pub const fn window_ns(self) -> u64 {
        self.burst_ns
    }
}
