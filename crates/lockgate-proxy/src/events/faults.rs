//! Failures on demand, for tests: a disk that refuses, or that does not answer.

use std::io;
use std::sync::{Condvar, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    write_error: Option<io::ErrorKind>,
    sync_error: bool,
    stalled: bool,
    waiting: bool,
}

impl Faults {
    /// Every write fails with `kind` until told otherwise.
    pub fn fail_writes(&self, kind: Option<io::ErrorKind>) {
        self.state.lock().unwrap().write_error = kind;
    }

    /// Every sync fails until told otherwise.
    pub fn fail_syncs(&self, fail: bool) {
        self.state.lock().unwrap().sync_error = fail;
    }

    /// Writes do not return until told otherwise.
    pub fn stall(&self, stalled: bool) {
        self.state.lock().unwrap().stalled = stalled;
        self.changed.notify_all();
    }

    /// Waits until a write has run into the stall.
    pub fn await_stalled(&self) {
        let state = self.state.lock().unwrap();
        drop(
            self.changed
                .wait_while(state, |state| !state.waiting)
                .unwrap(),
        );
    }

    pub fn before_write(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        while state.stalled {
            state.waiting = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap();
        }
        state.waiting = false;
        state.write_error.map_or(Ok(()), |kind| Err(kind.into()))
    }

    pub fn before_sync(&self) -> io::Result<()> {
        if self.state.lock().unwrap().sync_error {
            return Err(io::Error::other("the disk lost what it was given"));
        }
        Ok(())
    }
}
