//! Places, as they are read, told and held against values.

use super::{At, BadPlace, On};
use crate::engine::tests::{get, inspect, post, with, Asked};
use crate::engine::{Exclusion, Options};
use crate::rule::Which;

const RULE: &str = "SecRule ARGS|ARGS_NAMES|REQUEST_HEADERS|REQUEST_COOKIES|FILES|XML:/*|XML://@* \
                    \"@contains evil\" \"id:1,phase:2,log,pass\"";

fn also(mut asked: Asked, name: &str, value: &str) -> Asked {
    asked.headers.push((name.into(), value.into()));
    asked
}

/// The places that are told of a request without any exclusion.
fn places(asked: &Asked) -> Vec<String> {
    let engine = with(RULE, &Options::default());
    let inspection = inspect(&engine, asked, 0);
    let matched = inspection.matched();
    matched
        .flat_map(|found| found.subjects().filter_map(|subject| subject.place()))
        .collect()
}

/// Whether a request of which this is left out has nothing left to find.
fn left_out(asked: &Asked, at: &str) -> bool {
    let exclusion = Exclusion {
        rules: Which::Ids(vec![(1, 1)]),
        at: Some(At::read(at).unwrap()),
        on: None,
        until_ms: u64::MAX,
    };
    let options = Options {
        exclusions: vec![exclusion],
        ..Options::default()
    };
    inspect(&with(RULE, &options), asked, 0)
        .matched()
        .next()
        .is_none()
}

