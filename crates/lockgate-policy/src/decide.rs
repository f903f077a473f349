//! `decide`: another server says whether a request goes on.
//!
//! # Description
//! For those who have a decision point already: OPA is asked by its REST API,
//! others by HTTP as Envoy's `ext_authz` and Traefik's forward authentication
//! ask. Here is what it is asked, and what is believed of its answer; the proxy
//! asks. An answer that makes no sense, or none, denies.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! See [`REASONS`].
//!
//! # Example
//! ```yaml
//! authorize:
//!   decide:
//!     opa: {upstream: opa, path: /v1/data/httpapi/allow, deadline: 50ms}
//! ```

mod asked;
mod reasons;
mod said;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method};
use lockgate_wire::headers::{is_identity, look_alikes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use reasons::*;
pub use said::{Own, Said};

use crate::device::Standing;
use crate::headers::{may_change_answer, may_tell_request, Verb};
use crate::risk::Score;
use crate::roles::Book;
use crate::{
    Answers, ConfigError, Denial, Edit, Edits, Grounds, Identity, Need, Place, PolicyError,
    ReasonRef, RequestView, Verdict,
};

/// The room's name everywhere.
pub const NAME: &str = "decide";

/// The longest deadline: a client waits that long before a byte goes to the API.
pub const MAX_DEADLINE: Duration = Duration::from_secs(10);
/// The longest that an answer is believed.
pub const MAX_CACHE: Duration = Duration::from_secs(3_600);
/// Bytes of an answer's body. OPA's are well below one kilobyte; pages of a sign-in are not passed on here.
pub const ANSWER_BYTES: usize = 64 * 1024;
/// Fields that one list may name. Envoy and Traefik know no bound; nobody needs more.
pub const MOST_FIELDS: usize = 64;

/// Fields that prove who calls. OPA is told who that is instead; others are shown what is named.
const CREDENTIALS: [HeaderName; 4] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("x-api-key"),
];
/// In place of names: every field but those with credentials.
const ALL: &str = "*";

/// The room's config: one decision point of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the upstream that is asked.
    pub upstream: String,
    /// How it is asked.
    pub way: Way,
    /// From the question to the answer, milliseconds.
    pub deadline_ms: u32,
    /// How long an answer is believed of the same question, milliseconds; 0 is not at all.
    pub cache_ms: u32,
    /// Fields of the request that it is shown; `*` is all but those with credentials.
    pub headers: Vec<String>,
    /// Fields of its answer that go to the API's upstream. What clients send under these names is taken off.
    pub to_upstream: Vec<String>,
}

/// How a decision point is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "DecideWay")]
pub enum Way {
    /// By OPA's data API.
    Opa {
        /// The document that decides: `/v1/data/httpapi/allow`.
        path: String,
    },
    /// By HTTP: a 2xx lets through, what else is answered refuses.
    ExtAuthz {
        /// What is asked for, always with GET; none for the request's own method and path.
        path: Option<String>,
        /// What stands before the request's own path.
        prefix: String,
        /// Fields of a refusal that go to the client.
        to_client: Vec<String>,
        /// Whether the refusal's body does.
        body: bool,
    },
}

/// A decision point, as it is asked and heard.
#[derive(Debug, PartialEq, Eq)]
pub struct Point {
    /// The upstream that is asked, as the proxy numbers them.
    pub upstream: usize,
    /// From the question to the answer.
    pub deadline: Duration,
    /// How long an answer is believed, milliseconds.
    pub cache_ms: u64,
    name: Box<str>,
    way: Asked,
    to_upstream: Box<[HeaderName]>,
}

/// [`Way`], read.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Opa(PathAndQuery),
    ExtAuthz {
        path: Option<PathAndQuery>,
        prefix: Box<str>,
        to_client: Box<[HeaderName]>,
        body: bool,
    },
}

