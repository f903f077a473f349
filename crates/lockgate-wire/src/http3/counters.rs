//! How much of what costs the gate more than the client a connection has sent.

use super::reasons;
use crate::http2::budgets::Bucket;
use crate::http2::{Budget, Budgets};
use crate::reason::ReasonRef;

/// Streams in one direction: three that HTTP/3 wants (RFC 9114, 6.2), and some of
/// unknown kinds that clients open to keep the way open for new ones. 20, then 1/s.
const ONE_WAY: Budget = Budget::new(20, 1);
/// PATH_CHALLENGE, NEW_CONNECTION_ID and RETIRE_CONNECTION_ID. 100, then 10/s: a
/// client on the move changes its network some times a minute.
const PATHS: Budget = Budget::new(100, 10);
/// Sent bytes that buy the client one more frame that grants it bytes, as for HTTP/2.
const BYTES_PER_WINDOW_UPDATE: u64 = 2048;

/// What a transport has counted of a connection since its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// RESET_STREAM and STOP_SENDING, whichever came more often: a client that
    /// cancels sends both.
    pub resets: u64,
    /// PING.
    pub pings: u64,
    /// PATH_CHALLENGE, NEW_CONNECTION_ID, RETIRE_CONNECTION_ID, CRYPTO.
    pub paths: u64,
    /// MAX_DATA and its kin, and what says that more is wanted.
    pub windows: u64,
    /// Bytes that were sent to the client.
    pub sent_bytes: u64,
}

/// Budgets of one connection, and what is left of them.
#[derive(Debug)]
pub struct Counters {
    seen: Sums,
    resets: Bucket,
    pings: Bucket,
    paths: Bucket,
    windows: Bucket,
    empty: Bucket,
    control: Bucket,
    one_way: Bucket,
}

impl Counters {
    /// Budgets of a connection that begins. They are those of HTTP/2 where
    /// both have the same, so many `times`.
    #[must_use]
    pub fn new(times: u32, now_ms: u64) -> Self {
        let budgets = Budgets::default().times(times);
        let full = |budget| Bucket::full(budget, now_ms);
        let more = |budget: Budget| {
            Budget::new(
                budget.burst.saturating_mul(times),
                budget.per_second.saturating_mul(times),
            )
        };
        Self {
            seen: Sums::default(),
            resets: full(budgets.rst_stream),
            pings: full(budgets.ping),
            paths: full(more(PATHS)),
            windows: full(budgets.window_update),
            empty: full(budgets.empty_data),
            control: full(budgets.unknown),
            one_way: full(more(ONE_WAY)),
        }
    }

    /// Looks at what the transport has counted since it was looked at last.
    ///
    /// # Errors
    /// The budget that is used up.
    pub fn transport(&mut self, sums: Sums, now_ms: u64) -> Result<(), ReasonRef> {
        let before = std::mem::replace(&mut self.seen, sums);
        let came = |now: u64, then: u64| now.saturating_sub(then);
        let bought = came(sums.sent_bytes, before.sent_bytes) / BYTES_PER_WINDOW_UPDATE;
        self.windows.add(bought.saturating_mul(1000));
        for (bucket, count, reason) in [
            (
                &mut self.resets,
                came(sums.resets, before.resets),
                &reasons::RESET_FLOOD,
            ),
            (
                &mut self.pings,
                came(sums.pings, before.pings),
                &reasons::PING_FLOOD,
            ),
            (
                &mut self.paths,
                came(sums.paths, before.paths),
                &reasons::PATH_FLOOD,
            ),
            (
                &mut self.windows,
                came(sums.windows, before.windows),
                &reasons::WINDOW_UPDATE_FLOOD,
            ),
        ] {
            bucket.take_many(count, now_ms, reason)?;
        }
        Ok(())
    }

    /// A stream in one direction was opened.
    ///
    /// # Errors
    /// The budget that is used up.
    pub fn one_way(&mut self, now_ms: u64) -> Result<(), ReasonRef> {
        self.one_way.take(now_ms, &reasons::CONTROL_FLOOD)
    }

    pub(super) fn empty(&mut self, now_ms: u64) -> Result<(), ReasonRef> {
        self.empty.take(now_ms, &reasons::EMPTY_FRAMES_FLOOD)
    }

    pub(super) fn control(&mut self, now_ms: u64) -> Result<(), ReasonRef> {
        self.control.take(now_ms, &reasons::CONTROL_FLOOD)
    }
}
