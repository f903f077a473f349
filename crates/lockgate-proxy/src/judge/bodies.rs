//! What is done with bodies: how much may come, and what is unpacked and packed.

use lockgate_policy::body_limit::BodyLimit;
use lockgate_policy::compress::Compress;
use lockgate_policy::inflate::Inflate;
use lockgate_policy::{Mode, Verdict};

use super::{Judging, Watcher};
use crate::snapshot::Step;

impl Judging<'_, '_, '_> {
    pub(super) fn inflate(&mut self, policy: &Inflate, step: &Step) -> Verdict {
        if !self.arrival.body {
            return Verdict::allow();
        }
        match policy.plan(&self.view()) {
            Ok(plan) => {
                let plan = plan.filter(|_| step.mode_at(self.now_ms) == Mode::Enforce);
                self.judgement.inflate = plan.map(|plan| Box::new((self.next, plan)));
                Verdict::allow()
            }
            Err(denial) => Verdict::Deny(denial),
        }
    }

    pub(super) fn compress(&mut self, policy: &Compress, step: &Step) -> Verdict {
        if step.mode_at(self.now_ms) == Mode::Enforce {
            let asked = policy.asked(&self.view());
            self.judgement.packing = asked.map(|asked| (self.next, asked));
        }
        policy.decide()
    }

    pub(super) fn body_limit(&mut self, policy: &BodyLimit, step: &Step) -> Verdict {
        // The head's length is that of the packed body.
        let unpacked = self.judgement.inflate.is_some();
        // A length that the head told is held to by the framing.
        let told = self.arrival.content_length.is_some() && !unpacked;
        if self.arrival.body && !told {
            self.judgement.watchers.push(Watcher {
                machine: Box::new(policy.watch()),
                step: self.next,
                enforced: step.mode_at(self.now_ms) == Mode::Enforce,
            });
        }
        if unpacked {
            Verdict::allow()
        } else {
            policy.decide(&self.view())
        }
    }
}
