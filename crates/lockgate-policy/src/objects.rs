//! `objects`: whose is it. What a request is about must belong to who asks for it.
//!
//! # Description
//! A rule says where it stands whose something is: in the path, in the query, in
//! the body, or in the API's answer; and what of the caller that must be. What
//! the request tells is judged before the API is asked. What the answer alone
//! tells is judged before a byte of it goes out: it is held whole, within a
//! bound, unpacked where it is packed, and refused where one value is not the
//! caller's or is not there. From a list, items of others can be taken out.
//! Where what is verified of a caller does not tell, relations lead from it to
//! what does: from a person to their teams, from those to accounts.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`NOT_OWN`], [`HIDDEN`], [`UNREADABLE`], [`ANSWER`].
//!
//! # Example
//! ```yaml
//! authorize:
//!   objects:
//!     - {operations: [getOrder], response: /customer_id, must_equal: claim:sub, unless: [support]}
//! ```
//!
//! Source: OWASP API Security Top 10 2023, API1 (broken object level authorization).

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use lockgate_wire::json::{Places, Scan, Wrong, MAX_PLACES};
use lockgate_wire::query;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::only::Meant;
use crate::roles::Book;
use crate::waf::whole_answer;
use crate::{
    Answers, ConfigError, Content, Denial, Edits, Gather, Identity, Need, PolicyError, RequestView,
    Span, Verdict,
};

mod noted;
mod reasons;
mod relations;
mod rule;

pub use noted::{Noted, MAX_TOLD, MAX_TOLD_BYTES};
pub use reasons::*;
pub use relations::{Relation, Relations, MAX_PAIRS, MAX_STEPS};
use rule::Sought;
pub use rule::{Answer, Config as Rule, Known, Must, Related, Whose};

/// The room's name everywhere.
pub const NAME: &str = "objects";

/// Most rules of one API.
pub const MAX_RULES: usize = 1_000;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ObjectsConfig")]
pub struct Config {
    /// The rules; of all that are for a request each must hold.
    pub rules: Vec<Rule>,
    /// Longest body that is looked at, bytes.
    pub body_bytes: u64,
    /// Longest answer that is, bytes.
    pub answer_bytes: u64,
    /// What the API says of what there is not; none where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_found: Option<NotFound>,
}

/// What an API says of what there is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotFound {
    /// What kind of a body that is, as `Content-Type` has it.
    pub content_type: String,
    /// The body, byte by byte.
    pub body: String,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Objects {
    rules: Box<[Compiled]>,
    book: Arc<Book>,
    body_bytes: u64,
    answer_bytes: u64,
    not_found: Option<(HeaderValue, Bytes)>,
}

#[derive(Debug)]
struct Compiled {
    meant: Box<[Meant]>,
    whose: Whose,
    must: Sought,
    unless: Box<[usize]>,
    hidden: bool,
    span: Span,
}

/// Who asks, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who it is.
    pub identity: Option<&'a Identity>,
    /// What stands in the braces of the operation's path.
    pub captures: &'a [(Arc<str>, String)],
    /// Whether there is a body.
    pub body: bool,
}

/// What an answer is held against: the rules, and who asked.
#[derive(Debug)]
pub struct Pending {
    rules: Box<[usize]>,
    identity: Identity,
}

/// What a request is judged to be.
#[derive(Debug)]
pub struct Decided {
    /// The verdict, as far as the request tells.
    pub verdict: Verdict,
    /// What the answer is held against, where it tells more.
    pub pending: Option<Box<Pending>>,
}