/// What a decision point is asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    /// Who is asked.
    pub point: Arc<Point>,
    /// SHA-256 of everything that is asked, and of whom it is asked about.
    pub mark: [u8; 32],
    /// The request's method.
    pub method: Method,
    /// Its target.
    pub target: PathAndQuery,
    /// Its fields; `Host` where that is not the decision point's own.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Who calls, for an upstream that is told so by an assertion.
    pub identity: Option<Identity>,
}

impl std::fmt::Debug for Question {
    // It may hold credentials: keep them out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Question({}, ..)", self.point.name)
    }
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// What was answered.
    Said(Arc<Said>),
    /// Nothing that could be believed.
    Silent(Silent),
    /// It is being asked, and whoever wants to know does not wait.
    Later,
}

/// Why nothing was said: the reason, and the cause for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// One of the room's.
    pub reason: ReasonRef,
    /// For the log, never for the caller.
    pub cause: String,
}

impl Silent {
    /// Says why.
    #[must_use]
    pub fn new(reason: ReasonRef, cause: impl Into<String>) -> Self {
        Self {
            reason,
            cause: cause.into(),
        }
    }
}

/// What is known of the caller besides the request's head.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Who calls.
    pub identity: Option<&'a Identity>,
    /// The client's address.
    pub client: IpAddr,
    /// Where that is.
    pub place: Option<&'a Place>,
    /// The caller's device.
    pub device: Option<&'a Standing>,
    /// What speaks against the request.
    pub risk: Option<&'a Score>,
    /// Whether the client speaks TLS.
    pub secure: bool,
    /// `Host`, as the client sent it.
    pub authority: &'a str,
}

/// A verdict, and what it goes by.
#[derive(Debug)]
pub struct Decided {
    /// The verdict.
    pub verdict: Verdict,
    /// What let it through, in words.
    pub grounds: Option<Grounds>,
}

impl From<Verdict> for Decided {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            grounds: None,
        }
    }
}

/// The compiled policy.
#[derive(Debug)]
pub struct Decide {
    point: Arc<Point>,
    book: Arc<Book>,
    /// Fields that it is shown; none for all.
    shown: Option<Box<[HeaderName]>>,
    /// Fields that it is not.
    withheld: Box<[HeaderName]>,
}

impl Decide {
    /// Compiles the config for the upstream of this number. `keys` are the fields that carry
    /// the API's credentials to the gate, which nobody is shown; `credentials` the same with
    /// what proves the gate to an upstream, which nobody writes.
    ///
    /// # Errors
    /// What it may not be asked, and what it may not say.
    pub fn new(
        config: &Config,
        upstream: usize,
        book: &Arc<Book>,
        (keys, credentials): (&[HeaderName], &[HeaderName]),
    ) -> Result<Self, ConfigError> {
        let wrong =
            |code, pointer: &str, message: String| Err(ConfigError::new(code, pointer, message));
        let deadline = Duration::from_millis(config.deadline_ms.into());
        if deadline.is_zero() || deadline > MAX_DEADLINE {
            let most = MAX_DEADLINE.as_secs();
            let message = format!("a decision point has between 1 ms and {most} s to answer");
            return wrong("decide-deadline", "/deadline_ms", message);
        }
        if Duration::from_millis(config.cache_ms.into()) > MAX_CACHE {
            let message = format!(
                "an answer is believed for {} s at most",
                MAX_CACHE.as_secs()
            );
            return wrong("decide-cache", "/cache_ms", message);
        }
        if config.headers.len().max(config.to_upstream.len()) > MOST_FIELDS {
            let message = format!("at most {MOST_FIELDS} fields can be named");
            return wrong("decide-fields", "/headers", message);
        }
        let named = config.to_upstream.iter().enumerate().map(|(place, name)| {
            may_tell_request(name, credentials).map_err(|message| {
                ConfigError::new("decide-field", format!("/to_upstream/{place}"), message)
            })
        });
        let point = Point {
            upstream,
            deadline,
            cache_ms: config.cache_ms.into(),
            name: config.upstream.as_str().into(),
            way: read(&config.way)?,
            to_upstream: named.collect::<Result<_, _>>()?,
        };
        let opa = matches!(point.way, Asked::Opa(_));
        let mut withheld: Vec<HeaderName> = keys.iter().chain(&CREDENTIALS).cloned().collect();
        let all = config.headers.iter().any(|name| name == ALL);
        let mut shown = Vec::new();
        for (place, text) in config.headers.iter().enumerate() {
            let pointer = format!("/headers/{place}");
            if text == ALL {
                continue;
            }
            let Ok(name) = HeaderName::try_from(text.as_str()) else {
                let message = format!("`{text}` is no name of a field");
                return wrong("decide-field", &pointer, message);
            };
            if is_identity(name.as_str()) {
                let message = format!("`{text}` says who is calling or from where, and clients write there what they like; what the gate knows of that is told without");
                return wrong("decide-field", &pointer, message);
            }
            if keys.contains(&name) {
                let message = format!(
                    "`{text}` carries credentials for the gate itself, which nobody is shown; who calls is told without"
                );
                return wrong("decide-credential", &pointer, message);
            }
            if opa && CREDENTIALS.contains(&name) {
                let message = format!("`{text}` carries credentials, which OPA is not shown; `input.caller` says who calls");
                return wrong("decide-credential", &pointer, message);
            }
            withheld.retain(|held| *held != name);
            shown.push(name);
        }
        Ok(Self {
            point: Arc::new(point),
            book: Arc::clone(book),
            shown: (!all).then(|| shown.into()),
            withheld: withheld.into(),
        })
    }

