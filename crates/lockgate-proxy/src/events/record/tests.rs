//! The borrowed form and the owned one are the same event.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::super::cbor;
use super::super::schema::{Body, Class, Device, Event, Exchange, Found, Inspected, Span, Verdict};
use super::*;

const NODE: &str = "gate-1";

fn full<'a>(verdicts: &'a [VerdictRecord<'a>]) -> AccessRecord<'a> {
    AccessRecord {
        at_ms: 1_763_835_900_123,
        id: "01JD9ZK3T2WQX8V5N7R4M6P0AB",
        method: "GET",
        host: "shop.example.com",
        path: "/products/1234/reviews",
        listener: "public",
        api: Some("shop"),
        route: Some("/products/{id}/reviews"),
        peer: IpAddr::from([203, 0, 113, 7]),
        key: Some("key_7f3k9x2m4q"),
        identity: Some("mobile-app"),
        secret: None,
        country: Some("DE"),
        network: Some(64500),
        status: 403,
        reason: Some("address-denied"),
        room: Some("ip_filter"),
        span: Some(SpanRecord {
            file: "apis/shop.yaml",
            line: 12,
            column: 5,
        }),
        verdicts,
        bytes_in: 23,
        bytes_out: 1832,
        took_us: 2150,
        upstream_us: Some(1890),
        upstream: Some("shop"),
        target: Some("http://127.0.0.1:9000"),
        bundle: "8f2a61c09be4d713",
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        worker: 300,
        version: Some("v2"),
        own: Some("tenant-missing"),
        operation: Some("listReviews"),
        user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64; rv:132.0)"),
        protocol: Some("h2"),
        tls: Some("1.3"),
        ja4: Some("t13d1516h2_8daaf6152771_e5627efa2ab1"),
        http2: Some("1:65536;4:131072|12517377|0|m,a,s,p"),
        header_order: Some("20s06_0123456789ab"),
        waf: None,
        device: None,
        app: None,
        grounds: &[],
        dropped: Some("/role"),
        noted: None,
        ended: None,
        risk: None,
    }
}

const VERDICTS: &[VerdictRecord<'_>] = &[
    VerdictRecord {
        policy: "ip_filter",
        outcome: Outcome::ObserveDeny,
        reason: Some("address-denied"),
    },
    VerdictRecord {
        policy: "api_key",
        outcome: Outcome::Identify,
        reason: None,
    },
];

fn bare() -> AccessRecord<'static> {
    AccessRecord {
        at_ms: 0,
        id: "r",
        method: "",
        host: "",
        path: "",
        listener: "",
        api: None,
        route: None,
        peer: IpAddr::V6(Ipv6Addr::LOCALHOST),
        key: None,
        identity: None,
        secret: None,
        country: None,
        network: None,
        status: 0,
        reason: None,
        room: None,
        span: None,
        verdicts: &[],
        bytes_in: 0,
        bytes_out: 0,
        took_us: 0,
        upstream_us: None,
        upstream: None,
        target: None,
        bundle: "",
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
        waf: None,
        device: None,
        app: None,
        grounds: &[],
        dropped: None,
        noted: None,
        ended: None,
        risk: None,
    }
}

fn some(all: &[String]) -> Option<Vec<String>> {
    (!all.is_empty()).then(|| all.to_vec())
}

