//! `apps`: what a program of others was given, and how far it is trusted.
//!
//! # Description
//! Programs that people use an API through are registered: who answers for
//! each, what it was given, in which tier it is. A program does no more than
//! it was given, whatever its token says: scopes beyond that are withheld
//! before anything asks for them. A tier bounds all of its programs: how many
//! requests, which methods, no bulk reads, scopes that it never has. A program
//! that was stopped does nothing, from the moment that gates hear of it.
//!
//! # Config
//! See [`Config`], and [`Registry`] for the whole document's.
//!
//! # Reasons
//! [`UNKNOWN`], [`STOPPED`], [`EXPIRED`], [`NOT_FOR_API`], [`NOT_FOR_OPERATION`],
//! [`TIER_METHOD`], [`TIER_BULK`], [`TIER_RATE`];
//! [`FACTS_STALE`](crate::api_key::FACTS_STALE).
//!
//! # Example
//! ```yaml
//! apps:
//!   crm-sync: {owner: sales@example.com, tier: unreviewed, scopes: [orders:read], apis: [orders]}
//! apis:
//!   orders:
//!     authorize:
//!       scopes: from_openapi
//!       apps: {bulk: [exportOrders]}
//! ```

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{retry_after, waiting, Seed, Take};
use crate::only::{Meant, Only};
use crate::{
    scopes, Answers, ConfigError, Denial, Grounds, Identity, Need, PolicyError, RequestView, Spend,
    Verdict,
};

mod book;
mod known;
mod reasons;
mod tier;

pub use book::{App, Book, Client, Operations, Registry};
pub use known::{Apps, Record};
pub use reasons::*;
pub use tier::{matches, Bound, Rate, Tier, Tiers};

/// The room's name everywhere.
pub const NAME: &str = "apps";

/// Most scopes that are named as withheld.
const TOLD: usize = 4;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AppsConfig")]
pub struct Config {
    /// Whether programs that nobody has registered are refused.
    pub registered: bool,
    /// What reads much at once.
    pub bulk: Vec<Only>,
}

/// The compiled policy.
#[derive(Debug)]
pub struct AppsPolicy {
    registered: bool,
    bulk: Box<[Meant]>,
    book: Arc<Book>,
    seed: Seed,
}

impl AppsPolicy {
    /// Compiles the config. `pepper` is the installation's secret.
    ///
    /// # Errors
    /// A part of an API that is none.
    pub fn new(
        config: &Config,
        book: &Arc<Book>,
        pepper: &aws_lc_rs::hmac::Key,
    ) -> Result<Self, ConfigError> {
        let bulk = config.bulk.iter().enumerate().map(|(place, only)| {
            Meant::new(only).map_err(|error| ConfigError {
                pointer: format!("/bulk/{place}{}", error.pointer),
                ..error
            })
        });
        Ok(Self {
            registered: config.registered,
            bulk: bulk.collect::<Result<_, _>>()?,
            book: Arc::clone(book),
            seed: Seed::of(pepper),
        })
    }

    /// Judges through which program the request comes.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        identity: Option<&Identity>,
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Verdict, PolicyError> {
        let Some((identity, app)) = identity.and_then(|who| Some((who, who.app.as_deref()?)))
        else {
            return Ok(Verdict::allow());
        };
        Ok(match answers {
            Answers::None => Verdict::Need(Need::Apps),
            Answers::Apps(apps) => match self.book.record(identity, app, apps) {
                Some((record, stopped)) => self.judge(view, identity, (&record, stopped), now_ms),
                None if self.registered => Verdict::Deny(Denial::new(&UNKNOWN)),
                None => Verdict::allow(),
            },
            Answers::Spent(spend) => self.spent(spend, now_ms),
            Answers::Stale => Verdict::Deny(Denial::new(&crate::api_key::FACTS_STALE)),
            _ => {
                let cause = "it asked for programs, and was told something else";
                return Err(PolicyError::new(NAME, cause));
            }
        })
    }

