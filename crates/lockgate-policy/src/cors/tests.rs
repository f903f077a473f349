#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use proptest::prelude::*;

use super::*;

fn policy(origins: &[&str]) -> Cors {
    let config = Config {
        origins: origins.iter().map(|&origin| origin.into()).collect(),
        ..Config::default()
    };
    Cors::new(&config, &[]).unwrap()
}

fn answered(policy: &Cors, headers: &HeaderMap) -> HeaderMap {
    let view = RequestView {
        method: &Method::GET,
        host: "a.example",
        path: "/",
        query: None,
        headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let Verdict::Allow(edits) = policy.decide(&view) else {
        panic!("what is no preflight passes");
    };
    assert!(edits.request.is_empty());
    let mut answer = HeaderMap::new();
    answer.insert(ALLOW_ORIGIN, HeaderValue::from_static("https://theirs"));
    answer.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    for edit in &edits.answer {
        edit.apply(&mut answer);
    }
    answer
}

fn from(origins: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for origin in origins {
        headers.append(FROM, HeaderValue::from_static(origin));
    }
    headers
}

#[test]
fn the_answer_varies_by_origin_whether_one_asked_or_not() {
    let listed = policy(&["https://a.example"]);
    for headers in [
        from(&[]),
        from(&["https://a.example"]),
        from(&["https://b.example"]),
    ] {
        let answer = answered(&listed, &headers);
        let varies: Vec<_> = answer.get_all(VARY).iter().collect();
        assert_eq!(varies, ["Accept-Encoding", "Origin"]);
    }
    let answer = answered(&policy(&["*"]), &from(&["https://b.example"]));
    assert_eq!(
        answer.get_all(VARY).iter().count(),
        1,
        "nothing depends on the origin"
    );
    assert_eq!(answer[ALLOW_ORIGIN], "*");
}

#[test]
fn what_the_upstream_says_is_taken_off() {
    let answer = answered(
        &policy(&["https://a.example"]),
        &from(&["https://b.example"]),
    );
    assert!(!answer.contains_key(ALLOW_ORIGIN));
}

#[test]
fn two_origins_are_none() {
    let twice = from(&["https://a.example", "https://a.example"]);
    assert!(!answered(&policy(&["https://a.example"]), &twice).contains_key(ALLOW_ORIGIN));
}

#[test]
fn there_is_a_bound_on_entries_and_on_what_is_asked() {
    let config = Config {
        origins: vec!["https://a.example".into(); MAX_ENTRIES + 1],
        ..Config::default()
    };
    assert_eq!(Cors::new(&config, &[]).unwrap_err().code, "cors-too-many");
    let config = Config {
        origins: vec!["*".into()],
        headers: vec!["*".into()],
        ..Config::default()
    };
    let policy = Cors::new(&config, &[]).unwrap();
    let asking = |count: usize| {
        let mut headers = from(&["https://a.example"]);
        headers.insert(REQUEST_METHOD, HeaderValue::from_static("PUT"));
        let names = vec!["x-a"; count].join(",");
        headers.insert(REQUEST_HEADERS, HeaderValue::try_from(names).unwrap());
        let asked = headers[REQUEST_METHOD].clone();
        policy.preflight(&headers, &asked, Some(ANY)).is_ok()
    };
    assert!(asking(MAX_ASKED));
    assert!(!asking(MAX_ASKED + 1));
}

proptest! {
    #[test]
    fn nothing_but_a_host_below_the_domain_is_taken(text in "[ -~]{0,12}") {
        let origins = Origins::new(&["https://*.example.com".to_owned()]).unwrap();
        let origin = format!("https://{text}.example.com");
        let right = !text.is_empty()
            && text.split('.').all(|label| !label.is_empty()
                && label.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-_".contains(char)));
        prop_assert_eq!(origins.contain(origin.as_bytes()), right);
    }

    #[test]
    fn what_is_taken_as_an_origin_contains_itself(text in "(https?://)?[a-z0-9.:*/-]{0,16}") {
        if let Ok(origins) = Origins::new(std::slice::from_ref(&text)) {
            if !text.contains('*') {
                prop_assert!(origins.contain(text.as_bytes()));
            }
            prop_assert!(!origins.contain(b"null") || text == "*");
            prop_assert!(!origins.contain(b"") || text == "*");
        }
    }
}
