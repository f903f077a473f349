//! Proofs of keys that were used: each counts once (RFC 9449 section 11.1). One store for
//! the process, sharded by proof, so that a proof counts once on all workers together.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use lockgate_policy::jwt::ProofMark;
use lockgate_policy::First;

/// Parts with a lock of their own.
const SHARDS: usize = 64;
/// Proofs that are remembered at most: some 50 MB. At ninety seconds each that is 11,000 a second.
pub const MOST: usize = 1 << 20;

/// All proofs that may still be used again.
#[derive(Debug)]
pub struct Proofs {
    shards: Vec<Mutex<Shard>>,
    most: usize,
}

#[derive(Debug, Default)]
struct Shard {
    /// From when on each would not hold any more, milliseconds since the epoch.
    seen: HashMap<ProofMark, u64, RandomState>,
    /// Before that none of them is over; looking for some would find none.
    first_over_ms: u64,
}

impl Default for Proofs {
    fn default() -> Self {
        Self::bounded(MOST)
    }
}

impl Proofs {
    /// With room for so many.
    #[must_use]
    pub fn bounded(most: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            most: most.div_ceil(SHARDS),
        }
    }

    /// Whether it is seen for the first time; it is remembered until `until_ms`. Both
    /// times are milliseconds since the epoch.
    pub fn first(&self, mark: ProofMark, until_ms: u64, now_ms: u64) -> First {
        let shard = &self.shards[usize::from(mark[0]) % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        match shard.seen.get(&mark) {
            Some(until_ms) if now_ms < *until_ms => return First::No,
            _ => {}
        }
        if shard.seen.len() >= self.most && now_ms >= shard.first_over_ms {
            shard.seen.retain(|_, until_ms| now_ms < *until_ms);
            let first = shard.seen.values().min();
            shard.first_over_ms = first.copied().unwrap_or(0);
        }
        if shard.seen.len() >= self.most {
            return First::Full;
        }
        shard.first_over_ms = shard.first_over_ms.min(until_ms);
        shard.seen.insert(mark, until_ms);
        First::Yes
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| {
                shard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .seen
                    .len()
            })
            .sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u32) -> ProofMark {
        let mut mark = ProofMark::default();
        mark[..4].copy_from_slice(&number.to_le_bytes());
        mark
    }

    #[test]
    fn a_proof_counts_once_while_it_holds() {
        let proofs = Proofs::default();
        assert_eq!(proofs.first(mark(1), 10, 5), First::Yes);
        assert_eq!(proofs.first(mark(1), 10, 9), First::No);
        assert_eq!(proofs.first(mark(2), 10, 9), First::Yes);
        assert_eq!(
            proofs.first(mark(1), 20, 10),
            First::Yes,
            "another, of the same name"
        );
    }

    #[test]
    fn what_is_full_says_so_and_forgets_only_what_is_over() {
        let proofs = Proofs::bounded(SHARDS);
        // All of one shard: one fits.
        assert_eq!(proofs.first(mark(0), 100, 1), First::Yes);
        assert_eq!(proofs.first(mark(64), 100, 99), First::Full);
        assert_eq!(
            proofs.first(mark(0), 100, 99),
            First::No,
            "it is remembered still"
        );
        assert_eq!(proofs.first(mark(64), 200, 100), First::Yes);
        assert_eq!(proofs.first(mark(0), 300, 150), First::Full);
        assert_eq!(proofs.first(mark(0), 300, 200), First::Yes);
        assert_eq!(proofs.len(), 1);
    }
}
