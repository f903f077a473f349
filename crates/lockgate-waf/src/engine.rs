//! Runs rules over requests and answers.
//!
//! An [`Engine`] is made once of [`Rules`] and shared by all workers. An
//! [`Inspection`] is fed with what has arrived of a request, and its phases are
//! run in their order; a phase that has much to do comes back in between with
//! [`Progress::More`], so that others get their turn.
//!
//! What the rules do is the rule language's alone: which values a rule is asked
//! about may be narrowed by the sieve ([`sieve`]), whose only promise is that
//! it leaves out what cannot match.

use std::sync::{Arc, Mutex, PoisonError};

use crate::filter::Bits;
use lockgate_wire::reason::ReasonRef;

use crate::operators::Caches;
use crate::rule::{Place, Processor, Rules, Settings};

mod body;
mod build;
mod chains;
mod effects;
mod evaluate;
mod except;
mod feed;
mod finish;
mod fold;
mod formed;
mod kept;
mod kinds;
mod members;
mod name_pattern;
mod names;
mod native;
mod overrule;
mod pattern;
mod place;
mod presence;
mod program;
mod prove;
mod run;
mod scores;
mod sieve;
mod slices;
mod spelling;
mod template;
mod told;
mod transaction;
mod write;

pub use body::Upload;
pub use build::{Detectors, Exclusion, Options, Preset};
pub use except::{At, BadPlace, On, Part};
pub use feed::{AnswerHead, RequestHead};
pub use native::{score, Exclusion as NativeExclusion};
pub use place::fitting;
pub use prove::{Proof, Unproved};
pub use told::{Detected, Match, Matched, Refusal};
pub use transaction::Added;

use kept::Kept;
use program::Program;
use transaction::Transaction;

/// Bytes of values, and of what becomes of them, between two yields.
const SLICE_BYTES: usize = 64 * 1024;

/// The number of the last phase.
const LOGGING: u8 = 5;

/// The number of the phase in which rules see the request's body.
const REQUEST_BODY: u8 = 2;

/// Desks and transactions that wait to be used again, at most of each. There
/// are as many desks in use as threads; transactions beyond these are made anew.
const MOST_SPARE: usize = 64;

/// Rules, ready to run.
#[derive(Debug)]
#[allow(
    clippy::vec_box,
    reason = "they move with each request, and are a thousand bytes and more"
)]
pub struct Engine {
    program: Program,
    files: Vec<Box<str>>,
    settings: Settings,
    kept: Kept,
    desks: Mutex<Vec<Box<Desk>>>,
    spare: Mutex<Vec<Box<Transaction>>>,
}

/// What a thread needs while it runs a phase.
#[derive(Debug, Default)]
struct Desk {
    caches: Caches,
    sieve: sieve::Memo,
}

/// What became of a slice of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do: call again.
    More,
    /// The phase is over.
    Done,
}

/// A rule that cannot be made ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Where it stands.
    pub place: Place,
    /// Its id.
    pub rule: u64,
    /// Why.
    pub cause: String,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rule {}: {}", self.rule, self.cause)
    }
}

impl std::error::Error for Unfit {}

impl Engine {
    /// Makes rules ready to run.
    ///
    /// # Errors
    /// If a regular expression cannot be compiled within its bounds.
    pub fn new(rules: &Rules, options: &Options) -> Result<Self, Unfit> {
        Ok(Self {
            program: build::build(rules, options)?,
            files: rules.files.clone(),
            settings: rules.settings.clone(),
            kept: Kept::default(),
            desks: Mutex::default(),
            spare: Mutex::default(),
        })
    }

    /// What directives say of the engine itself, some of which its owner has to say too.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The file of a place.
    #[must_use]
    pub fn file(&self, place: Place) -> &str {
        let file = self.files.get(place.file as usize);
        file.map_or("", |file| file)
    }

    /// How many rules there are, and how many of them no configuration has decided already.
    #[must_use]
    pub fn rules(&self) -> (usize, usize) {
        let left = self.program.phases.iter().map(Bits::len).sum();
        (self.program.rules.len(), left)
    }

    /// Whether any rule looks at bodies of answers.
    #[must_use]
    pub const fn reads_answers(&self) -> bool {
        self.program.reads_answers
    }

    /// Begins with what has arrived of a request.
    #[must_use]
    pub fn begin<'a>(
        self: &Arc<Self>,
        head: &RequestHead<'a>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Inspection {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut tx = spare.unwrap_or_default();
        feed::begin(&self.program, &mut tx, head, headers);
        Inspection {
            engine: Arc::clone(self),
            tx,
        }
    }

    fn run(&self, tx: &mut Transaction, phase: u8) -> Progress {
        let desks = || self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut desk = desks().pop().unwrap_or_default();
        let progress = run::run(self, tx, &mut desk, phase);
        let mut desks = desks();
        if desks.len() < MOST_SPARE {
            desks.push(desk);
        }
        progress
    }
}

/// A request, and its answer, being looked at. Its phases run in their order:
/// each is called again as long as it says [`Progress::More`].
#[derive(Debug)]
pub struct Inspection {
    engine: Arc<Engine>,
    tx: Box<Transaction>,
}

impl Inspection {
    /// Phase 1, in which rules see the request's head.
    pub fn request_head(&mut self) -> Progress {
        self.engine.run(&mut self.tx, 1)
    }

