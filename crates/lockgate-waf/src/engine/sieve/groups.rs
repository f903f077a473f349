//! Which rules the values of a place concern, and what these do with them first.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::bytes::ByteSet;
use crate::filter::Bits;
use crate::rule::Collection;

use super::super::chains::Chains;
use super::super::members::{views, BASES};
use super::super::pattern::{self, Step};
use super::super::program::{Link, Program, Selector, Target};
use super::Sieve;

/// Groups of a base: values of some names concern more rules, or fewer.
#[derive(Debug, Default)]
pub struct ByName {
    any: Option<usize>,
    named: HashMap<Box<[u8]>, Option<usize>, FixedState>,
    /// What these names begin with, and a bit for the length of each: few others
    /// have to be looked up.
    first: ByteSet,
    lengths: u64,
}

/// Rules that the same values concern: runs of transformations of theirs, each
/// behind the one that it is built on. The first is the value itself.
pub type Group = Vec<Node>;

/// A run of transformations.
#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    /// What it does to what the nodes before made.
    pub built: Option<Step>,
    /// Bytes without which it makes nothing else of that.
    pub triggers: ByteSet,
    /// Patterns that are asked of what it makes.
    pub wanted: Bits,
    /// Nodes that are built on it.
    pub next: Vec<u16>,
}

impl Sieve {
    pub(super) fn group(&mut self, program: &Program) {
        let links: Vec<&Link> = self
            .rules
            .iter()
            .filter_map(|index| program.rules.get(*index)?.links.first())
            .collect();
        for collection in 0..Collection::COUNT {
            let group = self.group_of(&program.chains, &links, |target| {
                target.collection as usize == collection
                    && views(target.collection, false).is_empty()
            });
            self.singles.push(group);
        }
        for base in 0..BASES {
            let by_name = [false, true].map(|names| self.by_name(program, &links, base, names));
            self.members.push(by_name);
        }
    }

    fn by_name(&mut self, program: &Program, links: &[&Link], base: usize, names: bool) -> ByName {
        let concerns = |target: &Target| {
            let attributes = matches!(target.selector, Selector::Attributes);
            let views = views(target.collection, attributes).iter();
            views
                .clone()
                .any(|view| view.base as usize == base && view.names == names)
        };
        let mut known = Vec::new();
        for link in links {
            for target in link.targets.iter().chain(&link.excluded) {
                if let (Selector::Named(name), true) = (&target.selector, concerns(target)) {
                    known.push(name.clone());
                }
            }
        }
        let unnamed =
            |target: &Target| concerns(target) && !matches!(target.selector, Selector::Named(_));
        let any = self.group_of(&program.chains, links, unnamed);
        let mut by_name = ByName {
            any,
            ..ByName::default()
        };
        for name in known {
            let chosen = |target: &Target| {
                concerns(target)
                    && match &target.selector {
                        Selector::Named(other) => *other == name,
                        _ => true,
                    }
            };
            let group = self.group_excluding(&program.chains, links, chosen, |target| {
                concerns(target)
                    && match &target.selector {
                        Selector::Named(other) => *other == name,
                        Selector::All => true,
                        _ => false,
                    }
            });
            let first = name.first().copied().unwrap_or_default();
            by_name.first.insert(first.to_ascii_lowercase());
            by_name.first.insert(first.to_ascii_uppercase());
            by_name.lengths |= 1_u64.checked_shl(len32(&name)).unwrap_or(0);
            by_name.named.insert(name, group);
        }
        by_name
    }

    fn group_of(
        &mut self,
        chains: &Chains,
        links: &[&Link],
        chosen: impl Fn(&Target) -> bool,
    ) -> Option<usize> {
        self.group_excluding(chains, links, chosen, |_| false)
    }

    fn group_excluding(
        &mut self,
        chains: &Chains,
        links: &[&Link],
        chosen: impl Fn(&Target) -> bool,
        excluded: impl Fn(&Target) -> bool,
    ) -> Option<usize> {
        let mut group = Group::new();
        let node = |built: Option<Step>| Node {
            built,
            triggers: built.map_or(ByteSet::NONE, Step::triggers),
            wanted: Bits::none(links.len()),
            next: Vec::new(),
        };
        for (number, link) in links.iter().enumerate() {
            if !link.targets.iter().any(&chosen) || link.excluded.iter().any(&excluded) {
                continue;
            }
            if group.is_empty() {
                group.push(node(None));
            }
            if self.asked_at_once.contains(number) {
                group[0].wanted.insert(number);
                continue;
            }
            let mut at = 0;
            for step in pattern::steps(&chains.run(link.chain)) {
                if link.multi_match {
                    group[at].wanted.insert(number);
                }
                let known = group[at].next.iter().copied();
                let mut known = known.filter(|next| group[usize::from(*next)].built == Some(step));
                at = match known.next() {
                    Some(next) => usize::from(next),
                    None => {
                        let next = group.len();
                        group[at].next.push(u16::try_from(next).unwrap_or(u16::MAX));
                        group.push(node(Some(step)));
                        next
                    }
                };
            }
            group[at].wanted.insert(number);
        }
        if group.is_empty() {
            return None;
        }
        // Many names have the same rules.
        let same = self.groups.iter().position(|other| *other == group);
        Some(same.unwrap_or_else(|| {
            self.groups.push(group);
            self.groups.len() - 1
        }))
    }

    /// The number of the group that a member's value, or its name, is of.
    pub(super) fn of_member(&self, base: usize, names: bool, name: &[u8]) -> Option<usize> {
        let by_name = &self.members.get(base)?[usize::from(names)];
        let mut group = by_name.any;
        let begins = name
            .first()
            .is_none_or(|first| by_name.first.contains(*first));
        let known = 1_u64.checked_shl(len32(name)).unwrap_or(0) & by_name.lengths;
        if begins && known != 0 {
            let mut lower = [0; LONGEST_NAME];
            let lower = &mut lower[..name.len()];
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            if let Some(named) = by_name.named.get(&*lower) {
                group = *named;
            }
        }
        group
    }
}

/// Names as long are looked up in no list: rules name none.
const LONGEST_NAME: usize = 64;

fn len32(name: &[u8]) -> u32 {
    u32::try_from(name.len()).unwrap_or(u32::MAX)
}
