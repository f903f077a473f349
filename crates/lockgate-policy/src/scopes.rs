//! `scopes`: what a credential was given opens what it may be used for.
//!
//! # Description
//! Either each operation's `security` in the API's `OpenAPI` document holds as
//! it stands: of its alternatives one, and of that every scheme, with all its
//! scopes. Or the configuration says which scope opens which part of the API.
//! What neither speaks of is not this room's business.
//!
//! The scopes of a token are its `scope` (RFC 8693 section 4.2) or `scp`; those
//! of a key it was given when it was made.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`MISSING`], [`WAY`].
//!
//! # Example
//! ```yaml
//! authorize:
//!   scopes: from_openapi
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jwt::refusal;
use crate::only::Only;
use crate::openings::Openings;
use crate::ways::Ways;
use crate::{introspection, jwt, ConfigError, Denial, Grounds, Identity, RequestView, Verdict};

mod reasons;
mod security;
mod wanted;

pub use reasons::*;
pub use security::{Demand, Scheme, SchemeKind, Security};
pub use wanted::{Part as WantedPart, Wanted};

use security::{Alternative, Part};

/// The room's name everywhere.
pub const NAME: &str = "scopes";

/// Most scopes or alternatives that a refusal names.
const TOLD: usize = 8;

/// The room's config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ScopesConfig")]
pub struct Config {
    /// Whether each operation's `security` in the API's document holds.
    pub from_openapi: bool,
    /// What satisfies schemes of the document, where their kind does not say it.
    pub schemes: Vec<SchemeWays>,
    /// What each scope opens.
    pub opens: Vec<Opening>,
}

/// What satisfies a scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemeWays {
    /// The scheme's name in the document.
    pub scheme: String,
    /// Any one of these ways to prove who calls.
    pub ways: Vec<String>,
}

/// What one scope opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ScopeOpening")]
pub struct Opening {
    /// The scope.
    pub scope: String,
    /// What it opens.
    pub what: Vec<Only>,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Scopes {
    from_openapi: bool,
    schemes: HashMap<Box<str>, Ways>,
    openings: Openings,
    scopes: Box<[(Box<str>, Grounds)]>,
}

/// Who calls, as this room wants to know it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Who it is.
    pub identity: Option<&'a Identity>,
    /// All that has proved it.
    pub ways: Ways,
}

impl Scopes {
    /// Compiles the config.
    ///
    /// # Errors
    /// A way that proves nothing, a scope that is no word, or a part of an API that is none.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut schemes = HashMap::new();
        for (place, said) in config.schemes.iter().enumerate() {
            let names: Vec<&str> = said.ways.iter().map(String::as_str).collect();
            let ways = Ways::of(&names).ok_or_else(|| {
                let message = format!("`{}` are no ways to prove who calls", names.join("`, `"));
                ConfigError::new("not-a-way", format!("/schemes/{place}/ways"), message)
            })?;
            schemes.insert(said.scheme.as_str().into(), ways);
        }
        for (place, opening) in config.opens.iter().enumerate() {
            if !is_scope(&opening.scope) {
                let message = format!("`{}` is not a scope (RFC 6749, 3.3)", opening.scope);
                let pointer = format!("/opens/{place}/scope");
                return Err(ConfigError::new("not-a-scope", pointer, message));
            }
        }
        let openings = Openings::new(config.opens.iter().map(|one| &*one.what));
        let scopes = config.opens.iter().map(|opening| {
            let scope = opening.scope.as_str();
            (scope.into(), Grounds::from([ground(scope)]))
        });
        Ok(Self {
            from_openapi: config.from_openapi,
            schemes,
            openings: openings.map_err(|error| ConfigError {
                pointer: format!("/opens{}", error.pointer),
                ..error
            })?,
            scopes: scopes.collect(),
        })
    }

    /// Whether it says anything of a request. `demands` are those of the operation that it is,
    /// and of others that it might be taken for; none of an operation whose document demands nothing.
    #[must_use]
    pub fn speaks_of(&self, view: &RequestView<'_>, demands: &[Option<&Demand>]) -> bool {
        self.openings.speak_of(view) || (self.from_openapi && demands.iter().any(Option::is_some))
    }

    /// Names of the scopes that open a request by the configuration.
    pub fn opening<'s>(&'s self, view: &'s RequestView<'_>) -> impl Iterator<Item = &'s str> {
        let scope = |number| &*self.scopes[number as usize].0;
        self.openings.of(view).map(scope)
    }

    /// Judges what the credential was given.
    #[must_use]
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        shown: Shown<'_>,
        demands: &[Option<&Demand>],
    ) -> Verdict {
        if !self.from_openapi {
            return self.by_openings(view, shown);
        }
        let mut granted = None;
        for demand in demands.iter().flatten() {
            match self.meets(demand, shown) {
                Ok(grounds) => granted = granted.or(Some(grounds)),
                Err(denial) => return Verdict::Deny(denial),
            }
        }
        granted.map_or_else(Verdict::allow, |grounds| {
            Verdict::Granted(Grounds::clone(grounds))
        })
    }

    fn by_openings(&self, view: &RequestView<'_>, shown: Shown<'_>) -> Verdict {
        let held = shown.identity.and_then(|identity| {
            let mut opens = self.openings.of(view);
            opens.find(|number| has_scope(identity, &self.scopes[*number as usize].0))
        });
        if let Some(number) = held {
            return Verdict::Granted(Grounds::clone(&self.scopes[number as usize].1));
        }
        if !self.openings.speak_of(view) {
            return Verdict::allow();
        }
        let mut names: Vec<&str> = self.opening(view).collect();
        names.dedup();
        let more = if names.len() > TOLD { ", …" } else { "" };
        names.truncate(TOLD);
        let detail = match names.as_slice() {
            [] => "no scope opens all that this path might be taken for".to_owned(),
            [one] => format!("it takes the scope `{one}`"),
            some => format!("it takes one of the scopes `{}`{more}", some.join("`, `")),
        };
        let wanted = names.first().into_iter().copied();
        Verdict::Deny(scopeless(shown, wanted, detail))
    }

    fn meets<'d>(&self, demand: &'d Demand, shown: Shown<'_>) -> Result<&'d Grounds, Denial> {
        // What asks for nothing is open to everyone who is known.
        static NOTHING: std::sync::OnceLock<Grounds> = std::sync::OnceLock::new();
        if demand.any.is_empty() && shown.identity.is_some() {
            let words = || Grounds::from([Arc::from("the document, which demands nothing")]);
            return Ok(NOTHING.get_or_init(words));
        }
        let fit = |one: &&Alternative| one.all.iter().all(|part| self.ways(part).meet(shown.ways));
        let missing = |one: &Alternative| {
            let scopes = one.all.iter().flat_map(|part| &part.scopes);
            let has = |scope: &str| shown.identity.is_some_and(|who| has_scope(who, scope));
            scopes.filter(|scope| !has(scope)).count()
        };
        let nearest = demand.any.iter().filter(fit).min_by_key(|one| missing(one));
        match nearest {
            Some(one) if shown.identity.is_some() && missing(one) == 0 => Ok(&one.grounds),
            Some(one) => {
                let scopes = one.all.iter().flat_map(|part| &part.scopes);
                let detail = format!("it takes {}", one.words());
                Err(scopeless(shown, scopes.map(|scope| &**scope), detail))
            }
            None => {
                let more = if demand.any.len() > TOLD {
                    ", or …"
                } else {
                    ""
                };
                let words: Vec<String> = demand.words().take(TOLD).collect();
                let detail = format!("it takes {}{more}", words.join(", or "));
                Err(Denial::new(&WAY).detail(detail))
            }
        }
    }

    fn ways(&self, part: &Part) -> Ways {
        let said = (!self.schemes.is_empty()).then(|| self.schemes.get(&part.name));
        said.flatten().copied().unwrap_or(part.ways)
    }
}