/// The same, owned, field by field: a field that one side forgets shows here.
fn owned(record: &AccessRecord<'_>) -> Event {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let exchange = Exchange {
        method: record.method.to_owned(),
        host: record.host.to_owned(),
        path: record.path.to_owned(),
        listener: record.listener.to_owned(),
        api: text(record.api),
        route: text(record.route),
        version: text(record.version),
        operation: text(record.operation),
        own: text(record.own),
        peer: record.peer,
        key: text(record.key),
        identity: text(record.identity),
        secret: text(record.secret),
        ended: text(record.ended),
        risk: record.risk,
        country: text(record.country),
        network: record.network,
        status: record.status,
        reason: text(record.reason),
        room: text(record.room),
        span: record.span.map(|span| Span {
            file: span.file.to_owned(),
            line: span.line,
            column: span.column,
        }),
        verdicts: record
            .verdicts
            .iter()
            .map(|verdict| Verdict {
                policy: verdict.policy.to_owned(),
                outcome: verdict.outcome,
                reason: text(verdict.reason),
            })
            .collect(),
        bytes_in: record.bytes_in,
        bytes_out: record.bytes_out,
        took_us: record.took_us,
        upstream_us: record.upstream_us,
        upstream: text(record.upstream),
        target: text(record.target),
        bundle: record.bundle.to_owned(),
        trace: text(record.trace),
        worker: record.worker,
        protocol: text(record.protocol),
        tls: text(record.tls),
        ja4: text(record.ja4),
        http2: text(record.http2),
        header_order: text(record.header_order),
        device: record.device.map(|device| Device {
            id: device.id.to_owned(),
            signals: device.signals.iter().map(|one| (*one).to_owned()).collect(),
        }),
        app: record.app.map(str::to_owned),
        dropped: text(record.dropped),
        noted_own: record.noted.and_then(|noted| some(&noted.own)),
        noted_partly: record.noted.and_then(|noted| some(&noted.partly)),
        noted_empty: record.noted.and_then(|noted| some(&noted.empty)),
        looked: record.noted.map(|noted| looked(noted).to_owned()),
        grounds: (!record.grounds.is_empty()).then(|| {
            let all = record
                .grounds
                .iter()
                .flat_map(|(_, grounds)| grounds.iter());
            all.map(ToString::to_string).collect()
        }),
        waf: record.waf.map(|waf| Inspected {
            score: waf.score,
            threshold: waf.threshold,
            found: waf.found.iter().map(found).collect(),
            by: waf.by.unwrap_or_default().to_owned(),
            left_out: waf.left_out,
        }),
        user_agent: record
            .user_agent
            .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()),
    };
    Event {
        v: EVENT_VERSION,
        at_ms: record.at_ms,
        id: record.id.to_owned(),
        node: NODE.to_owned(),
        body: Body::Security(Box::new(exchange)),
    }
}

fn decoded(record: &AccessRecord<'_>) -> Exchange {
    let mut payload = Vec::new();
    record.encode(&mut payload);
    assert!(
        payload.len() <= record.size_bound(),
        "{} > {}",
        payload.len(),
        record.size_bound()
    );
    match cbor::decode(Class::Security, &payload, NODE).unwrap().body {
        Body::Security(exchange) => *exchange,
        body => panic!("{body:?}"),
    }
}

#[test]
fn the_hand_written_form_reads_as_the_derived_one() {
    let many = |text: &str| vec![text.repeat(MAX_TOLD_BYTES / text.len()); MAX_TOLD];
    let noted = Noted {
        own: many("path:id "),
        partly: many("response:/*/by "),
        empty: many("response:/* "),
        answer: true,
    };
    decoded(&AccessRecord {
        noted: Some(&noted),
        ..bare()
    });
    for record in [
        full(VERDICTS),
        bare(),
        AccessRecord {
            at_ms: u64::MAX,
            ..full(VERDICTS)
        },
        AccessRecord {
            noted: Some(&Noted::default()),
            ..bare()
        },
        AccessRecord {
            noted: Some(&noted),
            ..bare()
        },
    ] {
        let mut payload = Vec::new();
        record.encode(&mut payload);
        let event = cbor::decode(Class::Security, &payload, NODE).unwrap();
        assert_eq!(event, owned(&record));

        let mut derived = Vec::new();
        cbor::encode(&event, &mut derived).unwrap();
        assert_eq!(cbor::decode(Class::Security, &derived, "").unwrap(), event);
    }
}

