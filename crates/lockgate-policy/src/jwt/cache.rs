//! Tokens that were verified, by their SHA-256: most are sent many times, and
//! their signature costs more than everything else of a request together.
//!
//! One for the process, sharded by token. What is found here was the result of a
//! pure function of what [`Memo`] names, so a changed rule or key finds nothing.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use aws_lc_rs::digest::{digest, SHA256};

use crate::Identity;

/// Parts with a lock of their own.
const SHARDS: usize = 64;
/// Memory that all may take, bytes by [`weight`]: some ten thousand tokens of common size.
const BYTES: usize = 32 * 1024 * 1024;

/// What a verified token is remembered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memo {
    /// SHA-256 of the token.
    pub token: [u8; 32],
    /// The issuer's rules.
    pub rules: u64,
    /// The issuer's keys.
    pub keys: u64,
}

impl Memo {
    /// What a credential is remembered by that no issuer's keys belong to.
    #[must_use]
    pub fn of(credential: &[u8], rules: u64) -> Self {
        let mut token = [0; 32];
        token.copy_from_slice(digest(&SHA256, credential).as_ref());
        Self {
            token,
            rules,
            keys: 0,
        }
    }
}

/// What was found out.
#[derive(Debug, Clone)]
pub struct Remembered<V = Identity> {
    /// Who calls, or what else it was.
    pub value: V,
    /// From when on it no longer holds, milliseconds since the epoch.
    pub until_ms: u64,
    /// The number of what was revoked by then, under which it was found to hold.
    pub checked: u64,
}

/// How the cache has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Tokens remembered.
    pub tokens: u64,
    /// Looked for and found.
    pub hits: u64,
    /// Looked for and not found.
    pub misses: u64,
}

/// All verified tokens of a process, or others that something was found out about.
#[derive(Debug)]
pub struct TokenCache<V = Identity> {
    shards: Vec<Shard<V>>,
    /// Memory that a shard may take.
    most: usize,
}

#[derive(Debug)]
struct Shard<V> {
    kept: RwLock<Kept<V>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Debug)]
struct Kept<V> {
    tokens: HashMap<[u8; 32], Entry<V>, BuildHasherDefault<Already>>,
    /// Oldest first; the first to go, unless it was found since it was last looked at.
    order: VecDeque<[u8; 32]>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<V> {
    memo: Memo,
    value: V,
    until_ms: u64,
    checked: AtomicU64,
    used: AtomicBool,
    weight: usize,
}

impl<V> Default for TokenCache<V> {
    fn default() -> Self {
        Self::bounded(BYTES)
    }
}

impl<V> TokenCache<V> {
    /// With room for so many bytes, by the weights that are told.
    #[must_use]
    pub fn bounded(bytes: usize) -> Self {
        let shard = || Shard {
            kept: RwLock::new(Kept {
                tokens: HashMap::default(),
                order: VecDeque::new(),
                bytes: 0,
            }),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            most: bytes / SHARDS,
        }
    }
}

impl<V: Clone> TokenCache<V> {
    /// What is known of a token under these rules and keys.
    #[must_use]
    pub fn find(&self, memo: &Memo) -> Option<Remembered<V>> {
        let shard = self.shard(memo);
        let kept = shard.kept.read().unwrap_or_else(PoisonError::into_inner);
        let entry = kept.tokens.get(&memo.token);
        let found = entry.filter(|entry| entry.memo == *memo).map(|entry| {
            // Written seldom: a line of memory that all cores write goes from one to the next.
            if !entry.used.load(Ordering::Relaxed) {
                entry.used.store(true, Ordering::Relaxed);
            }
            Remembered {
                value: entry.value.clone(),
                until_ms: entry.until_ms,
                checked: entry.checked.load(Ordering::Relaxed),
            }
        });
        let count = if found.is_some() {
            &shard.hits
        } else {
            &shard.misses
        };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Remembers a token of that weight. What has expired goes first, then what was not used for longest.
    pub fn keep(&self, memo: Memo, known: &Remembered<V>, weight: usize, now_ms: u64) {
        let entry = Entry {
            memo,
            value: known.value.clone(),
            until_ms: known.until_ms,
            checked: AtomicU64::new(known.checked),
            used: AtomicBool::new(false),
            weight,
        };
        let shard = self.shard(&memo);
        let mut kept = shard.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.insert(entry, self.most, now_ms);
    }

    /// Forgets a token.
    pub fn forget(&self, memo: &Memo) {
        let shard = self.shard(memo);
        let known = |kept: &Kept<V>| kept.tokens.contains_key(&memo.token);
        if known(&shard.kept.read().unwrap_or_else(PoisonError::into_inner)) {
            let mut kept = shard.kept.write().unwrap_or_else(PoisonError::into_inner);
            kept.drop_where(|entry| entry.memo.token == memo.token);
        }
    }

    /// Notes that a token was found to hold under what was revoked by `checked`.
    pub fn checked(&self, memo: &Memo, checked: u64) {
        let shard = self.shard(memo);
        let kept = shard.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kept.tokens.get(&memo.token) {
            if entry.memo == *memo {
                entry.checked.store(checked, Ordering::Relaxed);
            }
        }
    }

    /// How it has done.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        let mut counts = CacheCounts::default();
        for shard in &self.shards {
            let kept = shard.kept.read().unwrap_or_else(PoisonError::into_inner);
            counts.tokens += kept.tokens.len() as u64;
            counts.hits += shard.hits.load(Ordering::Relaxed);
            counts.misses += shard.misses.load(Ordering::Relaxed);
        }
        counts
    }

    fn shard(&self, memo: &Memo) -> &Shard<V> {
        &self.shards[usize::from(memo.token[0]) % SHARDS]
    }
}

impl<V> Kept<V> {
    fn insert(&mut self, entry: Entry<V>, most: usize, now_ms: u64) {
        if entry.weight > most {
            return;
        }
        if self.bytes + entry.weight > most {
            self.drop_where(|entry| entry.until_ms <= now_ms);
        }
        while self.bytes + entry.weight > most {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            let known = self.tokens.get(&oldest);
            // Once round at most: nobody uses any while this is held.
            if known.is_some_and(|entry| entry.used.swap(false, Ordering::Relaxed)) {
                self.order.push_back(oldest);
                continue;
            }
            if let Some(gone) = self.tokens.remove(&oldest) {
                self.bytes -= gone.weight;
            }
        }
        let token = entry.memo.token;
        self.bytes += entry.weight;
        match self.tokens.insert(token, entry) {
            Some(before) => self.bytes -= before.weight,
            None => self.order.push_back(token),
        }
    }

    fn drop_where(&mut self, gone: impl Fn(&Entry<V>) -> bool) {
        let Self {
            tokens,
            order,
            bytes,
        } = self;
        tokens.retain(|_, entry| {
            let stays = !gone(entry);
            if !stays {
                *bytes -= entry.weight;
            }
            stays
        });
        order.retain(|token| tokens.contains_key(token));
    }
}

/// What a token takes: its claims as a tree are some four times as large as its text.
pub fn weight(length: usize) -> usize {
    512 + 4 * length
}

/// A SHA-256 is as random as any hash of it.
#[derive(Debug, Default)]
pub(crate) struct Already(u64);

impl Hasher for Already {
    fn write(&mut self, bytes: &[u8]) {
        // Not the first bytes, which chose the shard. Arrays also write their length; that is no hash.
        if let Some(eight) = bytes.get(8..16).and_then(|part| part.try_into().ok()) {
            self.0 = u64::from_le_bytes(eight);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
