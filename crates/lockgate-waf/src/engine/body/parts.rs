//! Parts of forms that say that they are JSON, XML or the like: each is read as a
//! body of that type is, since frameworks hand it to the same readers
//! (`FormData` with a `Blob` in browsers, `@RequestPart` in Spring).
//!
//! Parts are noted while the form is read, and read behind it, one after another
//! and in the same slices. What they hold are members like those of a body, named
//! under the part. All limits hold over the whole form.

use lockgate_wire::content::{all_names, form, json, reasons, xml, Flaw, Progress, Sink};

use super::elements;
use super::more::More;
use super::{Filler, Member, Way, KEPT_BYTES, SLICE_BYTES};
use crate::bytes::Span;
use crate::engine::kinds;
use crate::rule::Processor;

/// Bytes of all names and ways in parts together: a long name of a part does not
/// cost its length at each value, where rules and detectors look at names. As for JSON
/// alone.
const MAX_NAME_BYTES: usize = 8 << 20;

/// A part that is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared {
    pub processor: Processor,
    pub name: Span,
    /// Where it stands in the body.
    pub at: usize,
    pub len: usize,
}

/// As what a part is read, if it says so. A drawing that is sent as a file is one:
/// nobody reads its values, and drawing programs write document types into theirs.
pub(super) fn declared(kind: &[u8], file_name: Option<&[u8]>) -> Option<Processor> {
    let end = memchr::memchr(b';', kind).unwrap_or(kind.len());
    let bare = kind.get(..end).unwrap_or_default().trim_ascii();
    let drawing = bare.eq_ignore_ascii_case(b"image/svg+xml");
    if drawing && file_name.is_some_and(|name| !name.is_empty()) {
        return None;
    }
    kinds::of_type(kind).filter(|processor| {
        // A form within a form is refused, and a part is no call.
        !matches!(
            processor,
            Processor::Multipart | Processor::Raw | Processor::Grpc | Processor::GrpcText
        )
    })
}

/// The parts of a form that are read.
#[derive(Debug)]
pub(super) struct Parts {
    found: Vec<Declared>,
    /// Whether the form itself is read.
    pub begun: bool,
    next: usize,
    /// Whether the next one is read already, up to some place.
    open: bool,
    names_left: usize,
    /// Whether a form in a part has an escape that is none.
    pub broken: bool,
    /// What is wrong with one.
    pub flaw: Option<Flaw>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            begun: false,
            next: 0,
            open: false,
            names_left: MAX_NAME_BYTES,
            broken: false,
            flaw: None,
        }
    }
}

/// What reads them: the readers of bodies.
pub(super) struct Readers<'r> {
    pub form: &'r mut form::Reader,
    pub separator: u8,
    pub json: &'r mut Option<json::Reader>,
    pub limits: json::Limits,
    pub xml: &'r mut Option<xml::Reader>,
    pub more: &'r mut More,
}

impl Parts {
    pub fn clear(&mut self) {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        found.shrink_to(KEPT_BYTES / size_of::<Declared>());
        *self = Self {
            found,
            ..Self::default()
        };
    }

    /// To be read, behind the form.
    pub fn note(&mut self, declared: Declared) {
        self.found.push(declared);
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Reads on, about a slice. Of a body that is not whole the last part ends somewhere.
    pub fn run(
        &mut self,
        body: &[u8],
        whole: bool,
        readers: &mut Readers<'_>,
        filler: &mut Filler<'_>,
    ) -> Progress {
        let mut spent = 0;
        if self.next == 0 && !self.open {
            self.names_left = all_names(MAX_NAME_BYTES, body);
        }
        while let Some(part) = self.found.get(self.next).copied() {
            if spent >= SLICE_BYTES {
                return Progress::More;
            }
            if !std::mem::replace(&mut self.open, true) {
                readers.begin();
            }
            let content = body.get(part.at..part.at + part.len).unwrap_or_default();
            let mut within = Within {
                filler: &mut *filler,
                part,
                names_left: &mut self.names_left,
                too_long: false,
                way: Vec::new(),
            };
            let read = readers.run(part.processor, content, &mut within);
            let too_long = within.too_long;
            if read == Ok(Progress::More) {
                return Progress::More;
            }
            let last = self.next + 1 == self.found.len();
            let flaw = match read {
                _ if too_long => Some(Flaw::new(&reasons::JSON_NAME, 0)),
                Err(flaw) if whole || !last => Some(flaw),
                _ => readers.strict(part.processor),
            };
            if let Some(flaw) = flaw {
                let flaw = Flaw::new(flaw.reason, part.at + flaw.at);
                self.flaw.get_or_insert(flaw);
            }
            if part.processor == Processor::Xml {
                filler.end_text(part.name);
            }
            self.broken |= readers.form.has_broken_escape();
            if read == Ok(Progress::Stopped) {
                break;
            }
            self.open = false;
            self.next += 1;
            spent += content.len();
        }
        Progress::Done
    }
}

impl Readers<'_> {
    /// Before another part.
    fn begin(&mut self) {
        self.form.reset(KEPT_BYTES);
        if let Some(json) = self.json {
            json.reset(KEPT_BYTES);
        }
        if let Some(xml) = self.xml {
            xml.reset(KEPT_BYTES);
        }
        self.more.begin();
    }

