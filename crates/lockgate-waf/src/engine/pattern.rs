//! What the filter is told of a rule.

mod caseless;

use regex_syntax::hir::Hir;

use crate::bytes::ByteSet;
use crate::filter::Pattern;
use crate::libinjection;
use crate::rule::{Link, Operator};
use crate::transform::Transformation;

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
            | T::Length
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
            | T::UrlDecode
            | T::UrlDecodeUni
    )
}

/// A transformation, as far as the filter has to see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// Which.
    pub last: Transformation,
    /// Whether nothing that follows takes notice of the case of letters.
    folds: bool,
}

impl Step {
    /// The bytes without which it makes nothing else of a value.
    #[must_use]
    pub fn triggers(self) -> ByteSet {
        const LETTERS: ByteSet = ByteSet::range(b'A', b'Z').union(&ByteSet::range(b'a', b'z'));
        let changes = self.last.changes();
        if self.folds {
            changes.intersection(&LETTERS.complement())
        } else {
            changes
        }
    }

    /// Whether it made the same of a value, as far as anything takes notice.
    #[must_use]
    pub fn leaves(self, value: &[u8], made: &[u8]) -> bool {
        self.folds && value.eq_ignore_ascii_case(made)
    }

    /// A bit that no other has.
    #[must_use]
    pub const fn bit(self) -> u128 {
        1 << (self.last as u32 * 2 + self.folds as u32)
    }
}

/// The transformations of a link without those that only change case, where
/// nothing behind them takes notice of it: there the case is left as it is, and
/// the pattern is asked without it.
#[must_use]
pub fn steps(transformations: &[Transformation]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut minds = false;
    for last in transformations.iter().rev().copied() {
        let folds = changes_case(last) && !minds;
        let only_case = matches!(last, Transformation::Lowercase | Transformation::Uppercase);
        if !(folds && only_case) {
            steps.push(Step { last, folds });
        }
        minds |= !ignores_case(last);
    }
    steps.reverse();
    steps
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

#[cfg(test)]
mod tests;