    /// What is asked.
    #[must_use]
    pub const fn point(&self) -> &Arc<Point> {
        &self.point
    }

    /// The fields that only the decision point may write.
    #[must_use]
    pub fn written(&self) -> &[HeaderName] {
        &self.point.to_upstream
    }

    /// Judges a request: asks first, and then does what was said.
    ///
    /// # Errors
    /// If nothing was said that could be believed: the point's `on_error` says what becomes of the request.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        around: &Around<'_>,
        answers: &Answers,
    ) -> Result<Decided, PolicyError> {
        let failed = |silent: &Silent| PolicyError {
            policy: NAME,
            reason: silent.reason,
            cause: format!("{}: {}", self.point.name, silent.cause),
        };
        match answers {
            // For each reader it would be another thing that is asked for.
            Answers::None if !view.readings.is_empty() => {
                let denial = Denial::new(&UNREADABLE).detail("its path can be taken for another");
                Ok(Verdict::Deny(denial).into())
            }
            // Some APIs read `X_Tenant` as `X-Tenant`, and would go by what nobody has judged.
            Answers::None if self.has_look_alikes(view.headers) => {
                let denial = Denial::new(&UNREADABLE).detail("one field can be taken for another");
                Ok(Verdict::Deny(denial).into())
            }
            Answers::None => {
                let question = self
                    .question(view, around)
                    .map_err(|silent| failed(&silent))?;
                Ok(Verdict::Need(Need::Decision(Box::new(question))).into())
            }
            Answers::Decision(Heard::Said(said)) => Ok(self.obey(said)),
            Answers::Decision(Heard::Silent(silent)) if silent.reason == &UNSTATED => {
                Ok(Verdict::Deny(Denial::new(&UNSTATED)).into())
            }
            Answers::Decision(Heard::Silent(silent)) => Err(failed(silent)),
            Answers::Decision(Heard::Later) => {
                let cause = "nothing was said of it yet";
                Err(failed(&Silent::new(&UNAVAILABLE, cause)))
            }
            _ => {
                let cause = "it asked a decision point, and was told something else";
                Err(PolicyError::new(NAME, cause))
            }
        }
    }

    fn has_look_alikes(&self, headers: &HeaderMap) -> bool {
        let mut shown = self.shown.iter().flatten();
        shown.any(|name| look_alikes(headers, name).next().is_some())
    }

    fn obey(&self, said: &Said) -> Decided {
        let grounds = self.point.grounds(said);
        match said {
            Said::Allow { fields, .. } => {
                let set = fields
                    .iter()
                    .map(|(name, value)| Edit::Add(name.clone(), value.clone()));
                Decided {
                    verdict: Verdict::Allow(Edits {
                        request: set.collect(),
                        answer: Vec::new(),
                    }),
                    grounds: Some(grounds),
                }
            }
            Said::Deny { reason, own } => {
                let mut denial = Denial::new(&DENIED).grounds(&grounds);
                if let Some(reason) = reason {
                    denial = denial.detail(reason.to_string());
                }
                if let Some(own) = own {
                    denial.headers.clone_from(&own.fields);
                    denial.own = Some(Box::new(own.told()));
                }
                Verdict::Deny(denial).into()
            }
            Said::Undefined => Verdict::Deny(Denial::new(&UNDEFINED).grounds(&grounds)).into(),
        }
    }
}

