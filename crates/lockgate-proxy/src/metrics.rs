//! Numbers for Prometheus. Each worker counts in cells of its own; a scrape
//! adds them up.

mod operations;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lockgate_policy::ReasonRef;

pub use self::operations::OperationMetrics;
use crate::decisions;
use crate::mirror;
use crate::net::{Full, Overdue};
use crate::snapshot::CompiledApi;
use crate::trace::{Outcome, Trace};

mod verdicts;

use verdicts::Verdicts;
pub use verdicts::{room, Room};

/// Upper edges of the duration histogram, microseconds.
const EDGES_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// What is counted of one API (or of what belongs to none) on one worker.
/// Cache lines of its own, so that workers do not slow each other; what every
/// request writes comes first, since of ten thousand APIs none is in the cache.
#[derive(Debug, Default)]
#[repr(C, align(128))]
struct Cells {
    took_us: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    statuses: [AtomicU64; 6],
    buckets: [AtomicU64; EDGES_US.len() + 1],
}

/// What is counted of one API, by worker.
#[derive(Debug, Clone)]
pub struct ApiMetrics {
    workers: Arc<[Cells]>,
}

/// All numbers of a gate.
#[derive(Debug)]
pub struct Metrics {
    workers: usize,
    apis: Mutex<BTreeMap<Arc<str>, ApiMetrics>>,
    nowhere: ApiMetrics,
    operations: Mutex<operations::Counted>,
    refusals: Box<[Box<[AtomicU64]>]>,
    verdicts: Box<[Verdicts]>,
    reasons: Vec<ReasonRef>,
    /// Requests whose serving panicked.
    pub panics: AtomicU64,
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Clients of HTTP/3 that were asked to prove their address.
    pub retried: AtomicU64,
    /// QUIC packets that went on to another worker, or to another process.
    pub passed_on: AtomicU64,
    /// Connections closed at once, by why.
    pub turned_away: [AtomicU64; Full::ALL.len()],
    /// Clients that were too slow, by the limit that they met.
    pub timed_out: [AtomicU64; Overdue::ALL.len()],
    /// Failures to accept a connection.
    pub accept_errors: AtomicU64,
    /// Bundles put to work.
    pub loads: AtomicU64,
    /// Bundles refused.
    pub loads_refused: AtomicU64,
    /// Answers that would have been packed, had there been memory for it.
    pub left_unpacked: AtomicU64,
    /// Policies that failed.
    pub policy_errors: AtomicU64,
    /// Requests by the secret that a key had before its newest.
    pub previous_secrets: AtomicU64,
    /// What became of copies of requests.
    pub mirrored: mirror::Counts,
    /// What became of questions to decision points.
    pub decisions: decisions::Counts,
}

