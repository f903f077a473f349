//! What looks at values: the policy `waf`.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Method, Version};
use lockgate_policy::waf::{self, Arrived, Longer, Scanning, Waf, Watched};
use lockgate_policy::{Denial, Mode, Verdict};
use lockgate_waf::engine::{Inspection, Progress};
use lockgate_wire::coding::Coding;
use lockgate_wire::grpc::{self, Protocol};

use crate::inspect::Slices;
use crate::scan::Report;

use super::{End, Judgement, Judging, Seen, Watcher};
use crate::snapshot::Step;
use crate::trace::Outcome;

/// What packs messages that say that they are packed (PROTOCOL-HTTP2.md).
const GRPC_ENCODING: &str = "grpc-encoding";

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
    /// Its head, where each message of it is looked at by itself.
    pub call: Option<Box<CallHead>>,
    /// What is told of its messages.
    pub messages: Option<Arc<Mutex<Seen>>>,
    /// How its answer is looked at while it goes on.
    pub slices: Option<Box<Slices>>,
    /// What of its body a virus scanner is asked about.
    pub scanning: Option<Scanning>,
    /// What that said.
    pub scanned: Report,
}

/// The head of a call of gRPC, by which each of its messages is judged.
#[derive(Debug)]
pub struct CallHead {
    /// What packs its messages, where they are packed in a way that is known.
    pub coding: Option<Coding>,
    policy: Waf,
    method: Method,
    target: String,
    path: String,
    version: Version,
    headers: HeaderMap,
    client: IpAddr,
    port: u16,
    id: String,
    now_ms: u64,
}

impl CallHead {
    /// Begins to look at a message.
    #[must_use]
    pub fn begin(&self) -> Inspection {
        self.policy.begin(&Arrived {
            method: self.method.as_str(),
            target: &self.target,
            path: &self.path,
            version: self.version,
            headers: &self.headers,
            client: self.client,
            port: self.port,
            id: &self.id,
            now_ms: self.now_ms,
        })
    }
}

impl Judgement {
    /// Has the body that is to be looked at watched as it passes, where nobody gathers it.
    /// One that somebody else unpacks, where `unpacked` is not said, cannot be judged.
    pub fn watch_inspected(&mut self, body: bool, unpacked: bool) {
        if !unpacked && self.inflate.is_some() && body {
            self.refuse_packed();
            return;
        }
        if let Some(mut inspecting) = self.inspecting.take_if(|_| body) {
            // What decodes a call's base64 watches the body before.
            if self.grpc.is_some() {
                inspecting.inspection.without_base64();
            }
            let machine = Watched::new(inspecting.inspection, inspecting.bounds);
            // Where a request is only explained, it is as if nothing were found.
            let machine = machine.unscanned(inspecting.scanning, !unpacked);
            self.watchers.push(Watcher {
                machine: Box::new(machine),
                step: inspecting.step,
                enforced: inspecting.enforced,
            });
        }
    }
}

impl Judgement {
    fn refuse_packed(&mut self) {
        let Some(inspecting) = &self.inspecting else {
            return;
        };
        let outcome = match inspecting.enforced {
            true => Outcome::Deny,
            false => Outcome::ObserveDeny,
        };
        let forwards = matches!(self.end, End::Forward);
        if forwards {
            self.trace.revise(inspecting.step, outcome, &waf::PACKED);
        }
        if forwards && inspecting.enforced {
            self.end = End::Refuse(Denial::new(&waf::PACKED));
        }
    }
}

impl Judging<'_, '_, '_> {
    /// Looks at the head, and at the whole request where there is no body to wait for.
    pub(super) fn waf(&mut self, policy: &Waf, step: &Step) -> Verdict {
        let arrived = Arrived {
            method: self.arrival.method.as_str(),
            target: self.arrival.target,
            path: &self.path,
            version: self.arrival.version,
            headers: self.arrival.headers,
            client: self.judgement.client,
            port: self.arrival.listener.port(),
            id: self.arrival.id,
            now_ms: self.now_ms,
        };
        // Also where it is only observed: it would tell nothing of what it cannot look at.
        let asks = policy.asks(arrived.headers);
        self.judgement.edits.extend(asks.request);
        self.judgement.answer_edits.extend(asks.answer);
        let mut inspection = policy.begin(&arrived);
        let scanning = policy.scans(&arrived).filter(|_| self.arrival.body);
        let verdict = if self.arrival.body {
            while inspection.request_head() == Progress::More {}
            waf::verdict(&inspection).and(self.unpacked(&inspection))
        } else {
            waf::whole(&mut inspection)
        };
        self.judgement.inspecting = Some(Box::new(Inspecting {
            inspection,
            step: self.next,
            enforced: step.mode_at(self.now_ms) == Mode::Enforce,
            bounds: policy.inspects(),
            call: self.call_head(policy),
            messages: None,
            slices: None,
            scanning,
            scanned: Report::default(),
        }));
        match verdict {
            Ok(()) => Verdict::allow(),
            Err(denial) => Verdict::Deny(denial),
        }
    }
    /// A body that stays packed cannot be judged.
    fn unpacked(&self, inspection: &Inspection) -> Result<(), Denial> {
        let stays = inspection.wants_body()
            && self.judgement.inflate.is_none()
            && waf::is_packed(self.arrival.headers);
        match stays {
            true => Err(Denial::new(&waf::PACKED)),
            false => Ok(()),
        }
    }

    /// The head of a call whose body is messages as it arrives, and may have no end.
    fn call_head(&self, policy: &Waf) -> Option<Box<CallHead>> {
        let arrival = &self.arrival;
        let kind = grpc::request(arrival.method, arrival.headers).filter(|_| arrival.body)?;
        // Over gRPC-Web that is passed on as it is, a body has an end.
        if kind.protocol != Protocol::Grpc && self.judgement.grpc.is_none() {
            return None;
        }
        let coding = arrival.headers.get(GRPC_ENCODING);
        Some(Box::new(CallHead {
            coding: coding.and_then(|coding| Coding::named(coding.as_bytes())),
            policy: policy.clone(),
            method: arrival.method.clone(),
            target: arrival.target.to_owned(),
            path: self.path.to_string(),
            version: arrival.version,
            headers: arrival.headers.clone(),
            client: self.judgement.client,
            port: arrival.listener.port(),
            id: arrival.id.to_owned(),
            now_ms: self.now_ms,
        }))
    }
}
