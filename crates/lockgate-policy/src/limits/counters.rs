//! What policies and the store of counters say to each other. The store is
//! somewhere else; what taking and striking mean is said here.

use super::gcra::Quota;
use super::key::{CounterKey, Seed};

/// One counter to be taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// The counter.
    pub key: CounterKey,
    /// The counter that all share who come when there is no room for further ones.
    pub shared: CounterKey,
    /// How much may be taken.
    pub quota: Quota,
    /// How much is taken.
    pub cost: u32,
    /// Whether callers choose themselves what they are counted by: a store
    /// that is nearly full keeps its last places for others.
    pub chosen: bool,
    /// Number of the limit among those of its policy.
    pub limit: usize,
    /// In the answer: the counter that was taken from, this one or the shared one.
    pub slot: CounterKey,
    /// In the answer: where it stands then, nanoseconds since the epoch.
    pub due_ns: u64,
}

/// Counters to be taken from: all, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Take {
    /// From these.
    pub charges: Vec<Charge>,
    /// What is given back if it is none.
    pub back: Vec<Charge>,
    /// In the answer: which of the charges refuses longest, and for how many nanoseconds.
    pub refused: Option<(usize, u64)>,
}

impl Take {
    /// One request, from the counter that a room has for somebody alone.
    #[must_use]
    pub fn one(seed: Seed, (room, whose): (&str, &str), quota: Quota) -> Self {
        let mut sip = seed.begin();
        sip.part(room.as_bytes());
        let shared = sip.clone().end();
        sip.part(whose.as_bytes());
        let key = sip.end();
        let charge = Charge {
            key,
            slot: key,
            shared,
            quota,
            cost: 1,
            chosen: false,
            limit: 0,
            due_ns: 0,
        };
        Self {
            charges: vec![charge],
            ..Self::default()
        }
    }
}

/// A credential that was refused, to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// The counter.
    pub key: CounterKey,
    /// How many are borne.
    pub quota: Quota,
    /// How long the first penalty is, nanoseconds.
    pub first_ns: u64,
    /// How long the longest is.
    pub longest_ns: u64,
}

/// What is known of an address that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// Where the counter of failures stands.
    pub due_ns: u64,
    /// Until when it is refused.
    pub until_ns: u64,
    /// When all is forgotten.
    pub forget_ns: u64,
    /// How many penalties there were, one after the other.
    pub times: u32,
}

impl Record {
    /// Whether it says no more than no record would.
    #[must_use]
    pub const fn is_idle(&self, now_ns: u64) -> bool {
        self.due_ns <= now_ns && self.forget_ns <= now_ns
    }
}

impl Strike {
    /// Whether half of what is borne has come already: what counts is what has not been forgotten.
    #[must_use]
    pub fn is_near(&self, record: &Record, now_ns: u64) -> bool {
        let left = self.quota.left(record.due_ns, now_ns);
        record.due_ns > now_ns && left <= self.quota.burst() / 2
    }

    /// Counts the failure; true if it brings a penalty.
    pub fn hit(&self, record: &mut Record, now_ns: u64) -> bool {
        if record.forget_ns <= now_ns {
            record.times = 0;
        }
        match self.quota.take(record.due_ns, now_ns, 1) {
            Ok(due_ns) => {
                record.due_ns = due_ns;
                false
            }
            // It came in before the penalty, and is answered after it.
            Err(_) if now_ns < record.until_ns => false,
            Err(_) => {
                let doubled = 1_u64.checked_shl(record.times).unwrap_or(u64::MAX);
                let wait_ns = self.first_ns.saturating_mul(doubled).min(self.longest_ns);
                record.times = record.times.saturating_add(1).min(63);
                record.until_ns = now_ns.saturating_add(wait_ns);
                record.forget_ns = record.until_ns.saturating_add(self.longest_ns);
                true
            }
        }
    }
}
