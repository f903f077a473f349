//! What elements of XML say as a whole. An application reads the text of an element:
//! `string()` of XPath, `textContent` and `itertext` all take the texts in it as one,
//! and some its own texts alone. `x' un<b/>ion select` is one value to them, and by
//! its texts none that anybody would run.
//!
//! What an element's own texts are together is a copy, and all these copies are no longer
//! than the document. With the texts of the elements in it, it is a part of all text; yet
//! elements within each other make these parts together as long as its depth times its
//! length. So there is an allowance, and the short ones have it first.

use std::ops::Range;

use super::feed::part;
use super::{Base, Filler, Member, Way};
use crate::bytes::{Arena, Span};
use crate::engine::members::Members;

/// Bytes of elements' texts, one within the other, that are looked at in any request.
const ANYWAY: usize = 256 << 10;
/// And for each byte of the body.
const FOR_EACH: usize = 2;

/// How a value is named.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Named {
    pub name: Span,
    pub way: Way,
    /// How long the way to it is in the document, which the name ends with.
    pub path: usize,
}

impl Named {
    /// The name of an element around it, whose way is so long.
    fn around(self, path: usize) -> Self {
        let cut = u32::try_from(self.path.saturating_sub(path)).unwrap_or(u32::MAX);
        let shorter = |span: Span| Span {
            len: span.len.saturating_sub(cut),
            ..span
        };
        Self {
            name: shorter(self.name),
            way: match self.way {
                Way::Pointer(pointer) => Way::Pointer(shorter(pointer)),
                way => way,
            },
            path,
        }
    }

    fn member(self, value: Span) -> Member {
        Member {
            name: self.name,
            way: self.way,
            value,
            ..Member::default()
        }
    }
}

/// What was read of an element so far. Places are such in all text.
#[derive(Debug)]
struct Element {
    /// How long the way to it is.
    path: usize,
    began: usize,
    /// The first of its own texts, of those that are kept.
    own: usize,
    /// How many texts in it are not blank.
    texts: usize,
    /// From the first to the last of these, without blanks around.
    range: Range<usize>,
    /// How the first of them is named.
    named: Named,
}

impl Element {
    /// A text in it, or several.
    fn add(&mut self, texts: usize, range: Range<usize>, named: Named) {
        if texts == 0 {
            return;
        }
        if self.texts == 0 {
            self.range.start = range.start;
            self.named = named;
        }
        self.range.end = range.end;
        self.texts += texts;
    }
}

/// The elements of a document.
#[derive(Debug, Default)]
pub(super) struct Elements {
    open: Vec<Element>,
    /// Own texts of those that are open, each behind those of the elements around it.
    own: Vec<Range<usize>>,
    /// What is made of several texts: each longer, or elsewhere, than the one before.
    made: Vec<(Range<usize>, Named)>,
    /// What all text is, without blanks around.
    whole: Range<usize>,
    /// Whether that is several texts.
    several: bool,
    /// Bytes that may still be looked at.
    left: usize,
    /// Whether there were more.
    exceeded: bool,
}

impl Elements {
    /// Before another request, or what comes of one as a body of its own.
    pub fn clear(&mut self) {
        self.next();
        self.open.shrink_to(super::super::transaction::KEPT);
        self.own.shrink_to(super::super::transaction::KEPT);
        self.made.shrink_to(super::super::transaction::KEPT);
        self.left = 0;
        self.exceeded = false;
    }

    /// Before another document of the same body.
    fn next(&mut self) {
        self.open.clear();
        self.own.clear();
        self.made.clear();
        self.whole = 0..0;
        self.several = false;
    }

    /// What a body of this length may cost.
    pub fn allow(&mut self, body: usize) {
        self.left = body.saturating_mul(FOR_EACH).saturating_add(ANYWAY);
    }

    /// Whether some are not looked at.
    pub const fn exceeded(&self) -> bool {
        self.exceeded
    }

