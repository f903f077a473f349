//! Whether clients' certificates were revoked, by the word of who issued them (RFC 6960).
//!
//! The control process asks the responders and verifies what they say. A gate asks it over the
//! link: after a handshake, before the first request is served, once for all who wait with one
//! certificate. What it heard it remembers for as long as that holds. Only a client whom an
//! authority of the listener vouches for is asked about, so a stranger brings nothing about here.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use foldhash::fast::RandomState;
use lockgate_policy::ReasonRef;

use crate::bell::Bell;
use crate::bundle::{Ocsp, UnknownRevocation};
use crate::flights::{self, Flights};
use crate::refetch::{Place, SILENCE_MS};
use crate::tls::reasons::{CERTIFICATE_REVOKED, CERTIFICATE_UNKNOWN_STATUS};
use crate::tls::{Secured, Tls};

/// How long after a responder's time the control process may still need for its own word.
const GRACE: Duration = Duration::from_secs(1);
/// How long nobody is asked about a certificate again when the control process gave no answer.
const PAUSE: Duration = Duration::from_secs(5);
/// Requests that may wait for an answer at a time, of the whole process.
const WAITING: usize = 4_096;
/// Certificates that are asked about at a time. Each holds what its client showed, 32 KiB at the
/// most.
const UNDER_WAY: usize = 256;
/// Certificates of which is remembered what was heard, some 120 bytes each. Those beyond are asked
/// about again.
const KNOWN: usize = 16_384;

/// What tells one question from every other: a SHA-256 of all that it depends on.
pub type Key = [u8; 32];

/// How one set of rules for clients asks.
#[derive(Debug)]
pub struct Asking {
    rules: Box<str>,
    patience: Duration,
    unknown: UnknownRevocation,
    /// All that an answer depends on but the certificate.
    terms: Vec<u8>,
}

impl Asking {
    /// As the bundle wants it.
    #[must_use]
    pub fn new(wanted: &Ocsp, unknown: UnknownRevocation) -> Self {
        Self {
            rules: wanted.rules.as_str().into(),
            patience: Duration::from_millis(wanted.timeout_ms.into()) + GRACE,
            unknown,
            // No map and no number that JSON could not take.
            terms: serde_json::to_vec(wanted).unwrap_or_default(),
        }
    }

    /// By the client's own certificate alone: what it shows besides is of its choice, and would make
    /// a new one of a certificate that was revoked.
    fn key(&self, chain: &[Box<[u8]>]) -> Key {
        let mut context = Context::new(&SHA256);
        for part in std::iter::once(&*self.terms).chain(chain.first().map(|der| &**der)) {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut key = Key::default();
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    /// Why a client of whom this was told is not served.
    fn refuses(&self, told: Option<Told>, now: Instant) -> Option<ReasonRef> {
        match told.map_or(Standing::Unknown, |told| told.standing_at(now)) {
            Standing::Revoked => Some(&CERTIFICATE_REVOKED),
            Standing::Refused => Some(&CERTIFICATE_UNKNOWN_STATUS),
            Standing::Unknown if self.unknown == UnknownRevocation::Deny => {
                Some(&CERTIFICATE_UNKNOWN_STATUS)
            }
            Standing::Unknown | Standing::Good => None,
        }
    }
}

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Who issued it says that it was not revoked.
    Good,
    /// Who issued it says that it was.
    Revoked,
    /// Nobody says anything that can be believed.
    Unknown,
    /// Nobody could be asked, and that for no silence of a responder's: the control process found no
    /// way to an authority in what the client showed, or failed. Refused by whatever rules.
    Refused,
}

impl Standing {
    /// Whether it holds until something else is heard, however long that takes.
    fn lasts(self) -> bool {
        matches!(self, Self::Revoked | Self::Refused)
    }
}

/// What was heard of a certificate.
#[derive(Debug, Clone, Copy)]
struct Told {
    standing: Standing,
    /// When it is asked about again.
    again: Instant,
    /// How long it holds if nothing newer is heard.
    until: Instant,
}

impl Told {
    fn standing_at(self, now: Instant) -> Standing {
        if self.standing.lasts() || now < self.until {
            self.standing
        } else {
            Standing::Unknown
        }
    }
}

/// What a connection knows of its client.
#[derive(Debug)]
pub struct Known {
    by: Arc<Asking>,
    key: Key,
    told: Option<Told>,
}

/// A question for the control process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What the answer goes by.
    pub key: Key,
    /// Which rules for clients hold, as the configuration's path.
    pub rules: Box<str>,
    /// What the client showed, its own certificate first, DER.
    pub chain: Vec<Box<[u8]>>,
}

