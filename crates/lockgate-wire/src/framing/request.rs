//! The head of a request: request line and fields (RFC 9112, 3 and 5).

use super::{
    field::{content, Field},
    flaw::Flaw,
    length::Length,
    stream::{Body, Head, Next},
    trailer, HeadLimits,
};
use crate::{chars, host};

/// Longest method. The longest registered one has 18 bytes (UPDATEREDIRECTREF).
const METHOD_BYTES: usize = 32;
/// What a request line has beside method and target: ` ` and ` HTTP/1.1\r\n`.
const LINE_EXTRA: usize = 12;

/// What was learnt from the lines of a request's head so far.
#[derive(Debug, Default)]
pub(super) struct RequestHead {
    /// The line before was empty; only one such may come before a request.
    empty_line: bool,
    http_1_0: bool,
    host_seen: bool,
    expect_seen: bool,
    content_type_seen: bool,
    /// Where an absolute-form target's authority stands in the head.
    authority: Option<(usize, usize)>,
    length: Length,
}

impl Head for RequestHead {
    fn reason(flaw: Flaw) -> crate::reason::ReasonRef {
        flaw.of_client()
    }

    fn begin(&mut self, first: u8) -> Result<(), Flaw> {
        *self = Self {
            empty_line: self.empty_line,
            ..Self::default()
        };
        // Seen at the first byte, so that a TLS greeting on a plain port is
        // answered at once and not when the head's time is up.
        if chars::is(first, chars::TOKEN) || first == b'\r' || first == b'\n' {
            return Ok(());
        }
        Err(if matches!(first, b' ' | b'\t') {
            Flaw::StartLine
        } else {
            Flaw::NotHttp
        })
    }

    fn start_line_limit(limits: &HeadLimits) -> (usize, Flaw) {
        let line = METHOD_BYTES + limits.target_bytes + LINE_EXTRA;
        if line < limits.head_bytes {
            (line, Flaw::TargetTooLong)
        } else {
            (limits.head_bytes, Flaw::HeadTooLarge)
        }
    }

    fn start_line(&mut self, line: &[u8], limits: &HeadLimits) -> Result<bool, Flaw> {
        if line == b"\r\n" {
            // RFC 9112, 2.2: "SHOULD ignore at least one empty line".
            if self.empty_line {
                return Err(Flaw::StartLine);
            }
            self.empty_line = true;
            return Ok(false);
        }
        self.empty_line = false;
        self.request_line(content(line)?, limits)?;
        Ok(true)
    }

    #[inline]
    fn field(&mut self, field: &Field<'_>, head: &[u8]) -> Result<(), Flaw> {
        match field.name.len() {
            4 if field.is(b"host") => self.host(field.value, head),
            6 if field.is(b"expect") => self.expect(field.value),
            12 if field.is(b"content-type") => self.content_type(field.value),
            14 | 17 => self.length.note(field, self.http_1_0),
            _ => Ok(()),
        }
    }

    fn trailer(field: &Field<'_>) -> Result<(), Flaw> {
        trailer::check(field)?;
        trailer::check_identity(field)
    }

    fn end(&mut self) -> Result<Next, Flaw> {
        if !self.host_seen && (!self.http_1_0 || self.authority.is_some()) {
            return Err(Flaw::HostMissing);
        }
        Ok(match self.length {
            Length { chunked: true, .. } => Next::Body(Body::CHUNKED),
            Length {
                content_length: Some(1..),
                ..
            } => Next::Body(Body::Length(self.length.content_length.unwrap_or(0))),
            _ => Next::Idle,
        })
    }
}

impl RequestHead {
    fn request_line(&mut self, line: &[u8], limits: &HeadLimits) -> Result<(), Flaw> {
        let method_end = line
            .iter()
            .position(|byte| !chars::is(*byte, chars::TOKEN))
            .filter(|end| line[*end] == b' ' && *end > 0)
            .ok_or_else(|| line_flaw(line))?;
        let method = &line[..method_end];
        let rest = &line[method_end + 1..];
        let target = match rest.strip_suffix(b" HTTP/1.1") {
            Some(target) => target,
            None => {
                self.http_1_0 = true;
                rest.strip_suffix(b" HTTP/1.0")
                    .ok_or_else(|| version_flaw(rest))?
            }
        };
        if method.len() > METHOD_BYTES {
            return Err(Flaw::Method);
        }
        if target.len() > limits.target_bytes {
            return Err(Flaw::TargetTooLong);
        }
        self.target(method, target, method_end + 1)
    }

