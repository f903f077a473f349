//! Fields of documents, and who may have them: what rules of `properties` and `minimise` say alike.

use std::sync::Arc;

use lockgate_wire::json::{Fields, Holders, Malformed, MAX_HOLDERS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::only::{Meant, Only};
use crate::roles::Book;
use crate::scopes::has_scope;
use crate::{ConfigError, Identity, RequestView, Span};

/// Most rules of one room of one API.
pub const MAX_RULES: usize = 1_000;

/// Who may have some fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "FieldsFor")]
pub enum For {
    /// Whoever may call.
    Anyone,
    /// Who has this role.
    Role(String),
    /// Who shows a credential with this scope.
    Scope(String),
}

/// Fields that are open to some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FieldsOpen")]
pub struct Opening {
    /// To whom.
    pub to: For,
    /// JSON Pointers: each opens what stands there and below; `*` stands for every item of a list.
    pub fields: Vec<String>,
}

/// A rule, compiled: of which requests, and who may have what.
#[derive(Debug)]
pub struct Rule {
    meant: Box<[Meant]>,
    fields: Fields,
    to: Box<[To]>,
    /// Where the configuration says it.
    pub span: Span,
}

#[derive(Debug)]
enum To {
    Anyone,
    Role(usize, Arc<str>),
    Scope(Box<str>),
}

impl Rule {
    /// Compiles it.
    ///
    /// # Errors
    /// A role that there is not, a pointer that is none, or a part of an API that is none.
    pub fn new(
        (what, openings): (&[Only], &[Opening]),
        book: &Book,
        span: Span,
    ) -> Result<Self, ConfigError> {
        let meant = what.iter().map(Meant::new).collect::<Result<_, _>>()?;
        if openings.len() > MAX_HOLDERS {
            let message = format!("at most {MAX_HOLDERS} are told apart");
            return Err(ConfigError::new("too-many-fields", "/open", message));
        }
        let to = openings
            .iter()
            .enumerate()
            .map(|(place, one)| match &one.to {
                For::Anyone => Ok(To::Anyone),
                For::Scope(name) => Ok(To::Scope(name.as_str().into())),
                For::Role(name) => book
                    .number(name)
                    .map(|number| To::Role(number, name.as_str().into()))
                    .ok_or_else(|| {
                        let message = format!("there is no role `{name}`");
                        ConfigError::new("role-unknown", format!("/open/{place}"), message)
                    }),
            });
        let to = to.collect::<Result<_, _>>()?;
        let all = openings.iter().enumerate();
        let all = all.flat_map(|(number, one)| one.fields.iter().map(move |field| (number, field)));
        let fields = Fields::new(all.clone().map(|(number, field)| (number, field.as_str())));
        let fields = fields.map_err(|(place, why)| match why {
            Malformed::Long => {
                ConfigError::new("too-many-fields", "/open", "there are too many fields")
            }
            Malformed::Slash | Malformed::Escape => {
                let said = all.clone().nth(place).map_or("", |(_, field)| field);
                let message = format!("`{said}` is no JSON Pointer (RFC 6901)");
                ConfigError::new("not-a-pointer", "/open", message)
            }
        })?;
        Ok(Self {
            meant,
            fields,
            to,
            span,
        })
    }

    /// Compiles all of a room; the pointers of errors begin with `/rules`.
    ///
    /// # Errors
    /// That of the first that cannot be, or that there are too many.
    pub fn all<'r, R: 'r, T>(
        rules: &'r [R],
        make: impl Fn(&'r R) -> (Span, Result<T, ConfigError>),
    ) -> Result<Box<[T]>, ConfigError> {
        if rules.len() > MAX_RULES {
            let message = format!(
                "there are {} rules; at most {MAX_RULES} are taken",
                rules.len()
            );
            return Err(ConfigError::new("too-many-rules", "/rules", message));
        }
        let made = rules.iter().enumerate().map(|(place, rule)| {
            let (span, made) = make(rule);
            made.map_err(|error| ConfigError {
                pointer: format!("/rules/{place}{}", error.pointer),
                span: error.span.or(Some(span)),
                ..error
            })
        });
        made.collect()
    }

    /// Whether it is for a request.
    #[must_use]
    pub fn is_for(&self, view: &RequestView<'_>) -> bool {
        self.meant.iter().any(|meant| meant.hold(view))
    }

    /// The fields.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Which of those whom fields are open to somebody is.
    #[must_use]
    pub fn held(&self, identity: Option<&Identity>, book: &Book) -> Holders {
        let all = self.to.iter().enumerate();
        let held = all.filter(|(_, to)| match to {
            To::Anyone => true,
            To::Role(number, _) => identity.is_some_and(|who| book.held(*number, who).is_some()),
            To::Scope(name) => identity.is_some_and(|who| has_scope(who, name)),
        });
        held.fold(0, |bits, (number, _)| bits | 1 << number)
    }

    /// Whether it opens more to some than to others.
    #[must_use]
    pub fn tells_apart(&self) -> bool {
        self.to.iter().any(|to| !matches!(to, To::Anyone))
    }

    /// Whom bits stand for, in words.
    #[must_use]
    pub fn words(&self, bits: Holders) -> String {
        let all = self.to.iter().enumerate();
        let named = all.filter(|(number, _)| bits & (1 << number) != 0);
        let words: Vec<String> = named
            .map(|(_, to)| match to {
                To::Anyone => "anyone".to_owned(),
                To::Role(_, name) => format!("the role `{name}`"),
                To::Scope(name) => format!("the scope `{name}`"),
            })
            .collect();
        words.join(" or ")
    }
}

#[cfg(test)]
mod tests;
