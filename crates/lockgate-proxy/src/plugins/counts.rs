//! What plugins cost, for metrics and `lockgate status`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::metrics::{escape, head, line};

/// How a call ended, in the order in which it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Allowed,
    Denied,
    Failed,
    TimedOut,
    TurnedAway,
}

/// Their words, in the same order.
const OUTCOMES: [&str; 5] = ["allow", "deny", "failed", "timeout", "overloaded"];

/// What one plugin has cost.
#[derive(Debug, Default)]
pub(super) struct Counts {
    calls: [AtomicU64; OUTCOMES.len()],
    took_us: AtomicU64,
    own_us: AtomicU64,
    longest_us: AtomicU64,
}

/// The same for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The plugin.
    pub name: String,
    /// Calls in all.
    pub calls: u64,
    /// Calls that it refused.
    pub denied: u64,
    /// Calls without an answer that makes sense, or without one in time.
    pub failed: u64,
    /// What a request waited for a call in the mean, microseconds.
    pub mean_us: u64,
    /// What of it the plugin itself took, microseconds.
    pub own_us: u64,
    /// The longest wait, microseconds.
    pub longest_us: u64,
}

/// All plugins' counts, by name; they outlive a reload.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Entries>);

type Plugins = BTreeMap<String, Arc<Counts>>;

#[derive(Debug, Default)]
struct Entries {
    plugins: Mutex<Plugins>,
    restarts: AtomicU64,
}

impl Counts {
    /// A call ended so; the request waited `took` for it, of which the plugin
    /// itself took `own`.
    pub(super) fn count(&self, ended: Ended, took: Duration, own: Duration) {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.calls[ended as usize].fetch_add(1, Ordering::Relaxed);
        self.took_us.fetch_add(us(took), Ordering::Relaxed);
        self.own_us.fetch_add(us(own), Ordering::Relaxed);
        self.longest_us.fetch_max(us(took), Ordering::Relaxed);
    }

    fn ended(&self, ended: Ended) -> u64 {
        read(&self.calls[ended as usize])
    }

    fn all(&self) -> u64 {
        self.calls.iter().map(read).sum()
    }
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

impl Ledger {
    /// The counts of this plugin.
    pub(super) fn of(&self, name: &str) -> Arc<Counts> {
        Arc::clone(self.plugins().entry(name.to_owned()).or_default())
    }

    /// A process was started again.
    pub(super) fn restarted(&self) {
        self.0.restarts.fetch_add(1, Ordering::Relaxed);
    }

    fn plugins(&self) -> MutexGuard<'_, Plugins> {
        let plugins = self.0.plugins.lock();
        plugins.unwrap_or_else(PoisonError::into_inner)
    }

    /// What each has cost.
    #[must_use]
    pub fn costs(&self) -> Vec<Cost> {
        let plugins = self.plugins();
        let costs = plugins.iter().map(|(name, counts)| {
            let each = |sum: &AtomicU64| read(sum).checked_div(counts.all()).unwrap_or(0);
            Cost {
                name: name.clone(),
                calls: counts.all(),
                denied: counts.ended(Ended::Denied),
                failed: [Ended::Failed, Ended::TimedOut, Ended::TurnedAway]
                    .into_iter()
                    .map(|ended| counts.ended(ended))
                    .sum(),
                mean_us: each(&counts.took_us),
                own_us: each(&counts.own_us),
                longest_us: read(&counts.longest_us),
            }
        });
        costs.collect()
    }

    /// Writes what Prometheus reads.
    pub fn write(&self, out: &mut String) {
        let plugins = self.plugins();
        let metric = "lockgate_plugin_calls_total";
        head(
            out,
            metric,
            "counter",
            &["plugin", "outcome"],
            "Calls of plugins, by plugin and outcome.",
        );
        for (name, counts) in plugins.iter() {
            for (outcome, count) in OUTCOMES.iter().zip(&counts.calls) {
                let labels = [("plugin", name.as_str()), ("outcome", outcome)];
                line(out, metric, &labels, read(count));
            }
        }
        type Read = fn(&Counts) -> &AtomicU64;
        for (metric, help, sum) in [
            (
                "lockgate_plugin_seconds_total",
                "Time that requests waited for plugins, by plugin.",
                (|counts| &counts.took_us) as Read,
            ),
            (
                "lockgate_plugin_own_seconds_total",
                "What of it the plugins' own code took, by plugin.",
                |counts| &counts.own_us,
            ),
        ] {
            head(out, metric, "counter", &["plugin"], help);
            for (name, counts) in plugins.iter() {
                let (name, us) = (escape(name), read(sum(counts)));
                let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
                // Writing to a String cannot fail.
                let _ = writeln!(out, "{metric}{{plugin=\"{name}\"}} {seconds}.{rest:06}");
            }
        }
        let metric = "lockgate_plugin_restarts_total";
        let help = "Processes of plugins that were started again.";
        head(out, metric, "counter", &[], help);
        line(out, metric, &[], read(&self.0.restarts));
    }
}
