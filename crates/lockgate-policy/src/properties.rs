//! `properties`: what a caller may set of a thing.
//!
//! # Description
//! Frameworks put a body's members into an object's, whichever they are; who
//! may change their name would then give themselves a role. A rule says which
//! fields are open to anyone, to a role and to a scope, and a caller sets what
//! any of theirs opens. Whatever else stands in the body is refused, or left
//! out of what the API gets. JSON, JSON Merge Patch (RFC 7396), JSON Patch (RFC
//! 6902) and forms are judged by what they set; what else there is is refused.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`CLOSED`], [`UNREADABLE`].
//!
//! # Example
//! ```yaml
//! authorize:
//!   properties:
//!     - {operations: [updateUser], write: {anyone: [name, email], role support: [note], role admin: all}}
//! ```
//!
//! Source: OWASP API Security Top 10 2023, API3 (mass assignment); CWE-915.

use std::borrow::Cow;
use std::sync::Arc;

use lockgate_wire::json::{Cutting, Holders, Leaves, Open, Places, Scan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{self, Kind};
use crate::fields::{Opening, Rule};
use crate::only::Only;
use crate::roles::Book;
use crate::{
    Answers, ConfigError, Content, Denial, Gather, Identity, Need, PolicyError, RequestView, Span,
    Verdict,
};

mod form;
mod patch;
mod reasons;
mod told;

pub use reasons::*;

use told::Told;

/// The room's name everywhere.
pub const NAME: &str = "properties";

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PropertiesConfig")]
pub struct Config {
    /// The rules; the first that is for a request holds.
    pub rules: Vec<RuleConfig>,
    /// Longest body that is looked at, bytes.
    pub body_bytes: u64,
}

/// A rule, as a bundle has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PropertyRule")]
pub struct RuleConfig {
    /// Requests that it is for.
    pub what: Vec<Only>,
    /// Who may set what.
    pub open: Vec<Opening>,
    /// Whether what nobody opens to the caller is left out, and the rest goes on.
    pub drop: bool,
    /// Whether parameters of the query are properties as well.
    pub query: bool,
    /// Where the configuration says it.
    pub span: Span,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Properties {
    rules: Box<[Compiled]>,
    book: Arc<Book>,
    body_bytes: u64,
}

#[derive(Debug)]
struct Compiled {
    rule: Rule,
    drop: bool,
    query: bool,
}

/// Who asks, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who it is.
    pub identity: Option<&'a Identity>,
    /// Whether there is a body.
    pub body: bool,
}

/// What a request is judged to be.
#[derive(Debug)]
pub struct Decided {
    /// The verdict.
    pub verdict: Verdict,
    /// What goes on in the place of the body, where something was left out of it.
    pub left: Option<Left>,
}

/// A body of which something was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What is left.
    pub body: Vec<u8>,
    /// What was left out, in words.
    pub without: String,
}

impl Properties {
    /// Compiles the config.
    ///
    /// # Errors
    /// A role that there is not, a pointer that is none, or a part of an API that is none.
    pub fn new(config: &Config, book: &Arc<Book>) -> Result<Self, ConfigError> {
        let rules = Rule::all(&config.rules, |rule: &RuleConfig| {
            let made = Rule::new((&rule.what, &rule.open), book, rule.span);
            let made = made.map(|made| Compiled {
                rule: made,
                drop: rule.drop,
                query: rule.query,
            });
            (rule.span, made)
        })?;
        Ok(Self {
            rules,
            book: Arc::clone(book),
            body_bytes: config.body_bytes,
        })
    }

    /// Whether a rule is for a request.
    #[must_use]
    pub fn is_for(&self, view: &RequestView<'_>) -> bool {
        self.rules.iter().any(|one| one.rule.is_for(view))
    }

