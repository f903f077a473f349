//! Heads to and from upstreams: a request's head as bytes, an answer's head
//! from bytes that the framing guard has passed.

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};

/// How an answer's body ends (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Writes a request's head, with the gate's `own` lines. `chunked` announces a
/// body of unknown length.
pub fn write<B>(request: &Request<B>, own: &[u8], chunked: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", PathAndQuery::as_str);
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        if chunked && name == CONTENT_LENGTH {
            continue;
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(own);
    if chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// An answer's head.
pub struct Head {
    /// Status and fields.
    pub response: Response<()>,
    /// How its body ends.
    pub coding: Coding,
    /// Whether the connection can be used again.
    pub keep_alive: bool,
}

/// Takes a head off the front of `inbox`, which begins with one: the guard
/// passes heads whole and right. `None` if it is not there yet.
pub fn read(inbox: &mut BytesMut, no_body: bool) -> Option<Result<Head, NotTaken>> {
    let (end, lines) = extent(inbox)?;
    let head = inbox.split_to(end).freeze();
    Some(parse(&head, lines, no_body).ok_or(NotTaken))
}

/// `http` does not take what the guard took, which tests say never happens.
#[derive(Debug)]
pub struct NotTaken;

fn parse(head: &Bytes, lines: usize, no_body: bool) -> Option<Head> {
    let end = head.len();
    let mut at = memchr::memchr(b'\n', head)? + 1;
    let line = &head[..at];
    let status = StatusCode::from_bytes(line.get(9..12)?).ok()?;
    let http_10 = line.get(7) == Some(&b'0');
    // As large as it will be, and one of ours: a map that grows is hashed anew.
    let mut headers = HeaderMap::with_capacity(lines);
    while at + 2 < end {
        let length = memchr::memchr(b'\n', &head[at..])?;
        let (name, value) = field(head, at, at + length - 1)?;
        headers.append(name, value);
        at += length + 1;
    }
    let coding = coding(&headers, status, no_body);
    let keep_alive = keep_alive(&headers, http_10) && coding != Coding::UntilClose;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.version_mut() = Version::HTTP_11;
    Some(Head {
        response,
        coding,
        keep_alive,
    })
}

/// Where a head ends, and how many lines it has before the empty one.
fn extent(inbox: &[u8]) -> Option<(usize, usize)> {
    let mut start = 0;
    for (lines, end) in memchr::memchr_iter(b'\n', inbox).enumerate() {
        if end == start + 1 && lines > 0 {
            return Some((end + 1, lines));
        }
        start = end + 1;
    }
    None
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

fn coding(headers: &HeaderMap, status: StatusCode, no_body: bool) -> Coding {
    let bodiless = no_body || status.is_informational() || matches!(status.as_u16(), 204 | 304);
    if bodiless {
        return Coding::Length(0);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        return Coding::Chunked;
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    length.map_or(Coding::UntilClose, Coding::Length)
}

fn keep_alive(headers: &HeaderMap, http_10: bool) -> bool {
    let named = |word: &str| {
        headers.get_all(CONNECTION).iter().any(|value| {
            value.to_str().is_ok_and(|text| {
                text.split(',')
                    .any(|option| option.trim().eq_ignore_ascii_case(word))
            })
        })
    };
    if http_10 {
        named("keep-alive") && !named("close")
    } else {
        !named("close")
    }
}

#[cfg(test)]
mod tests;
