//! A value while it is read, and how much of it may be read.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::held::Set;
use super::place::Near;

/// How often each byte of a value may be read, on the average of all. What a shell
/// runs ends where the next command is opened, so that ordinary text is read once, and
/// pages of scripts twice at most; commands within words of commands are read for
/// each of them.
const AGAIN: usize = 4;

/// What may be read besides, of a short value.
const BESIDES: usize = 16 << 10;

/// A value, with what was worked out of it.
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// Bytes that may still be read.
    left: Cell<usize>,
    /// What its beginning is like, as far as it was asked for last.
    near: Cell<Option<Near>>,
    /// From where on a byte was looked for that is no blank, and where it stands.
    solid: Cell<(usize, usize)>,
    /// Words that it begins with.
    words: Cell<Option<usize>>,
    /// Variables that were set not long ago, and how far they were looked for.
    pub(super) set: RefCell<(usize, VecDeque<Set>)>,
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            left: Cell::new(bytes.len().saturating_mul(AGAIN).saturating_add(BESIDES)),
            near: Cell::new(None),
            solid: Cell::new((0, 0)),
            words: Cell::new(None),
            set: RefCell::default(),
        }
    }

    /// Counts bytes that were read, or work that is worth as much.
    pub(super) fn spend(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_sub(bytes));
    }

    /// Whether nothing more may be read: who wrote it wants that it is not.
    pub(super) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    /// What its first bytes are like, as many as are told of.
    pub(super) fn near(&self, len: usize) -> Near {
        if let Some(near) = self.near.get().filter(|near| near.len == len) {
            return near;
        }
        let near = Near::of(self.bytes.get(..len).unwrap_or(self.bytes));
        self.near.set(Some(near));
        near
    }

    /// Where the first byte at `from` or behind it stands that is no blank.
    pub(super) fn solid(&self, from: usize) -> usize {
        let (asked, known) = self.solid.get();
        if (asked..known).contains(&from) {
            return known;
        }
        let rest = self.bytes.get(from..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_ascii_start().len();
        self.solid.set((from, from + blanks));
        from + blanks
    }

    /// How many words stand at its beginning, at most `most`: always the same.
    pub(super) fn words(&self, most: usize) -> usize {
        let words = self
            .words
            .get()
            .unwrap_or_else(|| crate::detect::prose::words(self.bytes, most));
        self.words.set(Some(words));
        words
    }
}
