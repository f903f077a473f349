//! How much of an upstream may be under way at once, over all workers: who
//! comes too many waits in a queue with a bound and a deadline, or is refused.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::bundle::Breaker as Limits;

/// The breaker of one upstream. It outlives a reload; the limits come with each request.
#[derive(Debug, Default)]
pub struct Breaker {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    used: u32,
    /// As the last request had it.
    concurrent: u32,
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

/// A place among the requests under way; given back when dropped.
#[derive(Debug)]
pub struct Permit(Option<Arc<Breaker>>);

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// As many wait as may.
    Queue,
    /// None came free in time.
    Late,
}

impl Breaker {
    /// Takes a place, or waits for one.
    pub async fn enter(self: &Arc<Self>, limits: &Limits) -> Result<Permit, Full> {
        let place = {
            let mut inner = self.lock();
            inner.concurrent = limits.concurrent;
            if inner.used < limits.concurrent && inner.waiting.is_empty() {
                inner.used += 1;
                return Ok(Permit(Some(Arc::clone(self))));
            }
            let most = limits.queue as usize;
            if inner.waiting.len() >= most {
                // Those who went away meanwhile hold no place.
                inner.waiting.retain(|waiting| !waiting.is_closed());
            }
            if inner.waiting.len() >= most {
                return Err(Full::Queue);
            }
            let (sender, place) = oneshot::channel();
            inner.waiting.push_back(sender);
            // The limit may have been raised since the last place was given.
            self.hand_on(&mut inner);
            place
        };
        let within = Duration::from_millis(u64::from(limits.wait_ms));
        match tokio::time::timeout(within, place).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Full::Late),
        }
    }

    /// Requests under way, and those that wait.
    #[must_use]
    pub fn load(&self) -> (u32, usize) {
        let inner = self.lock();
        let waiting = inner
            .waiting
            .iter()
            .filter(|waiting| !waiting.is_closed())
            .count();
        (inner.used, waiting)
    }

    /// Gives free places to those who wait, the first come first.
    fn hand_on(self: &Arc<Self>, inner: &mut Inner) {
        while inner.used < inner.concurrent {
            let Some(next) = inner.waiting.pop_front() else {
                return;
            };
            inner.used += 1;
            // Dropped unread, as when the deadline passes just now, it gives its place back.
            if let Err(mut unwanted) = next.send(Permit(Some(Arc::clone(self)))) {
                unwanted.0 = None;
                inner.used -= 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(breaker) = self.0.take() {
            let mut inner = breaker.lock();
            inner.used = inner.used.saturating_sub(1);
            breaker.hand_on(&mut inner);
        }
    }
}

#[cfg(test)]
mod tests;
