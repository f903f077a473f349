use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::{code, sliced, Outcome};
use crate::content::{json, ndjson, Flaw};

fn read_by(body: &[u8], size: usize) -> (Outcome, Option<Flaw>) {
    let mut reader = json::Reader::new(json::Limits::default());
    let outcome = sliced(|size, sink| reader.run(body, size, sink), size);
    (outcome, reader.strict())
}

fn read(body: &[u8]) -> Outcome {
    read_by(body, usize::MAX).0
}

#[test]
fn leaves_are_named_as_rules_name_them() {
    let body =
        br#" {"a": {"b": [1, "x", {"c/~": null}], "": true}, "e":{}, "f":[[]], "g.h":-0.5e+10} "#;
    assert_eq!(
        read(body).0,
        [
            "json.a.b.array_0 /a/b/0 Number 1",
            "json.a.b.array_1 /a/b/1 Text x",
            "json.a.b.array_2.c/~ /a/b/2/c~1~0 Null ",
            "json.a. /a/ Bool true",
            "json.e /e EmptyObject ",
            "json.f.array_0 /f/0 EmptyArray ",
            "json.g.h /g.h Number -0.5e+10",
        ]
    );
    assert_eq!(read(b"[1,2]").0[1], "json.array_1 /1 Number 2");
    assert_eq!(read(b" \"x\" ").0, ["json  Text x"]);
}

