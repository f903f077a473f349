//! JSON read in one pass, with an eye to a few places of it: their values, and where the items of
//! lists begin and end, so that some can be taken out and the rest stays letter by letter. In the
//! same pass fields are found that are not open to whom the document is for.
//!
//! It is strict (RFC 8259). A name that leads to a place and is there twice in one object is an
//! error: readers differ on which of the two counts.

use std::borrow::Cow;
use std::ops::Range;

mod fields;
mod places;
mod text;

pub use fields::{Fields, Holders, Open, MAX_FIELDS, MAX_HOLDERS};
pub use places::{Malformed, Places, MAX as MAX_PLACES};

use places::Node;

/// Deepest nesting. Precedent: serde_json's 128.
pub const MAX_DEPTH: usize = 128;

/// Most items and values that are looked at, so that a small document cannot take a lot of memory.
pub const MAX_FOUND: usize = 100_000;

/// Most pieces that are cut out of a document, four megabytes of places.
pub const MAX_CUTS: usize = 250_000;

/// Which fields of a document are open, and to whom of those it is.
#[derive(Debug, Clone, Copy)]
pub struct Cutting<'f> {
    /// All of them.
    pub fields: &'f Fields,
    /// Whom the document is for, or from.
    pub held: Holders,
    /// What stays in the place of an object or list of which only something within is open.
    pub leaves: Leaves,
}

/// What stays in the place of an object or list of which only something within is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// Nothing: to set it would take away what is within. So would a list, where `lists` is not said.
    Nothing {
        /// Whether a list stays where fields lead into items.
        lists: bool,
    },
    /// Null: there is nothing within.
    Null,
    /// Any single value.
    Single,
}

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
    /// It is nothing of which a field could be open.
    Shape,
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
    /// Members and items that are not open, in order; none is within another.
    pub cuts: Vec<Range<usize>>,
}

