use http::header::{HeaderMap, HeaderName, HeaderValue, COOKIE, LOCATION};
use serde_json::json;

use super::*;
use crate::jwt::{By, Meant};
use crate::IssuerFacts;

const NOW: u64 = 1_800_000_000_000;
const ISSUER: &str = "https://login.example.com";

fn pepper() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &[7; 32])
}

fn policy(origins: &[&str]) -> Session {
    let config = Config {
        sign_in: "staff".into(),
        issuers: vec!["company".into()],
        origins: origins.iter().map(|one| (*one).to_owned()).collect(),
        grace_ms: 60_000,
    };
    Session::new(&config, &pepper(), Arc::default()).unwrap()
}

fn sealed(until_ms: u64) -> String {
    sealed_by(&Seal::new(&pepper(), "staff"), "company", until_ms)
}

fn sealed_by(seal: &Seal, issuer: &str, until_ms: u64) -> String {
    let claims = json!({"iss": ISSUER, "sub": "ada", "jti": "s-1", "sid": "idp-9", "device": "b-7", "iat": NOW / 1000});
    let claims = claims.as_object().unwrap().clone();
    let issuer = issuer.into();
    seal.seal(&Opened {
        issuer,
        until_ms,
        fresh_until_ms: None,
        claims,
    })
    .unwrap()
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let pairs = fields.iter().map(|(name, value)| {
        let name = HeaderName::try_from(*name).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    let mut map = HeaderMap::new();
    pairs.for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

fn judged(
    policy: &Session,
    method: &Method,
    fields: &[(&str, &str)],
    facts: IssuerFacts,
) -> Verdict {
    let headers = headers(fields);
    let view = RequestView {
        method,
        host: "shop.example.com",
        path: "/orders/ä b",
        query: Some("q=1&next=/x"),
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    match policy.decide(&view, &Answers::None, NOW).unwrap() {
        Verdict::Need(Need::Issuer(name)) => {
            assert_eq!(&*name, "staff");
            policy.decide(&view, &Answers::Issuer(facts), NOW).unwrap()
        }
        verdict => verdict,
    }
}

fn cookie(value: &str) -> String {
    format!("theme=dark; __Host-lockgate-staff={value}; x=y")
}

fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deny(denial) => denial.reason.code,
        Verdict::Identify(_) => "ok",
        _ => "something else",
    }
}

#[test]
fn a_session_says_who_it_is() {
    let value = cookie(&sealed(NOW + 1_000));
    let verdict = judged(
        &policy(&[]),
        &Method::GET,
        &[("cookie", &value)],
        IssuerFacts::default(),
    );
    let Verdict::Identify(identity) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(&*identity.credential, "company/ada");
    assert_eq!((identity.proved_by, &*identity.owner), ("session", "ada"));
    assert_eq!(identity.claims.unwrap()["sid"], "idp-9");
}

#[test]
fn what_is_no_session_of_this_sign_in_is_refused() {
    let good = sealed(NOW + 1_000);
    let mut bent = good.clone();
    bent.replace_range(30..31, if &good[30..31] == "A" { "B" } else { "A" });
    let other = hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]);
    let cases = [
        (bent, "session-invalid"),
        (good[..good.len() - 4].to_owned(), "session-invalid"),
        ("AQ".to_owned(), "session-invalid"),
        (String::new(), "session-invalid"),
        ("x".repeat(9_000), "session-invalid"),
        (
            sealed_by(&Seal::new(&other, "staff"), "company", NOW + 1),
            "session-invalid",
        ),
        (
            sealed_by(&Seal::new(&pepper(), "shoppers"), "company", NOW + 1),
            "session-invalid",
        ),
        (
            sealed_by(&Seal::new(&pepper(), "staff"), "elsewhere", NOW + 1),
            "session-invalid",
        ),
        (sealed(NOW), "session-expired"),
        (good, "ok"),
    ];
    for (value, wanted) in cases {
        let fields = [("cookie", cookie(&value))];
        let fields = [(fields[0].0, fields[0].1.as_str())];
        let verdict = judged(&policy(&[]), &Method::GET, &fields, IssuerFacts::default());
        assert_eq!(reason(&verdict), wanted, "{value}");
    }
    let twice = cookie(&sealed(NOW + 1_000));
    let fields = [("cookie", twice.as_str()), ("cookie", twice.as_str())];
    let verdict = judged(&policy(&[]), &Method::GET, &fields, IssuerFacts::default());
    assert_eq!(reason(&verdict), "session-invalid");
}

