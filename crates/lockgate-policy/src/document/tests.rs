#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use bytes::Bytes;
use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const REASON: ReasonRef = &crate::cedar::UNREADABLE;

fn body(text: &'static str) -> Content {
    Content::Whole(Bytes::from_static(text.as_bytes()))
}

fn json_body() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

fn told(content: &Content, headers: &HeaderMap) -> String {
    let denial = read(content, headers, 10).unwrap_err().denial(REASON);
    assert_eq!(*denial.reason, *REASON);
    denial.detail.unwrap().into_owned()
}

#[test]
fn a_document_is_read_as_it_stands() {
    let text = r#"{"a": [1, -2, 2.5, true, null, "x"], "b": {"a": {}}}"#;
    let wanted = json!({"a": [1, -2, 2.5, true, null, "x"], "b": {"a": {}}});
    assert_eq!(read(&body(text), &json_body(), 99).unwrap(), Some(wanted));
    assert_eq!(read(&body(""), &json_body(), 99).unwrap(), None);
}

#[test]
fn what_readers_could_differ_on_is_told() {
    let none = json_body();
    for text in [
        r#"{"owner": "ann", "owner": "bob"}"#,
        r#"{"owner": "ann", "\u006fwner": "bob"}"#,
        r#"[{"deep": {"x": 1, "x": 1}}]"#,
    ] {
        assert!(
            told(&body(text), &none).contains("a name is there twice"),
            "{text}"
        );
    }
    for text in [
        "{}{}",
        "{",
        "x",
        "{'a': 1}",
        "\u{feff}{}",
        "[1,]",
        "NaN",
        "01",
    ] {
        assert!(told(&body(text), &none).contains("no plain JSON"), "{text}");
    }
    assert!(told(&Content::TooLong, &none).contains("more than the 10 bytes"));
    let mut packed = json_body();
    packed.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(told(&body("{}"), &packed), "its body is packed");
    packed.insert(CONTENT_ENCODING, HeaderValue::from_static("Identity"));
    assert!(read(&body("{}"), &packed, 10).is_ok());
}

#[test]
fn what_is_not_said_to_be_json_is_not_read_as_it() {
    let of = |kinds: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for kind in kinds {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        read(&body("{}"), &headers, 10).is_ok()
    };
    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/merge-patch+json",
        "application/json;charset=\"UTF-8\"",
    ] {
        assert!(of(&[kind]), "{kind}");
    }
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "text/json",
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "application/jsonx",
        "",
    ] {
        assert!(!of(&[kind]), "{kind}");
    }
    assert!(!of(&[]));
    assert!(!of(&["application/json", "application/json"]));
}

#[test]
fn names_that_differ_by_their_letters_alone_are_one() {
    for text in [
        r#"{"customer": 1, "Customer": 2}"#,
        "{\"k\": 1, \"\u{212a}\": 2}",
        "{\"s\": 1, \"\u{17f}\": 2}",
    ] {
        assert!(
            told(&Content::Whole(Bytes::from(text.to_owned())), &json_body()).contains("twice"),
            "{text}"
        );
    }
}

#[test]
fn a_body_that_cannot_be_had_says_why_itself() {
    let own = Denial::new(&crate::cedar::UNDECIDED);
    let denial = read(&Content::Refused(own.clone()), &HeaderMap::new(), 10).unwrap_err();
    assert_eq!(denial.denial(REASON), own);
}

#[test]
fn nesting_has_an_end() {
    let deep = "[".repeat(100_000);
    assert!(parse(deep.as_bytes()).is_err());
}

proptest! {
    /// Where no name is there twice, it reads what any reader reads.
    #[test]
    fn it_agrees_with_the_plain_reader(text in r#"[\[\]{}:,"a-c0-9 .\\-]{0,40}"#) {
        if let Ok(value) = parse(text.as_bytes()) {
            prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
        }
    }
}