impl<'d> Scan<'d> {
    /// Reads a document.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn of(document: &'d [u8], places: &Places) -> Result<Self, Wrong> {
        Self::cutting(document, places, None)
    }

    /// Reads a document, and finds what is not open of it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn cutting(
        document: &'d [u8],
        places: &Places,
        cutting: Option<&Cutting<'_>>,
    ) -> Result<Self, Wrong> {
        let text = std::str::from_utf8(document).map_err(|_| Wrong::Syntax)?;
        let mut reader = Reader {
            text,
            at: 0,
            places,
            cutting,
            scan: Self::default(),
        };
        reader.blank();
        let open = cutting.map_or(Open::Whole, |all| all.fields.root(all.held));
        let stays = reader.value(Some(places.root()), None, open, MAX_DEPTH)?;
        reader.blank();
        if reader.at != text.len() {
            return Err(Wrong::Syntax);
        }
        if !stays {
            return Err(Wrong::Shape);
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

    /// The document without some items, by their numbers, and without what is not open of it if that
    /// is said. Nothing else of it changes but the commas and blanks around what is taken out.
    #[must_use]
    pub fn without(&self, document: &[u8], taken: &[bool], closed: bool) -> Vec<u8> {
        let items = self.items.iter().zip(taken);
        let items = items.filter(|(_, taken)| **taken);
        let items = items.map(|(item, _)| item.bytes.clone());
        let cuts = self.cuts.iter().filter(|_| closed).cloned();
        let mut all: Vec<Range<usize>> = items.chain(cuts).collect();
        // They are members and items, so that each is apart from others, or within one.
        all.sort_unstable_by_key(|cut| (cut.start, std::cmp::Reverse(cut.end)));
        let mut made = Vec::with_capacity(document.len());
        let mut at = 0;
        for cut in all {
            if cut.start < at {
                continue;
            }
            made.extend_from_slice(&document[at..cut.start]);
            at = cut.end + blanks(&document[cut.end..]);
            if document.get(at) == Some(&b',') {
                at += 1;
                at += blanks(&document[at..]);
            } else {
                let end = made.trim_ascii_end().len();
                if made[..end].ends_with(b",") {
                    made.truncate(end - 1);
                }
            }
        }
        made.extend_from_slice(&document[at..]);
        made
    }
}

/// How many blanks it begins with.
fn blanks(bytes: &[u8]) -> usize {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    bytes.iter().take_while(|byte| blank(byte)).count()
}

struct Reader<'d, 'p> {
    text: &'d str,
    at: usize,
    places: &'p Places,
    cutting: Option<&'p Cutting<'p>>,
    scan: Scan<'d>,
}

impl<'d, 'p> Reader<'d, 'p> {
    /// Reads a value, and tells whether it stays. `node` is what places lead to or through it, `item` the innermost
    /// item that a star led into, `open` what is open of it.
    fn value(
        &mut self,
        node: Option<&'p Node>,
        item: Option<usize>,
        open: Open,
        depth: usize,
    ) -> Result<bool, Wrong> {
        let depth = depth.checked_sub(1).ok_or(Wrong::Depth)?;
        if self.scan.items.len() + self.scan.found.len() > MAX_FOUND
            || self.scan.cuts.len() > MAX_CUTS
        {
            return Err(Wrong::Many);
        }
        let begin = self.at;
        let mut stays = open == Open::Whole;
        let value = match self.peek() {
            Some(b'{') => {
                let leads = self.leads_into_members(open);
                let open = if leads { open } else { Open::Whole };
                self.object(node, item, open, depth)?;
                stays |= leads;
                Value::Other
            }
            Some(b'[') => {
                let leads = self.leads_into_items(open);
                let open = if leads { open } else { Open::Whole };
                self.list(node, item, open, depth)?;
                stays |= leads;
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
        let first = self.text.as_bytes()[begin];
        if let (Open::Within(_), Some(cutting)) = (open, self.cutting) {
            stays |= match cutting.leaves {
                Leaves::Nothing { .. } => false,
                Leaves::Null => first == b'n',
                Leaves::Single => !b"{[".contains(&first),
            };
        }
        let Some(node) = node else {
            return Ok(stays);
        };
        for place in &node.places {
            self.scan.found.push(Found {
                place: *place,
                item,
                value: value.clone(),
            });
        }
        // What cannot hold a place is told at the place, so that nothing passes for having none.
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
        Ok(stays)
    }

    /// Whether an object stays there of whose members something is open.
    fn leads_into_members(&self, open: Open) -> bool {
        let (Open::Within(node), Some(cutting)) = (open, self.cutting) else {
            return false;
        };
        cutting.fields.has_members(node)
    }

    /// Whether a list stays there of whose items something is open.
    fn leads_into_items(&self, open: Open) -> bool {
        let (Open::Within(node), Some(cutting)) = (open, self.cutting) else {
            return false;
        };
        cutting.leaves != Leaves::Nothing { lists: false } && cutting.fields.has_items(node)
    }

    /// A member or item that began there, with as many cuts before it, is not open.
    fn cut(&mut self, begin: usize, before: usize) {
        self.scan.cuts.truncate(before);
        self.scan.cuts.push(begin..self.at);
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
        open: Open,
        depth: usize,
    ) -> Result<(), Wrong> {
        self.at += 1;
        self.blank();
        let mut seen: Vec<usize> = Vec::new();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let (begin, before) = (self.at, self.scan.cuts.len());
            let name = self.string()?;
            let mut within = open;
            let below = match (node.filter(|node| !node.members.is_empty()), open) {
                (None, Open::Whole) => {
                    text::check(name).ok_or(Wrong::Syntax)?;
                    None
                }
                (node, _) => {
                    let name = text::unescaped(name).ok_or(Wrong::Syntax)?;
                    if let Some(all) = self.cutting {
                        within = all.fields.member(open, &name, all.held);
                    }
                    node.and_then(|node| node.member(&name))
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
            let below = below.map(|below| self.places.node(below));
            let stays = self.value(below, item, within, depth)?;
            if !stays {
                self.cut(begin, before);
            }
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
        open: Open,
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
        let within = self
            .cutting
            .map_or(open, |all| all.fields.item(open, all.held));
        self.blank();
        if !self.take(b']') {
            loop {
                let (begin, before) = (self.at, self.scan.cuts.len());
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
                let stays = self.value(node, number.or(item), within, depth)?;
                if !stays {
                    self.cut(begin, before);
                }
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
