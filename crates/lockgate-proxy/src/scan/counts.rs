//! How scans end, for metrics.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lockgate_policy::waf::Scanned;

use crate::metrics::{head, line};

/// How a scan ends, in the order in which it is counted.
const OUTCOMES: [&str; 4] = ["clean", "malware", "too_long", "failed"];

/// How often each happened, and what it all took.
#[derive(Debug, Default)]
pub struct Counts {
    scans: [AtomicU64; OUTCOMES.len()],
    took_us: AtomicU64,
}

impl Counts {
    /// A scan ended so, and took so long.
    pub(super) fn count(&self, scanned: &Scanned, took: Duration) {
        let outcome = match scanned {
            Scanned::Clean => 0,
            Scanned::Malware(_) => 1,
            Scanned::TooLong => 2,
            Scanned::Failed(_) => 3,
        };
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.scans[outcome].fetch_add(1, Ordering::Relaxed);
        self.took_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// Writes what Prometheus reads.
    pub fn write(&self, out: &mut String) {
        let metric = "lockgate_waf_scans_total";
        let help = "Files that a virus scanner was asked about, by what came of it.";
        head(out, metric, "counter", &["outcome"], help);
        for (outcome, count) in OUTCOMES.iter().zip(&self.scans) {
            line(
                out,
                metric,
                &[("outcome", outcome)],
                count.load(Ordering::Relaxed),
            );
        }
        let metric = "lockgate_waf_scan_seconds_total";
        head(
            out,
            metric,
            "counter",
            &[],
            "Time that requests waited for scans.",
        );
        let us = self.took_us.load(Ordering::Relaxed);
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{metric} {}.{:06}", us / 1_000_000, us % 1_000_000);
    }
}
