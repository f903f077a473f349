//! What a value has to be like at its ends, and as a whole, for a pattern that
//! is bound to these to match it.

use regex_syntax::hir::Look;

use super::node::Node;
use crate::bytes::ByteSet;

/// What a pattern that is bound to a value's ends asks of it.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The value begins with one of these, unless it is empty.
    first: ByteSet,
    /// It ends with one of these, unless it is empty.
    last: ByteSet,
    /// It has no others.
    whole: ByteSet,
    /// It is no longer.
    most: usize,
}

impl Shape {
    /// Any value will do.
    pub const ANY: Self = Self {
        first: ByteSet::ALL,
        last: ByteSet::ALL,
        whole: ByteSet::ALL,
        most: usize::MAX,
    };

    /// What the pattern asks.
    pub fn of(node: &Node) -> Self {
        let mut shape = Self::ANY;
        let (begins, ends) = (bound(node, true), bound(node, false));
        if begins {
            shape.first = outermost(node, true);
        }
        if ends {
            shape.last = outermost(node, false);
        }
        if begins && ends {
            shape.whole = alphabet(node);
            shape.most = most(node).unwrap_or(usize::MAX);
        }
        shape
    }

    /// Whether a value with these bytes is so.
    pub fn fits(&self, value: &[u8], mask: &ByteSet) -> bool {
        let holds = |set: &ByteSet, byte: Option<&u8>| byte.is_none_or(|byte| set.contains(*byte));
        value.len() <= self.most
            && holds(&self.first, value.first())
            && holds(&self.last, value.last())
            && mask.within(&self.whole)
    }
}

/// Whether each match begins where the value does, or ends where it does.
fn bound(node: &Node, begin: bool) -> bool {
    match node {
        Node::Look(Look::Start) => begin,
        Node::Look(Look::End) => !begin,
        Node::Alt(branches) => branches.iter().all(|branch| bound(branch, begin)),
        Node::Repeat(part, min, _) => *min > 0 && bound(part, begin),
        Node::Cat(parts) => {
            let decides = |part: &&Node| !matches!(part, Node::Empty) && !other_look(part, begin);
            let part = if begin {
                parts.iter().find(decides)
            } else {
                parts.iter().rev().find(decides)
            };
            part.is_some_and(|part| bound(part, begin))
        }
        _ => false,
    }
}

fn other_look(node: &Node, begin: bool) -> bool {
    matches!(node, Node::Look(look) if *look != if begin { Look::Start } else { Look::End })
}

/// The bytes that a match can begin with, or end with; all, where it can be empty.
fn outermost(node: &Node, begin: bool) -> ByteSet {
    let (set, empty) = outer(node, begin);
    if empty {
        ByteSet::ALL
    } else {
        set
    }
}

fn outer(node: &Node, begin: bool) -> (ByteSet, bool) {
    match node {
        Node::Empty | Node::Look(_) => (ByteSet::NONE, true),
        Node::Byte(set) => (*set, false),
        Node::Unknown | Node::Text(_) => (ByteSet::ALL, false),
        Node::Alt(branches) => branches
            .iter()
            .map(|branch| outer(branch, begin))
            .fold((ByteSet::NONE, false), |(all, any), (set, empty)| {
                (all.union(&set), any || empty)
            }),
        Node::Repeat(part, min, _) => {
            let (set, empty) = outer(part, begin);
            (set, empty || *min == 0)
        }
        Node::Cat(parts) => {
            let mut all = ByteSet::NONE;
            for at in 0..parts.len() {
                let part = if begin {
                    &parts[at]
                } else {
                    &parts[parts.len() - 1 - at]
                };
                let (set, empty) = outer(part, begin);
                all = all.union(&set);
                if !empty {
                    return (all, false);
                }
            }
            (all, true)
        }
    }
}

/// All bytes that a match can have.
fn alphabet(node: &Node) -> ByteSet {
    match node {
        Node::Empty | Node::Look(_) => ByteSet::NONE,
        Node::Byte(set) => *set,
        Node::Unknown | Node::Text(_) => ByteSet::ALL,
        Node::Cat(parts) | Node::Alt(parts) => parts
            .iter()
            .map(alphabet)
            .fold(ByteSet::NONE, |all, set| all.union(&set)),
        Node::Repeat(_, _, Some(0)) => ByteSet::NONE,
        Node::Repeat(part, ..) => alphabet(part),
    }
}

/// The greatest number of bytes that it matches, where there is one.
fn most(node: &Node) -> Option<usize> {
    match node {
        Node::Empty | Node::Look(_) => Some(0),
        Node::Byte(_) => Some(1),
        Node::Text(bytes) => Some(bytes.len()),
        Node::Unknown => None,
        Node::Cat(parts) => parts
            .iter()
            .try_fold(0_usize, |sum, part| sum.checked_add(most(part)?)),
        Node::Alt(branches) => branches
            .iter()
            .try_fold(0, |all, branch| Some(most(branch)?.max(all))),
        Node::Repeat(part, _, max) => most(part)?.checked_mul((*max)? as usize),
    }
}
