//! One worker process: started, asked, and ended.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::time::Duration;

use lockgate_policy::plugins::{Call, Said};
use lockgate_policy::ConfigError;
use rustix::process::{kill_process_group, Pid, Signal};
use serde::Deserialize;
use serde_json::{json, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{output, unavailable, Answered, Common, START};

/// Bytes of a question: a head is 1 MiB at most, and grows in JSON.
const MAX_QUESTION: usize = 4 << 20;
/// Bytes of an answer: 64 changes of 8 KiB.
const MAX_ANSWER: usize = 1 << 20;

pub(super) struct Process {
    child: Option<Child>,
    stream: UnixStream,
    asked: u64,
    /// Whom it was asked for last, for what it prints.
    plugin: Arc<AtomicU32>,
    printed: JoinHandle<()>,
}

/// Why there is no answer.
pub(super) enum Unsound {
    /// It cannot be asked that; the process is well.
    Question(String),
    /// The process is not to be asked again.
    Process(String),
}

#[derive(Deserialize)]
struct Hello {
    #[serde(default)]
    digest: String,
    #[serde(default)]
    sealed: bool,
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
    took_us: u64,
    #[serde(flatten)]
    said: Said,
}

impl Process {
    /// Starts one, and waits until it has loaded its plugins.
    pub(super) async fn start(common: &Common) -> Result<Self, Vec<ConfigError>> {
        let failed = |cause: String| {
            unavailable(format!("a process for plugins cannot be started: {cause}"))
        };
        let mut process = Self::spawn(common).map_err(|error| failed(error.to_string()))?;
        let hello = match timeout(START, process.greet(common)).await {
            Ok(Ok(hello)) => hello,
            Ok(Err(cause)) => return Err(failed(format!("it {cause}"))),
            Err(_) => return Err(failed("it took too long to load".into())),
        };
        if !hello.wrong.is_empty() {
            return Err(hello.wrong.iter().map(|wrong| wrong.told(common)).collect());
        }
        if !hello.sealed {
            let message = "this system has no filter of system calls: plugins are kept from processes, the network and files by Python alone";
            (common.launch.tell)("plugins-unsealed", message);
        }
        // What runs is what was checked: changed code waits for a bundle that names it.
        if hello.digest != common.set.digest {
            return Err(unavailable(
                "the code of plugins has changed since the configuration was loaded; load it again"
                    .into(),
            ));
        }
        Ok(process)
    }

    /// Without the gate's environment and descriptors, in a group of its own.
    fn spawn(common: &Common) -> io::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let stream = UnixStream::from_std(ours)?;
        let (reader, writer) = io::pipe()?;
        let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let command = &common.launch.command;
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| io::Error::other("there is no program"))?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .current_dir(&common.set.folder)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(writer.try_clone()?))
            .stderr(Stdio::from(writer))
            .process_group(0)
            .spawn()?;
        let plugin = Arc::new(AtomicU32::new(u32::MAX));
        let names = common.set.plugins.iter().map(|plugin| plugin.name.clone());
        let said_by = (Arc::clone(&plugin), names.collect());
        let tell = Arc::clone(&common.launch.tell);
        Ok(Self {
            stream,
            child: Some(child),
            asked: 0,
            plugin,
            printed: tokio::spawn(output::forward(reader, said_by, tell)),
        })
    }

    async fn greet(&mut self, common: &Common) -> Result<Hello, String> {
        let set = &common.set;
        let plugins = set.plugins.iter().map(|plugin| {
            let options: Value = serde_json::from_str(&plugin.options).unwrap_or_default();
            json!({ "use": plugin.name, "options": options })
        });
        let hello = json!({
            "folder": set.folder,
            "memory": set.memory_bytes,
            "state": common.launch.state,
            "plugins": plugins.collect::<Vec<Value>>(),
        });
        self.write(hello.to_string().as_bytes()).await?;
        self.read().await
    }

    /// Returns once it says anything, or has ended.
    pub(super) async fn disturbed(&self) {
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

    /// Asks one question.
    pub(super) async fn ask(&mut self, call: &Call) -> Result<Answered, Unsound> {
        self.asked += 1;
        self.plugin.store(call.plugin, Ordering::Relaxed);
        let mut question = call.heads.clone();
        question["id"] = self.asked.into();
        question["plugin"] = call.plugin.into();
        question["hook"] = call.hook.into();
        let question = question.to_string();
        if question.len() > MAX_QUESTION {
            return Err(Unsound::Question("its head is too long to be shown".into()));
        }
        let written = self.write(question.as_bytes()).await;
        written.map_err(Unsound::Process)?;
        let answer: Answer = self.read().await.map_err(Unsound::Process)?;
        if answer.id != self.asked {
            return Err(Unsound::Process("answered another question".into()));
        }
        Ok(Answered {
            said: answer.said,
            own: Duration::from_micros(answer.took_us),
        })
    }

    async fn write(&mut self, text: &[u8]) -> Result<(), String> {
        let ended = |_| "has ended".to_owned();
        let length = u32::try_from(text.len()).map_err(|_| "would be asked too much".to_owned())?;
        let length = length.to_be_bytes();
        self.stream.write_all(&length).await.map_err(ended)?;
        self.stream.write_all(text).await.map_err(ended)
    }

    async fn read<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, String> {
        let ended = |_| "has ended without an answer".to_owned();
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await.map_err(ended)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_ANSWER {
            return Err("answered too much".into());
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).await.map_err(ended)?;
        serde_json::from_slice(&text).map_err(|_| "answered what makes no sense".to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.printed.abort();
        let Some(mut child) = self.child.take() else {
            return;
        };
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // Whatever it started is in its group; an error means that it is gone.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.kill();
        // The kernel may take its time over large memory: the others go on meanwhile.
        let reaper = std::thread::Builder::new().name("gate-reaper".to_owned());
        let _ = reaper.spawn(move || child.wait());
    }
}

impl Wrong {
    fn told(&self, common: &Common) -> ConfigError {
        let plugin = u32::try_from(self.index).unwrap_or(u32::MAX);
        let name = common.name(plugin);
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        let message = format!(
            "the plugin `{name}` cannot be loaded: {}{place}",
            self.error
        );
        let pointer = format!("/plugins/plugins/{}", self.index);
        ConfigError::new("plugin-import", pointer, message)
    }
}
