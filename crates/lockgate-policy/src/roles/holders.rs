//! Who may do something, told of a request that nobody has made.

use std::collections::HashSet;

use serde::Serialize;

use super::Roles;
use crate::RequestView;

/// A role that opens a request to those who have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder<'r> {
    /// Its name.
    pub role: &'r str,
    /// The role that is said to open it, where this one only includes that.
    pub through: Option<&'r str>,
    /// Whether somebody can have it; else it is only included.
    pub given: bool,
    /// What is said of those whom it lets in ([`crate::Verdict::Granted`]).
    pub grounds: Vec<&'r str>,
}

impl Roles {
    /// All roles that open a request, those first that are said to, then those that include one.
    ///
    /// It looks at what [`Roles::decide`] looks at, and in the same order.
    #[must_use]
    pub fn holders<'r>(&'r self, view: &RequestView<'_>) -> Vec<Holder<'r>> {
        let opened: Vec<usize> = self
            .openings
            .of(view)
            .map(|number| self.roles[number as usize])
            .collect();
        let own = opened.iter().map(|role| (*role, *role));
        let others = opened
            .iter()
            .flat_map(|role| self.book.had_by(*role).map(|holder| (holder, *role)));
        let mut seen = HashSet::new();
        own.chain(others)
            .filter(|(holder, _)| seen.insert(*holder))
            .map(|(holder, role)| Holder {
                role: self.book.name(holder),
                through: (holder != role).then(|| self.book.name(role)),
                given: self.book.is_given(holder),
                grounds: self.book.grounds(holder).iter().map(|one| &**one).collect(),
            })
            .collect()
    }
}
