//! What a policy can say.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue, COOKIE, WWW_AUTHENTICATE};
use lockgate_wire::headers::cookies::of_line;
use serde_json::{Map, Value};

use crate::facts::Need;
use crate::signature::ACCEPT_SIGNATURE;
use crate::{basic, introspection, jwt, session, ReasonRef, Span};

// What the gate itself says when a policy breaks rather than refuses.
lockgate_wire::reasons! { "gate", Gate:
    POLICY_FAILED = "policy-failed", 500,
        "A policy could not decide.",
        "A policy met an error of its own, and a policy that fails denies. The gate's log names the policy and the cause for this request id.";
}

/// A policy's decision. Never a bool: each carries what comes of it.
#[derive(Debug)]
pub enum Verdict {
    /// Go on, with these changes.
    Allow(Edits),
    /// Go on: this entitles the caller. Authorization alone may say this.
    Granted(Grounds),
    /// The caller is known. Authentication alone may say this.
    Identify(Identity),
    /// The same, and the client gets its credential anew: the value of `Set-Cookie`.
    Renewed(Identity, HeaderValue),
    /// The caller is this one from here on, who may do less. `apps` alone may say this.
    Narrowed(Identity, Grounds),
    /// The request ends here.
    Deny(Denial),
    /// The gate answers by itself, and it is no refusal.
    Respond(Box<http::Response<Vec<u8>>>),
    /// Something from outside is wanted first; ask again with the answer.
    Need(Need),
}

impl Verdict {
    /// Go on, with nothing changed.
    #[must_use]
    pub const fn allow() -> Self {
        Self::Allow(Edits::none())
    }
}

/// What entitles a caller, in words: `role support`, `scope orders:read`.
pub type Grounds = Arc<[Arc<str>]>;

/// Changes that a policy makes, both ways. Empty allocates nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// To the request that goes to the upstream.
    pub request: Vec<Edit>,
    /// To the answer that goes to the client: the upstream's, or the gate's own.
    pub answer: Vec<Edit>,
}

impl Edits {
    /// No change.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            request: Vec::new(),
            answer: Vec::new(),
        }
    }

    /// Whether nothing is changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.request.is_empty() && self.answer.is_empty()
    }
}

/// A change to the header fields of a request or of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Take the header away, however often it stands there.
    Remove(HeaderName),
    /// Set the header, replacing what stands there.
    Set(HeaderName, HeaderValue),
    /// Add the header, beside what stands there.
    Add(HeaderName, HeaderValue),
    /// Take the cookie of this name away, and leave the others.
    RemoveCookie(Box<str>),
}

impl Edit {
    /// The header that it changes.
    #[must_use]
    pub fn header(&self) -> &HeaderName {
        match self {
            Self::Remove(name) | Self::Set(name, _) | Self::Add(name, _) => name,
            Self::RemoveCookie(_) => &COOKIE,
        }
    }

    /// Makes the change.
    pub fn apply(&self, headers: &mut HeaderMap) {
        match self {
            Self::Remove(name) => {
                headers.remove(name);
            }
            Self::Set(name, value) => {
                headers.insert(name, value.clone());
            }
            Self::Add(name, value) => {
                headers.append(name, value.clone());
            }
            Self::RemoveCookie(name) => {
                remove_cookies(headers, &|cookie| cookie == name.as_bytes());
            }
        }
    }
}

/// Writes the lines of cookies anew without those whose names are meant.
pub fn remove_cookies(headers: &mut HeaderMap, meant: &dyn Fn(&[u8]) -> bool) {
    // Of nearly every request nothing is meant, and it is looked at without a copy.
    let lines = || headers.get_all(COOKIE).iter();
    if !lines().flat_map(of_line).any(|cookie| meant(cookie.name)) {
        return;
    }
    let left = |line: &HeaderValue| -> Option<HeaderValue> {
        let left: Vec<_> = of_line(line)
            .filter(|cookie| !meant(cookie.name) && !cookie.pair.is_empty())
            .map(|cookie| cookie.pair)
            .collect();
        // A part of a header's value is one as well.
        let value = HeaderValue::from_bytes(&left.join(&b"; "[..])).ok()?;
        (!left.is_empty()).then_some(value)
    };
    let lines: Vec<HeaderValue> = lines().filter_map(left).collect();
    headers.remove(COOKIE);
    for line in lines {
        headers.append(COOKIE, line);
    }
}

/// Why a request ends, and what may be said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The stable reason.
    pub reason: ReasonRef,
    /// What is particular to this request; safe to show a stranger.
    pub detail: Option<Cow<'static, str>>,
    /// Headers that the status asks for, such as `WWW-Authenticate` with 401.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Nothing was presented to be judged. Where any one of several credentials
    /// will do, the refusal of one that was presented says more.
    pub absent: bool,
    /// Whose credential it was, where that is certain though it opens nothing:
    /// a revoked key's id tells who still uses it.
    pub known: Option<Box<Identity>>,
    /// Where the configuration says what refused, where that is more precise
    /// than the policy's own place.
    pub span: Option<Span>,
    /// What an operator's own check calls it, where one refused.
    pub own: Option<Box<Own>>,
    /// What decided, where that has a name of its own.
    pub grounds: Option<Box<Grounds>>,
}

