//! The reader of one direction of a connection, the same for both: heads are
//! kept back until whole and right, bodies pass as they come.

use super::{
    chunked::{Chunked, Read},
    field::{content, Field},
    flaw::Flaw,
    trailer, HeadLimits, Phase,
};
use crate::reason::ReasonRef;

/// What differs between requests and answers.
pub(super) trait Head: Default {
    /// The reason for a flaw on this side.
    fn reason(flaw: Flaw) -> ReasonRef;
    /// The first byte of a message is there.
    fn begin(&mut self, first: u8) -> Result<(), Flaw>;
    /// How long the first line may be, and what is wrong with a longer one.
    fn start_line_limit(limits: &HeadLimits) -> (usize, Flaw);
    /// A first line with its end; false if it is an empty one to be passed over.
    fn start_line(&mut self, line: &[u8], limits: &HeadLimits) -> Result<bool, Flaw>;
    /// A field; `head` is all of the head up to it.
    fn field(&mut self, field: &Field<'_>, head: &[u8]) -> Result<(), Flaw>;
    /// A field after the body.
    fn trailer(field: &Field<'_>) -> Result<(), Flaw> {
        trailer::check(field)
    }
    /// The empty line at the end.
    fn end(&mut self) -> Result<Next, Flaw>;
}

/// What follows a head.
pub(super) enum Next {
    Idle,
    Body(Body),
    Tunnel,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl Body {
    pub(super) const CHUNKED: Self = Self::Chunked(Chunked::START);
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Lines(Kind),
    Body(Body),
    Tunnel,
    Failed { reason: ReasonRef, in_body: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Trailers,
}

/// The reader of one direction.
#[derive(Debug)]
pub(super) struct Stream<H> {
    pub(super) head: H,
    limits: HeadLimits,
    state: State,
    /// Beginning of the head or trailers that are not whole yet. Empty, and
    /// without memory, as long as they arrive in one piece.
    carry: Vec<u8>,
    /// Where in the head or trailers the current line begins.
    line_start: usize,
    /// Lines of it that are over.
    lines: usize,
    heads: u64,
}

impl<H: Head> Stream<H> {
    pub(super) fn new(limits: HeadLimits) -> Self {
        Self {
            head: H::default(),
            limits: limits.bounded(),
            state: State::Idle,
            carry: Vec::new(),
            line_start: 0,
            lines: 0,
            heads: 0,
        }
    }

    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    pub(super) fn withheld(&self) -> usize {
        self.carry.len()
    }

    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Idle => Phase::Idle,
            State::Lines(Kind::Head) => Phase::Head,
            State::Lines(Kind::Trailers) | State::Body(_) => Phase::Body,
            State::Tunnel => Phase::Tunnel,
            State::Failed { .. } => Phase::Failed,
        }
    }

    pub(super) fn in_body(&self) -> bool {
        match self.state {
            State::Body(_) | State::Lines(Kind::Trailers) => true,
            State::Failed { in_body, .. } => in_body,
            State::Idle | State::Lines(Kind::Head) | State::Tunnel => false,
        }
    }

    pub(super) fn tunnel(&mut self) {
        self.state = State::Tunnel;
    }

    pub(super) fn fail(&mut self, flaw: Flaw) -> ReasonRef {
        let reason = H::reason(flaw);
        self.state = State::Failed {
            reason,
            in_body: self.in_body(),
        };
        self.carry = Vec::new();
        reason
    }

    pub(super) fn eof(&mut self) -> Result<(), ReasonRef> {
        match self.state {
            State::Idle | State::Tunnel => Ok(()),
            State::Body(Body::UntilClose) => {
                self.state = State::Idle;
                Ok(())
            }
            State::Failed { reason, .. } => Err(reason),
            State::Lines(_) | State::Body(_) => Err(self.fail(Flaw::ClosedEarly)),
        }
    }

    pub(super) fn feed(
        &mut self,
        input: &[u8],
        out: &mut impl FnMut(&[u8]),
    ) -> Result<(), ReasonRef> {
        if let State::Failed { reason, .. } = self.state {
            return Err(reason);
        }
        let mut run = Run {
            input,
            sent: 0,
            read: 0,
        };
        let result = self.read(&mut run, out);
        run.flush(out);
        result.map_err(|flaw| self.fail(flaw))
    }

    fn read(&mut self, run: &mut Run<'_>, out: &mut impl FnMut(&[u8])) -> Result<(), Flaw> {
        if !self.carry.is_empty() {
            self.continue_lines(run, out)?;
        }
        while let Some(first) = run.input.get(run.read) {
            match self.state {
                State::Idle => {
                    self.head.begin(*first)?;
                    self.lines_begin(Kind::Head);
                }
                State::Lines(kind) => self.fresh_lines(kind, run)?,
                State::Body(Body::Length(left)) => {
                    let taken = left.min(run.rest().len() as u64);
                    // Not more than the input's length, so the cast loses nothing.
                    run.read += taken as usize;
                    self.state = match left - taken {
                        0 => State::Idle,
                        left => State::Body(Body::Length(left)),
                    };
                }
                State::Body(Body::Chunked(mut chunked)) => {
                    let (taken, read) = chunked.read(run.rest());
                    run.read += taken;
                    self.state = State::Body(Body::Chunked(chunked));
                    if read? == Read::Trailers {
                        self.lines_begin(Kind::Trailers);
                    }
                }
                State::Body(Body::UntilClose) | State::Tunnel | State::Failed { .. } => {
                    run.read = run.input.len();
                }
            }
        }
        Ok(())
    }

