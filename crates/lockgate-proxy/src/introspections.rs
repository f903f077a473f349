//! What issuers say of tokens (RFC 7662): asked by the control process, once for all who wait with
//! one token, and remembered.
//!
//! A stranger can make tokens up as fast as it can send them. So what is under way is bounded for
//! each issuer, and so are all who wait; who comes beyond that is told at once to come back.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use lockgate_policy::introspection::{Answer, Heard, Known, Mark, Question};

use crate::bell::Bell;
use crate::flights::{Flights, Hearing};
use crate::metrics::{head, line};
use crate::refetch::{Place, SILENCE_MS};

/// How long after an issuer's time the control process may still need for its own word.
const GRACE: Duration = Duration::from_secs(1);
/// Tokens of one issuer that are asked about at a time. The control process asks about fewer at
/// once; the others wait for their turn.
const UNDER_WAY: usize = 256;
/// Requests that may wait for an answer at a time, of the whole process.
const WAITING: usize = 4_096;
/// In how many seconds to come back where the control process says nothing.
const RETRY_S: u32 = 2;

/// What came of a question, as the control process tells it.
#[derive(Debug)]
pub enum Told {
    /// What the issuer answered.
    Answer(Vec<u8>),
    /// It could not be asked, or gave no answer that holds; in how many seconds to ask again.
    Unavailable(u32),
    /// Too many are being asked about.
    Busy,
}

/// All that is asked and known, of a process.
#[derive(Debug)]
pub struct Introspections {
    known: Arc<Known>,
    issuers: Mutex<HashMap<Arc<str>, Asked, RandomState>>,
    waiting: AtomicUsize,
    /// Questions that were not put: the control process is away.
    spared: AtomicU64,
    bell: Bell,
}

/// One issuer's.
#[derive(Debug)]
struct Asked {
    flights: Flights<Mark, Question, Heard>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    asked: u64,
    active: u64,
    inactive: u64,
    unavailable: u64,
    busy: u64,
    micros: u64,
}

