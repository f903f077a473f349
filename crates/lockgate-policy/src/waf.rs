//! `waf`: what looks like an attack is refused: by rules in SecLang such as the
//! OWASP Core Rule Set, by detectors of our own, or by both.
//!
//! # Description
//! Every value of a request is looked at: path, query, header fields, cookies
//! and what is in the body. Rules and detectors add to a score, and what
//! reaches the threshold is refused. Answers are looked at where that is said.
//! The work is that of [`lockgate_waf`]; this room says what of it an API has.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`REFUSED`], [`TOO_LONG`], [`PACKED`], [`TOO_MANY`], [`MALWARE`], [`FILE_TOO_LONG`],
//! [`SCAN_UNAVAILABLE`], [`ANSWER_REFUSED`], [`ANSWER_UNREADABLE`], and those of
//! [`lockgate_wire::content::reasons`] for what cannot be read.
//!
//! # Example
//! ```yaml
//! waf: {rules: core, paranoia: 1}
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{HeaderMap, Version};
use lockgate_waf::engine::{Engine, Inspection, Progress, RequestHead};
use lockgate_wire::coding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, Denial, Waiver};

mod answers;
mod canary;
mod engines;
mod exclude;
mod meaning;
mod rule_set;
mod scan;
mod settings;
mod setup;
mod watched;

pub use answers::{unreadable, whole_answer, Answered, Look, TELLING_BYTES};
pub use canary::{Canary, Fate, CANARIES};
pub use meaning::{sense, Meaning};
pub use rule_set::{read, wanted, RuleFile, RuleSet, Source};
pub use scan::{
    unavailable, Clamd, File, Scan, Scanned, Scanner, Scanning, Unscanned, COMMAND,
    MAX_ANSWER_BYTES, SCANNER,
};
pub use watched::Watched;

/// The room's name everywhere.
pub const NAME: &str = "waf";

lockgate_wire::reasons! { "waf", Client:
    REFUSED = "waf-refused", 403,
        "The request looks like an attack.",
        "`lockgate waf why ID`, with the request's id, says which rules and detectors found what, and where. If it was no attack, `lockgate waf exclude ID` leaves that value alone.";
    TOO_LONG = "waf-body-too-long", 413,
        "The body is longer than what is looked at.",
        "Send less, or raise `inspect_bytes` of the API's `waf`; with `longer: begin` what is longer is judged by its beginning.";

    PACKED = "waf-body-packed", 415,
        "The body has a content coding, and can be looked at only without.",
        "Send it without Content-Encoding. The operator lets the gate unpack bodies with `inflate`.";

    TOO_MANY = "waf-too-many-values", 413,
        "The request has more values than are looked at.",
        "Send fewer parameters, parts or values at once: 100,000 are looked at, or as many parameters as SecArgumentsLimit says.";

    MALWARE = "waf-malware", 403,
        "A file is malware, by the word of the virus scanner.",
        "`lockgate waf why ID`, with the request's id, says which file and which signature. If the scanner is wrong, leave that field out of it (`exclude` with `rule: malware-scan`), or tell the scanner.";

    FILE_TOO_LONG = "waf-file-too-long", 413,
        "A file is longer than what is scanned for viruses.",
        "Send less, or raise `scan.bytes` of the API's `waf` and StreamMaxLength of clamd.";

  "waf", Gate:
    SCAN_UNAVAILABLE = "waf-scan-unavailable", 503,
        "Files cannot be scanned for viruses now.",
        "See to clamd: `lockgate doctor` says whether it answers, `lockgate waf why ID` what went wrong. `scan.on_error: pass` of the API's `waf` lets files pass meanwhile.";

  "waf", Upstream:
    ANSWER_REFUSED = "waf-answer-refused", 502,
        "The API's answer held what should not get out.",
        "`lockgate waf why ID`, with the request's id, says which rules found what: most often an error message, the source of a page or the listing of a folder. Mend the API.";

    ANSWER_UNREADABLE = "waf-answer-unreadable", 502,
        "The API's answer could not be looked at.",
        "It is packed although the gate asked for it as it is (`Accept-Encoding: identity`), and in a way that the gate cannot undo: in another coding than gzip, deflate, br and zstd, broken, or as a stream of events. Mend the API, or take its type out of `answers` of the API's `waf`.";
}

