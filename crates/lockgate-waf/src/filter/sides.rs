//! What can stand beside a text where a pattern matches: sets of bytes, or the
//! value's edge.

use regex_syntax::hir::Look;

use crate::bytes::ByteSet;

/// Bytes of words, in lower case.
const WORD: ByteSet = ByteSet::range(b'a', b'z')
    .union(&ByteSet::range(b'0', b'9'))
    .union(&ByteSet::of(b"_"));

/// Which bytes a place may have beside it, and whether it may be at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Beside {
    /// Any of these bytes.
    pub bytes: ByteSet,
    /// No byte: the value begins, or ends, there.
    pub edge: bool,
}

impl Beside {
    pub const ANYTHING: Self = Self {
        bytes: ByteSet::ALL,
        edge: true,
    };
    pub const NOTHING: Self = Self {
        bytes: ByteSet::NONE,
        edge: false,
    };

    /// Whether it holds for this byte, in lower case.
    pub fn allows(&self, byte: Option<u8>) -> bool {
        match byte {
            Some(byte) => self.bytes.contains(byte),
            None => self.edge,
        }
    }

    pub fn either(&self, other: &Self) -> Self {
        Self {
            bytes: self.bytes.union(&other.bytes),
            edge: self.edge || other.edge,
        }
    }

    pub fn both(&self, other: &Self) -> Self {
        Self {
            bytes: self.bytes.intersection(&other.bytes),
            edge: self.edge && other.edge,
        }
    }

    /// Whether all that this allows is allowed by the other.
    pub fn within(&self, other: &Self) -> bool {
        self.bytes.within(&other.bytes) && (other.edge || !self.edge)
    }
}

/// What is beyond a part that matches nothing, as seen from a byte on the other
/// side of it: one that is of a word, and one that is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Through {
    of_word: Beside,
    of_none: Beside,
}

impl Through {
    pub const FREE: Self = Self {
        of_word: Beside::ANYTHING,
        of_none: Beside::ANYTHING,
    };

    /// Through a condition, to the left of it (`before`) or to the right.
    pub fn of(look: Look, before: bool) -> Self {
        let words = Beside {
            bytes: WORD,
            edge: false,
        };
        let others = Beside {
            bytes: WORD.complement(),
            edge: true,
        };
        let only = |bytes: &[u8]| {
            let beside = Beside {
                bytes: ByteSet::of(bytes),
                edge: true,
            };
            Self {
                of_word: beside,
                of_none: beside,
            }
        };
        match (look, before) {
            (Look::Start, true) | (Look::End, false) => only(b""),
            (Look::StartLF, true) | (Look::EndLF, false) => only(b"\n"),
            (Look::StartCRLF, true) | (Look::EndCRLF, false) => only(b"\r\n"),
            (Look::WordAscii, _) => Self {
                of_word: others,
                of_none: words,
            },
            (Look::WordAsciiNegate, _) => Self {
                of_word: words,
                of_none: others,
            },
            _ => Self::FREE,
        }
    }

    fn from(&self, near: Option<u8>) -> Beside {
        match near {
            Some(byte) if WORD.contains(byte) => self.of_word,
            Some(_) => self.of_none,
            None => self.of_word.either(&self.of_none),
        }
    }

    pub fn either(&self, other: &Self) -> Self {
        Self {
            of_word: self.of_word.either(&other.of_word),
            of_none: self.of_none.either(&other.of_none),
        }
    }

    pub fn both(&self, other: &Self) -> Self {
        Self {
            of_word: self.of_word.both(&other.of_word),
            of_none: self.of_none.both(&other.of_none),
        }
    }
}

/// What can be beside a text on one side, as far as a part of a pattern tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// From inside of the part.
    pub known: ByteSet,
    /// From outside of it, which is for its neighbours to say.
    pub open: Beside,
}

impl Side {
    /// The text goes to the part's end.
    pub const OPEN: Self = Self {
        known: ByteSet::NONE,
        open: Beside::ANYTHING,
    };
    /// Anything, whatever the neighbours are: the text was cut.
    pub const CUT: Self = Self {
        known: ByteSet::ALL,
        open: Beside::ANYTHING,
    };

    /// With what a neighbour has at this side; `near` is the text's own byte there.
    pub fn beside(&self, bytes: &ByteSet, through: Option<&Through>, near: Option<u8>) -> Self {
        if self.known == ByteSet::ALL {
            return *self;
        }
        Self {
            known: self.known.union(&self.open.bytes.intersection(bytes)),
            open: match through {
                Some(through) => self.open.both(&through.from(near)),
                None => Beside::NOTHING,
            },
        }
    }

    /// Whether neighbours have nothing more to say.
    pub fn is_closed(&self) -> bool {
        self.open == Beside::NOTHING || self.known == ByteSet::ALL
    }

    pub fn either(&self, other: &Self) -> Self {
        Self {
            known: self.known.union(&other.known),
            open: self.open.either(&other.open),
        }
    }

    /// All that can be there, where there are no more neighbours.
    pub fn all(&self) -> Beside {
        Beside {
            bytes: self.known.union(&self.open.bytes),
            edge: self.open.edge,
        }
    }
}
