//! HTTP/1.1 as it is read behind the framing guard, both from clients and from
//! upstreams: every line is known to be right, so that reading is splitting.

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

mod chunks;

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

/// The fields of a head, and what they say of the message and the connection.
#[derive(Debug)]
pub struct Fields {
    /// All of them.
    pub headers: HeaderMap,
    /// How the body ends, if they say so.
    pub coding: Option<Coding>,
    /// `Connection: close`.
    pub close: bool,
    /// `Connection: keep-alive`.
    pub keep_alive: bool,
    /// `Expect: 100-continue`.
    pub expects: bool,
    /// `TE: trailers`.
    pub trailers: bool,
}

impl Fields {
    /// Reads the fields of `head` that begin at `at`, of at most `lines` lines.
    /// `None` if `http` does not take what the guard took, which tests say never happens.
    #[must_use]
    pub fn read(head: &Bytes, mut at: usize, lines: usize) -> Option<Self> {
        let mut fields = Self {
            // As large as it will be: a map that grows is hashed anew.
            headers: HeaderMap::with_capacity(lines),
            coding: None,
            close: false,
            keep_alive: false,
            expects: false,
            trailers: false,
        };
        while at + 2 < head.len() {
            let length = memchr::memchr(b'\n', &head[at..])?;
            let (name, value) = field(head, at, at + length - 1)?;
            fields.note(&name, &value);
            fields.headers.append(name, value);
            at += length + 1;
        }
        Some(fields)
    }

    /// Whether the connection can be used again, as far as this side says.
    #[must_use]
    pub const fn persistent(&self, http_10: bool) -> bool {
        !self.close && (self.keep_alive || !http_10)
    }

    // Asking the map for each of these would hash their names for every message.
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) {
        if name == CONTENT_LENGTH {
            let length = value.to_str().ok().and_then(|text| text.parse().ok());
            self.coding = self.coding.or(length.map(Coding::Length));
        } else if name == CONNECTION {
            self.close |= names(value, b"close");
            self.keep_alive |= names(value, b"keep-alive");
        } else if name == TRANSFER_ENCODING {
            self.coding = Some(Coding::Chunked(Chunks::Size));
        } else if name == EXPECT {
            self.expects = true;
        } else if name == TE {
            self.trailers |= names(value, b"trailers");
        }
    }
}

/// Whether a list of words has this one.
fn names(value: &HeaderValue, word: &[u8]) -> bool {
    let mut words = value.as_bytes().split(|byte| *byte == b',');
    words.any(|option| option.trim_ascii().eq_ignore_ascii_case(word))
}

/// The field between `from` and `to`, its value a view into `head`.
fn field(head: &Bytes, from: usize, to: usize) -> Option<(HeaderName, HeaderValue)> {
    let colon = from + memchr::memchr(b':', &head[from..to])?;
    let name = HeaderName::from_bytes(&head[from..colon]).ok()?;
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = colon
        + 1
        + head[colon + 1..to]
            .iter()
            .position(|byte| !blank(byte))
            .unwrap_or(to - colon - 1);
    let end = start
        + head[start..to]
            .iter()
            .rposition(|byte| !blank(byte))
            .map_or(0, |last| last + 1);
    let value = HeaderValue::from_maybe_shared(head.slice(start..end)).ok()?;
    Some((name, value))
}
