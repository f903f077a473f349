//! What a value's bytes have to be like for a pattern to match at all: a tree
//! of conditions over the set of the bytes that it has.

use super::node::Node;
use crate::bytes::ByteSet;

/// A condition over the set of a value's bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Nothing is asked.
    Always,
    /// All of `every` (lower case for either case), a byte of each of `some`, and all of `rest`.
    All {
        /// Each of these bytes.
        every: ByteSet,
        /// One byte of each of these.
        some: Vec<ByteSet>,
        /// Each of these conditions.
        rest: Vec<Condition>,
    },
    /// One of these; or all bytes of one of these sets.
    Any {
        /// All bytes of one of these (lower case for either case).
        every: Vec<ByteSet>,
        /// One of these conditions.
        rest: Vec<Condition>,
    },
    /// A byte beside these.
    Outside(ByteSet),
}

impl Condition {
    /// What the pattern needs.
    pub fn of(node: &Node) -> Self {
        match node {
            Node::Empty | Node::Look(_) | Node::Unknown => Self::Always,
            Node::Byte(set) => Self::some_of(set),
            Node::Text(bytes) => Self::any_text(std::iter::once(&bytes[..])),
            Node::Cat(parts) => Self::all(parts.iter().map(Self::of)),
            Node::Alt(branches) => Self::any(branches.iter().map(Self::of)),
            Node::Repeat(part, min, _) if *min > 0 => Self::of(part),
            Node::Repeat(..) => Self::Always,
        }
    }

    /// A byte of the set.
    pub fn some_of(set: &ByteSet) -> Self {
        let folded = set.lowered();
        match folded.len() {
            1 => Self::All {
                every: folded,
                some: Vec::new(),
                rest: Vec::new(),
            },
            _ if set.len() == 256 => Self::Always,
            _ => Self::All {
                every: ByteSet::NONE,
                some: vec![*set],
                rest: Vec::new(),
            },
        }
    }

    /// One of these texts, ASCII case folded.
    pub fn any_text<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        Self::any(texts.map(|text| match text {
            [] => Self::Always,
            text => Self::All {
                every: ByteSet::of(text).lowered(),
                some: Vec::new(),
                rest: Vec::new(),
            },
        }))
    }

    fn all(parts: impl Iterator<Item = Condition>) -> Self {
        let mut every = ByteSet::NONE;
        let mut some: Vec<ByteSet> = Vec::new();
        let mut rest: Vec<Condition> = Vec::new();
        for part in parts {
            match part {
                Self::Always => {}
                Self::All {
                    every: more_every,
                    some: more_some,
                    rest: more_rest,
                } => {
                    every = every.union(&more_every);
                    some.extend(more_some);
                    rest.extend(more_rest);
                }
                other => rest.push(other),
            }
        }
        // A set is met where a smaller one is.
        some.sort_by_key(ByteSet::len);
        let mut kept: Vec<ByteSet> = Vec::new();
        for set in some {
            if !kept.iter().any(|smaller| smaller.within(&set)) {
                kept.push(set);
            }
        }
        let mut distinct: Vec<Condition> = Vec::new();
        for condition in rest {
            if !distinct.contains(&condition) {
                distinct.push(condition);
            }
        }
        if every.is_empty() && kept.is_empty() {
            match distinct.len() {
                0 => return Self::Always,
                1 => return distinct.swap_remove(0),
                _ => {}
            }
        }
        Self::All {
            every,
            some: kept,
            rest: distinct,
        }
    }

    fn any(branches: impl Iterator<Item = Condition>) -> Self {
        let mut every: Vec<ByteSet> = Vec::new();
        let mut some = ByteSet::NONE;
        let mut rest: Vec<Condition> = Vec::new();
        for branch in branches {
            match branch {
                Self::Always => return Self::Always,
                Self::All {
                    every: one,
                    some: sets,
                    rest: more,
                } if more.is_empty() && sets.is_empty() => every.push(one),
                Self::All {
                    every: none,
                    some: sets,
                    rest: more,
                } if more.is_empty() && none.is_empty() && sets.len() == 1 => {
                    some = some.union(&sets[0]);
                }
                Self::Any {
                    every: more_every,
                    rest: more,
                } => {
                    every.extend(more_every);
                    rest.extend(more);
                }
                other => rest.push(other),
            }
        }
        // All bytes of a set are there where all of a larger one are.
        every.sort_by_key(ByteSet::len);
        let mut kept: Vec<ByteSet> = Vec::new();
        for set in every {
            if !kept.iter().any(|smaller| smaller.within(&set)) {
                kept.push(set);
            }
        }
        if !some.is_empty() {
            rest.insert(0, Self::some_of(&some));
        }
        let mut distinct: Vec<Condition> = Vec::new();
        for condition in rest {
            let implied = match &condition {
                Self::All { every, .. } => kept.iter().any(|smaller| smaller.within(every)),
                _ => false,
            };
            if !implied && !distinct.contains(&condition) {
                distinct.push(condition);
            }
        }
        match (kept.len(), distinct.len()) {
            (0, 1) => distinct.swap_remove(0),
            (1, 0) => Self::All {
                every: kept[0],
                some: Vec::new(),
                rest: Vec::new(),
            },
            _ => Self::Any {
                every: kept,
                rest: distinct,
            },
        }
    }

    /// Whether a value with these bytes meets it; `lower` are the same bytes in lower case.
    pub fn met(&self, mask: &ByteSet, lower: &ByteSet) -> bool {
        match self {
            Self::Always => true,
            Self::All { every, some, rest } => {
                every.within(lower)
                    && some.iter().all(|set| set.meets(mask))
                    && rest.iter().all(|condition| condition.met(mask, lower))
            }
            Self::Any { every, rest } => {
                every.iter().any(|set| set.within(lower))
                    || rest.iter().any(|condition| condition.met(mask, lower))
            }
            Self::Outside(set) => !mask.within(set),
        }
    }
}
