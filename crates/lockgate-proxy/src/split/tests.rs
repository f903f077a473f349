#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::Ipv4Addr;

use http::HeaderValue;
use lockgate_policy::conditions::{Config as Condition, Part, Test};

use super::*;
use crate::bundle::Share as ShareConfig;

const NAMES: [&str; 3] = ["stable", "canary", "third"];

fn share(upstream: &str, weight: u32) -> ShareConfig {
    ShareConfig {
        upstream: upstream.to_owned(),
        weight,
        when: Vec::new(),
    }
}

fn made(to: Vec<ShareConfig>, by: SplitBy) -> Result<Split, ConfigError> {
    Split::new(&Config { to, by }, |name| {
        NAMES.iter().position(|known| *known == name)
    })
}

fn split(weights: &[u32], by: SplitBy) -> Split {
    let to = NAMES
        .iter()
        .zip(weights)
        .map(|(name, weight)| share(name, *weight));
    made(to.collect(), by).unwrap()
}

fn chosen(split: &Split, request: &str, client: [u8; 4]) -> usize {
    let from = Chooser {
        headers: &HeaderMap::new(),
        query: None,
        identity: None,
        client: Ipv4Addr::from(client).into(),
        request,
    };
    let (upstream, by) = split.choose(&from);
    assert_eq!(by, ChosenBy::Weight);
    upstream
}

#[test]
fn weights_are_kept() {
    let split = split(&[90, 9, 1], SplitBy::Request {});
    let mut counts = [0_i32; 3];
    for number in 0..100_000 {
        counts[chosen(&split, &format!("01M{number:023}"), [127, 0, 0, 1])] += 1;
    }
    for (count, wanted) in counts.iter().zip([90_000, 9_000, 1_000]) {
        assert!((count - wanted).abs() < 500, "{counts:?}");
    }
}

#[test]
fn nothing_goes_where_nothing_weighs() {
    let split = split(&[0, 1], SplitBy::Request {});
    assert!((0..1000).all(|n| chosen(&split, &n.to_string(), [127, 0, 0, 1]) == 1));
}

#[test]
fn an_address_stays_and_moves_only_to_what_grows() {
    let few = split(&[95, 5], SplitBy::Address {});
    let more = split(&[95, 20], SplitBy::Address {});
    let mut moved = 0;
    for number in 0..20_000_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        let client = [10, b, c, d];
        let before = chosen(&few, "one", client);
        assert_eq!(before, chosen(&few, "another", client));
        match (before, chosen(&more, "one", client)) {
            (0, 1) => moved += 1,
            (before, after) => assert_eq!(before, after),
        }
    }
    assert!(moved > 1000, "{moved}");
}

#[test]
fn the_files_order_decides_nothing() {
    let forth = made(
        vec![share("stable", 3), share("canary", 1)],
        SplitBy::Request {},
    )
    .unwrap();
    let back = made(
        vec![share("canary", 1), share("stable", 3)],
        SplitBy::Request {},
    )
    .unwrap();
    for number in 0..1000 {
        let request = number.to_string();
        assert_eq!(
            chosen(&forth, &request, [127, 0, 0, 1]),
            chosen(&back, &request, [127, 0, 0, 1])
        );
    }
}

#[test]
fn a_client_is_known_by_its_credential_a_header_or_a_cookie() {
    let identity = |credential: &str| Identity {
        proved_by: "api_key",
        credential: credential.into(),
        owner: "ann".into(),
        app: None,
        claims: None,
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-user", HeaderValue::from_static("ann"));
    headers.insert("cookie", HeaderValue::from_static("session=1"));
    let ann = identity("key_1");
    for by in [
        SplitBy::Client {},
        SplitBy::Header("X-User".to_owned()),
        SplitBy::Cookie("session".to_owned()),
    ] {
        let split = split(&[1, 1], by.clone());
        let ask = |identity: Option<&Identity>, headers: &HeaderMap, last: u8| {
            let from = Chooser {
                headers,
                query: None,
                identity,
                client: Ipv4Addr::new(10, 0, 0, last).into(),
                request: "",
            };
            split.choose(&from).0
        };
        // Whoever it is keeps the upstream, from whatever address.
        let first = ask(Some(&ann), &headers, 0);
        assert!(
            (1..100).all(|last| ask(Some(&ann), &headers, last) == first),
            "{by:?}"
        );
        // Nobody in particular goes by the address.
        let none = HeaderMap::new();
        let all: Vec<usize> = (0..100).map(|last| ask(None, &none, last)).collect();
        assert!(all.contains(&0) && all.contains(&1), "{by:?}");
    }
    let split = split(&[1, 1], SplitBy::Client {});
    let others: Vec<usize> = (0..100)
        .map(|number| {
            let identity = identity(&format!("key_{number}"));
            let from = Chooser {
                headers: &headers,
                query: None,
                identity: Some(&identity),
                client: Ipv4Addr::LOCALHOST.into(),
                request: "",
            };
            split.choose(&from).0
        })
        .collect();
    assert!(others.contains(&0) && others.contains(&1));
}

#[test]
fn what_a_request_carries_comes_before_weights() {
    let mut canary = share("canary", 0);
    canary.when = vec![Condition {
        part: Part::Header,
        name: "x-canary".to_owned(),
        test: Test::Exact("always".to_owned()),
    }];
    let split = made(vec![share("stable", 1), canary], SplitBy::Request {}).unwrap();
    let ask = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-canary", HeaderValue::from_static(value));
        }
        split.choose(&Chooser {
            headers: &headers,
            query: None,
            identity: None,
            client: Ipv4Addr::LOCALHOST.into(),
            request: "x",
        })
    };
    assert_eq!(ask(&["always"]), (1, ChosenBy::Condition));
    assert_eq!(ask(&["never"]), (0, ChosenBy::Weight));
    assert_eq!(ask(&[]), (0, ChosenBy::Weight));
    assert_eq!(ask(&["always", "never"]), (0, ChosenBy::Weight));
}

#[test]
fn shares_that_make_no_sense_are_refused() {
    let refused = |to| {
        let error = made(to, SplitBy::Request {}).unwrap_err();
        (error.code, error.pointer)
    };
    assert_eq!(refused(vec![]), ("split-size", "/to".to_owned()));
    let many = (0..=MAX_SHARES).map(|_| share("stable", 1)).collect();
    assert_eq!(refused(many), ("split-size", "/to".to_owned()));
    let nothing = vec![share("stable", 0), share("canary", 0)];
    assert_eq!(
        refused(nothing),
        ("weights-sum-to-nothing", "/to".to_owned())
    );
    let twice = vec![share("stable", 1), share("stable", 1)];
    assert_eq!(
        refused(twice),
        ("share-repeated", "/to/1/upstream".to_owned())
    );
    let absurd = vec![share("stable", MAX_WEIGHT + 1)];
    assert_eq!(
        refused(absurd),
        ("weight-too-large", "/to/0/weight".to_owned())
    );
    let unknown = vec![share("nowhere", 1)];
    assert_eq!(
        refused(unknown),
        ("no-upstream", "/to/0/upstream".to_owned())
    );
    let header = made(vec![share("stable", 1)], SplitBy::Header("a b".to_owned()));
    assert_eq!(header.unwrap_err().code, "not-a-header");
}
