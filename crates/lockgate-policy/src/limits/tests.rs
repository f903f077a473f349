#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::only::Only;

const NOW_MS: u64 = 1_800_000_000_000;

fn config(by: &[By]) -> Config {
    Config {
        name: "few".to_owned(),
        scope: "apis/shop".to_owned(),
        count: Count::Requests,
        by: by.to_vec(),
        allow: 100,
        per_ms: 1_000,
        burst: 200,
        ipv4_prefix: 32,
        ipv6_prefix: 64,
        exempt: Vec::new(),
        only: Only::default(),
        tell: Tell::Always,
        legacy: false,
        penalty: None,
    }
}

fn compiled(config: &Config) -> Limits {
    Limits::new(&[(config, Span::default())], Seed::known(1, 2)).unwrap()
}

fn ann() -> Identity {
    Identity {
        proved_by: "jwt",
        credential: "login/ann".into(),
        owner: "ann".into(),
        app: Some("till".into()),
        claims: json!({"tenant": "blue", "level": 3, "none": null})
            .as_object()
            .map(|claims| Arc::new(claims.clone())),
    }
}

/// The counter that a request of this caller's is counted in.
fn counter(
    by: &[By],
    identity: Option<&Identity>,
    address: &str,
    operation: Option<&str>,
) -> CounterKey {
    counter_of(by, identity, address, operation, &[])
}

fn counter_of(
    by: &[By],
    identity: Option<&Identity>,
    address: &str,
    operation: Option<&str>,
    said: &[(&'static str, &'static str)],
) -> CounterKey {
    let mut headers = HeaderMap::new();
    for (name, value) in said {
        headers.append(*name, value.parse().unwrap());
    }
    let view = RequestView {
        method: &Method::GET,
        host: "a.example",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation,
        readings: &[],
    };
    let asked = Asked {
        view: &view,
        route: "/orders/{id}",
        address: address.parse().unwrap(),
        proxy: false,
        identity,
        shadow: false,
        now_ms: NOW_MS,
    };
    match compiled(&config(by)).decide(&asked, &[], &Answers::None) {
        Ok(Verdict::Need(Need::Take(take))) => take.charges[0].key,
        other => panic!("{other:?}"),
    }
}

fn claim(name: &str) -> By {
    By::Claim(name.to_owned())
}

#[test]
fn each_thing_to_count_by_has_a_counter_of_its_own() {
    let ann = ann();
    let of = |by: By| counter(&[by], Some(&ann), "203.0.113.9", Some("getOrder"));
    let keys = [
        of(By::Address),
        of(By::Client),
        of(By::App),
        of(By::Route),
        of(By::Operation),
        of(By::Api),
        of(claim("tenant")),
        of(claim("level")),
    ];
    for (place, key) in keys.iter().enumerate() {
        assert!(!keys[..place].contains(key), "{place}");
    }
}

#[test]
fn what_is_not_there_counts_the_client_and_then_the_address() {
    let (ann, nobody) = (ann(), None);
    let of = |by: By, who| counter(&[by], who, "203.0.113.9", None);
    for by in [
        claim("elsewhere"),
        claim("none"),
        By::Header("x-tenant".into()),
    ] {
        assert_eq!(of(by, Some(&ann)), of(By::Client, Some(&ann)));
    }
    for by in [By::Client, By::App, claim("tenant")] {
        assert_eq!(of(by, nobody), of(By::Address, nobody));
    }
    assert_eq!(of(By::Operation, nobody), of(By::Route, nobody));
}

#[test]
fn what_one_header_says_is_not_said_by_the_next() {
    let by = [By::Header("x-a".into()), By::Header("x-b".into())];
    let of = |said: &[_]| counter_of(&by, None, "203.0.113.9", None, said);
    let keys = [
        of(&[("x-a", "1"), ("x-a", "2"), ("x-b", "3")]),
        of(&[("x-a", "1"), ("x-b", "2"), ("x-b", "3")]),
        of(&[("x-a", "1"), ("x-b", "23")]),
        of(&[("x-a", "12"), ("x-b", "3")]),
        of(&[("x-a", "1")]),
        of(&[("x-b", "1")]),
    ];
    for (place, key) in keys.iter().enumerate() {
        assert!(!keys[..place].contains(key), "{place}");
    }
}

#[test]
fn an_app_s_name_is_no_client_s() {
    let mut till = ann();
    till.credential = "till".into();
    let app = counter(&[By::App], Some(&ann()), "203.0.113.9", None);
    assert_ne!(
        app,
        counter(&[By::Client], Some(&till), "203.0.113.9", None)
    );
}

