//! What changes, counted by client and route: bounded, whatever the past holds.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use serde::Serialize;

use super::{Change, Ending};
use crate::events::{Event, Exchange};

/// Most groups that are told apart. A crowd of addresses is one client each,
/// and nobody reads ten thousand lines: beyond them, addresses are one group.
pub const GROUPS_MAX: usize = 10_000;

/// Ids that a group names, the first and the latest ones.
const EXAMPLES_MAX: usize = 5;

/// A place in the proposed configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// The file, as the configuration names it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// Requests of one client to one route to which the same happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What changes.
    pub change: &'static str,
    /// Why it cannot be told, if it cannot.
    pub why: Option<&'static str>,
    /// The credential's public id.
    pub key: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The address of one who showed no credential.
    pub address: Option<IpAddr>,
    /// The method.
    pub method: String,
    /// The API that it goes to now, or else went to.
    pub api: Option<String>,
    /// The route's pattern.
    pub route: Option<String>,
    /// The operation of the API's document.
    pub operation: Option<String>,
    /// Why it was refused then.
    pub before: Option<String>,
    /// Why it would be refused now.
    pub after: Option<String>,
    /// The line that would refuse it.
    pub place: Option<Place>,
    /// How many.
    pub requests: u64,
    /// Ids of some of them.
    pub examples: Vec<String>,
    /// When the first was, milliseconds since the epoch.
    pub first_ms: u64,
    /// When the last was.
    pub last_ms: u64,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Name {
    change: &'static str,
    why: Option<&'static str>,
    key: Option<String>,
    owner: Option<String>,
    address: Option<IpAddr>,
    method: String,
    api: Option<String>,
    route: Option<String>,
    operation: Option<String>,
    before: Option<String>,
    after: Option<String>,
    place: Option<Place>,
}

#[derive(Debug, Default)]
struct Counted {
    requests: u64,
    examples: Vec<String>,
    first_ms: u64,
    last_ms: u64,
}

/// All groups so far.
#[derive(Debug, Default)]
pub(super) struct Groups {
    counted: HashMap<Name, Counted, RandomState>,
}

impl Groups {
    /// Counts a request that something changes for.
    pub fn add(&mut self, change: &Change, event: &Event, then: &Exchange, now: Option<Ending>) {
        let now = now.unwrap_or_default();
        let anonymous = then.key.is_none() && then.identity.is_none();
        let mut name = Name {
            change: change.as_str(),
            why: match change {
                Change::Undecidable(why) => Some(why),
                _ => None,
            },
            key: then.key.clone(),
            owner: then.identity.clone(),
            address: anonymous.then_some(then.peer),
            method: then.method.clone(),
            api: now.api.or_else(|| then.api.clone()),
            route: now.route.or_else(|| then.route.clone()),
            operation: now.operation.or_else(|| then.operation.clone()),
            before: then.reason.clone(),
            after: now.reason,
            place: now.place,
        };
        if self.counted.len() >= GROUPS_MAX && !self.counted.contains_key(&name) {
            // There are only so many reasons, lines, routes and methods that are anyone's.
            name = Name {
                key: None,
                owner: None,
                address: None,
                method: String::new(),
                route: None,
                operation: None,
                ..name
            };
        }
        let counted = self.counted.entry(name).or_default();
        if counted.requests == 0 {
            counted.first_ms = event.at_ms;
        }
        counted.requests += 1;
        counted.first_ms = counted.first_ms.min(event.at_ms);
        counted.last_ms = counted.last_ms.max(event.at_ms);
        if counted.examples.len() < EXAMPLES_MAX {
            counted.examples.push(event.id.clone());
        }
    }

    /// The groups, most frequent first; equal ones by their names, so that two runs say the same.
    pub fn list(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self
            .counted
            .iter()
            .map(|(name, counted)| Group {
                change: name.change,
                why: name.why,
                key: name.key.clone(),
                owner: name.owner.clone(),
                address: name.address,
                method: name.method.clone(),
                api: name.api.clone(),
                route: name.route.clone(),
                operation: name.operation.clone(),
                before: name.before.clone(),
                after: name.after.clone(),
                place: name.place.clone(),
                requests: counted.requests,
                examples: counted.examples.clone(),
                first_ms: counted.first_ms,
                last_ms: counted.last_ms,
            })
            .collect();
        groups.sort_unstable_by(|a, b| {
            let order = |group: &Group| {
                (
                    std::cmp::Reverse(group.requests),
                    group.change,
                    group.api.clone(),
                    group.route.clone(),
                    group.method.clone(),
                    group.key.clone(),
                    group.address,
                    group.after.clone(),
                    group.before.clone(),
                )
            };
            order(a).cmp(&order(b))
        });
        groups
    }
}
