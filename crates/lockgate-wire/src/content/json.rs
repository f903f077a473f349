//! JSON (RFC 8259), strictly, its leaves named as rules name them.
//!
//! `{"a": {"b": [1, "x"]}}` has the leaves `json.a.b.array_0` and
//! `json.a.b.array_1`, as in ModSecurity 3; [`Leaf::pointer`] says `/a/b/0`
//! (RFC 6901), in which a dot in a name is nothing special. An empty container
//! is a leaf too: the names on the way to it came from outside as well.

mod number;
mod path;
mod string;

pub use path::Leaf;

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::RandomState;
use path::Path;

use super::{reasons, Flaw, Progress, Sink};
use crate::reason::ReasonRef;

/// Names in an object that are compared one by one; more are sorted at its end.
const FEW_NAMES: usize = 16;

/// What a leaf is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string; its value is decoded.
    Text,
    /// A number; its value is as it stands, however large.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`; its value is empty.
    Null,
    /// `{}`; its value is empty.
    EmptyObject,
    /// `[]`; its value is empty.
    EmptyArray,
}

/// How much of JSON is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Objects and arrays within each other. 128, as in `serde_json`;
    /// ModSecurity's recommended configuration has 512.
    pub depth: usize,
    /// Leaves and names of objects. Half a million: 10 MB of the smallest that APIs send.
    pub values: u32,
    /// Bytes in the way to a leaf. 8 KiB: as long as a head's line may be here.
    pub name_bytes: usize,
    /// Bytes in all ways together, so that a long name above many leaves does
    /// not cost its length at each. 8 MiB, and fewer for a short body
    /// ([`super::all_names`]).
    pub all_name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 128,
            values: 500_000,
            name_bytes: 8 << 10,
            all_name_bytes: 8 << 20,
        }
    }
}

/// What is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Value,
    /// A name, or the end of an object that has none yet.
    FirstName,
    Name,
    /// A value, or the end of an array that has none yet.
    FirstElement,
    /// A comma, or an end.
    After,
    Failed(Flaw),
}

/// Reads JSON; see the [module](super).
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    at: usize,
    state: State,
    path: Path,
    /// Hashes of the names in objects that are open.
    names: Vec<u64>,
    /// Of this process: strangers cannot choose names that meet.
    hasher: RandomState,
    text: Vec<u8>,
    values_left: u32,
    name_bytes_left: usize,
    strict: Option<Flaw>,
}

