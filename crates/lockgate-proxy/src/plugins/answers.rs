//! Plugins that judge an answer: asked once the upstream has begun to answer,
//! before the client gets its first byte.

use std::rc::Rc;

use http::HeaderMap;
use lockgate_policy::{Answers, Denial, Mode, OnError, PolicyError, Verdict};

use crate::exchange::Exchange;
use crate::reasons;
use crate::respond::Fields;
use crate::snapshot::{Policy, Step};
use crate::trace::Outcome;
use crate::upstream::Head;

/// Asks every plugin that judges answers; a refusal comes back if it held.
pub async fn judge_answer(exchange: &mut Exchange, head: &mut Head) -> Option<Denial> {
    let shown = exchange.judgement.shown.take()?;
    let snapshot = Rc::clone(&exchange.snapshot);
    let api = snapshot.apis.get(exchange.judgement.matched?.api)?;
    let worker = Rc::clone(exchange.worker());
    let fields = std::mem::replace(&mut head.fields, Fields::Own(HeaderMap::new()));
    let Some(headers) = fields.map() else {
        return Some(Denial::new(&reasons::GARBAGE));
    };
    let now_ms = exchange.started_ms();
    let mut refused = None;
    for (place, (step, request)) in api.steps.iter().zip(&shown).enumerate() {
        let (Policy::Plugin(plugin), Some(request)) = (&step.policy, request) else {
            continue;
        };
        let mode = step.mode_at(now_ms);
        if mode == Mode::Off {
            continue;
        }
        let answer = (head.status, &headers);
        let verdict = match plugin.decide_answer(request, answer, &Answers::None) {
            Ok(Verdict::Need(need)) => {
                let answers = worker.obtain(need, &snapshot, now_ms).await;
                plugin.decide_answer(request, answer, &answers)
            }
            verdict => verdict,
        };
        refused = weigh(exchange, place, (step, mode), verdict);
        if refused.is_some() {
            exchange.judgement.decided = Some(step.span);
            break;
        }
    }
    head.fields = Fields::Own(headers);
    refused
}

/// What comes of one plugin's word.
fn weigh(
    exchange: &mut Exchange,
    place: usize,
    (step, mode): (&Step, Mode),
    verdict: Result<Verdict, PolicyError>,
) -> Option<Denial> {
    let (denial, failed) = match verdict {
        Ok(Verdict::Deny(denial)) => (denial, false),
        Ok(Verdict::Allow(edits)) => {
            // Observing changes nothing, neither by refusing nor by answering.
            if mode == Mode::Enforce {
                exchange.judgement.answer_edits.extend(edits.answer);
            }
            return None;
        }
        Ok(_) => return None,
        Err(error) => {
            let worker = Rc::clone(exchange.worker());
            worker.report(exchange, &error);
            (Denial::new(error.reason), true)
        }
    };
    let outcome = match (mode, failed) {
        (Mode::Observe, _) => Outcome::ObserveDeny,
        (_, true) => Outcome::Error,
        _ => Outcome::Deny,
    };
    let trace = &mut exchange.judgement.trace;
    trace.revise(place, outcome, denial.reason);
    let held = mode == Mode::Enforce && !(failed && step.on_error == OnError::Allow);
    held.then_some(denial)
}
