//! XML, as far as rules look at it: texts and attributes, named by the way to
//! them. No DTD, no entities but the five, UTF-8 alone.
//!
//! The reader is ours, and not a library's (docs/decisions/0179): it keeps no
//! borrow of the body between slices, allocates nothing for each element, and
//! has limits that none of them has. Namespaces are not resolved.

mod attributes;
mod chars;
mod markup;
mod text;

use foldhash::fast::RandomState;

use super::{reasons, Flaw, Progress, Sink};
use crate::reason::ReasonRef;
use chars::{is_name, is_name_start, is_space};
use text::Text;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text between tags, CDATA sections within it; also where it is only whitespace.
    Text,
    /// An attribute's value.
    Attribute,
    /// A comment. Readers of XML pass over it.
    Comment,
    /// A processing instruction, with its target.
    Instruction,
}

/// Something that has a value.
#[derive(Debug)]
pub struct Node<'a> {
    /// The way to it: `/order/item` for a text, `/order/item/@id` for an attribute.
    pub path: &'a [u8],
    /// With references and CDATA sections resolved.
    pub value: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// Where it begins in the body.
    pub at: usize,
}

/// How much of XML is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Elements within each other. 128, as for JSON; libxml2 has 256.
    pub depth: usize,
    /// Elements, attributes, texts and the rest. Half a million, as for JSON.
    pub nodes: u32,
    /// Attributes of an element. 256: .NET's and Xerces' hardened ones have 100 to 10,000.
    pub attributes: usize,
    /// Bytes in the way to a node. 8 KiB, as for JSON.
    pub name_bytes: usize,
    /// Bytes in all ways together. 8 MiB, and fewer for a short body, as for JSON.
    pub all_name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 128,
            nodes: 500_000,
            attributes: 256,
            name_bytes: 8 << 10,
            all_name_bytes: 8 << 20,
        }
    }
}

/// An element that is open.
#[derive(Debug)]
struct Open {
    /// How long the path around it is.
    around: usize,
}

/// Reads XML; see the [module](self).
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    at: usize,
    begun: bool,
    rooted: bool,
    path: Vec<u8>,
    open: Vec<Open>,
    text: Text,
    scratch: Vec<u8>,
    /// Hashes of an element's attributes.
    attributes: Vec<u64>,
    /// Of this process: strangers cannot choose names that meet.
    hasher: RandomState,
    nodes_left: u32,
    name_bytes_left: usize,
    failed: Option<Flaw>,
}

