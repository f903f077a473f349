//! `signature`: a signature over the request itself proves who calls (RFC 9421).
//!
//! # Description
//! A client signs what it sends: method, address, fields, and by `Content-Digest`
//! (RFC 9530) the body. The signature is held against the request as it arrived,
//! whatever the gate makes of it later. The algorithm is the key's, never the
//! request's to choose. A body is held until it is known to be the one that was
//! signed; nothing goes on before.
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
//!   - signature:
//!       keys:
//!         partner: {algorithm: ed25519, key: "${file:partner.pem}"}
//! ```

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use lockgate_wire::headers::disturbed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::jwt::refusal::quoted;
use crate::jwt::{Issuer, ProofMark, Shown, KEYS_MISSING, KEYS_STALE};
use crate::{
    Answers, ConfigError, Content, Denial, Edit, First, Gather, Identity, IssuerFacts, Need,
    PolicyError, Proved, ReasonRef, RequestView, Verdict,
};

mod base;
mod component;
mod digest;
mod fields;
mod keys;
mod reasons;
mod signer;
mod wanted;

pub use base::base;
pub use component::{Component, Request};
pub use digest::{Digests, CONTENT_DIGEST};
pub use fields::{read, Signed, COVERED, FIELD_BYTES, SIGNATURE, SIGNATURES, SIGNATURE_INPUT};
pub use keys::{Algorithm, Encoding, KeyForm, NamedKey, SECRET_BYTES};
pub use reasons::*;
pub use signer::CLAIMS;

use base::{address, authority};
use keys::Ready;
use signer::{identity, mark};
use wanted::accept;

/// The room's name everywhere.
pub const NAME: &str = "signature";

/// What is wanted of a signature (RFC 9421 section 5.1).
pub const ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");

/// Most bytes of a body that is held and verified as one.
pub const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;
/// Most keys of one entry; who has more publishes them as a set.
pub const MAX_KEYS: usize = 1_000;
/// Signatures that are tried of one request: each costs a verification.
const TRIES: usize = 4;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Keys that requests may be signed with.
    pub keys: Vec<NamedKey>,
    /// The issuer whose published keys are taken as well.
    pub issuer: Option<String>,
    /// What has to be covered, as it stands in a signature base, such as `"@method"`.
    pub components: Vec<String>,
    /// Whether a request with a body has to carry a digest of it, which is covered.
    pub content_digest: bool,
    /// How long ago a signature may have been made, milliseconds.
    pub max_age_ms: u32,
    /// How far clocks may differ, milliseconds.
    pub skew_ms: u32,
    /// Whether a signature has to say when it ends.
    pub expires: bool,
    /// Whether a signature has to carry a nonce; one that does counts once.
    pub nonce: bool,
    /// What a signature has to be for, if that matters.
    pub tag: Option<String>,
    /// By which label it is looked for, if that matters.
    pub label: Option<String>,
    /// Most bytes of a body.
    pub body_bytes: u64,
    /// Leave the signature on the request that goes to the upstream.
    pub forward: bool,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Signature {
    keys: Box<[Ready]>,
    issuer: Option<Arc<Issuer>>,
    components: Box<[Component]>,
    content_digest: bool,
    max_age_ms: u64,
    skew_ms: u64,
    expires: bool,
    nonce: bool,
    tag: Option<String>,
    label: Option<String>,
    body_bytes: u64,
    forward: bool,
    /// What is wanted of a request without a body, and of one with it.
    accept: [HeaderValue; 2],
}

/// Who calls, if the body is the one that was signed, and the nonce is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    identity: Identity,
    digests: Digests,
    once: Option<(ProofMark, u64)>,
}

/// Why there is no identity, yet or at all.
enum Refused {
    Denied(Denial),
    /// A key of this name is wanted, which the issuer may have by now.
    Wanting(Box<str>),
}

