//! Variables of `TX`: those that rules name are numbers, so that nothing is
//! looked up by text while they run.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::bytes::{Arena, Span};

use super::transaction::KEPT;

/// The number of a variable that rules name. The first ten are what regular
/// expressions catch, `TX:0` to `TX:9`.
pub type Name = u16;

/// How many variables hold what was caught.
pub const CAUGHT: usize = 10;

/// Variables beyond those that rules name are found by a search from here on;
/// below, looking at each is faster.
const SEARCHED: usize = 24;

/// Most variables whose names are made at run time (`tx.x_%{…}`). The Core Rule
/// Set makes one for each parameter, header or part, which are bounded themselves.
pub const MAX_MADE: usize = 20_000;

/// The names that rules name.
#[derive(Debug, Default, Clone)]
pub struct Names {
    numbers: HashMap<Box<[u8]>, Name, FixedState>,
    texts: Vec<Box<[u8]>>,
}

impl Names {
    /// With the ten that hold what was caught.
    #[must_use]
    pub fn new() -> Self {
        let mut names = Self::default();
        for digit in b'0'..=b'9' {
            names.number(&[digit]);
        }
        names
    }

    /// The number of a name, which gets one if it has none.
    pub fn number(&mut self, name: &[u8]) -> Name {
        let name = name.to_ascii_lowercase().into_boxed_slice();
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = Name::try_from(self.texts.len()).unwrap_or(Name::MAX);
        self.texts.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// The number of a name in lower case, if it has one.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<Name> {
        self.numbers.get(name).copied()
    }

    /// The name of a number.
    #[must_use]
    pub fn text(&self, name: Name) -> &[u8] {
        self.texts
            .get(usize::from(name))
            .map_or(b"".as_slice(), |text| text)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// All, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &[u8])> {
        (0..).zip(self.texts.iter().map(AsRef::as_ref))
    }
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Held {
    /// It does not exist.
    #[default]
    Absent,
    /// A number.
    Number(i64),
    /// A text.
    Text(Span),
}

impl Held {
    /// Whether the variable exists.
    #[must_use]
    pub const fn exists(self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// As a number: what does not begin with one is 0.
    #[must_use]
    pub fn number(self, arena: &Arena) -> i64 {
        match self {
            Self::Absent => 0,
            Self::Number(number) => number,
            Self::Text(text) => crate::operators::leading(arena.get(text)),
        }
    }
}

/// The variables of a transaction.
#[derive(Debug, Default, Clone)]
pub struct Variables {
    named: Vec<Held>,
    made: Vec<(Span, Held)>,
    /// From the hash of a name to its place in `made`, once there are many.
    places: HashMap<u64, u32, FixedState>,
    /// Whether there were more than [`MAX_MADE`].
    pub overflowed: bool,
}

impl Variables {
    /// Begins with what stands at the start of every transaction.
    pub fn begin(&mut self, start: &[Held]) {
        self.named.clear();
        self.named.extend_from_slice(start);
        self.made.clear();
        self.made.shrink_to(KEPT);
        self.places.clear();
        self.places.shrink_to(KEPT);
        self.overflowed = false;
    }

    /// What the variable of this number holds.
    #[must_use]
    pub fn get(&self, name: Name) -> Held {
        self.named
            .get(usize::from(name))
            .copied()
            .unwrap_or_default()
    }

    /// Sets the variable of this number.
    pub fn set(&mut self, name: Name, held: Held) {
        if let Some(slot) = self.named.get_mut(usize::from(name)) {
            *slot = held;
        }
    }

    /// Variables whose names were made at run time.
    #[must_use]
    pub fn made(&self) -> &[(Span, Held)] {
        &self.made
    }

    /// What the variable of a name in lower case holds, if rules do not name it.
    #[must_use]
    pub fn find_made(&self, name: &[u8], arena: &Arena) -> Held {
        self.place(name, arena)
            .and_then(|place| self.made.get(place))
            .map_or(Held::Absent, |(_, held)| *held)
    }

    fn place(&self, name: &[u8], arena: &Arena) -> Option<usize> {
        if self.made.len() <= SEARCHED {
            let same = |(text, _): &(Span, Held)| arena.get(*text) == name;
            return self.made.iter().position(same);
        }
        // Two names with one hash are as one: the second is looked for among all.
        let place = *self.places.get(&hash(name))? as usize;
        match self.made.get(place) {
            Some((text, _)) if arena.get(*text) == name => Some(place),
            _ => self
                .made
                .iter()
                .position(|(text, _)| arena.get(*text) == name),
        }
    }

    /// Sets the variable of a name in lower case that rules do not name; where its
    /// name stands, if it is there.
    pub fn set_made(&mut self, name: &[u8], held: Held, arena: &mut Arena) -> Option<Span> {
        if let Some(place) = self.place(name, arena) {
            let slot = self.made.get_mut(place)?;
            slot.1 = held;
            return Some(slot.0);
        }
        if !held.exists() {
            return None;
        }
        if self.made.len() >= MAX_MADE {
            self.overflowed = true;
            return None;
        }
        let text = arena.keep(name);
        self.made.push((text, held));
        if self.made.len() == SEARCHED + 1 {
            for (place, (text, _)) in (0..).zip(&self.made) {
                self.places.entry(hash(arena.get(*text))).or_insert(place);
            }
        } else if self.made.len() > SEARCHED {
            let place = u32::try_from(self.made.len() - 1).unwrap_or(u32::MAX);
            self.places.entry(hash(name)).or_insert(place);
        }
        Some(text)
    }
}

fn hash(name: &[u8]) -> u64 {
    use std::hash::BuildHasher;
    // Whose names collide pays with a search among at most `MAX_MADE` of them.
    FixedState::default().hash_one(name)
}
