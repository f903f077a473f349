//! `webhook`: a sender's signature over a webhook proves who sent it (Standard Webhooks).
//!
//! # Description
//! A sender and an API share a secret, or the API knows the sender's public key.
//! What is signed is the body, most often with the time and an id before it. The
//! whole body is held until a signature of it is known to hold; the API gets
//! nothing before. How a sender writes this down is a [`Form`], which is data:
//! the configuration knows the usual ones by name.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! See [`REASONS`].
//!
//! # Example
//! ```yaml
//! authenticate:
//!   - webhook: {secrets: ["${env:WEBHOOK_SECRET}"]}
//! ```

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context as Hash, SHA256};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ParsedPublicKey, ED25519};
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::jwt::ProofMark;
use crate::{
    Answers, ConfigError, Content, Denial, Edit, First, Gather, Identity, Need, PolicyError,
    Proved, ReasonRef, RequestView, Verdict,
};

mod form;
mod reasons;

pub use form::{Form, Part, Written, SIGNATURES};
pub use reasons::*;

use form::{Head, Reader};

/// The room's name everywhere.
pub const NAME: &str = "webhook";
/// What is said of a message, as claims.
pub const CLAIMS: [&str; 2] = ["id", "timestamp"];

/// Most bytes of a body that is held and verified as one.
pub const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;
/// Secrets and keys of one entry: two while one is changed, for a few senders.
pub const MAX_KEYS: usize = 16;
/// Bytes that a secret has at least; Standard Webhooks wants 24, others say nothing.
const SECRET_BYTES: usize = 16;
/// What a public key begins with (Standard Webhooks).
const PUBLIC: &str = "whpk_";

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// By which the sender is known and counted.
    pub name: String,
    /// Secrets, `env:NAME` or `file:/path`: resolved in the gate's memory. Any one of them will do.
    pub secrets: Vec<String>,
    /// Public keys of Ed25519, in base64 behind `whpk_`. Any one of them will do.
    pub public_keys: Vec<String>,
    /// How the sender signs.
    pub form: Form,
    /// How far the time may lie back or ahead, milliseconds.
    pub tolerance_ms: u32,
    /// Whether an attempt counts once.
    pub once: bool,
    /// Most bytes of a body.
    pub body_bytes: u64,
    /// Leave the signature on the request that goes to the upstream.
    pub forward: bool,
}

/// The compiled policy.
pub struct Webhook {
    name: Arc<str>,
    /// None where a secret is not there, or unfit.
    secrets: Box<[Option<hmac::Key>]>,
    keys: Box<[ParsedPublicKey]>,
    reader: Reader,
    tolerance_ms: u64,
    once: bool,
    body_bytes: u64,
    forward: bool,
    challenge: HeaderValue,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// Compiles the config. `secret` resolves references to secrets.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn new(
        config: &Config,
        secret: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, ConfigError> {
        let wrong =
            |pointer: &str, told: &str| ConfigError::new("webhook-malformed", pointer, told);
        let reader = Reader::new(&config.form)?;
        let count = config.secrets.len() + config.public_keys.len();
        if count == 0 || count > MAX_KEYS {
            return Err(wrong(
                "/secrets",
                "one to 16 secrets and public keys are wanted",
            ));
        }
        if !config.public_keys.is_empty() && config.form.public_prefix.is_none() {
            return Err(wrong(
                "/public_keys",
                "senders of this form sign with secrets alone",
            ));
        }
        if config.once && !reader.timed() {
            return Err(wrong(
                "/once",
                "without a time nobody could say how long to remember",
            ));
        }
        if config.body_bytes > MAX_BODY_BYTES {
            return Err(wrong(
                "/body_bytes",
                "at most 16 MiB are held and verified as one",
            ));
        }
        let secrets = config.secrets.iter().map(|reference| {
            let text = secret(reference)?;
            let bytes = reader.secret(text.trim_ascii_end())?;
            let long = bytes.len() >= SECRET_BYTES;
            long.then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        });
        let keys = config.public_keys.iter().enumerate().map(|(number, text)| {
            let bytes = base64(text.strip_prefix(PUBLIC).unwrap_or(text).as_bytes());
            let key = bytes.and_then(|bytes| ParsedPublicKey::new(&ED25519, bytes).ok());
            key.ok_or_else(|| {
                wrong(
                    &format!("/public_keys/{number}"),
                    "this is no public key of Ed25519",
                )
            })
        });
        let challenge = format!("Webhook header=\"{}\"", reader.header);
        Ok(Self {
            name: config.name.as_str().into(),
            secrets: secrets.collect(),
            keys: keys.collect::<Result<_, _>>()?,
            tolerance_ms: config.tolerance_ms.into(),
            once: config.once,
            body_bytes: config.body_bytes,
            forward: config.forward,
            challenge: HeaderValue::try_from(challenge)
                .map_err(|_| wrong("/form/header", "it cannot stand in a header"))?,
            reader,
        })
    }

