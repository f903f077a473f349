//! Texts of which a pattern needs one to match.
//!
//! Each part of a pattern is described by the texts that it matches, where these
//! are few, else by those it begins and ends with, and by the best that were
//! found inside. What can be told of a sequence follows from what can be told of
//! its parts. Texts are the better the rarer they are in what is not an attack;
//! where they are not rare, several sets are sought one after the other.

use std::rc::Rc;

use super::facts::Facts;
use super::found::{Found, RARE};
use super::node::Node;
use super::runs::{chosen, runs};
use super::sides::Side;
use super::texts::{minimal, sorted, Text, Texts};

/// How far the search for texts goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one text; longer ones are cut.
    pub text: usize,
    /// Texts of one set.
    pub texts: usize,
    /// Texts that may come of putting two parts together.
    pub product: usize,
    /// Bytes of a set that are told one by one.
    pub class: usize,
    /// Ways to match that are sought one by one.
    pub ways: usize,
    /// States of one automaton; texts are cut until they are few enough.
    pub states: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            text: 16,
            texts: 6_000,
            product: 128,
            class: 10,
            ways: 48,
            states: 65_000,
        }
    }
}

/// Sets of texts that have to occur one after the other.
pub type Steps = Vec<Texts>;

/// Sets that are sought one after the other, at most.
pub const MOST_STEPS: usize = 3;

/// Ways to match, of which one has to be gone.
pub type Ways = Vec<Steps>;

/// The ways of a pattern, and their price; none, where one of them has no texts
/// that would be rare enough to be worth looking for.
pub fn required(node: &Node, bounds: &Bounds) -> Option<(Ways, f32)> {
    let mut open = bounds.ways;
    let (ways, price) = ways(&sequence(node, bounds), bounds, &mut open)?;
    (price < WORTHLESS).then(|| {
        let ways = ways
            .into_iter()
            .map(|found| found.steps.into_iter().map(minimal).collect());
        (ways.collect(), price)
    })
}

/// How likely a value of benign text may have the texts for looking to be worth it.
const WORTHLESS: f32 = 0.9;

/// A part of a sequence, and what is known of it.
type Part<'a> = (&'a Node, Rc<Facts>);

fn ways(parts: &[Part<'_>], bounds: &Bounds, open: &mut usize) -> Option<(Vec<Found>, f32)> {
    let facts: Vec<&Facts> = parts.iter().map(|(_, facts)| &**facts).collect();
    let whole = chosen(&runs(&facts, bounds), 0, facts.len(), MOST_STEPS);
    let price = whole.as_ref().map_or(1.0, Found::price);
    let one = whole.map(|found| (vec![found], price));
    if price < RARE {
        return one;
    }
    // One that has many ways inside says less than each of them.
    let alternation = |exact: bool| {
        parts.iter().position(|(node, facts)| {
            matches!(node, Node::Alt(_)) && (exact || facts.exact.is_none())
        })
    };
    let Some(at) = alternation(false).or_else(|| alternation(true)) else {
        return one;
    };
    let (before, behind) = (&parts[..at], &parts[at + 1..]);
    let Node::Alt(branches) = parts[at].0 else {
        return one;
    };
    if branches.len() > *open {
        return one;
    }
    *open -= branches.len();
    let mut all = Vec::new();
    let mut sum = 0.0;
    for branch in branches {
        let inner = sequence(branch, bounds);
        let whole: Vec<Part<'_>> = before.iter().chain(&inner).chain(behind).cloned().collect();
        let Some((found, price)) = ways(&whole, bounds, open) else {
            return one;
        };
        all.extend(found);
        sum += price;
    }
    if sum < price * 0.7 {
        Some((all, sum))
    } else {
        one
    }
}

fn sequence<'a>(node: &'a Node, bounds: &Bounds) -> Vec<Part<'a>> {
    let parts = match node {
        Node::Cat(parts) => parts.as_slice(),
        other => std::slice::from_ref(other),
    };
    let known = |part| (part, Rc::new(Facts::of(part, bounds)));
    parts.iter().map(known).collect()
}

/// Phrases as texts, cut, and without those in which another occurs.
pub fn phrases(phrases: Vec<Box<[u8]>>, bounds: &Bounds) -> Ways {
    let texts = phrases.iter().map(|phrase| {
        let mut text = Text::of(&phrase[..phrase.len().min(bounds.text)]);
        (text.before, text.after) = (Side::CUT, Side::CUT);
        text
    });
    vec![vec![minimal(sorted(texts.collect()))]]
}
