//! `api_key`: a key that Lockgate made proves who calls.
//!
//! # Description
//! A key is `lg_<environment>_<32 characters><6 characters of checksum>`, in
//! base 62. Its checksum is verified before anything is looked up, so that a
//! mistyped or invented key costs next to nothing. Only its HMAC-SHA256 under
//! the installation's pepper is kept anywhere. The header is taken off before
//! the request goes on.
//!
//! A key outlives its secrets: while one is replaced, the one before still opens
//! for a time, and both are the same caller. A key may have rules of its own:
//! for which APIs and methods, and from which networks. Keys of another form can
//! be imported by their SHA-256, and are taken where the API says so.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`MISSING`], [`REPEATED`], [`MALFORMED`], [`UNKNOWN`], [`REVOKED`],
//! [`SUSPENDED`], [`EXPIRED`], [`REPLACED`], [`WRONG_ENVIRONMENT`],
//! [`NOT_FOR_API`], [`NOT_FROM_NETWORK`], [`NOT_FOR_METHOD`],
//! [`RATE_LIMITED`], [`FACTS_STALE`].
//!
//! # Example
//! ```yaml
//! authenticate:
//!   - api_key: {header: X-API-Key}
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest as hashing, hmac};
use http::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::Method;
use lockgate_wire::headers::reserved;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{retry_after, waiting, Seed, Take};
use crate::{
    Answers, ConfigError, Denial, Digest, Edit, Identity, Need, PolicyError, ReasonRef,
    RequestView, Spend, Verdict,
};

mod format;
mod known;
mod reasons;

pub use format::{checked, environment, foreign, mint, Malformed, FOREIGN_BYTES, KEY_BYTES};
pub use known::{Grant, KeyRecord, Terms, Used, CLAIMS};
pub use reasons::*;

/// The room's name everywhere.
pub const NAME: &str = "api_key";

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The header that carries the key.
    pub header: String,
    /// The environments whose keys are taken; empty means all.
    #[serde(default)]
    pub environments: Vec<String>,
    /// Whether keys of another form than ours are looked up, as imports by SHA-256 left them.
    #[serde(default)]
    pub imported: bool,
}

