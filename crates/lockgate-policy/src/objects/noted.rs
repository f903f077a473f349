//! Where a request and its answer say what is also verified of the caller: places and names of
//! claims, never what they hold. Rules are proposed by it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lockgate_wire::query;
use serde_json::Value;

use crate::Identity;

/// Places of each kind that are told of one request: what owns something stands in one or two.
pub const MAX_TOLD: usize = 12;
/// Longest place with its claim, bytes: an event tells it whole or not at all.
pub const MAX_TOLD_BYTES: usize = 96;
/// Claims that are looked for, those within others and values in lists each for itself. Tokens have
/// some twenty.
const MAX_SAID: usize = 256;
/// Places of an answer that are looked at.
const MAX_PLACES: usize = 512;
/// Fields within fields of an answer, and of claims.
const MAX_DEPTH: usize = 6;
/// Members of what is still taken for an object with fields, and not for a table of things by their ids.
const MAX_FIELDS: usize = 64;
/// Letters of a name, and of a value that is compared. Ids are shorter (a UUID has 36).
const MAX_NAME: usize = 40;
const MAX_VALUE: usize = 256;

/// Claims that say nothing of whose something is: the same for everyone, or another each time.
const EXCEPT: [&str; 20] = [
    "iss",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "azp",
    "auth_time",
    "nonce",
    "at_hash",
    "c_hash",
    "acr",
    "amr",
    "scope",
    "scp",
    "typ",
    "sid",
    "session_state",
    "client_id",
    "cnf",
];

/// What was seen of one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Noted {
    /// Places that say what a claim does: `path:id claim:sub`; `[]` behind a claim that is a list.
    pub own: Vec<String>,
    /// Places of lists of which some items do and others do not.
    pub partly: Vec<String>,
    /// Lists of the answer that are empty: whose they are cannot be told.
    pub empty: Vec<String>,
    /// Whether the answer was looked at.
    pub answer: bool,
}

/// Where answers say something, and what.
#[derive(Default)]
struct Places {
    /// By place: how many values there are, and how many of them each claim says.
    found: BTreeMap<String, (usize, BTreeMap<usize, usize>)>,
    /// By place of its items: how many a list has.
    lists: BTreeMap<String, usize>,
}

/// What is verified of a caller, by its text.
struct Said<'i> {
    names: Vec<String>,
    by_text: HashMap<Cow<'i, str>, Vec<usize>>,
}

impl Noted {
    /// Looks at a request: at the path's names in braces, and at its query.
    #[must_use]
    pub fn of_request(
        identity: &Identity,
        captures: &[(Arc<str>, String)],
        query: Option<&str>,
    ) -> Self {
        let said = Said::of(identity);
        let mut own = Vec::new();
        let mut told = |kind: &str, name: &str, value: &str| {
            for claim in said.by(value) {
                tell(&mut own, format!("{kind}:{name} {claim}"));
            }
        };
        for (name, value) in captures {
            told("path", name, value);
        }
        for pair in query.into_iter().flat_map(query::pairs).take(MAX_TOLD) {
            let name = query::decoded(pair.name);
            if is_field(&name) {
                told("query", &name, &query::decoded(pair.value));
            }
        }
        Self {
            own,
            ..Self::default()
        }
    }

    /// Looks at the answer, too.
    pub fn add_answer(&mut self, identity: &Identity, document: &Value) {
        let said = Said::of(identity);
        let mut places = Places::default();
        places.walk(&said, document, String::new(), 0);
        self.answer = true;
        for (place, items) in &places.lists {
            if *items == 0 {
                tell(&mut self.empty, format!("response:{place}"));
            }
        }
        for (place, (values, by)) in &places.found {
            // An item without the field is nobody's.
            let all = match place.rfind('*') {
                Some(star) => places.lists.get(&place[..=star]).max(Some(values)),
                None => Some(values),
            };
            for (claim, count) in by {
                let whole = Some(count) == all;
                let list = if whole {
                    &mut self.own
                } else {
                    &mut self.partly
                };
                tell(list, format!("response:{place} {}", said.names[*claim]));
            }
        }
    }
}

