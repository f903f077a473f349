//! Files within a body, for whoever asks others about them: rules and detectors
//! see how they begin, a scanner wants all of them.

use std::ops::Range;

use lockgate_wire::content::multipart;

use super::super::members::ValueId;
use super::super::place::place;
use super::super::transaction::Transaction;
use crate::rule::Collection;

/// Types of parts that are values like others, whatever stands in them.
const VALUES: [&[u8]; 2] = [b"text/", b"application/json"];

/// A file, or a body that is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Which bytes of the body.
    pub bytes: Range<usize>,
    /// Where it stands, as exclusions say it.
    pub place: String,
}

/// What of a body is a file.
#[derive(Debug, Default)]
pub struct Uploads(Vec<(ValueId, Range<usize>)>);

impl Uploads {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All of the body is one: nothing reads it.
    pub fn alone(&mut self, length: usize) {
        let body = ValueId::single(Collection::RequestBody as usize);
        self.add_range(body, 0..length);
    }

    /// A part of a form is one.
    pub fn add(&mut self, id: ValueId, part: &multipart::Part<'_>) {
        self.add_range(id, part.at..part.at + part.content.len());
    }

    fn add_range(&mut self, id: ValueId, bytes: Range<usize>) {
        if !bytes.is_empty() {
            self.0.push((id, bytes));
        }
    }

    /// Each of them, and where it stands.
    pub fn told<'t>(&'t self, tx: &'t Transaction) -> impl Iterator<Item = Upload> + 't {
        self.0.iter().map(|(id, bytes)| Upload {
            bytes: bytes.clone(),
            place: place(*id, &tx.members, &tx.arena).unwrap_or_default(),
        })
    }
}

/// Whether a part that has no file's name is one to some servers all the same, by its type.
pub fn is_file(declared: Option<&[u8]>) -> bool {
    let begins = |kind: &[u8], known: &[u8]| {
        kind.get(..known.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(known))
    };
    let kind = declared.unwrap_or_default().trim_ascii();
    !kind.is_empty() && !VALUES.iter().any(|known| begins(kind, known))
}
