//! Values that were found clean before: names and header fields come again with
//! every request, and so do many values.

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

/// Values of which nothing is found, each for one kind of question.
#[derive(Debug, Default)]
pub struct Clean {
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
}

/// Where a value is kept if it is clean.
#[derive(Debug, Clone, Copy)]
pub struct Place(usize);

impl Clean {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.short.clear(SHORT);
        self.long.clear(LONG);
    }

    /// Whether nothing is found in this value, by a kind of question, from 1; where
    /// that is not known, where to keep it. Nothing for what is longer than is kept.
    pub fn knows(&self, kind: u32, value: &[u8]) -> Result<(), Option<Place>> {
        let Some(table) = self.table(value.len()) else {
            return Err(None);
        };
        let count = table.slots.len().max(1) as u64;
        let hash = FixedState::default().hash_one((kind, value));
        let place = usize::try_from(hash % count).unwrap_or_default();
        if table.holds(place, kind, value) {
            Ok(())
        } else {
            Err(Some(Place(place)))
        }
    }

    /// Keeps a value in which nothing was found.
    pub fn keep(&mut self, place: Place, kind: u32, value: &[u8]) {
        let table = if value.len() <= self.short.longest {
            &mut self.short
        } else {
            &mut self.long
        };
        table.keep(place.0, kind, value);
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

    fn holds(&self, place: usize, kind: u32, value: &[u8]) -> bool {
        let at = place * self.longest;
        self.slots.get(place).is_some_and(|slot| {
            slot.kind == kind
                && usize::from(slot.len) == value.len()
                && self.bytes.get(at..at + value.len()) == Some(value)
        })
    }

    fn keep(&mut self, place: usize, kind: u32, value: &[u8]) {
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
            *slot = Slot { kind, len };
        }
    }
}

#[cfg(test)]
mod tests;
