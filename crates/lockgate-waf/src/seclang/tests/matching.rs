//! Patterns match what PCRE's do.

use regex_automata::meta::{Config, Regex};

use super::link;
use crate::rule::{Operator, Selector};

/// What a pattern finds: where, and where its first group is.
fn found(
    pattern: &str,
    value: &[u8],
) -> Option<(std::ops::Range<usize>, Option<std::ops::Range<usize>>)> {
    let said = link(&format!(
        "SecRule ARGS \"@rx {}\" id:1",
        pattern.replace('"', "\\\"")
    ));
    let Operator::Rx(read) = said.test.operator else {
        panic!("{pattern}");
    };
    let regex = Regex::builder()
        .configure(Config::new().utf8_empty(false))
        .build_from_hir(&read.hir)
        .unwrap();
    let mut captures = regex.create_captures();
    regex.captures(value, &mut captures);
    let group = |index| captures.get_group(index).map(|span| span.range());
    Some((group(0)?, group(1)))
}

#[test]
fn patterns_mean_what_pcre_means() {
    // Pattern, value, whether it is found.
    let cases: &[(&str, &[u8], bool)] = &[
        // The whole value, and every byte: DOTALL, DOLLAR_ENDONLY.
        ("^a.b$", b"a\nb", true),
        ("^a$", b"a\nb", false),
        ("^a$", b"a\n", false),
        ("(?m)^a$", b"b\na\nc", true),
        ("(?-s)a.b", b"a\nb", false),
        ("\\Aa\\z", b"a", true),
        // Bytes, also of what is not ASCII.
        ("^.$", "é".as_bytes(), false),
        ("^é$", "é".as_bytes(), true),
        ("^[é]$", b"\xC3", true),
        ("^é+$", b"\xC3\xA9\xA9", true),
        ("\\x{e9}", b"\xE9", true),
        ("\\xe9", b"\xE9", true),
        ("\\x41\\x4", b"A\x04", true),
        ("\\o{101}\\101\\012\\0", b"AA\n\0", true),
        ("\\cA\\e\\a\\f\\t", b"\x01\x1B\x07\x0C\t", true),
        ("(?i)É", "é".as_bytes(), false),
        ("(?i)straSSe", b"STRASSE", true),
        // Classes of white space and others.
        ("^\\s$", b"\x0B", true),
        ("^\\h$", b"\xA0", true),
        ("^\\h$", b"\n", false),
        ("^\\H$", b"\n", true),
        ("^\\v$", b"\x85", true),
        ("^\\V$", b"a", true),
        ("^\\N$", b"\n", false),
        ("^\\w$", b"\xE9", false),
        ("^\\C$", b"\n", true),
        ("a\\b", b"a\xE9", true),
        // Brackets.
        ("^[]a]+$", b"]a", true),
        ("^[^]a]$", b"b", true),
        ("^[a\\]b]+$", b"]", true),
        ("^[[]$", b"[", true),
        ("^[a[b]+$", b"[", true),
        ("^[[:alpha:]_]+$", b"aZ_", true),
        ("^[[:^alpha:]]$", b"1", true),
        ("^[[:word:]]$", b"_", true),
        ("^[:al]$", b":", true),
        ("^[a&&b]+$", b"&a", true),
        ("^[a~~b]+$", b"~", true),
        ("^[\\w-.]+$", b"a-.", true),
        ("^[a-\\d]+$", b"a-5", true),
        ("^[--/]+$", b"-./", true),
        ("^[\\--9]+$", b"-./09", true),
        ("^[\\b]$", b"\x08", true),
        ("^[\\101\\n]+$", b"A\n", true),
        ("^[\\Q]\\E]+$", b"]", true),
        ("(?i)^[^a]$", b"A", false),
        ("(?i)^[[:upper:]]$", b"a", true),
        ("^[\\h\\d]+$", b"\t5", true),
        ("^[^\\W]$", b"a", true),
        // Braces that bound nothing stand for themselves.
        ("^a{2}$", b"aa", true),
        ("^a{,x}$", b"a{,x}", true),
        ("^a{x}$", b"a{x}", true),
        ("^{}$", b"{}", true),
        ("^a]}$", b"a]}", true),
        ("^\\{2}$", b"{2}", true),
        ("a{1,}", b"aaa", true),
        // Groups, flags, comments, quoting.
        ("^(?<n>a)(?P<m>b)(?'o'c)$", b"abc", true),
        ("^(?i:A)b$", b"ab", true),
        ("^(?i:A)b$", b"aB", false),
        ("^a(?i)b|c$", b"C", true),
        ("^a(?#comment)b$", b"ab", true),
        ("^\\Qa.b\\E+$", b"a.bb", true),
        ("(?x) ^ a [ ] b  # comment", b"a b", true),
        ("^(?x: a b )c d$", b"abc d", true),
        ("(?U)a+", b"aa", true),
        // Escapes of what is no letter.
        (
            "^\\/\\-\"\\'\\,\\ \\#\\&\\~\\_\\%\\<$",
            b"/-\"', #&~_%<",
            true,
        ),
        ("%{a}", b"%{a}", true),
        ("", b"", true),
    ];
    let mut wrong = Vec::new();
    for (pattern, value, expected) in cases {
        if found(pattern, value).is_some() != *expected {
            wrong.push(format!("{pattern} in {:?}", String::from_utf8_lossy(value)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn groups_keep_their_numbers() {
    assert_eq!(found("a(?:x)?(b)", b"zab"), Some((1..3, Some(2..3))));
    assert_eq!(found("a+?(b?)", b"aab"), Some((0..1, Some(1..1))));
    assert_eq!(found("(?<n>b)|a", b"a"), Some((0..1, None)));
}

#[test]
fn names_are_matched_without_case() {
    let said = link("SecRule ARGS:/^Ab$/ x id:1");
    let Selector::Matching(read) = &said.targets[0].selector else {
        panic!("{said:?}");
    };
    let regex = Regex::builder().build_from_hir(&read.hir).unwrap();
    assert!(regex.is_match(b"aB") && !regex.is_match(b"ab\n"));
}
