//! `headers`: header fields set, added and taken off, both ways.
//!
//! # Description
//! Changes the fields of requests on their way to the upstream, and of answers
//! on their way to the client: the upstream's and the gate's own, refusals
//! among them. Values are fixed texts, or texts with variables that the gate
//! knows to be true, such as who calls. Where a variable has no value, or one
//! that no field can carry, the field is not sent, and what a client sent under
//! that name is taken off.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! None: it refuses no request. What may not be changed stops the load.
//!
//! # Example
//! ```yaml
//! headers:
//!   request: {set: {X-Tenant: "{claim:tenant}"}, remove: [X-Debug]}
//!   response: {set: {Strict-Transport-Security: max-age=31536000}, hide: [Server]}
//! ```

mod fields;
mod template;

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use lockgate_wire::headers::look_alikes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use template::Template;

use crate::{ConfigError, Edit, Edits, Identity, Place, Program, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "headers";

/// Fields that one direction may change. nginx and Envoy bound only the head's
/// size; whoever needs more than this changes a protocol, not fields.
pub const MAX_FIELDS: usize = 64;

/// The room's config. Taking off comes first, then setting, then adding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Changes to what goes to the upstream.
    #[serde(default)]
    pub request: RequestChanges,
    /// Changes to what goes to the client.
    #[serde(default)]
    pub response: ResponseChanges,
}

/// Changes to requests. `{owner}` and the like in a value stand for what the gate knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestChanges {
    /// Fields that replace what stands there, by name.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Fields beside what stands there, by name.
    #[serde(default)]
    pub add: BTreeMap<String, Vec<String>>,
    /// Names that are taken off.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// Changes to answers, the gate's own among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseChanges {
    /// Fields that replace what stands there, by name.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Fields beside what stands there, by name.
    #[serde(default)]
    pub add: BTreeMap<String, Vec<String>>,
    /// Names that are taken off.
    #[serde(default)]
    pub hide: Vec<String>,
}

/// What variables can stand for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The client's address.
    pub client: IpAddr,
    /// Who calls, where that was proved.
    pub identity: Option<&'a Identity>,
    /// The API.
    pub api: &'a str,
    /// The operation of the API's document.
    pub operation: Option<&'a str>,
    /// The public id of the caller's device, where the API asks for it.
    pub device: Option<&'a str>,
    /// What the client's program looks like, where somebody asks.
    pub program: Option<&'a Program>,
    /// Where the client is, where somebody asks.
    pub place: Option<&'a Place>,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Headers {
    request: Vec<Change>,
    response: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Remove(HeaderName),
    Set(HeaderName, Template),
    Add(HeaderName, Template),
}

impl Headers {
    /// Compiles the config. `credentials` are the fields that carry the API's
    /// keys, or prove the gate to its upstream.
    ///
    /// # Errors
    /// The first field that may not be changed, or whose value makes no sense.
    pub fn new(config: &Config, credentials: &[HeaderName]) -> Result<Self, ConfigError> {
        Self::all(config, credentials).map_err(|errors| {
            let first = errors.into_iter().next();
            first.unwrap_or_else(|| ConfigError::new("internal", "", "nothing was told"))
        })
    }

    /// As [`Self::new`], and tells of every field.
    ///
    /// # Errors
    /// Each field that may not be changed, or whose value makes no sense.
    pub fn all(config: &Config, credentials: &[HeaderName]) -> Result<Self, Vec<ConfigError>> {
        let request = Said {
            way: Way::Request(credentials),
            set: &config.request.set,
            add: &config.request.add,
            remove: &config.request.remove,
        };
        let response = Said {
            way: Way::Response,
            set: &config.response.set,
            add: &config.response.add,
            remove: &config.response.hide,
        };
        let mut errors = Vec::new();
        let made = Self {
            request: request.compile(&mut errors),
            response: response.compile(&mut errors),
        };
        if errors.is_empty() {
            Ok(made)
        } else {
            Err(errors)
        }
    }

    /// What is changed of a request.
    #[must_use]
    pub fn decide(&self, headers: &HeaderMap, subject: &Subject<'_>) -> Verdict {
        let mut request = Vec::with_capacity(self.request.len());
        for change in &self.request {
            // CGI, WSGI and Rack read `X_Tenant` as `X-Tenant`: a spelling that
            // only the client sent must not stand beside the gate's.
            let alike = look_alikes(headers, change.name());
            request.extend(alike.map(|name| Edit::Remove(name.clone())));
            request.extend(change.made(subject));
        }
        Verdict::Allow(Edits {
            request,
            answer: Vec::new(),
        })
    }

    /// Whether it tells what the client's program looks like.
    #[must_use]
    pub fn tells_program(&self) -> bool {
        self.tells(Template::tells_program)
    }

    /// Whether it tells how the client's program writes the fields of a request.
    #[must_use]
    pub fn tells_header_order(&self) -> bool {
        self.tells(Template::tells_header_order)
    }

    /// Whether it tells in which country the client is.
    #[must_use]
    pub fn tells_country(&self) -> bool {
        self.tells(Template::tells_country)
    }

    /// Whether it tells in which network the client is.
    #[must_use]
    pub fn tells_network(&self) -> bool {
        self.tells(Template::tells_network)
    }

