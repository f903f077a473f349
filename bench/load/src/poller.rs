//! A readiness queue: epoll, with timeouts to the nanosecond.

use rustix::buffer::spare_capacity;
use rustix::event::{epoll, Timespec};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What is watched for readable bytes, each thing under a number of the caller's.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    /// An empty queue.
    pub fn new() -> Result<Self, String> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|error| format!("epoll: {error}"))?;
        Ok(Self { epoll, events: Vec::with_capacity(256) })
    }

    /// Watches a descriptor until it is closed.
    pub fn watch(&self, what: impl AsFd, number: u64) -> Result<(), String> {
        epoll::add(&self.epoll, what, epoll::EventData::new_u64(number), epoll::EventFlags::IN)
            .map_err(|error| format!("epoll: {error}"))
    }

    /// Waits until something is readable or the time has passed, and puts the numbers of what is into `ready`.
    pub fn wait(&mut self, timeout: Duration, ready: &mut Vec<u64>) -> Result<(), String> {
        ready.clear();
        self.events.clear();
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(format!("epoll: {error}")),
        }
        ready.extend(self.events.iter().map(|event| event.data.u64()));
        Ok(())
    }
}
