//! Keys that requests are signed with, each for one algorithm.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jwt::jwk;
use crate::jwt::keys::{Key, Verifier};
use crate::jwt::Algorithm as Jose;
use crate::ConfigError;

/// Bytes that a shared secret has at least, as for HS256 (RFC 7518 section 3.2).
pub const SECRET_BYTES: usize = 32;

/// How a request can be signed (RFC 9421 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// Ed25519.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ecdsa-p384-sha384")]
    EcdsaP384Sha384,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "rsa-pss-sha512")]
    RsaPssSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "rsa-v1_5-sha256")]
    RsaV15Sha256,
    /// HMAC with SHA-256.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
}

impl Algorithm {
    const ALL: [Self; 6] = [
        Self::Ed25519,
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::RsaPssSha512,
        Self::RsaV15Sha256,
        Self::HmacSha256,
    ];

    /// The name that signatures have it by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaV15Sha256 => "rsa-v1_5-sha256",
            Self::HmacSha256 => "hmac-sha256",
        }
    }

    /// The same algorithm, as keys of JOSE have it.
    const fn jose(self) -> Jose {
        match self {
            Self::Ed25519 => Jose::EdDSA,
            Self::EcdsaP256Sha256 => Jose::ES256,
            Self::EcdsaP384Sha384 => Jose::ES384,
            Self::RsaPssSha512 => Jose::PS512,
            Self::RsaV15Sha256 => Jose::RS256,
            Self::HmacSha256 => Jose::HS256,
        }
    }

    /// The algorithm that a published key is for, if a signature may be made so: the one
    /// that is named, where the key is for several.
    pub(super) fn of(key: &Key, named: Option<&str>) -> Option<Self> {
        let fits = |one: &Self| *one != Self::HmacSha256 && key.verifier(one.jose()).is_some();
        let named = |one: &Self| named.is_none_or(|named| named == one.as_str());
        let mut all = Self::ALL.into_iter().filter(fits).filter(named);
        all.next()
    }

    /// The key, ready to verify with.
    pub(super) fn verifier(self, key: &Key) -> Option<&Verifier> {
        key.verifier(self.jose())
    }
}

/// A key, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedKey {
    /// By which its holder is known and counted.
    pub name: String,
    /// What signatures call it.
    pub keyid: String,
    /// What it is for.
    pub algorithm: Algorithm,
    /// The key itself.
    pub key: KeyForm,
}

/// A key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyForm {
    /// A public key, as a JWK.
    Public(BTreeMap<String, String>),
    /// A secret, `env:NAME` or `file:/path`: resolved in the gate's memory.
    Secret {
        /// Where it is.
        reference: String,
        /// How it is written there.
        encoding: Encoding,
    },
}

/// How a secret is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Its bytes are the secret.
    #[default]
    Text,
    /// In base64.
    Base64,
    /// In hexadecimal digits.
    Hex,
}

impl Encoding {
    /// The secret's bytes; `None` where it is not written so.
    #[must_use]
    pub fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Text => Some(text.to_vec()),
            Self::Base64 => crate::webhook::base64(text),
            Self::Hex => crate::webhook::hexadecimal(text),
        }
    }
}

/// A key, compiled.
#[derive(Debug)]
pub(super) struct Ready {
    pub name: String,
    pub keyid: String,
    pub algorithm: Algorithm,
    /// None where its secret is not there, or too short.
    pub verifier: Option<Verifier>,
}

impl Ready {
    pub fn new(
        key: &NamedKey,
        secret: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, ConfigError> {
        let wrong = |told: String| ConfigError::new("signature-key-unfit", "/key", told);
        let shared = key.algorithm == Algorithm::HmacSha256;
        let verifier = match &key.key {
            KeyForm::Public(_) if shared => {
                return Err(wrong("hmac-sha256 goes with a `secret`".to_owned()));
            }
            KeyForm::Secret { .. } if !shared => {
                return Err(wrong("a `secret` goes with hmac-sha256 alone".to_owned()));
            }
            KeyForm::Public(jwk) => Some(public(jwk, key.algorithm).map_err(wrong)?),
            KeyForm::Secret {
                reference,
                encoding,
            } => secret(reference)
                .and_then(|text| encoding.decode(text.trim_ascii_end()))
                .filter(|secret| secret.len() >= SECRET_BYTES)
                .map(|secret| {
                    Verifier::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
                }),
        };
        Ok(Self {
            name: key.name.clone(),
            keyid: key.keyid.clone(),
            algorithm: key.algorithm,
            verifier,
        })
    }
}

fn public(jwk: &BTreeMap<String, String>, algorithm: Algorithm) -> Result<Verifier, String> {
    let members = jwk.iter();
    let mut members: Map<String, Value> = members
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    members.insert("alg".into(), algorithm.jose().as_str().into());
    let (_, key) = jwk::usable(&members)?;
    key.into_verifier(algorithm.jose())
        .ok_or_else(|| "it is a key of another kind".to_owned())
}
