//! What the detectors' tests ask: whether values are found, and whether they pass.

use super::{look, Detector, Value, Where};
use crate::rule::Severity;

/// How bad a detector takes a text to be.
pub(super) fn severity(detector: &Detector, stood: Where, text: &str) -> Option<Severity> {
    let name: &[u8] = match stood {
        Where::ParameterName => text.as_bytes(),
        _ => b"q",
    };
    let value = Value {
        bytes: text.as_bytes(),
        stood,
        name,
        declared: None,
    };
    look(detector, &value).map(|finding| finding.severity.unwrap_or(detector.severity))
}

/// Each of the texts alone is refused.
pub(super) fn are_found(detector: &Detector, stood: Where, texts: &[&str]) {
    let missed: Vec<_> = texts
        .iter()
        .filter(|text| severity(detector, stood, text) != Some(Severity::Critical))
        .collect();
    assert!(!texts.is_empty() && missed.is_empty(), "{missed:#?}");
}

/// None of the texts alone is refused.
pub(super) fn pass(detector: &Detector, stood: Where, texts: &[&str]) {
    let wrong: Vec<_> = texts
        .iter()
        .filter(|text| severity(detector, stood, text) == Some(Severity::Critical))
        .collect();
    assert!(!texts.is_empty() && wrong.is_empty(), "{wrong:#?}");
}
