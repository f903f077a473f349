//! An issuer: whose tokens are believed, and what is demanded of them.

use std::sync::Arc;

use aws_lc_rs::digest::{digest, SHA256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::claims::Demands;
use super::keys::KeySet;
use super::reasons::{ALGORITHM, REVOKED, TYPE};
use super::refusal::{quoted, refuse};
use super::revoked::Revoked;
use super::token::{media, Header};
use crate::{ConfigError, Denial, Identity};

/// What is demanded of an issuer's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// What the claim `iss` must be, letter by letter.
    pub issuer: String,
    /// What the claim `aud` must name one of.
    pub audiences: Vec<String>,
    /// How tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// What `typ` may be; without case, `application/` left out.
    pub types: Vec<String>,
    /// How far clocks may differ, milliseconds.
    pub skew_ms: u32,
    /// How long ago a token may have been issued, milliseconds.
    pub max_age_ms: Option<u64>,
    /// Claims that there must be, besides `exp` and `sub`.
    pub require: Vec<String>,
    /// Longest token, bytes.
    pub token_bytes: u32,
    /// How long keys are believed that could not be confirmed, milliseconds.
    pub stale_for_ms: u64,
    /// Where keys come from.
    pub keys: KeySource,
}

/// Where an issuer's keys come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeySource {
    /// The control process fetches them; this names from where, and facts say the same.
    Published(String),
    /// A shared secret, `env:NAME` or `file:/path`: resolved in the gate's memory.
    Secret(String),
}

/// An issuer, compiled.
#[derive(Debug)]
pub struct Issuer {
    /// Its name in the configuration.
    pub name: Arc<str>,
    pub(super) fingerprint: u64,
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    algorithms: Vec<Algorithm>,
    types: Vec<String>,
    pub(crate) skew_ms: u64,
    pub(super) max_age_ms: Option<u64>,
    pub(super) require: Vec<String>,
    pub(crate) token_bytes: usize,
    pub(crate) stale_for_ms: u64,
    source: Option<String>,
    /// Keys that are its own and never fetched: those of a shared secret.
    pub(crate) own: Option<Arc<KeySet>>,
}

impl Issuer {
    /// Compiles the rules. `secret` is what the secret resolves to, where there is one.
    ///
    /// # Errors
    /// If the rules contradict themselves, or would let anybody in.
    pub fn new(name: &str, rules: &Rules, secret: Option<&[u8]>) -> Result<Self, ConfigError> {
        let wrong =
            |pointer: &str, message: &str| Err(ConfigError::new("issuer-unsafe", pointer, message));
        if rules.algorithms.is_empty() {
            return wrong("/algorithms", "an issuer needs at least one algorithm");
        }
        if rules.audiences.is_empty() || rules.issuer.is_empty() {
            return wrong(
                "/audiences",
                "an issuer needs its `issuer` and an `audience`",
            );
        }
        if rules.types.is_empty() {
            return wrong("/types", "an issuer needs at least one type of token");
        }
        // RFC 8725 section 2.1: a public key must never be taken for a secret, so
        // one issuer is of one kind.
        let shared = matches!(rules.keys, KeySource::Secret(_));
        if rules.algorithms.iter().any(|alg| alg.symmetric() != shared) {
            return wrong(
                "/algorithms",
                "HS256, HS384 and HS512 go with a `secret`, and with nothing else",
            );
        }
        let source = match &rules.keys {
            KeySource::Published(source) => Some(source.clone()),
            KeySource::Secret(_) => None,
        };
        let own = shared.then(|| Arc::new(KeySet::shared(&rules.algorithms, secret)));
        Ok(Self {
            name: name.into(),
            fingerprint: fingerprint(name, rules, own.as_deref()),
            issuer: rules.issuer.clone(),
            audiences: rules.audiences.clone(),
            algorithms: rules.algorithms.clone(),
            types: rules.types.clone(),
            skew_ms: rules.skew_ms.into(),
            max_age_ms: rules.max_age_ms,
            require: rules.require.clone(),
            token_bytes: rules.token_bytes as usize,
            stale_for_ms: rules.stale_for_ms,
            source,
            own,
        })
    }

    /// Whether its shared secret is missing, or shorter than one of its algorithms demands:
    /// tokens that want it are answered as if there were no keys.
    #[must_use]
    pub fn lacks_secret(&self) -> bool {
        let count = self.own.as_ref().map(|own| own.shared_count());
        count.is_some_and(|count| count < self.algorithms.len())
    }

    /// What is demanded of the claims of a token of its.
    pub(crate) fn demands(&self) -> Demands<'_> {
        Demands {
            audiences: &self.audiences,
            skew_ms: self.skew_ms,
            max_age_ms: self.max_age_ms,
            require: &self.require,
            complete: true,
        }
    }

    /// Who calls, unless the token of these claims was revoked.
    pub(crate) fn unless_revoked(
        &self,
        identity: Identity,
        revoked: &Revoked,
        now_ms: u64,
    ) -> Result<Identity, Denial> {
        let claims = identity.claims.as_deref();
        match claims.and_then(|claims| revoked.refuses(&self.issuer, claims, now_ms)) {
            Some(why) => Err(refuse(&REVOKED, why).known(identity)),
            None => Ok(identity),
        }
    }

    /// Whether a key set is this issuer's, and not that of another which had the name before.
    pub(crate) fn publishes(&self, set: &KeySet) -> bool {
        self.source.as_deref() == Some(&*set.source)
    }

    /// Whether a token may be signed so, and is of a kind that is taken.
    pub(super) fn admits(&self, header: &Header) -> Result<(), Denial> {
        if !self.algorithms.contains(&header.alg) {
            let detail = format!(
                "`{}` is not among the issuer's algorithms",
                header.alg.as_str()
            );
            return Err(refuse(&ALGORITHM, detail));
        }
        let Some(typ) = header.typ.as_deref().map(media) else {
            return Err(refuse(&TYPE, "its header has no `typ`"));
        };
        if self.types.iter().any(|one| one.eq_ignore_ascii_case(typ)) {
            Ok(())
        } else {
            Err(refuse(&TYPE, format!("its `typ` is `{}`", quoted(typ))))
        }
    }
}

/// Tells one issuer's rules from another's, and from the same ones changed.
fn fingerprint(name: &str, rules: &Rules, own: Option<&KeySet>) -> u64 {
    let text = serde_json::to_string(&(name, rules, own.map(|own| own.generation)));
    let hash = digest(&SHA256, text.unwrap_or_default().as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_ref()[..8]);
    u64::from_le_bytes(first)
}
