//! From host, path and method to an API, in time that does not grow with the
//! number of routes.
//!
//! One precedence, and no other: the most specific host (exact, then the
//! longest wildcard, then any) that has a matching path; in it an exact path,
//! then a template (literal segments before braces, left to right), then a
//! regular expression (the longest, then the first in the alphabet), then the
//! longest prefix; at that path the route that asks for most of what the
//! request carries. The method comes last.
//!
//! What was found never gives way to something less specific: where the path
//! is known, but not with this method or without that header, the answer is 405
//! or 404. Else leaving a header out would open another API's door.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use lockgate_policy::conditions::Conditions;
use lockgate_policy::pattern::{Pattern, PatternSet};
use lockgate_policy::ConfigError;
use lockgate_wire::target::{self, TargetSwitches};

use crate::bundle::{Api, PathMatch};
use crate::judge::RESERVED;

mod place;
mod shape;

pub use place::Asked;
use place::Place;
use shape::Shape;
pub use shape::{names, Named};

/// Segments of a path that a template may have; more would be walked for nothing.
const MAX_SEGMENTS: usize = 64;
/// Regular expressions of one host: they are looked for in one pass, whose
/// automaton grows with them.
const MAX_EXPRESSIONS: usize = 1000;

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
    /// The path is known, but not with what the request carries.
    Unmatched,
    /// What the request carries can be read in two ways.
    Ambiguous,
    /// No API answers to this host and path.
    Nothing,
}

/// All routes of a bundle.
#[derive(Debug, Default)]
pub struct Router {
    exact: Map<Tree>,
    wildcard: Map<Tree>,
    any: Tree,
    patterns: Vec<Shape>,
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
            let conditions = match Conditions::new(&api.conditions) {
                Ok(conditions) => conditions,
                Err(mut error) => {
                    error.pointer = format!("/apis/{index}/conditions{}", error.pointer);
                    error.span = Some(api.span);
                    errors.push(error);
                    continue;
                }
            };
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
                    if let Err(mut error) =
                        tree.insert(path, &conditions, number(index), apis, patterns)
                    {
                        error.pointer = format!("/apis/{index}/paths/{place}");
                        error.span = Some(api.span);
                        errors.push(error);
                    }
                }
            }
        }
        let Self {
            exact,
            wildcard,
            any,
            ..
        } = &mut router;
        let trees = exact.values_mut().chain(wildcard.values_mut()).chain([any]);
        errors.extend(trees.filter_map(|tree| tree.finish().err()));
        if errors.is_empty() {
            Ok(router)
        } else {
            Err(errors)
        }
    }

    /// Finds the API. `host` and `path` are in normal form.
    #[must_use]
    pub fn find(&self, host: &str, path: &str, asked: &Asked<'_>) -> Found<'_> {
        self.place(host, path)
            .map_or(Found::Nothing, |place| place.find(asked))
    }

    /// Number of the pattern that a path belongs to, whatever the request is else.
    #[must_use]
    pub fn pattern_of(&self, host: &str, path: &str) -> Option<u32> {
        self.place(host, path).map(|place| place.pattern)
    }

    /// Whether headers, parameters or cookies have a say in where a path belongs.
    #[must_use]
    pub fn is_conditional(&self, host: &str, path: &str) -> bool {
        self.place(host, path).is_some_and(Place::is_conditional)
    }

    /// Whether a path belongs to that pattern too, if only as to a less specific one.
    #[must_use]
    pub fn covers(&self, pattern: u32, path: &str) -> bool {
        self.shape(pattern).is_some_and(|shape| shape.covers(path))
    }

    /// The pattern, as the configuration says it.
    #[must_use]
    pub fn pattern(&self, matched: Matched) -> &str {
        self.shape(matched.pattern).map_or("", Shape::text)
    }

    /// What the pattern's names stand for in a path in normal form.
    #[must_use]
    pub fn named<'r>(&'r self, matched: Matched, path: &'r str) -> Named<'r> {
        self.shape(matched.pattern)
            .map_or_else(Vec::new, |shape| shape.named(path))
    }

    fn shape(&self, pattern: u32) -> Option<&Shape> {
        self.patterns.get(pattern as usize)
    }

    fn place(&self, host: &str, path: &str) -> Option<&Place> {
        if !self.exact.is_empty() {
            if let Some(place) = self.exact.get(host).and_then(|tree| tree.place(path)) {
                return Some(place);
            }
        }
        if !self.wildcard.is_empty() {
            let dots = host.bytes().enumerate().filter(|(_, byte)| *byte == b'.');
            for suffix in dots.map(|(at, _)| &host[at..]) {
                if let Some(place) = self.wildcard.get(suffix).and_then(|tree| tree.place(path)) {
                    return Some(place);
                }
            }
        }
        self.any.place(path)
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
    /// Whether any path must match as a whole; else nobody need look for one.
    wholes: bool,
    expressions: Vec<(Pattern, Place)>,
    /// All of them at once; none where there are none.
    set: Option<PatternSet>,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            wholes: false,
            expressions: Vec::new(),
            set: None,
        }
    }
}

