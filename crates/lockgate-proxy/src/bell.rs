//! Rings for the thread that talks with the control process, which sleeps in
//! `poll`: therefore a socket, and no condition variable.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// One bell, and who listens for it.
#[derive(Debug)]
pub struct Bell {
    ring: UnixStream,
    heard: UnixStream,
}

impl Bell {
    /// One that nobody has rung.
    ///
    /// # Errors
    /// If the system has no socket to give.
    pub fn new() -> io::Result<Self> {
        let (ring, heard) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        Ok(Self { ring, heard })
    }

    /// Rings; one that rings already has rung enough.
    pub fn ring(&self) {
        let _ = (&self.ring).write(&[1]);
    }

    /// Heard: it is silent until it is rung again. Whether it rang.
    pub fn silence(&self) -> bool {
        let mut bytes = [0; 64];
        let mut rang = false;
        while (&self.heard).read(&mut bytes).is_ok_and(|count| count > 0) {
            rang = true;
        }
        rang
    }

    /// What can be read while it rings.
    pub fn descriptor(&self) -> RawFd {
        self.heard.as_raw_fd()
    }
}
