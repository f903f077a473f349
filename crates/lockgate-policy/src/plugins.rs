//! `plugins`: policies that the operator wrote in Python.
//!
//! # Description
//! Asks a plugin about the head of a request, or of an answer, and does what it
//! says: let through, with changes to header fields, or deny with a reason of
//! its own. The plugin runs in a worker process; here is what is asked of it,
//! and what is believed of its answer: a field that the configuration could not
//! change, a plugin cannot either.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`DENIED`], [`FAILED`], [`SLOW`], [`OVERLOADED`].
//!
//! # Example
//! ```yaml
//! plugins: [my_checks:TenantHeader]
//! ```

mod said;
mod shown;

use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

pub use said::Said;

use crate::headers::Subject;
use crate::{Answers, ConfigError, Need, PolicyError, ReasonRef, RequestView, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "plugins";

lockgate_wire::reasons! { "plugins", Client:
    DENIED = "plugin-denied", 403,
        "A check of this API refused the request.",
        "The operator's own check said no; `code` names its reason and `detail` says more. Both come from the plugin that stands at the line which `lockgate explain --request ID` names.";
"plugins", Gate:
    FAILED = "plugin-failed", 500,
        "A check of this API could not decide.",
        "The operator's own check raised an error, ended its process or answered what makes no sense, and a policy that fails denies. The gate's log has the cause for this request id.";
    SLOW = "plugin-timeout", 503,
        "A check of this API took too long.",
        "The operator's own check did not answer within its `deadline`; a process that hangs is ended and replaced. `lockgate status` shows what calls take: mend the plugin, or give it more time.";
    OVERLOADED = "plugin-overloaded", 503,
        "Too many requests wait for a check of this API.",
        "Try again later. The operator's own check takes too long for what comes in, or its processes keep ending: `lockgate status` shows what calls take and how many failed.";
}

/// Fields that prove who calls, or that hold a session: a plugin sees them
/// where its configuration names them, and not else.
const WITHHELD: [HeaderName; 5] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    SET_COOKIE,
    HeaderName::from_static("x-api-key"),
];
/// How the gate's own keys begin: one that was sent in a place where it opens
/// nothing is a secret all the same.
const OWN_KEY: &[u8] = b"lg_";

/// The longest deadline: a client waits that long before a byte goes to the API.
pub const MAX_DEADLINE: Duration = Duration::from_secs(10);

/// The room's config: one plugin of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `module:Class`, for people and numbers.
    pub name: String,
    /// Its place in the bundle's list of plugins.
    pub plugin: u32,
    /// SHA-256 of the code that it was loaded from.
    pub digest: String,
    /// From the question to the answer, waiting included, milliseconds.
    pub deadline_ms: u32,
    /// Whether it is asked about requests.
    pub request: bool,
    /// Whether it is asked about answers.
    pub response: bool,
    /// Fields with credentials that it is shown all the same.
    pub credentials: Vec<String>,
}

/// What a plugin is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its place in the bundle's list.
    pub plugin: u32,
    /// From the question to the answer, milliseconds.
    pub deadline_ms: u32,
    /// `request` or `response`.
    pub hook: &'static str,
    /// The heads that it is shown, JSON.
    pub heads: Value,
}

/// Why a plugin said nothing: the reason, and the cause for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// One of the room's.
    pub reason: ReasonRef,
    /// For the log, never for the caller.
    pub cause: String,
}