/// Most bytes of a body that can be looked at as one.
pub const MAX_INSPECT_BYTES: u64 = 64 * 1024 * 1024;

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Index into the bundle's `rule_sets`; none where only detectors look.
    pub set: Option<u32>,
    /// Whether detectors of our own look.
    pub native: bool,
    /// Whether rules count nothing for what detectors have read and found clean.
    pub overrule: bool,
    /// Variables of `TX` that rules begin with, such as `blocking_paranoia_level`.
    pub variables: BTreeMap<String, String>,
    /// From this score on detectors refuse, where no rules decide that.
    pub threshold: u32,
    /// What is left out.
    pub exclude: Vec<Exclude>,
    /// Most bytes of a body that are looked at.
    pub inspect_bytes: u64,
    /// What becomes of longer bodies.
    pub longer: Longer,
    /// Which answers are looked at; none where there is none.
    pub answers: Option<Answered>,
    /// Where files are scanned for viruses, and how; they are not where there is none.
    pub scan: Option<Scan>,
}

/// What becomes of a body that is longer than what is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Longer {
    /// It is refused.
    #[default]
    Refuse,
    /// It is judged by its beginning.
    Begin,
}

/// Rules or detectors that leave out some values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exclude {
    /// A rule's id, a range such as `942100-942199`, a tag, or a detector's name.
    pub rule: String,
    /// Which values, by the part of the request and the way to them; all, if none.
    pub at: Option<String>,
    /// Of which requests: a path, or a method and a path; of all, if none.
    pub request: Option<String>,
    /// Who answers for it, and until when.
    pub waiver: Waiver,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct Waf {
    engine: Arc<Engine>,
    inspect_bytes: u64,
    longer: Longer,
    answers: Option<Answered>,
    lenient: canary::Lenient,
    scanner: Option<Arc<Scanner>>,
}

/// A request's head, with what rules want to know beside what policies see.
#[derive(Debug, Clone, Copy)]
pub struct Arrived<'a> {
    /// The method.
    pub method: &'a str,
    /// The target, as it arrived.
    pub target: &'a str,
    /// The path, in the form that routes are found by.
    pub path: &'a str,
    /// The version of HTTP.
    pub version: Version,
    /// Header fields, as they arrived.
    pub headers: &'a HeaderMap,
    /// The client's address.
    pub client: IpAddr,
    /// The port that it came in at.
    pub port: u16,
    /// Its id.
    pub id: &'a str,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
}

impl Waf {
    /// Compiles the config; what the same rules and settings give is shared.
    ///
    /// # Errors
    /// All that is wrong: there is nothing to look with, a rule cannot be compiled,
    /// an exception names nothing, a variable is none that rules read.
    pub fn new(config: &Config, rules: Option<&Source<'_>>) -> Result<Self, Vec<ConfigError>> {
        let malformed = |pointer: &str, told: String| {
            Err(vec![ConfigError::new("waf-malformed", pointer, told)])
        };
        if rules.is_none() && !config.native {
            return malformed("/set", "name rules, detectors, or both".into());
        }
        if config.threshold == 0 {
            return malformed("/threshold", "a score of 0 is every request's".into());
        }
        if config.inspect_bytes > MAX_INSPECT_BYTES {
            let told = format!("at most {MAX_INSPECT_BYTES} bytes are looked at as one");
            return malformed("/inspect_bytes", told);
        }
        if config.scan.is_some() && config.longer == Longer::Begin {
            let told =
                "what is not held back cannot be scanned: take `longer: begin` or `scan` out";
            return malformed("/longer", told.into());
        }
        let engine = engines::engine(config, rules)?;
        settings::agree(config, &engine).map_err(|error| vec![error])?;
        let unscanned = config.exclude.iter().position(|one| one.rule == SCANNER);
        if let Some(number) = unscanned.filter(|_| config.scan.is_none()) {
            let pointer = format!("/exclude/{number}/rule");
            let told = format!("`{SCANNER}` leaves files out of a scan, and there is no `scan`");
            let error = ConfigError::new("waf-exclude-rule", pointer, told);
            return Err(vec![error.at(config.exclude[number].waiver.span)]);
        }
        let scan = config.scan.as_ref();
        let scanner = scan.map(|scan| Scanner::new(scan, exclude::unscanned(&config.exclude)?));
        Ok(Self {
            scanner: scanner
                .transpose()
                .map_err(|error| vec![error])?
                .map(Arc::new),
            engine,
            inspect_bytes: config.inspect_bytes,
            longer: config.longer,
            answers: config.answers.clone(),
            lenient: canary::Lenient::of(config),
        })
    }

