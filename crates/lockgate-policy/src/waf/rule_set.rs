//! Rule files, as the bundle carries them.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;

use aws_lc_rs::digest::{digest, SHA256};
use lockgate_waf::rule::Rules;
use lockgate_waf::seclang::{self, Files, Folder, Limits, LoadError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, Span};

/// Errors of one rule set that are told; there may be thousands.
const MOST_TOLD: usize = 50;

/// Rule files that belong together.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// What it is called: `core 4.25.0`.
    pub name: String,
    /// All files, also those that others include or read words from.
    pub files: Vec<RuleFile>,
    /// The files that are read, in this order.
    pub entries: Vec<String>,
    /// Where the configuration asks for it.
    pub span: Span,
}

/// A file of a rule set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Its path within the set.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// A rule set, read once it is needed.
#[derive(Debug)]
pub struct Source<'b> {
    set: &'b RuleSet,
    /// Of everything in it: two sets of the same digest are the same.
    pub(super) digest: [u8; 32],
    read: OnceCell<Result<Rules, Vec<LoadError>>>,
}

impl<'b> Source<'b> {
    /// Of this set.
    #[must_use]
    pub fn new(set: &'b RuleSet) -> Self {
        let mut text = Vec::new();
        let mut add = |part: &str| {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        };
        for file in &set.files {
            add(&file.name);
            add(&file.text);
        }
        for entry in &set.entries {
            add(entry);
        }
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, &text).as_ref());
        Self {
            set,
            digest: sum,
            read: OnceCell::new(),
        }
    }

    /// The rules.
    ///
    /// # Errors
    /// If they cannot be read: the first error, and how many more there are.
    pub fn rules(&self) -> Result<&Rules, ConfigError> {
        self.read
            .get_or_init(|| read(self.set))
            .as_ref()
            .map_err(|errors| {
                let told: Vec<String> = errors
                    .iter()
                    .take(MOST_TOLD)
                    .map(ToString::to_string)
                    .collect();
                let more = errors.len().saturating_sub(MOST_TOLD);
                let more = if more == 0 {
                    String::new()
                } else {
                    format!("\nand {more} more")
                };
                let told = format!("{}: {}{more}", self.set.name, told.join("\n"));
                ConfigError::new("waf-rules", "/set", told).at(self.set.span)
            })
    }
}

/// Reads a set.
///
/// # Errors
/// Everything that is wrong with its files.
pub fn read(set: &RuleSet) -> Result<Rules, Vec<LoadError>> {
    read_from(set, &folder(set))
}

fn folder(set: &RuleSet) -> Folder {
    let mut files = Folder::default();
    for file in &set.files {
        files.insert(&file.name, file.text.as_bytes());
    }
    files
}

fn read_from(set: &RuleSet, files: &dyn Files) -> Result<Rules, Vec<LoadError>> {
    let entries: Vec<&str> = set.entries.iter().map(String::as_str).collect();
    seclang::read(files, &entries, &Limits::default())
}

/// Files that the files of a set ask for and that it does not have, and patterns
/// that they include files by: whoever has a disk looks there, adds what is found,
/// and asks again.
#[must_use]
pub fn wanted(set: &RuleSet) -> Vec<String> {
    let files = Asked {
        folder: folder(set),
        wanted: RefCell::default(),
    };
    // What is wrong beside that is told by whoever reads the set in earnest.
    let _ = read_from(set, &files);
    files.wanted.into_inner().into_iter().collect()
}

/// A folder that notes what it was asked for in vain.
struct Asked {
    folder: Folder,
    wanted: RefCell<BTreeSet<String>>,
}

impl Files for Asked {
    fn bytes(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let found = self.folder.bytes(name);
        if found.is_none() {
            self.wanted.borrow_mut().insert(name.to_owned());
        }
        found
    }

    fn names(&self) -> Vec<&str> {
        self.folder.names()
    }

    fn looked_for(&self, pattern: &str) {
        self.wanted.borrow_mut().insert(pattern.to_owned());
    }
}
