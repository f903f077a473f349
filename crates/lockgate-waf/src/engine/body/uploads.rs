//! Files within a body, for whoever asks others about them: rules and detectors
//! see how they begin, a scanner wants all of them.
//!
//! What a client says that something is does not decide alone whether it is a file:
//! a form is one only if its bytes are a form's, and a value only if it is text.
//! This is looked at once somebody asks, and where nobody scans it costs nothing.

use std::ops::Range;

use lockgate_wire::content::multipart;

use super::super::members::ValueId;
use super::super::place::place;
use super::super::transaction::Transaction;
use super::octets;
use crate::detect::file_upload::Kind;
use crate::rule::{Collection, Processor};

mod form;

/// Types of parts that are values like others, if what stands in them is text.
const VALUES: [&[u8]; 2] = [b"text/", b"application/json"];

/// Types of bodies that are files, also where something reads them: drawings are XML.
const PICTURES: &[u8] = b"image/";

/// A file, or a body that is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Which bytes of the body.
    pub bytes: Range<usize>,
    /// Where it stands, as exclusions say it.
    pub place: String,
}

/// What makes something a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum If {
    /// It is one.
    Ever,
    /// It is no form, although it says so.
    NoForm,
    /// It begins as a file does, or is no text.
    NoText,
    /// It begins as a file does, for its reader has taken all of it as text.
    Begins,
}

/// What of a body is a file, or may be.
#[derive(Debug, Default)]
pub struct Uploads(Vec<(ValueId, Range<usize>, If)>);

impl Uploads {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The body itself: whether nothing reads it, and what does and by which type.
    pub fn body(&mut self, unread: bool, processor: Option<Processor>, kind: &[u8], length: usize) {
        let when = match processor {
            _ if unread || begins(kind.trim_ascii(), PICTURES) => If::Ever,
            Some(Processor::UrlEncoded) => If::NoForm,
            // Its parts are looked at.
            Some(Processor::Multipart) => return,
            _ => If::Begins,
        };
        let body = ValueId::single(Collection::RequestBody as usize);
        self.add_range(body, 0..length, when);
    }

    /// A message has bytes that are no text.
    pub fn has_octets(&mut self) {
        if let [(_, _, when)] = &mut self.0[..] {
            *when = If::Ever;
        }
    }

    /// A part of a form that is sent as a file.
    pub fn file(&mut self, id: ValueId, part: &multipart::Part<'_>) {
        self.add(id, part, If::Ever);
    }

    /// A part of a form that has no file's name.
    pub fn field(&mut self, id: ValueId, part: &multipart::Part<'_>) {
        let when = match is_value(part.content_type) {
            true => If::NoText,
            false => If::Ever,
        };
        self.add(id, part, when);
    }

    fn add(&mut self, id: ValueId, part: &multipart::Part<'_>, when: If) {
        self.add_range(id, part.at..part.at + part.content.len(), when);
    }

    fn add_range(&mut self, id: ValueId, bytes: Range<usize>, when: If) {
        if !bytes.is_empty() {
            self.0.push((id, bytes, when));
        }
    }

    /// Each file of the body, and where it stands.
    pub fn told<'t>(
        &'t self,
        tx: &'t Transaction,
        body: &'t [u8],
    ) -> impl Iterator<Item = Upload> + 't {
        let files = self.0.iter().filter(|(_, bytes, when)| {
            let bytes = body.get(bytes.clone()).unwrap_or_default();
            when.holds(bytes)
        });
        files.map(|(id, bytes, _)| Upload {
            bytes: bytes.clone(),
            place: place(*id, &tx.members, &tx.arena).unwrap_or_default(),
        })
    }
}

impl If {
    fn holds(self, bytes: &[u8]) -> bool {
        match self {
            Self::Ever => true,
            Self::NoForm => !form::is_form(bytes),
            Self::NoText => Kind::of(bytes).is_file() || !octets::is_text(bytes),
            Self::Begins => Kind::of(bytes).is_file(),
        }
    }
}

/// Whether a part that has no file's name is a value to servers, by its type.
fn is_value(declared: Option<&[u8]>) -> bool {
    let kind = declared.unwrap_or_default().trim_ascii();
    kind.is_empty() || VALUES.iter().any(|known| begins(kind, known))
}

fn begins(kind: &[u8], known: &[u8]) -> bool {
    let begin = kind.get(..known.len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(known))
}
