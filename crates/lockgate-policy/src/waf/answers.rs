//! Answers: what an API is asked for so that its answers can be looked at, which
//! of them are, and how.

use std::borrow::Cow;

use http::header::{
    HeaderMap, HeaderName, HeaderValue, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_RANGES,
    CONTENT_TYPE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use lockgate_waf::wide::Wide;
use lockgate_wire::coding::{codings, Coding};
use lockgate_wire::headers::look_alikes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Waf, ANSWER_UNREADABLE};
use crate::{Denial, Edit, Edits};

/// What a client asks for a part by.
static PARTLY: [HeaderName; 2] = [RANGE, IF_RANGE];

/// What it asks by for a part in an older way, which Apache heeds, for a difference
/// (RFC 3229), and for another character set: that is not to be asked any more (RFC
/// 9110 section 12.5.2), and some heed it.
static TAKEN: [HeaderName; 3] = [
    HeaderName::from_static("request-range"),
    HeaderName::from_static("a-im"),
    ACCEPT_CHARSET,
];

/// What it says by of the answer that it has already.
static HELD: [HeaderName; 4] = [
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_MATCH,
    IF_UNMODIFIED_SINCE,
];

/// The unit of parts of an answer.
const BYTES: &[u8] = b"bytes";

/// What says that nothing is to be packed.
static SAID: HeaderName = ACCEPT_ENCODING;

/// Types that say nothing of what it is (WHATWG MIME Sniffing, section 7).
const VOID: [&[u8]; 3] = [b"unknown/unknown", b"application/unknown", b"*/*"];

/// Parts, each with a type of its own.
const PARTS: &[u8] = b"multipart/byteranges";

/// By so many bytes browsers tell what has no type (WHATWG MIME Sniffing, section 5.2).
pub const TELLING_BYTES: usize = 1445;

/// Which answers are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// Types whose bodies are, in lower case and without parameters.
    pub types: Vec<String>,
    /// How much of a body is.
    pub bytes: u64,
}

/// How an answer is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// How much of its body is, once it is unpacked.
    pub most: u64,
    /// What it is packed in, in the order in which it was.
    pub codings: Vec<Coding>,
    /// Whether no type tells what it is: it is looked at if it is a text.
    pub untold: bool,
    wide: Option<Wide>,
}

impl Look {
    /// All of a body, whatever it is.
    #[must_use]
    pub const fn all(most: u64, codings: Vec<Coding>) -> Self {
        Self {
            most,
            codings,
            untold: false,
            wide: None,
        }
    }

    /// Whether a body that begins so is looked at.
    #[must_use]
    pub fn suits(&self, beginning: &[u8]) -> bool {
        let telling = &beginning[..beginning.len().min(TELLING_BYTES)];
        !self.untold || Wide::marked(telling).is_some() || !telling.iter().any(is_binary)
    }

    /// The text that rules see: behind what is wide the same as UTF-8. Both, for what
    /// stands first may be a client's own words, and would hide what follows.
    #[must_use]
    pub fn text<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        let guessed = || Wide::guessed(body).filter(|_| !self.untold);
        let (wide, text) = match Wide::marked(body) {
            Some((wide, text)) => (Some(wide), text),
            None => (self.wide.or_else(guessed), body),
        };
        // What has no zero in it has no wide letters of ASCII, whatever it says.
        match wide.filter(|_| text.contains(&0)) {
            Some(wide) => [body, &b"\n"[..], &wide.decoded(text)[..]].concat().into(),
            None => body.into(),
        }
    }
}

impl Waf {
    /// What is asked of the API, and told of its answer, where answers are looked
    /// at: all of it, and not packed. Without `Accept-Encoding` any coding would be
    /// welcome (RFC 9110 section 12.5.3), so that it is said and not taken off.
    #[must_use]
    pub fn asks(&self, headers: &HeaderMap) -> Edits {
        if !self.answers() || !self.engine.reads_answers() {
            return Edits::none();
        }
        Edits {
            request: whole_answer(headers, false),
            answer: vec![Edit::Remove(ACCEPT_RANGES)],
        }
    }

