//! `minimise`: what a caller may read of an answer; the rest does not go out.
//!
//! # Description
//! APIs answer with whole objects, and leave it to clients what they show of
//! them. A rule says which fields are open to anyone, to a role and to a scope;
//! a caller reads what any of theirs opens. The answer is held whole, within a
//! bound, unpacked where it is packed, and everything else is cut out of its
//! JSON before a byte goes out. What is no JSON does not go out unless its type
//! is named, and of an error what says what went wrong.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`ANSWER`].
//!
//! # Example
//! ```yaml
//! minimise:
//!   fields: {scope profile:read: [id, name], scope support: [id, name, email]}
//! ```
//!
//! Source: OWASP API Security Top 10 2023, API3 (excessive data exposure).

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use http::header::{HeaderValue, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, Method};
use lockgate_wire::json::{Cutting, Fields, Holders, Leaves, Open, Wrong};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fields::{Opening, Rule};
use crate::only::Only;
use crate::roles::Book;
use crate::waf::whole_answer;
use crate::{ConfigError, Denial, Edits, Identity, RequestView, Span, Verdict};

mod reasons;

pub use reasons::*;

/// The room's name everywhere.
pub const NAME: &str = "minimise";

/// Most types of answers that are named.
pub const MAX_TYPES: usize = 100;

/// What stays of an error, and single values in the place of what these stand in: RFC 9457's members, those of RFC 6749 section 5.2, and what APIs mostly call the same.
static OF_ERRORS: [&str; 16] = [
    "/type",
    "/title",
    "/status",
    "/detail",
    "/instance",
    "/code",
    "/message",
    "/error/code",
    "/error/type",
    "/error/message",
    "/error/status",
    "/error_description",
    "/errors/*/code",
    "/errors/*/title",
    "/errors/*/message",
    "/errors/*/detail",
];

/// What caches of others heed beside `Cache-Control` (RFC 9213; Edge Architecture Specification).
static OF_CACHES: [HeaderName; 2] = [
    HeaderName::from_static("cdn-cache-control"),
    HeaderName::from_static("surrogate-control"),
];

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MinimiseConfig")]
pub struct Config {
    /// The rules; the first that is for a request holds.
    pub rules: Vec<RuleConfig>,
    /// What goes out of an answer that is no success.
    pub errors: Errors,
    /// Types of answers that go out as they are, in lower case and without parameters.
    pub types: Vec<String>,
    /// Longest answer that is looked at, bytes.
    pub answer_bytes: u64,
}

/// A rule, as a bundle has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MinimiseRule")]
pub struct RuleConfig {
    /// Requests that it is for.
    pub what: Vec<Only>,
    /// Who may read what.
    pub open: Vec<Opening>,
    /// Where the configuration says it.
    pub span: Span,
}

/// What goes out of an answer that is no success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MinimiseErrors")]
pub enum Errors {
    /// What says what went wrong; nothing of what is no JSON.
    Known,
    /// All of it.
    All,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Minimise {
    rules: Box<[Rule]>,
    book: Arc<Book>,
    errors: Errors,
    types: Box<[Box<str>]>,
    answer_bytes: u64,
}

/// What an answer is cut to: the rule, and what of it the caller has.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    rule: usize,
    held: Holders,
    /// Whether what was asked for is done by the time the API answers.
    done: bool,
    /// Whether all of it is open.
    whole: bool,
}

impl Pending {
    /// Whether something may have to be cut.
    #[must_use]
    pub const fn cuts(&self) -> bool {
        !self.whole
    }
}

/// What is to be done with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes out as it is.
    Pass,
    /// It is cut.
    Cut,
    /// It is cut as an error; nothing of its body goes out where that cannot be.
    CutError,
    /// It does not go out.
    Refuse(&'static str),
}

impl Minimise {
    /// Compiles the config.
    ///
    /// # Errors
    /// A role that there is not, a pointer that is none, or a part of an API that is none.
    pub fn new(config: &Config, book: &Arc<Book>) -> Result<Self, ConfigError> {
        if config.types.len() > MAX_TYPES {
            let message = format!("at most {MAX_TYPES} types are named");
            return Err(ConfigError::new("too-many-types", "/types", message));
        }
        let rules = Rule::all(&config.rules, |rule: &RuleConfig| {
            let made = Rule::new((&rule.what, &rule.open), book, rule.span);
            (rule.span, made)
        })?;
        Ok(Self {
            rules,
            book: Arc::clone(book),
            errors: config.errors,
            types: config
                .types
                .iter()
                .map(|kind| kind.as_str().into())
                .collect(),
            answer_bytes: config.answer_bytes,
        })
    }

    /// Longest answer that is looked at, bytes.
    #[must_use]
    pub const fn answer_bytes(&self) -> u64 {
        self.answer_bytes
    }

