//! Rule files in SecLang, read without running them; and the language itself.

use lockgate_policy::waf::{read, sense, wanted, RuleSet};
use lockgate_waf::rule::{Item, Piece, Rules, Template};
use lockgate_waf::seclang::{language, Kind, Support};
use pyo3::prelude::*;
use serde::Serialize;

use crate::error::Told;
use crate::to_python;

#[derive(Serialize, Default)]
struct Read<'r> {
    rules: Vec<Shown<'r>>,
    notices: Vec<Notice<'r>>,
    errors: Vec<String>,
}

#[derive(Serialize)]
struct Shown<'r> {
    id: u64,
    file: &'r str,
    line: u32,
    phase: u8,
    message: Option<String>,
    severity: Option<String>,
    tags: &'r [Box<str>],
    version: Option<&'r str>,
    /// All that it says and does, to be compared with another version's.
    sense: String,
}

#[derive(Serialize)]
struct Notice<'r> {
    file: &'r str,
    line: u32,
    directive: &'r str,
    instead: &'static str,
    /// Whether requests meet otherwise than the rules say.
    matters: bool,
}

#[derive(Serialize)]
struct Word {
    kind: &'static str,
    name: &'static str,
    says: &'static str,
    /// `done`, `instead` or `refused`.
    support: &'static str,
    why: Option<&'static str>,
}

/// What a rule set says, given as the JSON of a bundle's; or what is wrong with it.
#[pyfunction]
pub fn read_rules<'py>(py: Python<'py>, rule_set: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let set: RuleSet = serde_json::from_slice(rule_set)
        .map_err(|error| Told::new("rule-set-malformed", error.to_string()))?;
    match py.detach(|| read(&set)) {
        Ok(rules) => to_python(py, &told(&rules)),
        Err(errors) => to_python(
            py,
            &Read {
                errors: errors.iter().map(ToString::to_string).collect(),
                ..Read::default()
            },
        ),
    }
}

/// What of a rule set, given as the JSON of a bundle's, requests will meet otherwise
/// than its files say; nothing where it cannot be read.
#[pyfunction]
pub fn rule_notices<'py>(py: Python<'py>, rule_set: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let set: RuleSet = serde_json::from_slice(rule_set)
        .map_err(|error| Told::new("rule-set-malformed", error.to_string()))?;
    let rules = py.detach(|| read(&set)).unwrap_or_default();
    let told = notices(&rules).filter(|notice| notice.matters);
    to_python(py, &told.collect::<Vec<_>>())
}

/// Files that a rule set asks for and does not have, given as the JSON of a bundle's; and patterns of such.
#[pyfunction]
pub fn wanted_rule_files(py: Python<'_>, rule_set: &[u8]) -> PyResult<Vec<String>> {
    let set: RuleSet = serde_json::from_slice(rule_set)
        .map_err(|error| Told::new("rule-set-malformed", error.to_string()))?;
    Ok(py.detach(|| wanted(&set)))
}

/// Every word of the rule language, and what it does here.
#[pyfunction]
pub fn rule_language(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let words = language().into_iter().map(|entry| {
        let (support, why) = match entry.support {
            Support::Done => ("done", None),
            Support::Instead(why) => ("instead", Some(why)),
            Support::Refused(why) => ("refused", Some(why)),
        };
        Word {
            kind: match entry.kind {
                Kind::Directive => "directive",
                Kind::Variable => "variable",
                Kind::Operator => "operator",
                Kind::Transformation => "transformation",
                Kind::Action => "action",
                Kind::Ctl => "ctl",
            },
            name: entry.name,
            says: entry.says,
            support,
            why,
        }
    });
    to_python(py, &words.collect::<Vec<_>>())
}

fn told(rules: &Rules) -> Read<'_> {
    let file = |index: u32| rules.files.get(index as usize).map_or("", |file| &**file);
    let shown = rules.items.iter().filter_map(|item| match item {
        Item::Rule(rule) => Some(Shown {
            id: rule.id,
            file: file(rule.place.file),
            line: rule.place.line,
            phase: rule.phase as u8,
            message: rule.message.as_ref().map(written),
            severity: rule
                .severity
                .map(|severity| format!("{severity:?}").to_ascii_uppercase()),
            tags: &rule.tags,
            version: rule.version.as_deref(),
            sense: sense(rule),
        }),
        Item::Marker(_) => None,
    });
    Read {
        rules: shown.collect(),
        notices: notices(rules).collect(),
        errors: Vec::new(),
    }
}

fn notices(rules: &Rules) -> impl Iterator<Item = Notice<'_>> {
    rules.notices.iter().map(|notice| Notice {
        file: rules
            .files
            .get(notice.place.file as usize)
            .map_or("", |file| file),
        line: notice.place.line,
        directive: &notice.directive,
        instead: notice.instead,
        matters: notice.matters,
    })
}

/// A message as the rule has it; what a transaction would fill in is left open.
fn written(message: &Template) -> String {
    let pieces = message.pieces.iter().map(|piece| match piece {
        Piece::Text(text) => String::from_utf8_lossy(text),
        Piece::Macro(..) => "%{…}".into(),
    });
    pieces.collect()
}
