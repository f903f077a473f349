//! What becomes a WebSocket, and whether its caller is still let in.

use http::header::UPGRADE;
use lockgate_policy::websocket::{self, WebSocket, NOT_TAKEN};
use lockgate_policy::{Answers, Denial, Need, Verdict};

use super::{End, Judging};
use crate::snapshot::Policy;

impl Judging<'_, '_, '_> {
    pub(super) fn websocket(&mut self, policy: &WebSocket) -> Verdict {
        match policy.offer(&self.view()) {
            Ok(offer) => {
                let terms = policy.terms();
                self.judgement.websocket = offer.map(|offer| Box::new((offer, terms)));
                Verdict::allow()
            }
            Err(denial) => Verdict::Deny(denial),
        }
    }

    /// An API that says nothing of WebSockets takes none.
    pub(super) fn refuse_websocket(&mut self) {
        // Hardly any request has the field, and only then is looked at more.
        let asked = self.arrival.headers.contains_key(UPGRADE)
            && matches!(self.judgement.end, End::Forward)
            && self.judgement.websocket.is_none()
            && websocket::asked(&self.view());
        if asked {
            self.judgement.end = End::Refuse(Denial::new(&NOT_TAKEN));
        }
    }

    /// Whether the caller of a WebSocket that is open would still be let in, by
    /// the rules and the facts of now. What counts or costs is not asked again.
    ///
    /// # Errors
    /// Why not.
    pub fn still_allowed(mut self, obtain: &dyn Fn(Need) -> Answers) -> Result<(), Denial> {
        self.again = true;
        while let (End::Forward, Some(step)) = (&self.judgement.end, self.step()) {
            let again = step.policy.authenticates()
                || matches!(
                    step.policy,
                    Policy::IpFilter(_)
                        | Policy::Authorize(_)
                        | Policy::Scopes(_)
                        | Policy::Roles(_)
                        | Policy::Cedar(_)
                        | Policy::Objects(_)
                        | Policy::WebSocket(_)
                );
            if !step.policy.authenticates() {
                self.close_authentication();
            }
            let mut answers = Answers::None;
            while let (true, End::Forward) = (again, &self.judgement.end) {
                match self.take(step, &answers) {
                    // A failure that is counted was counted when it was new.
                    Some(need) => answers = obtain(need),
                    None => break,
                }
            }
            self.next += 1;
        }
        match std::mem::replace(&mut self.judgement.end, End::Forward) {
            End::Refuse(denial) => Err(denial),
            _ if self.judgement.websocket.is_none() => Err(Denial::new(&NOT_TAKEN)),
            _ => Ok(()),
        }
    }
}
