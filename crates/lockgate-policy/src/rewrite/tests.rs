#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    prefix: Option<String>,
    config: Written,
    path: String,
    query: Option<String>,
    #[serde(default)]
    names: Vec<(String, String)>,
    target: Option<String>,
    reason: Option<String>,
}

/// As a user writes it.
#[derive(Deserialize)]
struct Written {
    prefix: Option<String>,
    path: Option<String>,
    regex: Option<Expression>,
    #[serde(default)]
    query: Query,
}

#[derive(Deserialize)]
struct Expression {
    matches: String,
    to: String,
}

#[derive(Deserialize, Default)]
struct Query {
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    remove: Vec<String>,
}

impl From<Written> for Config {
    fn from(written: Written) -> Self {
        Self {
            prefix: written.prefix,
            path: written.path,
            regex: written.regex.map(|rule| Replacement {
                matches: rule.matches,
                to: rule.to,
            }),
            set: written
                .query
                .set
                .into_iter()
                .map(|(name, value)| Parameter { name, value })
                .collect(),
            remove: written.query.remove,
        }
    }
}

#[test]
fn the_vectors() {
    let text = include_str!("../../../../tests/vectors/rewrite.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 5);
    for case in vectors.cases {
        let policy = Rewrite::new(&case.config.into(), &|_| true, TargetSwitches::default());
        let named: Vec<(&str, &str)> = case
            .names
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let prefix = case.prefix.as_deref().unwrap_or("");
        let captures = Captures {
            path: &case.path,
            rest: case.path.strip_prefix(prefix).unwrap_or(&case.path),
            host: "a.example",
            named: &named,
        };
        match policy.unwrap().rewrite(&captures, case.query.as_deref()) {
            Ok(target) => assert_eq!(Some(target), case.target, "{}", case.name),
            Err(denial) => {
                let reason = case.reason.as_deref();
                assert_eq!(Some(denial.reason.code), reason, "{}", case.name);
            }
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |config: &Config| {
        Rewrite::new(config, &|name| name == "id", TargetSwitches::default())
            .unwrap_err()
            .code
    };
    let path = |path: &str| Config {
        path: Some(path.to_owned()),
        ..Config::default()
    };
    assert_eq!(refused(&Config::default()), "rewrite-empty");
    for wrong in ["a", "/a/../b", "/a?b", "//a", "/%2f", "/a;b", "/%41"] {
        assert_eq!(refused(&path(wrong)), "not-a-path", "{wrong}");
    }
    assert_eq!(refused(&path("/{other}")), "not-a-template");
    let twice = Config {
        prefix: Some("/a".to_owned()),
        ..path("/b")
    };
    assert_eq!(refused(&twice), "rewrite-twice");
    let regex = |matches: &str, to: &str| Config {
        regex: Some(Replacement {
            matches: matches.to_owned(),
            to: to.to_owned(),
        }),
        ..Config::default()
    };
    assert_eq!(refused(&regex("/a(?=b)", "/")), "regex-not-linear");
    assert_eq!(refused(&regex("/(?<id>.*)", "/{other}")), "not-a-template");
    let many = Config {
        remove: (0..=MAX_PARAMETERS)
            .map(|number| number.to_string())
            .collect(),
        ..Config::default()
    };
    assert_eq!(refused(&many), "too-many-parameters");
}

proptest! {
    #[test]
    fn nothing_climbs_and_nothing_is_read_in_two_ways(
        template in "/(a|\\.|\\.\\.|\\{id\\}|\\{rest\\}|/){0,6}",
        id in "[a.%2eF5C;]{0,6}",
        rest in "(/[a.]{0,3}){0,3}",
    ) {
        let config = Config { path: Some(template), ..Config::default() };
        let Ok(policy) = Rewrite::new(&config, &|_| true, TargetSwitches::default()) else {
            return Ok(());
        };
        let named = [("id", id.as_str())];
        let captures = Captures { path: "/x", rest: &rest, host: "", named: &named };
        if let Ok(target) = policy.rewrite(&captures, None) {
            let again = target::normalize(&target, &TargetSwitches::default());
            prop_assert_eq!(again.map(|again| again.changed).map_err(|reason| reason.code), Ok(false), "{}", target);
        }
    }
}

#[test]
fn every_reason_is_the_rooms() {
    assert!(REASONS.iter().all(|reason| reason.room == NAME));
}
