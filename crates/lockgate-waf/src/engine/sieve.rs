//! Which rules may match which values at all.
//!
//! Every rule whose first link asks something of values that came with the
//! request or the answer is known to one [`Filter`]. Each value is shown to it
//! once for all of its rules, and once more for each form that transformations
//! give it; a value that has none of the bytes that they change has one form.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::bytes::{ByteSet, Span};
use crate::filter::Bits;
use crate::filter::{self, Filter};
use crate::rule::{self, Collection};
use crate::transform::Transformation;
use lockgate_wire::content::layers::Unwrapper;

use super::chains::{step, ChainIndex, Chains};
use super::members::{views, Base, ValueId, BASES};
use super::program::{Link, Program, RuleIndex, Selector, Target};
use super::transaction::{Pair, Transaction};
use super::{pattern, Desk, Progress, Unfit};

/// What is known of all rules.
#[derive(Debug)]
pub struct Sieve {
    filter: Filter,
    /// The rule of each pattern.
    rules: Vec<RuleIndex>,
    groups: Vec<Group>,
    /// Of each base: for its members' values, then for their names.
    members: Vec<[ByName; 2]>,
    singles: Vec<Option<usize>>,
}

/// Groups of a base: values of some names concern more rules, or fewer.
#[derive(Debug, Default)]
struct ByName {
    any: Option<usize>,
    named: HashMap<Box<[u8]>, Option<usize>, FixedState>,
}

/// Rules that the same values concern.
#[derive(Debug, Default, PartialEq, Eq)]
struct Group {
    /// Runs of transformations of theirs, each behind the one that it is built on.
    nodes: Vec<Node>,
    /// Bytes that one of the transformations changes.
    triggers: ByteSet,
    /// All of their patterns.
    all: Bits,
}

#[derive(Debug, PartialEq, Eq)]
struct Node {
    /// The node that it is built on, and what it does to that; the first is the value itself.
    built: Option<(usize, Transformation)>,
    /// Bytes without which it makes nothing else of a value.
    triggers: ByteSet,
    /// Patterns that are asked of what it makes.
    wanted: Bits,
}

/// What one worker keeps for the sieve.
#[derive(Debug, Default)]
pub struct Memo {
    filter: filter::Memo,
    hits: Bits,
    forms: Vec<Form>,
    form_of: Vec<usize>,
    unwrapper: Unwrapper,
}

/// A form of a value.
#[derive(Debug, Default)]
struct Form {
    value: Span,
    mask: ByteSet,
    wanted: Bits,
}

/// Adds a sieve to rules that were built.
///
/// # Errors
/// If the patterns do not fit into the filter.
pub fn add(program: &mut Program, read: &[&rule::Rule]) -> Result<(), Unfit> {
    let mut rules = Vec::new();
    let mut patterns = Vec::new();
    for (index, rule) in (0..).zip(read) {
        let (Some(link), Some(built)) = (
            rule.links.first(),
            program.rules.get(index).and_then(|rule| rule.links.first()),
        ) else {
            continue;
        };
        if !program.phases[rule.phase as usize - 1].contains(index)
            || !built.targets.iter().all(is_fixed)
            || built.targets.is_empty()
            || link.test.negated
        {
            continue;
        }
        if let Some(pattern) = pattern::of(link) {
            rules.push(index);
            patterns.push(pattern);
        }
    }
    let borrowed: Vec<filter::Pattern<'_>> = patterns.iter().map(pattern::Asked::borrow).collect();
    let filter = Filter::new(&borrowed, &filter::Bounds::default()).map_err(|error| Unfit {
        place: rule::Place::default(),
        rule: 0,
        cause: error.to_string(),
    })?;
    let mut sieve = Sieve {
        filter,
        groups: Vec::new(),
        members: Vec::new(),
        singles: Vec::new(),
        rules,
    };
    sieve.group(program);
    for index in &sieve.rules {
        if let Some(rule) = program.rules.get_mut(*index) {
            rule.sieved = true;
            program.always[usize::from(rule.phase) - 1].remove(*index);
        }
    }
    program.sieve = Some(sieve);
    Ok(())
}

