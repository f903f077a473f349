//! Who may call what a request is for, whoever made it: the policies are asked about somebody
//! of whom nothing is known, and about what would let others in.

use lockgate_policy::cedar;
use lockgate_policy::roles::{self, Holder, Roles};
use lockgate_policy::scopes::{self, Demand, Scopes, Shown, Wanted};
use lockgate_policy::ways::Ways;
use lockgate_policy::{Identity, Mode, ReasonRef, Span, Verdict, Waiver};
use serde::Serialize;

use crate::bundle::Joined;
use crate::judge::Judging;
use crate::reasons;
use crate::snapshot::{CompiledApi, Policy, Rule, Step};
use crate::trace::Outcome;

/// Who may call something.
#[derive(Debug)]
pub struct Access<'s> {
    /// Who, in a word.
    pub who: MayCall,
    /// Why nobody may.
    pub reason: Option<ReasonRef>,
    /// Who answers for it that anyone may, or could until it ended.
    pub waiver: Option<&'s Waiver>,
    /// Whether callers must prove who they are, where it is not open to anyone.
    pub proved: bool,
    /// What speaks of it.
    pub rules: Vec<Said<'s>>,
    /// What may yet refuse those who may call.
    pub behind: Vec<Behind>,
}

/// Who may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MayCall {
    /// Anyone at all.
    Anyone,
    /// Everyone who is known.
    Known,
    /// Whom all rules entitle that speak of it.
    Entitled,
    /// Nobody.
    Nobody,
    /// No request for it could be made up, so nothing was asked.
    #[default]
    Unreached,
}

/// What a rule says of it.
#[derive(Debug)]
pub struct Said<'s> {
    /// The room.
    pub policy: &'static str,
    /// Whether what it says holds.
    pub mode: Mode,
    /// Where the configuration says it.
    pub span: Span,
    /// Any one of these is enough.
    pub ways: Vec<Way<'s>>,
    /// Any one of these roles is.
    pub roles: Vec<Holder<'s>>,
    /// Whether it lets in everyone who is known.
    pub free: bool,
    /// Why it lets in nobody.
    closed: Option<ReasonRef>,
}

/// What a credential must have.
#[derive(Debug, Serialize)]
pub struct Way<'s> {
    /// It.
    #[serde(flatten)]
    pub wanted: Wanted<'s>,
    /// Whether the API takes such credentials.
    pub fits: bool,
}

/// A room that asks for more.
#[derive(Debug)]
pub struct Behind {
    /// Its name.
    pub policy: &'static str,
    /// Whether what it says holds.
    pub mode: Mode,
    /// Where the configuration says it.
    pub span: Span,
}

