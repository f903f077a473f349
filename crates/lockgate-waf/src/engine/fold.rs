//! Works out at load what no request can change.
//!
//! A third of a rule set asks only what the configuration says: how many
//! levels of paranoia, which defaults. What such rules say is the same for
//! every request, so they are decided once: those that never match are left
//! out, what they would skip is left out, and variables that they set are set
//! when a transaction begins. The values of variables are followed through the
//! phases in order; what a rule writes that may or may not match is unknown
//! from there on.

use crate::bytes::Arena;
use crate::operators::Caches;
use crate::rule::{Collection, Disruptive};

use super::names::{Held, Name, CAUGHT};
use super::program::{Change, Effect, Link, Program, Rule, RuleIndex, Selector, Target, Values};
use super::template::{Part, Text};
use super::REQUEST_BODY;

/// What is known while rules are followed.
struct Fold<'p> {
    program: &'p mut Program,
    /// Constant texts; those of the start.
    arena: Arena,
    /// Variables that no rule that is left has written, with what they hold.
    known: Vec<bool>,
    /// Variables that a rule that is left has read or written.
    touched: Vec<bool>,
    /// Exceptions that rules that are left may bring about.
    exceptions: Vec<u32>,
    /// Rules below this one may be passed over at run time.
    skipped: RuleIndex,
}

/// What a rule says of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Always,
    Never,
    Unknown,
}

/// Leaves out what the configuration alone decides.
pub fn fold(program: &mut Program) {
    let mut arena = Arena::default();
    arena.keep(&program.start.bytes);
    let count = program.names.len();
    let mut known = vec![true; count];
    known[..CAUGHT.min(count)].fill(false);
    let mut fold = Fold {
        known,
        touched: vec![false; count],
        // What the configuration leaves out may come back when its time is over.
        exceptions: program.start.exceptions.clone(),
        skipped: 0,
        arena,
        program,
    };
    for phase in 0..5 {
        fold.phase(phase);
    }
    let Fold { arena, program, .. } = fold;
    program.start.bytes = arena.into_bytes();
}