#[test]
fn what_is_told_can_be_pasted_and_means_that_value() {
    let json = |text: &str| post("application/json", text);
    let form = "application/x-www-form-urlencoded";
    for (asked, place) in [
        (get("/?q=evil"), "query/q"),
        (json(r#"{"note": "evil"}"#), "body/note"),
        (json(r#"{"a": {"b": [1, {"c": "evil"}]}}"#), "body/a/b/1/c"),
        (json(r#"{"a.b": "evil"}"#), "body/a.b"),
        (json(r#"{"a": {"array_0": "evil"}}"#), "body/a/array_0"),
        (json(r#"{"a/b": {"~": "evil"}}"#), "body/a~1b/~0"),
        (json(r#"{"*": "evil"}"#), "body/~2"),
        (json(r#"{"": "evil"}"#), "body/"),
        (json(r#"{"x": {"": ["evil"]}}"#), "body/x//0"),
        (json(r#"{"évé": "evil"}"#), "body/évé"),
        (json(r#""evil""#), "body"),
        (also(get("/"), "X-Client", "evil"), "header/X-Client"),
        (post(form, "a%2Fb=evil"), "body/a~1b"),
        (post(form, "item%5B0%5D=evil"), "body/item[0]"),
        (also(get("/"), "Cookie", "s=evil"), "cookie/s"),
        (post("text/xml", "<o><i id='evil'/></o>"), "body/o/i/@id"),
        (post("text/xml", "<o><i>evil</i></o>"), "body"),
    ] {
        let told = places(&asked);
        assert!(told.iter().any(|told| told == place), "{place}: {told:?}");
        for told in &told {
            assert_eq!(told.as_str(), told.trim(), "{told}");
        }
        if told.len() == 1 {
            assert!(left_out(&asked, place), "{place}");
            assert!(!left_out(&asked, "query/other"), "{place}");
        }
    }
}

#[test]
fn a_place_that_was_told_is_covered_as_the_value_is() {
    for (at, place, covers) in [
        ("body/items/*/note", "body/items/0/note", true),
        ("body/items/*/note", "body/items/0/text", false),
        ("body", "body/items/0/note", true),
        ("body", "body", true),
        ("body/x", "body", false),
        ("body/a~1b", "body/a~1b", true),
        ("body/~2", "body/~2", true),
        ("body/~2", "body/x", false),
        ("header/x-client", "header/X-Client", true),
        ("query/q", "body/q", false),
        ("path", "path", true),
    ] {
        assert_eq!(At::read(at).unwrap().covers(place), covers, "{at} {place}");
    }
}

#[test]
fn a_dot_in_a_name_is_no_step() {
    let dotted = post("application/json", r#"{"a.b": "evil"}"#);
    let nested = post("application/json", r#"{"a": {"b": "evil"}}"#);
    assert!(left_out(&dotted, "body/a.b") && !left_out(&nested, "body/a.b"));
    assert!(left_out(&nested, "body/a/b") && !left_out(&dotted, "body/a/b"));
    assert!(left_out(&nested, "body/*/b") && !left_out(&nested, "body/b"));
}

#[test]
fn the_same_place_means_a_field_of_a_form() {
    let form = post("application/x-www-form-urlencoded", "note=e%76il");
    assert!(left_out(&form, "body/note") && !left_out(&form, "body/other"));
    let multipart = post(
        "multipart/form-data; boundary=b",
        "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nevil\r\n--b--\r\n",
    );
    assert_eq!(places(&multipart), ["body/note"]);
    assert!(left_out(&multipart, "body/note") && !left_out(&multipart, "body/other"));
}

#[test]
fn many_stars_take_no_longer_than_they_may() {
    let deep = "a/".repeat(200);
    let at = At::read(&format!("body/{}x", "**/a/".repeat(100))).unwrap();
    let way = super::Steps::of_path(deep.as_bytes());
    assert!(!at.way.as_ref().unwrap().matches(way));
}

#[test]
fn what_is_no_place_is_told() {
    for (text, bad) in [
        ("nowhere/x", BadPlace::Part("nowhere".into())),
        ("path/x", BadPlace::Nameless("path")),
        ("target/x", BadPlace::Nameless("target")),
        ("body/a~3", BadPlace::Escape),
        ("body/a~", BadPlace::Escape),
        ("", BadPlace::Part(String::new())),
    ] {
        assert_eq!(At::read(text), Err(bad), "{text}");
    }
    for text in ["notes", "POST notes", "PO ST /x", "P;ST /x"] {
        assert_eq!(On::read(text), Err(BadPlace::Request), "{text}");
    }
}

#[test]
fn requests_are_meant_by_method_and_path() {
    for (on, method, path, means) in [
        ("/notes/*", "GET", "/notes/7", true),
        ("/notes/*", "GET", "/notes/7/x", false),
        ("/notes/*", "GET", "/notes", false),
        ("/notes/**", "GET", "/notes/7/x", true),
        ("/notes/v*", "GET", "/notes/v2", true),
        ("POST /notes", "POST", "/notes", true),
        ("POST /notes", "GET", "/notes", false),
        ("POST /notes", "POST", "/Notes", false),
        ("/", "GET", "/", true),
        ("/", "GET", "/a", false),
    ] {
        let on = On::read(on).unwrap();
        assert_eq!(
            on.means(method.as_bytes(), path.as_bytes()),
            means,
            "{on:?} {method} {path}"
        );
    }
}

#[test]
fn an_exclusion_holds_for_the_requests_that_it_names() {
    let excluding = |at: Option<&str>| Options {
        exclusions: vec![Exclusion {
            rules: Which::Ids(vec![(1, 1)]),
            at: at.map(|at| At::read(at).unwrap()),
            on: Some(On::read("GET /notes/*").unwrap()),
            until_ms: u64::MAX,
        }],
        ..Options::default()
    };
    let rule = "SecRule ARGS \"@contains x\" \"id:1,phase:2,log,pass\"";
    for at in [None, Some("query/a")] {
        let engine = with(rule, &excluding(at));
        let found = |target: &str| inspect(&engine, &get(target), 0).matched().count();
        assert_eq!(found("/notes/1?a=x"), 0, "{at:?}");
        assert_eq!(found("/other?a=x"), 1, "{at:?}");
        assert_eq!(found("/notes/1?a=x"), 0, "a request leaves nothing behind");
    }
}
