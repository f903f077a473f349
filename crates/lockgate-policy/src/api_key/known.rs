//! What a gate knows of a key.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value};

use crate::limits::Quota;
use crate::{Digest, Ranges};

const HOUR_MS: u64 = 3_600_000;

/// What the gate knows of a secret, and of the key that it is one of. Small: there may be a million of them.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// The whole digest of the secret, compared in constant time.
    pub digest: Digest,
    /// The key's public id, `key_…`; it outlives its secrets.
    pub id: Arc<str>,
    /// Whose it is and what it opens; shared between the keys that agree in it.
    pub grant: Arc<Grant>,
    /// When the key ends, milliseconds since the epoch; 0 means never.
    pub expires_ms: u64,
    /// Until when a secret that was replaced still opens, milliseconds since the epoch; 0 for the current one.
    pub replaced_ms: u64,
    /// When it was last used.
    pub used: Used,
    /// Revoked keys are remembered, so that their holders are told so.
    pub revoked: bool,
    /// It opens nothing until it is resumed.
    pub suspended: bool,
}

impl KeyRecord {
    /// A key that nothing is said of but what it is known by.
    #[must_use]
    pub fn new(digest: Digest, id: &str, grant: Arc<Grant>) -> Self {
        Self {
            digest,
            id: id.into(),
            grant,
            expires_ms: 0,
            replaced_ms: 0,
            used: Used::default(),
            revoked: false,
            suspended: false,
        }
    }

    /// Whether the secret is not the key's newest.
    #[must_use]
    pub const fn is_previous(&self) -> bool {
        self.replaced_ms != 0
    }

    /// Whether it opens nothing, whoever asks for what.
    #[must_use]
    pub const fn is_shut(&self) -> bool {
        self.revoked || self.suspended
    }
}

/// Whose keys are, and what they open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Who answers for the key.
    pub owner: Arc<str>,
    /// What it opens; keys of many owners may agree in it.
    pub terms: Arc<Terms>,
}

/// What a key opens, and for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Terms {
    /// What stands in the key itself, such as `live`.
    pub environment: Box<str>,
    /// APIs that it opens; `None` means all.
    pub apis: Option<Box<[Box<str>]>>,
    /// Methods that it may be used with; `None` means all. GET brings HEAD.
    pub methods: Option<Box<[Method]>>,
    /// Networks that it may be used from; `None` means all.
    pub networks: Option<Ranges>,
    /// How much may come by it, whatever else is allowed; `None` for no bound of its own.
    pub rate: Option<Quota>,
    /// The program that has it.
    pub app: Option<Arc<str>>,
    /// What is said of its holder, as a token's claims are: its scopes. `None` where it has none.
    pub claims: Option<Arc<Map<String, Value>>>,
}

/// What is said of a key's holder, as claims.
pub const CLAIMS: [&str; 1] = ["scope"];

impl Terms {
    /// The claims of a key with these scopes, as a token has them (RFC 8693 section 4.2).
    #[must_use]
    pub fn claims(scopes: &[String]) -> Option<Arc<Map<String, Value>>> {
        let said = CLAIMS.map(|name| (name.to_owned(), Value::from(scopes.join(" "))));
        (!scopes.is_empty()).then(|| Arc::new(Map::from_iter(said)))
    }
}

/// When a key was last used, by the hour, and whether that was told. Many write it at once: a request that finds
/// its hour there already writes nothing.
#[derive(Debug, Default)]
pub struct Used(AtomicU32);

impl Used {
    /// Notes a use.
    pub fn mark(&self, now_ms: u64) {
        let hour = u32::try_from(now_ms / HOUR_MS).unwrap_or(0);
        // The lowest bit says that it was told.
        if self.0.load(Ordering::Relaxed) >> 1 < hour {
            self.0.store(hour << 1, Ordering::Relaxed);
        }
    }

    /// The hour of its last use as milliseconds since the epoch, if that was not told before.
    pub fn untold(&self) -> Option<u64> {
        let word = self.0.load(Ordering::Relaxed);
        if word == 0 || word & 1 == 1 {
            return None;
        }
        // A use of the next hour that comes between is told the next time.
        let told = self
            .0
            .compare_exchange(word, word | 1, Ordering::Relaxed, Ordering::Relaxed);
        told.ok().map(|word| u64::from(word >> 1) * HOUR_MS)
    }
}

impl Clone for Used {
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.0.load(Ordering::Relaxed)))
    }
}