    /// Judges a past request through a program that the configuration names, which had need of some scopes;
    /// `None` where it does not name it. How many there were is not counted.
    #[must_use]
    pub fn past(
        &self,
        view: &RequestView<'_>,
        app: &str,
        used: &[&str],
        now_ms: u64,
    ) -> Option<Verdict> {
        let record = self.book.named(app)?;
        if let Some(denial) = self.shut(view, record, false, now_ms) {
            return Some(Verdict::Deny(denial));
        }
        let tier = self.book.tier(record.tier);
        let lacks = used.iter().find(|scope| !record.has(scope, tier));
        Some(lacks.map_or_else(Verdict::allow, |scope| {
            let denial = Denial::new(&scopes::MISSING).grounds(&record.grounds);
            Verdict::Deny(denial.detail(format!("the program was not given the scope `{scope}`")))
        }))
    }

    fn judge(
        &self,
        view: &RequestView<'_>,
        identity: &Identity,
        (record, stopped): (&Record, bool),
        now_ms: u64,
    ) -> Verdict {
        if let Some(denial) = self.shut(view, record, stopped, now_ms) {
            return Verdict::Deny(denial);
        }
        let tier = self.book.tier(record.tier);
        let identity = Identity {
            app: Some(Arc::clone(&record.id)),
            ..identity.clone()
        };
        let (identity, withheld) = record.narrowed(identity, tier);
        match tier.rate {
            Some(quota) => {
                // One counter, whoever uses it and at whichever API.
                let take = Take::one(self.seed, (NAME, &record.id), quota);
                let grounds = Some(grounds(record, &withheld));
                Verdict::Need(Need::Spend(Box::new(Spend {
                    identity,
                    take,
                    grounds,
                })))
            }
            None => Verdict::Narrowed(identity, grounds(record, &withheld)),
        }
    }

    /// Why a program may not do this, if it may not.
    fn shut(
        &self,
        view: &RequestView<'_>,
        record: &Record,
        stopped: bool,
        now_ms: u64,
    ) -> Option<Denial> {
        let tier = self.book.tier(record.tier);
        let ended = record.until_ms != 0 && record.until_ms <= now_ms;
        let shut = [
            (stopped, &STOPPED),
            (ended, &EXPIRED),
            (!record.opens_api(view.api), &NOT_FOR_API),
            (!record.opens(view), &NOT_FOR_OPERATION),
            (!tier.takes(view.method), &TIER_METHOD),
            (!tier.bulk && self.is_bulk(view), &TIER_BULK),
        ];
        let (_, reason) = shut.into_iter().find(|(holds, _)| *holds)?;
        Some(Denial::new(reason).grounds(&record.grounds))
    }

    fn spent(&self, spend: &Spend, now_ms: u64) -> Verdict {
        let identity = spend.identity.clone();
        let (Some((_, wait_ns)), Some(charge)) = (spend.take.refused, spend.take.charges.first())
        else {
            let grounds = spend.grounds.clone().unwrap_or_default();
            return Verdict::Narrowed(identity, grounds);
        };
        let now_ns = now_ms.saturating_mul(1_000_000);
        let retry_s = retry_after(charge.key, wait_ns, now_ns);
        let mut denial = Denial::new(&TIER_RATE);
        if let Some(grounds) = &spend.grounds {
            denial = denial.grounds(grounds);
        }
        Verdict::Deny(waiting(denial, retry_s))
    }

    /// Whether the request, whatever it might be taken for, reads much at once.
    fn is_bulk(&self, view: &RequestView<'_>) -> bool {
        self.bulk.iter().any(|meant| meant.hold(view))
    }
}

/// Which program it is, and what it has not of what its credential says.
fn grounds(record: &Record, withheld: &[Box<str>]) -> Grounds {
    if withheld.is_empty() {
        return Grounds::clone(&record.grounds);
    }
    let withheld = withheld.iter().take(TOLD);
    let withheld = withheld.map(|scope| Arc::from(format!("withheld {scope}")));
    record.grounds.iter().cloned().chain(withheld).collect()
}

#[cfg(test)]
mod tests;
