//! What each policy said of a request: bounded, copied nowhere, read by
//! events, by `explain` and by metrics alike.

use lockgate_policy::{ReasonRef, Span};

pub use crate::events::Outcome;
use crate::snapshot::CompiledApi;

/// More policies than one API can have; further ones would not be recorded.
pub const MAX: usize = 32;

/// What came of each policy of an API, in the pipeline's order. Which policy
/// it was, and where the configuration says it, the API knows.
#[derive(Debug, Clone)]
pub struct Trace {
    outcomes: [Outcome; MAX],
    reasons: [Option<ReasonRef>; MAX],
    length: usize,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            outcomes: [Outcome::NotReached; MAX],
            reasons: [None; MAX],
            length: 0,
        }
    }
}

/// One policy's entry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The room.
    pub policy: &'static str,
    /// Which part of it, where a room has several places.
    pub part: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, where there is a why.
    pub reason: Option<ReasonRef>,
    /// Where the configuration says the policy.
    pub span: Span,
}

impl Trace {
    /// Adds what came of the next policy.
    pub fn push(&mut self, outcome: Outcome, reason: Option<ReasonRef>) {
        if self.length < MAX {
            self.outcomes[self.length] = outcome;
            self.reasons[self.length] = reason;
            self.length += 1;
        }
    }

    /// Changes what came of a policy that has said something: of a body, it
    /// only knows later.
    pub fn revise(&mut self, step: usize, outcome: Outcome, reason: ReasonRef) {
        if step < self.length {
            self.outcomes[step] = outcome;
            self.reasons[step] = Some(reason);
        }
    }

    /// How many policies have said something.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether none has.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// What each policy has said so far, and why.
    pub fn said(&self) -> impl Iterator<Item = (Outcome, Option<ReasonRef>)> + '_ {
        let said = self.outcomes[..self.length].iter().zip(&self.reasons);
        said.map(|(outcome, reason)| (*outcome, *reason))
    }

    /// The entries so far, of a request to `api`.
    pub fn entries<'t>(&'t self, api: &'t CompiledApi) -> impl Iterator<Item = Entry> + 't {
        let said = self.outcomes[..self.length].iter().zip(&self.reasons);
        api.steps
            .iter()
            .zip(said)
            .map(|(step, (outcome, reason))| Entry {
                policy: step.policy.name(),
                part: step.policy.part(),
                outcome: *outcome,
                reason: *reason,
                span: step.span,
            })
    }
}