    /// How many of its secrets are not there, or unfit.
    #[must_use]
    pub fn lacking(&self) -> usize {
        self.secrets
            .iter()
            .filter(|secret| secret.is_none())
            .count()
    }

    /// What takes the signature off the request, unless it is to be passed on. Id and time stay:
    /// an application knows repetitions by them.
    #[must_use]
    pub fn edits(&self) -> Option<Edit> {
        (!self.forward).then(|| Edit::Remove(self.reader.header.clone()))
    }

    /// Judges a webhook: its head, then its body, then whether it came before. `body` is whether
    /// there is one, `again` whether it was judged before, when what is still open began.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        (body, again): (bool, bool),
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Verdict, PolicyError> {
        if let Answers::First(proved, first) = answers {
            return Ok(self.used(proved, *first));
        }
        let content: &[u8] = match answers {
            Answers::None => b"",
            Answers::Content(_, Content::Whole(body)) => body,
            Answers::Content(_, Content::TooLong) => {
                let told = format!("at most {} bytes are taken", self.body_bytes);
                return Ok(Verdict::Deny(Denial::new(&BODY_TOO_LONG).detail(told)));
            }
            Answers::Content(_, Content::Refused(denial)) => {
                return Ok(Verdict::Deny(denial.clone()))
            }
            // What its signature was held against is there no more.
            Answers::Content(_, Content::Gone) => {
                return Ok(match self.head(view, again, now_ms) {
                    Ok(head) => Verdict::Identify(self.identity(&head)),
                    Err(denial) => Verdict::Deny(denial),
                })
            }
            _ => {
                let cause = "it asked for a body, and was told something else";
                return Err(PolicyError::new(NAME, cause));
            }
        };
        let head = match self.head(view, again, now_ms) {
            Ok(head) => head,
            Err(denial) => return Ok(Verdict::Deny(denial)),
        };
        if body && matches!(answers, Answers::None) {
            return Ok(Verdict::Need(Need::Content(Box::new(Gather {
                most: self.body_bytes,
                pending: None,
            }))));
        }
        Ok(self.judge(&head, content, again))
    }

