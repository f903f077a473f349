//! The audit chain: each audit event names the hash of the one before it, so
//! that none can be changed or taken out without every later one showing it.
//!
//! An event's hash is SHA-256 over its payload exactly as it stands on disk,
//! which holds the previous hash. It is not stored: whoever reads the bytes
//! computes it, and a version that does not know all fields still can. The
//! first event of a log names the hash of 32 zero bytes. Keep the head (the
//! newest hash) elsewhere too: a chain alone does not show that its end was
//! cut off.

use std::io;
use std::path::Path;

use aws_lc_rs::digest::{digest, SHA256};

use super::filter::Filter;
use super::reader::{Reader, PAGE_MAX};
use super::schema::{Body, Class, Event};

/// A SHA-256 hash of an audit event.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash that the first audit event names as its predecessor.
    pub const GENESIS: Self = Self([0; 32]);

    /// The hash of an audit event's bytes on disk.
    #[must_use]
    pub fn of_payload(payload: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, payload).as_ref());
        Self(bytes)
    }

    /// A hash from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A hash from 64 hex digits; the empty text is [`Hash::GENESIS`].
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::GENESIS);
        }
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            // `from_str_radix` takes a sign, which is no hex digit.
            if digits.starts_with('+') {
                return None;
            }
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// 64 hex digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.0
            .iter()
            .flat_map(|byte| {
                [
                    DIGITS[usize::from(byte >> 4)],
                    DIGITS[usize::from(byte & 15)],
                ]
            })
            .map(char::from)
            .collect()
    }
}

/// A place where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// Id of the event that names another predecessor than it has.
    pub id: String,
    /// Hash of the event before it.
    pub expected: Hash,
    /// The hash that it names.
    pub found: Hash,
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Audit events read.
    pub events: u64,
    /// What the oldest one names as its predecessor; [`Hash::GENESIS`] unless
    /// older ones have been deleted.
    pub anchor: Hash,
    /// The newest one's hash: the chain's head.
    pub head: Hash,
    /// Where the chain does not hold; the first [`BREAKS_MAX`].
    pub breaks: Vec<Break>,
    /// Bytes between events that are no good frames.
    pub damaged_bytes: u64,
    /// Events that this version cannot read.
    pub unreadable: u64,
}

/// Most breaks that are told.
pub const BREAKS_MAX: usize = 100;

/// Walks a log's audit chain from the oldest event kept.
pub fn verify(dir: &Path) -> io::Result<Verified> {
    let filter = Filter {
        classes: vec![Class::Audit],
        ..Filter::default()
    };
    let mut reader = Reader::new(dir, None);
    let mut verified = Verified::default();
    loop {
        let page = reader.page(&filter, PAGE_MAX)?;
        for event in &page.events {
            verified.add(event);
        }
        verified.damaged_bytes += page.damaged_bytes;
        verified.unreadable += page.unreadable;
        if !page.more {
            return Ok(verified);
        }
    }
}

impl Verified {
    fn add(&mut self, event: &Event) {
        let Body::Audit(audit) = &event.body else {
            return;
        };
        // The reader made both texts of 32 bytes.
        let (Some(prev), Some(hash)) = (Hash::from_hex(&audit.prev), Hash::from_hex(&audit.hash))
        else {
            return;
        };
        if self.events == 0 {
            self.anchor = prev;
        } else if prev != self.head && self.breaks.len() < BREAKS_MAX {
            self.breaks.push(Break {
                id: event.id.clone(),
                expected: self.head,
                found: prev,
            });
        }
        self.head = hash;
        self.events += 1;
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}

#[cfg(test)]
mod tests;
