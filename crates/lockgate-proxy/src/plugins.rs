//! Worker processes for plugins: a pool that is asked without waiting for any
//! one of them, and that ends whichever does not answer as it should.
//!
//! A pool belongs to the code and options that it was started with. A bundle
//! with the same ones goes on with it; another bundle gets another pool, and
//! the old one ends with the last request that began with it.

mod answers;
mod counts;
mod keep;
mod offline;
mod output;
mod process;

use std::path::PathBuf;
use std::sync::{mpsc as std_mpsc, Arc};
use std::time::Duration;

use lockgate_policy::plugins::{Call, Said, Silent, OVERLOADED, SLOW};
use lockgate_policy::ConfigError;
use tokio::sync::{mpsc, oneshot, watch, Mutex};
use tokio::task::JoinSet;
use tokio::time::{timeout_at, Instant};

use crate::bundle::PluginSet;

pub use answers::judge_answer;
pub use counts::{Cost, Ledger};
pub use offline::Offline;

use counts::{Counts, Ended};

/// Calls that wait for a process. Beyond them a call fails at once: each would
/// only wait for its deadline to pass.
const WAITING: usize = 256;
/// Processes of a pool at most: each is an interpreter of 20 MB, half of it its own.
const MAX_PROCESSES: usize = 8;
/// From a process's start to its word that it is ready. Importing a large
/// library takes seconds on a small machine.
const START: Duration = Duration::from_secs(20);