#[test]
fn a_typical_event_keeps_within_its_budget() {
    let verdicts = [
        VerdictRecord {
            policy: "ip_filter",
            outcome: Outcome::Allow,
            reason: None,
        },
        VerdictRecord {
            policy: "api_key",
            outcome: Outcome::Identify,
            reason: None,
        },
        VerdictRecord {
            policy: "body_limit",
            outcome: Outcome::Allow,
            reason: None,
        },
    ];
    let record = AccessRecord {
        reason: None,
        room: None,
        span: None,
        worker: 1,
        bytes_in: 0,
        // Of an API without a document: what is not used costs nothing.
        version: None,
        own: None,
        operation: None,
        // And so of a gate without databases.
        country: None,
        network: None,
        // Named where an API has more than one.
        upstream: None,
        protocol: None,
        tls: None,
        ja4: None,
        http2: None,
        header_order: None,
        waf: None,
        device: None,
        app: None,
        grounds: &[],
        dropped: None,
        noted: None,
        ended: None,
        risk: None,
        ..full(&verdicts)
    };
    let size = |record: AccessRecord<'_>| {
        let mut payload = Vec::new();
        record.encode(&mut payload);
        payload.len() + super::super::frame::HEADER_BYTES
    };
    let most = size(record);
    assert!(most <= 350, "{most} bytes");
    let all = full(&[]);
    let seen = AccessRecord {
        protocol: all.protocol,
        tls: all.tls,
        ja4: all.ja4,
        http2: all.http2,
        ..record
    };
    // What a browser's TLS and HTTP/2 tell of it.
    assert!(size(seen) <= most + 100, "{} bytes", size(seen));
    let asked = AccessRecord {
        header_order: all.header_order,
        ..record
    };
    assert!(size(asked) <= most + 24, "{} bytes", size(asked));
}

#[test]
fn long_texts_are_cut_at_a_character_and_marked() {
    let path = "/é".repeat(PATH_MAX);
    let host = "a".repeat(TEXT_MAX + 1);
    let exchange = decoded(&AccessRecord {
        path: &path,
        host: &host,
        ..bare()
    });
    assert!(exchange.path.len() <= PATH_MAX && exchange.path.len() > PATH_MAX - 4);
    assert!(exchange.path.ends_with('…') && path.starts_with(exchange.path.trim_end_matches('…')));
    assert_eq!(exchange.host, format!("{}…", "a".repeat(TEXT_MAX - 3)));

    let exact = "b".repeat(TEXT_MAX);
    assert_eq!(
        decoded(&AccessRecord {
            host: &exact,
            ..bare()
        })
        .host,
        exact
    );
}

#[test]
fn nothing_that_a_stranger_sends_is_larger_than_a_record_may_be() {
    let long = "x".repeat(100_000);
    let many = vec![
        VerdictRecord {
            policy: &long,
            outcome: Outcome::Deny,
            reason: Some(&long)
        };
        1000
    ];
    let text = Some(long.as_str());
    let record = AccessRecord {
        id: &long,
        method: &long,
        host: &long,
        path: &long,
        listener: &long,
        api: text,
        route: text,
        key: text,
        identity: text,
        secret: text,
        country: text,
        network: Some(u32::MAX),
        reason: text,
        room: text,
        span: Some(SpanRecord {
            file: &long,
            line: u32::MAX,
            column: u32::MAX,
        }),
        upstream: text,
        target: text,
        bundle: &long,
        trace: text,
        user_agent: Some(long.as_bytes()),
        ..full(&many)
    };
    let exchange = decoded(&record);
    assert_eq!(exchange.verdicts.len(), VERDICTS_MAX);
    assert_eq!(record.size_bound(), RECORD_MAX);
}

#[test]
fn bytes_that_are_no_text_read_as_question_marks() {
    let exchange = decoded(&AccessRecord {
        user_agent: Some(b"a\x1b[31m\xff~ z\x7f\n"),
        ..bare()
    });
    assert_eq!(exchange.user_agent.as_deref(), Some("a?[31m?~ z??"));
}

