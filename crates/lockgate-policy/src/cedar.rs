//! `cedar`: policies in Cedar say who may do what, by attributes of who calls, of what is asked
//! for and of what is around it.
//!
//! # Description
//! A caller is a `Caller` in the `Role`s that they have; an operation of the API's document is an
//! `Action`; what is asked for is a thing of the operation's own type, with the values of path,
//! query and body; network, device, proof and time are the context. Policies are checked against
//! the schema of all that when they are loaded. What none permits, or one forbids, is refused; so
//! is what a policy fails at, since it could have been one that forbids.
//!
//! A request asks the policies alone that can be for its operation and for the roles that its
//! caller has, with the values alone that one of them looks at.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`NOT_PERMITTED`], [`FORBIDDEN`], [`UNREADABLE`], [`UNDECIDED`].
//!
//! # Example
//! ```yaml
//! authorize:
//!   cedar: policies/orders.cedar
//! ```
//!
//! Source: Cutler et al., "Cedar: A New Language for Expressive, Fast, Safe, and Analyzable
//! Authorization", OOPSLA 2024.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::Effect;
use cedar_policy_core::ast::{EntityType, Literal, SlotEnv, Value, ValueKind};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::device::Standing;
use crate::risk::Score;
use crate::roles::Book;
use crate::{
    Answers, ConfigError, Content, Denial, Gather, Grounds, Identity, Need, Place, PolicyError,
    Reason, RequestView, Span, Verdict,
};

mod index;
mod looks;
mod made;
mod reasons;
mod schema;
mod shape;
mod text;
mod used;

pub use reasons::*;
pub use schema::json as schema_json;
pub use shape::{Field, Scalar, Shape};

use index::{index, type_name, Asked};
use looks::Look;
use text::Written;

/// The room's name everywhere.
pub const NAME: &str = "cedar";

/// Longest file of policies, bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Most policies of one API.
pub const MAX_POLICIES: usize = 20_000;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CedarConfig")]
pub struct Config {
    /// The files of policies.
    pub sources: Vec<Source>,
    /// What may be asked for.
    pub operations: Vec<Operation>,
    /// Claims that callers may have.
    pub claims: Vec<Field>,
    /// Longest body that a policy looks at, bytes.
    pub body_bytes: u64,
}

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CedarSource")]
pub struct Source {
    /// Index into the bundle's `sources`.
    pub file: u32,
    /// Its name.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CedarOperation")]
pub struct Operation {
    /// The operation of the document; the method where there is no document.
    pub name: String,
    /// What it belongs to: its method, permissions.
    pub groups: Vec<String>,
    /// Names in the braces of its path.
    pub path: Vec<Field>,
    /// Parameters of its query.
    pub query: Vec<Field>,
    /// What is in its body, where that is a JSON object.
    pub body: Option<Vec<Field>>,
    /// Whether there always is one.
    pub body_required: bool,
}

/// Who calls, from where and with what.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Who it is.
    pub identity: Option<&'a Identity>,
    /// What stands in the braces of the operation's path.
    pub captures: &'a [(Arc<str>, String)],
    /// The client's address.
    pub client: IpAddr,
    /// Where that is.
    pub place: Option<&'a Place>,
    /// The caller's device, where the API asks.
    pub device: Option<&'a Standing>,
    /// What speaks against the request, where the API asks.
    pub risk: Option<&'a Score>,
    /// Whether there is a body.
    pub body: bool,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Cedar {
    operations: HashMap<Box<str>, Asked>,
    /// By the number that is a policy's id.
    written: Box<[Written]>,
    book: Arc<Book>,
    caller: EntityType,
    body_bytes: u64,
}

impl Cedar {
    /// Compiles the config.
    ///
    /// # Errors
    /// Everything that is wrong with the policies, each at its place in its file.
    pub fn new(config: &Config, book: &Arc<Book>) -> Result<Self, Vec<ConfigError>> {
        let schema = schema::schema(&config.operations, &config.claims).map_err(|wrong| {
            let message = format!("no schema can be made of the document: {wrong}");
            vec![ConfigError::new("cedar-schema", "", message)]
        })?;
        let written = text::read(&config.sources)?;
        let mut errors = text::unfit(&config.sources, &written, schema);
        errors.extend(index::strangers(&written, book));
        if !errors.is_empty() {
            return Err(errors);
        }
        let kinds = schema::kinds(&config.operations);
        Ok(Self {
            operations: index(&config.operations, &config.claims, &kinds, &written, book)?,
            written: written.into(),
            book: Arc::clone(book),
            caller: type_name(schema::CALLER).map_err(|error| vec![error])?,
            body_bytes: config.body_bytes,
        })
    }

    /// Whether a policy looks at where clients are.
    #[must_use]
    pub fn locates(&self) -> bool {
        let mut all = self.operations.values();
        all.any(|asked| asked.looks.at(Look::Country) || asked.looks.at(Look::System))
    }

