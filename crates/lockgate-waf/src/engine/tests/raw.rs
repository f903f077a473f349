//! Bodies that nothing reads.

use super::once::looking;
use super::*;

const ATTACK: &[u8] = b"1' OR '1'='1 -- and more";

/// What detectors find in a body, and where.
fn found(kind: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let mut asked = post(kind, "");
    asked.body = body.to_vec();
    let inspection = inspect(&looking(), &asked, 0);
    let found = inspection.detected();
    found
        .map(|found| (found.detector, found.place.unwrap_or_default()))
        .collect()
}

/// Bytes as compression leaves them.
fn noise(bytes: usize) -> Vec<u8> {
    let mut seed = 0x9e37_79b9_u32;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        (seed >> 16) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn files_are_no_texts() {
    let archive = [
        b"PK\x03\x04\x14\0\0\0\x08\0",
        &noise(16)[..],
        b"\x0a\0\0\0src/app.py\0../x",
        &noise(400),
    ]
    .concat();
    let picture = [
        b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01",
        &noise(4000)[..],
    ]
    .concat();
    let pdf = b"%PDF-1.4\n1 0 obj << /Type /Page /Contents (a; ls -la) >> endobj\n".to_vec();
    for (kind, body) in [
        ("application/zip", archive),
        ("image/jpeg", picture),
        ("application/pdf", pdf),
        ("application/octet-stream", noise(200_000)),
    ] {
        assert_eq!(found(kind, &body), [], "{kind}");
    }
}

#[test]
fn a_file_that_is_not_what_it_says_is_found() {
    let program = [b"\x7fELF\x02\x01\x01\0\0\0", &noise(300)[..]].concat();
    let at_body = ("file-upload", "body".to_owned());
    assert_eq!(found("image/png", &program), [at_body]);
}

#[test]
fn a_text_is_one_whatever_it_begins_with() {
    let sql = [("sql-injection", "body".to_owned())];
    for (kind, before) in [
        ("text/plain", &b""[..]),
        ("application/octet-stream", b""),
        ("image/gif", b"GIF89a"),
        ("text/plain", b"%PDF-1.4\n"),
        ("application/x-own", b"%PDF-1.4\n"),
    ] {
        let body = [before, ATTACK].concat();
        assert!(found(kind, &body).contains(&sql[0]), "{kind}");
    }
}

#[test]
fn a_text_in_wide_letters_is_read_as_those_behind_read_it() {
    let json = |value: &str| format!("{{\"id\": 7, \"note\": \"{value}\"}}");
    let sql = json(std::str::from_utf8(ATTACK).unwrap());
    let script = json("<script>alert(document.cookie)</script>");
    for kind in [
        "text/plain",
        "application/octet-stream",
        "",
        "application/x-own; charset=utf-16",
    ] {
        for (text, detector) in [(&sql, "sql-injection"), (&script, "cross-site-scripting")] {
            for mark in ["\u{feff}", ""] {
                let text = format!("{mark}{text}");
                let units: Vec<u16> = text.encode_utf16().collect();
                let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
                let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
                let wider: Vec<u8> = text
                    .chars()
                    .flat_map(|letter| u32::from(letter).to_le_bytes())
                    .collect();
                for body in [little, big, wider] {
                    let at_body = (detector, "body".to_owned());
                    assert!(
                        found(kind, &body).contains(&at_body),
                        "{kind} {}",
                        body.escape_ascii()
                    );
                }
            }
        }
        let units = json("It's O'Brien's & <b>bold</b>");
        let good: Vec<u8> = units.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(found(kind, &good), [], "{kind}");
    }
}

#[test]
fn texts_among_bytes_are_looked_at() {
    let among = [&noise(300)[..], b"\0", ATTACK, b"\0", &noise(300)].concat();
    let sql = ("sql-injection", "body".to_owned());
    assert_eq!(found("application/octet-stream", &among), [sql]);
    let object =
        b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02";
    let object = [&object[..], &noise(200)].concat();
    let kinds: Vec<_> = found("application/x-java-serialized-object", &object);
    assert_eq!(kinds.first().map(|found| found.0), Some("deserialisation"));
}

#[test]
fn letters_that_markup_splits_are_read_whatever_the_type() {
    let sql = ("sql-injection", "body".to_owned());
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "application/octet-stream",
    ] {
        for body in [
            "<a>1' U<![CDATA[NION SEL]]>ECT pass<!-- x -->word FR<?y?>OM users -- </a>",
            " \n<?xml version=\"1.0\"?><a><b>1'<!-- --> O<!-- -->R '1'='1</b></a>",
            "<a>&#49;' U<!---->NION SE<!---->LECT a FROM users -- </a> no XML",
        ] {
            assert!(found(kind, body.as_bytes()).contains(&sql), "{kind} {body}");
        }
        for good in [
            "<p>It's <!-- not --> O'Brien's</p>",
            "<a>Of O'Brien <![CDATA[& Sons]]>, or <!-- x -->1 = 1</a>",
            "<!-- a --><html><br>no XML <!-- b --></html>",
        ] {
            assert!(
                !found(kind, good.as_bytes()).contains(&sql),
                "{kind} {good}"
            );
        }
    }
}

#[test]
fn json_in_wide_letters_is_read_in_a_forms_type_too() {
    let text = format!("{{\"note\": \"{}\"}}", ATTACK.escape_ascii());
    let text = text.replace("\\'", "'");
    let sql = ("sql-injection", "body".to_owned());
    for mark in ["\u{feff}", ""] {
        let text = format!("{mark}{text}");
        let units = || text.encode_utf16();
        for body in [
            units().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
            units().flat_map(u16::to_be_bytes).collect(),
        ] {
            let found = found("application/x-www-form-urlencoded", &body);
            assert!(found.contains(&sql), "{}", body.escape_ascii());
        }
    }
}
