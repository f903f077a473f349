//! What rules keep between transactions (`initcol`, `setvar:ip.…`): for the
//! process, bounded, and forgotten by itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::bytes::Span;
use crate::rule::Collection;

use super::evaluate::Evaluation;
use super::names::Held;

/// Entries of all collections together, at most. What comes beyond pushes out
/// others of its shard.
pub const MAX_ENTRIES: usize = 64 * 1024;

/// Variables of one entry, at most.
pub const MAX_VARIABLES: usize = 64;

/// Bytes of a key or of a text that is kept, at most.
pub const MAX_KEPT_TEXT: usize = 1024;

/// How long an entry is kept after it was last written, unless rules say
/// otherwise (`SecCollectionTimeout`).
pub const TIMEOUT_S: u32 = 3600;

const SHARDS: usize = 16;

/// Variables that outlive a transaction.
#[derive(Debug, Default)]
pub struct Kept {
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<(Collection, Box<[u8]>), Entry>;

/// A variable: its name, what it holds, and until when.
type Variable = (Box<[u8]>, Value, u64);

#[derive(Debug, Default)]
struct Entry {
    until_ms: u64,
    variables: Vec<Variable>,
}

#[derive(Debug, Clone)]
enum Value {
    Number(i64),
    Text(Box<[u8]>),
}

impl Kept {
    fn shard(&self, key: &[u8]) -> &Mutex<Shard> {
        let sum = key.iter().fold(0usize, |sum, byte| {
            sum.wrapping_mul(31) ^ usize::from(*byte)
        });
        &self.shards[sum % SHARDS]
    }

    fn read(
        &self,
        collection: Collection,
        key: &[u8],
        now_ms: u64,
        each: &mut dyn FnMut(&[u8], &Value),
    ) {
        let shard = self.shard(key);
        let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = shard.get(&(collection, key.into())) else {
            return;
        };
        if entry.until_ms <= now_ms {
            return;
        }
        for (name, value, until_ms) in &entry.variables {
            if *until_ms > now_ms {
                each(name, value);
            }
        }
    }

    fn write(
        &self,
        collection: Collection,
        key: &[u8],
        (now_ms, timeout_ms): (u64, u64),
        write: impl FnOnce(&mut Vec<Variable>),
    ) {
        let shard = self.shard(key);
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= MAX_ENTRIES / SHARDS {
            shard.retain(|_, entry| entry.until_ms > now_ms);
            if shard.len() >= MAX_ENTRIES / SHARDS {
                let oldest = shard.iter().min_by_key(|(_, entry)| entry.until_ms);
                if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                    shard.remove(&oldest);
                }
            }
        }
        let entry = shard.entry((collection, key.into())).or_default();
        if entry.until_ms <= now_ms {
            entry.variables.clear();
        }
        entry.until_ms = now_ms.saturating_add(timeout_ms);
        write(&mut entry.variables);
    }
}

impl Evaluation<'_> {
    fn key(&self, collection: Collection) -> Option<Span> {
        self.tx.control.keys.get(collection)
    }

    /// The variables of an entry, or the one of this name.
    pub(super) fn kept_values(
        &mut self,
        collection: Collection,
        name: Option<&[u8]>,
        out: &mut Vec<(Span, Held)>,
    ) {
        let Some(key) = self.key(collection) else {
            return;
        };
        let mut found: Vec<(Box<[u8]>, Value)> = Vec::new();
        let key = self.tx.arena.get(key);
        self.kept.read(
            collection,
            key,
            self.tx.control.now_ms,
            &mut |text, value| {
                if name.is_none_or(|name| name == text) {
                    found.push((text.into(), value.clone()));
                }
            },
        );
        for (name, value) in found {
            let name = self.tx.arena.keep(&name);
            let held = match value {
                Value::Number(number) => Held::Number(number),
                Value::Text(text) => Held::Text(self.tx.arena.keep(&text)),
            };
            out.push((name, held));
        }
    }

    /// What a variable of an entry holds.
    pub(super) fn kept_value(&mut self, collection: Collection, name: &[u8]) -> Held {
        let mut found = Vec::new();
        self.kept_values(collection, Some(name), &mut found);
        found.first().map_or(Held::Absent, |(_, held)| *held)
    }

    /// Writes a variable of an entry for a template.
    pub(super) fn write_kept(&self, collection: Collection, name: &[u8], out: &mut Vec<u8>) {
        let Some(key) = self.key(collection) else {
            return;
        };
        let key = self.tx.arena.get(key);
        self.kept.read(
            collection,
            key,
            self.tx.control.now_ms,
            &mut |text, value| {
                if text == name {
                    match value {
                        Value::Number(number) => {
                            let mut buffer = itoa::Buffer::new();
                            out.extend_from_slice(buffer.format(*number).as_bytes());
                        }
                        Value::Text(text) => out.extend_from_slice(text),
                    }
                }
            },
        );
    }

    /// Keeps a variable of an entry, or forgets it.
    pub(super) fn keep_value(&mut self, collection: Collection, name: &[u8], held: Held) {
        let value = match held {
            Held::Absent => None,
            Held::Number(number) => Some(Value::Number(number)),
            Held::Text(text) => {
                let text = self.tx.arena.get(text);
                Some(Value::Text(text[..text.len().min(MAX_KEPT_TEXT)].into()))
            }
        };
        self.keep(collection, |variables| {
            variables.retain(|(text, _, _)| **text != *name);
            if let Some(value) = value.filter(|_| variables.len() < MAX_VARIABLES) {
                variables.push((name.into(), value, u64::MAX));
            }
        });
    }

    /// Has a variable forgotten after some seconds.
    pub(super) fn expire(&mut self, collection: Collection, name: Span, seconds: i64) {
        let name: Box<[u8]> = self.tx.arena.get(name).to_ascii_lowercase().into();
        let seconds = u64::try_from(seconds).unwrap_or(0);
        let until_ms = self.tx.control.now_ms.saturating_add(seconds * 1000);
        self.keep(collection, |variables| {
            for (text, _, until) in variables {
                if *text == name {
                    *until = until_ms;
                }
            }
        });
    }

    fn keep(&mut self, collection: Collection, write: impl FnOnce(&mut Vec<Variable>)) {
        let Some(key) = self.key(collection) else {
            return;
        };
        let key = self.tx.arena.get(key);
        let key = &key[..key.len().min(MAX_KEPT_TEXT)];
        let times = (self.tx.control.now_ms, self.program.kept_ms);
        self.kept.write(collection, key, times, write);
    }
}

/// Which entries a transaction means.
#[derive(Debug, Default)]
pub struct Keys([Option<Span>; 5]);

impl Keys {
    const fn place(collection: Collection) -> Option<usize> {
        Some(match collection {
            Collection::Ip => 0,
            Collection::Global => 1,
            Collection::Resource => 2,
            Collection::Session => 3,
            Collection::User => 4,
            _ => return None,
        })
    }

    /// The key of the entry of this collection.
    #[must_use]
    pub fn get(&self, collection: Collection) -> Option<Span> {
        self.0[Self::place(collection)?]
    }

    /// Says which entry is meant.
    pub fn set(&mut self, collection: Collection, key: Span) {
        if let Some(place) = Self::place(collection) {
            self.0[place] = Some(key);
        }
    }
}
