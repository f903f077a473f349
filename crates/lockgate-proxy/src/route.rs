//! From host, path and method to an API, in time that does not grow with the
//! number of routes.
//!
//! One precedence, and no other: the most specific host (exact, then the
//! longest wildcard, then any) that has a matching path; in it an exact path,
//! then a template (literal segments before braces, left to right), then the
//! longest prefix. The method comes last: where the most specific path does not
//! take it, the answer is 405, never a less specific API.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use http::Method;
use lockgate_policy::ConfigError;
use lockgate_wire::target::{self, TargetSwitches};

use crate::bundle::{Api, PathMatch};
use crate::judge::RESERVED;

/// Segments of a path that a template may have; more would be walked for nothing.
const MAX_SEGMENTS: usize = 64;

type Map<V> = HashMap<Box<str>, V, RandomState>;

/// A route that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// Index of the API in the bundle.
    pub api: usize,
    /// Number of the pattern; [`Router::pattern`] has its text.
    pub pattern: u32,
    /// Bytes of the path that a prefix took; what `strip_path` takes off.
    pub prefix: usize,
}

/// What became of a look-up.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'r> {
    /// This one.
    Route(Matched),
    /// The path is known, but not with this method; these are.
    MethodNotAllowed(&'r str),
    /// No API answers to this host and path.
    Nothing,
}

/// All routes of a bundle.
#[derive(Debug, Default)]
pub struct Router {
    exact: Map<Tree>,
    wildcard: Map<Tree>,
    any: Tree,
    patterns: Vec<Box<str>>,
}

impl Router {
    /// Builds the table.
    ///
    /// # Errors
    /// Each path that cannot be one, and each two APIs that claim the same
    /// host, path and method, so that no order of the file decides.
    pub fn new(apis: &[Api]) -> Result<Self, Vec<ConfigError>> {
        let mut router = Self::default();
        let mut errors = Vec::new();
        for (index, api) in apis.iter().enumerate() {
            let any = ["*".to_owned()];
            let hosts = if api.hosts.is_empty() {
                &any[..]
            } else {
                &api.hosts[..]
            };
            for host in hosts {
                let Self {
                    exact,
                    wildcard,
                    any,
                    patterns,
                } = &mut router;
                let tree = tree(host, exact, wildcard, any);
                for (place, path) in api.paths.iter().enumerate() {
                    if let Err(mut error) = tree.insert(path, &api.methods, index, apis, patterns) {
                        error.pointer = format!("/apis/{index}/paths/{place}");
                        error.span = Some(api.span);
                        errors.push(error);
                    }
                }
            }
        }
        router
            .exact
            .values_mut()
            .chain(router.wildcard.values_mut())
            .for_each(Tree::finish);
        router.any.finish();
        if errors.is_empty() {
            Ok(router)
        } else {
            Err(errors)
        }
    }

    /// Finds the API. `host` and `path` are in normal form.
    #[must_use]
    pub fn find(&self, host: &str, path: &str, method: &Method) -> Found<'_> {
        if !self.exact.is_empty() {
            if let Some(found) = self
                .exact
                .get(host)
                .and_then(|tree| tree.find(path, method))
            {
                return found;
            }
        }
        if !self.wildcard.is_empty() {
            let dots = host.bytes().enumerate().filter(|(_, byte)| *byte == b'.');
            for suffix in dots.map(|(at, _)| &host[at..]) {
                if let Some(found) = self
                    .wildcard
                    .get(suffix)
                    .and_then(|tree| tree.find(path, method))
                {
                    return found;
                }
            }
        }
        self.any.find(path, method).unwrap_or(Found::Nothing)
    }

    /// The pattern, as the configuration says it.
    #[must_use]
    pub fn pattern(&self, matched: Matched) -> &str {
        self.patterns
            .get(matched.pattern as usize)
            .map_or("", |pattern| pattern)
    }
}

fn tree<'t>(
    host: &str,
    exact: &'t mut Map<Tree>,
    wildcard: &'t mut Map<Tree>,
    any: &'t mut Tree,
) -> &'t mut Tree {
    match host.strip_prefix('*') {
        Some("") => any,
        Some(suffix) => wildcard
            .entry(suffix.to_ascii_lowercase().into())
            .or_default(),
        None => exact.entry(host.to_ascii_lowercase().into()).or_default(),
    }
}

