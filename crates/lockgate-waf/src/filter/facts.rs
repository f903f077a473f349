//! What is known of a part of a pattern: the texts that it matches, or begins and
//! ends with, and the best that were found inside.

use std::rc::Rc;

use super::found::{cheaper, rarest, Found};
use super::literals::{Bounds, MOST_STEPS};
use super::node::Node;
use super::runs::{beside, chosen, ends, ends_backwards, runs};
use super::sides::{Beside, Side, Through};
use super::texts::{nothing, product, sorted, Text, Texts};
use crate::bytes::ByteSet;

/// What is known of a part.
#[derive(Debug, Clone)]
pub struct Facts {
    /// All that it matches.
    pub exact: Option<Rc<Texts>>,
    /// What it begins with: each match begins with one of these.
    pub prefix: Rc<Texts>,
    /// What it ends with.
    pub suffix: Rc<Texts>,
    /// What is in it.
    pub best: Option<Found>,
    /// The bytes that it can begin and end with.
    pub first: ByteSet,
    pub last: ByteSet,
    /// What is to the left, and to the right, where it matches nothing.
    pub through: Option<(Through, Through)>,
}

impl Facts {
    /// What is known of it.
    pub fn of(node: &Node, bounds: &Bounds) -> Self {
        match node {
            Node::Empty => Self::of_empty(Some((Through::FREE, Through::FREE))),
            Node::Look(look) => {
                Self::of_empty(Some((Through::of(*look, true), Through::of(*look, false))))
            }
            Node::Byte(set) => {
                let few = set.len() as usize <= bounds.class;
                let texts = few.then(|| set.iter().map(|byte| Text::of(&[byte])).collect());
                Self::of_byte(*set, texts.map(Rc::new))
            }
            Node::Text(bytes) => Self::of_text(bytes, bounds),
            Node::Unknown => Self::of_byte(ByteSet::ALL, None),
            Node::Cat(parts) => Self::cat(parts, bounds),
            Node::Alt(branches) => Self::alt(branches, bounds),
            Node::Repeat(part, min, max) => Self::repeat(part, *min, *max, bounds),
        }
    }

    fn of_empty(through: Option<(Through, Through)>) -> Self {
        let texts = Rc::new(nothing());
        Self {
            exact: Some(texts.clone()),
            prefix: texts.clone(),
            suffix: texts,
            best: None,
            first: ByteSet::NONE,
            last: ByteSet::NONE,
            through,
        }
    }

    fn of_text(bytes: &[u8], bounds: &Bounds) -> Self {
        let first = bytes
            .first()
            .map_or(ByteSet::NONE, |byte| ByteSet::of(&[*byte]));
        let last = bytes
            .last()
            .map_or(ByteSet::NONE, |byte| ByteSet::of(&[*byte]));
        let over = bytes.len().saturating_sub(bounds.text);
        let mut facts = Self::of_byte(first, Some(Rc::new(vec![Text::of(bytes)])));
        facts.last = last;
        if over > 0 {
            let mut prefix = Text::of(&bytes[..bounds.text]);
            let mut suffix = Text::of(&bytes[over..]);
            prefix.after = Side::CUT;
            suffix.before = Side::CUT;
            facts.exact = None;
            facts.best = cheaper(
                Found::of(vec![prefix.clone()]),
                Found::of(vec![suffix.clone()]),
            );
            facts.prefix = Rc::new(vec![prefix]);
            facts.suffix = Rc::new(vec![suffix]);
        }
        facts
    }

    fn of_byte(set: ByteSet, exact: Option<Rc<Texts>>) -> Self {
        // What it begins with is empty, and followed by one of the set.
        let within = |before: bool| {
            let side = Side {
                known: set,
                open: Beside::NOTHING,
            };
            let mut text = Text::of(b"");
            if before {
                text.before = side;
            } else {
                text.after = side;
            }
            Rc::new(vec![text])
        };
        Self {
            prefix: exact.clone().unwrap_or_else(|| within(false)),
            suffix: exact.clone().unwrap_or_else(|| within(true)),
            exact,
            best: None,
            first: set,
            last: set,
            through: None,
        }
    }

    /// The best that is known, whatever is beside it.
    fn found(self) -> Option<Found> {
        let whole = self.exact.and_then(|exact| Found::of(exact.to_vec()));
        cheaper(self.best, whole)
    }