impl<'s> Judging<'s, '_, '_> {
    /// Says who may call this; nothing where it came to no API. The request is judged no further.
    pub fn access(&mut self) -> Option<Access<'s>> {
        let api = self.api()?;
        let rule = api.steps.iter().find_map(|step| match &step.policy {
            Policy::Authorize(rule) => Some(rule),
            _ => None,
        })?;
        let waiver = match rule {
            Rule::Public(waiver) => Some(waiver),
            Rule::Known { .. } => self.opened(rule),
        };
        let mut access = Access {
            who: MayCall::Nobody,
            reason: None,
            waiver,
            proved: self.authentication_enforced(),
            rules: Vec::new(),
            behind: Vec::new(),
        };
        let mut verdict = self.authorize(rule);
        if refusal(&verdict).is_some_and(|reason| *reason == reasons::NOT_AUTHENTICATED) {
            self.judgement.identity = Some(stranger());
            verdict = self.authorize(rule);
        }
        access.reason = refusal(&verdict);
        if access.reason.is_none() && waiver.is_some() {
            access.who = MayCall::Anyone;
            return Some(access);
        }
        access.rules = self.said(api);
        let mut held = access
            .rules
            .iter()
            .filter(|said| said.mode == Mode::Enforce);
        let free = held.clone().all(|said| said.free);
        access.reason = access.reason.or_else(|| held.find_map(|said| said.closed));
        access.who = match access.reason {
            Some(_) => MayCall::Nobody,
            None if free => MayCall::Known,
            None => MayCall::Entitled,
        };
        if access.who != MayCall::Nobody {
            access.behind = self.behind(api);
        }
        Some(access)
    }

    /// Of each rule that has refused this, the number of its step and what would have been enough: any one of these.
    pub fn enough(&self) -> Vec<(usize, Vec<String>)> {
        let Some(api) = self.api() else {
            return Vec::new();
        };
        let said = self.judgement.trace.said().map(|(outcome, _)| outcome);
        let refused = said
            .zip(&api.steps)
            .enumerate()
            .filter(|(_, (outcome, step))| {
                let denies = matches!(outcome, Outcome::Deny | Outcome::ObserveDeny);
                denies && step.policy.authorizes()
            });
        let enough = refused.filter_map(|(number, (_, step))| {
            let said = match &step.policy {
                Policy::Scopes(policy) => self.of_scopes(step, policy, &together(api, self.now_ms)),
                Policy::Roles(policy) => self.of_roles(step, policy),
                _ => None,
            }?;
            Some((number, said.grounds()))
        });
        enough.collect()
    }

    /// What each rule says that speaks of this.
    fn said(&self, api: &'s CompiledApi) -> Vec<Said<'s>> {
        let shown = together(api, self.now_ms);
        let said = api.steps.iter().filter_map(|step| match &step.policy {
            Policy::Scopes(policy) => self.of_scopes(step, policy, &shown),
            Policy::Roles(policy) => self.of_roles(step, policy),
            Policy::Cedar(policy) => {
                let permits = policy.may_permit(&self.view());
                Some(Said {
                    closed: (!permits).then_some(&cedar::NOT_PERMITTED),
                    ..Said::of(step, self.now_ms)
                })
            }
            // Whose it is, and what of it, takes away from what the others open.
            Policy::Authorize(_)
            | Policy::Objects(_)
            | Policy::Properties(_)
            | Policy::Minimise(_) => None,
            // What is not asked here may still decide: nobody is told that everyone may.
            other => other.authorizes().then(|| Said::of(step, self.now_ms)),
        });
        said.collect()
    }

    fn of_scopes(&self, step: &Step, policy: &'s Scopes, shown: &[Ways]) -> Option<Said<'s>> {
        let view = self.view();
        if !self.demands(&view, |demands| policy.speaks_of(&view, demands)) {
            return None;
        }
        let identity = stranger();
        let verdicts = shown.iter().map(|ways| {
            let shown = Shown {
                identity: Some(&identity),
                ways: *ways,
            };
            self.demands(&view, |demands| policy.decide(&view, shown, demands))
        });
        let refusals: Vec<Option<ReasonRef>> = verdicts.map(|one| refusal(&one)).collect();
        // What more scopes would let in is not closed.
        let closes = |reason: &Option<ReasonRef>| reason.filter(|one| **one != scopes::MISSING);
        let closed = refusals.iter().map(closes).collect::<Option<Vec<_>>>();
        let wanted = policy.wanted(&view, self.demand());
        let ways: Vec<Way<'s>> = wanted
            .into_iter()
            .map(|wanted| Way {
                fits: shown.iter().any(|ways| wanted.is_met_by(*ways)),
                wanted,
            })
            .collect();
        Some(Said {
            free: refusals.iter().all(Option::is_none),
            closed: closed.and_then(|reasons| reasons.first().copied()),
            ways,
            roles: Vec::new(),
            ..Said::of(step, self.now_ms)
        })
    }

    fn of_roles(&self, step: &Step, policy: &'s Roles) -> Option<Said<'s>> {
        let view = self.view();
        if !policy.speaks_of(&view) {
            return None;
        }
        let holders = policy.holders(&view);
        let given = holders.iter().any(|holder| holder.given);
        Some(Said {
            closed: (!given).then_some(&roles::MISSING),
            roles: holders,
            ..Said::of(step, self.now_ms)
        })
    }

    /// What the API's document demands of the operation.
    fn demand(&self) -> Option<&'s Demand> {
        let operation = self.document()?.operation(self.judgement.operation?)?;
        operation.demand.as_deref()
    }

    fn behind(&self, api: &CompiledApi) -> Vec<Behind> {
        let view = self.view();
        let asks = |step: &&Step| match &step.policy {
            Policy::Device(_) | Policy::Risk(_) => true,
            Policy::Objects(policy) => policy.is_for(&view),
            Policy::Properties(policy) => policy.is_for(&view),
            Policy::StepUp(policy) => {
                let verdict = policy.decide(&view, Some(&stranger()), self.now_ms);
                matches!(verdict, Verdict::Deny(_))
            }
            _ => false,
        };
        let behind = api.steps.iter().filter(asks).map(|step| Behind {
            policy: step.policy.name(),
            mode: step.mode_at(self.now_ms),
            span: step.span,
        });
        behind.filter(|one| one.mode != Mode::Off).collect()
    }
}

impl Said<'_> {
    /// What is said of those whom it lets in.
    fn grounds(&self) -> Vec<String> {
        let ways = self.ways.iter().flat_map(|way| &way.wanted.grounds);
        let roles = self.roles.iter().flat_map(|role| &role.grounds);
        let mut all: Vec<String> = ways.chain(roles).map(ToString::to_string).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn of(step: &Step, now_ms: u64) -> Self {
        Self {
            policy: step.policy.name(),
            mode: step.mode_at(now_ms),
            span: step.span,
            ways: Vec::new(),
            roles: Vec::new(),
            free: false,
            closed: None,
        }
    }
}

/// Somebody of whom no more is known than that they have proved who they are.
fn stranger() -> Identity {
    Identity {
        proved_by: "",
        credential: "".into(),
        owner: "".into(),
        app: None,
        claims: None,
    }
}

const fn refusal(verdict: &Verdict) -> Option<ReasonRef> {
    match verdict {
        Verdict::Deny(denial) => Some(denial.reason),
        _ => None,
    }
}

/// The sets of ways that an API takes as a proof, each by itself enough.
fn together(api: &CompiledApi, now_ms: u64) -> Vec<Ways> {
    let mut sets = Vec::new();
    let mut set = Ways::default();
    for step in api.steps.iter().filter(|step| step.policy.authenticates()) {
        if matches!(step.joined, Joined::Alone | Joined::First) {
            set = Ways::default();
        }
        set.add(step.policy.name());
        let ends = matches!(step.joined, Joined::Alone | Joined::Last);
        if ends && step.mode_at(now_ms) != Mode::Off {
            sets.push(set);
        }
    }
    sets
}