impl Objects {
    /// Compiles the config.
    ///
    /// # Errors
    /// A role or a relation that there is not, a pointer that is none, or a part of an API that is none.
    pub fn new(
        config: &Config,
        book: &Arc<Book>,
        relations: &Relations,
    ) -> Result<Self, ConfigError> {
        if config.rules.len() > MAX_RULES {
            let message = format!(
                "there are {} rules; at most {MAX_RULES} are taken",
                config.rules.len()
            );
            return Err(ConfigError::new("too-many-rules", "/rules", message));
        }
        let answers = config
            .rules
            .iter()
            .filter(|rule| matches!(rule.whose, Whose::Answer(_)));
        if answers.count() > MAX_PLACES {
            let message = format!("at most {MAX_PLACES} rules look at answers");
            return Err(ConfigError::new("too-many-rules", "/rules", message));
        }
        let not_found = config.not_found.as_ref().map(|said| {
            let kind = HeaderValue::from_str(&said.content_type).map_err(|_| {
                let message = format!("`{}` is no `Content-Type`", said.content_type);
                ConfigError::new("not-a-header", "/not_found/content_type", message)
            });
            Ok((kind?, Bytes::from(said.body.clone())))
        });
        let rules = config.rules.iter().enumerate().map(|(place, rule)| {
            Compiled::new(rule, book, relations).map_err(|error| ConfigError {
                pointer: format!("/rules/{place}{}", error.pointer),
                span: error.span.or(Some(rule.span)),
                ..error
            })
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            book: Arc::clone(book),
            body_bytes: config.body_bytes,
            answer_bytes: config.answer_bytes,
            not_found: not_found.transpose()?,
        })
    }

    /// Longest answer that is looked at, bytes.
    #[must_use]
    pub const fn answer_bytes(&self) -> u64 {
        self.answer_bytes
    }

    /// What its API says of what there is not, where that is known: the kind of a body, and the body.
    #[must_use]
    pub const fn not_found(&self) -> Option<&(HeaderValue, Bytes)> {
        self.not_found.as_ref()
    }

    /// Whether a rule is for a request.
    #[must_use]
    pub fn is_for(&self, view: &RequestView<'_>) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.meant.iter().any(|meant| meant.hold(view)))
    }

