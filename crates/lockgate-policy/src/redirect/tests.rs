#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    pattern: Option<String>,
    config: Written,
    path: String,
    query: Option<String>,
    #[serde(default)]
    names: Vec<(String, String)>,
    verdict: String,
    location: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default = "usual")]
    status: u16,
    to: String,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default = "kept")]
    query: String,
}

fn usual() -> u16 {
    308
}

fn kept() -> String {
    "keep".to_owned()
}

fn config(to: &str) -> Config {
    Config {
        status: 308,
        to: to.to_owned(),
        hosts: Vec::new(),
        query: true,
    }
}

#[test]
fn the_vectors() {
    let text = include_str!("../../../../tests/vectors/redirect.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 5);
    for case in vectors.cases {
        let config = Config {
            status: case.config.status,
            to: case.config.to,
            hosts: case.config.hosts,
            query: case.config.query == "keep",
        };
        let policy = Redirect::new(&config, &|_| true, TargetSwitches::default()).unwrap();
        let named: Vec<(&str, &str)> = case
            .names
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let prefix = case.pattern.as_deref().unwrap_or("");
        let captures = Captures {
            path: &case.path,
            rest: case.path.strip_prefix(prefix).unwrap_or(&case.path),
            host: "a.example",
            named: &named,
        };
        match policy.decide(&captures, case.query.as_deref()) {
            Verdict::Respond(response) => {
                assert_eq!(case.verdict, "respond", "{}", case.name);
                assert_eq!(response.status().as_u16(), config.status, "{}", case.name);
                let location = response.headers()[LOCATION].to_str().unwrap();
                assert_eq!(Some(location), case.location.as_deref(), "{}", case.name);
            }
            Verdict::Deny(denial) => {
                let reason = case.reason.as_deref();
                assert_eq!(Some(denial.reason.code), reason, "{}", case.name);
            }
            other => panic!("{}: {other:?}", case.name),
        }
    }
}

#[test]
fn what_is_captured_leads_to_no_other_host() {
    let policy = Redirect::new(
        &config("/{name}"),
        &|_| true,
        TargetSwitches {
            double_slash: Odd::Keep,
            backslash: Odd::Keep,
            ..TargetSwitches::default()
        },
    )
    .unwrap();
    for away in ["/evil.example", "\\evil.example", "/"] {
        let captures = Captures {
            path: "/x",
            rest: "/x",
            host: "a.example",
            named: &[("name", away)],
        };
        match policy.decide(&captures, None) {
            Verdict::Deny(denial) => assert_eq!(denial.reason.code, "redirect-unsafe"),
            other => panic!("{away}: {other:?}"),
        }
    }
}

#[test]
fn a_piece_of_the_path_is_never_the_host() {
    let config = Config {
        hosts: vec!["a.example".to_owned()],
        ..config("https://{host}/{host}")
    };
    assert!(Redirect::new(&config, &|_| true, TargetSwitches::default()).is_err());
    let config = Config {
        hosts: vec!["a.example".to_owned()],
        ..self::config("https://{host}/new")
    };
    let policy = Redirect::new(&config, &|_| true, TargetSwitches::default()).unwrap();
    let captures = Captures {
        path: "/evil.example",
        rest: "",
        host: "a.example",
        named: &[("host", "evil.example")],
    };
    match policy.decide(&captures, None) {
        Verdict::Respond(response) => {
            assert_eq!(response.headers()[LOCATION], "https://a.example/new");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |config: Config| {
        Redirect::new(&config, &|name| name == "id", TargetSwitches::default())
            .unwrap_err()
            .code
    };
    assert_eq!(
        refused(Config {
            status: 304,
            ..config("/a")
        }),
        "not-a-redirect"
    );
    for to in [
        "ftp://a.example/",
        "https:///x",
        "https://me@a.example/",
        "https://{id}/",
        "javascript://x/",
    ] {
        assert!(
            matches!(refused(config(to)), "not-a-location" | "not-a-template"),
            "{to}"
        );
    }
    assert_eq!(refused(config("https://{host}/")), "redirect-any-host");
    for to in ["a", "/a/../b", "/a?b", "//evil.example", "/a b"] {
        assert_eq!(refused(config(to)), "not-a-path", "{to}");
    }
    assert_eq!(refused(config("/{other}")), "not-a-template");
    let hosts = vec!["a b".to_owned()];
    assert_eq!(
        refused(Config {
            hosts,
            ..config("https://{host}/")
        }),
        "not-a-host"
    );
}

#[test]
fn every_reason_is_the_rooms() {
    assert!(REASONS.iter().all(|reason| reason.room == NAME));
}
