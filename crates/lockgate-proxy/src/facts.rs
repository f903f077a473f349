//! What changes every moment: keys and revocations, from the control process.
//!
//! One store for the process, sharded by key, so that a fact counts on every
//! worker at once. Each fact is written to a log of the gate's own, so that a
//! gate starts with what it last knew.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use lockgate_policy::apps::Apps;
use lockgate_policy::jwt::{self, Meant, Revoked};
use lockgate_policy::{
    api_key, basic, introspection, session, Digest, Identity, IssuerFacts, KeyRecord,
};
use serde::{Deserialize, Serialize};

mod apps;
mod key_sets;
mod keys;
mod log;

pub use apps::AppFact;
pub use key_sets::KeySetFact;
pub use keys::{usual_terms, KeyFact, KeyUse, PreviousFact, RateFact};

use key_sets::KeySets;
use keys::Keys;
use log::Log;

/// A fact, as the control process sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its place in the log; strictly grows.
    pub seq: u64,
    /// When the control process accepted it, milliseconds since the epoch.
    pub at_ms: u64,
    /// What it says.
    #[serde(flatten)]
    pub change: Change,
}

impl Fact {
    /// What JSON alone does not tell.
    fn check(&self) -> Result<(), FactError> {
        match &self.change {
            Change::KeyPut { key } => key.check().map_err(FactError::Malformed),
            Change::AppPut { app } => app.check().map_err(FactError::Malformed),
            Change::KeySetPut { keyset } => match keyset.read() {
                Ok(_) => Ok(()),
                Err(cause) => Err(FactError::Malformed(cause)),
            },
            _ => Ok(()),
        }
    }
}

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Change {
    /// A key was made or changed.
    #[serde(rename = "key.put")]
    KeyPut {
        /// The key.
        key: KeyFact,
    },
    /// A key was revoked.
    #[serde(rename = "key.revoke")]
    KeyRevoke {
        /// Its public id.
        id: String,
    },
    /// An issuer's keys were fetched, and are not what they were.
    #[serde(rename = "keyset.put")]
    KeySetPut {
        /// The keys.
        keyset: KeySetFact,
    },
    /// An issuer's keys were fetched, and are what they were.
    #[serde(rename = "keyset.confirm")]
    KeySetConfirm {
        /// The issuer's name.
        issuer: String,
        /// From where they are.
        source: String,
        /// When, milliseconds since the epoch.
        confirmed_ms: u64,
    },
    /// The configuration has no such issuer any more.
    #[serde(rename = "keyset.forget")]
    KeySetForget {
        /// Its name.
        issuer: String,
    },
    /// Tokens were revoked.
    #[serde(rename = "token.revoke")]
    TokenRevoke {
        /// Which are meant.
        #[serde(flatten)]
        meant: Meant,
        /// Those that were issued until then, milliseconds since the epoch; none means ever.
        #[serde(default)]
        before_ms: Option<u64>,
        /// From when on there can be none left, milliseconds since the epoch.
        #[serde(default)]
        until_ms: Option<u64>,
    },
    /// A revocation of tokens was taken back.
    #[serde(rename = "token.restore")]
    TokenRestore {
        /// Which were meant.
        #[serde(flatten)]
        meant: Meant,
    },
    /// A program was registered or changed.
    #[serde(rename = "app.put")]
    AppPut {
        /// The program.
        app: AppFact,
    },
    /// There is no such program any more.
    #[serde(rename = "app.forget")]
    AppForget {
        /// Its name.
        id: String,
    },
    /// What follows, up to `reset.end`, replaces all that is known, at once.
    #[serde(rename = "reset.begin")]
    ResetBegin,
    /// The end of a replacement.
    #[serde(rename = "reset.end")]
    ResetEnd,
}

impl Change {
    /// Whether somebody may be shut out by it who was let in before.
    const fn shuts(&self) -> bool {
        match self {
            Self::KeyPut { key } => key.revoked || key.suspended,
            Self::KeyRevoke { .. }
            | Self::TokenRevoke { .. }
            | Self::AppPut { .. }
            | Self::AppForget { .. }
            | Self::ResetEnd => true,
            _ => false,
        }
    }
}

/// A fact that could not be taken.
#[derive(Debug)]
pub enum FactError {
    /// It is not the JSON of a fact.
    Malformed(String),
    /// It could not be written down.
    Log(std::io::Error),
}

impl std::fmt::Display for FactError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(cause) => write!(f, "this is no fact: {cause}"),
            Self::Log(cause) => write!(
                f,
                "the fact could not be written to the gate's log: {cause}"
            ),
        }
    }
}

impl std::error::Error for FactError {}

/// All facts of a process.
#[derive(Debug)]
pub struct FactStore {
    keys: RwLock<Arc<Keys>>,
    key_sets: KeySets,
    revoked: RwLock<Arc<Revoked>>,
    apps: RwLock<Arc<Apps>>,
    apply: Mutex<Apply>,
    seq: AtomicU64,
    heard_ms: AtomicU64,
    /// How often somebody may have been shut out.
    shut: AtomicU64,
}

