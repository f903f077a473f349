//! Files that a scanner of viruses is asked about: which, and what its answers mean.
//! Whoever holds the connection asks; the words are those of ClamAV's `clamd`.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use http::header::RETRY_AFTER;
use lockgate_waf::engine::{At, Inspection, On};
use lockgate_wire::content::reasons::MULTIPART_TOO_MANY;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FILE_TOO_LONG, MALWARE, SCAN_UNAVAILABLE};
use crate::{ConfigError, Denial};

/// What exclusions call it, and findings say that found them.
pub const SCANNER: &str = "malware-scan";

/// The command with which a file begins; `z` has its answer end with a zero.
pub const COMMAND: &[u8] = b"zINSTREAM\0";

/// Most bytes of an answer: one line with a signature's name, of which the longest have some 100.
pub const MAX_ANSWER_BYTES: usize = 1024;

/// Most bytes of a signature's name that are told.
const MAX_NAME_BYTES: usize = 96;

/// Longest path of a socket: `sun_path` holds 108 bytes on Linux, one of them the final zero.
const MAX_PATH_BYTES: usize = 107;

/// Most files of one request, as many as a form may have by their names.
const MAX_FILES: usize = 100;

/// Seconds after which a scanner may be there again.
const RETRY_AFTER_S: u64 = 5;

/// Where files are scanned, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// Where `clamd` listens: `unix:` and a path, or an address and a port.
    pub clamd: String,
    /// How long all scans of one request may take, milliseconds.
    pub timeout_ms: u32,
    /// Most bytes of one file.
    pub bytes: u64,
    /// Requests whose files are scanned at the same time; others wait.
    pub at_once: u32,
    /// What becomes of files that cannot be scanned.
    pub on_error: Unscanned,
}

/// What becomes of files that cannot be scanned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unscanned {
    /// They are refused.
    #[default]
    Refuse,
    /// They pass, and it is written down.
    Pass,
}

/// Where `clamd` listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Clamd {
    /// At an address and a port.
    Network(SocketAddr),
    /// At a socket in the file system.
    Path(PathBuf),
}

impl FromStr for Clamd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let plain = path.starts_with('/') && !path.contains('\0');
            if plain && path.len() <= MAX_PATH_BYTES {
                return Ok(Self::Path(Path::new(path).into()));
            }
        } else if let Ok(address) = text.parse::<SocketAddr>() {
            if address.port() != 0 {
                return Ok(Self::Network(address));
            }
        }
        Err(format!(
            "`{text}` is neither `unix:` with an absolute path of at most {MAX_PATH_BYTES} bytes nor an address and a port"
        ))
    }
}

impl fmt::Display for Clamd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Path(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The compiled config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanner {
    /// Where it listens.
    pub clamd: Clamd,
    /// How long all scans of one request may take, milliseconds.
    pub timeout_ms: u32,
    /// Requests whose files are scanned at the same time.
    pub at_once: u32,
    /// What becomes of files that cannot be scanned.
    pub on_error: Unscanned,
    bytes: u64,
    left_out: Vec<LeftOut>,
}

/// Files that are left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Where they stand; anywhere, where it says nothing.
    pub at: Option<At>,
    /// Of which requests; of all, where it says none.
    pub on: Option<On>,
    /// Until when, milliseconds since the epoch.
    pub until_ms: u64,
}

/// A file to be scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Which bytes of the body.
    pub bytes: Range<usize>,
    /// Where it stands, as exclusions say it.
    pub place: String,
}

/// What is scanned of one request.
#[derive(Debug, Clone)]
pub struct Scanning {
    /// Who scans.
    pub scanner: Arc<Scanner>,
    /// What is left alone of it, by number.
    left_out: Vec<usize>,
}

impl Scanner {
    /// Compiles the config.
    ///
    /// # Errors
    /// If it names no place, or allows nothing.
    pub fn new(config: &Scan, left_out: Vec<LeftOut>) -> Result<Self, ConfigError> {
        let clamd = config.clamd.parse();
        let clamd =
            clamd.map_err(|told| ConfigError::new("waf-scan-place", "/scan/clamd", told))?;
        let limits = [
            ("timeout_ms", u64::from(config.timeout_ms)),
            ("bytes", config.bytes),
            ("at_once", u64::from(config.at_once)),
        ];
        if let Some((name, _)) = limits.iter().find(|(_, limit)| *limit == 0) {
            let pointer = format!("/scan/{name}");
            return Err(ConfigError::new(
                "waf-malformed",
                pointer,
                "with 0 nothing is scanned",
            ));
        }
        Ok(Self {
            clamd,
            timeout_ms: config.timeout_ms,
            at_once: config.at_once,
            on_error: config.on_error,
            bytes: config.bytes,
            left_out,
        })
    }

    /// Begins with a request's head.
    #[must_use]
    pub fn begin(self: &Arc<Self>, method: &str, path: &str, now_ms: u64) -> Scanning {
        let holds = |one: &LeftOut| {
            let on = one.on.as_ref();
            let means = |on: &On| on.means(method.as_bytes(), path.as_bytes());
            now_ms < one.until_ms && on.is_none_or(means)
        };
        let all = self.left_out.iter().enumerate();
        Scanning {
            scanner: Arc::clone(self),
            left_out: all
                .filter_map(|(number, one)| holds(one).then_some(number))
                .collect(),
        }
    }
}