/// What a challenge asks for, without what was wrong (RFC 6750, 3).
fn way(challenge: &HeaderValue) -> &[u8] {
    const WRONG: &[u8] = b" error=";
    let text = challenge.as_bytes();
    let end = text.windows(WRONG.len()).position(|part| part == WRONG);
    &text[..end.unwrap_or(text.len())]
}

/// A refusal in the words of an operator's own check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Kebab-case; beside the stable reason, never in its place.
    pub code: Box<str>,
    /// The status, in place of the reason's.
    pub status: u16,
    /// What is said to the client in place of the gate's own words, and what that is.
    pub body: Option<(HeaderValue, Bytes)>,
}

impl Denial {
    /// A refusal with nothing particular to say.
    #[must_use]
    pub const fn new(reason: ReasonRef) -> Self {
        Self {
            reason,
            detail: None,
            headers: Vec::new(),
            absent: false,
            known: None,
            span: None,
            own: None,
            grounds: None,
        }
    }

    /// Says what decided.
    #[must_use]
    pub fn grounds(mut self, grounds: &Grounds) -> Self {
        self.grounds = Some(Box::new(Grounds::clone(grounds)));
        self
    }

    /// Says where the configuration says it.
    #[must_use]
    pub const fn span(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.own
            .as_ref()
            .map_or(self.reason.status, |own| own.status)
    }

    /// Adds a detail that is safe to show a stranger.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Whether this tells a client more than another refusal does, where any
    /// one of two credentials would have been enough.
    #[must_use]
    pub const fn says_more_than(&self, other: &Self) -> bool {
        const fn says(denial: &Denial) -> u8 {
            match (denial.absent, denial.detail.is_some()) {
                (false, _) => 2,
                (true, true) => 1,
                (true, false) => 0,
            }
        }
        says(self) > says(other)
    }

    /// Names the way in that another refusal names, too (RFC 9110, 11.6.1), and what it wants signed.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (name, value) in other.headers {
            let stands = |(known, there): &(HeaderName, HeaderValue)| {
                *known == name && way(there) == way(&value)
            };
            let names = [WWW_AUTHENTICATE, ACCEPT_SIGNATURE].contains(&name);
            if names && !self.headers.iter().any(stands) {
                self.headers.push((name, value));
            }
        }
        self
    }

    /// Says that nothing was presented.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.absent = true;
        self
    }

    /// Says whose credential it was.
    #[must_use]
    pub fn known(mut self, identity: Identity) -> Self {
        self.known = Some(Box::new(identity));
        self
    }

    /// Adds a header that the status asks for.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<ReasonRef> for Denial {
    fn from(reason: ReasonRef) -> Self {
        Self::new(reason)
    }
}

/// Who calls, and how that was proved. Set by authentication only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The policy that proved it.
    pub proved_by: &'static str,
    /// The credential's public id, by which its holder is counted: `key_…` for
    /// a key, `<issuer>/<sub>` for a token.
    pub credential: Arc<str>,
    /// Who answers for the credential.
    pub owner: Arc<str>,
    /// The program that calls, where the credential tells it (`client_id`, `azp`).
    pub app: Option<Arc<str>>,
    /// What the credential says besides, verified.
    pub claims: Option<Arc<Map<String, Value>>>,
}

impl Identity {
    /// Whose credential it is, by the issuer's name in the configuration, where it is an issuer's.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        [jwt::NAME, introspection::NAME, session::NAME, basic::NAME]
            .contains(&self.proved_by)
            .then(|| self.credential.split_once('/').map(|(issuer, _)| issuer))
            .flatten()
    }
}

/// An error of the policy itself: it could not decide.
#[derive(Debug)]
pub struct PolicyError {
    /// The room.
    pub policy: &'static str,
    /// What the caller is told.
    pub reason: ReasonRef,
    /// What went wrong; for the log, never for the caller.
    pub cause: String,
}

impl PolicyError {
    /// An error that has no reason of its own.
    #[must_use]
    pub fn new(policy: &'static str, cause: impl Into<String>) -> Self {
        Self {
            policy,
            reason: &POLICY_FAILED,
            cause: cause.into(),
        }
    }
}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the policy {} could not decide: {}",
            self.policy, self.cause
        )
    }
}

impl std::error::Error for PolicyError {}

/// A config that does not make sense; it stops the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Kebab-case, stable.
    pub code: &'static str,
    /// JSON Pointer below the policy's config.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub message: String,
    /// Where the configuration says it, once the caller has filled it in.
    pub span: Option<Span>,
}

impl ConfigError {
    /// An error at `pointer`, its place not yet known.
    #[must_use]
    pub fn new(code: &'static str, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            pointer: pointer.into(),
            message: message.into(),
            span: None,
        }
    }

    /// Says where the configuration says it.
    #[must_use]
    pub const fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}
