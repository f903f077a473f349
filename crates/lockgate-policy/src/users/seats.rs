//! Who has a place, of so many that there are: exact, and within bounds.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::limits::CounterKey;

/// Most different users of one day, or at once: 16 bytes each, or 32.
pub const MAX_USERS: u32 = 1_000_000;

/// Between two looks for places whose users are gone, milliseconds.
pub const PAUSE_MS: u64 = 100;

const DAY_MS: u64 = 86_400_000;

/// What a user needs a place in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Which places.
    pub key: CounterKey,
    /// What all places of one cap have in common.
    pub cap: CounterKey,
    /// Who wants one.
    pub user: u64,
    /// How many different users a day; zero is any number.
    pub distinct: u32,
    /// How many at once; zero is any number.
    pub concurrent: u32,
    /// For how long who is done keeps it, milliseconds.
    pub idle_ms: u64,
}

/// Places that are wanted all, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seats(pub Vec<Seat>);

impl Seats {
    /// What is full where so many others are there, and came today; `None` where they leave places.
    #[must_use]
    pub fn full(&self, others: u32, now_ms: u64) -> Option<Full> {
        let fills = |cap: u32| cap > 0 && others >= cap;
        let full = self.0.iter().enumerate().filter_map(|(seat, one)| {
            let (what, until_ms) = if fills(one.distinct) {
                (Many::Distinct, (day(now_ms) + 1) * DAY_MS)
            } else if fills(one.concurrent) {
                (Many::Concurrent, now_ms.saturating_add(one.idle_ms))
            } else {
                return None;
            };
            Some(Full {
                seat,
                what,
                until_ms,
            })
        });
        full.reduce(Full::later)
    }
}

/// There is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Of which of the places that were wanted.
    pub seat: usize,
    /// What there are too many of.
    pub what: Many,
    /// When there may be one, milliseconds since the epoch.
    pub until_ms: u64,
}

impl Full {
    /// Of two places that are full the one that is so for longer; of alike ones the first.
    #[must_use]
    pub const fn later(self, other: Self) -> Self {
        if other.until_ms > self.until_ms {
            other
        } else {
            self
        }
    }
}

/// What there are too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
    /// Different users of the day.
    Distinct,
    /// Users at once.
    Concurrent,
    /// Users that the process has in mind.
    Crowded,
}

#[derive(Debug, Clone, Copy, Default)]
struct Present {
    /// Requests that are under way.
    under_way: u32,
    /// When the last of them began or ended.
    seen_ms: u64,
}

/// The users of one kind of places.
#[derive(Debug, Default)]
pub struct Room {
    cap: u64,
    day: u64,
    today: HashSet<u64, RandomState>,
    there: HashMap<u64, Present, RandomState>,
    idle_ms: u64,
    /// Nobody's place is free before that.
    free_ms: u64,
    looked_ms: u64,
}

/// The day of a moment (UTC), since the epoch.
#[must_use]
pub const fn day(now_ms: u64) -> u64 {
    now_ms / DAY_MS
}

impl Room {
    /// Whether there is a place; nothing is taken.
    ///
    /// # Errors
    /// What there are too many of, and until when.
    pub fn look(&mut self, seat: &Seat, now_ms: u64) -> Result<(), (Many, u64)> {
        self.turn(day(now_ms));
        self.cap = seat.cap.0;
        if seat.idle_ms < self.idle_ms {
            // Places are free earlier than was thought.
            self.free_ms = 0;
        }
        self.idle_ms = seat.idle_ms;
        let distinct = seat.distinct as usize;
        if distinct > 0 && self.today.len() >= distinct && !self.today.contains(&seat.user) {
            return Err((Many::Distinct, (self.day + 1) * DAY_MS));
        }
        let concurrent = seat.concurrent as usize;
        if concurrent == 0 {
            return Ok(());
        }
        match self.there.get(&seat.user) {
            Some(present) if present.holds(seat.idle_ms, now_ms) => return Ok(()),
            // Their place may have gone to somebody else, as far as anybody was told.
            Some(_) => drop(self.there.remove(&seat.user)),
            None => {}
        }
        if self.there.len() >= concurrent {
            self.look_for_places(now_ms);
        }
        if self.there.len() >= concurrent {
            return Err((Many::Concurrent, self.free_ms.max(now_ms + 1)));
        }
        Ok(())
    }

    /// Whether the user has the place already, so that nothing more is remembered of them.
    #[must_use]
    pub fn knows(&self, seat: &Seat) -> bool {
        (seat.distinct == 0 || self.today.contains(&seat.user))
            && (seat.concurrent == 0 || self.there.contains_key(&seat.user))
    }

    /// Takes the place; whether the user is new today. `stays` is whether [`Self::leave`] will be called.
    pub fn enter(&mut self, seat: &Seat, stays: bool, now_ms: u64) -> bool {
        if seat.concurrent > 0 {
            let present = self.there.entry(seat.user).or_default();
            present.under_way = present.under_way.saturating_add(u32::from(stays));
            present.seen_ms = now_ms;
        }
        seat.distinct > 0 && self.today.insert(seat.user)
    }

    /// A request that had a place is over.
    pub fn leave(&mut self, seat: &Seat, now_ms: u64) {
        // Who came while there was no such cap is not among those under way.
        let present = self.there.get_mut(&seat.user);
        if let Some(present) = present.filter(|_| seat.concurrent > 0) {
            present.under_way = present.under_way.saturating_sub(1);
            present.seen_ms = now_ms;
        }
    }

    /// Somebody is known to have come on a day, before this process was there; to places of this key.
    pub fn remember(&mut self, key: u64, on: u64, user: u64) {
        // Of an API's own places that is the cap; of others it is known when somebody comes.
        self.cap = key;
        if on >= self.day {
            self.turn(on);
            self.today.insert(user);
        }
    }

    /// Whether it says no more than nothing would.
    pub fn is_idle(&mut self, now_ms: u64) -> bool {
        self.turn(day(now_ms));
        self.look_for_places(now_ms);
        self.today.is_empty() && self.there.is_empty()
    }

    /// Of which cap it is, how many came today, and how many are there.
    pub fn filled(&mut self, now_ms: u64) -> (CounterKey, usize, usize) {
        self.turn(day(now_ms));
        self.look_for_places(now_ms);
        (CounterKey(self.cap), self.today.len(), self.there.len())
    }

    /// How many users it has in mind.
    #[must_use]
    pub fn users(&self) -> usize {
        self.today.len() + self.there.len()
    }

    fn turn(&mut self, on: u64) {
        // A clock that is set back forgets nobody.
        if on > self.day {
            (self.day, self.today) = (on, HashSet::default());
        }
    }

    /// Takes places back whose users are gone. Of many users that takes a while: now and then, and not before one
    /// can be free.
    fn look_for_places(&mut self, now_ms: u64) {
        if now_ms < self.free_ms.max(self.looked_ms.saturating_add(PAUSE_MS)) {
            return;
        }
        let idle_ms = self.idle_ms;
        self.there.retain(|_, one| one.holds(idle_ms, now_ms));
        let free = |one: &Present| match one.under_way {
            0 => one.seen_ms.saturating_add(idle_ms),
            _ => now_ms.saturating_add(idle_ms),
        };
        self.free_ms = self.there.values().map(free).min().unwrap_or(0);
        self.looked_ms = now_ms;
    }
}

impl Present {
    const fn holds(&self, idle_ms: u64, now_ms: u64) -> bool {
        self.under_way > 0 || self.seen_ms.saturating_add(idle_ms) > now_ms
    }
}
