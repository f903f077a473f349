//! `introspection`: the identity provider itself says whose a token is.
//!
//! # Description
//! A token is read from one place, and its issuer asked about it (RFC 7662): so
//! it need not be one that anybody else can read, and what was revoked there is
//! known here. What the issuer says is believed for a while, and judged with
//! each request by the code that judges the claims of a `jwt`. A token of whose
//! like no issuer ever made one is refused without a question.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! See [`REASONS`], and those of `jwt` for what holds of every token.
//!
//! # Example
//! ```yaml
//! issuers:
//!   company:
//!     issuer: https://login.example.com/realms/main
//!     audience: https://api.example.com
//!     client: {id: lockgate, secret: "${env:OIDC_SECRET}"}
//! apis:
//!   orders:
//!     authenticate:
//!       - introspection: {issuer: company}
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jwt::claims::{check, issued_by, program, Demands};
use crate::jwt::place::Reader;
use crate::jwt::refusal::{missing, not_ours, refuse, scopeless};
use crate::jwt::token::Parts;
use crate::jwt::{
    self, used, Binding, Issuer, Place, Possession, ProofRules, Revoked, Shown, DPOP,
};
use crate::scopes::{grant_scope, is_scope};
use crate::{
    Answers, ConfigError, Denial, Edit, Identity, Need, PolicyError, RequestView, Verdict,
};

mod answer;
mod known;
mod reasons;

pub use answer::{Answer, ANSWER_BYTES};
pub(crate) use known::Marks;
pub use known::{Active, Heard, Known, Mark, ALWAYS, LONGEST_MS};
pub use reasons::*;

/// The room's name everywhere.
pub const NAME: &str = "introspection";

/// What tells its marks from others.
const LABEL: &[u8] = b"introspected tokens";
/// How much longer than `cache` the word of before counts for what is open and has asked anew.
pub(crate) const OPEN_MS: u64 = 30_000;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the issuer whose tokens are taken.
    pub issuer: String,
    /// Where it is asked; what was said elsewhere does not count.
    pub source: String,
    /// Where the token is read.
    pub place: Place,
    /// Leave the token on the request that goes to the upstream.
    pub forward: bool,
    /// Ways of which a token must be bound in one; empty: one that is not bound is taken, too.
    pub bound: Vec<Binding>,
    /// How proofs are judged.
    pub proof: ProofRules,
    /// What `aud` must name one of; empty: what the issuer's rules say.
    pub audiences: Vec<String>,
    /// Scopes that there must be, all of them.
    pub scopes: Vec<String>,
    /// What the answer must say, besides `active` and what the issuer's rules require.
    pub require: Vec<String>,
    /// How long a good token is not asked about again, milliseconds.
    pub cache_ms: u32,
    /// The same of others.
    pub negative_ms: u32,
    /// How long the issuer may take to answer, milliseconds.
    pub timeout_ms: u32,
}

/// A question for an issuer.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// The room that asks.
    pub room: &'static str,
    /// The issuer's name.
    pub issuer: Arc<str>,
    /// What it calls itself.
    pub iss: Arc<str>,
    /// What the answer goes by.
    pub mark: Mark,
    /// The token.
    pub token: Arc<[u8]>,
    /// Where it came from, where that counts: failures are counted by it.
    pub source: Option<IpAddr>,
    /// How long good tokens and others are believed, milliseconds.
    pub believed_ms: (u64, u64),
    /// How long the issuer may take, milliseconds.
    pub timeout_ms: u32,
}

impl std::fmt::Debug for Question {
    // Whoever has the token is its holder: keep it out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Question({}, ..)", self.issuer)
    }
}

/// The compiled policy.
#[derive(Debug)]
pub struct Introspection {
    issuer: Arc<Issuer>,
    iss: Arc<str>,
    place: Reader,
    forward: bool,
    possession: Possession,
    audiences: Vec<String>,
    scopes: Vec<String>,
    require: Vec<String>,
    believed_ms: (u64, u64),
    timeout_ms: u32,
    /// Issuers of whom this API takes signed tokens in the same place: those are not asked about.
    left: Vec<Arc<Issuer>>,
    marks: Marks,
    known: Arc<Known>,
}

