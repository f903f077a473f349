//! One segment of a path template.

use std::cmp::Ordering;

use lockgate_wire::target::{self, TargetSwitches};

/// A segment, as requests are matched with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Written out; empty behind a path's last slash.
    Literal(Box<str>),
    /// Written out in part.
    Partial(Partial),
    /// Any one segment that is not empty.
    Parameter,
}

/// A segment such as `{name}.json` or `{base}...{head}`: what is written out
/// between braces, in order. Each pair of braces stands for at least one byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Partial {
    before: Box<str>,
    between: Box<[Box<str>]>,
    after: Box<str>,
}

impl Segment {
    /// A segment in which braces have no meaning.
    pub(super) fn literal(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Literal("".into()));
        }
        let dots = text == "." || text == "..";
        normal(text).filter(|_| !dots).map(Self::Literal)
    }

    /// A segment of a template; `None` if it cannot be one.
    pub(super) fn template(text: &str) -> Option<Self> {
        if !text.contains(['{', '}']) {
            return Self::literal(text);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((piece, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            if piece.contains('}') || name.is_empty() || name.contains(['{', '/']) {
                return None;
            }
            pieces.push(normal(piece)?);
            rest = after;
        }
        if rest.contains('}') {
            return None;
        }
        let after = normal(rest)?;
        let mut pieces = pieces.into_iter();
        let before = pieces.next()?;
        let between: Box<[Box<str>]> = pieces.collect();
        if before.is_empty() && after.is_empty() && between.is_empty() {
            return Some(Self::Parameter);
        }
        Some(Self::Partial(Partial {
            before,
            between,
            after,
        }))
    }
}

impl Partial {
    /// Whether the segment is of this form. The leftmost place of each piece
    /// leaves the most for the others, so nothing is tried twice.
    pub(super) fn fits(&self, segment: &str) -> bool {
        let Some(mut rest) = segment
            .strip_prefix(&*self.before)
            .and_then(|rest| rest.strip_suffix(&*self.after))
        else {
            return false;
        };
        for piece in &self.between {
            let at = 1.min(rest.len());
            let Some(found) = rest.as_bytes().get(at..).and_then(|later| {
                memchr::memmem::find(later, piece.as_bytes()).map(|found| at + found)
            }) else {
                return false;
            };
            // The normal form is ASCII; anything else is no match.
            match rest.get(found + piece.len()..) {
                Some(left) => rest = left,
                None => return false,
            }
        }
        !rest.is_empty()
    }

    /// More that is written out comes first; then by the text, so that no
    /// document's order decides.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let key = |one: &Self| {
            let between: usize = one.between.iter().map(|piece| piece.len()).sum();
            one.before.len() + between + one.after.len()
        };
        key(other)
            .cmp(&key(self))
            .then_with(|| self.before.cmp(&other.before))
            .then_with(|| self.between.cmp(&other.between))
            .then_with(|| self.after.cmp(&other.after))
    }
}

/// A piece of a segment in the form that is matched. Letters around it keep
/// dots from being taken for a dot segment.
fn normal(piece: &str) -> Option<Box<str>> {
    let wrapped = format!("/x{piece}x");
    let normal = target::normalize(&wrapped, &TargetSwitches::default()).ok()?;
    if normal.query.is_some() {
        return None;
    }
    let matched = normal.match_path();
    let inner = matched.strip_prefix("/x")?.strip_suffix('x')?;
    (!inner.contains('/')).then(|| inner.into())
}