    /// Whether a rule leaves something out of bodies.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.rules.iter().any(|one| one.drop)
    }

    /// Judges what a request sets.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        asked: &Asked<'_>,
        answers: &Answers,
    ) -> Result<Decided, PolicyError> {
        let done = |verdict| {
            Ok(Decided {
                verdict,
                left: None,
            })
        };
        let Some(one) = self.rules.iter().find(|one| one.rule.is_for(view)) else {
            return done(Verdict::allow());
        };
        let refuse = |denial: Denial| done(Verdict::Deny(denial.span(one.rule.span)));
        let mut readings = view.readings.iter();
        if readings.any(|other| other.operation.as_deref() != view.operation) {
            let told = "its path can be taken for another operation's";
            return refuse(Denial::new(&UNREADABLE).detail(told));
        }
        let held = one.rule.held(asked.identity, &self.book);
        if one.rule.fields().root(held) == Open::Whole {
            return done(Verdict::allow());
        }
        if one.query {
            if view.query.is_some_and(|query| query.contains(';')) {
                let told = "its query has a `;`, which some take for a separator";
                return refuse(Denial::new(&UNREADABLE).detail(told));
            }
            let mut told = Told::new(&one.rule, held);
            form::pairs_of(view.query.unwrap_or_default(), &mut told);
            if let Some(denial) = told.denial() {
                return refuse(denial);
            }
        }
        let content = match answers {
            Answers::None if asked.body => {
                return done(Verdict::Need(Need::Content(Box::new(Gather {
                    most: self.body_bytes,
                    pending: None,
                }))));
            }
            Answers::None => return done(Verdict::allow()),
            Answers::Content(_, content) => content,
            _ => {
                let cause = "it asked for a body, and was told something else";
                return Err(PolicyError::new(NAME, cause));
            }
        };
        match self.judge(one, held, content, view, asked) {
            Ok(left) => Ok(Decided {
                verdict: Verdict::allow(),
                left,
            }),
            Err(denial) => refuse(denial),
        }
    }

    fn judge(
        &self,
        one: &Compiled,
        held: Holders,
        content: &Content,
        view: &RequestView<'_>,
        asked: &Asked<'_>,
    ) -> Result<Option<Left>, Denial> {
        let fit = |unfit: document::Unfit| unfit.denial(&UNREADABLE);
        let bytes = document::plain(content, view.headers, self.body_bytes).map_err(fit)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let kind = document::kind(view.headers).ok_or_else(|| {
            let told =
                "its `Content-Type` does not say, in one way, that its body is JSON or a form";
            Denial::new(&UNREADABLE).detail(told)
        })?;
        let mut told = Told::new(&one.rule, held);
        if kind == Kind::Form {
            let kept = form::judge(bytes, &mut told)?;
            return outcome(one, &told, view, asked, || Some(kept));
        }
        let document = document::parse(bytes).map_err(|wrong| {
            Denial::new(&UNREADABLE).detail(format!("its body is no plain JSON: {wrong}"))
        })?;
        if kind == Kind::Patch {
            patch::judge(&document, &mut told)?;
            // Without one of its steps it would be another patch.
            return outcome(one, &told, view, asked, || None);
        }
        let leaves = Leaves::Nothing {
            // A merge patch puts a list in the place of another.
            lists: kind != Kind::MergePatch,
        };
        let open = one.rule.fields().root(held);
        told.value(&document, open, leaves);
        let cut = || {
            let cutting = Cutting {
                fields: one.rule.fields(),
                held,
                leaves,
            };
            let scan = Scan::cutting(bytes, &Places::default(), Some(&cutting)).ok()?;
            Some(scan.without(bytes, &[], true))
        };
        outcome(one, &told, view, asked, cut)
    }
}

/// What becomes of a body of which something is not open.
fn outcome(
    one: &Compiled,
    told: &Told<'_>,
    view: &RequestView<'_>,
    asked: &Asked<'_>,
    cut: impl FnOnce() -> Option<Vec<u8>>,
) -> Result<Option<Left>, Denial> {
    let Some(denial) = told.denial() else {
        return Ok(None);
    };
    if !one.drop || told.is_poison() {
        return Err(denial);
    }
    if is_signed(view, asked) {
        return Err(told.because("the body is signed, so that nothing can be left out of it"));
    }
    let left = cut().ok_or_else(|| told.because("nothing can be left out of such a body"))?;
    Ok(Some(Left {
        body: left,
        without: told.pointers(),
    }))
}

/// Whether somebody vouches for the body as it is.
fn is_signed(view: &RequestView<'_>, asked: &Asked<'_>) -> bool {
    let proved = asked.identity.map_or("", |who| who.proved_by);
    let ways = [crate::signature::NAME, crate::webhook::NAME];
    ways.contains(&proved) || view.headers.contains_key(crate::signature::SIGNATURE)
}

/// A name as a message may quote it.
fn quoted(text: &str) -> Cow<'_, str> {
    const MOST: usize = 64;
    let plain = text.chars().all(|letter| !letter.is_control());
    if plain && text.len() <= MOST {
        return text.into();
    }
    let letters = text.chars().filter(|letter| !letter.is_control());
    let mut short: String = letters.take(MOST).collect();
    short.push('…');
    short.into()
}

#[cfg(test)]
mod tests;
