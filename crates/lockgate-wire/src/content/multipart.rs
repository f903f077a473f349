//! `multipart/form-data` (RFC 7578), and what ModSecurity says of it.
//!
//! [`Flags`] are set as ModSecurity sets them, since rules are written against
//! them. After an error the reading goes on where it can, so that rules see
//! what a reader behind the gate may see.

mod boundary;
mod disposition;
mod flags;
mod headers;

pub use flags::Flags;

use memchr::memmem::Finder;

use super::{reasons, Flaw, Progress, Sink};
use crate::reason::ReasonRef;
use headers::Headers;

/// A part of a form, read.
#[derive(Debug)]
pub struct Part<'a> {
    /// Its name; empty where it has none.
    pub name: &'a [u8],
    /// The file's name, where one is said; nothing of it is taken away.
    pub file_name: Option<&'a [u8]>,
    /// Its `Content-Type`.
    pub content_type: Option<&'a [u8]>,
    /// What it holds.
    pub content: &'a [u8],
    /// Where that begins in the body.
    pub at: usize,
}

/// How much of a form is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Parts. 1,000, as PHP has for its variables.
    pub parts: u32,
    /// Files, beyond which [`Flags::file_limit_exceeded`] is set. 100, as `SecUploadFileLimit`.
    pub files: u32,
    /// Headers of a part. 16: a form needs two.
    pub headers: usize,
    /// Bytes of a header, folded lines together. 4 KiB, as in ModSecurity.
    pub header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parts: 1_000,
            files: 100,
            headers: 16,
            header_bytes: 4 << 10,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    Headers,
    Data,
    Complete,
}

/// Reads a form; see the [module](self).
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    at: usize,
    state: State,
    flags: Flags,
    /// `--` and the boundary; nothing where there is none to use.
    delimiter: Option<Finder<'static>>,
    /// `\n--`: lines that may be a boundary begin behind it.
    dashes: Finder<'static>,
    /// Where the delimiter stands next, at or behind [`Self::at`].
    hit: usize,
    boundaries: u32,
    parts: u32,
    files: u32,
    data: usize,
    headers: Headers,
    name: Vec<u8>,
    file_name: Option<Vec<u8>>,
    error: Option<Flaw>,
    strict: Option<Flaw>,
}

impl Reader {
    /// For the body of a request with this `Content-Type`.
    #[must_use]
    pub fn new(content_type: &[u8], limits: Limits) -> Self {
        let mut flags = Flags::default();
        let found = boundary::read(content_type, &mut flags);
        let unlike = |boundary: &Vec<u8>| boundary::is_unlike(boundary, flags.boundary_quoted);
        let strict = found.as_ref().is_ok_and(unlike);
        let delimiter = found.as_ref().ok().map(|boundary| {
            let text = [b"--", boundary.as_slice()].concat();
            Finder::new(&text).into_owned()
        });
        Self {
            limits,
            at: 0,
            state: State::Preamble,
            flags,
            delimiter,
            dashes: Finder::new(b"\n--"),
            hit: 0,
            boundaries: 0,
            parts: 0,
            files: 0,
            data: 0,
            headers: Headers::default(),
            name: Vec::new(),
            file_name: None,
            error: found
                .err()
                .map(|at| Flaw::new(&reasons::MULTIPART_TYPE, at)),
            strict: strict.then(|| Flaw::new(&reasons::MULTIPART_TYPE, 0)),
        }
    }

    /// What rules know of the form.
    #[must_use]
    pub const fn flags(&self) -> &Flags {
        &self.flags
    }

    /// What is wrong with it, as ModSecurity has it too (`REQBODY_ERROR`).
    #[must_use]
    pub const fn error(&self) -> Option<Flaw> {
        self.error
    }

    /// What readers could take differently; also what [`Self::error`] says.
    #[must_use]
    pub fn strict(&self) -> Option<Flaw> {
        let flags = || Flaw::new(&reasons::MULTIPART_STRICT, self.at);
        self.error
            .or(self.strict)
            .or_else(|| self.flags.strict_error().then(flags))
    }