impl Metrics {
    /// For this many workers.
    #[must_use]
    pub fn new(workers: usize) -> Arc<Self> {
        let reasons = crate::reasons();
        let line = || (0..reasons.len()).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            workers,
            apis: Mutex::default(),
            nowhere: ApiMetrics::new(workers),
            operations: Mutex::default(),
            refusals: (0..workers).map(|_| line()).collect(),
            verdicts: (0..workers).map(|_| Verdicts::new(reasons.len())).collect(),
            reasons,
            panics: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            passed_on: AtomicU64::new(0),
            turned_away: Default::default(),
            timed_out: Default::default(),
            accept_errors: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            loads_refused: AtomicU64::new(0),
            left_unpacked: AtomicU64::new(0),
            policy_errors: AtomicU64::new(0),
            previous_secrets: AtomicU64::new(0),
            mirrored: mirror::Counts::default(),
            decisions: decisions::Counts::default(),
        })
    }

    /// The numbers of the API with this name; they outlive a reload.
    pub fn api(&self, name: &Arc<str>) -> ApiMetrics {
        let mut apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        apis.entry(Arc::clone(name))
            .or_insert_with(|| ApiMetrics::new(self.workers))
            .clone()
    }

    /// The numbers of an API's operation.
    pub fn operation(&self, api: &Arc<str>, name: &Arc<str>) -> Arc<OperationMetrics> {
        let operations = self.operations.lock();
        let mut operations = operations.unwrap_or_else(PoisonError::into_inner);
        operations.of(api, name, self.workers)
    }

    /// Requests in all.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        apis.values()
            .map(|api| api.sum(Cells::requests))
            .sum::<u64>()
            + self.nowhere.sum(Cells::requests)
    }

    /// Writes what Prometheus reads (text format 0.0.4).
    pub fn write(&self, out: &mut String) {
        let apis = self.apis.lock().unwrap_or_else(PoisonError::into_inner);
        let nowhere: Arc<str> = "".into();
        let all: Vec<(&str, &ApiMetrics)> = apis
            .iter()
            .map(|(name, api)| (&**name, api))
            .chain([(&*nowhere, &self.nowhere)])
            .collect();
        head(
            out,
            "lockgate_requests_total",
            "counter",
            &["api", "status"],
            "Requests answered, by API and class of status.",
        );
        for (name, api) in &all {
            for (class, status) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"]
                .iter()
                .enumerate()
            {
                let count = api.sum(|cells| cells.statuses[class].load(Ordering::Relaxed));
                if count > 0 {
                    line(
                        out,
                        "lockgate_requests_total",
                        &[("api", name), ("status", status)],
                        count,
                    );
                }
            }
        }
        head(
            out,
            "lockgate_request_duration_seconds",
            "histogram",
            &["api", "le"],
            "From a request's head to its answer's last byte.",
        );
        for (name, api) in &all {
            api.histogram(out, name);
        }
        for (metric, help, read) in [
            (
                "lockgate_request_bytes_total",
                "Bytes of requests' bodies.",
                (|cells: &Cells| &cells.bytes_in) as fn(&Cells) -> &AtomicU64,
            ),
            (
                "lockgate_response_bytes_total",
                "Bytes of answers' bodies.",
                |cells: &Cells| &cells.bytes_out,
            ),
        ] {
            head(out, metric, "counter", &["api"], help);
            for (name, api) in &all {
                line(
                    out,
                    metric,
                    &[("api", name)],
                    api.sum(|cells| read(cells).load(Ordering::Relaxed)),
                );
            }
        }
        head(
            out,
            "lockgate_refusals_total",
            "counter",
            &["reason", "room"],
            "Answers that the gate made itself or could not complete, by reason.",
        );
        for (index, reason) in self.reasons.iter().enumerate() {
            let count: u64 = self
                .refusals
                .iter()
                .map(|worker| worker[index].load(Ordering::Relaxed))
                .sum();
            line(
                out,
                "lockgate_refusals_total",
                &[("reason", reason.code), ("room", reason.room)],
                count,
            );
        }
        let operations = self.operations.lock();
        operations
            .unwrap_or_else(PoisonError::into_inner)
            .write(out);
        verdicts::write(&self.verdicts, &self.reasons, out);
        self.plain(out);
    }

    /// How often each policy that is observed would have refused.
    #[must_use]
    pub fn observed(&self) -> BTreeMap<&'static str, u64> {
        verdicts::observed(&self.verdicts)
    }

    fn plain(&self, out: &mut String) {
        let metric = "lockgate_mirrored_total";
        let help = "Copies of requests, by what became of them.";
        head(out, metric, "counter", &["outcome"], help);
        for (outcome, count) in [
            ("answered", &self.mirrored.answered),
            ("failed", &self.mirrored.failed),
            ("left_out", &self.mirrored.left_out),
        ] {
            let labels = [("outcome", outcome)];
            line(out, metric, &labels, count.load(Ordering::Relaxed));
        }
        head(
            out,
            "lockgate_connections_turned_away_total",
            "counter",
            &["limit"],
            "Connections closed at once, being too many, by the listener's limit that they met.",
        );
        for full in Full::ALL {
            let count = self.turned_away[full as usize].load(Ordering::Relaxed);
            let labels = [("limit", full.as_str())];
            line(
                out,
                "lockgate_connections_turned_away_total",
                &labels,
                count,
            );
        }
        head(
            out,
            "lockgate_clients_timed_out_total",
            "counter",
            &["limit"],
            "Clients that were too slow, by the limit that they met; most are not refused, but let go without a word.",
        );
        for overdue in Overdue::ALL {
            let count = self.timed_out[overdue as usize].load(Ordering::Relaxed);
            let labels = [("limit", overdue.as_str())];
            line(out, "lockgate_clients_timed_out_total", &labels, count);
        }
        for (metric, help, value) in [
            (
                "lockgate_panics_total",
                "Requests whose serving panicked.",
                &self.panics,
            ),
            (
                "lockgate_connections_accepted_total",
                "Connections accepted.",
                &self.accepted,
            ),
            (
                "lockgate_quic_retries_total",
                "Clients of HTTP/3 that were asked to prove their address before anything was kept for them.",
                &self.retried,
            ),
            (
                "lockgate_quic_packets_passed_on_total",
                "QUIC packets that one worker read and another has the connection of, and that were passed on to it.",
                &self.passed_on,
            ),
            (
                "lockgate_accept_errors_total",
                "Failures to accept a connection.",
                &self.accept_errors,
            ),
            (
                "lockgate_bundles_loaded_total",
                "Bundles put to work.",
                &self.loads,
            ),
            (
                "lockgate_bundles_refused_total",
                "Bundles refused.",
                &self.loads_refused,
            ),
            (
                "lockgate_compress_full_total",
                "Answers that went out as they are, since packing others took `limits.compress_memory`.",
                &self.left_unpacked,
            ),
            (
                "lockgate_key_previous_secret_requests_total",
                "Requests with the secret that an API key had before its newest, while that still opens.",
                &self.previous_secrets,
            ),
            (
                "lockgate_policy_errors_total",
                "Policies that failed.",
                &self.policy_errors,
            ),
        ] {
            head(out, metric, "counter", &[], help);
            line(out, metric, &[], value.load(Ordering::Relaxed));
        }
    }
}