    /// Its policies, each with what it is called where it decides, and where it is written.
    pub fn rules(&self) -> impl Iterator<Item = (&Grounds, Span)> {
        self.written.iter().map(|one| (&one.grounds, one.span))
    }

    /// Whether a policy may permit a request, whoever asks.
    #[must_use]
    pub fn may_permit(&self, view: &RequestView<'_>) -> bool {
        let asked = self.operations.get(operation(view));
        asked.is_some_and(|asked| {
            let named = asked.by_role.iter().map(|(_, set)| set);
            let mut policies = named.chain([&asked.general]).flatten();
            policies.any(|policy| policy.effect == Effect::Permit)
        })
    }

    /// Judges a request, where policies look at its body once that is there.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        around: &Around<'_>,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        let name = operation(view);
        let Some(asked) = self.operations.get(name) else {
            return Ok(Verdict::Deny(Denial::new(&NOT_PERMITTED)));
        };
        // For each reader it would be another thing that is asked for.
        let by_path = asked.looks.at(Look::Path) || asked.looks.at(Look::Target);
        if view
            .readings
            .iter()
            .any(|one| by_path || one.operation.as_deref() != view.operation)
        {
            let denial =
                Denial::new(&UNREADABLE).detail("its path can be taken for another operation's");
            return Ok(Verdict::Deny(denial));
        }
        let wants_body = asked.body.is_some() && asked.looks.at(Look::Body);
        let body = match answers {
            Answers::None if wants_body && around.body => {
                return Ok(Verdict::Need(Need::Content(Box::new(Gather {
                    most: self.body_bytes,
                    pending: None,
                }))));
            }
            Answers::None => None,
            // What its policies said of the body holds on; without it they say nothing.
            Answers::Content(_, Content::Gone) => return Ok(Verdict::allow()),
            Answers::Content(_, content) => {
                match crate::document::read(content, view.headers, self.body_bytes) {
                    Ok(document) => document,
                    Err(told) => return Ok(Verdict::Deny(told.denial(&UNREADABLE))),
                }
            }
            _ => {
                let cause = "it asked for a body, and was told something else";
                return Err(PolicyError::new(NAME, cause));
            }
        };
        Ok(match self.judge(asked, view, around, body.as_ref()) {
            Ok(verdict) => verdict,
            Err(wrong) => Verdict::Deny(Denial::new(&UNREADABLE).detail(wrong)),
        })
    }

    fn judge(
        &self,
        asked: &Asked,
        view: &RequestView<'_>,
        around: &Around<'_>,
        body: Option<&serde_json::Value>,
    ) -> Result<Verdict, Cow<'static, str>> {
        let has = |number: usize| {
            around
                .identity
                .is_some_and(|who| self.book.held(number, who).is_some())
        };
        let roles: Vec<bool> = asked.roles.iter().map(|(number, _)| has(*number)).collect();
        let made = made::Made::new(self, asked, &roles, view, around, body)?;
        let evaluator = Evaluator::new(made.request, &made.entities, Extensions::all_available());
        let named = asked
            .by_role
            .iter()
            .filter(|(place, _)| roles.get(*place) == Some(&true));
        let every = std::iter::once(&asked.general).chain(named.map(|(_, set)| set));
        let (slots, mut permitted) = (SlotEnv::new(), None);
        // To the end: whatever permits, one that forbids or fails is heard.
        for policy in every.flatten() {
            let said = evaluator.interpret(&policy.condition, &slots);
            match (said.as_ref().map(Value::value_kind), policy.effect) {
                (Ok(ValueKind::Lit(Literal::Bool(false))), _) => {}
                (Ok(ValueKind::Lit(Literal::Bool(true))), Effect::Permit) => {
                    permitted = permitted.or(Some(policy.number));
                }
                (Ok(ValueKind::Lit(Literal::Bool(true))), Effect::Forbid) => {
                    return Ok(self.refuses(policy.number, &FORBIDDEN));
                }
                (Ok(_) | Err(_), _) => return Ok(self.refuses(policy.number, &UNDECIDED)),
            }
        }
        let one = permitted.and_then(|number| self.written.get(number));
        Ok(match one {
            Some(one) => Verdict::Granted(Arc::clone(&one.grounds)),
            None => Verdict::Deny(Denial::new(&NOT_PERMITTED)),
        })
    }

    /// What a policy refuses, whatever others permit.
    fn refuses(&self, number: usize, reason: &'static Reason) -> Verdict {
        let denial = Denial::new(reason);
        let Some(one) = self.written.get(number) else {
            return Verdict::Deny(denial);
        };
        let mut denial = denial.span(one.span).grounds(&one.grounds);
        if reason.code == FORBIDDEN.code {
            denial.detail = one.advice.as_deref().map(|advice| advice.to_owned().into());
        }
        Verdict::Deny(denial)
    }
}

/// The operation that is asked for; without a document, the method.
fn operation<'v>(view: &'v RequestView<'_>) -> &'v str {
    view.operation.unwrap_or(match view.method.as_str() {
        "HEAD" => "GET",
        method => method,
    })
}

#[cfg(test)]
mod tests;
