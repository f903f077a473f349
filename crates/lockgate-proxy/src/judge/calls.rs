//! What is a call of gRPC, and what watches its messages.

use lockgate_policy::grpc::Grpc;
use lockgate_policy::{Mode, Verdict};

use super::{Judging, Watcher};
use crate::snapshot::Step;

impl Judging<'_, '_, '_> {
    /// The call that it is; its messages are watched from now on.
    pub(super) fn call(&mut self, policy: &Grpc, step: &Step) -> Verdict {
        match policy.call(&self.view()) {
            Ok(call) => {
                let enforced = step.mode_at(self.now_ms) == Mode::Enforce;
                self.judgement.grpc = match call {
                    Some(call) if !enforced => call.observed(self.arrival.headers),
                    call => call,
                };
                if let Some(call) = call.filter(|_| self.arrival.body) {
                    self.judgement.watchers.push(Watcher {
                        machine: Box::new(call.watch()),
                        step: self.next,
                        enforced,
                    });
                }
                Verdict::allow()
            }
            Err(denial) => Verdict::Deny(denial),
        }
    }
}
