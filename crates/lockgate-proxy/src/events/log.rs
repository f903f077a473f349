//! The log as its owner holds it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{sync_channel, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{json, Value};

use super::bound::Bound;
use super::clock;
use super::counters::Counters;
use super::pool::Pool;
use super::record::RECORD_MAX;
use super::recovery::Recovered;
use super::schema::{Class, Event};
use super::sink::Sink;
use super::store::{self, Store};
use super::writer::{self, Job, Writer};

/// How the log is kept. The defaults are what a gate wants.
#[derive(Debug, Clone)]
pub struct Options {
    /// The node that events are of.
    pub node: String,
    /// Bytes of segments that may stay; the oldest are deleted beyond. At least 1 MiB.
    pub retain_bytes: u64,
    /// A segment ends at this size, or at a quarter of `retain_bytes`.
    pub segment_bytes: u64,
    /// A segment ends at this age.
    pub segment_age: Duration,
    /// Written events are synced at most this often, and so at most this much
    /// of an access log is lost with the machine's power.
    pub sync_every: Duration,
    /// How soon a disk that refused is tried again.
    pub retry_every: Duration,
    /// Memory between workers and writer, all of it; a quarter is kept for
    /// events of other classes than access. It is taken as it is needed.
    pub pool_bytes: usize,
    /// How long a durable append waits for the disk.
    pub durable_timeout: Duration,
    #[cfg(test)]
    pub(crate) faults: Arc<super::faults::Faults>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            node: "gate".to_owned(),
            retain_bytes: 1 << 30,
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(3600),
            sync_every: Duration::from_millis(200),
            retry_every: Duration::from_secs(1),
            pool_bytes: 8 << 20,
            durable_timeout: Duration::from_secs(10),
            #[cfg(test)]
            faults: Arc::default(),
        }
    }
}

/// Size of the chunks that workers fill.
pub(crate) const CHUNK_BYTES: usize = 96 * 1024;
const _: () = assert!(CHUNK_BYTES >= super::frame::HEADER_BYTES + RECORD_MAX);

const RETAIN_MIN: u64 = 1 << 20;

/// Why an event was not appended.
#[derive(Debug)]
pub enum AppendError {
    /// The event is larger than a frame, or a detail cannot be encoded.
    TooLarge,
    /// The log is closed, or its writer died.
    Closed,
    /// Too many appends wait already: the disk does not answer.
    Busy,
    /// The disk did not answer in time. The event may yet be written.
    TimedOut,
    /// The disk refused.
    Disk(io::Error),
}

impl std::fmt::Display for AppendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the event is too large; shorten its detail"),
            Self::Closed => f.write_str("the event log is closed; restart the process"),
            Self::Busy => f.write_str(
                "too many events wait for the disk; see that it answers, then try again",
            ),
            Self::TimedOut => f.write_str(
                "the disk did not take the event in time, though it may yet; see that it answers",
            ),
            Self::Disk(error) => write!(
                f,
                "the disk refused the event ({error}); make room or mend it"
            ),
        }
    }
}

impl std::error::Error for AppendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(error) => Some(error),
            _ => None,
        }
    }
}

/// What a durable append gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The event's id.
    pub id: String,
    /// Of an audit event: its hash, the chain's new head.
    pub hash: Option<String>,
}

