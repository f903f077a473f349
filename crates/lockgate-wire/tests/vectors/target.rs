//! Every case of `tests/vectors/target.yaml`.

use std::collections::BTreeSet;

use lockgate_wire::target::{self, normalize, normalize_host, Odd, TargetSwitches};
use serde::Deserialize;

const VECTORS: &str = include_str!("../../../../tests/vectors/target.yaml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    targets: Vec<Target>,
    hosts: Vec<Host>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    name: String,
    raw: String,
    path: Option<String>,
    query: Option<String>,
    matches: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    switches: Switches,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Switches {
    double_slash: Word,
    encoded_slash: Word,
    backslash: Word,
    path_parameters: Word,
    dot_segments: Option<Word>,
    nul: Word,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Word {
    #[default]
    Reject,
    Normalize,
    Keep,
}

impl From<Word> for Odd {
    fn from(word: Word) -> Self {
        match word {
            Word::Reject => Self::Reject,
            Word::Normalize => Self::Normalize,
            Word::Keep => Self::Keep,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    raw: String,
    host: Option<String>,
    reason: Option<String>,
}

fn vectors() -> Vectors {
    let vectors: Vectors = serde_saphyr::from_str(VECTORS).expect("readable vectors");
    assert!(
        vectors.targets.len() >= 60 && vectors.hosts.len() >= 20,
        "the vectors must not vanish"
    );
    vectors
}

#[test]
fn every_target_gets_its_form() {
    for case in vectors().targets {
        let switches = TargetSwitches {
            double_slash: case.switches.double_slash.into(),
            encoded_slash: case.switches.encoded_slash.into(),
            backslash: case.switches.backslash.into(),
            path_parameters: case.switches.path_parameters.into(),
            dot_segments: case.switches.dot_segments.map_or(Odd::Normalize, Odd::from),
            nul: case.switches.nul.into(),
        };
        match (normalize(&case.raw, &switches), &case.path, &case.reason) {
            (Ok(normal), Some(path), None) => {
                assert_eq!(normal.path, path.as_str(), "{}", case.name);
                assert_eq!(normal.query, case.query.as_deref(), "{}", case.name);
                let sent = case.raw.split('?').next().unwrap();
                assert_eq!(normal.changed, sent != path, "{}", case.name);
                let matches = case.matches.as_ref().unwrap_or(path);
                assert_eq!(normal.match_path(), matches.as_str(), "{}", case.name);
            }
            (Err(reason), None, Some(code)) => assert_eq!(reason.code, code, "{}", case.name),
            (result, ..) => panic!("{}: {result:?}", case.name),
        }
    }
}

#[test]
fn every_host_gets_its_form() {
    for case in vectors().hosts {
        match (normalize_host(&case.raw), &case.host, &case.reason) {
            (Ok(normal), Some(host), None) => assert_eq!(normal.to_string(), *host),
            (Err(reason), None, Some(code)) => assert_eq!(reason.code, code, "{}", case.raw),
            (result, ..) => panic!("{}: {result:?}", case.raw),
        }
    }
}

#[test]
fn every_reason_has_a_case() {
    let vectors = vectors();
    let covered: BTreeSet<&str> = vectors
        .targets
        .iter()
        .filter_map(|case| case.reason.as_deref())
        .collect();
    let declared: BTreeSet<&str> = target::reasons::REASONS
        .iter()
        .map(|reason| reason.code)
        .collect();
    assert_eq!(covered, declared);
}
