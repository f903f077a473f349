//! Anything may be read: errors are found, and nothing else happens.

use proptest::prelude::*;

use super::folder;
use crate::rule::{Item, Operator};
use crate::seclang::{read, Folder, Limits};

/// Pieces out of which texts are made that look like rules.
const PIECES: &[&str] = &[
    "SecRule ",
    "SecAction ",
    "SecMarker ",
    "SecDefaultAction ",
    "SecRuleRemoveById ",
    "SecRuleUpdateTargetById ",
    "SecRuleUpdateActionById ",
    "SecRuleUpdateTargetByTag ",
    "Include ",
    "ARGS",
    "ARGS:",
    "|",
    "!",
    "&",
    "/",
    "XML:/*",
    "TX:a",
    "REQUEST_HEADERS:Host",
    " ",
    "\n",
    "\\\n",
    "\\",
    "\"",
    "'",
    ",",
    ":",
    "=",
    "#",
    "@rx ",
    "@pm ",
    "@eq ",
    "@within ",
    "@pmFromFile ",
    "@ipMatch ",
    "@validateByteRange ",
    "id:1",
    "id:2",
    "phase:1",
    "deny",
    "block",
    "chain",
    "t:none",
    "t:lowercase",
    "msg:'a'",
    "setvar:",
    "tx.a",
    "tx.a=+1",
    "ctl:",
    "ruleRemoveById=",
    "ruleRemoveTargetById=1;ARGS:a",
    "skipAfter:E",
    "E",
    "%{",
    "}",
    "%{tx.a}",
    "(",
    ")",
    "(?",
    "(?:",
    "[",
    "]",
    "[^",
    "-",
    "{1,3}",
    "{",
    "*",
    "+",
    "?",
    "\\x{",
    "\\x41",
    "\\d",
    "\\Q",
    "\\E",
    "(?i)",
    "[:alpha:]",
    "|41 42|",
    "1",
    "99",
    "1-5",
    "é",
    "\u{0}",
    "a",
    "*.conf",
    "../",
    "x.conf",
];

fn read_all(bytes: &[u8]) -> Result<usize, usize> {
    let mut files: Folder = folder(&[("x.conf", "SecAction id:9\n")]);
    assert!(files.insert("rules.conf", bytes));
    match read(&files, &["rules.conf"], &Limits::default()) {
        Ok(rules) => {
            for item in &rules.items {
                let Item::Rule(rule) = item else { continue };
                assert!(rule.id > 0 && !rule.links.is_empty());
                for link in &rule.links {
                    if let Operator::Rx(pattern) = &link.test.operator {
                        let regex = regex_automata::meta::Regex::builder();
                        assert!(regex.build_from_hir(&pattern.hir).is_ok());
                    }
                }
            }
            Ok(rules.items.len())
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in &errors {
                assert!(error.line >= 1 && error.column >= 1);
                assert!(
                    error.caret as usize <= error.excerpt.chars().count(),
                    "{error}"
                );
                assert!(error.to_string().len() < 2_000, "{error}");
                let is_shown = |text: &str| !text.chars().any(char::is_control);
                assert!(
                    is_shown(&error.message) && is_shown(&error.excerpt),
                    "{error:?}"
                );
            }
            Err(errors.len())
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read_all(&bytes);
    }

    #[test]
    fn any_pieces_are_read(picks in proptest::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        let _ = read_all(text.as_bytes());
    }

    #[test]
    fn any_operator_is_read(picks in proptest::collection::vec(0..PIECES.len(), 0..30)) {
        let text: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        let text = text.replace(['"', '\n', '\\'], "");
        let _ = read_all(format!("SecRule ARGS \"@rx {text}\" \"id:1\"").as_bytes());
    }

    #[test]
    fn any_actions_are_read(picks in proptest::collection::vec(0..PIECES.len(), 0..30)) {
        let parts: Vec<&str> = picks.iter().map(|pick| PIECES[*pick]).collect();
        let _ = read_all(format!("SecAction \"id:1,{}\"", parts.join(",")).as_bytes());
    }
}

/// What would take hours if any step were quadratic: a megabyte of each of what
/// a reader could look for the end of again and again.
#[test]
fn long_texts_are_read_once() {
    let limits = Limits {
        directive_bytes: 2 << 20,
        ..Limits::default()
    };
    let long = |piece: &str| piece.repeat((1 << 20) / piece.len());
    for text in [
        format!("SecRule ARGS \"@rx {}\" id:1", long("%{")),
        format!("SecRule ARGS \"@rx {}}}\" id:1", long("%{")),
        format!("SecRule ARGS \"@rx [{}\" id:1", long("[:")),
        format!("SecRule ARGS \"@rx {}\" id:1", long("(?#")),
        format!("SecRule ARGS \"@rx {}\" id:1", long("a{")),
        format!("SecRule ARGS \"@rx {}\" id:1", long("\\x{")),
        format!("SecRule ARGS \"@pm {}\" id:1", long("|")),
        format!("SecRule ARGS \"@streq {}\" id:1", long("%{")),
        format!("SecRule ARGS \"@streq {}\" id:1", long("%{tx.a}")),
        format!("SecRule {} x id:1", long("ARGS:/")),
        format!("SecRule {} x id:1", long("ARGS:/|")),
        format!("SecRule {} x id:1", long("ARGS:'")),
        format!("SecRule {} x id:1", long("ARGX|")),
        format!("SecRule ARGS x \"id:1,{}\"", long("a:',")),
        format!("SecRule ARGS x \"id:1,{}\"", long("setvar:tx,")),
        format!("SecRule ARGS x \"id:1,{}\"", long("t:none,")),
        long("\""),
        long("\\\n"),
        long("#SecRule \\\n"),
        long("SecRule "),
        long("SecFoo\n"),
        long("SecRuleRemoveById 1\n"),
    ] {
        let mut files = Folder::default();
        assert!(files.insert("rules.conf", text));
        let _ = read(&files, &["rules.conf"], &limits);
    }
}