/// What is told of processes beside their answers: a code, and a text.
pub type Tell = Arc<dyn Fn(&'static str, &str) + Send + Sync>;

/// How processes are started, and what they are kept from.
#[derive(Clone)]
pub struct Launch {
    /// Program and arguments; empty where this program has none.
    pub command: Vec<String>,
    /// The gate's state folder.
    pub state: PathBuf,
    /// How many processes a pool has.
    pub processes: usize,
    /// Hears what they print, and that one had to be ended.
    pub tell: Tell,
}

/// The pool of a bundle.
#[derive(Debug)]
pub struct Pool {
    set: PluginSet,
    jobs: mpsc::Sender<Job>,
    counts: Vec<Arc<Counts>>,
    /// Goes with the pool: whoever watches it sees that nobody can ask any more.
    _alive: watch::Sender<()>,
}

/// A question on its way.
#[derive(Debug)]
struct Job {
    call: Call,
    until: Instant,
    answer: oneshot::Sender<Result<Answered, Silent>>,
}

/// An answer, and what the plugin itself took for it.
#[derive(Debug)]
struct Answered {
    said: Said,
    own: Duration,
}

/// What a process says once it has started.
enum Readiness {
    Ready,
    Wrong(Vec<ConfigError>),
}

/// What the keepers of a pool share.
struct Common {
    set: PluginSet,
    launch: Launch,
    ledger: Ledger,
    queue: Mutex<mpsc::Receiver<Job>>,
}

impl Pool {
    /// Starts the processes, and waits until each is ready.
    ///
    /// # Errors
    /// What cannot be loaded, by plugin.
    pub fn start(
        set: &PluginSet,
        launch: &Launch,
        ledger: &Ledger,
    ) -> Result<Arc<Self>, Vec<ConfigError>> {
        let (pool, hear) = Self::begin(set, launch, ledger)?;
        for _ in 0..launch.processes() {
            match hear.recv_timeout(START) {
                Ok(Readiness::Ready) => {}
                Ok(Readiness::Wrong(errors)) => return Err(errors),
                Err(_) => {
                    let message = format!("a plugin was not loaded within {} s", START.as_secs());
                    return Err(unavailable(message));
                }
            }
        }
        Ok(pool)
    }

    /// Starts the processes and waits for none: until one is ready, calls wait
    /// for their deadlines.
    ///
    /// # Errors
    /// Where there is no way to start any.
    pub fn start_unseen(
        set: &PluginSet,
        launch: &Launch,
        ledger: &Ledger,
    ) -> Result<Arc<Self>, Vec<ConfigError>> {
        Self::begin(set, launch, ledger).map(|(pool, _)| pool)
    }

    #[allow(clippy::type_complexity)] // A pair for the two above, and no word of its own.
    fn begin(
        set: &PluginSet,
        launch: &Launch,
        ledger: &Ledger,
    ) -> Result<(Arc<Self>, std_mpsc::Receiver<Readiness>), Vec<ConfigError>> {
        if launch.command.is_empty() {
            let message = "this gate was started without a way to run plugins";
            return Err(unavailable(message.to_owned()));
        }
        let named = set.plugins.iter().map(|plugin| ledger.of(&plugin.name));
        let counts = named.collect();
        let (jobs, queue) = mpsc::channel(WAITING);
        let (alive, gone) = watch::channel(());
        let (told, hear) = std_mpsc::sync_channel(MAX_PROCESSES);
        let common = Arc::new(Common {
            set: set.clone(),
            launch: launch.clone(),
            ledger: ledger.clone(),
            queue: Mutex::new(queue),
        });
        std::thread::Builder::new()
            .name("gate-plugins".to_owned())
            .spawn(move || run(&common, &gone, &told))
            .map_err(|error| unavailable(format!("no thread for plugins: {error}")))?;
        let pool = Self {
            set: set.clone(),
            jobs,
            counts,
            _alive: alive,
        };
        Ok((Arc::new(pool), hear))
    }

    /// Whether it runs this very code with these very options.
    #[must_use]
    pub fn runs(&self, set: &PluginSet) -> bool {
        self.set == *set
    }

    /// Asks a plugin.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, call: Call) -> Result<Said, Silent> {
        let begun = Instant::now();
        let counts = self.counts.get(call.plugin as usize).map(Arc::clone);
        let answered = self.put(call, begun).await;
        let ended = match &answered {
            Ok(Answered { said, .. }) => match said {
                Said::Allow { .. } => Ended::Allowed,
                Said::Deny { .. } => Ended::Denied,
                Said::Error(_) => Ended::Failed,
            },
            Err(silent) if silent.reason == &SLOW => Ended::TimedOut,
            Err(silent) if silent.reason == &OVERLOADED => Ended::TurnedAway,
            Err(_) => Ended::Failed,
        };
        if let Some(counts) = counts {
            let own = answered.as_ref().map_or(Duration::ZERO, |it| it.own);
            counts.count(ended, begun.elapsed(), own);
        }
        answered.map(|answered| answered.said)
    }

    async fn put(&self, call: Call, begun: Instant) -> Result<Answered, Silent> {
        let within = call.deadline_ms;
        let until = begun + Duration::from_millis(within.into());
        let (answer, hear) = oneshot::channel();
        let job = Job {
            call,
            until,
            answer,
        };
        if self.jobs.try_send(job).is_err() {
            return Err(Silent {
                reason: &OVERLOADED,
                cause: format!("{WAITING} calls wait for a process already"),
            });
        }
        match timeout_at(until, hear).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => Err(Silent::failed("its processes have ended")),
            Err(_) => Err(Silent {
                reason: &SLOW,
                cause: format!("it did not answer within {within} ms"),
            }),
        }
    }
}

impl Launch {
    fn processes(&self) -> usize {
        self.processes.clamp(1, MAX_PROCESSES)
    }
}

fn unavailable(message: String) -> Vec<ConfigError> {
    vec![ConfigError::new("plugins-unavailable", "/plugins", message)]
}

/// The pool's own thread: it ends when nobody can ask any more. Processes are
/// told by the kernel to end with it.
fn run(common: &Arc<Common>, gone: &watch::Receiver<()>, told: &std_mpsc::SyncSender<Readiness>) {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let Ok(runtime) = built else { return };
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for _ in 0..common.launch.processes() {
            let (common, told) = (Arc::clone(common), told.clone());
            let mut gone = gone.clone();
            all.spawn(async move {
                tokio::select! {
                    // Nothing is ever sent: it ends as the pool does.
                    _ = gone.changed() => {}
                    () = keep::keep(&common, told) => {}
                }
            });
        }
        while all.join_next().await.is_some() {}
    });
}

#[cfg(test)]
mod tests;
