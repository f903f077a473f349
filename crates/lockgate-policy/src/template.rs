//! Texts with names in braces, and what a request's path gives the names:
//! how a rewritten path or a redirect's location is written.
//!
//! A name stands for a piece of the path in its normal form, so what comes in
//! through one holds no dot-segment, no bare control character and nothing
//! that was not judged. Whoever fills a template judges the whole again.

use std::borrow::Cow;

use crate::ConfigError;

/// Longest template, bytes.
pub const MAX_TEXT: usize = 4096;
/// Most names in one template, and most names that a path gives.
pub const MAX_NAMES: usize = 32;
/// The whole path.
pub const PATH: &str = "path";
/// What is left of the path behind the prefix that matched.
pub const REST: &str = "rest";
/// Names that stand for a path, which begins with a slash.
pub const ROOTED: [&str; 2] = [PATH, REST];
/// The request's host, in normal form.
pub const HOST: &str = "host";

/// What a request's path gives the names of a template.
#[derive(Debug, Clone, Copy)]
pub struct Captures<'a> {
    /// The path in normal form, as it is judged.
    pub path: &'a str,
    /// What is left of it behind the prefix that matched.
    pub rest: &'a str,
    /// The host in normal form.
    pub host: &'a str,
    /// The names of the route's own pattern.
    pub named: &'a [(&'a str, &'a str)],
}

impl<'a> Captures<'a> {
    fn of(&self, name: &str) -> Option<&'a str> {
        // The route's own name for a piece comes before what the gate calls so.
        let named = self.named.iter().find(|(known, _)| *known == name);
        named.map(|(_, value)| *value).or(match name {
            PATH => Some(self.path),
            REST => Some(self.rest),
            HOST => Some(self.host),
            _ => None,
        })
    }
}

/// A text with names in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Name(Box<str>),
}

impl Template {
    /// Reads a template whose names are of those that `known` tells.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str, known: &dyn Fn(&str) -> bool) -> Result<Self, ConfigError> {
        let wrong = |message| Err(ConfigError::new("not-a-template", "", message));
        if text.len() > MAX_TEXT {
            return wrong(format!("a template has at most {MAX_TEXT} bytes"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(open);
            let name = from
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .filter(|(name, _)| !name.is_empty() && !name.contains('{'));
            let Some((name, after)) = name else {
                return wrong(format!("`{text}` has a brace that belongs to no name"));
            };
            if !known(name) {
                return wrong(format!(
                    "`{{{name}}}` in `{text}` is a name that the route's path does not give"
                ));
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(Part::Name(name.into()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        if parts.len() > 2 * MAX_NAMES {
            return wrong(format!("`{text}` has more than {MAX_NAMES} names"));
        }
        Ok(Self {
            parts: parts.into(),
        })
    }

    /// Whether `name` stands in it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Name(known) if **known == *name))
    }

    /// The text, each name in it replaced by what the request gives.
    #[must_use]
    pub fn fill<'c>(&self, captures: &Captures<'c>, write: fn(&'c str) -> Cow<'c, str>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Name(name) => out.push_str(&write(captures.of(name).unwrap_or(""))),
            }
        }
        out
    }
}

/// Whether a template of a route may hold `name`: `own` tells what its path gives.
#[must_use]
pub fn known(name: &str, own: &dyn Fn(&str) -> bool) -> bool {
    ROOTED.contains(&name) || own(name)
}

/// As it is: for a path, which the captured piece is one of.
#[must_use]
pub fn plain(piece: &str) -> Cow<'_, str> {
    Cow::Borrowed(piece)
}

/// A piece of a path as the value of a parameter: what has a meaning of its
/// own in a query is encoded.
#[must_use]
pub fn for_query(piece: &str) -> Cow<'_, str> {
    if !piece.contains(['&', '+', ';', '=', '#']) {
        return Cow::Borrowed(piece);
    }
    let mut out = String::with_capacity(piece.len() + 8);
    for character in piece.chars() {
        match character {
            '&' => out.push_str("%26"),
            '+' => out.push_str("%2B"),
            ';' => out.push_str("%3B"),
            '=' => out.push_str("%3D"),
            '#' => out.push_str("%23"),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