/// Whether a credential has a scope. Those of a token are `scope`, or `scp` as some issuers call it.
#[must_use]
pub fn has_scope(identity: &Identity, scope: &str) -> bool {
    let claims = identity.claims.as_deref();
    claims.is_some_and(|claims| grant_scope(claims, scope))
}

/// All scopes of a credential.
pub fn all(identity: &Identity) -> impl Iterator<Item = &str> {
    let claims = identity.claims.as_deref();
    let claim = move |name: &str| claims.and_then(|claims| claims.get(name));
    [claim("scope"), claim("scp")]
        .into_iter()
        .flatten()
        .flat_map(|value| {
            let (text, list) = match value {
                Value::String(text) => (Some(text), None),
                Value::Array(all) => (None, Some(all)),
                _ => (None, None),
            };
            let words = text.into_iter().flat_map(|text| text.split(' '));
            let listed = list.into_iter().flatten().filter_map(Value::as_str);
            words.chain(listed).filter(|one| !one.is_empty())
        })
}

/// Whether claims grant a scope.
#[must_use]
pub fn grant_scope(claims: &Map<String, Value>, scope: &str) -> bool {
    let has = |claim: Option<&Value>| match claim {
        Some(Value::String(text)) => text.split(' ').any(|one| one == scope),
        Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(scope)),
        _ => false,
    };
    has(claims.get("scope")) || has(claims.get("scp"))
}

/// A scope as grounds of a verdict.
fn ground(scope: &str) -> Arc<str> {
    format!("scope {scope}").into()
}

/// A word that a challenge can say (RFC 6749 section 3.3).
pub(crate) fn is_scope(text: &str) -> bool {
    let plain = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.len() <= 256 && text.bytes().all(plain)
}

/// A credential that holds, and does not open this (RFC 6750 section 3.1).
fn scopeless<'s>(
    shown: Shown<'_>,
    scopes: impl Iterator<Item = &'s str>,
    detail: String,
) -> Denial {
    let of_token = [jwt::NAME, introspection::NAME];
    let told = shown.identity.map_or("", |identity| identity.proved_by);
    if !of_token.contains(&told) {
        return Denial::new(&MISSING).detail(detail);
    }
    let wanted: Vec<&str> = scopes.filter(|scope| is_scope(scope)).collect();
    refusal::scopeless(&MISSING, &wanted, detail)
}

#[cfg(test)]
mod tests;
