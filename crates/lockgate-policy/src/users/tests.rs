#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::roles::Role;

const DAY_MS: u64 = 86_400_000;
const NOON_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;
const SPAN: Span = Span {
    file: 0,
    line: 7,
    column: 1,
};

fn cap(distinct: u32, concurrent: u32) -> Cap {
    Cap {
        distinct,
        concurrent,
        idle_ms: 60_000,
        by: Of::Api,
        role: None,
        span: SPAN,
    }
}

fn book() -> Arc<Book> {
    let role: Role = serde_json::from_value(json!({
        "name": "free",
        "who": [[{"claim": {"path": ["plan"], "test": {"equals": {"text": "free"}}}}]],
        "includes": [],
        "span": {"file": 0, "line": 1, "column": 1},
    }))
    .unwrap();
    Arc::new(Book::new(&[role]).unwrap())
}

fn new(caps: Vec<Cap>) -> Result<Users, ConfigError> {
    Users::new(&Config { caps }, "orders", &book(), Seed::known(1, 2))
}

fn who(credential: &str, app: Option<&str>, claims: serde_json::Value) -> Identity {
    Identity {
        proved_by: "jwt",
        credential: credential.into(),
        owner: "ann".into(),
        app: app.map(Into::into),
        claims: claims.as_object().cloned().map(Arc::new),
    }
}

fn ann() -> Identity {
    who("company/ann", Some("crm"), json!({"org": "a"}))
}

fn asked(identity: Option<&Identity>, shadow: bool) -> Asked<'_> {
    Asked {
        identity,
        shadow,
        now_ms: NOON_MS,
    }
}

