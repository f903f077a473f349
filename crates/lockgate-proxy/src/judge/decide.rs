//! What a decision point elsewhere says.

use lockgate_policy::decide::{Around, Decide};
use lockgate_policy::{Answers, Mode, PolicyError, Verdict};

use super::Judging;
use crate::snapshot::Step;

impl Judging<'_, '_, '_> {
    /// What the policy says of it; what let it through is kept for events and explanations.
    pub(super) fn decide(
        &mut self,
        policy: &Decide,
        step: &Step,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        if self.judgement.open {
            return Ok(Verdict::allow());
        }
        let shown = self.shown();
        let around = Around {
            identity: self.judgement.identity.as_ref(),
            client: self.judgement.client,
            place: self.judgement.place.as_deref(),
            device: self.judgement.device.as_deref(),
            risk: self.judgement.risk.as_deref(),
            secure: shown.secure,
            authority: shown.authority,
        };
        let decided = policy.decide(&self.view(), &around, answers)?;
        let enforced = step.mode_at(self.now_ms) == Mode::Enforce;
        if let Some(grounds) = decided.grounds.filter(|_| enforced) {
            self.judgement.grounds.push((self.next, grounds));
        }
        Ok(decided.verdict)
    }
}
