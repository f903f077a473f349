//! One rule: its links, one after another, over the values that they name.

use crate::bytes::Span;
use crate::libinjection::{self, Fingerprint};
use crate::operators::{Caches, Captures, Compiled};
use crate::rule::Collection;

use super::kept::Kept;
use super::members::{views, Base, Member, ValueId, View};
use super::names::{Held, CAUGHT};
use super::overrule::Bits;
use super::program::{Link, Program, Rule, RuleIndex, Selector, Target, Values};
use super::transaction::{
    Added, Made, MadeName, Subject, Transaction, MAX_MADE_OF, MAX_MATCHED, MAX_SUBJECTS,
};
use super::{chains, Desk, Engine};

/// A rule being asked.
pub(super) struct Evaluation<'e> {
    pub(super) program: &'e Program,
    pub(super) kept: &'e Kept,
    pub(super) tx: &'e mut Transaction,
    pub(super) desk: &'e mut Desk,
    pub(super) index: RuleIndex,
    /// Whether an exception of this transaction leaves values of the rule out.
    excepted: bool,
    /// Whether later links ask about variables, so that it is noted what these are made of.
    traces: bool,
}

impl<'e> Evaluation<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        tx: &'e mut Transaction,
        desk: &'e mut Desk,
        index: RuleIndex,
    ) -> Self {
        Self {
            program: &engine.program,
            kept: &engine.kept,
            tx,
            desk,
            index,
            excepted: false,
            traces: false,
        }
    }

    /// Whether all links match. What their matches do is done.
    pub(super) fn rule(&mut self, rule: &Rule) -> bool {
        let exceptions = &self.program.exceptions;
        let concerns = |number: &u32| {
            let exception = exceptions.get(*number as usize);
            exception.is_some_and(|exception| exception.rules.contains(self.index))
        };
        self.excepted = self.tx.control.exceptions.iter().any(concerns);
        let found = &mut self.tx.found;
        found.now.clear();
        found.chained.clear();
        found.beyond = Bits::MAX;
        found.added = Added::default();
        found.made.clear();
        found.caught = None;
        let later = rule.links.iter().skip(1).flat_map(|link| &link.targets);
        self.traces = later
            .into_iter()
            .any(|target| target.collection == Collection::Tx && !target.counted);
        for (number, link) in rule.links.iter().enumerate() {
            let found = &mut self.tx.found;
            std::mem::swap(&mut found.now, &mut found.before);
            found.now.clear();
            let matched = if number == 0 && rule.sieved && self.program.sieve.is_some() {
                self.sifted(link)
            } else {
                self.link(link)
            };
            if !matched {
                return false;
            }
            // Exceptions are said of rules, which are known by their first link.
            self.excepted = false;
        }
        true
    }

    /// The values that the sieve let through for this rule.
    fn sifted(&mut self, link: &Link) -> bool {
        let pairs = &self.tx.sifted.pairs;
        let first = pairs.partition_point(|pair| pair.rule < self.index);
        let count = pairs[first..].partition_point(|pair| pair.rule == self.index);
        let mut matched = false;
        for target in &link.targets {
            for at in first..first + count {
                let Some(pair) = self.tx.sifted.pairs.get(at).copied() else {
                    break;
                };
                if !is_of(target, pair.value) {
                    continue;
                }
                let member = self.tx.members.get(pair.value);
                if !self.selects(target, member.name)
                    || self.left_out(link, target, pair.value, member.name)
                {
                    continue;
                }
                let subject = subject(target, member, pair.value);
                matched |= self.transform_and_ask(link, subject);
            }
        }
        matched
    }

    /// All values that a link names.
    fn link(&mut self, link: &Link) -> bool {
        if link.targets.is_empty() {
            self.done(link);
            return true;
        }
        let mut matched = false;
        for target in &link.targets {
            matched |= match target.collection {
                Collection::Tx => self.variables(link, target),
                Collection::MatchedVar | Collection::MatchedVars => {
                    self.matched(link, target, false)
                }
                Collection::MatchedVarName | Collection::MatchedVarsNames => {
                    self.matched(link, target, true)
                }
                Collection::HighestSeverity | Collection::Rule => self.written_out(link, target),
                Collection::Ip
                | Collection::Global
                | Collection::Resource
                | Collection::Session
                | Collection::User => self.kept_ones(link, target),
                _ if target.counted => self.counted(link, target),
                _ => self.members(link, target),
            };
        }
        matched
    }

    fn members(&mut self, link: &Link, target: &Target) -> bool {
        if let Some(value) = self.tx.members.single(target.collection) {
            let id = ValueId::single(target.collection as usize);
            return !self.left_out(link, target, id, Span::default()) && {
                let subject = plain(target, Span::default(), value);
                let id = Some(id);
                self.transform_and_ask(link, Subject { id, ..subject })
            };
        }
        let attributes = matches!(target.selector, Selector::Attributes);
        let mut matched = false;
        for view in views(target.collection, attributes) {
            for place in self.tx.members.range(view.base) {
                let id = ValueId::new(view.base, place, view.names);
                let member = self.tx.members.get(id);
                if (view.names || member.proven.is_none())
                    && self.selects(target, member.name)
                    && !self.left_out(link, target, id, member.name)
                {
                    matched |= self.transform_and_ask(link, subject(target, member, id));
                }
            }
        }
        matched
    }

    fn counted(&mut self, link: &Link, target: &Target) -> bool {
        let mut count = 0;
        if self.tx.members.single(target.collection).is_some() {
            let id = ValueId::single(target.collection as usize);
            count = i64::from(!self.left_out(link, target, id, Span::default()));
        }
        let attributes = matches!(target.selector, Selector::Attributes);
        for view in views(target.collection, attributes) {
            for place in self.tx.members.range(view.base) {
                let id = ValueId::new(view.base, place, view.names);
                let name = self.tx.members.get(id).name;
                let counts = self.selects(target, name) && !self.left_out(link, target, id, name);
                count += i64::from(counts);
            }
        }
        self.ask_number(link, target, Span::default(), count, None)
    }

    fn variables(&mut self, link: &Link, target: &Target) -> bool {
        if let Selector::Variable(name) = target.selector {
            let held = self.tx.variables.get(name);
            if target.counted {
                let exists = held.exists().into();
                return self.ask_number(link, target, Span::default(), exists, None);
            }
            return held.exists() && {
                let text = self.program.names.text(name);
                let text = self.tx.arena.keep(text);
                let from = self.made_of(MadeName::Named(name));
                self.ask_held(link, target, text, held, from)
            };
        }
        let (mut matched, mut count) = (false, 0);
        for name in target.variables.iter().copied() {
            let held = self.tx.variables.get(name);
            if !held.exists() {
                continue;
            }
            count += 1;
            if !target.counted {
                let text = self.tx.arena.keep(self.program.names.text(name));
                let from = self.made_of(MadeName::Named(name));
                matched |= self.ask_held(link, target, text, held, from);
            }
        }
        // What this makes of them is not looked at by the same link.
        for place in 0..self.tx.variables.made().len() {
            let Some((text, held)) = self.tx.variables.made().get(place).copied() else {
                break;
            };
            if !held.exists() || !self.selects(target, text) {
                continue;
            }
            count += 1;
            if !target.counted {
                matched |= self.ask_held(link, target, text, held, None);
            }
        }
        if target.counted {
            return self.ask_number(link, target, Span::default(), count, None);
        }
        matched
    }

    fn ask_held(
        &mut self,
        link: &Link,
        target: &Target,
        name: Span,
        held: Held,
        from: Option<ValueId>,
    ) -> bool {
        let value = match held {
            Held::Absent => return false,
            Held::Number(number) if link.chain == 0 => {
                return self.ask_number(link, target, name, number, from);
            }
            Held::Number(number) => self.number_text(number),
            Held::Text(text) => text,
        };
        let subject = plain(target, name, value);
        self.transform_and_ask(link, Subject { from, ..subject })
    }

    /// What the link before matched; of `MATCHED_VAR` the last.
    fn matched(&mut self, link: &Link, target: &Target, names: bool) -> bool {
        let one = matches!(
            target.collection,
            Collection::MatchedVar | Collection::MatchedVarName
        );
        let all = self.tx.found.before.len();
        if target.counted {
            let count = if one { all.min(1) } else { all };
            return self.ask_number(link, target, Span::default(), count as i64, None);
        }
        let mut matched = false;
        for at in if one { all.saturating_sub(1) } else { 0 }..all {
            let Some(before) = self.tx.found.before.get(at).copied() else {
                break;
            };
            let name = self.full_name(before);
            if !self.selects(target, name) {
                continue;
            }
            let value = if names { name } else { before.value };
            matched |= self.transform_and_ask(link, plain(target, name, value));
        }
        matched
    }

    fn written_out(&mut self, link: &Link, target: &Target) -> bool {
        let key = match &target.selector {
            Selector::Named(name) => Some(&**name),
            _ => None,
        };
        let at = self.tx.arena.len();
        let mut text = std::mem::take(&mut self.tx.room.text);
        text.clear();
        self.write_member(target.collection, key, &mut text);
        self.tx.arena.keep(&text);
        self.tx.room.text = text;
        let value = self.tx.arena.since(at);
        self.transform_and_ask(link, plain(target, Span::default(), value))
    }

    fn kept_ones(&mut self, link: &Link, target: &Target) -> bool {
        let name = match &target.selector {
            Selector::Named(name) => Some(&**name),
            _ => None,
        };
        let mut listed = Vec::new();
        self.kept_values(target.collection, name, &mut listed);
        listed.retain(|(name, _)| self.selects(target, *name));
        if target.counted {
            let count = listed.len() as i64;
            return self.ask_number(link, target, Span::default(), count, None);
        }
        let mut matched = false;
        for (name, held) in listed {
            matched |= self.ask_held(link, target, name, held, None);
        }
        matched
    }

    fn ask_number(
        &mut self,
        link: &Link,
        target: &Target,
        name: Span,
        number: i64,
        from: Option<ValueId>,
    ) -> bool {
        if let (Compiled::Number(comparison), 0) = (&link.compiled, link.chain) {
            let argument = link.argument.as_ref();
            let argument = argument.map_or(0, |text| self.number_of(text));
            if comparison.compares(number, argument) == link.negated {
                return false;
            }
            let value = self.number_text(number);
            let subject = plain(target, name, value);
            self.hit(link, Subject { from, ..subject });
            return true;
        }
        let value = self.number_text(number);
        let subject = plain(target, name, value);
        self.transform_and_ask(link, Subject { from, ..subject })
    }

    fn transform_and_ask(&mut self, link: &Link, subject: Subject) -> bool {
        if link.multi_match {
            return self.ask_each(link, subject);
        }
        let tx = &mut *self.tx;
        let made = self.program.chains.apply_once(
            link.chain,
            subject.value,
            (&mut tx.arena, &mut tx.room.made),
            &mut tx.formed,
        );
        self.ask(link, subject, made)
    }

    /// Asks about the value, and about what each transformation makes of it.
    fn ask_each(&mut self, link: &Link, subject: Subject) -> bool {
        let mut made = subject.value;
        let mut matched = self.ask(link, subject, made);
        for transformation in self.program.chains.run(link.chain) {
            let tx = &mut *self.tx;
            let (arena, room) = (&mut tx.arena, &mut tx.room.made);
            let next = tx.formed.step(transformation, made, arena, room);
            if next != made {
                made = next;
                matched |= self.ask(link, subject, made);
            }
        }
        matched
    }

    /// Asks about what has become of a value.
    fn ask(&mut self, link: &Link, subject: Subject, made: Span) -> bool {
        let mut argument = std::mem::take(&mut self.tx.room.argument);
        argument.clear();
        if let Some(text) = &link.argument {
            self.write(text, &mut argument);
        }
        let value = self.tx.arena.get(made);
        let caches = &mut self.desk.caches;
        let compiled = &link.compiled;
        let mut caught = None;
        let holds = if link.capture && !link.negated {
            caught = captured(compiled, value, &argument, caches);
            caught.is_some()
        } else {
            asked(compiled, value, &argument, caches)
        };
        self.tx.room.argument = argument;
        if holds == link.negated {
            return false;
        }
        if caught.is_some() {
            self.tx.found.caught = subject.id.or(subject.from);
        }
        match caught {
            Some(Caught::Groups(captures)) => self.keep_captures(&captures, made),
            Some(Caught::Fingerprint(text)) => {
                let text = self.tx.arena.keep(text.as_bytes());
                self.keep_caught(|group| (group == 0).then_some(text));
            }
            None => {}
        }
        self.hit(
            link,
            Subject {
                value: made,
                ..subject
            },
        );
        true
    }

    fn keep_captures(&mut self, captures: &Captures, made: Span) {
        self.keep_caught(|group| {
            let at = captures.get(group)?;
            Some(Span {
                at: made.at + at.at,
                len: at.len,
            })
        });
    }

    fn keep_caught(&mut self, caught: impl Fn(usize) -> Option<Span>) {
        for group in 0..CAUGHT {
            let held = caught(group).map_or(Held::Absent, Held::Text);
            let name = super::names::Name::try_from(group).unwrap_or_default();
            self.tx.variables.set(name, held);
        }
    }

    /// The value that a variable was made of by an earlier match of this rule.
    fn made_of(&self, name: MadeName) -> Option<ValueId> {
        if !self.traces {
            return None;
        }
        if matches!(name, MadeName::Named(number) if usize::from(number) < CAUGHT) {
            return self.tx.found.caught;
        }
        let made = self.tx.found.made.iter().rev();
        made.into_iter()
            .find(|made| made.name == name)
            .map(|made| made.from)
    }

    /// Notes what a variable is made of: the value that was matched last.
    pub(super) fn note_made(&mut self, name: MadeName) {
        let found = &mut self.tx.found;
        if !self.traces || found.made.len() >= MAX_MADE_OF {
            return;
        }
        let last = found.last();
        if let Some(from) = last.and_then(|last| last.id.or(last.from)) {
            found.made.push(Made { name, from });
        }
    }

    fn hit(&mut self, link: &Link, mut subject: Subject) {
        if subject.collection == Collection::Tx && subject.from.is_none() {
            subject.from = self.made_of(MadeName::Written(subject.name));
        }
        let found = &mut self.tx.found;
        if found.now.len() >= MAX_MATCHED {
            found.now.pop();
        }
        found.now.push(subject);
        let mut beyond = (found.chained.len() >= MAX_SUBJECTS).then_some(subject);
        if beyond.is_some() && subject.from.is_some() {
            // What decided says more than what was only looked at on the way there.
            let mut looked_at = found.chained.iter().filter(|one| one.from.is_none());
            if looked_at.nth(MAX_SUBJECTS / 2).is_some() {
                let first = found.chained.iter().position(|one| one.from.is_none());
                beyond = first.map(|first| found.chained.remove(first));
            }
        }
        if found.chained.len() < MAX_SUBJECTS {
            found.chained.push(subject);
        }
        if let Some(subject) = beyond {
            let native = self.program.native.as_ref();
            let overrule = native.and_then(|native| native.overrule.as_ref());
            let reading = overrule.map_or(0, |overrule| overrule.reading(self.tx, &subject));
            self.tx.found.beyond &= reading;
        }
        self.done(link);
    }

    fn done(&mut self, link: &Link) {
        for effect in &link.effects {
            self.effect(effect);
        }
    }

    fn selects(&self, target: &Target, name: Span) -> bool {
        match &target.selector {
            Selector::All | Selector::Text | Selector::Attributes => true,
            _ => self.selects_text(target, self.tx.arena.get(name)),
        }
    }

    fn selects_text(&self, target: &Target, name: &[u8]) -> bool {
        match &target.selector {
            Selector::All | Selector::Text | Selector::Attributes => true,
            Selector::Variable(number) => {
                self.program.names.text(*number).eq_ignore_ascii_case(name)
            }
            Selector::Named(wanted) => wanted.eq_ignore_ascii_case(name),
            Selector::Matching(pattern) => pattern.is_match(name),
        }
    }

    /// Whether the value is left out, by the rule itself or by an exception.
    fn left_out(&self, link: &Link, target: &Target, id: ValueId, name: Span) -> bool {
        let left_out = |excluded: &Target| {
            excluded.collection == target.collection && self.selects(excluded, name)
        };
        if link.excluded.iter().any(left_out) {
            return true;
        }
        self.excepted
            && self.tx.control.exceptions.iter().any(|number| {
                let exception = self.program.exceptions.get(*number as usize);
                exception.is_some_and(|exception| {
                    exception.rules.contains(self.index)
                        && match &exception.values {
                            Values::All => false,
                            Values::Of(target) => left_out(target),
                            Values::At(at) => at.means(id, &self.tx.members, &self.tx.arena),
                        }
                })
            })
    }

    pub(super) fn number_text(&mut self, number: i64) -> Span {
        let mut buffer = itoa::Buffer::new();
        self.tx.arena.keep(buffer.format(number).as_bytes())
    }
}

