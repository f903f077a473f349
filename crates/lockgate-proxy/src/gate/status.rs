//! How the gate is doing.

use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::metrics::{head, line};
use crate::plugins::Cost;
use crate::worker::Shared;

/// Numbers for people and for the control process.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// Whether there is a bundle to serve by, and the gate is not going down.
    pub ready: bool,
    /// Whether the gate is going down.
    pub draining: bool,
    /// Threads.
    pub workers: usize,
    /// Open client connections.
    pub connections: u32,
    /// Requests answered.
    pub requests: u64,
    /// Keys known, revoked ones too.
    pub keys: usize,
    /// The last fact's place in the log.
    pub facts_sequence: u64,
    /// When the control process was last heard of, milliseconds since the epoch.
    pub facts_heard_ms: u64,
    /// Events written.
    pub events_written: u64,
    /// Events dropped for want of room.
    pub events_dropped: u64,
    /// What each plugin has cost.
    pub plugins: Vec<Cost>,
}

pub(super) fn stats(shared: &Shared, workers: usize) -> Stats {
    let draining = shared.draining.load(Ordering::Acquire);
    let events = shared.log.counters();
    Stats {
        ready: !draining && shared.current.load().is_some(),
        draining,
        workers,
        connections: shared.connections.load(Ordering::Relaxed),
        requests: shared.metrics.requests(),
        keys: shared.facts.keys(),
        facts_sequence: shared.facts.sequence(),
        facts_heard_ms: shared.facts.heard_ms(),
        events_written: events.written.total(),
        events_dropped: events.dropped.total(),
        plugins: shared.ledger.costs(),
    }
}

pub(super) fn write(shared: &Shared, out: &mut String) {
    let stats = stats(shared, 0);
    let sequence = shared
        .current
        .load()
        .as_ref()
        .map_or(0, |snapshot| snapshot.sequence);
    for (metric, kind, help, value) in [
        (
            "lockgate_ready",
            "gauge",
            "Whether there is a bundle to serve by.",
            u64::from(stats.ready),
        ),
        (
            "lockgate_connections",
            "gauge",
            "Open client connections.",
            u64::from(stats.connections),
        ),
        (
            "lockgate_bundle_sequence",
            "gauge",
            "Place of the bundle at work in the order of bundles.",
            sequence,
        ),
        (
            "lockgate_facts_sequence",
            "gauge",
            "Place of the last fact in the log of facts.",
            stats.facts_sequence,
        ),
        (
            "lockgate_facts_keys",
            "gauge",
            "Keys known, revoked ones too.",
            stats.keys as u64,
        ),
        (
            "lockgate_events_written_total",
            "counter",
            "Events written.",
            stats.events_written,
        ),
        (
            "lockgate_events_dropped_total",
            "counter",
            "Events dropped for want of room.",
            stats.events_dropped,
        ),
    ] {
        head(out, metric, kind, help);
        line(out, metric, &[], value);
    }
}