    fn repeat(part: &Node, min: u32, max: Option<u32>, bounds: &Bounds) -> Self {
        let mut inner = Self::of(part, bounds);
        if max == Some(1) && min == 1 {
            return inner;
        }
        if min == 0 {
            inner.through = Some((Through::FREE, Through::FREE));
            inner.best = None;
            if let (Some(exact), Some(1)) = (inner.exact.take(), max) {
                let texts = exact.iter().cloned().chain(nothing()).collect();
                let exact = Rc::new(sorted(texts));
                inner.prefix.clone_from(&exact);
                inner.suffix.clone_from(&exact);
                inner.exact = Some(exact);
                return inner;
            }
            let mut text = Text::of(b"");
            text.after.known = inner.first;
            inner.prefix = Rc::new(vec![text.clone()]);
            text.after = Side::OPEN;
            text.before.known = inner.last;
            inner.suffix = Rc::new(vec![text]);
            return inner;
        }
        let exact = inner.exact.take();
        let mut whole = exact.is_some();
        if let Some(exact) = exact {
            let mut texts = exact.clone();
            for _ in 1..min {
                let Some((longer, cut)) = product(&texts, &exact, true, bounds) else {
                    whole = false;
                    break;
                };
                texts = longer;
                if cut {
                    whole = false;
                    break;
                }
            }
            if whole && max == Some(min) {
                inner.prefix.clone_from(&texts);
                inner.suffix.clone_from(&texts);
                inner.exact = Some(texts);
                return inner;
            }
            inner.prefix = texts;
            if whole {
                inner.suffix.clone_from(&inner.prefix);
            }
        }
        // Another turn may come before and after.
        let (first, last) = (inner.first, inner.last);
        let around = |texts: &mut Texts| {
            for text in texts {
                text.before = widened(&text.before, &last);
                text.after = widened(&text.after, &first);
            }
        };
        let mut anywhere = inner.prefix.to_vec();
        for text in Rc::make_mut(&mut inner.prefix) {
            text.after = widened(&text.after, &first);
        }
        for text in Rc::make_mut(&mut inner.suffix) {
            text.before = widened(&text.before, &last);
        }
        if let Some(best) = &mut inner.best {
            best.steps.iter_mut().for_each(around);
        }
        around(&mut anywhere);
        inner.best = cheaper(inner.best, Found::of(anywhere));
        inner
    }

    fn alt(branches: &[Node], bounds: &Bounds) -> Self {
        let mut exact: Option<Texts> = Some(Vec::new());
        let mut inside: Option<Texts> = Some(Vec::new());
        let mut all = Self::of_empty(None);
        let (mut prefix, mut suffix) = (Vec::new(), Vec::new());
        for branch in branches {
            let facts = Self::of(branch, bounds);
            prefix.extend(facts.prefix.iter().cloned());
            suffix.extend(facts.suffix.iter().cloned());
            all.first = all.first.union(&facts.first);
            all.last = all.last.union(&facts.last);
            all.through = match (all.through, facts.through) {
                (Some(a), Some(b)) => Some((a.0.either(&b.0), a.1.either(&b.1))),
                (a, b) => a.or(b),
            };
            match (&mut exact, &facts.exact) {
                (Some(all), Some(texts)) => all.extend(texts.iter().cloned()),
                _ => exact = None,
            }
            match (&mut inside, facts.found().and_then(rarest)) {
                (Some(all), Some(texts)) => all.extend(texts),
                _ => inside = None,
            }
        }
        let within = |texts: Texts| {
            let texts = sorted(texts);
            (texts.len() <= bounds.texts).then_some(texts)
        };
        let empty = |side: bool, bytes: ByteSet| {
            let mut text = Text::of(b"");
            let open = if all.through.is_some() {
                Side::OPEN.open
            } else {
                Beside::NOTHING
            };
            let known = Side { known: bytes, open };
            if side {
                text.before = known;
            } else {
                text.after = known;
            }
            vec![text]
        };
        Self {
            exact: exact.and_then(within).map(Rc::new),
            prefix: Rc::new(within(prefix).unwrap_or_else(|| empty(false, all.first))),
            suffix: Rc::new(within(suffix).unwrap_or_else(|| empty(true, all.last))),
            best: inside.and_then(within).and_then(Found::of),
            ..all
        }
    }

    fn cat(parts: &[Node], bounds: &Bounds) -> Self {
        let facts: Vec<Self> = parts.iter().map(|part| Self::of(part, bounds)).collect();
        let facts: Vec<&Self> = facts.iter().collect();
        let best = chosen(&runs(&facts, bounds), 0, facts.len(), MOST_STEPS);
        let (mut prefix, end) = ends(&facts, bounds);
        let whole = end.is_none();
        let exact = whole.then(|| prefix.clone());
        let suffix = match end {
            None => prefix.clone(),
            Some(end) => {
                beside(Rc::make_mut(&mut prefix), &facts, 0, end);
                let (mut suffix, begin) = ends_backwards(&facts, bounds);
                beside(Rc::make_mut(&mut suffix), &facts, begin, facts.len());
                suffix
            }
        };
        let mut all = Self {
            exact,
            prefix,
            suffix,
            best,
            first: ByteSet::NONE,
            last: ByteSet::NONE,
            through: Some((Through::FREE, Through::FREE)),
        };
        for part in &facts {
            if all.through.is_some() {
                all.first = all.first.union(&part.first);
            }
            all.through = match (all.through, part.through) {
                (Some(a), Some(b)) => Some((a.0.both(&b.0), a.1.both(&b.1))),
                _ => None,
            };
        }
        for part in facts.iter().rev() {
            all.last = all.last.union(&part.last);
            if part.through.is_none() {
                break;
            }
        }
        all
    }
}

/// What can be there, or another turn of the same.
fn widened(side: &Side, bytes: &ByteSet) -> Side {
    Side {
        known: side.known.union(&side.open.bytes.intersection(bytes)),
        open: side.open,
    }
}
