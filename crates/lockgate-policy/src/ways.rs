//! Ways to prove who calls, as a set: several may have proved one caller.

use crate::{api_key, basic, introspection, jwt, mtls, session, signature, webhook};

/// The rooms that prove who calls.
pub const ALL: [&str; 8] = [
    api_key::NAME,
    basic::NAME,
    introspection::NAME,
    jwt::NAME,
    mtls::NAME,
    session::NAME,
    signature::NAME,
    webhook::NAME,
];

/// Some of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ways(u8);

impl Ways {
    /// The set of the rooms with these names; `None` where one proves nothing.
    #[must_use]
    pub fn of(names: &[&str]) -> Option<Self> {
        names.iter().try_fold(Self::default(), |set, name| {
            let place = ALL.iter().position(|known| known == name)?;
            Some(Self(set.0 | 1 << place))
        })
    }

    /// Adds a room; one that proves nothing adds nothing.
    pub fn add(&mut self, name: &str) {
        self.0 |= Self::of(&[name]).unwrap_or_default().0;
    }

    /// Whether one of them is among those of the other set.
    #[must_use]
    pub const fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let has = move |place: &usize| self.0 & 1 << place != 0;
        (0..ALL.len()).filter(has).map(|place| ALL[place])
    }
}
