//! The gate of a process: its workers, and what the control process tells it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use aws_lc_rs::{hmac, rand};
use lockgate_policy::jwt::TokenCache;
use lockgate_policy::ConfigError;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::broker::Broker;
use crate::bundle::{Bundle, PluginSet};
use crate::clock::wall_ms;
use crate::compile::{compile, Surroundings};
use crate::counters::Local;
use crate::events::{EventLog, Options};
use crate::facts::{FactError, FactStore, KeyUse};
use crate::guards;
use crate::http3;
use crate::introspections::Introspections;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::ocsp::Inquiries;
use crate::places::Places;
use crate::plugins::{Launch, Ledger, Pool};
use crate::proofs::Proofs;
use crate::refetch::Refetches;
use crate::scan::{self, Scans};
use crate::sightings::Sightings;
use crate::tls::{Kept, Managed, Source};
use crate::upstream::{Keeper, Registry};
use crate::worker::{Command, Shared, Worker};

mod aside;
mod error;
mod handover;
mod inquired;
mod listening;
mod sealed;
pub(crate) mod secret;
mod status;

pub use crate::net::{Endpoint, ListeningSocket};
pub use error::GateError;
pub use handover::{is_datagram, Account, Accounts, Handed};
pub use sealed::hash;
pub use status::Stats;

use aside::aside;
use listening::{Open, Opening};
use sealed::verify;

/// Commands that may wait for a worker: a few for each listener that a bundle changes.
const COMMANDS: usize = 256;

/// What a gate is started with.
pub struct Settings {
    /// The state folder; the gate's own part is `gate` below it.
    pub state_dir: PathBuf,
    /// Secret under which API keys are hashed.
    pub pepper: Vec<u8>,
    /// Raw Ed25519 public key that bundles are signed with.
    pub public_key: Vec<u8>,
    /// Threads; one per core is the default.
    pub workers: usize,
    /// Sockets of the gate that this one takes the place of; they are listened on already.
    pub handed: Vec<Handed>,
    /// Knows the users and groups of this machine.
    pub accounts: Accounts,
    /// Program and arguments of a process that runs plugins; empty where there is none.
    pub plugin_command: Vec<String>,
    /// Whether nobody is let in before a bundle is loaded, or [`Gate::let_in`] says so.
    pub closed: bool,
}

/// A bundle that was put to work.
#[derive(Debug, Clone, Serialize)]
pub struct Loaded {
    /// Its place in the order of bundles.
    pub sequence: u64,
    /// The first 16 hexadecimal digits of its SHA-256.
    pub hash: String,
    /// From hand-over to live, microseconds.
    pub took_us: u64,
}

/// The gate.
pub struct Gate {
    shared: Arc<Shared>,
    pepper: Arc<hmac::Key>,
    public_key: Vec<u8>,
    launch: Launch,
    folder: PathBuf,
    workers: Vec<Thread>,
    keeper: Keeper,
    open: Mutex<HashMap<Endpoint, Open>>,
    /// What was handed to this gate and no bundle has asked for yet.
    handed: Mutex<Vec<Handed>>,
    /// Files that the secrets at work were read from.
    secrets: Mutex<secret::Files>,
    /// Certificates that were good last.
    tls: Kept,
    accounts: Accounts,
    /// Whether nobody is let in yet: a newer bundle than the one on disk may be about to come.
    closed: AtomicBool,
    /// Whether its files may be another gate's by now.
    released: AtomicBool,
}

struct Thread {
    commands: mpsc::Sender<Command>,
    handle: JoinHandle<()>,
    alive: Arc<AtomicBool>,
}

