//! `device`: who calls is known; from which device, and whether that is theirs, is asked here.
//!
//! # Description
//! A device is known by what cannot be copied from it: the key of its proofs
//! (DPoP), its certificate, or the sealed cookie of its browser. The control
//! process keeps whose it is, whether its owner has confirmed it by a second
//! factor, whether an operator has approved it, how it looks and where it was.
//! What speaks against it is let through, answered by asking the person for
//! more of a proof, or refused, as the configuration says.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! See [`REASONS`].
//!
//! # Example
//! ```yaml
//! device: {new: step_up, travel: step_up, changed: deny, most: 5}
//! ```

use std::sync::Arc;

use http::header::{HeaderValue, RETRY_AFTER, USER_AGENT};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};

use crate::broker::{Brought, Goods, Order};
use crate::step_up::{by_class, by_means, proved_at, Challenge};
use crate::{
    Answers, ConfigError, Denial, Identity, Need, PolicyError, ReasonRef, RequestView, Verdict,
};

mod reasons;
mod standing;

pub use reasons::*;
pub use standing::{Kind, Seen, Standing, Told, CERTIFICATES};

/// The room's name everywhere.
pub const NAME: &str = "device";

/// How new a proof must be that is asked for on behalf of a device, seconds.
const PROOF_S: u32 = 60;
/// How far an issuer's clock may be ahead, seconds.
const AHEAD_S: u64 = 60;

/// What becomes of a device that something speaks against.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DeviceThen")]
pub enum Then {
    /// It goes on, and the event says what it was.
    Allow,
    /// The person confirms it by a newer or stronger proof.
    StepUp,
    /// It is refused.
    Deny,
}

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether callers are let through whose credential is bound to no device.
    pub without: bool,
    /// Whether devices are let through that no operator has approved.
    pub unapproved: bool,
    /// What becomes of one that nobody has confirmed or approved.
    pub new: Then,
    /// What becomes of one that looks otherwise than it did.
    pub changed: Then,
    /// What becomes of one whose owner was elsewhere a moment ago.
    pub travel: Then,
    /// How many devices one owner may use at once; any number without.
    pub most: Option<u32>,
    /// Means of which one confirms a device (`amr`).
    pub amr: Vec<String>,
    /// Classes of which one confirms a device (`acr`).
    pub acr: Vec<String>,
    /// The sign-in whose pages a browser is sent to.
    pub sign_in: Option<String>,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Device {
    config: Config,
    challenge: Challenge,
    certificates: Arc<str>,
    /// Signals that nobody is let through with.
    heeds: Vec<&'static str>,
}

/// What came of judging a device.
#[derive(Debug)]
pub struct Decision {
    /// What the room says.
    pub verdict: Verdict,
    /// What is known of it, where the control process was asked and said something.
    pub standing: Option<Box<Standing>>,
}

