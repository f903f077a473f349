#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use lockgate_wire::target::{normalize, TargetSwitches};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::testing::line;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    documents: BTreeMap<String, Written>,
    cases: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    servers: Vec<String>,
    operations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    document: String,
    #[serde(default)]
    method: Option<String>,
    path: String,
    operation: Option<String>,
    reason: Option<String>,
    allow: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    operations: BTreeMap<String, String>,
    code: String,
}

fn vectors() -> Vectors {
    serde_saphyr::from_str(include_str!("../../../../tests/vectors/operation.yaml")).unwrap()
}

fn document(servers: &[String], operations: &BTreeMap<String, String>) -> ApiDocument {
    let operation = |(at, (what, name)): (usize, (&String, &String))| {
        let (method, path) = what.split_once(' ').unwrap();
        operation(name, method, path, u32::try_from(at).unwrap() + 1)
    };
    ApiDocument {
        security: Vec::new(),
        bases: if servers.is_empty() {
            vec![String::new()]
        } else {
            servers.to_vec()
        },
        operations: operations.iter().enumerate().map(operation).collect(),
        span: line(1),
    }
}

fn operation(name: &str, method: &str, path: &str, at: u32) -> bundle::Operation {
    bundle::Operation {
        name: name.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        bases: None,
        security: None,
        span: line(at),
    }
}

fn of(operations: &[bundle::Operation]) -> Result<Operations, Vec<ConfigError>> {
    Operations::new(&ApiDocument {
        bases: vec![String::new()],
        security: Vec::new(),
        operations: operations.to_vec(),
        span: line(1),
    })
}

#[test]
fn every_case() {
    let vectors = vectors();
    let documents: BTreeMap<&str, Operations> = vectors
        .documents
        .iter()
        .map(|(name, written)| {
            let document = document(&written.servers, &written.operations);
            (name.as_str(), Operations::new(&document).unwrap())
        })
        .collect();
    assert!(vectors.cases.len() > 40);
    for case in vectors.cases {
        let operations = &documents[case.document.as_str()];
        let normal = normalize(&case.path, &TargetSwitches::default()).unwrap();
        let method = case.method.as_deref().unwrap_or("GET").parse().unwrap();
        let (name, reason, allow) = match operations.find(&normal.match_path(), &method) {
            Sought::Operation(number) => {
                let name = operations.get(number).unwrap().name.to_string();
                (Some(name), None, None)
            }
            Sought::MethodNotAllowed(allow) => {
                (None, Some("operation-method-unknown"), Some(allow))
            }
            Sought::Nothing => (None, Some("operation-unknown"), None),
        };
        assert_eq!(
            (name, reason, allow),
            (case.operation, case.reason.as_deref(), case.allow),
            "{}",
            case.name
        );
    }
}

#[test]
fn every_refused_document() {
    let vectors = vectors();
    assert!(vectors.refused.len() > 10);
    for case in vectors.refused {
        let errors = Operations::new(&document(&[], &case.operations)).unwrap_err();
        let codes: Vec<_> = errors.iter().map(|error| error.code).collect();
        assert_eq!(codes, [case.code.as_str()], "{}", case.name);
        assert!(errors[0].span.is_some(), "{}", case.name);
    }
}

#[test]
fn an_operation_may_have_servers_of_its_own() {
    let mut moved = operation("moved", "GET", "/a", 1);
    moved.bases = Some(vec!["/elsewhere".to_owned()]);
    let operations = of(&[moved, operation("stays", "GET", "/b", 2)]).unwrap();
    assert_eq!(
        operations.find("/elsewhere/a", &Method::GET),
        Sought::Operation(0)
    );
    assert_eq!(operations.find("/a", &Method::GET), Sought::Nothing);
    assert_eq!(operations.find("/b", &Method::GET), Sought::Operation(1));
}

#[test]
fn names_have_bounds() {
    for name in ["", "two\nlines", &"n".repeat(MAX_NAME + 1)] {
        let errors = of(&[operation(name, "GET", "/a", 3)]).unwrap_err();
        assert_eq!(errors[0].code, "operation-name", "{name}");
        assert_eq!(errors[0].span, Some(line(3)));
    }
    assert!(of(&[operation(&"n".repeat(MAX_NAME), "GET", "/a", 3)]).is_ok());
    let errors = of(&[operation("a", "GET IT", "/a", 3)]).unwrap_err();
    assert_eq!(errors[0].code, "not-a-method");
}

#[test]
fn what_is_tried_one_by_one_is_bounded() {
    let endings = |count: usize| -> Vec<_> {
        let one = |at| operation(&format!("o{at}"), "GET", &format!("/{{n}}.x{at}"), 1);
        (0..count).map(one).collect()
    };
    assert!(of(&endings(MAX_PARTIALS)).is_ok());
    assert_eq!(
        of(&endings(MAX_PARTIALS + 1)).unwrap_err()[0].code,
        "operation-path"
    );
    let deep = |count: usize| operation("deep", "GET", &"/a".repeat(count), 1);
    assert!(of(&[deep(MAX_SEGMENTS)]).is_ok());
    assert_eq!(
        of(&[deep(MAX_SEGMENTS + 1)]).unwrap_err()[0].code,
        "operation-path"
    );
    let operations = of(&[deep(MAX_SEGMENTS)]).unwrap();
    assert_eq!(
        operations.find(&"/a".repeat(MAX_SEGMENTS), &Method::GET),
        Sought::Operation(0)
    );
    assert_eq!(
        operations.find(&"/a".repeat(10_000), &Method::GET),
        Sought::Nothing
    );
}

/// A segment of the small alphabet in which mistakes show.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("{x}".to_owned())
    ]
}

proptest! {
    /// The tree against the plain meaning of templates: each compared in turn,
    /// the first that differs from the left decides which is more specific.
    #[test]
    fn the_most_specific_template_wins(
        templates in prop::collection::btree_set(prop::collection::vec(piece(), 1..4), 1..12),
        asked in prop::collection::vec("[abc]", 1..4),
    ) {
        let templates: Vec<Vec<String>> = templates.into_iter().collect();
        let operations: Vec<_> = templates
            .iter()
            .enumerate()
            .map(|(at, pieces)| {
                operation(&format!("o{at}"), "GET", &format!("/{}", pieces.join("/")), 1)
            })
            .collect();
        let best = templates
            .iter()
            .enumerate()
            .filter(|(_, pieces)| {
                pieces.len() == asked.len()
                    && pieces.iter().zip(&asked).all(|(form, text)| form == "{x}" || form == text)
            })
            .min_by_key(|(_, pieces)| pieces.iter().map(|form| form == "{x}").collect::<Vec<_>>());
        let found = of(&operations).unwrap().find(&format!("/{}", asked.join("/")), &Method::GET);
        let expected = best.map_or(Sought::Nothing, |(at, _)| Sought::Operation(at.try_into().unwrap()));
        prop_assert_eq!(found, expected);
    }

    /// Whatever the document and the path, there is an answer.
    #[test]
    fn nothing_panics(template in "/[a{}x./%]{0,12}", path in "/\\PC{0,16}") {
        if let Ok(operations) = of(&[operation("o", "GET", &template, 1)]) {
            let _ = operations.find(&path, &Method::GET);
        }
    }
}
