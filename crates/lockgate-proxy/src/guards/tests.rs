//! What is told of guards.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

fn guard(enforced: bool, passed: &[(&'static str, bool)]) -> Guard {
    let passed = passed.iter().map(|(canary, meant)| Passed {
        canary,
        place: "query",
        meant: *meant,
        why: if *meant { "wanted" } else { "missed" }.into(),
    });
    Guard {
        api: "shop".into(),
        route: Some("admin".into()),
        enforced,
        rules: 0,
        running: 0,
        paranoia: None,
        passed: passed.collect(),
    }
}

#[test]
fn nothing_is_said_where_all_was_refused() {
    assert_eq!(guard(true, &[]).told(), None);
}

#[test]
fn what_is_missed_is_told_before_what_is_wanted() {
    let (meant, words) = guard(true, &[("xss", true), ("sql-injection", false)])
        .told()
        .unwrap();
    assert!(!meant);
    assert_eq!(
        words,
        "the `waf` of the API `shop`, route `admin` lets attacks through that it was tried with \
         (sql-injection in the query): missed"
    );
}

#[test]
fn what_is_not_enforced_is_not_told_of() {
    let guards = [
        guard(false, &[("xss", false)]),
        guard(true, &[("xss", true)]),
        guard(true, &[("xss", false)]),
    ];
    let (wrong, meant) = told(&guards);
    assert_eq!((wrong.len(), meant.len()), (1, 1));
}

#[test]
fn every_fate_but_a_refusal_is_explained() {
    assert_eq!(explained(Fate::Refused), None);
    let below = Fate::Below {
        score: 5,
        threshold: 9,
    };
    let meant = [
        below,
        Fate::Excluded(vec!["sql-injection".into()]),
        Fate::Sampled("10".into()),
    ];
    assert!(meant.into_iter().all(|fate| explained(fate).unwrap().0));
    assert!(!explained(Fate::Missed).unwrap().0);
}

#[test]
fn what_holds_is_measured() {
    let mut out = String::new();
    let guards = [
        guard(true, &[("xss", true), ("sql-injection", false)]),
        guard(false, &[("xss", false)]),
    ];
    write(&guards, &mut out);
    let samples: Vec<&str> = out.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            r#"lockgate_waf_canaries{api="shop",route="admin",fate="refused"} 4"#,
            r#"lockgate_waf_canaries{api="shop",route="admin",fate="passed"} 1"#,
            r#"lockgate_waf_canaries{api="shop",route="admin",fate="told-to-pass"} 1"#,
        ]
    );
}
