//! One rule: of what, what is looked at, and what it must be.

use std::borrow::Cow;

use lockgate_wire::json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::only::Only;
use crate::{Identity, Span};

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
    fn of<'i>(&self, identity: &'i Identity) -> Option<Cow<'i, Value>> {
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

impl Must {
    /// Whether a text is what it must be for somebody.
    pub fn hold(&self, identity: &Identity, said: &str) -> bool {
        // What is empty is nobody's.
        if said.is_empty() {
            return false;
        }
        match self {
            Self::Equal(known) => known.of(identity).is_some_and(|value| is(&value, said)),
            Self::BeIn(known) => known.of(identity).is_some_and(|value| {
                value
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| is(one, said)))
            }),
        }
    }

    /// The same of a value of a document.
    pub fn hold_of(&self, identity: &Identity, said: &json::Value<'_>) -> bool {
        match said {
            json::Value::Text(text) => self.hold(identity, text),
            json::Value::Whole(text) => self.hold(identity, text),
            json::Value::Other => false,
        }
    }

    /// The same of a value that was read whole.
    pub fn hold_in(&self, identity: &Identity, said: &Value) -> bool {
        match said {
            Value::String(text) => self.hold(identity, text),
            Value::Number(number) if !number.is_f64() => self.hold(identity, &number.to_string()),
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