impl Device {
    /// Compiles the config.
    ///
    /// # Errors
    /// If nothing is said to confirm a device, or what no header can say.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let malformed =
            |path: &str, message: &str| ConfigError::new("device-malformed", path, message);
        if config.amr.is_empty() && config.acr.is_empty() {
            let message = "nothing confirms a device: say `amr` or `acr`";
            return Err(malformed("/amr", message));
        }
        if config.most == Some(0) {
            return Err(malformed("/most", "nobody could call with no device"));
        }
        let challenge = Challenge::new(Some(PROOF_S), &config.amr, &config.acr)
            .map_err(|message| malformed("/amr", message))?;
        let heeds = [
            (!config.unapproved, "unapproved"),
            (config.new != Then::Allow, "new"),
            (config.changed != Then::Allow, "changed"),
            (config.travel != Then::Allow, "travel"),
        ];
        Ok(Self {
            heeds: heeds
                .into_iter()
                .filter_map(|(is, word)| is.then_some(word))
                .collect(),
            config: config.clone(),
            challenge,
            certificates: CERTIFICATES.into(),
        })
    }

    /// Judges the device of who calls.
    ///
    /// # Errors
    /// If nobody can say what is known of it: the room's `on_error` says what becomes of the request.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        seen: &Seen<'_>,
        identity: Option<&Identity>,
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Decision, PolicyError> {
        if let Some(standing) = read(answers) {
            let verdict = self.judge(view, &standing, identity, now_ms / 1_000);
            let standing = Some(Box::new(standing));
            return Ok(Decision { verdict, standing });
        }
        let verdict = self.ask(view, seen, identity, answers, now_ms)?;
        Ok(Decision {
            verdict,
            standing: None,
        })
    }

    /// Before it is known what is known of it.
    fn ask(
        &self,
        view: &RequestView<'_>,
        seen: &Seen<'_>,
        identity: Option<&Identity>,
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Verdict, PolicyError> {
        let Some(told) = identity.and_then(Told::by) else {
            return Ok(match self.config.without {
                true => Verdict::allow(),
                false => Verdict::Deny(Denial::new(&MISSING)),
            });
        };
        match answers {
            // Tokens and sessions were held against what was revoked by their own rooms.
            Answers::None if told.issuer == CERTIFICATES => {
                Ok(Verdict::Need(Need::Issuer(Arc::clone(&self.certificates))))
            }
            Answers::Issuer(facts) => {
                let claims = json!({"cnf": {"x5t#S256": told.mark}});
                let refused = claims
                    .as_object()
                    .and_then(|claims| facts.revoked.refuses(CERTIFICATES, claims, now_ms));
                Ok(match refused {
                    Some(_) => Verdict::Deny(Denial::new(&REVOKED)),
                    None => self.order(view, seen, &told, (identity, now_ms)),
                })
            }
            Answers::None => Ok(self.order(view, seen, &told, (identity, now_ms))),
            Answers::Stale => Ok(Verdict::Deny(Denial::new(&crate::api_key::FACTS_STALE))),
            // Whoever could make it busy, or send what nobody can read, is not let through where an outage is.
            Answers::Brought(Brought::Busy | Brought::Later) => {
                let busy = Denial::new(&UNAVAILABLE).header(RETRY_AFTER, HeaderValue::from(1));
                Ok(Verdict::Deny(busy))
            }
            Answers::Brought(Brought::Refused) => {
                let words = "what the credential says of it cannot be read";
                Ok(Verdict::Deny(Denial::new(&MISSING).detail(words)))
            }
            Answers::Brought(_) => Err(PolicyError {
                policy: NAME,
                reason: &UNAVAILABLE,
                cause: "the control process could not be asked about a device".to_owned(),
            }),
            _ => Err(PolicyError::new(
                NAME,
                "it asked about a device, and was told something else",
            )),
        }
    }

    fn order(
        &self,
        view: &RequestView<'_>,
        seen: &Seen<'_>,
        told: &Told<'_>,
        (identity, now_ms): (Option<&Identity>, u64),
    ) -> Verdict {
        let agent = view.headers.get(USER_AGENT).map(|agent| agent.as_bytes());
        let claims = identity.and_then(|identity| identity.claims.as_deref());
        let proved_s = claims.and_then(|claims| self.proved(claims, now_ms / 1_000));
        let shown = seen.sighting(told, agent, (proved_s, &self.heeds));
        let issuer: Arc<str> = told.issuer.into();
        let order = Order::new(Goods::Device, &issuer, &issuer, &shown).of_one(told.subject);
        Verdict::Need(Need::Order(Box::new(order)))
    }

    /// When the owner gave the proof that confirms a device, seconds since the epoch.
    fn proved(&self, claims: &Map<String, Value>, now_s: u64) -> Option<u64> {
        let Config { amr, acr, .. } = &self.config;
        let at = proved_at(claims, amr, acr)?;
        // A clock that is ahead would confirm whatever comes until then.
        let was = at <= now_s.saturating_add(AHEAD_S);
        (was && by_means(claims, amr) && by_class(claims, acr)).then_some(at)
    }

    fn judge(
        &self,
        view: &RequestView<'_>,
        standing: &Standing,
        identity: Option<&Identity>,
        now_s: u64,
    ) -> Verdict {
        let config = &self.config;
        let refuse = |reason: ReasonRef| Verdict::Deny(Denial::new(reason));
        if standing.revoked {
            return refuse(&REVOKED);
        }
        if config.most.is_some_and(|most| standing.at_once > most) {
            return refuse(&CROWD);
        }
        if !standing.approved && !config.unapproved {
            return refuse(&UNAPPROVED);
        }
        let signals: [(bool, Then, ReasonRef, &str); 3] = [
            (
                standing.travel,
                config.travel,
                &TRAVEL,
                "its owner was elsewhere a moment ago",
            ),
            (
                standing.changed,
                config.changed,
                &CHANGED,
                "the device does not look as it did",
            ),
            (standing.new, config.new, &NEW, "the device is new"),
        ];
        // Of those that ask for most the first: equal ones stand in the order of what they tell.
        let against = signals.into_iter().filter(|(is, ..)| *is).rev();
        match against.max_by_key(|(_, then, ..)| *then) {
            Some((_, Then::Deny, reason, _)) => refuse(reason),
            Some((_, Then::StepUp, _, why)) => {
                let sign_in = config.sign_in.as_deref();
                let since = Some((standing.since_s, now_s));
                Verdict::Deny(self.challenge.ask(why, view, identity, sign_in, since))
            }
            Some((_, Then::Allow, ..)) | None => Verdict::allow(),
        }
    }
}

/// What the control process says, where it was asked and said something.
fn read(answers: &Answers) -> Option<Standing> {
    match answers {
        Answers::Brought(Brought::Got(text)) => Standing::read(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
