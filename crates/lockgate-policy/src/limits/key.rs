//! What a request is counted under: a hash of the limit and of what it counts
//! by, under a secret of the installation.
//!
//! SipHash-1-3 (Aumasson and Bernstein, 2012): who does not know the secret
//! cannot find two callers that share a counter. That two share one by chance
//! is less likely than one in thirty million among a million; they would be
//! limited together, and nobody would get more.

use aws_lc_rs::hmac;

/// What a counter is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey(pub u64);

/// The installation's secret for keys of counters. The same on every gate that
/// shares a pepper, and after a restart.
#[derive(Clone, Copy)]
pub struct Seed(u64, u64);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Seed {
    /// Made from the pepper of keys; it tells nothing of it.
    #[must_use]
    pub fn of(pepper: &hmac::Key) -> Self {
        let tag = hmac::sign(pepper, b"lockgate counters");
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&tag.as_ref()[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Self(word(0), word(8))
    }

    #[cfg(test)]
    pub(crate) const fn known(one: u64, other: u64) -> Self {
        Self(one, other)
    }

    /// Begins a key.
    #[must_use]
    pub const fn begin(self) -> Sip {
        Sip {
            v: [
                self.0 ^ 0x736f_6d65_7073_6575,
                self.1 ^ 0x646f_7261_6e64_6f6d,
                self.0 ^ 0x6c79_6765_6e65_7261,
                self.1 ^ 0x7465_6462_7974_6573,
            ],
            tail: 0,
            held: 0,
            length: 0,
        }
    }
}

/// SipHash-1-3 on its way.
#[derive(Clone)]
pub struct Sip {
    v: [u64; 4],
    tail: u64,
    held: u32,
    length: u64,
}

impl std::fmt::Debug for Sip {
    // Its state is as good as the seed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sip(..)")
    }
}

impl Sip {
    /// Takes in a part whose end is marked by its length, so that no two lists
    /// of parts read the same.
    pub fn part(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        self.bytes(bytes);
    }

    /// Takes in a number.
    pub fn word(&mut self, word: u64) {
        if self.held == 0 {
            self.length = self.length.wrapping_add(8);
            self.absorb(word);
        } else {
            self.bytes(&word.to_le_bytes());
        }
    }

    /// Takes in bytes; where they end is for the caller to mark.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        let shift = 8 * self.held;
        let mut words = bytes.chunks_exact(8);
        for chunk in &mut words {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.eight(u64::from_le_bytes(word), shift);
        }
        let rest = words.remainder();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let last = u64::from_le_bytes(last);
        let held = self.held + rest.len() as u32;
        if held < 8 {
            self.tail |= last << shift;
            self.held = held;
        } else {
            self.eight(last, shift);
            self.held = held - 8;
        }
    }

    /// Takes in eight bytes behind the `shift / 8` that are held, and holds as many again.
    fn eight(&mut self, word: u64, shift: u32) {
        self.absorb(self.tail | word << shift);
        self.tail = word.checked_shr(64 - shift).unwrap_or(0);
    }

    /// The key.
    #[must_use]
    pub fn end(mut self) -> CounterKey {
        self.absorb((self.length & 0xff) << 56 | self.tail);
        self.v[2] ^= 0xff;
        for _ in 0..3 {
            self.round();
        }
        CounterKey(self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3])
    }

    fn absorb(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.v[0] ^= word;
    }

    fn round(&mut self) {
        let [a, b, c, d] = &mut self.v;
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }
}
