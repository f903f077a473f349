//! What issuers have said of tokens, for as long as policies may believe it. One for the process.
//!
//! Nothing here finds a token: it is looked for by a keyed hash. Good tokens and others have room
//! of their own, so that whoever makes tokens up pushes out nobody's good one.

use std::sync::Arc;

use aws_lc_rs::hmac;

use super::Answer;
use crate::jwt::cache::weight;
use crate::jwt::claims::{identity, instant_ms};
use crate::jwt::{CacheCounts, Memo, Remembered, TokenCache};
use crate::Identity;

/// Memory for good tokens: some ten thousand of common size.
const ACTIVE_BYTES: usize = 32 * 1024 * 1024;
/// Memory for others, each [`INACTIVE_WEIGHT`]: some thirty thousand.
const INACTIVE_BYTES: usize = 8 * 1024 * 1024;
/// What remembering takes of which nothing is known but that it is not good.
const INACTIVE_WEIGHT: usize = 256;
/// The longest that any entry may believe what was said.
pub const LONGEST_MS: u64 = 3_600_000;
/// Heard at that time, it holds for good: for engines that ask nobody.
pub const ALWAYS: u64 = u64::MAX;

/// What a token is remembered by: an HMAC of it, of its issuer and of where that is asked.
pub type Mark = [u8; 32];

/// Makes marks.
#[derive(Debug, Clone)]
pub struct Marks(hmac::Context);

impl Marks {
    /// Of what one issuer is asked about, under the installation's secret; `label` says what that is.
    pub fn of(pepper: &hmac::Key, label: &[u8], parts: [&str; 3]) -> Self {
        let key = hmac::sign(pepper, label);
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        let mut context = hmac::Context::with_key(&key);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        Self(context)
    }

    /// A token's.
    pub fn mark(&self, token: &[u8]) -> Mark {
        let mut context = self.0.clone();
        context.update(token);
        let mut mark = Mark::default();
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }
}

/// What an issuer said of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It is good, and somebody's.
    Active(Active),
    /// It is not; when that was heard, milliseconds since the epoch.
    Inactive(u64),
    /// Nobody said anything that can be believed; in how many seconds to ask again.
    Unavailable(u32),
    /// Too many are asked about.
    Busy,
    /// It is being asked, and whoever wants to know does not wait.
    Later,
}

/// A good token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Whose it is.
    pub identity: Identity,
    /// When that was heard, milliseconds since the epoch.
    pub heard_ms: u64,
    /// From when on it is not good any more, by its own word.
    pub expires_ms: Option<u64>,
}

impl Heard {
    /// What an answer means that came now, for a room and an issuer of that name, who calls itself `iss`.
    #[must_use]
    pub fn of(
        answer: Answer,
        (room, issuer, iss): (&'static str, &str, &str),
        now_ms: u64,
    ) -> Self {
        let mut claims = match answer {
            Answer::Active(claims) => claims,
            Answer::Inactive => return Self::Inactive(now_ms),
        };
        // Whoever was asked has issued it; revocations are told by that.
        claims.entry("iss").or_insert_with(|| iss.into());
        Self::Active(Active {
            expires_ms: instant_ms(&claims, "exp").ok().flatten(),
            identity: identity(room, issuer, claims),
            heard_ms: now_ms,
        })
    }

    /// Whether it may still be believed by an entry that believes good tokens and others for so long.
    #[must_use]
    pub fn holds(&self, (cache_ms, negative_ms): (u64, u64), now_ms: u64) -> bool {
        let young = |heard_ms: u64, most_ms: u64| {
            heard_ms == ALWAYS || now_ms < heard_ms.saturating_add(most_ms)
        };
        match self {
            Self::Active(active) if active.heard_ms == ALWAYS => true,
            Self::Active(active) => {
                young(active.heard_ms, cache_ms) && active.expires_ms.is_none_or(|at| now_ms < at)
            }
            Self::Inactive(heard_ms) => young(*heard_ms, negative_ms),
            Self::Unavailable(_) | Self::Busy | Self::Later => false,
        }
    }
}

/// All that was said of tokens.
#[derive(Debug)]
pub struct Known {
    active: TokenCache<Arc<Active>>,
    inactive: TokenCache<u64>,
}

impl Default for Known {
    fn default() -> Self {
        Self::bounded(ACTIVE_BYTES, INACTIVE_BYTES)
    }
}

impl Known {
    /// With room for so many bytes of good tokens, and of others.
    #[must_use]
    pub fn bounded(active: usize, inactive: usize) -> Self {
        Self {
            active: TokenCache::bounded(active),
            inactive: TokenCache::bounded(inactive),
        }
    }

    /// What was said of a token, however long ago; and the number of what was revoked by then.
    #[must_use]
    pub fn find(&self, mark: &Mark) -> Option<(Heard, u64)> {
        let memo = memo(mark);
        if let Some(found) = self.active.find(&memo) {
            return Some((Heard::Active(Active::clone(&found.value)), found.checked));
        }
        let found = self.inactive.find(&memo)?;
        Some((Heard::Inactive(found.value), 0))
    }

    /// Remembers what was said of a token; `length` is that of the answer.
    pub fn hear(&self, mark: &Mark, heard: &Heard, length: usize, now_ms: u64) {
        let memo = memo(mark);
        match heard {
            Heard::Active(active) => {
                let longest = active.heard_ms.saturating_add(LONGEST_MS);
                let known = Remembered {
                    value: Arc::new(active.clone()),
                    until_ms: active.expires_ms.map_or(longest, |at| at.min(longest)),
                    checked: 0,
                };
                self.active.keep(memo, &known, weight(length), now_ms);
                self.inactive.forget(&memo);
            }
            Heard::Inactive(heard_ms) => {
                let known = Remembered {
                    value: *heard_ms,
                    until_ms: heard_ms.saturating_add(LONGEST_MS),
                    checked: 0,
                };
                // First, so that nobody finds what it was before.
                self.active.forget(&memo);
                self.inactive.keep(memo, &known, INACTIVE_WEIGHT, now_ms);
            }
            Heard::Unavailable(_) | Heard::Busy | Heard::Later => {}
        }
    }

    /// Notes that a token was not revoked by then.
    pub fn checked(&self, mark: &Mark, checked: u64) {
        self.active.checked(&memo(mark), checked);
    }

    /// Forgets what was said of a token.
    pub fn forget(&self, mark: &Mark) {
        self.active.forget(&memo(mark));
        self.inactive.forget(&memo(mark));
    }

    /// How the memory for good tokens has done, and that for others.
    #[must_use]
    pub fn counts(&self) -> (CacheCounts, CacheCounts) {
        (self.active.counts(), self.inactive.counts())
    }
}

const fn memo(mark: &Mark) -> Memo {
    Memo {
        token: *mark,
        rules: 0,
        keys: 0,
    }
}