#[test]
fn observed_and_enforced_counters_are_apart_and_so_are_scopes_and_names() {
    let key = |change: &dyn Fn(&mut Config), shadow: bool| {
        let mut config = config(&[By::Address]);
        change(&mut config);
        let headers = HeaderMap::new();
        let view = RequestView {
            method: &Method::GET,
            host: "",
            path: "/",
            query: None,
            headers: &headers,
            content_length: None,
            api: "shop",
            operation: None,
            readings: &[],
        };
        let asked = Asked {
            view: &view,
            route: "/*",
            address: IpAddr::from([127, 0, 0, 1]),
            proxy: false,
            identity: None,
            shadow,
            now_ms: NOW_MS,
        };
        match compiled(&config).decide(&asked, &[], &Answers::None) {
            Ok(Verdict::Need(Need::Take(take))) => take.charges[0].key,
            other => panic!("{other:?}"),
        }
    };
    let keys = [
        key(&|_| {}, false),
        key(&|_| {}, true),
        key(&|config| config.scope = "defaults".into(), false),
        key(&|config| config.name = "more".into(), false),
        // The border between the two is no part of either.
        key(
            &|config| (config.scope, config.name) = ("apis/shopf".into(), "ew".into()),
            false,
        ),
    ];
    for (place, key) in keys.iter().enumerate() {
        assert!(!keys[..place].contains(key), "{place}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_here_too() {
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = config(&[By::Client]);
        change(&mut config);
        let limits = Limits::new(&[(&config, Span::default())], Seed::known(1, 2));
        limits.err().map(|(_, error)| error.pointer)
    };
    assert_eq!(refused(&|_| {}), None);
    type Change<'a> = &'a dyn Fn(&mut Config);
    let wrong: [(Change<'_>, &str); 9] = [
        (&|config| config.allow = 0, "/allow"),
        (&|config| config.per_ms = 0, "/allow"),
        (&|config| config.allow = 1_000_001, "/allow"),
        (&|config| config.burst = 0, "/burst"),
        (&|config| config.burst = u64::MAX, "/burst"),
        (&|config| config.ipv4_prefix = 0, "/ipv4_prefix"),
        (&|config| config.by.clear(), "/by"),
        (
            &|config| config.by = vec![By::Header("a b".into())],
            "/by/0",
        ),
        (&|config| config.name = "a\"b".into(), "/name"),
    ];
    for (change, pointer) in wrong {
        assert_eq!(refused(change).as_deref(), Some(pointer));
    }
}

#[test]
fn retry_after_is_spread_and_never_early() {
    let waits: Vec<u64> = (0..1_000)
        .map(|caller| told::retry_after(CounterKey(caller), 40 * SECOND_NS - 1, NOW_MS * 1_000_000))
        .collect();
    assert!(waits.iter().all(|wait| (40..=51).contains(wait)));
    for wait in 40..=51 {
        assert!(
            waits.iter().filter(|each| **each == wait).count() > 40,
            "{wait}"
        );
    }
    let soon = (0..100).map(|caller| told::retry_after(CounterKey(caller), 1, caller));
    assert!(soon.clone().all(|wait| (1..=2).contains(&wait)) && soon.clone().any(|wait| wait == 2));
    // Until midnight is until midnight, and not hours past it.
    let day =
        (0..1_000).map(|caller| told::retry_after(CounterKey(caller), 86_400 * SECOND_NS, caller));
    assert!(day.clone().all(|wait| (86_400..=86_700).contains(&wait)));
    assert!(day.clone().max() > Some(86_600));
}

#[test]
fn a_wrong_answer_is_an_error_and_no_verdict() {
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::GET,
        host: "",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let asked = Asked {
        view: &view,
        route: "/*",
        address: IpAddr::from([127, 0, 0, 1]),
        proxy: false,
        identity: None,
        shadow: false,
        now_ms: NOW_MS,
    };
    let limits = compiled(&config(&[By::Address]));
    assert!(limits.decide(&asked, &[], &Answers::Stale).is_err());
}

proptest! {
    /// The standard library's hasher is SipHash-1-3 with keys of nought.
    #[test]
    fn the_hash_is_siphash(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
        let (mut ours, mut theirs) = (Seed::known(0, 0).begin(), DefaultHasher::new());
        for piece in &pieces {
            ours.part(piece);
            theirs.write(&(piece.len() as u64).to_le_bytes());
            theirs.write(piece);
        }
        prop_assert_eq!(ours.end().0, theirs.finish());
    }

    #[test]
    fn penalties_double_up_to_the_longest(failures in prop::collection::vec(0_u64..20_000, 1..100)) {
        let strike = Strike {
            key: CounterKey(1),
            quota: Quota::new(1, 86_400 * SECOND_NS, 1).unwrap(),
            first_ns: SECOND_NS,
            longest_ns: 8 * SECOND_NS,
        };
        let (mut record, mut now_ms, mut last_ns) = (Record::default(), NOW_MS, 0);
        for later in failures {
            now_ms += later;
            let now_ns = now_ms * 1_000_000;
            let (until_ns, forgotten) = (record.until_ns, record.forget_ns <= now_ns);
            if strike.hit(&mut record, now_ns) {
                prop_assert!(until_ns <= now_ns, "a penalty does not grow while it lasts");
                let wait_ns = record.until_ns - now_ns;
                let wanted = if forgotten { SECOND_NS } else { (last_ns * 2).min(8 * SECOND_NS) };
                prop_assert_eq!(wait_ns, wanted);
                last_ns = wait_ns;
            }
            prop_assert!(!record.is_idle(now_ns));
        }
    }
}