impl Signature {
    /// Compiles the config. `secret` resolves references to secrets.
    ///
    /// # Errors
    /// What of it cannot be used.
    pub fn new(
        config: &Config,
        issuer: Option<Arc<Issuer>>,
        secret: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, ConfigError> {
        let wrong =
            |pointer: &str, told: &str| ConfigError::new("signature-malformed", pointer, told);
        if config.keys.is_empty() && issuer.is_none() {
            return Err(wrong("/keys", "without a key nobody could sign anything"));
        }
        if config.keys.len() > MAX_KEYS {
            return Err(wrong(
                "/keys",
                "more than 1,000 keys; publish them as a set, and name its `issuer`",
            ));
        }
        if issuer.as_ref().is_some_and(|issuer| issuer.own.is_some()) {
            return Err(wrong(
                "/issuer",
                "an issuer with a shared secret publishes no keys",
            ));
        }
        if config.body_bytes > MAX_BODY_BYTES {
            return Err(wrong(
                "/body_bytes",
                "at most 16 MiB are held and verified as one",
            ));
        }
        let keys = config.keys.iter().enumerate().map(|(number, key)| {
            Ready::new(key, secret).map_err(|error| ConfigError {
                pointer: format!("/keys/{number}{}", error.pointer),
                ..error
            })
        });
        let keys = keys.collect::<Result<Box<[_]>, _>>()?;
        let twice = |(number, key): (usize, &Ready)| {
            keys[..number].iter().any(|one| one.keyid == key.keyid)
        };
        if keys.iter().enumerate().any(twice) {
            return Err(wrong("/keys", "two keys have the same `keyid`"));
        }
        let components = config.components.iter().enumerate().map(|(number, text)| {
            Component::parse(text).map_err(|told| wrong(&format!("/components/{number}"), &told))
        });
        let components = components.collect::<Result<Box<[_]>, _>>()?;
        let accept = |digest: bool| {
            let text = accept(config, &components, digest);
            HeaderValue::try_from(text).map_err(|_| wrong("/tag", "it cannot stand in a header"))
        };
        Ok(Self {
            accept: [accept(false)?, accept(true)?],
            keys,
            issuer,
            components,
            content_digest: config.content_digest,
            max_age_ms: config.max_age_ms.into(),
            skew_ms: config.skew_ms.into(),
            expires: config.expires,
            nonce: config.nonce,
            tag: config.tag.clone(),
            label: config.label.clone(),
            body_bytes: config.body_bytes,
            forward: config.forward,
        })
    }

    /// Names of keys whose secrets are not there, or too short.
    pub fn lacking(&self) -> impl Iterator<Item = &str> {
        let keys = self.keys.iter().filter(|key| key.verifier.is_none());
        keys.map(|key| key.name.as_str())
    }

    /// What takes the signature off the request, unless it is to be passed on. Of a request that
    /// is changed on its way it would be wrong, and an upstream that finds it may not know.
    pub fn edits(&self) -> impl Iterator<Item = Edit> {
        let edits = [SIGNATURE_INPUT, SIGNATURE].map(Edit::Remove);
        (!self.forward).then_some(edits).into_iter().flatten()
    }

    /// Judges the signature; then the body, where it was signed; then whether the nonce is new.
    /// `body` is whether there is one.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        shown: &Shown<'_>,
        body: bool,
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Verdict, PolicyError> {
        let facts = match answers {
            Answers::None => None,
            Answers::Issuer(facts) => Some((facts, false)),
            Answers::Refetched(facts) => Some((facts, true)),
            Answers::Content(gather, content) => return self.content(gather, content),
            Answers::First(proved, first) => return Ok(self.used(proved, *first, body)),
            Answers::Stale => return Ok(Verdict::Deny(Denial::new(&KEYS_STALE))),
            _ => {
                let cause = "it asked for a body or for keys, and was told something else";
                return Err(PolicyError::new(NAME, cause));
            }
        };
        let signed = match read(view.headers) {
            Ok(Some(signed)) => signed,
            Ok(None) => return Ok(Verdict::Deny(self.challenged(&MISSING, body).absent())),
            Err((reason, told)) => return Ok(Verdict::Deny(self.refuse(reason, told, body))),
        };
        if let (Some(issuer), None) = (&self.issuer, facts) {
            return Ok(Verdict::Need(Need::Issuer(Arc::clone(&issuer.name))));
        }
        Ok(
            match self.any(&signed, (view, shown, body), facts, now_ms) {
                Ok(verdict) => verdict,
                Err(Refused::Denied(denial)) => Verdict::Deny(denial),
                Err(Refused::Wanting(kid)) => match &self.issuer {
                    Some(issuer) => Verdict::Need(Need::Refetch {
                        issuer: Arc::clone(&issuer.name),
                        kid,
                    }),
                    None => Verdict::Deny(self.challenged(&KEY_UNKNOWN, body)),
                },
            },
        )
    }

    /// Any one of the signatures will do.
    fn any(
        &self,
        signed: &[Signed],
        asked: (&RequestView<'_>, &Shown<'_>, bool),
        facts: Option<(&IssuerFacts, bool)>,
        now_ms: u64,
    ) -> Result<Verdict, Refused> {
        let fits = |one: &&Signed| {
            self.label.as_ref().is_none_or(|label| *label == one.label)
                && (self.tag.is_none() || self.tag == one.tag)
        };
        let mut refused = None;
        for one in signed.iter().filter(fits).take(TRIES) {
            match self.one(one, asked, facts, now_ms) {
                Ok(verdict) => return Ok(verdict),
                // Others may have signed the request for themselves: whose key is known, is ours to judge.
                Err(Refused::Denied(denial)) if *denial.reason == KEY_UNKNOWN => {
                    refused = refused.or(Some(Refused::Denied(denial)));
                }
                Err(wanting @ Refused::Wanting(_)) => refused = refused.or(Some(wanting)),
                Err(refusal) => return Err(refusal),
            }
        }
        Err(refused.unwrap_or_else(|| Refused::Denied(self.challenged(&UNFIT, asked.2))))
    }

    fn one(
        &self,
        signed: &Signed,
        (view, shown, body): (&RequestView<'_>, &Shown<'_>, bool),
        facts: Option<(&IssuerFacts, bool)>,
        now_ms: u64,
    ) -> Result<Verdict, Refused> {
        let lacks = self.lacks(signed, view.headers, (shown.again, body), now_ms);
        let (identity, holds) = match self.keyed(signed, body) {
            Some(ready) => {
                let ready = ready.map_err(Refused::Denied)?;
                let Some(verifier) = &ready.verifier else {
                    return Err(Refused::Denied(Denial::new(&SECRET_MISSING)));
                };
                self.algorithm(signed, ready.algorithm, body)?;
                let base = self.base(signed, (view, shown, body))?;
                let holds = verifier.verifies(&base, &signed.signature);
                (
                    identity(&ready.name, &ready.name, ready.algorithm, signed),
                    holds,
                )
            }
            None => {
                let asked = facts.is_some_and(|(_, asked)| asked);
                // Nobody is asked for a key of what is refused in any case.
                if let (Some(denial), false) = (&lacks, asked) {
                    return Err(Refused::Denied(denial.clone()));
                }
                self.published(signed, (view, shown, body), facts, now_ms)?
            }
        };
        if !holds {
            let told = format!(
                "the gate took the address for {}",
                quoted(&address(view, shown))
            );
            return Err(Refused::Denied(self.refuse(&WRONG, told, body)));
        }
        // Whoever holds the key has not guessed it, whatever else is wrong.
        if let Some(denial) = lacks {
            return Err(Refused::Denied(denial.known(identity)));
        }
        let once = signed.nonce.as_deref().filter(|_| !shown.again);
        let once = once.map(|nonce| (mark(&identity.credential, nonce), self.until_ms(signed)));
        let digested = signed
            .components
            .iter()
            .any(|one| one.is_field(&CONTENT_DIGEST));
        if !digested {
            return Ok(known(identity, once));
        }
        let digests = Digests::read(view.headers).map_err(|told| {
            Refused::Denied(
                self.refuse(&DIGEST_UNREADABLE, told, body)
                    .known(identity.clone()),
            )
        })?;
        let pending = Pending {
            identity,
            digests,
            once,
        };
        if body {
            return Ok(Verdict::Need(Need::Content(Box::new(Gather {
                most: self.body_bytes,
                pending: Some(pending),
            }))));
        }
        Ok(self.bodied(&pending, b""))
    }

    /// The configured key that a signature names, or why it names none; nothing where the issuer may have it.
    fn keyed(&self, signed: &Signed, body: bool) -> Option<Result<&Ready, Denial>> {
        let Some(keyid) = &signed.keyid else {
            return match (&self.keys[..], &self.issuer) {
                ([only], None) => Some(Ok(only)),
                _ => Some(Err(self.refuse(&PARAMETERS, "it has no `keyid`", body))),
            };
        };
        let found = self.keys.iter().find(|key| key.keyid == *keyid);
        match (found, &self.issuer) {
            (Some(key), _) => Some(Ok(key)),
            (None, Some(_)) => None,
            (None, None) => Some(Err(self.unknown(keyid, body))),
        }
    }

    fn unknown(&self, keyid: &str, body: bool) -> Denial {
        self.refuse(
            &KEY_UNKNOWN,
            format!("its `keyid` is `{}`", quoted(keyid)),
            body,
        )
    }

    /// The same by a key that the issuer publishes.
    fn published(
        &self,
        signed: &Signed,
        (view, shown, body): (&RequestView<'_>, &Shown<'_>, bool),
        facts: Option<(&IssuerFacts, bool)>,
        now_ms: u64,
    ) -> Result<(Identity, bool), Refused> {
        let keyid = signed.keyid.as_deref().unwrap_or_default();
        let (Some(issuer), Some((facts, asked))) = (&self.issuer, facts) else {
            return Err(Refused::Denied(self.unknown(keyid, body)));
        };
        let set = facts.keys.as_ref().filter(|set| issuer.publishes(set));
        let wanting = |denial: Denial| match asked {
            true => Refused::Denied(denial),
            false => Refused::Wanting(keyid.into()),
        };
        let Some(set) = set else {
            return Err(wanting(Denial::new(&KEYS_MISSING)));
        };
        if set.confirmed_ms.saturating_add(issuer.stale_for_ms) <= now_ms {
            return Err(Refused::Denied(Denial::new(&KEYS_STALE)));
        }
        let mut found = set.candidates(Some(keyid));
        let Some(key) = found.as_mut().and_then(Iterator::next) else {
            return Err(wanting(self.unknown(keyid, body)));
        };
        let algorithm = Algorithm::of(key, signed.alg.as_deref());
        let verifier = algorithm.and_then(|algorithm| algorithm.verifier(key).zip(Some(algorithm)));
        let Some((verifier, algorithm)) = verifier else {
            let told = "the issuer has no key for this algorithm under this name";
            return Err(Refused::Denied(self.refuse(&ALGORITHM, told, body)));
        };
        let base = self.base(signed, (view, shown, body))?;
        let holds = verifier.verifies(&base, &signed.signature);
        let name = format!("{}/{keyid}", issuer.name);
        Ok((identity(&name, keyid, algorithm, signed), holds))
    }

    fn algorithm(&self, signed: &Signed, wanted: Algorithm, body: bool) -> Result<(), Refused> {
        match &signed.alg {
            Some(alg) if alg != wanted.as_str() => {
                let told = format!(
                    "its `alg` is `{}`; the key is for {}",
                    quoted(alg),
                    wanted.as_str()
                );
                Err(Refused::Denied(self.refuse(&ALGORITHM, told, body)))
            }
            _ => Ok(()),
        }
    }

    /// The bytes that were signed (RFC 9421 section 2.5).
    fn base(
        &self,
        signed: &Signed,
        (view, shown, body): (&RequestView<'_>, &Shown<'_>, bool),
    ) -> Result<Vec<u8>, Refused> {
        let authority = authority(shown);
        let request = Request {
            method: view.method,
            secure: shown.secure,
            authority: &authority,
            target: shown.target,
            headers: view.headers,
        };
        base(signed, &request)
            .map_err(|told| Refused::Denied(self.refuse(&COMPONENT_UNKNOWN, told, body)))
    }

    /// What the signature lacks that this API wants, if anything.
    fn lacks(
        &self,
        signed: &Signed,
        headers: &HeaderMap,
        (again, body): (bool, bool),
        now_ms: u64,
    ) -> Option<Denial> {
        let refuse = |reason, told: &str| Some(self.refuse(reason, told.to_owned(), body));
        // Not covered itself, `Connection` could be added by whoever the request passes.
        for name in signed.components.iter().filter_map(Component::field) {
            if let Some(why) = disturbed(headers, name) {
                return refuse(&COMPONENT_UNKNOWN, &format!("`{name}`: {why}"));
            }
        }
        let Some(created) = signed.created else {
            return refuse(&PARAMETERS, "it has no `created`");
        };
        if self.expires && signed.expires.is_none() {
            return refuse(&PARAMETERS, "it has no `expires`");
        }
        if self.nonce && signed.nonce.is_none() {
            return refuse(&PARAMETERS, "it has no `nonce`");
        }
        let covers = |wanted: &Component| signed.components.iter().any(|one| one.covers(wanted));
        if let Some(wanted) = self.components.iter().find(|wanted| !covers(wanted)) {
            return refuse(
                &COMPONENTS,
                &format!("it does not cover `{}`", wanted.text()),
            );
        }
        let digested = signed
            .components
            .iter()
            .any(|one| one.is_field(&CONTENT_DIGEST));
        if body && self.content_digest && !digested {
            return refuse(
                &COMPONENTS,
                "there is a body, and it does not cover `\"content-digest\"`",
            );
        }
        // What is still open was judged by the clock when it began.
        if again {
            return None;
        }
        if milliseconds(created) > now_ms.saturating_add(self.skew_ms) {
            return refuse(&EARLY, "its `created` lies ahead");
        }
        (self.until_ms(signed) <= now_ms).then(|| {
            let over = signed
                .expires
                .is_some_and(|at| milliseconds(at).saturating_add(self.skew_ms) <= now_ms);
            let told = if over {
                "its `expires` has passed"
            } else {
                "it was `created` too long ago"
            };
            self.refuse(&EXPIRED, told, body)
        })
    }

    /// Until when it holds, milliseconds since the epoch.
    fn until_ms(&self, signed: &Signed) -> u64 {
        let created_ms = milliseconds(signed.created.unwrap_or_default());
        let aged_ms = created_ms.saturating_add(self.max_age_ms);
        let ends_ms = signed.expires.map_or(u64::MAX, milliseconds);
        aged_ms.min(ends_ms).saturating_add(self.skew_ms)
    }

    fn content(&self, gather: &Gather, content: &Content) -> Result<Verdict, PolicyError> {
        let Some(pending) = &gather.pending else {
            return Err(PolicyError::new(
                NAME,
                "it asked for a body, and forgot whose",
            ));
        };
        Ok(match content {
            Content::Whole(body) => self.bodied(pending, body),
            Content::TooLong => {
                let told = format!("at most {} bytes are taken", self.body_bytes);
                let denial = Denial::new(&BODY_TOO_LONG).detail(told);
                Verdict::Deny(denial.known(pending.identity.clone()))
            }
            Content::Refused(denial) => Verdict::Deny(denial.clone()),
            Content::Gone => known(pending.identity.clone(), pending.once),
        })
    }

    fn bodied(&self, pending: &Pending, body: &[u8]) -> Verdict {
        if !pending.digests.are_of(body) {
            // Whoever signed it did not send it.
            let told = format!("{} bytes arrived", body.len());
            return Verdict::Deny(
                self.refuse(&DIGEST_WRONG, told, true)
                    .known(pending.identity.clone()),
            );
        }
        known(pending.identity.clone(), pending.once)
    }

    fn used(&self, proved: &Proved, first: First, body: bool) -> Verdict {
        let denial = match first {
            First::Yes => return Verdict::Identify(proved.identity.clone()),
            First::No => self.challenged(&REPLAYED, body),
            First::Full => Denial::new(&FULL).header(RETRY_AFTER, HeaderValue::from_static("60")),
        };
        Verdict::Deny(denial.known(proved.identity.clone()))
    }

    fn refuse(
        &self,
        reason: ReasonRef,
        told: impl Into<std::borrow::Cow<'static, str>>,
        body: bool,
    ) -> Denial {
        self.challenged(reason, body).detail(told)
    }

    /// What a client is told that can mend it: the scheme, and what is to be signed.
    fn challenged(&self, reason: ReasonRef, body: bool) -> Denial {
        // The words are the reason's: constant, so that nothing of a stranger's ever stands there.
        let challenge = match reason.code {
            code if code == MISSING.code => Ok(HeaderValue::from_static("Signature")),
            _ => HeaderValue::try_from(format!(
                "Signature error=\"invalid_signature\", error_description=\"{}\"",
                reason.title.replace('`', "'")
            )),
        };
        let digest = usize::from(body && self.content_digest);
        Denial::new(reason)
            .header(
                WWW_AUTHENTICATE,
                challenge.unwrap_or(HeaderValue::from_static("Signature")),
            )
            .header(ACCEPT_SIGNATURE, self.accept[digest].clone())
    }
}

/// Who calls, once nothing but the nonce is left to be looked at.
fn known(identity: Identity, once: Option<(ProofMark, u64)>) -> Verdict {
    match once {
        Some((mark, until_ms)) => Verdict::Need(Need::First(Box::new(Proved {
            identity,
            mark,
            until_ms,
        }))),
        None => Verdict::Identify(identity),
    }
}
fn milliseconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
}

#[cfg(test)]
mod tests;