impl Introspection {
    /// Compiles the config for its issuer. What is heard is in `known`; `pepper` is the
    /// installation's secret. Signed tokens of `left` are another entry's.
    ///
    /// # Errors
    /// If the place is none that a token can be read from, or a scope is none.
    pub fn new(
        config: &Config,
        issuer: Arc<Issuer>,
        left: Vec<Arc<Issuer>>,
        known: Arc<Known>,
        pepper: &hmac::Key,
    ) -> Result<Self, ConfigError> {
        if let Some(wrong) = config.scopes.iter().find(|scope| !is_scope(scope)) {
            let message = format!("`{wrong}` is no scope (RFC 6749 section 3.3)");
            return Err(ConfigError::new("not-a-scope", "/scopes", message));
        }
        let parts = [&*issuer.name, &*issuer.issuer, &*config.source];
        Ok(Self {
            place: Reader::new(&config.place)?,
            forward: config.forward,
            possession: Possession::new(&config.bound, config.proof, pepper),
            audiences: config.audiences.clone(),
            scopes: config.scopes.clone(),
            require: config.require.clone(),
            believed_ms: (config.cache_ms.into(), config.negative_ms.into()),
            timeout_ms: config.timeout_ms,
            left,
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

    /// The token's bytes, where there is one.
    #[must_use]
    pub fn shown<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        self.place.shown(headers)
    }

    /// What takes the token off the request, and its proof, unless it is to be passed on.
    pub fn edits(&self) -> impl Iterator<Item = Edit> {
        let edits = (!self.forward).then(|| [self.place.edit(), Edit::Remove(DPOP)]);
        edits.into_iter().flatten()
    }

    /// Takes an issuer's word ahead of time, and for good: where nobody is asked.
    pub fn hear(&self, token: &[u8], answer: Answer) {
        let heard = Heard::of(answer, (NAME, &self.issuer.name, &self.iss), ALWAYS);
        self.known.hear(&self.marks.mark(token), &heard, 0, 0);
    }

    /// Judges the token: first that there is one, then by what is known of it, and once more
    /// after its issuer was asked.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        shown: &Shown<'_>,
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Verdict, PolicyError> {
        let (token, scheme) = match self.place.read(view.headers, self.possession.ways()) {
            Ok(read) => read,
            Err(denial) => return Ok(Verdict::Deny(denial)),
        };
        let said = match answers {
            Answers::None => {
                return Ok(if self.leaves(token) {
                    Verdict::Deny(not_ours(missing(self.possession.ways())))
                } else {
                    Verdict::Need(Need::Issuer(Arc::clone(&self.issuer.name)))
                })
            }
            Answers::Issuer(facts) => {
                let mark = self.marks.mark(token);
                let known = self.known.find(&mark);
                match known.filter(|(heard, _)| heard.holds(self.believed_ms, now_ms)) {
                    Some((heard, checked)) => {
                        self.judge(heard, (&mark, checked), &facts.revoked, now_ms)
                    }
                    None => match self.question(token, mark) {
                        Ok(question) => return Ok(Verdict::Need(Need::Ask(Box::new(question)))),
                        Err(denial) => Err(denial),
                    },
                }
            }
            Answers::Asked(heard, facts) => {
                let mark = self.marks.mark(token);
                let heard = match heard {
                    Heard::Later => self.meanwhile(&mark, now_ms),
                    heard => heard.clone(),
                };
                self.judge(heard, (&mark, 0), &facts.revoked, now_ms)
            }
            Answers::First(proved, first) => return Ok(used(proved, *first)),
            Answers::Stale => Err(later(&UNAVAILABLE, 1)),
            Answers::Key(..)
            | Answers::Brought(_)
            | Answers::Refetched(_)
            | Answers::Spent(_)
            | Answers::Taken(_)
            | Answers::Standing(_)
            | Answers::Failing(_)
            | Answers::Sighted(..)
            | Answers::Seated(..)
            | Answers::Plugin(_)
            | Answers::Decision(_)
            | Answers::Apps(_)
            | Answers::Content(..) => {
                return Err(PolicyError::new(
                    NAME,
                    "it asked about a token, and was told something else",
                ))
            }
        };
        Ok(match said {
            Ok(identity) => self.possession.judge(
                identity,
                (token, scheme, self.issuer.skew_ms),
                (view, shown),
                now_ms,
            ),
            Err(denial) => Verdict::Deny(denial),
        })
    }

    /// Whether it is a signed token of an issuer that another entry of the list knows.
    fn leaves(&self, token: &[u8]) -> bool {
        !self.left.is_empty()
            && Parts::split(token).is_ok_and(|parts| {
                let ours = |issuer: &Arc<Issuer>| issued_by(issuer, &parts.claims).is_ok();
                self.left.iter().any(ours)
            })
    }

    /// What to ask, of what may be a token.
    fn question(&self, token: &[u8], mark: Mark) -> Result<Question, Denial> {
        let most = self.issuer.token_bytes;
        if token.len() > most {
            let detail = format!("it is longer than {most} bytes");
            return Err(refuse(&MALFORMED, detail));
        }
        if !is_token(token) {
            return Err(refuse(&MALFORMED, "it has characters that no token has"));
        }
        Ok(Question {
            room: NAME,
            issuer: Arc::clone(&self.issuer.name),
            iss: Arc::clone(&self.iss),
            mark,
            token: token.into(),
            source: None,
            believed_ms: self.believed_ms,
            timeout_ms: self.timeout_ms,
        })
    }

    /// What counts for whom nobody waits, while it is asked anew.
    fn meanwhile(&self, mark: &Mark, now_ms: u64) -> Heard {
        let (cache_ms, negative_ms) = self.believed_ms;
        let known = self.known.find(mark).map(|(heard, _)| heard);
        known
            .filter(|heard| heard.holds((cache_ms + OPEN_MS, negative_ms + OPEN_MS), now_ms))
            .unwrap_or(Heard::Unavailable(1))
    }

    fn judge(
        &self,
        heard: Heard,
        (mark, checked): (&Mark, u64),
        revoked: &Revoked,
        now_ms: u64,
    ) -> Result<Identity, Denial> {
        let identity = match heard {
            Heard::Active(active) => active.identity,
            Heard::Inactive(_) => return Err(refuse(&INACTIVE, "its issuer says so")),
            Heard::Unavailable(seconds) => return Err(later(&UNAVAILABLE, seconds)),
            Heard::Busy => return Err(later(&BUSY, 1)),
            Heard::Later => return Err(later(&UNAVAILABLE, 1)),
        };
        let none = Map::new();
        let claims = identity.claims.as_deref().unwrap_or(&none);
        if let Err(denial) = self.claims(claims, now_ms) {
            // Whose it is, is certain; it only opens nothing.
            return Err(denial.known(identity));
        }
        // Read before what it is the number of: what is revoked meanwhile has another.
        let generation = revoked.generation();
        if checked == generation {
            return Ok(identity);
        }
        let identity = self.issuer.unless_revoked(identity, revoked, now_ms)?;
        self.known.checked(mark, generation);
        Ok(identity)
    }

    fn claims(&self, claims: &Map<String, Value>, now_ms: u64) -> Result<(), Denial> {
        let own = |denial: Denial| {
            let reason = match denial.reason {
                reason if *reason == jwt::AUDIENCE => &AUDIENCE,
                reason if *reason == jwt::CLAIMS || *reason == jwt::ISSUER => &CLAIMS,
                _ => &INACTIVE,
            };
            refuse(reason, denial.detail.unwrap_or_default())
        };
        issued_by(&self.issuer, claims).map_err(own)?;
        let demands = self.issuer.demands();
        let demands = Demands {
            audiences: if self.audiences.is_empty() {
                demands.audiences
            } else {
                &self.audiences
            },
            complete: false,
            ..demands
        };
        check(&demands, claims, now_ms).map_err(own)?;
        for wanted in &self.require {
            if claims.get(wanted).is_none_or(Value::is_null) {
                return Err(refuse(&CLAIMS, format!("it has no `{wanted}`")));
            }
        }
        kind(claims)?;
        if claims.get("sub").is_none() && program(claims).is_none() {
            return Err(refuse(
                &CLAIMS,
                "it names nobody: no `sub` and no `client_id`",
            ));
        }
        // RFC 7662 section 2.2: `scope` is a text, and nothing else.
        let plain = claims.get("scope").is_none_or(Value::is_string);
        let has = |scope: &&String| plain && grant_scope(claims, scope);
        match self.scopes.iter().find(|scope| !has(scope)) {
            Some(lacking) => {
                let detail = format!("it has not the scope `{lacking}`");
                let wanted: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
                Err(scopeless(&SCOPE, &wanted, detail))
            }
            None => Ok(()),
        }
    }
}

/// Refuses what is no access token: a refresh token is active, too, and would open everything for
/// as long as it lives.
fn kind(claims: &Map<String, Value>) -> Result<(), Denial> {
    for (name, taken) in [
        ("token_type", &["Bearer", "DPoP"][..]),
        // What some providers say besides.
        ("token_use", &["access_token", "access"][..]),
    ] {
        let fits = match claims.get(name) {
            None | Some(Value::Null) => true,
            Some(Value::String(said)) => taken.iter().any(|one| one.eq_ignore_ascii_case(said)),
            Some(_) => false,
        };
        if !fits {
            let detail = format!("its `{name}` is not that of an access token");
            return Err(refuse(&CLAIMS, detail));
        }
    }
    Ok(())
}

fn later(reason: crate::ReasonRef, seconds: u32) -> Denial {
    Denial::new(reason).header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
}

/// Whether it has the form of a token (RFC 6750 section 2.1).
fn is_token(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &text[..text.len() - padding];
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !body.is_empty() && body.iter().all(plain)
}

#[cfg(test)]
mod tests;