impl Fold<'_> {
    fn phase(&mut self, phase: usize) {
        self.skipped = 0;
        // Before its rules run, detectors add to what they count.
        let native = self.program.native.as_ref();
        let added = native.and_then(|native| native.adds_to);
        if let Some(name) = added.filter(|_| phase + 1 == usize::from(REQUEST_BODY)) {
            self.known[usize::from(name)] = false;
            self.touched[usize::from(name)] = true;
        }
        let mut from = 0;
        while let Some(index) = self.program.phases[phase].next(from) {
            from = index + 1;
            let outcome = match self.program.rules.get(index) {
                Some(rule) => self.outcome(rule),
                None => return,
            };
            match outcome {
                Outcome::Never => self.drop(phase, index),
                Outcome::Always if self.certain(phase, index) => {
                    if let Some(jump) = self.always(phase, index) {
                        from = jump;
                    }
                }
                Outcome::Always | Outcome::Unknown => self.keep(index),
            }
        }
    }

    fn drop(&mut self, phase: usize, index: RuleIndex) {
        self.program.phases[phase].remove(index);
        self.program.always[phase].remove(index);
    }

    /// Whether the rule runs whenever its phase comes to it; or else jumps over
    /// nothing but rules that do not run then either.
    fn certain(&self, phase: usize, index: RuleIndex) -> bool {
        if index < self.skipped {
            return false;
        }
        let rules = &self.program.rules;
        let rule = rules.get(index);
        let over = rule.and_then(|rule| match (rule.jump, rule.links.as_slice()) {
            (Some(jump), [link]) if link.effects.is_empty() && !rule.log => Some(index + 1..jump),
            _ => None,
        });
        self.exceptions.iter().all(|number| {
            let exception = self.program.exceptions.get(*number as usize);
            exception.is_none_or(|exception| {
                let removes = |rule: RuleIndex| exception.rules.contains(rule);
                let here = &self.program.phases[phase];
                !matches!(exception.values, Values::All)
                    || !removes(index)
                    || over.clone().is_some_and(|mut over| {
                        over.all(|rule| removes(rule) || !here.contains(rule))
                    })
            })
        })
    }

    /// A rule that matches whatever the request is; where that goes on, if it jumps.
    fn always(&mut self, phase: usize, index: RuleIndex) -> Option<RuleIndex> {
        let rule = &self.program.rules[index];
        let quiet = !rule.log && rule.disruptive == Disruptive::Pass && rule.links.len() == 1;
        let settled = quiet
            && rule.links[0]
                .effects
                .iter()
                .all(|effect| self.settles(effect));
        let jump = rule.jump;
        if settled {
            let effects = std::mem::take(&mut self.program.rules[index].links[0].effects);
            for effect in &effects {
                if let Effect::SetVariable(name, change) = effect {
                    let old = self.program.start.variables[usize::from(*name)];
                    let new = self.changed(old, change);
                    self.program.start.variables[usize::from(*name)] = new;
                }
            }
            self.drop(phase, index);
        } else {
            self.keep(index);
            let rule = &mut self.program.rules[index];
            if rule.links.len() == 1 && !speaks_of_match(rule) {
                rule.links[0].targets.clear();
            }
        }
        let jump = jump?;
        // No other rule is jumped over: they stand between.
        while let Some(over) = self.program.phases[phase].next(index + 1) {
            if over >= jump {
                break;
            }
            self.drop(phase, over);
        }
        Some(jump)
    }

    /// Whether what the effect does can be done when a transaction begins.
    fn settles(&self, effect: &Effect) -> bool {
        let Effect::SetVariable(name, change) = effect else {
            return false;
        };
        let place = usize::from(*name);
        let free = self.known[place] && !self.touched[place];
        free && match change {
            Change::Remove => true,
            Change::Set(text) | Change::Add(text) | Change::Subtract(text) => self.is_known(text),
        }
    }

    fn is_known(&self, text: &Text) -> bool {
        text.parts.iter().all(|part| match part {
            Part::Text(_) => true,
            Part::Variable(name) => self.known[usize::from(*name)],
            Part::Member(..) => false,
        })
    }

    fn text(&self, text: &Text) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &text.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Variable(name) => {
                    let held = self.program.start.variables[usize::from(*name)];
                    self.write(held, &mut out);
                }
                Part::Member(..) => {}
            }
        }
        out
    }

    fn write(&self, held: Held, out: &mut Vec<u8>) {
        match held {
            Held::Absent => {}
            Held::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Held::Text(text) => out.extend_from_slice(self.arena.get(text)),
        }
    }

    fn changed(&mut self, old: Held, change: &Change) -> Held {
        let number = |fold: &Self, text: &Text| crate::operators::leading(&fold.text(text));
        match change {
            Change::Remove => Held::Absent,
            Change::Add(by) => {
                Held::Number(old.number(&self.arena).saturating_add(number(self, by)))
            }
            Change::Subtract(by) => {
                Held::Number(old.number(&self.arena).saturating_sub(number(self, by)))
            }
            Change::Set(text) => {
                let text = self.text(text);
                super::effects::plain_number(&text)
                    .map_or_else(|| Held::Text(self.arena.keep(&text)), Held::Number)
            }
        }
    }

    /// A rule that is left: what it reads and writes is not known from here on.
    fn keep(&mut self, index: RuleIndex) {
        let rule = &self.program.rules[index];
        let mut reads = Vec::new();
        let mut writes = Vec::new();
        let mut beginnings: Vec<Box<[u8]>> = Vec::new();
        let texts = rule
            .message
            .iter()
            .chain(&rule.log_data)
            .chain(&rule.redirect);
        texts.for_each(|text| read(text, &mut reads));
        for link in &rule.links {
            link.argument.iter().for_each(|text| read(text, &mut reads));
            for target in &link.targets {
                match (&target.selector, target.collection) {
                    (Selector::Variable(name), _) => reads.push(*name),
                    // It may look at any of them.
                    (_, Collection::Tx) => reads.extend((0..self.known.len()).map(name_of)),
                    _ => {}
                }
            }
            if link.capture {
                writes.extend((0..CAUGHT).map(name_of));
            }
            for effect in &link.effects {
                match effect {
                    Effect::SetVariable(name, change) => {
                        writes.push(*name);
                        read_change(change, &mut reads);
                    }
                    Effect::SetNamed(collection, name, change) => {
                        read(name, &mut reads);
                        read_change(change, &mut reads);
                        if *collection == Collection::Tx {
                            beginnings.push(name.beginning().to_ascii_lowercase().into());
                        }
                    }
                    Effect::Expire(_, name, seconds) => {
                        read(name, &mut reads);
                        read(seconds, &mut reads);
                    }
                    Effect::InitCollection(_, key) => read(key, &mut reads),
                    Effect::Except(number) => self.exceptions.push(*number),
                    _ => {}
                }
            }
        }
        for (name, text) in self.program.names.iter() {
            if beginnings
                .iter()
                .any(|beginning| text.starts_with(beginning))
            {
                writes.push(name);
            }
        }
        if let Some(jump) = rule.jump {
            self.skipped = self.skipped.max(jump);
        }
        for name in reads.iter().chain(&writes) {
            self.touched[usize::from(*name)] = true;
        }
        for name in writes {
            self.known[usize::from(name)] = false;
        }
    }

    fn outcome(&self, rule: &Rule) -> Outcome {
        let Some(link) = rule.links.first() else {
            return Outcome::Unknown;
        };
        match self.asks(link) {
            Some(false) => Outcome::Never,
            Some(true) if rule.links.len() == 1 => Outcome::Always,
            _ => Outcome::Unknown,
        }
    }

    /// What the link says of every request, if that is known.
    fn asks(&self, link: &Link) -> Option<bool> {
        if link.chain != 0 || link.multi_match || link.capture || !link.excluded.is_empty() {
            return None;
        }
        let argument = match &link.argument {
            None => Vec::new(),
            Some(text) if self.is_known(text) => self.text(text),
            Some(_) => return None,
        };
        let mut matched = link.targets.is_empty();
        for target in &link.targets {
            matched |= self.asks_of(link, target, &argument)?;
        }
        Some(matched)
    }

    fn asks_of(&self, link: &Link, target: &Target, argument: &[u8]) -> Option<bool> {
        let Selector::Variable(name) = target.selector else {
            return None;
        };
        if !self.known[usize::from(name)] {
            return None;
        }
        let held = self.program.start.variables[usize::from(name)];
        let mut value = Vec::new();
        if target.counted {
            value.push(if held.exists() { b'1' } else { b'0' });
        } else if held.exists() {
            self.write(held, &mut value);
        } else {
            return Some(false);
        }
        Some(link.compiled.matches(&value, argument, &mut Caches::new()) != link.negated)
    }
}