    fn target(&mut self, method: &[u8], target: &[u8], at: usize) -> Result<(), Flaw> {
        if method == b"CONNECT" {
            return Err(Flaw::Connect);
        }
        match target {
            [] => Err(Flaw::StartLine),
            [b'/', ..] => path_and_query(target),
            b"*" if method == b"OPTIONS" => Ok(()),
            _ => {
                let (start, end) = absolute_form(target)?;
                self.authority = Some((at + start, at + end));
                path_and_query(&target[end..])
            }
        }
    }

    /// RFC 9112, 3.2: exactly one; and 3.2.2: in absolute-form the authority
    /// counts, so the two must be the same, or someone is misled.
    fn host(&mut self, value: &[u8], head: &[u8]) -> Result<(), Flaw> {
        if self.host_seen {
            return Err(Flaw::HostRepeated);
        }
        self.host_seen = true;
        host::split(value).ok_or(Flaw::HostInvalid)?;
        match self.authority {
            Some((start, end)) if !head[start..end].eq_ignore_ascii_case(value) => {
                Err(Flaw::HostMismatch)
            }
            _ => Ok(()),
        }
    }

    /// RFC 9110, 8.3 knows that recipients of several take the last one, or what they
    /// make of all; rules and schemas would have judged by the first.
    fn content_type(&mut self, value: &[u8]) -> Result<(), Flaw> {
        if self.content_type_seen || has_second_type(value) {
            return Err(Flaw::ContentTypeRepeated);
        }
        self.content_type_seen = true;
        Ok(())
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Flaw> {
        if self.expect_seen || !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Flaw::Expectation);
        }
        self.expect_seen = true;
        Ok(())
    }
}

/// Whether a media type stands behind a comma. One in a quoted string is a part of
/// that, if its quote ends; a comma without a type behind it parts nothing.
pub(crate) fn has_second_type(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b',')) {
        let (sign, behind) = (rest[at], &rest[at + 1..]);
        if sign == b',' {
            let end = behind.iter().position(|byte| matches!(byte, b';' | b','));
            if behind[..end.unwrap_or(behind.len())].contains(&b'/') {
                return true;
            }
        }
        rest = match sign {
            b'"' => quoted_end(behind).map_or(behind, |end| &behind[end..]),
            _ => behind,
        };
    }
    false
}

/// Behind the quote that ends a quoted string (RFC 9110, 5.6.4).
fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map(|end| end + 1)
}

/// Finds the authority of `http://authority/path`. Other schemes are for
/// forward proxies; userinfo is refused by the syntax of a host.
fn absolute_form(target: &[u8]) -> Result<(usize, usize), Flaw> {
    let start = [&b"http://"[..], b"https://"]
        .iter()
        .find(|scheme| {
            target.len() > scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme)
        })
        .map(|scheme| scheme.len())
        .ok_or(Flaw::TargetForm)?;
    let length = target[start..]
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
        .unwrap_or(target.len() - start);
    host::split(&target[start..start + length]).ok_or(Flaw::TargetForm)?;
    Ok((start, start + length))
}

/// Checks what follows the authority, or the whole of an origin-form.
fn path_and_query(text: &[u8]) -> Result<(), Flaw> {
    let path = text
        .iter()
        .position(|byte| !chars::is(*byte, chars::PATH))
        .unwrap_or(text.len());
    match &text[path..] {
        [] => Ok(()),
        [b'?', query @ ..] if chars::all(query, chars::QUERY) => Ok(()),
        rest if rest.contains(&b'\r') => Err(Flaw::BareCr),
        _ => Err(Flaw::Target),
    }
}

#[cold]
fn line_flaw(line: &[u8]) -> Flaw {
    if line.contains(&b'\r') {
        Flaw::BareCr
    } else {
        Flaw::StartLine
    }
}

/// Tells another version of HTTP from a line that names none. What comes
/// last after a space and looks like `HTTP/d.d` is a version (RFC 9112, 2.3).
#[cold]
fn version_flaw(rest: &[u8]) -> Flaw {
    match rest.split(|byte| *byte == b' ').next_back() {
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit()
                && minor.is_ascii_digit()
                && !matches!((major, minor), (b'1', b'0' | b'1')) =>
        {
            Flaw::Version
        }
        _ => line_flaw(rest),
    }
}