    /// Reads on, about `budget` bytes. `body` is the whole body each time.
    ///
    /// # Errors
    /// If there is no boundary to read by, or a limit is passed. Whatever else is
    /// wrong, [`Self::error`] says at the end.
    pub fn run<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        budget: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        let Some(delimiter) = self.delimiter.take() else {
            return Err(self
                .error
                .unwrap_or(Flaw::new(&reasons::MULTIPART_TYPE, self.at)));
        };
        let stop = self.at.saturating_add(budget.max(1));
        let mut result = Ok(Progress::More);
        while result == Ok(Progress::More) && self.at < stop {
            result = self.step(body, &delimiter, sink);
        }
        // A form that went beyond a limit is not read on.
        if let Err(flaw) = result {
            self.error.get_or_insert(flaw);
        } else {
            self.delimiter = Some(delimiter);
        }
        result
    }

    fn step<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        delimiter: &Finder<'static>,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        let start = self.at;
        let Some(rest) = body.get(start..).filter(|rest| !rest.is_empty()) else {
            return Ok(self.finish(body, sink));
        };
        match self.state {
            State::Complete => {
                self.flags.data_after = true;
                self.at = body.len();
            }
            _ if rest.starts_with(b"--") => {
                let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                return self.dashed(body, start + end, delimiter, sink);
            }
            State::Headers => match memchr::memchr(b'\n', rest) {
                Some(end) => {
                    self.at += end + 1;
                    self.look_for_boundary(body, start, delimiter);
                    return self.header_line(&rest[..=end], start, sink);
                }
                None => self.at = body.len(),
            },
            State::Preamble | State::Data => {
                let end = self.dashes.find(rest).map(|at| start + at + 1);
                self.at = end.unwrap_or(body.len());
                self.look_for_boundary(body, start, delimiter);
                // As in ModSecurity, what is before counts only once its line ends.
                if self.state == State::Preamble && memchr::memchr(b'\n', rest).is_some() {
                    self.flags.data_before = true;
                }
            }
        }
        Ok(Progress::More)
    }

    /// Notes a boundary within lines since `start`.
    fn look_for_boundary(&mut self, body: &[u8], start: usize, delimiter: &Finder<'static>) {
        if self.hit < start {
            let rest = body.get(start..).unwrap_or_default();
            self.hit = delimiter.find(rest).map_or(usize::MAX, |at| start + at);
        }
        if self.hit < self.at {
            self.flags.unmatched_boundary = 1;
            // Some readers take it for one wherever it stands.
            self.doubt(self.hit);
        }
    }

    /// Notes a place that readers take differently, which no flag of ModSecurity tells.
    fn doubt(&mut self, at: usize) {
        let doubt = Flaw::new(&reasons::MULTIPART_STRICT, at);
        self.strict.get_or_insert(doubt);
    }

    /// A line that begins with two hyphens, and ends before `end`.
    fn dashed<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        end: usize,
        delimiter: &Finder<'static>,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        let start = self.at;
        let line = body.get(start..end).unwrap_or_default();
        self.at = end;
        let Some(behind) = line.strip_prefix(delimiter.needle()) else {
            return self.nearly(line, delimiter, start, sink);
        };
        // CR LF is what begins a delimiter (RFC 2046 section 5.1.1): behind LF alone it
        // is content to some.
        let before = body.get(..start).unwrap_or_default();
        if !before.is_empty() && !before.ends_with(b"\r\n") {
            self.doubt(start);
        }
        let (behind, last) = match behind.strip_prefix(b"--") {
            Some(behind) => (behind, true),
            None => (behind, false),
        };
        match behind {
            b"\r\n" => self.flags.crlf_line = true,
            b"\n" => self.flags.lf_line = true,
            // The end of all needs no line end.
            b"" if last && self.boundaries > 0 => {}
            _ => {
                self.fail(&reasons::MULTIPART_BOUNDARY, start);
                if !behind.trim_ascii().is_empty() {
                    return self.other_line(line, start, sink);
                }
            }
        }
        if self.boundaries > 0 && !behind.is_empty() {
            self.flags.unmatched_boundary = 2;
        }
        self.boundaries += 1;
        if !self.end_part(body, start, sink) {
            return Ok(Progress::Stopped);
        }
        if last {
            self.state = State::Complete;
            return Ok(Progress::More);
        }
        self.parts += 1;
        if self.parts > self.limits.parts {
            return Err(Flaw::new(&reasons::MULTIPART_TOO_MANY, start));
        }
        self.state = State::Headers;
        self.data = self.at;
        Ok(Progress::More)
    }

    /// A line with two hyphens that is no boundary.
    fn nearly<S: Sink + ?Sized>(
        &mut self,
        line: &[u8],
        delimiter: &Finder<'static>,
        start: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        if let Some(at) = delimiter.find(line) {
            self.doubt(start + at);
        }
        if line.len() > 3 && line.ends_with(b"\n") {
            let boundary = delimiter.needle().get(2..).unwrap_or_default();
            let behind = line.get(2..).unwrap_or_default();
            let quoted = behind.strip_prefix(b"\"");
            let quoted = quoted.is_some_and(|behind| behind.starts_with(boundary));
            let trimmed = behind.trim_ascii_start();
            let spaced = trimmed.len() < behind.len() && trimmed.starts_with(boundary);
            if spaced || quoted && self.flags.boundary_quoted {
                self.fail(&reasons::MULTIPART_BOUNDARY, start);
            }
            self.flags.unmatched_boundary = 1;
        }
        self.other_line(line, start, sink)
    }

    fn other_line<S: Sink + ?Sized>(
        &mut self,
        line: &[u8],
        start: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        match self.state {
            State::Preamble if line.ends_with(b"\n") => self.flags.data_before = true,
            State::Headers if line.ends_with(b"\n") => return self.header_line(line, start, sink),
            _ => {}
        }
        Ok(Progress::More)
    }

    fn header_line<S: Sink + ?Sized>(
        &mut self,
        line: &[u8],
        start: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        if line.len() > self.limits.header_bytes {
            return Err(Flaw::new(&reasons::MULTIPART_HEADER_SIZE, start));
        }
        match line.ends_with(b"\r\n") {
            true => self.flags.crlf_line = true,
            false => self.flags.lf_line = true,
        }
        if matches!(line, b"\r\n" | b"\n") {
            self.data = self.at;
            self.state = State::Data;
            return Ok(self.end_headers(start, sink));
        }
        if let Some(reason) = self.headers.read(line, &mut self.flags) {
            self.fail(reason, start);
        }
        if self.headers.len() > self.limits.headers
            || self.headers.last_len() > self.limits.header_bytes
        {
            return Err(Flaw::new(&reasons::MULTIPART_HEADER_SIZE, start));
        }
        Ok(Progress::More)
    }

    fn end_headers<S: Sink + ?Sized>(&mut self, at: usize, sink: &mut S) -> Progress {
        let disposition = self.headers.value(b"content-disposition");
        let outcome = match disposition {
            Some(value) => {
                disposition::read(value, &mut self.flags, &mut self.name, &mut self.file_name)
            }
            None => Err(&reasons::MULTIPART_DISPOSITION),
        };
        let is_file = self.file_name.is_some();
        let ambiguous = disposition.is_some_and(|value| disposition::is_ambiguous(value, is_file));
        match outcome {
            Err(reason) => self.fail(reason, at),
            Ok(()) if self.name.is_empty() => self.fail(&reasons::MULTIPART_DISPOSITION, at),
            Ok(()) if ambiguous => {
                let doubt = Flaw::new(&reasons::MULTIPART_DISPOSITION, at);
                self.strict.get_or_insert(doubt);
            }
            Ok(()) => {}
        }
        if let Some(reason) = self.headers.strict(&self.name) {
            self.strict.get_or_insert(Flaw::new(reason, at));
        }
        for line in self.headers.lines() {
            if !sink.part_header(&self.name, line) {
                return Progress::Stopped;
            }
        }
        Progress::More
    }

    /// Tells the part that ends before `end`. False if the sink wants no more.
    fn end_part<S: Sink + ?Sized>(&mut self, body: &[u8], end: usize, sink: &mut S) -> bool {
        let was = self.state;
        let mut go_on = true;
        if was == State::Headers && self.name.is_empty() {
            // The headers have no end, and may be read all the same.
            self.flags.invalid_part = true;
            go_on = self.end_headers(end, sink) != Progress::Stopped;
        }
        if matches!(was, State::Headers | State::Data) {
            let content = body.get(self.data..end).unwrap_or_default();
            let content = content.strip_suffix(b"\n").map_or(content, |content| {
                content.strip_suffix(b"\r").unwrap_or(content)
            });
            self.flags.invalid_part |= self.name.is_empty();
            // A file that is not named is one to some; an empty one is what a browser
            // sends where none is chosen.
            let chosen = |name: &Vec<u8>| !name.is_empty() || !content.is_empty();
            if self.file_name.as_ref().is_some_and(chosen) {
                self.files += 1;
                self.flags.file_limit_exceeded |= self.files > self.limits.files;
            }
            go_on = go_on
                && sink.part(&Part {
                    name: &self.name,
                    file_name: self.file_name.as_deref(),
                    content_type: self.headers.value(b"content-type"),
                    content,
                    at: self.data,
                });
        }
        self.headers.clear();
        self.name.clear();
        self.file_name = None;
        go_on
    }

    /// The body is over.
    fn finish<S: Sink + ?Sized>(&mut self, body: &[u8], sink: &mut S) -> Progress {
        if self.state == State::Complete || body.is_empty() {
            return Progress::Done;
        }
        let reason = match self.boundaries {
            0 => &reasons::MULTIPART_NONE,
            _ => &reasons::MULTIPART_END,
        };
        self.fail(reason, body.len());
        let go_on = self.end_part(body, body.len(), sink);
        self.state = State::Complete;
        match go_on {
            true => Progress::Done,
            false => Progress::Stopped,
        }
    }

    #[cold]
    fn fail(&mut self, reason: ReasonRef, at: usize) {
        self.error.get_or_insert(Flaw::new(reason, at));
    }
}
