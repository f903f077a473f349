//! JSON read in one pass, with an eye to a few places of it: their values, and where the items of
//! lists begin and end, so that some can be taken out and the rest stays letter by letter.
//!
//! It is strict (RFC 8259). A name that leads to a place and is there twice in one object is an
//! error: readers differ on which of the two counts.

use std::borrow::Cow;
use std::ops::Range;

mod places;
mod text;

pub use places::{Malformed, Places, MAX as MAX_PLACES};

use places::Node;

/// Deepest nesting. Precedent: serde_json's 128.
pub const MAX_DEPTH: usize = 128;

/// Most items and values that are looked at, so that a small document cannot take a lot of memory.
pub const MAX_FOUND: usize = 100_000;

/// Why a document is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It is no JSON.
    Syntax,
    /// It is nested too deeply.
    Depth,
    /// A name that matters is there twice in one object.
    Twice,
    /// It has more items and values than are looked at.
    Many,
}

/// A value at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'d> {
    /// A text.
    Text(Cow<'d, str>),
    /// A whole number, as it is written.
    Whole(&'d str),
    /// Anything else, or what cannot hold the place.
    Other,
}

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'d> {
    /// The number of its place.
    pub place: usize,
    /// The number of the innermost item that it is within, where a star of its place led there.
    pub item: Option<usize>,
    /// What stands there.
    pub value: Value<'d>,
}

/// An item of a list that a star led into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The number of its list.
    pub list: usize,
    /// The item that the list itself is within.
    pub within: Option<usize>,
    /// Its bytes.
    pub bytes: Range<usize>,
}

/// A list that a star led into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Which star.
    node: usize,
    /// The bytes between its brackets.
    pub bytes: Range<usize>,
}

/// What was found of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan<'d> {
    /// Values at places.
    pub found: Vec<Found<'d>>,
    /// Items of lists, in the order in which they begin.
    pub items: Vec<Item>,
    /// The lists, in the order in which they begin.
    pub lists: Vec<List>,
}

impl<'d> Scan<'d> {
    /// Reads a document.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn of(document: &'d [u8], places: &Places) -> Result<Self, Wrong> {
        let text = std::str::from_utf8(document).map_err(|_| Wrong::Syntax)?;
        let mut reader = Reader {
            text,
            at: 0,
            places,
            scan: Self::default(),
        };
        reader.blank();
        reader.value(Some(places.root()), None, MAX_DEPTH)?;
        reader.blank();
        if reader.at != text.len() {
            return Err(Wrong::Syntax);
        }
        Ok(reader.scan)
    }

    /// Which star led into an item: one of [`Places::stars`].
    #[must_use]
    pub fn node_of(&self, item: usize) -> usize {
        self.lists[self.items[item].list].node
    }

    /// The numbers of the items that the last star of a place led into.
    pub fn items_of(&self, places: &Places, place: usize) -> impl Iterator<Item = usize> + '_ {
        let node = places.last_star(place);
        let items = self.items.iter().enumerate();
        let of = move |item: &Item| Some(self.lists[item.list].node) == node;
        items
            .filter(move |(_, item)| of(item))
            .map(|(number, _)| number)
    }

    /// Whether there is a list that the first star of a place leads into, be it empty.
    #[must_use]
    pub fn has_list(&self, places: &Places, place: usize) -> bool {
        let node = places.first_star(place);
        self.lists.iter().any(|list| Some(list.node) == node)
    }

    /// The document without some items, by their numbers. Nothing else of it changes but the commas
    /// around them and the blanks of their lists. An item within one that is taken out goes with it.
    #[must_use]
    pub fn without(&self, document: &[u8], taken: &[bool]) -> Vec<u8> {
        let mut of_list: Vec<Vec<usize>> = vec![Vec::new(); self.lists.len()];
        for (number, item) in self.items.iter().enumerate() {
            of_list[item.list].push(number);
        }
        let mut made = Vec::with_capacity(document.len());
        self.write(
            document,
            (0, document.len()),
            0,
            (&of_list, taken),
            &mut made,
        );
        made
    }

    /// Writes a part of the document, and what lists from this one on leave of it; the first list behind it.
    fn write(
        &self,
        document: &[u8],
        (mut at, end): (usize, usize),
        mut next: usize,
        (of_list, taken): (&[Vec<usize>], &[bool]),
        made: &mut Vec<u8>,
    ) -> usize {
        while let Some(list) = self.lists.get(next).filter(|list| list.bytes.start < end) {
            let items = &of_list[next];
            next += 1;
            if !items.iter().any(|number| taken[*number]) {
                continue;
            }
            made.extend_from_slice(&document[at..list.bytes.start]);
            let mut first = true;
            for number in items {
                let bytes = &self.items[*number].bytes;
                if taken[*number] {
                    while self
                        .lists
                        .get(next)
                        .is_some_and(|list| list.bytes.start < bytes.end)
                    {
                        next += 1;
                    }
                    continue;
                }
                if !std::mem::take(&mut first) {
                    made.push(b',');
                }
                next = self.write(
                    document,
                    (bytes.start, bytes.end),
                    next,
                    (of_list, taken),
                    made,
                );
            }
            at = list.bytes.end;
        }
        made.extend_from_slice(&document[at..end]);
        next
    }
}