/// Whether the target means values that stand still once they are there.
fn is_fixed(target: &Target) -> bool {
    use Collection as C;
    let single = matches!(
        target.collection,
        C::RequestLine
            | C::RequestMethod
            | C::RequestProtocol
            | C::RequestUri
            | C::RequestUriRaw
            | C::RequestFilename
            | C::RequestBasename
            | C::QueryString
            | C::RequestBody
            | C::RemoteAddr
            | C::ResponseBody
    );
    !target.counted && (single || !views(target.collection, false).is_empty())
}

impl Sieve {
    fn group(&mut self, program: &Program) {
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
            named: HashMap::default(),
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
        let mut wanted: Vec<Bits> = vec![Bits::none(links.len()); chains.nodes().len()];
        let mut used = vec![false; chains.nodes().len()];
        let mut all = Bits::none(links.len());
        for (number, link) in links.iter().enumerate() {
            if !link.targets.iter().any(&chosen) || link.excluded.iter().any(&excluded) {
                continue;
            }
            all.insert(number);
            let mut at = link.chain;
            if !link.multi_match {
                wanted[usize::from(at)].insert(number);
            }
            loop {
                used[usize::from(at)] = true;
                if link.multi_match {
                    wanted[usize::from(at)].insert(number);
                }
                if at == 0 {
                    break;
                }
                at = chains.nodes()[usize::from(at)].before;
            }
        }
        if all.is_empty() {
            return None;
        }
        let folding = pattern::folding(chains, &used);
        let mut places: HashMap<ChainIndex, usize> = HashMap::new();
        let mut group = Group {
            all,
            ..Group::default()
        };
        for (chain, node) in (0..).zip(chains.nodes()) {
            if !used[usize::from(chain)] && chain != 0 {
                continue;
            }
            let before = places.get(&node.before).copied().unwrap_or(0);
            let built = node.last.map(|last| (before, last));
            let triggers = node.last.map_or(ByteSet::NONE, |last| {
                let only_case = folding.contains(usize::from(chain));
                pattern::triggers(last, only_case)
            });
            group.triggers = group.triggers.union(&triggers);
            places.insert(chain, group.nodes.len());
            group.nodes.push(Node {
                built,
                triggers,
                wanted: std::mem::take(&mut wanted[usize::from(chain)]),
            });
        }
        // Many names have the same rules.
        let same = self.groups.iter().position(|other| *other == group);
        Some(same.unwrap_or_else(|| {
            self.groups.push(group);
            self.groups.len() - 1
        }))
    }

    fn of_member(&self, base: usize, names: bool, name: &[u8]) -> Option<&Group> {
        let by_name = &self.members.get(base)?[usize::from(names)];
        let mut group = by_name.any;
        if !by_name.named.is_empty() && name.len() <= LONGEST_NAME {
            let mut lower = [0; LONGEST_NAME];
            let lower = &mut lower[..name.len()];
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            if let Some(named) = by_name.named.get(&*lower) {
                group = *named;
            }
        }
        self.groups.get(group?)
    }
}

/// Longer names are looked up in no list: rules name none.
const LONGEST_NAME: usize = 64;