#[test]
fn the_bound_holds_for_numbers_of_any_size() {
    let record = AccessRecord {
        at_ms: u64::MAX,
        status: u16::MAX,
        bytes_in: u64::MAX,
        bytes_out: u64::MAX,
        took_us: u64::MAX,
        upstream_us: Some(u64::MAX),
        worker: u16::MAX,
        ..full(VERDICTS)
    };
    assert_eq!(decoded(&record).took_us, u64::MAX);
}

fn found(finding: &Finding) -> Found {
    Found {
        rule: finding.rule.clone(),
        at: finding.at.clone(),
        message: finding.message.clone(),
        masked: finding.masked.clone(),
        score: finding.score,
        places: finding.places.clone(),
        level: finding.level,
        counts: finding.counts.into(),
        overruled: finding.overruled.into(),
    }
}

#[test]
fn what_was_found_reads_as_it_was_written() {
    let finding = |rule: &str| Finding {
        rule: rule.into(),
        at: "ARGS:q".into(),
        message: "SQL Injection Attack Detected".into(),
        masked: "' aa 0=0--".into(),
        score: 5,
        places: vec!["query/q".into(), "body/note".into()],
        level: 1,
        counts: true,
        overruled: true,
    };
    let findings = [finding("942100"), finding("sql-injection")];
    let record = AccessRecord {
        waf: Some(InspectedRecord {
            score: 10,
            threshold: 5,
            found: &findings,
            by: Some("949110"),
            left_out: 2,
        }),
        ..full(&[])
    };
    let told = decoded(&record).waf.unwrap();
    assert_eq!((told.score, told.threshold), (10, 5));
    assert_eq!((&*told.by, told.left_out), ("949110", 2));
    assert_eq!(told.found, findings.iter().map(found).collect::<Vec<_>>());
}

#[test]
fn what_entitled_the_caller_comes_back_and_is_bounded() {
    let scope = |number: usize| Arc::from(format!("scope s{number}"));
    let grounds = [
        (3, Grounds::from_iter((0..40).map(scope))),
        (4, Grounds::from([Arc::from("role support")])),
    ];
    let record = AccessRecord {
        app: Some("crm"),
        grounds: &grounds[1..],
        ..full(&[])
    };
    let told = decoded(&record);
    assert_eq!(told.app.as_deref(), Some("crm"));
    assert_eq!(told.grounds.unwrap(), ["role support"]);
    let record = AccessRecord {
        grounds: &grounds,
        ..full(&[])
    };
    let told = decoded(&record).grounds.unwrap();
    assert_eq!(told.len(), GROUNDS_MAX);
    assert_eq!(told[15], "scope s15");
}

#[test]
fn a_device_and_what_speaks_against_it_come_back() {
    let record = AccessRecord {
        device: Some(DeviceRecord {
            id: "dev_1",
            signals: &["new", "travel"],
        }),
        ..full(&[])
    };
    let told = decoded(&record).device.unwrap();
    assert_eq!(told.id, "dev_1");
    assert_eq!(told.signals, ["new", "travel"]);
}

#[test]
fn of_very_much_that_was_found_some_is_kept() {
    let finding = Finding {
        rule: "r".repeat(FOUND_TEXT_MAX + 9),
        at: "é".repeat(TEXT_MAX),
        message: "m".repeat(TEXT_MAX + 9),
        masked: "a".repeat(FOUND_TEXT_MAX + 9),
        score: u32::MAX,
        places: vec!["p".repeat(TEXT_MAX); PLACES_MAX + 3],
        level: u8::MAX,
        counts: true,
        overruled: true,
    };
    let findings = vec![finding; FOUND_MAX + 5];
    let record = AccessRecord {
        waf: Some(InspectedRecord {
            score: u32::MAX,
            threshold: u32::MAX,
            found: &findings,
            by: Some(&"9".repeat(FOUND_TEXT_MAX + 9)),
            left_out: u32::MAX,
        }),
        ..full(&[])
    };
    let mut payload = Vec::new();
    record.encode(&mut payload);
    assert!(payload.len() <= RECORD_MAX);
    assert_eq!(decoded(&record).waf.unwrap().found.len(), FOUND_MAX);
}