    fn begin(&mut self, path: usize, at: usize) {
        self.open.push(Element {
            path,
            began: at,
            own: self.own.len(),
            texts: 0,
            range: at..at,
            named: Named::default(),
        });
    }

    /// A text at the end of all text.
    pub fn text(&mut self, at: usize, value: &[u8], named: Named) {
        let Some(around) = self.open.last_mut() else {
            return;
        };
        let start = at + value.len() - value.trim_ascii_start().len();
        let filled = start..start + value.trim_ascii().len();
        around.add(usize::from(!filled.is_empty()), filled, named);
        self.own.push(at..at + value.len());
    }

    /// An element ends: what its own texts are, if they are several and not all that is in it.
    fn end(&mut self, text: &[u8], own: &mut Vec<u8>) -> Option<Named> {
        let element = self.open.pop()?;
        let named = element.named.around(element.path);
        let texts = self.own.get(element.own..).unwrap_or_default();
        let texts = texts.iter().filter_map(|range| text.get(range.clone()));
        let length: usize = texts.clone().map(<[u8]>::len).sum();
        let filled = texts.clone().filter(|text| !text.trim_ascii().is_empty());
        let apart = filled.count() > 1 && length < text.len() - element.began;
        if apart {
            own.clear();
            texts.for_each(|text| own.extend_from_slice(text));
        }
        self.own.truncate(element.own);
        let several = element.texts > 1;
        let known = self.made.last().map(|(range, _)| range);
        let new = several && known != Some(&element.range);
        match self.open.last_mut() {
            Some(around) => around.add(element.texts, element.range.clone(), element.named),
            None => {
                self.whole = element.range.clone();
                self.several = several;
            }
        }
        if new && !self.open.is_empty() {
            self.made.push((element.range, named));
        }
        apart.then_some(named)
    }

    /// What is looked at beside all text, and whether that is looked at too.
    fn all(&mut self) -> (impl Iterator<Item = (Range<usize>, Named)> + '_, bool) {
        let whole = self.whole.clone();
        let as_whole = self.made.last().is_some_and(|(range, _)| *range == whole);
        let cost = |range: &Range<usize>| if *range == whole { 0 } else { range.len() };
        let sum: usize = self.made.iter().map(|(range, _)| cost(range)).sum();
        if sum > self.left {
            self.exceeded = true;
            self.made
                .sort_by_key(|(range, _)| (cost(range), range.start));
        }
        let left = &mut self.left;
        let paid = self.made.drain(..).filter(move |(range, _)| {
            let cost = if *range == whole { 0 } else { range.len() };
            let pays = left.checked_sub(cost);
            *left = pays.unwrap_or(*left);
            pays.is_some()
        });
        (paid, self.several && !as_whole)
    }
}

impl Filler<'_> {
    pub(super) fn begin_element(&mut self, path: &[u8]) {
        if self.native {
            self.elements.begin(path.len(), self.text.len());
        }
    }

    pub(super) fn end_element(&mut self) {
        if !self.native {
            return;
        }
        let mut own = Vec::new();
        if let Some(named) = self.elements.end(self.text, &mut own) {
            let value = self.arena.keep(&own);
            self.members.push(Base::XmlElements, named.member(value));
        }
    }
}

/// Tells all text of a document, and what elements in it say.
pub(super) fn end_document(
    elements: &mut Elements,
    text: &mut Vec<u8>,
    (arena, members): (&mut Arena, &mut Members),
    document: Member,
) {
    let mut own = Vec::new();
    // Where the document is cut off.
    while !elements.open.is_empty() {
        if let Some(named) = elements.end(text, &mut own) {
            let value = arena.keep(&own);
            members.push(Base::XmlElements, named.member(value));
        }
    }
    if !text.is_empty() {
        let value = arena.keep(text);
        let (made, whole) = elements.all();
        for (range, named) in made {
            members.push(Base::XmlElements, named.member(part(value, range)));
        }
        let document = Member {
            value,
            parted: !whole,
            ..document
        };
        members.push(Base::XmlText, document);
    }
    text.clear();
    elements.next();
}
