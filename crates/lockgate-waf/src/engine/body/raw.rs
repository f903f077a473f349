//! Bodies that nothing reads: a text in whatever form, a file, or bytes with texts among them.

use super::super::feed::{self, part};
use super::super::members::{Base, Member};
use super::super::transaction::Transaction;
use super::{marked, octets, recoded, MAX_FILE_BYTES};
use crate::bytes::Span;
use crate::detect::file_upload::Kind;

/// Whether a body is no text, and what detectors look at in its place: the file
/// that it is by its beginning, or its bytes and the texts among them.
pub fn is_bytes(tx: &mut Transaction, body: Span) -> bool {
    let bytes = tx.arena.get(body);
    let declared = feed::header(tx, Base::RequestHeaders, b"content-type");
    let said = declared.map(|declared| tx.arena.get(declared));
    let recoded = recoded::texts(bytes, said.unwrap_or_default());
    let texts = octets::texts(bytes);
    let text = matches!(texts[..], [whole] if whole.len() == bytes.len());
    let plain = text && recoded.is_empty();
    let mut texts: Vec<Vec<u8>> = match plain {
        true => Vec::new(),
        false => texts.into_iter().map(<[u8]>::to_vec).collect(),
    };
    texts.extend(recoded);
    let kind = Kind::of(bytes);
    let member = |value: Span| Member {
        value,
        declared,
        ..Member::default()
    };
    // A beginning alone, which anybody can set before a text, says nothing; a small
    // PDF is mostly text, and has to say that it is one.
    let pdf = kind == Kind::Pdf && declared.is_some_and(|kind| says_pdf(tx.arena.get(kind)));
    if pdf || (kind.is_binary() && !text) {
        let begin = part(body, 0..bytes.len().min(MAX_FILE_BYTES));
        tx.members.push(Base::BodyFile, member(begin));
        return true;
    }
    if plain {
        return false;
    }
    tx.members.push(Base::Octets, member(body));
    tell(tx, texts);
    true
}

/// Tells detectors the texts that markup splits in a body that does not say it is XML.
pub fn read_as_markup(tx: &mut Transaction, body: Span) {
    let texts = marked::texts(tx.arena.get(body));
    tell(tx, texts);
}

/// Tells detectors a form as it is in UTF-16 or UTF-32: readers of JSON find that out by
/// themselves, and some ask for no type.
pub fn read_as_wide(tx: &mut Transaction, body: Span) {
    let texts = recoded::texts(tx.arena.get(body), b"");
    tell(tx, texts);
}

fn tell(tx: &mut Transaction, texts: Vec<Vec<u8>>) {
    for text in texts {
        let member = Member {
            value: tx.arena.keep(&text),
            ..Member::default()
        };
        tx.members.push(Base::OctetTexts, member);
    }
}

fn says_pdf(kind: &[u8]) -> bool {
    let end = memchr::memchr(b';', kind).unwrap_or(kind.len());
    let kind = kind.get(..end).unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"application/pdf")
}