    fn lines_begin(&mut self, kind: Kind) {
        self.state = State::Lines(kind);
        self.line_start = 0;
        self.lines = 0;
    }

    /// Reads lines that begin in this input: nothing is copied if they end in it.
    fn fresh_lines(&mut self, kind: Kind, run: &mut Run<'_>) -> Result<(), Flaw> {
        let section = run.rest();
        for end in memchr::memchr_iter(b'\n', section) {
            if self.line(kind, &section[..=end])? {
                run.read += end + 1;
                return Ok(());
            }
        }
        self.within_limit(kind, section.len())?;
        run.keep(&mut self.carry);
        Ok(())
    }

    /// Reads on in lines that began in an earlier input.
    fn continue_lines(
        &mut self,
        run: &mut Run<'_>,
        out: &mut impl FnMut(&[u8]),
    ) -> Result<(), Flaw> {
        let State::Lines(kind) = self.state else {
            return Ok(());
        };
        let mut section = std::mem::take(&mut self.carry);
        while let Some(end) = memchr::memchr(b'\n', run.rest()) {
            section.extend_from_slice(&run.rest()[..=end]);
            run.skip(end + 1);
            if self.line(kind, &section)? {
                out(&section);
                return Ok(());
            }
        }
        self.within_limit(kind, section.len() + run.rest().len())?;
        run.keep(&mut section);
        self.carry = section;
        Ok(())
    }

    /// Takes the next line, with which `section` ends. True if the section is over.
    #[inline]
    fn line(&mut self, kind: Kind, section: &[u8]) -> Result<bool, Flaw> {
        self.within_limit(kind, section.len())?;
        let line = &section[self.line_start..];
        self.line_start = section.len();
        if kind == Kind::Head && self.lines == 0 {
            self.lines = 1;
            if self.head.start_line(line, &self.limits)? {
                return Ok(false);
            }
            self.state = State::Idle;
            return Ok(true);
        }
        if line == b"\r\n" {
            return self.end(kind).map(|()| true);
        }
        let field = Field::parse(content(line)?)?;
        self.lines += 1;
        match kind {
            // The start line is one of the lines.
            Kind::Head if self.lines > self.limits.headers + 1 => Err(Flaw::TooManyHeaders),
            Kind::Head => self.head.field(&field, section).map(|()| false),
            Kind::Trailers if self.lines > self.limits.headers => Err(Flaw::TrailersTooLarge),
            Kind::Trailers => H::trailer(&field).map(|()| false),
        }
    }

    fn end(&mut self, kind: Kind) -> Result<(), Flaw> {
        if kind == Kind::Trailers {
            self.state = State::Idle;
            return Ok(());
        }
        self.state = match self.head.end()? {
            Next::Idle => State::Idle,
            Next::Body(body) => State::Body(body),
            Next::Tunnel => State::Tunnel,
        };
        self.heads += 1;
        Ok(())
    }

    /// What is wrong depends on the line alone and not on how its bytes were
    /// cut, so that the same stream always gets the same answer.
    #[inline]
    fn within_limit(&self, kind: Kind, length: usize) -> Result<(), Flaw> {
        let (limit, flaw) = match kind {
            Kind::Head if self.lines == 0 => H::start_line_limit(&self.limits),
            Kind::Head => (self.limits.head_bytes, Flaw::HeadTooLarge),
            Kind::Trailers => (
                self.limits.head_bytes.min(trailer::TRAILER_BYTES),
                Flaw::TrailersTooLarge,
            ),
        };
        if length > limit {
            Err(flaw)
        } else {
            Ok(())
        }
    }
}

/// One input: `..sent` was given out or kept, `sent..read` may go out.
struct Run<'a> {
    input: &'a [u8],
    sent: usize,
    read: usize,
}

impl<'a> Run<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.input[self.read..]
    }

    /// Passes over bytes that were copied elsewhere; nothing may be waiting.
    fn skip(&mut self, count: usize) {
        self.read += count;
        self.sent = self.read;
    }

    fn flush(&mut self, out: &mut impl FnMut(&[u8])) {
        if self.sent < self.read {
            out(&self.input[self.sent..self.read]);
            self.sent = self.read;
        }
    }

    /// Keeps the rest back for the next input.
    fn keep(&mut self, carry: &mut Vec<u8>) {
        carry.extend_from_slice(self.rest());
        self.input = &self.input[..self.read];
    }
}
