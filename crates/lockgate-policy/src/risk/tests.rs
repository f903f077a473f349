use std::net::Ipv4Addr;
use std::sync::Arc;

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::{json, Value};

use super::*;
use crate::{api_key, jwt};

/// A Friday at 10:00 UTC.
const NOW_MS: u64 = 1_800_007_200_000;
const NOW: u64 = NOW_MS / 1_000;
const ALL: [Signal; 13] = [
    Signal::NewDevice,
    Signal::ChangedDevice,
    Signal::UnapprovedDevice,
    Signal::ImpossibleTravel,
    Signal::UnboundCredential,
    Signal::ForeignCountry,
    Signal::ListedNetwork,
    Signal::ListedAddress,
    Signal::OutsideHours,
    Signal::FailedTries,
    Signal::WeakProof,
    Signal::OldProof,
    Signal::OldTls,
];

fn config(weights: &[(Signal, u8)]) -> Config {
    let weight = |(signal, points): &(Signal, u8)| Weight {
        signal: *signal,
        points: *points,
    };
    Config {
        step_up_at: Some(60),
        deny_at: Some(85),
        weights: weights.iter().map(weight).collect(),
        within_s: 900,
        amr: vec!["mfa".to_owned()],
        acr: Vec::new(),
        old_s: 43_200,
        countries: vec!["DE".to_owned()],
        networks: vec![64_500],
        addresses: vec!["203.0.113.0/24".to_owned()],
        hours: Some(Hours {
            start: 6 * 60,
            end: 19 * 60,
            days: vec![1, 2, 3, 4, 5],
        }),
        sign_in: Some("staff".to_owned()),
    }
}

fn who(proved_by: &'static str, more: &Value) -> Identity {
    let mut claims = json!({
        "iss": "https://login.example", "sub": "ada", "amr": ["pwd", "mfa"], "auth_time": NOW - 60,
        "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
    });
    let claims = claims.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        claims.insert(name.clone(), value.clone());
    }
    Identity {
        proved_by,
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: None,
        claims: Some(Arc::new(claims.clone())),
    }
}

fn known() -> Standing {
    Standing {
        approved: true,
        ..Standing::read(r#"{"id": "dev_1"}"#).unwrap()
    }
}

fn at_home() -> Place {
    Place {
        country: Country::read("DE"),
        network: Some(64_501),
        ..Place::default()
    }
}

/// A request that nothing speaks against.
fn good<'a>(identity: &'a Identity, device: &'a Standing, place: &'a Place) -> Around<'a> {
    Around {
        identity: Some(identity),
        device: Some(device),
        place: Some(place),
        client: Ipv4Addr::new(192, 0, 2, 1).into(),
        ja4: Some("t13d1516h2_8daaf6152771_b186095e22b6"),
        failing: false,
        now_ms: NOW_MS,
    }
}

fn decided(policy: &Risk, around: &Around<'_>) -> Decision {
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    policy.decide(&view, around)
}

fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow(_) => "allow",
        Verdict::Deny(denial) => denial.reason.code,
        other => panic!("{other:?}"),
    }
}

/// Whether this signal, and no other, speaks against a request.
fn alone(signal: Signal, around: &Around<'_>) -> bool {
    let weights: Vec<(Signal, u8)> = ALL.iter().map(|one| (*one, 1)).collect();
    let score = Risk::new(&config(&weights)).unwrap().score(around);
    let names: Vec<Signal> = score.signals.iter().map(|one| one.signal).collect();
    names == [signal]
}

