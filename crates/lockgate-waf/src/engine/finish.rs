//! What comes of a rule that matched.

use crate::rule::{Disruptive, EngineMode};

use super::evaluate::Evaluation;
use super::program::{Rule, RuleIndex};
use super::transaction::{Finding, Interruption, Subject, Transaction, MAX_FINDINGS};
use super::{Desk, Engine, LOGGING};

/// What comes of a rule all of whose links matched.
pub(super) fn finish(
    engine: &Engine,
    tx: &mut Transaction,
    desk: &mut Desk,
    rule: &Rule,
    index: RuleIndex,
) {
    if let Some(severity) = rule.severity {
        tx.found.worst = Some(tx.found.worst.map_or(severity, |worst| worst.min(severity)));
    }
    if rule.log {
        write_down(engine, tx, desk, rule, index);
    }
    let acts = tx.control.mode != Some(EngineMode::DetectionOnly);
    match &rule.disruptive {
        Disruptive::Pass => {}
        Disruptive::Allow(allowed) => tx.control.allowed = Some((*allowed, tx.place.phase)),
        _ if tx.place.phase == LOGGING || !acts => {}
        Disruptive::Deny | Disruptive::Drop => {
            tx.found.interruption.get_or_insert(Interruption {
                rule: Some(index),
                status: rule.status.unwrap_or(403),
                drop: rule.disruptive == Disruptive::Drop,
                redirect: None,
            });
        }
        Disruptive::Redirect(_) => {
            let to = rule.redirect.as_ref();
            let to = to.map(|to| Evaluation::new(engine, tx, desk, index).written(to));
            tx.found.interruption.get_or_insert(Interruption {
                rule: Some(index),
                status: rule.status.unwrap_or(302),
                drop: false,
                redirect: to,
            });
        }
    }
}

fn write_down(
    engine: &Engine,
    tx: &mut Transaction,
    desk: &mut Desk,
    rule: &Rule,
    index: RuleIndex,
) {
    if tx.found.findings.len() >= MAX_FINDINGS {
        tx.found.left_out += 1;
        return;
    }
    let first = tx.found.subjects.len();
    let chained = std::mem::take(&mut tx.found.chained);
    tx.found.subjects.extend(deciding(&chained));
    tx.found.chained = chained;
    let count = tx.found.subjects.len() - first;
    let mut evaluation = Evaluation::new(engine, tx, desk, index);
    let message = rule.message.as_ref().map(|text| evaluation.written(text));
    let data = rule.log_data.as_ref().map(|text| evaluation.written(text));
    let phase = tx.place.phase;
    tx.found.findings.push(Finding {
        rule: index,
        message: message.unwrap_or_default(),
        data: data.unwrap_or_default(),
        first: u32::try_from(first).unwrap_or(u32::MAX),
        count: u32::try_from(count).unwrap_or(0),
        phase,
        added: tx.found.added,
    });
}

/// The values that a match depended on: where a later link asked about what an
/// earlier one had made of values, those of them that it was made of.
fn deciding(chained: &[Subject]) -> impl Iterator<Item = Subject> + '_ {
    let last = chained.iter().rposition(|subject| subject.from.is_some());
    let origin = |id| chained.iter().any(|made| made.from == Some(id));
    let kept = move |(place, subject): &(usize, &Subject)| {
        last.is_none_or(|last| *place > last)
            || subject.from.is_some()
            || subject.id.is_some_and(origin)
    };
    let all = chained.iter().enumerate();
    all.filter(kept).map(|(_, subject)| *subject)
}
