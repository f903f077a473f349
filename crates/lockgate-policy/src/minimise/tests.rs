#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH, RANGE};
use lockgate_wire::json::Places;
use lockgate_wire::json::Scan;

use super::*;
use crate::fields::For;
use crate::{Edit, Reading};

fn policy(openings: &[(For, &str)]) -> Minimise {
    let open = openings.iter().map(|(to, field)| Opening {
        to: to.clone(),
        fields: vec![(*field).to_owned()],
    });
    let config = Config {
        rules: vec![RuleConfig {
            what: vec![Only::default()],
            open: open.collect(),
            span: Span::default(),
        }],
        errors: Errors::Known,
        types: Vec::new(),
        answer_bytes: 1_000,
    };
    Minimise::new(&config, &Arc::default()).unwrap()
}

fn ask(policy: &Minimise, method: &Method, readings: &[Reading]) -> (Verdict, Option<Pending>) {
    let headers: HeaderMap = [IF_NONE_MATCH, IF_MATCH, RANGE]
        .into_iter()
        .map(|name| (name, HeaderValue::from_static("\"1\"")))
        .collect();
    let view = RequestView {
        method,
        host: "shop.example.com",
        path: "/users/7",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: Some("getUser"),
        readings,
    };
    policy.decide(&view, None)
}

#[test]
fn what_members_of_errors_stay_can_be_read() {
    let cutting = Minimise::cutting_error();
    let steps = OF_ERRORS.iter().map(|one| one.split('/').skip(1));
    for mut steps in steps {
        let open = cutting.fields.root(1);
        let name = steps.next().unwrap();
        assert_ne!(
            cutting.fields.member(open, name, 1),
            Open::Nothing,
            "{name}"
        );
    }
}

#[test]
fn an_answer_is_asked_for_as_a_whole() {
    let policy = policy(&[(For::Anyone, "/id")]);
    let removed = |method: &Method| {
        let (verdict, _) = ask(&policy, method, &[]);
        let Verdict::Allow(edits) = verdict else {
            panic!("{verdict:?}");
        };
        let all = edits.request.into_iter();
        all.filter_map(|edit| match edit {
            Edit::Remove(name) => Some(name),
            _ => None,
        })
        .collect::<Vec<_>>()
    };
    let of_get = removed(&Method::GET);
    assert!(
        of_get.contains(&IF_NONE_MATCH) && of_get.contains(&RANGE) && of_get.contains(&IF_MATCH)
    );
    // A change that is guarded against another's stays so.
    assert!(!removed(&Method::PUT).contains(&IF_MATCH));
}

#[test]
fn who_may_read_all_reads_it_as_it_is() {
    let whole = policy(&[(For::Anyone, "")]);
    let (verdict, pending) = ask(&whole, &Method::GET, &[]);
    assert!(matches!(verdict, Verdict::Allow(edits) if edits.request.is_empty()));
    let pending = pending.unwrap();
    assert!(!pending.cuts());
    assert_eq!(whole.fate(&pending, 206, &HeaderMap::new()), Fate::Pass);
}

#[test]
fn what_may_be_another_operation_opens_nothing() {
    let policy = policy(&[(For::Anyone, "")]);
    let reading = Reading {
        path: "/users".into(),
        operation: Some("listUsers".into()),
    };
    let (_, pending) = ask(&policy, &Method::GET, &[reading]);
    let pending = pending.unwrap();
    let scan = Scan::cutting(
        b"{\"id\": 7}",
        &Places::default(),
        Some(&policy.cutting(&pending)),
    );
    assert!(pending.cuts() && scan.is_err());
}

#[test]
fn caches_of_others_keep_nothing_that_is_the_callers() {
    let kept = |openings: &[(For, &str)], said: &[&'static str]| {
        let policy = policy(openings);
        let (_, pending) = ask(&policy, &Method::GET, &[]);
        let mut headers = HeaderMap::new();
        for one in said {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(one));
        }
        headers.insert(ETAG, HeaderValue::from_static("\"1\""));
        headers.insert("surrogate-control", HeaderValue::from_static("max-age=9"));
        policy.keep_private(&pending.unwrap(), &mut headers);
        let said = headers.get(CACHE_CONTROL);
        let said = said.map(|said| said.to_str().unwrap().to_owned());
        (said, headers.contains_key("surrogate-control"))
    };
    let some = [(For::Anyone, "/id"), (For::Scope("a".into()), "/b")];
    assert_eq!(kept(&some, &[]), (Some("private".into()), false));
    assert_eq!(
        kept(&some, &["Public, max-age=60", "s-maxage=9,no-transform"]),
        (Some("private, max-age=60, no-transform".into()), false)
    );
    assert_eq!(kept(&some[..1], &["public"]), (Some("public".into()), true));
}
