//! Sets of bytes, and buffers of a request's bytes.

/// A set of bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// No byte.
    pub const NONE: Self = Self([0; 4]);
    /// Every byte.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// The bytes of `text`.
    #[must_use]
    pub const fn of(text: &[u8]) -> Self {
        let mut set = Self::NONE;
        let mut at = 0;
        while at < text.len() {
            set.0[(text[at] >> 6) as usize] |= 1 << (text[at] & 63);
            at += 1;
        }
        set
    }

    /// The bytes from `first` to `last`, both of them.
    #[must_use]
    pub const fn range(first: u8, last: u8) -> Self {
        let mut set = Self::NONE;
        let mut byte = first as usize;
        while byte <= last as usize {
            set.0[byte >> 6] |= 1 << (byte & 63);
            byte += 1;
        }
        set
    }

    /// With this byte too.
    pub fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// Without this byte.
    pub fn remove(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] &= !(1 << (byte & 63));
    }

    /// Whether the byte is in it.
    #[must_use]
    pub const fn contains(&self, byte: u8) -> bool {
        self.0[(byte >> 6) as usize] & (1 << (byte & 63)) != 0
    }

    /// Whether any byte is in both.
    #[must_use]
    pub const fn meets(&self, other: &Self) -> bool {
        (self.0[0] & other.0[0]) | (self.0[1] & other.0[1]) != 0
            || (self.0[2] & other.0[2]) | (self.0[3] & other.0[3]) != 0
    }

    /// Whether all of its bytes are in the other.
    #[must_use]
    pub const fn within(&self, other: &Self) -> bool {
        (self.0[0] & !other.0[0]) | (self.0[1] & !other.0[1]) == 0
            && (self.0[2] & !other.0[2]) | (self.0[3] & !other.0[3]) == 0
    }

    /// The bytes of either.
    #[must_use]
    pub const fn union(&self, other: &Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        Self([a[0] | b[0], a[1] | b[1], a[2] | b[2], a[3] | b[3]])
    }

    /// The bytes of both.
    #[must_use]
    pub const fn intersection(&self, other: &Self) -> Self {
        let (a, b) = (&self.0, &other.0);
        Self([a[0] & b[0], a[1] & b[1], a[2] & b[2], a[3] & b[3]])
    }

    /// Every other byte.
    #[must_use]
    pub const fn complement(&self) -> Self {
        Self([!self.0[0], !self.0[1], !self.0[2], !self.0[3]])
    }

    /// With lower case ASCII letters in place of upper case ones.
    #[must_use]
    pub const fn lowered(&self) -> Self {
        const UPPER: u64 = 0x07ff_fffe;
        let letters = self.0[1];
        Self([
            self.0[0],
            (letters & !UPPER) | (letters & UPPER) << 32,
            self.0[2],
            self.0[3],
        ])
    }

    /// A bit for each byte, the smallest in the lowest bit of the first word.
    #[must_use]
    pub const fn from_words(words: [u64; 4]) -> Self {
        Self(words)
    }

    /// The same words as of [`ByteSet::from_words`].
    #[must_use]
    pub const fn words(&self) -> [u64; 4] {
        self.0
    }

    /// Whether no byte is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0[0] | self.0[1] | self.0[2] | self.0[3] == 0
    }

    /// How many bytes are in it.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.0[0].count_ones()
            + self.0[1].count_ones()
            + self.0[2].count_ones()
            + self.0[3].count_ones()
    }

    /// Its bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|byte| self.contains(*byte))
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: Vec<u8> = self.iter().collect();
        write!(f, "ByteSet({:?})", String::from_utf8_lossy(&bytes))
    }
}

/// Where some bytes stand in a transaction's [`Arena`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first.
    pub at: u32,
    /// How many.
    pub len: u32,
}

impl Span {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// The bytes of one transaction: what came, and what transformations made of
/// it. It only grows, and is emptied for the next; nothing else allocates.
#[derive(Debug, Default)]
pub struct Arena {
    bytes: Vec<u8>,
}

impl Arena {
    /// Keeps a copy.
    pub fn keep(&mut self, bytes: &[u8]) -> Span {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.since(at)
    }

    /// What stands there.
    #[must_use]
    pub fn get(&self, span: Span) -> &[u8] {
        let at = span.at as usize;
        self.bytes
            .get(at..at + span.len as usize)
            .unwrap_or_default()
    }

    /// How many bytes it holds: where the next will stand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was added since it held `at` bytes. Its caller bounds what is added:
    /// a transaction holds less than 4 GiB.
    #[must_use]
    pub fn since(&self, at: usize) -> Span {
        Span {
            at: u32::try_from(at).unwrap_or(u32::MAX),
            len: u32::try_from(self.bytes.len().saturating_sub(at)).unwrap_or(0),
        }
    }

    /// Takes back what was added since it held `at` bytes.
    pub fn cut(&mut self, at: usize) {
        self.bytes.truncate(at);
    }

    /// Its bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Forgets everything, and keeps at most `most` bytes of room.
    pub fn clear(&mut self, most: usize) {
        self.bytes.clear();
        if self.bytes.capacity() > most {
            self.bytes.shrink_to(most);
        }
    }

    /// To write at its end.
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}
