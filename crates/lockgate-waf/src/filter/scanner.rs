//! One pass over a value that finds all texts at once, and says which patterns
//! have what they need.
//!
//! The automaton is Aho and Corasick's, with a whole table: one load for each
//! byte, whatever the texts are. States that tell something stand last, so that
//! one comparison finds them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use super::literals::Ways;
use super::sides::{Beside, Side};
use super::texts::{share, Text};
use super::{Error, MOST_PATTERNS};
use crate::bytes::ByteSet;

/// What is cut from texts, in turn, until the automaton is small enough.
const CUTS: [usize; 5] = [usize::MAX, 10, 6, 4, 2];

/// What a text that occurs is good for.
#[derive(Debug, Clone, Copy)]
struct Use {
    way: u32,
    /// The way's pattern.
    pattern: u16,
    /// What has to be beside it: places in [`Scanner::besides`].
    before: u16,
    after: u16,
    /// Bytes of the text.
    len: u8,
    step: u8,
}

/// What each text is good for.
type UsesOf = BTreeMap<Rc<[u8]>, Vec<Use>>;

/// A way in which a pattern may match.
#[derive(Debug, Clone, Copy)]
struct Way {
    steps: u8,
}

/// What a scan works with.
#[derive(Debug, Default)]
pub struct Room {
    /// Steps made of each way.
    made: Vec<u8>,
    /// Ways of which steps were made.
    begun: Vec<u32>,
}

/// The texts of some patterns.
#[derive(Debug)]
pub struct Scanner {
    /// These bytes of a value are passed over.
    erased: ByteSet,
    /// The column of each byte.
    columns: [u8; 256],
    /// How many columns there are.
    width: usize,
    /// The next state, by state and column.
    table: Vec<u16>,
    /// The first state that tells something.
    telling: usize,
    /// For each of these where its uses begin in `uses`; and one more.
    places: Vec<u32>,
    uses: Vec<Use>,
    ways: Vec<Way>,
    besides: Vec<Beside>,
}

impl Scanner {
    /// Reads the ways of all patterns; values are read without the bytes `erased`.
    /// A state's number has 16 bits; `most_states` may say less.
    pub fn new(
        patterns: Vec<(usize, Rc<Ways>)>,
        erased: ByteSet,
        most_states: usize,
    ) -> Result<Self, Error> {
        let mut scanner = Self {
            erased,
            columns: [0; 256],
            width: 0,
            table: Vec::new(),
            telling: 0,
            places: Vec::new(),
            uses: Vec::new(),
            ways: Vec::new(),
            besides: Vec::new(),
        };
        let mut uses_of: UsesOf = BTreeMap::new();
        let mut numbers: HashMap<Beside, u16> = HashMap::new();
        for (number, ways) in patterns {
            let pattern = u16::try_from(number).map_err(|_| Error::TooManyPatterns(number))?;
            debug_assert!(number < MOST_PATTERNS);
            for steps in ways.iter() {
                let way = u32::try_from(scanner.ways.len())
                    .map_err(|_| Error::TooLarge("ways to match"))?;
                scanner.ways.push(Way {
                    steps: u8::try_from(steps.len()).unwrap_or(u8::MAX),
                });
                for (step, texts) in steps.iter().enumerate() {
                    for text in texts {
                        let used = scanner.used(text, (pattern, way, step), &mut numbers)?;
                        if let Some(used) = used {
                            uses_of.entry(text.bytes.clone()).or_default().push(used);
                        }
                    }
                }
            }
        }
        if uses_of.is_empty() {
            return Ok(scanner);
        }
        for cut in CUTS {
            if cut < usize::MAX {
                uses_of = scanner.shortened(uses_of, cut, &mut numbers)?;
            }
            if scanner.build(&uses_of, most_states.min(usize::from(u16::MAX))) {
                return Ok(scanner);
            }
        }
        Err(Error::TooLarge("texts"))
    }

    fn used(
        &mut self,
        text: &Text,
        (pattern, way, step): (u16, u32, usize),
        numbers: &mut HashMap<Beside, u16>,
    ) -> Result<Option<Use>, Error> {
        let (before, after) = (text.before.all(), text.after.all());
        if before == Beside::NOTHING || after == Beside::NOTHING {
            return Ok(None);
        }
        let used = Use {
            way,
            pattern,
            before: self.number(before, numbers)?,
            after: self.number(after, numbers)?,
            len: u8::try_from(text.bytes.len()).map_err(|_| Error::TooLarge("a text"))?,
            step: u8::try_from(step).unwrap_or(u8::MAX),
        };
        Ok(Some(used))
    }