fn seats(policy: &Users, identity: &Identity, shadow: bool) -> Vec<Seat> {
    let asked = asked(Some(identity), shadow);
    match policy.decide(&asked, &Answers::None).unwrap() {
        Verdict::Need(Need::Seat(seats)) => seats.0,
        Verdict::Allow(_) => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_nobody_is_not_counted() {
    let policy = new(vec![cap(1, 1)]).unwrap();
    let verdict = policy.decide(&asked(None, false), &Answers::None).unwrap();
    assert!(matches!(verdict, Verdict::Allow(_)));
}

#[test]
fn a_user_is_one_however_they_come() {
    let policy = new(vec![cap(1, 0)]).unwrap();
    let one = seats(&policy, &ann(), false)[0];
    let phone = who("company/ann", Some("phone"), json!({}));
    assert_eq!(seats(&policy, &phone, false)[0], one);
    let bob = seats(&policy, &who("company/bob", None, json!({})), false)[0];
    assert_eq!(bob.key, one.key);
    assert_ne!(bob.user, one.user);
    assert_ne!(
        seats(&policy, &ann(), true)[0].key,
        one.key,
        "what is observed takes no place"
    );
}

#[test]
fn places_are_of_an_api_a_program_or_a_claim() {
    let of = |by, identity: &Identity| {
        seats(
            &new(vec![Cap { by, ..cap(1, 0) }]).unwrap(),
            identity,
            false,
        )[0]
        .key
    };
    let claim = || Of::Claim("org".into());
    let crm = |org: serde_json::Value| who("company/bob", Some("crm"), json!({ "org": org }));
    let others = who("partner/bob", Some("crm"), json!({}));
    assert_eq!(of(Of::App, &ann()), of(Of::App, &crm(json!("b"))));
    assert_ne!(
        of(Of::App, &ann()),
        of(Of::App, &others),
        "another issuer's program"
    );
    assert_ne!(
        of(Of::App, &ann()),
        of(Of::App, &who("company/ann", None, json!({})))
    );
    assert_eq!(of(claim(), &ann()), of(claim(), &crm(json!("a"))));
    assert_ne!(of(claim(), &ann()), of(claim(), &crm(json!("b"))));
    assert_ne!(of(claim(), &crm(json!("7"))), of(claim(), &crm(json!(7))));
    assert_eq!(
        of(claim(), &crm(json!(null))),
        of(claim(), &others),
        "who has none is of one"
    );
    assert_ne!(of(claim(), &others), of(claim(), &crm(json!(""))));
}

#[test]
fn a_cap_may_be_for_a_role_alone() {
    let role = Some("free".to_owned());
    let policy = new(vec![cap(9, 0), Cap { role, ..cap(1, 0) }]).unwrap();
    let free = who("company/ann", None, json!({"plan": "free"}));
    assert_eq!(seats(&policy, &ann(), false).len(), 1);
    assert_eq!(seats(&policy, &free, false).len(), 2);
}

#[test]
fn another_number_begins_nothing_anew() {
    let key = |distinct| seats(&new(vec![cap(distinct, 0)]).unwrap(), &ann(), false)[0].key;
    assert_eq!(key(1), key(2));
}

#[test]
fn who_has_no_program_is_not_called_one() {
    let claim = Of::Claim("org".into());
    for (by, identity, said) in [
        (
            Of::App,
            who("a", None, json!({})),
            "2 users without a program",
        ),
        (Of::App, ann(), "2 users of one program"),
        (
            claim.clone(),
            who("a", None, json!({"org": null})),
            "2 users without a org",
        ),
        (claim, ann(), "2 users of one org"),
    ] {
        let policy = new(vec![Cap { by, ..cap(0, 2) }]).unwrap();
        let wanted = Seats(seats(&policy, &identity, false));
        let full = wanted.full(2, NOON_MS);
        assert_eq!(full.unwrap().until_ms, NOON_MS + 60_000);
        let answers = Answers::Seated(Box::new(wanted), full);
        let verdict = policy.decide(&asked(Some(&identity), false), &answers);
        let Ok(Verdict::Deny(denial)) = verdict else {
            panic!("{verdict:?}");
        };
        let whole = format!("At most {said} may be there at once.");
        assert_eq!(denial.detail.as_deref(), Some(&*whole));
    }
}

#[test]
fn so_many_others_fill_a_cap_or_leave_places() {
    let wanted = Seats(vec![seat(1, 0, 9), seat(1, 5, 3), seat(1, 4, 0)]);
    assert_eq!(wanted.full(2, NOON_MS), None);
    let full = |others| {
        wanted
            .full(others, NOON_MS)
            .map(|full| (full.seat, full.what, full.until_ms))
    };
    assert_eq!(full(3), Some((1, Many::Concurrent, NOON_MS + 60_000)));
    assert_eq!(full(4), Some((2, Many::Distinct, NOON_MS + DAY_MS / 2)));
    assert_eq!(full(5), Some((1, Many::Distinct, NOON_MS + DAY_MS / 2)));
}

#[test]
fn places_of_one_cap_have_that_in_common() {
    let by = |by| new(vec![Cap { by, ..cap(1, 0) }]).unwrap();
    let api = by(Of::Api);
    let (_, kind) = api.caps(false).next().unwrap();
    let place = seats(&api, &ann(), false)[0];
    assert_eq!(
        (place.key, place.cap),
        (kind, kind),
        "they are the API's own"
    );
    assert_ne!(
        seats(&api, &ann(), true)[0].cap,
        kind,
        "what is observed is apart"
    );
    let app = by(Of::App);
    let others = who("company/bob", Some("other"), json!({}));
    let (one, other) = (
        seats(&app, &ann(), false)[0],
        seats(&app, &others, false)[0],
    );
    assert_eq!(one.cap, other.cap);
    assert_ne!(one.key, other.key);
}

#[test]
fn a_refusal_says_what_and_when() {
    let policy = new(vec![
        cap(5, 0),
        Cap {
            by: Of::App,
            ..cap(0, 2)
        },
    ])
    .unwrap();
    let ann = ann();
    let asked = asked(Some(&ann), false);
    for (seat, what, wait_ms, code, said) in [
        (
            0,
            Many::Distinct,
            DAY_MS / 2,
            "users-a-day",
            Some("At most 5 different users may come in a day."),
        ),
        (
            1,
            Many::Concurrent,
            40_000,
            "users-at-once",
            Some("At most 2 users of one program may be there at once."),
        ),
        (0, Many::Crowded, 30_000, "users-crowded", None),
    ] {
        let until_ms = NOON_MS + wait_ms;
        let wanted = Box::new(Seats(seats(&policy, &ann, false)));
        let full = Full {
            seat,
            what,
            until_ms,
        };
        let verdict = policy
            .decide(&asked, &Answers::Seated(wanted, Some(full)))
            .unwrap();
        let Verdict::Deny(denial) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(denial.reason.code, code);
        assert_eq!(denial.detail.as_deref(), said);
        assert_eq!(denial.span, Some(SPAN));
        let (_, retry) = denial
            .headers
            .iter()
            .find(|(name, _)| name == "retry-after")
            .unwrap();
        let retry_s: u64 = retry.to_str().unwrap().parse().unwrap();
        assert!(
            (wait_ms / 1_000..=wait_ms * 5 / 4_000 + 2).contains(&retry_s),
            "{retry_s}"
        );
    }
}

#[test]
fn another_answer_is_an_error() {
    let policy = new(vec![cap(1, 0)]).unwrap();
    let ann = ann();
    assert!(policy
        .decide(&asked(Some(&ann), false), &Answers::Stale)
        .is_err());
}

#[test]
fn caps_that_cap_nothing_are_refused() {
    let wrong = |cap: Cap| new(vec![cap]).unwrap_err();
    assert_eq!(wrong(cap(0, 0)).code, "not-a-cap");
    assert_eq!(wrong(cap(MAX_USERS + 1, 0)).code, "not-a-cap");
    assert_eq!(
        wrong(Cap {
            idle_ms: 0,
            ..cap(1, 0)
        })
        .code,
        "not-a-cap"
    );
    let nobody = wrong(Cap {
        role: Some("nobody".into()),
        ..cap(1, 0)
    });
    assert_eq!(
        (nobody.code, &*nobody.pointer),
        ("role-unknown", "/caps/0/role")
    );
    assert_eq!(
        new(vec![cap(1, 0); MAX_CAPS + 1]).unwrap_err().code,
        "too-many-caps"
    );
}

fn seat(user: u64, distinct: u32, concurrent: u32) -> Seat {
    Seat {
        key: CounterKey(7),
        cap: CounterKey(7),
        user,
        distinct,
        concurrent,
        idle_ms: 60_000,
    }
}

#[test]
fn a_place_is_free_again_after_a_while() {
    let mut room = Room::default();
    let wanted = |user| seat(user, 0, 1);
    room.look(&wanted(1), NOON_MS).unwrap();
    room.enter(&wanted(1), false, NOON_MS);
    assert_eq!(
        room.look(&wanted(2), NOON_MS + 1_000),
        Err((Many::Concurrent, NOON_MS + 60_000))
    );
    // Whoever is in may go on, and stays longer by it.
    room.look(&wanted(1), NOON_MS + 50_000).unwrap();
    room.enter(&wanted(1), false, NOON_MS + 50_000);
    assert!(room.look(&wanted(2), NOON_MS + 60_000).is_err());
    room.look(&wanted(2), NOON_MS + 110_000).unwrap();
    room.enter(&wanted(2), false, NOON_MS + 110_000);
    assert!(
        room.look(&wanted(1), NOON_MS + 110_001).is_err(),
        "it went to another"
    );
}

#[test]
fn a_clock_that_is_set_back_gives_no_places_away() {
    let mut room = Room::default();
    room.look(&seat(1, 1, 0), NOON_MS).unwrap();
    room.enter(&seat(1, 1, 0), false, NOON_MS);
    assert!(room.look(&seat(2, 1, 0), NOON_MS - DAY_MS).is_err());
    assert!(room.look(&seat(2, 1, 0), NOON_MS + DAY_MS).is_ok());
}

proptest! {
    /// Against the plainest counting there is: no more than there may be, and nobody refused for whom there is a place.
    #[test]
    fn counting_is_exact(
        comes in proptest::collection::vec((0_u64..12, 0_u64..40_000, any::<bool>()), 1..200),
        distinct in 0_u32..6,
        concurrent in 0_u32..6,
    ) {
        let mut room = Room::default();
        let mut today = HashSet::new();
        let mut there: Vec<(u64, u64)> = Vec::new();
        let mut under_way: Vec<u64> = Vec::new();
        let mut now_ms = NOON_MS;
        for (user, pause_ms, stays) in comes {
            // Places are looked for now and then: no test may tell the difference.
            now_ms += PAUSE_MS + pause_ms;
            let wanted = seat(user, distinct, concurrent);
            there.retain(|(one, until_ms)| under_way.contains(one) || *until_ms > now_ms);
            let day_full = distinct > 0 && !today.contains(&user) && today.len() >= distinct as usize;
            let in_it = there.iter().any(|(one, _)| *one == user);
            let full = concurrent > 0 && !in_it && there.len() >= concurrent as usize;
            let looked = room.look(&wanted, now_ms);
            prop_assert_eq!(looked.is_err(), day_full || full, "{:?}", looked);
            if looked.is_err() {
                continue;
            }
            let new = room.enter(&wanted, stays, now_ms);
            prop_assert_eq!(new, distinct > 0 && today.insert(user));
            there.retain(|(one, _)| *one != user);
            there.push((user, now_ms + 60_000));
            if stays {
                under_way.push(user);
            } else if let Some(at) = under_way.iter().position(|one| *one == user) {
                // Its first request that stayed is over.
                under_way.remove(at);
                room.leave(&wanted, now_ms);
            }
        }
    }
}
