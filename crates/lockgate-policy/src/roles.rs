//! `roles`: what somebody is opens what they may do (RBAC with a hierarchy).
//!
//! # Description
//! A role is who has it: what is verified of a caller, such as a group that an
//! issuer's token names. A role may include others; who has it may do what
//! they open. Each API says which of its operations, methods and paths a role
//! opens. What no role is said to open is not this room's business.
//!
//! # Config
//! See [`Config`] and [`Role`].
//!
//! # Reasons
//! [`MISSING`].
//!
//! # Example
//! ```yaml
//! roles:
//!   support: {who: {claim: groups, contains: support}}
//!   manager: {who: {claim: groups, contains: managers}, includes: [support]}
//! apis:
//!   orders:
//!     authorize:
//!       roles: {support: [GET], manager: [POST, refundOrder]}
//! ```
//!
//! Source: NIST INCITS 359-2012, hierarchical RBAC.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::only::Only;
use crate::openings::Openings;
use crate::{ConfigError, Denial, Grounds, Identity, RequestView, Verdict};

mod book;
mod holders;
mod reasons;
mod who;

pub use book::{Book, Role};
pub use holders::Holder;
pub use reasons::*;
pub use who::{ClaimTest, ClaimValue, Is, Who};

/// The room's name everywhere.
pub const NAME: &str = "roles";

/// Most roles that a refusal names.
const TOLD: usize = 8;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RolesConfig")]
pub struct Config {
    /// What each role opens.
    pub opens: Vec<Opening>,
}

/// What one role opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RoleOpening")]
pub struct Opening {
    /// The role's name.
    pub role: String,
    /// What it opens.
    pub what: Vec<Only>,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Roles {
    book: Arc<Book>,
    openings: Openings,
    /// The role of each opening, as the book numbers it.
    roles: Box<[usize]>,
}

impl Roles {
    /// Compiles the config.
    ///
    /// # Errors
    /// A role that the book does not know, or a part of an API that is none.
    pub fn new(config: &Config, book: &Arc<Book>) -> Result<Self, ConfigError> {
        let number = |(place, opening): (usize, &Opening)| {
            book.number(&opening.role).ok_or_else(|| {
                let message = format!("there is no role `{}`", opening.role);
                ConfigError::new("role-unknown", format!("/opens/{place}/role"), message)
            })
        };
        let roles = config.opens.iter().enumerate().map(number);
        let openings = Openings::new(config.opens.iter().map(|one| &*one.what));
        Ok(Self {
            roles: roles.collect::<Result<_, _>>()?,
            openings: openings.map_err(|error| ConfigError {
                pointer: format!("/opens{}", error.pointer),
                ..error
            })?,
            book: Arc::clone(book),
        })
    }

    /// Whether it says anything of a request.
    #[must_use]
    pub fn speaks_of(&self, view: &RequestView<'_>) -> bool {
        self.openings.speak_of(view)
    }

    /// Names of the roles that open a request, those apart that only include one of them.
    pub fn opening<'r>(&'r self, view: &'r RequestView<'_>) -> impl Iterator<Item = &'r str> {
        let role = |number| self.book.name(self.roles[number as usize]);
        self.openings.of(view).map(role)
    }

    /// Judges what the caller is.
    #[must_use]
    pub fn decide(&self, view: &RequestView<'_>, identity: Option<&Identity>) -> Verdict {
        let opens = self.openings.of(view);
        let held = identity.and_then(|identity| {
            opens
                .filter_map(|number| self.book.held(self.roles[number as usize], identity))
                .next()
        });
        match held {
            Some(grounds) => Verdict::Granted(Grounds::clone(grounds)),
            None if self.speaks_of(view) => Verdict::Deny(self.missing(view)),
            None => Verdict::allow(),
        }
    }

    fn missing(&self, view: &RequestView<'_>) -> Denial {
        let mut names: Vec<&str> = self.opening(view).collect();
        names.dedup();
        let more = if names.len() > TOLD { ", …" } else { "" };
        names.truncate(TOLD);
        let denial = Denial::new(&MISSING);
        match names.as_slice() {
            [] => denial.detail("no role opens all that this path might be taken for"),
            [one] => denial.detail(format!("it takes the role `{one}`")),
            some => denial.detail(format!(
                "it takes one of the roles `{}`{more}",
                some.join("`, `")
            )),
        }
    }
}

#[cfg(test)]
mod tests;
