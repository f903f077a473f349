//! What a gate knows of programs.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::tier::{Compiled, Tier};
use crate::{scopes, Grounds, Identity, RequestView};

/// A list of names.
pub type Names = Box<[Box<str>]>;

/// What a program was given.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its name.
    pub id: Arc<str>,
    /// How far it is trusted.
    pub tier: Tier,
    /// Scopes that it was given; `None` means all that its credentials say.
    pub scopes: Option<Names>,
    /// APIs that it was given; `None` means all.
    pub apis: Option<Names>,
    /// Operations that it was given, of APIs that are named here; all of others.
    pub operations: Box<[(Box<str>, Names)]>,
    /// When its time is over, milliseconds since the epoch; 0 means never.
    pub until_ms: u64,
    /// What explanations call it.
    pub grounds: Grounds,
}

impl Record {
    /// What explanations call a program.
    #[must_use]
    pub fn words(id: &str, tier: Tier) -> Grounds {
        Grounds::from([
            Arc::from(format!("app {id}")),
            Arc::from(format!("tier {}", tier.name())),
        ])
    }

    pub(super) fn opens_api(&self, api: &str) -> bool {
        let lists = |all: &[Box<str>]| all.iter().any(|one| **one == *api);
        self.apis.as_deref().is_none_or(lists)
    }

    /// Whether the request is an operation that it was given, whatever it might be taken for.
    pub(super) fn opens(&self, view: &RequestView<'_>) -> bool {
        let mut of = self.operations.iter();
        let Some((_, given)) = of.find(|(api, _)| **api == *view.api) else {
            return true;
        };
        let has =
            |name: Option<&str>| name.is_some_and(|name| given.iter().any(|one| **one == *name));
        let mut others = view.readings.iter();
        has(view.operation) && others.all(|one| has(one.operation.as_deref()))
    }

    /// Whether it was given a scope, and may have it.
    pub(super) fn has(&self, scope: &str, tier: &Compiled) -> bool {
        let given = self.scopes.as_ref();
        given.is_none_or(|all| all.iter().any(|one| **one == *scope)) && !tier.withholds(scope)
    }

    /// The caller without the scopes that the program was not given, or never has; and those.
    pub(super) fn narrowed(
        &self,
        identity: Identity,
        tier: &Compiled,
    ) -> (Identity, Vec<Box<str>>) {
        let given = |scope: &str| self.has(scope, tier);
        let withheld: Vec<Box<str>> = scopes::all(&identity)
            .filter(|scope| !given(scope))
            .map(Box::from)
            .collect();
        if withheld.is_empty() {
            return (identity, withheld);
        }
        let left = scopes::all(&identity).filter(|scope| given(scope));
        let left = Value::from(left.collect::<Vec<_>>().join(" "));
        let mut claims = identity.claims.as_deref().cloned().unwrap_or_default();
        // Wherever an issuer has put them (`scp`), they stand in one place now (RFC 8693 section 4.2).
        claims.remove("scp");
        claims.insert("scope".to_owned(), left);
        let identity = Identity {
            claims: Some(Arc::new(claims)),
            ..identity
        };
        (identity, withheld)
    }
}

/// Programs that facts tell of; one for the process.
#[derive(Debug, Default)]
pub struct Apps {
    known: RwLock<Known>,
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Known {
    records: HashMap<Arc<str>, Told>,
    /// By issuer, by what that calls the program.
    clients: HashMap<Box<str>, HashMap<Box<str>, Arc<str>>>,
}

#[derive(Debug)]
struct Told {
    record: Arc<Record>,
    clients: Vec<(Box<str>, Box<str>)>,
    stopped: bool,
}

impl Apps {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells of a program: its record, by which issuer's which clients it is known, and whether it was stopped.
    pub fn put(&self, record: Record, clients: Vec<(Box<str>, Box<str>)>, stopped: bool) {
        let id = Arc::clone(&record.id);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.forget(&id);
        for (issuer, client) in &clients {
            let of = known.clients.entry(issuer.clone()).or_default();
            of.insert(client.clone(), Arc::clone(&id));
        }
        let told = Told {
            record: Arc::new(record),
            clients,
            stopped,
        };
        known.records.insert(id, told);
        self.count.store(known.records.len(), Ordering::Release);
    }

    /// There is no such program any more.
    pub fn forget(&self, id: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.forget(id);
        self.count.store(known.records.len(), Ordering::Release);
    }

    /// Whether a program was stopped.
    #[must_use]
    pub fn is_stopped(&self, id: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.records.get(id).is_some_and(|told| told.stopped)
    }

    /// The program that an issuer knows as `client`, and whether it was stopped. Without an issuer, the
    /// program of that name.
    #[must_use]
    pub fn of(&self, issuer: Option<&str>, client: &str) -> Option<(Arc<Record>, bool)> {
        if self.is_empty() {
            return None;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let id = match issuer {
            Some(issuer) => known.clients.get(issuer)?.get(client)?,
            None => client,
        };
        let told = known.records.get(id)?;
        Some((Arc::clone(&told.record), told.stopped))
    }
}

impl Known {
    fn forget(&mut self, id: &str) {
        let Some(told) = self.records.remove(id) else {
            return;
        };
        for (issuer, client) in &told.clients {
            if let Some(of) = self.clients.get_mut(issuer) {
                // Another program may have got the client since.
                if of.get(client).is_some_and(|one| **one == *id) {
                    of.remove(client);
                }
            }
        }
    }
}
