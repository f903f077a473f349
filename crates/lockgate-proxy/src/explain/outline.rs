//! What a bundle has that a request can meet: each API's routes and policies.
//! Tests of a configuration are held against it.

use lockgate_policy::Mode;
use serde::Serialize;

use super::{phase, Engine, Place};
use crate::bundle::{Api, PathMatch};
use crate::snapshot::{CompiledApi, Policy, Rule, Step};

/// An API, as a request can meet it.
#[derive(Debug, Serialize)]
pub struct Outlined {
    /// Its name.
    pub api: String,
    /// The route of the API that this is; none for the API itself.
    pub route: Option<String>,
    /// What a request must have besides its path, in words; empty where that is nothing.
    pub conditions: String,
    /// Where the configuration says it.
    pub span: Place,
    /// Its routes' patterns.
    pub routes: Vec<String>,
    /// The operations of its document.
    pub operations: Vec<String>,
    /// Its policies, in the pipeline's order.
    pub steps: Vec<OutlinedStep>,
}

/// A policy of an API.
#[derive(Debug, Serialize)]
pub struct OutlinedStep {
    /// The room.
    pub policy: &'static str,
    /// Which part of it, where a room has several places; else empty.
    pub part: &'static str,
    /// What the configuration calls it, where a room holds several by name.
    pub names: Vec<String>,
    /// When it runs.
    pub phase: &'static str,
    /// Whether its verdict counts.
    pub mode: Mode,
    /// Whether the configuration says it; else it holds by default.
    pub said: bool,
    /// Whether there is a request that it refuses.
    pub refuses: bool,
    /// Where the configuration says it.
    pub span: Place,
    /// What in it can decide by itself.
    pub rules: Vec<OutlinedRule>,
}

/// A rule of a policy, by what it is called where it decided.
#[derive(Debug, Serialize)]
pub struct OutlinedRule {
    /// As the grounds of a verdict name it.
    pub ground: String,
    /// Where the configuration says it.
    pub span: Place,
}

impl Engine {
    /// Everything that a request can meet.
    #[must_use]
    pub fn outline(&self) -> Vec<Outlined> {
        let apis = self.snapshot.apis.iter().zip(&self.routes);
        apis.map(|(api, routes)| Outlined {
            api: api.name.to_string(),
            route: api.route.as_deref().map(str::to_owned),
            conditions: api.conditions.to_string(),
            span: self.place(api.span),
            routes: routes.clone(),
            operations: api.openapi.as_ref().map_or_else(Vec::new, |document| {
                let operations = document.operations.iter();
                operations.map(|one| one.name.to_string()).collect()
            }),
            steps: api
                .steps
                .iter()
                .map(|step| OutlinedStep {
                    policy: step.policy.name(),
                    part: step.policy.part(),
                    names: step.policy.names(),
                    phase: phase(step.policy.name(), step.policy.part()),
                    mode: step.mode,
                    said: step.policy.is_said(),
                    refuses: refuses(api, step),
                    span: self.place(step.span),
                    rules: self.rules(step),
                })
                .collect(),
        })
        .collect()
    }

    fn rules(&self, step: &Step) -> Vec<OutlinedRule> {
        let Policy::Cedar(cedar) = &step.policy else {
            return Vec::new();
        };
        let rules = cedar.rules().map(|(grounds, span)| OutlinedRule {
            ground: grounds.concat(),
            span: self.place(span),
        });
        rules.collect()
    }
}

/// Where authentication is enforced, nobody unknown comes so far as
/// `authorize`; and some policies only change what goes on.
fn refuses(api: &CompiledApi, step: &Step) -> bool {
    let known = || {
        let mut ways = api.steps.iter().filter(|step| step.policy.authenticates());
        ways.any(|step| step.mode == Mode::Enforce)
    };
    match &step.policy {
        Policy::Authorize(Rule::Known { ruled, open }) => *ruled || !open.is_empty() || !known(),
        // What only judges answers has none to judge offline.
        Policy::Plugin(plugin) => plugin.judges_requests(),
        Policy::Redirect(_) | Policy::Rewrite(_) | Policy::Headers(_) => false,
        _ => true,
    }
}

/// The patterns of an API's routes, as events and explanations name them.
pub(super) fn patterns(api: &Api) -> Vec<String> {
    api.paths.iter().map(PathMatch::pattern).collect()
}
