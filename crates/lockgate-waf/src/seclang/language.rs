//! All words of the rule language, each with what it does here. The reader
//! works by these tables, and pages of reference can be made of them.

pub(super) mod actions;
pub(super) mod directives;
pub(super) mod operators;
pub(super) mod transformations;
pub(super) mod variables;

/// What sort of word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the rule language's own words")]
pub enum Kind {
    Directive,
    Variable,
    Operator,
    Transformation,
    Action,
    Ctl,
}

/// Whether a word does here what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Done,
    /// It is read and checked; this decides in its place, and a notice says so.
    Instead(&'static str),
    /// It is an error, for this reason.
    Refused(&'static str),
}

/// A word of the rule language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What sort of word.
    pub kind: Kind,
    /// As it is written; letters of either case will do.
    pub name: &'static str,
    /// What it does, in a few words.
    pub says: &'static str,
    /// Whether it does so here.
    pub support: Support,
}

/// The names of a sort that do something here, to be proposed.
pub(super) fn names(kind: Kind) -> Vec<&'static str> {
    let entries = match kind {
        Kind::Directive => directives::entries(),
        Kind::Variable => variables::entries(),
        Kind::Operator => operators::entries(),
        Kind::Transformation => transformations::entries(),
        Kind::Action | Kind::Ctl => actions::entries(),
    };
    let wanted = entries
        .into_iter()
        .filter(|entry| entry.kind == kind && !matches!(entry.support, Support::Refused(_)));
    wanted.map(|entry| entry.name).collect()
}

/// All words, by their sort, in the order of the tables.
#[must_use]
pub fn language() -> Vec<Entry> {
    let mut entries = directives::entries();
    entries.extend(variables::entries());
    entries.extend(operators::entries());
    entries.extend(transformations::entries());
    entries.extend(actions::entries());
    entries
}
