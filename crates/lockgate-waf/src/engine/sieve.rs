//! Which rules may match which values at all.
//!
//! Every rule whose first link asks something of values that came with the
//! request or the answer is known to one [`Filter`]. Each value is shown to it
//! once for all of its rules, and once more for each form that transformations
//! give it, where one of these might match then. What that comes to for a set of
//! bytes is worked out once ([`Looks`]). What matches a value that comes again is
//! kept ([`Known`]), which is why also rules are here of which bytes tell nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use regex_syntax::hir::Hir;

use crate::bytes::{ByteSet, Span};
use crate::detect::Where;
use crate::filter::Bits;
use crate::filter::{self, Filter, Room};
use crate::operators::Caches;
use crate::rule::{self, Collection};
use lockgate_wire::content::layers::Unwrapper;

use super::chains;
use super::evaluate;
use super::members::{views, Base, ValueId};
use super::native::{self, Native};
use super::pattern::{self, Asked, Step};
use super::program::{Program, RuleIndex, Target};
use super::transaction::{Pair, Transaction};
use super::{Desk, Progress, Unfit};

mod groups;
mod known;
mod looks;

use groups::{ByName, Group};
use known::{Hits, Known};
use looks::{Looks, State};

/// What is known of all rules.
#[derive(Debug)]
pub struct Sieve {
    filter: Filter,
    /// The rule of each pattern.
    rules: Vec<RuleIndex>,
    /// Patterns that say nothing: their rules are asked of each value that is not known.
    asked_at_once: Bits,
    groups: Vec<Group>,
    /// Of each base: for its members' values, then for their names.
    members: Vec<[ByName; 2]>,
    singles: Vec<Option<usize>>,
    /// Unlike any other's, so that a memo knows what it keeps looks of.
    serial: u64,
}

/// A number that was never given before.
pub(super) fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What one worker keeps for the sieve.
#[derive(Debug, Default)]
pub struct Memo {
    looks: Looks,
    known: Known,
    native_clean: Known,
    native_serial: u64,
    name: Vec<u8>,
    key: Vec<u8>,
    room: Room,
    hits: Bits,
    open: Vec<Open>,
    made: Vec<Made>,
    pub(super) unwrapper: Unwrapper,
}

impl Memo {
    /// Whether it cannot pay for a look.
    #[cfg(test)]
    pub fn is_poor(&self) -> bool {
        self.looks.is_poor()
    }
}

/// A form of a value that is still to be looked at.
#[derive(Debug, Clone, Copy)]
struct Open {
    state: State,
    value: Span,
    mask: ByteSet,
}

/// What a step made of the value that is looked at.
#[derive(Debug, Clone, Copy)]
struct Made {
    step: Step,
    value: Span,
}

/// Adds a sieve to rules that were built.
///
/// # Errors
/// If the patterns do not fit into the filter.
pub fn add(program: &mut Program, read: &[&rule::Rule]) -> Result<(), Unfit> {
    let mut rules = Vec::new();
    let mut patterns = Vec::new();
    let mut asked_at_once = Bits::none(read.len());
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
            || built.argument.is_some()
        {
            continue;
        }
        let pattern = pattern::of(link).filter(|_| !link.test.negated);
        if pattern.is_none() {
            asked_at_once.insert(rules.len());
        }
        rules.push(index);
        patterns.push(pattern.unwrap_or(Asked::Rx(Hir::empty())));
    }
    let borrowed: Vec<filter::Pattern<'_>> = patterns.iter().map(Asked::borrow).collect();
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
        serial: serial(),
        rules,
        asked_at_once,
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

