//! What was found in values before: names and header fields come again with every
//! request, and so do many values.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

/// Short values that are kept at most, and how many bytes they have at most.
const SHORT: (usize, usize) = (16_384, 40);

/// The same of long ones, such as a browser's header fields.
const LONG: (usize, usize) = (512, 256);

/// Of each it begins with so many, and has more once they are taken: rules that few
/// requests are asked by need little.
const FIRST: usize = 64;

/// How many times as many it has then.
const MORE: usize = 4;

/// Most patterns that a value is kept with. Most values have none; a method or the
/// name of a field is what some rules begin with.
const HITS: usize = 3;

/// Values and the patterns that match them, each for one kind of question.
#[derive(Debug, Default)]
pub struct Known {
    short: Table,
    long: Table,
}

/// The values themselves, so that none is taken for another whatever their hashes.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    longest: usize,
    most: usize,
    /// How often one was kept since it has so many.
    kept: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    kind: u32,
    len: u16,
    hits: Hits,
}

/// The patterns that match a value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hits {
    count: u8,
    patterns: [u16; HITS],
}

impl Hits {
    /// Nothing where there are more than are kept.
    pub fn of(patterns: impl Iterator<Item = usize>) -> Option<Self> {
        let mut hits = Self::default();
        for pattern in patterns {
            *hits.patterns.get_mut(usize::from(hits.count))? = u16::try_from(pattern).ok()?;
            hits.count += 1;
        }
        Some(hits)
    }

    /// Their numbers.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let all = self.patterns.into_iter().map(usize::from);
        all.take(self.count.into())
    }
}

/// Where a value is kept.
#[derive(Debug, Clone, Copy)]
pub struct Place(usize);

impl Known {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.short.clear(SHORT);
        self.long.clear(LONG);
    }

    /// What matches this value, by a kind of question, from 1; where that is not
    /// known, where to keep it. Nothing for what is longer than is kept.
    pub fn find(&self, kind: u32, value: &[u8]) -> Result<Hits, Option<Place>> {
        let Some(table) = self.table(value.len()) else {
            return Err(None);
        };
        let pairs = (table.slots.len() / 2).max(1) as u64;
        let hash = FixedState::default().hash_one((kind, value));
        let first = usize::try_from(hash % pairs).unwrap_or_default() * 2;
        let known = [first, first + 1];
        let mut known = known
            .into_iter()
            .filter_map(|place| table.find(place, kind, value));
        known.next().ok_or_else(|| {
            // Of two that stand there already, chance says which one goes.
            let free = table
                .slots
                .get(first + 1)
                .is_some_and(|slot| slot.kind == 0);
            let taken = table.slots.get(first).is_some_and(|slot| slot.kind != 0);
            let second = taken && (free || hash >> 63 == 1);
            Some(Place(first + usize::from(second)))
        })
    }

    /// Keeps a value, and what matches it.
    pub fn keep(&mut self, place: Place, kind: u32, value: &[u8], hits: Hits) {
        let table = if value.len() <= self.short.longest {
            &mut self.short
        } else {
            &mut self.long
        };
        table.keep(place.0, kind, value, hits);
    }

    fn table(&self, len: usize) -> Option<&Table> {
        [&self.short, &self.long]
            .into_iter()
            .find(|table| len <= table.longest)
    }
}

impl Table {
    fn clear(&mut self, (most, longest): (usize, usize)) {
        *self = Self {
            longest,
            most,
            ..Self::default()
        };
        self.have(FIRST);
    }

    /// Forgets all, and has so many slots.
    fn have(&mut self, count: usize) {
        self.kept = 0;
        self.slots.clear();
        self.slots.resize(count, Slot::default());
        self.bytes.resize(count * self.longest, 0);
    }

    fn find(&self, place: usize, kind: u32, value: &[u8]) -> Option<Hits> {
        let at = place * self.longest;
        let slot = self.slots.get(place)?;
        let same = slot.kind == kind
            && usize::from(slot.len) == value.len()
            && self.bytes.get(at..at + value.len()) == Some(value);
        same.then_some(slot.hits)
    }

    fn keep(&mut self, place: usize, kind: u32, value: &[u8], hits: Hits) {
        self.kept += 1;
        if self.kept > self.slots.len() && self.slots.len() < self.most {
            self.have((self.slots.len() * MORE).min(self.most));
            return;
        }
        let at = place * self.longest;
        let room = self.bytes.get_mut(at..at + value.len().min(self.longest));
        let (Some(slot), Some(room)) = (self.slots.get_mut(place), room) else {
            return;
        };
        if let (true, Ok(len)) = (room.len() == value.len(), u16::try_from(value.len())) {
            room.copy_from_slice(value);
            *slot = Slot { kind, len, hits };
        }
    }
}

#[cfg(test)]
mod tests;
