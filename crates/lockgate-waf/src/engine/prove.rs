//! What somebody else has proved of values. A value that a schema holds to a
//! number, a UUID or one of a few words can hold no attack, so nobody looks at it.

use std::borrow::Cow;

use super::except::Steps;
use super::members::{Base, ValueId};
use super::{place, Inspection};

pub use super::except::Part;

/// What a value was proved to be. Each is a set of texts too narrow for an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A number, or an integer.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A UUID (RFC 9562).
    Uuid,
    /// A date, a time, or both (RFC 3339).
    Date,
    /// One of the values that a schema lists.
    Choice,
    /// What a pattern allows that has no signs in it but those of words.
    Pattern,
}

impl Proof {
    /// What it is, as people read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Uuid => "a UUID",
            Self::Date => "a date or a time",
            Self::Choice => "one of the values that its schema lists",
            Self::Pattern => "what its schema's pattern allows",
        }
    }
}

/// A value of a request, for whoever may prove something of it.
#[derive(Debug)]
pub struct Unproved<'t> {
    part: Part,
    steps: Steps<'t>,
    value: &'t [u8],
}

impl<'t> Unproved<'t> {
    /// In which part of the request it stands.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// The way to it from there, step by step.
    pub fn steps(&self) -> impl Iterator<Item = Cow<'t, [u8]>> + use<'t> {
        self.steps.clone()
    }

    /// The value, as it is looked at: decoded.
    #[must_use]
    pub const fn value(&self) -> &'t [u8] {
        self.value
    }
}

impl Inspection {
    /// Asks of each parameter, each value of the body, and each cookie that has
    /// arrived what is proved of it. Neither rules nor detectors look at those
    /// of which something is; their names are looked at as ever. Of the query
    /// and cookies it has to be called before [`Self::request_head`], of the body
    /// before [`Self::request_body`]: what was looked at already counts.
    ///
    /// The schema has to have been held against the very bytes that are handed
    /// in: whoever proves something of another reading opens a hole.
    pub fn prove(&mut self, mut proof: impl FnMut(&Unproved<'_>) -> Option<Proof>) {
        let tx = &mut *self.tx;
        for base in [Base::ArgsGet, Base::ArgsPost, Base::Cookies] {
            for at in tx.members.range(base) {
                let id = ValueId::new(base, at, false);
                let Some(part) = Part::of(id) else {
                    continue;
                };
                let unproved = Unproved {
                    part,
                    steps: Steps::to(id, &tx.members, &tx.arena),
                    value: tx.arena.get(tx.members.value(id)),
                };
                let proven = proof(&unproved);
                if proven.is_some() {
                    tx.members.prove(base, at as usize, proven);
                }
            }
        }
    }

    /// What was proved, and of the values at which places, as exclusions say them.
    pub fn proven(&self) -> impl Iterator<Item = (String, Proof)> + use<'_> {
        let tx = &*self.tx;
        let bases = [Base::ArgsGet, Base::ArgsPost, Base::Cookies];
        let ids = bases.into_iter().flat_map(|base| {
            let range = tx.members.range(base);
            range.map(move |at| ValueId::new(base, at, false))
        });
        ids.filter_map(|id| {
            let proof = tx.members.get(id).proven?;
            Some((place::place(id, &tx.members, &tx.arena)?, proof))
        })
    }
}
