#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::borrow::Cow;

use proptest::prelude::*;

use super::{after_match, for_matching, normalize, Odd, TargetSwitches};
use crate::reason::ReasonRef;

fn odd() -> impl Strategy<Value = Odd> {
    prop_oneof![Just(Odd::Reject), Just(Odd::Normalize), Just(Odd::Keep)]
}

fn switches() -> impl Strategy<Value = TargetSwitches> {
    (odd(), odd(), odd(), odd()).prop_map(
        |(double_slash, encoded_slash, backslash, path_parameters)| TargetSwitches {
            double_slash,
            encoded_slash,
            backslash,
            path_parameters,
            ..TargetSwitches::default()
        },
    )
}

/// Paths out of pieces that mean something.
fn path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "a", "b", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", ";x", "%3b",
        "%25", "%252e", "%41", "%c3%a9", "{", "|", "%7B", "+", "%2B", "?", "%00", "%", "#", " ",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// What a server does that decodes once and resolves dots: what it serves.
fn as_upstream(path: &str) -> Option<Vec<Vec<u8>>> {
    let mut segments = Vec::new();
    for segment in path.split('/').skip(1) {
        let mut bytes = Vec::new();
        let mut rest = segment.as_bytes();
        while let [first, tail @ ..] = rest {
            match super::triplet(rest) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &rest[3..];
                }
                None => {
                    bytes.push(*first);
                    rest = tail;
                }
            }
        }
        match bytes.as_slice() {
            b"." => {}
            b".." => {
                segments.pop()?;
            }
            _ => segments.push(bytes),
        }
    }
    Some(segments)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_normal_form_is_its_own(raw in path(), switches in switches()) {
        if let Ok(normal) = normalize(&raw, &switches) {
            let again = normalize(&normal.path, &switches).map_err(|reason| reason.code);
            let again = again.map(|again| (again.path.into_owned(), again.changed));
            prop_assert_eq!(again, Ok((normal.path.into_owned(), false)));
        }
    }

    #[test]
    fn the_normal_form_is_a_uri_without_dots(raw in path(), switches in switches()) {
        if let Ok(normal) = normalize(&raw, &switches) {
            prop_assert!(normal.path.starts_with('/'));
            let dots = normal.path.split('/').any(|segment| segment == "." || segment == "..");
            prop_assert!(!dots, "{}", normal.path);
            let uri: http::Uri = normal.path.parse().unwrap();
            prop_assert_eq!(uri.path(), normal.path.as_ref());
        }
    }

    #[test]
    fn an_upstream_reads_the_same_in_both(raw in path()) {
        let switches = TargetSwitches::default();
        if let Ok(normal) = normalize(&raw, &switches) {
            let sent = raw.split('?').next().unwrap();
            // A final dot-segment leaves an empty last segment in the normal form only.
            let tidy = |path| as_upstream(path).map(|mut segments| {
                while segments.last().is_some_and(Vec::is_empty) { segments.pop(); }
                segments
            });
            prop_assert_eq!(tidy(sent), tidy(&normal.path));
        }
    }

    #[test]
    fn matching_is_blind_to_encoding(raw in path(), switches in switches()) {
        if let Ok(normal) = normalize(&raw, &switches) {
            let once = for_matching(&normal.path);
            prop_assert_eq!(as_upstream(&once), as_upstream(&normal.path));
        }
    }

    #[test]
    fn a_matched_prefix_comes_off_cleanly(raw in path(), switches in switches()) {
        if let Ok(normal) = normalize(&raw, &switches) {
            let matched = for_matching(&normal.path).into_owned();
            for (at, _) in matched.match_indices('/').chain([(matched.len(), "")]) {
                let rest = after_match(&normal.path, at);
                prop_assert!(normal.path.ends_with(rest));
                prop_assert_eq!(for_matching(rest), &matched[at..]);
            }
        }
    }

    #[test]
    fn any_text_is_refused_or_normalized(raw in "\\PC{0,40}", switches in switches()) {
        let result: Result<_, ReasonRef> = normalize(&raw, &switches);
        if let Err(reason) = result {
            prop_assert_eq!(reason.room, "target");
        }
    }
}

#[test]
fn a_plain_path_costs_no_memory() {
    let normal = normalize("/orders/1042/items?page=2", &TargetSwitches::default()).unwrap();
    assert!(matches!(normal.path, Cow::Borrowed("/orders/1042/items")));
    assert!(matches!(normal.match_path(), Cow::Borrowed(_)));
}

#[test]
fn a_path_that_grows_beyond_what_a_uri_holds_is_refused() {
    let raw = format!("/{}", "{".repeat(30_000));
    let reason = normalize(&raw, &TargetSwitches::default()).unwrap_err();
    assert_eq!(reason.code, "target-too-long");
}

#[test]
fn a_prefix_is_counted_as_it_was_matched() {
    assert_eq!(
        after_match("/jobs%3Apurge/a%3Ab", "/jobs:purge".len()),
        "/a%3Ab"
    );
    assert_eq!(after_match("/jobs/a", "/jobs".len()), "/a");
    assert_eq!(after_match("/jobs", 5), "");
    assert_eq!(after_match("/jobs", 99), "");
}