impl Scanning {
    /// The files of a body that are to be scanned.
    ///
    /// # Errors
    /// If there are more than are scanned of one request.
    pub fn files(&self, inspection: &Inspection, body: &[u8]) -> Result<Vec<File>, Denial> {
        // Where rules keep the body from being read, nothing is known of what is in it.
        let whole = (!inspection.wants_body() && !body.is_empty()).then(|| File {
            bytes: 0..body.len(),
            place: "body".to_owned(),
        });
        let uploads = inspection.uploads(body).map(|upload| File {
            bytes: upload.bytes,
            place: upload.place,
        });
        let all = uploads.chain(whole);
        let files = all.filter(|file| !self.leaves_out(&file.place));
        let files: Vec<File> = files.take(MAX_FILES + 1).collect();
        match files.len() > MAX_FILES {
            true => Err(Denial::new(&MULTIPART_TOO_MANY)),
            false => Ok(files),
        }
    }

    fn leaves_out(&self, place: &str) -> bool {
        let holding = self.left_out.iter();
        let mut holding = holding.filter_map(|number| self.scanner.left_out.get(*number));
        holding.any(|one| one.at.as_ref().is_none_or(|at| at.covers(place)))
    }

    /// Whether a file is longer than is scanned.
    #[must_use]
    pub fn is_too_long(&self, file: &File) -> bool {
        (file.bytes.end - file.bytes.start) as u64 > self.scanner.bytes
    }
}

/// What a scan came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanned {
    /// Nothing was found.
    Clean,
    /// Something was found, and its signature is called so.
    Malware(String),
    /// The file is longer than is scanned.
    TooLong,
    /// Nobody knows, and this is why.
    Failed(String),
}

impl Scanned {
    /// What `clamd` said means: all of it, up to the end of the connection. `whole` is
    /// whether it said nothing before it had all of the file, and ended in order: who did
    /// not cannot call it clean. That something is bad counts however else it speaks.
    #[must_use]
    pub fn answered(said: &[u8], whole: bool) -> Self {
        let failed = |why: &str| Self::Failed(why.into());
        let Some(end) = said.iter().rposition(|byte| *byte == 0) else {
            return failed(match said.len() {
                0 => "it closed without an answer",
                MAX_ANSWER_BYTES.. => "its answer has no end",
                _ => "it closed within its answer",
            });
        };
        let (lines, rest) = said.split_at(end);
        let lines = lines.split(|byte| *byte == 0);
        let mut answers: Vec<Self> = lines.map(|line| Self::of_line(line, whole)).collect();
        if let Some(place) = answers.iter().position(Self::is_bad) {
            return answers.swap_remove(place);
        }
        match (answers.pop(), answers.is_empty() && rest == [0]) {
            (Some(only), true) => only,
            _ => failed("it said more than one answer"),
        }
    }

    /// Whether an answer is among what `clamd` said so far that nothing behind can mend.
    #[must_use]
    pub fn is_found(said: &[u8]) -> bool {
        Self::answered(said, false).is_bad()
    }

    const fn is_bad(&self) -> bool {
        matches!(self, Self::Malware(_) | Self::TooLong)
    }

    /// What one answer means, without the zero that ends it.
    fn of_line(line: &[u8], whole: bool) -> Self {
        const NAME: &[u8] = b"stream: ";
        let found = |said: &[u8]| said.strip_suffix(b" FOUND").map(printable);
        if line == b"INSTREAM size limit exceeded. ERROR" {
            return Self::TooLong;
        }
        match line.strip_prefix(NAME) {
            Some(b"OK") if whole => Self::Clean,
            Some(b"OK") => Self::Failed("it called a file clean that it had not read".into()),
            said => match said.and_then(found).filter(|name| !name.is_empty()) {
                Some(name) => Self::Malware(name),
                None if line.ends_with(b" ERROR") => Self::Failed(printable(line)),
                None => Self::Failed("its answer is none of clamd's".into()),
            },
        }
    }

    /// Why the request is refused for it, where it is.
    #[must_use]
    pub fn denial(&self, on_error: Unscanned) -> Option<Denial> {
        match (self, on_error) {
            (Self::Clean, _) | (Self::Failed(_), Unscanned::Pass) => None,
            (Self::Malware(_), _) => Some(Denial::new(&MALWARE)),
            (Self::TooLong, _) => Some(Denial::new(&FILE_TOO_LONG)),
            (Self::Failed(_), Unscanned::Refuse) => Some(unavailable()),
        }
    }

    /// What it is, in words; nothing where there is nothing to tell.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        match self {
            Self::Clean => None,
            Self::Malware(name) => Some(format!("clamd found {name}")),
            Self::TooLong => Some("Not scanned: the file is longer than is scanned".into()),
            Self::Failed(why) => Some(format!("Not scanned: {why}")),
        }
    }
}

/// Nobody can scan now.
#[must_use]
pub fn unavailable() -> Denial {
    Denial::new(&SCAN_UNAVAILABLE).header(RETRY_AFTER, RETRY_AFTER_S.into())
}

/// What is told of a text of the scanner's.
fn printable(text: &[u8]) -> String {
    let text = &text[..text.len().min(MAX_NAME_BYTES)];
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    text.iter().map(shown).collect()
}

#[cfg(test)]
mod tests;
