//! `step_up`: what matters wants a newer or stronger proof of who calls.
//!
//! # Description
//! Whoever is known may still have walked away from the screen, or have shown
//! no more than a password. Each rule says for which requests how long ago and
//! by which means the caller must have been authenticated, as the credential's
//! own claims tell it: `auth_time`, `amr` (RFC 8176) and `acr`. A browser is sent
//! to where the proof can be given and comes back; a client of an API is told by
//! the challenge of RFC 9470.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! See [`REASONS`].
//!
//! # Example
//! ```yaml
//! step_up:
//!   rules:
//!     - {operations: [refund], within: 5m, amr: [mfa]}
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ConfigError, Identity, RequestView, Verdict};

mod challenge;
mod means;
mod reasons;

pub use challenge::Challenge;
pub use means::{by_class, by_means, proved_at};
pub use reasons::*;

/// The room's name everywhere.
pub const NAME: &str = "step_up";

/// Rules of one API: more than that is the work of a policy language.
pub const MAX_RULES: usize = 64;
/// How far an issuer's clock may be ahead, seconds.
const AHEAD_S: u64 = 60;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is asked for what; all that fit must hold.
    pub rules: Vec<Wanted>,
    /// The sign-in whose pages a browser is sent to.
    pub sign_in: Option<String>,
}

/// What is asked for some requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StepUpRule")]
pub struct Wanted {
    /// Operations of the API's document; none means any.
    pub operations: Vec<String>,
    /// Methods; none means any.
    pub methods: Vec<String>,
    /// How long ago the caller may have been authenticated, seconds.
    pub within_s: Option<u32>,
    /// Means of which one must have been used (`amr`).
    pub amr: Vec<String>,
    /// Classes of which one must have been reached (`acr`).
    pub acr: Vec<String>,
}

/// The compiled policy.
#[derive(Debug)]
pub struct StepUp {
    rules: Box<[Rule]>,
    sign_in: Option<String>,
}

/// A rule, with what is said to whom it does not let through.
#[derive(Debug)]
pub(crate) struct Rule {
    wanted: Wanted,
    challenge: Challenge,
}

impl StepUp {
    /// Compiles the config.
    ///
    /// # Errors
    /// Where a rule asks for nothing, or for what no header can say.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        if config.rules.len() > MAX_RULES {
            let told = format!("at most {MAX_RULES} rules are taken");
            return Err(ConfigError::new("list-too-long", "/rules", told));
        }
        let rules = config.rules.iter().enumerate().map(|(number, wanted)| {
            Rule::new(wanted.clone()).map_err(|message| {
                ConfigError::new("step-up-malformed", format!("/rules/{number}"), message)
            })
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            sign_in: config.sign_in.clone(),
        })
    }

    /// Judges how the caller was authenticated.
    #[must_use]
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        identity: Option<&Identity>,
        now_ms: u64,
    ) -> Verdict {
        let none = Map::new();
        let claims = identity.and_then(|identity| identity.claims.as_deref());
        let claims = claims.unwrap_or(&none);
        let lacking = self
            .rules
            .iter()
            .filter(|rule| rule.is_for(view))
            .find_map(|rule| Some((rule, rule.lacks(claims, now_ms / 1000)?)));
        match lacking {
            None => Verdict::allow(),
            Some((rule, why)) => {
                let sign_in = self.sign_in.as_deref();
                Verdict::Deny(rule.challenge.ask(why, view, identity, sign_in, None))
            }
        }
    }
}

impl Rule {
    /// Compiles a rule.
    ///
    /// # Errors
    /// Where it asks for nothing, or for what no header can say.
    pub(crate) fn new(wanted: Wanted) -> Result<Self, &'static str> {
        if wanted.within_s.is_none() && wanted.amr.is_empty() && wanted.acr.is_empty() {
            return Err("this rule asks for nothing: say `within`, `amr` or `acr`");
        }
        Ok(Self {
            challenge: Challenge::new(wanted.within_s, &wanted.amr, &wanted.acr)?,
            wanted,
        })
    }

    /// Whether the request, or what else it might be taken for, is one of those that are meant.
    fn is_for(&self, view: &RequestView<'_>) -> bool {
        let wanted = &self.wanted;
        // What a GET would show, a HEAD tells of.
        let method = match view.method.as_str() {
            "HEAD" => "GET",
            method => method,
        };
        let by_method = wanted.methods.is_empty()
            || wanted
                .methods
                .iter()
                .any(|known| known == method || known == view.method.as_str());
        let named = |operation: &str| wanted.operations.iter().any(|known| known == operation);
        let read = view.readings.iter();
        by_method
            && (wanted.operations.is_empty()
                || view.operation.is_some_and(named)
                || read
                    .filter_map(|reading| reading.operation.as_deref())
                    .any(named))
    }

    /// How it is asked for.
    pub(crate) const fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Whether the caller was authenticated as it wants, however long ago.
    pub(crate) fn is_by(&self, claims: &Map<String, Value>) -> bool {
        by_means(claims, &self.wanted.amr) && by_class(claims, &self.wanted.acr)
    }

    /// What is missing, if anything is.
    pub(crate) fn lacks(&self, claims: &Map<String, Value>, now_s: u64) -> Option<&'static str> {
        let wanted = &self.wanted;
        if let Some(within) = wanted.within_s {
            let at = proved_at(claims, &wanted.amr, &wanted.acr);
            let fresh = at.is_some_and(|at| {
                at <= now_s.saturating_add(AHEAD_S) && now_s <= at.saturating_add(within.into())
            });
            if !fresh {
                return Some("the caller was authenticated too long ago, or nobody says when");
            }
        }
        if !by_means(claims, &wanted.amr) {
            return Some("the caller was authenticated by none of the means that are wanted");
        }
        if !by_class(claims, &wanted.acr) {
            return Some("the caller's authentication is of another class");
        }
        None
    }
}

#[cfg(test)]
mod tests;
