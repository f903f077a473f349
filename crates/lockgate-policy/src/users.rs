//! `users`: how many may use an API.
//!
//! # Description
//! A contract says for how many users something is, a licence for how many at
//! once, and an add-on that suddenly acts for thousands is no add-on any more.
//! So different callers are counted, each once whatever they send: those of a
//! day, and those that are there at once. Who is in goes on; who would be one
//! too many is refused, and told when to come again. Caps are taken all
//! together or not at all.
//!
//! Who is counted is kept by a store that the room asks with
//! [`crate::Need::Seat`].
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`DISTINCT`], [`CONCURRENT`], [`CROWDED`].
//!
//! # Example
//! ```yaml
//! authorize:
//!   users: {distinct_per_day: 5000, concurrent: 200, idle: 5m}
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

use crate::limits::{retry_after, waiting, CounterKey, Seed, Sip, SECOND_NS};
use crate::roles::Book;
use crate::{Answers, ConfigError, Denial, Identity, Need, PolicyError, ReasonRef, Span, Verdict};

mod reasons;
mod seats;

pub use reasons::*;
pub use seats::{day, Full, Many, Room, Seat, Seats, MAX_USERS, PAUSE_MS};

/// The room's name everywhere.
pub const NAME: &str = "users";

/// Most caps of one API.
pub const MAX_CAPS: usize = 16;

/// Longest that who is done keeps a place, milliseconds.
pub const IDLE_MAX_MS: u64 = 86_400_000;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UsersConfig")]
pub struct Config {
    /// The caps, of which all hold.
    pub caps: Vec<Cap>,
}

/// How many there may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UsersCap")]
pub struct Cap {
    /// How many different ones a day (UTC); zero is any number.
    pub distinct: u32,
    /// How many at once; zero is any number.
    pub concurrent: u32,
    /// For how long who is done keeps a place, milliseconds.
    pub idle_ms: u64,
    /// Of what.
    pub by: Of,
    /// Which users are counted: those that have this role; else all.
    pub role: Option<String>,
    /// Where the configuration says it.
    pub span: Span,
}

/// Of what there may be so many users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "UsersOf")]
pub enum Of {
    /// Of the API.
    Api,
    /// Of each program that uses it; those that name none are one.
    App,
    /// Of each value of a claim; who has none of it is of one that is nobody's.
    Claim(String),
}

#[derive(Debug)]
struct Compiled {
    cap: Cap,
    role: Option<usize>,
    /// What every key of it begins with, and is where it is the API's own; enforced, and observed.
    begun: [(Sip, CounterKey); 2],
}

/// The compiled policy.
#[derive(Debug)]
pub struct Users {
    caps: Box<[Compiled]>,
    book: Arc<Book>,
    seed: Seed,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who it is.
    pub identity: Option<&'a Identity>,
    /// Whether the verdict is only written down: then it is counted apart.
    pub shadow: bool,
    /// The time, milliseconds since the epoch.
    pub now_ms: u64,
}

impl Users {
    /// Compiles the config of an API.
    ///
    /// # Errors
    /// A cap that caps nothing, too many of them, or a role that there is not.
    pub fn new(
        config: &Config,
        api: &str,
        book: &Arc<Book>,
        seed: Seed,
    ) -> Result<Self, ConfigError> {
        if config.caps.len() > MAX_CAPS {
            let message = format!("an API has at most {MAX_CAPS} caps");
            return Err(ConfigError::new("too-many-caps", "/caps", message));
        }
        let caps = config.caps.iter().enumerate().map(|(place, cap)| {
            Compiled::new(cap, api, book, seed).map_err(|error| ConfigError {
                pointer: format!("/caps/{place}{}", error.pointer),
                span: Some(cap.span),
                ..error
            })
        });
        Ok(Self {
            caps: caps.collect::<Result<_, _>>()?,
            book: Arc::clone(book),
            seed,
        })
    }

    /// Whether it looks at what is not written down of a caller.
    #[must_use]
    pub fn needs_claims(&self) -> bool {
        let needs = |one: &Compiled| one.role.is_some() || one.cap.by != Of::Api;
        self.caps.iter().any(needs)
    }

    /// Its caps, each with what all its places have in common.
    pub fn caps(&self, shadow: bool) -> impl Iterator<Item = (&Cap, CounterKey)> {
        self.caps
            .iter()
            .map(move |one| (&one.cap, one.kind(shadow)))
    }