/// One worker's way to count.
#[derive(Debug)]
pub struct WorkerMetrics {
    number: usize,
    all: Arc<Metrics>,
}

impl WorkerMetrics {
    /// For worker `number`.
    #[must_use]
    pub const fn new(all: Arc<Metrics>, number: usize) -> Self {
        Self { number, all }
    }

    /// The process's numbers.
    #[must_use]
    pub const fn all(&self) -> &Arc<Metrics> {
        &self.all
    }

    /// Counts a request.
    pub fn request(
        &self,
        api: Option<&CompiledApi>,
        status: u16,
        reason: Option<ReasonRef>,
        took_us: u64,
        bytes_in: u64,
        bytes_out: u64,
    ) {
        let metrics = api.map_or(&self.all.nowhere, |api| &api.metrics);
        if let Some(cells) = metrics.workers.get(self.number) {
            let class = usize::from(status / 100).min(5);
            add(&cells.statuses[class], 1);
            let bucket = EDGES_US
                .iter()
                .position(|edge| took_us <= *edge)
                .unwrap_or(EDGES_US.len());
            add(&cells.buckets[bucket], 1);
            add(&cells.took_us, took_us);
            add(&cells.bytes_in, bytes_in);
            add(&cells.bytes_out, bytes_out);
        }
        if let Some(reason) = reason {
            self.refused(reason);
        }
    }

    /// Counts a request of an operation.
    pub fn operation(&self, metrics: &OperationMetrics, status: u16) {
        metrics.count(self.number, status);
    }

