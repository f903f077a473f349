//! Plugins where no gate runs: `lockgate explain` and `lockgate test` ask them
//! in one process of their own, started when the first question comes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lockgate_policy::plugins::{Call, Said, Silent};
use tokio::runtime::Builder;

use super::{Launch, Ledger, Pool};
use crate::bundle::PluginSet;

/// A call's deadline at least: how busy this machine is must not change what a
/// table of tests comes to.
const PATIENCE_MS: u32 = 2_000;

/// One process for any number of engines, not started before it is wanted.
pub struct Offline {
    launch: Launch,
    running: Mutex<Option<Arc<Pool>>>,
}

impl Offline {
    /// Started by this command, and kept from this state folder.
    #[must_use]
    pub fn new(command: Vec<String>, state: PathBuf) -> Self {
        Self {
            launch: Launch {
                command,
                state,
                processes: 1,
                tell: Arc::new(|_, _| {}),
            },
            running: Mutex::default(),
        }
    }

    /// Asks a plugin of this set, and waits for it.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn ask(&self, set: &PluginSet, mut call: Call) -> Result<Said, Silent> {
        call.deadline_ms = call.deadline_ms.max(PATIENCE_MS);
        let pool = self.pool(set).map_err(Silent::failed)?;
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| Silent::failed(error.to_string()))?;
        runtime.block_on(pool.ask(call))
    }

    fn pool(&self, set: &PluginSet) -> Result<Arc<Pool>, String> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = running.as_ref().filter(|pool| pool.runs(set)) {
            return Ok(Arc::clone(pool));
        }
        let pool = Pool::start(set, &self.launch, &Ledger::default()).map_err(|errors| {
            let told = errors.into_iter().map(|error| error.message);
            told.collect::<Vec<String>>().join("; ")
        })?;
        *running = Some(Arc::clone(&pool));
        Ok(pool)
    }
}
