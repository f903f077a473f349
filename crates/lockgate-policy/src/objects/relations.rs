//! Relations that are looked up: who is in which team, which team has which account.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rule::Known;
use crate::{ConfigError, Identity};

/// Most relations that one rule goes through. Person, team, account, tenant are three steps apart.
pub const MAX_STEPS: usize = 4;
/// Most pairs that one caller is led along in each step: a millisecond or two of a worker's time.
pub const MAX_WALKED: usize = 10_000;

/// Most pairs of all relations together: some 20 MiB.
pub const MAX_PAIRS: usize = 200_000;

/// A relation, as a bundle has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// Its name.
    pub name: String,
    /// What leads to what.
    pub pairs: BTreeMap<String, Vec<String>>,
}

type Table = HashMap<Box<str>, Box<[Box<str>]>>;

/// The relations of a bundle, by name.
#[derive(Debug, Default)]
pub struct Relations(HashMap<Box<str>, Arc<Table>>);

impl Relations {
    /// Takes them in.
    ///
    /// # Errors
    /// If two have one name, or there are too many pairs.
    pub fn new(all: &[Relation]) -> Result<Self, ConfigError> {
        let pairs = all.iter().flat_map(|one| one.pairs.values()).map(Vec::len);
        if pairs.sum::<usize>() > MAX_PAIRS {
            let message = format!("at most {MAX_PAIRS} pairs are taken");
            return Err(ConfigError::new("relations-too-large", "", message));
        }
        let mut made = HashMap::new();
        for (place, one) in all.iter().enumerate() {
            let table = one.pairs.iter().map(|(from, to)| {
                let to = to.iter().map(|to| to.as_str().into()).collect();
                (from.as_str().into(), to)
            });
            let table = Arc::new(table.collect::<Table>());
            if made.insert(one.name.as_str().into(), table).is_some() {
                let message = format!("there are two relations `{}`", one.name);
                return Err(ConfigError::new(
                    "relation-twice",
                    format!("/{place}"),
                    message,
                ));
            }
        }
        Ok(Self(made))
    }

    /// The way through these.
    pub(super) fn way(&self, via: &[String]) -> Result<Way, ConfigError> {
        if via.is_empty() || via.len() > MAX_STEPS {
            let message = format!("a rule goes through one to {MAX_STEPS} relations");
            return Err(ConfigError::new("relation-steps", "/must", message));
        }
        let tables = via.iter().map(|name| {
            self.0.get(name.as_str()).cloned().ok_or_else(|| {
                let message = format!("there is no relation `{name}`");
                ConfigError::new("relation-unknown", "/must", message)
            })
        });
        tables.collect::<Result<_, _>>().map(Way)
    }
}

/// Relations, one after the other.
#[derive(Debug)]
pub struct Way(Box<[Arc<Table>]>);

impl Way {
    /// Everything that it leads to from what is known of somebody. It ends, whatever the relations
    /// say: each is gone through once, and nothing in it twice.
    pub(super) fn leads_to(&self, known: &Known, identity: &Identity) -> HashSet<&str> {
        let Some(known) = known.of(identity) else {
            return HashSet::new();
        };
        let from: &[Value] = match &*known {
            Value::Array(all) => all,
            one => std::slice::from_ref(one),
        };
        let Some((first, rest)) = self.0.split_first() else {
            return HashSet::new();
        };
        let texts = from.iter().filter_map(text);
        let begun = texts.filter_map(|text| first.get(&*text)).flatten();
        let mut reached = some(begun.map(|to| &**to));
        for table in rest {
            let next = reached.iter().filter_map(|one| table.get(*one)).flatten();
            reached = some(next.map(|to| &**to));
        }
        reached
    }
}

/// All of them; none where they are too many, for then nobody can tell in time whose something is.
fn some<'t>(all: impl Iterator<Item = &'t str>) -> HashSet<&'t str> {
    let mut found = HashSet::new();
    for (number, one) in all.enumerate() {
        if number >= MAX_WALKED {
            return HashSet::new();
        }
        found.insert(one);
    }
    found
}

/// What a claim is called in a relation: a text, or a whole number as it is written.
fn text(claim: &Value) -> Option<Cow<'_, str>> {
    match claim {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string().into()),
        _ => None,
    }
}
