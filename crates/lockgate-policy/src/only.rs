//! Which requests of an API are meant: by method, operation and path.
//!
//! What restricts is for a request that might be taken for one of those
//! ([`Meant::hold`]); what opens is for a request that can be taken for nothing
//! else ([`Meant::cover`]).

use http::Method;
use lockgate_wire::target::for_matching;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, RequestView};

/// Which requests are meant; what is empty is no condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Only {
    /// Upper-case methods.
    pub methods: Vec<String>,
    /// Operations of the API's document.
    pub operations: Vec<String>,
    /// Paths, as patterns.
    pub paths: Vec<PathPattern>,
}

/// A path that is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PathPattern {
    /// This path alone.
    Exact(String),
    /// This path and all below it, by whole segments.
    Prefix(String),
    /// Segments in braces match any one segment.
    Template(String),
}

/// Compiled conditions.
#[derive(Debug, Clone, Default)]
pub struct Meant {
    methods: Vec<Method>,
    operations: Vec<Box<str>>,
    paths: Vec<PathPattern>,
}

impl Meant {
    /// Compiles them.
    ///
    /// # Errors
    /// The first method or path that is none; pointers begin with `/only`.
    pub fn new(only: &Only) -> Result<Self, ConfigError> {
        let method = |(place, name): (usize, &String)| {
            Method::from_bytes(name.as_bytes()).map_err(|_| {
                let message = format!("`{name}` is not a method such as GET");
                ConfigError::new("not-a-method", format!("/only/methods/{place}"), message)
            })
        };
        for (place, path) in only.paths.iter().enumerate() {
            if !text(path).starts_with('/') {
                let message = format!("`{}` does not begin with `/`", text(path));
                let pointer = format!("/only/paths/{place}");
                return Err(ConfigError::new("not-a-path", pointer, message));
            }
        }
        Ok(Self {
            methods: only
                .methods
                .iter()
                .enumerate()
                .map(method)
                .collect::<Result<_, _>>()?,
            operations: only
                .operations
                .iter()
                .map(|name| (&**name).into())
                .collect(),
            paths: only.paths.clone(),
        })
    }

    /// Whether the request, or what else it might be taken for, is meant.
    #[must_use]
    pub fn hold(&self, view: &RequestView<'_>) -> bool {
        (self.methods.is_empty() || self.take(view.method))
            && (self.mean(view.operation, view.path, false)
                || view
                    .readings
                    .iter()
                    .any(|reading| self.mean(reading.operation.as_deref(), &reading.path, false)))
    }

    /// Whether the request is meant, whatever it might be taken for.
    #[must_use]
    pub fn cover(&self, view: &RequestView<'_>) -> bool {
        (self.methods.is_empty() || self.take(view.method))
            && self.mean(view.operation, view.path, true)
            && view
                .readings
                .iter()
                .all(|reading| self.mean(reading.operation.as_deref(), &reading.path, true))
    }

    fn mean(&self, operation: Option<&str>, path: &str, exactly: bool) -> bool {
        (self.operations.is_empty() || self.name(operation))
            && (self.paths.is_empty() || self.lead_to(path, exactly))
    }

    fn take(&self, method: &Method) -> bool {
        // A HEAD costs the API what a GET costs (RFC 9110 section 9.3.2).
        let head = *method == Method::HEAD && self.methods.contains(&Method::GET);
        head || self.methods.contains(method)
    }

    fn name(&self, operation: Option<&str>) -> bool {
        operation.is_some_and(|name| self.operations.iter().any(|known| **known == *name))
    }

    fn lead_to(&self, path: &str, exactly: bool) -> bool {
        // As routes are compared, so that no spelling of a path gets past its limit.
        let path = for_matching(path);
        // Many servers take a path with a slash at its end, or in other letters, for the same.
        let path = match path.strip_suffix('/') {
            Some(rest) if !exactly && !rest.is_empty() => rest,
            _ => &path,
        };
        self.paths
            .iter()
            .any(|pattern| matches(pattern, path, exactly))
    }
}

fn text(pattern: &PathPattern) -> &str {
    match pattern {
        PathPattern::Exact(text) | PathPattern::Prefix(text) | PathPattern::Template(text) => text,
    }
}

fn matches(pattern: &PathPattern, path: &str, exactly: bool) -> bool {
    let same =
        |one: &str, other: &str| one == other || (!exactly && one.eq_ignore_ascii_case(other));
    match pattern {
        PathPattern::Exact(exact) => {
            same(path, exact) || (!exactly && same(path, exact.trim_end_matches('/')))
        }
        PathPattern::Prefix(prefix) => {
            let prefix = prefix.trim_end_matches('/');
            let (before, rest) = match path.split_at_checked(prefix.len()) {
                Some(split) => split,
                None => return false,
            };
            same(before, prefix) && (rest.is_empty() || rest.starts_with('/'))
        }
        PathPattern::Template(template) => {
            let (mut wanted, mut given) = (template.split('/'), path.split('/'));
            loop {
                match (wanted.next(), given.next()) {
                    (None, None) => return true,
                    (Some(want), Some(have))
                        if same(want, have) || (want.starts_with('{') && !have.is_empty()) => {}
                    _ => return false,
                }
            }
        }
    }
}
