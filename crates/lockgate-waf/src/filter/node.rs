//! Patterns as trees over sets of bytes, and what is left of them where a value
//! has only some bytes.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::bytes::ByteSet;

/// Whether it is met by the same bytes where some are taken out of a value.
fn is_of_ends(look: Look) -> bool {
    matches!(look, Look::Start | Look::End)
}

/// A pattern, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Matches without a byte.
    Empty,
    /// One byte of the set.
    Byte(ByteSet),
    /// These bytes; made of single ones where a pattern is cut down.
    Text(Box<[u8]>),
    /// A byte or several that nothing is known of.
    Unknown,
    /// One after the other.
    Cat(Vec<Node>),
    /// One of these.
    Alt(Vec<Node>),
    /// So many times.
    Repeat(Box<Node>, u32, Option<u32>),
    /// A condition between two bytes.
    Look(Look),
}

impl Node {
    /// The tree of a regular expression.
    pub fn of(hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty => Self::Empty,
            HirKind::Literal(literal) => Self::text(&literal.0),
            HirKind::Class(Class::Bytes(class)) => {
                let mut set = ByteSet::NONE;
                for range in class.ranges() {
                    set = set.union(&ByteSet::range(range.start(), range.end()));
                }
                Self::Byte(set)
            }
            HirKind::Class(Class::Unicode(class)) => {
                let mut set = ByteSet::NONE;
                for range in class.ranges() {
                    let (Ok(start), Ok(end)) = (
                        u8::try_from(u32::from(range.start())),
                        u8::try_from(u32::from(range.end())),
                    ) else {
                        return Self::Unknown;
                    };
                    if !end.is_ascii() {
                        return Self::Unknown;
                    }
                    set = set.union(&ByteSet::range(start, end));
                }
                Self::Byte(set)
            }
            HirKind::Look(look) => Self::Look(*look),
            HirKind::Repetition(repetition) => Self::Repeat(
                Box::new(Self::of(&repetition.sub)),
                repetition.min,
                repetition.max,
            ),
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Concat(parts) => Self::cat(parts.iter().map(Self::of)),
            HirKind::Alternation(branches) => Self::alt(branches.iter().map(Self::of)),
        }
    }

    /// These bytes, one after the other.
    pub fn text(bytes: &[u8]) -> Self {
        Self::cat(bytes.iter().map(|byte| Self::Byte(ByteSet::of(&[*byte]))))
    }

    /// One after the other.
    pub fn cat(parts: impl Iterator<Item = Node>) -> Self {
        let mut all = Vec::new();
        for part in parts {
            match part {
                Self::Empty => {}
                Self::Cat(inner) => all.extend(inner),
                other => all.push(other),
            }
        }
        match all.len() {
            0 => Self::Empty,
            1 => all.swap_remove(0),
            _ => Self::Cat(all),
        }
    }

    fn alt(branches: impl Iterator<Item = Node>) -> Self {
        let mut all = Vec::new();
        for branch in branches {
            match branch {
                Self::Alt(inner) => all.extend(inner),
                other => all.push(other),
            }
        }
        if all.len() == 1 {
            return all.swap_remove(0);
        }
        Self::Alt(all)
    }

    /// What is left where a value has only bytes of `universe`, with upper case
    /// ASCII letters in lower case; nothing, where it cannot match then. The bytes
    /// `erased` are taken out of values and patterns alike: whatever matched
    /// matches without them.
    pub fn within(&self, universe: &ByteSet, erased: &ByteSet) -> Option<Self> {
        Some(match self {
            Self::Look(look) if !erased.is_empty() && !is_of_ends(*look) => Self::Empty,
            Self::Unknown if !erased.is_empty() => {
                Self::Repeat(Box::new(Self::Byte(ByteSet::ALL)), 0, None)
            }
            Self::Empty | Self::Unknown | Self::Look(_) | Self::Text(_) => self.clone(),
            Self::Byte(set) => {
                let left = set.intersection(universe);
                if left.is_empty() {
                    return None;
                }
                let kept = left.intersection(&erased.complement()).lowered();
                if !left.meets(erased) {
                    Self::Byte(kept)
                } else if kept.is_empty() {
                    Self::Empty
                } else {
                    Self::Repeat(Box::new(Self::Byte(kept)), 0, Some(1))
                }
            }
            Self::Cat(parts) => {
                let parts: Option<Vec<_>> = parts
                    .iter()
                    .map(|part| part.within(universe, erased))
                    .collect();
                Self::cat(joined(parts?).into_iter())
            }
            Self::Alt(branches) => {
                let left: Vec<_> = branches
                    .iter()
                    .filter_map(|branch| branch.within(universe, erased))
                    .collect();
                if left.is_empty() {
                    return None;
                }
                Self::alt(left.into_iter())
            }
            Self::Repeat(part, min, max) => match part.within(universe, erased) {
                Some(Self::Empty) => Self::Empty,
                Some(part) => Self::Repeat(Box::new(part), *min, *max),
                None if *min == 0 => Self::Empty,
                None => return None,
            },
        })
    }

    fn flat(self) -> Vec<Self> {
        match self {
            Self::Cat(parts) => parts,
            other => vec![other],
        }
    }

    /// The least number of bytes that it matches.
    pub fn min_len(&self) -> usize {
        match self {
            Self::Empty | Self::Look(_) => 0,
            Self::Byte(_) | Self::Unknown => 1,
            Self::Text(bytes) => bytes.len(),
            Self::Cat(parts) => parts
                .iter()
                .fold(0, |sum, part| part.min_len().saturating_add(sum)),
            Self::Alt(branches) => branches.iter().map(Self::min_len).min().unwrap_or(0),
            Self::Repeat(part, min, _) => part.min_len().saturating_mul(*min as usize),
        }
    }
}

/// With single bytes that stand side by side put together.
fn joined(parts: Vec<Node>) -> Vec<Node> {
    let mut out = Vec::new();
    let mut text = Vec::new();
    for part in parts.into_iter().flat_map(Node::flat) {
        match part {
            Node::Byte(set) if set.len() == 1 => text.extend(set.iter()),
            Node::Text(bytes) => text.extend(bytes.iter()),
            Node::Empty => {}
            other => {
                if !text.is_empty() {
                    out.push(Node::Text(std::mem::take(&mut text).into_boxed_slice()));
                }
                out.push(other);
            }
        }
    }
    if !text.is_empty() {
        out.push(Node::Text(text.into_boxed_slice()));
    }
    out
}
