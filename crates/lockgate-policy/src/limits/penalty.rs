//! A penalty: who presents too many credentials that do not hold is refused
//! before authentication, for a time that doubles.

use super::config::Config;
use super::counters::Strike;
use super::gcra::Quota;
use super::key::Seed;
use super::limit::{quota, Counting};
use super::{told, Asked, NAME, PENALTY};
use crate::only::Meant;
use crate::{Answers, ConfigError, Denial, Need, PolicyError, Verdict};

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Penalty {
    name: Box<str>,
    counting: Counting,
    only: Meant,
    quota: Quota,
    first_ns: u64,
    longest_ns: u64,
    absent: bool,
    said: bool,
}

impl Penalty {
    /// Compiles the config of a limit that counts failures.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(config: &Config, seed: Seed) -> Result<Self, ConfigError> {
        let quota = quota(config)?;
        let wrong =
            |pointer: &str, message: &str| Err(ConfigError::new("not-a-penalty", pointer, message));
        let Some(penalty) = config.penalty else {
            return wrong("/penalty", "failures bring a penalty");
        };
        if penalty.first_ms == 0 || penalty.longest_ms < penalty.first_ms {
            return wrong(
                "/penalty",
                "a penalty takes some time, and its longest no less than its first",
            );
        }
        // Whom a credential names is not known before authentication, where the penalty stands.
        if !config.is_early() {
            return wrong(
                "/by",
                "failures are counted by address, and by route, operation or API beside it",
            );
        }
        Ok(Self {
            name: config.name.as_str().into(),
            counting: Counting::new(config, seed)?,
            only: Meant::new(&config.only)?,
            quota,
            first_ns: penalty.first_ms.saturating_mul(1_000_000),
            longest_ns: penalty.longest_ms.saturating_mul(1_000_000),
            absent: penalty.absent,
            said: config.is_said(),
        })
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the configuration says it; else it holds by default.
    #[must_use]
    pub const fn is_said(&self) -> bool {
        self.said
    }

    /// Judges whether the address is being refused.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(&self, asked: &Asked<'_>, answers: &Answers) -> Result<Verdict, PolicyError> {
        match answers {
            Answers::None if !self.is_for(asked) => Ok(Verdict::allow()),
            Answers::None => Ok(Verdict::Need(Need::Standing(self.counting.key(asked)))),
            Answers::Standing(None) => Ok(Verdict::allow()),
            Answers::Standing(Some(until_ns)) => {
                let now_ns = asked.now_ns();
                let wait_ns = until_ns.saturating_sub(now_ns);
                let retry_s = told::retry_after(self.counting.key(asked), wait_ns, now_ns);
                Ok(Verdict::Deny(told::waiting(Denial::new(&PENALTY), retry_s)))
            }
            _ => Err(PolicyError::new(
                NAME,
                "it asked for a penalty, and was told something else",
            )),
        }
    }

    /// What is counted after a refusal by authentication; `absent` is whether
    /// there was no credential at all.
    #[must_use]
    pub fn strike(&self, asked: &Asked<'_>, absent: bool) -> Option<Strike> {
        let counts = (self.absent || !absent) && self.is_for(asked);
        counts.then(|| Strike {
            key: self.counting.key(asked),
            quota: self.quota,
            first_ns: self.first_ns,
            longest_ns: self.longest_ns,
        })
    }

    /// A trusted proxy that names no client stands for all of them: it is not
    /// for one of them to have it refused.
    fn is_for(&self, asked: &Asked<'_>) -> bool {
        !asked.proxy && self.only.hold(asked.view) && !self.counting.is_exempt(asked)
    }
}
