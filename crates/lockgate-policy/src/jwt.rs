//! `jwt`: a signed token of an identity provider proves who calls.
//!
//! # Description
//! The token is read from one place, taken apart under named limits, held
//! against its issuer's rules, and its signature verified with a key that the
//! issuer itself published. The algorithm must be one that the issuer's rules
//! name and that this very key is for; nothing in the token can bring a key
//! along (RFC 8725). A token that was verified once is remembered, by its
//! SHA-256, until it expires or the issuer's keys change.
//!
//! # Config
//! See [`Config`] and [`Rules`].
//!
//! # Reasons
//! See [`REASONS`].
//!
//! # Example
//! ```yaml
//! issuers:
//!   company:
//!     issuer: https://login.example.com/realms/main
//!     audience: https://api.example.com
//! apis:
//!   orders:
//!     authenticate:
//!       - jwt: {issuer: company}
//! ```

use std::sync::Arc;

use aws_lc_rs::digest::{digest, SHA256};
use aws_lc_rs::hmac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Answers, ConfigError, Denial, Edit, Identity, IssuerFacts, Need, PolicyError, RequestView,
    Verdict,
};

mod algorithm;
mod bound;
pub(crate) mod cache;
pub(crate) mod claims;
mod issuer;
pub(crate) mod jwk;
pub(crate) mod keys;
pub(crate) mod place;
mod possession;
mod proof;
mod reasons;
pub(crate) mod refusal;
mod revoked;
pub mod strict;
pub mod token;

pub use algorithm::Algorithm;
pub use bound::{Binding, Shown};
pub(crate) use cache::weight;
pub use cache::{CacheCounts, Memo, Remembered, TokenCache};
pub use issuer::{Issuer, KeySource, Rules};
pub use jwk::{read_key_set, Published, Unusable, KEYS};
pub use keys::{KeySet, Verifier};
pub use place::Place;
pub(crate) use possession::{used, Possession};
pub use proof::{Nonces, ProofMark, ProofRules, DPOP, DPOP_NONCE};
pub use reasons::*;
pub use revoked::{By, Meant, Revoked};

use refusal::refuse;
use token::{Parts, Token};

/// The room's name everywhere.
pub const NAME: &str = "jwt";

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the issuer whose tokens are taken.
    pub issuer: String,
    /// Where the token is read.
    pub place: Place,
    /// Leave the token on the request that goes to the upstream.
    pub forward: bool,
    /// Ways of which a token must be bound in one; empty: one that is not bound is taken, too.
    #[serde(default)]
    pub bound: Vec<Binding>,
    /// How proofs are judged.
    #[serde(default)]
    pub proof: ProofRules,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Jwt {
    issuer: Arc<Issuer>,
    place: place::Reader,
    forward: bool,
    possession: Possession,
    remembered: Arc<TokenCache>,
    /// Whether what is no token of this issuer's is another entry's of the list to judge.
    shared: bool,
}

