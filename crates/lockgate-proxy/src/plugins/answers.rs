//! Plugins that judge an answer: asked once the upstream has begun to answer,
//! before the client gets its first byte.

use http::HeaderMap;
use lockgate_policy::{Answers, Denial, Mode, OnError, PolicyError, Verdict, POLICY_FAILED};

use crate::exchange::Exchange;
use crate::respond::Fields;
use crate::snapshot::Policy;
use crate::trace::Outcome;
use crate::upstream::Head;

/// Asks every plugin that judges answers. A refusal comes back if it held.
/// `None` of fields are lost: they are given back as a map.
pub async fn judge_answer(exchange: &mut Exchange, head: &mut Head) -> Option<Denial> {
    let request = exchange.judgement.shown.take()?;
    let fields = std::mem::replace(&mut head.fields, Fields::Own(HeaderMap::new()));
    let headers = match fields {
        Fields::Own(headers) => headers,
        Fields::Passed(lines) => lines.map(HeaderMap::new())?.0,
    };
    let snapshot = std::rc::Rc::clone(&exchange.snapshot);
    let api = snapshot.apis.get(exchange.judgement.matched?.api)?;
    let now_ms = exchange.started_ms();
    let mut refused = None;
    for (place, step) in api.steps.iter().enumerate() {
        let (Policy::Plugin(plugin), mode) = (&step.policy, step.mode_at(now_ms)) else {
            continue;
        };
        if mode == Mode::Off || !plugin.judges_answers() {
            continue;
        }
        let answer = (head.status, &headers);
        let verdict = match plugin.decide_answer(&request, answer, &Answers::None) {
            Ok(Verdict::Need(need)) => {
                let worker = std::rc::Rc::clone(exchange.worker());
                let answers = worker.obtain(need, &snapshot, now_ms).await;
                plugin.decide_answer(&request, answer, &answers)
            }
            verdict => verdict,
        };
        refused = weigh(exchange, (place, mode, step.on_error), verdict);
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
    (place, mode, on_error): (usize, Mode, OnError),
    verdict: Result<Verdict, PolicyError>,
) -> Option<Denial> {
    let (denial, failed) = match verdict {
        Ok(Verdict::Deny(denial)) => (denial, false),
        Ok(Verdict::Allow(edits)) => {
            if mode == Mode::Enforce {
                exchange.judgement.answer_edits.extend(edits.answer);
            }
            return None;
        }
        Ok(_) => return None,
        Err(error) => {
            let worker = std::rc::Rc::clone(exchange.worker());
            worker.report(exchange, &error);
            (Denial::new(&POLICY_FAILED), true)
        }
    };
    let outcome = match (mode, failed) {
        (Mode::Observe, _) => Outcome::ObserveDeny,
        (_, true) => Outcome::Error,
        _ => Outcome::Deny,
    };
    let trace = &mut exchange.judgement.trace;
    trace.revise(place, outcome, denial.reason);
    let held = mode == Mode::Enforce && !(failed && on_error == OnError::Allow);
    held.then_some(denial)
}
