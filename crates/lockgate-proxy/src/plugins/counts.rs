//! What plugins cost, for metrics and `lockgate status`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::metrics::{escape, head, line};

/// What one plugin has cost.
#[derive(Debug, Default)]
pub struct Counts {
    calls: AtomicU64,
    failed: AtomicU64,
    took_us: AtomicU64,
    longest_us: AtomicU64,
}

/// The same for people.
#[derive(Debug, Clone, Serialize)]
pub struct Cost {
    /// The plugin.
    pub name: String,
    /// Calls that a process took up.
    pub calls: u64,
    /// Calls without an answer that makes sense.
    pub failed: u64,
    /// The mean of a call, microseconds.
    pub mean_us: u64,
    /// The longest call, microseconds.
    pub longest_us: u64,
}

/// All plugins' counts, by name; they outlive a reload.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Entries>);

#[derive(Debug, Default)]
struct Entries {
    plugins: Mutex<BTreeMap<String, Arc<Counts>>>,
    restarts: AtomicU64,
}

impl Counts {
    /// A call took this long.
    pub(super) fn took(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.took_us.fetch_add(us, Ordering::Relaxed);
        self.longest_us.fetch_max(us, Ordering::Relaxed);
    }

    /// A call had no answer that makes sense.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Ledger {
    /// The counts of this plugin.
    #[must_use]
    pub fn of(&self, name: &str) -> Arc<Counts> {
        let mut plugins = self
            .0
            .plugins
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(plugins.entry(name.to_owned()).or_default())
    }

    /// A process was started again.
    pub(super) fn restarted(&self) {
        self.0.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// What each has cost.
    #[must_use]
    pub fn costs(&self) -> Vec<Cost> {
        let plugins = self
            .0
            .plugins
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let costs = plugins.iter().map(|(name, counts)| Cost {
            name: name.clone(),
            calls: read(&counts.calls),
            failed: read(&counts.failed),
            mean_us: read(&counts.took_us)
                .checked_div(read(&counts.calls))
                .unwrap_or(0),
            longest_us: read(&counts.longest_us),
        });
        costs.collect()
    }

    /// Writes what Prometheus reads.
    pub fn write(&self, out: &mut String) {
        let plugins = self
            .0
            .plugins
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        type Read = fn(&Counts) -> &AtomicU64;
        for (metric, help, read) in [
            (
                "lockgate_plugin_calls_total",
                "Calls of plugins.",
                (|counts| &counts.calls) as Read,
            ),
            (
                "lockgate_plugin_failures_total",
                "Calls of plugins without an answer that makes sense.",
                |counts| &counts.failed,
            ),
        ] {
            head(out, metric, "counter", help);
            for (name, counts) in plugins.iter() {
                let labels = [("plugin", name.as_str())];
                line(out, metric, &labels, read(counts).load(Ordering::Relaxed));
            }
        }
        let metric = "lockgate_plugin_seconds_total";
        head(out, metric, "counter", "Time that calls of plugins took.");
        for (name, counts) in plugins.iter() {
            let us = counts.took_us.load(Ordering::Relaxed);
            let name = escape(name);
            let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
            let _ = writeln!(out, "{metric}{{plugin=\"{name}\"}} {seconds}.{rest:06}");
        }
        let metric = "lockgate_plugin_restarts_total";
        head(
            out,
            metric,
            "counter",
            "Processes of plugins that were started again.",
        );
        line(out, metric, &[], self.0.restarts.load(Ordering::Relaxed));
    }
}
