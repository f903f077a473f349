//! One rule: of what, what is looked at, and what it must be.

use std::borrow::Cow;
use std::collections::HashSet;

use lockgate_wire::json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::relations::{Relations, Way};
use crate::only::Only;
use crate::{ConfigError, Identity, Span};

/// A rule, as a bundle has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ObjectRule")]
pub struct Config {
    /// Requests that it is for.
    pub what: Vec<Only>,
    /// What says whose it is.
    pub whose: Whose,
    /// What that must be.
    pub must: Must,
    /// Roles that it is not for.
    pub unless: Vec<String>,
    /// Whether a refusal says that there is no such thing.
    pub hidden: bool,
    /// Where the configuration says it.
    pub span: Span,
}

/// What says whose something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "ObjectWhose")]
pub enum Whose {
    /// A name in the braces of the operation's path.
    Path(String),
    /// A parameter of the query.
    Query(String),
    /// A JSON Pointer into the body.
    Body(String),
    /// JSON Pointers into the answer; `*` stands for every item of a list.
    Answer(Answer),
}

/// Where an answer says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ObjectAnswer")]
pub struct Answer {
    /// The pointer.
    pub pointer: String,
    /// Whether items of others are taken out, and not the whole refused.
    pub filter: bool,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "ObjectMust")]
pub enum Must {
    /// This.
    Equal(Known),
    /// In this list.
    BeIn(Known),
    /// Among what relations lead to.
    Related(Related),
}

/// What is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ObjectRelated")]
pub struct Related {
    /// With what it begins; each of them, where that is a list.
    pub known: Known,
    /// Names of relations, each of which begins with what the one before leads to.
    pub via: Vec<String>,
}

/// What is verified of a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "ObjectKnown")]
pub enum Known {
    /// A claim: names, each within the one before.
    Claim(Vec<String>),
    /// Who answers for the credential.
    Owner,
    /// The program that calls.
    App,
    /// The credential's public id.
    Credential,
}

impl Known {
    /// What somebody has of it; a claim may be a list.
    pub(super) fn of<'i>(&self, identity: &'i Identity) -> Option<Cow<'i, Value>> {
        let text = |text: &str| Some(Cow::Owned(Value::String(text.to_owned())));
        match self {
            Self::Claim(path) => {
                let (first, rest) = path.split_first()?;
                let found: &Map<String, Value> = identity.claims.as_deref()?;
                let found = rest.iter().try_fold(found.get(first)?, |value, name| {
                    value.as_object()?.get(name)
                });
                found.map(Cow::Borrowed)
            }
            Self::Owner => text(&identity.owner),
            Self::App => identity.app.as_deref().and_then(text),
            Self::Credential => text(&identity.credential),
        }
    }
}

/// What a rule looks for, with its relations found.
#[derive(Debug)]
pub enum Sought {
    /// See [`Must::Equal`].
    Equal(Known),
    /// See [`Must::BeIn`].
    BeIn(Known),
    /// See [`Must::Related`].
    Related(Known, Way),
}

impl Sought {
    /// Finds the relations.
    pub(super) fn new(must: &Must, relations: &Relations) -> Result<Self, ConfigError> {
        Ok(match must {
            Must::Equal(known) => Self::Equal(known.clone()),
            Must::BeIn(known) => Self::BeIn(known.clone()),
            Must::Related(related) => {
                Self::Related(related.known.clone(), relations.way(&related.via)?)
            }
        })
    }

    /// What that is for somebody: looked up once, however many values are held against it.
    pub fn of<'i>(&'i self, identity: &'i Identity) -> Owned<'i> {
        match self {
            Self::Equal(known) => Owned::This(known.of(identity)),
            Self::BeIn(known) => Owned::In(known.of(identity)),
            Self::Related(known, way) => Owned::Among(way.leads_to(known, identity)),
        }
    }
}

/// What somebody has.
#[derive(Debug)]
pub enum Owned<'i> {
    /// This.
    This(Option<Cow<'i, Value>>),
    /// What is in this list.
    In(Option<Cow<'i, Value>>),
    /// These.
    Among(HashSet<&'i str>),
}

impl Owned<'_> {
    /// Whether a text is theirs.
    pub fn hold(&self, said: &str) -> bool {
        // What is empty is nobody's.
        if said.is_empty() {
            return false;
        }
        match self {
            Self::This(value) => value.as_ref().is_some_and(|value| is(value, said)),
            Self::In(list) => list
                .as_ref()
                .and_then(|value| value.as_array())
                .is_some_and(|all| all.iter().any(|one| is(one, said))),
            Self::Among(all) => all.contains(said),
        }
    }

    /// The same of a value of a document.
    pub fn hold_of(&self, said: &json::Value<'_>) -> bool {
        match said {
            json::Value::Text(text) => self.hold(text),
            json::Value::Whole(text) => self.hold(text),
            json::Value::Other => false,
        }
    }

    /// The same of a value that was read whole.
    pub fn hold_in(&self, said: &Value) -> bool {
        match said {
            Value::String(text) => self.hold(text),
            Value::Number(number) if !number.is_f64() => self.hold(&number.to_string()),
            _ => false,
        }
    }
}

/// Whether a claim is this: a text, or a whole number as it is written.
fn is(claim: &Value, said: &str) -> bool {
    match claim {
        Value::String(text) => text == said,
        Value::Number(number) => !number.is_f64() && number.to_string() == said,
        _ => false,
    }
}
