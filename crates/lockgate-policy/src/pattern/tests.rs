#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

fn refused(text: &str) -> PatternFault {
    Pattern::new(text).unwrap_err()
}

#[test]
fn an_expression_matches_whole_or_not_at_all() {
    let pattern = Pattern::new("/a|/ab").unwrap();
    assert!(pattern.matches("/ab"));
    for no in ["/abc", "x/a", "/a\n", "\n/a", ""] {
        assert!(!pattern.matches(no), "{no:?}");
    }
    // Anchors of its own change nothing, and a comment hides no end.
    assert!(Pattern::new("^/a$").unwrap().matches("/a"));
    let commented = Pattern::new("(?x)/a # the end").unwrap();
    assert!(commented.matches("/a") && !commented.matches("/ab"));
    assert!(!Pattern::new("(?m)^/a$").unwrap().matches("/a\n/b"));
}

#[test]
fn what_is_not_linear_is_refused_with_its_place() {
    for (text, part, at) in [
        ("/a(?=b)", "(?=", 3),
        ("/é(?!b).*", "(?!", 3),
        ("/(?<=a)b", "(?<=", 2),
        (r"/(a)\1", r"\1", 5),
    ] {
        let fault = refused(text);
        assert_eq!(fault.code, "regex-not-linear", "{text}");
        assert!(fault.message.contains(part), "{}", fault.message);
        assert!(
            fault.message.contains(&format!("character {at}")),
            "{}",
            fault.message
        );
    }
}

#[test]
fn what_is_too_large_is_refused() {
    for text in [
        r"/(\w{1000}){1000}".to_owned(),
        format!("/{}", "a".repeat(MAX_TEXT)),
        format!("{}a{}", "(".repeat(300), ")".repeat(300)),
    ] {
        assert_eq!(refused(&text).code, "regex-too-large", "{text}");
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    for text in ["/(", "/a)(b", "/[", "/*{", "/a{2", r"/\q"] {
        assert_eq!(refused(text).code, "regex-malformed", "{text}");
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // How long it takes is what is tested.
fn what_backtracks_elsewhere_is_fast() {
    let pattern = Pattern::new("/(a+)+").unwrap();
    let text = format!("/{}!", "a".repeat(60_000));
    let begun = std::time::Instant::now();
    assert!(!pattern.matches(&text));
    // A backtracking engine would need longer than the universe has been there.
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn a_set_finds_the_first_that_matches() {
    let patterns: Vec<Pattern> = ["/b.*", "/a.*", "/.*"]
        .map(|text| Pattern::new(text).unwrap())
        .into();
    let set = PatternSet::new(patterns.iter()).unwrap();
    assert_eq!(set.first("/ab"), Some(1));
    assert_eq!(set.first("/c"), Some(2));
    assert_eq!(set.first("c"), None);
}

#[test]
fn captures_are_places_in_the_text() {
    let pattern = Pattern::new("/(?<year>[0-9]{4})/(?<rest>.*)").unwrap();
    let found = pattern.captures("/2026/a/b").unwrap();
    assert_eq!(found, [("year", 1..5), ("rest", 6..9)]);
    assert_eq!(pattern.captures("/26/a"), None);
    assert_eq!(pattern.names().collect::<Vec<_>>(), ["year", "rest"]);
}
