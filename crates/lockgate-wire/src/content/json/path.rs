//! The way to a value: its name in one buffer, and what is needed to say it as
//! a JSON pointer.

use super::Kind;
use crate::content::{reasons, Flaw};

/// What rules call the whole.
const ROOT: &[u8] = b"json";
const ELEMENT: &[u8] = b".array_";

/// A scalar, or an empty container.
#[derive(Debug)]
pub struct Leaf<'a> {
    /// As rules name it: `json.a.array_0`.
    pub name: &'a [u8],
    /// Decoded text, or a number, `true` or `false` as they stand.
    pub value: &'a [u8],
    /// What it is.
    pub kind: Kind,
    /// Where it begins in the body.
    pub at: usize,
    frames: &'a [Frame],
    plain: bool,
}

impl Leaf<'_> {
    /// Whether the name says the way as exactly as the pointer: no name on it
    /// has a dot, is empty, or looks like an array's element.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.plain
    }

    /// Appends the JSON pointer (RFC 6901) to `out`.
    pub fn pointer(&self, out: &mut Vec<u8>) {
        // A line of several is an element of an array around all.
        let first = self.frames.first();
        let first = first.map_or(self.name.len(), |frame| frame.path as usize);
        let around = self.name.get(ROOT.len()..first).unwrap_or_default();
        if let Some(line) = around.strip_prefix(ELEMENT) {
            out.push(b'/');
            out.extend_from_slice(line);
        }
        for (number, frame) in self.frames.iter().enumerate() {
            out.push(b'/');
            if frame.array {
                digits(frame.count, out);
                continue;
            }
            let begin = frame.path as usize + 1;
            let end = self.frames.get(number + 1);
            let end = end.map_or(self.name.len(), |next| next.path as usize);
            for byte in self.name.get(begin..end).unwrap_or_default() {
                match byte {
                    b'~' => out.extend_from_slice(b"~0"),
                    b'/' => out.extend_from_slice(b"~1"),
                    other => out.push(*other),
                }
            }
        }
    }
}

/// A container that is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// How long the name of the container itself is.
    path: u32,
    /// Of an array, the element; of an object, where its names begin.
    count: u32,
    array: bool,
    /// Whether the name that stands in it could be read as something else.
    odd: bool,
}

#[derive(Debug)]
pub(super) struct Path {
    name: Vec<u8>,
    frames: Vec<Frame>,
    /// How many of the frames are odd.
    odd: usize,
}

impl Path {
    pub(super) fn new() -> Self {
        Self {
            name: ROOT.to_vec(),
            frames: Vec::new(),
            odd: 0,
        }
    }

    pub(super) fn reset(&mut self, most: usize) {
        self.frames.clear();
        self.odd = 0;
        self.frames.shrink_to(most / size_of::<Frame>());
        self.name.truncate(ROOT.len());
        self.name.shrink_to(most);
    }

    /// As if the next value were the element `line` of an array.
    pub(super) fn begin_line(&mut self, line: usize) {
        self.frames.clear();
        self.odd = 0;
        self.name.truncate(ROOT.len());
        self.frames.push(Frame {
            path: narrow(ROOT.len()),
            count: narrow(line),
            array: true,
            odd: false,
        });
        self.name_element();
        self.frames.clear();
    }

    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn name_len(&self) -> usize {
        self.name.len()
    }

    pub(super) fn open_object(&mut self, names: usize) {
        self.frames.push(Frame {
            path: narrow(self.name.len()),
            count: narrow(names),
            array: false,
            odd: false,
        });
    }

    pub(super) fn open_array(&mut self) {
        self.frames.push(Frame {
            path: narrow(self.name.len()),
            count: 0,
            array: true,
            odd: false,
        });
        self.name.extend_from_slice(b".array_0");
    }

    pub(super) fn close(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.name.truncate(frame.path as usize);
            self.odd -= usize::from(frame.odd);
        }
    }

    /// Whether the innermost container is an array.
    #[inline]
    pub(super) fn in_array(&self) -> Option<bool> {
        self.frames.last().map(|frame| frame.array)
    }

    /// Where the names of the innermost object begin.
    #[inline]
    pub(super) fn names(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.count as usize)
    }

    #[inline]
    pub(super) fn next_element(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.count += 1;
            self.name_element();
        }
    }

    fn name_element(&mut self) {
        if let Some(frame) = self.frames.last() {
            self.name.truncate(frame.path as usize);
            self.name.extend_from_slice(ELEMENT);
            digits(frame.count, &mut self.name);
        }
    }

    #[inline]
    pub(super) fn set_name(&mut self, name: &[u8]) {
        if let Some(frame) = self.frames.last_mut() {
            self.name.truncate(frame.path as usize);
            self.name.push(b'.');
            self.name.extend_from_slice(name);
            self.odd -= usize::from(frame.odd);
            frame.odd = is_odd(name);
            self.odd += usize::from(frame.odd);
        }
    }

    /// Takes the name's length from what is left for all names.
    #[inline]
    pub(super) fn spend(&self, left: &mut usize, at: usize) -> Result<(), Flaw> {
        *left = left
            .checked_sub(self.name.len())
            .ok_or(Flaw::new(&reasons::JSON_NAME, at))?;
        Ok(())
    }

    #[inline]
    pub(super) fn leaf<'a>(&'a self, kind: Kind, value: &'a [u8], at: usize) -> Leaf<'a> {
        Leaf {
            name: &self.name,
            value,
            kind,
            at,
            frames: &self.frames,
            plain: self.odd == 0,
        }
    }
}

/// Whether a name of an object, behind a dot, could be read as something else.
#[inline]
fn is_odd(name: &[u8]) -> bool {
    name.is_empty() || name.starts_with(&ELEMENT[1..]) || memchr::memchr(b'.', name).is_some()
}

/// Limits keep all of these far below 4 GiB.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn digits(number: u32, out: &mut Vec<u8>) {
    let mut text = [0; 10];
    let mut at = text.len();
    let mut left = number;
    while let Some(place) = at.checked_sub(1).and_then(|at| text.get_mut(at)) {
        *place = b'0' + (left % 10) as u8;
        at -= 1;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
}
