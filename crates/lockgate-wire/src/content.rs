//! Bodies, queries and cookies, read as rules look at them: names and values.
//!
//! | module | what it reads |
//! |---|---|
//! | [`form`] | `application/x-www-form-urlencoded`, and queries |
//! | [`cookies`] | `Cookie` |
//! | [`json`] | JSON (RFC 8259) |
//! | [`ndjson`] | JSON, a value to a line or to a record |
//! | [`multipart`] | `multipart/form-data` (RFC 7578) |
//! | [`xml`] | XML without a DTD |
//! | [`graphql`] | GraphQL documents, alone or in JSON |
//! | [`protobuf`] | messages of gRPC, without a schema |
//! | [`layers`] | encodings within a value |
//!
//! A reader gets the whole body at every call of its `run`, and a budget of
//! bytes: it stops after them with [`Progress::More`], so that a large body
//! lets others have the worker in between. What it keeps in between is plain
//! data. A single value is never cut: a slice is at least one value long.
//!
//! A reader says two kinds of things that are wrong. What it cannot read on
//! from is an error ([`Flaw`]). What can be read, but not by everyone in the
//! same way, it remembers (`strict`) and reads on, so that rules see the rest.

pub mod cookies;
pub mod form;
pub mod graphql;
pub mod json;
pub mod layers;
pub mod multipart;
pub mod ndjson;
pub mod protobuf;
pub mod reasons;
pub mod xml;

use crate::reason::ReasonRef;

/// Takes what a reader finds. Every method says whether to go on: false ends
/// the reading ([`Progress::Stopped`]).
pub trait Sink {
    /// A parameter, decoded.
    fn pair(&mut self, name: &[u8], value: &[u8]) -> bool;

    /// A scalar in JSON, or an empty container.
    fn leaf(&mut self, leaf: &json::Leaf<'_>) -> bool {
        self.pair(leaf.name, leaf.value)
    }

    /// The leaf that was told last is a document, and the texts in it were told
    /// each by itself.
    fn parted(&mut self) {}

    /// Bytes that are no text, in a message.
    fn octets(&mut self, name: &[u8], value: &[u8]) -> bool {
        let _ = (name, value);
        true
    }

    /// A text or an attribute in XML.
    fn node(&mut self, node: &xml::Node<'_>) -> bool {
        self.pair(node.path, node.value)
    }

    /// An element of XML begins, by the way to it: its attributes come next, and what is in it.
    fn element(&mut self, path: &[u8]) {
        let _ = path;
    }

    /// The element of XML that began last, of those that did not end, ends.
    fn element_end(&mut self) {}

    /// A header line of a part, unfolded, without its end; before [`Self::part`].
    fn part_header(&mut self, part: &[u8], line: &[u8]) -> bool {
        let _ = (part, line);
        true
    }

    /// A part of a form.
    fn part(&mut self, part: &multipart::Part<'_>) -> bool {
        self.pair(part.name, part.content)
    }
}

/// How far a reader came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The budget is used up; there is more to read.
    More,
    /// All is read.
    Done,
    /// The sink wanted no more.
    Stopped,
}

/// What is wrong with a body, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// What.
    pub reason: ReasonRef,
    /// At which byte of the body.
    pub at: usize,
}

impl Flaw {
    /// What is wrong, and at which byte.
    #[must_use]
    pub const fn new(reason: ReasonRef, at: usize) -> Self {
        Self { reason, at }
    }
}

/// How many bytes names may have together in a body, at most `most`: whoever looks at
/// values looks at their names too, and a long name above many short values would
/// make a hundred times as much of a body. 32 for each of its bytes, and 256 KiB.
#[must_use]
pub fn all_names(most: usize, body: &[u8]) -> usize {
    const FOR_EACH: usize = 32;
    const ANYWAY: usize = 256 << 10;
    most.min(body.len().saturating_mul(FOR_EACH).saturating_add(ANYWAY))
}

#[cfg(test)]
mod tests;