/// The paths of one host, by segments. Node 0 is the root.
#[derive(Debug)]
struct Tree {
    nodes: Vec<Node>,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

#[derive(Debug, Default)]
struct Node {
    literal: Map<u32>,
    parameter: Option<u32>,
    whole: Option<Place>,
    prefix: Option<Place>,
}

/// The APIs at one path, by method.
#[derive(Debug)]
struct Place {
    pattern: u32,
    prefix: usize,
    any: Option<usize>,
    methods: Vec<(Method, usize)>,
    allow: String,
}

impl Tree {
    fn insert(
        &mut self,
        path: &PathMatch,
        methods: &[String],
        api: usize,
        apis: &[Api],
        patterns: &mut Vec<Box<str>>,
    ) -> Result<(), ConfigError> {
        let (text, whole, template) = match path {
            PathMatch::Exact(text) => (text.as_str(), true, false),
            PathMatch::Template(text) => (text.as_str(), true, true),
            PathMatch::Prefix(text) => (text.trim_end_matches('/'), false, false),
        };
        if !(text.starts_with('/') || (text.is_empty() && !whole)) {
            return Err(wrong_path(text, "must begin with `/`"));
        }
        let mut node = 0;
        // As many bytes as the matched form has: what `strip_path` takes off.
        let mut length = 0;
        let segments = text.split('/').skip(1);
        if segments.clone().count() > MAX_SEGMENTS {
            return Err(wrong_path(text, "has more than 64 segments"));
        }
        for segment in segments {
            node = if template && segment.contains(['{', '}']) {
                let name = segment
                    .strip_prefix('{')
                    .and_then(|rest| rest.strip_suffix('}'));
                if !name.is_some_and(|name| !name.is_empty() && !name.contains(['{', '}'])) {
                    return Err(wrong_path(
                        text,
                        "must have whole segments in braces, such as /orders/{id}",
                    ));
                }
                self.parameter(node)
            } else {
                let literal = literal_form(segment).ok_or_else(|| {
                    wrong_path(
                        text,
                        "has a segment that no request in normal form can have",
                    )
                })?;
                // What nobody can reach would only look as if it were served.
                if node == 0 && literal == RESERVED.trim_matches('/') {
                    let message = format!(
                        "the path `{text}` is the gate's own: nothing below `{RESERVED}` goes to an upstream"
                    );
                    return Err(ConfigError::new("path-reserved", "", message));
                }
                length += 1 + literal.len();
                self.literal(node, &literal)
            };
        }
        let slot = &mut self.nodes[node as usize];
        let slot = if whole {
            &mut slot.whole
        } else {
            &mut slot.prefix
        };
        let pattern = if whole {
            text.to_owned()
        } else {
            format!("{text}/*")
        };
        let place = slot.get_or_insert_with(|| {
            patterns.push(pattern.as_str().into());
            Place {
                pattern: u32::try_from(patterns.len() - 1).unwrap_or(u32::MAX),
                prefix: if whole { 0 } else { length },
                any: None,
                methods: Vec::new(),
                allow: String::new(),
            }
        });
        place.add(methods, api, apis, &pattern)
    }

    fn literal(&mut self, node: u32, segment: &str) -> u32 {
        if let Some(next) = self.nodes[node as usize].literal.get(segment) {
            return *next;
        }
        let next = self.push();
        self.nodes[node as usize]
            .literal
            .insert(segment.into(), next);
        next
    }

    fn parameter(&mut self, node: u32) -> u32 {
        if let Some(next) = self.nodes[node as usize].parameter {
            return next;
        }
        let next = self.push();
        self.nodes[node as usize].parameter = Some(next);
        next
    }

    fn push(&mut self) -> u32 {
        self.nodes.push(Node::default());
        u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX)
    }

    fn finish(&mut self) {
        for node in &mut self.nodes {
            for place in [&mut node.whole, &mut node.prefix].into_iter().flatten() {
                place.finish();
            }
        }
    }

