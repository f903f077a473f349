//! Proofs of a key that come with a request (DPoP, RFC 9449 section 4.3): signed by the
//! very key, for this method and address, for this token, just now, and once.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use http::header::{HeaderName, HeaderValue};
use http::HeaderMap;
use lockgate_wire::target::{for_matching, normalize, normalize_host, TargetSwitches};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::bound::Shown;
use super::claims::instant_ms;
use super::jwk;
use super::reasons::{PROOF, PROOF_MISSING, PROOF_NONCE};
use super::refusal::{quoted, unproved};
use super::token::{media, Parts};
use crate::{Denial, RequestView};

/// The header that carries a proof.
pub const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The header that carries what the next proof is to hold (RFC 9449 section 8).
pub const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Longest proof, bytes: one with a key of RSA of 4096 bits has some 2,300.
pub const PROOF_BYTES: usize = 4096;
/// Longest `jti`, bytes. Real ones are UUIDs.
const JTI_BYTES: usize = 256;
/// How long a nonce is given out, milliseconds; it is taken for as long again. So long a proof
/// has to be remembered: a longer time spares clients few questions, and takes much memory.
const NONCE_MS: u64 = 60_000;
/// Bytes of a nonce's tag.
const TAG_BYTES: usize = 12;

/// How proofs are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofRules {
    /// How long ago a proof may have been made, milliseconds.
    pub max_age_ms: u32,
    /// Whether it has to hold what the gate gave out just before.
    pub nonce: bool,
}

impl Default for ProofRules {
    fn default() -> Self {
        Self {
            max_age_ms: 60_000,
            nonce: false,
        }
    }
}

/// A proof by 16 bytes of a hash: it counts once.
pub type ProofMark = [u8; 16];

/// What gives out nonces, and knows them again: all gates with the same secret.
#[derive(Debug, Clone)]
pub struct Nonces(Arc<hmac::Key>);

impl Nonces {
    /// Of an installation's secret.
    #[must_use]
    pub fn of(pepper: &hmac::Key) -> Self {
        let key = hmac::sign(pepper, b"dpop nonces");
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())))
    }

    /// What is given out now.
    #[must_use]
    pub fn current(&self, now_ms: u64) -> String {
        URL_SAFE_NO_PAD.encode(self.made(now_ms / NONCE_MS))
    }

    /// Until when this one is taken, milliseconds since the epoch; nothing where it is not.
    fn until_ms(&self, nonce: &str, now_ms: u64) -> Option<u64> {
        let given = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let part = now_ms / NONCE_MS;
        let found = [part, part.saturating_sub(1)]
            .into_iter()
            .find(|part| verify_slices_are_equal(&self.made(*part), &given).is_ok())?;
        Some((found + 2) * NONCE_MS)
    }

    fn made(&self, part: u64) -> [u8; 8 + TAG_BYTES] {
        let mut nonce = [0; 8 + TAG_BYTES];
        let (first, tag) = nonce.split_at_mut(8);
        first.copy_from_slice(&part.to_be_bytes());
        let sum = hmac::sign(&self.0, first);
        tag.copy_from_slice(&sum.as_ref()[..TAG_BYTES]);
        nonce
    }
}

/// A proof that holds, if it was not seen before.
#[derive(Debug)]
pub(super) struct Holds {
    /// What it is known again by.
    pub mark: ProofMark,
    /// From when on it would not hold any more, milliseconds since the epoch.
    pub until_ms: u64,
}

/// What a proof is held against.
pub(super) struct Wanted<'a> {
    pub rules: ProofRules,
    pub nonces: &'a Nonces,
    /// How far clocks may differ, milliseconds.
    pub skew_ms: u64,
    /// The thumbprint that the token names.
    pub key: &'a str,
    /// SHA-256 of the token.
    pub token: &'a [u8; 32],
}

