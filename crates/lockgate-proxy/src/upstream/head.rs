//! Heads to and from upstreams: a request's head as bytes, an answer's head
//! from bytes that the framing guard has passed.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, StatusCode};
use lockgate_wire::headers::remove_hop_by_hop;

use crate::http1::{extent, take, write_field, Coding, Lines};
use crate::respond::Fields;

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
        if !(chunked && name == CONTENT_LENGTH) {
            write_field(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    out.extend_from_slice(own);
    if chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// An answer's head.
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its fields; those of the connection alone have no meaning any more.
    pub fields: Fields,
    /// How its body ends.
    pub coding: Coding,
    /// Whether the connection can be used again.
    pub keep_alive: bool,
}

/// Takes a head off the front of `inbox`, which begins with one: the guard
/// passes heads whole and right. `None` if it is not there yet.
pub fn read(inbox: &mut BytesMut, no_body: bool) -> Option<Result<Head, NotTaken>> {
    let (end, lines) = extent(inbox)?;
    let head = take(inbox, end);
    Some(parse(&head, lines, no_body).ok_or(NotTaken))
}

/// `http` does not take what the guard took, which tests say never happens.
#[derive(Debug)]
pub struct NotTaken;

fn parse(head: &Bytes, lines: usize, no_body: bool) -> Option<Head> {
    let start = memchr::memchr(b'\n', head)? + 1;
    let line = &head[..start];
    let status = StatusCode::from_bytes(line.get(9..12)?).ok()?;
    let http_10 = line.get(7) == Some(&b'0');
    let lines_of = Lines::of(head, start);
    let marks = lines_of.marks();
    // What is said of a tunnel is looked at before it is taken off.
    let fields = if marks.nominates && status != StatusCode::SWITCHING_PROTOCOLS {
        let (mut headers, _) = lines_of.map(HeaderMap::with_capacity(lines))?;
        remove_hop_by_hop(&mut headers);
        Fields::Own(headers)
    } else {
        Fields::Passed(lines_of)
    };
    let bodiless = no_body || status.is_informational() || matches!(status.as_u16(), 204 | 304);
    let coding = if bodiless {
        Coding::OVER
    } else {
        marks.coding.unwrap_or(Coding::UntilClose)
    };
    Some(Head {
        status,
        fields,
        coding,
        keep_alive: marks.persistent(http_10) && coding != Coding::UntilClose,
    })
}

#[cfg(test)]
mod tests;
