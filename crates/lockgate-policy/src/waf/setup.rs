//! What `setup` says: variables that rules have to read, or nobody would know
//! that they mean nothing.

use std::collections::BTreeMap;

use lockgate_waf::rule::setup::{settings, Setting};
use lockgate_waf::rule::{Place, Rules};
use lockgate_waf::seclang::nearest;

use super::Config;
use crate::ConfigError;

/// Variables of the Core Rule Set that the policy has fields for: they are always
/// said where it is used, whatever its version reads of them, so that they are
/// refused only where a rule says something else.
const OWN: [&str; 5] = [
    "blocking_paranoia_level",
    "detection_paranoia_level",
    "inbound_anomaly_score_threshold",
    "outbound_anomaly_score_threshold",
    "sampling_percentage",
];

/// Of each variable that would change nothing.
pub fn faults(config: &Config, rules: Option<&Rules>) -> Vec<ConfigError> {
    if config.variables.is_empty() {
        return Vec::new();
    }
    let known = rules.map(settings).unwrap_or_default();
    let told = |(name, value): (&String, &String)| {
        let (code, told) = match OWN.contains(&name.as_str()) {
            true => other(name, value, rules?, &known)?,
            false => fault(name, rules, &known)?,
        };
        Some(ConfigError::new(code, format!("/variables/{name}"), told))
    };
    config.variables.iter().filter_map(told).collect()
}

/// Of a variable with a field of its own: a rule that sets it to something else.
fn other(
    name: &str,
    value: &str,
    rules: &Rules,
    known: &BTreeMap<Box<str>, Setting>,
) -> Option<(&'static str, String)> {
    let setting = known.get(name)?;
    let (place, set) = (setting.overwritten?, setting.default.as_deref()?);
    let told = format!(
        "{} sets `{name}` to {set} for every request, whatever is said here: take that line out, and say it here",
        at(rules, place)
    );
    (set != value).then_some(("waf-setup-overwritten", told))
}

fn at(rules: &Rules, place: Place) -> String {
    let file = rules.files.get(place.file as usize).map_or("", |file| file);
    format!("{file}:{}", place.line)
}

fn fault(
    name: &str,
    rules: Option<&Rules>,
    known: &BTreeMap<Box<str>, Setting>,
) -> Option<(&'static str, String)> {
    let Some(rules) = rules else {
        let told =
            format!("nothing reads `{name}`: `rules` has no `core`, and there are no `files`");
        return Some(("waf-setup-unread", told));
    };
    let Some(setting) = known.get(name) else {
        let near = nearest(name.as_bytes(), known.keys().map(|name| &**name));
        let near = near.map_or_else(
            || {
                "; `crs-setup.conf` beside the rules, and those of plugins, tell which there are"
                    .into()
            },
            |near| format!("; did you mean `{near}`?"),
        );
        let told = format!("no rule has a setting `{name}`, so that it would change nothing{near}");
        return Some(("waf-setup-unread", told));
    };
    let told = format!(
        "{} sets `{name}` for every request, whatever is said here: take that line out, or say it there",
        at(rules, setting.overwritten?)
    );
    Some(("waf-setup-overwritten", told))
}
