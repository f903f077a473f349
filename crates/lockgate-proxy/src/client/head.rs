//! Heads from and to clients: a request's head from bytes that the framing
//! guard has passed, an answer's head as bytes.

use bytes::{Buf, BytesMut};
use http::{request, HeaderMap, Method, Request, StatusCode, Uri, Version};
use lockgate_wire::headers::is_hop_by_hop;

use crate::http1::{extent, take, write_field, Coding, Lines, SpareMap};
use crate::respond::{Fields, X_REQUEST_ID};

/// A request's head.
pub struct Head {
    /// Method, target and fields. In a box, as they are handed from one to the next, and a connection
    /// has room for each.
    pub parts: Box<request::Parts>,
    /// How its body ends; over already if it has none.
    pub body: Coding,
    /// Whether the client waits for a `100 (Continue)` before it sends the body.
    pub expects: bool,
    /// What its answer goes by.
    pub asked: Asked,
    /// Its fields as they were written.
    pub lines: Lines,
}

/// What an answer goes by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Without its body (RFC 9110 section 9.3.2).
    pub head: bool,
    /// By a client that knows no chunks.
    pub http_10: bool,
    /// By a client that may ask again on the same connection.
    pub persistent: bool,
    /// By a client that takes trailers.
    pub trailers: bool,
}

/// Takes a head off the front of `inbox`, if there is a whole one. Its fields go
/// into `spare`.
pub fn read(inbox: &mut BytesMut, spare: &SpareMap) -> Option<Result<Head, NotTaken>> {
    // RFC 9112 section 2.2: an empty line before a request is passed over.
    while inbox.starts_with(b"\r\n") {
        inbox.advance(2);
    }
    let (end, lines) = extent(inbox)?;
    Some(parse(inbox, end, spare.take(lines)).ok_or(NotTaken))
}

/// `http` does not take what the guard took, which tests say never happens.
#[derive(Debug)]
pub struct NotTaken;

fn parse(inbox: &mut BytesMut, end: usize, empty: HeaderMap) -> Option<Head> {
    let head = take(inbox, end);
    let start = memchr::memchr(b'\n', &head)? + 1;
    // Whatever stands between the first and the last space is the target.
    let method_end = memchr::memchr(b' ', &head)?;
    let target_end = start.checked_sub(" HTTP/1.1\r\n".len())?;
    let method = Method::from_bytes(&head[..method_end]).ok()?;
    let target = head.get(method_end + 1..target_end)?;
    let uri = Uri::from_maybe_shared(head.slice_ref(target)).ok()?;
    let http_10 = head[start - 3] == b'0';
    let lines = Lines::of(&head, start);
    let (headers, marks) = lines.map(empty)?;
    let asked = Asked {
        head: method == Method::HEAD,
        http_10,
        persistent: marks.persistent(http_10),
        trailers: marks.trailers,
    };
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = method;
    parts.uri = uri;
    parts.headers = headers;
    parts.version = if http_10 {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    Some(Head {
        parts: Box::new(parts),
        body: marks.coding.unwrap_or(Coding::OVER),
        // RFC 9110 section 10.1.1: HTTP/1.0 knows no interim answers.
        expects: marks.expects && !http_10,
        asked,
        lines,
    })
}

/// How an answer's body is told from what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// There is none, and no length is told (RFC 9110 section 8.6).
    Empty,
    /// There is none, whatever length the fields say.
    Bodiless,
    /// By its length.
    Length(u64),
    /// By chunks.
    Chunked,
    /// By the end of the connection.
    UntilClose,
    /// There is none: what follows is no HTTP any more.
    Switch,
}

/// Fields of the gate's own in an answer.
#[derive(Debug, Clone, Copy)]
pub struct OwnFields<'a> {
    /// The request's id.
    pub id: Option<&'a str>,
    /// The time now.
    pub date: &'a [u8],
    /// That the host is only to be asked over TLS (RFC 6797).
    pub hsts: Option<&'a [u8]>,
    /// That the same is to be had over HTTP/3 (RFC 7838).
    pub alt_svc: Option<&'a [u8]>,
}

/// Writes an answer's head.
pub fn write(
    (status, fields): (StatusCode, &Fields),
    (shape, persistent, http_10): (Shape, bool, bool),
    own: OwnFields<'_>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut told = Told {
        shape,
        id: own.id.is_some(),
        hsts: own.hsts.is_some(),
        alt_svc: own.alt_svc.is_some(),
        dated: false,
        measured: false,
    };
    match fields {
        Fields::Own(headers) => {
            for (name, value) in headers {
                if told.passes(name.as_str().as_bytes()) {
                    write_field(out, name.as_str().as_bytes(), value.as_bytes());
                }
            }
        }
        Fields::Passed(lines) => {
            for (name, line) in lines.iter() {
                if told.passes(name) {
                    out.extend_from_slice(line);
                }
            }
        }
    }
    if let Some(id) = own.id {
        write_field(out, b"x-request-id", id.as_bytes());
    }
    if !told.dated {
        write_field(out, b"date", own.date);
    }
    if let Some(hsts) = own.hsts {
        write_field(out, b"strict-transport-security", hsts);
    }
    if let Some(alt_svc) = own.alt_svc {
        write_field(out, b"alt-svc", alt_svc);
    }
    match shape {
        Shape::Length(length) if !told.measured => {
            let mut digits = itoa::Buffer::new();
            write_field(out, b"content-length", digits.format(length).as_bytes());
        }
        Shape::Chunked => write_field(out, b"transfer-encoding", b"chunked"),
        Shape::Switch => {
            out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n\r\n");
            return;
        }
        Shape::Length(_) | Shape::Empty | Shape::Bodiless | Shape::UntilClose => {}
    }
    if !persistent {
        write_field(out, b"connection", b"close");
    } else if http_10 {
        write_field(out, b"connection", b"keep-alive");
    }
    out.extend_from_slice(b"\r\n");
}

/// What an answer's fields have said already.
struct Told {
    shape: Shape,
    id: bool,
    hsts: bool,
    alt_svc: bool,
    dated: bool,
    measured: bool,
}

impl Told {
    /// Whether a field goes on to the client.
    #[inline]
    fn passes(&mut self, name: &[u8]) -> bool {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"date") => self.dated = true,
            // The id is the gate's, whatever the upstream says.
            12 if self.id && is(X_REQUEST_ID.as_str().as_bytes()) => return false,
            // The listener's, whatever the upstream says.
            7 if self.alt_svc && is(b"alt-svc") => return false,
            25 if self.hsts && is(b"strict-transport-security") => return false,
            14 if is(b"content-length") => {
                self.measured = true;
                return matches!(self.shape, Shape::Length(_) | Shape::Bodiless);
            }
            _ => {}
        }
        !is_hop_by_hop(name)
    }
}

#[cfg(test)]
mod tests;
