//! Limits, as judging meets them: what they are shown, what goes back, and who
//! has failed. And the stores that answer what policies want to know.

use lockgate_policy::broker::Brought;
use lockgate_policy::decide::{Heard as Decision, Silent as Silence, UNSTATED};
use lockgate_policy::introspection::Heard;
use lockgate_policy::limits::Asked;
use lockgate_policy::plugins::Silent;
use lockgate_policy::{Answers, Content, Denial, Fault, Mode, Need, RequestView, POLICY_FAILED};

use super::Judging;
use crate::broker::Broker;
use crate::bundle::{Joined, PluginSet};
use crate::counters::Counters;
use crate::facts::FactStore;
use crate::introspections::Introspections;
use crate::places::Places;
use crate::plugins::Offline;
use crate::proofs::Proofs;
use crate::sightings::Sightings;
use crate::snapshot::{Policy, Step};
use crate::trace::Outcome;
use crate::worker::Shared;

impl Judging<'_, '_, '_> {
    /// The request as policies see it.
    pub(super) fn view(&self) -> RequestView<'_> {
        RequestView {
            method: self.arrival.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: self.arrival.headers,
            content_length: self.arrival.content_length,
            api: self.api().map_or("", |api| &api.name),
            operation: self
                .judgement
                .operation
                .and_then(|number| Some(&*self.document()?.operation(number)?.name)),
            readings: &self.readings,
        }
    }

    /// The request as limits see it.
    pub(super) fn counted<'v>(&'v self, view: &'v RequestView<'v>, step: &Step) -> Asked<'v> {
        let client = self.judgement.client;
        let matched = self.judgement.matched;
        Asked {
            view,
            route: matched.map_or("", |matched| self.snapshot.router.pattern(matched)),
            address: client,
            proxy: self.judgement.proxy,
            identity: self.judgement.identity.as_ref(),
            shadow: step.mode_at(self.now_ms) != Mode::Enforce,
            now_ms: self.now_ms,
        }
    }

    /// Notes that a key was used, and which of its secrets.
    pub(super) fn used(&mut self, answers: &Answers) {
        if let Answers::Key(_, Some(key)) = answers {
            key.used.mark(self.now_ms);
            self.judgement.previous_secret = key.is_previous();
        }
        // What a key's own limit took goes back if a later limit refuses.
        if let Answers::Spent(spend) = answers {
            self.taken.extend_from_slice(&spend.take.charges);
        }
    }

    /// A policy's need. A key's own limit counts where keys are enforced, and is not asked otherwise.
    pub(super) fn needed(
        &mut self,
        (mode, joined): (Mode, Joined),
        need: Need,
        answers: &Answers,
    ) -> Option<Need> {
        let Need::Spend(spend) = need else {
            return Some(need);
        };
        self.used(answers);
        if mode == Mode::Enforce {
            return Some(Need::Spend(spend));
        }
        if spend.grounds.is_some() {
            self.note(Outcome::Allow, None);
        } else {
            self.identify(joined, spend.identity);
            self.note(Outcome::Identify, None);
        }
        self.settle(joined);
        None
    }

    /// What a limit took goes back if a later one refuses.
    pub(super) fn remember(&mut self, step: &Step, answers: &Answers) {
        if let (Policy::Limits(_), Answers::Taken(take)) = (&step.policy, answers) {
            let later = self
                .api()
                .and_then(|api| api.steps.get(self.next + 1..))
                .unwrap_or_default();
            if later
                .iter()
                .any(|step| matches!(step.policy, Policy::Limits(_)))
            {
                self.taken.extend_from_slice(&take.charges);
            }
        }
    }

    /// Notes a credential that somebody may have made up, whatever is told in the end: one wrong
    /// credential does not excuse another, nor does a way that is only observed.
    pub(super) fn note_guess(&mut self, step: &Step, denial: &Denial) {
        let wrong = denial.known.is_none() && !denial.absent && is_guess(denial);
        self.guessed |= wrong && step.policy.authenticates();
    }

    /// Notes that authentication refused, for those who count that. A
    /// credential that is known and only opens nothing any more was not guessed.
    pub(super) fn strike(&mut self, denial: &Denial) {
        let guessed = self.guessed || (is_guess(denial) && self.judgement.known.is_none());
        let Some(api) = self.api().filter(|_| guessed) else {
            return;
        };
        let view = self.view();
        let strikes = api.steps.iter().filter_map(|step| match &step.policy {
            Policy::Penalty(policy) if step.mode_at(self.now_ms) != Mode::Off => {
                policy.strike(&self.counted(&view, step), denial.absent && !self.guessed)
            }
            _ => None,
        });
        self.strikes = strikes.collect();
    }
}

