//! What the caller may do: what is open to anyone, what something must speak of, and what
//! entitles to it.

use http::header::{HeaderName, CONTENT_LENGTH};
use lockgate_policy::cedar::{Around, Cedar};
use lockgate_policy::enumeration::{self, Enumeration};
use lockgate_policy::minimise::Minimise;
use lockgate_policy::objects::{Asked, Objects};
use lockgate_policy::properties::{self, Properties};
use lockgate_policy::roles::Roles;
use lockgate_policy::scopes::{Demand, Scopes, Shown};
use lockgate_policy::users::{self, Users};
use lockgate_policy::{
    Answers, Denial, Edit, Edits, Mode, PolicyError, RequestView, Verdict, Waiver,
};

use super::{Answering, Judging};
use crate::reasons;
use crate::snapshot::{Policy, Rule, Step};

mod access;

pub use access::{Access, Behind, MayCall, Said, Way};

/// What is said of a body's bytes, and is not true of others (RFC 9530, RFC 3230, RFC 1864).
pub(crate) static OF_BYTES: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Whether a policy can entitle to something.
const fn entitles(step: &Step) -> bool {
    matches!(
        step.policy,
        Policy::Scopes(_) | Policy::Roles(_) | Policy::Cedar(_) | Policy::Decide(_)
    )
}