    /// Begins to look at a request.
    #[must_use]
    pub fn begin(&self, arrived: &Arrived<'_>) -> Inspection {
        let head = RequestHead {
            method: arrived.method.as_bytes(),
            target: arrived.target.as_bytes(),
            path: arrived.path.as_bytes(),
            protocol: protocol(arrived.version),
            remote: SocketAddr::new(arrived.client, 0),
            server: SocketAddr::new(IpAddr::from([0, 0, 0, 0]), arrived.port),
            id: arrived.id.as_bytes(),
            now_ms: arrived.now_ms,
        };
        let headers = arrived.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        self.engine.begin(&head, headers)
    }

    /// What is scanned of a request for viruses, if anything.
    #[must_use]
    pub fn scans(&self, arrived: &Arrived<'_>) -> Option<Scanning> {
        let scanner = self.scanner.as_ref()?;
        Some(scanner.begin(arrived.method, arrived.path, arrived.now_ms))
    }

    /// Who scans files for viruses, if anybody does.
    #[must_use]
    pub fn scanner(&self) -> Option<&Scanner> {
        self.scanner.as_deref()
    }

    /// Most bytes of a body that are looked at, and what becomes of longer ones.
    #[must_use]
    pub const fn inspects(&self) -> (u64, Longer) {
        (self.inspect_bytes, self.longer)
    }
}

/// Whether a body with these fields has a content coding.
#[must_use]
pub fn is_packed(headers: &HeaderMap) -> bool {
    coding::codings(headers).map_or(true, |codings| !codings.is_empty())
}

/// What an inspection says of the request so far.
///
/// # Errors
/// If it is refused.
pub fn verdict(inspection: &Inspection) -> Result<(), Denial> {
    if inspection.refusal().is_some() {
        return Err(Denial::new(&REFUSED));
    }
    // What cannot be read was not looked at.
    if let Some(reason) = inspection.body_unfit() {
        return Err(Denial::new(reason));
    }
    if inspection.overflowed() {
        return Err(Denial::new(&TOO_MANY));
    }
    Ok(())
}

/// What an inspection says of the answer so far.
///
/// # Errors
/// If it is refused.
pub fn answer_verdict(inspection: &Inspection) -> Result<(), Denial> {
    match inspection.refusal() {
        None => Ok(()),
        Some(_) => Err(Denial::new(&ANSWER_REFUSED)),
    }
}

/// Runs the phases of a request that has no body, or whose body is not looked at.
///
/// # Errors
/// If it is refused.
pub fn whole(inspection: &mut Inspection) -> Result<(), Denial> {
    while inspection.request_head() == Progress::More {}
    verdict(inspection)?;
    while inspection.body(b"", true) == Progress::More {}
    while inspection.request_body() == Progress::More {}
    verdict(inspection)
}

/// As request lines say it.
const fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        Version::HTTP_3 => b"HTTP/3.0",
        _ => b"HTTP/1.1",
    }
}

#[cfg(test)]
mod tests;
