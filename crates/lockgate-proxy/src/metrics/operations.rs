//! Requests by operation: a label that documents choose, so its number is bounded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use super::{add, head, line};

/// Operations that are counted by name, over all APIs and reloads; further ones
/// are counted together. Prometheus advises against labels of more than a few
/// thousand values.
const MAX_NAMED: usize = 4096;
/// What further operations are counted as. No `operationId` can be empty.
const OTHERS: &str = "";

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// What is counted of one operation, by worker.
#[derive(Debug)]
pub struct OperationMetrics {
    workers: Box<[Cells]>,
}

/// A cache line of its own, so that workers do not slow each other.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Cells([AtomicU64; CLASSES.len()]);

/// All operations, by API and name.
#[derive(Debug, Default)]
pub(super) struct Counted(BTreeMap<(Arc<str>, Arc<str>), Arc<OperationMetrics>>);

impl OperationMetrics {
    /// Counts an answer with this status.
    pub(super) fn count(&self, worker: usize, status: u16) {
        if let Some(Cells(classes)) = self.workers.get(worker) {
            add(&classes[usize::from(status / 100).min(5)], 1);
        }
    }
}

impl Counted {
    /// The numbers of an operation; they outlive a reload.
    pub(super) fn of(
        &mut self,
        api: &Arc<str>,
        name: &Arc<str>,
        workers: usize,
    ) -> Arc<OperationMetrics> {
        let key = (Arc::clone(api), Arc::clone(name));
        let key = if self.0.len() < MAX_NAMED || self.0.contains_key(&key) {
            key
        } else {
            (OTHERS.into(), OTHERS.into())
        };
        let made = self.0.entry(key).or_insert_with(|| {
            Arc::new(OperationMetrics {
                workers: (0..workers).map(|_| Cells::default()).collect(),
            })
        });
        Arc::clone(made)
    }

    /// Writes those that were asked for at all.
    pub(super) fn write(&self, out: &mut String) {
        const METRIC: &str = "lockgate_operation_requests_total";
        head(
            out,
            METRIC,
            "counter",
            &["api", "operation", "status"],
            "Requests answered, by operation of an API's document and class of status; an empty name stands for operations beyond the first 4096.",
        );
        for ((api, name), metrics) in &self.0 {
            for (class, status) in CLASSES.iter().enumerate() {
                let cells = metrics.workers.iter();
                let count = cells
                    .map(|cells| cells.0[class].load(Ordering::Relaxed))
                    .sum();
                if count > 0 {
                    let labels = [("api", &**api), ("operation", name), ("status", status)];
                    line(out, METRIC, &labels, count);
                }
            }
        }
    }
}
