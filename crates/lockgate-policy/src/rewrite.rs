//! `rewrite`: another path and query for the upstream than the client asked for.
//!
//! # Description
//! The prefix that matched is replaced, or the whole path is written anew from
//! what the route's path captured, or by a regular expression; parameters of
//! the query are set and taken out. The route is chosen before and never
//! again, so nothing can go round in circles. What comes out is brought into
//! normal form once more, and is refused where it would climb (`..`) or be
//! read in two ways.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`UNSAFE`].
//!
//! # Example
//! ```yaml
//! rewrite: {path: "/v2/items/{id}", query: {remove: [debug]}}
//! ```

use std::borrow::Cow;

use lockgate_wire::query;
use lockgate_wire::target::{self, Odd, TargetSwitches};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;
use crate::template::{for_query, known, plain, Captures, Template, ROOTED};
use crate::{ConfigError, Denial};

/// The room's name everywhere.
pub const NAME: &str = "rewrite";

/// Most parameters that are set, and most that are taken out.
const MAX_PARAMETERS: usize = 32;

lockgate_wire::reasons! { "rewrite", Client:
    UNSAFE = "rewrite-unsafe", 400,
        "The path has no safe form for the API.",
        "Rewritten, the path would hold `..`, or something that servers read in different ways. Send another path; the operator looks at `rewrite` of the API.";
}

/// The room's config. At most one of `prefix`, `path` and `regex`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// In place of the prefix that matched.
    pub prefix: Option<String>,
    /// The whole path, a template.
    pub path: Option<String>,
    /// The whole path by an expression; a path that it does not match stays.
    pub regex: Option<Replacement>,
    /// Parameters to set: name and a template for the value.
    pub set: Vec<Parameter>,
    /// Parameters to take out.
    pub remove: Vec<String>,
}

/// A path written anew by an expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// Matches the whole path.
    pub matches: String,
    /// A template; its names are the expression's groups.
    pub to: String,
}

/// A parameter of the query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name, decoded.
    pub name: String,
    /// A template for its value, written as it stands in a query.
    pub value: String,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Rewrite {
    path: PathRule,
    set: Vec<(Box<str>, Template)>,
    drop: Vec<Box<str>>,
    switches: TargetSwitches,
}

#[derive(Debug, Clone)]
enum PathRule {
    Keep,
    Prefix(Box<str>),
    Template(Template),
    Regex(Pattern, Template),
}

