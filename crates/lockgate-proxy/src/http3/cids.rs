//! Connection IDs that say which endpoint of which process they belong to, to
//! who has the key, and nothing to anybody else.

use std::sync::Arc;

use aws_lc_rs::cipher::{
    DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey, AES_128,
};
use aws_lc_rs::rand;
use quinn::{ConnectionId, ConnectionIdGenerator};
use quinn_proto::InvalidCid;

/// Bytes of a connection ID: one block of AES. RFC 9000 allows 20.
pub const LENGTH: usize = 16;
/// What every one of ours holds once it is opened: one in 65,536 of others' does.
const MARK: u16 = 0x6c67;

/// To whom a connection belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The process, by a number that it drew.
    pub process: u32,
    /// Its endpoint: one of a worker on an address.
    pub endpoint: u16,
}

/// Closes and opens connection IDs.
#[derive(Debug)]
pub struct Keys {
    close: EncryptingKey,
    open: DecryptingKey,
}

impl Keys {
    /// Keys made of 16 secret bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        // One block each, of which half is random: the mode does not matter.
        let key = || UnboundCipherKey::new(&AES_128, secret);
        Some(Self {
            close: EncryptingKey::ecb(key().ok()?).ok()?,
            open: DecryptingKey::ecb(key().ok()?).ok()?,
        })
    }

    /// Whose connection ID this is; `None` if it is none of ours.
    #[must_use]
    pub fn owner(&self, id: &[u8]) -> Option<Owner> {
        let mut block: [u8; LENGTH] = id.try_into().ok()?;
        self.open
            .decrypt(&mut block, DecryptionContext::None)
            .ok()?;
        let [p0, p1, p2, p3, w0, w1, m0, m1, ..] = block;
        (u16::from_be_bytes([m0, m1]) == MARK).then_some(Owner {
            process: u32::from_be_bytes([p0, p1, p2, p3]),
            endpoint: u16::from_be_bytes([w0, w1]),
        })
    }

    fn id(&self, owner: Owner) -> [u8; LENGTH] {
        let mut block = [0; LENGTH];
        let (said, random) = block.split_at_mut(LENGTH / 2);
        said[..4].copy_from_slice(&owner.process.to_be_bytes());
        said[4..6].copy_from_slice(&owner.endpoint.to_be_bytes());
        said[6..].copy_from_slice(&MARK.to_be_bytes());
        // Where there is no randomness the IDs are the same, and a handshake fails on them.
        let _ = rand::fill(random);
        let _ = self.close.encrypt(&mut block);
        block
    }
}

/// Makes the connection IDs of one endpoint.
#[derive(Debug)]
pub struct Generator {
    keys: Arc<Keys>,
    owner: Owner,
}

impl Generator {
    /// Those of `owner`.
    #[must_use]
    pub const fn new(keys: Arc<Keys>, owner: Owner) -> Self {
        Self { keys, owner }
    }
}

impl ConnectionIdGenerator for Generator {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&self.keys.id(self.owner))
    }

    /// One of a process that is gone is told that its connection is, too.
    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        self.keys.owner(id).map(|_| ()).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        LENGTH
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// The destination's connection ID in a packet (RFC 8999); `None` if it has none
/// of our length.
#[must_use]
pub fn destination(packet: &[u8]) -> Option<&[u8]> {
    match packet {
        [first, _, _, _, _, length, rest @ ..] if first & 0x80 != 0 => (usize::from(*length)
            == LENGTH)
            .then(|| rest.get(..LENGTH))
            .flatten(),
        [first, rest @ ..] if first & 0x80 == 0 => rest.get(..LENGTH),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