    /// All that can be said without the body.
    fn head<'a>(
        &self,
        view: &RequestView<'a>,
        again: bool,
        now_ms: u64,
    ) -> Result<Head<'a>, Denial> {
        let head = self.reader.read(view.headers).map_err(|(reason, told)| {
            let denial = self.denial(reason).detail(told);
            if *reason == MISSING {
                denial.absent()
            } else {
                denial
            }
        })?;
        if self.keys.is_empty() && self.secrets.iter().all(Option::is_none) {
            return Err(Denial::new(&SECRET_MISSING));
        }
        let Some(at_ms) = head.timestamp.and_then(milliseconds).filter(|_| !again) else {
            return Ok(head);
        };
        let told = || {
            format!(
                "it was signed at {}, and it is {}",
                at_ms / 1000,
                now_ms / 1000
            )
        };
        if at_ms.saturating_add(self.tolerance_ms) <= now_ms {
            return Err(self.denial(&EXPIRED).detail(told()));
        }
        if at_ms > now_ms.saturating_add(self.tolerance_ms) {
            return Err(self.denial(&EARLY).detail(told()));
        }
        Ok(head)
    }

    fn judge(&self, head: &Head<'_>, body: &[u8], again: bool) -> Verdict {
        if !self.holds(head, body) {
            let told = format!("{} bytes of a body arrived", body.len());
            return Verdict::Deny(self.denial(&WRONG).detail(told));
        }
        let identity = self.identity(head);
        let at_ms = head.timestamp.and_then(milliseconds);
        match at_ms.filter(|_| self.once && !again) {
            None => Verdict::Identify(identity),
            Some(at_ms) => Verdict::Need(Need::First(Box::new(Proved {
                identity,
                mark: self.mark(head, body),
                until_ms: at_ms.saturating_add(self.tolerance_ms),
            }))),
        }
    }

    /// Whether any signature is of any secret or key. What is compared is compared in constant time.
    fn holds(&self, head: &Head<'_>, body: &[u8]) -> bool {
        let shared = || head.signatures.iter().filter(|(_, public)| !public);
        let mut held = false;
        for key in self
            .secrets
            .iter()
            .flatten()
            .filter(|_| shared().next().is_some())
        {
            let mut context = hmac::Context::with_key(key);
            self.parts(head, body, &mut |part| context.update(part));
            let tag = context.sign();
            for (signature, _) in shared() {
                held |= verify_slices_are_equal(tag.as_ref(), signature).is_ok();
            }
        }
        let public: Vec<_> = head
            .signatures
            .iter()
            .filter(|(_, public)| *public)
            .collect();
        if held || public.is_empty() || self.keys.is_empty() {
            return held;
        }
        let mut message = Vec::with_capacity(body.len() + 64);
        self.parts(head, body, &mut |part| message.extend_from_slice(part));
        let verifies = |key: &ParsedPublicKey| {
            public
                .iter()
                .any(|(signature, _)| key.verify_sig(&message, signature).is_ok())
        };
        self.keys.iter().any(verifies)
    }

    /// What was signed, part by part.
    fn parts(&self, head: &Head<'_>, body: &[u8], take: &mut dyn FnMut(&[u8])) {
        for part in self.reader.signed() {
            take(match part {
                Part::Id => head.id.unwrap_or_default().as_bytes(),
                Part::Timestamp => head.timestamp.unwrap_or_default().as_bytes(),
                Part::Body => body,
                Part::Text(text) => text.as_bytes(),
            });
        }
    }

    /// What an attempt is known again by: not its signature, of which it may have two.
    fn mark(&self, head: &Head<'_>, body: &[u8]) -> ProofMark {
        let mut hash = Hash::new(&SHA256);
        for part in [NAME, &*self.name] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        self.parts(head, body, &mut |part| hash.update(part));
        let mut mark = ProofMark::default();
        mark.copy_from_slice(&hash.finish().as_ref()[..16]);
        mark
    }

    fn identity(&self, head: &Head<'_>) -> Identity {
        let claims = CLAIMS.into_iter().zip([head.id, head.timestamp]);
        let claims = claims.filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        Identity {
            proved_by: NAME,
            // With the room's name, so that a sender is nobody else of another room.
            credential: format!("{NAME}:{}", self.name).into(),
            owner: Arc::clone(&self.name),
            app: None,
            claims: Some(Arc::new(claims.collect())),
        }
    }

    fn used(&self, proved: &Proved, first: First) -> Verdict {
        let denial = match first {
            First::Yes => return Verdict::Identify(proved.identity.clone()),
            First::No => self.denial(&REPLAYED),
            First::Full => Denial::new(&FULL).header(RETRY_AFTER, HeaderValue::from_static("60")),
        };
        Verdict::Deny(denial.known(proved.identity.clone()))
    }

    fn denial(&self, reason: ReasonRef) -> Denial {
        Denial::new(reason).header(WWW_AUTHENTICATE, self.challenge.clone())
    }
}

fn milliseconds(seconds: &str) -> Option<u64> {
    seconds.parse::<u64>().ok()?.checked_mul(1000)
}

/// Bytes that are written in base64, padded.
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Bytes that are written in hexadecimal digits.
pub(crate) fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes = text.chunks_exact(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    });
    bytes.collect()
}

#[cfg(test)]
mod tests;