#[test]
fn each_signal_speaks_for_itself() {
    let (identity, device, place) = (who(jwt::NAME, &json!({})), known(), at_home());
    let good = good(&identity, &device, &place);
    let weights: Vec<(Signal, u8)> = ALL.iter().map(|one| (*one, 8)).collect();
    let policy = Risk::new(&config(&weights)).unwrap();
    assert_eq!(policy.score(&good).points, 0);
    for (signal, device) in [
        (
            Signal::NewDevice,
            Standing {
                new: true,
                ..known()
            },
        ),
        (
            Signal::ChangedDevice,
            Standing {
                changed: true,
                ..known()
            },
        ),
        (
            Signal::UnapprovedDevice,
            Standing {
                approved: false,
                ..known()
            },
        ),
        (
            Signal::ImpossibleTravel,
            Standing {
                travel: true,
                ..known()
            },
        ),
    ] {
        let device = Some(&device);
        assert!(alone(signal, &Around { device, ..good }), "{signal:?}");
    }
    for (signal, place) in [
        (
            Signal::ForeignCountry,
            Place {
                country: Country::read("FR"),
                ..at_home()
            },
        ),
        (
            Signal::ForeignCountry,
            Place {
                country: None,
                ..at_home()
            },
        ),
        (
            Signal::ForeignCountry,
            Place {
                countries_unread: true,
                ..at_home()
            },
        ),
        (
            Signal::ListedNetwork,
            Place {
                network: Some(64_500),
                ..at_home()
            },
        ),
        (
            Signal::ListedNetwork,
            Place {
                network: None,
                ..at_home()
            },
        ),
        (
            Signal::ListedNetwork,
            Place {
                networks_unread: true,
                ..at_home()
            },
        ),
    ] {
        let place = Some(&place);
        assert!(
            alone(signal, &Around { place, ..good }),
            "{signal:?} {place:?}"
        );
    }
    for (signal, more) in [
        (Signal::UnboundCredential, json!({"cnf": null})),
        (Signal::WeakProof, json!({"amr": ["pwd"]})),
        (Signal::WeakProof, json!({"amr": null})),
        (Signal::OldProof, json!({"auth_time": NOW - 43_201})),
        (Signal::OldProof, json!({"auth_time": NOW + 61})),
        (Signal::OldProof, json!({"auth_time": null})),
    ] {
        let identity = Some(&who(jwt::NAME, &more));
        assert!(
            alone(signal, &Around { identity, ..good }),
            "{signal:?} {more}"
        );
    }
    let client = Ipv4Addr::new(203, 0, 113, 9).into();
    assert!(alone(Signal::ListedAddress, &Around { client, ..good }));
    assert!(alone(
        Signal::FailedTries,
        &Around {
            failing: true,
            ..good
        }
    ));
    for ja4 in [
        None,
        Some("t12d1516h1_8daaf6152771_b186095e22b6"),
        Some("t"),
    ] {
        assert!(alone(Signal::OldTls, &Around { ja4, ..good }), "{ja4:?}");
    }
    let over_quic = Some("q13d0312h3_55b375c5d22e_06cda9e17597");
    assert_eq!(
        policy
            .score(&Around {
                ja4: over_quic,
                ..good
            })
            .points,
        0
    );
    let night = NOW_MS + 10 * 3_600_000;
    assert!(alone(
        Signal::OutsideHours,
        &Around {
            now_ms: night,
            ..good
        }
    ));
}

#[test]
fn what_is_bound_to_a_request_is_bound() {
    let signed = who(signature::NAME, &json!({"cnf": null}));
    assert!(is_bound(&signed));
    assert!(!is_bound(&who(api_key::NAME, &json!({}))));
}

#[test]
fn of_whom_nothing_is_known_everything_speaks_against() {
    let nobody = Around {
        identity: None,
        device: None,
        place: None,
        client: Ipv4Addr::new(192, 0, 2, 1).into(),
        ja4: None,
        failing: false,
        now_ms: NOW_MS,
    };
    let weights: Vec<(Signal, u8)> = ALL.iter().map(|one| (*one, 1)).collect();
    let score = Risk::new(&config(&weights)).unwrap().score(&nobody);
    let certain = [
        Signal::ListedAddress,
        Signal::OutsideHours,
        Signal::FailedTries,
    ];
    assert_eq!(usize::from(score.points), ALL.len() - certain.len());
    assert!(score
        .signals
        .iter()
        .all(|one| !certain.contains(&one.signal)));
}

#[test]
fn hours_are_parts_of_days() {
    let hours = |start: u16, end: u16, days: &[u8]| Hours {
        start: start * 60,
        end: end * 60,
        days: days.to_vec(),
    };
    // A Friday at 00:00 UTC.
    let friday = 1_799_971_200_000;
    let at = |day: u64, hour: u64| friday + (day * 24 + hour) * 3_600_000;
    let work = hours(6, 19, &[1, 2, 3, 4, 5]);
    for (day, hour, within) in [
        (0, 5, false),
        (0, 6, true),
        (0, 18, true),
        (0, 19, false),
        (1, 12, false),
    ] {
        assert_eq!(work.has(at(day, hour)), within, "{day} {hour}");
    }
    let night = hours(22, 6, &[5]);
    for (day, hour, within) in [
        (0, 3, false),
        (0, 22, true),
        (1, 5, true),
        (1, 6, false),
        (1, 22, false),
    ] {
        assert_eq!(night.has(at(day, hour)), within, "{day} {hour}");
    }
    assert!(!hours(22, 6, &[3]).has(0), "nothing was before the epoch");
}

