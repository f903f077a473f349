//! `enumeration`: who goes through all there is.
//!
//! # Description
//! Where ids can be guessed, whoever reads one object tries the next, and each
//! request looks like any other. What tells is the sum: more objects than
//! anybody has need of, numbers one after the other, or one in two that is not
//! there or not for the caller. It is counted for each caller of an API, and
//! who does it is refused for a while.
//!
//! What was asked for is kept by the caller's [`Seen`], which the room asks
//! for with [`crate::Need::Sight`]; how it ended is told there afterwards.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`OBJECTS`], [`WALKING`], [`REFUSED`].
//!
//! # Example
//! ```yaml
//! authorize:
//!   enumeration: {objects: 1000, steps: 100, window: 1h, block: 10m}
//! ```
//!
//! Source: OWASP API Security Top 10 2023, API1 and API6; CWE-639.

use std::net::IpAddr;
use std::sync::Arc;

use lockgate_wire::{query, target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{retry_after, waiting, CounterKey, Seed, Sip, SECOND_NS};
use crate::only::{Meant, Only};
use crate::{
    Answers, ConfigError, Denial, Identity, Need, PolicyError, ReasonRef, RequestView, Verdict,
};

mod reasons;
mod seen;

pub use reasons::*;
pub use seen::{Bounds, Flag, Seen, Sighting, Unusual, MAX_OBJECTS, RUNS, STRIDE};

/// The room's name everywhere.
pub const NAME: &str = "enumeration";

/// Most parameters that name objects.
pub const MAX_NAMES: usize = 16;

/// Longest number that somebody could walk by, digits.
const DIGITS: usize = 18;

/// Longest text behind a number that a server may take no notice of, such as `.json`, bytes.
const REST: usize = 8;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EnumerationConfig")]
pub struct Config {
    /// Requests that it is for.
    pub what: Vec<Only>,
    /// Parameters of the query that name objects, beside the path.
    pub query: Vec<String>,
    /// From when on it is too much.
    pub bounds: Bounds,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Enumeration {
    meant: Box<[Meant]>,
    query: Box<[Box<str>]>,
    bounds: Bounds,
    seed: Seed,
}

/// Who asks, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who it is.
    pub identity: Option<&'a Identity>,
    /// What stands in the places of the names in the operation's path.
    pub captures: &'a [(Arc<str>, String)],
    /// The client's address.
    pub address: IpAddr,
    /// Whether that is a trusted proxy's own, which told of no client.
    pub proxy: bool,
    /// Whether the verdict is only written down: then it is counted apart.
    pub shadow: bool,
    /// The time, milliseconds since the epoch.
    pub now_ms: u64,
}

impl Enumeration {
    /// Compiles the config.
    ///
    /// # Errors
    /// A bound that bounds nothing, or a part of an API that is none.
    pub fn new(config: &Config, seed: Seed) -> Result<Self, ConfigError> {
        let wrong =
            |pointer: &str, message: String| Err(ConfigError::new("not-a-bound", pointer, message));
        let bounds = config.bounds;
        if bounds.objects > MAX_OBJECTS {
            let message = format!("at most {MAX_OBJECTS} objects are told apart");
            return wrong("/bounds/objects", message);
        }
        if bounds.percent > 100 {
            return wrong("/bounds/percent", "there are 100 in a hundred".to_owned());
        }
        if bounds.window_ms == 0 || bounds.block_ms == 0 {
            return wrong("/bounds", "a time is at least a millisecond".to_owned());
        }
        if config.query.len() > MAX_NAMES {
            return wrong(
                "/query",
                format!("at most {MAX_NAMES} parameters are named"),
            );
        }
        let meant = config.what.iter().map(Meant::new);
        Ok(Self {
            meant: meant.collect::<Result<_, _>>()?,
            query: config.query.iter().map(|name| (&**name).into()).collect(),
            bounds,
            seed,
        })
    }

    /// From when on it is too much.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Asks what was seen of the caller, and judges by it.
    ///
    /// # Errors
    /// If the answer is not the one that was asked for.
    pub fn decide(
        &self,
        view: &RequestView<'_>,
        asked: &Asked<'_>,
        answers: &Answers,
    ) -> Result<Verdict, PolicyError> {
        match answers {
            Answers::None => Ok(self
                .sighting(view, asked)
                .map_or_else(Verdict::allow, |one| Verdict::Need(Need::Sight(one.into())))),
            Answers::Sighted(_, None) => Ok(Verdict::allow()),
            Answers::Sighted(sighting, Some(flag)) => {
                let reason: ReasonRef = match flag.why {
                    Unusual::Objects => &OBJECTS,
                    Unusual::Walking => &WALKING,
                    Unusual::Refused => &REFUSED,
                };
                let wait_ns = flag.until_ms.saturating_sub(asked.now_ms) * (SECOND_NS / 1_000);
                let now_ns = asked.now_ms.saturating_mul(SECOND_NS / 1_000);
                let retry_s = retry_after(sighting.key, wait_ns, now_ns);
                Ok(Verdict::Deny(waiting(Denial::new(reason), retry_s)))
            }
            _ => Err(PolicyError::new(
                NAME,
                "it asked what was seen, and was told something else",
            )),
        }
    }

    /// What is asked for, and by whom; none where it names no object.
    fn sighting(&self, view: &RequestView<'_>, asked: &Asked<'_>) -> Option<Sighting> {
        if !self.meant.iter().any(|meant| meant.hold(view)) {
            return None;
        }
        // A trusted proxy that names no client stands for all of them.
        if asked.identity.is_none() && asked.proxy {
            return None;
        }
        let path = target::for_matching(view.path);
        let mut parts: Vec<(&str, &str)> = Vec::new();
        if view.operation.is_some() {
            let values = asked.captures.iter();
            parts.extend(values.map(|(name, value)| (&**name, value.as_str())));
        } else {
            let segments = path.split('/');
            let named = segments.filter(|one| one.bytes().any(|byte| byte.is_ascii_digit()));
            parts.extend(named.map(|one| ("", one)));
        }
        let found: Vec<_> = self
            .query
            .iter()
            .filter_map(|name| match query::find_strictly(view.query, name) {
                query::Found::Once(value) => Some((&**name, value)),
                // Which of them counts is the API's affair: together they are something.
                query::Found::Ambiguous => Some((&**name, view.query?.into())),
                query::Found::Absent => None,
            })
            .collect();
        parts.extend(found.iter().map(|(name, value)| (*name, &**value)));
        if parts.is_empty() {
            return None;
        }
        let mut object = self.begin(view, b"object");
        for (name, value) in &parts {
            object.part(name.as_bytes());
            object.part(value.as_bytes());
        }
        if view.operation.is_none() {
            object.part(path.as_bytes());
        }
        let found = parts.iter().enumerate();
        let mut found = found.filter_map(|(at, (_, value))| Some((at, number(value)?)));
        let (first, last) = (found.next(), found.next_back());
        let (first, last) = if last.is_some() {
            (first, last)
        } else {
            (None, first)
        };
        let at_last = last.map(|(at, one)| self.walked(view, &path, &parts, (at, one)));
        // What stands behind it may be another each time, and says nothing of where one walks.
        let at_first = first
            .map(|(at, one)| self.walked(view, before_number(&path), &parts[..=at], (at, one)));
        Some(Sighting {
            key: self.key(view, asked),
            chosen: asked.identity.is_none(),
            object: short(object),
            numbers: [at_last, at_first],
            bounds: self.bounds,
        })
    }

    /// Where a number stands, told without it: whoever walks walks in one place. And the number.
    fn walked(
        &self,
        view: &RequestView<'_>,
        path: &str,
        parts: &[(&str, &str)],
        (at, (walking, around)): (usize, Number),
    ) -> (u32, u64) {
        let mut place = self.begin(view, b"place");
        for (number, (name, value)) in parts.iter().enumerate() {
            place.part(name.as_bytes());
            if number == at {
                around.iter().for_each(|part| place.part(part.as_bytes()));
            } else {
                place.part(value.as_bytes());
            }
        }
        if view.operation.is_none() {
            // Many servers heed neither letters nor a slash at the end: no spelling hides a row.
            let lower = path.to_ascii_lowercase();
            let fixed = lower.split('/').filter(|one| !one.is_empty());
            let fixed = fixed.filter(|one| !one.bytes().any(|byte| byte.is_ascii_digit()));
            fixed.for_each(|one| place.part(one.as_bytes()));
        }
        (short(place), walking)
    }

    fn begin(&self, view: &RequestView<'_>, kind: &[u8]) -> Sip {
        let mut sip = self.seed.begin();
        sip.part(NAME.as_bytes());
        sip.part(kind);
        sip.part(view.operation.unwrap_or_default().as_bytes());
        sip
    }

    fn key(&self, view: &RequestView<'_>, asked: &Asked<'_>) -> CounterKey {
        let mut sip = self.seed.begin();
        sip.part(NAME.as_bytes());
        sip.part(view.api.as_bytes());
        sip.word(u64::from(asked.shadow));
        match (asked.identity, asked.address.to_canonical()) {
            (Some(identity), _) => {
                sip.word(2);
                sip.part(identity.credential.as_bytes());
            }
            (None, IpAddr::V4(v4)) => {
                sip.word(0);
                sip.part(&v4.octets());
            }
            // Whoever has a network of IPv6 has all of its addresses.
            (None, IpAddr::V6(v6)) => {
                sip.word(1);
                sip.part(&v6.octets()[..8]);
            }
        }
        sip.end()
    }
}

#[allow(clippy::cast_possible_truncation)] // As many bits as are kept of each.
fn short(sip: Sip) -> u32 {
    sip.end().0 as u32
}

/// A path up to the first of its segments with a number; all of it where none has.
fn before_number(path: &str) -> &str {
    let mut begins = 0;
    for segment in path.split('/') {
        if number(segment).is_some() {
            return &path[..begins];
        }
        begins += segment.len() + 1;
    }
    path
}

/// A number, and what stands around it.
type Number = (u64, [String; 2]);

/// The number in a text that somebody could walk by, and what stands around it where that says where one walks.
///
/// Many servers read the number that a text begins with and take no notice of the rest, nor of blanks, a plus and
/// zeros before it: these are ways of spelling it. A text with more numbers, or a long rest, is no number but a name.
fn number(text: &str) -> Option<Number> {
    let text = query::decoded(text);
    let text = text.trim_matches(|one: char| one.is_whitespace() || one == '+');
    let is_digit = |one: char| one.is_ascii_digit();
    let (before, rest) = text.split_at(text.find(is_digit)?);
    let (digits, behind) = rest.split_at(rest.find(|one| !is_digit(one)).unwrap_or(rest.len()));
    let around = match before {
        "" if behind.len() <= REST => ["", ""],
        "" => return None,
        _ if behind.contains(is_digit) => return None,
        _ => [before, behind],
    };
    let around = around.map(str::to_ascii_lowercase);
    match digits.trim_start_matches('0') {
        "" => Some((0, around)),
        plain if plain.len() <= DIGITS => Some((plain.parse().ok()?, around)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