    /// Counts what each policy said of a request.
    pub fn verdicts(&self, api: &CompiledApi, trace: &Trace) {
        let Some(verdicts) = self.all.verdicts.get(self.number) else {
            return;
        };
        for (step, (outcome, reason)) in api.steps.iter().zip(trace.said()) {
            verdicts.count(step.room, outcome);
            if let (Outcome::ObserveDeny, Some(reason)) = (outcome, reason) {
                if let Some(index) = self.index(reason) {
                    verdicts.observe(index);
                }
            }
        }
    }

    fn index(&self, reason: ReasonRef) -> Option<usize> {
        let mut known = self.all.reasons.iter();
        known.position(|known| std::ptr::eq(*known, reason))
    }

    /// Counts a refusal.
    pub fn refused(&self, reason: ReasonRef) {
        let index = self.index(reason);
        if let Some(count) = index.and_then(|index| self.all.refusals.get(self.number)?.get(index))
        {
            add(count, 1);
        }
    }
}

/// One writer per cell: a load and a store, without the price of a locked add.
pub(crate) fn add(cell: &AtomicU64, value: u64) {
    cell.store(
        cell.load(Ordering::Relaxed).wrapping_add(value),
        Ordering::Relaxed,
    );
}

impl Cells {
    fn requests(&self) -> u64 {
        self.statuses
            .iter()
            .map(|status| status.load(Ordering::Relaxed))
            .sum()
    }
}

impl ApiMetrics {
    fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Cells::default()).collect(),
        }
    }

    /// Whether both are the same numbers.
    #[cfg(test)]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.workers, &other.workers)
    }

    fn sum(&self, read: impl Fn(&Cells) -> u64) -> u64 {
        self.workers.iter().map(read).sum()
    }

    fn histogram(&self, out: &mut String, name: &str) {
        const METRIC: &str = "lockgate_request_duration_seconds";
        let mut count = 0;
        for (index, edge) in EDGES_US.iter().enumerate() {
            count += self.sum(|cells| cells.buckets[index].load(Ordering::Relaxed));
            #[allow(clippy::cast_precision_loss)] // Edges are small round numbers.
            let edge = (*edge as f64 / 1e6).to_string();
            line(
                out,
                "lockgate_request_duration_seconds_bucket",
                &[("api", name), ("le", &edge)],
                count,
            );
        }
        count += self.sum(|cells| cells.buckets[EDGES_US.len()].load(Ordering::Relaxed));
        line(
            out,
            "lockgate_request_duration_seconds_bucket",
            &[("api", name), ("le", "+Inf")],
            count,
        );
        let took_us = self.sum(|cells| cells.took_us.load(Ordering::Relaxed));
        let _ = writeln!(
            out,
            "{METRIC}_sum{{api=\"{}\"}} {}.{:06}",
            escape(name),
            took_us / 1_000_000,
            took_us % 1_000_000
        );
        line(
            out,
            "lockgate_request_duration_seconds_count",
            &[("api", name)],
            count,
        );
    }
}

/// Writes what stands above a metric's samples. `labels` are those that each
/// sample has, told also where there is no sample yet: the reference page is
/// made of it. To Prometheus that line is a comment.
pub fn head(out: &mut String, metric: &str, kind: &str, labels: &[&str], help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {metric} {help}\n# TYPE {metric} {kind}");
    if !labels.is_empty() {
        let _ = writeln!(out, "# LABELS {metric} {}", labels.join(" "));
    }
}

/// Writes one sample.
pub fn line(out: &mut String, metric: &str, labels: &[(&str, &str)], value: u64) {
    out.push_str(metric);
    for (index, (name, text)) in labels.iter().enumerate() {
        let _ = write!(
            out,
            "{}{name}=\"{}\"",
            if index == 0 { '{' } else { ',' },
            escape(text)
        );
    }
    let _ = writeln!(out, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

/// A label's value, as it stands between quotation marks.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
