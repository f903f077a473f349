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
