//! A phase: the rules that may match, in their order.

use crate::rule::{Allowed, EngineMode};

use super::evaluate::Evaluation;
use super::finish::finish;
use super::program::Program;
use super::transaction::{Interruption, Transaction};
use super::{native, sieve, Desk, Engine, Progress, LOGGING, REQUEST_BODY, SLICE_BYTES};

/// Runs the phase of this number, from 1, as far as one slice goes.
pub(super) fn run(engine: &Engine, tx: &mut Transaction, desk: &mut Desk, phase: u8) -> Progress {
    let program = &engine.program;
    let Some(here) = program.phases.get(usize::from(phase).wrapping_sub(1)) else {
        return Progress::Done;
    };
    if tx.place.phase != phase {
        tx.place.phase = phase;
        tx.place.rule = 0;
        tx.place.sifted = false;
    }
    if !runs(tx, phase) {
        return Progress::Done;
    }
    if !tx.place.sifted {
        let looks = program.sieve.is_some() || program.native.is_some();
        if looks && sieve::sift(program, tx, desk, SLICE_BYTES) == Progress::More {
            return Progress::More;
        }
        tx.place.sifted = true;
        if phase == REQUEST_BODY {
            native::add_up(program, tx);
        }
    }
    let always = &program.always[usize::from(phase) - 1];
    let began = tx.arena.len() + tx.formed.spared();
    loop {
        let from = tx.place.rule;
        let next = match &program.sieve {
            Some(_) => here.next_of(always, &tx.sifted.rules, from),
            None => here.next(from),
        };
        let Some(index) = next else {
            if phase == REQUEST_BODY {
                decide_by_native(program, tx);
            }
            return Progress::Done;
        };
        tx.place.rule = index + 1;
        let needed = program.needs.get(index);
        if needed.is_some_and(|needed| !needed.meets(tx.members.presence)) {
            continue;
        }
        let Some(rule) = program.rules.get(index) else {
            return Progress::Done;
        };
        if tx.control.removed.contains(index) {
            continue;
        }
        if Evaluation::new(engine, tx, desk, index).rule(rule) {
            if let Some(jump) = rule.jump {
                tx.place.rule = jump;
            }
            finish(engine, tx, desk, rule, index);
            if !runs(tx, phase) {
                return Progress::Done;
            }
        }
        if tx.arena.len() + tx.formed.spared() - began > SLICE_BYTES {
            return Progress::More;
        }
    }
}

/// Refuses what our own detectors found too much in, where no rules decide that.
fn decide_by_native(program: &Program, tx: &mut Transaction) {
    // As rules do not act then, whose sum detectors would have added to.
    if tx.control.mode == Some(EngineMode::DetectionOnly) {
        return;
    }
    let threshold = program.native.as_ref().and_then(|native| native.threshold);
    if threshold.is_some_and(|threshold| native::total(tx) >= threshold) {
        tx.found.interruption.get_or_insert(Interruption {
            rule: None,
            status: 403,
            drop: false,
            redirect: None,
        });
    }
}

/// Whether rules of the phase still run.
fn runs(tx: &Transaction, phase: u8) -> bool {
    if tx.control.mode == Some(EngineMode::Off) {
        return false;
    }
    if phase == LOGGING {
        return true;
    }
    let allowed = match tx.control.allowed {
        None => false,
        Some((Allowed::All, _)) => true,
        Some((Allowed::Phase, at)) => at == phase,
        Some((Allowed::Request, _)) => phase <= 2,
    };
    tx.found.interruption.is_none() && !allowed
}