#[test]
fn without_one_a_browser_is_sent_to_sign_in_and_a_program_is_told() {
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("sec-fetch-mode", "navigate")], "session-sign-in"),
        (&[("accept", "text/html,*/*;q=0.8")], "session-sign-in"),
        (
            &[("accept", "text/html"), ("sec-fetch-mode", "cors")],
            "session-missing",
        ),
        (&[("accept", "application/json")], "session-missing"),
        (&[], "session-missing"),
    ];
    for (fields, wanted) in cases {
        let verdict = judged(&policy(&[]), &Method::GET, fields, IssuerFacts::default());
        assert_eq!(reason(&verdict), wanted, "{fields:?}");
        let Verdict::Deny(denial) = verdict else {
            panic!()
        };
        assert!(denial.absent);
        if wanted == "session-sign-in" {
            let location = denial
                .headers
                .iter()
                .find(|(name, _)| *name == LOCATION)
                .unwrap();
            let to = "/.lockgate/staff/sign-in?to=/orders/%C3%A4%20b%3Fq%3D1%26next%3D/x";
            assert_eq!(location.1, to);
        }
    }
    let fields = [("accept", "text/html")];
    let verdict = judged(&policy(&[]), &Method::POST, &fields, IssuerFacts::default());
    assert_eq!(
        reason(&verdict),
        "session-missing",
        "what was to be sent would be lost"
    );
    let ended = cookie(&sealed(NOW - 1));
    let fields = [("accept", "text/html"), ("cookie", ended.as_str())];
    let verdict = judged(&policy(&[]), &Method::GET, &fields, IssuerFacts::default());
    assert_eq!(reason(&verdict), "session-sign-in");
}

type Case<'c> = (&'c Method, &'c [(&'c str, &'c str)], &'c str);

#[test]
fn another_site_does_not_use_it() {
    let session = cookie(&sealed(NOW + 1_000));
    let own = ("host", "shop.example.com");
    let cases: [Case; 14] = [
        (&Method::GET, &[("sec-fetch-site", "cross-site")], "ok"),
        (&Method::POST, &[("sec-fetch-site", "same-origin")], "ok"),
        (&Method::POST, &[("sec-fetch-site", "none")], "ok"),
        (
            &Method::POST,
            &[("sec-fetch-site", "same-site")],
            "session-cross-site",
        ),
        (
            &Method::POST,
            &[("sec-fetch-site", "cross-site")],
            "session-cross-site",
        ),
        (&Method::DELETE, &[], "session-cross-site"),
        (
            &Method::POST,
            &[("origin", "https://shop.example.com")],
            "ok",
        ),
        (
            &Method::POST,
            &[("origin", "https://shop.example.com:443")],
            "ok",
        ),
        (
            &Method::POST,
            &[("origin", "https://shop.example.com:8443")],
            "session-cross-site",
        ),
        (
            &Method::POST,
            &[("origin", "https://shop.example.com.evil.test")],
            "session-cross-site",
        ),
        (&Method::POST, &[("origin", "null")], "session-cross-site"),
        (
            &Method::GET,
            &[("upgrade", "websocket"), ("origin", "https://evil.test")],
            "session-cross-site",
        ),
        (
            &Method::GET,
            &[
                ("upgrade", "websocket"),
                ("origin", "https://shop.example.com"),
            ],
            "ok",
        ),
        (
            &Method::POST,
            &[
                ("origin", "https://app.example.com"),
                ("sec-fetch-site", "same-site"),
            ],
            "ok",
        ),
    ];
    let policy = policy(&["https://app.example.com"]);
    for (method, fields, wanted) in cases {
        let all = [fields, &[own, ("cookie", session.as_str())]].concat();
        let verdict = judged(&policy, method, &all, IssuerFacts::default());
        assert_eq!(reason(&verdict), wanted, "{method} {fields:?}");
    }
}

#[test]
fn what_was_revoked_ends_it_also_while_it_is_remembered() {
    let policy = policy(&[]);
    let session = cookie(&sealed(NOW + 1_000));
    let fields = [("cookie", session.as_str())];
    let facts = IssuerFacts::default();
    assert_eq!(
        reason(&judged(&policy, &Method::GET, &fields, facts.clone())),
        "ok"
    );
    for (by, value) in [
        (By::Token, "s-1"),
        (By::Session, "idp-9"),
        (By::Device, "b-7"),
        (By::Subject, "ada"),
    ] {
        let revoked = Revoked::default();
        let meant = Meant {
            issuer: ISSUER.into(),
            by,
            value: value.into(),
        };
        revoked.put(&meant, None, None, NOW);
        let facts = IssuerFacts {
            revoked: Arc::new(revoked),
            ..IssuerFacts::default()
        };
        let verdict = judged(&policy, &Method::GET, &fields, facts);
        assert_eq!(reason(&verdict), "session-ended", "{by:?}");
    }
    assert_eq!(reason(&judged(&policy, &Method::GET, &fields, facts)), "ok");
}

