//! The tables of words.

use std::collections::BTreeSet;

use super::rule;
use crate::seclang::{language, Kind, Support};
use crate::transform::Transformation;

#[test]
fn names_stand_once_and_say_something() {
    let entries = language();
    assert!(entries.len() > 300, "{}", entries.len());
    let mut seen = BTreeSet::new();
    for entry in &entries {
        let name = entry.name.to_ascii_lowercase();
        assert!(seen.insert((entry.kind, name)), "{}", entry.name);
        assert!(!entry.says.is_empty(), "{}", entry.name);
        if let Support::Refused(why) | Support::Instead(why) = entry.support {
            assert!(
                !why.is_empty() && !why.ends_with('.'),
                "{}: {why}",
                entry.name
            );
        }
    }
}

#[test]
fn transformations_are_those_of_the_engine() {
    for entry in language() {
        if entry.kind != Kind::Transformation || entry.name == "none" {
            continue;
        }
        let known = Transformation::named(entry.name);
        assert!(known.is_some(), "{}", entry.name);
        let said = rule(&format!("SecAction \"id:1,t:{}\"", entry.name));
        assert_eq!(
            said.links[0].transformations.first().copied(),
            known,
            "{}",
            entry.name
        );
    }
}
