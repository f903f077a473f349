//! What a credential must have, told of a request that nobody has made.

use serde::Serialize;

use super::security::{Alternative, Demand};
use super::Scopes;
use crate::ways::Ways;
use crate::{Grounds, RequestView};

/// One of the ways to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted<'s> {
    /// It in words: `` `oauth` (orders:read) and `key` ``.
    pub words: String,
    /// What is said of those whom it lets in ([`crate::Verdict::Granted`]).
    pub grounds: Vec<&'s str>,
    /// All of this must be shown.
    pub all: Vec<Part<'s>>,
}

/// A credential that must be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part<'s> {
    /// What the document calls it; none where the configuration asks for a scope alone.
    pub scheme: Option<&'s str>,
    /// Any one of these ways to prove who calls; none where any will do.
    #[serde(serialize_with = "names")]
    pub ways: Option<Ways>,
    /// All of these scopes.
    pub scopes: Vec<&'s str>,
}

impl Scopes {
    /// What opens a request: any one of these. `demand` is that of its operation.
    #[must_use]
    pub fn wanted<'s>(
        &'s self,
        view: &RequestView<'_>,
        demand: Option<&'s Demand>,
    ) -> Vec<Wanted<'s>> {
        if self.from_openapi {
            let alternatives = demand.iter().flat_map(|demand| &demand.any);
            return alternatives.map(|one| self.alternative(one)).collect();
        }
        let mut numbers: Vec<u32> = self.openings.of(view).collect();
        numbers.dedup();
        let scopes = numbers.iter().map(|number| &self.scopes[*number as usize]);
        let wanted = scopes.map(|(scope, grounds)| Wanted {
            words: format!("`{scope}`"),
            grounds: texts(grounds),
            all: vec![Part {
                scheme: None,
                ways: None,
                scopes: vec![scope],
            }],
        });
        wanted.collect()
    }

    fn alternative<'s>(&'s self, one: &'s Alternative) -> Wanted<'s> {
        let parts = one.all.iter().map(|part| Part {
            scheme: Some(&part.name),
            ways: Some(self.ways(part)),
            scopes: part.scopes.iter().map(|scope| &**scope).collect(),
        });
        Wanted {
            words: one.words(),
            grounds: texts(&one.grounds),
            all: parts.collect(),
        }
    }
}

impl Wanted<'_> {
    /// Whether these ways to prove who calls, shown together, are the right ones.
    #[must_use]
    pub fn is_met_by(&self, shown: Ways) -> bool {
        let mut all = self.all.iter();
        all.all(|part| part.ways.is_none_or(|ways| ways.meet(shown)))
    }
}

fn texts(grounds: &Grounds) -> Vec<&str> {
    grounds.iter().map(|one| &**one).collect()
}

fn names<S: serde::Serializer>(ways: &Option<Ways>, to: S) -> Result<S::Ok, S::Error> {
    let names = ways.map(|ways| ways.names().collect::<Vec<_>>());
    names.serialize(to)
}
