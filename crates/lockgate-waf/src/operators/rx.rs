//! `@rx`: regular expressions over bytes, in linear time.
//!
//! Whether one matches is asked of an automaton of our own, which has few states
//! whatever the text; where it matches, and what its groups hold, of
//! `regex-automata`, which is asked only where there is a match
//! (docs/decisions/0178-few-states-whatever-the-text.md).

mod automaton;
mod cover;
mod edges;
mod states;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::FixedState;
use regex_automata::meta::{BuildError, Cache, Config, Regex};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::Input;

use automaton::Automaton;
use states::States;

use super::{Captures, Unfit, GROUPS};
use crate::rule::Pattern;

/// How large one compiled expression may become, in bytes: the same as `regex`
/// allows by default. The largest of the Core Rule Set needs less than a MiB.
const NFA_BYTES: usize = 10 << 20;

/// How far before and behind the first end of a match its beginning and its
/// groups are looked for, in bytes. All of a value that is no longer than both is
/// looked at; in a longer one a match that begins further ahead is told by its
/// end. The library may need two microseconds for a byte.
const WINDOW: usize = 4 << 10;

/// How much room one expression may work in, in bytes.
const WORK_BYTES: usize = 512 << 10;

/// How much room all expressions of one worker may keep between two values, in
/// bytes; then all of it is given back.
pub(super) const KEPT_BYTES: usize = 4 << 20;

/// A regular expression.
#[derive(Debug)]
pub struct Rx {
    regex: Regex,
    /// Where it can be had.
    automaton: Option<Automaton>,
    /// No two have the same, also not those of rules that were loaded later.
    number: u64,
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl From<BuildError> for Unfit {
    fn from(error: BuildError) -> Self {
        Self::Rx(Box::new(error))
    }
}

impl Rx {
    /// Of a pattern that was read.
    ///
    /// # Errors
    /// Where it is too large.
    pub fn new(pattern: &Pattern) -> Result<Self, Unfit> {
        let config = Config::new()
            .utf8_empty(false)
            .which_captures(WhichCaptures::All)
            .nfa_size_limit(Some(NFA_BYTES))
            .hybrid_cache_capacity(WORK_BYTES);
        let regex = Regex::builder()
            .configure(config)
            .build_from_hir(&pattern.hir)?;
        let bare = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(NFA_BYTES));
        let automaton = thompson::Compiler::new()
            .configure(bare)
            .build_from_hir(&edges::necessary(&pattern.hir))
            .ok()
            .and_then(|nfa| Automaton::new(&nfa));
        Ok(Self {
            regex,
            automaton,
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Whether it matches somewhere in `value`.
    pub fn is_match(&self, value: &[u8], caches: &mut Caches) -> bool {
        let input = Input::new(value).earliest(true);
        caches.with(self, |room| match &self.automaton {
            Some(automaton) => room.states.find_end(automaton, value).is_some(),
            None => {
                let cache = room.cache(&self.regex);
                self.regex.search_half_with(cache, &input).is_some()
            }
        })
    }

    /// Where the leftmost match stands, from `from` on; what stands before is
    /// still looked at by `\b` and its like.
    pub fn find_from(
        &self,
        value: &[u8],
        from: usize,
        caches: &mut Caches,
    ) -> Option<Range<usize>> {
        let input = Input::new(value).range(from.min(value.len())..);
        caches.with(self, |room| {
            let cache = room.cache(&self.regex);
            let found = self.regex.search_with(cache, &input);
            found.map(|found| found.range())
        })
    }

    /// Where the leftmost match and its groups stand; of long values, as far as
    /// [`WINDOW`] says.
    pub fn captures(&self, value: &[u8], caches: &mut Caches, captures: &mut Captures) -> bool {
        let mut slots: [Option<NonMaxUsize>; 2 * GROUPS] = [None; 2 * GROUPS];
        let wanted = (2 * self.regex.captures_len()).min(slots.len());
        let slots = slots.get_mut(..wanted).unwrap_or_default();
        captures.clear();
        let found = caches.with(self, |room| {
            let mut input = Input::new(value);
            let mut known = None;
            if let Some(automaton) = &self.automaton {
                let Some(end) = room.states.find_end(automaton, value) else {
                    return false;
                };
                if value.len() > 2 * WINDOW {
                    let start = end.saturating_sub(WINDOW);
                    input.set_range(start..value.len().min(end + WINDOW));
                    known = Some(start..end);
                }
            }
            let cache = room.cache(&self.regex);
            if self.regex.search_slots_with(cache, &input, slots).is_some() {
                return true;
            }
            // The match begins before the window: all of it up to the end is a part.
            let matched = known.is_some();
            if let Some(part) = known {
                captures.set(0, part);
            }
            matched
        });
        if found {
            for (group, slots) in slots.chunks_exact(2).enumerate() {
                if let [Some(start), Some(end)] = slots {
                    captures.set(group, start.get()..end.get());
                }
            }
        }
        found
    }

    /// How many groups it has beside the whole match.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.regex.captures_len().saturating_sub(1)
    }

    /// How much memory it takes, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.regex.memory_usage() + self.automaton.as_ref().map_or(0, Automaton::memory)
    }
}

/// What one expression works with.
#[derive(Debug, Default)]
struct Room {
    states: States,
    cache: Option<Cache>,
    /// How much the cache takes, and whether it was used since that was asked.
    cached: (usize, bool),
    /// How much of it was counted.
    bytes: usize,
}

impl Room {
    fn cache(&mut self, regex: &Regex) -> &mut Cache {
        self.cached.1 = true;
        self.cache.get_or_insert_with(|| regex.create_cache())
    }

    fn memory(&mut self) -> usize {
        if std::mem::take(&mut self.cached.1) {
            self.cached.0 = self.cache.as_ref().map_or(0, Cache::memory_usage);
        }
        self.states.memory() + self.cached.0
    }
}

/// The room that regular expressions work in: one for each worker. It is bounded,
/// whatever values come.
#[derive(Debug, Default)]
pub struct Caches {
    rooms: HashMap<u64, Room, FixedState>,
    bytes: usize,
}

impl Caches {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much memory is kept, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes
    }

    /// Gives all of it back.
    pub fn clear(&mut self) {
        self.rooms = HashMap::default();
        self.bytes = 0;
    }

    fn with<T>(&mut self, rx: &Rx, search: impl FnOnce(&mut Room) -> T) -> T {
        let room = self.rooms.entry(rx.number).or_default();
        let result = search(room);
        let now = room.memory();
        self.bytes = self.bytes + now - room.bytes;
        room.bytes = now;
        if self.bytes > KEPT_BYTES {
            self.clear();
        }
        result
    }
}

#[cfg(test)]
mod tests;
