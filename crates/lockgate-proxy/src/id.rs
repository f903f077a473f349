//! Request ids: 26 characters that sort by time (the form of ULID), made
//! without a system call or an allocation.

use std::cell::Cell;

use http::HeaderValue;

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A request's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 26]);

impl RequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII.
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// The id as a header's value.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// Makes the ids of one worker: 48 bits of time, 80 of a sequence that begins
/// at random and steps at random, so that ids of several gates do not meet.
#[derive(Debug)]
pub struct Ids {
    state: Cell<u64>,
    high: u16,
}

impl Ids {
    /// Begins at `seed`, 16 bytes from the system's randomness.
    #[must_use]
    pub fn new(seed: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, ..] = seed;
        Self {
            state: Cell::new(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
            high: u16::from_le_bytes([i, j]),
        }
    }

    /// The next id, for a request at `now_ms`.
    #[must_use]
    pub fn next(&self, now_ms: u64) -> RequestId {
        let random = self.random();
        let mut value = u128::from(now_ms & 0xffff_ffff_ffff) << 80
            | u128::from(self.high) << 64
            | u128::from(random);
        let mut text = [0; 26];
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(value & 31) as usize];
            value >>= 5;
        }
        RequestId(text)
    }

    /// 24 bytes that are spread well, but not secret.
    #[must_use]
    pub fn bytes(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        for eight in bytes.chunks_exact_mut(8) {
            eight.copy_from_slice(&self.random().to_le_bytes());
        }
        bytes
    }

    /// 64 bits that are spread well, but not secret (splitmix64, Steele and others 2014).
    #[must_use]
    pub fn random(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests;
