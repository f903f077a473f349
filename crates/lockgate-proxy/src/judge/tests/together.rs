//! Ways to authenticate that must hold together.

use lockgate_policy::mtls;

use super::*;
use crate::bundle::{Joined, Together};

/// An API that takes keys in three headers, of which the first two together, or the third.
fn both_or_third(modes: [Mode; 3]) -> Arc<Snapshot> {
    let mut api = keyed("shop", &[prefix("/")]);
    let ways = &mut api.policies.authenticate;
    ways.push(keys("x-other-key", 13));
    ways.push(keys("x-third-key", 14));
    for (way, mode) in ways.iter_mut().zip(modes) {
        let crate::bundle::Authenticator::ApiKey(way) = way else {
            panic!("they are keys");
        };
        way.mode = mode;
        way.waiver = (mode != Mode::Enforce).then(|| waiver(NOW + 1));
    }
    api.policies.together = vec![Together { first: 0, count: 2 }];
    snapshot(bundle(vec![api]))
}

/// Three keys, and a store that knows them as `key_1` to `key_3`.
fn three() -> ([String; 3], FactStore) {
    let keys = [minted(), minted(), minted()];
    let facts = FactStore::in_memory();
    for (number, key) in (1..).zip(&keys) {
        let fact = key_fact(number, &format!("key_{number}"), key, "");
        facts.apply(&[fact]).unwrap();
    }
    (keys, facts)
}

fn who(judged: &Judgement) -> Option<(&str, Option<usize>)> {
    let identity = judged.identity.as_ref()?;
    Some((&identity.credential, judged.identified))
}

const HEADERS: [&str; 3] = ["x-api-key", "x-other-key", "x-third-key"];

/// What becomes of a request with the credentials that are named, `x` for a wrong one.
fn asked(snapshot: &Snapshot, said: [Option<&str>; 3]) -> Judgement {
    let (keys, facts) = three();
    let mut request = get("/");
    for ((header, said), key) in HEADERS.into_iter().zip(said).zip(&keys) {
        request = match said {
            Some("x") => request.with(header, "nonsense"),
            Some(_) => request.with(header, key),
            None => request,
        };
    }
    request.knowing(snapshot, &facts)
}

#[test]
fn all_must_hold_and_the_first_says_who_calls() {
    let snapshot = both_or_third([Mode::Enforce; 3]);
    let k = Some("k");
    for (said, wanted, identity) in [
        ([k, k, None], "forward", Some(("key_1", Some(0)))),
        ([k, None, k], "forward", Some(("key_3", Some(2)))),
        ([None, k, k], "forward", Some(("key_3", Some(2)))),
        ([Some("x"), k, k], "forward", Some(("key_3", Some(2)))),
        ([k, k, Some("x")], "forward", Some(("key_1", Some(0)))),
        ([k, None, None], "key-missing", None),
        ([None, k, None], "key-missing", None),
        ([k, Some("x"), None], "key-malformed", None),
        ([Some("x"), k, None], "key-malformed", None),
        ([None, None, None], "key-missing", None),
    ] {
        let judged = asked(&snapshot, said);
        assert_eq!((end(&judged), who(&judged)), (wanted, identity), "{said:?}");
    }
}

#[test]
fn it_is_told_that_something_is_wanted_besides() {
    let snapshot = both_or_third([Mode::Enforce; 3]);
    let judged = asked(&snapshot, [Some("k"), None, None]);
    assert_eq!(judged.decided, Some(line(13)));
    let End::Refuse(denial) = &judged.end else {
        panic!("it is refused");
    };
    assert!(denial.detail.as_deref().unwrap().contains("together"));
    // Of what need not be asked any more is not asked.
    let judged = asked(&snapshot, [None, Some("k"), None]);
    assert_eq!(
        said(&snapshot, &judged)[1],
        ("api_key", Outcome::NotReached, "")
    );
}

#[test]
fn one_that_is_only_observed_need_not_hold() {
    let k = Some("k");
    for mode in [Mode::Observe, Mode::Off] {
        let last = both_or_third([Mode::Enforce, mode, Mode::Enforce]);
        assert_eq!(
            who(&asked(&last, [k, Some("x"), None])),
            Some(("key_1", Some(0)))
        );
        assert_eq!(end(&asked(&last, [Some("x"), k, None])), "key-malformed");
        let first = both_or_third([mode, Mode::Enforce, Mode::Enforce]);
        let judged = asked(&first, [Some("x"), k, None]);
        assert_eq!(who(&judged), Some(("key_2", Some(1))));
        assert_eq!(end(&asked(&first, [k, Some("x"), None])), "key-malformed");
    }
}

#[test]
fn each_has_its_place() {
    let all = [
        Together { first: 1, count: 3 },
        Together { first: 5, count: 1 },
    ];
    let joins = (0..6).map(|number| Together::joins(&all, number));
    assert_eq!(
        joins.collect::<Vec<_>>(),
        [
            Joined::Alone,
            Joined::First,
            Joined::Next,
            Joined::Last,
            Joined::Alone,
            Joined::Alone
        ]
    );
}

#[test]
fn they_stay_together_whatever_the_order_of_their_rooms() {
    let mut api = keyed("shop", &[prefix("/")]);
    let certificate = mtls::Config {
        allow: Vec::new(),
        known_by: mtls::KnownBy::Any,
    };
    let certificate = crate::bundle::Authenticator::Mtls(placed(certificate, 15));
    let ways = &mut api.policies.authenticate;
    ways.insert(0, certificate);
    ways.push(keys("x-third-key", 14));
    api.policies.together = vec![Together { first: 0, count: 2 }];
    let snapshot = snapshot(bundle(vec![api]));
    let judged = asked(&snapshot, [Some("k"), None, None]);
    assert_eq!(
        said(&snapshot, &judged)[..3],
        [
            ("api_key", Outcome::Deny, "key-missing"),
            ("mtls", Outcome::Deny, "certificate-missing"),
            ("api_key", Outcome::NotReached, ""),
        ]
    );
    assert_eq!(
        who(&asked(&snapshot, [None, None, Some("k")])),
        Some(("key_3", Some(0)))
    );
}
