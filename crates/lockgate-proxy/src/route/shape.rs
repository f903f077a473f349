//! A path as the configuration says it: its text for people, and what its
//! names stand for in a request's path.

use lockgate_policy::pattern::Pattern;
use lockgate_policy::ConfigError;
use lockgate_wire::target;

use super::{literal_form, wrong_path};
use crate::bundle::PathMatch;

/// Names and the pieces of a path that they stand for.
pub type Named<'a> = Vec<(&'a str, &'a str)>;

/// A path as the configuration says it.
#[derive(Debug)]
pub(super) enum Shape {
    /// One path.
    Exact(Box<str>),
    /// A path and all below it: its text, and its form in which paths are compared.
    Prefix(Box<str>, Box<str>),
    /// Segments, some of them names.
    Template(Box<str>),
    /// An expression.
    Regex(Pattern),
}

impl Shape {
    /// `text` is how it is shown.
    pub(super) fn new(path: &PathMatch, text: &str) -> Self {
        match path {
            PathMatch::Template(_) => Self::Template(text.into()),
            PathMatch::Prefix(prefix) => {
                let segments = prefix.trim_end_matches('/').split('/').skip(1);
                let compared = segments.map(|segment| {
                    let literal = literal_form(segment).unwrap_or_default();
                    format!("/{literal}")
                });
                Self::Prefix(text.into(), compared.collect::<String>().into())
            }
            PathMatch::Exact(_) | PathMatch::Regex(_) => Self::Exact(text.into()),
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text, _) | Self::Template(text) => text,
            Self::Regex(pattern) => pattern.text(),
        }
    }

    /// Whether `path`, in the form in which paths are compared, belongs to a
    /// prefix. Whole paths are not asked: they are as specific as can be.
    pub(super) fn covers(&self, path: &str) -> bool {
        match self {
            Self::Prefix(_, prefix) => path
                .strip_prefix(&**prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            _ => false,
        }
    }

    /// What the names stand for in `path`, in normal form.
    pub(super) fn named<'s>(&'s self, path: &'s str) -> Named<'s> {
        match self {
            Self::Exact(_) | Self::Prefix(..) => Vec::new(),
            Self::Template(text) => {
                let segments = text.split('/').zip(path.split('/'));
                segments
                    .filter_map(|(part, segment)| Some((braced(part)?, segment)))
                    .collect()
            }
            Self::Regex(pattern) => {
                let compared = target::for_matching(path);
                let place = |at: usize| path.len() - target::after_match(path, at).len();
                let found = pattern.captures(&compared).unwrap_or_default();
                found
                    .into_iter()
                    .filter_map(|(name, range)| {
                        Some((name, path.get(place(range.start)..place(range.end))?))
                    })
                    .collect()
            }
        }
    }
}

/// The names that a path gives.
#[must_use]
pub fn names(path: &PathMatch) -> Vec<String> {
    match path {
        PathMatch::Exact(_) | PathMatch::Prefix(_) => Vec::new(),
        PathMatch::Template(text) => text
            .split('/')
            .filter_map(braced)
            .map(str::to_owned)
            .collect(),
        PathMatch::Regex(text) => Pattern::new(text)
            .map(|pattern| pattern.names().map(str::to_owned).collect())
            .unwrap_or_default(),
    }
}

/// A path's expression. It begins with a slash, as all paths do: what does not
/// would never match.
pub(super) fn expression(text: &str) -> Result<Pattern, ConfigError> {
    let pattern = Pattern::new(text).map_err(|fault| {
        ConfigError::new(
            fault.code,
            "",
            format!("{}; {}", fault.message, fault.advice),
        )
    })?;
    if !text.trim_start_matches('^').starts_with('/') {
        return Err(wrong_path(text, "must begin with `/`, as every path does"));
    }
    Ok(pattern)
}

fn braced(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}