    fn find(&self, path: &str, method: &Method) -> Option<Found<'_>> {
        let rest = path.strip_prefix('/').unwrap_or(path);
        let place = self
            .whole(0, rest, MAX_SEGMENTS)
            .or_else(|| self.longest_prefix(rest))?;
        Some(place.find(method))
    }

    fn whole(&self, node: u32, rest: &str, depth: usize) -> Option<&Place> {
        let node = self.nodes.get(node as usize)?;
        if depth == 0 || (node.literal.is_empty() && node.parameter.is_none()) {
            return None;
        }
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        let step = |next: u32| match after {
            Some(after) => self.whole(next, after, depth - 1),
            None => self.nodes.get(next as usize)?.whole.as_ref(),
        };
        let literal = node.literal.get(segment).and_then(|next| step(*next));
        literal.or_else(|| {
            node.parameter
                .filter(|_| !segment.is_empty())
                .and_then(step)
        })
    }

    fn longest_prefix(&self, rest: &str) -> Option<&Place> {
        let mut node = self.nodes.first()?;
        let mut longest = node.prefix.as_ref();
        for segment in rest.split('/').take(MAX_SEGMENTS) {
            let Some(next) = node
                .literal
                .get(segment)
                .and_then(|next| self.nodes.get(*next as usize))
            else {
                break;
            };
            node = next;
            longest = node.prefix.as_ref().or(longest);
        }
        longest
    }
}

impl Place {
    fn add(
        &mut self,
        methods: &[String],
        api: usize,
        apis: &[Api],
        pattern: &str,
    ) -> Result<(), ConfigError> {
        if methods.is_empty() {
            if let Some(other) = self.any {
                return Err(conflict(pattern, "any method", other, apis));
            }
            self.any = Some(api);
        }
        for name in methods {
            let method = Method::from_bytes(name.as_bytes()).map_err(|_| {
                ConfigError::new(
                    "not-a-method",
                    "",
                    format!("`{name}` is not an HTTP method such as GET"),
                )
            })?;
            if let Some((_, other)) = self.methods.iter().find(|(known, _)| *known == method) {
                return Err(conflict(pattern, name, *other, apis));
            }
            self.methods.push((method, api));
        }
        Ok(())
    }

    fn finish(&mut self) {
        let mut names: Vec<&str> = self
            .methods
            .iter()
            .map(|(method, _)| method.as_str())
            .collect();
        // A GET is also a HEAD (RFC 9110 section 9.3.2), unless somebody else has it.
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        names.sort_unstable();
        self.allow = names.join(", ");
    }

    fn find(&self, method: &Method) -> Found<'_> {
        let named = |wanted: &Method| {
            self.methods
                .iter()
                .find(|(known, _)| known == wanted)
                .map(|(_, api)| *api)
        };
        let api = named(method)
            .or_else(|| {
                if *method == Method::HEAD {
                    named(&Method::GET)
                } else {
                    None
                }
            })
            .or(self.any);
        match api {
            Some(api) => Found::Route(Matched {
                api,
                pattern: self.pattern,
                prefix: self.prefix,
            }),
            None => Found::MethodNotAllowed(&self.allow),
        }
    }
}

/// A segment as requests are matched: `for_matching` of its normal form.
fn literal_form(segment: &str) -> Option<String> {
    let rooted = format!("/{segment}");
    let normal = target::normalize(&rooted, &TargetSwitches::default())
        .ok()
        .filter(|normal| normal.query.is_none())?;
    let literal = normal.match_path();
    // Dot segments would vanish, and take their neighbours with them.
    let literal = literal
        .strip_prefix('/')
        .filter(|literal| !literal.contains('/'))?;
    (segment.is_empty() == literal.is_empty()).then(|| literal.to_owned())
}

fn conflict(pattern: &str, method: &str, other: usize, apis: &[Api]) -> ConfigError {
    let name = apis
        .get(other)
        .map_or("another API", |api| api.name.as_str());
    let message = format!(
        "`{}` with {method} is already taken by the API `{name}`; give one of them another host, path or method",
        pattern
    );
    ConfigError::new("route-conflict", "", message)
}

fn wrong_path(path: &str, what: &str) -> ConfigError {
    ConfigError::new("not-a-path", "", format!("the path `{path}` {what}"))
}

#[cfg(test)]
mod tests;
