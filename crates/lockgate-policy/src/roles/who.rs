//! What must hold of somebody: of the claims that were verified, or of how
//! they are known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::scopes::has_scope;
use crate::{ways, Identity};

/// Steps of a claim's path; none that is known has more than four.
const MAX_STEPS: usize = 16;

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Who {
    /// A claim says this.
    Claim(ClaimTest),
    /// The credential is of one of these issuers, by their names in the configuration.
    Issuer(Vec<String>),
    /// The program that calls is one of these.
    App(Vec<String>),
    /// One of these answers for the credential.
    Owner(Vec<String>),
    /// The credential is one of these, by its public id.
    Credential(Vec<String>),
    /// It was proved in one of these ways.
    Way(Vec<String>),
    /// The credential has one of these scopes.
    Scope(Vec<String>),
}

/// What a claim must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimTest {
    /// Where it is: names of claims, each within the one before.
    pub path: Vec<String>,
    /// What it must be.
    pub test: Is,
}

/// What a claim must be. A claim of another type never is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Is {
    /// This value.
    Equals(ClaimValue),
    /// One of these values.
    OneOf(Vec<ClaimValue>),
    /// A list with one of these values in it, or one of these values.
    Contains(Vec<ClaimValue>),
    /// A number of at least this.
    AtLeast(Number),
    /// A number of at most this.
    AtMost(Number),
    /// There, with any value but null; or not there.
    Present(bool),
}

/// A value that a claim can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClaimValue {
    /// A text, letter by letter.
    Text(String),
    /// A number.
    Number(Number),
    /// Yes or no.
    Truth(bool),
}

impl Who {
    /// Whether it can hold of anybody.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Claim(test) if test.path.is_empty() || test.path.len() > MAX_STEPS => {
                Err(format!("a claim's path has 1 to {MAX_STEPS} names"))
            }
            Self::Way(names) => match names.iter().find(|name| !ways::ALL.contains(&&***name)) {
                Some(name) => Err(format!("`{name}` is no way to prove who calls")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether it holds of somebody.
    #[must_use]
    pub fn is(&self, identity: &Identity) -> bool {
        let one_of = |names: &[String], text: &str| names.iter().any(|name| name == text);
        match self {
            Self::Claim(test) => test.is(identity.claims.as_deref()),
            Self::Issuer(names) => identity.issuer().is_some_and(|text| one_of(names, text)),
            Self::App(names) => identity
                .app
                .as_deref()
                .is_some_and(|app| one_of(names, app)),
            Self::Owner(names) => one_of(names, &identity.owner),
            Self::Credential(names) => one_of(names, &identity.credential),
            Self::Way(names) => one_of(names, identity.proved_by),
            Self::Scope(names) => names.iter().any(|name| has_scope(identity, name)),
        }
    }
}

impl ClaimTest {
    fn is(&self, claims: Option<&Map<String, Value>>) -> bool {
        let found = claims
            .zip(self.path.split_first())
            .and_then(|(claims, (first, rest))| {
                rest.iter().try_fold(claims.get(first)?, |value, name| {
                    value.as_object()?.get(name)
                })
            });
        match (&self.test, found) {
            (Is::Present(wanted), found) => *wanted == found.is_some_and(|value| !value.is_null()),
            (_, None) => false,
            (Is::Equals(one), Some(value)) => one.is(value),
            (Is::OneOf(all), Some(value)) => all.iter().any(|one| one.is(value)),
            (Is::Contains(all), Some(Value::Array(values))) => values
                .iter()
                .any(|value| all.iter().any(|one| one.is(value))),
            (Is::Contains(all), Some(value)) => all.iter().any(|one| one.is(value)),
            (Is::AtLeast(least), Some(value)) => {
                compared(value, least).is_some_and(std::cmp::Ordering::is_ge)
            }
            (Is::AtMost(most), Some(value)) => {
                compared(value, most).is_some_and(std::cmp::Ordering::is_le)
            }
        }
    }
}

impl ClaimValue {
    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(text), Value::String(value)) => text == value,
            (Self::Truth(truth), Value::Bool(value)) => truth == value,
            (Self::Number(number), value) => {
                compared(value, number).is_some_and(std::cmp::Ordering::is_eq)
            }
            _ => false,
        }
    }
}

/// How a claim compares to a number. Whole numbers do so exactly: two large ones that
/// differ must not be the same tenant.
fn compared(value: &Value, number: &Number) -> Option<std::cmp::Ordering> {
    let value = value.as_number()?;
    match (value.as_i128(), number.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => value.as_f64()?.partial_cmp(&number.as_f64()?),
    }
}
