//! The device of who calls.

use lockgate_policy::device::{Device, Seen};
use lockgate_policy::geo::Place;
use lockgate_policy::{Answers, PolicyError, Verdict};

use super::Judging;

impl Judging<'_, '_, '_> {
    /// What the policy says of it; what is known of it is kept for events and for the upstream.
    pub(super) fn device(
        &mut self,
        policy: &Device,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        let program = self.judgement.program.as_deref();
        let place = self.judgement.place.as_deref();
        let seen = Seen {
            address: self.judgement.client,
            ja4: program.and_then(|program| program.ja4.as_deref()),
            http2: program.and_then(|program| program.http2.as_deref()),
            country: place.and_then(Place::code),
            network: place.and_then(|place| place.network),
            location: place.and_then(|place| place.location),
        };
        let identity = self.judgement.identity.as_ref();
        let decided = policy.decide(&self.view(), &seen, identity, answers, self.now_ms)?;
        if decided.standing.is_some() {
            self.judgement.device = decided.standing;
        }
        Ok(decided.verdict)
    }
}