impl Judging<'_, '_, '_> {
    pub(super) fn authorize(&mut self, rule: &Rule) -> Verdict {
        match rule {
            Rule::Public(waiver) if waiver.holds(self.now_ms) => Verdict::allow(),
            Rule::Public(_) => Verdict::Deny(Denial::new(&reasons::WAIVER_EXPIRED)),
            Rule::Known { .. } if self.is_open(rule) => {
                self.judgement.open = true;
                Verdict::allow()
            }
            Rule::Known { .. }
                if self.judgement.identity.is_none() && self.authentication_enforced() =>
            {
                Verdict::Deny(Denial::new(&reasons::NOT_AUTHENTICATED))
            }
            Rule::Known { ruled: true, .. } if !self.is_spoken_of() => {
                Verdict::Deny(Denial::new(&reasons::WITHOUT_RULE))
            }
            Rule::Known { .. } => Verdict::allow(),
        }
    }

    /// Whether a request without any credential goes on nevertheless.
    pub(super) fn needs_no_credential(&self) -> bool {
        let mut steps = self.api().into_iter().flat_map(|api| &api.steps);
        steps.any(|step| matches!(&step.policy, Policy::Authorize(rule) if self.is_open(rule)))
    }

    /// Whether it is open to anyone, whatever it might be taken for.
    fn is_open(&self, rule: &Rule) -> bool {
        self.opened(rule).is_some()
    }

    /// What opens it to anyone.
    fn opened<'r>(&self, rule: &'r Rule) -> Option<&'r Waiver> {
        let Rule::Known { open, .. } = rule else {
            return None;
        };
        let view = self.view();
        open.iter()
            .find(|open| open.waiver.holds(self.now_ms) && open.meant.cover(&view))
            .map(|open| &open.waiver)
    }

    /// Whether a policy that entitles to something says anything of this.
    fn is_spoken_of(&self) -> bool {
        let view = self.view();
        self.demands(&view, |demands| {
            let speaks = |step: &Step| match &step.policy {
                Policy::Scopes(policy) => policy.speaks_of(&view, demands),
                Policy::Roles(policy) => policy.speaks_of(&view),
                // What no policy permits is refused: it speaks of everything.
                Policy::Cedar(_) | Policy::Decide(_) => true,
                _ => false,
            };
            let steps = || self.api().into_iter().flat_map(|api| &api.steps);
            let of = |mode| steps().filter(move |step| step.mode_at(self.now_ms) == mode);
            // What only observes opens nothing that something else would close.
            let enforced = of(Mode::Enforce).any(entitles);
            of(Mode::Enforce).any(speaks) || (!enforced && of(Mode::Observe).any(speaks))
        })
    }

    pub(super) fn scopes(&self, policy: &Scopes) -> Verdict {
        if self.judgement.open {
            return Verdict::allow();
        }
        let view = self.view();
        let shown = Shown {
            identity: self.judgement.identity.as_ref(),
            ways: self.judgement.ways,
        };
        self.demands(&view, |demands| policy.decide(&view, shown, demands))
    }

    pub(super) fn roles(&self, policy: &Roles) -> Verdict {
        if self.judgement.open {
            return Verdict::allow();
        }
        policy.decide(&self.view(), self.judgement.identity.as_ref())
    }

    pub(super) fn cedar(&self, policy: &Cedar, answers: &Answers) -> Result<Verdict, PolicyError> {
        if self.judgement.open {
            return Ok(Verdict::allow());
        }
        let around = Around {
            identity: self.judgement.identity.as_ref(),
            captures: &self.judgement.captures,
            client: self.judgement.client,
            place: self.judgement.place.as_deref(),
            device: self.judgement.device.as_deref(),
            risk: self.judgement.risk.as_deref(),
            body: self.arrival.body,
            now_ms: self.now_ms,
        };
        policy.decide(&self.view(), &around, answers)
    }

    pub(super) fn objects(
        &mut self,
        policy: &Objects,
        step: &Step,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        if self.judgement.open {
            return Ok(Verdict::allow());
        }
        let asked = Asked {
            identity: self.judgement.identity.as_ref(),
            captures: &self.judgement.captures,
            body: self.arrival.body,
        };
        let decided = policy.decide(&self.view(), &asked, answers)?;
        let enforced = step.mode_at(self.now_ms) == Mode::Enforce;
        self.judgement.owned = decided.pending.map(|pending| {
            Box::new(Answering {
                step: self.next,
                enforced,
                pending: *pending,
            })
        });
        Ok(decided.verdict)
    }

    pub(super) fn enumeration(
        &mut self,
        policy: &Enumeration,
        step: &Step,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        let asked = enumeration::Asked {
            identity: self.judgement.identity.as_ref(),
            captures: &self.judgement.captures,
            address: self.judgement.client,
            proxy: self.judgement.proxy,
            shadow: step.mode_at(self.now_ms) != Mode::Enforce,
            now_ms: self.now_ms,
        };
        let verdict = policy.decide(&self.view(), &asked, answers)?;
        if let Answers::Sighted(sighting, None) = answers {
            self.judgement.sighting = Some((sighting.key, policy.bounds()));
        }
        Ok(verdict)
    }

    pub(super) fn users(
        &mut self,
        policy: &Users,
        step: &Step,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        let asked = users::Asked {
            identity: self.judgement.identity.as_ref(),
            shadow: step.mode_at(self.now_ms) != Mode::Enforce,
            now_ms: self.now_ms,
        };
        let verdict = policy.decide(&asked, answers)?;
        if let Answers::Seated(seats, None) = answers {
            self.judgement.seats = Some(seats.clone());
        }
        Ok(verdict)
    }

    pub(super) fn properties(
        &mut self,
        policy: &Properties,
        step: &Step,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        let asked = properties::Asked {
            identity: self.judgement.identity.as_ref(),
            body: self.arrival.body,
        };
        let decided = policy.decide(&self.view(), &asked, answers)?;
        let Some(left) = decided.left else {
            return Ok(decided.verdict);
        };
        // Observing tells what would have been left out.
        if step.mode_at(self.now_ms) != Mode::Enforce {
            let denial = Denial::new(&properties::CLOSED).detail(left.without);
            return Ok(Verdict::Deny(denial));
        }
        let length = Edit::Set(CONTENT_LENGTH, left.body.len().into());
        self.judgement.cut = Some(left.body.into());
        self.judgement.dropped = Some(left.without.into());
        let of_others = OF_BYTES.iter().cloned().map(Edit::Remove);
        Ok(Verdict::Allow(Edits {
            request: of_others.chain([length]).collect(),
            answer: Vec::new(),
        }))
    }

    pub(super) fn minimise(&mut self, policy: &Minimise, step: &Step) -> Verdict {
        let (verdict, pending) = policy.decide(&self.view(), self.judgement.identity.as_ref());
        let enforced = step.mode_at(self.now_ms) == Mode::Enforce;
        self.judgement.minimised = pending.map(|pending| {
            Box::new(Answering {
                step: self.next,
                enforced,
                pending,
            })
        });
        verdict
    }

    /// Shows what the API's document demands of the request, and of what else it might be taken for.
    fn demands<R>(&self, view: &RequestView<'_>, show: impl FnOnce(&[Option<&Demand>]) -> R) -> R {
        let document = self.document();
        let number = self.judgement.operation;
        let own = document.and_then(|document| document.operation(number?)?.demand.as_deref());
        if view.readings.is_empty() {
            return show(&[own]);
        }
        let others = view.readings.iter().map(|reading| {
            let name = reading.operation.as_deref()?;
            let mut operations = document?.operations.iter();
            operations.find(|one| &*one.name == name)?.demand.as_deref()
        });
        show(&std::iter::once(own).chain(others).collect::<Vec<_>>())
    }
}
