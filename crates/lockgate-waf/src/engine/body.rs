//! Reads bodies, queries and cookies into members.

use lockgate_wire::content::{self, cookies as cookie, form, json, multipart, xml, Flaw, Sink};
use lockgate_wire::reason::ReasonRef;

use crate::bytes::{Arena, Span};
use crate::rule::{Collection, Processor};

use super::feed::{self, number, part};
use super::kinds;
use super::members::{Base, Member, Members, ValueId, Way};
use super::program::Program;
use super::transaction::{Transaction, KEPT_BYTES};
use super::{Progress, SLICE_BYTES};

mod elements;
mod marked;
mod more;
mod octets;
mod parts;
mod raw;
mod recoded;
mod uploads;

use elements::{Elements, Named};
use more::More;
use parts::{Declared, Parts, Readers};
pub use uploads::Upload;
use uploads::Uploads;

/// Most parameters, parts and values of a request: ModSecurity reads 1,000,
/// and what APIs send in bulk has more. What comes beyond is not judged, and
/// the request is refused for it.
pub const MAX_ARGUMENTS: u32 = 100_000;

/// Bytes of each file that are kept for rules and detectors: its beginning says what it is.
pub const MAX_FILE_BYTES: usize = 128 * 1024;

/// What readers say of a body; 0 as long as they say nothing.
const FLAGS: &[Collection] = &[
    Collection::ReqbodyError,
    Collection::ReqbodyProcessorError,
    Collection::UrlencodedError,
    Collection::InboundDataError,
    Collection::OutboundDataError,
    Collection::MultipartStrictError,
    Collection::MultipartUnmatchedBoundary,
    Collection::MultipartBoundaryQuoted,
    Collection::MultipartBoundaryWhitespace,
    Collection::MultipartCrlfLfLines,
    Collection::MultipartDataAfter,
    Collection::MultipartDataBefore,
    Collection::MultipartFileLimitExceeded,
    Collection::MultipartHeaderFolding,
    Collection::MultipartInvalidHeaderFolding,
    Collection::MultipartInvalidPart,
    Collection::MultipartInvalidQuoting,
    Collection::MultipartLfLine,
    Collection::MultipartMissingSemicolon,
    Collection::MscPcreError,
    Collection::MscPcreLimitsExceeded,
];

/// What reads a transaction's bodies.
#[derive(Debug, Default)]
pub struct Reading {
    form: form::Reader,
    json: Option<json::Reader>,
    xml: Option<xml::Reader>,
    multipart: Option<Box<multipart::Reader>>,
    more: More,
    parts: Parts,
    /// Whether what is read is a message of a call, and not the body.
    message: bool,
    /// Text of a document of XML, all of it.
    text: Vec<u8>,
    elements: Elements,
    began: bool,
    /// What is wrong with the body, as rules know it.
    flaw: Option<Flaw>,
    /// The same, and what readers could take differently.
    strict: Option<Flaw>,
    left: u32,
    file_bytes: u64,
    /// What of the body is a file.
    uploads: Uploads,
}

impl Reading {
    /// Forgets everything, and keeps its room.
    pub fn clear(&mut self) {
        self.form.reset(KEPT_BYTES);
        if let Some(json) = &mut self.json {
            json.reset(KEPT_BYTES);
        }
        if let Some(xml) = &mut self.xml {
            xml.reset(KEPT_BYTES);
        }
        self.multipart = None;
        self.more.clear();
        self.parts.clear();
        self.message = false;
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES);
        self.elements.clear();
        self.began = false;
        self.flaw = None;
        self.strict = None;
        self.left = MAX_ARGUMENTS;
        self.file_bytes = 0;
        self.uploads.clear();
    }

    /// Why the body cannot be judged as what it says it is, if it cannot.
    #[must_use]
    pub fn unfit(&self) -> Option<ReasonRef> {
        self.flaw.or(self.strict).map(|flaw| flaw.reason)
    }

    /// What of the body is a file.
    #[must_use]
    pub const fn uploads(&self) -> &Uploads {
        &self.uploads
    }

    /// Whether elements of XML within each other have more text than detectors look at.
    pub(super) const fn has_unread_elements(&self) -> bool {
        self.elements.exceeded()
    }

    /// Whether there were more values than are judged.
    #[must_use]
    pub const fn overflowed(&self) -> bool {
        self.left == 0
    }
}