struct Reader<'d, 'p> {
    text: &'d str,
    at: usize,
    places: &'p Places,
    scan: Scan<'d>,
}

impl<'d, 'p> Reader<'d, 'p> {
    /// Reads a value. `node` is what places lead to or through it, `item` the innermost item that a star led into.
    fn value(
        &mut self,
        node: Option<&'p Node>,
        item: Option<usize>,
        depth: usize,
    ) -> Result<(), Wrong> {
        let depth = depth.checked_sub(1).ok_or(Wrong::Depth)?;
        if self.scan.items.len() + self.scan.found.len() > MAX_FOUND {
            return Err(Wrong::Many);
        }
        let begin = self.at;
        let value = match self.peek() {
            Some(b'{') => {
                self.object(node, item, depth)?;
                Value::Other
            }
            Some(b'[') => {
                self.list(node, item, depth)?;
                Value::Other
            }
            Some(b'"') => {
                let text = self.string()?;
                if node.is_some_and(Node::ends) {
                    Value::Text(text::unescaped(text).ok_or(Wrong::Syntax)?)
                } else {
                    text::check(text).ok_or(Wrong::Syntax)?;
                    Value::Other
                }
            }
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(Wrong::Syntax),
        };
        let Some(node) = node else {
            return Ok(());
        };
        for place in &node.places {
            self.scan.found.push(Found {
                place: *place,
                item,
                value: value.clone(),
            });
        }
        // What cannot hold a place is told at the place, so that nothing passes for having none.
        let first = self.text.as_bytes()[begin];
        if !node.members.is_empty() && first != b'{' {
            let within = node.members.iter().map(|(_, node)| *node);
            within.for_each(|node| self.lacking(node, item));
        }
        match node.items {
            // Null in place of a list is an empty one to those who write it.
            Some(star) if first == b'n' => self.scan.lists.push(List {
                node: star,
                bytes: begin..begin,
            }),
            Some(star) if first != b'[' => self.lacking(star, item),
            _ => {}
        }
        Ok(())
    }

    /// Tells of all places at a node and below that they cannot be there.
    fn lacking(&mut self, node: usize, item: Option<usize>) {
        let node = self.places.node(node);
        for place in &node.places {
            let value = Value::Other;
            self.scan.found.push(Found {
                place: *place,
                item,
                value,
            });
        }
        let below = node.members.iter().map(|(_, node)| *node).chain(node.items);
        below.for_each(|node| self.lacking(node, item));
    }

