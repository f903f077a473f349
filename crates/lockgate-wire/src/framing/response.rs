//! The head of an upstream's answer: status line and fields (RFC 9112, 4 and 6.3).

use super::{
    field::{content, has_control, Field},
    flaw::Flaw,
    length::Length,
    stream::{Body, Head, Next},
    Expect, HeadLimits,
};

/// Interim (1xx) answers before the real one. Servers send one or two; each
/// may be as large as a head may be, so their number must end somewhere.
const MAX_INTERIM: u8 = 32;

/// What was learnt from the lines of an answer's head so far.
#[derive(Debug, Default)]
pub(super) struct ResponseHead {
    pub(super) expect: Option<Expect>,
    pub(super) interim: u8,
    status: u16,
    http_1_0: bool,
    length: Length,
}

impl Head for ResponseHead {
    fn reason(flaw: Flaw) -> crate::reason::ReasonRef {
        flaw.of_upstream()
    }

    fn begin(&mut self, first: u8) -> Result<(), Flaw> {
        if self.expect.is_none() {
            return Err(Flaw::Unexpected);
        }
        self.length = Length::default();
        self.http_1_0 = false;
        if first == b'H' {
            Ok(())
        } else {
            Err(Flaw::StartLine)
        }
    }

    fn start_line_limit(limits: &HeadLimits) -> (usize, Flaw) {
        (limits.head_bytes, Flaw::HeadTooLarge)
    }

    fn start_line(&mut self, line: &[u8], _limits: &HeadLimits) -> Result<bool, Flaw> {
        let line = content(line)?;
        let rest = match line.strip_prefix(b"HTTP/1.1 ") {
            Some(rest) => rest,
            None => {
                self.http_1_0 = true;
                line.strip_prefix(b"HTTP/1.0 ").ok_or(Flaw::StartLine)?
            }
        };
        // RFC 9112, 4 wants a space even before an empty reason phrase. Some
        // servers leave it out, and every reader takes that the same way.
        let (code, phrase) = match rest {
            [a, b, c] => ([*a, *b, *c], &rest[3..]),
            [a, b, c, b' ', phrase @ ..] => ([*a, *b, *c], phrase),
            _ => return Err(Flaw::StartLine),
        };
        if !code.iter().all(u8::is_ascii_digit) || code[0] == b'0' || has_control(phrase) {
            return Err(Flaw::StartLine);
        }
        self.status = code
            .iter()
            .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        Ok(true)
    }

    #[inline]
    fn field(&mut self, field: &Field<'_>, _head: &[u8]) -> Result<(), Flaw> {
        self.length.note(field, self.http_1_0)
    }

    fn end(&mut self) -> Result<Next, Flaw> {
        let expect = self.expect.unwrap_or(Expect::Body);
        match self.status {
            101 if expect == Expect::Upgrade => {
                self.expect = None;
                Ok(Next::Tunnel)
            }
            101 => Err(Flaw::Upgrade),
            100..=199 => {
                self.no_body_announced()?;
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Err(Flaw::TooManyInterim);
                }
                Ok(Next::Idle)
            }
            204 => {
                self.no_body_announced()?;
                Ok(self.over())
            }
            // What their fields say is about the answer that a GET would get.
            304 => Ok(self.over()),
            _ if expect == Expect::NoBody => Ok(self.over()),
            _ => Ok(self.body()),
        }
    }
}

impl ResponseHead {
    fn over(&mut self) -> Next {
        self.expect = None;
        Next::Idle
    }

    /// RFC 9112, 6.1 and RFC 9110, 8.6. Zero is a common harmless mistake.
    fn no_body_announced(&self) -> Result<(), Flaw> {
        match self.length {
            Length {
                chunked: false,
                content_length: None | Some(0),
            } => Ok(()),
            _ => Err(Flaw::BodyNotAllowed),
        }
    }

    fn body(&mut self) -> Next {
        self.expect = None;
        match self.length {
            Length { chunked: true, .. } => Next::Body(Body::CHUNKED),
            Length {
                content_length: Some(0),
                ..
            } => Next::Idle,
            Length {
                content_length: Some(length),
                ..
            } => Next::Body(Body::Length(length)),
            Length { .. } => Next::Body(Body::UntilClose),
        }
    }
}
