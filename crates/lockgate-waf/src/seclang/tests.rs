pub(crate) mod core_rules;
mod faults;
mod matching;
mod properties;
mod rules;
mod words;

use crate::rule::{Item, Link, Rule, Rules};
use crate::seclang::{read, Folder, Limits, LoadError};

/// Files in memory.
fn folder(files: &[(&str, &str)]) -> Folder {
    let mut folder = Folder::default();
    for (name, text) in files {
        assert!(folder.insert(name, text.as_bytes()), "{name}");
    }
    folder
}

/// What one file holds.
fn loaded(text: &str) -> Rules {
    match read(
        &folder(&[("rules.conf", text)]),
        &["rules.conf"],
        &Limits::default(),
    ) {
        Ok(rules) => rules,
        Err(errors) => panic!("{text}\n{}", told(&errors)),
    }
}

/// What is wrong with one file.
fn faults(text: &str) -> Vec<LoadError> {
    let files = [
        ("rules.conf", text),
        ("empty.data", "# nothing\n\n"),
        ("bad.data", "10.0.0.0/8\n10.0.0.0/99\n"),
    ];
    read(&folder(&files), &["rules.conf"], &Limits::default())
        .err()
        .unwrap_or_default()
}

fn told(errors: &[LoadError]) -> String {
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    told.join("\n")
}

/// The rules, without markers.
fn rules(rules: &Rules) -> Vec<&Rule> {
    let items = rules.items.iter();
    items
        .filter_map(|item| match item {
            Item::Rule(rule) => Some(rule.as_ref()),
            Item::Marker(_) => None,
        })
        .collect()
}

/// The only rule that a text has.
fn rule(text: &str) -> Rule {
    let all = loaded(text);
    let found = rules(&all);
    assert_eq!(found.len(), 1, "{text}");
    found[0].clone()
}

/// The first link of the only rule that a text has.
fn link(text: &str) -> Link {
    rule(text).links.swap_remove(0)
}
