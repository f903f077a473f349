//! How many system events of one kind are written. What breaks for every
//! request would else fill the disk with one sentence.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Events of one kind in a second: enough to see what happens, and little
/// beside access events. journald takes 10,000 messages in 30 seconds.
pub(super) const A_SECOND: u32 = 10;

/// What was written of each kind. Kinds are codes that the program names, so
/// there are few.
#[derive(Debug, Default)]
pub(super) struct Bound(HashMap<&'static str, Kind, RandomState>);

#[derive(Debug, Default)]
struct Kind {
    second: u64,
    written: u32,
    left_out: u64,
}

impl Bound {
    /// If one more event of the kind may be written at `now_ms`: how many were
    /// left out since the last one.
    pub(super) fn admit(&mut self, code: &'static str, now_ms: u64) -> Option<u64> {
        let kind = self.0.entry(code).or_default();
        let second = now_ms / 1000;
        // Another second, also when the clock was set back.
        if kind.second != second {
            kind.second = second;
            kind.written = 0;
        }
        if kind.written >= A_SECOND {
            kind.left_out += 1;
            return None;
        }
        kind.written += 1;
        Some(std::mem::take(&mut kind.left_out))
    }
}

#[cfg(test)]
mod tests;
