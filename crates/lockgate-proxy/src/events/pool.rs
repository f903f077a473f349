//! The memory between workers and the writer: a fixed number of chunks, which
//! go round. A worker fills one, hands it over, takes another; the writer
//! writes it and gives it back. Nothing else grows, however slow the disk is.
//!
//! One mutex guards the lists. It is held for a few moves of pointers, never
//! across a system call or an allocation, and a worker takes it once per chunk
//! (about a hundred events), not per event.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::counters::Counting;
use super::schema::Class;
use super::writer::Job;

/// How many durable appends may wait at once. They are rare (somebody changes
/// something), so a queue of them means that the disk does not answer.
pub(crate) const JOBS_MAX: usize = 64;

/// While this many chunks wait, [`Pool::wants_partial`] asks workers to fill
/// theirs: a stalled disk must not use up the pool with nearly empty ones.
const BACKLOG: usize = 4;

/// A buffer of whole frames.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub bytes: Vec<u8>,
    /// Events in it, by class.
    pub counts: [u32; 4],
    /// It came out of the part of the pool that access events may not use.
    pub reserved: bool,
}

impl Chunk {
    /// Bytes that still fit without growing.
    pub fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }
}

/// The chunks and who has them.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    work: Condvar,
    chunk_bytes: usize,
    chunks_max: usize,
    /// Access events find no chunk once this many are in use, so that security
    /// and system events still do.
    access_max: usize,
    pub counting: Counting,
    /// How many bytes of segments may stay, as last asked for.
    pub retain_bytes: AtomicU64,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Chunk>,
    free: Vec<Chunk>,
    allocated: usize,
    jobs: VecDeque<Job>,
    closing: bool,
    closed: bool,
}

impl Pool {
    pub fn new(pool_bytes: usize, chunk_bytes: usize, retain_bytes: u64) -> Self {
        let chunks_max = (pool_bytes / chunk_bytes).max(4);
        Self {
            state: Mutex::new(State {
                queue: VecDeque::with_capacity(chunks_max),
                free: Vec::with_capacity(chunks_max),
                allocated: 0,
                jobs: VecDeque::with_capacity(JOBS_MAX),
                closing: false,
                closed: false,
            }),
            work: Condvar::new(),
            chunk_bytes,
            chunks_max,
            access_max: chunks_max - chunks_max / 4,
            counting: Counting::default(),
            retain_bytes: AtomicU64::new(retain_bytes),
        }
    }

    /// An empty chunk for an event of `class`, if there may be one.
    pub fn take(&self, class: Class) -> Option<Chunk> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        let in_use = state.allocated - state.free.len();
        let reserved = in_use >= self.access_max;
        if in_use >= self.chunks_max || (reserved && class == Class::Access) {
            return None;
        }
        if let Some(mut chunk) = state.free.pop() {
            chunk.reserved = reserved;
            return Some(chunk);
        }
        state.allocated += 1;
        drop(state);
        Some(Chunk {
            bytes: Vec::with_capacity(self.chunk_bytes),
            counts: [0; 4],
            reserved,
        })
    }

    /// Gives a chunk to the writer, and wakes it. There is always room: the
    /// queue holds as many as there are chunks.
    pub fn hand_over(&self, chunk: Chunk) {
        if self.queue(chunk) > 0 {
            self.work.notify_one();
        }
    }

    /// Gives a full chunk to the writer, which is woken for a few of them at
    /// once: waking it for each costs as much as writing it.
    pub fn put(&self, chunk: Chunk) {
        if self.queue(chunk) >= BACKLOG.min(self.chunks_max / 4) {
            self.work.notify_one();
        }
    }

    /// Wakes the writer if chunks wait for it.
    pub fn nudge(&self) {
        if !self.lock().queue.is_empty() {
            self.work.notify_one();
        }
    }

    /// Adds a chunk; how many wait then.
    fn queue(&self, chunk: Chunk) -> usize {
        let mut state = self.lock();
        if state.closed {
            drop(state);
            Counting::add(&self.counting.dropped, &chunk.counts);
            return 0;
        }
        state.queue.push_back(chunk);
        state.queue.len()
    }

    /// Whether the writer keeps up, so that a partly filled chunk may go to it.
    pub fn wants_partial(&self) -> bool {
        self.lock().queue.len() < BACKLOG
    }

    /// Gives a written chunk back.
    pub fn recycle(&self, mut chunk: Chunk) {
        chunk.bytes.clear();
        chunk.counts = [0; 4];
        self.lock().free.push(chunk);
    }

    /// Asks the writer for something; the job comes back if it cannot.
    pub fn submit(&self, job: Job) -> Result<(), Job> {
        let mut state = self.lock();
        if state.closed || state.closing || state.jobs.len() >= JOBS_MAX {
            return Err(job);
        }
        state.jobs.push_back(job);
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// For the writer: waits until there is work, the log closes, or `until`.
    /// Returns whether the log closes.
    pub fn wait(
        &self,
        until: Option<Instant>,
        chunks: &mut VecDeque<Chunk>,
        jobs: &mut VecDeque<Job>,
    ) -> bool {
        let mut state = self.lock();
        while state.queue.is_empty() && state.jobs.is_empty() && !state.closing {
            let Some(until) = until else {
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break;
            };
            state = self
                .work
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        chunks.append(&mut state.queue);
        jobs.append(&mut state.jobs);
        state.closing
    }

    /// Asks the writer to finish.
    pub fn begin_close(&self) {
        self.lock().closing = true;
        self.work.notify_one();
    }

    /// The writer has ended: whatever still arrives is dropped and counted.
    pub fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.jobs.clear();
        for chunk in state.queue.drain(..) {
            Counting::add(&self.counting.dropped, &chunk.counts);
        }
    }

    /// Whether the writer has ended.
    pub fn ended(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
