//! `limits`: how much may come, from whom.
//!
//! # Description
//! A limit counts requests by address, client, program, claim, header, route,
//! operation, API, or a combination of these, and refuses what is too much.
//! Several limits are taken all together or not at all. What counts by address
//! alone stands before authentication, the rest behind it; so there are two
//! places in the order for this room. Too many credentials that were refused
//! bring a penalty, which stands before authentication too.
//!
//! A limit decides by counters that it does not hold: it asks for them with
//! [`Need::Take`], and is answered from the process's store at once.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`RATE_LIMITED`], [`PENALTY`].
//!
//! # Example
//! ```yaml
//! limits:
//!   - {name: per-client, by: client, allow: 100/s, burst: 200}
//! ```

use std::net::IpAddr;

use http::header::HeaderValue;

use crate::{
    Answers, ConfigError, Denial, Edits, Identity, Need, PolicyError, RequestView, Span, Verdict,
};

mod config;
mod counters;
mod gcra;
mod key;
mod limit;
mod penalty;
mod told;

pub use config::{By, Config, Count, PenaltyConfig, Tell};
pub use counters::{Charge, Record, Strike, Take};
pub use gcra::{Quota, SECOND_NS};
pub use key::{CounterKey, Seed, Sip};
pub use penalty::Penalty;
pub(crate) use told::{retry_after, waiting};

use limit::Limit;

/// The room's name everywhere.
pub const NAME: &str = "limits";

/// Limits that are taken together. Each costs a look-up for each request; four
/// are many, and nobody who was asked had more than ten.
pub const MAX_TOGETHER: usize = 16;

lockgate_wire::reasons! { "limits", Client:
    RATE_LIMITED = "rate-limited", 429,
        "There were more requests than a limit allows.",
        "Wait as long as `Retry-After` says, then go on more slowly; `RateLimit` and `RateLimit-Policy` tell what is left and allowed. The operator finds the limit at the file and line that `lockgate explain` names.";
    PENALTY = "too-many-failures", 429,
        "Too many wrong credentials came from this address.",
        "Wait as long as `Retry-After` says, and send a credential that holds: each further time the wait is twice as long. The operator finds the limit at the file and line that `lockgate explain` names, and can exempt networks that many people share.";
}

/// What a limit may look at.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request.
    pub view: &'a RequestView<'a>,
    /// The route's pattern.
    pub route: &'a str,
    /// The client's address.
    pub address: IpAddr,
    /// Whether that is a trusted proxy's own, which told of no client.
    pub proxy: bool,
    /// Who calls, where that is known.
    pub identity: Option<&'a Identity>,
    /// Whether the verdict is only written down: then other counters are taken.
    pub shadow: bool,
    /// The time, milliseconds since the epoch.
    pub now_ms: u64,
}

impl Asked<'_> {
    const fn now_ns(&self) -> u64 {
        self.now_ms.saturating_mul(1_000_000)
    }
}

/// The compiled policy: limits that stand in the same place and are enforced,
/// observed or off together.
#[derive(Debug, Clone)]
pub struct Limits {
    limits: Vec<Limit>,
    /// `RateLimit-Policy` of all that tell always.
    policies: Option<HeaderValue>,
    early: bool,
}

impl Limits {
    /// Compiles limits; each comes with its place in the configuration.
    ///
    /// # Errors
    /// What is wrong, with the number of the limit.
    pub fn new(configs: &[(&Config, Span)], seed: Seed) -> Result<Self, (usize, ConfigError)> {
        let limits = configs
            .iter()
            .enumerate()
            .map(|(place, (config, span))| {
                Limit::new(config, *span, seed).map_err(|error| (place, error))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if limits.len() > MAX_TOGETHER {
            let message = format!("an API has at most {MAX_TOGETHER} limits in one place");
            let error = ConfigError::new("too-many-limits", "", message);
            return Err((MAX_TOGETHER, error));
        }
        let always = limits.iter().filter(|limit| limit.tell == Tell::Always);
        Ok(Self {
            policies: told::policies(always),
            early: configs.iter().all(|(config, _)| config.is_early()),
            limits,
        })
    }

    /// Their names, in the configuration's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.limits.iter().map(|limit| &*limit.name)
    }

    /// Whether they stand before authentication.
    #[must_use]
    pub const fn is_early(&self) -> bool {
        self.early
    }

    /// Whether one of them looks at what is not written down of a request.
    #[must_use]
    pub fn needs_headers_or_claims(&self) -> bool {
        self.limits.iter().any(Limit::needs_headers_or_claims)
    }

    /// Asks for the counters, and judges by them. `taken` is what earlier
    /// limits took for the same request: it goes back if one of these refuses.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        asked: &Asked<'_>,
        taken: &[Charge],
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        match answers {
            Answers::None => Ok(self.want(asked, taken)),
            Answers::Taken(take) => Ok(self.judge(asked, take)),
            _ => Err(PolicyError::new(
                NAME,
                "it asked for counters, and was told something else",
            )),
        }
    }

    fn want(&self, asked: &Asked<'_>, taken: &[Charge]) -> Verdict {
        let mut charges = Vec::new();
        for (place, limit) in self.limits.iter().enumerate() {
            if limit.is_for(asked) {
                if charges.is_empty() {
                    charges.reserve_exact(self.limits.len() - place);
                }
                charges.push(limit.charge(place, asked));
            }
        }
        if charges.is_empty() {
            return Verdict::allow();
        }
        let back = if asked.shadow {
            Vec::new()
        } else {
            taken.to_vec()
        };
        Verdict::Need(Need::Take(Take {
            charges,
            back,
            refused: None,
        }))
    }

    fn judge(&self, asked: &Asked<'_>, take: &Take) -> Verdict {
        if let Some((place, wait_ns)) = take.refused {
            return self.refuse(asked, take, place, wait_ns);
        }
        if asked.shadow {
            return Verdict::allow();
        }
        let all = take.charges.len() == self.limits.len();
        let policies = self.policies.as_ref().filter(|_| all);
        let mut edits = Edits::none();
        told::always(&mut edits, &self.limits, take, policies, asked.now_ns());
        Verdict::Allow(edits)
    }

    fn refuse(&self, asked: &Asked<'_>, take: &Take, place: usize, wait_ns: u64) -> Verdict {
        let charge = take.charges.get(place);
        let limit = charge.and_then(|charge| self.limits.get(charge.limit));
        let (Some(charge), Some(limit)) = (charge, limit) else {
            return Verdict::Deny(Denial::new(&RATE_LIMITED));
        };
        let retry_s = told::retry_after(charge.key, wait_ns, asked.now_ns());
        let mut denial = Denial::new(&RATE_LIMITED).span(limit.span);
        if limit.tell != Tell::Never {
            denial = denial.detail(limit.said.clone());
        }
        told::refusal(&mut denial, &self.limits, take, retry_s, asked.now_ns());
        Verdict::Deny(denial)
    }
}

#[cfg(test)]
mod tests;
