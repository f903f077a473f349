//! What speaks against a request.

use lockgate_policy::limits::Strike;
use lockgate_policy::risk::{Around, Risk, Signal, NAME};
use lockgate_policy::{Answers, Mode, Need, PolicyError, Verdict};

use super::Judging;
use crate::snapshot::{Policy, Step};

impl Judging<'_, '_, '_> {
    /// What the policy says of it; what it adds up is kept for Cedar, for events and for explanations.
    pub(super) fn risk(
        &mut self,
        policy: &Risk,
        step: &Step,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        if self.judgement.open {
            return Ok(Verdict::allow());
        }
        let failing = match answers {
            Answers::None if policy.has(Signal::FailedTries) => {
                return Ok(Verdict::Need(Need::Failing(self.failures())));
            }
            Answers::None => false,
            // A proxy that names no client: whose failures these are, nobody can say.
            Answers::Failing(failing) => *failing || self.judgement.proxy,
            _ => {
                let cause = "it asked about failures, and was told something else";
                return Err(PolicyError::new(NAME, cause));
            }
        };
        let program = self.judgement.program.as_deref();
        let around = Around {
            identity: self.judgement.identity.as_ref(),
            device: self.judgement.device.as_deref(),
            place: self.judgement.place.as_deref(),
            client: self.judgement.client,
            ja4: program.and_then(|program| program.ja4.as_deref()),
            failing,
            now_ms: self.now_ms,
        };
        let decided = policy.decide(&self.view(), &around);
        // What refuses tells its grounds by itself.
        let told = matches!(decided.verdict, Verdict::Deny(_))
            && step.mode_at(self.now_ms) == Mode::Enforce;
        if decided.score.points > 0 && !told {
            let grounds = decided.score.grounds();
            self.judgement.grounds.push((self.next, grounds));
        }
        self.judgement.risk = Some(Box::new(decided.score));
        Ok(decided.verdict)
    }

    /// The counters that failures of the client's address are counted by.
    fn failures(&self) -> Vec<Strike> {
        let view = self.view();
        let steps = self.api().into_iter().flat_map(|api| &api.steps);
        let strikes = steps.filter_map(|step| match &step.policy {
            Policy::Penalty(penalty) if step.mode_at(self.now_ms) != Mode::Off => {
                penalty.strike(&self.counted(&view, step), false)
            }
            _ => None,
        });
        strikes.collect()
    }
}
