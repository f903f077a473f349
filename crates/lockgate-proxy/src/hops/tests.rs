use http::header::MAX_FORWARDS;
use http::{HeaderMap, HeaderValue};

use super::ends_here;

fn after(values: &[&'static str]) -> (bool, Vec<String>) {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(MAX_FORWARDS, HeaderValue::from_static(value));
    }
    let ends = ends_here(&mut headers);
    let left = headers.get_all(MAX_FORWARDS).iter();
    (
        ends,
        left.map(|value| value.to_str().unwrap().to_owned())
            .collect(),
    )
}

#[test]
fn one_hop_is_taken_off() {
    assert_eq!(after(&["5"]), (false, vec!["4".into()]));
    assert_eq!(after(&["1"]), (false, vec!["0".into()]));
    assert_eq!(after(&["007"]), (false, vec!["6".into()]));
}

#[test]
fn the_last_one_is_here() {
    assert!(after(&["0"]).0);
    assert!(after(&["000"]).0);
    assert!(after(&["3", "0"]).0);
}

#[test]
fn of_several_the_least_holds() {
    assert_eq!(after(&["9", "3"]), (false, vec!["2".into()]));
}

#[test]
fn what_is_no_number_says_nothing() {
    assert_eq!(after(&[]), (false, vec![]));
    for odd in ["", "-1", "+1", "1.5", "a", "1 "] {
        assert_eq!(after(&[odd]), (false, vec![odd.to_owned()]));
        assert!(!after(&["0", odd]).0);
    }
}

#[test]
fn no_number_is_too_long() {
    let long = "99999999999999999999999999";
    assert_eq!(after(&[long]), (false, vec!["999999998".into()]));
}
