//! What rules do with variables of `TX`, and which of these that leaves to others.

use std::collections::{BTreeMap, BTreeSet};

use super::{named, text, How, Setting};
use crate::rule::{Change, Collection, Effect, Link, Operator, Place, Rule, Selector, Target};

/// What rules do with variables.
#[derive(Debug, Default)]
pub(super) struct Known {
    read: BTreeSet<Box<str>>,
    /// Whose absence is asked for.
    asked: BTreeSet<Box<str>>,
    /// What is given to those that are not there.
    defaults: BTreeMap<Box<str>, Box<str>>,
    /// What is set whatever was there.
    always: BTreeMap<Box<str>, (Place, Option<Box<str>>)>,
    /// What rules make of requests.
    made: BTreeSet<Box<str>>,
}

impl Known {
    /// Adds what a rule does.
    pub fn rule(&mut self, rule: &Rule) {
        let absent: Vec<Box<str>> = rule.links.iter().filter_map(absent).collect();
        for link in &rule.links {
            for target in &link.targets {
                self.read.extend(variable(target));
            }
            if let Some((_, template)) = How::of(&link.test.operator, link.test.negated) {
                self.read.extend(named(template));
            }
            for effect in &link.effects {
                self.effect(rule, effect, &absent);
            }
        }
        self.asked.extend(absent);
    }

    fn effect(&mut self, rule: &Rule, effect: &Effect, absent: &[Box<str>]) {
        let Effect::SetVar {
            collection: Collection::Tx,
            name,
            change,
        } = effect
        else {
            return;
        };
        if let Change::Set(text) | Change::Add(text) | Change::Subtract(text) = change {
            self.read.extend(named(text));
        }
        let Some(name) = name.constant().and_then(text) else {
            return;
        };
        let value = match change {
            Change::Set(text) => text.constant(),
            _ => None,
        };
        let value = value.map(|value| String::from_utf8_lossy(value).into());
        let whatever = matches!(change, Change::Set(_)) && is_always(rule);
        if absent.contains(&name) {
            if let Some(value) = value {
                self.defaults.entry(name).or_insert(value);
            }
        } else if whatever && value.is_some() {
            self.always.insert(name, (rule.place, value));
        } else {
            self.made.insert(name);
        }
    }

    /// What of them can be set from outside.
    pub fn settings(self) -> BTreeMap<Box<str>, Setting> {
        let left = self.read.iter().filter(|name| !self.made.contains(*name));
        let names: BTreeSet<&Box<str>> = left.chain(&self.asked).collect();
        let setting = |name: &str| {
            let always = self.always.get(name);
            let said = always.and_then(|(_, value)| value.as_ref());
            Setting {
                default: said.or_else(|| self.defaults.get(name)).cloned(),
                overwritten: always.map(|(place, _)| *place),
            }
        };
        names
            .into_iter()
            .map(|name| (name.clone(), setting(name)))
            .collect()
    }
}

/// The variable whose absence a link asks for.
fn absent(link: &Link) -> Option<Box<str>> {
    let [target] = link.targets.as_slice() else {
        return None;
    };
    let none = match &link.test.operator {
        Operator::Eq(text) | Operator::Streq(text) => text.constant() == Some(b"0"),
        _ => false,
    };
    (target.counted && none && !link.test.negated)
        .then(|| variable(target))
        .flatten()
}

/// The variable of `TX` that a target names.
fn variable(target: &Target) -> Option<Box<str>> {
    match &target.selector {
        Selector::Named(name) if target.collection == Collection::Tx => text(name),
        _ => None,
    }
}

/// Whether a rule is met by every request: `SecAction`.
fn is_always(rule: &Rule) -> bool {
    matches!(rule.links.as_slice(), [link] if link.targets.is_empty())
}