/// One cache line; where a path ends is a place of its own.
#[derive(Debug, Default)]
struct Node {
    literal: Map<u32>,
    parameter: Option<u32>,
    whole: Option<Box<Place>>,
    prefix: Option<Box<Place>>,
}

impl Tree {
    fn insert(
        &mut self,
        path: &PathMatch,
        conditions: &Conditions,
        api: u32,
        apis: &[Api],
        patterns: &mut Vec<Shape>,
    ) -> Result<(), ConfigError> {
        let (text, whole, template) = match path {
            PathMatch::Exact(text) => (text.as_str(), true, false),
            PathMatch::Template(text) => (text.as_str(), true, true),
            PathMatch::Prefix(text) => (text.trim_end_matches('/'), false, false),
            PathMatch::Regex(text) => {
                return self.insert_expression(text, conditions, api, apis, patterns)
            }
        };
        if !(text.starts_with('/') || (text.is_empty() && !whole)) {
            return Err(wrong_path(text, "must begin with `/`"));
        }
        let mut node = 0;
        // As many bytes as the matched form has: what `strip_path` takes off.
        let mut length: u32 = 0;
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
                let own = apis.get(api as usize).is_some_and(|api| api.own);
                if node == 0 && literal == RESERVED.trim_matches('/') && !own {
                    let message = format!(
                        "the path `{text}` is the gate's own: nothing below `{RESERVED}` goes to an upstream"
                    );
                    return Err(ConfigError::new("path-reserved", "", message));
                }
                length = length.saturating_add(number(1 + literal.len()));
                self.literal(node, &literal)
            };
        }
        let slot = &mut self.nodes[node as usize];
        let slot = if whole {
            &mut slot.whole
        } else {
            &mut slot.prefix
        };
        let pattern = path.pattern();
        let place = slot.get_or_insert_with(|| {
            patterns.push(Shape::new(path, &pattern));
            let length = if whole { 0 } else { length };
            Box::new(Place::new(number(patterns.len() - 1), length))
        });
        place.add(conditions, api, apis, &pattern)
    }

    fn insert_expression(
        &mut self,
        text: &str,
        conditions: &Conditions,
        api: u32,
        apis: &[Api],
        patterns: &mut Vec<Shape>,
    ) -> Result<(), ConfigError> {
        let known = |(pattern, _): &(Pattern, Place)| pattern.text() == text;
        let at = match self.expressions.iter().position(known) {
            Some(at) => at,
            None if self.expressions.len() == MAX_EXPRESSIONS => {
                let message = format!(
                    "a host has at most {MAX_EXPRESSIONS} paths by regular expressions; most can be templates"
                );
                return Err(ConfigError::new("too-many-expressions", "", message));
            }
            None => {
                let pattern = shape::expression(text)?;
                patterns.push(Shape::Regex(pattern.clone()));
                self.expressions
                    .push((pattern, Place::new(number(patterns.len() - 1), 0)));
                self.expressions.len() - 1
            }
        };
        self.expressions[at].1.add(conditions, api, apis, text)
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
        number(self.nodes.len() - 1)
    }

    fn finish(&mut self) -> Result<(), ConfigError> {
        for node in &mut self.nodes {
            for place in [&mut node.whole, &mut node.prefix].into_iter().flatten() {
                place.finish();
            }
        }
        self.wholes = self.nodes.iter().any(|node| node.whole.is_some());
        for (_, place) in &mut self.expressions {
            place.finish();
        }
        self.expressions.sort_by(|(one, _), (other, _)| {
            let (one, other) = (one.text(), other.text());
            other.len().cmp(&one.len()).then_with(|| one.cmp(other))
        });
        if !self.expressions.is_empty() {
            let patterns = self.expressions.iter().map(|(pattern, _)| pattern);
            let set = PatternSet::new(patterns);
            self.set =
                Some(set.map_err(|fault| ConfigError::new(fault.code, "/apis", fault.message))?);
        }
        Ok(())
    }

    fn place(&self, path: &str) -> Option<&Place> {
        let rest = path.strip_prefix('/').unwrap_or(path);
        self.wholes
            .then(|| self.whole(0, rest, MAX_SEGMENTS))
            .flatten()
            .or_else(|| self.expression(path))
            .or_else(|| self.longest_prefix(rest))
    }

    fn expression(&self, path: &str) -> Option<&Place> {
        let first = self.set.as_ref()?.first(path)?;
        self.expressions.get(first).map(|(_, place)| place)
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
            None => self.nodes.get(next as usize)?.whole.as_deref(),
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
        let mut longest = node.prefix.as_deref();
        for segment in rest.split('/').take(MAX_SEGMENTS) {
            let Some(next) = node
                .literal
                .get(segment)
                .and_then(|next| self.nodes.get(*next as usize))
            else {
                break;
            };
            node = next;
            longest = node.prefix.as_deref().or(longest);
        }
        longest
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

/// An index or a length in half the room; a bundle's size keeps both far below its end.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn wrong_path(path: &str, what: &str) -> ConfigError {
    ConfigError::new("not-a-path", "", format!("the path `{path}` {what}"))
}

#[cfg(test)]
mod tests;
