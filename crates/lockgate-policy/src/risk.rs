//! `risk`: what speaks against a request is added up; much of it wants a proof, too much is refused.
//!
//! # Description
//! Each signal that the gate can tell of a request has a weight: of its device, its network, the
//! time, failed tries, its proof, its TLS. The weights of all that speak against it are added, up
//! to 100. From one sum on a newer or stronger proof is asked for, from another on the request is
//! refused. What cannot be told of a request counts as if it spoke against it: nobody gets a lower
//! sum by leaving something out.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`TOO_HIGH`], and those of `step_up`.
//!
//! # Example
//! ```yaml
//! authorize:
//!   allow: authenticated
//!   risk: {step_up_at: 60, deny_at: 85, signals: {new_device: 25}}
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::device::{Standing, Told};
use crate::ranges::Ranges;
use crate::step_up::{proved_at, Rule, Wanted};
use crate::{
    signature, webhook, ConfigError, Country, Denial, Grounds, Identity, Place, RequestView,
    Verdict,
};

mod hours;
mod reasons;
mod signal;

pub use hours::Hours;
pub use reasons::*;
pub use signal::{Signal, Weight};

/// The room's name everywhere.
pub const NAME: &str = "risk";

/// The highest sum.
pub const MOST: u8 = 100;
/// How far an issuer's clock may be ahead, seconds.
const AHEAD_S: u64 = 60;
/// Why somebody is asked for more.
const WHY: &str = "more speaks against this request than goes without a newer or stronger proof";

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RiskConfig")]
pub struct Config {
    /// The sum from which on a proof is asked for.
    pub step_up_at: Option<u8>,
    /// The sum from which on a request is refused.
    pub deny_at: Option<u8>,
    /// What counts, and how much.
    pub weights: Vec<Weight>,
    /// How new the proof must be that is asked for, seconds.
    pub within_s: u32,
    /// Means of which one must have been used for it (`amr`).
    pub amr: Vec<String>,
    /// Classes of which one must have been reached (`acr`).
    pub acr: Vec<String>,
    /// How long ago the caller may have been authenticated before that counts, seconds.
    pub old_s: u32,
    /// Countries that callers usually are in.
    pub countries: Vec<String>,
    /// Numbers of autonomous systems that speak against a request.
    pub networks: Vec<u32>,
    /// Addresses and networks that do.
    pub addresses: Vec<String>,
    /// When callers usually call.
    pub hours: Option<Hours>,
    /// The sign-in whose pages a browser is sent to.
    pub sign_in: Option<String>,
}

/// What is known of a request.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Who calls.
    pub identity: Option<&'a Identity>,
    /// What is known of the device.
    pub device: Option<&'a Standing>,
    /// Where the client is.
    pub place: Option<&'a Place>,
    /// The client's address.
    pub client: IpAddr,
    /// JA4 of its TLS.
    pub ja4: Option<&'a str>,
    /// Whether too many credentials that did not hold came from there lately.
    pub failing: bool,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
}

/// What speaks against a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    /// The sum.
    pub points: u8,
    /// What was added up.
    pub signals: Vec<Weight>,
}

