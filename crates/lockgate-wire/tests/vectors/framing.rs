//! Every case of `tests/vectors/framing.yaml`, fed at once and byte by byte.

use std::collections::BTreeSet;

use crate::support::{feed_answer, feed_request, vectors, After, Case, Outcome};
use lockgate_wire::framing::{reasons, upstream_reasons, Phase};

fn check(case: &Case, outcome: &Outcome) {
    let expected = match case.expect.as_str() {
        "accept" => Ok(match case.after {
            After::Idle => Phase::Idle,
            After::Head => Phase::Head,
            After::Body => Phase::Body,
        }),
        code => Err(code),
    };
    assert_eq!(outcome.verdict, expected, "{}", case.name);
    if expected.is_ok_and(|phase| phase != Phase::Head) {
        assert_eq!(
            outcome.released,
            case.bytes(),
            "{}: all of it must pass",
            case.name
        );
    }
}

#[test]
fn every_case_gets_its_verdict() {
    let vectors = vectors();
    for case in &vectors.requests {
        check(case, &feed_request([case.bytes().as_slice()]));
        check(case, &feed_request(case.bytes().chunks(1)));
    }
    for case in &vectors.answers {
        check(case, &feed_answer([case.bytes().as_slice()]));
        check(case, &feed_answer(case.bytes().chunks(1)));
    }
}

/// Given by the caller's clock or by the end of a connection, not by bytes.
const WITHOUT_BYTES: &[&str] = &[
    "client-closed-early",
    "head-too-slow",
    "body-too-slow",
    "upstream-closed-early",
];

#[test]
fn every_reason_has_a_case() {
    let vectors = vectors();
    let covered: BTreeSet<&str> = vectors
        .requests
        .iter()
        .chain(&vectors.answers)
        .map(|case| case.expect.as_str())
        .filter(|expect| *expect != "accept")
        .chain(WITHOUT_BYTES.iter().copied())
        .collect();
    let declared: BTreeSet<&str> = reasons::REASONS
        .iter()
        .chain(upstream_reasons::REASONS)
        .map(|reason| reason.code)
        .collect();
    assert_eq!(covered, declared);
}