    fn number(&mut self, beside: Beside, numbers: &mut HashMap<Beside, u16>) -> Result<u16, Error> {
        if let Some(number) = numbers.get(&beside) {
            return Ok(*number);
        }
        let number = u16::try_from(self.besides.len())
            .map_err(|_| Error::TooLarge("neighbours of texts"))?;
        self.besides.push(beside);
        numbers.insert(beside, number);
        Ok(number)
    }

    fn shortened(
        &mut self,
        uses_of: UsesOf,
        cut: usize,
        numbers: &mut HashMap<Beside, u16>,
    ) -> Result<UsesOf, Error> {
        let anything = self.number(Side::CUT.all(), numbers)?;
        let mut out: UsesOf = BTreeMap::new();
        for (mut bytes, mut uses) in uses_of {
            if bytes.len() > cut {
                bytes = bytes[..cut].into();
                for used in &mut uses {
                    used.after = anything;
                    used.len = u8::try_from(cut).unwrap_or(used.len);
                }
            }
            out.entry(bytes).or_default().extend(uses);
        }
        Ok(out)
    }

    /// Makes the automaton, if it has no more than so many states.
    fn build(&mut self, uses_of: &UsesOf, most_states: usize) -> bool {
        let mut seen = ByteSet::NONE;
        for text in uses_of.keys() {
            seen = seen.union(&ByteSet::of(text));
        }
        // Column 0: bytes of no text. Column 1: bytes that are passed over.
        self.columns = [0; 256];
        let mut count = 2_usize;
        // Those of frequent bytes stand together, so that a state of ordinary text
        // is one or two lines of the processor's cache.
        let mut bytes: Vec<u8> = seen.iter().collect();
        bytes.sort_by(|a, b| share(*b).total_cmp(&share(*a)));
        for byte in bytes {
            self.columns[usize::from(byte)] = u8::try_from(count).unwrap_or(0);
            count += 1;
        }
        if count > 256 {
            return false;
        }
        for byte in b'A'..=b'Z' {
            self.columns[usize::from(byte)] = self.columns[usize::from(byte.to_ascii_lowercase())];
        }
        for byte in self.erased.iter() {
            self.columns[usize::from(byte)] = 1;
        }
        self.width = count;
        let width = count;
        let mut table: Vec<u16> = vec![0; width];
        let mut tells: Vec<Vec<Use>> = vec![Vec::new()];
        let mut depths = vec![0_u16];
        for (text, uses) in uses_of {
            let mut state = 0;
            for (depth, byte) in (1..).zip(text.iter()) {
                let at = state * self.width + usize::from(self.columns[usize::from(*byte)]);
                if table[at] == 0 {
                    if tells.len() >= most_states {
                        return false;
                    }
                    table[at] = u16::try_from(tells.len()).unwrap_or(0);
                    tells.push(Vec::new());
                    depths.push(depth);
                    table.resize(table.len() + width, 0);
                }
                state = usize::from(table[at]);
            }
            tells[state].extend(uses);
        }
        self.link(&mut table, &mut tells, width);
        self.renumber(&table, tells, width, &depths);
        true
    }

    /// Makes a whole table of a tree: where it has no branch, the state of the
    /// longest end of what was read that begins a text too.
    fn link(&self, table: &mut [u16], tells: &mut [Vec<Use>], width: usize) {
        let mut shorter = vec![0_usize; tells.len()];
        let mut open = VecDeque::from([0_usize]);
        while let Some(state) = open.pop_front() {
            for column in 0..width {
                let at = state * self.width + column;
                let next = usize::from(table[at]);
                let other = match state {
                    0 => 0,
                    _ => table[shorter[state] * self.width + column],
                };
                if column == 1 {
                    table[at] = u16::try_from(state).unwrap_or(0);
                } else if next == 0 {
                    table[at] = other;
                } else {
                    shorter[next] = usize::from(other);
                    let more = tells[usize::from(other)].clone();
                    tells[next].extend(more);
                    open.push_back(next);
                }
            }
        }
    }

