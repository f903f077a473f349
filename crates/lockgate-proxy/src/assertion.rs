//! What an upstream is told of who calls: a signed statement of the gate's own,
//! good for a minute and for that upstream alone, in the place of the caller's
//! credential.
//!
//! An upstream that verifies it need not trust the network, and whoever steals
//! it from one can use it nowhere else. The key is made of the installation's
//! secret and a number, so every gate has it and none has to be told; the keys
//! of the number before and after are published with it, so that changing the
//! number breaks nothing (RFC 7519, RFC 9068 section 2.2 for the claims' names).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::agreement::{PrivateKey, ECDH_P256};
use aws_lc_rs::digest::{digest, SHA256};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, ECDSA_P256_SHA256_FIXED_SIGNING};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use http::header::{HeaderMap, HeaderName, HeaderValue, AUTHORIZATION};
use lockgate_policy::{ConfigError, Identity};
use lockgate_wire::headers::{remove_look_alikes, reserved};
use serde_json::{json, Map, Value};

use crate::bundle;

/// Assertions that are kept to be used again, of one upstream; more callers than that within
/// half a minute cost a signature each.
const KEPT: usize = 4_096;
/// Longest assertion: servers take 8 KiB of one field.
const BYTES: usize = 7_168;

/// The keys of an installation's assertions.
pub struct Signer {
    issuer: String,
    pair: EcdsaKeyPair,
    kid: String,
    random: SystemRandom,
    published: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.kid)
    }
}

impl Signer {
    /// The signer that the configuration asks for, with keys made of `pepper`.
    ///
    /// # Errors
    /// If no key can be made of it, which is nothing that happens.
    pub fn new(config: &bundle::Assertions, pepper: &hmac::Key) -> Result<Self, ConfigError> {
        let broken = || {
            ConfigError::new(
                "assertion-key",
                "/assertions",
                "no key could be made for assertions",
            )
        };
        let now = config.rotation;
        let (secret, public) = key(pepper, now).ok_or_else(broken)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &secret,
            &public,
        );
        let mut keys = vec![jwk(&public)];
        for number in [now.checked_add(1), now.checked_sub(1)]
            .into_iter()
            .flatten()
        {
            let (_, public) = key(pepper, number).ok_or_else(broken)?;
            keys.push(jwk(&public));
        }
        Ok(Self {
            issuer: config.issuer.clone(),
            pair: pair.map_err(|_| broken())?,
            kid: keys[0]["kid"].as_str().unwrap_or_default().to_owned(),
            random: SystemRandom::new(),
            published: json!({ "keys": keys }).to_string().into_bytes(),
        })
    }

    /// The public keys (RFC 7517), JSON.
    #[must_use]
    pub fn published(&self) -> &[u8] {
        &self.published
    }

    fn sign(&self, claims: &Map<String, Value>) -> Option<String> {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.kid});
        let part = |value: &[u8]| URL_SAFE_NO_PAD.encode(value);
        let claims = serde_json::to_vec(claims).ok()?;
        let signed = format!("{}.{}", part(header.to_string().as_bytes()), part(&claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", part(signature.as_ref())))
    }
}

/// A private key and its public point.
fn key(pepper: &hmac::Key, number: u32) -> Option<(Vec<u8>, Vec<u8>)> {
    // One of 2^32 is no key of the curve's; then the next is taken.
    (0..4u8).find_map(|again| {
        let purpose = format!("lockgate assertion key {number} {again}");
        let secret = hmac::sign(pepper, purpose.as_bytes());
        let private = PrivateKey::from_private_key(&ECDH_P256, secret.as_ref()).ok()?;
        let public = private.compute_public_key().ok()?;
        Some((secret.as_ref().to_vec(), public.as_ref().to_vec()))
    })
}

fn jwk(public: &[u8]) -> Value {
    // An uncompressed point: 4, x, y.
    let x = URL_SAFE_NO_PAD.encode(&public[1..33]);
    let y = URL_SAFE_NO_PAD.encode(&public[33..65]);
    let canonical = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}");
    let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes())); // RFC 7638
    json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "alg": "ES256", "use": "sig"})
}

