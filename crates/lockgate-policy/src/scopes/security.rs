//! What an operation of an `OpenAPI` document demands: its `security`
//! (`OpenAPI` 3.1.1, "Security Requirement Object").

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ways::Ways;
use crate::{api_key, basic, introspection, jwt, mtls, session, signature, Grounds};

/// What a document demands of some of its operations: any one of these; none of
/// them where it demands nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// Of each all must be shown.
    pub any: Vec<Vec<Scheme>>,
}

/// One scheme that must be satisfied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scheme {
    /// Its name in the document.
    pub name: String,
    /// What kind it is of.
    pub kind: SchemeKind,
    /// Scopes that the credential must have.
    pub scopes: Vec<String>,
}

/// Kinds of schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemeKind {
    /// A key (`apiKey`) in a header or in the query.
    ApiKey,
    /// A cookie (`apiKey` in a cookie).
    Cookie,
    /// A name and a password.
    Basic,
    /// A token: `http` with `bearer` or `dpop`, `oauth2`, `openIdConnect`.
    Token,
    /// A client certificate.
    MutualTls,
    /// A signature over the request.
    Signature,
    /// None that the gate knows; only what the configuration says satisfies it.
    Other,
}

impl SchemeKind {
    /// The ways to prove who calls that satisfy it.
    #[must_use]
    pub fn ways(self) -> Ways {
        let names: &[&str] = match self {
            Self::ApiKey => &[api_key::NAME],
            Self::Cookie => &[session::NAME],
            Self::Basic => &[basic::NAME],
            // A person who has signed in shows a cookie where a program shows a token of the same provider.
            Self::Token => &[jwt::NAME, introspection::NAME, session::NAME],
            Self::MutualTls => &[mtls::NAME],
            Self::Signature => &[signature::NAME],
            Self::Other => &[],
        };
        Ways::of(names).unwrap_or_default()
    }
}

/// The same, compiled.
#[derive(Debug)]
pub struct Demand {
    pub(super) any: Box<[Alternative]>,
}

#[derive(Debug)]
pub(super) struct Alternative {
    pub(super) all: Box<[Part]>,
    pub(super) grounds: Grounds,
}

#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: Box<str>,
    pub(super) ways: Ways,
    pub(super) scopes: Box<[Box<str>]>,
}

impl Demand {
    /// Compiles it.
    #[must_use]
    pub fn new(security: &Security) -> Self {
        let part = |scheme: &Scheme| Part {
            name: scheme.name.as_str().into(),
            ways: scheme.kind.ways(),
            scopes: scheme
                .scopes
                .iter()
                .map(|one| one.as_str().into())
                .collect(),
        };
        let alternative = |all: &Vec<Scheme>| Alternative {
            all: all.iter().map(part).collect(),
            grounds: grounds(all),
        };
        Self {
            any: security.any.iter().map(alternative).collect(),
        }
    }

    /// Each alternative as words: `oauth (orders:read, orders:write) and key`.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.any.iter().map(Alternative::words)
    }
}

impl Alternative {
    pub(super) fn words(&self) -> String {
        let parts = self.all.iter().map(|part| match part.scopes.join(", ") {
            scopes if scopes.is_empty() => format!("`{}`", part.name),
            scopes => format!("`{}` ({scopes})", part.name),
        });
        match parts.collect::<Vec<_>>().join(" and ") {
            words if words.is_empty() => "nothing".to_owned(),
            words => words,
        }
    }
}

fn grounds(all: &[Scheme]) -> Grounds {
    let mut grounds: Vec<Arc<str>> = Vec::new();
    for scope in all.iter().flat_map(|scheme| &scheme.scopes) {
        let ground = super::ground(scope);
        if !grounds.contains(&ground) {
            grounds.push(ground);
        }
    }
    if grounds.is_empty() {
        let names: Vec<_> = all.iter().map(|scheme| &*scheme.name).collect();
        let names = names.join(" and ");
        grounds.push(match names.is_empty() {
            true => "the document, which demands nothing".into(),
            false => format!("scheme {names}").into(),
        });
    }
    grounds.into()
}
