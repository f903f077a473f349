//! JSON values, one to a line, or one to a record (RFC 7464): each is read as if
//! it stood in an array around all.

use super::{json, Flaw, Progress, Sink};

/// What ends a line.
pub const LINE_END: u8 = b'\n';

/// What each record of `application/json-seq` begins with (RFC 7464 section 2.1).
pub const RECORD_BEGIN: u8 = 0x1e;

/// Reads a JSON value from each line; lines of whitespace alone are passed over.
#[derive(Debug)]
pub struct Reader {
    json: json::Reader,
    /// Where the line that is read begins; none before it is looked for.
    line: Option<usize>,
    next: usize,
    number: usize,
    /// What stands between values.
    between: u8,
}

impl Reader {
    /// Within these limits; the number of values is that of all lines together.
    #[must_use]
    pub fn new(limits: json::Limits) -> Self {
        Self {
            json: json::Reader::new(limits),
            line: None,
            next: 0,
            number: 0,
            between: LINE_END,
        }
    }

    /// To read another body; of what was allocated at most `most` bytes are kept.
    pub fn reset(&mut self, most: usize) {
        self.json.reset(most);
        self.line = None;
        self.next = 0;
        self.number = 0;
    }

    /// Says what stands between values: [`LINE_END`] or [`RECORD_BEGIN`].
    pub const fn split_at(&mut self, between: u8) {
        self.between = between;
    }

    /// See [`json::Reader::strict`].
    #[must_use]
    pub const fn strict(&self) -> Option<Flaw> {
        self.json.strict()
    }

    /// Reads on, about `budget` bytes. `body` is the whole body each time.
    ///
    /// # Errors
    /// If a line is not JSON, or all are beyond the limits.
    pub fn run<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        budget: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        let mut left = budget.max(1);
        loop {
            if self.line.is_none() {
                let rest = body.get(self.next..).unwrap_or_default();
                if rest.is_empty() {
                    return Ok(Progress::Done);
                }
                if left == 0 {
                    return Ok(Progress::More);
                }
                let end = memchr::memchr(self.between, rest).unwrap_or(rest.len());
                let start = self.next;
                self.next += end + 1;
                if rest[..end].trim_ascii().is_empty() {
                    left = left.saturating_sub(end + 1);
                    continue;
                }
                if self.number == 0 {
                    self.json.allow_names(body);
                }
                self.json.begin_line(start, self.number);
                self.line = Some(start);
                self.number += 1;
            }
            let end = body.len().min(self.next - 1);
            let before = self.json.at();
            let progress = self
                .json
                .read_on(body.get(..end).unwrap_or_default(), left, sink)?;
            if progress != Progress::Done {
                return Ok(progress);
            }
            left = left.saturating_sub(self.json.at() - before);
            self.line = None;
        }
    }
}