impl Point {
    /// The name of the upstream that is asked.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In words: `decision of opa: allow`, and why.
    fn grounds(&self, said: &Said) -> Grounds {
        let (word, why) = match said {
            Said::Allow { reason, .. } => ("allow", reason.as_deref()),
            Said::Deny { reason, .. } => ("deny", reason.as_deref()),
            Said::Undefined => ("undefined", None),
        };
        let why = why.map(|why| format!(", {why}")).unwrap_or_default();
        Grounds::from([Arc::from(format!("decision of {}: {word}{why}", self.name))])
    }
}

fn read(way: &Way) -> Result<Asked, ConfigError> {
    let target = |path: &str, pointer| {
        let target = PathAndQuery::try_from(path).ok();
        target
            .filter(|_| path.starts_with('/') && !path.contains('#'))
            .ok_or_else(|| {
                let message = format!("`{path}` is no path, which begins with `/`");
                ConfigError::new("decide-path", pointer, message)
            })
    };
    match way {
        Way::Opa { path } => Ok(Asked::Opa(target(path, "/way/opa/path")?)),
        Way::ExtAuthz {
            path,
            prefix,
            to_client,
            body,
        } => {
            let path = path
                .as_deref()
                .map(|path| target(path, "/way/ext_authz/path"))
                .transpose()?;
            if !prefix.is_empty() {
                let read = target(prefix, "/way/ext_authz/prefix")?;
                if path.is_some() || read.query().is_some() || prefix.ends_with('/') {
                    let message = "`prefix` stands before the request's own path: no query, no `/` at its end, and no `path` beside it";
                    let pointer = "/way/ext_authz/prefix";
                    return Err(ConfigError::new("decide-path", pointer, message));
                }
            }
            if to_client.len() > MOST_FIELDS {
                let message = format!("at most {MOST_FIELDS} fields can be named");
                let pointer = "/way/ext_authz/to_client";
                return Err(ConfigError::new("decide-fields", pointer, message));
            }
            let named = to_client.iter().enumerate().map(|(place, name)| {
                may_tell_client(name).map_err(|message| {
                    let pointer = format!("/way/ext_authz/to_client/{place}");
                    ConfigError::new("decide-field", pointer, message)
                })
            });
            Ok(Asked::ExtAuthz {
                path,
                prefix: prefix.as_str().into(),
                to_client: named.collect::<Result<_, _>>()?,
                body: *body,
            })
        }
    }
}

/// The name of a field of a refusal that may go to clients: those that a 401 or a 429 lives by, too.
fn may_tell_client(name: &str) -> Result<HeaderName, String> {
    let lives_by = [WWW_AUTHENTICATE, RETRY_AFTER].into_iter();
    let mut named = lives_by.filter(|known| name.eq_ignore_ascii_case(known.as_str()));
    named
        .next()
        .map_or_else(|| may_change_answer(name, Verb::Set), Ok)
}

#[cfg(test)]
mod tests;
