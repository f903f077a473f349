//! Sets of small numbers.

/// A set of the numbers below a bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// None of the numbers below `bound`.
    #[must_use]
    pub fn none(bound: usize) -> Self {
        Self(vec![0; bound.div_ceil(64)])
    }

    /// All of the numbers below `bound`.
    #[must_use]
    pub fn all(bound: usize) -> Self {
        let mut bits = Self::none(bound);
        for number in 0..bound {
            bits.insert(number);
        }
        bits
    }

    /// With this number too; beyond the bound nothing happens.
    pub fn insert(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number >> 6) {
            *word |= 1 << (number & 63);
        }
    }

    /// Without this number.
    pub fn remove(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number >> 6) {
            *word &= !(1 << (number & 63));
        }
    }

    /// Whether the number is in it.
    #[must_use]
    pub fn contains(&self, number: usize) -> bool {
        self.0
            .get(number >> 6)
            .is_some_and(|word| word & (1 << (number & 63)) != 0)
    }

    /// Whether no number is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many numbers are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Takes all numbers out.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Takes out the numbers that this says no to.
    pub fn retain(&mut self, keeps: &mut dyn FnMut(usize) -> bool) {
        for (at, word) in self.0.iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                if !keeps(at * 64 + bit as usize) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// Its numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                (left != 0).then(|| {
                    let bit = left.trailing_zeros() as usize;
                    left &= left - 1;
                    at * 64 + bit
                })
            })
        })
    }

    /// Takes the number in, with more room if that is needed.
    pub fn add(&mut self, number: usize) {
        if number >> 6 >= self.0.len() {
            self.0.resize((number >> 6) + 1, 0);
        }
        self.insert(number);
    }

    /// Takes all of another in.
    pub fn extend(&mut self, other: &Self) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// Is empty, with room for the numbers below `bound`.
    pub fn reset(&mut self, bound: usize) {
        self.0.clear();
        self.0.resize(bound.div_ceil(64), 0);
    }

    /// The smallest of its numbers that is not below `from`.
    #[must_use]
    pub fn next(&self, from: usize) -> Option<usize> {
        self.next_of(self, self, from)
    }

    /// The smallest of its numbers that one of two others has too and that is
    /// not below `from`.
    #[must_use]
    pub fn next_of(&self, one: &Self, other: &Self, from: usize) -> Option<usize> {
        let word = |of: &Self, at: usize| of.0.get(at).copied().unwrap_or(0);
        let mut keep = u64::MAX << (from & 63);
        for at in from >> 6..self.0.len() {
            let left = self.0[at] & (word(one, at) | word(other, at)) & keep;
            if left != 0 {
                return Some(at * 64 + left.trailing_zeros() as usize);
            }
            keep = u64::MAX;
        }
        None
    }

    /// 64 numbers to a word, the smallest in the lowest bit.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// The same, to be written.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.0
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<T: IntoIterator<Item = usize>>(numbers: T) -> Self {
        let mut bits = Self::default();
        for number in numbers {
            bits.add(number);
        }
        bits
    }
}