impl Score {
    /// In words: `risk 45`, `new_device 25`, `foreign_country 20`.
    #[must_use]
    pub fn grounds(&self) -> Grounds {
        let sum: Arc<str> = format!("{NAME} {}", self.points).into();
        let parts = self.signals.iter().map(|one| one.to_string().into());
        std::iter::once(sum).chain(parts).collect()
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Decision {
    /// What the room says.
    pub verdict: Verdict,
    /// What it says that by.
    pub score: Score,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Risk {
    step_up_at: Option<u8>,
    deny_at: Option<u8>,
    weights: Box<[Weight]>,
    proof: Rule,
    old_s: u32,
    countries: Box<[Country]>,
    networks: Box<[u32]>,
    addresses: Ranges,
    hours: Option<Hours>,
    sign_in: Option<String>,
}

impl Risk {
    /// Compiles the config.
    ///
    /// # Errors
    /// Where a sum asks for nothing, a signal has nothing to be told by, or a list has what is none of its kind.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let malformed =
            |path: &str, message: &str| ConfigError::new("risk-malformed", path, message);
        let fits = |sum: Option<u8>| sum.is_none_or(|sum| (1..=MOST).contains(&sum));
        if !fits(config.step_up_at) || !fits(config.deny_at) {
            return Err(malformed("", "a sum is from 1 to 100"));
        }
        if let (Some(step_up), Some(deny)) = (config.step_up_at, config.deny_at) {
            if step_up >= deny {
                let message = "what is refused is never asked for a proof: `deny_at` is above it";
                return Err(malformed("/step_up_at", message));
            }
        }
        if let Some(place) = config.lacks() {
            let message = "this signal has nothing that it could be told by";
            return Err(malformed(&format!("/weights/{place}"), message));
        }
        if let Some(hours) = &config.hours {
            hours
                .check()
                .map_err(|message| malformed("/hours", message))?;
        }
        let mut countries = Vec::with_capacity(config.countries.len());
        for (index, text) in config.countries.iter().enumerate() {
            countries.push(Country::read(text).ok_or_else(|| {
                let message = format!("`{text}` is not a country's code of two letters");
                ConfigError::new("not-a-country", format!("/countries/{index}"), message)
            })?);
        }
        countries.sort_unstable();
        let mut networks = config.networks.clone();
        networks.sort_unstable();
        let wanted = Wanted {
            within_s: Some(config.within_s),
            amr: config.amr.clone(),
            acr: config.acr.clone(),
            ..Wanted::default()
        };
        Ok(Self {
            step_up_at: config.step_up_at,
            deny_at: config.deny_at,
            weights: config.weights.clone().into(),
            proof: Rule::new(wanted).map_err(|message| malformed("/amr", message))?,
            old_s: config.old_s,
            countries: countries.into(),
            networks: networks.into(),
            addresses: Ranges::new(&config.addresses).map_err(|(index, message)| {
                ConfigError::new("not-a-network", format!("/addresses/{index}"), message)
            })?,
            hours: config.hours.clone(),
            sign_in: config.sign_in.clone(),
        })
    }

    /// Whether a signal counts.
    #[must_use]
    pub fn has(&self, signal: Signal) -> bool {
        has(self.weights.iter(), signal)
    }

    /// Whether it wants to know where clients are.
    #[must_use]
    pub fn wants_place(&self) -> bool {
        self.has(Signal::ForeignCountry) || self.has(Signal::ListedNetwork)
    }

    /// Whether it may ask for a proof.
    #[must_use]
    pub const fn asks(&self) -> bool {
        self.step_up_at.is_some()
    }

    /// Judges a request by what is known of it.
    #[must_use]
    pub fn decide(&self, view: &RequestView<'_>, around: &Around<'_>) -> Decision {
        let score = self.score(around);
        let reached = |at: Option<u8>| at.is_some_and(|at| score.points >= at);
        let denial = if reached(self.deny_at) {
            Some(Denial::new(&TOO_HIGH))
        } else if reached(self.step_up_at) {
            self.ask(view, around)
        } else {
            None
        };
        let verdict = denial.map_or_else(Verdict::allow, |denial| {
            Verdict::Deny(denial.grounds(&score.grounds()))
        });
        Decision { verdict, score }
    }

    /// What speaks against a request, and how much.
    #[must_use]
    pub fn score(&self, around: &Around<'_>) -> Score {
        let against = |one: &&Weight| self.speaks(one.signal, around);
        let signals: Vec<Weight> = self.weights.iter().filter(against).copied().collect();
        let sum = signals
            .iter()
            .fold(0_u8, |sum, one| sum.saturating_add(one.points));
        Score {
            points: sum.min(MOST),
            signals,
        }
    }

    fn ask(&self, view: &RequestView<'_>, around: &Around<'_>) -> Option<Denial> {
        let none = Map::new();
        let claims = around.identity.and_then(|who| who.claims.as_deref());
        let now_s = around.now_ms / 1_000;
        self.proof.lacks(claims.unwrap_or(&none), now_s)?;
        let sign_in = self.sign_in.as_deref();
        let challenge = self.proof.challenge();
        Some(challenge.ask(WHY, view, around.identity, sign_in, None))
    }

    /// Whether a signal speaks against the request. What cannot be told does.
    fn speaks(&self, signal: Signal, around: &Around<'_>) -> bool {
        let device = |what: fn(&Standing) -> bool| around.device.is_none_or(what);
        let claims = around.identity.and_then(|who| who.claims.as_deref());
        match signal {
            Signal::NewDevice => device(|device| device.new),
            Signal::ChangedDevice => device(|device| device.changed),
            Signal::UnapprovedDevice => device(|device| !device.approved),
            Signal::ImpossibleTravel => device(|device| device.travel),
            Signal::UnboundCredential => !around.identity.is_some_and(is_bound),
            Signal::ForeignCountry => {
                let place = around.place.filter(|place| !place.countries_unread);
                let country = place.and_then(|place| place.country);
                country.is_none_or(|country| self.countries.binary_search(&country).is_err())
            }
            Signal::ListedNetwork => {
                let place = around.place.filter(|place| !place.networks_unread);
                let network = place.and_then(|place| place.network);
                network.is_none_or(|number| self.networks.binary_search(&number).is_ok())
            }
            Signal::ListedAddress => self.addresses.contains(around.client),
            Signal::OutsideHours => self
                .hours
                .as_ref()
                .is_some_and(|hours| !hours.has(around.now_ms)),
            Signal::FailedTries => around.failing,
            Signal::WeakProof => claims.is_none_or(|claims| !self.proof.is_by(claims)),
            Signal::OldProof => {
                let at = claims.and_then(|claims| proved_at(claims, &[], &[]));
                let now_s = around.now_ms / 1_000;
                // A clock that is ahead would never get old.
                let was = |at: u64| at <= now_s.saturating_add(AHEAD_S);
                at.is_none_or(|at| !was(at) || now_s > at.saturating_add(self.old_s.into()))
            }
            Signal::OldTls => !around.ja4.is_some_and(is_new_tls),
        }
    }
}

impl Config {
    /// The place of the first weight whose signal has nothing to be told by, or that is there twice.
    fn lacks(&self) -> Option<usize> {
        self.weights.iter().enumerate().position(|(place, one)| {
            let earlier = self.weights.iter().take(place);
            let nothing = match one.signal {
                Signal::ForeignCountry => self.countries.is_empty(),
                Signal::ListedNetwork => self.networks.is_empty(),
                Signal::ListedAddress => self.addresses.is_empty(),
                Signal::OutsideHours => self.hours.is_none(),
                _ => false,
            };
            nothing || !(1..=MOST).contains(&one.points) || has(earlier, one.signal)
        })
    }
}

fn has<'w>(mut weights: impl Iterator<Item = &'w Weight>, signal: Signal) -> bool {
    weights.any(|one| one.signal == signal)
}

/// Whether whoever copies what was sent could not use it: it is bound to a key, a certificate, a browser, or to the
/// request itself.
fn is_bound(identity: &Identity) -> bool {
    let by_signature = [signature::NAME, webhook::NAME].contains(&identity.proved_by);
    by_signature || Told::by(identity).is_some()
}

/// Whether a client speaks TLS 1.3 or newer, as JA4 tells it: `t13d…` over TCP, `q13d…` over QUIC.
fn is_new_tls(ja4: &str) -> bool {
    ja4.get(1..3)
        .and_then(|version| version.parse::<u8>().ok())
        .is_some_and(|version| version >= 13)
}

#[cfg(test)]
mod tests;
