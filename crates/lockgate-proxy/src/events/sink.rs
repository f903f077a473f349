//! A worker's end of the log.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;

use super::cbor;
use super::frame;
use super::pool::{Chunk, Pool};
use super::record::{AccessRecord, RECORD_MAX};
use super::schema::{Class, Event};

/// Where one worker writes its events. It never blocks and, once its chunks
/// are warm, never allocates; an event for which there is no room is dropped
/// and counted.
///
/// A sink belongs to one thread at a time. Call [`Sink::flush`] from a tick of
/// about 50 ms, so that events do not wait in a half-filled chunk; dropping the
/// sink flushes it too.
#[derive(Debug)]
pub struct Sink {
    pool: Arc<Pool>,
    chunk: RefCell<Option<Chunk>>,
}

impl Sink {
    pub(crate) const fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            chunk: RefCell::new(None),
        }
    }

    /// Writes an answered request.
    pub fn access(&self, record: &AccessRecord<'_>) {
        self.record(Class::Access, record);
    }

    /// Writes a refused request. It finds room where an answered one does not.
    pub fn security(&self, record: &AccessRecord<'_>) {
        self.record(Class::Security, record);
    }

    /// Hands what is there to the writer, unless the writer is behind: then the
    /// chunk is filled first.
    pub fn flush(&self) {
        let mut slot = self.chunk.borrow_mut();
        let filled = slot.as_ref().is_some_and(|chunk| !chunk.bytes.is_empty());
        match slot.take_if(|_| filled && self.pool.wants_partial()) {
            Some(chunk) => self.pool.hand_over(chunk),
            None => self.pool.nudge(),
        }
    }

    /// Hands what is there to the writer, whether it is behind or not: for a
    /// worker that ends, and does not know when its sink will be dropped.
    pub fn hand_over(&self) {
        match self.chunk.take() {
            Some(chunk) if chunk.bytes.is_empty() => self.pool.recycle(chunk),
            Some(chunk) => self.pool.hand_over(chunk),
            None => {}
        }
    }

    fn record(&self, class: Class, record: &AccessRecord<'_>) {
        let needed = || frame::HEADER_BYTES + record.size_bound();
        self.write(class, needed, |out| {
            record.encode(out);
            Ok::<(), Infallible>(())
        });
    }

    /// Writes an event of any class but audit; false if it is larger than a
    /// chunk holds. A drop for want of room is counted, and true.
    pub(crate) fn event(&self, event: &Event) -> bool {
        let mut payload = Vec::new();
        if cbor::encode(event, &mut payload).is_err() || payload.len() > RECORD_MAX {
            return false;
        }
        let needed = || frame::HEADER_BYTES + payload.len();
        self.write(event.body.class(), needed, |out| {
            out.extend_from_slice(&payload);
            Ok::<(), Infallible>(())
        });
        true
    }

    fn write<E>(
        &self,
        class: Class,
        needed: impl FnOnce() -> usize,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) {
        let mut slot = self.chunk.borrow_mut();
        if let Some(chunk) = slot.take_if(|chunk| {
            let room = chunk.room();
            room < frame::HEADER_BYTES + RECORD_MAX && room < needed()
        }) {
            self.pool.put(chunk);
        }
        if slot.is_none() {
            *slot = self.pool.take(class);
        }
        let Some(chunk) = slot
            .as_mut()
            .filter(|chunk| !chunk.reserved || class != Class::Access)
        else {
            self.pool.counting.drop_one(class);
            return;
        };
        if frame::append(&mut chunk.bytes, class as u8, fill).is_some() {
            chunk.counts[class.index()] += 1;
        } else {
            self.pool.counting.drop_one(class);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.hand_over();
    }
}

#[cfg(test)]
mod tests;
