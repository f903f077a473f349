//! The one thread that writes: chunks from the workers, durable events from
//! whoever waits for them, and what it has to say about itself.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::SyncSender;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::chain::Hash;
use super::clock::{event_id, now_ms};
use super::counters::{Counting, PerClass};
use super::pool::{Chunk, Pool};
use super::schema::{Body, Class, Event};
use super::store::Store;
use super::{cbor, frame, AppendError, Options, Receipt};

/// What the writer is asked for besides writing chunks.
#[derive(Debug)]
pub(crate) enum Job {
    /// Write this event, chained if it is an audit event, and sync it.
    Append(Box<Event>, SyncSender<Result<Receipt, AppendError>>),
    /// Sync all that was handed over before.
    Flush(SyncSender<Result<(), AppendError>>),
    /// Write to another directory from now on.
    Move(PathBuf, SyncSender<Result<(), AppendError>>),
    /// Take over what other writers left beside; whether none still writes there.
    Adopt(SyncSender<Result<bool, AppendError>>),
}

#[derive(Debug)]
pub(crate) struct Writer {
    pool: Arc<Pool>,
    store: Store,
    options: Options,
    node: String,
    sync_every: Duration,
    retry_every: Duration,
    pending: VecDeque<Chunk>,
    jobs: VecDeque<Job>,
    scratch: Vec<u8>,
    /// Something is written that is not synced.
    dirty: bool,
    last_sync: Instant,
    /// While the disk refuses: when to try again.
    retry_at: Option<Instant>,
    reported: PerClass,
}

impl Writer {
    pub fn new(pool: Arc<Pool>, store: Store, options: &Options) -> Self {
        Self {
            pool,
            store,
            options: options.clone(),
            node: options.node.clone(),
            sync_every: options.sync_every,
            retry_every: options.retry_every,
            pending: VecDeque::new(),
            jobs: VecDeque::new(),
            scratch: Vec::new(),
            dirty: false,
            last_sync: Instant::now(),
            retry_at: None,
            reported: PerClass::default(),
        }
    }

    /// Runs until the log closes.
    pub fn run(mut self) {
        let _end = EndOnDrop(Arc::clone(&self.pool));
        loop {
            let closing = self
                .pool
                .wait(self.wake_at(), &mut self.pending, &mut self.jobs);
            self.turn(closing);
            if closing {
                break;
            }
        }
        for chunk in self.pending.drain(..) {
            Counting::add(&self.pool.counting.dropped, &chunk.counts);
        }
    }

    /// When to wake without being called.
    fn wake_at(&self) -> Option<Instant> {
        self.retry_at
            .or_else(|| self.dirty.then(|| self.last_sync + self.sync_every))
    }

    /// Whether there is something to sync, or drops to be told.
    fn restless(&self) -> bool {
        self.dirty || self.pool.counting.dropped() != self.reported
    }

    fn turn(&mut self, closing: bool) {
        let now = Instant::now();
        self.store.keep(self.pool.retain_bytes.load(Relaxed));
        if closing || self.retry_at.is_none_or(|at| at <= now) {
            self.write_pending();
        }
        while let Some(job) = self.jobs.pop_front() {
            self.serve(job);
        }
        let due = self.retry_at.is_none() && self.last_sync + self.sync_every <= now;
        if self.restless() && (closing || due) {
            self.report_drops();
            // A failure is counted and told where it arises, and tried again.
            let _ = self.sync();
        }
        if self.retry_at.is_none() && !self.dirty {
            self.calm();
        }
    }

    fn write_pending(&mut self) {
        self.retry_at = None;
        while let Some(chunk) = self.pending.pop_front() {
            match self.store.append(&chunk.bytes, now_ms()) {
                Ok(()) => {
                    self.wrote(chunk.bytes.len(), &chunk.counts);
                    self.pool.recycle(chunk);
                }
                Err(error) => {
                    self.pending.push_front(chunk);
                    self.trouble(&self.pool.counting.write_errors, &error);
                    self.retry_at = Some(Instant::now() + self.retry_every);
                    return;
                }
            }
        }
    }

    fn serve(&mut self, job: Job) {
        match job {
            Job::Append(event, reply) => {
                let result = self.append(*event);
                // Nobody may be waiting any more.
                let _ = reply.send(result);
            }
            Job::Flush(reply) => {
                let behind = || AppendError::Disk(io::Error::other("the log cannot be written"));
                let result = if self.pending.is_empty() {
                    self.sync()
                } else {
                    Err(behind())
                };
                let _ = reply.send(result);
            }
            Job::Move(dir, reply) => {
                let _ = reply.send(self.move_to(&dir));
            }
            Job::Adopt(reply) => {
                let adopted = self.store.adopt(now_ms()).map_err(AppendError::Disk);
                let _ = reply.send(adopted);
            }
        }
    }

