//! `session`: a person who has signed in with a browser is known by its cookie.
//!
//! # Description
//! The identity pages sign people in at an OpenID provider, and seal who it is
//! into a `__Host-` cookie that nobody else can read or write. Here it is
//! opened, held against what was revoked, and whatever another site makes the
//! browser send is refused: a cookie comes along by itself, so it alone proves
//! nothing of who wanted the request.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! See [`REASONS`].
//!
//! # Example
//! ```yaml
//! sign_in:
//!   staff: {issuers: [company]}
//! apis:
//!   portal:
//!     authenticate:
//!       - session: {sign_in: staff}
//! ```

use std::sync::Arc;

use aws_lc_rs::hmac;
use http::header::{HeaderValue, ACCEPT, COOKIE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::broker::{Brought, Goods, Order};
use crate::jwt::{weight, Memo, Remembered, Revoked, TokenCache};
use crate::{
    Answers, ConfigError, Denial, Edit, Identity, Need, PolicyError, ReasonRef, RequestView,
    Verdict,
};

pub(crate) mod place;
mod reasons;
mod seal;
mod site;

pub use reasons::*;
pub use seal::{Opened, Seal, SealError};

/// The room's name everywhere.
pub const NAME: &str = "session";

/// The cookie of a sign-in begins so: `__Host-` binds it to one host and to TLS (RFC 6265bis section 4.1.3.2).
pub const COOKIE_PREFIX: &str = "__Host-lockgate-";

/// The identity pages, below which each sign-in has its own.
pub const PAGES: &str = "/.lockgate";

/// A longer target is not brought back to after signing in: browsers and servers bound what a `Location` holds.
const TARGET_BYTES: usize = 2_048;
/// How long what is open goes on while its session is renewed: nobody waits for that.
const OPEN_MS: u64 = 30_000;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the sign-in whose sessions are taken.
    pub sign_in: String,
    /// Names of the issuers by which people may have signed in.
    pub issuers: Vec<String>,
    /// Origins of other sites that may call with the cookie, such as `https://app.example.com`.
    #[serde(default)]
    pub origins: Vec<String>,
    /// How long a session goes on that the provider could not be asked about, milliseconds.
    #[serde(default)]
    pub grace_ms: u64,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Session {
    sign_in: Arc<str>,
    issuers: Vec<String>,
    origins: Vec<String>,
    grace_ms: u64,
    cookie: String,
    seal: Seal,
    /// What tells its memories from those of every other policy.
    rules: u64,
    challenge: HeaderValue,
    remembered: Arc<TokenCache>,
}

impl Session {
    /// Compiles the config. `pepper` is the installation's secret, from which the key of the seal is made.
    ///
    /// # Errors
    /// If the name of the sign-in is none that a cookie can have.
    pub fn new(
        config: &Config,
        pepper: &hmac::Key,
        remembered: Arc<TokenCache>,
    ) -> Result<Self, ConfigError> {
        let name = config.sign_in.as_str();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let challenge = HeaderValue::try_from(format!("Session url=\"{PAGES}/{name}/sign-in\""));
        let (false, true, Ok(challenge)) = (name.is_empty(), name.bytes().all(plain), challenge)
        else {
            let message = format!("`{name}` is no name of a sign-in");
            return Err(ConfigError::new("not-a-sign-in", "/sign_in", message));
        };
        let seal = Seal::new(pepper, name);
        Ok(Self {
            sign_in: name.into(),
            issuers: config.issuers.clone(),
            origins: config.origins.clone(),
            grace_ms: config.grace_ms,
            cookie: format!("{COOKIE_PREFIX}{name}"),
            rules: seal.fingerprint(&config.issuers),
            seal,
            challenge,
            remembered,
        })
    }

    /// What takes the cookies of the sign-in off the request: they are the gate's alone.
    pub fn edits(&self) -> impl Iterator<Item = Edit> {
        [Edit::RemoveCookie(self.cookie.as_str().into())].into_iter()
    }

    /// Judges the cookie: that there is one, who it says, whether it was revoked, and who wanted the request.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        answers: &Answers,
        now_ms: u64,
    ) -> Result<Verdict, PolicyError> {
        let cookie = match place::cookie(view.headers, &self.cookie) {
            place::Found::One(cookie) => cookie,
            place::Found::None => return Ok(Verdict::Deny(self.wanting(view, &MISSING).absent())),
            place::Found::Several => {
                return Ok(Verdict::Deny(
                    self.wanting(view, &INVALID)
                        .detail("the cookie was sent more than once"),
                ))
            }
        };
        let revoked = match answers {
            Answers::None => return Ok(Verdict::Need(Need::Issuer(Arc::clone(&self.sign_in)))),
            Answers::Issuer(facts) => &facts.revoked,
            Answers::Brought(outcome) => return Ok(self.renewed(view, cookie, outcome, now_ms)),
            Answers::Stale => return Ok(Verdict::Deny(Denial::new(&crate::api_key::FACTS_STALE))),
            _ => {
                return Err(PolicyError::new(
                    NAME,
                    "it asked what was revoked, and was told something else",
                ))
            }
        };
        let (identity, fresh) = match self.open(cookie, revoked, now_ms) {
            Ok(opened) => opened,
            Err((reason, detail, known)) => {
                let denial = self.wanting(view, reason).detail(detail);
                return Ok(Verdict::Deny(match known {
                    Some(identity) => denial.known(identity),
                    None => denial,
                }));
            }
        };
        Ok(match site::wanted(view, &self.origins) {
            Ok(()) if fresh => Verdict::Identify(identity),
            Ok(()) => {
                let order = Order::new(Goods::Session, &self.sign_in, &self.sign_in, cookie);
                Verdict::Need(Need::Order(Box::new(order)))
            }
            Err(detail) => Verdict::Deny(Denial::new(&CROSS_SITE).detail(detail).known(identity)),
        })
    }

    /// The cookie's bytes, where there is one.
    #[must_use]
    pub fn shown<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        match place::cookie(headers, &self.cookie) {
            place::Found::One(cookie) => Some(cookie),
            place::Found::None | place::Found::Several => None,
        }
    }

    /// The name of the sign-in whose sessions are taken.
    #[must_use]
    pub const fn sign_in(&self) -> &Arc<str> {
        &self.sign_in
    }

    /// Judges once more, by what came of asking the provider whether the session still holds.
    fn renewed(
        &self,
        view: &RequestView<'_>,
        cookie: &[u8],
        outcome: &Brought,
        now_ms: u64,
    ) -> Verdict {
        let known = match self.seal.open(cookie) {
            Ok(opened) => opened,
            Err(error) => return Verdict::Deny(self.wanting(view, &INVALID).detail(error.words())),
        };
        let since_ms = known.fresh_until_ms.unwrap_or(known.until_ms);
        let goes_on =
            |grace_ms: u64| now_ms < since_ms.saturating_add(grace_ms).min(known.until_ms);
        let seconds = match outcome {
            Brought::Got(sealed) => {
                // What the control process seals is opened as whatever a client brings.
                if let Ok(opened) = self.seal.open(sealed.as_bytes()) {
                    if let Some(value) = self.anew(sealed, opened.until_ms, now_ms) {
                        return Verdict::Renewed(opened.identity(), value);
                    }
                }
                1
            }
            Brought::Refused => {
                let words = "the provider says that it does not hold any more";
                let denial = self.wanting(view, &ENDED).detail(words);
                return Verdict::Deny(denial.known(known.identity()));
            }
            Brought::Later if goes_on(self.grace_ms.max(OPEN_MS)) => {
                return Verdict::Identify(known.identity())
            }
            Brought::Unavailable(_) | Brought::Busy if goes_on(self.grace_ms) => {
                return Verdict::Identify(known.identity())
            }
            Brought::Unavailable(seconds) => *seconds,
            Brought::Busy | Brought::Later => 1,
        };
        let denial = Denial::new(&UNRENEWED).known(known.identity());
        Verdict::Deny(denial.header(RETRY_AFTER, HeaderValue::from(seconds.max(1))))
    }

    /// The cookie as a browser is given it.
    fn anew(&self, sealed: &str, until_ms: u64, now_ms: u64) -> Option<HeaderValue> {
        let seconds = until_ms.checked_sub(now_ms).filter(|left| *left > 0)? / 1000;
        let name = &self.cookie;
        let fields = "Path=/; Secure; HttpOnly; SameSite=Lax";
        let text = format!("{name}={sealed}; Max-Age={}; {fields}", seconds.max(1));
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whose session it is, and whether what it says is fresh.
    fn open(
        &self,
        cookie: &[u8],
        revoked: &Revoked,
        now_ms: u64,
    ) -> Result<(Identity, bool), (ReasonRef, &'static str, Option<Identity>)> {
        // Read before what it is the number of: what is revoked meanwhile has another.
        let checked = revoked.generation();
        let memo = Memo::of(cookie, self.rules);
        let known = self.remembered.find(&memo);
        let (known, fresh) = match known.filter(|known| now_ms < known.until_ms) {
            Some(known) => (known, true),
            None => {
                let opened = self
                    .seal
                    .open(cookie)
                    .map_err(|error| (&INVALID, error.words(), None))?;
                if !self.issuers.contains(&opened.issuer) {
                    return Err((&INVALID, "its issuer signs nobody in here any more", None));
                }
                let until_ms = opened.until_ms;
                let fresh_ms = opened.fresh_until_ms.unwrap_or(until_ms).min(until_ms);
                let known = Remembered {
                    until_ms: fresh_ms,
                    value: opened.identity(),
                    // Nothing was held against it yet.
                    checked: checked.wrapping_sub(1),
                };
                if until_ms <= now_ms {
                    return Err((&EXPIRED, "it has had its time", Some(known.value)));
                }
                let fresh = now_ms < fresh_ms;
                if fresh {
                    self.remembered
                        .keep(memo, &known, weight(cookie.len()), now_ms);
                }
                (known, fresh)
            }
        };
        if known.checked != checked {
            let claims = known.value.claims.as_deref();
            let issuer = claims.and_then(|claims| claims.get("iss")?.as_str());
            let told = claims.zip(issuer);
            if told
                .and_then(|(claims, issuer)| revoked.refuses(issuer, claims, now_ms))
                .is_some()
            {
                let words = "it was signed out, or ended by the provider or an operator, or its device was revoked";
                return Err((&ENDED, words, Some(known.value)));
            }
            self.remembered.checked(&memo, checked);
        }
        Ok((known.value, fresh))
    }

    /// A refusal that says where to sign in; a browser that wants a page is sent there.
    fn wanting(&self, view: &RequestView<'_>, reason: ReasonRef) -> Denial {
        if navigates(view.method, view.headers) {
            let to = place::target(view, TARGET_BYTES);
            let location = format!("{PAGES}/{}/sign-in?to={to}", self.sign_in);
            if let Ok(location) = HeaderValue::try_from(location) {
                return Denial::new(&SIGN_IN)
                    .detail("sign in, and come back")
                    .header(LOCATION, location);
            }
        }
        Denial::new(reason).header(WWW_AUTHENTICATE, self.challenge.clone())
    }
}

/// Whether a person waits for a page (Fetch Metadata; older browsers say so by what they accept).
pub(crate) fn navigates(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    if *method != Method::GET && *method != Method::HEAD {
        return false;
    }
    match says("sec-fetch-mode") {
        Some(mode) => mode == b"navigate" && says("sec-fetch-dest") != Some(b"empty"),
        None => headers.get(ACCEPT).is_some_and(|accept| {
            let accept = accept.as_bytes();
            accept.windows(9).any(|part| part == b"text/html")
        }),
    }
}

/// The header that carries the cookie.
pub const HEADER: http::header::HeaderName = COOKIE;

#[cfg(test)]
mod tests;
