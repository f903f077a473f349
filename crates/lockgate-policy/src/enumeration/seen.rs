//! What was seen of one caller of one API, within bounds whatever they send.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::CounterKey;

/// Most objects that are told apart of one caller: four bytes each, so 40 kB.
pub const MAX_OBJECTS: u32 = 10_000;

/// Rows of numbers that are followed at a time: who walks through one list while looking at others
/// is followed nevertheless.
pub const RUNS: usize = 4;

/// Furthest that the next number of a row is from the last: some leave some out.
pub const STRIDE: u64 = 10;

/// From when on it is too much; zero is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EnumerationBounds")]
pub struct Bounds {
    /// Most objects within a window.
    pub objects: u32,
    /// Most numbers in a row.
    pub steps: u32,
    /// From how many in a hundred on that are refused.
    pub percent: u32,
    /// Of so many at least.
    pub of: u32,
    /// The window, milliseconds; it begins with the first request.
    pub window_ms: u64,
    /// For how long a caller is refused, milliseconds.
    pub block_ms: u64,
}

/// An object that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Whose sightings it is one of.
    pub key: CounterKey,
    /// Whether callers choose what they are told apart by.
    pub chosen: bool,
    /// A hash of what names the object. Two of a thousand are taken for one in one of ten thousand cases.
    pub object: u32,
    /// Where numbers stand that say which, and the numbers: the last, and the first where that is another.
    pub numbers: [Option<(u32, u64)>; 2],
    /// What is too much.
    pub bounds: Bounds,
}

/// What was unusual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusual {
    /// There were too many objects.
    Objects,
    /// There were too many in a row.
    Walking,
    /// There were too many that are not there, or not for the caller.
    Refused,
}

/// A caller that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Why.
    pub why: Unusual,
    /// Until when, milliseconds since the epoch.
    pub until_ms: u64,
}

/// Numbers in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    place: u32,
    last: u64,
    /// Which way: none yet, up or down.
    way: i8,
    steps: u32,
    /// When it was last gone on with, in sightings.
    at: u32,
}

/// What was seen of a caller.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    until_ms: u64,
    asked: u32,
    refused: u32,
    objects: Vec<u32>,
    runs: [Run; RUNS],
    flag: Option<Flag>,
}

impl Seen {
    /// Takes a sighting in; whether the caller is refused. `room` is whether one more object may be remembered.
    pub fn see(&mut self, one: &Sighting, room: bool, now_ms: u64) -> Option<Flag> {
        if let Some(flag) = self.flag.filter(|flag| flag.until_ms > now_ms) {
            return Some(flag);
        }
        if self.is_idle(now_ms) {
            *self = Self {
                until_ms: now_ms.saturating_add(one.bounds.window_ms),
                ..Self::default()
            };
        }
        self.asked = self.asked.saturating_add(1);
        if one.bounds.objects > 0 {
            if let (Err(at), true) = (self.objects.binary_search(&one.object), room) {
                self.objects.insert(at, one.object);
            }
            if self.objects.len() > one.bounds.objects as usize {
                return self.flag(Unusual::Objects, one.bounds, now_ms);
            }
        }
        for (place, number) in one.numbers.into_iter().flatten() {
            let steps = self.walk(place, number);
            if one.bounds.steps > 0 && steps > one.bounds.steps {
                return self.flag(Unusual::Walking, one.bounds, now_ms);
            }
        }
        None
    }

    /// One that was seen is not there, or not for the caller; whether that was one too many.
    pub fn refuse(&mut self, bounds: Bounds, now_ms: u64) -> bool {
        if self.flag.is_some() || self.is_idle(now_ms) {
            return false;
        }
        self.refused = self.refused.saturating_add(1).min(self.asked);
        let (asked, refused) = (u64::from(self.asked), u64::from(self.refused));
        let many = bounds.percent > 0
            && self.asked >= bounds.of
            && refused * 100 >= asked * u64::from(bounds.percent);
        many && self.flag(Unusual::Refused, bounds, now_ms).is_some()
    }

    /// Whether it says no more than nothing would.
    #[must_use]
    pub fn is_idle(&self, now_ms: u64) -> bool {
        let until_ms = self.flag.map_or(self.until_ms, |flag| flag.until_ms);
        until_ms <= now_ms
    }

    /// Whether its caller is refused.
    #[must_use]
    pub fn is_refused(&self, now_ms: u64) -> bool {
        self.flag.is_some_and(|flag| flag.until_ms > now_ms)
    }

    /// How many objects it remembers.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    fn flag(&mut self, why: Unusual, bounds: Bounds, now_ms: u64) -> Option<Flag> {
        let until_ms = now_ms.saturating_add(bounds.block_ms);
        *self = Self {
            flag: Some(Flag { why, until_ms }),
            ..Self::default()
        };
        self.flag
    }

    /// Goes on with a row of numbers, or begins one; how many are in it.
    fn walk(&mut self, place: u32, number: u64) -> u32 {
        let at = self.asked;
        let there = self
            .runs
            .iter_mut()
            .filter(|run| run.steps > 0 && run.place == place);
        for run in there {
            let way: i8 = if number > run.last { 1 } else { -1 };
            // Who asks again for the same has gone nowhere.
            if run.last == number {
                return 0;
            }
            if run.last.abs_diff(number) <= STRIDE && [0, way].contains(&run.way) {
                *run = Run {
                    place,
                    last: number,
                    way,
                    steps: run.steps.saturating_add(1),
                    at,
                };
                return run.steps;
            }
        }
        if let Some(oldest) = self.runs.iter_mut().min_by_key(|run| run.at) {
            *oldest = Run {
                place,
                last: number,
                way: 0,
                steps: 1,
                at,
            };
        }
        1
    }
}