impl Introspections {
    /// None yet.
    ///
    /// # Errors
    /// If the system has no socket to give.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            known: Arc::default(),
            issuers: Mutex::default(),
            waiting: AtomicUsize::new(0),
            spared: AtomicU64::new(0),
            bell: Bell::new()?,
        })
    }

    /// What is known, for policies to look at.
    #[must_use]
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known)
    }

    /// Has an issuer asked about a token, and waits for the answer. `silent_ms` is for how long
    /// the control process was not heard of.
    pub async fn ask(&self, question: Question, silent_ms: u64, now_ms: u64) -> Heard {
        let (issuer, mark) = (Arc::clone(&question.issuer), question.mark);
        let patience = patience(&question);
        let mut hearing = match self.begin(question, silent_ms, now_ms, Instant::now()) {
            Begun::Under(hearing) => hearing,
            Begun::Over(heard) => return heard,
        };
        let _place = Place::take(&self.waiting);
        if tokio::time::timeout(patience, hearing.changed())
            .await
            .is_err()
        {
            let mut issuers = self.lock();
            if let Some(asked) = issuers.get_mut(&issuer) {
                let given_up = asked.flights.give_up(&mark, Instant::now());
                asked.counts.unavailable += u64::from(given_up);
            }
            return Heard::Unavailable(RETRY_S);
        }
        let heard = hearing.borrow().clone();
        heard.unwrap_or(Heard::Unavailable(RETRY_S))
    }

    /// As [`Self::ask`], for who waits for nobody: the answer is there the next time.
    #[must_use]
    pub fn renew(&self, question: Question, silent_ms: u64, now_ms: u64) -> Heard {
        match self.begin(question, silent_ms, now_ms, Instant::now()) {
            Begun::Over(heard @ (Heard::Active(_) | Heard::Inactive(_))) => heard,
            Begun::Over(_) | Begun::Under(_) => Heard::Later,
        }
    }

    /// What the control process is to ask; each is told once.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        self.bell.silence();
        let now = Instant::now();
        let mut issuers = self.lock();
        let open = issuers.values_mut();
        open.flat_map(|asked| asked.flights.open(now)).collect()
    }

    /// Another control process is there, which was told nothing.
    pub fn untold(&self) {
        let mut issuers = self.lock();
        // Each of them, and not only until one has something to tell.
        let open = issuers
            .values_mut()
            .filter_map(|asked| asked.flights.untold().then_some(()));
        if open.count() > 0 {
            self.bell.ring();
        }
    }

    /// What can be read while there are questions.
    #[must_use]
    pub fn bell(&self) -> RawFd {
        self.bell.descriptor()
    }

    /// What came of a question. What nobody has asked, or not within the time, is nobody's answer.
    pub fn answered(&self, issuer: &str, mark: &Mark, told: Told, now_ms: u64) {
        let mut issuers = self.lock();
        let Some(asked) = issuers.get_mut(issuer) else {
            return;
        };
        let Some(flight) = asked.flights.take(mark) else {
            return;
        };
        let (heard, length) = match told {
            // The control process has read it with the same code, and only passes on what is one.
            Told::Answer(text) => match Answer::read(&text) {
                Ok(answer) => {
                    let question = flight.question();
                    let whose = (question.room, issuer, &*question.iss);
                    (Heard::of(answer, whose, now_ms), text.len())
                }
                Err(_) => (Heard::Unavailable(RETRY_S), 0),
            },
            Told::Unavailable(seconds) => (Heard::Unavailable(seconds), 0),
            Told::Busy => (Heard::Busy, 0),
        };
        let age = u64::try_from(flight.age(Instant::now()).as_micros()).unwrap_or(u64::MAX);
        asked.counts.note(&heard, age);
        // Before the lock goes: whoever finds no question under way finds the answer.
        self.known.hear(mark, &heard, length, now_ms);
        drop(issuers);
        flight.land(heard);
    }

    /// Writes its numbers.
    pub fn write(&self, out: &mut String) {
        let (active, inactive) = self.known.counts();
        for (metric, kind, help, value) in [
            (
                "lockgate_introspection_cache_hits_total",
                "counter",
                "Tokens of which was known what their issuer says, however long ago it did.",
                active.hits + inactive.hits,
            ),
            (
                "lockgate_introspection_cache_misses_total",
                "counter",
                "Tokens of which nothing was known.",
                inactive.misses,
            ),
            (
                "lockgate_introspection_spared_total",
                "counter",
                "Tokens about which nobody could be asked: the control process is away.",
                self.spared.load(Ordering::Relaxed),
            ),
        ] {
            head(out, metric, kind, &[], help);
            line(out, metric, &[], value);
        }
        let metric = "lockgate_introspection_known";
        let help = "Tokens of which is remembered what their issuer says.";
        head(out, metric, "gauge", &["standing"], help);
        line(out, metric, &[("standing", "active")], active.tokens);
        line(out, metric, &[("standing", "inactive")], inactive.tokens);
        let issuers = self.lock();
        let metric = "lockgate_introspection_questions_total";
        let help = "What came of questions about tokens, by issuer.";
        head(out, metric, "counter", &["issuer", "outcome"], help);
        for (issuer, asked) in &*issuers {
            for (outcome, value) in asked.counts.outcomes() {
                line(
                    out,
                    metric,
                    &[("issuer", issuer), ("outcome", outcome)],
                    value,
                );
            }
        }
        let metric = "lockgate_introspection_asked_total";
        let help =
            "Questions about tokens that were put, by issuer: one for all who wait with one token.";
        head(out, metric, "counter", &["issuer"], help);
        for (issuer, asked) in &*issuers {
            line(out, metric, &[("issuer", issuer)], asked.counts.asked);
        }
        let metric = "lockgate_introspection_microseconds_total";
        let help = "Time that answered questions about tokens took, by issuer.";
        head(out, metric, "counter", &["issuer"], help);
        for (issuer, asked) in &*issuers {
            line(out, metric, &[("issuer", issuer)], asked.counts.micros);
        }
    }

    fn begin(&self, question: Question, silent_ms: u64, now_ms: u64, now: Instant) -> Begun {
        let mut issuers = self.lock();
        if !issuers.contains_key(&question.issuer) {
            let asked = Asked {
                flights: Flights::bounded(UNDER_WAY),
                counts: Counts::default(),
            };
            issuers.insert(Arc::clone(&question.issuer), asked);
        }
        let Some(asked) = issuers.get_mut(&question.issuer) else {
            return Begun::Over(Heard::Busy);
        };
        let full = self.waiting.load(Ordering::Relaxed) >= WAITING;
        if let Some(hearing) = asked.flights.join(&question.mark, now).filter(|_| !full) {
            return Begun::Under(hearing);
        }
        // It may have been answered since the policy looked.
        if let Some((heard, _)) = self.known.find(&question.mark) {
            if heard.holds(question.believed_ms, now_ms) {
                return Begun::Over(heard);
            }
        }
        if silent_ms > SILENCE_MS {
            self.spared.fetch_add(1, Ordering::Relaxed);
            return Begun::Over(Heard::Unavailable(RETRY_S));
        }
        let patience = patience(&question);
        let begun = if full {
            None
        } else {
            asked.flights.begin(question.mark, question, patience, now)
        };
        match begun {
            Some(hearing) => {
                asked.counts.asked += 1;
                self.bell.ring();
                Begun::Under(hearing)
            }
            None => {
                asked.counts.busy += 1;
                Begun::Over(Heard::Busy)
            }
        }
    }

    // A panic while it was held leaves tables that are whole: each change is one insert.
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Asked, RandomState>> {
        self.issuers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of putting a question.
enum Begun {
    /// It is under way.
    Under(Hearing<Heard>),
    /// There is nothing to wait for.
    Over(Heard),
}

impl Counts {
    const fn note(&mut self, heard: &Heard, micros: u64) {
        match heard {
            Heard::Active(_) => self.active += 1,
            Heard::Inactive(_) => self.inactive += 1,
            Heard::Unavailable(_) | Heard::Later => self.unavailable += 1,
            Heard::Busy => self.busy += 1,
        }
        self.micros = self.micros.saturating_add(micros);
    }

    const fn outcomes(&self) -> [(&'static str, u64); 4] {
        [
            ("active", self.active),
            ("inactive", self.inactive),
            ("unavailable", self.unavailable),
            ("busy", self.busy),
        ]
    }
}

fn patience(question: &Question) -> Duration {
    Duration::from_millis(question.timeout_ms.into()) + GRACE
}

#[cfg(test)]
mod tests;