impl Gate {
    /// Starts the workers, with what the state folder holds.
    ///
    /// # Errors
    /// If the state folder cannot be used, or what it holds cannot be served.
    pub fn start(settings: Settings) -> Result<Self, GateError> {
        let folder = settings.state_dir.join("gate");
        fs::create_dir_all(&folder).map_err(GateError::State)?;
        let options = Options {
            node: "gate".to_owned(),
            ..Options::default()
        };
        let log = EventLog::start(&folder.join("events"), options).map_err(GateError::State)?;
        let log = Arc::new(log);
        let upstreams = Arc::<Registry>::default();
        let (told, heard) = (Arc::clone(&log), Arc::clone(&log));
        upstreams.tell_to(move |code, message| system(&told, code, message));
        let metrics = Metrics::new(settings.workers);
        let shared = Arc::new(Shared {
            current: Arc::new(ArcSwapOption::empty()),
            facts: FactStore::open(&folder.join("facts.log")).map_err(GateError::State)?,
            counters: Local::default(),
            proofs: Proofs::default(),
            sightings: Sightings::default(),
            places: Places::open(&folder.join("users"), wall_ms()).map_err(GateError::State)?,
            tokens: Arc::new(TokenCache::default()),
            refetches: Refetches::new().map_err(GateError::State)?,
            inquiries: Inquiries::new().map_err(GateError::State)?,
            introspections: Introspections::new().map_err(GateError::State)?,
            broker: Broker::new().map_err(GateError::State)?,
            metrics: Arc::clone(&metrics),
            ledger: Ledger::default(),
            upstreams,
            managed: Managed::open(&folder),
            memory: Memory::default(),
            scans: Scans::default(),
            quic: http3::Shared::new(&folder, &settings.pepper, &metrics)
                .map_err(GateError::State)?,
            log,
            connections: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            over: Condvar::new(),
            counting: Mutex::default(),
        });
        let workers = (0..settings.workers)
            .map(|number| spawn(number, &shared))
            .collect::<io::Result<Vec<_>>>();
        let gate = Self {
            shared,
            pepper: lockgate_policy::api_key::pepper(&settings.pepper),
            public_key: settings.public_key,
            launch: Launch {
                command: settings.plugin_command,
                state: settings.state_dir,
                processes: settings.workers,
                tell: Arc::new(move |code, message| system(&heard, code, message)),
            },
            folder,
            workers: workers.map_err(GateError::State)?,
            keeper: Keeper::default(),
            open: Mutex::default(),
            handed: Mutex::new(settings.handed),
            secrets: Mutex::default(),
            tls: Kept::default(),
            accounts: settings.accounts,
            closed: AtomicBool::new(settings.closed),
            released: AtomicBool::new(false),
        };
        let torn = gate.shared.facts.torn();
        if torn > 0 {
            let message = format!(
                "{torn} bytes of the facts log were damaged and cut off: until the control process has sent them again, revocations may be missing"
            );
            system(&gate.shared.log, "facts-log-damaged", &message);
        }
        gate.resume()?;
        // A socket that nobody accepts from would keep its callers waiting.
        gate.handed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        Ok(gate)
    }

