//! What of a rule set can be set from outside: variables of `TX` that its rules
//! ask for and leave to whoever sets the rules up, as `crs-setup.conf` does.

mod known;

use std::collections::BTreeMap;

use super::{Collection, Item, Link, Operator, Piece, Place, Rule, Rules, Template};
use known::Known;

/// A variable that can be set from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setting {
    /// What rules give it where nobody has said it, if that is a text.
    pub default: Option<Box<str>>,
    /// Where a rule sets it whatever was said before.
    pub overwritten: Option<Place>,
}

/// What a rule compares a value with, where that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The variable.
    pub setting: Box<str>,
    /// How the value has to stand to it for a match.
    pub how: How,
    /// What is compared, as rules write it; of what a rule made of a value, that value.
    pub of: String,
}

/// How a value has to stand to a setting for a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is in the list.
    Listed,
    /// It is not in the list.
    Unlisted,
    /// It is more.
    More,
    /// It is less.
    Less,
    /// Otherwise.
    Other,
}

impl How {
    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Unlisted => "unlisted",
            Self::More => "more",
            Self::Less => "less",
            Self::Other => "other",
        }
    }

    fn of(operator: &Operator, negated: bool) -> Option<(Self, &Template)> {
        let how = match (operator, negated) {
            (Operator::Within(_), false) => Self::Listed,
            (Operator::Within(_), true) => Self::Unlisted,
            (Operator::Gt(_) | Operator::Ge(_), false)
            | (Operator::Lt(_) | Operator::Le(_), true) => Self::More,
            (Operator::Lt(_) | Operator::Le(_), false)
            | (Operator::Gt(_) | Operator::Ge(_), true) => Self::Less,
            _ => Self::Other,
        };
        operator.argument().map(|template| (how, template))
    }
}

/// All that can be set of some rules, by name: what they ask whether it is there
/// before they give it a value, and what they read and leave alone.
#[must_use]
pub fn settings(rules: &Rules) -> BTreeMap<Box<str>, Setting> {
    let mut known = Known::default();
    for item in &rules.items {
        if let Item::Rule(rule) = item {
            known.rule(rule);
        }
    }
    known.settings()
}

/// What a rule compares with what can be set.
#[must_use]
pub fn held(rule: &Rule, settings: &BTreeMap<Box<str>, Setting>) -> Vec<Held> {
    let mut found = Vec::new();
    for (number, link) in rule.links.iter().enumerate() {
        let Some((how, template)) = How::of(&link.test.operator, link.test.negated) else {
            continue;
        };
        // What earlier links made of a value stands for that.
        let of = rule.links[..=number]
            .iter()
            .rev()
            .find_map(compared)
            .unwrap_or_default();
        for name in named(template).filter(|name| settings.contains_key(&**name)) {
            found.push(Held {
                setting: name,
                how,
                of: of.clone(),
            });
        }
    }
    found
}

fn compared(link: &Link) -> Option<String> {
    let mut targets = link.targets.iter().filter(|target| !target.excluded);
    let first = targets.next()?;
    let made = matches!(
        first.collection,
        Collection::Tx | Collection::MatchedVar | Collection::MatchedVars
    );
    (!made).then(|| super::words::name(first))
}

/// Variables of `TX` that a text writes out, but for what a pattern caught.
fn named(template: &Template) -> impl Iterator<Item = Box<str>> + '_ {
    template.pieces.iter().filter_map(|piece| match piece {
        Piece::Macro(Collection::Tx, Some(name)) => text(name),
        _ => None,
    })
}

fn text(name: &[u8]) -> Option<Box<str>> {
    let caught = name.iter().all(u8::is_ascii_digit);
    let name = (!caught).then_some(name)?;
    Some(String::from_utf8_lossy(name).to_lowercase().into())
}

#[cfg(test)]
mod tests;
