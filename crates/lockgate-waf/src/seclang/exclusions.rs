//! Directives that take out or change rules above them.
//!
//! They concern what stands before them, as in ModSecurity 2 and as the
//! manual says: a rule of one's own that follows is left alone. One that names
//! only rules below it would do nothing, which is an error; one that names no
//! rule at all is told in a notice.

pub(super) mod which;

use std::collections::BTreeMap;

use regex_automata::meta::{self, Regex};

use super::actions::Actions;
use super::assembly::{self, Assembly};
use super::codes::Code;
use super::defaults::resolved;
use super::errors::{Fault, LoadError};
use super::language::actions::Word;
use crate::rule::{Item, Notice, Place, Rule, Selector, Target, Which};

/// A directive that found no rule to change.
#[derive(Debug)]
pub(super) struct Idle {
    which: Which,
    notice: Notice,
    error: LoadError,
}

/// Where the rules stand that are meant.
fn chosen(items: &[Option<Item>], ids: &BTreeMap<u64, usize>, which: &Which) -> Vec<usize> {
    let (pattern, by_tag) = match which {
        Which::Ids(ranges) => {
            let ranges = ranges.iter();
            return ranges
                .flat_map(|(from, to)| ids.range(from..=to).map(|(_, index)| *index))
                .collect();
        }
        Which::Tag(pattern) => (pattern, true),
        Which::Message(pattern) => (pattern, false),
    };
    // Patterns are of bytes: what they find need not begin where a character does.
    let bytes = meta::Config::new().utf8_empty(false);
    let Ok(regex) = Regex::builder()
        .configure(bytes)
        .build_from_hir(&pattern.hir)
    else {
        return Vec::new();
    };
    let means = |rule: &Rule| {
        if by_tag {
            rule.tags.iter().any(|tag| regex.is_match(tag.as_bytes()))
        } else {
            rule.message
                .as_ref()
                .is_some_and(|message| regex.is_match(&which::shown(message)))
        }
    };
    let rules = items.iter().enumerate();
    rules
        .filter(|(_, item)| matches!(item, Some(Item::Rule(rule)) if means(rule)))
        .map(|(index, _)| index)
        .collect()
}

impl Assembly {
    /// The rules that a directive means; where there is none, that is kept to be told.
    pub fn meant(
        &mut self,
        which: Which,
        place: Place,
        directive: &str,
        error: LoadError,
    ) -> Vec<usize> {
        let found = chosen(&self.items, &self.ids, &which);
        if found.is_empty() {
            self.idle.push(Idle {
                which,
                notice: Notice {
                    place,
                    directive: directive.into(),
                    instead: "it names no rule of these files, and changes nothing",
                    matters: true,
                },
                error,
            });
        }
        found
    }

    /// `SecRuleRemoveBy…`.
    pub fn remove(&mut self, which: Which, place: Place, directive: &str, error: LoadError) {
        for index in self.meant(which, place, directive, error) {
            if let Some(Item::Rule(rule)) = self.items.get_mut(index).and_then(Option::take) {
                self.ids.remove(&rule.id);
            }
        }
    }

    /// `SecRuleUpdateTargetBy…`: more targets for the first link of the rules that
    /// stand there, or others in place of `replaced`.
    pub fn update_targets(&mut self, rules: &[usize], targets: &[Target], replaced: &[Target]) {
        for index in rules {
            let Some(Some(Item::Rule(rule))) = self.items.get_mut(*index) else {
                continue;
            };
            if let Some(link) = rule.links.first_mut() {
                link.targets
                    .retain(|target| !replaced.iter().any(|other| is_same(target, other)));
                link.targets.extend_from_slice(targets);
            }
        }
    }

    /// `SecRuleUpdateActionById`: what a rule's link does more, or otherwise.
    pub fn update_actions(
        &mut self,
        id: u64,
        link: usize,
        actions: Actions,
        at: usize,
        error: impl Fn(Fault) -> LoadError,
    ) -> Result<(), Fault> {
        for (action, at) in &actions.said {
            if matches!(action.word, Word::Id | Word::Phase | Word::Chain) {
                return Err(Fault::new(
                    *at,
                    Code::BadAction,
                    format!(
                        "{} of a rule cannot be changed. Take the rule out, and write another.",
                        action.name
                    ),
                ));
            }
        }
        let found = self.ids.get(&id).copied();
        let Some(Some(Item::Rule(rule))) = found.and_then(|index| self.items.get_mut(index)) else {
            return Err(Fault::new(
                at,
                Code::UpdateTooEarly,
                format!(
                    "There is no rule {id} above: this has to follow the rule that it changes."
                ),
            ));
        };
        let own = rule.links.get_mut(link);
        let Some(own) = own else {
            return Err(Fault::new(
                at,
                Code::BadValue,
                format!("Rule {id} has no link {link}."),
            ));
        };
        own.transformations = resolved(&own.transformations, &actions.transformations);
        own.multi_match |= actions.multi_match;
        own.capture |= actions.capture;
        own.effects.extend(actions.effects.iter().cloned());
        let starter_only = actions.starter_only().next();
        if let (true, Some((action, at))) = (link > 0, starter_only) {
            return Err(assembly::starter_only(action.name, at));
        }
        if let Some((name, at)) = &actions.skip_after {
            let why = assembly::unknown_marker(*at, name);
            self.skips.push((id, error(why)));
        }
        let defaults = self.defaults.of(rule.phase);
        assembly::apply(rule, actions, defaults);
        Ok(())
    }

    /// Directives that changed nothing: what stands below them is an error.
    pub fn tell_idle(&mut self) -> (Vec<Notice>, Vec<LoadError>) {
        let (mut notices, mut errors) = (Vec::new(), Vec::new());
        for idle in std::mem::take(&mut self.idle) {
            if chosen(&self.items, &self.ids, &idle.which).is_empty() {
                notices.push(idle.notice);
            } else {
                errors.push(idle.error);
            }
        }
        (notices, errors)
    }
}

/// Whether both name the same.
fn is_same(a: &Target, b: &Target) -> bool {
    let selectors = match (&a.selector, &b.selector) {
        (Selector::Named(a), Selector::Named(b)) => a == b,
        (Selector::Matching(a), Selector::Matching(b)) => a.source == b.source,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    selectors && a.collection == b.collection && (a.excluded, a.counted) == (b.excluded, b.counted)
}
