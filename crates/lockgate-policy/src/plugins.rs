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
//! [`DENIED`].
//!
//! # Example
//! ```yaml
//! plugins: [my_checks:TenantHeader]
//! ```

mod said;

use http::{HeaderMap, HeaderName, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

pub use said::Said;

use crate::headers::Subject;
use crate::{Answers, ConfigError, Identity, Need, PolicyError, RequestView, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "plugins";

lockgate_wire::reasons! { "plugins", Client:
    DENIED = "plugin-denied", 403,
        "A check of this API refused the request.",
        "The operator's own check said no; `code` names its reason and `detail` says more. Both come from the plugin that `lockgate explain --request ID` names.";
}

/// The room's config: one plugin of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `module:Class`, for people and numbers.
    pub name: String,
    /// Its place in the bundle's list of plugins.
    pub plugin: u32,
    /// From the question to the answer, waiting included, milliseconds.
    pub deadline_ms: u32,
    /// Whether it is asked about requests.
    pub request: bool,
    /// Whether it is asked about answers.
    pub response: bool,
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

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Plugin {
    config: Config,
    credentials: Box<[HeaderName]>,
    keys: Box<[HeaderName]>,
}

impl Plugin {
    /// Compiles the config. `keys` are the fields that carry the API's keys,
    /// which no plugin sees; `credentials` those and what proves the gate.
    ///
    /// # Errors
    /// A plugin that would never be asked.
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
        if config.deadline_ms == 0 {
            let message = "a plugin needs some time to answer";
            return Err(ConfigError::new("plugin-deadline", "/deadline_ms", message));
        }
        Ok(Self {
            config: config.clone(),
            credentials: credentials.into(),
            keys: keys.into(),
        })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Its place in the bundle's list.
    #[must_use]
    pub const fn place(&self) -> u32 {
        self.config.plugin
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
            Answers::Plugin(said) => self.heard(said, false),
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
            Answers::Plugin(said) => self.heard(said, true),
            _ => Ok(self.need(
                "response",
                json!({
                    "request": request,
                    "response": { "status": status.as_u16(), "headers": self.fields(headers) },
                }),
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

    fn heard(&self, said: &Result<Said, String>, of_answer: bool) -> Result<Verdict, PolicyError> {
        let verdict = match said {
            Ok(said) => said.verdict(&self.credentials, of_answer),
            Err(cause) => Err(cause.clone()),
        };
        verdict.map_err(|cause| PolicyError {
            policy: NAME,
            cause: format!("{}: {cause}", self.config.name),
        })
    }

    /// A request as plugins see it.
    #[must_use]
    pub fn request(&self, view: &RequestView<'_>, subject: &Subject<'_>) -> Value {
        json!({
            "id": subject.request_id,
            "method": view.method.as_str(),
            "host": view.host,
            "path": view.path,
            "query": view.query,
            "headers": self.fields(view.headers),
            "client": subject.client,
            "api": view.api,
            "operation": view.operation,
            "caller": subject.identity.map(caller),
        })
    }

    /// Fields as pairs, those of the API's keys left out.
    fn fields(&self, headers: &HeaderMap) -> Value {
        let shown = headers.iter().filter(|(name, _)| !self.keys.contains(name));
        shown
            .map(|(name, value)| json!([name.as_str(), text(value.as_bytes())]))
            .collect()
    }
}

fn caller(identity: &Identity) -> Value {
    json!({
        "proved_by": identity.proved_by,
        "credential": &*identity.credential,
        "owner": &*identity.owner,
        "app": identity.app.as_deref(),
        "claims": identity.claims.as_deref(),
    })
}

/// A value as text: UTF-8 where it is, else each byte as the letter of its
/// number (ISO 8859-1), so that nothing is lost.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(
        |_| bytes.iter().map(|byte| char::from(*byte)).collect(),
        str::to_owned,
    )
}

#[cfg(test)]
mod tests;