/// The compiled policy.
#[derive(Clone)]
pub struct ApiKey {
    header: HeaderName,
    challenge: HeaderValue,
    environments: Box<[Box<str>]>,
    imported: bool,
    seed: Seed,
    pepper: Arc<hmac::Key>,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl ApiKey {
    /// Compiles the config. `pepper` is the installation's secret.
    ///
    /// # Errors
    /// If `header` is not a header name, or one that the gate itself uses.
    pub fn new(config: &Config, pepper: Arc<hmac::Key>) -> Result<Self, ConfigError> {
        let wrong = |message: String| ConfigError::new("not-a-header", "/header", message);
        let header = HeaderName::try_from(config.header.as_str()).map_err(|_| {
            wrong(format!(
                "`{}` is not a header name such as X-API-Key",
                config.header
            ))
        })?;
        if reserved(header.as_str()).is_some() {
            let message = format!(
                "the gate itself writes `{header}` or takes it off, so it can carry no key; use X-API-Key"
            );
            return Err(ConfigError::new("header-reserved", "/header", message));
        }
        // RFC 9110 section 11.6.1 wants a challenge with each 401; the scheme
        // name is ours, since none is registered for keys in a header.
        let challenge = HeaderValue::try_from(format!("ApiKey header=\"{header}\""))
            .map_err(|_| wrong(format!("`{header}` cannot stand in WWW-Authenticate")))?;
        Ok(Self {
            header,
            challenge,
            environments: config
                .environments
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            imported: config.imported,
            seed: Seed::of(&pepper),
            pepper,
        })
    }

    /// The header that carries the key, to be taken off before forwarding.
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Judges the key: the first time by its form, then by its record. `client` is the caller's address.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        client: IpAddr,
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Verdict, PolicyError> {
        match answers {
            Answers::None => Ok(self.read(view)),
            Answers::Key(asked, record) => {
                let caller = (view, client);
                Ok(self.judge(caller, *asked, record.as_deref(), now_ms))
            }
            Answers::Spent(spend) => Ok(self.spent(spend, now_ms)),
            Answers::Stale => Ok(Verdict::Deny(Denial::new(&FACTS_STALE))),
            _ => Err(PolicyError::new(
                NAME,
                "it asked for a key, and was told something else",
            )),
        }
    }

    /// What takes the credential off the request.
    #[must_use]
    pub fn edits(&self) -> Edit {
        Edit::Remove(self.header.clone())
    }

    fn read(&self, view: &RequestView<'_>) -> Verdict {
        let mut values = view.headers.get_all(&self.header).iter();
        let Some(value) = values.next() else {
            return Verdict::Deny(self.denial(&MISSING).absent());
        };
        // Two keys would let the gate and a log judge different ones.
        if values.next().is_some() {
            return self.refuse(&REPEATED);
        }
        let key = value.as_bytes();
        match checked(key) {
            Ok(key) => Verdict::Need(Need::Key(digest(&self.pepper, key))),
            Err(Malformed) if self.imported && foreign(key) => {
                Verdict::Need(Need::Key(imported_digest(&self.pepper, &sha256(key))))
            }
            Err(Malformed) => self.refuse(&MALFORMED),
        }
    }

    fn judge(
        &self,
        (view, client): (&RequestView<'_>, IpAddr),
        asked: Digest,
        record: Option<&KeyRecord>,
        now_ms: u64,
    ) -> Verdict {
        // The look-up went by a part of the digest; the whole is compared in constant time.
        let Some(record) =
            record.filter(|record| verify_slices_are_equal(&record.digest.0, &asked.0).is_ok())
        else {
            return self.refuse(&UNKNOWN);
        };
        match (
            self.admit(view, client, record, now_ms),
            record.grant.terms.rate,
        ) {
            (Verdict::Identify(identity), Some(rate)) => {
                // One counter, whichever API it is used at.
                let take = Take::one(self.seed, (NAME, &record.id), rate);
                let grounds = None;
                Verdict::Need(Need::Spend(Box::new(Spend {
                    identity,
                    take,
                    grounds,
                })))
            }
            (verdict, _) => verdict,
        }
    }

    fn spent(&self, spend: &Spend, now_ms: u64) -> Verdict {
        let (Some((_, wait_ns)), Some(charge)) = (spend.take.refused, spend.take.charges.first())
        else {
            return Verdict::Identify(spend.identity.clone());
        };
        let now_ns = now_ms.saturating_mul(1_000_000);
        let retry_s = retry_after(charge.key, wait_ns, now_ns);
        let denial = Denial::new(&RATE_LIMITED).known(spend.identity.clone());
        Verdict::Deny(waiting(denial, retry_s))
    }

    /// Judges what is known of a key whose secret was seen to be right: now, or
    /// when a past request was served.
    #[must_use]
    pub fn admit(
        &self,
        view: &RequestView<'_>,
        client: IpAddr,
        record: &KeyRecord,
        now_ms: u64,
    ) -> Verdict {
        let terms = &record.grant.terms;
        let identity = Identity {
            proved_by: NAME,
            credential: Arc::clone(&record.id),
            owner: Arc::clone(&record.grant.owner),
            app: terms.app.clone(),
            claims: terms.claims.clone(),
        };
        let ended = |at_ms: u64| at_ms != 0 && at_ms <= now_ms;
        let shut = [
            (record.revoked, &REVOKED),
            (record.suspended, &SUSPENDED),
            (ended(record.expires_ms), &EXPIRED),
            (ended(record.replaced_ms), &REPLACED),
        ];
        if let Some((_, reason)) = shut.into_iter().find(|(holds, _)| *holds) {
            return Verdict::Deny(self.denial(reason).known(identity));
        }
        match self.closed(terms, view, client) {
            Some(denial) => Verdict::Deny(denial.known(identity)),
            None => Verdict::Identify(identity),
        }
    }

    /// Which of the rules of a key that opens something does not open this. Its holder has proved to be that, and
    /// is told the rule; not the networks, which are of use to a thief alone.
    fn closed(&self, terms: &Terms, view: &RequestView<'_>, client: IpAddr) -> Option<Denial> {
        let lists = |list: &[Box<str>], name: &str| list.iter().any(|each| **each == *name);
        if !self.environments.is_empty() && !lists(&self.environments, &terms.environment) {
            let said = format!("The key is one for `{}`.", terms.environment);
            return Some(Denial::new(&WRONG_ENVIRONMENT).detail(said));
        }
        if terms
            .apis
            .as_ref()
            .is_some_and(|apis| !lists(apis, view.api))
        {
            return Some(Denial::new(&NOT_FOR_API));
        }
        if let Some(networks) = &terms.networks {
            if !networks.contains(client) {
                let said = format!("The request comes from {}.", client.to_canonical());
                return Some(Denial::new(&NOT_FROM_NETWORK).detail(said));
            }
        }
        let methods = terms.methods.as_ref()?;
        // A HEAD shows no more than a GET does (RFC 9110 section 9.3.2).
        let head = *view.method == Method::HEAD && methods.contains(&Method::GET);
        if head || methods.contains(view.method) {
            return None;
        }
        let said = methods.iter().map(Method::as_str).collect::<Vec<_>>();
        let said = format!("The key is for {}.", said.join(", "));
        Some(Denial::new(&NOT_FOR_METHOD).detail(said))
    }

    fn refuse(&self, reason: ReasonRef) -> Verdict {
        Verdict::Deny(self.denial(reason))
    }

    fn denial(&self, reason: ReasonRef) -> Denial {
        Denial::new(reason).header(WWW_AUTHENTICATE, self.challenge.clone())
    }
}

/// The digest that stands for a key at rest and in facts.
#[must_use]
pub fn digest(pepper: &hmac::Key, key: &[u8]) -> Digest {
    let tag = hmac::sign(pepper, key);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    Digest(bytes)
}

/// The same of a key of another form, of which an import told no more than its SHA-256: that alone would find the
/// key of whoever guesses it, so that it is kept under the pepper as well.
#[must_use]
pub fn imported_digest(pepper: &hmac::Key, sha256: &[u8; 32]) -> Digest {
    let mut context = hmac::Context::with_key(pepper);
    // No key of ours begins so, and no digest of one can be that of another form.
    context.update(b"sha256:");
    context.update(sha256);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    Digest(bytes)
}

/// The SHA-256 of a key.
#[must_use]
pub fn sha256(key: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hashing::digest(&hashing::SHA256, key).as_ref());
    bytes
}

/// Makes the HMAC key from the installation's pepper.
#[must_use]
pub fn pepper(bytes: &[u8]) -> Arc<hmac::Key> {
    Arc::new(hmac::Key::new(hmac::HMAC_SHA256, bytes))
}

#[cfg(test)]
mod tests;