/// What one upstream is told.
#[derive(Debug)]
pub struct Assertion {
    header: HeaderName,
    audience: Value,
    claims: Vec<String>,
    lifetime_s: u64,
    signer: Arc<Signer>,
    kept: Mutex<HashMap<Arc<str>, Kept>>,
}

#[derive(Debug)]
struct Kept {
    identity: Identity,
    made_s: u64,
    value: HeaderValue,
}

impl Assertion {
    /// Compiles what the configuration says.
    ///
    /// # Errors
    /// If its header is none.
    pub fn new(config: &bundle::Assertion, signer: Arc<Signer>) -> Result<Self, ConfigError> {
        let header = HeaderName::try_from(config.header.as_str()).map_err(|_| {
            let message = format!("`{}` is not a header name", config.header);
            ConfigError::new("not-a-header", "/assertion/header", message)
        })?;
        if reserved(header.as_str()).is_some() {
            let message = format!(
                "the gate itself writes `{header}` or takes it off, so it can carry no assertion"
            );
            return Err(ConfigError::new(
                "header-reserved",
                "/assertion/header",
                message,
            ));
        }
        Ok(Self {
            header,
            audience: match config.audience.as_slice() {
                [one] => json!(one),
                several => json!(several),
            },
            claims: config.claims.clone(),
            lifetime_s: u64::from(config.lifetime_s),
            signer,
            kept: Mutex::default(),
        })
    }

    /// The header that carries it.
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }

    /// Says on a request who calls. Whatever the client itself sent there goes; of nobody nothing is said.
    /// `false` where it could not be said.
    #[must_use]
    pub fn make(&self, headers: &mut HeaderMap, identity: Option<&Identity>, now_s: u64) -> bool {
        remove_look_alikes(headers, &self.header);
        headers.remove(&self.header);
        let Some(identity) = identity else {
            return true;
        };
        match self.value(identity, now_s) {
            Some(value) => {
                headers.insert(self.header.clone(), value);
                true
            }
            None => false,
        }
    }

    fn value(&self, identity: &Identity, now_s: u64) -> Option<HeaderValue> {
        let same = |kept: &Kept| {
            kept.made_s <= now_s
                && now_s - kept.made_s < self.lifetime_s / 2
                && kept.identity.proved_by == identity.proved_by
                && kept.identity == *identity
        };
        {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = kept.get(&identity.credential).filter(|kept| same(kept)) {
                return Some(found.value.clone());
            }
        }
        let token = self.signer.sign(&self.said(identity, now_s))?;
        let text = if self.header == AUTHORIZATION {
            format!("Bearer {token}")
        } else {
            token
        };
        if text.len() > BYTES {
            return None;
        }
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        let made = Kept {
            identity: identity.clone(),
            made_s: now_s,
            value: value.clone(),
        };
        kept.insert(Arc::clone(&identity.credential), made);
        Some(value)
    }

    fn said(&self, identity: &Identity, now_s: u64) -> Map<String, Value> {
        let mut said = Map::new();
        let claims = identity.claims.as_deref();
        for name in &self.claims {
            if let Some(value) = claims.and_then(|claims| claims.get(name)) {
                said.insert(name.clone(), value.clone());
            }
        }
        if let Some(app) = &identity.app {
            said.insert("client_id".into(), json!(**app));
        }
        // Who was believed: an upstream may care whether it was a person's session or a program's key.
        said.insert("proved_by".into(), json!(identity.proved_by));
        said.insert("credential".into(), json!(*identity.credential));
        said.insert("iss".into(), json!(self.signer.issuer));
        said.insert("aud".into(), self.audience.clone());
        said.insert("sub".into(), json!(*identity.owner));
        said.insert("iat".into(), json!(now_s));
        said.insert("exp".into(), json!(now_s + self.lifetime_s));
        said
    }
}

#[cfg(test)]
mod tests;
