//! Answers that go on: looked at slice by slice, each as if it were all.

use crate::rule::Collection;

use super::feed;
use super::members::ValueId;
use super::names::Variables;
use super::program::Program;
use super::transaction::{Position, Transaction};

/// Slices of which findings are written down, and their bytes kept; what later
/// ones hold is judged and counted.
const TOLD: usize = 16;

/// How things stood before a slice.
#[derive(Debug)]
pub struct Before {
    variables: Variables,
    arena: usize,
    findings: usize,
    subjects: usize,
    told: usize,
}

impl Before {
    fn of(tx: &Transaction) -> Self {
        Self {
            variables: tx.variables.clone(),
            arena: tx.arena.len(),
            findings: tx.found.findings.len(),
            subjects: tx.found.subjects.len(),
            told: 0,
        }
    }
}

/// Hands over the next slice: what the one before added to scores is forgotten.
pub(super) fn next(program: &Program, tx: &mut Transaction, bytes: &[u8]) {
    let mut before = match tx.slices.take() {
        Some(before) => before,
        None => Box::new(Before::of(tx)),
    };
    let found = tx.found.findings.len() > before.findings;
    if found && before.told < TOLD {
        before.told += 1;
        before.arena = tx.arena.len();
        before.findings = tx.found.findings.len();
        before.subjects = tx.found.subjects.len();
    } else {
        let more = tx.found.findings.len() - before.findings;
        tx.found.left_out = tx
            .found
            .left_out
            .saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        tx.found.findings.truncate(before.findings);
        tx.found.subjects.truncate(before.subjects);
        tx.arena.cut(before.arena);
        tx.formed.clear();
    }
    tx.variables.clone_from(&before.variables);
    tx.slices = Some(before);
    let body = ValueId::single(Collection::ResponseBody as usize);
    tx.sifted.pairs.retain(|pair| pair.value != body);
    tx.sifted.singles.remove(Collection::ResponseBody as usize);
    tx.place = Position::default();
    feed::answer_body(program, tx, bytes);
}
