//! From a path and a method to an operation of a document, in time that does
//! not grow with the number of operations.
//!
//! `OpenAPI` 3.1, "Path Templating Matching": what is written out wins over what
//! is in braces, segment by segment from the left. Between the two stand
//! segments that are partly written out, such as `{name}.json`, the one with
//! more of it written out first. Where the most specific path does not take
//! the method, a less specific one that does is the operation, as it is to the
//! frameworks that serve such paths; here a name is found, and no way chosen.

mod segment;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use http::Method;
use lockgate_policy::scopes::Demand;
use lockgate_policy::{ConfigError, Span};
use lockgate_wire::query::decoded_segment;

use self::segment::{Partial, Segment};
use crate::bundle::{self, ApiDocument};
use crate::metrics::{Metrics, OperationMetrics};

/// Segments of a path that are looked at; the longest of GitHub's paths has 13.
const MAX_SEGMENTS: usize = 64;
/// Partly written out segments in one place of the tree, each of which is
/// tried: the one thing that is not found by a look-up.
const MAX_PARTIALS: usize = 32;
/// Bytes of a name: it travels in every event and in a metric's label.
const MAX_NAME: usize = 256;

type Map<V> = HashMap<Box<str>, V, RandomState>;

/// The operations of a document.
#[derive(Debug)]
pub struct Operations {
    nodes: Vec<Node>,
    operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its `operationId`, or `GET /path`.
    pub name: Arc<str>,
    /// Its method.
    pub method: Method,
    /// The path template, as the document says it.
    pub path: Box<str>,
    /// The segments of its path that have a name in braces, from its end: their places there, and what stands around
    /// the name.
    named: Box<[Named]>,
    /// What it demands of who calls, where the document says it.
    pub demand: Option<Arc<Demand>>,
    /// Where the document says it.
    pub span: Span,
}

/// A segment of a path that has one name in braces.
#[derive(Debug)]
struct Named {
    /// How many segments stand behind it.
    behind: usize,
    name: Arc<str>,
    before: Box<str>,
    after: Box<str>,
}

impl Operation {
    /// What stands in the braces of its path, percent-decoded: names and values. `path` is in the form that is matched,
    /// and the operation was found by it. A segment with several names tells none of them.
    #[must_use]
    pub fn captures(&self, path: &str) -> Vec<(Arc<str>, String)> {
        let segments: Vec<&str> = path.rsplit('/').collect();
        let captured = self.named.iter().filter_map(|named| {
            let segment = segments.get(named.behind)?;
            let value = segment
                .strip_prefix(&*named.before)?
                .strip_suffix(&*named.after)?;
            Some((Arc::clone(&named.name), decoded_segment(value).into_owned()))
        });
        captured.collect()
    }
}

/// Those segments of a template that have one name in braces.
fn named(path: &str) -> Box<[Named]> {
    let segments = path.rsplit('/').enumerate();
    let named = segments.filter_map(|(behind, segment)| {
        let (before, rest) = segment.split_once('{')?;
        let (name, after) = rest.split_once('}')?;
        (!after.contains('{')).then(|| Named {
            behind,
            name: name.into(),
            before: before.into(),
            after: after.into(),
        })
    });
    named.collect()
}

/// What became of a look-up.
#[derive(Debug, PartialEq, Eq)]
pub enum Sought {
    /// The operation with this number.
    Operation(u32),
    /// The path is known, but not with this method; these are.
    MethodNotAllowed(String),
    /// The document does not have the path.
    Nothing,
}

#[derive(Debug, Default)]
struct Node {
    literal: Map<u32>,
    partial: Vec<(Partial, u32)>,
    parameter: Option<u32>,
    methods: Vec<(Method, u32)>,
}