    /// Verifies a signed bundle and serves by it: wholly, or not at all.
    ///
    /// # Errors
    /// Why it was refused; what served before serves on.
    pub fn load(&self, signed: &[u8]) -> Result<Loaded, GateError> {
        let loaded = self.take(signed, true, true);
        let metrics = &self.shared.metrics;
        match &loaded {
            Ok(_) => metrics.loads.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                system(&self.shared.log, error.code(), &error.to_string());
                metrics.loads_refused.fetch_add(1, Ordering::Relaxed)
            }
        };
        let loaded = loaded?;
        // A gate that cannot keep the bundle serves by it all the same, and says so.
        if let Err(error) = keep(&self.folder.join("bundle.json"), signed) {
            system(&self.shared.log, "bundle-not-kept", &error.to_string());
        }
        Ok(loaded)
    }

    /// Puts secrets to work whose files have changed since they were read;
    /// whether there were any. A gate that goes down leaves them be.
    ///
    /// # Errors
    /// If the bundle cannot be served again; what served serves on, and they
    /// are tried again once a file changes.
    pub fn renew_secrets(&self) -> Result<bool, GateError> {
        {
            let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
            if self.shared.draining.load(Ordering::Acquire) || !secrets.changed() {
                return Ok(false);
            }
            secrets.seen();
        }
        let read = fs::read(self.folder.join("bundle.json")).map_err(GateError::State);
        if let Err(error) = read.and_then(|signed| self.take(&signed, true, false)) {
            let words = format!(
                "Files of secrets have changed, and what was at work before stays so: {error}"
            );
            system(&self.shared.log, "secrets-not-renewed", &words);
            return Err(error);
        }
        let current = self.shared.current.load();
        match current.as_ref().map_or(0, |snapshot| snapshot.unfit.len()) {
            0 => system(
                &self.shared.log,
                "secrets-renewed",
                "Files of secrets have changed, and what they hold now is at work.",
            ),
            // Each was told of already, as `secret-unfit`.
            unfit => system(
                &self.shared.log,
                "secrets-not-all-renewed",
                &format!("Files of secrets have changed. {unfit} cannot be used, as `secret-unfit` says of each; what the others hold is at work."),
            ),
        }
        Ok(true)
    }

    /// Takes certificates and challenges from the control process, in the place
    /// of what was there; they are at work when this returns.
    ///
    /// # Errors
    /// If they are malformed or cannot be kept.
    pub fn put_certificates(&self, text: &[u8]) -> Result<(), GateError> {
        let put = self.shared.managed.put(text);
        let changed = put.map_err(GateError::Certificates)?;
        if !changed || self.shared.draining.load(Ordering::Acquire) {
            return Ok(());
        }
        match fs::read(self.folder.join("bundle.json")) {
            Ok(signed) => {
                self.take(&signed, false, false)?;
                self.shared.managed.at_work();
                Ok(())
            }
            // The first bundle finds them.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(GateError::State(error)),
        }
    }

    /// Applies facts, each the JSON of one.
    ///
    /// # Errors
    /// The first that could not be taken.
    pub fn apply_facts<B: AsRef<[u8]>>(&self, facts: &[B]) -> Result<u64, FactError> {
        self.contact();
        self.shared.facts.apply(facts)
    }

    /// The last fact's place in the log.
    #[must_use]
    pub fn facts_sequence(&self) -> u64 {
        self.shared.facts.sequence()
    }

    /// Up to `most` API keys whose last use, by the hour, is told now for the first time.
    #[must_use]
    pub fn key_uses(&self, most: usize) -> Vec<KeyUse> {
        self.shared.facts.uses(most)
    }

    /// Issuers whose keys are wanted anew, for the control process to fetch.
    #[must_use]
    pub fn wishes(&self) -> Vec<String> {
        self.shared.refetches.wishes()
    }

    /// What can be read while there are wishes.
    #[must_use]
    pub fn wishes_bell(&self) -> RawFd {
        self.shared.refetches.bell()
    }

    /// An issuer's keys were looked for, whatever was found.
    pub fn refetched(&self, issuer: &str) {
        self.shared.refetches.answered(issuer);
    }

    /// Notes that the control process was heard of.
    pub fn contact(&self) {
        self.shared.facts.heard(wall_ms());
    }

    /// Sequence and hash of the bundle at work.
    #[must_use]
    pub fn bundle(&self) -> Option<(u64, String)> {
        self.shared
            .current
            .load()
            .as_ref()
            .map(|snapshot| (snapshot.sequence, snapshot.hash.to_string()))
    }

    /// Listeners by name, with the addresses that they really have.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, Endpoint)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.shared.current.load();
        let listeners = current.iter().flat_map(|snapshot| &snapshot.listeners);
        listeners
            .filter_map(|listener| {
                let opened = open.get(&listener.address)?;
                Some((listener.name.to_string(), opened.bound.clone()))
            })
            .collect()
    }

    /// Names of the listeners that speak TLS.
    #[must_use]
    pub fn secure_listeners(&self) -> Vec<String> {
        let current = self.shared.current.load();
        let listeners = current.iter().flat_map(|snapshot| &snapshot.listeners);
        listeners
            .filter(|listener| listener.secure)
            .map(|listener| listener.name.to_string())
            .collect()
    }

    /// Whether every worker lives. A gate with a dead worker wants to be started again.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.workers
            .iter()
            .all(|worker| worker.alive.load(Ordering::Acquire) && !worker.handle.is_finished())
            && self.keeper.alive()
            && self.shared.log.alive()
    }

    /// Stops accepting, and waits until the last connection is over.
    /// False if some were not in time; they are cut off.
    #[must_use]
    pub fn drain(&self, within: Duration) -> bool {
        self.shared.draining.store(true, Ordering::Release);
        self.take_files_away();
        for worker in &self.workers {
            // A worker that is gone has nothing to drain.
            let _ = worker.commands.blocking_send(Command::Drain);
        }
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        let over = self.shared.wait_until_over(within);
        let _ = self.shared.log.flush();
        over
    }

    /// What Prometheus reads.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        self.shared.metrics.write(&mut out);
        status::write(&self.shared, &self.stats(), &mut out);
        self.shared.ledger.write(&mut out);
        out
    }

    /// Numbers for people.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = status::stats(&self.shared, &self.tls, self.workers.len());
        stats.ready &= !self.closed.load(Ordering::Acquire);
        stats
    }

    /// Serves by the last good bundle, where there is one.
    fn resume(&self) -> Result<(), GateError> {
        let path = self.folder.join("bundle.json");
        match fs::read(&path) {
            Ok(signed) => match self.take(&signed, false, false) {
                Ok(_) => Ok(()),
                // Another program on the port is for the operator to mend; a
                // bundle that no longer holds waits for the control process.
                Err(error @ GateError::Listen { .. }) => Err(error),
                Err(error) => {
                    system(&self.shared.log, "last-bundle-refused", &error.to_string());
                    Ok(())
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(GateError::State(error)),
        }
    }

    /// Lets clients in by the last good bundle, where nobody was let in yet, and there is one;
    /// whether it was so.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn let_in(&self) -> Result<bool, GateError> {
        if !self.closed.load(Ordering::Acquire) || self.bundle().is_none() {
            return Ok(false);
        }
        let signed = fs::read(self.folder.join("bundle.json")).map_err(GateError::State)?;
        self.take(&signed, false, true)?;
        Ok(true)
    }

    /// `seen` is whether somebody waits for the news that it cannot be served; `opens` is whether
    /// clients are let in by it, though nobody was before.
    fn take(&self, signed: &[u8], seen: bool, opens: bool) -> Result<Loaded, GateError> {
        aside(|| self.put_to_work(signed, seen, opens))
    }

    fn put_to_work(&self, signed: &[u8], seen: bool, opens: bool) -> Result<Loaded, GateError> {
        let begun = Instant::now();
        if self.shared.draining.load(Ordering::Acquire) {
            return Err(GateError::Draining);
        }
        // Held to the end: bundles are put to work one after the other.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let text = verify(signed, &self.public_key)?;
        let bundle: Bundle =
            serde_json::from_str(&text).map_err(|error| GateError::Malformed(error.to_string()))?;
        let hash = hash(&text);
        if let Some(current) = self.shared.current.load().as_ref() {
            if bundle.sequence < current.sequence {
                return Err(GateError::Sequence {
                    offered: bundle.sequence,
                    current: current.sequence,
                });
            }
        }
        let reading = secret::Reading::default();
        let unfit = RefCell::new(Vec::new());
        let source = Source {
            kept: &self.tls,
            file: &|path, most| reading.file(path, most),
            managed: &|name| self.shared.managed.certificate(name),
            strict: seen,
            first: self.shared.current.load().is_none(),
            unfit: &|words| unfit.borrow_mut().push(words),
        };
        let around = Surroundings {
            state: &self.launch.state,
            pepper: Arc::clone(&self.pepper),
            secret: &|reference| reading.resolve(reference),
            metrics: Arc::clone(&self.shared.metrics),
            upstreams: Arc::clone(&self.shared.upstreams),
            tokens: Arc::clone(&self.shared.tokens),
            introspected: self.shared.introspections.known(),
            tls: Some(&source),
            databases: None,
        };
        let mut snapshot = compile(bundle, &hash, &around).map_err(GateError::Config)?;
        snapshot.unfit.append(&mut unfit.borrow_mut());
        snapshot.guards = guards::guards(&snapshot, wall_ms());
        let pool = self.pool(snapshot.plugins.as_ref(), seen);
        snapshot.pool = pool.map_err(GateError::Config)?;
        let closed = self.closed.load(Ordering::Acquire) && !opens;
        let new = match closed {
            true => Opening::default(),
            false => self.bind(&snapshot, &open)?,
        };
        let groups = snapshot.upstreams.iter();
        let groups = groups.filter_map(|upstream| upstream.group.clone());
        let kept = groups.filter(|group| group.wants_keeping()).collect();
        if let Err(error) = self.keeper.keep(kept) {
            new.undo();
            return Err(GateError::State(error));
        }
        let sequence = snapshot.sequence;
        self.shared.log.retain(snapshot.events.retain_bytes);
        let wanted: Vec<Endpoint> = snapshot
            .listeners
            .iter()
            .map(|listener| listener.address.clone())
            .collect();
        let http3: Vec<Endpoint> = snapshot
            .listeners
            .iter()
            .filter(|listener| listener.speaks_http3())
            .map(|listener| listener.address.clone())
            .collect();
        for words in &snapshot.unfit {
            system(&self.shared.log, "secret-unfit", words);
        }
        let (unguarded, _) = guards::told(&snapshot.guards);
        for words in &unguarded {
            system(&self.shared.log, "waf-passes-attacks", words);
        }
        scan::greet(&snapshot, &self.shared.log);
        self.shared.current.store(Some(Arc::new(snapshot)));
        self.shared.upstreams.prune();
        for (opened, sockets) in new.listeners {
            // As many as there are workers, or more where a gate with more was taken over.
            for (worker, socket) in self.workers.iter().cycle().zip(sockets) {
                let _ = worker
                    .commands
                    .blocking_send(Command::Listen(Arc::clone(&opened.listening), socket));
            }
            open.insert(opened.listening.opened.address.clone(), opened);
        }
        for (address, door) in new.doors {
            if let Some((_, at_work)) = open.get_mut(&address).and_then(|one| one.file.as_mut()) {
                *at_work = door;
            }
        }
        for (address, sockets) in new.datagrams {
            if let Some(opened) = open.get_mut(&address) {
                self.take_datagrams(opened, sockets);
            }
        }
        for opened in open.values_mut() {
            let address = &opened.listening.opened.address;
            if !http3.contains(address) {
                self.leave_datagrams(opened);
            }
        }
        open.retain(|address, opened| {
            let keep = wanted.contains(address);
            if !keep {
                self.take_away(opened);
                self.leave_datagrams(opened);
                for worker in &self.workers {
                    let _ = worker
                        .commands
                        .blocking_send(Command::Close(Arc::clone(&opened.listening)));
                }
            }
            keep
        });
        *self.secrets.lock().unwrap_or_else(PoisonError::into_inner) = reading.files();
        self.closed.store(closed, Ordering::Release);
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Loaded {
            sequence,
            hash,
            took_us,
        })
    }

    /// The processes that run these plugins: those that run already, where nothing changed.
    /// `seen` is whether somebody waits for the news that they cannot run.
    fn pool(
        &self,
        set: Option<&PluginSet>,
        seen: bool,
    ) -> Result<Option<Arc<Pool>>, Vec<ConfigError>> {
        let Some(set) = set else { return Ok(None) };
        let current = self.shared.current.load();
        let running = current.as_ref().and_then(|snapshot| snapshot.pool.as_ref());
        match running.filter(|pool| pool.runs(set)) {
            Some(pool) => Ok(Some(Arc::clone(pool))),
            None if seen => Pool::start(set, &self.launch, &self.shared.ledger).map(Some),
            // One plugin that cannot run closes its API, and no others.
            None => Pool::start_unseen(set, &self.launch, &self.shared.ledger).map(Some),
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        for worker in self.workers.drain(..) {
            drop(worker.commands);
            // A worker that panicked has been reported by `alive`.
            let _ = worker.handle.join();
        }
        self.shared.log.close();
    }
}

fn spawn(number: usize, shared: &Arc<Shared>) -> io::Result<Thread> {
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let alive = Arc::new(AtomicBool::new(true));
    let mut seed = [0; 16];
    rand::fill(&mut seed).map_err(|_| io::Error::other("the system has no randomness to give"))?;
    let shared = Arc::clone(shared);
    let living = Arc::clone(&alive);
    let handle = std::thread::Builder::new()
        .name(format!("gate-{number}"))
        .spawn(move || {
            let _guard = Living(living);
            let built = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build_local(Default::default());
            if let Ok(runtime) = built {
                let number = u16::try_from(number).unwrap_or(u16::MAX);
                runtime.block_on(async { Worker::new(number, seed, shared).run(receiver).await });
            }
        })?;
    Ok(Thread {
        commands,
        handle,
        alive,
    })
}

/// Says that the worker is no more, however it ended.
struct Living(Arc<AtomicBool>);

impl Drop for Living {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Writes a file so that there is always a whole one, for nobody else to read.
pub(crate) fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Writes a system event, unless there were too many like it in this second;
/// one that cannot be written is counted by the log.
pub fn system(log: &EventLog, code: &'static str, message: &str) {
    let _ = log.system(code, message);
}

#[cfg(test)]
mod tests;
