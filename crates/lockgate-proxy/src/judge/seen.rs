//! What is told of a request that was looked at.

use std::borrow::Cow;
use std::sync::PoisonError;

use lockgate_policy::waf::SCANNER;
use lockgate_waf::engine::{fitting, score, Detected, Inspection, Matched};
use serde::Serialize;

use super::Inspecting;
use crate::events::{
    blotted, Finding, InspectedRecord, FOUND_MAX, FOUND_TEXT_MAX, PLACES_MAX, TEXT_MAX,
};
use crate::scan::Report;

/// What is told of an inspection that found something.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Seen {
    score: u32,
    threshold: u32,
    found: Vec<Finding>,
    by: String,
    left_out: u32,
}

impl Seen {
    /// Has the worse of this and another.
    pub fn worse_of(&mut self, other: Self) {
        if self.found.is_empty() || other.score > self.score {
            *self = other;
        }
    }

    /// Adds what a virus scanner said.
    fn add_scanned(&mut self, scanned: &Report) {
        if scanned.refuses {
            SCANNER.clone_into(&mut self.by);
        }
        let scanned = &scanned.found;
        let room = FOUND_MAX.saturating_sub(self.found.len());
        let left_out = scanned.len().saturating_sub(room);
        self.found.extend(scanned.iter().take(room).cloned());
        self.left_out = self
            .left_out
            .saturating_add(u32::try_from(left_out).unwrap_or(u32::MAX));
    }

    /// As it is written down; nothing where nothing was found.
    #[must_use]
    pub fn record(&self) -> Option<InspectedRecord<'_>> {
        (!self.found.is_empty()).then_some(InspectedRecord {
            score: self.score,
            threshold: self.threshold,
            found: &self.found,
            by: Some(&self.by),
            left_out: self.left_out,
        })
    }

    /// Whether anything was found.
    #[must_use]
    pub fn found_any(&self) -> bool {
        !self.found.is_empty()
    }

    /// What is told of an inspection. Values are masked: what was sent to an API
    /// is nobody else's to read.
    #[must_use]
    pub fn of(inspection: &Inspection) -> Self {
        let paranoia = inspection.paranoia();
        let matched = inspection.matched();
        let mut found: Vec<Finding> = matched.map(|matched| of_rule(matched, paranoia)).collect();
        found.extend(inspection.detected().map(|found| of_detector(&found)));
        if found.is_empty() {
            return Self::default();
        }
        // The last rules are those that add up.
        let left_out = found.len().saturating_sub(FOUND_MAX);
        if left_out > 0 {
            found.drain(FOUND_MAX / 2..FOUND_MAX / 2 + left_out);
        }
        let (score, threshold) = inspection.score();
        let by = inspection.refusal().and_then(|refusal| refusal.rule);
        Self {
            score,
            threshold,
            found,
            by: by.map(|rule| rule.to_string()).unwrap_or_default(),
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        }
    }
}

impl Inspecting {
    /// What is told of it.
    #[must_use]
    pub fn told(&self) -> Seen {
        let mut told = Seen::of(&self.inspection);
        told.add_scanned(&self.scanned);
        if let Some(messages) = &self.messages {
            let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
            told.worse_of(std::mem::take(&mut messages));
        }
        told
    }
}

fn of_rule(matched: Matched<'_>, paranoia: Option<u8>) -> Finding {
    let added = matched.added();
    let mut at = Vec::new();
    let mut masked = String::new();
    for subject in matched.subjects() {
        if at.len() < TEXT_MAX {
            if !at.is_empty() {
                at.extend_from_slice(b", ");
            }
            at.extend_from_slice(&shown(subject.name()));
        }
        if masked.is_empty() {
            masked = mask(subject.value());
        }
    }
    Finding {
        rule: matched.id().to_string(),
        at: printable(&at),
        message: printable(&matched.title(mask)),
        masked,
        score: u32::try_from(added.score).unwrap_or(0),
        places: places(matched.subjects().filter_map(|subject| subject.place())),
        level: added.level,
        counts: paranoia.is_none_or(|paranoia| added.level <= paranoia),
        overruled: added.overruled,
    }
}

