//! Who has a place of how many there are: one store for the process, sharded by what the places are in.
//!
//! Memory is bounded. Where nobody more can be counted, who comes newly is refused: a cap that cannot be
//! kept is no cap. Who came today is written down, so that a restart gives no places away.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use lockgate_policy::limits::CounterKey;
use lockgate_policy::users::{day, Full, Many, Room, Seats, PAUSE_MS};

mod journal;
mod told;

use journal::Journal;
pub use told::write;

/// Shards, each with a lock of its own: more than there are cores.
const SHARDS: usize = 64;
/// What places are in, in all: some 150 bytes each.
pub const MOST_ROOMS: usize = 1 << 16;
/// Users that are counted, in all: up to 40 bytes each.
pub const MOST_USERS: usize = 1 << 22;
/// After how long it is worth a try again where nobody more can be counted, milliseconds.
const CROWDED_MS: u64 = 30_000;

type Shard = HashMap<u64, Room, RandomState>;

/// Who has a place.
#[derive(Debug)]
pub struct Places {
    shards: Box<[Mutex<Shard>]>,
    most: (usize, usize),
    rooms: AtomicUsize,
    users: AtomicUsize,
    looked_ms: AtomicU64,
    refused: AtomicU64,
    crowded: AtomicU64,
    journal: Option<Journal>,
}

impl Default for Places {
    fn default() -> Self {
        Self::with_room(MOST_ROOMS, MOST_USERS)
    }
}

