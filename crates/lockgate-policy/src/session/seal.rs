//! Sessions as cookies hold them: sealed with AES-256-GCM (NIST SP 800-38D)
//! under a key of the installation's, one for each sign-in.
//!
//! `base64url(1 | nonce of 12 bytes | ciphertext | tag of 16 bytes)`, with the
//! sign-in's name authenticated beside: a session of one is none of another.

use std::sync::Arc;

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_256_GCM, NONCE_LEN};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::NAME;
use crate::Identity;

/// The form of what is sealed.
const VERSION: u8 = 1;
/// Longest cookie: browsers keep 4,096 bytes with its name and attributes (RFC 6265bis section 5.6).
pub const COOKIE_BYTES: usize = 3_840;

/// What a session says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The configuration's name of who signed the person in.
    pub issuer: String,
    /// From when on it no longer holds, milliseconds since the epoch.
    pub until_ms: u64,
    /// Until when what it says is fresh: after that the provider is asked whether it still holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_until_ms: Option<u64>,
    /// `iss` and `sub` of the person; `jti`, the session's own id; and what the provider says besides.
    pub claims: Map<String, Value>,
}

impl Opened {
    /// Who it is.
    #[must_use]
    pub fn identity(self) -> Identity {
        let subject = self.claims.get("sub").and_then(Value::as_str);
        let subject = subject.unwrap_or_default();
        Identity {
            proved_by: NAME,
            credential: format!("{}/{subject}", self.issuer).into(),
            owner: subject.into(),
            app: None,
            claims: Some(Arc::new(self.claims)),
        }
    }
}

/// Why a session could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// It is longer than a cookie may be.
    TooLong,
    /// It is no text that was ever sealed.
    Malformed,
    /// It was changed, or is of another installation or sign-in.
    Broken,
    /// The system has no randomness to give.
    Random,
}

impl SealError {
    /// What is said of it; safe to show a stranger.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::TooLong => "it is longer than a cookie may be",
            Self::Malformed => "it is not in the form of one",
            Self::Broken => "its seal does not hold",
            Self::Random => "the system has no randomness to give",
        }
    }
}

/// The key of a sign-in's sessions.
pub struct Seal {
    key: LessSafeKey,
    name: String,
    mark: hmac::Key,
}

impl std::fmt::Debug for Seal {
    // Never the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal({})", self.name)
    }
}

impl Seal {
    /// The key of the sign-in of this name.
    ///
    /// # Panics
    /// Never: a SHA-256 is as long as the cipher's key.
    #[must_use]
    pub fn new(pepper: &hmac::Key, name: &str) -> Self {
        let key = hmac::sign(pepper, b"lockgate session key 1");
        #[allow(clippy::expect_used)]
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).expect("32 bytes are its length");
        let mark = hmac::sign(pepper, b"lockgate session memory");
        Self {
            key: LessSafeKey::new(key),
            name: name.into(),
            mark: hmac::Key::new(hmac::HMAC_SHA256, mark.as_ref()),
        }
    }

    /// The same, by the pepper's bytes.
    #[must_use]
    pub fn under(pepper: &[u8], name: &str) -> Self {
        Self::new(&hmac::Key::new(hmac::HMAC_SHA256, pepper), name)
    }

    /// Seals a session.
    ///
    /// # Errors
    /// If it would be too long, or there is no randomness.
    pub fn seal(&self, session: &Opened) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| SealError::Random)?;
        let mut text = serde_json::to_vec(session).map_err(|_| SealError::Malformed)?;
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.name.as_bytes()),
                &mut text,
            )
            .map_err(|_| SealError::TooLong)?;
        let mut whole = Vec::with_capacity(1 + NONCE_LEN + text.len());
        whole.push(VERSION);
        whole.extend_from_slice(&nonce);
        whole.extend_from_slice(&text);
        let cookie = URL_SAFE_NO_PAD.encode(whole);
        if cookie.len() > COOKIE_BYTES {
            return Err(SealError::TooLong);
        }
        Ok(cookie)
    }

    /// Opens a session; whether it still holds is another question.
    ///
    /// # Errors
    /// If it is none that was sealed with this key.
    pub fn open(&self, cookie: &[u8]) -> Result<Opened, SealError> {
        if cookie.len() > COOKIE_BYTES {
            return Err(SealError::TooLong);
        }
        let mut whole = URL_SAFE_NO_PAD
            .decode(cookie)
            .map_err(|_| SealError::Malformed)?;
        let (head, text) = whole
            .split_at_mut_checked(1 + NONCE_LEN)
            .ok_or(SealError::Malformed)?;
        let (version, nonce) = head.split_at(1);
        if version != [VERSION] {
            return Err(SealError::Malformed);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
        let text = self
            .key
            .open_in_place(nonce, Aad::from(self.name.as_bytes()), text)
            .map_err(|_| SealError::Broken)?;
        serde_json::from_slice(text).map_err(|_| SealError::Malformed)
    }

    /// What tells the memories of a policy with this key and these issuers from those of every other.
    pub(super) fn fingerprint(&self, issuers: &[String]) -> u64 {
        let said = format!("{}\0{}", self.name, issuers.join("\0"));
        let tag = hmac::sign(&self.mark, said.as_bytes());
        let mut eight = [0; 8];
        eight.copy_from_slice(&tag.as_ref()[..8]);
        u64::from_le_bytes(eight)
    }
}