/// Whether a refusal may be that of a credential that somebody made up.
pub(super) fn is_guess(denial: &Denial) -> bool {
    denial.reason.status == 401 && denial.reason.fault == Fault::Client
}

/// What the process holds for all requests; offline, scratch stores.
#[derive(Clone, Copy)]
pub struct Stores<'s> {
    /// Keys and the like.
    pub facts: &'s FactStore,
    /// What limits take from.
    pub counters: &'s dyn Counters,
    /// Proofs that were used.
    pub proofs: &'s Proofs,
    /// What was seen of callers.
    pub sightings: &'s Sightings,
    /// Who has a place.
    pub places: &'s Places,
    /// Whether places are given back at the end of what is judged.
    pub stays: bool,
    /// Who asks issuers about tokens, where somebody does.
    pub introspections: Option<&'s Introspections>,
    /// Who has sessions renewed, where somebody does.
    pub broker: Option<&'s Broker>,
    /// The process for plugins, where they are asked without a gate.
    pub plugins: Option<(&'s Offline, &'s PluginSet)>,
}

impl<'s> From<&'s Shared> for Stores<'s> {
    /// Those of a running gate, which asks plugins by itself.
    fn from(shared: &'s Shared) -> Self {
        Self {
            facts: &shared.facts,
            counters: &shared.counters,
            proofs: &shared.proofs,
            sightings: &shared.sightings,
            places: &shared.places,
            stays: true,
            introspections: Some(&shared.introspections),
            broker: Some(&shared.broker),
            plugins: None,
        }
    }
}

/// Answers needs from the process-wide stores. `stale` is whether facts are too
/// old to be believed.
#[must_use]
pub fn answer(stores: &Stores<'_>, stale: bool, need: Need, now_ms: u64) -> Answers {
    match need {
        Need::Key(_) | Need::Issuer(_) | Need::Apps if stale => Answers::Stale,
        Need::Key(digest) => Answers::Key(digest, stores.facts.key(&digest)),
        Need::Issuer(issuer) => Answers::Issuer(stores.facts.issuer(&issuer)),
        Need::Apps => Answers::Apps(stores.facts.apps()),
        Need::Refetch { issuer, .. } => Answers::Refetched(stores.facts.issuer(&issuer)),
        // Who cannot wait hears the next time.
        Need::Ask(question) => {
            let issuer = stores.facts.issuer(&question.issuer);
            let silent_ms = now_ms.saturating_sub(stores.facts.heard_ms());
            let heard = match stores.introspections {
                Some(asking) => asking.renew(*question, silent_ms, now_ms),
                None => Heard::Unavailable(1),
            };
            Answers::Asked(heard, issuer)
        }
        Need::Order(order) => {
            let silent_ms = now_ms.saturating_sub(stores.facts.heard_ms());
            Answers::Brought(match stores.broker {
                Some(broker) => broker.renew(*order, silent_ms, now_ms),
                None => Brought::Unavailable(1),
            })
        }
        Need::First(proved) => {
            let first = stores.proofs.first(proved.mark, proved.until_ms, now_ms);
            Answers::First(proved, first)
        }
        Need::Take(take) => Answers::Taken(stores.counters.take(take, now_ms)),
        Need::Spend(mut spend) => {
            spend.take = stores.counters.take(spend.take, now_ms);
            Answers::Spent(spend)
        }
        Need::Standing(key) => Answers::Standing(stores.counters.standing(key, now_ms)),
        Need::Failing(strikes) => Answers::Failing(stores.counters.failing(&strikes, now_ms)),
        Need::Sight(sighting) => {
            let flag = stores.sightings.see(&sighting, now_ms);
            Answers::Sighted(sighting, flag)
        }
        Need::Seat(seats) => {
            let full = stores.places.take(&seats, stores.stays, now_ms);
            Answers::Seated(seats, full)
        }
        Need::Plugin(call) => Answers::Plugin(match stores.plugins {
            Some((plugins, set)) => plugins.ask(set, *call),
            None => Err(Silent::failed("nothing runs plugins here")),
        }),
        // Only a gate asks, and does so by itself.
        Need::Decision(_) => Answers::Decision(Decision::Silent(Silence::new(
            &UNSTATED,
            "nobody asks here",
        ))),
        // Whoever holds a body answers by itself.
        Need::Content(gather) => {
            let refused = Content::Refused(Denial::new(&POLICY_FAILED));
            Answers::Content(gather, refused)
        }
        Need::Strike(strikes) => {
            stores.counters.strike(&strikes, now_ms);
            Answers::None
        }
    }
}