impl Jwt {
    /// Compiles the config for its issuer. What it verifies it remembers in
    /// `remembered`: a pure function's results, kept. `pepper` is the installation's secret.
    ///
    /// # Errors
    /// If the place is none that a token can be read from.
    pub fn new(
        config: &Config,
        issuer: Arc<Issuer>,
        remembered: Arc<TokenCache>,
        pepper: &hmac::Key,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            issuer,
            place: place::Reader::new(&config.place)?,
            forward: config.forward,
            possession: Possession::new(&config.bound, config.proof, pepper),
            remembered,
            shared: false,
        })
    }

    /// Says that another entry of the list reads tokens in the same place, and has them asked about.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// The name of the issuer whose tokens are taken.
    #[must_use]
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer.name
    }

    /// The token's bytes, where there is one.
    #[must_use]
    pub fn shown<'h>(&self, headers: &'h http::HeaderMap) -> Option<&'h [u8]> {
        self.place.shown(headers)
    }

    /// What takes the token off the request, and its proof, unless it is to be passed on.
    pub fn edits(&self) -> impl Iterator<Item = Edit> {
        let edits = (!self.forward).then(|| [self.place.edit(), Edit::Remove(DPOP)]);
        edits.into_iter().flatten()
    }

    /// Judges the token: first that there is one, then by its issuer's keys,
    /// and once more after they were fetched anew for its sake.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        shown: &Shown<'_>,
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Verdict, PolicyError> {
        let (token, scheme) = match self.place.read(view.headers, self.possession.ways()) {
            Ok(read) => read,
            Err(denial) => return Ok(Verdict::Deny(denial)),
        };
        let said = match answers {
            Answers::None => return Ok(Verdict::Need(Need::Issuer(Arc::clone(&self.issuer.name)))),
            Answers::Issuer(facts) => self.with(token, facts, false, now_ms),
            Answers::Refetched(facts) => self.with(token, facts, true, now_ms),
            Answers::First(proved, first) => return Ok(used(proved, *first)),
            Answers::Stale => Err(Refused::Denied(self.stale())),
            Answers::Key(..)
            | Answers::Asked(..)
            | Answers::Brought(_)
            | Answers::Taken(_)
            | Answers::Spent(_)
            | Answers::Standing(_)
            | Answers::Failing(_)
            | Answers::Sighted(..)
            | Answers::Seated(..)
            | Answers::Plugin(_)
            | Answers::Decision(_)
            | Answers::Apps(_)
            | Answers::Content(..) => {
                return Err(PolicyError::new(
                    NAME,
                    "it asked about an issuer, and was told something else",
                ))
            }
        };
        Ok(match said {
            Ok(identity) => self.possession.judge(
                identity,
                (token, scheme, self.issuer.skew_ms),
                (view, shown),
                now_ms,
            ),
            Err(Refused::Denied(denial)) => Verdict::Deny(denial),
            Err(Refused::Wanting(kid)) => Verdict::Need(Need::Refetch {
                issuer: Arc::clone(&self.issuer.name),
                kid,
            }),
        })
    }

    fn with(
        &self,
        token: &[u8],
        facts: &IssuerFacts,
        asked: bool,
        now_ms: u64,
    ) -> Result<Identity, Refused> {
        let revoked = &facts.revoked;
        if let Some(own) = &self.issuer.own {
            return self.judge(token, (own, revoked), true, now_ms);
        }
        // Keys that were published for another issuer of this name open nothing.
        let set = facts.keys.as_ref();
        let set = set.filter(|set| self.issuer.publishes(set));
        let Some(set) = set else {
            return Err(if asked {
                Refused::Denied(Denial::new(&KEYS_MISSING))
            } else {
                // What is no token of this issuer's is refused without asking anybody.
                self.parsed(token, now_ms)
                    .err()
                    .map_or_else(|| Refused::Wanting(Box::default()), Refused::Denied)
            });
        };
        if set.confirmed_ms.saturating_add(self.issuer.stale_for_ms) <= now_ms {
            return Err(Refused::Denied(self.stale()));
        }
        self.judge(token, (set, revoked), asked, now_ms)
    }

    fn judge(
        &self,
        text: &[u8],
        (set, revoked): (&KeySet, &Revoked),
        asked: bool,
        now_ms: u64,
    ) -> Result<Identity, Refused> {
        // Read before what it is the number of: what is revoked meanwhile has another.
        let checked = revoked.generation();
        let memo = Memo {
            token: hash(text),
            rules: self.issuer.fingerprint,
            keys: set.generation,
        };
        if let Some(known) = self.remembered.find(&memo) {
            if known.until_ms <= now_ms {
                let expired = refuse(&EXPIRED, "it has expired");
                return Err(expired.known(known.value).into());
            }
            if known.checked == checked {
                return Ok(known.value);
            }
            let identity = self.unless_revoked(known.value, revoked, now_ms)?;
            self.remembered.checked(&memo, checked);
            return Ok(identity);
        }
        let token = self.read(text)?;
        if let Err(denial) = claims::check(&self.issuer.demands(), &token.claims, now_ms) {
            return Err(self.was_good(token, set, denial).into());
        }
        self.verify(&token, set, asked)?;
        let identity = claims::identity(NAME, &self.issuer.name, token.claims);
        // Behind the signature: what was revoked is nobody's business who has no token.
        let identity = self.unless_revoked(identity, revoked, now_ms)?;
        let until_ms = claims::until_ms(&self.issuer, identity.claims.as_deref());
        let known = Remembered {
            value: identity,
            until_ms,
            checked,
        };
        let weight = cache::weight(text.len());
        self.remembered.keep(memo, &known, weight, now_ms);
        Ok(known.value)
    }

    fn unless_revoked(
        &self,
        identity: Identity,
        revoked: &Revoked,
        now_ms: u64,
    ) -> Result<Identity, Denial> {
        self.issuer.unless_revoked(identity, revoked, now_ms)
    }

    /// Everything but the signature. It comes first because it is cheap: what is
    /// refused here costs no cryptography and asks no provider for keys.
    fn parsed<'t>(&self, text: &'t [u8], now_ms: u64) -> Result<Token<'t>, Denial> {
        let token = self.read(text)?;
        claims::check(&self.issuer.demands(), &token.claims, now_ms)?;
        Ok(token)
    }

    fn read<'t>(&self, text: &'t [u8]) -> Result<Token<'t>, Denial> {
        if text.len() > self.issuer.token_bytes {
            let most = self.issuer.token_bytes;
            let denial = refuse(&TOO_LARGE, format!("it is longer than {most} bytes"));
            return Err(self.gives_way(denial));
        }
        let token = Token::parse(text).map_err(|broken| {
            let denial = broken.denial();
            // One that says that it is ours is ours, however broken the rest of it is.
            match Parts::split(text) {
                Ok(parts) if claims::issued_by(&self.issuer, &parts.claims).is_ok() => denial,
                _ => self.gives_way(denial),
            }
        })?;
        // Before everything else: another issuer's token is for another entry of
        // the list to judge, by that issuer's rules.
        claims::issued_by(&self.issuer, &token.claims).map_err(|denial| self.gives_way(denial))?;
        self.issuer.admits(&token.header)?;
        Ok(token)
    }

    /// Where somebody else is asked about it, it was not for us to say what is wrong with it.
    fn gives_way(&self, denial: Denial) -> Denial {
        if self.shared {
            refusal::not_ours(denial)
        } else {
            denial
        }
    }

    /// A token that has had its time, and whose signature holds, was not guessed:
    /// everybody's client sends one when it is time for the next.
    fn was_good(&self, token: Token<'_>, set: &KeySet, denial: Denial) -> Denial {
        let over = [&EXPIRED, &TOO_OLD].contains(&denial.reason);
        if over && self.verify(&token, set, true).is_ok() {
            return denial.known(claims::identity(NAME, &self.issuer.name, token.claims));
        }
        denial
    }

    fn verify(&self, token: &Token<'_>, set: &KeySet, asked: bool) -> Result<(), Refused> {
        let kid = token.header.kid.as_deref();
        if set.is_empty() {
            return Err(Denial::new(&KEYS_MISSING).into());
        }
        let Some(keys) = set.candidates(kid) else {
            return Err(if asked {
                refusal::unknown_key(kid).into()
            } else {
                Refused::Wanting(kid.unwrap_or_default().into())
            });
        };
        let mut fit = keys
            .filter_map(|key| key.verifier(token.header.alg))
            .peekable();
        if fit.peek().is_none() {
            let detail = "the issuer has no key for this algorithm under this name";
            return Err(refuse(&ALGORITHM, detail).into());
        }
        // Without a `kid` any key of the set may be meant; few have more than two.
        if fit
            .take(keys::TRIES)
            .any(|key| key.verifies(token.signed, &token.signature))
        {
            Ok(())
        } else {
            Err(refuse(&SIGNATURE, "its signature does not hold").into())
        }
    }

    fn stale(&self) -> Denial {
        Denial::new(&KEYS_STALE)
    }
}

/// Why there is no identity, yet or at all.
enum Refused {
    /// The token is refused.
    Denied(Denial),
    /// A key of this name is wanted, which the issuer may have by now.
    Wanting(Box<str>),
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

pub(crate) fn hash(text: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text).as_ref());
    bytes
}

#[cfg(test)]
mod tests;
