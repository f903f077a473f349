//! Issuers' keys, as facts tell them. Read on each request that brings a token,
//! written a few times a day: a map that is swapped whole.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use lockgate_policy::jwt::{read_key_set, KeySet};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

/// Issuers whose keys are kept: each has a name in the configuration.
const ISSUERS: usize = 4_096;

/// An issuer's keys, as facts tell them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySetFact {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// From where they are: another source's keys are another issuer's.
    pub source: String,
    /// When the issuer confirmed them, milliseconds since the epoch.
    pub confirmed_ms: u64,
    /// The keys (RFC 7517).
    pub keys: Vec<Value>,
}

impl KeySetFact {
    /// The set, ready to verify with.
    pub(super) fn read(&self) -> Result<KeySet, String> {
        let text = json!({ "keys": self.keys }).to_string();
        let read = read_key_set(text.as_bytes())?;
        Ok(read.into_key_set(&self.source, self.confirmed_ms))
    }
}

type Sets = HashMap<Box<str>, Arc<KeySet>, RandomState>;

/// The keys of every issuer.
#[derive(Debug, Default)]
pub(super) struct KeySets(ArcSwap<Sets>);

impl KeySets {
    /// The keys of an issuer, where any were ever fetched.
    pub(super) fn of(&self, issuer: &str) -> Option<Arc<KeySet>> {
        self.0.load().get(issuer).map(Arc::clone)
    }

    pub(super) fn len(&self) -> usize {
        self.0.load().len()
    }

    pub(super) fn put(&self, fact: &KeySetFact) {
        // What the gate cannot read was refused before; its own log may hold an older form.
        if let Ok(set) = fact.read() {
            self.change(|sets| {
                if sets.len() < ISSUERS || sets.contains_key(&*fact.issuer) {
                    sets.insert(fact.issuer.as_str().into(), Arc::new(set));
                }
            });
        }
    }

    pub(super) fn confirm(&self, issuer: &str, source: &str, confirmed_ms: u64) {
        self.change(|sets| {
            if let Some(set) = sets.get_mut(issuer).filter(|set| &*set.source == source) {
                *set = Arc::new(set.confirmed(confirmed_ms));
            }
        });
    }

    pub(super) fn forget(&self, issuer: &str) {
        self.change(|sets| {
            sets.remove(issuer);
        });
    }

    /// Takes the place of all that is known with what `other` knows.
    pub(super) fn replace(&self, other: &Self) {
        self.0.store(other.0.load_full());
    }

    // Facts are applied one after the other, under a lock: no change is lost.
    fn change(&self, change: impl FnOnce(&mut Sets)) {
        let mut sets = Sets::clone(&self.0.load());
        change(&mut sets);
        self.0.store(Arc::new(sets));
    }
}