    /// Whether the request's body is to be handed over.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        self.tx.found.interruption.is_none()
            && self
                .tx
                .control
                .request_body
                .unwrap_or(self.engine.program.reads.0)
    }

    /// Hands the request's body over: all of it, or its beginning where it is
    /// not `whole`. An empty one if there is none. The same each time it is
    /// called again.
    pub fn body(&mut self, body: &[u8], whole: bool) -> Progress {
        body::read(&self.engine.program, &mut self.tx, body, whole)
    }

    /// Hands a message of a gRPC call over, unpacked and without what stands
    /// before it, as [`Self::body`] does a body: each message is judged in an
    /// inspection of its own.
    pub fn message(&mut self, message: &[u8], whole: bool) -> Progress {
        body::read_message(&self.engine.program, &mut self.tx, message, whole)
    }

    /// Says that the body is handed over without the base64 that its type tells of.
    pub fn without_base64(&mut self) {
        if self.tx.control.processor == Some(Processor::GrpcText) {
            self.tx.control.processor = Some(Processor::Grpc);
        }
    }

    /// Why the body cannot be judged as what it says it is, if it cannot: it is
    /// malformed, or different readers would read it differently.
    #[must_use]
    pub fn body_unfit(&self) -> Option<ReasonRef> {
        self.tx.reading.unfit()
    }

    /// Whether there were more values, or more variables, than are judged.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.tx.reading.overflowed()
            || self.tx.members.overflowed
            || self.tx.variables.overflowed
            || feed::arguments(&self.tx) > self.engine.program.arguments
    }

    /// What of the body that was handed over, and is here again, is a file: of a form
    /// each file, all of it where nothing reads it as something else, or where it is
    /// not what it says it is. None of it is cut.
    pub fn uploads<'i>(&'i self, body: &'i [u8]) -> impl Iterator<Item = Upload> + 'i {
        self.tx.reading.uploads().told(&self.tx, body)
    }

    /// Phase 2, in which rules see the request's body.
    pub fn request_body(&mut self) -> Progress {
        self.engine.run(&mut self.tx, REQUEST_BODY)
    }

    /// Adds what has arrived of the answer.
    pub fn answer<'a>(
        &mut self,
        head: &AnswerHead<'a>,
        headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        feed::answer(&self.engine.program, &mut self.tx, head, headers);
    }

    /// Phase 3, in which rules see the answer's head.
    pub fn answer_head(&mut self) -> Progress {
        self.engine.run(&mut self.tx, 3)
    }

    /// Whether rules look at bodies of answers at all.
    #[must_use]
    pub fn wants_answer_body(&self) -> bool {
        self.tx.found.interruption.is_none()
            && self
                .tx
                .control
                .response_body
                .unwrap_or(self.engine.program.reads.1)
            && self.engine.program.reads_answers
    }

    /// Hands the answer's body over, or its beginning.
    pub fn answer_body(&mut self, body: &[u8]) {
        feed::answer_body(&self.engine.program, &mut self.tx, body);
    }

    /// Hands over the next slice of an answer that goes on, which is judged as if
    /// it were all: [`Self::answer_end`] comes after each.
    pub fn answer_slice(&mut self, slice: &[u8]) {
        slices::next(&self.engine.program, &mut self.tx, slice);
    }

    /// Phase 4, in which rules see the answer's body.
    pub fn answer_end(&mut self) -> Progress {
        self.engine.run(&mut self.tx, 4)
    }

    /// Phase 5, which runs whatever happened.
    pub fn end(&mut self) -> Progress {
        self.engine.run(&mut self.tx, LOGGING)
    }

    /// What refused the request or its answer, if anything did.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal<'_>> {
        told::refusal(&self.engine.program, &self.tx)
    }

    /// The rules that matched so far and are to be written down, in order.
    pub fn matched(&self) -> impl Iterator<Item = Matched<'_>> {
        told::matched(&self.engine, &self.tx)
    }

    /// What our own detectors found.
    pub fn detected(&self) -> impl Iterator<Item = Detected<'_>> {
        told::detected(&self.tx)
    }

    /// What was found adds up to this score, and from the second on it is refused.
    /// Rules that keep no such score have none.
    #[must_use]
    pub fn score(&self) -> (u32, u32) {
        if let Some(threshold) = self
            .engine
            .program
            .native
            .as_ref()
            .and_then(|native| native.threshold)
        {
            return (native::total(&self.tx), threshold);
        }
        let of = |name: &str| u32::try_from(self.variable(name).unwrap_or(0)).unwrap_or(0);
        let request = of("blocking_inbound_anomaly_score");
        let answer = of("blocking_outbound_anomaly_score");
        if answer > 0 && request < of("inbound_anomaly_score_threshold") {
            return (answer, of("outbound_anomaly_score_threshold"));
        }
        (request, of("inbound_anomaly_score_threshold"))
    }

    /// Up to which level of paranoia what rules add counts, where they count by levels.
    #[must_use]
    pub fn paranoia(&self) -> Option<u8> {
        u8::try_from(self.variable("blocking_paranoia_level")?).ok()
    }

    /// What a variable of `TX` holds as a number; `None` where it is not there.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<i64> {
        let name = self.engine.program.names.find(name.as_bytes())?;
        let held = self.tx.variables.get(name);
        held.exists().then(|| held.number(&self.tx.arena))
    }
}

impl Drop for Inspection {
    fn drop(&mut self) {
        let tx = std::mem::take(&mut self.tx);
        let mut spare = self
            .engine
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if spare.len() < MOST_SPARE {
            spare.push(tx);
        }
    }
}

#[cfg(test)]
mod tests;