impl Reader {
    /// Within these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            at: 0,
            state: State::Begin,
            path: Path::new(),
            names: Vec::new(),
            hasher: RandomState::default(),
            text: Vec::new(),
            values_left: limits.values,
            name_bytes_left: limits.all_name_bytes,
            strict: None,
        }
    }

    /// To read another body; of what was allocated at most `most` bytes are kept.
    pub fn reset(&mut self, most: usize) {
        self.at = 0;
        self.state = State::Begin;
        self.path.reset(most);
        self.names.clear();
        self.names.shrink_to(most / size_of::<u64>());
        self.text.clear();
        self.text.shrink_to(most);
        self.values_left = self.limits.values;
        self.name_bytes_left = self.limits.all_name_bytes;
        self.strict = None;
    }

    /// What stood so far that readers take differently: a name twice in an
    /// object, or U+0000. Its values were told all the same.
    #[must_use]
    pub const fn strict(&self) -> Option<Flaw> {
        self.strict
    }

    /// Reads on, about `budget` bytes. `body` is the whole body each time.
    ///
    /// # Errors
    /// If it is not JSON, or beyond the limits; again at every later call.
    pub fn run<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        budget: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        if self.at == 0 {
            self.allow_names(body);
        }
        self.read_on(body, budget, sink)
    }

    /// Allows as many bytes of names as go with this body, of which a line may be read.
    pub(super) fn allow_names(&mut self, body: &[u8]) {
        self.name_bytes_left = super::all_names(self.limits.all_name_bytes, body);
    }

    /// As [`Reader::run`], with the names that were allowed before.
    pub(super) fn read_on<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        budget: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        let stop = self.at.saturating_add(budget.max(1));
        self.read(body, stop, sink)
            .inspect_err(|flaw| self.state = State::Failed(*flaw))
    }

    /// How far it came.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Goes to the value at `at`, named as if it stood in an array around all.
    pub(super) fn begin_line(&mut self, at: usize, line: usize) {
        self.at = at;
        self.state = State::Begin;
        self.path.begin_line(line);
        self.names.clear();
    }

    fn read<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        stop: usize,
        sink: &mut S,
    ) -> Result<Progress, Flaw> {
        loop {
            if self.at >= stop && self.at < body.len() {
                return Ok(Progress::More);
            }
            let byte = self.skip_space(body);
            let more = match self.state {
                State::Value => self.value(body, byte, sink)?,
                State::After => match self.after(byte)? {
                    true => true,
                    false => return Ok(Progress::Done),
                },
                State::Name | State::FirstName => self.name(body, byte, sink)?,
                State::FirstElement if byte == Some(b']') => self.empty(Kind::EmptyArray, sink)?,
                State::FirstElement => self.value(body, byte, sink)?,
                State::Begin if body[self.at.min(body.len())..].starts_with(b"\xef\xbb\xbf") => {
                    return self.fail(&reasons::JSON_BOM);
                }
                State::Begin => self.value(body, byte, sink)?,
                State::Failed(flaw) => return Err(flaw),
            };
            if !more {
                return Ok(Progress::Stopped);
            }
        }
    }

    /// The next byte that is not whitespace, at which it stays.
    #[inline]
    fn skip_space(&mut self, body: &[u8]) -> Option<u8> {
        loop {
            let byte = *body.get(self.at)?;
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[inline]
    fn value<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        byte: Option<u8>,
        sink: &mut S,
    ) -> Result<bool, Flaw> {
        let start = self.at;
        match byte {
            Some(b'"') => {
                let found = string::read(body, start + 1, &mut self.text)?;
                self.at = found.next;
                self.note_nul(found.nul, start);
                self.count()?;
                self.path.spend(&mut self.name_bytes_left, start)?;
                self.state = State::After;
                let value = match found.plain {
                    true => body.get(start + 1..found.next - 1).unwrap_or_default(),
                    false => &self.text,
                };
                Ok(sink.leaf(&self.path.leaf(Kind::Text, value, start)))
            }
            Some(b'{') => self.open(State::FirstName),
            Some(b'[') => self.open(State::FirstElement),
            Some(b'-' | b'0'..=b'9') => {
                let end = number::end(body, start)?;
                self.scalar(Kind::Number, body, end, sink)
            }
            Some(first @ (b't' | b'f' | b'n')) => {
                let (word, kind): (&[u8], _) = match first {
                    b't' => (b"true", Kind::Bool),
                    b'f' => (b"false", Kind::Bool),
                    _ => (b"null", Kind::Null),
                };
                let rest = body.get(start..).unwrap_or_default();
                if !rest.starts_with(word) {
                    return match word.starts_with(rest) {
                        true => self.fail(&reasons::JSON_END),
                        false => self.fail(&reasons::JSON_SYNTAX),
                    };
                }
                self.scalar(kind, body, start + word.len(), sink)
            }
            other => self.unexpected(other),
        }
    }

    fn scalar<S: Sink + ?Sized>(
        &mut self,
        kind: Kind,
        body: &[u8],
        end: usize,
        sink: &mut S,
    ) -> Result<bool, Flaw> {
        let start = std::mem::replace(&mut self.at, end);
        self.count()?;
        self.path.spend(&mut self.name_bytes_left, start)?;
        self.state = State::After;
        let value = match kind {
            Kind::Null => &[],
            _ => body.get(start..end).unwrap_or_default(),
        };
        Ok(sink.leaf(&self.path.leaf(kind, value, start)))
    }

    fn open(&mut self, state: State) -> Result<bool, Flaw> {
        if self.path.depth() >= self.limits.depth {
            return self.fail(&reasons::JSON_DEPTH);
        }
        match state {
            State::FirstName => self.path.open_object(self.names.len()),
            _ => self.path.open_array(),
        }
        self.at += 1;
        self.state = state;
        Ok(true)
    }

    /// A container ends that holds nothing.
    fn empty<S: Sink + ?Sized>(&mut self, kind: Kind, sink: &mut S) -> Result<bool, Flaw> {
        let start = self.at;
        self.at += 1;
        self.path.close();
        self.count()?;
        self.path.spend(&mut self.name_bytes_left, start)?;
        self.state = State::After;
        Ok(sink.leaf(&self.path.leaf(kind, b"", start)))
    }

    #[inline]
    fn name<S: Sink + ?Sized>(
        &mut self,
        body: &[u8],
        byte: Option<u8>,
        sink: &mut S,
    ) -> Result<bool, Flaw> {
        let start = self.at;
        match byte {
            Some(b'"') => {}
            Some(b'}') if self.state == State::FirstName => {
                return self.empty(Kind::EmptyObject, sink);
            }
            other => return self.unexpected(other),
        }
        let found = string::read(body, start + 1, &mut self.text)?;
        self.note_nul(found.nul, start);
        let name = match found.plain {
            true => body.get(start + 1..found.next - 1).unwrap_or_default(),
            false => &self.text,
        };
        let hash = hash(&self.hasher, name);
        self.path.set_name(name);
        if self.path.name_len() > self.limits.name_bytes {
            return self.fail(&reasons::JSON_NAME);
        }
        let siblings = self.names.get(self.path.names()..).unwrap_or_default();
        if siblings.len() < FEW_NAMES && siblings.contains(&hash) {
            self.note(&reasons::JSON_DUPLICATE_KEY, start);
        }
        self.names.push(hash);
        self.count()?;
        self.at = found.next;
        match self.skip_space(body) {
            Some(b':') => self.at += 1,
            other => return self.unexpected(other),
        }
        self.state = State::Value;
        Ok(true)
    }

    /// Behind a value: false at the end of all.
    #[inline]
    fn after(&mut self, byte: Option<u8>) -> Result<bool, Flaw> {
        let Some(in_array) = self.path.in_array() else {
            return match byte {
                None => Ok(false),
                Some(b'/') => self.fail(&reasons::JSON_COMMENT),
                Some(_) => self.fail(&reasons::JSON_TRAILING),
            };
        };
        match (byte, in_array) {
            (Some(b','), true) => {
                self.path.next_element();
                self.state = State::Value;
            }
            (Some(b','), false) => self.state = State::Name,
            (Some(b']'), true) => self.path.close(),
            (Some(b'}'), false) => {
                self.close_object();
                self.path.close();
            }
            (other, _) => return self.unexpected(other),
        }
        self.at += 1;
        Ok(true)
    }

    fn close_object(&mut self) {
        let begin = self.path.names();
        if let Some(names) = self.names.get_mut(begin..) {
            if names.len() > FEW_NAMES && self.strict.is_none() {
                names.sort_unstable();
                // Two names with one hash of 64 bits: less than once in 10^9 of the largest objects.
                if names.windows(2).any(|two| two[0] == two[1]) {
                    self.strict = Some(Flaw::new(&reasons::JSON_DUPLICATE_KEY, self.at));
                }
            }
        }
        self.names.truncate(begin);
    }

    #[inline]
    fn count(&mut self) -> Result<(), Flaw> {
        match self.values_left.checked_sub(1) {
            Some(left) => {
                self.values_left = left;
                Ok(())
            }
            None => self.fail(&reasons::JSON_TOO_MANY),
        }
    }

    fn note_nul(&mut self, nul: bool, at: usize) {
        if nul {
            self.note(&reasons::JSON_NUL, at);
        }
    }

    #[cold]
    fn note(&mut self, reason: ReasonRef, at: usize) {
        self.strict.get_or_insert(Flaw::new(reason, at));
    }

    #[cold]
    fn fail<T>(&self, reason: ReasonRef) -> Result<T, Flaw> {
        Err(Flaw::new(reason, self.at))
    }

    #[cold]
    fn unexpected<T>(&self, byte: Option<u8>) -> Result<T, Flaw> {
        self.fail(match byte {
            None => &reasons::JSON_END,
            Some(b'/' | b'#') => &reasons::JSON_COMMENT,
            Some(b'+' | b'.' | b'N' | b'I') if self.state != State::After => &reasons::JSON_NUMBER,
            Some(_) => &reasons::JSON_SYNTAX,
        })
    }
}

fn hash(hasher: &RandomState, name: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(name);
    hasher.finish()
}