/// Fills members with what a reader finds.
struct Filler<'t> {
    arena: &'t mut Arena,
    members: &'t mut Members,
    base: Base,
    left: &'t mut u32,
    text: &'t mut Vec<u8>,
    elements: &'t mut Elements,
    /// Whether detectors look, who have members of their own.
    native: bool,
    /// The leaf of JSON that was told last.
    leaf: usize,
    /// Bytes of a file that are kept.
    file_kept: usize,
    file_bytes: &'t mut u64,
    /// Parts of a form that are to be read too.
    parts: Option<&'t mut Parts>,
    uploads: &'t mut Uploads,
}

impl Filler<'_> {
    fn take(&mut self) -> bool {
        *self.left = self.left.saturating_sub(1);
        *self.left > 0
    }

    /// The member of a base that is pushed next.
    fn next_of(&self, base: Base) -> ValueId {
        let place = u32::try_from(self.members.of(base).len()).unwrap_or(u32::MAX);
        ValueId::new(base, place, false)
    }

    fn push(&mut self, base: Base, name: &[u8], value: &[u8], way: Way) -> bool {
        let name = self.arena.keep(name);
        self.put(base, name, value, way)
    }

    fn put(&mut self, base: Base, name: Span, value: &[u8], way: Way) -> bool {
        let value = self.arena.keep(value);
        let member = Member {
            name,
            value,
            way,
            ..Member::default()
        };
        self.members.push(base, member);
        self.take()
    }

    fn put_octets(&mut self, name: Span, value: &[u8], way: Way) -> bool {
        if !self.native {
            return self.take();
        }
        let texts = octets::texts(value);
        self.put(Base::Octets, name, value, way)
            && texts
                .into_iter()
                .all(|text| self.put(Base::OctetTexts, name, text, way))
    }

    fn put_node(&mut self, node: &xml::Node<'_>, name: Span, way: Way) -> bool {
        match node.kind {
            xml::Kind::Attribute => self.put(Base::XmlAttributes, name, node.value, way),
            xml::Kind::Text => {
                let at = self.text.len();
                self.text.extend_from_slice(node.value);
                if self.native {
                    let path = node.path.len();
                    self.elements
                        .text(at, node.value, Named { name, way, path });
                }
                if self.native && !node.value.trim_ascii().is_empty() {
                    return self.put(Base::XmlNodes, name, node.value, way);
                }
                self.take()
            }
            xml::Kind::Comment | xml::Kind::Instruction => self.take(),
        }
    }

    /// Whether what is in the part is read too.
    fn note_part(&mut self, part: &multipart::Part<'_>, name: Span) -> bool {
        let (Some(parts), Some(kind)) = (&mut self.parts, part.content_type) else {
            return false;
        };
        let Some(processor) = parts::declared(kind, part.file_name) else {
            return false;
        };
        if !part.content.is_empty() {
            parts.note(Declared {
                processor,
                name,
                at: part.at,
                len: part.content.len(),
            });
        }
        true
    }
}

