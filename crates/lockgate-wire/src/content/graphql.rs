//! GraphQL documents (October 2021): what they ask for, counted, and the texts
//! in them, named by the way to them (`graphql.user.name`).
//!
//! A document comes alone, as a parameter of a query, or in JSON beside its
//! variables, in which case [`Envelope`] finds it. It is read at once: its
//! length is bounded.

mod lexer;
mod parser;

use super::{json, multipart, xml, Flaw, Progress, Sink};
use crate::reason::ReasonRef;

/// How much of a document is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a document. 256 KiB: persisted queries of large clients are below 100 KiB.
    pub bytes: usize,
    /// Selection sets, lists and objects within each other. 64; introspection takes 13.
    pub depth: usize,
    /// Tokens. 15,000, as Apollo's router and graphql-java have.
    pub tokens: u32,
    /// Documents in one body. 100.
    pub documents: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 << 10,
            depth: 64,
            tokens: 15_000,
            documents: 100,
        }
    }
}

/// What a document asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Queries, mutations and subscriptions.
    pub operations: u32,
    /// Mutations among them.
    pub mutations: u32,
    /// Fragments that are defined.
    pub fragments: u32,
    /// Fields.
    pub fields: u32,
    /// Fields that are given another name.
    pub aliases: u32,
    /// Directives.
    pub directives: u32,
    /// Selection sets within each other; what fragments hold stands in for itself.
    pub depth: u32,
    /// Whether it asks for the schema (`__schema`, `__type`).
    pub introspects: bool,
    /// Whether something stands in comments.
    pub comments: bool,
}

/// Reads a document, and tells its texts.
///
/// # Errors
/// If it is no GraphQL that can be executed, or beyond the limits.
pub fn read<S: Sink + ?Sized>(
    document: &[u8],
    limits: &Limits,
    sink: &mut S,
) -> Result<(Summary, Progress), Flaw> {
    parser::read(document, limits, sink)
}

/// Passes on what JSON holds, and the texts of the documents in it: those named
/// `query`, in the object that is the body or in each of an array of them.
#[derive(Debug)]
pub struct Envelope<'a, S: Sink + ?Sized> {
    sink: &'a mut S,
    limits: Limits,
    /// Each document's.
    summary: Summary,
    documents: u32,
    flaw: Option<Flaw>,
    pointer: Vec<u8>,
}

impl<'a, S: Sink + ?Sized> Envelope<'a, S> {
    /// Before this sink.
    #[must_use]
    pub fn new(sink: &'a mut S, limits: Limits) -> Self {
        Self {
            sink,
            limits,
            summary: Summary::default(),
            documents: 0,
            flaw: None,
            pointer: Vec::new(),
        }
    }

    /// How many documents there were, what all of them together ask for, and the
    /// first thing wrong in them, at its place in the document.
    #[must_use]
    pub const fn outcome(&self) -> (u32, &Summary, Option<Flaw>) {
        (self.documents, &self.summary, self.flaw)
    }

    fn is_document(&mut self, leaf: &json::Leaf<'_>) -> bool {
        if leaf.kind != json::Kind::Text || !leaf.name.ends_with(b".query") {
            return false;
        }
        self.pointer.clear();
        leaf.pointer(&mut self.pointer);
        let way = self.pointer.strip_suffix(b"/query");
        way.is_some_and(|way| match way {
            [] => true,
            [b'/', number @ ..] => number.iter().all(u8::is_ascii_digit),
            _ => false,
        })
    }

    fn fail(&mut self, reason: ReasonRef) {
        self.flaw.get_or_insert(Flaw::new(reason, 0));
    }
}

impl<S: Sink + ?Sized> Sink for Envelope<'_, S> {
    fn pair(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.sink.pair(name, value)
    }

    fn leaf(&mut self, leaf: &json::Leaf<'_>) -> bool {
        if !self.sink.leaf(leaf) {
            return false;
        }
        if !self.is_document(leaf) {
            return true;
        }
        self.documents += 1;
        if self.documents > self.limits.documents {
            self.fail(&super::reasons::GRAPHQL_TOO_MANY);
            return true;
        }
        match read(leaf.value, &self.limits, self.sink) {
            Ok((summary, progress)) => {
                self.summary.add(&summary);
                // What stands in comments was not told.
                if !summary.comments {
                    self.sink.parted();
                }
                progress != Progress::Stopped
            }
            Err(flaw) => {
                self.flaw.get_or_insert(flaw);
                true
            }
        }
    }

    fn parted(&mut self) {
        self.sink.parted();
    }

    fn octets(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.sink.octets(name, value)
    }

    fn node(&mut self, node: &xml::Node<'_>) -> bool {
        self.sink.node(node)
    }

    fn element(&mut self, path: &[u8]) {
        self.sink.element(path);
    }

    fn element_end(&mut self) {
        self.sink.element_end();
    }

    fn part_header(&mut self, part: &[u8], line: &[u8]) -> bool {
        self.sink.part_header(part, line)
    }

    fn part(&mut self, part: &multipart::Part<'_>) -> bool {
        self.sink.part(part)
    }
}

impl Summary {
    fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.mutations += other.mutations;
        self.fragments += other.fragments;
        self.fields += other.fields;
        self.aliases += other.aliases;
        self.directives += other.directives;
        self.depth = self.depth.max(other.depth);
        self.introspects |= other.introspects;
        self.comments |= other.comments;
    }
}
