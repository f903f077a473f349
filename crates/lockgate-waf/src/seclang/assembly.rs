//! Rules are put together out of what their directives say: chains, defaults, ids.

use std::collections::{BTreeMap, HashMap};

use super::actions::{Actions, Said};
use super::codes::Code;
use super::defaults::{resolved, Defaults, PhaseDefaults};
use super::errors::{Fault, LoadError};
use super::exclusions::Idle;
use crate::rule::{Disruptive, Item, Link, Phase, Place, Rule, Target, Test};

/// The rules so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    /// What was taken out left its place empty.
    pub items: Vec<Option<Item>>,
    /// Where in `items` each rule stands.
    pub ids: BTreeMap<u64, usize>,
    pub defaults: Defaults,
    /// Rules that skip to a marker, and what is wrong should it not follow.
    pub skips: Vec<(u64, LoadError)>,
    /// Directives that changed no rule.
    pub idle: Vec<Idle>,
    open: Option<Open>,
}

/// A chain whose last link is still to come.
#[derive(Debug)]
struct Open {
    rule: Rule,
    /// What is wrong should none come.
    error: LoadError,
}

/// A rule's directive, read.
#[derive(Debug)]
pub(super) struct Draft {
    pub place: Place,
    pub targets: Vec<Target>,
    pub test: Test,
    pub actions: Actions,
}

/// The fault of an action that only a chain's first rule may say.
pub(super) fn starter_only(name: &str, at: usize) -> Fault {
    Fault::new(
        at,
        Code::StarterOnly,
        format!("{name} concerns the whole chain: write it in the chain's first rule."),
    )
}

/// The fault of a skip to nowhere.
pub(super) fn unknown_marker(at: usize, name: &str) -> Fault {
    Fault::new(
        at,
        Code::UnknownMarker,
        format!("No SecMarker `{name}` follows below, and no rule of this id: all rules below would be passed over."),
    )
}

impl Assembly {
    /// Ends a chain that nothing may follow; what is wrong with it.
    pub fn close(&mut self) -> Option<LoadError> {
        self.open.take().map(|open| open.error)
    }

    /// One more rule, or one more link of the chain that is open.
    pub fn add(
        &mut self,
        said: Draft,
        faults: &mut Vec<Fault>,
        files: &[Box<str>],
        error: impl Fn(Fault) -> LoadError,
    ) {
        let (chain, chain_at) = (said.actions.chain, said.actions.chain_at());
        let rule = match self.open.take() {
            Some(open) => self.link(open.rule, said, faults),
            None => self.starter(said, faults, files, &error),
        };
        if chain {
            let why = Fault::new(
                chain_at,
                Code::ChainUnfinished,
                "No rule follows that could be the next of this chain.",
            );
            self.open = Some(Open {
                rule,
                error: error(why),
            });
        } else if rule.id > 0 {
            // A faulty one too: what names it is not faulty for that.
            self.ids.insert(rule.id, self.items.len());
            self.items.push(Some(Item::Rule(Box::new(rule))));
        }
    }

    fn link(&self, mut rule: Rule, said: Draft, faults: &mut Vec<Fault>) -> Rule {
        for (action, at) in said.actions.starter_only() {
            faults.push(starter_only(action.name, at));
        }
        let defaults = self.defaults.of(rule.phase);
        rule.log = said.actions.log.unwrap_or(rule.log);
        rule.audit_log = said.actions.audit_log.unwrap_or(rule.audit_log);
        rule.links.push(link(said, defaults).0);
        rule
    }

