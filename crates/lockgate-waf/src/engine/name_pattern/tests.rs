#![allow(clippy::unwrap_used)]
use regex_automata::meta::Regex;

use super::NamePattern;

/// As selectors are read: over bytes, in any case.
fn both(source: &str) -> (NamePattern, Regex) {
    let mut reader = regex_syntax::ParserBuilder::new()
        .case_insensitive(true)
        .unicode(false)
        .utf8(false)
        .build();
    let hir = reader.parse(source).unwrap();
    let regex = Regex::builder().build_from_hir(&hir).unwrap();
    let pattern = NamePattern::new(&hir, || Ok(regex.clone())).unwrap();
    (pattern, regex)
}

#[test]
fn it_means_what_its_expression_does() {
    let sources = [
        "^header_name_920450_",
        "MULTIPART_HEADERS_CONTENT_TYPES_*",
        "^a",
        "b$",
        "^ab$",
        "",
        "^",
        "a.b",
        "^(?-i)aB",
        "(?-i)aB_1",
        "^x?a",
        "[ab]c",
        "1_2",
        "k",
    ];
    let names: [&[u8]; 18] = [
        b"",
        b"a",
        b"A",
        b"b",
        b"ab",
        b"AB",
        b"aB",
        b"aB_1",
        b"xab",
        b"a.b",
        b"ACB",
        b"1_2",
        b"01_23",
        b"k",
        b"\xe2\x84\xaa",
        b"header_name_920450_host",
        b"X_HEADER_NAME_920450_HOST",
        b"tx.multipart_headers_content_types_0",
    ];
    for source in sources {
        let (pattern, regex) = both(source);
        for name in names {
            let shown = String::from_utf8_lossy(name);
            assert_eq!(
                pattern.is_match(name),
                regex.is_match(name),
                "{source} {shown}"
            );
        }
    }
}

#[test]
fn a_beginning_needs_no_expression() {
    let asks = |source| both(source).0.regex.is_some();
    assert!(!asks("^header_name_920450_"));
    assert!(!asks("1_2"));
    assert!(asks("^a|b"));
    assert!(asks("^a$"));
    assert!(asks("^(?-i)a"));
}
