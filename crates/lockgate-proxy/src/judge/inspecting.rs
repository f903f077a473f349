//! What looks at values: the policy `waf`.

use lockgate_policy::waf::{self, Arrived, Longer, Waf, Watched};
use lockgate_policy::{Mode, Verdict};
use lockgate_waf::engine::{Inspection, Progress};

use super::{Judgement, Judging, Watcher};
use crate::snapshot::Step;

/// A request being looked at.
#[derive(Debug)]
pub struct Inspecting {
    /// What was seen of it, and what matched.
    pub inspection: Inspection,
    /// Number of its step, in the API and in the trace.
    pub step: usize,
    /// Whether its refusal holds; it is only written down otherwise.
    pub enforced: bool,
    /// Most bytes of a body that are looked at, and what becomes of longer ones.
    pub bounds: (u64, Longer),
}

impl Judgement {
    /// Has the body that is to be looked at watched as it passes, where nobody gathers it.
    pub fn watch_inspected(&mut self, body: bool) {
        if let Some(inspecting) = self.inspecting.take_if(|_| body) {
            let machine = Watched::new(inspecting.inspection, inspecting.bounds);
            self.watchers.push(Watcher {
                machine: Box::new(machine),
                step: inspecting.step,
                enforced: inspecting.enforced,
            });
        }
    }
}

impl Judging<'_, '_, '_> {
    /// Looks at the head, and at the whole request where there is no body to wait for.
    pub(super) fn waf(&mut self, policy: &Waf, step: &Step) -> Verdict {
        let mut inspection = policy.begin(&Arrived {
            method: self.arrival.method.as_str(),
            target: self.arrival.target,
            version: self.arrival.version,
            headers: self.arrival.headers,
            client: self.judgement.client,
            port: self.arrival.listener.port(),
            id: self.arrival.id,
            now_ms: self.now_ms,
        });
        let verdict = if self.arrival.body && self.judgement.grpc.is_none() {
            while inspection.request_head() == Progress::More {}
            waf::verdict(&inspection)
        } else {
            waf::whole(&mut inspection)
        };
        self.judgement.inspecting = Some(Box::new(Inspecting {
            inspection,
            step: self.next,
            enforced: step.mode_at(self.now_ms) == Mode::Enforce,
            bounds: policy.inspects(),
        }));
        match verdict {
            Ok(()) => Verdict::allow(),
            Err(denial) => Verdict::Deny(denial),
        }
    }
}
