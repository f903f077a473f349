#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use proptest::prelude::*;

use super::*;

fn once(value: &str) -> Found<'_> {
    Found::Once(Cow::Borrowed(value))
}

#[test]
fn a_parameter_is_found_in_every_spelling_of_its_name() {
    for query in ["a=1", "b=2&a=1", "%61=1", "a=%31", "&&a=1&", "a=1&b=%zz"] {
        assert_eq!(find(Some(query), "a"), once("1"), "{query}");
    }
    assert_eq!(find(Some("a"), "a"), once(""));
    assert_eq!(find(Some("a+b=c+d"), "a b"), once("c d"));
    assert_eq!(find(Some("a=1=2"), "a"), once("1=2"));
    for absent in [None, Some(""), Some("A=1"), Some("aa=1"), Some("b=a=1")] {
        assert_eq!(find(absent, "a"), Found::Absent, "{absent:?}");
    }
}

#[test]
fn what_readers_take_differently_is_ambiguous() {
    for query in [
        "a=1&a=1",
        "a=1&%61=2",
        "b=1;a=2",
        "b;a",
        "a=1;b=2",
        "b=1;%61=2",
    ] {
        assert_eq!(find(Some(query), "a"), Found::Ambiguous, "{query}");
    }
    assert_eq!(find(Some("b=1;c=2&a=1"), "a"), once("1"));
}

#[test]
fn what_is_no_utf8_equals_nothing() {
    assert_eq!(find(Some("a=%ff"), "a"), once("\u{fffd}"));
}

#[test]
fn duplicates_are_found_and_taken_out() {
    assert_eq!(duplicate("a=1&b=2"), None);
    assert_eq!(duplicate("a=1&b=2&%61=3").as_deref(), Some("a"));
    for hidden in ["r=1;r=2", "r=1&;r=2", "a;r&r=1", "x=1;%72=2&r"] {
        assert_eq!(duplicate(hidden).as_deref(), Some("r"), "{hidden}");
    }
    assert_eq!(duplicate("a=1;b=2&c;"), None);
    assert_eq!(without_duplicates("a=1&b=2&%61=3", false), "a=1&b=2");
    assert_eq!(without_duplicates("a=1&b=2&%61=3", true), "b=2&%61=3");
    assert_eq!(without_duplicates("a=1&a=2&a=3", true), "a=3");
}

proptest! {
    #[test]
    fn without_duplicates_there_are_none(query in "[ab%61=&;+]{0,24}", last: bool) {
        let single = without_duplicates(&query, last);
        prop_assert!(duplicate(&single).is_none() || single.contains(';'), "{}", single);
        // What was there once is there still.
        if duplicate(&query).is_none() {
            let before: Vec<_> = pairs(&query).map(|pair| pair.text).collect();
            let after: Vec<_> = pairs(&single).map(|pair| pair.text).collect();
            prop_assert_eq!(before, after);
        }
    }
}

#[test]
fn nothing_is_hidden_behind_many_others() {
    let many = "a&".repeat(16_000);
    let query = format!("{many}role=admin");
    assert_eq!(find(Some(&query), "role"), Found::Once("admin".into()));
    assert_eq!(
        find(Some(&format!("role=user&{query}")), "role"),
        Found::Ambiguous
    );
    assert!(without_duplicates(&query, false).ends_with("&role=admin"));
}

#[test]
fn a_plus_is_a_blank_in_a_query_and_a_plus_in_a_path() {
    assert_eq!(decoded("a+b%2Bc"), "a b+c");
    assert_eq!(decoded_segment("a+b%20c"), "a+b c");
}
