//! Which values a request has, in one word: most rules ask for a header field or a part
//! of a body that it has not, and cannot match then.

use super::members::{views, Base, BASES};
use super::program::{Rule, Selector, Target};

/// Which bases have members; of header fields of requests also which names there are.
///
/// Two names may have one bit, so that what seems to be there may not be; what does not
/// seem to be there is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Presence(u64);

/// Bits that names share.
const NAMES: u32 = u64::BITS - BASES as u32;

impl Presence {
    /// Everything.
    const ALL: Self = Self(u64::MAX);

    /// Adds a member of a base.
    pub fn add(&mut self, base: Base) {
        self.0 |= 1 << base as u32;
    }

    /// Adds the name of a header field of the request.
    pub fn name(&mut self, name: &[u8]) {
        self.0 |= bit(name);
    }

    /// Whether something is in both.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What a rule needs one of: without, its first link is asked of nothing.
    #[must_use]
    pub fn needed(rule: &Rule) -> Self {
        let Some(link) = rule.links.first().filter(|link| !link.targets.is_empty()) else {
            return Self::ALL;
        };
        let needed = link.targets.iter().map(of_target);
        needed.fold(Self::default(), |all, one| Self(all.0 | one.0))
    }
}

fn of_target(target: &Target) -> Presence {
    let attributes = matches!(target.selector, Selector::Attributes);
    let views = views(target.collection, attributes);
    // What is counted is also 0, and what there is but one of is nearly always there.
    if target.counted || views.is_empty() {
        return Presence::ALL;
    }
    let bits = views.iter().map(|view| match &target.selector {
        Selector::Named(name) if view.base == Base::RequestHeaders => bit(name),
        _ => 1 << view.base as u32,
    });
    Presence(bits.fold(0, |all, one| all | one))
}

/// The bit of a name, whatever the case of its letters.
fn bit(name: &[u8]) -> u64 {
    let first = name.first().copied().unwrap_or_default();
    let last = name.last().copied().unwrap_or_default();
    let sum = u32::from(first.to_ascii_lowercase()) * 7
        + u32::from(last.to_ascii_lowercase()) * 3
        + name.len() as u32;
    1 << (BASES as u32 + sum % NAMES)
}

#[cfg(test)]
mod tests {
    use super::{bit, Presence};
    use crate::engine::members::Base;

    #[test]
    fn what_is_there_is_seen_whatever_its_case() {
        let mut there = Presence::default();
        there.add(Base::RequestHeaders);
        there.name(b"Content-Type");
        assert!(there.meets(Presence(bit(b"content-type"))));
        assert!(there.meets(Presence(1 << Base::RequestHeaders as u32)));
        assert!(!there.meets(Presence(1 << Base::Files as u32)));
        assert!(!there.meets(Presence(bit(b"accept"))));
        assert!(!Presence::default().meets(Presence::ALL));
    }

    #[test]
    fn a_field_without_a_name_has_a_bit_too() {
        let mut there = Presence::default();
        there.name(b"");
        assert!(there.meets(Presence(bit(b""))));
    }
}
