//! Memory that bodies take while they are packed or unpacked, bounded over all
//! of them: how many there are at once is for strangers to choose.

use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::exchange::Exchange;
use crate::net::holder;

/// One address has at most this part of it, so that nobody alone keeps all
/// others out; whoever sends from many is bounded by the whole.
const SHARE: u64 = 2;

/// As many as workers seldom are, so that two of them seldom want the same.
const SHARDS: usize = 64;

type Shard = Mutex<HashMap<IpAddr, u64, RandomState>>;

/// What a gate has of it, for all workers.
#[derive(Debug, Default)]
pub struct Memory {
    /// For answers that are packed.
    pub packing: Arc<Budget>,
    /// For bodies of requests that are unpacked.
    pub unpacking: Arc<Budget>,
    /// For bodies that are looked at.
    pub inspecting: Arc<Budget>,
}

/// Memory that is taken for one purpose, in all and by address.
#[derive(Debug)]
pub struct Budget {
    all: AtomicU64,
    by_address: [Shard; SHARDS],
}

/// A part of it; given back when dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
    most: u64,
    holder: Option<IpAddr>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            all: AtomicU64::new(0),
            by_address: std::array::from_fn(|_| Shard::default()),
        }
    }
}

impl Budget {
    /// Bytes that are taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }

    /// Takes some of `most` in all; none where there is not so much left. `address`
    /// is whose it is; none for who speaks for many.
    #[must_use]
    pub fn take(
        self: &Arc<Self>,
        bytes: usize,
        most: u64,
        address: Option<IpAddr>,
    ) -> Option<Charge> {
        let mut charge = Charge {
            budget: Arc::clone(self),
            bytes: 0,
            most,
            holder: address.map(holder),
        };
        charge.grow_to(bytes).then_some(charge)
    }

    /// The same, for a request of whoever sent it.
    #[must_use]
    pub fn take_for(
        self: &Arc<Self>,
        exchange: &Exchange,
        bytes: usize,
        most: u64,
    ) -> Option<Charge> {
        let judged = &exchange.judgement;
        let address = (!judged.proxy).then_some(judged.client);
        self.take(bytes, most, address)
    }

    fn shard(&self, holder: IpAddr) -> &Shard {
        let last = match holder {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(v6) => v6.octets()[7],
        };
        &self.by_address[usize::from(last) % SHARDS]
    }

    /// Whether `holder` may have so much more.
    fn hold(&self, holder: IpAddr, more: u64, most: u64) -> bool {
        let shard = self.shard(holder).lock();
        let mut shard = shard.unwrap_or_else(PoisonError::into_inner);
        let held = shard.get(&holder).copied().unwrap_or(0);
        let may = held + more <= most;
        if may {
            shard.insert(holder, held + more);
        }
        may
    }

    fn give_back(&self, holder: IpAddr, bytes: u64) {
        let shard = self.shard(holder).lock();
        let mut shard = shard.unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut held) = shard.entry(holder) {
            *held.get_mut() -= bytes;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

impl Charge {
    /// Takes as much more as there is to `bytes`; false, and no more is taken,
    /// where there is not so much left. What was more once stays taken.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if bytes <= self.bytes {
            return true;
        }
        let more = bytes - self.bytes;
        let all = &self.budget.all;
        // Two that meet at the bound may both be refused: as if it were a little lower.
        let mut may = all.fetch_add(more, Ordering::Relaxed) + more <= self.most;
        if let (true, Some(holder)) = (may, self.holder) {
            may = self.budget.hold(holder, more, self.most / SHARE);
        }
        if may {
            self.bytes = bytes;
        } else {
            all.fetch_sub(more, Ordering::Relaxed);
        }
        may
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.all.fetch_sub(self.bytes, Ordering::Relaxed);
        if let (Some(holder), true) = (self.holder, self.bytes > 0) {
            self.budget.give_back(holder, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests;
