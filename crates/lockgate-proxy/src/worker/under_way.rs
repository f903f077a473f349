//! A stream beside others of its connection, as long as it is being served.

use std::rc::Rc;

use super::Worker;
use crate::net::{ConnectionState, Permit};

/// A stream that is being served.
pub(crate) struct UnderWay {
    pub(super) worker: Rc<Worker>,
    pub(super) connection: Rc<ConnectionState>,
    pub(super) stream: Rc<ConnectionState>,
    pub(super) number: usize,
    pub(super) permit: Option<Permit>,
    pub(super) answered: bool,
}

impl UnderWay {
    /// It is answered, and takes no place any more: what of the answer the client does
    /// not have yet, is bounded by its connection's window.
    pub(crate) fn answered(&mut self) {
        self.permit = None;
        if !std::mem::replace(&mut self.answered, true) {
            if self.stream.retiring.get() {
                self.connection.retiring.set(true);
            }
            self.connection.end_request(self.worker.clock.coarse_ms());
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.worker.watch.remove(self.number);
        self.answered();
    }
}
