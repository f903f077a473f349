#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use lockgate_wire::target::{normalize, TargetSwitches};
use serde::Deserialize;

use super::*;
use crate::bundle::VersionBy;
use crate::testing::line;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    by: VersionBy,
    default: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    version: Option<String>,
    reason: Option<String>,
}

fn version(name: &str) -> bundle::Version {
    bundle::Version {
        name: name.to_owned(),
        upstream: None,
        openapi: None,
        deprecated_ms: None,
        sunset_ms: None,
        brownouts: Vec::new(),
        successor: None,
        notice: None,
        span: line(1),
    }
}

fn of(by: VersionBy, default: Option<&str>, list: Vec<bundle::Version>) -> Versions {
    let config = bundle::Versions {
        by,
        default: default.map(str::to_owned),
        list,
        span: line(1),
    };
    Versions::new(&config, |_| Some(0), |_| panic!("no documents")).unwrap()
}

/// Each case of the file, whose API has the versions v1 and v2 below `/api`.
#[test]
fn every_case() {
    let text = include_str!("../../../../tests/vectors/version.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 20);
    for case in vectors.cases {
        let default = case.default.as_deref();
        let versions = of(case.by, default, vec![version("v1"), version("v2")]);
        let target = case.path.unwrap_or_else(|| "/api/things".to_owned());
        let normal = normalize(&target, &TargetSwitches::default()).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in &case.headers {
            headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let path = normal.match_path();
        let asked = versions.asked(path.strip_prefix("/api").unwrap(), normal.query, &headers);
        let name = match asked {
            Asked::Version { number, .. } => Some(versions.get(number).unwrap().name.to_string()),
            _ => None,
        };
        let reason = versions
            .serve(asked, 0)
            .err()
            .map(|denial| denial.reason.code);
        assert_eq!(
            (name, reason),
            (case.version, case.reason.as_deref()),
            "{}",
            case.name
        );
    }
}

fn ending() -> Versions {
    let v1 = bundle::Version {
        deprecated_ms: Some(1_000_000),
        sunset_ms: Some(9_000_000),
        brownouts: vec![Brownout {
            start_ms: 3_000_000,
            end_ms: 3_600_500,
        }],
        successor: Some("v2".to_owned()),
        notice: Some("https://docs.example.com/v1".to_owned()),
        ..version("v1")
    };
    of(VersionBy::Path {}, None, vec![v1, version("v2")])
}

fn refused(versions: &Versions, now_ms: u64) -> Option<Denial> {
    let asked = versions.asked("/v1/things", None, &HeaderMap::new());
    versions.serve(asked, now_ms).err()
}

#[test]
fn an_end_comes_in_steps() {
    let versions = ending();
    for (now_ms, code) in [
        (0, None),
        (2_999_999, None),
        (3_000_000, Some("version-brownout")),
        (3_600_499, Some("version-brownout")),
        (3_600_500, None),
        (8_999_999, None),
        (9_000_000, Some("version-sunset")),
    ] {
        let denial = refused(&versions, now_ms);
        assert_eq!(denial.map(|denial| denial.reason.code), code, "{now_ms}");
    }
    let denial = refused(&versions, 3_000_000).unwrap();
    assert_eq!(denial.headers, [(RETRY_AFTER, HeaderValue::from(601_u64))]);
    assert_eq!(denial.detail.as_deref(), Some("use version v2"));
}

#[test]
fn answers_tell_of_the_end() {
    let versions = ending();
    let mut headers = HeaderMap::new();
    for edit in &versions.get(0).unwrap().answer_edits {
        edit.apply(&mut headers);
    }
    assert_eq!(headers["deprecation"], "@1000");
    assert_eq!(headers["sunset"], "Thu, 01 Jan 1970 02:30:00 GMT");
    assert_eq!(
        headers["link"],
        "<https://docs.example.com/v1>; rel=\"deprecation\"; type=\"text/html\""
    );
    assert!(versions.get(1).unwrap().answer_edits.is_empty());
}

#[test]
fn a_link_leads_to_the_same_thing_in_the_successor() {
    let link = |by, path: &str, prefix, query| {
        let v1 = bundle::Version {
            successor: Some("v2".to_owned()),
            ..version("v1")
        };
        match of(by, None, vec![v1, version("v2")]).successor(0, path, prefix, query) {
            Some(Edit::Add(_, value)) => Some(value.to_str().unwrap().to_owned()),
            _ => None,
        }
    };
    assert_eq!(
        link(VersionBy::Path {}, "/api/v1/things", 4, Some("a=1")).unwrap(),
        "</api/v2/things?a=1>; rel=\"successor-version\""
    );
    assert_eq!(
        link(
            VersionBy::Query("v".to_owned()),
            "/api",
            4,
            Some("a=1&v=v1")
        )
        .unwrap(),
        "</api?a=1&v=v2>; rel=\"successor-version\""
    );
    assert_eq!(
        link(VersionBy::Header("x-v".to_owned()), "/api", 4, None),
        None
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let code = |change: fn(&mut bundle::Versions)| {
        let mut config = bundle::Versions {
            by: VersionBy::Path {},
            default: None,
            list: vec![version("v1")],
            span: line(1),
        };
        change(&mut config);
        let made = Versions::new(&config, |_| None, |_| panic!("no documents"));
        made.map(|_| "").unwrap_or_else(|error| error.code)
    };
    assert_eq!(code(|_| {}), "");
    assert_eq!(code(|config| config.list.clear()), "versions-malformed");
    assert_eq!(
        code(|config| config.list.push(version("v1"))),
        "versions-malformed"
    );
    assert_eq!(
        code(|config| config.default = Some("v9".to_owned())),
        "version-unknown"
    );
    assert_eq!(
        code(|config| config.list[0].successor = Some("v9".to_owned())),
        "version-unknown"
    );
    assert_eq!(
        code(|config| config.list[0].upstream = Some("none".to_owned())),
        "no-upstream"
    );
    assert_eq!(
        code(|config| config.by = VersionBy::Header("a b".to_owned())),
        "not-a-header"
    );
    let notice = |config: &mut bundle::Versions| {
        config.list[0].sunset_ms = Some(1);
        config.list[0].notice = Some("a\nb".to_owned());
    };
    assert_eq!(code(notice), "not-a-url");
}