/// A replacement on its way. All its facts have one number; another number
/// means that it was broken off.
#[derive(Debug)]
struct Staged {
    seq: u64,
    keys: Arc<Keys>,
    key_sets: KeySets,
    revoked: Arc<Revoked>,
    apps: Arc<Apps>,
}

#[derive(Debug, Default)]
struct Apply {
    log: Option<Log>,
    /// What a replacement has told so far.
    staged: Option<Staged>,
    /// Facts that came while the log is another gate's.
    owed: Option<Vec<Box<[u8]>>>,
}

impl FactStore {
    /// A store that keeps nothing on disk; for the offline engine and for tests.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            keys: RwLock::new(Arc::new(Keys::new())),
            key_sets: KeySets::default(),
            revoked: RwLock::default(),
            apps: RwLock::default(),
            apply: Mutex::default(),
            seq: AtomicU64::new(0),
            heard_ms: AtomicU64::new(0),
            shut: AtomicU64::new(0),
        }
    }

    /// A store that begins with what `path` holds, and writes further facts to it.
    ///
    /// # Errors
    /// If the file cannot be opened or read.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let store = Self::in_memory();
        let log = Log::open(path, |bytes| {
            // What the gate wrote itself it can read; a newer version's fact is passed over.
            if let Ok(fact) = serde_json::from_slice(bytes) {
                store.take(&fact, &mut lock(&store.apply).staged);
            }
        })?;
        let mut apply = lock(&store.apply);
        // A replacement without an end was broken off: it counts for nothing.
        apply.staged = None;
        // Facts are as old after a restart as before; damaged ones are not believed.
        let heard_ms = if log.torn == 0 { log.touched_ms } else { 0 };
        store.heard_ms.store(heard_ms, Ordering::Relaxed);
        apply.log = Some(log);
        drop(apply);
        Ok(store)
    }

    /// Applies facts, each the JSON of a [`Fact`]; those already known are passed over.
    ///
    /// # Errors
    /// The first fact that is none, or cannot be written down; the ones before it hold.
    pub fn apply<B: AsRef<[u8]>>(&self, facts: &[B]) -> Result<u64, FactError> {
        let mut apply = lock(&self.apply);
        let Apply { log, staged, owed } = &mut *apply;
        for bytes in facts {
            let fact: Fact = serde_json::from_slice(bytes.as_ref())
                .map_err(|error| FactError::Malformed(error.to_string()))?;
            fact.check()?;
            let staged_now = staged.as_ref().is_some_and(|staged| staged.seq == fact.seq);
            let again =
                fact.seq <= self.sequence() && !staged_now && fact.change != Change::ResetBegin;
            if again {
                continue;
            }
            if let Some(log) = log {
                log.append(bytes.as_ref()).map_err(FactError::Log)?;
            }
            if let Some(owed) = owed {
                owed.push(bytes.as_ref().into());
            }
            self.take(&fact, staged);
        }
        // Whoever is told that a revocation is applied may rely on it after a power cut.
        if let Some(log) = log {
            log.sync().map_err(FactError::Log)?;
        }
        Ok(self.sequence())
    }

    /// Lets go of the log: another gate is about to write it. What comes meanwhile counts, and is kept
    /// in memory until [`Self::attach`]; the control process sends a few seconds' worth at most.
    pub fn detach(&self) {
        let mut apply = lock(&self.apply);
        if apply.log.take().is_some() {
            apply.owed = Some(Vec::new());
        }
    }

    /// Takes the log back, and writes down what came meanwhile.
    ///
    /// # Errors
    /// If it cannot be opened or written; then it is still owed.
    pub fn attach(&self, path: &Path) -> std::io::Result<()> {
        let mut apply = lock(&self.apply);
        let Some(owed) = &apply.owed else {
            return Ok(());
        };
        let mut log = Log::open(path, |_| {})?;
        for fact in owed {
            log.append(fact)?;
        }
        log.sync()?;
        apply.log = Some(log);
        apply.owed = None;
        Ok(())
    }

    /// Forgets what is owed to the log: the gate that has it is told by itself.
    pub fn leave_log(&self) {
        lock(&self.apply).owed = None;
    }

    /// Bytes of damaged facts that were cut off when the log was opened: later
    /// facts, revocations too, may be missing until the control process sends them.
    #[must_use]
    pub fn torn(&self) -> u64 {
        lock(&self.apply).log.as_ref().map_or(0, |log| log.torn)
    }

    /// The last fact's place in the log.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    /// Notes that the control process was heard of at `now_ms`, for the next
    /// start too; a disk that refuses makes the next start believe less.
    pub fn heard(&self, now_ms: u64) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
        if let Some(log) = &lock(&self.apply).log {
            let _ = log.touch();
        }
    }

    /// When the control process was last heard of, milliseconds since the epoch.
    #[must_use]
    pub fn heard_ms(&self) -> u64 {
        self.heard_ms.load(Ordering::Relaxed)
    }

    /// The record of the key with this digest. Part of the digest finds it: the
    /// caller compares the whole.
    #[must_use]
    pub fn key(&self, digest: &Digest) -> Option<Arc<KeyRecord>> {
        read(&self.keys).get(digest)
    }

    /// Up to `most` keys whose last use is told now for the first time.
    #[must_use]
    pub fn uses(&self, most: usize) -> Vec<KeyUse> {
        // A million keys are looked through: nobody who puts one waits for that.
        let keys = Arc::clone(&read(&self.keys));
        keys.uses(most)
    }

    /// What is known of the issuer of this name.
    #[must_use]
    pub fn issuer(&self, name: &str) -> IssuerFacts {
        IssuerFacts {
            keys: self.key_sets.of(name),
            revoked: Arc::clone(&read(&self.revoked)),
        }
    }

    /// What is known of programs.
    #[must_use]
    pub fn apps(&self) -> Arc<Apps> {
        Arc::clone(&read(&self.apps))
    }

    /// Another number whenever somebody may have been shut out who was let in before.
    #[must_use]
    pub fn shut(&self) -> u64 {
        self.shut.load(Ordering::Acquire)
    }

    /// Whether the credential of somebody who was let in was revoked since.
    #[must_use]
    pub fn shuts_out(&self, identity: &Identity, now_ms: u64) -> bool {
        let stopped = |app: &Arc<str>| read(&self.apps).is_stopped(app);
        if identity.app.as_ref().is_some_and(stopped) {
            return true;
        }
        match identity.proved_by {
            api_key::NAME => read(&self.keys).is_shut(&identity.credential),
            jwt::NAME | introspection::NAME | basic::NAME | session::NAME => {
                let claims = identity.claims.as_deref();
                let issuer = claims.and_then(|claims| claims.get("iss")?.as_str());
                let meant = claims.zip(issuer).and_then(|(claims, issuer)| {
                    read(&self.revoked).refuses(issuer, claims, now_ms)
                });
                meant.is_some()
            }
            _ => false,
        }
    }

    /// How many revocations of tokens are known.
    #[must_use]
    pub fn revocations(&self) -> usize {
        read(&self.revoked).len()
    }

    /// Puts an issuer's keys in the place of those that are known, beside the log of facts.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn put_key_set(&self, keys: &KeySetFact) -> Result<(), FactError> {
        keys.read().map_err(FactError::Malformed)?;
        // Facts are applied one after the other.
        let _applying = lock(&self.apply);
        self.key_sets.put(keys);
        Ok(())
    }

    /// Issuers whose keys are known.
    #[must_use]
    pub fn key_sets(&self) -> usize {
        self.key_sets.len()
    }

    /// How many keys are known, revoked ones too.
    #[must_use]
    pub fn keys(&self) -> usize {
        read(&self.keys).len()
    }

    fn take(&self, fact: &Fact, staged: &mut Option<Staged>) {
        let live = Arc::clone(&read(&self.keys));
        if staged.as_ref().is_some_and(|staged| staged.seq != fact.seq) {
            *staged = None;
        }
        let keys = staged.as_ref().map_or(&live, |staged| &staged.keys);
        let sets = staged
            .as_ref()
            .map_or(&self.key_sets, |staged| &staged.key_sets);
        let revoked = match staged.as_ref() {
            Some(staged) => Arc::clone(&staged.revoked),
            None => Arc::clone(&read(&self.revoked)),
        };
        let apps = match staged.as_ref() {
            Some(staged) => Arc::clone(&staged.apps),
            None => Arc::clone(&read(&self.apps)),
        };
        match &fact.change {
            Change::AppPut { app } => app.put(&apps),
            Change::AppForget { id } => apps.forget(id),
            Change::KeyPut { key } => keys.put(key),
            Change::KeyRevoke { id } => keys.revoke(id),
            Change::KeySetPut { keyset } => sets.put(keyset),
            Change::KeySetConfirm {
                issuer,
                source,
                confirmed_ms,
            } => sets.confirm(issuer, source, *confirmed_ms),
            Change::KeySetForget { issuer } => sets.forget(issuer),
            Change::TokenRevoke {
                meant,
                before_ms,
                until_ms,
            } => revoked.put(meant, *before_ms, *until_ms, fact.at_ms),
            Change::TokenRestore { meant } => revoked.lift(meant),
            Change::ResetBegin => {
                *staged = Some(Staged {
                    seq: fact.seq,
                    keys: Arc::new(Keys::new()),
                    key_sets: KeySets::default(),
                    revoked: Arc::default(),
                    apps: Arc::default(),
                });
            }
            Change::ResetEnd => {
                if let Some(staged) = staged.take() {
                    *write(&self.revoked) = staged.revoked;
                    *write(&self.apps) = staged.apps;
                    *write(&self.keys) = staged.keys;
                    self.key_sets.replace(&staged.key_sets);
                }
            }
        }
        if staged.is_none() {
            self.seq.store(fact.seq, Ordering::Release);
            // Behind what it tells of: who sees the number sees that.
            self.shut
                .fetch_add(u64::from(fact.change.shuts()), Ordering::Release);
        }
    }
}

// A panic while a lock was held leaves maps that are whole: each change is one insert.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
