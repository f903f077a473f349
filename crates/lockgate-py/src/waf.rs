//! The policy `waf`, for those who tune it: what rules and detectors there are,
//! and what an exclusion means.

use std::collections::BTreeMap;

use lockgate_policy::waf::{read, RuleSet};
use lockgate_waf::detect;
use lockgate_waf::engine::{score, At, BadPlace, On};
use lockgate_waf::rule::setup::{held, settings, Setting};
use lockgate_waf::rule::words::looks_for;
use lockgate_waf::rule::{Disruptive, Item, Rule, Template};
use pyo3::prelude::*;
use serde::Serialize;

use crate::error::Told;
use crate::to_python;

#[derive(Serialize)]
struct Detector {
    name: &'static str,
    title: &'static str,
    tag: &'static str,
    score: u32,
}

#[derive(Serialize)]
struct Known<'r> {
    id: u64,
    file: &'r str,
    line: u32,
    message: Option<String>,
    looks_for: String,
    tags: &'r [Box<str>],
    score: u32,
    denies: bool,
    held: Vec<Held<'r>>,
}

/// What a rule compares a value with, where that can be set.
#[derive(Serialize)]
struct Held<'r> {
    setting: Box<str>,
    how: &'static str,
    of: String,
    /// What the rules give it themselves.
    value: Option<&'r str>,
    /// File and line of a rule that sets it whatever was said.
    set_in: Option<String>,
}

/// The detectors, in their order.
#[pyfunction]
pub fn waf_detectors(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let all = detect::ALL.iter().map(|detector| Detector {
        name: detector.name,
        title: detector.title,
        tag: detector.tag,
        score: score(detector.severity),
    });
    to_python(py, &all.collect::<Vec<_>>())
}

/// What is known of the rules with these ids in a rule set (as a bundle has it, JSON).
#[pyfunction]
pub fn waf_rules<'py>(
    py: Python<'py>,
    rule_set: &[u8],
    ids: Vec<u64>,
) -> PyResult<Bound<'py, PyAny>> {
    let set: RuleSet = serde_json::from_slice(rule_set)
        .map_err(|cause| Told::new("rule-set-malformed", cause.to_string()))?;
    let rules = py.detach(|| read(&set)).map_err(|errors| {
        let told = errors.first().map(ToString::to_string);
        Told::new("waf-rules", told.unwrap_or_default())
    })?;
    let set = settings(&rules);
    let wanted = |item: &'_ Item| match item {
        Item::Rule(rule) => ids
            .contains(&rule.id)
            .then(|| known(rule, &rules.files, &set)),
        Item::Marker(_) => None,
    };
    let found: Vec<serde_json::Value> = rules.items.iter().filter_map(wanted).collect();
    to_python(py, &found)
}

fn known(rule: &Rule, files: &[Box<str>], set: &BTreeMap<Box<str>, Setting>) -> serde_json::Value {
    let against = held(rule, set).into_iter().map(|one| {
        let setting = set.get(&one.setting);
        let place = setting.and_then(|setting| setting.overwritten);
        let file = place.and_then(|place| files.get(place.file as usize));
        Held {
            how: one.how.word(),
            of: one.of,
            value: setting.and_then(|setting| setting.default.as_deref()),
            set_in: file
                .zip(place)
                .map(|(file, place)| format!("{file}:{}", place.line)),
            setting: one.setting,
        }
    });
    let message = rule.message.as_ref().and_then(Template::constant);
    let file = files.get(rule.place.file as usize);
    serde_json::to_value(Known {
        id: rule.id,
        file: file.map_or("", |file| file),
        line: rule.place.line,
        message: message.map(|text| String::from_utf8_lossy(text).into_owned()),
        looks_for: looks_for(rule),
        tags: &rule.tags,
        score: rule.severity.map_or(0, score),
        held: against.collect(),
        denies: matches!(
            rule.disruptive,
            Disruptive::Deny | Disruptive::Drop | Disruptive::Redirect(_)
        ),
    })
    .unwrap_or_default()
}

/// Whether an exclusion with this `at` and `request` leaves alone what stands at a
/// place that an event names, in a request with this method and path.
#[pyfunction]
#[pyo3(signature = (place, method, path, *, at = None, request = None))]
pub fn waf_leaves_alone(
    place: &str,
    method: &str,
    path: &str,
    at: Option<&str>,
    request: Option<&str>,
) -> PyResult<bool> {
    let told = |bad: BadPlace| Told::new("waf-exclude-place", bad.to_string());
    let at = at.map(At::read).transpose().map_err(told)?;
    let on = request.map(On::read).transpose().map_err(told)?;
    Ok(at.is_none_or(|at| at.covers(place))
        && on.is_none_or(|on| on.means(method.as_bytes(), path.as_bytes())))
}