    /// Asks for a place, and judges by whether there is one.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(&self, asked: &Asked<'_>, answers: &Answers) -> Result<Verdict, PolicyError> {
        match answers {
            Answers::None => Ok(self.want(asked)),
            Answers::Seated(_, None) => Ok(Verdict::allow()),
            Answers::Seated(seats, Some(full)) => Ok(self.refuse(seats, full, asked)),
            _ => Err(PolicyError::new(
                NAME,
                "it asked for a place, and was told something else",
            )),
        }
    }

    fn want(&self, asked: &Asked<'_>) -> Verdict {
        // Who is nobody is no user: what may be done by anyone is bounded by `limits`.
        let Some(identity) = asked.identity else {
            return Verdict::allow();
        };
        let mut sip = self.seed.begin();
        sip.part(NAME.as_bytes());
        sip.part(identity.credential.as_bytes());
        let user = sip.end().0;
        let counted = self.caps.iter().filter(|one| {
            one.role
                .is_none_or(|role| self.book.held(role, identity).is_some())
        });
        let seats: Vec<_> = counted
            .map(|one| one.seat(identity, user, asked.shadow))
            .collect();
        if seats.is_empty() {
            return Verdict::allow();
        }
        Verdict::Need(Need::Seat(Box::new(Seats(seats))))
    }

    fn refuse(&self, seats: &Seats, full: &Full, asked: &Asked<'_>) -> Verdict {
        let seat = seats.0.get(full.seat);
        let cap = seat.and_then(|seat| self.of(seat, asked));
        let reason: ReasonRef = match full.what {
            Many::Distinct => &DISTINCT,
            Many::Concurrent => &CONCURRENT,
            Many::Crowded => &CROWDED,
        };
        let mut denial = Denial::new(reason);
        if let Some(cap) = cap {
            denial = denial.span(cap.cap.span);
            if let Some(said) = cap.said(full.what, asked.identity) {
                denial = denial.detail(said);
            }
        }
        let nanos = SECOND_NS / 1_000;
        let wait_ns = full
            .until_ms
            .saturating_sub(asked.now_ms)
            .saturating_mul(nanos);
        let user = CounterKey(seat.map_or(0, |seat| seat.user));
        let retry_s = retry_after(user, wait_ns, asked.now_ms.saturating_mul(nanos));
        Verdict::Deny(waiting(denial, retry_s))
    }

    /// The cap that a place is one of.
    fn of(&self, seat: &Seat, asked: &Asked<'_>) -> Option<&Compiled> {
        let identity = asked.identity?;
        self.caps
            .iter()
            .find(|one| one.key(identity, asked.shadow) == seat.key)
    }
}

impl Compiled {
    fn new(cap: &Cap, api: &str, book: &Book, seed: Seed) -> Result<Self, ConfigError> {
        if cap.distinct == 0 && cap.concurrent == 0 {
            let message = "a cap is on users a day, or at once";
            return Err(ConfigError::new("not-a-cap", "", message));
        }
        if cap.distinct > MAX_USERS || cap.concurrent > MAX_USERS {
            let message = format!("at most {MAX_USERS} users are counted");
            return Err(ConfigError::new("not-a-cap", "", message));
        }
        if cap.idle_ms == 0 || cap.idle_ms > IDLE_MAX_MS {
            let message = "a place is kept for a millisecond at least, and a day at most";
            return Err(ConfigError::new("not-a-cap", "/idle_ms", message));
        }
        let numbered = |name: &String| {
            book.number(name).ok_or_else(|| {
                let message = format!("there is no role `{name}`");
                ConfigError::new("role-unknown", "/role", message)
            })
        };
        let begun = [0, 1].map(|shadow| {
            let mut sip = seed.begin();
            sip.part(NAME.as_bytes());
            sip.part(api.as_bytes());
            // Places of one kind are the same whatever their number: who raises it begins nothing anew.
            sip.part(cap.role.as_deref().unwrap_or_default().as_bytes());
            sip.word(shadow);
            match &cap.by {
                Of::Api => sip.word(0),
                Of::App => sip.word(1),
                Of::Claim(name) => {
                    sip.word(2);
                    sip.part(name.as_bytes());
                }
            }
            (sip.clone(), sip.end())
        });
        let role = cap.role.as_ref().map(numbered).transpose()?;
        Ok(Self {
            cap: cap.clone(),
            role,
            begun,
        })
    }

    /// What there are too many of, in words.
    fn said(&self, what: Many, identity: Option<&Identity>) -> Option<String> {
        let names = match &self.cap.by {
            Of::Api => true,
            Of::App => identity.is_some_and(|who| who.app.is_some()),
            Of::Claim(name) => identity.is_some_and(|who| claim(who, name).is_some()),
        };
        let of = match &self.cap.by {
            Of::Api => String::new(),
            Of::App if names => " of one program".to_owned(),
            Of::App => " without a program".to_owned(),
            Of::Claim(name) if names => format!(" of one {name}"),
            Of::Claim(name) => format!(" without a {name}"),
        };
        let Cap {
            distinct,
            concurrent,
            ..
        } = self.cap;
        match what {
            Many::Distinct => Some(format!(
                "At most {distinct} different users{of} may come in a day."
            )),
            Many::Concurrent => Some(format!(
                "At most {concurrent} users{of} may be there at once."
            )),
            Many::Crowded => None,
        }
    }

    fn seat(&self, identity: &Identity, user: u64, shadow: bool) -> Seat {
        Seat {
            key: self.key(identity, shadow),
            cap: self.kind(shadow),
            user,
            distinct: self.cap.distinct,
            concurrent: self.cap.concurrent,
            idle_ms: self.cap.idle_ms,
        }
    }

    /// What all its places have in common; of the API's own they are the same.
    const fn kind(&self, shadow: bool) -> CounterKey {
        self.begun[shadow as usize].1
    }

    fn key(&self, identity: &Identity, shadow: bool) -> CounterKey {
        let (begun, kind) = &self.begun[usize::from(shadow)];
        let mut sip = begun.clone();
        match &self.cap.by {
            Of::Api => return *kind,
            Of::App => {
                // Two issuers may call two programs by one name.
                sip.part(identity.issuer().unwrap_or_default().as_bytes());
                sip.part(identity.app.as_deref().unwrap_or_default().as_bytes());
            }
            Of::Claim(name) => match claim(identity, name) {
                None => sip.word(0),
                Some(Value::String(text)) => {
                    sip.word(1);
                    sip.part(text.as_bytes());
                }
                Some(other) => {
                    sip.word(2);
                    sip.part(other.to_string().as_bytes());
                }
            },
        }
        sip.end()
    }
}

fn claim<'i>(identity: &'i Identity, name: &str) -> Option<&'i Value> {
    let found = identity.claims.as_deref()?.get(name)?;
    Some(found).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests;
