//! How many requests may be sent once more: a share of those that were sent at
//! all, so that retries never multiply the load on servers that fail of it.

use std::sync::atomic::{AtomicI64, Ordering};

/// Retries that are free to begin with, so that the first failures of a quiet
/// upstream are mended too; Envoy's `min_retry_concurrency` is 3.
const FREE: i64 = 10;
/// Retries that can be saved up: a quiet hour must not pay for a storm.
const MOST: i64 = 100;
/// One retry; a request pays in this many hundredths of its percentage.
const PRICE: i64 = 100;

/// The budget of one upstream, for all workers.
#[derive(Debug)]
pub struct Budget(AtomicI64);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicI64::new(FREE * PRICE))
    }
}

impl Budget {
    /// A request was sent for the first time.
    pub fn pay_in(&self, percent: u8) {
        // Two workers may pass the bound together: it is a bound on thrift, not on load.
        if self.0.load(Ordering::Relaxed) < MOST * PRICE {
            self.0.fetch_add(i64::from(percent), Ordering::Relaxed);
        }
    }

    /// Pays for a retry; false if there is not enough.
    #[must_use]
    pub fn spend(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                (left >= PRICE).then_some(left - PRICE)
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_requests() {
        let budget = Budget::default();
        let spent = |budget: &Budget| std::iter::from_fn(|| budget.spend().then_some(())).count();
        assert_eq!(spent(&budget), 10);
        for _ in 0..100 {
            budget.pay_in(20);
        }
        assert_eq!(spent(&budget), 20);
    }

    #[test]
    fn what_is_saved_has_a_bound() {
        let budget = Budget::default();
        for _ in 0..100_000 {
            budget.pay_in(100);
        }
        assert_eq!((0..1_000).filter(|_| budget.spend()).count(), 100);
    }

    #[test]
    fn nothing_is_repeated_where_nothing_is_allowed() {
        let budget = Budget::default();
        while budget.spend() {}
        budget.pay_in(0);
        assert!(!budget.spend());
    }
}