/// Collections that there is but one of, by their numbers, that filter or detectors look at.
pub(super) fn shown(program: &Program) -> Box<[usize]> {
    let sieved = |collection: &usize| {
        let sieve = program.sieve.as_ref();
        sieve.is_some_and(|sieve| matches!(sieve.singles.get(*collection), Some(Some(_))))
    };
    let looked_at = |collection: &usize| {
        program.native.is_some() && native::stood(ValueId::single(*collection)).is_some()
    };
    (0..Collection::COUNT)
        .filter(|collection| sieved(collection) || looked_at(collection))
        .collect()
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

/// Shows the values that are new to detectors and filter, as far as the budget goes.
pub(super) fn sift(
    program: &Program,
    tx: &mut Transaction,
    desk: &mut Desk,
    budget: usize,
) -> Progress {
    let mut spent = 0;
    let Desk {
        sieve: memo,
        caches,
    } = desk;
    let sieve = program.sieve.as_ref();
    memo.hits.reset(sieve.map_or(0, |sieve| sieve.rules.len()));
    for collection in program.shown.iter().copied() {
        if tx.sifted.singles.contains(collection) || !tx.members.has_single(collection) {
            continue;
        }
        tx.sifted.singles.add(collection);
        let group = sieve.and_then(|sieve| {
            let group = sieve.singles.get(collection).copied().flatten()?;
            Some((sieve, State::of_group(group)))
        });
        spent += look(
            program,
            group,
            tx,
            (memo, caches),
            ValueId::single(collection),
        );
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
                if member.proven.is_some() && !names {
                    continue;
                }
                let name = tx.arena.get(member.name);
                let group = sieve.and_then(|sieve| {
                    let group = sieve.of_member(place, names, name)?;
                    Some((sieve, State::of_group(group)))
                });
                let id = ValueId::new(base, at, names);
                spent += look(program, group, tx, (memo, caches), id);
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
    group: Option<(&Sieve, State)>,
    tx: &mut Transaction,
    (memo, caches): (&mut Memo, &mut Caches),
    id: ValueId,
) -> usize {
    let value = tx.members.value(id);
    if let Some(native) = &program.native {
        look_natively(native, tx, memo, id);
    }
    let mut spent = value.len as usize + SPENT_ON_EACH;
    let Some((sieve, state)) = group else {
        return spent;
    };
    if memo.looks.serve(sieve) {
        memo.known.clear();
    }
    let kind = state.kind();
    let bytes = tx.arena.get(value);
    let place = match memo.known.find(kind, bytes) {
        Ok(hits) => {
            for number in hits.iter() {
                sieve.pair(tx, number, id);
            }
            return spent;
        }
        Err(place) => place,
    };
    let mask = Filter::mask(bytes);
    memo.hits.clear();
    spent += look_at_forms(sieve, tx, memo, Open { state, value, mask });
    if let Some(place) = place {
        // What comes again is worth asking now what the filter only cannot rule out.
        let mut asks = |number: usize| sieve.holds(program, number, value, tx, caches);
        memo.hits.retain(&mut asks);
        if let Some(hits) = Hits::of(memo.hits.iter()) {
            memo.known.keep(place, kind, tx.arena.get(value), hits);
        }
    }
    for number in memo.hits.iter() {
        sieve.pair(tx, number, id);
    }
    spent
}

impl Sieve {
    /// Says that a value may be matched by the rule of a pattern.
    fn pair(&self, tx: &mut Transaction, number: usize, value: ValueId) {
        if let Some(rule) = self.rules.get(number).copied() {
            tx.sifted.rules.add(rule);
            tx.sifted.pairs.push(Pair { rule, value });
        }
    }

    /// Whether the rule of a pattern may match a value, whatever the request is beside it.
    fn holds(
        &self,
        program: &Program,
        number: usize,
        value: Span,
        tx: &mut Transaction,
        caches: &mut Caches,
    ) -> bool {
        let rule = self
            .rules
            .get(number)
            .and_then(|rule| program.rules.get(*rule));
        let link = rule.and_then(|rule| rule.links.first());
        link.is_none_or(|link| evaluate::may_hold(program, link, value, tx, caches))
    }
}

/// Shows one value to the detectors, unless they found nothing in it before. They
/// know its name, where it is not the name itself.
fn look_natively(native: &Native, tx: &mut Transaction, memo: &mut Memo, id: ValueId) {
    let Some(stood) = native::stood(id).filter(|_| !native::is_parted(tx, id)) else {
        return;
    };
    if memo.native_serial != native.serial {
        memo.native_serial = native.serial;
        memo.native_clean.clear();
    }
    let member = tx.members.get(id);
    let numbered = native::unnumber(tx.arena.get(member.name), member.way, &mut memo.name);
    let name = match numbered {
        true => &memo.name,
        false => tx.arena.get(member.name),
    };
    let bytes = match id.is_name() {
        true => name,
        false => tx.arena.get(member.value),
    };
    let kind = stood as u32 + 1;
    memo.key.clear();
    let lasting = !matches!(stood, Where::FileName | Where::FileContent);
    if lasting {
        if !id.is_name() {
            memo.key.extend_from_slice(&name.len().to_le_bytes());
            memo.key.extend_from_slice(name);
        }
        memo.key.extend_from_slice(bytes);
    }
    let place = match memo.native_clean.find(kind, &memo.key) {
        Ok(_) if lasting => return,
        Ok(_) => None,
        Err(place) => place.filter(|_| lasting),
    };
    let mask = Filter::mask(bytes);
    let name = numbered.then_some(&*memo.name);
    let found = native.look(tx, &mut memo.unwrapper, (id, name), &mask);
    if let Some(place) = place.filter(|_| !found) {
        memo.native_clean
            .keep(place, kind, &memo.key, Hits::default());
    }
}

/// What looking at a value costs beside its bytes, in bytes.
const SPENT_ON_EACH: usize = 64;

fn look_at_forms(sieve: &Sieve, tx: &mut Transaction, memo: &mut Memo, first: Open) -> usize {
    let mut spent = 0;
    let Memo {
        looks,
        room,
        hits,
        open,
        made,
        ..
    } = memo;
    let began = tx.arena.len();
    open.clear();
    open.push(first);
    while let Some(Open { state, value, mask }) = open.pop() {
        made.clear();
        let mut left = 0;
        let look = loop {
            let look = looks.at(sieve, state, &mask, left);
            let before = left;
            for next in &look.next {
                let step = next.step;
                if !mask.meets(&next.triggers) {
                    left |= step.bit();
                    continue;
                }
                if step.last.max_len(value.len as usize) < next.least
                    || made.iter().any(|made| made.step == step)
                {
                    continue;
                }
                let new = chains::step(step.last, value, &mut tx.arena, &mut tx.room.made);
                if new == value || step.leaves(tx.arena.get(value), tx.arena.get(new)) {
                    left |= step.bit();
                } else {
                    spent += new.len as usize;
                    made.push(Made { step, value: new });
                }
            }
            if left == before {
                break look;
            }
        };
        let bytes = tx.arena.get(value);
        sieve.filter.tell(bytes, &mask, &look.plan, room, hits);
        for next in &look.next {
            let same = |made: &&Made| made.step == next.step;
            let Some(made) = made
                .iter()
                .find(same)
                .filter(|made| made.value.len as usize >= next.least)
            else {
                continue;
            };
            open.push(Open {
                state: next.state,
                value: made.value,
                mask: Filter::mask(tx.arena.get(made.value)),
            });
        }
    }
    tx.arena.cut(began);
    spent
}
