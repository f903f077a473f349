#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::HeaderValue;

use super::*;

fn one(part: Part, name: &str, test: Test) -> Config {
    Config {
        part,
        name: name.to_owned(),
        test,
    }
}

fn exact(value: &str) -> Test {
    Test::Exact(value.to_owned())
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

fn held(config: Config, lines: &[(&'static str, &'static str)], query: Option<&str>) -> Held {
    let conditions = Conditions::new(&[config]).unwrap();
    conditions.hold(&headers(lines), query)
}

#[test]
fn a_header_is_there_or_has_a_value() {
    let version = |test| one(Part::Header, "X-Version", test);
    let two = [("x-version", " 2 ")];
    assert_eq!(held(version(exact("2")), &two, None), Held::Yes);
    assert_eq!(held(version(exact("3")), &two, None), Held::No);
    assert_eq!(held(version(exact("2")), &[], None), Held::No);
    assert_eq!(held(version(Test::Present(true)), &two, None), Held::Yes);
    assert_eq!(held(version(Test::Present(false)), &two, None), Held::No);
    assert_eq!(held(version(Test::Present(false)), &[], None), Held::Yes);
    let digits = || version(Test::Regex("[0-9]+".to_owned()));
    assert_eq!(held(digits(), &two, None), Held::Yes);
    assert_eq!(held(digits(), &[("x-version", "2a")], None), Held::No);
    assert_eq!(held(digits(), &[], None), Held::No);
}

#[test]
fn what_stands_there_twice_is_neither() {
    let twice = [("x-version", "2"), ("x-version", "3")];
    let version = |test| one(Part::Header, "x-version", test);
    assert_eq!(held(version(exact("2")), &twice, None), Held::Ambiguous);
    assert_eq!(held(version(Test::Present(true)), &twice, None), Held::Yes);
    let tier = |test| one(Part::Cookie, "tier", test);
    let cookies = [("cookie", "tier=gold; tier=free")];
    assert_eq!(held(tier(exact("gold")), &cookies, None), Held::Ambiguous);
    let action = one(Part::Query, "action", exact("delete"));
    assert_eq!(
        held(action, &[], Some("action=delete&action=x")),
        Held::Ambiguous
    );
}

#[test]
fn a_condition_that_fails_outweighs_one_that_is_ambiguous() {
    let both = [
        one(Part::Header, "x-a", exact("1")),
        one(Part::Query, "b", exact("1")),
    ];
    let conditions = Conditions::new(&both).unwrap();
    let twice = headers(&[("x-a", "1"), ("x-a", "2")]);
    assert_eq!(conditions.hold(&twice, Some("b=2")), Held::No);
    assert_eq!(conditions.hold(&twice, Some("b=1")), Held::Ambiguous);
}

#[test]
fn a_cookie_is_seen_beside_bytes_that_are_no_text() {
    let view = || one(Part::Cookie, "view", exact("admin"));
    for line in [&b"view=admin; x=\xff"[..], b"x=\xff; view=admin"] {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_bytes(line).unwrap());
        assert_eq!(
            Conditions::new(&[view()]).unwrap().hold(&headers, None),
            Held::Yes
        );
        headers.append("cookie", HeaderValue::from_static("view=other"));
        assert_eq!(
            Conditions::new(&[view()]).unwrap().hold(&headers, None),
            Held::Ambiguous
        );
    }
}

#[test]
fn a_header_beside_its_look_alike_is_neither() {
    for lines in [
        &[("x-view", "admin"), ("x_view", "other")][..],
        &[("x_view", "admin")],
    ] {
        let view = one(Part::Header, "X-View", exact("admin"));
        assert_eq!(held(view, lines, None), Held::Ambiguous);
    }
}

#[test]
fn cookies_are_read_from_every_line() {
    let lines = [("cookie", "a=1;b = \"x y\" "), ("cookie", "tier=gold")];
    assert_eq!(
        held(one(Part::Cookie, "tier", exact("gold")), &lines, None),
        Held::Yes
    );
    assert_eq!(
        held(one(Part::Cookie, "b", exact("x y")), &lines, None),
        Held::Yes
    );
    assert_eq!(
        held(one(Part::Cookie, "B", exact("x y")), &lines, None),
        Held::No
    );
    assert_eq!(
        held(one(Part::Cookie, "a", Test::Present(true)), &lines, None),
        Held::Yes
    );
}

#[test]
fn order_and_case_of_a_header_make_no_other_condition() {
    let a = one(Part::Header, "X-A", exact("1"));
    let b = one(Part::Query, "b", Test::Present(true));
    let lower = one(Part::Header, "x-a", exact("1"));
    let forth = Conditions::new(&[a, b.clone()]).unwrap();
    let back = Conditions::new(&[b, lower]).unwrap();
    assert_eq!(forth.text(), back.text());
    assert_eq!(forth.rank(), (2, 4));
}

#[test]
fn what_cannot_be_a_condition_is_refused() {
    let refused = |config: Config| Conditions::new(&[config]).unwrap_err();
    assert_eq!(
        refused(one(Part::Header, "a b", exact("1"))).code,
        "not-a-header"
    );
    assert_eq!(refused(one(Part::Query, "", exact("1"))).code, "not-a-name");
    let look = Test::Regex("a(?=b)".to_owned());
    let error = refused(one(Part::Cookie, "a", look));
    assert_eq!(
        (error.code, error.pointer.as_str()),
        ("regex-not-linear", "/0")
    );
    let many: Vec<Config> = (0..=MAX)
        .map(|n| one(Part::Query, &n.to_string(), exact("1")))
        .collect();
    assert_eq!(
        Conditions::new(&many).unwrap_err().code,
        "too-many-conditions"
    );
}
