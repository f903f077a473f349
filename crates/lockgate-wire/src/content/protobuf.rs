//! Messages of Protocol Buffers without their schema: the texts in them, named
//! by field numbers (`grpc.1.3`).
//!
//! On the wire a text, a run of bytes, an inner message and packed numbers look
//! alike: a length, and so many bytes. So each is taken for all that it can be:
//! told where it is text, and gone into where it is a message.

use super::{reasons, Flaw, Progress, Sink};
use crate::grpc::Prefix;

/// How names begin in calls of gRPC, and in a message that is the whole body.
const CALL: &[u8] = b"grpc";
const MESSAGE: &[u8] = b"protobuf";
/// Field numbers have 29 bits.
const LAST_FIELD: u64 = (1 << 29) - 1;

/// How much of messages is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages within each other. 32; protobuf's own readers have 100. What is
    /// nested more deeply is told as text where it is one, and not gone into:
    /// each level costs a look at all of its bytes.
    pub depth: usize,
    /// Fields in all. Half a million, as for JSON.
    pub fields: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 32,
            fields: 500_000,
        }
    }
}

/// Reads the messages of a gRPC call, or a message alone.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    root: &'static [u8],
    framed: bool,
    begun: bool,
    at: usize,
    /// Where each open message ends, and how long its name is.
    open: Vec<(usize, usize)>,
    name: Vec<u8>,
    fields_left: u32,
    compressed: u32,
}

impl Reader {
    /// For the body of a gRPC request: messages with a prefix each.
    #[must_use]
    pub fn of_call(limits: Limits) -> Self {
        Self {
            limits,
            root: CALL,
            framed: true,
            begun: false,
            at: 0,
            open: Vec::new(),
            name: CALL.to_vec(),
            fields_left: limits.fields,
            compressed: 0,
        }
    }

    /// For one message of a call, without its prefix.
    #[must_use]
    pub fn of_message(limits: Limits) -> Self {
        Self {
            framed: false,
            ..Self::of_call(limits)
        }
    }

    /// For one message that is the body, without any call: names begin with
    /// `protobuf`.
    #[must_use]
    pub fn of_body(limits: Limits) -> Self {
        Self {
            root: MESSAGE,
            name: MESSAGE.to_vec(),
            ..Self::of_message(limits)
        }
    }

    /// Messages that were passed over because they are compressed.
    #[must_use]
    pub const fn compressed(&self) -> u32 {
        self.compressed
    }

    /// Reads on, about `budget` bytes. `body` is the whole body each time.
    ///
    /// # Errors
    /// If it is not made of messages, or beyond the limits.
    pub fn run<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        budget: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        let stop = self.at.saturating_add(budget.max(1));
        loop {
            let Some((end, named)) = self.open.last().copied() else {
                if !self.next_message(body)? {
                    return Ok(Progress::Done);
                }
                continue;
            };
            if self.at >= end {
                self.open.pop();
                self.name
                    .truncate(self.open.last().map_or(self.root.len(), |outer| outer.1));
                continue;
            }
            if self.at >= stop {
                return Ok(Progress::More);
            }
            self.name.truncate(named);
            if !self.field(body, end, sink)? {
                return Ok(Progress::Stopped);
            }
        }
    }

    /// Opens the next message of the call. False if there is none.
    fn next_message(&mut self, body: &[u8]) -> Result<bool, Flaw> {
        if !self.framed {
            let first = !std::mem::replace(&mut self.begun, true);
            self.open
                .extend(first.then_some((body.len(), self.root.len())));
            return Ok(first);
        }
        while self.at < body.len() {
            let rest = body.get(self.at..).unwrap_or_default();
            let Some(Prefix { flag, length }) = Prefix::read(rest) else {
                return self.fail();
            };
            let begin = self.at + Prefix::LEN;
            let end = begin.saturating_add(length as usize);
            if end > body.len() {
                return self.fail();
            }
            match flag {
                0 => {
                    self.at = begin;
                    self.open.push((end, self.root.len()));
                    return Ok(true);
                }
                1 => {
                    self.compressed += 1;
                    self.at = end;
                }
                _ => return self.fail(),
            }
        }
        Ok(false)
    }

    fn field<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        end: usize,
        sink: &mut S,
    ) -> Result<bool, Flaw> {
        let message = body.get(..end).unwrap_or_default();
        let Some(field) = Field::read(message, self.at) else {
            return self.fail();
        };
        let Some(left) = self.fields_left.checked_sub(1) else {
            return Err(Flaw::new(&reasons::GRPC_TOO_MANY, self.at));
        };
        self.fields_left = left;
        self.at = field.end;
        let Some(begin) = field.text else {
            return Ok(true);
        };
        let value = message.get(begin..field.end).unwrap_or_default();
        if value.is_empty() {
            return Ok(true);
        }
        let inner = self.open.len() < self.limits.depth && is_message(value);
        self.name.push(b'.');
        decimal(field.number, &mut self.name);
        if inner {
            self.at = begin;
            self.open.push((field.end, self.name.len()));
        }
        Ok(match is_text(value, inner) {
            true => sink.pair(&self.name, value),
            false => inner || sink.octets(&self.name, value),
        })
    }

    #[cold]
    fn fail<T>(&self) -> Result<T, Flaw> {
        Err(Flaw::new(&reasons::GRPC_MESSAGE, self.at))
    }
}

/// A field of a message.
struct Field {
    number: u64,
    /// Where its bytes begin, where it has a length.
    text: Option<usize>,
    end: usize,
}

impl Field {
    fn read(message: &[u8], at: usize) -> Option<Self> {
        let (tag, at) = varint(message, at)?;
        let number = tag >> 3;
        if !(1..=LAST_FIELD).contains(&number) {
            return None;
        }
        let (text, end) = match tag & 7 {
            0 => (None, varint(message, at)?.1),
            1 => (None, at + 8),
            2 => {
                let (length, at) = varint(message, at)?;
                (Some(at), at.checked_add(usize::try_from(length).ok()?)?)
            }
            // Groups (3 and 4) went out of use before gRPC came.
            5 => (None, at + 4),
            _ => return None,
        };
        (end <= message.len()).then_some(Self { number, text, end })
    }
}

/// The number at `at`, and where it ends: seven bits to a byte, ten bytes at most.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0;
    for (count, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * count).min(63);
        if byte & 0x80 == 0 {
            return Some((number, at + count + 1));
        }
    }
    None
}

fn is_message(value: &[u8]) -> bool {
    let mut at = 0;
    while at < value.len() {
        match Field::read(value, at) {
            Some(field) => at = field.end,
            None => return false,
        }
    }
    true
}

/// Whether it is text: UTF-8, and without control characters where it may be a
/// message as well, which hardly ever goes without.
fn is_text(value: &[u8], inner: bool) -> bool {
    let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    std::str::from_utf8(value).is_ok() && !(inner && value.iter().any(control))
}

fn decimal(number: u64, out: &mut Vec<u8>) {
    if number >= 10 {
        decimal(number / 10, out);
    }
    out.push(b'0' + (number % 10) as u8);
}
