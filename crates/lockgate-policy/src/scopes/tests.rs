#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, Method};
use serde_json::json;

use super::*;

fn who(proved_by: &'static str, scope: &str) -> Identity {
    Identity {
        proved_by,
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: None,
        claims: Some(Arc::new(
            json!({ "scope": scope }).as_object().unwrap().clone(),
        )),
    }
}

fn demand(any: &[&[(&str, SchemeKind, &[&str])]]) -> Demand {
    let scheme = |(name, kind, scopes): &(&str, SchemeKind, &[&str])| Scheme {
        name: (*name).to_owned(),
        kind: *kind,
        scopes: scopes.iter().map(|one| (*one).to_owned()).collect(),
    };
    let any = any.iter().map(|all| all.iter().map(scheme).collect());
    Demand::new(&Security { any: any.collect() })
}

fn asked(method: &Method) -> RequestView<'_> {
    static HEADERS: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
    RequestView {
        method,
        host: "shop.example.com",
        path: "/orders",
        query: None,
        headers: &HEADERS,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    }
}

fn judged(config: &Config, identity: Option<&Identity>, demands: &[Option<&Demand>]) -> Verdict {
    let ways = identity.map_or_else(Ways::default, |one| Ways::of(&[one.proved_by]).unwrap());
    Scopes::new(config)
        .unwrap()
        .decide(&asked(&Method::GET), Shown { identity, ways }, demands)
}

fn from_openapi() -> Config {
    Config {
        from_openapi: true,
        ..Config::default()
    }
}

fn denied(verdict: Verdict) -> Denial {
    match verdict {
        Verdict::Deny(denial) => denial,
        other => panic!("{other:?}"),
    }
}

fn challenge(denial: &Denial) -> Option<&str> {
    let found = denial
        .headers
        .iter()
        .find(|(name, _)| *name == WWW_AUTHENTICATE);
    found.map(|(_, value)| value.to_str().unwrap())
}

#[test]
fn a_challenge_names_the_nearest_alternative() {
    let wanted = demand(&[
        &[("oauth", SchemeKind::Token, &["admin", "all"])],
        &[("oauth", SchemeKind::Token, &["read", "write"])],
    ]);
    let identity = who("jwt", "read");
    let denial = denied(judged(&from_openapi(), Some(&identity), &[Some(&wanted)]));
    let told = challenge(&denial).unwrap();
    assert!(told.contains("error=\"insufficient_scope\""), "{told}");
    assert!(told.ends_with("scope=\"read write\""), "{told}");
    assert_eq!(
        denial.detail.as_deref(),
        Some("it takes `oauth` (read, write)")
    );
}

#[test]
fn what_no_challenge_can_say_stands_in_none() {
    let wanted = demand(&[&[("oauth", SchemeKind::Token, &["a b\"c", "read"])]]);
    let identity = who("jwt", "");
    let denial = denied(judged(&from_openapi(), Some(&identity), &[Some(&wanted)]));
    assert!(
        challenge(&denial).unwrap().ends_with("scope=\"read\""),
        "{denial:?}"
    );
}

#[test]
fn a_key_is_told_of_no_token() {
    let config = Config {
        opens: vec![Opening {
            scope: "read".to_owned(),
            what: vec![Only::default()],
        }],
        ..Config::default()
    };
    let denial = denied(judged(&config, Some(&who("api_key", "")), &[None]));
    assert_eq!(challenge(&denial), None);
    assert_eq!(denial.detail.as_deref(), Some("it takes the scope `read`"));
}

#[test]
fn another_kind_of_credential_is_told_what_is_wanted() {
    let wanted = demand(&[
        &[("key", SchemeKind::ApiKey, &[])],
        &[
            ("tls", SchemeKind::MutualTls, &[]),
            ("oauth", SchemeKind::Token, &["read"]),
        ],
    ]);
    let denial = denied(judged(
        &from_openapi(),
        Some(&who("jwt", "read")),
        &[Some(&wanted)],
    ));
    assert_eq!(*denial.reason, WAY);
    assert_eq!(
        denial.detail.as_deref(),
        Some("it takes `key`, or `tls` and `oauth` (read)")
    );
}

