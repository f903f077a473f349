use proptest::prelude::*;

use super::{sliced, Outcome};
use crate::content::multipart::{Flags, Limits, Reader};

const TYPE: &str = "multipart/form-data; boundary=b";

struct Read {
    outcome: Outcome,
    flags: Flags,
    error: Option<(&'static str, usize)>,
    strict: Option<&'static str>,
}

fn read_by(content_type: &str, body: &[u8], size: usize) -> Read {
    let mut reader = Reader::new(content_type.as_bytes(), Limits::default());
    let outcome = sliced(|size, sink| reader.run(body, size, sink), size);
    Read {
        outcome,
        flags: *reader.flags(),
        error: reader.error().map(|flaw| (flaw.reason.code, flaw.at)),
        strict: reader.strict().map(|flaw| flaw.reason.code),
    }
}

fn read(body: &str) -> Read {
    read_by(TYPE, body.replace('\n', "\r\n").as_bytes(), usize::MAX)
}

/// A form of one part with these headers.
fn with(headers: &str) -> Read {
    read(&format!("--b\n{headers}\n\nx\n--b--\n"))
}

#[test]
fn a_form_is_read() {
    let body = "--b\nContent-Disposition: form-data; name=\"a\"\n\none\n--b\nContent-disposition:form-data; \
        name=\"f\"; filename=\"C:\\x\\\\y\\\".txt\"\nContent-Type: text/plain\n\ntwo\nlines\n\n--b--\n";
    let found = read(body);
    assert_eq!(
        found.outcome.0,
        [
            r#"a: Content-Disposition: form-data; name=\"a\""#,
            "a - - one",
            r#"f: Content-disposition:form-data; name=\"f\"; filename=\"C:\\x\\\\y\\\".txt\""#,
            "f: Content-Type: text/plain",
            r#"f C:\\x\\y\".txt text/plain two\r\nlines\r\n"#,
        ]
    );
    let wanted = Flags {
        crlf_line: true,
        unmatched_boundary: 2,
        ..Flags::default()
    };
    assert_eq!(
        (found.flags, found.error, found.strict),
        (wanted, None, None)
    );
}

#[test]
fn flags_are_those_of_modsecurity() {
    const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
    let flags = |body: &str| read_by(TYPE, body.as_bytes(), usize::MAX).flags;
    let good = flags(&format!("{HEAD}x\r\n--b--\r\n"));
    assert_eq!(
        good,
        Flags {
            crlf_line: true,
            ..good
        }
    );
    assert!(!good.strict_error() && good.unmatched_boundary == 2);

    assert!(flags(&format!("\r\n{HEAD}x\r\n--b--\r\n")).data_before);
    assert!(!flags(&format!("{HEAD}x\r\n--b--")).data_after);
    assert!(flags(&format!("{HEAD}x\r\n--b--\r\n\r\n")).data_after);
    let lf = flags(&HEAD.replace("\r\n", "\n"));
    assert!(lf.lf_line && !lf.crlf_line && !lf.mixed_lines() && lf.strict_error());
    let mixed = flags(&format!("{HEAD}x\n--b--\n"));
    assert!(mixed.lf_line && mixed.mixed_lines());
    let one = |line: &str| flags(&format!("{HEAD}{line}\r\n--b--")).unmatched_boundary;
    assert_eq!(
        [one("x"), one("--c"), one("x--b"), one("x --c"), one("--")],
        [0, 1, 1, 0, 1]
    );
    assert!(flags("--b\r\n\r\nx\r\n--b--\r\n").invalid_part);

    let head = |line: &str| flags(&format!("--b\r\n{line}\r\n\r\nx\r\n--b--\r\n"));
    let folded = head("Content-Disposition: form-data;\r\n name=\"a\"");
    assert!(folded.header_folding && !folded.invalid_header_folding && folded.strict_error());
    assert!(head("Content-Disposition: form-data;\r\n\x0b name=\"a\"").invalid_header_folding);
    assert!(head("Content-Disposition: form-data; name='a'").invalid_quoting);
    assert!(head("Content-Disposition: form-data; name=a'b").invalid_quoting);
    let within = head("Content-Disposition: form-data; name=\"a'b\"; filename=\"O'Brien.pdf\"");
    assert!(!within.invalid_quoting && !within.strict_error());
    assert!(head("Content-Disposition: form-data; name=\"a\"\"b\"").invalid_quoting);
}

#[test]
fn content_types_are_judged() {
    let judge = |content_type: &str| {
        let found = read_by(content_type, b"", usize::MAX);
        let usable = found.error.is_none();
        let flags = found.flags;
        (usable, flags.strict_error(), found.strict)
    };
    let refused = (false, true, Some("multipart-type"));
    let warned = (true, true, Some("multipart-strict"));
    assert_eq!(
        judge("Multipart/Form-Data;boundary=a-b"),
        (true, false, None)
    );
    assert_eq!(
        judge(&format!("{TYPE}{}", "b".repeat(70))),
        (true, false, Some("multipart-type"))
    );
    for (content_type, wanted) in [
        ("multipart/form-data; boundary=\"b\"", warned),
        ("multipart/form-data; boundary= b", warned),
        ("multipart/form-data; boundary =b", warned),
        ("multipart/form-data boundary=b", warned),
        ("multipart/form-data", refused),
        ("multipart/form-data; Boundary=b", refused),
        ("multipart/mixed; boundary=b", refused),
        ("multipart/form-data; boundary=", refused),
        ("multipart/form-data; boundary=\"b", refused),
        ("multipart/form-data; boundary=b\"", refused),
        ("multipart/form-data; boundary=a;b", refused),
        ("multipart/form-data; boundary=a; charset=x", refused),
        ("multipart/form-data; boundary=a; boundary=b", refused),
        ("multipart/form-data; charset=x; boundary=b", refused),
        ("multipart/form-data; boundaryx=b", refused),
        ("multipart/form-data; boundary=a{b", refused),
        ("multipart/form-data;; boundary=b", refused),
    ] {
        assert_eq!(judge(content_type), wanted, "{content_type}");
    }
}

#[test]
fn errors_are_told_and_the_rest_is_read() {
    let good = "Content-Disposition: form-data; name=\"a\"";
    for (headers, wanted) in [
        (good.to_owned(), None),
        ("Content-Disposition: form-data; name=a".to_owned(), None),
        (format!("{good};"), None),
        ("X: y".to_owned(), Some("multipart-disposition")),
        (
            "Content-Disposition: attachment; name=\"a\"".to_owned(),
            Some("multipart-disposition"),
        ),
        (
            "Content-Disposition: form-data".to_owned(),
            Some("multipart-disposition"),
        ),
        (
            "Content-Disposition: form-data; name=\"\"".to_owned(),
            Some("multipart-disposition"),
        ),
        (
            "Content-Disposition: form-data; name=\"a".to_owned(),
            Some("multipart-disposition"),
        ),
        (format!("{good}; name=\"b\""), Some("multipart-disposition")),
        (
            format!("{good}; filename=\"b\"; filename=\"c\""),
            Some("multipart-disposition"),
        ),
        (format!("{good}; size=1"), Some("multipart-disposition")),
        (
            format!("{good}; filename =\"b\""),
            Some("multipart-disposition"),
        ),
        (
            format!("{good}; filename*=utf-8''b"),
            Some("multipart-filename-extended"),
        ),
        (
            format!("{good}; filename=\"b\"; filename*=utf-8''c"),
            Some("multipart-filename-extended"),
        ),
        (format!("{good}\nX"), Some("multipart-header")),
        (format!("{good}\n: x"), Some("multipart-header")),
        (format!("{good}\n\u{e}X: y"), Some("multipart-header")),
        (format!("{good}\nX: a\0b"), Some("multipart-header")),
        (format!("{good}\n{good}"), Some("multipart-header")),
        (format!(" folded\n{good}"), Some("multipart-header")),
    ] {
        let found = with(&headers);
        assert_eq!(found.error.map(|error| error.0), wanted, "{headers}");
        let last = found.outcome.0.last().expect("a part");
        assert!(last.ends_with(" x"), "{headers}: {last}");
    }
    assert_eq!(read("").error, None);
    assert_eq!(read("x\n").error, Some(("multipart-no-part", 3)));
    let unfinished = read(&format!("--b\n{good}\n\nx\n"));
    assert_eq!(unfinished.error.map(|error| error.0), Some("multipart-end"));
    assert_eq!(unfinished.outcome.0[1], "a - - x");
    for line in ["--bx", "--b x", "-- b"] {
        let found = read(&format!("--b\n{good}\n\nx\n{line}\ny\n--b--\n"));
        assert_eq!(
            found.error.map(|error| error.0),
            Some("multipart-boundary"),
            "{line}"
        );
    }
    // Others allow spaces behind a boundary (RFC 2046, 5.1.1), so they are read so here.
    let padded = read(&format!("--b \n{good}\n\nx\n--b-- \n"));
    assert_eq!(padded.error, Some(("multipart-boundary", 0)));
    assert_eq!(padded.outcome.0[1], "a - - x");
}

#[test]
fn what_readers_take_differently_is_noted() {
    let good = "Content-Disposition: form-data; name=\"a\"";
    for (headers, wanted) in [
        (
            format!("{good}\nContent-Type: text/plain; charset=UTF-8"),
            None,
        ),
        (format!("{good}\nContent-Transfer-Encoding: 8bit"), None),
        (
            format!("{good}\nContent-Type: multipart/mixed; boundary=c"),
            Some("multipart-nested"),
        ),
        (
            format!("{good}\nContent-Type: text/plain; charset=\"utf-7\""),
            Some("multipart-charset"),
        ),
        (
            format!("{good}\nContent-Transfer-Encoding: base64"),
            Some("multipart-encoding"),
        ),
        (
            "Content-Disposition: form-data; name=\"_charset_\"".to_owned(),
            Some("multipart-charset"),
        ),
        (
            "Content-Disposition: form-data; name='a'".to_owned(),
            Some("multipart-strict"),
        ),
        (format!("{good}; filename=\"filename.txt\""), None),
        (
            "Content-Disposition: form-data; name=\"a; FileName=e.txt; b\"".to_owned(),
            Some("multipart-disposition"),
        ),
        (
            format!("{good}; filename=\"a; filename=b\""),
            Some("multipart-disposition"),
        ),
    ] {
        let found = with(&headers);
        assert_eq!((found.error, found.strict), (None, wanted), "{headers}");
    }
}

#[test]
fn boundaries_that_only_some_see_are_noted() {
    const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n";
    let strict = |content: &str| {
        let found = read_by(TYPE, format!("{HEAD}{content}\r\n--b--\r\n").as_bytes(), 9);
        (found.error, found.strict)
    };
    for content in ["x", "x--c", "x\n--c\ny", "-b", "--\r\n--", ""] {
        assert_eq!(strict(content), (None, None), "{content:?}");
    }
    let part = HEAD.trim_end();
    for content in [
        format!("x\n{part}\r\n\r\ny"),
        format!("x\r{part}\r\n\r\ny"),
        format!("x{part}\r\n\r\ny"),
        "--x--b".to_owned(),
        "x --b--".to_owned(),
    ] {
        assert_eq!(
            strict(&content),
            (None, Some("multipart-strict")),
            "{content:?}"
        );
    }
}

#[test]
fn boundaries_that_some_cut_off_are_noted() {
    for boundary in ["b=c", "b,c", "b:c", "b/c", "b c", "b?c", "b(c"] {
        let found = read_by(&format!("multipart/form-data; boundary={boundary}"), b"", 9);
        assert_eq!(
            (found.error, found.strict),
            (None, Some("multipart-type")),
            "{boundary}"
        );
    }
    for boundary in ["----WebKitFormBoundaryAb1", "b.c_d'e+f-"] {
        let found = read_by(&format!("multipart/form-data; boundary={boundary}"), b"", 9);
        assert_eq!(found.strict, None, "{boundary}");
    }
}

#[test]
fn limits_hold() {
    let part = "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nx\r\n";
    let form = |parts: usize| part.repeat(parts) + "--b--";
    assert!(
        !read_by(TYPE, form(100).as_bytes(), 99)
            .flags
            .file_limit_exceeded
    );
    assert!(
        read_by(TYPE, form(101).as_bytes(), 99)
            .flags
            .file_limit_exceeded
    );
    // One that is not named is a file to some, unless nothing was chosen.
    for (content, exceeds) in [("x", true), ("", false)] {
        let part = part
            .replace("\"f\"", "\"\"")
            .replace("x\r\n", &format!("{content}\r\n"));
        let form = part.repeat(101) + "--b--";
        let flags = read_by(TYPE, form.as_bytes(), 99).flags;
        assert_eq!(flags.file_limit_exceeded, exceeds, "{content}");
    }
    assert_eq!(read_by(TYPE, form(1000).as_bytes(), 99).error, None);
    let many = read_by(TYPE, form(1001).as_bytes(), 99);
    assert_eq!(many.error.map(|error| error.0), Some("multipart-too-many"));
    assert!(many.outcome.1.is_err());
    for headers in [
        (0..17).map(|n| format!("X{n}: y\n")).collect(),
        format!("X: {}", "y".repeat(5000)),
        "X: y\n z".to_owned() + &"\n zzzzzzzzz".repeat(500),
    ] {
        assert_eq!(
            with(&headers).error.map(|error| error.0),
            Some("multipart-header-size")
        );
    }
}

const PIECES: &[&str] = &[
    "--b",
    "--b--",
    "--",
    "\r\n",
    "\n",
    "\r\n\r\n",
    "x",
    " ",
    "\"",
    "Content-Disposition: form-data; name=\"a\"",
    "; filename=\"f\"",
    "Content-Type: text/plain",
    ":",
    "b",
    "-",
    "\0",
    "\t",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn slices_make_no_difference(picks in prop::collection::vec(0..PIECES.len(), 0..30), size in 1_usize..20) {
        let body: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        let whole = read_by(TYPE, body.as_bytes(), usize::MAX);
        let pieces = read_by(TYPE, body.as_bytes(), size);
        prop_assert_eq!(whole.outcome, pieces.outcome);
        prop_assert_eq!((whole.flags, whole.error, whole.strict), (pieces.flags, pieces.error, pieces.strict));
    }
}
