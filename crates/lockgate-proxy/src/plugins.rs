//! Worker processes for plugins: a pool that is asked without waiting for any
//! one of them, and that ends whichever does not answer as it should.
//!
//! A pool belongs to the code and options that it was started with. A bundle
//! with the same ones goes on with it; another bundle gets another pool, and
//! the old one ends with the last request that began with it.

mod answers;
mod counts;
mod process;

use std::path::PathBuf;
use std::sync::{mpsc as std_mpsc, Arc};
use std::time::Duration;

use lockgate_policy::plugins::{Call, Said};
use lockgate_policy::ConfigError;
use tokio::sync::{mpsc, oneshot, Mutex};
use tokio::task::JoinSet;
use tokio::time::{timeout_at, Instant};

use crate::bundle::PluginSet;

pub use answers::judge_answer;
pub use counts::{Cost, Counts, Ledger};

/// Calls that wait for a process. Beyond them a call fails at once: each would
/// only wait for its deadline to pass.
const WAITING: usize = 256;
/// Processes of a pool at most: each is an interpreter of 15 MB.
pub const MAX_PROCESSES: usize = 8;
/// From a process's start to its word that it is ready. Importing a large
/// library takes seconds on a small machine.
const START: Duration = Duration::from_secs(20);

/// How processes are started, and what they are kept from.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Program and arguments; empty where this program has none.
    pub command: Vec<String>,
    /// The gate's state folder.
    pub state: PathBuf,
    /// How many processes a pool has.
    pub processes: usize,
}

/// The pool of a bundle.
#[derive(Debug)]
pub struct Pool {
    set: PluginSet,
    jobs: mpsc::Sender<Job>,
    counts: Vec<Arc<Counts>>,
}

/// A question on its way.
struct Job {
    call: Call,
    until: Instant,
    answer: oneshot::Sender<Result<Said, String>>,
}

/// What a process says once it has started.
enum Readiness {
    Ready,
    Wrong(Vec<ConfigError>),
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
        let failed =
            |message: String| vec![ConfigError::new("plugins-unavailable", "/plugins", message)];
        if launch.command.is_empty() {
            return Err(failed(
                "this gate was started without a way to run plugins".into(),
            ));
        }
        let counts: Vec<Arc<Counts>> = set
            .plugins
            .iter()
            .map(|plugin| ledger.of(&plugin.name))
            .collect();
        let (jobs, queue) = mpsc::channel(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        let processes = launch.processes.clamp(1, MAX_PROCESSES);
        let (told, hear) = std_mpsc::channel();
        let shared = Arc::new(process::Shared {
            set: set.clone(),
            launch: launch.clone(),
            counts: counts.clone(),
            ledger: ledger.clone(),
        });
        std::thread::Builder::new()
            .name("gate-plugins".to_owned())
            .spawn(move || run(processes, &shared, &queue, &told))
            .map_err(|error| failed(format!("no thread for plugins: {error}")))?;
        for _ in 0..processes {
            match hear.recv_timeout(START) {
                Ok(Readiness::Ready) => {}
                Ok(Readiness::Wrong(errors)) => return Err(errors),
                Err(_) => {
                    let message = format!("a plugin was not loaded within {} s", START.as_secs());
                    return Err(failed(message));
                }
            }
        }
        Ok(Arc::new(Self {
            set: set.clone(),
            jobs,
            counts,
        }))
    }

    /// Whether it runs this very code with these very options.
    #[must_use]
    pub fn runs(&self, set: &PluginSet) -> bool {
        self.set == *set
    }

    /// Asks a plugin.
    ///
    /// # Errors
    /// Why there is no answer, for the log.
    pub async fn ask(&self, call: Call) -> Result<Said, String> {
        let within = call.deadline_ms;
        let until = Instant::now() + Duration::from_millis(u64::from(within));
        let counts = self.counts.get(call.plugin as usize).map(Arc::clone);
        let (answer, hear) = oneshot::channel();
        let job = Job {
            call,
            until,
            answer,
        };
        let failed = |cause: String| {
            if let Some(counts) = &counts {
                counts.failed();
            }
            Err(cause)
        };
        if self.jobs.try_send(job).is_err() {
            return failed(format!(
                "all its processes are busy, and {WAITING} calls wait"
            ));
        }
        match timeout_at(until, hear).await {
            Ok(Ok(said)) => said.or_else(failed),
            Ok(Err(_)) => failed("its processes have ended".into()),
            Err(_) => failed(format!("it did not answer within {within} ms")),
        }
    }
}

/// The pool's own thread: it ends when nobody can ask any more. Processes are
/// told by the kernel to end with it.
fn run(
    processes: usize,
    shared: &Arc<process::Shared>,
    queue: &Arc<Mutex<mpsc::Receiver<Job>>>,
    told: &std_mpsc::Sender<Readiness>,
) {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let Ok(runtime) = built else { return };
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for _ in 0..processes {
            let (shared, queue, told) = (Arc::clone(shared), Arc::clone(queue), told.clone());
            all.spawn(process::keep(shared, queue, told));
        }
        while all.join_next().await.is_some() {}
    });
}
