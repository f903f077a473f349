//! What the gate itself writes into a request.

use crate::http1::write_field;
use crate::worker::Worker;

/// Header lines of the gate's own. They go out behind the client's without
/// passing through the map, which would have to grow for them.
pub(super) struct OwnLines(pub(super) Vec<u8>);

impl OwnLines {
    /// Begins with an empty buffer that an earlier request may have used.
    pub(super) fn new(worker: &Worker) -> Self {
        let mut lines = worker.pools.lines.take();
        lines.clear();
        Self(lines)
    }

    pub(super) fn line(&mut self, name: &[u8], value: &[u8]) {
        write_field(&mut self.0, name, value);
    }
}