impl Sink for Filler<'_> {
    fn pair(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.push(self.base, name, value, Way::Name)
    }

    fn leaf(&mut self, leaf: &json::Leaf<'_>) -> bool {
        let way = if leaf.is_plain() {
            Way::Json
        } else {
            let mut pointer = Vec::new();
            leaf.pointer(&mut pointer);
            Way::Pointer(self.arena.keep(&pointer))
        };
        self.leaf = self.members.of(self.base).len();
        self.push(self.base, leaf.name, leaf.value, way)
    }

    fn parted(&mut self) {
        self.members.part(self.base, self.leaf);
    }

    fn octets(&mut self, name: &[u8], value: &[u8]) -> bool {
        self.uploads.has_octets();
        let name = self.arena.keep(name);
        self.put_octets(name, value, Way::Name)
    }

    fn node(&mut self, node: &xml::Node<'_>) -> bool {
        let name = self.arena.keep(node.path);
        self.put_node(node, name, Way::Path)
    }

    fn element(&mut self, path: &[u8]) {
        self.begin_element(path);
    }

    fn element_end(&mut self) {
        self.end_element();
    }

    fn part_header(&mut self, part: &[u8], line: &[u8]) -> bool {
        let place = self.members.of(Base::PartHeaders).len();
        let go_on = self.push(Base::PartHeaders, part, line, Way::Name);
        // Its names are looked at by themselves, and a form with any other is refused.
        const NAMES: &[u8] = b"content-disposition:";
        let start = line.get(..NAMES.len()).unwrap_or_default();
        if start.eq_ignore_ascii_case(NAMES) {
            self.members.part(Base::PartHeaders, place);
        }
        go_on
    }

    fn part(&mut self, part: &multipart::Part<'_>) -> bool {
        let name = self.arena.keep(part.name);
        let named = |value: Span| Member {
            name,
            value,
            ..Member::default()
        };
        self.members.push(Base::PartNames, named(name));
        // What its values are looked at for, the whole is not looked at for again. A
        // file is, since that asks what it would be where it is kept.
        let parted = self.note_part(part, name);
        let field = |value: Span| Member {
            parted,
            ..named(value)
        };
        let Some(file) = part.file_name else {
            self.uploads.field(self.next_of(self.base), part);
            let value = self.arena.keep(part.content);
            self.members.push(self.base, field(value));
            return self.take();
        };
        let declared = part.content_type.map(|kind| self.arena.keep(kind));
        let member = |value: Span| Member {
            declared,
            ..named(value)
        };
        if file.is_empty() && !part.content.is_empty() {
            // Go and busboy take a file without a name for a field.
            let value = self.arena.keep(part.content);
            self.members.push(self.base, field(value));
            if !self.take() {
                return false;
            }
        }
        self.uploads.file(self.next_of(Base::Files), part);
        let file = self.arena.keep(file);
        self.members.push(Base::Files, member(file));
        let mut buffer = itoa::Buffer::new();
        let size = self
            .arena
            .keep(buffer.format(part.content.len()).as_bytes());
        self.members.push(Base::FileSizes, member(size));
        *self.file_bytes += part.content.len() as u64;
        if self.file_kept > 0 {
            let kept = part.content.len().min(self.file_kept);
            let content = self.arena.keep(&part.content[..kept]);
            // What a file is called says what it has to be.
            let content = Member {
                name: file,
                ..member(content)
            };
            self.members.push(Base::FileContents, content);
        }
        self.take()
    }
}

/// Says that nothing is wrong yet.
pub(super) fn begin(program: &Program, tx: &mut Transaction) {
    let zero = tx.arena.keep(b"0");
    for flag in FLAGS {
        if program.used.contains(*flag as usize) {
            tx.members.set(*flag, zero);
        }
    }
}

/// Reads a query.
pub(super) fn arguments(program: &Program, tx: &mut Transaction, text: &[u8]) {
    if text.is_empty() {
        return;
    }
    let Transaction {
        arena,
        members,
        reading,
        ..
    } = tx;
    reading.form.reset(KEPT_BYTES);
    let mut filler = Filler {
        arena,
        members,
        base: Base::ArgsGet,
        left: &mut reading.left,
        text: &mut reading.text,
        elements: &mut reading.elements,
        native: false,
        leaf: 0,
        file_kept: 0,
        file_bytes: &mut reading.file_bytes,
        parts: None,
        uploads: &mut reading.uploads,
    };
    reading
        .form
        .run(text, program.separator, usize::MAX, &mut filler);
    if reading.form.has_broken_escape() {
        feed::number(tx, Collection::UrlencodedError, 1);
    }
}

