#![allow(clippy::unwrap_used, missing_docs)]

use super::super::tests::{config, set};
use super::super::{Config, Source};
use super::*;

const RULE: &str = r#"SecRule RESPONSE_BODY "@contains secret" "id:1,phase:4,deny,status:502""#;

fn looking(rules: &str) -> Waf {
    let answers = Answered {
        types: vec!["text/html".into(), "application/json".into()],
        bytes: 9,
    };
    let config = Config {
        answers: Some(answers),
        ..config()
    };
    let set = set(rules);
    Waf::new(&config, Some(&Source::new(&set))).unwrap()
}

fn fields(said: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in said {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

fn typed(kind: &str) -> Option<Look> {
    let headers = fields(&[("content-type", kind)]);
    looking(RULE).looks_at(&headers).unwrap()
}

#[test]
fn answers_are_looked_at_by_their_type() {
    let look = typed("Text/HTML; charset=utf-8").unwrap();
    assert_eq!((look.most, look.untold), (9, false));
    assert_eq!(typed("text/htmlx"), None);
    assert_eq!(typed("image/png"), None);
}

#[test]
fn of_two_types_either_is_enough() {
    for kinds in [
        ["image/png", "text/html"],
        ["text/html", "image/png"],
        ["application/json, image/png", "image/png"],
        ["image/png; a=\"b,c\"", "text/html"],
    ] {
        let headers = fields(&[("content-type", kinds[0]), ("content-type", kinds[1])]);
        let look = looking(RULE).looks_at(&headers).unwrap().unwrap();
        assert!(!look.untold, "{kinds:?}");
    }
}

#[test]
fn without_a_type_a_text_is_looked_at() {
    let looks = [
        looking(RULE).looks_at(&HeaderMap::new()).unwrap(),
        typed(""),
        typed("html"),
        typed("*/*"),
        typed("Application/Unknown"),
        typed("multipart/byteranges; boundary=b"),
    ];
    for look in looks {
        let look = look.unwrap();
        assert!(look.untold);
        assert!(look.suits(b"{\"a\": \"a secret\"}"));
        assert!(look.suits(b"\xff\xfea\0"), "a mark is a text's");
        assert!(!look.suits(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"));
        let late = [&[b'a'; TELLING_BYTES][..], b"\0"].concat();
        assert!(look.suits(&late), "browsers look no further");
    }
    assert!(typed("text/html").unwrap().suits(b"\0"));
}

#[test]
fn codings_are_told_and_what_is_not_known_is_refused() {
    let packed = |coding: &str| {
        let headers = fields(&[("content-type", "text/html"), ("content-encoding", coding)]);
        looking(RULE).looks_at(&headers)
    };
    let codings = |coding| packed(coding).unwrap().unwrap().codings;
    assert_eq!(codings("identity"), []);
    assert_eq!(codings("gzip, Identity"), [Coding::Gzip]);
    assert_eq!(codings("br, gzip"), [Coding::Br, Coding::Gzip]);
    assert_eq!(
        packed("exi").unwrap_err().reason.code,
        "waf-answer-unreadable"
    );
    let headers = fields(&[("content-type", "image/png"), ("content-encoding", "exi")]);
    assert_eq!(looking(RULE).looks_at(&headers), Ok(None));
}

#[test]
fn behind_wide_texts_the_same_is_looked_at_as_utf_8() {
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let both = |look: &Look, bytes: Vec<u8>, text: &str| {
        let expected = [&bytes[..], b"\n", text.as_bytes()].concat();
        assert_eq!(look.text(&bytes), expected, "{text}");
    };
    let plain = typed("application/json").unwrap();
    assert_eq!(plain.text(b"{\"a\": 1}"), Cow::Borrowed(b"{\"a\": 1}"));
    both(&plain, wide("\u{feff}a secret"), "a secret");
    both(&plain, wide("{\"a\": 1}"), "{\"a\": 1}");
    let said = typed("text/html; Charset = \"UTF-16\"").unwrap();
    both(&said, wide("秘 secret"), "秘 secret");
    assert_eq!(said.text(b"no zero"), Cow::Borrowed(b"no zero"));
    let hidden = plain.text(b"a\0b\0 is not found: a secret");
    assert!(hidden.starts_with(b"a\0b\0 is not found: a secret"));
}

#[test]
fn the_api_is_asked_for_all_of_an_answer_as_it_is() {
    let asked = fields(&[
        ("range", "Bytes=0-9"),
        ("request-range", "bytes=0-9"),
        ("if-range", "\"a\""),
        ("if_range", "\"a\""),
        ("accept-encoding", "gzip"),
        ("accept_encoding", "gzip"),
        ("accept-charset", "utf-16"),
        ("a-im", "gzip"),
        ("accept", "text/html"),
        ("if-none-match", "\"a\""),
    ]);
    let edits = looking(RULE).asks(&asked);
    let mut left = asked;
    edits.request.iter().for_each(|edit| edit.apply(&mut left));
    let expected = fields(&[
        ("accept", "text/html"),
        ("if-none-match", "\"a\""),
        ("accept-encoding", "identity"),
    ]);
    assert_eq!(left, expected);
    assert_eq!(edits.answer, [Edit::Remove(ACCEPT_RANGES)]);
    let edits = looking(RULE).asks(&HeaderMap::new());
    assert_eq!(edits.request.len(), 1);
}

#[test]
fn pages_of_an_apis_own_are_left_alone() {
    for range in ["items=0-9", "0-24", "id ..; max=10"] {
        let asked = fields(&[("range", range), ("if-range", "\"a\"")]);
        let mut left = asked.clone();
        left.append("request-range", HeaderValue::from_static("bytes=0-9"));
        let edits = looking(RULE).asks(&left);
        edits.request.iter().for_each(|edit| edit.apply(&mut left));
        assert_eq!(left.remove(ACCEPT_ENCODING).unwrap(), "identity");
        assert_eq!(left, asked);
    }
}

#[test]
fn nothing_is_asked_where_nothing_looks() {
    let heads = r#"SecRule RESPONSE_HEADERS:Server "@contains x" "id:1,phase:3,deny,status:502""#;
    let mut policy = looking(heads);
    assert_eq!(policy.asks(&HeaderMap::new()), Edits::none());
    policy.pass_answers();
    assert_eq!(policy.looks_at(&HeaderMap::new()), Ok(None));
}
