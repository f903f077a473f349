//! Rule sets of bundles, by what they say: their place in a bundle's list says
//! nothing, and what their rules find in a request, no event can tell.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lockgate_policy::waf::{Meaning, RuleSet};
use serde::Serialize;
use serde_json::{json, Value};

/// An API whose requests were judged by other rules than what is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherRules {
    /// The API.
    pub api: String,
    /// What the rules were called then.
    pub before: String,
    /// What they are called now.
    pub after: String,
    /// Rules that are new.
    pub added: u64,
    /// Rules that are gone.
    pub gone: u64,
    /// Rules that look for something else, elsewhere, or do something else with it.
    pub changed: u64,
    /// Requests that such rules judged then.
    pub requests: u64,
}

/// A rule set, and what it says.
#[derive(Debug)]
pub(super) struct Meant {
    name: String,
    pub digest: String,
    rules: BTreeMap<u64, String>,
}

/// All rule sets that were met; the same text is read once.
#[derive(Debug, Default)]
pub(super) struct RuleSets(HashMap<String, Arc<Meant>>);

impl RuleSets {
    /// Those of a bundle's document, in its order.
    pub fn of(&mut self, document: &Value) -> Vec<Arc<Meant>> {
        let sets = document.get("rule_sets").and_then(Value::as_array);
        let sets = sets.into_iter().flatten();
        sets.map(|set| self.meant(set)).collect()
    }

    fn meant(&mut self, set: &Value) -> Arc<Meant> {
        let text = json!([set.get("files"), set.get("entries")]).to_string();
        if let Some(known) = self.0.get(&text) {
            return Arc::clone(known);
        }
        let read: Option<RuleSet> = serde_json::from_value(set.clone()).ok();
        // What an older version wrote and this one cannot read is what its text is.
        let meaning = read
            .as_ref()
            .and_then(Meaning::of)
            .unwrap_or_else(|| Meaning {
                rules: BTreeMap::new(),
                whole: text.clone(),
            });
        let name = set.get("name").and_then(Value::as_str);
        let meant = Arc::new(Meant {
            name: name.unwrap_or_default().to_owned(),
            digest: meaning.whole,
            rules: meaning.rules,
        });
        self.0.insert(text, Arc::clone(&meant));
        meant
    }
}

/// What an API's requests were judged by then, and would be now.
#[derive(Debug, Default)]
pub(super) struct Differing(BTreeMap<(String, String, String), OtherRules>);

impl Differing {
    /// One more request.
    pub fn add(&mut self, api: &str, before: &Meant, after: &Meant) {
        let key = (api.to_owned(), before.digest.clone(), after.digest.clone());
        let told = self.0.entry(key).or_insert_with(|| {
            let missing = |of: &Meant, other: &Meant| {
                let ids = of.rules.keys();
                ids.filter(|id| !other.rules.contains_key(id)).count() as u64
            };
            let both = before.rules.iter();
            let both = both.filter_map(|(id, sense)| Some((sense, after.rules.get(id)?)));
            OtherRules {
                api: api.to_owned(),
                before: before.name.clone(),
                after: after.name.clone(),
                added: missing(after, before),
                gone: missing(before, after),
                changed: both.filter(|(was, is)| was != is).count() as u64,
                requests: 0,
            }
        });
        told.requests += 1;
    }

    /// All of them.
    pub fn list(&self) -> Vec<OtherRules> {
        self.0.values().cloned().collect()
    }
}