    /// Puts states that tell something last, and those of short texts first, where
    /// ordinary values lead: what is read together stands together.
    fn renumber(&mut self, table: &[u16], tells: Vec<Vec<Use>>, width: usize, depths: &[u16]) {
        let mut order: Vec<usize> = (0..tells.len()).collect();
        order.sort_by_key(|state| (!tells[*state].is_empty(), depths[*state]));
        let mut number_of = vec![0_u16; tells.len()];
        for (number, state) in order.iter().enumerate() {
            number_of[*state] = u16::try_from(number).unwrap_or(0);
        }
        self.telling = tells.iter().filter(|uses| uses.is_empty()).count();
        self.table = Vec::with_capacity(table.len());
        self.uses.clear();
        self.places = vec![0];
        for state in order {
            let row = &table[state * width..(state + 1) * width];
            self.table
                .extend(row.iter().map(|next| number_of[usize::from(*next)]));
            if !tells[state].is_empty() {
                self.uses.extend(&tells[state]);
                self.places
                    .push(u32::try_from(self.uses.len()).unwrap_or(u32::MAX));
            }
        }
    }

    /// Takes those out of `left` whose texts occur, and tells them.
    pub fn scan(
        &self,
        value: &[u8],
        room: &mut Room,
        left: &mut [u64],
        tell: &mut dyn FnMut(usize),
    ) {
        if self.table.is_empty() {
            return;
        }
        if room.made.len() < self.ways.len() {
            room.made.resize(self.ways.len(), 0);
        }
        let (table, width, telling) = (&self.table[..], self.width, self.telling);
        let mut state = 0_usize;
        for (at, byte) in value.iter().enumerate() {
            let column = usize::from(self.columns[usize::from(*byte)]);
            state = usize::from(table[state * width + column]);
            if state >= telling && column != 1 {
                let found = self.told(state, at, value, room, left, tell);
                if found && left.iter().all(|word| *word == 0) {
                    break;
                }
            }
        }
        for way in room.begun.drain(..) {
            if let Some(made) = room.made.get_mut(way as usize) {
                *made = 0;
            }
        }
    }

    /// What a state tells; whether it told anything.
    #[inline(never)]
    fn told(
        &self,
        state: usize,
        at: usize,
        value: &[u8],
        room: &mut Room,
        left: &mut [u64],
        tell: &mut dyn FnMut(usize),
    ) -> bool {
        let place = state - self.telling;
        let (from, to) = (self.places[place] as usize, self.places[place + 1] as usize);
        let after = self.next(&value[at + 1..]);
        let mut found = false;
        for used in &self.uses[from..to] {
            // First what is at hand: most of what occurs often was told, or is not asked.
            let number = usize::from(used.pattern);
            let bit = 1 << (number & 63);
            let Some(word) = left.get_mut(number >> 6).filter(|word| **word & bit != 0) else {
                continue;
            };
            let Some(way) = self.ways.get(used.way as usize) else {
                continue;
            };
            if room.made.get(used.way as usize) != Some(&used.step)
                || !self.besides[usize::from(used.after)].allows(after)
                || !self.besides[usize::from(used.before)].allows(self.before(value, at, used.len))
            {
                continue;
            }
            if way.steps > 1 {
                let made = &mut room.made[used.way as usize];
                if *made == 0 {
                    room.begun.push(used.way);
                }
                *made += 1;
                if *made < way.steps {
                    continue;
                }
            }
            *word &= !bit;
            tell(number);
            found = true;
        }
        found
    }

    /// The first byte that is read, in lower case.
    fn next(&self, rest: &[u8]) -> Option<u8> {
        let byte = if self.erased.is_empty() {
            rest.first()
        } else {
            rest.iter().find(|byte| !self.erased.contains(**byte))
        };
        byte.map(u8::to_ascii_lowercase)
    }

    /// The byte before a text of so many bytes that ends at a place, in lower case.
    fn before(&self, value: &[u8], end: usize, len: u8) -> Option<u8> {
        let len = usize::from(len);
        let byte = if self.erased.is_empty() {
            (end + 1).checked_sub(len + 1).and_then(|at| value.get(at))
        } else {
            value[..=end]
                .iter()
                .rev()
                .filter(|byte| !self.erased.contains(**byte))
                .nth(len)
        };
        byte.map(u8::to_ascii_lowercase)
    }

    /// Makes one of so many texts say nothing.
    #[cfg(test)]
    pub fn forget(&mut self, one_of: usize) {
        for used in self.uses.iter_mut().step_by(one_of) {
            used.way = u32::MAX;
        }
    }

    /// Bytes of memory, about.
    pub fn memory(&self) -> usize {
        self.table.len() * size_of::<u16>()
            + self.places.len() * size_of::<u32>()
            + self.uses.len() * size_of::<Use>()
            + self.ways.len() * size_of::<Way>()
            + self.besides.len() * size_of::<Beside>()
    }
}
