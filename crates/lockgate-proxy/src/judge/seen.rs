//! What is told of a request that was looked at.

use std::sync::PoisonError;

use lockgate_waf::engine::{score, Detected, Inspection, Matched};

use super::Inspecting;
use crate::events::{blotted, Finding, InspectedRecord, FOUND_MAX, FOUND_TEXT_MAX, TEXT_MAX};

/// What is told of an inspection that found something.
#[derive(Debug, Default)]
pub struct Seen {
    score: u32,
    threshold: u32,
    found: Vec<Finding>,
}

impl Seen {
    /// Has the worse of this and another.
    pub fn worse_of(&mut self, other: Self) {
        if self.found.is_empty() || other.score > self.score {
            *self = other;
        }
    }

    /// As it is written down; nothing where nothing was found.
    #[must_use]
    pub fn record(&self) -> Option<InspectedRecord<'_>> {
        (!self.found.is_empty()).then_some(InspectedRecord {
            score: self.score,
            threshold: self.threshold,
            found: &self.found,
        })
    }
}

impl Inspecting {
    /// What is told of it. Values are masked: what was sent to an API is nobody
    /// else's to read.
    #[must_use]
    pub fn told(&self) -> Seen {
        let mut told = seen(&self.inspection);
        if let Some(messages) = &self.messages {
            let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
            told.worse_of(std::mem::take(&mut messages));
        }
        told
    }
}

/// What is told of an inspection.
pub fn seen(inspection: &Inspection) -> Seen {
    let mut found: Vec<Finding> = inspection.matched().map(of_rule).collect();
    found.extend(inspection.detected().map(of_detector));
    if found.is_empty() {
        return Seen::default();
    }
    // The last rules are those that add up.
    if found.len() > FOUND_MAX {
        found.drain(FOUND_MAX / 2..found.len() - FOUND_MAX / 2);
    }
    let (score, threshold) = inspection.score();
    Seen {
        score,
        threshold,
        found,
    }
}

fn of_rule(matched: Matched<'_>) -> Finding {
    let mut at = Vec::new();
    let mut masked = String::new();
    for subject in matched.subjects() {
        if at.len() < TEXT_MAX {
            if !at.is_empty() {
                at.extend_from_slice(b", ");
            }
            at.extend_from_slice(&subject.name());
        }
        if masked.is_empty() {
            masked = mask(subject.value());
        }
    }
    Finding {
        rule: matched.id().to_string(),
        at: printable(&at),
        message: printable(&matched.title()),
        masked,
        score: matched.severity().map_or(0, score),
    }
}

fn of_detector(found: Detected<'_>) -> Finding {
    let mut at = found.collection.name().as_bytes().to_vec();
    if !found.member.is_empty() {
        at.push(b':');
        at.extend_from_slice(found.member);
    }
    Finding {
        rule: found.detector.to_owned(),
        at: printable(&at),
        message: format!("{}: {}", found.title, found.what),
        masked: mask(found.bytes),
        score: score(found.severity),
    }
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
