//! API keys, as facts tell them: found by the digest of a secret, or by the key's id.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, RwLock};

use foldhash::fast::RandomState;
use http::Method;
use lockgate_policy::api_key::Used;
use lockgate_policy::limits::Quota;
use lockgate_policy::{Digest, Grant, KeyRecord, Ranges, Terms};
use serde::{Deserialize, Serialize};

use super::{lock, read, write};

const SHARDS: usize = 64;

/// What keys without one in their fact are for.
const USUAL: &str = "live";

/// What a key opens of which nothing else is said.
#[must_use]
pub fn usual_terms() -> Arc<Terms> {
    Arc::new(Terms {
        environment: USUAL.into(),
        ..Terms::default()
    })
}

/// A key, as facts tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFact {
    /// Public id.
    pub id: String,
    /// HMAC-SHA256 of its secret, hexadecimal.
    pub digest: String,
    /// Who answers for it.
    pub owner: String,
    /// What stands in the key itself.
    #[serde(default)]
    pub environment: Option<String>,
    /// APIs it opens; none means all.
    #[serde(default)]
    pub apis: Option<Vec<String>>,
    /// Methods that it may be used with; none means all.
    #[serde(default)]
    pub methods: Option<Vec<String>>,
    /// Networks that it may be used from; none means all.
    #[serde(default)]
    pub networks: Option<Vec<String>>,
    /// What its holder may do, as a token's `scope` says it.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The program that has it.
    #[serde(default)]
    pub app: Option<String>,
    /// How much may come by it; none means as much as others allow.
    #[serde(default)]
    pub rate: Option<RateFact>,
    /// Milliseconds since the epoch.
    #[serde(default)]
    pub expires_ms: Option<u64>,
    /// Revoked already; a replacement tells it so.
    #[serde(default)]
    pub revoked: bool,
    /// It opens nothing until it is resumed.
    #[serde(default)]
    pub suspended: bool,
    /// The secret that it had before.
    #[serde(default)]
    pub previous: Option<PreviousFact>,
}

/// `allow` in each `per_ms`, and `burst` of them at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateFact {
    /// How many.
    pub allow: u64,
    /// In how many milliseconds.
    pub per_ms: u64,
    /// How many at once.
    pub burst: u64,
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousFact {
    /// HMAC-SHA256 of it, hexadecimal.
    pub digest: String,
    /// Until when it still opens, milliseconds since the epoch.
    pub until_ms: u64,
}

/// When a key was last used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// Public id.
    pub id: Arc<str>,
    /// The hour, milliseconds since the epoch.
    pub at_ms: u64,
    /// Whether it was the secret before the newest.
    pub previous: bool,
}

impl KeyFact {
    /// What JSON alone does not tell.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let before = self.previous.as_ref().map(|before| &before.digest);
        let wrong = |digest: &&String| Digest::from_hex(digest).is_none();
        if [Some(&self.digest), before].iter().flatten().any(wrong) {
            return Err(format!(
                "a digest of {} is not 64 hexadecimal digits",
                self.id
            ));
        }
        match self.terms() {
            Ok(_) => Ok(()),
            Err(cause) => Err(format!("{}: {cause}", self.id)),
        }
    }

    /// What it opens, and for whom.
    ///
    /// # Errors
    /// If what it says is no network, or no method.
    pub fn terms(&self) -> Result<Terms, String> {
        let methods = self.methods.as_ref().map(|methods| {
            let method = |name: &String| {
                let method = Method::from_bytes(name.as_bytes());
                method.map_err(|_| format!("`{name}` is not a method"))
            };
            methods.iter().map(method).collect::<Result<_, _>>()
        });
        let networks = self.networks.as_ref().map(|networks| {
            let read = Ranges::new(networks);
            read.map_err(|(_, message)| message)
        });
        let rate = self.rate.map(|rate| {
            let per_ns = rate.per_ms.saturating_mul(1_000_000);
            let quota = Quota::new(rate.allow, per_ns, rate.burst);
            quota.ok_or("its rate is none that can be counted")
        });
        let apis = self.apis.as_ref();
        Ok(Terms {
            environment: self.environment.as_deref().unwrap_or(USUAL).into(),
            apis: apis.map(|apis| apis.iter().map(|api| api.as_str().into()).collect()),
            methods: methods.transpose()?,
            networks: networks.transpose()?,
            rate: rate.transpose()?,
            claims: self.scopes.as_deref().and_then(Terms::claims),
            app: self.app.as_deref().map(Into::into),
        })
    }
}

/// All keys. The two tables hold one pointer for each, and what keys have in
/// common is there once: `tests/key_cost.rs` says what that comes to.
#[derive(Debug, Default)]
pub(super) struct Keys {
    shards: Vec<RwLock<HashSet<ByDigest, RandomState>>>,
    ids: Mutex<HashSet<ById, RandomState>>,
    /// Secrets before the newest, of the few keys that have one.
    previous: Mutex<HashMap<Arc<str>, Digest, RandomState>>,
    grants: Mutex<HashSet<Arc<Grant>, RandomState>>,
    terms: Mutex<HashSet<Arc<Terms>, RandomState>>,
}

/// A secret, found by the beginning of its digest.
#[derive(Debug)]
struct ByDigest(Arc<KeyRecord>);