#[test]
fn strings_are_decoded() {
    let body = r#"["\"\\\/\b\f\n\r\t", "\u0041\uD83D\ude00é", "12345678\n"]"#;
    let lines = read(body.as_bytes()).0;
    assert_eq!(lines[0], r#"json.array_0 /0 Text \"\\/\x08\x0c\n\r\t"#);
    assert_eq!(lines[1], r"json.array_1 /1 Text A\xf0\x9f\x98\x80\xc3\xa9");
    assert_eq!(lines[2], r"json.array_2 /2 Text 12345678\n");
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (body, wanted) in [
        (&b""[..], ("json-end", 0)),
        (b"  ", ("json-end", 2)),
        (b"{", ("json-end", 1)),
        (b"[1", ("json-end", 2)),
        (b"tru", ("json-end", 0)),
        (b"trux", ("json-syntax", 0)),
        (b"[1,]", ("json-syntax", 3)),
        (b"{\"a\":1,}", ("json-syntax", 7)),
        (b"{'a':1}", ("json-syntax", 1)),
        (b"{\"a\" 1}", ("json-syntax", 5)),
        (b"[1 2]", ("json-syntax", 3)),
        (b"[1}", ("json-syntax", 2)),
        (b"1 2", ("json-trailing", 2)),
        (b"{}x", ("json-trailing", 2)),
        (b"{} // x", ("json-comment", 3)),
        (b"[/* */1]", ("json-comment", 1)),
        (b"[1,# x\n2]", ("json-comment", 3)),
        (b"\xef\xbb\xbf{}", ("json-bom", 0)),
        (b"01", ("json-number", 1)),
        (b"-", ("json-end", 1)),
        (b"-x", ("json-number", 1)),
        (b"1.x", ("json-number", 2)),
        (b"1e+ ", ("json-number", 3)),
        (b"+1", ("json-number", 0)),
        (b".5", ("json-number", 0)),
        (b"NaN", ("json-number", 0)),
        (b"0x10", ("json-number", 1)),
        (b"1_000", ("json-number", 1)),
        (b"\"a", ("json-end", 2)),
        (b"\"\\x41\"", ("json-escape", 1)),
        (b"\"\\u12g4\"", ("json-escape", 1)),
        (b"\"\\u12", ("json-end", 1)),
        (b"\"\\ud800\"", ("json-surrogate", 1)),
        (b"\"\\ud800\\u0041\"", ("json-surrogate", 1)),
        (b"\"\\udc00\"", ("json-surrogate", 1)),
        (b"\"a\nb\"", ("json-control", 2)),
        (b"\"a\0b\"", ("json-control", 2)),
        (b"\"12345678\x1f\"", ("json-control", 9)),
        (b"\"\xff\"", ("json-utf8", 1)),
        (b"\"1234567\xc0\xaf9\"", ("json-utf8", 8)),
        (b"\"\xed\xa0\x80\"", ("json-utf8", 1)),
        (b"\xff", ("json-syntax", 0)),
        (b"\0", ("json-syntax", 0)),
    ] {
        assert_eq!(code(&read(body)), Some(wanted), "{}", body.escape_ascii());
    }
}

#[test]
fn names_twice_and_nul_are_read_and_noted() {
    for (body, wanted) in [
        (
            r#"{"a":1,"b":2,"a":3}"#.to_owned(),
            Some(("json-duplicate-key", 13)),
        ),
        (
            r#"{"a":1,"\u0061":3}"#.to_owned(),
            Some(("json-duplicate-key", 7)),
        ),
        (
            r#"{"a":{"a":1},"b":{"a":[{"a":1},{"a":2}]}}"#.to_owned(),
            None,
        ),
        (r#"["\u0000"]"#.to_owned(), Some(("json-nul", 1))),
        (r#"{"\u0000":1}"#.to_owned(), Some(("json-nul", 1))),
    ] {
        let (outcome, strict) = read_by(body.as_bytes(), usize::MAX);
        assert!(outcome.1.is_ok(), "{body}");
        assert_eq!(
            strict.map(|flaw| (flaw.reason.code, flaw.at)),
            wanted,
            "{body}"
        );
    }
    for twice in [false, true] {
        let names: Vec<String> = (0..5000)
            .map(|n| format!("\"n{n}\":{{\"n1\":0}}"))
            .collect();
        let more = if twice { ",\"n17\":0" } else { "" };
        let body = format!("{{{}{more}}}", names.join(","));
        let (outcome, strict) = read_by(body.as_bytes(), usize::MAX);
        assert!(outcome.1.is_ok());
        assert_eq!(strict.is_some(), twice);
    }
}

#[test]
fn limits_hold() {
    let deep = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    assert_eq!(code(&read(&deep(128))), None);
    assert_eq!(code(&read(&deep(129))), Some(("json-depth", 128)));
    let long = format!("{{\"{}\":1}}", "n".repeat(9000));
    assert_eq!(
        code(&read(long.as_bytes())),
        Some(("json-name-too-long", 1))
    );

    // A long name above many values, and an array of many numbers as APIs send it.
    let amplified = format!("{{\"{}\":[{}1]}}", "n".repeat(8000), "1,".repeat(200));
    let (reason, at) = code(&read(amplified.as_bytes())).expect("names beyond 32 times the body");
    assert!(reason == "json-name-too-long" && at < amplified.len());
    let numbers = format!(
        "{{\"temperature\":{{\"values\":[{}1]}}}}",
        "1,".repeat(50_000)
    );
    assert_eq!(code(&read(numbers.as_bytes())), None);

    let few = json::Limits {
        values: 3,
        all_name_bytes: 40,
        ..json::Limits::default()
    };
    let read = |body: &[u8]| {
        let mut reader = json::Reader::new(few);
        code(&sliced(|size, sink| reader.run(body, size, sink), 1))
    };
    assert_eq!(read(b"[1,2,3]"), None);
    assert_eq!(read(b"[1,2,3,4]"), Some(("json-too-many", 8)));
    assert_eq!(read(b"{\"a\":1,\"b\":2}"), Some(("json-too-many", 12)));
    let named = b"{\"nnnnnnnnnnnnnnn\":[1,2]}";
    assert_eq!(read(named), Some(("json-name-too-long", 22)));
}

#[test]
fn a_sink_that_wants_no_more_ends_it() {
    let mut reader = json::Reader::new(json::Limits::default());
    let mut told = super::Told {
        most: Some(2),
        ..super::Told::default()
    };
    let outcome = reader.run(b"[1,2,3]", usize::MAX, &mut told);
    assert_eq!(
        (outcome, told.lines.len()),
        (Ok(super::Progress::Stopped), 2)
    );
}

#[test]
fn a_reader_can_be_used_again() {
    let mut reader = json::Reader::new(json::Limits::default());
    for body in [&b"{\"a\":[{\"a\":1,\"a\":2"[..], b"{\"a\":[{\"b\":1}]}"] {
        reader.reset(1024);
        let outcome = sliced(|size, sink| reader.run(body, size, sink), 3);
        assert_eq!(outcome, read(body));
    }
    assert_eq!(reader.strict(), None);
}

#[test]
fn lines_are_values_of_their_own() {
    let body = b"{\"a\":1}\n\n [2,3] \r\n\"x\"\n";
    let wanted = [
        "json.array_0.a /0/a Number 1",
        "json.array_1.array_0 /1/0 Number 2",
        "json.array_1.array_1 /1/1 Number 3",
        "json.array_2 /2 Text x",
    ];
    for size in [1, 5, usize::MAX] {
        let mut reader = ndjson::Reader::new(json::Limits::default());
        let outcome = sliced(|size, sink| reader.run(body, size, sink), size);
        assert_eq!(outcome.0, wanted);
        assert!(outcome.1.is_ok());
    }
    let mut reader = ndjson::Reader::new(json::Limits::default());
    let outcome = sliced(|size, sink| reader.run(b"1\n{\n}\n", size, sink), 4);
    assert_eq!(code(&outcome), Some(("json-end", 3)));
}

/// As many names as in an array: those of all lines go with the whole body.
#[test]
fn many_short_lines_are_read() {
    let body = b"{\"a\":1}\n".repeat(50_000);
    let mut reader = ndjson::Reader::new(json::Limits::default());
    let outcome = sliced(|size, sink| reader.run(&body, size, sink), usize::MAX);
    assert_eq!((outcome.0.len(), outcome.1.is_ok()), (50_000, true));
}

/// The leaves as `serde_json` has them, in order of their pointers.
fn leaves(value: &Value, pointer: &str, out: &mut BTreeMap<String, String>) {
    let line = match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                leaves(value, &format!("{pointer}/{name}"), out);
            }
            return;
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (number, value) in elements.iter().enumerate() {
                leaves(value, &format!("{pointer}/{number}"), out);
            }
            return;
        }
        Value::Object(_) => "EmptyObject ".to_owned(),
        Value::Array(_) => "EmptyArray ".to_owned(),
        Value::String(text) => format!("Text {text}"),
        Value::Number(number) => format!("Number {number}"),
        Value::Bool(value) => format!("Bool {value}"),
        Value::Null => "Null ".to_owned(),
    };
    out.insert(pointer.to_owned(), line);
}