    fn object(
        &mut self,
        node: Option<&'p Node>,
        item: Option<usize>,
        depth: usize,
    ) -> Result<(), Wrong> {
        self.at += 1;
        self.blank();
        let mut seen: Vec<usize> = Vec::new();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            let below = match node {
                Some(node) if !node.members.is_empty() => {
                    let name = text::unescaped(name).ok_or(Wrong::Syntax)?;
                    node.member(&name)
                }
                _ => {
                    text::check(name).ok_or(Wrong::Syntax)?;
                    None
                }
            };
            if let Some(below) = below {
                if seen.contains(&below) {
                    return Err(Wrong::Twice);
                }
                seen.push(below);
            }
            self.blank();
            self.want(b':')?;
            self.blank();
            self.value(below.map(|below| self.places.node(below)), item, depth)?;
            self.blank();
            if self.take(b'}') {
                return Ok(());
            }
            self.want(b',')?;
            self.blank();
        }
    }

    fn list(
        &mut self,
        node: Option<&'p Node>,
        item: Option<usize>,
        depth: usize,
    ) -> Result<(), Wrong> {
        self.at += 1;
        let begin = self.at;
        let star = node.and_then(|node| node.items);
        let list = star.map(|node| {
            self.scan.lists.push(List {
                node,
                bytes: begin..begin,
            });
            self.scan.lists.len() - 1
        });
        self.blank();
        if !self.take(b']') {
            loop {
                let number = list.map(|list| {
                    let bytes = self.at..self.at;
                    self.scan.items.push(Item {
                        list,
                        within: item,
                        bytes,
                    });
                    self.scan.items.len() - 1
                });
                let node = star.map(|node| self.places.node(node));
                self.value(node, number.or(item), depth)?;
                if let Some(number) = number {
                    self.scan.items[number].bytes.end = self.at;
                }
                self.blank();
                if self.take(b']') {
                    break;
                }
                self.want(b',')?;
                self.blank();
            }
        }
        if let Some(list) = list {
            self.scan.lists[list].bytes.end = self.at - 1;
        }
        Ok(())
    }

    /// A string between its quotes, as it is written.
    fn string(&mut self) -> Result<&'d str, Wrong> {
        self.want(b'"')?;
        let begin = self.at;
        let bytes = self.text.as_bytes();
        loop {
            let rest = bytes.get(self.at..).ok_or(Wrong::Syntax)?;
            let found = memchr::memchr2(b'"', b'\\', rest).ok_or(Wrong::Syntax)?;
            self.at += found;
            if bytes[self.at] == b'"' {
                break;
            }
            self.at += 2;
        }
        let text = self.text.get(begin..self.at).ok_or(Wrong::Syntax)?;
        self.at += 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<Value<'d>, Wrong> {
        let bytes = self.text.as_bytes();
        let begin = self.at;
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut at = begin + usize::from(bytes[begin] == b'-');
        let whole = digits(at);
        if whole == at || (bytes[at] == b'0' && whole > at + 1) {
            return Err(Wrong::Syntax);
        }
        at = whole;
        if bytes.get(at) == Some(&b'.') {
            let end = digits(at + 1);
            if end == at + 1 {
                return Err(Wrong::Syntax);
            }
            at = end;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let end = digits(at);
            if end == at {
                return Err(Wrong::Syntax);
            }
            at = end;
        }
        self.at = at;
        let text = &self.text[begin..at];
        Ok(if at == whole && text != "-0" {
            Value::Whole(text)
        } else {
            Value::Other
        })
    }

    fn word(&mut self, word: &str) -> Result<Value<'d>, Wrong> {
        if !self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word))
        {
            return Err(Wrong::Syntax);
        }
        self.at += word.len();
        Ok(Value::Other)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn want(&mut self, byte: u8) -> Result<(), Wrong> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(Wrong::Syntax)
        }
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests;
