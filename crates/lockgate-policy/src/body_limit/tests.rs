#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::*;

/// The reason and when it was given, or `allow`.
fn judge(
    policy: &BodyLimit,
    length: Option<u64>,
    pieces: &[usize],
) -> (&'static str, Option<&'static str>) {
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::POST,
        host: "a.example",
        path: "/",
        query: None,
        headers: &headers,
        content_length: length,
        api: "shop",
        operation: None,
        readings: &[],
    };
    if let Verdict::Deny(denial) = policy.decide(&view) {
        return (denial.reason.code, Some("head"));
    }
    if length.is_some() {
        return ("allow", None);
    }
    let mut watcher = policy.watch();
    for size in pieces {
        match watcher.on_chunk(&Bytes::from(vec![0; *size])) {
            BodyVerdict::Pass => {}
            BodyVerdict::Deny(denial) => return (denial.reason.code, Some("body")),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(watcher.on_end(), BodyVerdict::Pass));
    ("allow", None)
}

#[test]
fn a_length_is_judged_before_a_byte_comes() {
    let policy = BodyLimit::new(&Config { bytes: 10 });
    assert_eq!(
        judge(&policy, Some(11), &[]),
        ("body-too-large", Some("head"))
    );
    assert_eq!(judge(&policy, Some(10), &[]), ("allow", None));
    assert_eq!(
        judge(&policy, None, &[10, 1]),
        ("body-too-large", Some("body"))
    );
    assert_eq!(judge(&policy, None, &[10]), ("allow", None));
}

#[test]
fn every_reason_is_the_rooms() {
    assert!(REASONS.iter().all(|reason| reason.room == NAME));
    assert_eq!(REASONS, [&TOO_LARGE]);
}

#[test]
fn the_bound_is_told() {
    let policy = BodyLimit::new(&Config { bytes: 7 });
    let BodyVerdict::Deny(denial) = policy.watch().on_chunk(&Bytes::from_static(b"12345678"))
    else {
        panic!("eight bytes are more than seven");
    };
    assert_eq!(denial.detail.as_deref(), Some("The limit is 7 bytes."));
    assert_eq!(denial.reason.status, 413);
}

#[test]
fn what_crossed_the_bound_stays_refused() {
    let mut watcher = BodyLimit::new(&Config { bytes: 3 }).watch();
    assert!(matches!(
        watcher.on_chunk(&Bytes::from_static(b"1234")),
        BodyVerdict::Deny(_)
    ));
    assert!(matches!(
        watcher.on_chunk(&Bytes::from_static(b"5")),
        BodyVerdict::Deny(_)
    ));
}

proptest! {
    #[test]
    fn how_a_body_is_cut_has_no_meaning(bytes in 0_u64..2000, pieces in proptest::collection::vec(0_usize..300, 0..12)) {
        let total: usize = pieces.iter().sum();
        let policy = BodyLimit::new(&Config { bytes });
        let (verdict, _) = judge(&policy, None, &pieces);
        prop_assert_eq!(verdict == "allow", total as u64 <= bytes);
        // A length that is told gives the same verdict as the bytes themselves.
        let (told, _) = judge(&policy, Some(total as u64), &[]);
        prop_assert_eq!(told, verdict);
    }

    #[test]
    fn no_number_overflows(bytes in any::<u64>(), length in any::<u64>()) {
        let policy = BodyLimit::new(&Config { bytes });
        let (verdict, _) = judge(&policy, Some(length), &[]);
        prop_assert_eq!(verdict == "allow", length <= bytes);
    }
}
