//! A table from keys that are hashes already to small values: open addressing
//! with linear probing, and deletion that leaves no gaps (Knuth, The Art of
//! Computer Programming, volume 3, section 6.4, algorithms L and R).
//!
//! An entry is one place in one cache line, where a general table has a line of
//! tags and another of entries. And it can be told which keys come, so that
//! several are fetched from memory at the same time.

use std::hint::black_box;

/// The smallest table that holds anything.
const SMALLEST: usize = 8;

/// Stands in places that are free; who has this key by chance gets its neighbour's.
const FREE: u64 = 0;

/// Keys and what is kept under them.
#[derive(Debug)]
pub(super) struct Table<V> {
    /// None, or a power of two.
    places: Box<[(u64, V)]>,
    count: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            places: Box::default(),
            count: 0,
        }
    }
}

impl<V: Copy + Default> Table<V> {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// How many it holds before it grows.
    pub(super) const fn capacity(&self) -> usize {
        self.places.len() / 4 * 3
    }

    /// Fetches from memory where `key` would be, and waits for nothing: no
    /// branch depends on what is read.
    pub(super) fn touch(&self, key: u64) {
        if let Some((found, _)) = self.places.get(self.home(key)) {
            black_box(*found);
        }
    }

    pub(super) fn get(&self, key: u64) -> Option<&V> {
        let at = self.find(key).ok()?;
        self.places.get(at).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let at = self.find(key).ok()?;
        self.places.get_mut(at).map(|(_, value)| value)
    }

    /// What is kept under `key`; the default where there was nothing.
    pub(super) fn entry(&mut self, key: u64) -> &mut V {
        let at = match self.find(key) {
            Ok(at) => at,
            Err(free) if self.count < self.capacity() => self.occupy(free, key),
            Err(_) => {
                self.rebuild((self.places.len() * 2).max(SMALLEST), |_| true);
                let free = self.find(key).unwrap_or_else(|free| free);
                self.occupy(free, key)
            }
        };
        &mut self.places[at].1
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<V> {
        let mut gap = self.find(key).ok()?;
        let removed = self.places[gap].1;
        let mut at = gap;
        loop {
            at = self.after(at);
            let (other, value) = self.places[at];
            if other == FREE {
                break;
            }
            // It moves into the gap unless its search begins behind it.
            let mask = self.places.len() - 1;
            let from_home = at.wrapping_sub(self.home(other)) & mask;
            if from_home >= at.wrapping_sub(gap) & mask {
                self.places[gap] = (other, value);
                gap = at;
            }
        }
        self.places[gap] = (FREE, V::default());
        self.count -= 1;
        Some(removed)
    }

    /// Keeps what `wanted` wants, and gives memory back where little is left.
    pub(super) fn retain(&mut self, wanted: impl Fn(&V) -> bool) {
        let taken = self.places.iter().filter(|(key, _)| *key != FREE);
        let left = taken.filter(|(_, value)| wanted(value)).count();
        if left < self.count {
            let fitting = (left * 2).next_power_of_two().max(SMALLEST);
            self.rebuild(fitting.min(self.places.len()), wanted);
        }
    }

    /// Moves what is wanted to new places, in their order: neighbours stay neighbours.
    fn rebuild(&mut self, places: usize, wanted: impl Fn(&V) -> bool) {
        let empty = vec![(FREE, V::default()); places].into_boxed_slice();
        let before = std::mem::replace(&mut self.places, empty);
        self.count = 0;
        for (key, value) in before {
            if key != FREE && wanted(&value) {
                if let Err(free) = self.find(key) {
                    let at = self.occupy(free, key);
                    self.places[at].1 = value;
                }
            }
        }
    }

    fn occupy(&mut self, free: usize, key: u64) -> usize {
        self.places[free].0 = kept(key);
        self.count += 1;
        free
    }

    /// Where `key` is, or else the free place that it would get.
    fn find(&self, key: u64) -> Result<usize, usize> {
        let key = kept(key);
        let mut at = self.home(key);
        // A table is never full, so a free place ends each search.
        while let Some((found, _)) = self.places.get(at) {
            if *found == key {
                return Ok(at);
            }
            if *found == FREE {
                return Err(at);
            }
            at = self.after(at);
        }
        Err(0)
    }

    /// Where the search for `key` begins: by its lowest bits.
    #[allow(clippy::cast_possible_truncation)]
    fn home(&self, key: u64) -> usize {
        kept(key) as usize & self.places.len().wrapping_sub(1)
    }

    const fn after(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }
}

const fn kept(key: u64) -> u64 {
    if key == FREE {
        1
    } else {
        key
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Act {
        Set(u64, u32),
        Remove(u64),
        RetainOdd,
    }

    /// Few keys, and few homes among them: searches run into each other and over the end.
    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let key = (0..12_u64, 0..8_u64).prop_map(|(high, low)| high << 32 | low);
        let act = prop_oneof![
            6 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Act::Set(key, value)),
            3 => key.prop_map(Act::Remove),
            1 => Just(Act::RetainOdd),
        ];
        prop::collection::vec(act, 0..400)
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(acts in acts()) {
            let (mut table, mut map) = (Table::<u32>::default(), HashMap::new());
            for act in acts {
                match act {
                    Act::Set(key, value) => {
                        *table.entry(key) = value;
                        map.insert(kept(key), value);
                    }
                    Act::Remove(key) => prop_assert_eq!(table.remove(key), map.remove(&kept(key))),
                    Act::RetainOdd => {
                        table.retain(|value| value % 2 == 1);
                        map.retain(|_, value| *value % 2 == 1);
                    }
                }
                prop_assert_eq!(table.len(), map.len());
                for key in (0..12_u64).flat_map(|high| (0..8).map(move |low| high << 32 | low)) {
                    table.touch(key);
                    prop_assert_eq!(table.get(key), map.get(&kept(key)));
                    prop_assert_eq!(table.get_mut(key).copied(), map.get(&kept(key)).copied());
                }
            }
        }
    }

    #[test]
    fn it_grows_and_shrinks_by_what_is_in_it() {
        let mut table = Table::<u64>::default();
        assert_eq!((table.capacity(), table.get(7)), (0, None));
        for key in 0..10_000_u64 {
            *table.entry(key.wrapping_mul(0x9e37_79b9_7f4a_7c15)) = key;
            assert!(table.len() <= table.capacity());
        }
        assert!(table.capacity() < 30_000);
        table.retain(|value| *value < 10);
        assert_eq!(table.len(), 10);
        assert!(table.capacity() <= 48, "{}", table.capacity());
        table.retain(|_| false);
        assert_eq!((table.len(), table.capacity()), (0, 6));
    }
}
