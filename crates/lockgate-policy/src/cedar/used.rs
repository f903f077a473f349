//! Which attributes policies look at: what none of them does is not made for a request.

use serde_json::Value;

use super::looks::{Looks, LOOKS};
use super::shape::Field;

/// The attributes that some policies look at, each by its whole way from a variable:
/// `context.network.address`. One that is only asked for by `has` ends in `?`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Used(Vec<String>);

impl Used {
    /// Adds what a policy looks at, in Cedar's JSON form of it.
    pub fn add(&mut self, policy: &Value) {
        for condition in policy
            .get("conditions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.walk(condition.get("body").unwrap_or(&Value::Null));
        }
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// The same, as requests ask for it.
    pub fn looks(&self) -> Looks {
        let looked = LOOKS.iter().filter(|(_, place)| self.has(place));
        looked.map(|(look, _)| *look).collect()
    }

    /// Those of the fields at a place that are looked at.
    pub fn of(&self, fields: &[Field], at: &str) -> Box<[Field]> {
        let looked = |field: &&Field| self.has(&format!("{at}.{}", field.name));
        fields.iter().filter(looked).cloned().collect()
    }

    /// Whether something at this place, within it or around it, is looked at.
    fn has(&self, place: &str) -> bool {
        let within = |one: &str, other: &str| {
            one.strip_prefix(other)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.0.iter().any(|used| match used.strip_suffix('?') {
            // Whether it is there says nothing of what is within it.
            Some(asked) => within(asked, place),
            None => within(used, place) || within(place, used),
        })
    }

    fn walk(&mut self, node: &Value) {
        if let Some(way) = way(node) {
            self.0.push(way);
            return;
        }
        match node {
            Value::Object(members) => members.values().for_each(|each| self.walk(each)),
            Value::Array(all) => all.iter().for_each(|each| self.walk(each)),
            _ => {}
        }
    }
}

/// The way from a variable that an expression is, if it is nothing else.
fn way(node: &Value) -> Option<String> {
    if let Some(variable) = node.get("Var") {
        // A caller or a resource by itself is a name; only the context is all that is in it.
        return Some(variable.as_str()?.to_owned()).filter(|name| name == "context");
    }
    let step = |part: &Value, end: &str| {
        let (left, attribute) = (part.get("left")?, part.get("attr")?.as_str()?);
        let before = match left.get("Var") {
            Some(variable) => variable.as_str()?.to_owned(),
            None => way(left)?,
        };
        Some(format!("{before}.{attribute}{end}"))
    };
    match (node.get("."), node.get("has")) {
        (Some(part), _) => step(part, ""),
        (_, Some(part)) => step(part, "?"),
        _ => None,
    }
}
