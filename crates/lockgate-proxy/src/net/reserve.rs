//! Descriptors kept aside: a gate that has accepted all it can must still be
//! able to reach its upstreams, or the ones it serves would get nothing.

use std::cell::RefCell;
use std::fs::File;
use std::io;

/// Descriptors that a worker keeps aside.
const KEPT: usize = 16;

/// A worker's reserve of descriptors.
#[derive(Debug, Default)]
pub struct Reserve {
    files: RefCell<Vec<File>>,
}

impl Reserve {
    /// Frees one descriptor; false if none is left.
    pub fn give(&self) -> bool {
        self.files.borrow_mut().pop().is_some()
    }

    /// Fills the reserve up; false if there are not descriptors enough. Until
    /// there are, nobody new is accepted.
    pub fn refill(&self) -> bool {
        let mut files = self.files.borrow_mut();
        while files.len() < KEPT {
            match File::open("/dev/null") {
                Ok(file) => files.push(file),
                Err(_) => return false,
            }
        }
        true
    }
}

/// Whether the process, or the machine, has no descriptor or memory for a socket.
pub fn out_of_descriptors(error: &io::Error) -> bool {
    // EMFILE, ENFILE, ENOBUFS, ENOMEM: Linux and macOS agree on the first two and the last.
    matches!(error.raw_os_error(), Some(12 | 23 | 24 | 55 | 105))
}
