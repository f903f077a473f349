//! What operators of the Core Rule Set ask, where it is at hand.

use std::path::{Path, PathBuf};

use regex_syntax::hir::Hir;
use regex_syntax::ParserBuilder;

use crate::rule::{Item, Operator};
use crate::seclang::tests::core_rules;

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

/// Where the rules of the Core Rule Set are, if it is on this machine.
pub fn core_rule_set() -> Option<PathBuf> {
    core_rules::versions().into_iter().next()
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
    let rules = core_rules::loaded(path, &["@owasp_crs/*.conf"]);
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