/// Shows the values that are new to detectors and filter, as far as the budget goes.
pub(super) fn sift(
    program: &Program,
    tx: &mut Transaction,
    desk: &mut Desk,
    budget: usize,
) -> Progress {
    let mut spent = 0;
    let memo = &mut desk.sieve;
    let sieve = program.sieve.as_ref();
    memo.hits.reset(sieve.map_or(0, |sieve| sieve.rules.len()));
    for collection in 0..Collection::COUNT {
        if tx.sifted.singles.contains(collection) || !tx.members.has_single(collection) {
            continue;
        }
        tx.sifted.singles.add(collection);
        let group = sieve.and_then(|sieve| {
            let group = sieve.singles.get(collection).copied().flatten()?;
            Some((sieve, sieve.groups.get(group)?))
        });
        spent += look(program, group, tx, memo, ValueId::single(collection));
    }
    for base in Base::ALL {
        let place = base as usize;
        while let Some(member) = tx
            .members
            .of(base)
            .get(tx.sifted.members[place] as usize)
            .copied()
        {
            let at = tx.sifted.members[place];
            tx.sifted.members[place] += 1;
            for names in [false, true] {
                if member.proven && !names {
                    continue;
                }
                let name = tx.arena.get(member.name);
                let group =
                    sieve.and_then(|sieve| Some((sieve, sieve.of_member(place, names, name)?)));
                let id = ValueId::new(base, at, names);
                spent += look(program, group, tx, memo, id);
            }
            if spent > budget {
                return Progress::More;
            }
        }
    }
    tx.sifted.pairs.sort_unstable();
    Progress::Done
}

/// Shows one value to the detectors, and to the filter in all of its forms.
fn look(
    program: &Program,
    group: Option<(&Sieve, &Group)>,
    tx: &mut Transaction,
    memo: &mut Memo,
    id: ValueId,
) -> usize {
    let value = tx.members.value(id);
    let mask = Filter::mask(tx.arena.get(value));
    if let Some(native) = &program.native {
        native.look(tx, &mut memo.unwrapper, id, &mask);
    }
    let bytes = tx.arena.get(value);
    let mut spent = bytes.len() + SPENT_ON_EACH;
    let Some((sieve, group)) = group else {
        return spent;
    };
    memo.hits.clear();
    if !mask.meets(&group.triggers) {
        sieve
            .filter
            .candidates(bytes, &mask, &group.all, &mut memo.filter, &mut memo.hits);
    } else {
        let began = tx.arena.len();
        spent += look_at_forms(sieve, group, tx, memo, (value, mask));
        tx.arena.cut(began);
    }
    for number in memo.hits.iter() {
        if let Some(rule) = sieve.rules.get(number) {
            tx.sifted.rules.add(*rule);
            tx.sifted.pairs.push(Pair {
                rule: *rule,
                value: id,
            });
        }
    }
    spent
}

/// What looking at a value costs beside its bytes, in bytes.
const SPENT_ON_EACH: usize = 64;

fn look_at_forms(
    sieve: &Sieve,
    group: &Group,
    tx: &mut Transaction,
    memo: &mut Memo,
    (value, mask): (Span, ByteSet),
) -> usize {
    let mut spent = 0;
    let Memo {
        filter,
        hits,
        forms,
        form_of,
        ..
    } = memo;
    form_of.clear();
    let mut count = 0;
    let mut add = |forms: &mut Vec<Form>, value: Span, mask: ByteSet| {
        if count == forms.len() {
            forms.push(Form::default());
        }
        let form = &mut forms[count];
        form.value = value;
        form.mask = mask;
        form.wanted.reset(sieve.rules.len());
        count += 1;
        count - 1
    };
    for node in &group.nodes {
        let form = match node.built {
            None => add(forms, value, mask),
            Some((before, last)) => {
                let before = form_of[before];
                let from = &forms[before];
                if from.mask.meets(&node.triggers) {
                    let old = from.value;
                    let new = step(last, old, &mut tx.arena, &mut tx.room.made);
                    if new == old {
                        before
                    } else {
                        spent += new.len as usize;
                        let mask = Filter::mask(tx.arena.get(new));
                        add(forms, new, mask)
                    }
                } else {
                    before
                }
            }
        };
        form_of.push(form);
        forms[form].wanted.extend(&node.wanted);
    }
    for form in &forms[..count] {
        if !form.wanted.is_empty() {
            let bytes = tx.arena.get(form.value);
            sieve
                .filter
                .candidates(bytes, &form.mask, &form.wanted, filter, hits);
        }
    }
    spent
}
