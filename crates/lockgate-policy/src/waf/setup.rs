//! What `setup` says: variables that rules have to read, or nobody would know
//! that they mean nothing.

use std::collections::BTreeMap;

use lockgate_waf::rule::setup::{settings, Setting};
use lockgate_waf::rule::Rules;
use lockgate_waf::seclang::nearest;

use super::Config;
use crate::ConfigError;

/// Variables of the Core Rule Set that the policy has fields for: they are always
/// said where it is used, whatever its version reads of them.
const OWN: [&str; 5] = [
    "blocking_paranoia_level",
    "detection_paranoia_level",
    "inbound_anomaly_score_threshold",
    "outbound_anomaly_score_threshold",
    "sampling_percentage",
];

/// Of each variable that would change nothing.
pub fn faults(config: &Config, rules: Option<&Rules>) -> Vec<ConfigError> {
    let said = config.variables.keys();
    let mut said = said.filter(|name| !OWN.contains(&name.as_str())).peekable();
    if said.peek().is_none() {
        return Vec::new();
    }
    let known = rules.map(settings).unwrap_or_default();
    let told = |name: &String| {
        let (code, told) = fault(name, rules, &known)?;
        Some(ConfigError::new(code, format!("/variables/{name}"), told))
    };
    said.filter_map(told).collect()
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
    let place = setting.overwritten?;
    let file = rules.files.get(place.file as usize).map_or("", |file| file);
    let told = format!(
        "{file}:{} sets `{name}` for every request, whatever is said here: take that line out, or say it there",
        place.line
    );
    Some(("waf-setup-overwritten", told))
}