/// Whether a link may hold for a value, of whichever target it is; no, only where
/// that is certain. What its transformations made of it is forgotten.
pub(super) fn may_hold(
    program: &Program,
    link: &Link,
    value: Span,
    tx: &mut Transaction,
    caches: &mut Caches,
) -> bool {
    if link.argument.is_some() {
        return true;
    }
    let began = tx.arena.len();
    let (arena, room) = (&mut tx.arena, &mut tx.room.made);
    let mut holds = |made: &[u8]| asked(&link.compiled, made, b"", caches) != link.negated;
    let held = if link.multi_match {
        let mut made = value;
        holds(arena.get(made))
            || program.chains.run(link.chain).into_iter().any(|last| {
                let next = chains::step(last, made, arena, room);
                std::mem::replace(&mut made, next) != next && holds(arena.get(next))
            })
    } else {
        let made = program.chains.apply(link.chain, value, arena, room);
        holds(arena.get(made))
    };
    tx.arena.cut(began);
    held
}

/// What an operator caught.
enum Caught {
    Groups(Captures),
    Fingerprint(Fingerprint),
}

fn asked(compiled: &Compiled, value: &[u8], argument: &[u8], caches: &mut Caches) -> bool {
    match compiled {
        Compiled::DetectSqli => libinjection::sqli(value).is_some(),
        Compiled::DetectXss => libinjection::xss(value),
        _ => compiled.matches(value, argument, caches),
    }
}