impl Wanted<'_> {
    /// Judges the proof that came with a request.
    pub fn check(
        &self,
        view: &RequestView<'_>,
        shown: &Shown<'_>,
        now_ms: u64,
    ) -> Result<Holds, Denial> {
        let parts = read(view.headers)?;
        let wrong = |detail: String| unproved(&PROOF, detail);
        let (alg, jwk) = header(&parts.header).map_err(wrong)?;
        self.claims(&parts.claims, view, shown).map_err(wrong)?;
        let jti = jti(&parts.claims).map_err(wrong)?;
        let until_ms = self.time(&parts.claims, now_ms)?;
        // The thumbprint comes before the signature: a key that is not the token's need not be tried.
        if jwk::thumbprint(jwk).as_deref() != Some(self.key) {
            return Err(wrong(
                "its key is not the one that the token is bound to".to_owned(),
            ));
        }
        let (_, key) = jwk::usable(jwk).map_err(|why| wrong(format!("its `jwk`: {why}")))?;
        let verifier = key
            .verifier(alg)
            .ok_or_else(|| wrong("its `alg` is for keys of another kind".to_owned()))?;
        if !verifier.verifies(parts.signed, &parts.signature) {
            return Err(wrong("its signature does not hold".to_owned()));
        }
        Ok(Holds {
            mark: mark(self.key, jti),
            until_ms,
        })
    }

    fn claims(
        &self,
        claims: &Map<String, Value>,
        view: &RequestView<'_>,
        shown: &Shown<'_>,
    ) -> Result<(), String> {
        let text = |name: &str| match claims.get(name) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(format!("its `{name}` is not a text")),
            None => Err(format!("it has no `{name}`")),
        };
        if text("htm")? != view.method.as_str() {
            return Err("its `htm` is another method".to_owned());
        }
        if !same(text("htu")?, view, shown) {
            return Err(format!(
                "its `htu` is `{}`, which is not the address of this request",
                quoted(text("htu")?)
            ));
        }
        if text("ath")? != URL_SAFE_NO_PAD.encode(self.token) {
            return Err("its `ath` is not the SHA-256 of this token".to_owned());
        }
        Ok(())
    }

    /// Until when it holds. What the gate gave out says when a proof was made; without it
    /// the client's clock does.
    fn time(&self, claims: &Map<String, Value>, now_ms: u64) -> Result<u64, Denial> {
        let wrong = |detail: &str| unproved(&PROOF, detail.to_owned());
        let made_ms = instant_ms(claims, "iat").ok().flatten();
        let made_ms = made_ms.ok_or_else(|| wrong("it has no `iat`"))?;
        if self.rules.nonce {
            let nonce = claims.get("nonce").and_then(Value::as_str);
            let until_ms = nonce.and_then(|nonce| self.nonces.until_ms(nonce, now_ms));
            return until_ms.ok_or_else(|| {
                let next = self.nonces.current(now_ms);
                let denial = unproved(&PROOF_NONCE, "the answer's `DPoP-Nonce` says which");
                match HeaderValue::try_from(next) {
                    Ok(next) => denial.header(DPOP_NONCE, next),
                    Err(_) => denial,
                }
            });
        }
        let until_ms = made_ms
            .saturating_add(self.rules.max_age_ms.into())
            .saturating_add(self.skew_ms);
        if until_ms <= now_ms {
            return Err(wrong("it was made too long ago; make one for each request"));
        }
        if made_ms > now_ms.saturating_add(self.skew_ms) {
            return Err(wrong("its `iat` lies ahead"));
        }
        Ok(until_ms)
    }
}

fn read(headers: &HeaderMap) -> Result<Parts<'_>, Denial> {
    let mut values = headers.get_all(DPOP).iter();
    let Some(proof) = values.next() else {
        return Err(unproved(
            &PROOF_MISSING,
            "there is no header `DPoP`".to_owned(),
        ));
    };
    let wrong = |detail: &str| unproved(&PROOF, detail.to_owned());
    if values.next().is_some() {
        return Err(wrong("there are two of them"));
    }
    if proof.len() > PROOF_BYTES {
        return Err(wrong("it is too long"));
    }
    Parts::split(proof.as_bytes()).map_err(|broken| unproved(&PROOF, broken.detail().to_owned()))
}

/// The algorithm, and the key that comes along.
fn header(fields: &Map<String, Value>) -> Result<(Algorithm, &Map<String, Value>), String> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    if !text("typ").is_some_and(|typ| media(typ).eq_ignore_ascii_case("dpop+jwt")) {
        return Err("its `typ` is not `dpop+jwt`".to_owned());
    }
    let alg = text("alg").and_then(Algorithm::named);
    let alg = alg
        .filter(|alg| !alg.symmetric())
        .ok_or("its `alg` is not one of public keys")?;
    let jwk = fields.get("jwk").and_then(Value::as_object);
    Ok((alg, jwk.ok_or("it has no `jwk`")?))
}

fn jti(claims: &Map<String, Value>) -> Result<&str, String> {
    let jti = claims
        .get("jti")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if jti.is_empty() || jti.len() > JTI_BYTES {
        return Err(format!("it has no `jti` of 1 to {JTI_BYTES} bytes"));
    }
    Ok(jti)
}

fn mark(key: &str, jti: &str) -> ProofMark {
    let mut hash = Context::new(&SHA256);
    hash.update(&(key.len() as u64).to_le_bytes());
    hash.update(key.as_bytes());
    hash.update(jti.as_bytes());
    let mut mark = ProofMark::default();
    mark.copy_from_slice(&hash.finish().as_ref()[..16]);
    mark
}

/// Whether `htu` is the address of the request, less its query (RFC 9449 section 4.3, 9.):
/// case and default ports do not count, nor do encodings that need not be.
fn same(htu: &str, view: &RequestView<'_>, shown: &Shown<'_>) -> bool {
    let end = htu.find(['?', '#']).unwrap_or(htu.len());
    let Some((scheme, rest)) = htu[..end].split_once("://") else {
        return false;
    };
    let (wanted, default) = if shown.secure {
        ("https", "443")
    } else {
        ("http", "80")
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let (Ok(theirs), Ok(ours)) = (normalize_host(authority), normalize_host(shown.authority))
    else {
        return false;
    };
    let port =
        |named: Option<u16>| named.map_or_else(|| default.to_owned(), |port| port.to_string());
    let came_to = shown.port.map_or_else(|| port(ours.port), str::to_owned);
    let arrived = shown.target.split('?').next().unwrap_or_default();
    let normal = || normalize(path, &TargetSwitches::default()).ok();
    scheme.eq_ignore_ascii_case(wanted)
        && theirs.name == ours.name
        && port(theirs.port) == came_to
        && (path == arrived
            || normal().is_some_and(|normal| normal.match_path() == for_matching(view.path)))
}

#[cfg(test)]
mod tests;
