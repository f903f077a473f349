//! Questions that are under way: each is put once for all who wait for its answer.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use tokio::sync::watch;

/// Waits for what comes of a question.
pub(crate) type Hearing<A> = watch::Receiver<Option<A>>;

/// Questions by what tells one from every other, at most so many.
#[derive(Debug)]
pub(crate) struct Flights<K, Q, A> {
    under_way: HashMap<K, Flight<Q, A>, RandomState>,
    most: usize,
}

/// A question that has no answer yet.
#[derive(Debug)]
pub(crate) struct Flight<Q, A> {
    since: Instant,
    patience: Duration,
    question: Q,
    told: bool,
    done: watch::Sender<Option<A>>,
}

impl<Q, A> Flight<Q, A> {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= self.patience
    }

    /// What was asked.
    pub(crate) const fn question(&self) -> &Q {
        &self.question
    }

    /// How long ago that was.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.duration_since(self.since)
    }

    /// Tells all who wait.
    pub(crate) fn land(self, answer: A) {
        self.done.send_replace(Some(answer));
    }
}

impl<K: Eq + Hash, Q: Clone, A> Flights<K, Q, A> {
    /// None yet, and never more than that.
    pub(crate) fn bounded(most: usize) -> Self {
        Self {
            under_way: HashMap::default(),
            most,
        }
    }

    /// Joins those who wait for an answer, where somebody does.
    pub(crate) fn join<B: Eq + Hash + ?Sized>(&self, key: &B, now: Instant) -> Option<Hearing<A>>
    where
        K: Borrow<B>,
    {
        let flight = self.under_way.get(key)?;
        (!flight.is_over(now)).then(|| flight.done.subscribe())
    }

    /// Puts a question that nobody has put; none where too many are under way.
    pub(crate) fn begin(
        &mut self,
        key: K,
        question: Q,
        patience: Duration,
        now: Instant,
    ) -> Option<Hearing<A>> {
        if self.under_way.len() >= self.most {
            self.under_way.retain(|_, flight| !flight.is_over(now));
            if self.under_way.len() >= self.most {
                return None;
            }
        }
        let (done, heard) = watch::channel(None);
        let flight = Flight {
            since: now,
            patience,
            question,
            told: false,
            done,
        };
        self.under_way.insert(key, flight);
        Some(heard)
    }

    /// How many are under way of those that are meant.
    pub(crate) fn count(&self, meant: impl Fn(&Q) -> bool, now: Instant) -> usize {
        let open = self.under_way.values();
        open.filter(|flight| !flight.is_over(now) && meant(&flight.question))
            .count()
    }

    /// What is to be asked; each is told once. Nobody waits for those that could not be told in time.
    pub(crate) fn open(&mut self, now: Instant) -> Vec<Q> {
        let open = self.under_way.values_mut();
        let open = open.filter(|flight| !flight.told && !flight.is_over(now));
        open.map(|flight| {
            flight.told = true;
            flight.question.clone()
        })
        .collect()
    }

    /// Who was told is not there any more: all is to be asked again. Whether there is anything.
    pub(crate) fn untold(&mut self) -> bool {
        for flight in self.under_way.values_mut() {
            flight.told = false;
        }
        !self.under_way.is_empty()
    }

    /// Takes the question that an answer has come to; none where nobody has asked, or not within the time.
    pub(crate) fn take<B: Eq + Hash + ?Sized>(&mut self, key: &B) -> Option<Flight<Q, A>>
    where
        K: Borrow<B>,
    {
        self.under_way.remove(key)
    }

    /// Gives up on one whose time is over; whether there was such a one.
    pub(crate) fn give_up(&mut self, key: &K, now: Instant) -> bool {
        let flight = self.under_way.get(key);
        let over = flight.is_some_and(|flight| flight.is_over(now));
        over && self.under_way.remove(key).is_some()
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.under_way.len()
    }
}
