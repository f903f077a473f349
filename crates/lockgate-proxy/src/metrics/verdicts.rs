//! What policies said, counted by policy and outcome: what is only observed
//! shows here what it would do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use lockgate_policy::ReasonRef;

use super::{add, head, line};
use crate::snapshot::AUTHORIZE;
use crate::trace::Outcome;

/// Outcomes, each at the place of its number, with their names.
const OUTCOMES: [&str; 9] = [
    "allow",
    "identify",
    "deny",
    "observe-deny",
    "respond",
    "not-reached",
    "off",
    "error",
    "observe-respond",
];

/// Everything that gives verdicts.
fn rooms() -> impl Iterator<Item = &'static str> {
    lockgate_policy::NAMES.iter().copied().chain([AUTHORIZE])
}

/// Where a policy's verdicts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room(u8);

/// That of the policy with this name.
#[must_use]
pub fn room(name: &str) -> Room {
    let place = rooms().position(|room| room == name);
    Room(
        place
            .and_then(|place| place.try_into().ok())
            .unwrap_or(u8::MAX),
    )
}

/// What policies said on one worker.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Verdicts {
    rooms: Box<[[AtomicU64; OUTCOMES.len()]]>,
    observed: Box<[AtomicU64]>,
}

impl Verdicts {
    pub(super) fn new(reasons: usize) -> Self {
        Self {
            rooms: rooms().map(|_| Default::default()).collect(),
            observed: (0..reasons).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(super) fn count(&self, room: Room, outcome: Outcome) {
        let cell = self
            .rooms
            .get(usize::from(room.0))
            .and_then(|room| room.get(outcome as usize));
        if let Some(cell) = cell {
            add(cell, 1);
        }
    }

    pub(super) fn observe(&self, reason: usize) {
        if let Some(cell) = self.observed.get(reason) {
            add(cell, 1);
        }
    }
}

fn sum(workers: &[Verdicts], read: impl Fn(&Verdicts) -> &AtomicU64) -> u64 {
    let cells = workers.iter().map(read);
    cells.map(|cell| cell.load(Ordering::Relaxed)).sum()
}

pub(super) fn write(workers: &[Verdicts], reasons: &[ReasonRef], out: &mut String) {
    let metric = "lockgate_policy_verdicts_total";
    head(
        out,
        metric,
        "counter",
        &["policy", "outcome"],
        "What policies said of requests; `observe-deny` is what they would have refused.",
    );
    for (number, room) in rooms().enumerate() {
        for (outcome, word) in OUTCOMES.iter().enumerate() {
            let count = sum(workers, |worker| &worker.rooms[number][outcome]);
            if count > 0 {
                line(out, metric, &[("policy", room), ("outcome", word)], count);
            }
        }
    }
    let metric = "lockgate_observed_refusals_total";
    head(
        out,
        metric,
        "counter",
        &["reason", "room"],
        "Refusals that would have been, were their policies enforced, by reason.",
    );
    for (number, reason) in reasons.iter().enumerate() {
        let count = sum(workers, |worker| &worker.observed[number]);
        if count > 0 {
            line(
                out,
                metric,
                &[("reason", reason.code), ("room", reason.room)],
                count,
            );
        }
    }
}

pub(super) fn observed(workers: &[Verdicts]) -> BTreeMap<&'static str, u64> {
    let would = |number: usize| {
        sum(workers, |worker| {
            &worker.rooms[number][Outcome::ObserveDeny as usize]
        })
    };
    let all = rooms()
        .enumerate()
        .map(|(number, room)| (room, would(number)));
    all.filter(|(_, count)| *count > 0).collect()
}
