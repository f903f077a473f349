//! Our own cases: one for each turn that the method takes.

use super::super::{sqli, xss};
use super::folded;

/// What the value is folded to as it stands, read as the standard has it.
const FOLDED: &[(&str, &str)] = &[
    ("", ""),
    ("(((", ""),
    ("a", "n"),
    ("((-1", "1"),
    ("1 + 2 * 3", "1"),
    ("1, -2, a", "1"),
    ("a.b.c", "n"),
    ("'a' 'b'", "s"),
    ("1;;2", "1;1"),
    ("natural left outer join x", "kn"),
    ("x not in (1)", "n"),
    ("x in y", "nnn"),
    ("a like (b)", "nf(n)"),
    ("user(1)", "n(1)"),
    ("user()", "f()"),
    ("database (", "f("),
    ("1;if 1", "1;T1"),
    ("select - 1", "E1"),
    ("select . `a`", "En"),
    ("\\1", "1"),
    ("\\%1", "1"),
    ("1::int", "1"),
    ("collate latin1_bin", "At"),
    ("{a 1}", "1"),
    ("a {``.``}", "X"),
    ("1 /*! x */", "X"),
    ("1 /* /* */", "X"),
    ("1 /* x */", "1c"),
    ("1 -- x\n2", "11"),
    ("a b `", "nnc"),
    ("1.e(1)", "1)"),
    ("1.2f union", "1U"),
    ("0x1F 0b01 0xz", "11nn"),
    ("x'1f' b'01' n'a' q'[a]' u&'a'", "11s"),
    ("$$a$$ $t$b$t$", "s"),
    ("$1,000.00 $", "1n"),
    ("@a @@b @`c`", "vvv"),
    ("[a b] c", "nn"),
    ("<=> := ::", "o"),
];

#[test]
fn values_are_folded() {
    for (value, want) in FOLDED {
        assert_eq!(folded(value.as_bytes(), 0, false), *want, "{value}");
    }
}

/// Whether the value is an attack, and what it came to.
const ATTACKS: &[(&str, Option<&str>)] = &[
    ("' or 1=1--", Some("s&1c")),
    ("1 union select 1", Some("1UE1")),
    (
        "1' and 1=1 union/* x */select load_file('/a')--",
        Some("s&1UE"),
    ),
    ("\" or 1=1#", Some("s&1c")),
    ("1--", Some("1c")),
    ("1 -- sp_password", Some("1c")),
    ("a -- sp_password", Some("nc")),
    ("\t1/*", Some("1c")),
    ("1 union", None),
    ("1 union all", Some("1U")),
    ("1#x", None),
    ("a--", None),
    ("a/*", Some("nc")),
    ("1-a--", Some("1c")),
    ("a' + 'b", Some("sos")),
    ("'a' + 'b'", None),
    ("x and 17", None),
    ("x and 17<18", Some("n&1")),
    ("x into y", None),
    ("1 into outfile 'a'", Some("1ks")),
    ("O'Brien", None),
    ("John Smith", None),
    ("it's a dog's life", None),
    ("", None),
];

#[test]
fn attacks_are_told_from_what_looks_like_them() {
    for (value, want) in ATTACKS {
        let found = sqli(value.as_bytes()).map(|found| found.to_string());
        assert_eq!(found.as_deref(), *want, "{value}");
    }
}

pub(super) const HTML: &[(&str, bool)] = &[
    ("<script>alert(1)", true),
    ("</script x", true),
    ("</><a></script", true),
    ("<svganimate>", true),
    ("<b>bold</b>", false),
    ("<!doctype html>", true),
    ("<!-- a -->", false),
    ("<!-- a ` -->", true),
    ("<!--[if IE]>", true),
    ("<!--xml -->", true),
    ("<!--xml-->", false),
    ("<?import a>", true),
    ("<!entity a>", true),
    ("<% a %><script>", true),
    ("<% <script> %>", false),
    ("<![CDATA[<script>]]>", false),
    ("<![CDATA[a]]><script>", true),
    ("<!-- -\0!><script>", true),
    ("x onclick=a", true),
    ("x onclicked=a", true),
    ("x on=a", false),
    ("x onfoobar=a", false),
    ("x' onerror = a", true),
    ("x\" onerror=a", true),
    ("x` onerror=a", true),
    ("\u{e9}='onerror'", false),
    ("href='java&#115;cript:'", true),
    ("href=&#x6a;ava", true),
    ("href=' \u{1}DaTa:'", true),
    ("href='http://data'", false),
    ("href=&#", false),
    ("href=&#x", false),
    ("href=&#x1100FF;", false),
    ("attributename=to", true),
    ("attributename=class", false),
    ("style=a", true),
    ("xmlns:a=b", true),
    ("a=b&c=d", false),
    ("////////////style=a", true),
    ("", false),
];

#[test]
fn html_that_runs_code_is_told_from_other() {
    for (value, want) in HTML {
        assert_eq!(xss(value.as_bytes()), *want, "{value}");
    }
    // Its second byte is C's end of a value where `char` is signed.
    assert!(xss(b"a \xFF onerror=x"));
}
