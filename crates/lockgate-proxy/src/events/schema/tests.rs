//! The JSON form, and what other versions may bring.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use minicbor::Encoder;
use serde_json::json;

use super::super::{cbor, AccessRecord, VerdictRecord};
use super::*;

#[test]
fn the_json_form_is_flat_and_reads_back() {
    let event = Event {
        v: 1,
        at_ms: 5,
        id: "r1".to_owned(),
        node: "n".to_owned(),
        body: Body::Security(Box::new(Exchange {
            path: "/x".to_owned(),
            reason: Some("key-missing".to_owned()),
            verdicts: vec![Verdict {
                policy: "api_key".to_owned(),
                outcome: Outcome::ObserveDeny,
                reason: None,
            }],
            ..Exchange::default()
        })),
    };
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(json["class"], "security");
    assert_eq!(json["path"], "/x");
    assert_eq!(json["peer"], "0.0.0.0");
    assert_eq!(json["api"], json!(null));
    assert_eq!(
        json["verdicts"],
        json!([{"policy": "api_key", "outcome": "observe-deny", "reason": null}])
    );
    assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
}

#[test]
fn an_event_to_be_appended_may_leave_out_what_the_log_knows() {
    let event: Event =
        serde_json::from_value(json!({"class": "system", "code": "c", "message": "m"})).unwrap();
    assert_eq!(
        event,
        Event::system("c", "m".to_owned(), serde_json::Value::Null)
    );
    let wrong = json!({"class": "system", "code": "c"});
    assert!(
        serde_json::from_value::<Event>(wrong).is_err(),
        "a message is wanted"
    );
}

#[test]
fn every_class_reads_back_from_disk() {
    let bodies = [
        Body::Access(Box::default()),
        Body::Security(Box::default()),
        Body::Audit(Audit {
            actor: "admin".to_owned(),
            action: "key.create".to_owned(),
            object: "key_1".to_owned(),
            detail: json!({"apis": ["shop"]}),
            prev: "ab".repeat(32),
            hash: String::new(),
        }),
        Body::System(System {
            code: "c".to_owned(),
            message: "m".to_owned(),
            detail: serde_json::Value::Null,
        }),
    ];
    for (body, class) in bodies.into_iter().zip(Class::ALL) {
        assert_eq!(body.class(), class);
        let event = Event {
            id: "e".to_owned(),
            node: "n".to_owned(),
            ..Event::new(body)
        };
        let mut bytes = Vec::new();
        cbor::encode(&event, &mut bytes).unwrap();
        assert_eq!(cbor::decode(class, &bytes, "other").unwrap(), event);
        assert_eq!(cbor::id_of(&bytes), Some("e"));
    }
}

/// What version 2 might write: keys, an outcome and a verdict's item of its own.
#[test]
fn a_later_writer_is_read() {
    let verdicts = [VerdictRecord {
        policy: "p",
        outcome: Outcome::Allow,
        reason: None,
    }];
    let record = AccessRecord {
        at_ms: 7,
        id: "r1",
        method: "GET",
        host: "h",
        path: "/",
        listener: "public",
        api: None,
        route: None,
        peer: [1, 2, 3, 4].into(),
        key: None,
        identity: None,
        secret: None,
        status: 200,
        reason: None,
        room: None,
        span: None,
        verdicts: &verdicts,
        bytes_in: 0,
        bytes_out: 0,
        took_us: 0,
        upstream_us: None,
        upstream: None,
        target: None,
        bundle: "b",
        trace: None,
        worker: 0,
        version: None,
        own: None,
        operation: None,
        user_agent: None,
        protocol: None,
        tls: None,
        ja4: None,
        http2: None,
        header_order: None,
        country: None,
        network: None,
        waf: None,
        device: None,
        app: None,
        grounds: &[],
        dropped: None,
        noted: None,
        ended: None,
        risk: None,
    };
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    assert_eq!(bytes.pop(), Some(0xFF), "the end of the exchange's map");
    let mut e = Encoder::new(&mut bytes);
    e.u32(1000)
        .unwrap()
        .map(1)
        .unwrap()
        .str("deep")
        .unwrap()
        .array(0)
        .unwrap();
    e.u8(99).unwrap().str("new").unwrap().end().unwrap();
    e.u8(77)
        .unwrap()
        .array(2)
        .unwrap()
        .bool(true)
        .unwrap()
        .null()
        .unwrap();
    assert_eq!(bytes[0], 0xA4, "the envelope is a map of four");
    bytes[0] = 0xA5;
    let verdict = bytes
        .windows(4)
        .position(|part| part == [0x82, 0x61, b'p', 0])
        .unwrap();
    bytes.splice(
        verdict..verdict + 4,
        [0x84, 0x61, b'p', 0x18, 99, 0xF6, 0x61, b'n'],
    );

    let event = cbor::decode(Class::Access, &bytes, "n").unwrap();
    let Body::Access(exchange) = event.body else {
        panic!("{event:?}")
    };
    assert_eq!(
        (event.id.as_str(), exchange.status, exchange.bundle.as_str()),
        ("r1", 200, "b")
    );
    assert_eq!(exchange.verdicts[0].outcome, Outcome::Other);
}

#[test]
fn the_schema_names_every_field_that_an_event_has() {
    let schema = json_schema().to_string();
    let fields = [
        "v",
        "at_ms",
        "id",
        "node",
        "class",
        "method",
        "host",
        "path",
        "listener",
        "api",
        "route",
        "peer",
        "key",
        "identity",
        "status",
        "reason",
        "room",
        "span",
        "verdicts",
        "bytes_in",
        "bytes_out",
        "took_us",
        "upstream_us",
        "target",
        "bundle",
        "trace",
        "worker",
        "user_agent",
        "actor",
        "action",
        "object",
        "detail",
        "prev",
        "hash",
        "code",
        "message",
    ];
    for field in fields {
        assert!(schema.contains(&format!("\"{field}\":")), "{field}");
    }
    for class in Class::ALL {
        assert!(
            schema.contains(&format!("\"{}\"", class.as_str())),
            "{class:?}"
        );
    }
}