    /// How an answer with these fields is looked at; none where it is not.
    ///
    /// # Errors
    /// If it should be, and is packed in a way that is not known.
    pub fn looks_at(&self, headers: &HeaderMap) -> Result<Option<Look>, Denial> {
        let Some(answers) = &self.answers else {
            return Ok(None);
        };
        let known = |kind: &[u8]| {
            let mut types = answers.types.iter();
            types.any(|known| known.as_bytes().eq_ignore_ascii_case(kind))
        };
        // Of two types, one reader heeds the first and another the last.
        let named = kinds(headers).any(known);
        let untold = kinds(headers).next().is_none()
            || kinds(headers).any(|kind| kind.eq_ignore_ascii_case(PARTS));
        if !named && !untold {
            return Ok(None);
        }
        let unknown = |_| unreadable("It is in a content coding that is not known.");
        Ok(Some(Look {
            most: answers.bytes,
            codings: codings(headers).map_err(unknown)?,
            untold: !named,
            wide: charset(headers),
        }))
    }

    /// Whether answers are looked at.
    #[must_use]
    pub const fn answers(&self) -> bool {
        self.answers.is_some()
    }

    /// Looks at no answers, where nobody has them to show.
    pub fn pass_answers(&mut self) {
        self.answers = None;
    }
}

/// What makes an API answer with all of it, not packed, and `anew`: whatever the client has already.
#[must_use]
pub fn whole_answer(headers: &HeaderMap, anew: bool) -> Vec<Edit> {
    let pages = !anew && headers.contains_key(&PARTLY[0]) && !is_of_bytes(headers);
    let partly = PARTLY.iter().filter(|_| !pages);
    let held = HELD.iter().filter(|_| anew);
    let taken = partly.chain(&TAKEN).chain(held);
    let there = taken.clone().filter(|name| headers.contains_key(*name));
    // CGI, WSGI and Rack read `If_Range` as `If-Range`.
    let spelt = taken.chain([&SAID]);
    let spelt = spelt.flat_map(|name| look_alikes(headers, name));
    let mut edits: Vec<Edit> = there.chain(spelt).cloned().map(Edit::Remove).collect();
    let whole = HeaderValue::from_static("identity");
    edits.push(Edit::Set(SAID.clone(), whole));
    edits
}

/// Whether a client asks for a range of bytes. Some APIs page by ranges of units of
/// their own (RFC 9110 section 14.1), and such an answer is a whole one.
fn is_of_bytes(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(RANGE).iter();
    said.any(|said| {
        let mut words = said.as_bytes().windows(BYTES.len());
        words.any(|word| word.eq_ignore_ascii_case(BYTES))
    })
}

/// An answer that should be looked at, and cannot.
#[must_use]
pub fn unreadable(why: &'static str) -> Denial {
    Denial::new(&ANSWER_UNREADABLE).detail(why)
}

/// The types that an answer says it is of, without their parameters.
fn kinds(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(CONTENT_TYPE).iter();
    let said = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    said.filter_map(|said| {
        let kind = said.split(|byte| *byte == b';').next()?.trim_ascii();
        let slash = kind.iter().position(|byte| *byte == b'/')?;
        let whole = slash > 0 && slash + 1 < kind.len();
        let void = || VOID.iter().any(|void| kind.eq_ignore_ascii_case(void));
        (whole && !void()).then_some(kind)
    })
}

/// The wide character set that an answer says it is in, if it is one.
fn charset(headers: &HeaderMap) -> Option<Wide> {
    let lines = headers.get_all(CONTENT_TYPE).iter();
    let mut parameters = lines.flat_map(|line| line.as_bytes().split(|byte| b";,".contains(byte)));
    parameters.find_map(|parameter| {
        let at = parameter.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&parameter[..at], parameter[at + 1..].trim_ascii());
        let quoted = value.strip_prefix(b"\"").unwrap_or(value);
        let value = quoted.strip_suffix(b"\"").unwrap_or(quoted);
        let said = name.trim_ascii().eq_ignore_ascii_case(b"charset");
        said.then(|| Wide::named(value))?
    })
}

/// What stands in no text (WHATWG MIME Sniffing, section 3).
const fn is_binary(byte: &u8) -> bool {
    matches!(byte, 0..=8 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F)
}

#[cfg(test)]
mod tests;