impl Reader {
    /// Within these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            at: 0,
            begun: false,
            rooted: false,
            path: Vec::new(),
            open: Vec::new(),
            text: Text::default(),
            scratch: Vec::new(),
            attributes: Vec::new(),
            hasher: RandomState::default(),
            nodes_left: limits.nodes,
            name_bytes_left: limits.all_name_bytes,
            failed: None,
        }
    }

    /// To read another body; of what was allocated at most `most` bytes are kept.
    pub fn reset(&mut self, most: usize) {
        self.at = 0;
        self.begun = false;
        self.rooted = false;
        self.open.clear();
        self.text.reset(most);
        for buffer in [&mut self.path, &mut self.scratch] {
            buffer.clear();
            buffer.shrink_to(most);
        }
        self.nodes_left = self.limits.nodes;
        self.name_bytes_left = self.limits.all_name_bytes;
        self.failed = None;
    }

    /// Reads on, about `budget` bytes. `body` is the whole body each time.
    ///
    /// # Errors
    /// If it is not XML as it is read here, or beyond the limits; again at
    /// every later call.
    pub fn run<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        budget: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        if let Some(flaw) = self.failed {
            return Err(flaw);
        }
        let stop = self.at.saturating_add(budget.max(1));
        self.read(body, stop, sink)
            .inspect_err(|flaw| self.failed = Some(*flaw))
    }

    fn read<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        stop: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        if !self.begun {
            self.begun = true;
            self.name_bytes_left = super::all_names(self.limits.all_name_bytes, body);
            self.begin(body)?;
        }
        while let Some(byte) = body.get(self.at) {
            if self.at >= stop {
                return Ok(Progress::More);
            }
            let more = match byte {
                b'<' => self.markup(body, sink)?,
                _ => self.characters(body)?,
            };
            if !more {
                return Ok(Progress::Stopped);
            }
        }
        if !self.open.is_empty() || !self.rooted {
            return self.fail(&reasons::XML_END);
        }
        Ok(Progress::Done)
    }

    /// Byte order marks, and the declaration.
    fn begin(&mut self, body: &[u8]) -> Result<(), Flaw> {
        match body {
            [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, ..] | [b'<', 0, ..] => {
                return self.fail(&reasons::XML_ENCODING);
            }
            [0xef, 0xbb, 0xbf, ..] => self.at = 3,
            _ => {}
        }
        let rest = body.get(self.at..).unwrap_or_default();
        let is_declaration =
            rest.starts_with(b"<?xml") && rest.get(5).copied().is_some_and(is_space);
        if !is_declaration {
            return Ok(());
        }
        let Some(end) = memchr::memmem::find(rest, b"?>") else {
            return self.fail(&reasons::XML_END);
        };
        match markup::declaration(rest.get(5..end).unwrap_or_default()) {
            Ok(()) => self.at += end + 2,
            Err(reason) => return self.fail(reason),
        }
        Ok(())
    }

    /// Text up to the next tag.
    fn characters(&mut self, body: &[u8]) -> Result<bool, Flaw> {
        let rest = body.get(self.at..).unwrap_or_default();
        if self.open.is_empty() {
            let space = rest.iter().position(|byte| !is_space(*byte));
            self.at += space.unwrap_or(rest.len());
            return match space {
                Some(at) if rest.get(at) != Some(&b'<') => self.fail(match self.rooted {
                    true => &reasons::XML_TRAILING,
                    false => &reasons::XML_SYNTAX,
                }),
                _ => Ok(true),
            };
        }
        let end = memchr::memchr2(b'<', b'&', rest).unwrap_or(rest.len());
        let run = rest.get(..end).unwrap_or_default();
        chars::check(run, self.at)?;
        if let Some(at) = memchr::memmem::find(run, b"]]>") {
            self.at += at;
            return self.fail(&reasons::XML_SYNTAX);
        }
        self.text.add(body, self.at, end);
        self.at += end;
        if body.get(self.at) == Some(&b'&') {
            let before = self.at;
            self.at = text::reference(body, before, self.text.decoded(body, before))?;
        }
        Ok(true)
    }

    /// Tells the text that ends here. False if the sink wants no more.
    fn end_text<S: Sink + ?Sized>(&mut self, body: &[u8], sink: &mut S) -> Result<bool, Flaw> {
        let Some(at) = self.text.begins() else {
            return Ok(true);
        };
        self.count()?;
        let value = self.text.value(body);
        let node = Node {
            path: &self.path,
            value,
            kind: Kind::Text,
            at,
        };
        let more = sink.node(&node);
        self.text.clear();
        Ok(more)
    }

    /// A name at `at`: where it ends.
    fn name_end(&self, body: &[u8], at: usize) -> Result<usize, Flaw> {
        let rest = body.get(at..).unwrap_or_default();
        match rest.first() {
            Some(first) if is_name_start(*first) => {}
            Some(_) => return Err(Flaw::new(&reasons::XML_SYNTAX, at)),
            None => return Err(Flaw::new(&reasons::XML_END, at)),
        }
        let end = rest.iter().position(|byte| !is_name(*byte));
        let end = end.unwrap_or(rest.len());
        if end > self.limits.name_bytes {
            return Err(Flaw::new(&reasons::XML_NAME, at));
        }
        chars::check(rest.get(..end).unwrap_or_default(), at)?;
        Ok(at + end)
    }

    /// One more node, whose path is as it is now.
    fn count(&mut self) -> Result<(), Flaw> {
        let Some(left) = self.nodes_left.checked_sub(1) else {
            return self.fail(&reasons::XML_TOO_MANY);
        };
        let Some(bytes) = self.name_bytes_left.checked_sub(self.path.len()) else {
            return self.fail(&reasons::XML_NAME);
        };
        self.nodes_left = left;
        self.name_bytes_left = bytes;
        Ok(())
    }

    #[cold]
    fn fail<T>(&self, reason: ReasonRef) -> Result<T, Flaw> {
        Err(Flaw::new(reason, self.at))
    }
}
