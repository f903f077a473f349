//! What rules say, whatever file and line they stand at: two sets that mean the
//! same refuse the same.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{digest, SHA256};
use lockgate_waf::rule::{Item, Place, Rule, Rules};

use super::rule_set::{read, RuleSet};

/// What a rule set says, in digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// Of each rule, by its id: what it looks for, where, and what it does.
    pub rules: BTreeMap<u64, String>,
    /// Of all rules in their order, of markers and settings too.
    pub whole: String,
}

impl Meaning {
    /// Of a set, as it is loaded; nothing where its rules cannot be read.
    #[must_use]
    pub fn of(set: &RuleSet) -> Option<Self> {
        read(set).ok().map(|rules| Self::new(&rules))
    }

    fn new(rules: &Rules) -> Self {
        let mut found = BTreeMap::new();
        let mut whole = String::new();
        for item in &rules.items {
            match item {
                Item::Rule(rule) => {
                    let sense = sense(rule);
                    whole.push_str(&sense);
                    found.insert(rule.id, sense);
                }
                Item::Marker(name) => whole.push_str(name),
            }
            whole.push('\n');
        }
        whole.push_str(&format!("{:?}{:?}", rules.settings, rules.signatures));
        Self {
            rules: found,
            whole: sum(&whole),
        }
    }
}

/// A digest of what a rule does, without where it stands and which version it is of.
#[must_use]
pub fn sense(rule: &Rule) -> String {
    let mut bare = rule.clone();
    bare.place = Place::default();
    bare.version = None;
    for link in &mut bare.links {
        link.place = Place::default();
    }
    sum(&format!("{bare:?}"))
}

fn sum(text: &str) -> String {
    let sum = digest(&SHA256, text.as_bytes());
    sum.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