impl Operations {
    /// Builds the table.
    ///
    /// # Errors
    /// Each operation that cannot be one, or that another one already is. The
    /// pointers are relative to the document.
    pub fn new(document: &ApiDocument) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut made = Self {
            nodes: vec![Node::default()],
            operations: Vec::with_capacity(document.operations.len()),
        };
        let demands: Vec<Arc<Demand>> = document
            .security
            .iter()
            .map(|one| Demand::new(one).into())
            .collect();
        let mut names: HashMap<&str, &bundle::Operation> = HashMap::new();
        for (place, operation) in document.operations.iter().enumerate() {
            let mut refuse = |error: ConfigError| {
                errors.push(ConfigError {
                    pointer: format!("/operations/{place}"),
                    span: Some(operation.span),
                    ..error
                });
            };
            if let Some(first) = names.insert(&operation.name, operation) {
                refuse(named_twice(&operation.name, first));
            }
            if let Err(error) = made.add(operation, &document.bases, &demands) {
                refuse(error);
            }
        }
        if errors.is_empty() {
            Ok(made)
        } else {
            Err(errors)
        }
    }

    /// Finds the operation. `path` is in the form that is matched.
    #[must_use]
    pub fn find(&self, path: &str, method: &Method) -> Sought {
        let mut taken = Vec::new();
        let rest = path.strip_prefix('/').unwrap_or(path);
        if let Some(found) = self.walk(0, rest, MAX_SEGMENTS, method, &mut taken) {
            return Sought::Operation(found);
        }
        if taken.is_empty() {
            return Sought::Nothing;
        }
        let mut names: Vec<&str> = taken
            .into_iter()
            .flat_map(|node| node.methods.iter().map(|(method, _)| method.as_str()))
            .collect();
        // A GET is also a HEAD (RFC 9110 section 9.3.2).
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.dedup();
        Sought::MethodNotAllowed(names.join(", "))
    }

    /// The operation with this number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Operation> {
        self.operations.get(number as usize)
    }

    /// All of them, in the document's order.
    pub fn iter(&self) -> std::slice::Iter<'_, Operation> {
        self.operations.iter()
    }

    /// Where requests to each operation are counted, for an API with this name.
    #[must_use]
    pub fn metrics(&self, metrics: &Metrics, api: &Arc<str>) -> Box<[Arc<OperationMetrics>]> {
        let names = self.operations.iter().map(|operation| &operation.name);
        names.map(|name| metrics.operation(api, name)).collect()
    }

    fn add(
        &mut self,
        operation: &bundle::Operation,
        bases: &[String],
        demands: &[Arc<Demand>],
    ) -> Result<(), ConfigError> {
        let name = &operation.name;
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            let message =
                format!("an operation's name has 1 to {MAX_NAME} bytes and no control character");
            return Err(ConfigError::new("operation-name", "", message));
        }
        let method = Method::from_bytes(operation.method.as_bytes()).map_err(|_| {
            let message = format!("`{}` is not an HTTP method", operation.method);
            ConfigError::new("not-a-method", "", message)
        })?;
        let demand = operation.security.map(|number| {
            demands.get(number as usize).cloned().ok_or_else(|| {
                let message = format!("the operation `{name}` demands what is not there");
                ConfigError::new("no-security", "", message)
            })
        });
        let number = u32::try_from(self.operations.len()).unwrap_or(u32::MAX);
        for base in operation.bases.as_deref().unwrap_or(bases) {
            self.place(operation, &method, base, number)?;
        }
        self.operations.push(Operation {
            name: name.as_str().into(),
            method,
            path: operation.path.as_str().into(),
            named: named(&operation.path),
            demand: demand.transpose()?,
            span: operation.span,
        });
        Ok(())
    }

    fn place(
        &mut self,
        operation: &bundle::Operation,
        method: &Method,
        base: &str,
        number: u32,
    ) -> Result<(), ConfigError> {
        let wrong = |what: &str| {
            let message = format!("the path `{}` {what}", operation.path);
            ConfigError::new("operation-path", "", message)
        };
        let Some(path) = operation.path.strip_prefix('/') else {
            return Err(wrong("does not begin with `/`"));
        };
        if path.contains(['?', '#']) {
            return Err(wrong(
                "has more than a path: a query or fragment tells no operations apart",
            ));
        }
        if path.starts_with('/') || path.contains("//") {
            return Err(wrong(
                "has an empty segment; write one `/` where there are two",
            ));
        }
        let before = base.split('/').filter(|segment| !segment.is_empty());
        let segments: Vec<Segment> = before
            .map(Segment::literal)
            .chain(path.split('/').map(Segment::template))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                wrong("has a segment that no request in normal form can have, or braces that are no names")
            })?;
        if segments.len() > MAX_SEGMENTS {
            return Err(wrong(&format!("has more than {MAX_SEGMENTS} segments")));
        }
        let mut node = 0;
        for segment in segments {
            node = self
                .step(node, segment)
                .ok_or_else(|| {
                    wrong(&format!(
                        "is one of more than {MAX_PARTIALS} with text beside braces in one place, such as `{{name}}.json`"
                    ))
                })?;
        }
        let methods = &mut self.nodes[node as usize].methods;
        match methods.iter().find(|(known, _)| known == method) {
            None => methods.push((method.clone(), number)),
            // Two bases may lead to one place.
            Some((_, known)) if *known == number => {}
            Some((_, known)) => {
                let other = self.operations.get(*known as usize);
                let message = format!(
                    "`{method} {}` is the operation `{}` of line {} again; give one of them another path or method",
                    operation.path,
                    other.map_or("", |other| &other.name),
                    other.map_or(0, |other| other.span.line),
                );
                return Err(ConfigError::new("operation-conflict", "", message));
            }
        }
        Ok(())
    }

    fn step(&mut self, node: u32, segment: Segment) -> Option<u32> {
        let next = u32::try_from(self.nodes.len()).ok()?;
        let here = &mut self.nodes[node as usize];
        let found = match segment {
            Segment::Literal(text) => *here.literal.entry(text).or_insert(next),
            Segment::Parameter => *here.parameter.get_or_insert(next),
            Segment::Partial(partial) => {
                match here.partial.iter().find(|(known, _)| *known == partial) {
                    Some((_, found)) => *found,
                    None if here.partial.len() >= MAX_PARTIALS => return None,
                    None => {
                        here.partial.push((partial, next));
                        here.partial.sort_by(|(a, _), (b, _)| a.order(b));
                        next
                    }
                }
            }
        };
        if found == next {
            self.nodes.push(Node::default());
        }
        Some(found)
    }

    fn walk<'o>(
        &'o self,
        node: u32,
        rest: &str,
        depth: usize,
        method: &Method,
        taken: &mut Vec<&'o Node>,
    ) -> Option<u32> {
        let node = self.nodes.get(node as usize)?;
        if depth == 0 {
            return None;
        }
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        let mut step = |next: u32| match after {
            Some(after) => self.walk(next, after, depth - 1, method, taken),
            None => self.nodes.get(next as usize)?.operation(method, taken),
        };
        if let Some(found) = node.literal.get(segment).and_then(|next| step(*next)) {
            return Some(found);
        }
        if segment.is_empty() {
            return None;
        }
        let partial = node.partial.iter().filter(|(form, _)| form.fits(segment));
        for (_, next) in partial {
            if let Some(found) = step(*next) {
                return Some(found);
            }
        }
        node.parameter.and_then(step)
    }
}

impl Node {
    fn operation<'o>(&'o self, method: &Method, taken: &mut Vec<&'o Self>) -> Option<u32> {
        if self.methods.is_empty() {
            return None;
        }
        let named = |wanted: &Method| {
            let mut methods = self.methods.iter();
            methods
                .find(|(known, _)| known == wanted)
                .map(|(_, number)| *number)
        };
        let found = named(method).or_else(|| {
            (*method == Method::HEAD)
                .then(|| named(&Method::GET))
                .flatten()
        });
        if found.is_none() {
            taken.push(self);
        }
        found
    }
}

fn named_twice(name: &str, first: &bundle::Operation) -> ConfigError {
    let message = format!(
        "two operations have the name `{name}`; the first is {} {} in line {}",
        first.method, first.path, first.span.line
    );
    ConfigError::new("operation-name-taken", "", message)
}

#[cfg(test)]
mod tests;
