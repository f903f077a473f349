#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use proptest::prelude::*;

use super::*;

fn places(pointers: &[&str]) -> Places {
    Places::new(pointers.iter().copied()).unwrap()
}

fn scan<'d>(document: &'d str, pointers: &[&str]) -> Result<Scan<'d>, Wrong> {
    Scan::of(document.as_bytes(), &places(pointers))
}

/// Place, item and value of all that was found, values in short.
fn found(document: &str, pointers: &[&str]) -> Vec<(usize, Option<usize>, String)> {
    let scan = scan(document, pointers).unwrap();
    let told = scan.found.into_iter().map(|found| {
        let value = match found.value {
            Value::Text(text) => format!("'{text}"),
            Value::Whole(text) => text.to_owned(),
            Value::Other => "?".to_owned(),
        };
        (found.place, found.item, value)
    });
    told.collect()
}

fn one(place: usize, item: Option<usize>, value: &str) -> (usize, Option<usize>, String) {
    (place, item, value.to_owned())
}

#[test]
fn values_are_found_at_their_places() {
    let document = r#" {"a": {"id": "x", "n": -12}, "b/c~": "y", "list": [1, "two"], "": 7} "#;
    assert_eq!(
        found(document, &["/a/id", "/a/n", "/b~1c~0", "/", "/none"]),
        [
            one(0, None, "'x"),
            one(1, None, "-12"),
            one(2, None, "'y"),
            one(3, None, "7")
        ]
    );
    assert_eq!(found(r#""whole""#, &[""]), [one(0, None, "'whole")]);
    assert_eq!(
        found(r#"{"a": "\u0078\ud83d\ude00\n"}"#, &["/a"]),
        [one(0, None, "'x\u{1f600}\n")]
    );
    assert_eq!(found(r#"{"\u0061": 1}"#, &["/a"]), [one(0, None, "1")]);
}

#[test]
fn stars_lead_into_lists() {
    let document = r#"{"orders": [{"by": "ann"}, {"by": 7}, {}, {"by": null}, 5]}"#;
    let told = found(document, &["/orders/*/by"]);
    assert_eq!(
        told,
        [
            one(0, Some(0), "'ann"),
            one(0, Some(1), "7"),
            one(0, Some(3), "?"),
            one(0, Some(4), "?")
        ]
    );
    let all = places(&["/orders/*/by"]);
    let scan = Scan::of(document.as_bytes(), &all).unwrap();
    assert_eq!(scan.items_of(&all, 0).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(
        found(r#"[["a"], ["b"]]"#, &["/*/*"]),
        [one(0, Some(1), "'a"), one(0, Some(3), "'b")]
    );
}

#[test]
fn what_cannot_hold_a_place_is_told() {
    for (document, pointer, wanted) in [
        (r#"{"a": "x"}"#, "/a/id", vec![one(0, None, "?")]),
        (r#"{"a": [1]}"#, "/a/id", vec![one(0, None, "?")]),
        (r#"{"a": {"x": 1}}"#, "/a/*/id", vec![one(0, None, "?")]),
        (r#"{"a": null}"#, "/a/*/id", vec![]),
        (r#"{"a": []}"#, "/a/*/id", vec![]),
        (r#"{"a": {"id": {}}}"#, "/a/id", vec![one(0, None, "?")]),
        (r#"{"a": {"id": true}}"#, "/a/id", vec![one(0, None, "?")]),
        (r#"{"a": {"id": 1.0}}"#, "/a/id", vec![one(0, None, "?")]),
        (r#"{"a": {"id": 1e3}}"#, "/a/id", vec![one(0, None, "?")]),
        (r#"{"a": {"id": -0}}"#, "/a/id", vec![one(0, None, "?")]),
        (r#"[7]"#, "/*/a/id", vec![one(0, Some(0), "?")]),
    ] {
        assert_eq!(found(document, &[pointer]), wanted, "{document}");
    }
}

#[test]
fn what_is_no_json_is_told() {
    for document in [
        "",
        "{",
        "{}}",
        "[1,]",
        "{\"a\" 1}",
        "{a: 1}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "nul",
        "'a'",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\u12\"",
        "\"\\ud800\\u0041\"",
        "\"open",
        "\"\\",
        "\u{feff}{}",
        "[1 2]",
        "NaN",
    ] {
        assert_eq!(scan(document, &["/a"]), Err(Wrong::Syntax), "{document}");
    }
    assert_eq!(Scan::of(b"\"\xff\"", &places(&[""])), Err(Wrong::Syntax));
    let deep = "[".repeat(MAX_DEPTH + 1);
    assert_eq!(scan(&deep, &[]), Err(Wrong::Depth));
    let deep = format!("{}{}", "[".repeat(MAX_DEPTH - 1), "]".repeat(MAX_DEPTH - 1));
    assert!(scan(&deep, &[]).is_ok());
}

#[test]
fn a_name_that_matters_may_be_there_once() {
    for document in [
        r#"{"a": 1, "a": 2}"#,
        r#"{"a": 1, "\u0061": 2}"#,
        r#"{"a": {"b": 1}, "x": 1, "a": {"b": 1}}"#,
    ] {
        assert_eq!(
            scan(document, &["/a/b", "/a"]),
            Err(Wrong::Twice),
            "{document}"
        );
    }
    assert!(scan(r#"{"x": 1, "x": 2, "a": 1}"#, &["/a"]).is_ok());
}

#[test]
fn items_are_taken_out_and_the_rest_stays() {
    let document = r#"{"n": 1.50, "orders": [ {"by": "ann"} , {"by": "bob"},{"by":"ann", "x": [1, 2]} ], "z": "é"}"#;
    let scan = scan(document, &["/orders/*/by"]).unwrap();
    let without = |taken: [bool; 3]| {
        String::from_utf8(scan.without(document.as_bytes(), &taken, false)).unwrap()
    };
    assert_eq!(without([false; 3]), document);
    assert_eq!(
        without([false, true, false]),
        r#"{"n": 1.50, "orders": [ {"by": "ann"} , {"by":"ann", "x": [1, 2]} ], "z": "é"}"#
    );
    assert_eq!(
        without([true; 3]),
        r#"{"n": 1.50, "orders": [ ], "z": "é"}"#
    );
    let nested = r#"[{"in": [{"by": 1}, {"by": 2}]}, {"in": [{"by": 3}]}]"#;
    let scan = super::Scan::of(nested.as_bytes(), &places(&["/*/in/*/by"])).unwrap();
    let taken: Vec<bool> = scan
        .items
        .iter()
        .map(|item| &nested[item.bytes.clone()] == r#"{"by": 2}"#)
        .collect();
    assert_eq!(
        scan.without(nested.as_bytes(), &taken, false),
        br#"[{"in": [{"by": 1}]}, {"in": [{"by": 3}]}]"#
    );
    let taken: Vec<bool> = (0..scan.items.len()).map(|number| number == 0).collect();
    assert_eq!(
        scan.without(nested.as_bytes(), &taken, false),
        br#"[{"in": [{"by": 3}]}]"#
    );
}

#[test]
fn texts_that_are_no_places_are_told() {
    for (pointer, why) in [
        ("a", Malformed::Slash),
        ("/a~2", Malformed::Escape),
        ("/a~", Malformed::Escape),
    ] {
        assert_eq!(
            Places::new([pointer].into_iter()).unwrap_err(),
            (0, why),
            "{pointer}"
        );
    }
    let long = "/a".repeat(places::MAX + 1);
    assert_eq!(
        Places::new(["", &long].into_iter()).unwrap_err(),
        (1, Malformed::Long)
    );
    let many = vec!["/a"; places::MAX + 1];
    assert_eq!(
        Places::new(many.into_iter()).unwrap_err(),
        (places::MAX, Malformed::Long)
    );
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        any::<i8>().prop_map(|number| serde_json::json!(f64::from(number) / 4.0)),
        "[a-c\"\\\\\n\u{e9}]{0,3}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map("[ab*]", inner, 0..3)
                .prop_map(|all| serde_json::Value::Object(all.into_iter().collect())),
        ]
    })
}

proptest! {
    /// It takes what another strict reader takes, finds what that finds, and takes out what is to go.
    #[test]
    fn it_agrees_with_another_reader(value in json(), pretty in any::<bool>(), drop in proptest::collection::vec(any::<bool>(), 64)) {
        let document = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let all = places(&["/a/b", "/a", "/*/a"]);
        let scan = Scan::of(document.as_bytes(), &all).unwrap();
        for (place, pointer) in [(0, "/a/b"), (1, "/a")] {
            let wanted = value.pointer(pointer).filter(|_| value.is_object() && (place == 1 || value["a"].is_object()));
            let texts = scan.found.iter().filter(|found| found.place == place);
            let texts: Vec<_> = texts.filter_map(|found| match &found.value {
                Value::Text(text) => Some(text.to_string()),
                _ => None,
            }).collect();
            let wanted: Vec<String> = wanted.and_then(|value| value.as_str()).map(str::to_owned).into_iter().collect();
            prop_assert_eq!(texts, wanted);
        }
        if let Some(items) = value.as_array() {
            prop_assert_eq!(scan.items.len(), items.len());
            let taken: Vec<bool> = (0..items.len()).map(|one| drop[one % drop.len()]).collect();
            let left: Vec<_> = items.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(item, _)| item.clone()).collect();
            let made = scan.without(document.as_bytes(), &taken, false);
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&made).unwrap(), serde_json::Value::Array(left));
        }
    }

    #[test]
    fn it_takes_nothing_that_another_reader_does_not(text in r#"[\[\]{}:,"a0-9 .\\eE+-]{0,24}"#) {
        let other = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        let ours = scan(&text, &[]).is_ok();
        // The other has no room for some numbers.
        prop_assert!(ours || !other, "{}", text);
        prop_assert!(!ours || other || text.contains(['e', 'E']), "{}", text);
    }
}

/// What is left of a document of whose fields these are open.
fn left(document: &str, open: &[&str], leaves: Leaves) -> Result<String, Wrong> {
    let fields = Fields::new(open.iter().map(|pointer| (0, *pointer))).unwrap();
    let cutting = Cutting {
        fields: &fields,
        held: 1,
        leaves,
    };
    let scan = Scan::cutting(document.as_bytes(), &Places::default(), Some(&cutting))?;
    Ok(String::from_utf8(scan.without(document.as_bytes(), &[], true)).unwrap())
}

#[test]
fn what_is_not_open_is_cut() {
    let document = r#" {"id": 7, "\u006eame": "x, y]}", "in": {"a": [1, 2], "b": {}}, "z": null , "all": [{"id": 1, "k": 2}, 3]} "#;
    for (open, wanted) in [
        (&["/id"][..], r#" {"id": 7} "#),
        (&["/name"], r#" {"\u006eame": "x, y]}"} "#),
        (
            &["/in/a", "/all/*/k"],
            r#" {"in": {"a": [1, 2]}, "all": [{"k": 2}]} "#,
        ),
        (&["/in/b", "/z"], r#" {"in": {"b": {}}, "z": null } "#),
        (&["/z/within"], r#" {"z": null } "#),
        (&["/id/within", "/none"], " {} "),
        (&["/all"], r#" {"all": [{"id": 1, "k": 2}, 3]} "#),
        (&["/all/*/none"], r#" {"all": [{}]} "#),
        (&[""], document),
    ] {
        assert_eq!(
            left(document, open, Leaves::Null).unwrap(),
            wanted,
            "{open:?}"
        );
    }
    assert_eq!(
        left(r#"[{"a": 1, "b": 2}, [], {}]"#, &["/*/b"], Leaves::Null).unwrap(),
        r#"[{"b": 2}, {}]"#
    );
    for (document, open) in [("7", "/a"), ("[]", "/a"), ("{}", "/*/a"), ("\"a\"", "/a")] {
        assert_eq!(left(document, &[open], Leaves::Null), Err(Wrong::Shape));
    }
    assert_eq!(left("null", &["/a"], Leaves::Null).unwrap(), "null");
}

#[test]
fn what_stays_of_a_value_that_holds_no_field() {
    let document = r#"{"a": null, "b": 7, "c": [{"d": 1}]}"#;
    let open = ["/a/x", "/b/x", "/c/*/d"];
    for (leaves, wanted) in [
        (Leaves::Nothing { lists: false }, "{}"),
        (Leaves::Nothing { lists: true }, r#"{"c": [{"d": 1}]}"#),
        (Leaves::Null, r#"{"a": null, "c": [{"d": 1}]}"#),
        (Leaves::Single, document),
    ] {
        assert_eq!(left(document, &open, leaves).unwrap(), wanted);
    }
}

#[test]
fn fields_are_open_to_whom_they_are() {
    let all = [(0, "/a"), (1, "/b/*/c"), (2, "/b"), (1, "/b/7")];
    let fields = Fields::new(all.into_iter()).unwrap();
    let of = |pointer: &str| fields.holders(pointer.split('/').skip(1));
    assert_eq!((of("/a"), of("/a/x"), of("/b"), of("/c")), (1, 1, 4, 0));
    assert_eq!(
        (of("/b/0/c"), of("/b/-/c"), of("/b/x/c"), of("/b/7")),
        (6, 6, 4, 6)
    );
    assert_eq!(Fields::new(std::iter::once((0, "a"))).unwrap_err().0, 0);
    assert!(Fields::new(std::iter::once((MAX_HOLDERS, "/a"))).is_err());
    assert!(Fields::new(std::iter::repeat_n((0, "/a"), MAX_FIELDS + 1)).is_err());
}

#[test]
fn nothing_is_open_by_default() {
    let fields = Fields::default();
    assert_eq!(fields.root(u64::MAX), Open::Within(0));
    assert_eq!(fields.holders(["a"].into_iter()), 0);
}

#[test]
fn cuts_are_bounded() {
    let many = format!("[{}]", vec![r#"{"x":1}"#; MAX_CUTS + 2].join(","));
    assert_eq!(left(&many, &["/*/a"], Leaves::Null), Err(Wrong::Many));
}

/// The same by serde_json: what is open of a value, if anything.
fn open_of(value: &serde_json::Value, open: &[Vec<String>]) -> Option<serde_json::Value> {
    use serde_json::Value as Any;
    if open.iter().any(Vec::is_empty) {
        return Some(value.clone());
    }
    let below = |name: &str| -> Vec<Vec<String>> {
        let led = open.iter().filter(|steps| steps[0] == name);
        led.map(|steps| steps[1..].to_vec()).collect()
    };
    match value {
        Any::Object(all) if open.iter().any(|steps| steps[0] != "*") => Some(Any::Object(
            all.iter()
                .filter(|(name, _)| *name != "*")
                .filter_map(|(name, value)| Some((name.clone(), open_of(value, &below(name))?)))
                .collect(),
        )),
        Any::Array(all) if open.iter().any(|steps| steps[0] == "*") => Some(Any::Array(
            all.iter()
                .filter_map(|value| open_of(value, &below("*")))
                .collect(),
        )),
        Any::Null if !open.is_empty() => Some(Any::Null),
        _ => None,
    }
}

proptest! {
    #[test]
    fn what_is_left_is_what_another_reader_would_leave(
        document in json(),
        open in proptest::collection::vec(proptest::collection::vec("[a-c*]", 0..4), 1..5),
        spaced in any::<bool>(),
    ) {
        let text = if spaced {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            document.to_string()
        };
        let pointers: Vec<String> = open.iter().map(|steps| steps.iter().map(|step| format!("/{step}")).collect()).collect();
        let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
        let made = left(&text, &pointers, Leaves::Null);
        match open_of(&document, &open) {
            None => prop_assert_eq!(made, Err(Wrong::Shape)),
            Some(wanted) => {
                let made: serde_json::Value = serde_json::from_str(&made.unwrap()).unwrap();
                prop_assert_eq!(made, wanted);
            }
        }
    }
}
