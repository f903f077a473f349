//! Directives that say what the API's `waf` says too: both have to say the same,
//! so that nothing in a file is passed over in silence.

use std::fmt::Write;

use lockgate_waf::engine::Engine;
use lockgate_waf::rule::{EngineMode, Settings};

use super::{Config, Longer};
use crate::ConfigError;

/// Checks that directives and the API say the same.
///
/// # Errors
/// Every directive that says something else, with its file and line, and what to
/// write in the configuration.
pub(super) fn agree(config: &Config, engine: &Engine) -> Result<(), ConfigError> {
    let settings = engine.settings();
    let mut told = String::new();
    for (directive, write) in differing(config, settings) {
        let places = settings.said.iter();
        let place = places.rev().find(|(known, _)| &**known == directive);
        let Some((_, place)) = place else {
            continue;
        };
        // Writing to memory does not fail.
        let _ = writeln!(
            told,
            "{}:{}: {directive}: {write}, and take the line out",
            engine.file(*place),
            place.line
        );
    }
    match told.trim_end() {
        "" => Ok(()),
        told => Err(ConfigError::new("waf-directive", "/set", told)),
    }
}

/// Directives that say something else, and what to write in their place.
fn differing(config: &Config, settings: &Settings) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut say = |directive, write: String| found.push((directive, write));
    match settings.engine {
        Some(EngineMode::DetectionOnly) => say(
            "SecRuleEngine",
            "write `mode: observe` in the API's `waf`".into(),
        ),
        Some(EngineMode::Off) => say(
            "SecRuleEngine",
            "write `mode: off` in the API's `waf`".into(),
        ),
        Some(EngineMode::On) | None => {}
    }
    if let Some(limit) = settings
        .request_body_limit
        .filter(|limit| *limit != config.inspect_bytes)
    {
        say(
            "SecRequestBodyLimit",
            format!("write `inspect_bytes: {limit}` in the API's `waf`"),
        );
    }
    if settings.no_files_limit.is_some() {
        say(
            "SecRequestBodyNoFilesLimit",
            "bound bodies by `inspect_bytes` of the API's `waf`".into(),
        );
    }
    match (settings.request_body_partial, config.longer) {
        (Some(true), Longer::Refuse) => say(
            "SecRequestBodyLimitAction",
            "write `longer: begin` in the API's `waf`".into(),
        ),
        (Some(false), Longer::Begin) => say(
            "SecRequestBodyLimitAction",
            "write `longer: refuse` in the API's `waf`".into(),
        ),
        _ => {}
    }
    answers(config, settings, &mut say);
    found
}

fn answers(config: &Config, settings: &Settings, say: &mut impl FnMut(&'static str, String)) {
    let types = settings.response_types.as_deref();
    let wanted = types.map_or_else(|| "text/plain, text/html".into(), |types| types.join(", "));
    match (settings.response_body, &config.answers) {
        (Some(true), None) => say(
            "SecResponseBodyAccess",
            format!("write `answers: {{types: [{wanted}]}}` in the API's `waf`"),
        ),
        (Some(false), Some(_)) => say(
            "SecResponseBodyAccess",
            "write no `answers` in the API's `waf`".into(),
        ),
        _ => {}
    }
    let Some(answers) = config.answers.as_ref() else {
        return;
    };
    if let Some(limit) = settings
        .response_body_limit
        .filter(|limit| *limit != answers.bytes)
    {
        say(
            "SecResponseBodyLimit",
            format!("write `bytes: {limit}` in `answers` of the API's `waf`"),
        );
    }
    let same = |types: &[Box<str>]| {
        let known = |kind: &str| {
            answers
                .types
                .iter()
                .any(|known| known.eq_ignore_ascii_case(kind))
        };
        types.len() == answers.types.len() && types.iter().all(|kind| known(kind))
    };
    if types.is_some_and(|types| !same(types)) {
        say(
            "SecResponseBodyMimeType",
            format!("write `types: [{wanted}]` in `answers` of the API's `waf`"),
        );
    }
    if settings.response_body_partial == Some(false) {
        say(
            "SecResponseBodyLimitAction",
            "answers are judged by their beginning, and none is refused for its length".into(),
        );
    }
}