#[test]
fn much_is_asked_for_a_proof_and_too_much_is_refused() {
    let (device, place) = (
        Standing {
            new: true,
            ..known()
        },
        at_home(),
    );
    let fresh = who(jwt::NAME, &json!({}));
    let old = who(jwt::NAME, &json!({"auth_time": NOW - 901}));
    let key = who(api_key::NAME, &json!({"auth_time": null}));
    let at = |points: u8| Risk::new(&config(&[(Signal::NewDevice, points)])).unwrap();
    for (points, identity, wanted) in [
        (59, &old, "allow"),
        (60, &old, "step-up-wanted"),
        (60, &fresh, "allow"),
        (60, &key, "step-up-impossible"),
        (84, &fresh, "allow"),
        (85, &fresh, "risk-too-high"),
        (100, &old, "risk-too-high"),
    ] {
        let decision = decided(&at(points), &good(identity, &device, &place));
        assert_eq!(reason(&decision.verdict), wanted, "{points}");
        assert_eq!(decision.score.points, points);
        if let Verdict::Deny(denial) = decision.verdict {
            let grounds: Vec<String> = denial
                .grounds
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(
                grounds,
                [format!("risk {points}"), format!("new_device {points}")]
            );
        }
    }
}

#[test]
fn what_means_nothing_is_refused() {
    let good = config(&[(Signal::NewDevice, 25)]);
    let twice = [(Signal::OldTls, 1), (Signal::OldTls, 2)];
    let hours = |start, end, days: &[u8]| {
        Some(Hours {
            start,
            end,
            days: days.to_vec(),
        })
    };
    for (wrong, code, pointer) in [
        (
            Config {
                deny_at: Some(60),
                ..good.clone()
            },
            "risk-malformed",
            "/step_up_at",
        ),
        (
            Config {
                deny_at: Some(101),
                ..good.clone()
            },
            "risk-malformed",
            "",
        ),
        (
            Config {
                step_up_at: Some(0),
                ..good.clone()
            },
            "risk-malformed",
            "",
        ),
        (config(&twice), "risk-malformed", "/weights/1"),
        (
            config(&[(Signal::OldTls, 0)]),
            "risk-malformed",
            "/weights/0",
        ),
        (
            config(&[(Signal::OldTls, 101)]),
            "risk-malformed",
            "/weights/0",
        ),
        (
            Config {
                countries: Vec::new(),
                ..config(&[(Signal::ForeignCountry, 1)])
            },
            "risk-malformed",
            "/weights/0",
        ),
        (
            Config {
                networks: Vec::new(),
                ..config(&[(Signal::ListedNetwork, 1)])
            },
            "risk-malformed",
            "/weights/0",
        ),
        (
            Config {
                addresses: Vec::new(),
                ..config(&[(Signal::ListedAddress, 1)])
            },
            "risk-malformed",
            "/weights/0",
        ),
        (
            Config {
                hours: None,
                ..config(&[(Signal::OutsideHours, 1)])
            },
            "risk-malformed",
            "/weights/0",
        ),
        (
            Config {
                hours: hours(60, 60, &[1]),
                ..good.clone()
            },
            "risk-malformed",
            "/hours",
        ),
        (
            Config {
                hours: hours(60, 1_440, &[1]),
                ..good.clone()
            },
            "risk-malformed",
            "/hours",
        ),
        (
            Config {
                hours: hours(60, 90, &[]),
                ..good.clone()
            },
            "risk-malformed",
            "/hours",
        ),
        (
            Config {
                hours: hours(60, 90, &[8]),
                ..good.clone()
            },
            "risk-malformed",
            "/hours",
        ),
        (
            Config {
                amr: vec!["a b".into()],
                ..good.clone()
            },
            "risk-malformed",
            "/amr",
        ),
        (
            Config {
                countries: vec!["Germany".into()],
                ..good.clone()
            },
            "not-a-country",
            "/countries/0",
        ),
        (
            Config {
                addresses: vec!["10.0.0.1/8".into()],
                ..good.clone()
            },
            "not-a-network",
            "/addresses/0",
        ),
    ] {
        let error = Risk::new(&wrong).unwrap_err();
        assert_eq!((error.code, &*error.pointer), (code, pointer), "{wrong:?}");
    }
    Risk::new(&good).unwrap();
}

proptest! {
    #[test]
    fn leaving_out_what_is_known_lowers_no_sum(
        points in proptest::collection::vec(1_u8..=100, ALL.len()),
        left_out in 0..4,
        new: bool, changed: bool, approved: bool, travel: bool,
    ) {
        let weights: Vec<(Signal, u8)> = ALL.iter().copied().zip(points).collect();
        let policy = Risk::new(&config(&weights)).unwrap();
        let device = Standing { new, changed, approved, travel, ..known() };
        let (identity, place) = (who(jwt::NAME, &json!({})), at_home());
        let all = good(&identity, &device, &place);
        let less = match left_out {
            0 => Around { device: None, ..all },
            1 => Around { place: None, ..all },
            2 => Around { ja4: None, ..all },
            _ => Around { identity: None, ..all },
        };
        prop_assert!(policy.score(&less).points >= policy.score(&all).points);
        prop_assert!(policy.score(&less).points <= MOST);
    }
}
