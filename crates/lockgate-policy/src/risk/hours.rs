//! When callers usually call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const MINUTE_MS: u64 = 60_000;
const DAY_MINUTES: u64 = 24 * 60;

/// A part of each of some days, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RiskHours")]
pub struct Hours {
    /// Where it begins, minutes of the day.
    pub start: u16,
    /// Where it ends, which is on the next day where that is no later.
    pub end: u16,
    /// The days on which it begins: 1 is Monday (ISO 8601).
    pub days: Vec<u8>,
}

impl Hours {
    /// Whether it is a part of a day.
    ///
    /// # Errors
    /// What it is else.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let minutes = |at: u16| u64::from(at) < DAY_MINUTES;
        if !minutes(self.start) || !minutes(self.end) || self.start == self.end {
            return Err("hours begin and end at two different minutes of the day");
        }
        let days = !self.days.is_empty() && self.days.iter().all(|day| (1..=7).contains(day));
        days.then_some(()).ok_or("days are numbers from 1 to 7")
    }

    /// Whether a moment is within it.
    #[must_use]
    pub fn has(&self, now_ms: u64) -> bool {
        let minutes = now_ms / MINUTE_MS;
        let (day, minute) = (minutes / DAY_MINUTES, minutes % DAY_MINUTES);
        // The epoch began on a Thursday.
        let on = |day: u64| {
            self.days
                .iter()
                .any(|one| u64::from(*one) == (day + 3) % 7 + 1)
        };
        let (start, end) = (u64::from(self.start), u64::from(self.end));
        if start < end {
            return on(day) && (start..end).contains(&minute);
        }
        (on(day) && minute >= start) || (day > 0 && on(day - 1) && minute < end)
    }
}
