#![allow(clippy::unwrap_used, missing_docs)]

use super::*;
use crate::waf::RuleFile;
use crate::Span;

const RULES: &str =
    "SecRule ARGS \"@pmFromFile words.data\" \"id:1,phase:2,deny,ver:'a'\"\nSecMarker END\n";

fn set(rules: &str, words: &str) -> RuleSet {
    let file = |name: &str, text: &str| RuleFile {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    RuleSet {
        name: "own".to_owned(),
        files: vec![file("own.conf", rules), file("words.data", words)],
        entries: vec!["own.conf".to_owned()],
        span: Span::default(),
    }
}

fn meant(rules: &str, words: &str) -> Meaning {
    Meaning::of(&set(rules, words)).unwrap()
}

#[test]
fn remarks_places_and_versions_mean_nothing() {
    let other = format!("# A remark.\n\n{}", RULES.replace("ver:'a'", "ver:'b'"));
    assert_eq!(meant(RULES, "cat\n"), meant(&other, "cat\n"));
}

#[test]
fn words_of_lists_order_markers_and_settings_mean_something() {
    let was = meant(RULES, "cat\n");
    let words = meant(RULES, "cat\ndog\n");
    assert_ne!(was.rules, words.rules, "what a rule looks for");
    let second = "SecRule ARGS \"@streq x\" \"id:2,phase:2,deny\"\n";
    let one = meant(&format!("{RULES}{second}"), "cat\n");
    let two = meant(&format!("{second}{RULES}"), "cat\n");
    assert_eq!(one.rules, two.rules);
    assert_ne!(one.whole, two.whole, "their order");
    let marked = meant(&RULES.replace("END", "STOP"), "cat\n");
    assert_ne!(was.whole, marked.whole, "a marker");
    let settled = meant(&format!("{RULES}SecRuleEngine DetectionOnly\n"), "cat\n");
    assert_ne!(was.whole, settled.whole, "a setting");
}

#[test]
fn what_cannot_be_read_means_nothing_that_is_known() {
    assert_eq!(Meaning::of(&set("SecRule ARGS", "")), None);
}
