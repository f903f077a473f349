//! What of a body is a file.

use super::*;

fn uploads(kind: &str, body: &str) -> Vec<(String, String)> {
    let [engine, _] = both("SecAction \"id:1,phase:2,pass\"");
    let inspection = inspect(&engine, &post(kind, body), 0);
    let told = inspection.uploads(body.as_bytes());
    told.map(|upload| (upload.place, body[upload.bytes].to_owned()))
        .collect()
}

/// Whether the whole of a body is a file.
fn is_file(kind: &str, body: &[u8]) -> bool {
    let [engine, _] = both("SecAction \"id:1,phase:2,pass\"");
    let mut asked = post(kind, "");
    asked.body = body.to_vec();
    let inspection = inspect(&engine, &asked, 0);
    let mut told = inspection.uploads(body);
    told.next()
        .is_some_and(|upload| upload.place == "body" && upload.bytes == (0..body.len()))
}

fn part(head: &str, content: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
}

const FORM: &str = "multipart/form-data; boundary=b";

#[test]
fn files_of_forms_are_told_whole_and_by_their_places() {
    let long = "x".repeat(super::super::body::MAX_FILE_BYTES + 10);
    let body = [
        part("name=\"note\"", "words"),
        part("name=\"a\"; filename=\"a.png\"", &long),
        part("name=\"b\"; filename=\"\"", "nameless"),
        part("name=\"empty\"; filename=\"c\"", ""),
        part("name=\"d/e\"; filename=\"d\"", "slash"),
        part("name=\"typed\"\r\nContent-Type: image/png", "picture"),
        part("name=\"text\"\r\nContent-Type: Text/plain", "text"),
        part("name=\"json\"\r\nContent-Type: application/json", "{}"),
        part("name=\"bytes\"", "a\0b"),
        part("name=\"control\"\r\nContent-Type: text/plain", "a\u{1}b"),
        part("name=\"script\"", "#!/bin/sh\nid"),
        part("name=\"lines\"", "words\r\n\tand \u{e4}"),
        "--b--\r\n".to_owned(),
    ];
    let told = uploads(FORM, &body.concat());
    let told: Vec<_> = told
        .iter()
        .map(|(place, file)| (place.as_str(), file.as_str()))
        .collect();
    let wanted = [
        ("file/a", long.as_str()),
        ("file/b", "nameless"),
        ("file/d~1e", "slash"),
        ("body/typed", "picture"),
        ("body/bytes", "a\0b"),
        ("body/control", "a\u{1}b"),
        ("body/script", "#!/bin/sh\nid"),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn a_body_that_nothing_reads_is_a_file() {
    let whole = [("body".to_owned(), "some bytes".to_owned())];
    for kind in [
        "application/octet-stream",
        "image/png",
        "text/plain",
        "nonsense",
    ] {
        assert_eq!(uploads(kind, "some bytes"), whole, "{kind}");
    }
    for (kind, body) in [
        ("application/json", "{}"),
        ("application/x-www-form-urlencoded", "a=b"),
        ("application/xml", "<a/>"),
        ("application/octet-stream", ""),
    ] {
        assert_eq!(uploads(kind, body), [], "{kind}");
    }
}

const TYPE_OF_FORMS: &str = "application/x-www-form-urlencoded";

#[test]
fn what_says_that_it_is_a_form_is_one_by_each_byte_or_a_file() {
    for form in [
        "a=1",
        "a=1&b=&c",
        "text=it%27s+me&a[]=1&a[]=2",
        "mail=a@example.com&at=12:30&path=/a/b?c&q=(1,2)*~-_.!$';",
        "=",
    ] {
        assert!(!is_file(TYPE_OF_FORMS, form.as_bytes()), "{form}");
    }
    for file in [
        &b"X5O!P%@AP[4"[..],
        b"MZ\x90\0\x03",
        b"a=1\0",
        b"a=b c",
        b"a=1\n",
        b"a=\"1\"",
        b"a=<b>",
        b"{\"a\": 1}",
        b"a=\xc3\xa4",
        b"a=100%",
        b"a=%2",
        b"a=%zz",
        b"words",
    ] {
        assert!(is_file(TYPE_OF_FORMS, file), "{}", file.escape_ascii());
    }
    // Every byte that no form has makes one of it.
    let kept = (0..=u8::MAX).filter(|byte| !is_file(TYPE_OF_FORMS, &[b'a', b'=', *byte]));
    let kept: Vec<u8> = kept.collect();
    let wanted =
        b"!$&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~";
    assert_eq!(kept, wanted);
}

#[test]
fn a_type_of_text_does_not_hide_a_file() {
    let drawing = b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    for (kind, body) in [
        ("image/svg+xml", &drawing[..]),
        ("Image/SVG+xml; charset=utf-8", drawing),
        ("application/xml", drawing),
        ("text/xml", b"<?php system('id') ?><a/>"),
        ("application/graphql", b"#!/bin/sh\n{ a }"),
        // A field of bytes within a message, and one of text.
        ("application/x-protobuf", b"\x0a\x04\xff\xfe\x00\x01"),
    ] {
        assert!(is_file(kind, body), "{kind} {}", body.escape_ascii());
    }
    for (kind, body) in [
        ("application/xml", &b"<?xml version=\"1.0\"?><order/>"[..]),
        ("application/json", b"{\"a\": \"MZ\"}"),
        ("application/x-ndjson", b"{}\n{}\n"),
        ("application/graphql", b"{ a }"),
        ("application/x-protobuf", b"\x0a\x04some\x10\x07"),
    ] {
        assert!(!is_file(kind, body), "{kind} {}", body.escape_ascii());
    }
}

/// What does not begin a text is nothing that their readers take, so it never gets as far.
#[test]
fn files_that_say_they_are_texts_are_refused() {
    let files: [&[u8]; 6] = [
        b"MZ\x90\0\x03\0\0\0",
        b"PK\x03\x04\x14\0\0\0\x08\0",
        b"\x7fELF\x02\x01\x01\0",
        b"%PDF-1.4\n1 0 obj",
        b"{\\rtf1\\ansi}",
        b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
    ];
    let [engine, _] = both("SecAction \"id:1,phase:2,pass\"");
    for kind in [
        "application/json",
        "text/json",
        "application/problem+json",
        "application/json-seq",
        "application/x-ndjson",
        "application/xml",
        "text/xml",
        "application/graphql",
        "application/x-protobuf",
        "application/grpc",
        "multipart/form-data; boundary=b",
        "multipart/mixed; boundary=b",
        "multipart/related",
    ] {
        for file in files {
            let mut asked = post(kind, "");
            asked.body = file.to_vec();
            let inspection = inspect(&engine, &asked, 0);
            let file = file.escape_ascii();
            assert!(inspection.body_unfit().is_some(), "{kind} {file}");
        }
    }
}

#[test]
fn nothing_is_left_of_the_request_before() {
    let [engine, _] = both("SecAction \"id:1,phase:2,pass\"");
    for (body, wanted) in [("bytes", 1), ("", 0)] {
        let asked = post("application/octet-stream", body);
        let inspection = inspect(&engine, &asked, 0);
        assert_eq!(inspection.uploads(body.as_bytes()).count(), wanted);
    }
}
