//! Whether who called is still let in, while what was asked for is under way.

use lockgate_policy::ways::Ways;
use lockgate_policy::websocket::NOT_TAKEN;
use lockgate_policy::{Answers, Content, Denial, Need};

use super::{End, Judging};
use crate::reasons::NOT_AUTHENTICATED;
use crate::snapshot::Policy;

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// A request, or its answer.
    Answer,
    /// A WebSocket that is open.
    WebSocket,
}

/// Whether a policy is asked again: those that say who calls and what they may do. What counts or costs is not,
/// nor what looks at the content.
const fn asked_again(policy: &Policy, again: Again) -> bool {
    match policy {
        Policy::WebSocket(_) => matches!(again, Again::WebSocket),
        Policy::IpFilter(_)
        | Policy::Operation
        | Policy::Authorize(_)
        | Policy::Apps(_)
        | Policy::Scopes(_)
        | Policy::Roles(_)
        | Policy::Device(_)
        | Policy::Risk(_)
        | Policy::Cedar(_)
        | Policy::Decide(_)
        | Policy::Objects(_)
        | Policy::StepUp(_) => true,
        policy => policy.authenticates(),
    }
}

impl Judging<'_, '_, '_> {
    /// Whether the caller of what is under way would still be let in, by the rules and the facts of now. `proved`
    /// is what proved who it is when it began: a proof that counts once, or for a time, was good then.
    ///
    /// # Errors
    /// Why not.
    pub fn still_allowed(
        mut self,
        again: Again,
        proved: Ways,
        obtain: &dyn Fn(Need) -> Answers,
    ) -> Result<(), Denial> {
        self.locate();
        while let (End::Forward, Some(step)) = (&self.judgement.end, self.step()) {
            let authenticates = step.policy.authenticates();
            if !authenticates {
                self.close_authentication();
            }
            let way = Ways::of(&[step.policy.name()]).unwrap_or_default();
            self.again = proved.meet(way);
            let mut answers = Answers::None;
            while let (true, End::Forward) = (asked_again(&step.policy, again), &self.judgement.end)
            {
                match self.take(step, &answers) {
                    // What proved nothing then is not taken for proved unseen.
                    Some(Need::Content(gather)) if authenticates && !self.again => {
                        let unseen = Content::Refused(Denial::new(&NOT_AUTHENTICATED));
                        answers = Answers::Content(gather, unseen);
                    }
                    // A failure that is counted was counted when it was new.
                    Some(need) => answers = obtain(need),
                    None => break,
                }
            }
            self.next += 1;
        }
        self.close_authentication();
        match std::mem::replace(&mut self.judgement.end, End::Forward) {
            End::Refuse(denial) => Err(denial),
            _ if again == Again::WebSocket && self.judgement.websocket.is_none() => {
                Err(Denial::new(&NOT_TAKEN))
            }
            _ => Ok(()),
        }
    }
}
