//! Bytes that are held, and the memory that they are charged for.

use bytes::Bytes;

use crate::memory::Charge;

/// What is held; given back once nobody has a part of it any more.
struct Held {
    bytes: Vec<u8>,
    _charge: Option<Charge>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// These bytes, charged for until all of them were sent.
pub(crate) fn held(bytes: Vec<u8>, charge: Option<Charge>) -> Bytes {
    Bytes::from_owner(Held {
        bytes,
        _charge: charge,
    })
}

/// Joins what arrived in pieces.
pub(crate) fn joined(pieces: Vec<Bytes>, length: usize) -> Vec<u8> {
    let mut pieces = pieces.into_iter();
    let Some(first) = pieces.next() else {
        return Vec::new();
    };
    let mut all = Vec::from(first);
    all.reserve_exact(length.saturating_sub(all.len()));
    for piece in pieces {
        all.extend_from_slice(&piece);
    }
    all
}