fn name_of(place: usize) -> Name {
    Name::try_from(place).unwrap_or(Name::MAX)
}

fn read(text: &Text, reads: &mut Vec<Name>) {
    for part in &text.parts {
        if let Part::Variable(name) = part {
            reads.push(*name);
        }
    }
}

fn read_change(change: &Change, reads: &mut Vec<Name>) {
    match change {
        Change::Set(text) | Change::Add(text) | Change::Subtract(text) => read(text, reads),
        Change::Remove => {}
    }
}

/// Whether what the rule writes speaks of the value that matched.
fn speaks_of_match(rule: &Rule) -> bool {
    let speaks = |text: &Text| {
        text.parts.iter().any(|part| {
            matches!(
                part,
                Part::Member(
                    Collection::MatchedVar
                        | Collection::MatchedVars
                        | Collection::MatchedVarName
                        | Collection::MatchedVarsNames,
                    _
                )
            )
        })
    };
    let changes = |change: &Change| match change {
        Change::Set(text) | Change::Add(text) | Change::Subtract(text) => speaks(text),
        Change::Remove => false,
    };
    let texts = rule
        .message
        .iter()
        .chain(&rule.log_data)
        .chain(&rule.redirect);
    rule.log
        || texts.into_iter().any(speaks)
        || rule
            .links
            .iter()
            .flat_map(|link| &link.effects)
            .any(|effect| match effect {
                Effect::SetVariable(_, change) => changes(change),
                Effect::SetNamed(_, name, change) => speaks(name) || changes(change),
                Effect::Expire(_, name, seconds) => speaks(name) || speaks(seconds),
                Effect::InitCollection(_, key) => speaks(key),
                _ => false,
            })
}