    /// Whether a rule looks at answers.
    #[must_use]
    pub fn judges_answers(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| matches!(rule.whose, Whose::Answer(_)))
    }

    /// Judges what the request tells.
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
                pending: None,
            })
        };
        let holds = |rule: &&Compiled| rule.meant.iter().any(|meant| meant.hold(view));
        let mine: Vec<(usize, &Compiled)> = self
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| holds(rule))
            .collect();
        if mine.is_empty() {
            return done(Verdict::allow());
        }
        let Some(identity) = asked.identity else {
            return done(Verdict::Deny(mine[0].1.refusal()));
        };
        let excused = |rule: &Compiled| {
            let mut roles = rule.unless.iter();
            roles.any(|role| self.book.held(*role, identity).is_some())
        };
        let mine: Vec<_> = mine
            .into_iter()
            .filter(|(_, rule)| !excused(rule))
            .collect();
        // For each reader it would be another thing that is asked for.
        if !mine.is_empty()
            && view
                .readings
                .iter()
                .any(|one| one.operation.as_deref() != view.operation)
        {
            let told = "its path can be taken for another operation's";
            return done(Verdict::Deny(Denial::new(&UNREADABLE).detail(told)));
        }
        let body = mine
            .iter()
            .find(|(_, rule)| matches!(rule.whose, Whose::Body(_)));
        let document = match (answers, body) {
            (Answers::None, Some(_)) if asked.body => {
                return done(Verdict::Need(Need::Content(Box::new(Gather {
                    most: self.body_bytes,
                    pending: None,
                }))));
            }
            (Answers::None, _) => None,
            (Answers::Content(_, content), _) => {
                match crate::document::read(content, view.headers, self.body_bytes) {
                    Ok(document) => document,
                    Err(unfit) => return done(Verdict::Deny(unfit.denial(&UNREADABLE))),
                }
            }
            _ => {
                let cause = "it asked for a body, and was told something else";
                return Err(PolicyError::new(NAME, cause));
            }
        };
        let gone = matches!(answers, Answers::Content(_, Content::Gone));
        let mut pending = Vec::new();
        for (place, rule) in mine {
            let own = match &rule.whose {
                Whose::Path(name) => {
                    in_path(asked, name).map(|said| rule.must.of(identity).hold(&said))
                }
                Whose::Query(name) => {
                    in_query(view, name).map(|said| rule.must.of(identity).hold(&said))
                }
                // What was said of it holds on.
                Whose::Body(_) if gone => Ok(true),
                Whose::Body(pointer) => {
                    let found = document
                        .as_ref()
                        .and_then(|document| document.pointer(pointer));
                    let missing = || Cow::Owned(format!("its body has no `{pointer}`"));
                    found
                        .ok_or_else(missing)
                        .map(|said| rule.must.of(identity).hold_in(said))
                }
                Whose::Answer(_) => {
                    pending.push(place);
                    Ok(true)
                }
            };
            match own {
                Ok(true) => {}
                Ok(false) => return done(Verdict::Deny(rule.refusal())),
                Err(told) => {
                    let denial = Denial::new(&UNREADABLE).detail(told);
                    return done(Verdict::Deny(denial.span(rule.span)));
                }
            }
        }
        if pending.is_empty() {
            return done(Verdict::allow());
        }
        Ok(Decided {
            verdict: Verdict::Allow(Edits {
                request: whole_answer(view.headers, true),
                answer: Vec::new(),
            }),
            pending: Some(Box::new(Pending {
                rules: pending.into(),
                identity: identity.clone(),
            })),
        })
    }

    /// The places of an answer that tell whose it is.
    #[must_use]
    pub fn places(&self, pending: &Pending) -> Places {
        let pointers = self.rules_of(pending).filter_map(|rule| rule.answer());
        // Each was read when it was compiled.
        Places::new(pointers.map(|answer| &*answer.pointer)).unwrap_or_default()
    }

    /// Judges an answer's body; what goes out in its place, where items are taken out of it.
    ///
    /// # Errors
    /// If it is somebody else's, or does not say whose it is.
    pub fn judge(&self, pending: &Pending, body: &[u8]) -> Result<Option<Vec<u8>>, Denial> {
        let places = self.places(pending);
        let scan = Scan::of(body, &places).map_err(|wrong| self.unread(pending, wrong))?;
        let taken = self.judge_scan(pending, &places, &scan)?;
        Ok((!taken.is_empty()).then(|| scan.without(body, &taken, false)))
    }

    /// An answer that cannot be read.
    #[must_use]
    pub fn unread(&self, pending: &Pending, wrong: Wrong) -> Denial {
        self.unreadable(
            pending,
            match wrong {
                Wrong::Syntax | Wrong::Shape => "it is no JSON",
                Wrong::Depth => "it is nested too deeply",
                Wrong::Twice => "a name that says whose it is stands there twice",
                Wrong::Many => "its lists are too long",
            },
        )
    }

    fn rules_of<'o>(&'o self, pending: &'o Pending) -> impl Iterator<Item = &'o Compiled> {
        let rules = pending.rules.iter();
        rules.filter_map(|place| self.rules.get(*place))
    }

    /// Judges an answer that was read with an eye to [`Self::places`]: which items are to be taken
    /// out, by their numbers; nothing where none is.
    ///
    /// # Errors
    /// If it is somebody else's, or does not say whose it is.
    pub fn judge_scan(
        &self,
        pending: &Pending,
        places: &Places,
        scan: &Scan<'_>,
    ) -> Result<Vec<bool>, Denial> {
        let told = |rule: &Compiled, told: Cow<'static, str>| {
            Denial::new(&ANSWER).detail(told).span(rule.span)
        };
        let answers = self
            .rules_of(pending)
            .filter_map(|rule| rule.answer().map(|answer| (rule, answer)));
        let mut taken = vec![false; scan.items.len()];
        let mut filtered = false;
        for (place, (rule, answer)) in answers.enumerate() {
            // An item is the caller's own if it says so, or if one within it does; what says nothing is nobody's.
            let levels = places.stars(place);
            let theirs = rule.must.of(&pending.identity);
            let level = |item: usize| levels.iter().position(|node| *node == scan.node_of(item));
            let mut own = vec![false; scan.items.len()];
            let (mut said, mut others) = (false, false);
            for found in scan.found.iter().filter(|found| found.place == place) {
                let holds = theirs.hold_of(&found.value);
                match found.item.filter(|item| level(*item).is_some()) {
                    Some(item) => own[item] |= holds && level(item) == levels.len().checked_sub(1),
                    // It stands in no list, or in place of one.
                    None => others |= !holds,
                }
                said = true;
            }
            if !said && !scan.has_list(places, place) {
                let words = format!("it has no `{}`", answer.pointer);
                return Err(told(rule, words.into()));
            }
            let mut lacking = Vec::new();
            // What is within an item begins behind it.
            for item in (0..scan.items.len())
                .rev()
                .filter(|item| level(*item).is_some())
            {
                match scan.items[item].within.filter(|_| own[item]) {
                    Some(around) => own[around] = true,
                    None if !own[item] => lacking.push(item),
                    None => {}
                }
            }
            if others || !(lacking.is_empty() || answer.filter) {
                return Err(rule.refusal());
            }
            filtered |= !lacking.is_empty();
            lacking.into_iter().for_each(|item| taken[item] = true);
        }
        if !filtered {
            taken.clear();
        }
        Ok(taken)
    }

    /// An answer that no rule can be held against.
    #[must_use]
    pub fn unreadable(&self, pending: &Pending, told: &'static str) -> Denial {
        let denial = Denial::new(&ANSWER).detail(told);
        let rule = pending
            .rules
            .first()
            .and_then(|place| self.rules.get(*place));
        rule.map_or(denial.clone(), |rule| denial.span(rule.span))
    }
}