impl Places {
    /// A store for so many kinds of places, and so many users. It forgets all when it ends.
    #[must_use]
    pub fn with_room(rooms: usize, users: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            most: (rooms, users),
            rooms: AtomicUsize::new(0),
            users: AtomicUsize::new(0),
            looked_ms: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            crowded: AtomicU64::new(0),
            journal: None,
        }
    }

    /// A store that knows who came today, and writes down who comes.
    ///
    /// # Errors
    /// If the file cannot be read, or written to.
    pub fn open(path: &Path, now_ms: u64) -> io::Result<Self> {
        let mut places = Self::default();
        let (journal, came) = Journal::open(path, day(now_ms))?;
        for one in came.take(MOST_USERS) {
            let mut shard = places.lock(shard_of(one.key));
            let room = shard.entry(one.key).or_insert_with(|| {
                places.rooms.fetch_add(1, Ordering::Relaxed);
                Room::default()
            });
            let before = room.users();
            room.remember(one.key, one.day, one.user);
            let more = room.users().saturating_sub(before);
            places.users.fetch_add(more, Ordering::Relaxed);
        }
        places.journal = Some(journal);
        Ok(places)
    }

    /// Takes all places, or none; where there is none, which and until when. `stays` is whether
    /// [`Self::leave`] will be called.
    pub fn take(&self, seats: &Seats, stays: bool, now_ms: u64) -> Option<Full> {
        let full = self.try_take(seats, stays, now_ms);
        if let Some(full) = full {
            let counter = match full.what {
                Many::Crowded => &self.crowded,
                Many::Distinct | Many::Concurrent => &self.refused,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        full
    }

    fn try_take(&self, seats: &Seats, stays: bool, now_ms: u64) -> Option<Full> {
        let mut held = self.hold(seats);
        let mut longest: Option<Full> = None;
        let mut known = true;
        for (place, seat) in seats.0.iter().enumerate() {
            let shard = find(&mut held, seat.key)?;
            if !shard.contains_key(&seat.key.0) {
                if self.rooms.load(Ordering::Relaxed) >= self.most.0 {
                    drop(held);
                    return Some(self.crowd(place, now_ms));
                }
                self.rooms.fetch_add(1, Ordering::Relaxed);
            }
            let room = shard.entry(seat.key.0).or_default();
            let (before, looked) = (room.users(), room.look(seat, now_ms));
            self.changed(before, room.users());
            known &= room.knows(seat);
            if let Err((what, until_ms)) = looked {
                let full = Full {
                    seat: place,
                    what,
                    until_ms,
                };
                longest = Some(longest.map_or(full, |one| one.later(full)));
            }
        }
        if longest.is_some() {
            return longest;
        }
        // Each place may be two: of the day, and at once.
        if !known && self.users.load(Ordering::Relaxed) + 2 * seats.0.len() > self.most.1 {
            drop(held);
            return Some(self.crowd(0, now_ms));
        }
        for seat in &seats.0 {
            let Some(room) = find(&mut held, seat.key).and_then(|shard| shard.get_mut(&seat.key.0))
            else {
                continue;
            };
            let before = room.users();
            let new = room.enter(seat, stays, now_ms);
            self.changed(before, room.users());
            if let (true, Some(journal)) = (new, &self.journal) {
                journal.write(day(now_ms), seat.key.0, seat.user);
            }
        }
        None
    }

    /// A request that had places is over.
    pub fn leave(&self, seats: &Seats, now_ms: u64) {
        let mut held = self.hold(seats);
        for seat in &seats.0 {
            let shard = find(&mut held, seat.key);
            if let Some(room) = shard.and_then(|shard| shard.get_mut(&seat.key.0)) {
                room.leave(seat, now_ms);
            }
        }
    }

    /// How often somebody found no place.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How often somebody was refused since nobody more could be counted.
    #[must_use]
    pub fn crowded(&self) -> u64 {
        self.crowded.load(Ordering::Relaxed)
    }

    /// How many users are counted now; one counts once for each kind of places.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.load(Ordering::Relaxed)
    }

    /// Of each cap: how many came today, and how many are there, where most are.
    #[must_use]
    pub fn fullest(&self, now_ms: u64) -> HashMap<CounterKey, (usize, usize)> {
        let mut found: HashMap<CounterKey, (usize, usize)> = HashMap::new();
        for number in 0..SHARDS {
            let mut shard = self.lock(number);
            for room in shard.values_mut() {
                let before = room.users();
                let (cap, today, there) = room.filled(now_ms);
                self.changed(before, room.users());
                let most = found.entry(cap).or_default();
                *most = (most.0.max(today), most.1.max(there));
            }
        }
        found
    }

    /// Says that nobody more can be counted, and makes room for those who come next.
    fn crowd(&self, seat: usize, now_ms: u64) -> Full {
        let looked_ms = self.looked_ms.load(Ordering::Relaxed);
        let due = now_ms.saturating_sub(looked_ms) >= PAUSE_MS;
        let turn = due
            && self
                .looked_ms
                .compare_exchange(looked_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if turn {
            for number in 0..SHARDS {
                let mut shard = self.lock(number);
                let before = (shard.len(), shard.values().map(Room::users).sum::<usize>());
                shard.retain(|_, room| !room.is_idle(now_ms));
                let after = shard.values().map(Room::users).sum();
                self.rooms
                    .fetch_sub(before.0 - shard.len(), Ordering::Relaxed);
                self.changed(before.1, after);
            }
        }
        Full {
            seat,
            what: Many::Crowded,
            until_ms: now_ms + CROWDED_MS,
        }
    }

    fn changed(&self, before: usize, after: usize) {
        if after >= before {
            self.users.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.users.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// Locks all that are wanted, always in one order.
    fn hold(&self, seats: &Seats) -> Vec<(usize, MutexGuard<'_, Shard>)> {
        let mut numbers: Vec<usize> = seats.0.iter().map(|seat| shard_of(seat.key.0)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let lock = |number| (number, self.lock(number));
        numbers.into_iter().map(lock).collect()
    }

    fn lock(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.shards[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

const fn shard_of(key: u64) -> usize {
    (key >> 40) as usize % SHARDS
}

fn find<'h>(
    held: &'h mut [(usize, MutexGuard<'_, Shard>)],
    key: CounterKey,
) -> Option<&'h mut Shard> {
    let number = shard_of(key.0);
    held.iter_mut()
        .find(|(one, _)| *one == number)
        .map(|(_, shard)| &mut **shard)
}

#[cfg(test)]
mod tests;
