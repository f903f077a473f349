//! A name and a password with each request (RFC 7617).
//!
//! # Description
//! Whether a password is somebody's is not known here, and nobody who has only
//! the gate learns it: the control process is asked, which looks at its own
//! people or at a directory. What it says is believed for a while. A password
//! that was changed since, or whose person was suspended, is asked about anew.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! See [`REASONS`].
//!
//! # Example
//! ```yaml
//! issuers:
//!   people: {users: {}}
//! apis:
//!   orders:
//!     authenticate:
//!       - basic: {issuer: people}
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use http::header::{HeaderMap, HeaderValue, AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::introspection::{Answer, Heard, Known, Mark, Marks, Question, ALWAYS, OPEN_MS};
use crate::jwt::{Issuer, Revoked};
use crate::{
    Answers, ConfigError, Denial, Edit, Identity, Need, PolicyError, ReasonRef, RequestView,
    Verdict,
};

mod reasons;

pub use reasons::*;

/// The room's name everywhere.
pub const NAME: &str = "basic";
/// Longest name, bytes. Accounts have some ten; an address of a mailbox has at most 254 (RFC 5321).
const NAME_BYTES: usize = 256;
/// Longest password, bytes: a passphrase of many words has a hundred; hashing more costs more.
const PASSWORD_BYTES: usize = 1_024;
/// What tells its marks from those of tokens.
const LABEL: &[u8] = b"names and passwords";

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the issuer whose people they are.
    pub issuer: String,
    /// Where they are asked about; what was said elsewhere does not count.
    pub source: String,
    /// What the API is called where the password is asked for.
    pub realm: String,
    /// Leave the password on the request that goes to the upstream.
    pub forward: bool,
    /// How long a right password is not asked about again, milliseconds.
    pub cache_ms: u32,
    /// The same of wrong ones.
    pub negative_ms: u32,
    /// How long an answer may take, milliseconds.
    pub timeout_ms: u32,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Basic {
    issuer: Arc<Issuer>,
    iss: Arc<str>,
    challenge: HeaderValue,
    forward: bool,
    believed_ms: (u64, u64),
    timeout_ms: u32,
    marks: Marks,
    known: Arc<Known>,
}

impl Basic {
    /// Compiles the config for its issuer. What is heard is in `known`; `pepper` is the
    /// installation's secret.
    ///
    /// # Errors
    /// If the realm is none.
    pub fn new(
        config: &Config,
        issuer: Arc<Issuer>,
        known: Arc<Known>,
        pepper: &hmac::Key,
    ) -> Result<Self, ConfigError> {
        let parts = [&*issuer.name, &*issuer.issuer, &*config.source];
        Ok(Self {
            challenge: challenge(&config.realm)?,
            forward: config.forward,
            believed_ms: (config.cache_ms.into(), config.negative_ms.into()),
            timeout_ms: config.timeout_ms,
            marks: Marks::of(pepper, LABEL, parts),
            iss: issuer.issuer.as_str().into(),
            issuer,
            known,
        })
    }

    /// The name of the issuer that is asked.
    #[must_use]
    pub fn issuer(&self) -> &Arc<str> {
        &self.issuer.name
    }

    /// What takes the password off the request, unless it is to be passed on.
    pub fn edits(&self) -> impl Iterator<Item = Edit> {
        (!self.forward)
            .then_some(Edit::Remove(AUTHORIZATION))
            .into_iter()
    }

    /// Takes an answer ahead of time, and for good: where nobody is asked. `credential` is what
    /// stands behind `Basic`.
    pub fn hear(&self, credential: &[u8], answer: Answer) {
        let heard = Heard::of(answer, (NAME, &self.issuer.name, &self.iss), ALWAYS);
        if let Ok(plain) = STANDARD.decode(credential) {
            self.known.hear(&self.marks.mark(&plain), &heard, 0, 0);
        }
    }

    /// Judges a name and a password: first that there are some, then by what is known of them, and
    /// once more after they were asked about. `client` is where they come from.
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
        let plain = match self.read(view.headers) {
            Ok(plain) => plain,
            Err(denial) => return Ok(Verdict::Deny(denial)),
        };
        let judged = match answers {
            Answers::None => return Ok(Verdict::Need(Need::Issuer(Arc::clone(&self.issuer.name)))),
            Answers::Issuer(facts) => {
                let mark = self.marks.mark(&plain);
                match self.recall(&mark, &facts.revoked, now_ms) {
                    Some(heard) => self.judge(heard, &facts.revoked, now_ms),
                    None => {
                        let question = self.question(&plain, mark, client);
                        return Ok(Verdict::Need(Need::Ask(Box::new(question))));
                    }
                }
            }
            Answers::Asked(heard, facts) => {
                let heard = match heard {
                    Heard::Later => self.meanwhile(&self.marks.mark(&plain), now_ms),
                    heard => heard.clone(),
                };
                self.judge(heard, &facts.revoked, now_ms)
            }
            Answers::Stale => Err(later(&UNAVAILABLE, 1)),
            _ => {
                return Err(PolicyError::new(
                    NAME,
                    "it asked about a password, and was told something else",
                ))
            }
        };
        Ok(match judged {
            Ok(identity) => Verdict::Identify(identity),
            Err(denial) => Verdict::Deny(denial),
        })
    }

    /// The name and the password that there are, with the colon between.
    fn read(&self, headers: &HeaderMap) -> Result<Vec<u8>, Denial> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let missing = || self.refuse(&MISSING, None).absent();
        let first = values.next().ok_or_else(missing)?.as_bytes();
        if values.next().is_some() {
            return Err(self.refuse(&MALFORMED, Some("there is more than one")));
        }
        // Another scheme is another way to prove who calls.
        let sent = schemed(first).ok_or_else(missing)?;
        let most = (NAME_BYTES + 1 + PASSWORD_BYTES).div_ceil(3) * 4;
        let malformed = |why| self.refuse(&MALFORMED, Some(why));
        if sent.len() > most {
            return Err(malformed("it is too long"));
        }
        let plain = STANDARD
            .decode(sent)
            .map_err(|_| malformed("it is not in base64"))?;
        check(&plain).map_err(malformed)?;
        Ok(plain)
    }

    /// What is known, where it may still be believed. What was revoked since is asked about anew: the
    /// person may have another password now, or the same one and be let in again.
    fn recall(&self, mark: &Mark, revoked: &Revoked, now_ms: u64) -> Option<Heard> {
        let (heard, checked) = self.known.find(mark)?;
        if !heard.holds(self.believed_ms, now_ms) {
            return None;
        }
        let Heard::Active(active) = &heard else {
            return Some(heard);
        };
        // Read before what it is the number of: what is revoked meanwhile has another.
        let generation = revoked.generation();
        if checked != generation {
            if self.is_revoked(&active.identity, revoked, now_ms) {
                self.known.forget(mark);
                return None;
            }
            self.known.checked(mark, generation);
        }
        Some(heard)
    }

    fn judge(&self, heard: Heard, revoked: &Revoked, now_ms: u64) -> Result<Identity, Denial> {
        match heard {
            // What was revoked while it was asked about counts, too.
            Heard::Active(active) if self.is_revoked(&active.identity, revoked, now_ms) => {
                Err(self.refuse(&WRONG, None).known(active.identity))
            }
            Heard::Active(active) => Ok(active.identity),
            Heard::Inactive(_) => Err(self.refuse(&WRONG, None)),
            Heard::Unavailable(seconds) => Err(later(&UNAVAILABLE, seconds)),
            Heard::Busy => Err(later(&BUSY, 1)),
            Heard::Later => Err(later(&UNAVAILABLE, 1)),
        }
    }

    fn is_revoked(&self, identity: &Identity, revoked: &Revoked, now_ms: u64) -> bool {
        identity
            .claims
            .as_deref()
            .and_then(|claims| revoked.refuses(&self.iss, claims, now_ms))
            .is_some()
    }

    /// What counts for whom nobody waits, while it is asked anew.
    fn meanwhile(&self, mark: &Mark, now_ms: u64) -> Heard {
        let (cache_ms, negative_ms) = self.believed_ms;
        let known = self.known.find(mark).map(|(heard, _)| heard);
        known
            .filter(|heard| heard.holds((cache_ms + OPEN_MS, negative_ms + OPEN_MS), now_ms))
            .unwrap_or(Heard::Unavailable(1))
    }

    fn question(&self, plain: &[u8], mark: Mark, client: IpAddr) -> Question {
        Question {
            room: NAME,
            issuer: Arc::clone(&self.issuer.name),
            iss: Arc::clone(&self.iss),
            mark,
            token: STANDARD.encode(plain).into_bytes().into(),
            source: Some(client),
            believed_ms: self.believed_ms,
            timeout_ms: self.timeout_ms,
        }
    }

    fn refuse(&self, reason: ReasonRef, why: Option<&'static str>) -> Denial {
        let denial = Denial::new(reason).header(WWW_AUTHENTICATE, self.challenge.clone());
        match why {
            Some(why) => denial.detail(why),
            None => denial,
        }
    }
}

