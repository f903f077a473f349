//! What the filter is told of a rule.

mod caseless;

use regex_syntax::hir::Hir;

use crate::bytes::ByteSet;
use crate::filter::{Bits, Pattern};
use crate::libinjection;
use crate::rule::{Link, Operator};
use crate::transform::Transformation;

use super::chains::Chains;
use caseless::folded;

/// A [`Pattern`], and what it borrows from.
#[derive(Debug)]
pub enum Asked {
    /// A regular expression.
    Rx(Hir),
    /// Any of these.
    Phrases(Vec<Box<[u8]>>),
    /// Exactly this.
    Literal(Box<[u8]>),
    /// A byte beside these.
    Outside(ByteSet),
    /// One of these bytes, in at least so many.
    NeedsAny(ByteSet, usize),
    /// One of these bytes, in what a glance does not dismiss.
    Glance(ByteSet, fn(&[u8]) -> bool),
}

impl Asked {
    /// As the filter takes it.
    #[must_use]
    pub fn borrow(&self) -> Pattern<'_> {
        match self {
            Self::Rx(hir) => Pattern::Rx(hir),
            Self::Phrases(phrases) => Pattern::Phrases(phrases),
            Self::Literal(text) => Pattern::Literal(text),
            Self::Outside(set) => Pattern::Outside(*set),
            Self::NeedsAny(set, len) => Pattern::NeedsAny(*set, *len),
            Self::Glance(set, may) => Pattern::Glance(*set, *may),
        }
    }
}

/// Whether a transformation changes the case of letters; what it does besides
/// other bytes bring about.
const fn changes_case(transformation: Transformation) -> bool {
    matches!(
        transformation,
        Transformation::Lowercase | Transformation::Uppercase | Transformation::CmdLine
    )
}

/// Whether a transformation does the same in whatever case letters are.
const fn ignores_case(transformation: Transformation) -> bool {
    use Transformation as T;
    matches!(
        transformation,
        T::Lowercase
            | T::Uppercase
            | T::CmdLine
            | T::CompressWhitespace
            | T::NormalizePath
            | T::NormalizePathWin
            | T::RemoveComments
            | T::RemoveCommentsChar
            | T::RemoveNulls
            | T::RemoveWhitespace
            | T::ReplaceComments
            | T::ReplaceNulls
            | T::Trim
            | T::TrimLeft
            | T::TrimRight
    )
}

/// The runs whose last transformation changes case, and behind which nothing
/// that is used takes notice of it: there the case is left as it is, and the
/// patterns are asked without it.
#[must_use]
pub fn folding(chains: &Chains, used: &[bool]) -> Bits {
    let nodes = chains.nodes();
    // Each node stands behind the one that it is built on.
    let mut minds = vec![false; nodes.len()];
    for at in (1..nodes.len()).rev() {
        let node = nodes[at];
        let Some(last) = node.last.filter(|_| used[at]) else {
            continue;
        };
        if minds[at] || !ignores_case(last) {
            minds[usize::from(node.before)] = true;
        }
    }
    let mut folding = Bits::none(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        if node.last.is_some_and(changes_case) && !minds[at] {
            folding.insert(at);
        }
    }
    folding
}

/// The bytes that a transformation changes in a way that the filter has to see.
#[must_use]
pub fn triggers(transformation: Transformation, folded: bool) -> ByteSet {
    const LETTERS: ByteSet = ByteSet::range(b'A', b'Z').union(&ByteSet::range(b'a', b'z'));
    let changes = transformation.changes();
    if folded {
        changes.intersection(&LETTERS.complement())
    } else {
        changes
    }
}

/// What has to hold of a value for the link to match, in any case where its
/// transformations change that. `None` where nothing can be said.
#[must_use]
pub fn of(link: &Link) -> Option<Asked> {
    let folds = link.transformations.iter().any(|last| changes_case(*last));
    Some(match &link.test.operator {
        Operator::Rx(pattern) if folds => Asked::Rx(folded(&pattern.hir)),
        Operator::Rx(pattern) => Asked::Rx(pattern.hir.clone()),
        Operator::Pm(phrases) => Asked::Phrases(phrases.clone()),
        Operator::Contains(text)
        | Operator::BeginsWith(text)
        | Operator::EndsWith(text)
        | Operator::Streq(text)
        | Operator::ContainsWord(text) => {
            let text = text.constant().filter(|text| !text.is_empty())?;
            if folds {
                Asked::Phrases(vec![text.into()])
            } else {
                Asked::Literal(text.into())
            }
        }
        Operator::ValidateByteRange(allowed) if !folds => Asked::Outside(*allowed),
        Operator::ValidateUrlEncoding => Asked::NeedsAny(ByteSet::of(b"%"), 1),
        Operator::ValidateUtf8Encoding => Asked::NeedsAny(ByteSet::range(0x80, 0xff), 1),
        // These read letters of either case alike.
        Operator::DetectSqli => Asked::Glance(libinjection::SQLI_NEEDS, |value| {
            !libinjection::cannot_be_sqli(value)
        }),
        Operator::DetectXss => Asked::NeedsAny(libinjection::XSS_NEEDS, 1),
        _ => return None,
    })
}
