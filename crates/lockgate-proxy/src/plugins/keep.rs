//! Keeps one process at work: asks it, ends it where it does not answer as it
//! should, and starts it again, the later the less it did.

use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use lockgate_policy::plugins::{Silent, SLOW};
use tokio::time::{sleep, timeout, Instant};

use super::process::{Process, Unsound};
use super::{Common, Job, Readiness};

/// Pause before a process is started again, and the longest it grows to.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Keeps one process running until it is dropped. What is told once nobody
/// listens any more, or more than was asked for, is lost without harm.
pub(super) async fn keep(common: &Common, told: std_mpsc::SyncSender<Readiness>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match Process::start(common).await {
            Ok(mut process) => {
                let _ = told.try_send(Readiness::Ready);
                let (answered, why) = serve(&mut process, common).await;
                if answered > 0 {
                    // It works; a request that it cannot bear is no reason to wait long.
                    pause = FIRST_PAUSE;
                }
                let message = format!("a process for plugins was ended: {why}");
                (common.launch.tell)("plugin-process-ended", &message);
            }
            Err(errors) => {
                for error in &errors {
                    (common.launch.tell)("plugin-process-failed", &error.message);
                }
                let _ = told.try_send(Readiness::Wrong(errors));
            }
        }
        common.ledger.restarted();
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Answers calls until the process has to be ended: how many it answered, and
/// why it has to end.
async fn serve(process: &mut Process, common: &Common) -> (u64, String) {
    let mut answered = 0;
    loop {
        let job = tokio::select! {
            biased;
            // It has nothing to say unasked: it has ended, or does what it should not.
            () = process.disturbed() => return (answered, "it ended, or spoke unasked".into()),
            job = next(common) => job,
        };
        let Some(job) = job else {
            return (answered, "nobody can ask any more".into());
        };
        if job.answer.is_closed() || job.until <= Instant::now() {
            continue;
        }
        // All of the deadline: it has waited for nothing itself. Who asks may be
        // gone before, and who comes after it is not to pay for the queue.
        let within = Duration::from_millis(job.call.deadline_ms.into());
        let said = timeout(within, process.ask(&job.call)).await;
        let (answer, why) = match said {
            Ok(Ok(said)) => (Ok(said), None),
            Ok(Err(Unsound::Question(cause))) => (Err(Silent::failed(cause)), None),
            Ok(Err(Unsound::Process(cause))) => (
                Err(Silent::failed(format!("its process {cause}"))),
                Some(cause),
            ),
            Err(_) => {
                let name = common.name(job.call.plugin);
                let cause = format!(
                    "it did not answer within {} ms, and its process was ended",
                    within.as_millis()
                );
                let silent = Silent {
                    reason: &SLOW,
                    cause,
                };
                (Err(silent), Some(format!("{name} did not answer in time")))
            }
        };
        answered += u64::from(answer.is_ok());
        // Whoever asked may have gone.
        let _ = job.answer.send(answer);
        if let Some(why) = why {
            return (answered, why);
        }
    }
}

async fn next(common: &Common) -> Option<Job> {
    common.queue.lock().await.recv().await
}

impl Common {
    /// A plugin's name, for people.
    pub(super) fn name(&self, plugin: u32) -> &str {
        let plugin = self.set.plugins.get(plugin as usize);
        plugin.map_or("?", |plugin| plugin.name.as_str())
    }
}