impl Rewrite {
    /// Compiles the config of a route whose path gives the names that `own`
    /// tells, and which keeps of unusual paths what `switches` say.
    ///
    /// # Errors
    /// What makes no sense.
    pub fn new(
        config: &Config,
        own: &dyn Fn(&str) -> bool,
        switches: TargetSwitches,
    ) -> Result<Self, ConfigError> {
        let within = |pointer: &'static str| {
            move |error: ConfigError| ConfigError {
                pointer: format!("{pointer}{}", error.pointer),
                ..error
            }
        };
        let path = match (&config.prefix, &config.path, &config.regex) {
            (None, None, None) if config.set.is_empty() && config.remove.is_empty() => {
                let message = "a rewrite that changes nothing is none";
                return Err(ConfigError::new("rewrite-empty", "", message));
            }
            (None, None, None) => PathRule::Keep,
            (Some(prefix), None, None) => {
                rooted(prefix, own).map_err(within("/prefix"))?;
                PathRule::Prefix(prefix.trim_end_matches('/').into())
            }
            (None, Some(path), None) => {
                rooted(path, own).map_err(within("/path"))?;
                PathRule::Template(
                    Template::new(path, &|name| known(name, own)).map_err(within("/path"))?,
                )
            }
            (None, None, Some(rule)) => {
                let pattern = Pattern::new(&rule.matches).map_err(|fault| {
                    let message = format!("{}; {}", fault.message, fault.advice);
                    ConfigError::new(fault.code, "/regex/matches", message)
                })?;
                let groups = |name: &str| pattern.names().any(|group| group == name);
                rooted(&rule.to, &groups).map_err(within("/regex/to"))?;
                let to = Template::new(&rule.to, &groups).map_err(within("/regex/to"))?;
                PathRule::Regex(pattern, to)
            }
            _ => {
                let message = "`prefix`, `path` and `regex` exclude each other";
                return Err(ConfigError::new("rewrite-twice", "", message));
            }
        };
        if config.set.len().max(config.remove.len()) > MAX_PARAMETERS {
            let message = format!("at most {MAX_PARAMETERS} parameters are set or taken out");
            return Err(ConfigError::new("too-many-parameters", "/set", message));
        }
        let mut set = Vec::new();
        for parameter in &config.set {
            let value = Template::new(&parameter.value, &|name| known(name, own))
                .map_err(within("/set"))?;
            set.push((parameter.name.as_str().into(), value));
        }
        let names = config.set.iter().map(|parameter| &parameter.name);
        Ok(Self {
            path,
            set,
            drop: names
                .chain(&config.remove)
                .map(|name| name.as_str().into())
                .collect(),
            switches: TargetSwitches {
                dot_segments: Odd::Reject,
                ..switches
            },
        })
    }

    /// Path and query for the upstream.
    ///
    /// # Errors
    /// Where they would not be safe.
    pub fn rewrite(&self, captures: &Captures<'_>, query: Option<&str>) -> Result<String, Denial> {
        let path: Cow<'_, str> = match &self.path {
            PathRule::Keep => captures.path.into(),
            PathRule::Prefix(prefix) => format!("{prefix}{}", captures.rest).into(),
            PathRule::Template(template) => template.fill(captures, plain).into(),
            PathRule::Regex(pattern, to) => match groups(pattern, captures.path) {
                None => captures.path.into(),
                Some(named) => {
                    let captures = Captures {
                        named: &named,
                        ..*captures
                    };
                    to.fill(&captures, plain).into()
                }
            },
        };
        // Behind the whole prefix there is no rest.
        let path = if path.is_empty() { "/".into() } else { path };
        let query = self.query(captures, query)?;
        let text = match &query {
            Some(query) => format!("{path}?{query}"),
            None => path.into_owned(),
        };
        // The path is judged like one that arrives: what would climb is refused.
        if text.split('?').count() > query.iter().flat_map(|query| query.split('?')).count() + 1 {
            return Err(Denial::new(&UNSAFE));
        }
        let normal = target::normalize(&text, &self.switches).map_err(|_| Denial::new(&UNSAFE))?;
        Ok(match normal.query {
            Some(query) => format!("{}?{query}", normal.path),
            None => normal.path.into_owned(),
        })
    }

    fn query<'q>(
        &self,
        captures: &Captures<'_>,
        query: Option<&'q str>,
    ) -> Result<Option<Cow<'q, str>>, Denial> {
        if self.drop.is_empty() {
            return Ok(query.map(Cow::Borrowed));
        }
        let hidden = |pair: query::Pair<'_>| {
            pair.text.contains(';')
                && (self.drop.iter()).any(|name| query::behind_semicolon(pair.text, name))
        };
        // Some readers would find there what is to be gone (CVE-2021-23336).
        if query.into_iter().flat_map(query::pairs).any(hidden) {
            return Err(Denial::new(&UNSAFE));
        }
        let kept = query.into_iter().flat_map(query::pairs).filter(|pair| {
            !self
                .drop
                .iter()
                .any(|name| query::is_named(pair.name, name))
        });
        let mut texts: Vec<Cow<'_, str>> = kept.map(|pair| pair.text.into()).collect();
        for (name, value) in &self.set {
            texts.push(format!("{}={}", encoded(name), value.fill(captures, for_query)).into());
        }
        Ok((!texts.is_empty()).then(|| texts.join("&").into()))
    }
}

/// What the groups of an expression matched, as pieces of the path. It is
/// matched in the form in which paths are compared, as the router does.
fn groups<'a>(pattern: &'a Pattern, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let compared = target::for_matching(path);
    let found = pattern.captures(&compared)?;
    let place = |at: usize| path.len() - target::after_match(path, at).len();
    let pieces = found
        .into_iter()
        .map(|(name, range)| (name, &path[place(range.start)..place(range.end)]));
    Some(pieces.collect())
}

/// A name as it stands in a query.
fn encoded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'[' | b']') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What is written must be a path, and what it holds besides names must be in normal form.
/// `own` tells the names that the route's path gives.
pub(crate) fn rooted(text: &str, own: &dyn Fn(&str) -> bool) -> Result<(), ConfigError> {
    let wrong = |what: &str| {
        Err(ConfigError::new(
            "not-a-path",
            "",
            format!("`{text}` {what}"),
        ))
    };
    // A name stands for itself here: its braces would be encoded.
    let plain = text.replace(['{', '}'], "");
    let starts = text.starts_with('/') || text.starts_with("{path}") || text.starts_with("{rest}");
    if !starts {
        return wrong("does not begin with `/`");
    }
    for name in ROOTED.into_iter().filter(|name| !own(name)) {
        let braced = format!("{{{name}}}");
        let doubled = format!("/{braced}");
        if text.contains(&doubled) {
            let once = text.replace(&doubled, &braced);
            return wrong(&format!(
                "has a slash twice, for what `{braced}` stands for begins with one: write `{once}`"
            ));
        }
    }
    let plain = if plain.starts_with('/') {
        plain
    } else {
        format!("/{plain}")
    };
    if text.contains(['?', '#']) {
        return wrong("has more than a path; `query` says what becomes of parameters");
    }
    match target::normalize(&plain, &TargetSwitches::default()) {
        Ok(normal) if !normal.changed => Ok(()),
        Ok(normal) => wrong_form(text, &normal.path),
        Err(reason) => Err(ConfigError::new(
            "not-a-path",
            "",
            format!("`{text}`: {}", reason.title),
        )),
    }
}

fn wrong_form(text: &str, normal: &str) -> Result<(), ConfigError> {
    let message = format!("`{text}` is not in normal form: write `{normal}`");
    Err(ConfigError::new("not-a-path", "", message))
}

#[cfg(test)]
mod tests;