#[test]
fn where_facts_are_too_old_nobody_is_believed() {
    let headers = headers(&[("cookie", &cookie(&sealed(NOW + 1_000)))]);
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let policy = policy(&[]);
    let verdict = policy.decide(&view, &Answers::Stale, NOW).unwrap();
    assert_eq!(reason(&verdict), "facts-stale");
    assert!(policy.decide(&view, &Answers::Standing(None), NOW).is_err());
    let taken: Vec<_> = policy.edits().collect();
    assert_eq!(taken, [Edit::RemoveCookie("__Host-lockgate-staff".into())]);
    assert_eq!(COOKIE, HEADER);
}

#[test]
fn a_session_that_no_cookie_holds_is_not_sealed() {
    let claims = json!({"groups": "x".repeat(4_000)})
        .as_object()
        .unwrap()
        .clone();
    let session = Opened {
        issuer: "company".into(),
        until_ms: NOW,
        fresh_until_ms: None,
        claims,
    };
    assert_eq!(
        Seal::new(&pepper(), "staff").seal(&session),
        Err(SealError::TooLong)
    );
}

fn aging(fresh_until_ms: u64) -> String {
    let claims = json!({"iss": ISSUER, "sub": "ada", "jti": "s-1", "iat": NOW / 1000});
    let opened = Opened {
        issuer: "company".into(),
        until_ms: NOW + 3_600_000,
        fresh_until_ms: Some(fresh_until_ms),
        claims: claims.as_object().unwrap().clone(),
    };
    Seal::new(&pepper(), "staff").seal(&opened).unwrap()
}

/// What the policy says of a cookie that was fresh until then, once that was brought.
fn brought(fresh_until_ms: u64, outcome: Brought) -> Verdict {
    let value = cookie(&aging(fresh_until_ms));
    let headers = headers(&[("cookie", &value), ("sec-fetch-site", "same-origin")]);
    let view = RequestView {
        method: &Method::POST,
        host: "shop.example.com",
        path: "/orders",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let policy = policy(&[]);
    let first = policy.decide(&view, &Answers::Issuer(IssuerFacts::default()), NOW);
    let Verdict::Need(Need::Order(order)) = first.unwrap() else {
        panic!("it was to be renewed");
    };
    assert_eq!((order.goods, &*order.about), (Goods::Session, "staff"));
    assert!(value.contains(std::str::from_utf8(&order.shown).unwrap()));
    policy
        .decide(&view, &Answers::Brought(outcome), NOW)
        .unwrap()
}

#[test]
fn a_session_is_fresh_for_so_long_and_then_renewed() {
    let value = cookie(&aging(NOW + 1));
    let facts = IssuerFacts::default();
    let policy = policy(&[]);
    let verdict = judged(&policy, &Method::GET, &[("cookie", &value)], facts.clone());
    assert_eq!(reason(&verdict), "ok");
    // What another site wanted is not asked about.
    let stale = cookie(&aging(NOW));
    let strange = [("cookie", &*stale), ("sec-fetch-site", "cross-site")];
    let verdict = judged(&policy, &Method::POST, &strange, facts);
    assert_eq!(reason(&verdict), "session-cross-site");

    let anew = aging(NOW + 900_000);
    let Verdict::Renewed(identity, set) = brought(NOW, Brought::Got(anew.as_str().into())) else {
        panic!("it was renewed");
    };
    assert_eq!(&*identity.credential, "company/ada");
    let want = format!(
        "__Host-lockgate-staff={anew}; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax"
    );
    assert_eq!(set.to_str().unwrap(), want);
    assert!(set.is_sensitive());
}

#[test]
fn who_the_provider_does_not_know_any_more_is_out() {
    assert_eq!(reason(&brought(NOW, Brought::Refused)), "session-ended");
}

#[test]
fn while_the_provider_is_away_a_session_goes_on_for_the_grace() {
    for (since, outcome, wanted) in [
        (NOW - 59_999, Brought::Unavailable(2), "ok"),
        (NOW - 60_000, Brought::Unavailable(2), "session-unrenewed"),
        (NOW - 59_999, Brought::Busy, "ok"),
        (NOW - 60_000, Brought::Busy, "session-unrenewed"),
        (NOW - 59_999, Brought::Later, "ok"),
        (NOW - 60_000, Brought::Later, "session-unrenewed"),
        // What is brought and does not open is nothing.
        (NOW, Brought::Got("AQ".into()), "session-unrenewed"),
    ] {
        let told = format!("{outcome:?}");
        let verdict = brought(since, outcome);
        assert_eq!(reason(&verdict), wanted, "{told}");
        if let Verdict::Deny(denial) = verdict {
            assert_eq!(denial.status(), 503);
            assert!(denial.headers.iter().any(|(name, _)| *name == RETRY_AFTER));
        }
    }
}