/// Reads the cookies of a header field.
pub(super) fn cookies(tx: &mut Transaction, line: Span) {
    let line = tx.arena.get(line).to_vec();
    let Transaction {
        arena,
        members,
        reading,
        ..
    } = tx;
    let mut filler = Filler {
        arena,
        members,
        base: Base::Cookies,
        left: &mut reading.left,
        text: &mut reading.text,
        elements: &mut reading.elements,
        native: false,
        leaf: 0,
        file_kept: 0,
        file_bytes: &mut reading.file_bytes,
        parts: None,
        uploads: &mut reading.uploads,
    };
    cookie::read(&line, &mut filler);
}

/// Reads a body, as far as one slice goes.
pub(super) fn read(program: &Program, tx: &mut Transaction, body: &[u8], whole: bool) -> Progress {
    if !tx.reading.began {
        start(program, tx, body, whole);
    }
    if body.is_empty() {
        finish(program, tx);
        return Progress::Done;
    }
    let keeps_files =
        program.native.is_some() || program.used.contains(Collection::FilesContent as usize);
    let processor = tx.control.processor;
    let Transaction {
        arena,
        members,
        reading,
        ..
    } = tx;
    let Reading {
        form,
        json,
        xml,
        multipart,
        more,
        parts,
        text,
        elements,
        left,
        file_bytes,
        uploads,
        flaw,
        strict,
        ..
    } = reading;
    let mut filler = Filler {
        arena,
        members,
        base: Base::ArgsPost,
        left,
        text,
        elements,
        native: program.native.is_some(),
        leaf: 0,
        file_kept: if keeps_files { MAX_FILE_BYTES } else { 0 },
        file_bytes,
        parts: None,
        uploads,
    };
    let read = match processor {
        Some(Processor::UrlEncoded) => {
            Ok(form.run(body, program.separator, SLICE_BYTES, &mut filler))
        }
        Some(Processor::Json) => {
            let json = json.get_or_insert_with(|| json::Reader::new(program.json));
            let read = more.json(json, body, &mut filler);
            *strict = strict.or(json.strict()).or(more.strict());
            read
        }
        Some(Processor::Xml) => {
            let xml = xml.get_or_insert_with(|| xml::Reader::new(xml::Limits::default()));
            xml.run(body, SLICE_BYTES, &mut filler)
        }
        Some(Processor::Multipart) => match multipart {
            Some(multipart) if !parts.begun => {
                filler.parts = Some(&mut *parts);
                let read = multipart.run(body, SLICE_BYTES, &mut filler);
                *strict = multipart.strict();
                *flaw = multipart.error();
                parts.begun = read == Ok(content::Progress::Done) && !parts.is_empty();
                match parts.begun {
                    true => Ok(content::Progress::More),
                    false => read,
                }
            }
            Some(_) => {
                let mut readers = Readers {
                    form,
                    separator: program.separator,
                    json,
                    limits: program.json,
                    xml,
                    more,
                };
                let read = parts.run(body, whole, &mut readers, &mut filler);
                *strict = strict.or(parts.flaw);
                Ok(read)
            }
            None => Ok(content::Progress::Done),
        },
        None | Some(Processor::Raw) => Ok(content::Progress::Done),
        Some(other) => {
            let read = more.run(other, body, program.json, &mut filler);
            *strict = strict.or(more.strict());
            read
        }
    };
    match read {
        Ok(content::Progress::More) => return Progress::More,
        Ok(content::Progress::Done | content::Progress::Stopped) => {}
        // What is only the beginning of a body ends somewhere.
        Err(_) if !whole => {}
        Err(found) => *flaw = Some(found),
    }
    finish(program, tx);
    Progress::Done
}