impl Compiled {
    fn new(rule: &Rule, book: &Book, relations: &Relations) -> Result<Self, ConfigError> {
        let meant = rule.what.iter().map(Meant::new).collect::<Result<_, _>>()?;
        let unless = rule.unless.iter().enumerate().map(|(place, role)| {
            book.number(role).ok_or_else(|| {
                let message = format!("there is no role `{role}`");
                ConfigError::new("role-unknown", format!("/unless/{place}"), message)
            })
        });
        let pointer = match &rule.whose {
            Whose::Body(pointer) => Some(pointer),
            Whose::Answer(answer) => Some(&answer.pointer),
            Whose::Path(_) | Whose::Query(_) => None,
        };
        if let Some(pointer) = pointer {
            Places::new(std::iter::once(pointer.as_str())).map_err(|_| {
                let message = format!("`{pointer}` is no JSON Pointer (RFC 6901)");
                ConfigError::new("not-a-pointer", "/whose", message)
            })?;
        }
        Ok(Self {
            meant,
            whose: rule.whose.clone(),
            must: Sought::new(&rule.must, relations)?,
            unless: unless.collect::<Result<_, _>>()?,
            hidden: rule.hidden,
            span: rule.span,
        })
    }

    fn answer(&self) -> Option<&Answer> {
        match &self.whose {
            Whose::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    fn refusal(&self) -> Denial {
        Denial::new(if self.hidden { &HIDDEN } else { &NOT_OWN }).span(self.span)
    }
}

fn in_path<'a>(asked: &Asked<'a>, name: &str) -> Result<Cow<'a, str>, Cow<'static, str>> {
    let found = asked.captures.iter().find(|(known, _)| **known == *name);
    let missing = || format!("its path has no `{name}`").into();
    found
        .map(|(_, value)| value.as_str().into())
        .ok_or_else(missing)
}

fn in_query<'v>(view: &RequestView<'v>, name: &str) -> Result<Cow<'v, str>, Cow<'static, str>> {
    match query::find_strictly(view.query, name) {
        query::Found::Once(value) => Ok(value),
        query::Found::Absent => Err(format!("its query has no `{name}`").into()),
        query::Found::Ambiguous => Err(format!("its query has `{name}` twice").into()),
    }
}

#[cfg(test)]
mod tests;
