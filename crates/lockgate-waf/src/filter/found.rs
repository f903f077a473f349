//! Sets of texts to look for, and what looking for them costs.

use super::literals::Steps;
use super::texts::{odds, Text, Texts};

/// Bytes of a typical value of text.
const TYPICAL: f32 = 60.0;

/// What one more text costs, as likelihood.
const PER_TEXT: f32 = 1e-6;

/// What it costs to look at a text that occurs, as likelihood.
const PER_EVENT: f32 = 0.02;

/// Rare enough: a value that is looked at for nothing costs about a microsecond.
pub const RARE: f32 = 1e-3;

/// Sets of texts that occur one after the other, and how likely that is in a
/// value of benign text.
#[derive(Debug, Clone)]
pub struct Found {
    pub steps: Steps,
    pub likely: f32,
    /// How many of its texts a value may have, whatever is beside them.
    events: f32,
}

/// What texts cost at least, whatever is beside them.
pub fn least_price(texts: &Texts) -> f32 {
    let events: f32 = texts.iter().map(Text::rarity).sum();
    PER_EVENT * events * TYPICAL + PER_TEXT * texts.len() as f32
}

impl Found {
    /// One set; none, where one of its texts is empty.
    pub fn of(texts: Texts) -> Option<Self> {
        let (odds, events) = odds(&texts)?;
        Some(Self {
            steps: vec![texts],
            likely: (odds * TYPICAL).min(1.0),
            events: events * TYPICAL,
        })
    }

    /// Tells again how likely they are, after it was told what is beside them.
    pub fn weigh(&mut self) {
        let odds = self.steps.iter().filter_map(odds);
        self.likely = odds.map(|(odds, _)| (odds * TYPICAL).min(1.0)).product();
    }

    /// What looking for them costs, as likelihood of looking at a value for nothing.
    pub fn price(&self) -> f32 {
        let texts: usize = self.steps.iter().map(Vec::len).sum();
        self.likely + PER_EVENT * self.events + PER_TEXT * texts as f32
    }

    /// Both, where that is worth it, else the better of them.
    pub fn and(self, next: Self) -> Self {
        let both = Self {
            likely: self.likely * next.likely,
            events: self.events + next.events,
            steps: Vec::new(),
        };
        if both.price() > self.price().min(next.price()) * 0.7 {
            return if next.price() < self.price() {
                next
            } else {
                self
            };
        }
        Self {
            steps: self.steps.into_iter().chain(next.steps).collect(),
            ..both
        }
    }
}

/// The rarest of the sets that are sought one after the other.
pub fn rarest(found: Found) -> Option<Texts> {
    let mut best: Option<(f32, Texts)> = None;
    for texts in found.steps {
        let (odds, _) = odds(&texts)?;
        if best.as_ref().is_none_or(|(least, _)| odds < *least) {
            best = Some((odds, texts));
        }
    }
    best.map(|(_, texts)| texts)
}

/// The better of two.
pub fn cheaper(one: Option<Found>, other: Option<Found>) -> Option<Found> {
    match (one, other) {
        (Some(one), Some(other)) if one.price() <= other.price() => Some(one),
        (one, None) => one,
        (_, other) => other,
    }
}