#[derive(Default)]
struct ByPointer(BTreeMap<String, String>);

impl crate::content::Sink for ByPointer {
    fn pair(&mut self, _: &[u8], _: &[u8]) -> bool {
        unreachable!("JSON has leaves")
    }

    fn leaf(&mut self, leaf: &json::Leaf<'_>) -> bool {
        let mut pointer = Vec::new();
        leaf.pointer(&mut pointer);
        let value = std::str::from_utf8(leaf.value).expect("UTF-8");
        // The library keeps numbers as it can, not as they stand: both are read by it.
        let line = match serde_json::from_str::<Value>(value) {
            Ok(Value::Number(number)) if leaf.kind == json::Kind::Number => {
                format!("Number {number}")
            }
            _ => format!("{:?} {value}", leaf.kind),
        };
        self.0
            .insert(String::from_utf8(pointer).expect("UTF-8"), line);
        true
    }
}

/// Checks that `serde_json` takes it too, and with the same leaves.
fn agree(body: &[u8], size: usize) -> Result<(), TestCaseError> {
    let mut reader = json::Reader::new(json::Limits::default());
    let mut ours = ByPointer::default();
    let outcome = loop {
        match reader.run(body, size, &mut ours) {
            Ok(crate::content::Progress::More) => {}
            other => break other,
        }
    };
    let theirs = serde_json::from_slice::<Value>(body);
    // It is JSON all the same (RFC 8259 section 6); the library has no room for it.
    let too_large = |error: &serde_json::Error| error.to_string().contains("number out of range");
    if outcome.is_ok() && theirs.as_ref().is_err_and(too_large) {
        return Ok(());
    }
    prop_assert_eq!(
        outcome.is_ok(),
        theirs.is_ok(),
        "{:?} {:?}",
        outcome,
        theirs
    );
    if let Ok(value) = theirs {
        let mut wanted = BTreeMap::new();
        leaves(&value, "", &mut wanted);
        match reader.strict().map(|flaw| flaw.reason.code) {
            Some("json-duplicate-key") => {}
            // The first flaw is told: behind it a name may stand twice, whose values were
            // all told here, and the last alone there.
            Some(_) => {
                for (pointer, line) in &wanted {
                    prop_assert_eq!(ours.0.get(pointer), Some(line));
                }
            }
            None => prop_assert_eq!(ours.0, wanted),
        }
    }
    Ok(())
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[a-z \"\\\\\u{0}-\u{20}é]{0,20}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map("[a-c/~.é\u{0}]{0,3}", inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Pieces of which most JSON and much that is none can be made.
const PIECES: &[&str] = &[
    "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\":", "\"c\":", " ", "\n", "0", "1", "-",
    "1.5", "e", "E+", "true", "false", "null", "\\", "\\n", "\\u0041", "\\ud83d", "\\ude00", "é",
    "\u{1}", "/", "x", "1e5", "\t",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn agrees_with_serde_json_on_what_is_json(value in value(), pretty: bool, size in 1_usize..40) {
        let body = match pretty {
            true => serde_json::to_vec_pretty(&value),
            false => serde_json::to_vec(&value),
        };
        agree(&body.expect("JSON"), size)?;
    }

    #[test]
    fn agrees_with_serde_json_on_changed_json(
        value in value(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..3),
    ) {
        let mut body = serde_json::to_vec(&value).expect("JSON");
        for (at, byte, kind) in edits {
            let at = at.index(body.len().max(1));
            match kind {
                0 => body.insert(at.min(body.len()), byte),
                1 if at < body.len() => body[at] = byte,
                _ if at < body.len() => drop(body.remove(at)),
                _ => {}
            }
        }
        agree(&body, usize::MAX)?;
    }

    #[test]
    fn agrees_with_serde_json_on_pieces(picks in prop::collection::vec(0..PIECES.len(), 0..12)) {
        let body: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        agree(body.as_bytes(), usize::MAX)?;
    }

    #[test]
    fn slices_make_no_difference(value in value(), size in 1_usize..60) {
        let body = serde_json::to_vec(&value).expect("JSON");
        prop_assert_eq!(read_by(&body, size), read_by(&body, usize::MAX));
    }
}