/// An event log, open for writing; one per directory.
#[derive(Debug)]
pub struct EventLog {
    dir: PathBuf,
    pool: Arc<Pool>,
    sink: Mutex<Sink>,
    bound: Mutex<Bound>,
    durable_timeout: Duration,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EventLog {
    /// Opens the log in `dir` (made if need be), mends what a crash left, and
    /// starts the writer.
    pub fn start(dir: &Path, mut options: Options) -> io::Result<Self> {
        options.retain_bytes = options.retain_bytes.max(RETAIN_MIN);
        let (store, recovered) = Store::open(dir, &options)?;
        let pool = Arc::new(Pool::new(
            options.pool_bytes,
            CHUNK_BYTES,
            options.retain_bytes,
        ));
        let writer = Writer::new(Arc::clone(&pool), store, &options);
        let thread = std::thread::Builder::new()
            .name("lockgate-events".to_owned())
            .spawn(move || writer.run())?;
        let log = Self {
            dir: dir.to_owned(),
            sink: Mutex::new(Sink::new(Arc::clone(&pool))),
            bound: Mutex::default(),
            pool,
            durable_timeout: options.durable_timeout,
            thread: Mutex::new(Some(thread)),
        };
        log.report(&recovered);
        Ok(log)
    }

    /// A worker's end of the log.
    #[must_use]
    pub fn sink(&self) -> Sink {
        Sink::new(Arc::clone(&self.pool))
    }

    /// Appends an event from any thread, without waiting for the disk. An audit
    /// event does wait, as by [`EventLog::append_durable`].
    pub fn append(&self, mut event: Event) -> Result<(), AppendError> {
        if event.body.class() == Class::Audit {
            return self.append_durable(event).map(drop);
        }
        writer::complete(&mut event);
        let sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        if !sink.event(&event) {
            return Err(AppendError::TooLarge);
        }
        sink.flush();
        Ok(())
    }

    /// Appends a system event. Of those with one code a few in a second are
    /// written; the next one says in `left_out` how many were not.
    pub fn system(&self, code: &'static str, message: &str) -> Result<(), AppendError> {
        let admitted = self
            .bound
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(code, clock::now_ms());
        let detail = match admitted {
            None => return Ok(()),
            Some(0) => Value::Null,
            Some(left_out) => json!({"left_out": left_out}),
        };
        self.append(Event::system(code, message.to_owned(), detail))
    }

    /// Appends an event and waits until it is on disk.
    pub fn append_durable(&self, event: Event) -> Result<Receipt, AppendError> {
        let (reply, answer) = sync_channel(1);
        self.ask(Job::Append(Box::new(event), reply), &answer)
    }

    /// Waits until everything that sinks have handed over is on disk.
    pub fn flush(&self) -> Result<(), AppendError> {
        self.sink
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .hand_over();
        let (reply, answer) = sync_channel(1);
        self.ask(Job::Flush(reply), &answer)
    }

    /// Lets go of the directory for another process, and writes on in one of
    /// its own below it; the next writer of the directory takes that over.
    pub fn leave(&self) -> Result<(), AppendError> {
        self.move_to(self.dir.join(store::leaving(std::process::id())))
    }

    /// Comes back from [`EventLog::leave`], with what was written meanwhile.
    pub fn come_back(&self) -> Result<(), AppendError> {
        self.move_to(self.dir.clone())
    }

    /// Takes over what processes that left have written; whether none of them
    /// is still at it.
    pub fn adopt(&self) -> Result<bool, AppendError> {
        let (reply, answer) = sync_channel(1);
        self.ask(Job::Adopt(reply), &answer)
    }

    fn move_to(&self, dir: PathBuf) -> Result<(), AppendError> {
        let (reply, answer) = sync_channel(1);
        self.ask(Job::Move(dir, reply), &answer)
    }

    /// Sets [`Options::retain_bytes`] anew, as a reload may; it holds from the
    /// next write on.
    pub fn retain(&self, bytes: u64) {
        self.pool.retain_bytes.store(bytes.max(RETAIN_MIN), Relaxed);
    }

    /// The counters of this moment.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.pool.counting.read()
    }

    /// Whether the writer lives.
    #[must_use]
    pub fn alive(&self) -> bool {
        !self.pool.ended()
    }

    /// Writes and syncs what is left, and ends. What sinks that still live
    /// write afterwards is dropped and counted.
    pub fn close(&self) {
        self.sink
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .hand_over();
        self.pool.begin_close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic of the writer has been told on stderr, and `alive` says so.
            let _ = thread.join();
        }
    }

    fn ask<T>(
        &self,
        job: Job,
        answer: &Receiver<Result<T, AppendError>>,
    ) -> Result<T, AppendError> {
        if self.pool.submit(job).is_err() {
            return Err(if self.alive() {
                AppendError::Busy
            } else {
                AppendError::Closed
            });
        }
        match answer.recv_timeout(self.durable_timeout) {
            Ok(result) => result,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(AppendError::TimedOut),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err(AppendError::Closed),
        }
    }

    /// A start after a crash says in the log what the crash cost.
    fn report(&self, recovered: &Recovered) {
        let Recovered {
            torn_bytes,
            lost_bytes,
            ..
        } = *recovered;
        if torn_bytes == 0 && lost_bytes == 0 {
            return;
        }
        let message = if lost_bytes > 0 {
            eprintln!(
                "lockgate: {lost_bytes} bytes of events are gone that the disk had confirmed; \
                 check the disk, and restore the event log from a backup if you need them."
            );
            "Events are gone that the disk had confirmed; check the disk."
        } else {
            "The process ended while it wrote; a half-written event was cut off."
        };
        let detail = json!({"torn_bytes": torn_bytes, "lost_bytes": lost_bytes});
        let event = Event::system("events-recovered", message.to_owned(), detail);
        // It fits; and if there is no room, that is counted.
        let _ = self.append(event);
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