fn of_detector(found: &Detected<'_>) -> Finding {
    let mut at = found.collection.name().as_bytes().to_vec();
    if !found.member.is_empty() {
        at.push(b':');
        at.extend_from_slice(found.member);
        at = shown(at);
    }
    Finding {
        rule: found.detector.to_owned(),
        at: printable(&at),
        message: format!("{}: {}", found.title, found.what),
        masked: mask(found.bytes),
        score: score(found.severity),
        places: places(found.place.clone().into_iter()),
        level: 0,
        counts: true,
        overruled: false,
    }
}

/// What is written of a name: of one that nobody gives to a field its shape alone. Where a
/// body is not what its type says, all of it is a name, with whatever is in it.
fn shown(mut name: Vec<u8>) -> Vec<u8> {
    let colon = memchr::memchr(b':', &name).map_or(0, |at| at + 1);
    if is_of_field(&name[colon..]) {
        return name;
    }
    let masked = mask(&name[colon..]);
    name.truncate(colon);
    name.extend_from_slice(masked.as_bytes());
    name
}

/// Whether a field may be called so.
fn is_of_field(name: &[u8]) -> bool {
    !name.iter().any(|byte| b"\"'`<>={};".contains(byte))
}

/// Where, each place once, and as many as one text has room for. A name that
/// may hold a credential, or that nobody gives to a field, is any name.
pub fn places(said: impl Iterator<Item = String>) -> Vec<String> {
    let (mut told, mut left) = (Vec::<String>::new(), TEXT_MAX);
    for place in said {
        let place = fitting(place, TEXT_MAX);
        let place = match blotted(place.as_bytes()) {
            Cow::Borrowed(_) if is_of_field(place.as_bytes()) => place,
            _ => {
                let part = place.split('/').next().unwrap_or_default();
                format!("{part}/**")
            }
        };
        if place.len() > left || told.len() >= PLACES_MAX {
            break;
        }
        if !told.contains(&place) {
            left -= place.len();
            told.push(place);
        }
    }
    told
}

/// The shape of a value: each letter is `a`, each digit `0`, and what stands
/// between them stays, for that is what makes an attack.
fn mask(value: &[u8]) -> String {
    let kept = &value[..value.len().min(FOUND_TEXT_MAX)];
    let shape = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' => 'a',
        b'0'..=b'9' => '0',
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    kept.iter().map(shape).collect()
}

fn printable(bytes: &[u8]) -> String {
    let bytes = blotted(&bytes[..bytes.len().min(TEXT_MAX)]);
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    bytes.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::{places, shown};

    #[test]
    fn a_body_that_is_taken_for_a_name_is_told_by_its_shape() {
        let name = |name: &str| String::from_utf8(shown(name.into())).unwrap();
        assert_eq!(
            name("ARGS:{\"password\":\"Hunter2\",\"a"),
            "ARGS:{\"aaaaaaaa\":\"aaaaaa0\",\"a"
        );
        assert_eq!(
            name("REQUEST_COOKIES:Hunter2' or 1"),
            "REQUEST_COOKIES:aaaaaa0' aa 0"
        );
        for of_field in [
            "ARGS:user[first name]",
            "ARGS:json.items.0.note",
            "XML:/*",
            "&ARGS",
            "ARGS:filter[$ne]",
        ] {
            assert_eq!(name(of_field), of_field);
        }
        let told = |place: &str| places(std::iter::once(place.to_owned())).remove(0);
        assert_eq!(told("body/{\"password\":\"Hunter2\""), "body/**");
        assert_eq!(told("cookie/password=Hunter2"), "cookie/**");
        assert_eq!(told("body/user~1name"), "body/user~1name");
    }
}
