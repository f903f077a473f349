//! Promises of the reader of rule files.

use lockgate_waf::rule::{Item, Operator, Rules, Selector};
use lockgate_waf::seclang::{read, Folder, Limits, LoadError};

/// Words of the language and what stands around them: so that more than the
/// first word of a random text is read.
pub const PIECES: &[&str] = &[
    "SecRule ",
    "SecAction ",
    "SecMarker ",
    "SecDefaultAction ",
    "SecRuleRemoveById ",
    "SecRuleRemoveByTag ",
    "SecRuleUpdateTargetById ",
    "SecRuleUpdateActionById ",
    "Include ",
    "SecRuleEngine On\n",
    "SecAction \"id:7,tag:a\"\n",
    "SecRule ARGS \"@rx a\" \"id:8\"\n",
    "SecRule ARGS \"@rx ",
    "SecRule ARGS \"@pm ",
    "\" \"id:3,",
    "\" \"id:4,chain,",
    "ARGS",
    "|!ARGS:",
    "|&TX:",
    "/^a",
    "/|",
    "XML:/*",
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
    "!",
    "@eq ",
    "@within ",
    "@ipMatch 10.0.0.0/",
    "@validateByteRange ",
    "@pmFromFile more.conf",
    "id:1",
    "id:2",
    "phase:1",
    "deny",
    "block",
    "chain",
    "t:none",
    "t:lowercase",
    "msg:'",
    "setvar:'tx.",
    "=+%{tx.a}'",
    "ctl:ruleRemoveTargetById=1;ARGS:a",
    "skipAfter:E",
    "%{",
    "}",
    "(",
    ")",
    "(?:",
    "(?i)",
    "[",
    "]",
    "[^",
    "-",
    "{1,3}",
    "{",
    "*",
    "+",
    "?",
    "\\x{41}",
    "\\x4",
    "\\d",
    "\\Q",
    "\\E",
    "\\101",
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
];

/// Reading ends, and every error has a place; what is read can be compiled, and
/// is the same when it is read again.
pub fn rules(text: &[u8]) {
    let mut files = Folder::default();
    assert!(files.insert("rules.conf", text));
    assert!(files.insert("more.conf", "SecAction id:9\n"));
    let read = || read(&files, &["rules.conf"], &Limits::default());
    match (read(), read()) {
        (Ok(first), Ok(second)) => {
            assert_eq!(format!("{first:?}"), format!("{second:?}"));
            check(&first);
        }
        (Err(first), Err(second)) => {
            assert_eq!(first, second);
            first.iter().for_each(|error| check_error(error, text));
        }
        _ => panic!("what was read once is refused the second time"),
    }
}

fn check(rules: &Rules) {
    let mut ids = Vec::new();
    for item in &rules.items {
        let Item::Rule(rule) = item else { continue };
        ids.push(rule.id);
        assert!(rule.id > 0 && !rule.links.is_empty());
        assert!((rule.place.file as usize) < rules.files.len() && rule.place.line > 0);
        for link in &rule.links {
            if let Operator::Rx(pattern) = &link.test.operator {
                compile(pattern);
            }
            for target in &link.targets {
                assert!(!(target.excluded && target.counted));
                if let Selector::Matching(pattern) = &target.selector {
                    compile(pattern);
                }
            }
        }
    }
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
}

fn compile(pattern: &lockgate_waf::rule::Pattern) {
    let bytes = regex_automata::meta::Config::new().utf8_empty(false);
    let built = regex_automata::meta::Regex::builder()
        .configure(bytes)
        .build_from_hir(&pattern.hir);
    built.expect("what was read can be compiled");
}

fn check_error(error: &LoadError, text: &[u8]) {
    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!(error.line >= 1 && error.column >= 1);
    if &*error.file == "rules.conf" {
        assert!(error.line as usize <= lines, "{error}");
    }
    assert!(error.caret as usize <= error.excerpt.chars().count());
    assert!(!error.message.is_empty() && !error.message.chars().any(char::is_control));
}