/// Reads a message of a call, as far as one slice goes.
pub(super) fn read_message(
    program: &Program,
    tx: &mut Transaction,
    message: &[u8],
    whole: bool,
) -> Progress {
    tx.reading.message = true;
    read(program, tx, message, whole)
}

fn start(program: &Program, tx: &mut Transaction, body: &[u8], whole: bool) {
    tx.reading.began = true;
    tx.reading.form.reset(KEPT_BYTES);
    tx.reading.elements.allow(body.len());
    if tx.reading.message {
        tx.control.processor = kinds::of_message(tx);
    }
    kinds::name_processor(tx);
    let unread = raw_alone(tx.control.processor) || kinds::declared(tx).is_none();
    if !tx.reading.message {
        let kind = feed::header(tx, Base::RequestHeaders, b"content-type").unwrap_or_default();
        let (kind, uploads) = (tx.arena.get(kind), &mut tx.reading.uploads);
        uploads.body(unread, tx.control.processor, kind, body.len());
    }
    if tx.control.processor == Some(Processor::Multipart) {
        let kind = feed::header(tx, Base::RequestHeaders, b"content-type").unwrap_or_default();
        let reader = multipart::Reader::new(tx.arena.get(kind), multipart::Limits::default());
        tx.reading.multipart = Some(Box::new(reader));
    }
    let form = tx.control.processor == Some(Processor::UrlEncoded);
    let text = form || is_text(tx.control.processor);
    let odd = match text {
        true => !kinds::is_text_of_ascii(tx),
        false => raw_alone(tx.control.processor) && kinds::is_ebcdic(tx),
    };
    if odd && program.native.is_some() {
        tx.reading.strict = Some(Flaw {
            reason: &content::reasons::MULTIPART_CHARSET,
            at: 0,
        });
    }
    if !whole {
        number(tx, Collection::InboundDataError, 1);
    }
    if program
        .used
        .contains(Collection::RequestBodyLength as usize)
    {
        let length = i64::try_from(body.len()).unwrap_or(i64::MAX);
        number(tx, Collection::RequestBodyLength, length);
    }
    // As ModSecurity's manual has it: only where nothing else tells what is in it.
    let raw = matches!(
        tx.control.processor,
        Some(Processor::UrlEncoded | Processor::Raw)
    );
    if (raw || tx.control.force_body || tx.control.processor.is_none()) && !body.is_empty() {
        let kept = tx.arena.keep(body);
        tx.members.set(Collection::RequestBody, kept);
        // Some take what looks like JSON or XML for it, whatever it says that it is.
        let begins = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let begins = begins.trim_ascii_start().first();
        let other = tx.control.processor == Some(Processor::UrlEncoded)
            && begins.is_some_and(|first| b"{[<".contains(first));
        let native = program.native.is_some();
        let bytes = raw_alone(tx.control.processor) && native && raw::is_bytes(tx, kept);
        if native && !bytes && (form || raw_alone(tx.control.processor)) {
            raw::read_as_markup(tx, kept);
        }
        if native && form {
            raw::read_as_wide(tx, kept);
        }
        if bytes || !(raw_alone(tx.control.processor) || other) {
            let place = Collection::RequestBody as usize;
            tx.members.part(Base::Single, place);
        }
    }
}

/// Whether a reader takes such a body for UTF-8 (RFC 8259 section 8.1), where some
/// servers take it for what its type says: Express knows UTF-7.
const fn is_text(processor: Option<Processor>) -> bool {
    matches!(
        processor,
        Some(
            Processor::Json
                | Processor::JsonLines
                | Processor::JsonSequence
                | Processor::Xml
                | Processor::GraphQl
        )
    )
}

/// Whether nothing reads such a body but as one text.
const fn raw_alone(processor: Option<Processor>) -> bool {
    matches!(processor, None | Some(Processor::Raw))
}

