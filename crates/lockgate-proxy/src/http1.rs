//! HTTP/1.1 as it is read behind the framing guard, both from clients and from
//! upstreams: every line is known to be right, so that reading is splitting.

use std::cell::Cell;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use lockgate_policy::Edit;

mod chunks;

/// A map with room for more fields is not kept: emptying it costs by its room.
const KEPT_FIELDS: usize = 64;

pub use chunks::{Chunks, Piece};

/// How the end of a body is known (RFC 9112 section 6.3), and what is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// So many bytes.
    Length(u64),
    /// Chunks, until the last.
    Chunked(Chunks),
    /// All there is until the connection ends.
    UntilClose,
}

impl Coding {
    /// No body, or nothing more of it.
    pub const OVER: Self = Self::Length(0);

    /// The next piece in `inbox`; `None` if more bytes are wanted first.
    pub fn next(&mut self, inbox: &mut BytesMut) -> Option<Piece> {
        match self {
            Self::Length(0) => Some(Piece::End),
            Self::Chunked(chunks) => chunks.next(inbox),
            _ if inbox.is_empty() => None,
            Self::UntilClose => Some(Piece::Data(take(inbox, inbox.len()))),
            Self::Length(left) => {
                let part = usize::try_from(*left).map_or(inbox.len(), |left| left.min(inbox.len()));
                *left -= part as u64;
                Some(Piece::Data(take(inbox, part)))
            }
        }
    }

    /// Whether the body is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::End))
    }

    /// Bytes still to come, where that is known.
    #[must_use]
    pub const fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(Chunks::End) => Some(0),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }
}

/// Takes `count` bytes off the front. What is taken whole leaves no memory behind.
#[must_use]
pub fn take(inbox: &mut BytesMut, count: usize) -> Bytes {
    if count == inbox.len() {
        std::mem::take(inbox).freeze()
    } else {
        inbox.split_to(count).freeze()
    }
}

/// Where the head ends with which `inbox` begins, and how many lines it has
/// before the empty one; `None` if it is not there yet.
#[must_use]
pub fn extent(inbox: &[u8]) -> Option<(usize, usize)> {
    let mut start = 0;
    for (lines, end) in memchr::memchr_iter(b'\n', inbox).enumerate() {
        if end == start + 1 && lines > 0 {
            return Some((end + 1, lines));
        }
        start = end + 1;
    }
    None
}

/// An empty map that one request after the other uses: its memory is made once.
#[derive(Clone, Default)]
pub struct SpareMap(Rc<Cell<HeaderMap>>);

impl SpareMap {
    /// A map that is empty, with room for `count` fields.
    #[must_use]
    pub fn take(&self, count: usize) -> HeaderMap {
        let mut headers = self.0.take();
        // As large as it will be: a map that grows is hashed anew.
        headers.reserve(count);
        headers
    }

    /// Gives a map to whoever needs one next, unless it is a large one.
    pub fn give_back(&self, mut headers: HeaderMap) {
        if headers.capacity() <= KEPT_FIELDS {
            headers.clear();
            self.0.set(headers);
        }
    }
}

/// What the fields of a head say of the message and its connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks {
    /// How the body ends, if they say so.
    pub coding: Option<Coding>,
    /// `Connection: close`.
    pub close: bool,
    /// `Connection: keep-alive`.
    pub keep_alive: bool,
    /// `Connection` names anything else.
    pub nominates: bool,
    /// `Expect: 100-continue`.
    pub expects: bool,
    /// `TE: trailers`.
    pub trailers: bool,
}

impl Marks {
    /// Whether the connection can be used again, as far as this side says.
    #[must_use]
    pub const fn persistent(&self, http_10: bool) -> bool {
        !self.close && (self.keep_alive || !http_10)
    }

    // Asking a map for each of these would hash their names for every message.
    fn note(&mut self, name: &[u8], value: &[u8]) {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            2 if is(b"te") => {
                self.trailers |= words(value).any(|word| word.eq_ignore_ascii_case(b"trailers"));
            }
            6 if is(b"expect") => self.expects = true,
            10 if is(b"connection") => {
                for word in words(value) {
                    if word.eq_ignore_ascii_case(b"close") {
                        self.close = true;
                    } else if word.eq_ignore_ascii_case(b"keep-alive") {
                        self.keep_alive = true;
                    } else {
                        self.nominates |= !word.is_empty();
                    }
                }
            }
            14 if is(b"content-length") => {
                let length = std::str::from_utf8(value).ok();
                let length = length.and_then(|text| text.trim_ascii().parse().ok());
                self.coding = self.coding.or(length.map(Coding::Length));
            }
            17 if is(b"transfer-encoding") => self.coding = Some(Coding::Chunked(Chunks::Size)),
            _ => {}
        }
    }
}

/// Writes a field's line.
pub fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes fields, each on its line.
pub fn write_fields(out: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        write_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
}

/// The words between commas.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The fields of a head as they arrived, line by line.
#[derive(Debug, Clone)]
pub struct Lines(Bytes);

impl From<&HeaderMap> for Lines {
    /// As HTTP/1.1 would write them.
    fn from(headers: &HeaderMap) -> Self {
        let field =
            |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
        let mut lines = Vec::with_capacity(headers.iter().map(field).sum());
        for (name, value) in headers {
            write_field(&mut lines, name.as_str().as_bytes(), value.as_bytes());
        }
        Self(lines.into())
    }
}

impl Lines {
    /// The lines of `head` behind its first one, which ends before `start`.
    #[must_use]
    pub fn of(head: &Bytes, start: usize) -> Self {
        Self(head.slice(start..head.len().saturating_sub(2).max(start)))
    }

    /// Each line with its end, and how much of it is the field's name.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        memchr::memchr_iter(b'\n', &self.0).map(move |end| {
            let line = &self.0[start..=end];
            start = end + 1;
            let name = memchr::memchr(b':', line).unwrap_or(0);
            (&line[..name], line)
        })
    }

    /// The same, and behind them the fields that these edits add. `None` if
    /// there are other edits: they want to see what is there.
    #[must_use]
    pub fn with<'e>(&self, edits: impl Iterator<Item = &'e Edit> + Clone) -> Option<Self> {
        let mut lines = Vec::with_capacity(self.0.len() + 128);
        lines.extend_from_slice(&self.0);
        for edit in edits {
            let Edit::Add(name, value) = edit else {
                return None;
            };
            write_field(&mut lines, name.as_str().as_bytes(), value.as_bytes());
        }
        Some(Self(lines.into()))
    }

    /// What they say of the message and the connection.
    #[must_use]
    pub fn marks(&self) -> Marks {
        let mut marks = Marks::default();
        for (name, line) in self.iter() {
            marks.note(name, line.get(name.len() + 1..).unwrap_or_default());
        }
        marks
    }

    /// The same put into an empty map. `None` if `http` does not take what the
    /// guard took, which tests say never happens.
    #[must_use]
    pub fn map(&self, mut headers: HeaderMap) -> Option<(HeaderMap, Marks)> {
        let mut marks = Marks::default();
        for (name, line) in self.iter() {
            let value = line.get(name.len() + 1..)?.trim_ascii();
            let name = HeaderName::from_bytes(name).ok()?;
            marks.note(name.as_str().as_bytes(), value);
            let value = HeaderValue::from_maybe_shared(self.0.slice_ref(value)).ok()?;
            headers.append(name, value);
        }
        Some((headers, marks))
    }
}

#[cfg(test)]
mod tests;