impl Places {
    fn walk(&mut self, said: &Said<'_>, value: &Value, place: String, depth: usize) {
        if self.found.len() >= MAX_PLACES || depth > MAX_DEPTH {
            return;
        }
        match value {
            Value::Object(fields) if fields.len() <= MAX_FIELDS => {
                for (name, inner) in fields.iter().filter(|(name, _)| is_field(name)) {
                    self.walk(said, inner, format!("{place}/{name}"), depth + 1);
                }
            }
            Value::Array(items) => {
                let place = format!("{place}/*");
                *self.lists.entry(place.clone()).or_default() += items.len();
                for item in items {
                    self.walk(said, item, place.clone(), depth + 1);
                }
            }
            // The whole answer is no place in it.
            _ if place.is_empty() => {}
            value => {
                let (values, by) = self.found.entry(place).or_default();
                *values += 1;
                for claim in text(value).iter().flat_map(|text| said.numbers(text)) {
                    *by.entry(*claim).or_default() += 1;
                }
            }
        }
    }
}

impl<'i> Said<'i> {
    fn of(identity: &'i Identity) -> Self {
        let mut said = Self {
            names: Vec::new(),
            by_text: HashMap::new(),
        };
        for (name, value) in identity.claims.iter().flat_map(|claims| claims.iter()) {
            if !EXCEPT.contains(&name.as_str()) {
                said.claim(format!("claim:{name}"), name, value, 1);
            }
        }
        said.add("owner".to_owned(), Cow::Borrowed(&*identity.owner));
        if let Some(app) = identity.app.as_deref() {
            said.add("app".to_owned(), Cow::Borrowed(app));
        }
        said
    }

    fn claim(&mut self, name: String, last: &str, value: &'i Value, depth: usize) {
        // A dot in a rule leads inwards.
        if !is_field(last) || depth > MAX_DEPTH {
            return;
        }
        match value {
            Value::Object(fields) => {
                for (last, inner) in fields {
                    self.claim(format!("{name}.{last}"), last, inner, depth + 1);
                }
            }
            Value::Array(items) => {
                for text in items.iter().filter_map(text) {
                    self.add(format!("{name}[]"), text);
                }
            }
            value => {
                if let Some(text) = text(value) {
                    self.add(name, text);
                }
            }
        }
    }

    fn add(&mut self, name: String, text: Cow<'i, str>) {
        if text.is_empty() || text.len() > MAX_VALUE || self.by_text.len() >= MAX_SAID {
            return;
        }
        let number = match self.names.last() {
            Some(last) if *last == name => self.names.len() - 1,
            _ => {
                self.names.push(name);
                self.names.len() - 1
            }
        };
        let numbers = self.by_text.entry(text).or_default();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }

    fn numbers(&self, text: &str) -> &[usize] {
        self.by_text.get(text).map_or(&[], Vec::as_slice)
    }

    fn by<'s>(&'s self, text: &str) -> impl Iterator<Item = &'s str> + use<'s, 'i> {
        self.numbers(text)
            .iter()
            .map(|number| &*self.names[*number])
    }
}

/// Takes it in, where there is room.
fn tell(list: &mut Vec<String>, what: String) {
    if list.len() < MAX_TOLD && what.len() <= MAX_TOLD_BYTES {
        list.push(what);
    }
}

/// A text, or a whole number as it is written: what can be equal to anything.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string().into()),
        _ => None,
    }
}

/// Whether it is what a person calls a field: an id as the key of a table is data, and is not told.
fn is_field(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let begins = name
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit() && byte != b'-');
    begins && name.len() <= MAX_NAME && digits < 4 && name.bytes().all(letters)
}

#[cfg(test)]
mod tests;