impl Silent {
    /// Whatever else it was.
    #[must_use]
    pub fn failed(cause: impl Into<String>) -> Self {
        Self {
            reason: &FAILED,
            cause: cause.into(),
        }
    }
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Plugin {
    config: Config,
    /// Fields that it may not write.
    written: Box<[HeaderName]>,
    /// Fields that it does not see.
    withheld: Box<[HeaderName]>,
}

impl Plugin {
    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Compiles the config. `keys` are the fields that carry the API's credentials
    /// to the gate, which no plugin sees; `credentials` the same with what proves
    /// the gate to an upstream, which none writes.
    ///
    /// # Errors
    /// A plugin that would never be asked, or wants to see the gate's credentials.
    pub fn new(
        config: &Config,
        (keys, credentials): (&[HeaderName], &[HeaderName]),
    ) -> Result<Self, ConfigError> {
        if !config.request && !config.response {
            let message = format!(
                "the plugin `{}` judges neither requests nor answers",
                config.name
            );
            return Err(ConfigError::new("plugin-without-hook", "/name", message));
        }
        let deadline = Duration::from_millis(config.deadline_ms.into());
        if deadline.is_zero() || deadline > MAX_DEADLINE {
            let message = format!(
                "a plugin has between 1 ms and {} s to answer",
                MAX_DEADLINE.as_secs()
            );
            return Err(ConfigError::new("plugin-deadline", "/deadline_ms", message));
        }
        let mut withheld: Vec<HeaderName> = keys.iter().chain(&WITHHELD).cloned().collect();
        for (place, text) in config.credentials.iter().enumerate() {
            let wrong = |message| {
                let pointer = format!("/credentials/{place}");
                ConfigError::new("plugin-credential", pointer, message)
            };
            let name = HeaderName::try_from(text.as_str())
                .ok()
                .filter(|name| WITHHELD.contains(name))
                .ok_or_else(|| {
                    wrong(format!("`{text}` is none of the fields that are withheld"))
                })?;
            if keys.contains(&name) {
                return Err(wrong(format!(
                    "`{text}` carries credentials for the gate itself, which no plugin sees; `caller` of the head says who calls"
                )));
            }
            withheld.retain(|held| *held != name);
        }
        Ok(Self {
            config: config.clone(),
            written: credentials.into(),
            withheld: withheld.into(),
        })
    }

    /// Whether it is asked about requests.
    #[must_use]
    pub const fn judges_requests(&self) -> bool {
        self.config.request
    }

    /// Whether it is asked about answers.
    #[must_use]
    pub const fn judges_answers(&self) -> bool {
        self.config.response
    }

    /// Judges a request.
    ///
    /// # Errors
    /// If the plugin failed, or its answer makes no sense.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        subject: &Subject<'_>,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        match answers {
            _ if !self.config.request => Ok(Verdict::allow()),
            Answers::Plugin(said) => self.heard(said, Some(view.headers)),
            _ => Ok(self.need("request", json!({ "request": self.request(view, subject) }))),
        }
    }

    /// Judges an answer of the upstream. `request` is what it answers, as
    /// [`Self::request`] makes it.
    ///
    /// # Errors
    /// If the plugin failed, or its answer makes no sense.
    pub fn decide_answer(
        &self,
        request: &Value,
        (status, headers): (StatusCode, &HeaderMap),
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        match answers {
            _ if !self.config.response => Ok(Verdict::allow()),
            Answers::Plugin(said) => self.heard(said, None),
            _ => Ok(self.need(
                "response",
                json!({ "request": request, "response": self.response(status, headers) }),
            )),
        }
    }

    fn need(&self, hook: &'static str, heads: Value) -> Verdict {
        Verdict::Need(Need::Plugin(Box::new(Call {
            plugin: self.config.plugin,
            deadline_ms: self.config.deadline_ms,
            hook,
            heads,
        })))
    }

    /// What is made of its word; `request` are the fields of a request that can
    /// still be changed.
    fn heard(
        &self,
        said: &Result<Said, Silent>,
        request: Option<&HeaderMap>,
    ) -> Result<Verdict, PolicyError> {
        let verdict = match said {
            Ok(said) => said.verdict(&self.written, request).map_err(Silent::failed),
            Err(silent) => Err(silent.clone()),
        };
        verdict.map_err(|silent| PolicyError {
            policy: NAME,
            reason: silent.reason,
            cause: format!("{}: {}", self.config.name, silent.cause),
        })
    }
}

#[cfg(test)]
mod tests;
