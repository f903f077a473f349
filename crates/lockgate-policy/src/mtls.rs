//! `mtls`: the certificate that a client shows in its handshake proves who calls.
//!
//! # Description
//! Whether a certificate is to be trusted is decided by TLS, when it is shown
//! and again with each request: by the authorities and revocation lists of the
//! listener or the host. What is left is whether it opens this API, and by
//! which of its names the caller is known. A name is the authority's word: each
//! authority that is trusted there can give any name.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`MISSING`], [`EXPIRED`], [`UNKNOWN`].
//!
//! # Example
//! ```yaml
//! authenticate:
//!   - mtls: {allow: [{dns: "*.partners.example.com"}]}
//! ```

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, Denial, Identity, Verdict};

mod certificate;
mod name;
mod reasons;
mod spiffe;
mod wanted;

pub use certificate::{ClientCertificate, CLAIMS};
pub use name::attributes;
pub use reasons::*;
pub use wanted::{KnownBy, Like, Wanted};

use wanted::Rule;

/// The room's name everywhere.
pub const NAME: &str = "mtls";

/// Entries of `allow`: who has more callers than that gives them names that one pattern takes.
pub const MAX_ALLOW: usize = 1_000;

/// No scheme is registered for it, and a 401 wants one (RFC 9110 section 11.6.1).
const CHALLENGE: HeaderValue = HeaderValue::from_static("ClientCertificate");

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The certificates that open the API: any one of these; none for all that TLS trusts.
    pub allow: Vec<Wanted>,
    /// By which of its names the caller is known.
    pub known_by: KnownBy,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Mtls {
    allow: Box<[Rule]>,
    known_by: KnownBy,
}

impl Mtls {
    /// Compiles the config.
    ///
    /// # Errors
    /// Where an entry of `allow` cannot be used.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        if config.allow.len() > MAX_ALLOW {
            let told = format!(
                "`allow` has {} entries; at most {MAX_ALLOW} are taken",
                config.allow.len()
            );
            return Err(ConfigError::new("list-too-long", "/allow", told));
        }
        let rules = config.allow.iter().enumerate().map(|(number, wanted)| {
            Rule::new(wanted).map_err(|error| ConfigError {
                pointer: format!("/allow/{number}{}", error.pointer),
                ..error
            })
        });
        Ok(Self {
            allow: rules.collect::<Result<_, _>>()?,
            known_by: config.known_by,
        })
    }

    /// Judges the certificate that came with the connection.
    #[must_use]
    pub fn decide(&self, certificate: Option<&ClientCertificate>, now_ms: u64) -> Verdict {
        let Some(certificate) = certificate else {
            return Verdict::Deny(challenged(Denial::new(&MISSING)).absent());
        };
        let named = self.known_by.name(certificate);
        // Of one that opens nothing it is written down by what it could have been known.
        let known = named.clone().or_else(|| KnownBy::Any.name(certificate));
        let refused = |denial: Denial| {
            Verdict::Deny(match known {
                Some(name) => denial.known(identity(name, certificate)),
                None => denial,
            })
        };
        if !certificate.holds(now_ms) {
            return refused(challenged(Denial::new(&EXPIRED)));
        }
        if !self.allow.is_empty() && !self.allow.iter().any(|rule| rule.takes(certificate)) {
            return refused(
                Denial::new(&UNKNOWN).detail("it is none of those that the API allows"),
            );
        }
        match named {
            Some(name) => Verdict::Identify(identity(name, certificate)),
            None => {
                let told = format!("it has no {} to be known by", self.known_by.word());
                refused(Denial::new(&UNKNOWN).detail(told))
            }
        }
    }
}

fn identity((kind, name): (&str, String), certificate: &ClientCertificate) -> Identity {
    Identity {
        proved_by: NAME,
        // With its kind, so that a name of one kind is nobody else's of another.
        credential: format!("{kind}:{name}").into(),
        owner: name.into(),
        app: None,
        claims: Some(certificate.claims()),
    }
}

fn challenged(denial: Denial) -> Denial {
    denial.header(WWW_AUTHENTICATE, CHALLENGE)
}

#[cfg(test)]
mod tests;