/// A key with its newest secret, found by its id.
#[derive(Debug)]
struct ById(Arc<KeyRecord>);

impl Keys {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            ..Self::default()
        }
    }

    /// How many there are, by their ids.
    pub(super) fn len(&self) -> usize {
        lock(&self.ids).len()
    }

    /// The record of the secret with this digest.
    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<KeyRecord>> {
        let shard = read(self.shard(digest));
        shard
            .get(place(digest))
            .map(|ByDigest(key)| Arc::clone(key))
    }

    fn shard(&self, digest: &Digest) -> &RwLock<HashSet<ByDigest, RandomState>> {
        &self.shards[usize::from(digest.0[0]) % SHARDS]
    }

    pub(super) fn put(&self, key: &KeyFact) {
        // What cannot be read was refused before; the gate's own log may hold another version's.
        let (Some(digest), Ok(terms)) = (Digest::from_hex(&key.digest), key.terms()) else {
            return;
        };
        let grant = Grant {
            owner: key.owner.as_str().into(),
            terms: once(&self.terms, terms),
        };
        let before = key.previous.as_ref();
        let before =
            before.and_then(|before| Some((Digest::from_hex(&before.digest)?, before.until_ms)));
        let record = KeyRecord {
            expires_ms: key.expires_ms.unwrap_or(0),
            revoked: key.revoked,
            suspended: key.suspended,
            ..KeyRecord::new(digest, &key.id, once(&self.grants, grant))
        };
        self.set(record, before);
    }

    /// Also one that is not known any more.
    pub(super) fn is_shut(&self, id: &str) -> bool {
        let ids = lock(&self.ids);
        ids.get(id).is_none_or(|ById(key)| key.is_shut())
    }

    pub(super) fn revoke(&self, id: &str) {
        let known = lock(&self.ids).get(id).map(|ById(key)| Arc::clone(key));
        if let Some(known) = known {
            let before = lock(&self.previous).get(id).copied();
            let before = before.and_then(|digest| Some((digest, self.get(&digest)?.replaced_ms)));
            let mut record = KeyRecord::clone(&known);
            record.revoked = true;
            self.set(record, before);
        }
    }

    /// Puts a key in the tables, with the secret that it had before. Whoever
    /// holds a record from before keeps it as it was.
    fn set(&self, mut key: KeyRecord, before: Option<(Digest, u64)>) {
        if let Some(same) = self.get(&key.digest) {
            key.used = same.used.clone();
        }
        let key = Arc::new(key);
        let was = lock(&self.ids).replace(ById(Arc::clone(&key)));
        let mut stays = [Some(key.digest), None];
        if let Some((digest, until_ms)) = before {
            let mut old = KeyRecord::clone(&key);
            old.digest = digest;
            old.used = self
                .get(&digest)
                .map_or_else(Used::default, |old| old.used.clone());
            // Not 0, which is the newest secret's.
            old.replaced_ms = until_ms.max(1);
            stays[1] = Some(digest);
            write(self.shard(&digest)).replace(ByDigest(Arc::new(old)));
        }
        write(self.shard(&key.digest)).replace(ByDigest(Arc::clone(&key)));
        let mut previous = lock(&self.previous);
        let had = match before {
            Some((digest, _)) => previous.insert(Arc::clone(&key.id), digest),
            None if previous.is_empty() => None,
            None => previous.remove(&*key.id),
        };
        drop(previous);
        // A secret that belongs to it no more opens nothing.
        let had = [was.map(|ById(old)| old.digest), had];
        for gone in had.into_iter().flatten() {
            if !stays.contains(&Some(gone)) {
                write(self.shard(&gone)).remove(place(&gone));
            }
        }
    }

    pub(super) fn uses(&self, most: usize) -> Vec<KeyUse> {
        let mut uses = Vec::new();
        for shard in &self.shards {
            let shard = read(shard);
            let told = shard.iter().filter_map(|ByDigest(key)| {
                Some(KeyUse {
                    at_ms: key.used.untold()?,
                    id: Arc::clone(&key.id),
                    previous: key.is_previous(),
                })
            });
            let left = most - uses.len();
            uses.extend(told.take(left));
            if uses.len() == most {
                break;
            }
        }
        uses
    }
}

/// The one of a set that is the same, put there if need be.
fn once<T: Eq + Hash>(known: &Mutex<HashSet<Arc<T>, RandomState>>, new: T) -> Arc<T> {
    let mut known = lock(known);
    if let Some(same) = known.get(&new) {
        return Arc::clone(same);
    }
    let new = Arc::new(new);
    known.insert(Arc::clone(&new));
    new
}

/// The part of a digest that finds a key.
fn place(digest: &Digest) -> &[u8] {
    &digest.0[..8]
}

impl Borrow<[u8]> for ByDigest {
    fn borrow(&self) -> &[u8] {
        place(&self.0.digest)
    }
}

impl Hash for ByDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        place(&self.0.digest).hash(state);
    }
}

impl PartialEq for ByDigest {
    fn eq(&self, other: &Self) -> bool {
        place(&self.0.digest) == place(&other.0.digest)
    }
}

impl Eq for ByDigest {}

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        &self.0.id
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}