    fn tells(&self, what: fn(&Template) -> bool) -> bool {
        let mut changes = self.request.iter().chain(&self.response);
        changes.any(|change| match change {
            Change::Remove(_) => false,
            Change::Set(_, template) | Change::Add(_, template) => what(template),
        })
    }

    /// Whether answers are changed at all.
    #[must_use]
    pub fn changes_answers(&self) -> bool {
        !self.response.is_empty()
    }

    /// What is changed of an answer, the gate's own or the upstream's.
    pub fn answer<'s>(&'s self, subject: &'s Subject<'_>) -> impl Iterator<Item = Edit> + 's {
        self.response
            .iter()
            .filter_map(move |change| change.made(subject))
    }
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy)]
enum Way<'a> {
    Request(&'a [HeaderName]),
    Response,
}

/// What is done with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Remove,
    Set,
    Add,
}

/// The name of a field of requests that may be changed so, also by a plugin.
pub(crate) fn may_change_request(
    name: &str,
    credentials: &[HeaderName],
    verb: Verb,
) -> Result<HeaderName, String> {
    fields::name(name, Way::Request(credentials), verb).map_err(|(_, message)| message)
}

/// The name of a field by which somebody who is believed may say who calls, or of any other that may be set.
pub(crate) fn may_tell_request(
    name: &str,
    credentials: &[HeaderName],
) -> Result<HeaderName, String> {
    fields::of_caller(name, credentials)
        .map_or_else(|| may_change_request(name, credentials, Verb::Set), Ok)
}

/// The same for answers.
pub(crate) fn may_change_answer(name: &str, verb: Verb) -> Result<HeaderName, String> {
    fields::name(name, Way::Response, verb).map_err(|(_, message)| message)
}

impl Change {
    const fn name(&self) -> &HeaderName {
        match self {
            Self::Remove(name) | Self::Set(name, _) | Self::Add(name, _) => name,
        }
    }

    fn made(&self, subject: &Subject<'_>) -> Option<Edit> {
        match self {
            Self::Remove(name) => Some(Edit::Remove(name.clone())),
            Self::Set(name, value) => Some(match value.fill(subject) {
                Some(value) => Edit::Set(name.clone(), value),
                None => Edit::Remove(name.clone()),
            }),
            Self::Add(name, value) => Some(Edit::Add(name.clone(), value.fill(subject)?)),
        }
    }
}

/// What one direction's config says.
struct Said<'c> {
    way: Way<'c>,
    set: &'c BTreeMap<String, String>,
    add: &'c BTreeMap<String, Vec<String>>,
    remove: &'c [String],
}

impl Said<'_> {
    /// What is changed, as far as that can be; what is wrong with the rest goes to `errors`.
    fn compile(&self, errors: &mut Vec<ConfigError>) -> Vec<Change> {
        let added: usize = self.add.values().map(Vec::len).sum();
        let count = self.set.len() + added + self.remove.len();
        if count > MAX_FIELDS {
            let message = format!("{count} fields are changed; at most {MAX_FIELDS} can be");
            errors.push(self.error("headers-too-many", "", message));
            return Vec::new();
        }
        let mut changes = Vec::with_capacity(count);
        let mut replaced = HashSet::new();
        let removing = match self.way {
            Way::Request(_) => "remove",
            Way::Response => "hide",
        };
        let mut told = |made: Result<Change, ConfigError>| match made {
            Ok(change) => changes.push(change),
            Err(error) => errors.push(error),
        };
        for (place, text) in self.remove.iter().enumerate() {
            let at = format!("/{removing}/{place}");
            told(self.name(text, &at, Verb::Remove).and_then(|name| {
                if replaced.insert(name.clone()) {
                    return Ok(Change::Remove(name));
                }
                Err(self.error("header-twice", &at, format!("`{text}` is named twice")))
            }));
        }
        for (text, value) in self.set {
            let at = format!("/set/{text}");
            told(self.name(text, &at, Verb::Set).and_then(|name| {
                if replaced.insert(name.clone()) {
                    return Ok(Change::Set(name, self.value(value, &at)?));
                }
                let message = format!("`{text}` is set twice, or set and taken off");
                Err(self.error("header-twice", &at, message))
            }));
        }
        for (text, values) in self.add {
            let at = format!("/add/{text}");
            match self.name(text, &at, Verb::Add) {
                Ok(name) => values.iter().for_each(|value| {
                    let value = self.value(value, &at);
                    told(value.map(|value| Change::Add(name.clone(), value)));
                }),
                Err(error) => told(Err(error)),
            }
        }
        changes
    }

    fn name(&self, text: &str, at: &str, verb: Verb) -> Result<HeaderName, ConfigError> {
        fields::name(text, self.way, verb).map_err(|(code, message)| self.error(code, at, message))
    }

    fn value(&self, text: &str, at: &str) -> Result<Template, ConfigError> {
        Template::parse(text).map_err(|message| self.error("header-value", at, message))
    }

    fn error(&self, code: &'static str, at: &str, message: String) -> ConfigError {
        let root = match self.way {
            Way::Request(_) => "request",
            Way::Response => "response",
        };
        ConfigError::new(code, format!("/{root}{at}"), message)
    }
}

#[cfg(test)]
mod tests;