fn later(reason: ReasonRef, seconds: u32) -> Denial {
    Denial::new(reason).header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
}

/// What asks for a password, in UTF-8 (RFC 7617 section 2.1).
fn challenge(realm: &str) -> Result<HeaderValue, ConfigError> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if realm.is_empty() || !realm.bytes().all(plain) {
        let message =
            "a realm has printable ASCII characters, without quotation marks and backslashes";
        return Err(ConfigError::new("not-a-realm", "/realm", message));
    }
    HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
        .map_err(|_| ConfigError::new("not-a-realm", "/realm", "it cannot stand in a header"))
}

/// What stands behind the scheme `Basic`, in any letters.
fn schemed(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let (scheme, rest) = value.split_at_checked(NAME.len())?;
    let ours = scheme.eq_ignore_ascii_case(NAME.as_bytes());
    (ours && rest.first().is_none_or(|byte| *byte == b' ')).then(|| rest.trim_ascii())
}

/// Whether it is a name and a password that somebody could have (RFC 7617 section 2).
fn check(plain: &[u8]) -> Result<(), &'static str> {
    let text = std::str::from_utf8(plain).map_err(|_| "it is not in UTF-8")?;
    let (name, password) = text.split_once(':').ok_or("there is no colon in it")?;
    if text.chars().any(char::is_control) {
        return Err("there is a control character in it");
    }
    // An empty password would be taken by many a directory (RFC 4513 section 5.1.2).
    if name.is_empty() || password.is_empty() {
        return Err("the name or the password is empty");
    }
    if name.len() > NAME_BYTES || password.len() > PASSWORD_BYTES {
        return Err("the name or the password is too long");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
