#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const BOUNDS: Bounds = Bounds {
    objects: 20,
    steps: 10,
    percent: 50,
    of: 8,
    window_ms: 60_000,
    block_ms: 10_000,
};

fn policy() -> Enumeration {
    let config = Config {
        what: vec![Only::default()],
        query: Vec::new(),
        bounds: BOUNDS,
    };
    Enumeration::new(&config, Seed::known(1, 2)).unwrap()
}

fn who(credential: &str) -> Identity {
    Identity {
        proved_by: "jwt",
        credential: credential.into(),
        owner: "ann".into(),
        app: None,
        claims: json!({}).as_object().cloned().map(Arc::new),
    }
}

struct Ask<'a> {
    path: &'a str,
    operation: Option<&'a str>,
    captures: &'a [(Arc<str>, String)],
    identity: Option<&'a Identity>,
    address: &'a str,
    proxy: bool,
    shadow: bool,
}

const ASK: Ask<'static> = Ask {
    path: "/orders/7",
    operation: None,
    captures: &[],
    identity: None,
    address: "192.0.2.1",
    proxy: false,
    shadow: false,
};

fn sighting(ask: &Ask<'_>) -> Option<Sighting> {
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::GET,
        host: "a.example",
        path: ask.path,
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: ask.operation,
        readings: &[],
    };
    let asked = Asked {
        identity: ask.identity,
        captures: ask.captures,
        address: ask.address.parse().unwrap(),
        proxy: ask.proxy,
        shadow: ask.shadow,
        now_ms: 0,
    };
    match policy().decide(&view, &asked, &Answers::None).unwrap() {
        Verdict::Need(Need::Sight(one)) => Some(*one),
        Verdict::Allow(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn callers_are_told_apart() {
    let (ann, bob) = (who("company/ann"), who("company/bob"));
    let key = |ask: Ask<'_>| sighting(&ask).unwrap().key;
    let of = |identity, address| {
        key(Ask {
            identity,
            address,
            ..ASK
        })
    };
    assert_eq!(of(Some(&ann), "192.0.2.1"), of(Some(&ann), "198.51.100.7"));
    assert_ne!(of(Some(&ann), "192.0.2.1"), of(Some(&bob), "192.0.2.1"));
    assert_ne!(of(None, "192.0.2.1"), of(None, "192.0.2.2"));
    assert_ne!(of(None, "192.0.2.1"), of(Some(&ann), "192.0.2.1"));
    assert_eq!(of(None, "2001:db8::1"), of(None, "2001:db8::2"));
    assert_ne!(of(None, "2001:db8::1"), of(None, "2001:db8:0:1::1"));
    assert_ne!(
        key(Ask {
            shadow: true,
            ..ASK
        }),
        key(ASK)
    );
    assert_eq!(sighting(&Ask { proxy: true, ..ASK }), None);
    let behind = Ask {
        proxy: true,
        identity: Some(&ann),
        ..ASK
    };
    assert!(sighting(&behind).is_some());
}

#[test]
fn an_operations_names_name_the_object() {
    let captures = [
        ("user".into(), "ann".to_owned()),
        ("id".into(), "7".to_owned()),
    ];
    let of = |operation: &'static str, captures: &[(Arc<str>, String)]| {
        sighting(&Ask {
            operation: Some(operation),
            captures,
            ..ASK
        })
    };
    let one = of("getOrder", &captures).unwrap();
    assert_eq!(one.numbers[0].unwrap().1, 7);
    assert_ne!(one.object, of("deleteOrder", &captures).unwrap().object);
    assert_eq!(
        of("listOrders", &[]),
        None,
        "a digit in a path names nothing there"
    );
    assert_eq!(
        sighting(&Ask {
            path: "/orders",
            ..ASK
        }),
        None
    );
    let long = "/orders/1234567890123456789";
    assert_eq!(
        sighting(&Ask { path: long, ..ASK }).unwrap().numbers,
        [None; 2]
    );
    // No spelling hides a row.
    for path in ["/Orders/7", "/orders/7/", "/ORDERS/%37"] {
        let other = sighting(&Ask { path, ..ASK }).unwrap();
        assert_eq!(other.numbers, sighting(&ASK).unwrap().numbers, "{path}");
    }
}

#[test]
fn a_refusal_says_how_long_to_wait() {
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::GET,
        host: "a.example",
        path: "/orders/7",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let asked = Asked {
        identity: None,
        captures: &[],
        address: "192.0.2.1".parse().unwrap(),
        proxy: false,
        shadow: false,
        now_ms: 1_000,
    };
    let one = sighting(&ASK).unwrap();
    for (why, reason) in [
        (Unusual::Objects, &OBJECTS),
        (Unusual::Walking, &WALKING),
        (Unusual::Refused, &REFUSED),
    ] {
        let flag = Flag {
            why,
            until_ms: 5_000,
        };
        let answers = Answers::Sighted(one.into(), Some(flag));
        let Verdict::Deny(denial) = policy().decide(&view, &asked, &answers).unwrap() else {
            panic!("it is refused");
        };
        assert_eq!(denial.reason.code, reason.code);
        let wait = denial
            .headers
            .iter()
            .find(|(name, _)| name == "retry-after");
        let wait: u64 = wait.unwrap().1.to_str().unwrap().parse().unwrap();
        assert!((4..=9).contains(&wait), "{wait}");
    }
    assert!(policy().decide(&view, &asked, &Answers::Stale).is_err());
}

#[test]
fn bounds_that_bound_nothing_are_refused() {
    let code = |bounds: Bounds, names: usize| {
        let config = Config {
            what: vec![Only::default()],
            query: vec!["id".to_owned(); names],
            bounds,
        };
        Enumeration::new(&config, Seed::known(1, 2))
            .unwrap_err()
            .code
    };
    for bounds in [
        Bounds {
            objects: MAX_OBJECTS + 1,
            ..BOUNDS
        },
        Bounds {
            percent: 101,
            ..BOUNDS
        },
        Bounds {
            window_ms: 0,
            ..BOUNDS
        },
        Bounds {
            block_ms: 0,
            ..BOUNDS
        },
    ] {
        assert_eq!(code(bounds, 0), "not-a-bound");
    }
    assert_eq!(code(BOUNDS, MAX_NAMES + 1), "not-a-bound");
}

fn seen_at(number: u64, bounds: Bounds) -> Sighting {
    Sighting {
        key: CounterKey(1),
        chosen: false,
        object: number as u32,
        numbers: [Some((7, number)), None],
        bounds,
    }
}

#[test]
fn a_window_ends_with_all_that_was_seen() {
    let mut seen = Seen::default();
    for number in 0..10 {
        assert_eq!(seen.see(&seen_at(number, BOUNDS), true, 0), None);
    }
    assert_eq!(seen.see(&seen_at(10, BOUNDS), true, 60_000), None);
    assert_eq!(seen.objects(), 1);
    assert!(seen.is_idle(120_000) && !seen.is_idle(119_999));
}

#[test]
fn zero_is_never() {
    let none = Bounds {
        objects: 0,
        steps: 0,
        percent: 0,
        ..BOUNDS
    };
    let mut seen = Seen::default();
    for number in 0..100_000 {
        assert_eq!(seen.see(&seen_at(number, none), true, 0), None);
        assert!(!seen.refuse(none, 0));
    }
    assert_eq!(seen.objects(), 0);
}

#[test]
fn as_many_walks_are_followed_as_there_are_rows() {
    let bounds = Bounds {
        objects: 0,
        ..BOUNDS
    };
    let mut seen = Seen::default();
    let flag = (0..11_u64).find_map(|step| {
        (0..RUNS as u64).find_map(|row| seen.see(&seen_at(row * 1_000 + step, bounds), true, 0))
    });
    assert_eq!(flag.unwrap().why, Unusual::Walking);
}

proptest! {
    /// Whatever comes, no more is kept than is said.
    #[test]
    fn what_is_kept_is_bounded(numbers in proptest::collection::vec(any::<u64>(), 0..200)) {
        let bounds = Bounds { steps: 0, percent: 0, ..BOUNDS };
        let mut seen = Seen::default();
        let mut different = std::collections::BTreeSet::new();
        for number in numbers {
            different.insert(number as u32);
            let flag = seen.see(&seen_at(number, bounds), true, 0);
            prop_assert!(seen.objects() <= BOUNDS.objects as usize);
            prop_assert_eq!(flag.is_some(), different.len() > BOUNDS.objects as usize);
        }
    }
}

#[test]
fn no_spelling_of_a_number_hides_a_row() {
    let spelt = [
        " 7",
        "+7",
        "00000000000000000000007",
        "7.json",
        "7.0",
        "7x1",
        "7 ",
    ];
    for text in spelt {
        assert_eq!(
            number(text),
            Some((7, [String::new(), String::new()])),
            "{text}"
        );
    }
    assert_eq!(
        number("INV-0017"),
        Some((17, ["inv-".to_owned(), String::new()]))
    );
    assert_eq!(number("0").unwrap().0, 0);
    for name in [
        "",
        "orders",
        "550e8400-e29b-41d4-a716-446655440000",
        "a1b2",
        "1234567890123456789",
    ] {
        assert_eq!(number(name), None, "{name}");
    }
}

#[test]
fn a_row_is_followed_whatever_stands_behind_it() {
    let first = |path: &'static str| sighting(&Ask { path, ..ASK }).unwrap().numbers[1].unwrap();
    let (place, number) = first("/orders/7/lines/345");
    assert_eq!(number, 7);
    assert_eq!(first("/Orders/8/lines/9"), (place, 8));
    assert_ne!(first("/users/7/lines/345").0, place);
    assert_eq!(sighting(&ASK).unwrap().numbers[1], None, "there is one");
}
