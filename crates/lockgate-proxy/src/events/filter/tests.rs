//! A filter on bytes says what one on decoded events would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use serde_json::json;

use super::super::testing::record;
use super::super::{cbor, frame, AccessRecord, Audit, Body, Event};
use super::*;

fn access(record: &AccessRecord<'_>) -> Vec<u8> {
    framed(Class::Access, |out| record.encode(out))
}

fn framed(class: Class, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    frame::append(&mut out, class as u8, |out| {
        fill(out);
        Ok::<(), ()>(())
    })
    .unwrap();
    out
}

fn audit(at_ms: u64) -> Vec<u8> {
    let event = Event {
        at_ms,
        ..Event::new(Body::Audit(Audit::default()))
    };
    framed(Class::Audit, |out| cbor::encode(&event, out).unwrap())
}

fn wants(filter: serde_json::Value, bytes: &[u8]) -> bool {
    serde_json::from_value::<Filter>(filter)
        .unwrap()
        .wants(&Frame::of(bytes))
}

#[test]
fn each_field_lets_through_and_leaves_out() {
    let bytes = access(&AccessRecord {
        at_ms: 1000,
        api: Some("shop"),
        status: 404,
        reason: Some("no-route"),
        key: Some("key_1"),
        app: Some("crm"),
        ..record("r")
    });
    let through = [
        json!({}),
        json!({"classes": ["access", "system"]}),
        json!({"api": "shop"}),
        json!({"reason": "no-route"}),
        json!({"key": "key_1"}),
        json!({"app": "crm"}),
        json!({"app": "crm", "reason": "no-route"}),
        json!({"status_min": 404}),
        json!({"status_max": 404}),
        json!({"status_min": 400, "status_max": 499}),
        json!({"since_ms": 1000}),
        json!({"until_ms": 1000}),
        json!({"classes": ["access"], "api": "shop", "reason": "no-route", "key": "key_1",
               "status_min": 400, "status_max": 499, "since_ms": 1, "until_ms": 2000}),
    ];
    for filter in through {
        assert!(wants(filter.clone(), &bytes), "{filter}");
    }
    let out = [
        json!({"classes": ["security"]}),
        json!({"api": "other"}),
        json!({"reason": "other"}),
        json!({"key": "other"}),
        json!({"app": "other"}),
        json!({"app": "crm", "reason": "other"}),
        json!({"status_min": 405}),
        json!({"status_max": 403}),
        json!({"since_ms": 1001}),
        json!({"until_ms": 999}),
        json!({"api": "shop", "reason": "other"}),
    ];
    for filter in out {
        assert!(!wants(filter.clone(), &bytes), "{filter}");
    }
}

#[test]
fn an_absent_field_is_no_match() {
    let bytes = access(&AccessRecord {
        api: None,
        key: None,
        app: None,
        reason: None,
        ..record("r")
    });
    for field in ["api", "key", "app", "reason"] {
        assert!(!wants(json!({field: ""}), &bytes), "{field}");
    }
}

#[test]
fn a_field_of_requests_leaves_out_what_is_none() {
    let bytes = audit(5);
    assert!(wants(
        json!({"classes": ["audit"], "since_ms": 5, "until_ms": 5}),
        &bytes
    ));
    assert!(!wants(json!({"since_ms": 6}), &bytes));
    for filter in [json!({"api": "shop"}), json!({"status_min": 0})] {
        assert!(!wants(filter.clone(), &bytes), "{filter}");
    }
}

#[test]
fn the_derived_form_and_nulls_are_understood() {
    let bytes = access(&AccessRecord {
        status: 201,
        reason: None,
        ..record("r")
    });
    let event = cbor::decode(Class::Access, Frame::of(&bytes).payload(), "").unwrap();
    let derived = framed(Class::Access, |out| cbor::encode(&event, out).unwrap());
    assert!(wants(
        json!({"api": "shop", "key": "key_1", "status_min": 201}),
        &derived
    ));

    let null = framed(Class::Access, |out| {
        minicbor::Encoder::new(out)
            .map(1)
            .and_then(|e| e.u8(key::EXCHANGE)?.map(1)?.u8(10)?.null())
            .unwrap();
    });
    assert!(!wants(json!({"reason": "x"}), &null));
}

#[test]
fn what_is_no_event_is_not_wanted() {
    for payload in [&b""[..], b"\xff\xff", b"text", &[0xA1, 4, 0xBF]] {
        let bytes = framed(Class::Access, |out| out.extend_from_slice(payload));
        assert!(!wants(json!({"api": "shop"}), &bytes), "{payload:?}");
    }
}

#[test]
fn a_misspelt_field_is_refused() {
    assert!(serde_json::from_value::<Filter>(json!({"apis": "shop"})).is_err());
}