    /// Writes on in another directory, once all that was written here is on disk.
    fn move_to(&mut self, dir: &Path) -> Result<(), AppendError> {
        self.sync()?;
        let retain_bytes = self.pool.retain_bytes.load(Relaxed);
        let options = Options {
            retain_bytes,
            ..self.options.clone()
        };
        let (mut store, _) = Store::open(dir, &options).map_err(AppendError::Disk)?;
        store.deleted += self.store.deleted;
        if store.chain == Hash::default() {
            // A directory without audit events of its own goes on with the chain.
            store.chain = self.store.chain;
        }
        self.store = store;
        // What is in the directory that was just left.
        self.store.adopt(now_ms()).map_err(AppendError::Disk)?;
        Ok(())
    }

    /// Writes one event and waits until it is on disk.
    fn append(&mut self, mut event: Event) -> Result<Receipt, AppendError> {
        complete(&mut event);
        let class = event.body.class();
        if let Body::Audit(audit) = &mut event.body {
            audit.prev = self.store.chain.to_hex();
            // The hash covers the node too, so the event itself must say it.
            if event.node.is_empty() {
                event.node.clone_from(&self.node);
            }
        }
        self.scratch.clear();
        let size = frame::append(&mut self.scratch, class as u8, |out| {
            cbor::encode(&event, out)
        })
        .ok_or(AppendError::TooLarge)?;
        if let Err(error) = self.store.append(&self.scratch, now_ms()) {
            self.trouble(&self.pool.counting.write_errors, &error);
            return Err(AppendError::Disk(error));
        }
        let hash =
            (class == Class::Audit).then(|| Hash::of_payload(&self.scratch[frame::HEADER_BYTES..]));
        if let Some(hash) = hash {
            self.store.chain = hash;
        }
        let mut counts = [0; 4];
        counts[class.index()] = 1;
        self.wrote(size, &counts);
        self.sync()?;
        Ok(Receipt {
            id: event.id,
            hash: hash.map(|hash| hash.to_hex()),
        })
    }

    fn wrote(&mut self, size: usize, counts: &[u32; 4]) {
        let counting = &self.pool.counting;
        Counting::add(&counting.written, counts);
        counting.bytes.fetch_add(size as u64, Relaxed);
        counting.segments_deleted.store(self.store.deleted, Relaxed);
        self.dirty = true;
    }

    fn sync(&mut self) -> Result<(), AppendError> {
        let result = self.store.sync(now_ms());
        self.last_sync = Instant::now();
        match result {
            Ok(()) => {
                self.dirty = false;
                self.pool.counting.syncs.fetch_add(1, Relaxed);
                if self.retry_at.is_none() {
                    self.calm();
                }
                Ok(())
            }
            Err(error) => {
                self.retry_at = Some(self.last_sync + self.retry_every);
                self.trouble(&self.pool.counting.sync_errors, &error);
                Err(AppendError::Disk(error))
            }
        }
    }

    /// Says in the log itself what is missing from it.
    fn report_drops(&mut self) {
        let dropped = self.pool.counting.dropped();
        if dropped == self.reported {
            return;
        }
        let of = |class: Class| dropped.of(class) - self.reported.of(class);
        let missing = dropped.total() - self.reported.total();
        let mut event = Event::system(
            "events-dropped",
            format!("{missing} events were dropped: the disk did not keep up; look at its space and speed."),
            json!({
                "access": of(Class::Access),
                "security": of(Class::Security),
                "audit": of(Class::Audit),
                "system": of(Class::System),
            }),
        );
        complete(&mut event);
        self.scratch.clear();
        let framed = frame::append(&mut self.scratch, Class::System as u8, |out| {
            cbor::encode(&event, out)
        });
        let Some(size) = framed else { return };
        match self.store.append(&self.scratch, now_ms()) {
            Ok(()) => {
                self.reported = dropped;
                self.wrote(size, &[0, 0, 0, 1]);
            }
            Err(error) => {
                self.trouble(&self.pool.counting.write_errors, &error);
                self.retry_at = Some(Instant::now() + self.retry_every);
            }
        }
    }

    /// A failure is counted each time and said aloud once, until it is over.
    fn trouble(&self, counter: &AtomicU64, error: &io::Error) {
        counter.fetch_add(1, Relaxed);
        if self.pool.counting.set_error(&error.to_string()) {
            eprintln!(
                "lockgate: the event log cannot be written ({error}); requests are served on, events wait in memory \
                 and are dropped when that is full. Make room or mend the disk; it is tried again by itself."
            );
        }
    }

    fn calm(&self) {
        if self.pool.counting.set_error("") {
            eprintln!("lockgate: the event log is written again.");
        }
    }
}

/// Fills in what an event to be appended may leave out.
pub(crate) fn complete(event: &mut Event) {
    if event.at_ms == 0 {
        event.at_ms = now_ms();
    }
    if event.id.is_empty() {
        event.id = event_id();
    }
}

/// However the writer ends, by closing or by a panic, the pool learns of it.
#[derive(Debug)]
struct EndOnDrop(Arc<Pool>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}
