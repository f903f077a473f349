//! Policies as they are written: read, checked against the schema, and what is wrong with them
//! at its place.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::mem::{discriminant, Discriminant};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{
    Policy, PolicyId, PolicySet, Schema, ValidationError, ValidationMode, Validator,
};
use miette::Diagnostic;

use super::{Source, MAX_BYTES, MAX_POLICIES};
use crate::{ConfigError, Grounds, Span};

/// What is wrong with one policy, at most: further faults of it follow from the first.
const MOST_FAULTS: usize = 20;

/// A policy, and what it is called.
#[derive(Debug)]
pub struct Written {
    /// The policy.
    pub policy: Policy,
    /// As grounds: its `@id`, or where it is.
    pub grounds: Grounds,
    /// What a refusal by it says, where it has an `@advice`.
    pub advice: Option<Arc<str>>,
    /// Where it is.
    pub span: Span,
    /// The same, bytes from the beginning of its file.
    at: usize,
}

/// Reads policies.
///
/// # Errors
/// Everything that is wrong with how they are written, each at its place.
pub fn read(sources: &[Source]) -> Result<Vec<Written>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut written: Vec<Written> = Vec::new();
    let mut names: HashMap<String, Span> = HashMap::new();
    for source in sources {
        if source.text.len() > MAX_BYTES {
            let message = format!("it has more than {} KiB", MAX_BYTES >> 10);
            errors.push(fault("cedar-too-large", message, source, 0));
            continue;
        }
        match PolicySet::from_str(&source.text) {
            Ok(set) if set.templates().next().is_some() => {
                let message = "it has a template (`?principal` or `?resource`), and nothing here fills one in";
                errors.push(fault("cedar-template", message.to_owned(), source, 0));
            }
            Ok(set) => {
                for (at, policy) in in_order(&set, &source.text) {
                    let id = PolicyId::new(format!("{}", written.len()));
                    let one = Written::new(policy.new_id(id), source, at);
                    if let Some(name) = one.policy.annotation("id") {
                        if let Some(first) = names.insert(name.to_owned(), one.span) {
                            let message = format!(
                                "two policies have the id `{name}`; the first is in line {}",
                                first.line
                            );
                            errors.push(ConfigError::new("cedar-id", "", message).at(one.span));
                        }
                    }
                    written.push(one);
                }
            }
            Err(wrong) => errors.extend(
                wrong
                    .iter()
                    .take(MOST_FAULTS)
                    .map(|one| told("cedar-syntax", one, source, 0)),
            ),
        }
    }
    if written.len() > MAX_POLICIES {
        let message = format!(
            "there are {} policies; at most {MAX_POLICIES} are taken",
            written.len()
        );
        errors.push(ConfigError::new("cedar-too-many", "", message));
    }
    if errors.is_empty() {
        Ok(written)
    } else {
        Err(errors)
    }
}

impl Written {
    fn new(policy: Policy, source: &Source, at: usize) -> Self {
        let span = place(source, at);
        let name = match policy.annotation("id") {
            Some(id) => format!("policy {id}"),
            None => format!("policy {}:{}", source.name, span.line),
        };
        Self {
            advice: policy.annotation("advice").map(Arc::from),
            grounds: Grounds::from([Arc::from(name)]),
            policy,
            span,
            at,
        }
    }
}

/// What does not fit the schema.
pub fn unfit(sources: &[Source], written: &[Written], schema: Schema) -> Vec<ConfigError> {
    let policies = written.iter().map(|one| one.policy.clone());
    let set = match PolicySet::from_policies(policies) {
        Ok(set) => set,
        Err(wrong) => return vec![ConfigError::new("cedar-syntax", "", wrong.to_string())],
    };
    let found = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let mut errors: Vec<(ConfigError, Discriminant<ValidationError>, usize)> = Vec::new();
    for wrong in found.validation_errors() {
        let one = written
            .iter()
            .find(|one| one.policy.id() == wrong.policy_id());
        let Some(one) = one else { continue };
        let Some(source) = sources.iter().find(|source| source.file == one.span.file) else {
            continue;
        };
        let error = told("cedar-type", wrong, source, one.at);
        // What applies to many operations is found wrong in each of them, and told once.
        let kind = discriminant(wrong);
        let alike = |(before, of, _): &&mut (ConfigError, _, usize)| {
            before.span == error.span && *of == kind
        };
        match errors.iter_mut().find(alike) {
            Some((before, _, others)) => *others += usize::from(before.message != error.message),
            None => errors.push((error, kind, 0)),
        }
    }
    errors.truncate(MOST_FAULTS.max(sources.len()));
    let told = errors.into_iter().map(|(mut error, _, others)| {
        if others > 0 {
            let _ = write!(error.message, " (and so in {others} more)");
        }
        error
    });
    told.collect()
}

/// A fault that Cedar tells of, at the first place that it names.
fn told(
    code: &'static str,
    wrong: &dyn Diagnostic,
    source: &Source,
    otherwise: usize,
) -> ConfigError {
    let at = wrong
        .labels()
        .and_then(|mut labels| labels.next())
        .map(|label| label.offset());
    let mut message = wrong.to_string();
    if let Some(help) = wrong.help() {
        message.push_str("; ");
        message.push_str(&help.to_string());
    }
    // Whatever the operation is: the policy's place says which it is for.
    while let Some((before, rest)) = message.split_once(" for Action::\"") {
        let rest = rest.split_once('"').map_or("", |(_, rest)| rest);
        message = format!("{before}{rest}");
    }
    // Numbers of policies are ours, and the place says which it is.
    while let Some((before, rest)) = message.split_once("for policy `") {
        let rest = rest.split_once("`, ").map_or(rest, |(_, rest)| rest);
        message = format!("{before}{rest}");
    }
    fault(code, message, source, at.unwrap_or(otherwise))
}

fn fault(code: &'static str, message: String, source: &Source, at: usize) -> ConfigError {
    ConfigError::new(code, "", message).at(place(source, at))
}

/// Where a byte of a file is.
fn place(source: &Source, at: usize) -> Span {
    let before = source.text.get(..at).unwrap_or(&source.text);
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    Span {
        file: source.file,
        line: number(before.bytes().filter(|byte| *byte == b'\n').count()),
        column: number(before[line..].chars().count()),
    }
}

/// A file's policies, each with the byte at which it begins. Cedar numbers them as they stand there.
fn in_order(set: &PolicySet, text: &str) -> Vec<(usize, Policy)> {
    let number = |policy: &Policy| -> usize {
        let id: &str = policy.id().as_ref();
        id.trim_start_matches(|letter: char| !letter.is_ascii_digit())
            .parse()
            .unwrap_or(0)
    };
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(number);
    let mut end = 0;
    let placed = policies.into_iter().map(|policy| {
        let words = policy.to_cedar().unwrap_or_default();
        let at = text
            .get(end..)
            .and_then(|rest| rest.find(&words))
            .map_or(end, |found| end + found);
        end = at + words.len();
        (at, policy)
    });
    placed.collect()
}