#[test]
fn every_reading_must_be_granted() {
    let read = demand(&[&[("oauth", SchemeKind::Token, &["read"])]]);
    let write = demand(&[&[("oauth", SchemeKind::Token, &["write"])]]);
    let both = [Some(&read), Some(&write)];
    assert!(matches!(
        judged(&from_openapi(), Some(&who("jwt", "read")), &both),
        Verdict::Deny(_)
    ));
    assert!(matches!(
        judged(&from_openapi(), Some(&who("jwt", "read write")), &both),
        Verdict::Granted(_)
    ));
}

#[test]
fn nobody_has_what_is_demanded_of_nobody() {
    for wanted in [demand(&[]), demand(&[&[]])] {
        let verdict = judged(&from_openapi(), None, &[Some(&wanted)]);
        assert!(matches!(verdict, Verdict::Deny(_)), "{verdict:?}");
    }
}

#[test]
fn a_config_that_makes_no_sense_is_refused() {
    let opens = |scope: &str| Config {
        opens: vec![Opening {
            scope: scope.to_owned(),
            what: Vec::new(),
        }],
        ..Config::default()
    };
    for scope in ["", "a b", "a\"", "a\\", "\u{e4}"] {
        assert_eq!(
            Scopes::new(&opens(scope)).unwrap_err().code,
            "not-a-scope",
            "{scope}"
        );
    }
    let schemes = vec![SchemeWays {
        scheme: "x".to_owned(),
        ways: vec!["password".to_owned()],
    }];
    let config = Config {
        schemes,
        ..from_openapi()
    };
    assert_eq!(Scopes::new(&config).unwrap_err().code, "not-a-way");
}

#[test]
fn what_is_wanted_is_told_with_what_satisfies_it() {
    let wanted = demand(&[
        &[
            ("oauth", SchemeKind::Token, &["read", "write"]),
            ("cert", SchemeKind::MutualTls, &[]),
        ],
        &[("partner", SchemeKind::Other, &[])],
    ]);
    let schemes = vec![SchemeWays {
        scheme: "partner".to_owned(),
        ways: vec!["signature".to_owned()],
    }];
    let policy = Scopes::new(&Config {
        schemes,
        ..from_openapi()
    })
    .unwrap();
    let told = policy.wanted(&asked(&Method::GET), Some(&wanted));
    assert_eq!(
        serde_json::to_value(&told).unwrap(),
        json!([
            {
                "words": "`oauth` (read, write) and `cert`",
                "grounds": ["scope read", "scope write"],
                "all": [
                    {"scheme": "oauth", "ways": ["introspection", "jwt", "session"], "scopes": ["read", "write"]},
                    {"scheme": "cert", "ways": ["mtls"], "scopes": []},
                ],
            },
            {
                "words": "`partner`",
                "grounds": ["scheme partner"],
                "all": [{"scheme": "partner", "ways": ["signature"], "scopes": []}],
            },
        ])
    );
    let met = |names: &[&str]| -> Vec<bool> {
        let shown = Ways::of(names).unwrap();
        told.iter().map(|one| one.is_met_by(shown)).collect()
    };
    assert_eq!(met(&["jwt"]), [false, false]);
    assert_eq!(met(&["jwt", "mtls"]), [true, false]);
    assert_eq!(met(&["signature"]), [false, true]);
}

#[test]
fn a_scope_that_is_named_is_wanted_of_any_credential() {
    let opens = ["read", "admin"].map(|scope| Opening {
        scope: scope.to_owned(),
        what: vec![Only {
            methods: vec!["GET".to_owned()],
            ..Only::default()
        }],
    });
    let config = Config {
        opens: opens.to_vec(),
        ..Config::default()
    };
    let policy = Scopes::new(&config).unwrap();
    let told = policy.wanted(&asked(&Method::GET), None);
    let words: Vec<&str> = told.iter().map(|one| &*one.words).collect();
    assert_eq!(words, ["`read`", "`admin`"]);
    assert!(told[0].is_met_by(Ways::of(&["basic"]).unwrap()));
    assert!(policy.wanted(&asked(&Method::POST), None).is_empty());
}