fn finish(program: &Program, tx: &mut Transaction) {
    let Reading { text, elements, .. } = &mut tx.reading;
    let to = (&mut tx.arena, &mut tx.members);
    elements::end_document(elements, text, to, Member::default());
    if tx.reading.form.has_broken_escape() || tx.reading.parts.broken {
        number(tx, Collection::UrlencodedError, 1);
    }
    if let Some(multipart) = tx.reading.multipart.take() {
        tell_flags(program, tx, multipart.flags());
    }
    if let Some(flaw) = tx.reading.flaw {
        number(tx, Collection::ReqbodyError, 1);
        number(tx, Collection::ReqbodyProcessorError, 1);
        let told = tx.arena.keep(flaw.reason.title.as_bytes());
        tx.members.set(Collection::ReqbodyErrorMsg, told);
        tx.members.set(Collection::ReqbodyProcessorErrorMsg, told);
    }
    if program
        .used
        .contains(Collection::FilesCombinedSize as usize)
    {
        let size = i64::try_from(tx.reading.file_bytes).unwrap_or(i64::MAX);
        number(tx, Collection::FilesCombinedSize, size);
    }
    feed::arguments_size(program, tx);
    full_request(program, tx);
}

/// What a form's flags are to rules.
fn tell_flags(program: &Program, tx: &mut Transaction, flags: &multipart::Flags) {
    use Collection as C;
    let told = [
        (C::MultipartStrictError, i64::from(flags.strict_error())),
        (
            C::MultipartUnmatchedBoundary,
            flags.unmatched_boundary.into(),
        ),
        (C::MultipartBoundaryQuoted, flags.boundary_quoted.into()),
        (
            C::MultipartBoundaryWhitespace,
            flags.boundary_whitespace.into(),
        ),
        (C::MultipartCrlfLfLines, flags.mixed_lines().into()),
        (C::MultipartDataAfter, flags.data_after.into()),
        (C::MultipartDataBefore, flags.data_before.into()),
        (
            C::MultipartFileLimitExceeded,
            flags.file_limit_exceeded.into(),
        ),
        (C::MultipartHeaderFolding, flags.header_folding.into()),
        (
            C::MultipartInvalidHeaderFolding,
            flags.invalid_header_folding.into(),
        ),
        (C::MultipartInvalidPart, flags.invalid_part.into()),
        (C::MultipartInvalidQuoting, flags.invalid_quoting.into()),
        (C::MultipartLfLine, flags.lf_line.into()),
        (C::MultipartMissingSemicolon, flags.missing_semicolon.into()),
    ];
    for (collection, value) in told {
        if program.used.contains(collection as usize) && value != 0 {
            number(tx, collection, value);
        }
    }
}

/// The request line, the header fields and the body, as one text.
fn full_request(program: &Program, tx: &mut Transaction) {
    let wanted = |collection: Collection| program.used.contains(collection as usize);
    if !wanted(Collection::FullRequest) && !wanted(Collection::FullRequestLength) {
        return;
    }
    let mut text = Vec::new();
    let line = tx
        .members
        .single(Collection::RequestLine)
        .unwrap_or_default();
    text.extend_from_slice(tx.arena.get(line));
    for member in tx.members.of(Base::RequestHeaders) {
        text.push(b'\n');
        text.extend_from_slice(tx.arena.get(member.name));
        text.extend_from_slice(b": ");
        text.extend_from_slice(tx.arena.get(member.value));
    }
    text.extend_from_slice(b"\n\n");
    let body = tx
        .members
        .single(Collection::RequestBody)
        .unwrap_or_default();
    text.extend_from_slice(tx.arena.get(body));
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let text: Span = part(tx.arena.keep(&text), 0..text.len());
    tx.members.set(Collection::FullRequest, text);
    number(tx, Collection::FullRequestLength, length);
}