    /// Says what is asked of the API so that its answer can be cut, and what it is cut to.
    #[must_use]
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        identity: Option<&Identity>,
    ) -> (Verdict, Option<Pending>) {
        let found = self.rules.iter().position(|rule| rule.is_for(view));
        let Some(place) = found else {
            return (Verdict::allow(), None);
        };
        // For each reader another rule might hold; the one that is for all of them opens least: none.
        let taken = view
            .readings
            .iter()
            .any(|one| one.operation.as_deref() != view.operation);
        let held = match taken {
            true => 0,
            false => self.rules[place].held(identity, &self.book),
        };
        let safe = matches!(*view.method, Method::GET | Method::HEAD);
        let pending = Pending {
            rule: place,
            held,
            done: !safe,
            whole: self.rules[place].fields().root(held) == Open::Whole,
        };
        if pending.whole {
            return (Verdict::allow(), Some(pending));
        }
        let edits = Edits {
            // What guards a change against another's is the API's to look at.
            request: whole_answer(view.headers, safe),
            answer: Vec::new(),
        };
        (Verdict::Allow(edits), Some(pending))
    }

    /// What is to be done with an answer, by its head.
    #[must_use]
    pub fn fate(&self, pending: &Pending, status: u16, headers: &HeaderMap) -> Fate {
        if pending.whole {
            return Fate::Pass;
        }
        if !(200..300).contains(&status) {
            return match self.errors {
                Errors::All => Fate::Pass,
                Errors::Known => Fate::CutError,
            };
        }
        if status == 206 {
            return Fate::Refuse("it is a part of one");
        }
        let mut said = headers.get_all(http::header::CONTENT_TYPE).iter();
        let kind = said.next().map(|kind| kind.as_bytes());
        let Some(kind) = kind else {
            return Fate::Cut;
        };
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
        let kind = String::from_utf8_lossy(kind).trim().to_ascii_lowercase();
        let alone = said.next().is_none();
        if alone && self.types.iter().any(|named| **named == *kind) {
            return Fate::Pass;
        }
        if kind.ends_with("/json") || kind.ends_with("+json") {
            return Fate::Cut;
        }
        Fate::Refuse(
            "its `Content-Type` does not say that it is JSON, and `types` does not name it",
        )
    }

    /// What is cut out of an answer.
    #[must_use]
    pub fn cutting(&self, pending: &Pending) -> Cutting<'_> {
        Cutting {
            fields: self.rules[pending.rule].fields(),
            held: pending.held,
            leaves: Leaves::Null,
        }
    }

    /// What is cut out of an error.
    #[must_use]
    pub fn cutting_error() -> Cutting<'static> {
        static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
            // What is known beforehand can be read: a test looks.
            Fields::new(OF_ERRORS.iter().map(|one| (0, *one))).unwrap_or_default()
        });
        Cutting {
            fields: &FIELDS,
            held: 1,
            leaves: Leaves::Single,
        }
    }

    /// The refusal of an answer that cannot be cut.
    #[must_use]
    pub fn refusal(&self, pending: &Pending, told: &'static str) -> Denial {
        let told: Cow<'static, str> = match pending.done {
            true => format!("{told}; what was asked for is done").into(),
            false => told.into(),
        };
        let span = self.rules[pending.rule].span;
        Denial::new(&ANSWER).detail(told).span(span)
    }

    /// The same of one that cannot be read.
    #[must_use]
    pub fn unreadable(&self, pending: &Pending, wrong: Wrong) -> Denial {
        self.refusal(
            pending,
            match wrong {
                Wrong::Syntax | Wrong::Twice => "it is no JSON",
                Wrong::Depth => "it is nested too deeply",
                Wrong::Many => "it has too many parts",
                Wrong::Shape => "it is no object or list of which a field could be open",
            },
        )
    }

    /// Puts right who may keep the answer: it is another for each caller.
    pub fn keep_private(&self, pending: &Pending, headers: &mut HeaderMap) {
        if !self.rules[pending.rule].tells_apart() {
            return;
        }
        for name in &OF_CACHES {
            headers.remove(name);
        }
        let said: Vec<String> = headers
            .get_all(CACHE_CONTROL)
            .iter()
            .filter_map(|said| said.to_str().ok())
            .flat_map(|said| said.split(','))
            .map(|one| one.trim().to_owned())
            .filter(|one| {
                let name = one
                    .split('=')
                    .next()
                    .unwrap_or_default()
                    .to_ascii_lowercase();
                !matches!(&*name, "" | "public" | "s-maxage" | "private")
            })
            .collect();
        let all = [vec!["private".to_owned()], said].concat().join(", ");
        let all = HeaderValue::try_from(all);
        headers.insert(
            CACHE_CONTROL,
            all.unwrap_or_else(|_| HeaderValue::from_static("private")),
        );
    }
}

#[cfg(test)]
mod tests;
