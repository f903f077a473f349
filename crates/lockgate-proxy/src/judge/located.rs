//! Where the client is: looked up once, and only where its API asks.

use lockgate_policy::ip_filter::IpFilter;
use lockgate_policy::{Caller, PolicyError, Verdict};

use super::Judging;

impl Judging<'_, '_, '_> {
    /// Before the first policy, so that answers to who is refused by it may tell it, too.
    pub(super) fn locate(&mut self) {
        if self.judgement.place.is_none() && self.api().is_some_and(|api| api.locates) {
            let place = self.snapshot.geo.place(&self.judgement.client);
            self.judgement.place = Some(Box::new(place));
        }
    }

    pub(super) fn filter(&self, policy: &IpFilter) -> Result<Verdict, PolicyError> {
        let caller = Caller {
            address: self.judgement.client,
            peer: self.arrival.peer,
        };
        policy.decide(&caller, self.judgement.place.as_deref())
    }
}
