//! What each policy said of a request: bounded, copied nowhere, read by
//! events, by `explain` and by metrics alike.

use lockgate_policy::{ReasonRef, Span};

/// More policies than one API can have; further ones would not be recorded.
const MAX: usize = 16;

pub use crate::events::Outcome;

/// One policy's entry.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The room.
    pub policy: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, where there is a why.
    pub reason: Option<ReasonRef>,
    /// Where the configuration says the policy.
    pub span: Span,
}

const NONE: Entry = Entry {
    policy: "",
    outcome: Outcome::NotReached,
    reason: None,
    span: Span {
        file: 0,
        line: 0,
        column: 0,
    },
};

/// All entries of a request, in the pipeline's order.
#[derive(Debug, Clone)]
pub struct Trace {
    entries: [Entry; MAX],
    length: usize,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            entries: [NONE; MAX],
            length: 0,
        }
    }
}

impl Trace {
    /// Adds what came of a policy.
    pub fn push(
        &mut self,
        policy: &'static str,
        span: Span,
        outcome: Outcome,
        reason: Option<ReasonRef>,
    ) {
        if let Some(entry) = self.entries.get_mut(self.length) {
            *entry = Entry {
                policy,
                outcome,
                reason,
                span,
            };
            self.length += 1;
        }
    }

    /// The entries so far.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries[..self.length]
    }
}
