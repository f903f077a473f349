//! One worker process: started, asked, and ended where it does not answer.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{mpsc as std_mpsc, Arc};
use std::time::Duration;

use lockgate_policy::plugins::{Call, Said};
use lockgate_policy::ConfigError;
use rustix::process::{kill_process_group, Pid, Signal};
use serde::Deserialize;
use serde_json::{json, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, Mutex};
use tokio::time::{sleep, timeout, timeout_at, Instant};

use super::{Counts, Job, Launch, Ledger, Readiness, START};
use crate::bundle::PluginSet;

/// Bytes of a frame: heads are 1 MiB at most, answers far below.
const MAX_FRAME: usize = 1 << 20;
/// Pause before a process is started again, and the longest it grows to.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A process that lived this long did not fail at its start.
const CALM: Duration = Duration::from_secs(10);

/// What the keepers of a pool share.
pub(super) struct Shared {
    pub(super) set: PluginSet,
    pub(super) launch: Launch,
    pub(super) counts: Vec<Arc<Counts>>,
    pub(super) ledger: Ledger,
}

type Queue = Arc<Mutex<mpsc::Receiver<Job>>>;

/// Keeps one process running until nobody can ask any more.
pub(super) async fn keep(shared: Arc<Shared>, queue: Queue, told: std_mpsc::Sender<Readiness>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match Process::start(&shared).await {
            Ok(mut process) => {
                let _ = told.send(Readiness::Ready);
                let begun = Instant::now();
                if process.serve(&shared, &queue).await {
                    return;
                }
                if begun.elapsed() > CALM {
                    pause = FIRST_PAUSE;
                }
            }
            Err(errors) => {
                let _ = told.send(Readiness::Wrong(errors));
            }
        }
        shared.ledger.restarted();
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        if queue.lock().await.is_closed() {
            return;
        }
    }
}

async fn next(queue: &Queue) -> Option<Job> {
    queue.lock().await.recv().await
}

struct Process {
    child: Child,
    stream: UnixStream,
    asked: u64,
}

#[derive(Deserialize)]
struct Hello {
    #[serde(default)]
    wrong: Vec<Wrong>,
}

#[derive(Deserialize)]
struct Wrong {
    index: usize,
    error: String,
    file: Option<String>,
    line: Option<u32>,
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    #[serde(flatten)]
    said: Said,
}

impl Process {
    async fn start(shared: &Shared) -> Result<Self, Vec<ConfigError>> {
        let failed = |cause: String| {
            let message = format!("a process for plugins cannot be started: {cause}");
            vec![ConfigError::new("plugins-unavailable", "/plugins", message)]
        };
        let mut process = Self::spawn(shared).map_err(|error| failed(error.to_string()))?;
        let answer = timeout(START, process.greet(shared)).await;
        let hello: Hello = match answer {
            Ok(Ok(hello)) => hello,
            Ok(Err(cause)) => return Err(failed(cause)),
            Err(_) => return Err(failed("it took too long to load".into())),
        };
        if hello.wrong.is_empty() {
            return Ok(process);
        }
        Err(hello.wrong.iter().map(|wrong| wrong.told(shared)).collect())
    }

    /// Without the gate's environment and descriptors, in a group of its own.
    fn spawn(shared: &Shared) -> io::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let (program, arguments) = shared
            .launch
            .command
            .split_first()
            .ok_or_else(|| io::Error::other("there is no program"))?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&shared.set.folder)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self {
            stream: UnixStream::from_std(ours)?,
            child,
            asked: 0,
        })
    }

    async fn greet(&mut self, shared: &Shared) -> Result<Hello, String> {
        let set = &shared.set;
        let plugins: Vec<Value> = set
            .plugins
            .iter()
            .map(|plugin| {
                let options: Value = serde_json::from_str(&plugin.options).unwrap_or_default();
                json!({ "use": plugin.name, "options": options })
            })
            .collect();
        let hello = json!({
            "folder": set.folder,
            "memory": set.memory_bytes,
            "state": shared.launch.state,
            "plugins": plugins,
        });
        self.write(&hello).await?;
        self.read().await
    }

    /// Answers calls. True when nobody can ask any more, false when the process
    /// has to be ended.
    async fn serve(&mut self, shared: &Shared, queue: &Queue) -> bool {
        loop {
            let job = tokio::select! {
                biased;
                job = next(queue) => job,
                // It has nothing to say unasked: it has ended, or does what it should not.
                () = self.disturbed() => return false,
            };
            let Some(job) = job else { return true };
            if job.answer.is_closed() || job.until <= Instant::now() {
                continue;
            }
            let begun = Instant::now();
            let counts = shared.counts.get(job.call.plugin as usize);
            let within = job.call.deadline_ms;
            let (said, sound) = match timeout_at(job.until, self.ask(&job.call)).await {
                Ok(Ok(said)) => (Ok(said), true),
                Ok(Err(cause)) => (Err(format!("its process {cause}")), false),
                Err(_) => (
                    Err(format!(
                        "it did not answer within {within} ms, and its process was ended"
                    )),
                    false,
                ),
            };
            if let Some(counts) = counts {
                counts.took(begun.elapsed());
                if matches!(said, Ok(Said::Error(_))) {
                    counts.failed();
                }
            }
            // Whoever asked may have gone.
            let _ = job.answer.send(said);
            if !sound {
                return false;
            }
        }
    }

    async fn disturbed(&self) {
        let mut byte = [0; 1];
        loop {
            if self.stream.readable().await.is_err() {
                return;
            }
            match self.stream.try_read(&mut byte) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    async fn ask(&mut self, call: &Call) -> Result<Said, String> {
        self.asked += 1;
        let mut question = call.heads.clone();
        question["id"] = self.asked.into();
        question["plugin"] = call.plugin.into();
        question["hook"] = call.hook.into();
        self.write(&question).await?;
        let answer: Answer = self.read().await?;
        if answer.id == self.asked {
            Ok(answer.said)
        } else {
            Err("answered another question".into())
        }
    }

    async fn write(&mut self, value: &Value) -> Result<(), String> {
        let text = value.to_string();
        let length = u32::try_from(text.len())
            .ok()
            .filter(|_| text.len() <= MAX_FRAME);
        let Some(length) = length else {
            return Err("would be asked too much".into());
        };
        let ended = |_| "has ended".to_owned();
        self.stream
            .write_all(&length.to_be_bytes())
            .await
            .map_err(ended)?;
        self.stream.write_all(text.as_bytes()).await.map_err(ended)
    }

    async fn read<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, String> {
        let ended = |_| "has ended without an answer".to_owned();
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await.map_err(ended)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_FRAME {
            return Err("answered too much".into());
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).await.map_err(ended)?;
        serde_json::from_slice(&text).map_err(|_| "answered what makes no sense".to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            // Whatever it started is in its group; an error means that it is gone.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Wrong {
    fn told(&self, shared: &Shared) -> ConfigError {
        let name = shared
            .set
            .plugins
            .get(self.index)
            .map_or("?", |plugin| plugin.name.as_str());
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        let message = format!(
            "the plugin `{name}` cannot be loaded: {}{place}",
            self.error
        );
        ConfigError::new(
            "plugin-import",
            format!("/plugins/plugins/{}", self.index),
            message,
        )
    }
}