/// Waits for what comes of a question.
type Hearing = flights::Hearing<Told>;

/// All that is asked and known, of a process.
#[derive(Debug)]
pub struct Inquiries {
    table: Mutex<Table>,
    waiting: AtomicUsize,
    asked: AtomicU64,
    spared: AtomicU64,
    bell: Bell,
}

#[derive(Debug)]
struct Table {
    known: HashMap<Key, Told, RandomState>,
    flights: Flights<Key, Arc<Question>, Told>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            known: HashMap::default(),
            flights: Flights::bounded(UNDER_WAY),
        }
    }
}

impl Inquiries {
    /// None yet.
    ///
    /// # Errors
    /// If the system has no socket to give.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            table: Mutex::default(),
            waiting: AtomicUsize::new(0),
            asked: AtomicU64::new(0),
            spared: AtomicU64::new(0),
            bell: Bell::new()?,
        })
    }

    /// Whether it is time to ask about the client of a connection.
    #[must_use]
    pub fn due(&self, tls: &Tls, secured: &Secured) -> bool {
        self.look(tls, secured)
            .is_some_and(|(_, _, told, now)| told.is_none_or(|told| now >= told.again))
    }

    /// Has somebody asked about the client of a connection, and waits for the answer; `silent_ms`
    /// is for how long the control process was not heard of.
    pub async fn hear(&self, tls: &Tls, secured: &Secured, silent_ms: u64) {
        let Some((by, key, mut done)) = self.begin(tls, secured, silent_ms) else {
            return;
        };
        let _place = Place::take(&self.waiting);
        if tokio::time::timeout(by.patience, done.changed())
            .await
            .is_err()
        {
            self.table().unanswered(key, Instant::now());
            return;
        }
        // Also where there is no room to remember it.
        let told = *done.borrow();
        if let Some(known) = secured.known.borrow_mut().as_mut() {
            if told.is_some() && known.key == key {
                known.told = told;
            }
        }
    }

    /// As [`Self::hear`], for what is open for long and waits for nobody: the answer is there the
    /// next time that it is looked at.
    pub fn renew(&self, tls: &Tls, secured: &Secured, silent_ms: u64) {
        if self.due(tls, secured) {
            let _ = self.begin(tls, secured, silent_ms);
        }
    }

    /// Why the client of a connection is not served, by what is known now.
    #[must_use]
    pub fn refuses(&self, tls: &Tls, secured: &Secured) -> Option<ReasonRef> {
        let (by, _, told, now) = self.look(tls, secured)?;
        by.refuses(told, now)
    }

    /// Whether it is known that nothing more is served over a connection: where nobody was asked
    /// so far, the next request will.
    #[must_use]
    pub fn shuts_out(&self, tls: &Tls, secured: &Secured) -> bool {
        self.look(tls, secured)
            .filter(|(_, _, told, now)| told.is_some_and(|told| *now < told.until))
            .is_some_and(|(by, _, told, now)| by.refuses(told, now).is_some())
    }

    /// What the control process is to ask; each is told once.
    #[must_use]
    pub fn questions(&self) -> Vec<Arc<Question>> {
        self.bell.silence();
        self.table().flights.open(Instant::now())
    }

    /// What can be read while there are questions.
    #[must_use]
    pub fn bell(&self) -> RawFd {
        self.bell.descriptor()
    }

    /// The answer to a question: how the certificate stands, in how long it is to be asked about
    /// again, and how long this holds if nothing newer is heard.
    pub fn answered(&self, key: &Key, standing: Standing, again: Duration, holds: Duration) {
        let now = Instant::now();
        // No time is so long that a clock could not tell it.
        let after = |wait: Duration| now + wait.min(Duration::from_secs(366 * 86_400));
        let mut table = self.table();
        // What nobody has asked for, or not within the time, is nobody's answer.
        let Some(flight) = table.flights.take(key) else {
            return;
        };
        let before = table.known.get(key).map(|told| told.standing);
        let told = Told {
            // Whom somebody has revoked nobody's silence brings back.
            standing: match (before, standing) {
                (Some(Standing::Revoked), Standing::Unknown | Standing::Refused) => {
                    Standing::Revoked
                }
                _ => standing,
            },
            again: after(again),
            until: after(holds),
        };
        table.remember(*key, told, now);
        drop(table);
        flight.land(told);
    }

    /// How often somebody was asked, how often nobody could be, and of how many certificates is
    /// known how they stand.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, u64) {
        let known = self.table().known.len() as u64;
        (
            self.asked.load(Ordering::Relaxed),
            self.spared.load(Ordering::Relaxed),
            known,
        )
    }

    /// What is known of the client of a connection, and the time; nothing where none has to be asked.
    fn look<'a>(
        &self,
        tls: &'a Tls,
        secured: &Secured,
    ) -> Option<(&'a Arc<Asking>, Key, Option<Told>, Instant)> {
        // Nearly always there is none, and nothing else is looked at.
        let client = secured.client()?;
        let by = tls.asks(secured)?;
        let now = Instant::now();
        let mut kept = secured.known.borrow_mut();
        if !kept
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(&known.by, by))
        {
            *kept = Some(Known {
                by: Arc::clone(by),
                key: by.key(client.chain()),
                told: None,
            });
        }
        let known = kept.as_mut()?;
        if known.told.is_none_or(|told| now >= told.again) {
            let heard = self.table().known.get(&known.key).copied();
            // What was forgotten for want of room is still what was heard.
            known.told = heard.or(known.told);
        }
        Some((by, known.key, known.told, now))
    }

    fn begin<'a>(
        &self,
        tls: &'a Tls,
        secured: &Secured,
        silent_ms: u64,
    ) -> Option<(&'a Arc<Asking>, Key, Hearing)> {
        let (by, key, _, now) = self.look(tls, secured)?;
        let chain = secured.client()?.chain();
        let done = self.question(by, key, chain, silent_ms, now)?;
        Some((by, key, done))
    }

    /// Puts a question, or joins those who wait for its answer already.
    fn question(
        &self,
        by: &Asking,
        key: Key,
        chain: &[Box<[u8]>],
        silent_ms: u64,
        now: Instant,
    ) -> Option<Hearing> {
        let spared = || {
            self.spared.fetch_add(1, Ordering::Relaxed);
            None
        };
        if silent_ms > SILENCE_MS || self.waiting.load(Ordering::Relaxed) >= WAITING {
            return spared();
        }
        let mut table = self.table();
        if let Some(hearing) = table.flights.join(&key, now) {
            return Some(hearing);
        }
        let question = Arc::new(Question {
            key,
            rules: by.rules.clone(),
            chain: chain.to_vec(),
        });
        let Some(heard) = table.flights.begin(key, question, by.patience, now) else {
            return spared();
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.bell.ring();
        Some(heard)
    }

    // A panic while it was held leaves tables that are whole: each change is one insert.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The control process said nothing: what was heard before holds for as long as it did.
    fn unanswered(&mut self, key: Key, now: Instant) {
        self.flights.give_up(&key, now);
        let nothing = Told {
            standing: Standing::Unknown,
            again: now,
            until: now,
        };
        let told = self.known.get(&key).copied().unwrap_or(nothing);
        // An answer may have come at the last moment.
        if told.again <= now {
            let again = now + PAUSE;
            self.remember(key, Told { again, ..told }, now);
        }
    }

    fn remember(&mut self, key: Key, told: Told, now: Instant) {
        if self.known.len() >= KNOWN && !self.known.contains_key(&key) {
            let revoked = |told: &Told| told.standing == Standing::Revoked;
            self.known
                .retain(|_, told| revoked(told) || now < told.until);
            // Half of the others go: so it is seldom that all have to be looked at.
            if self.known.len() > KNOWN / 2 {
                let mut keep = true;
                self.known.retain(|_, told| {
                    revoked(told) || {
                        keep = !keep; // Where one is left, it goes.
                        keep
                    }
                });
            }
            // That many revoked ones are an authority's trouble. None of them is forgotten: who
            // waits for the new one hears of it, and the next who shows it asks again.
            if self.known.len() >= KNOWN {
                return;
            }
        }
        self.known.insert(key, told);
    }
}

#[cfg(test)]
mod tests;