    fn starter(
        &mut self,
        said: Draft,
        faults: &mut Vec<Fault>,
        files: &[Box<str>],
        error: &impl Fn(Fault) -> LoadError,
    ) -> Rule {
        match said.actions.id {
            None if faults.is_empty() => faults.push(Fault::new(
                0,
                Code::IdMissing,
                "This rule has no id: write id: and a number that no other rule has. Numbers up to 99,999 are for one's own rules.",
            )),
            None => {}
            Some((id, at)) => {
                let first = self.ids.get(&id).and_then(|index| self.items.get(*index));
                if let Some(Some(Item::Rule(first))) = first {
                    let file = files.get(first.place.file as usize);
                    faults.push(Fault::new(
                        at,
                        Code::IdTwice,
                        format!(
                            "Rule {id} is there already, in {}, line {}.",
                            file.map_or("", |file| file),
                            first.place.line
                        ),
                    ));
                }
            }
        }
        let id = said.actions.id.map_or(0, |(id, _)| id);
        if let Some((name, at)) = &said.actions.skip_after {
            self.skips.push((id, error(unknown_marker(*at, name))));
        }
        let phase = said.actions.phase.unwrap_or(Phase::RequestBody);
        let defaults = self.defaults.of(phase);
        let place = said.place;
        let (mut link, actions) = link(said, defaults);
        link.effects.splice(0..0, defaults.effects.iter().cloned());
        let mut rule = Rule {
            id,
            place,
            phase,
            message: None,
            log_data: None,
            tags: defaults.tags.clone(),
            severity: None,
            version: None,
            revision: None,
            disruptive: defaults.disruptive.clone(),
            status: defaults.status,
            log: defaults.log,
            audit_log: defaults.audit_log,
            skip: 0,
            skip_after: None,
            links: vec![link],
        };
        apply(&mut rule, actions, defaults);
        rule
    }

    /// All items in their order, and what is wrong with skips.
    pub fn finish(mut self) -> (Vec<Item>, Vec<LoadError>) {
        let mut markers: HashMap<&str, usize> = HashMap::new();
        for (index, item) in self.items.iter().enumerate() {
            if let Some(Item::Marker(name)) = item {
                markers.insert(name, index);
            }
        }
        let mut errors = Vec::new();
        let mut new_markers: BTreeMap<usize, Box<str>> = BTreeMap::new();
        for (id, error) in self.skips {
            let Some(index) = self.ids.get(&id) else {
                continue;
            };
            let Some(Some(Item::Rule(rule))) = self.items.get(*index) else {
                continue;
            };
            let Some(name) = rule.skip_after.as_deref() else {
                continue;
            };
            let by_id = || name.parse().ok().and_then(|id: u64| self.ids.get(&id));
            match (markers.get(name), by_id()) {
                (Some(marker), _) if marker > index => {}
                (None, Some(rule)) if rule > index => {
                    new_markers.insert(*rule, name.into());
                }
                _ => errors.push(error),
            }
        }
        let mut items = Vec::with_capacity(self.items.len() + new_markers.len());
        for (index, item) in self.items.drain(..).enumerate() {
            items.extend(item);
            items.extend(new_markers.remove(&index).map(Item::Marker));
        }
        (items, errors)
    }
}

/// A link, and what its actions say beside it.
fn link(said: Draft, defaults: &PhaseDefaults) -> (Link, Actions) {
    let mut actions = said.actions;
    let link = Link {
        place: said.place,
        targets: said.targets,
        test: said.test,
        transformations: resolved(&defaults.transformations, &actions.transformations),
        multi_match: actions.multi_match,
        capture: actions.capture,
        effects: std::mem::take(&mut actions.effects),
    };
    (link, actions)
}

/// What actions say of a rule as a whole.
pub(super) fn apply(rule: &mut Rule, actions: Actions, defaults: &PhaseDefaults) {
    rule.message = actions.message.or(rule.message.take());
    rule.log_data = actions.log_data.or(rule.log_data.take());
    rule.tags.extend(actions.tags);
    rule.severity = actions.severity.or(rule.severity);
    rule.version = actions.version.or(rule.version.take());
    rule.revision = actions.revision.or(rule.revision.take());
    match actions.disruptive {
        Some(Said::Block) => rule.disruptive = defaults.disruptive.clone(),
        Some(Said::Is(disruptive)) => rule.disruptive = disruptive,
        None => {}
    }
    rule.status = actions.status.or(rule.status);
    rule.log = actions.log.unwrap_or(rule.log);
    rule.audit_log = actions.audit_log.unwrap_or(rule.audit_log);
    rule.skip = actions.skip.unwrap_or(rule.skip);
    rule.skip_after = match actions.skip_after {
        Some((name, _)) => Some(name),
        None => rule.skip_after.take(),
    };
    if rule.disruptive == Disruptive::Pass {
        // What refuses nothing has no status; `pass,status:403` is often written.
        rule.status = None;
    }
}
