use http::HeaderValue;

use super::{
    super::trace::{continue_or_begin, TraceParent},
    lines, map,
};

const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn a_valid_parent_is_read_and_written_back() {
    let parent = TraceParent::parse(VALID.as_bytes()).unwrap();
    assert_eq!(&parent.trace_hex(), b"0af7651916cd43dd8448eb211c80319c");
    assert_eq!(parent.to_header(), HeaderValue::from_static(VALID));
}

#[test]
fn what_the_specification_forbids_is_no_parent() {
    let invalid = [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ];
    for value in invalid {
        assert_eq!(TraceParent::parse(value.as_bytes()), None, "{value}");
    }
    let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings";
    assert!(TraceParent::parse(later.as_bytes()).is_some());
}

#[test]
fn a_trace_goes_on_with_our_own_place_in_it() {
    let mut headers = map(&[&format!("traceparent: {VALID}"), "tracestate: a=1"]);
    let ours = continue_or_begin(&mut headers, [7; 24]);
    assert_eq!(
        lines(&headers),
        [
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-0707070707070707-01",
            "tracestate: a=1"
        ]
    );
    assert_eq!(ours.parent_id, [7; 8]);
}

#[test]
fn anything_else_begins_a_trace() {
    let begun = format!("traceparent: 00-{}-{}-00", "07".repeat(16), "07".repeat(8));
    let twice = format!("traceparent: {VALID}");
    let cases: [&[&str]; 3] = [
        &[],
        &["traceparent: nonsense", "tracestate: a=1"],
        &[&twice, &twice, "tracestate: a=1"],
    ];
    for case in cases {
        let mut headers = map(case);
        continue_or_begin(&mut headers, [7; 24]);
        assert_eq!(lines(&headers), [begun.as_str()]);
    }
    let zero = TraceParent::begin([0; 24]);
    assert_eq!(TraceParent::parse(zero.to_header().as_bytes()), Some(zero));
}

#[test]
fn an_overlong_state_is_dropped() {
    let state = format!("tracestate: {}", "a=1,".repeat(1025));
    let mut headers = map(&[&format!("traceparent: {VALID}"), &state]);
    continue_or_begin(&mut headers, [7; 24]);
    assert!(!headers.contains_key("tracestate"));
}