    fn run(
        &mut self,
        processor: Processor,
        content: &[u8],
        within: &mut Within<'_, '_>,
    ) -> Result<Progress, Flaw> {
        match processor {
            Processor::UrlEncoded => {
                let form = &mut self.form;
                Ok(form.run(content, self.separator, SLICE_BYTES, within))
            }
            Processor::Json => {
                let limits = self.limits;
                let json = self.json.get_or_insert_with(|| json::Reader::new(limits));
                self.more.json(json, content, within)
            }
            Processor::Xml => {
                let new = || xml::Reader::new(xml::Limits::default());
                self.xml
                    .get_or_insert_with(new)
                    .run(content, SLICE_BYTES, within)
            }
            other => self.more.run(other, content, self.limits, within),
        }
    }

    fn strict(&self, processor: Processor) -> Option<Flaw> {
        let json = self.json.as_ref().and_then(json::Reader::strict);
        json.filter(|_| processor == Processor::Json)
            .or(self.more.strict())
    }
}

/// Names what a part holds under it, and passes it on.
struct Within<'p, 'f> {
    filler: &'p mut Filler<'f>,
    part: Declared,
    names_left: &'p mut usize,
    /// Whether names went beyond their bound.
    too_long: bool,
    way: Vec<u8>,
}

impl Within<'_, '_> {
    /// Names a value for rules: the part's name, and what it would be called in a
    /// body. Its way is in [`Self::way`].
    fn name(&mut self, between: &[u8], name: &[u8]) -> Option<(Span, Way)> {
        let len = self.part.name.len as usize + between.len() + name.len();
        let Some(left) = self.names_left.checked_sub(len + self.way.len()) else {
            self.too_long = true;
            return None;
        };
        *self.names_left = left;
        let arena = &mut *self.filler.arena;
        let mut text = Vec::with_capacity(len);
        text.extend_from_slice(arena.get(self.part.name));
        text.extend_from_slice(between);
        text.extend_from_slice(name);
        let name = arena.keep(&text);
        Some((name, Way::Pointer(arena.keep(&self.way))))
    }

    /// Begins a way, at the part.
    fn begin(&mut self) {
        self.way.clear();
        step(self.filler.arena.get(self.part.name), &mut self.way);
    }

    /// Names what has one name alone.
    fn one(&mut self, name: &[u8]) -> Option<(Span, Way)> {
        self.begin();
        step(name, &mut self.way);
        self.name(b".", name)
    }
}

/// Adds a step to a JSON pointer.
pub(super) fn step(name: &[u8], out: &mut Vec<u8>) {
    out.push(b'/');
    for byte in name {
        match byte {
            b'~' => out.extend_from_slice(b"~0"),
            b'/' => out.extend_from_slice(b"~1"),
            other => out.push(*other),
        }
    }
}

impl Sink for Within<'_, '_> {
    fn pair(&mut self, name: &[u8], value: &[u8]) -> bool {
        let named = self.one(name);
        named.is_some_and(|(name, way)| self.filler.put(self.filler.base, name, value, way))
    }

    fn leaf(&mut self, leaf: &json::Leaf<'_>) -> bool {
        self.begin();
        leaf.pointer(&mut self.way);
        let Some((name, way)) = self.name(b".", leaf.name) else {
            return false;
        };
        self.filler.leaf = self.filler.members.of(self.filler.base).len();
        self.filler.put(self.filler.base, name, leaf.value, way)
    }

    fn parted(&mut self) {
        self.filler.parted();
    }

    fn octets(&mut self, name: &[u8], value: &[u8]) -> bool {
        let named = self.one(name);
        named.is_some_and(|(name, way)| self.filler.put_octets(name, value, way))
    }

    fn node(&mut self, node: &xml::Node<'_>) -> bool {
        self.begin();
        self.way.extend_from_slice(node.path);
        let named = self.name(b"", node.path);
        named.is_some_and(|(name, way)| self.filler.put_node(node, name, way))
    }

    fn element(&mut self, path: &[u8]) {
        self.filler.begin_element(path);
    }

    fn element_end(&mut self) {
        self.filler.end_element();
    }
}

impl Filler<'_> {
    /// All text of a part of XML, as one, and what elements in it say.
    fn end_text(&mut self, part: Span) {
        let mut way = Vec::new();
        step(self.arena.get(part), &mut way);
        let member = Member {
            name: part,
            way: Way::Pointer(self.arena.keep(&way)),
            ..Member::default()
        };
        let to = (&mut *self.arena, &mut *self.members);
        elements::end_document(self.elements, self.text, to, member);
    }
}
