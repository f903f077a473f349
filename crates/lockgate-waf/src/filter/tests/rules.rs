//! What operators of the Core Rule Set ask, where it is at hand.

use std::path::{Path, PathBuf};

use regex_syntax::hir::Hir;
use regex_syntax::ParserBuilder;

use crate::rule::{Item, Operator};
use crate::seclang::{read, Folder, Limits};

/// What one link of a rule asks.
#[derive(Debug)]
pub struct Asked {
    /// The rule's id, and the place of the link in its chain.
    pub name: String,
    pub question: Question,
}

#[derive(Debug)]
pub enum Question {
    Rx(Box<Hir>),
    Phrases(Vec<Box<[u8]>>),
    Literal(Box<[u8]>),
}

/// Where the Core Rule Set is, if it is on this machine: the first folder of
/// `LOCKGATE_CRS`, or the newest that Go has fetched.
pub fn core_rule_set() -> Option<PathBuf> {
    if let Some(folders) = std::env::var_os("LOCKGATE_CRS") {
        return std::env::split_paths(&folders).next();
    }
    let from = |variable: &str, rest: &str| {
        std::env::var_os(variable).map(|value| PathBuf::from(value).join(rest))
    };
    let cache = from("GOMODCACHE", "")
        .or_else(|| from("GOPATH", "pkg/mod"))
        .or_else(|| from("HOME", "go/pkg/mod"))?;
    let versions = std::fs::read_dir(cache.join("github.com/corazawaf/coraza-coreruleset")).ok()?;
    let newest = versions
        .flatten()
        .map(|entry| entry.path().join("rules"))
        .filter(|rules| rules.join("@owasp_crs").is_dir())
        .max();
    if newest.is_none() {
        eprintln!("not run: no Core Rule Set is at hand; set LOCKGATE_CRS, or let Go fetch it");
    }
    newest
}

/// The files of a folder and below with this extension, in order.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// What all rules ask that needs a look at the value's bytes.
pub fn questions(path: &Path) -> Vec<Asked> {
    let mut folder = Folder::default();
    for file in ["conf", "data"].iter().flat_map(|kind| files(path, kind)) {
        let name = file.strip_prefix(path).unwrap().to_str().unwrap();
        folder.insert(name, std::fs::read(&file).unwrap());
    }
    let rules = read(&folder, &["@owasp_crs/*.conf"], &Limits::default()).unwrap();
    let mut out = Vec::new();
    for item in &rules.items {
        let Item::Rule(rule) = item else {
            continue;
        };
        for (number, link) in rule.links.iter().enumerate() {
            let question = match &link.test.operator {
                Operator::Rx(pattern) => Question::Rx(Box::new(pattern.hir.clone())),
                Operator::Pm(phrases) => Question::Phrases(phrases.clone()),
                Operator::Contains(text) | Operator::EndsWith(text) | Operator::Streq(text) => {
                    match text.constant() {
                        Some(text) => Question::Literal(text.into()),
                        None => continue,
                    }
                }
                _ => continue,
            };
            out.push(Asked {
                name: format!("{}/{number}", rule.id),
                question,
            });
        }
    }
    out
}

/// A regular expression over bytes.
pub fn hir(pattern: &str) -> Hir {
    ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)
        .unwrap_or_else(|error| panic!("{pattern}: {error}"))
}
