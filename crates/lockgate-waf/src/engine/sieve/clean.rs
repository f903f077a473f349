//! Values that were found clean before: names and header fields come again with
//! every request, and so do many values.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::looks::State;

/// Values that are kept, of each worker.
const SLOTS: usize = 8192;

/// Bytes of the longest that are kept.
const LONGEST: usize = 40;

/// The values themselves, so that none is taken for another whatever their hashes.
#[derive(Debug, Default)]
pub struct Clean {
    slots: Vec<Slot>,
}

#[derive(Debug, Clone)]
struct Slot {
    state: State,
    len: u8,
    bytes: [u8; LONGEST],
}

/// Where a value is kept if it is clean.
#[derive(Debug, Clone, Copy)]
pub struct Place(usize);

impl Clean {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.slots.clear();
        let none = Slot {
            state: State::default(),
            len: 0,
            bytes: [0; LONGEST],
        };
        self.slots.resize(SLOTS, none);
    }

    /// Whether nothing matches this value, which concerns the rules of a state;
    /// where that is not known, where to keep it. Nothing for long ones.
    pub fn knows(&self, state: State, value: &[u8]) -> Result<(), Option<Place>> {
        if value.len() > LONGEST {
            return Err(None);
        }
        let hash = FixedState::default().hash_one((state, value));
        let place = usize::try_from(hash % SLOTS as u64).unwrap_or_default();
        let known = self.slots.get(place).is_some_and(|slot| {
            slot.state == state && slot.bytes.get(..usize::from(slot.len)) == Some(value)
        });
        if known {
            Ok(())
        } else {
            Err(Some(Place(place)))
        }
    }

    /// Keeps a value that nothing matches.
    pub fn keep(&mut self, place: Place, state: State, value: &[u8]) {
        let Some(slot) = self.slots.get_mut(place.0) else {
            return;
        };
        if let (Some(room), Ok(len)) =
            (slot.bytes.get_mut(..value.len()), u8::try_from(value.len()))
        {
            room.copy_from_slice(value);
            slot.len = len;
            slot.state = state;
        }
    }
}
