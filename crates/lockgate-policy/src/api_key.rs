//! `api_key`: a key that Lockgate made proves who calls.
//!
//! # Description
//! A key is `lg_<environment>_<32 characters><6 characters of checksum>`, in
//! base 62. Its checksum is verified before anything is looked up, so that a
//! mistyped or invented key costs next to nothing. Only its HMAC-SHA256 under
//! the installation's pepper is kept anywhere. The header is taken off before
//! the request goes on.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`MISSING`], [`REPEATED`], [`MALFORMED`], [`UNKNOWN`], [`REVOKED`],
//! [`EXPIRED`], [`NOT_FOR_API`], [`FACTS_STALE`].
//!
//! # Example
//! ```yaml
//! authenticate:
//!   - api_key: {header: X-API-Key}
//! ```

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use http::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use lockgate_wire::headers::reserved;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Answers, ConfigError, Denial, Digest, Edit, Identity, KeyRecord, Need, PolicyError, ReasonRef,
    RequestView, Verdict,
};

mod format;
mod reasons;

pub use format::{checked, mint, Malformed, KEY_BYTES};
pub use reasons::*;

/// The room's name everywhere.
pub const NAME: &str = "api_key";

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The header that carries the key.
    pub header: String,
}

/// The compiled policy.
#[derive(Clone)]
pub struct ApiKey {
    header: HeaderName,
    challenge: HeaderValue,
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
            pepper,
        })
    }

    /// The header that carries the key, to be taken off before forwarding.
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Judges the key: the first time by its form, then by its record.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Verdict, PolicyError> {
        match answers {
            Answers::None => Ok(self.read(view)),
            Answers::Key(asked, record) => Ok(self.judge(view, *asked, record.as_deref(), now_ms)),
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
        match checked(value.as_bytes()) {
            Ok(key) => Verdict::Need(Need::Key(digest(&self.pepper, key))),
            Err(Malformed) => self.refuse(&MALFORMED),
        }
    }

    fn judge(
        &self,
        view: &RequestView<'_>,
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
        self.admit(view, record, now_ms)
    }

    /// Judges what is known of a key whose secret was seen to be right: now, or
    /// when a past request was served.
    #[must_use]
    pub fn admit(&self, view: &RequestView<'_>, record: &KeyRecord, now_ms: u64) -> Verdict {
        let identity = Identity {
            proved_by: NAME,
            credential: Arc::clone(&record.id),
            owner: Arc::clone(&record.grant.owner),
            app: None,
            claims: None,
        };
        if record.revoked {
            return Verdict::Deny(self.denial(&REVOKED).known(identity));
        }
        if record.expires_ms != 0 && record.expires_ms <= now_ms {
            return Verdict::Deny(self.denial(&EXPIRED).known(identity));
        }
        let opens = record
            .grant
            .apis
            .as_ref()
            .is_none_or(|apis| apis.iter().any(|api| &**api == view.api));
        if !opens {
            return Verdict::Deny(Denial::new(&NOT_FOR_API).known(identity));
        }
        Verdict::Identify(identity)
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

/// Makes the HMAC key from the installation's pepper.
#[must_use]
pub fn pepper(bytes: &[u8]) -> Arc<hmac::Key> {
    Arc::new(hmac::Key::new(hmac::HMAC_SHA256, bytes))
}

#[cfg(test)]
mod tests;
