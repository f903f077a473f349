//! What became of questions to decision points.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate_policy::decide::{Said, Silent, OVERLOADED, SLOW};

use crate::metrics::{head, line};

/// By the name of the upstream that is asked; they outlive a reload.
#[derive(Debug, Default)]
pub struct Counts(Mutex<BTreeMap<Box<str>, Numbers>>);

#[derive(Debug, Default)]
struct Numbers {
    outcomes: [u64; OUTCOMES.len()],
    known: u64,
    micros: u64,
}

const OUTCOMES: [&str; 5] = ["allowed", "denied", "failed", "timed_out", "turned_away"];

impl Counts {
    /// Somebody had the answer without a question.
    pub fn known(&self, name: &str) {
        self.note(name, |numbers| numbers.known += 1);
    }

    /// A question came to this, so long after it was put.
    pub fn heard(&self, name: &str, answered: &Result<Said, Silent>, took: Duration) {
        let outcome = match answered {
            Ok(Said::Allow { .. }) => 0,
            Ok(Said::Deny { .. } | Said::Undefined) => 1,
            Err(silent) if silent.reason == &SLOW => 3,
            Err(silent) if silent.reason == &OVERLOADED => 4,
            Err(_) => 2,
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.note(name, |numbers| {
            numbers.outcomes[outcome] += 1;
            numbers.micros = numbers.micros.saturating_add(micros);
        });
    }

    /// Writes what Prometheus reads.
    pub fn write(&self, out: &mut String) {
        let counts = self.lock();
        let metric = "lockgate_decisions_total";
        let help = "What came of questions to decision points, by upstream.";
        head(out, metric, "counter", &["upstream", "outcome"], help);
        for (name, numbers) in &*counts {
            for (outcome, value) in OUTCOMES.into_iter().zip(numbers.outcomes) {
                let labels = [("upstream", &**name), ("outcome", outcome)];
                line(out, metric, &labels, value);
            }
        }
        let metric = "lockgate_decisions_known_total";
        let help = "Requests for which a decision point had answered the same question before.";
        head(out, metric, "counter", &["upstream"], help);
        for (name, numbers) in &*counts {
            line(out, metric, &[("upstream", name)], numbers.known);
        }
        let metric = "lockgate_decision_microseconds_total";
        let help = "Time that questions to decision points took.";
        head(out, metric, "counter", &["upstream"], help);
        for (name, numbers) in &*counts {
            line(out, metric, &[("upstream", name)], numbers.micros);
        }
    }

    fn note(&self, name: &str, change: impl FnOnce(&mut Numbers)) {
        let mut counts = self.lock();
        match counts.get_mut(name) {
            Some(numbers) => change(numbers),
            None => change(counts.entry(name.into()).or_default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Numbers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