/// As [`asked`], with what was caught.
fn captured(
    compiled: &Compiled,
    value: &[u8],
    argument: &[u8],
    caches: &mut Caches,
) -> Option<Caught> {
    if let Compiled::DetectSqli = compiled {
        return libinjection::sqli(value).map(Caught::Fingerprint);
    }
    let mut captures = Captures::default();
    compiled
        .find(value, argument, caches, &mut captures)
        .then_some(Caught::Groups(captures))
}

/// Whether the value is one of the target's collection.
fn is_of(target: &Target, value: ValueId) -> bool {
    if value.base() == Base::Single as usize {
        return value.place() == target.collection as usize;
    }
    let attributes = matches!(target.selector, Selector::Attributes);
    let same = |view: &View| view.base as usize == value.base() && view.names == value.is_name();
    views(target.collection, attributes).iter().any(same)
}

fn plain(target: &Target, name: Span, value: Span) -> Subject {
    Subject {
        collection: target.collection,
        counted: target.counted,
        name,
        value,
        id: None,
        from: None,
    }
}

fn subject(target: &Target, member: Member, id: ValueId) -> Subject {
    Subject {
        collection: target.collection,
        counted: target.counted,
        name: member.name,
        value: if id.is_name() {
            member.name
        } else {
            member.value
        },
        id: Some(id),
        from: None,
    }
}
