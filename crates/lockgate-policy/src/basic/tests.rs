#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::net::Ipv4Addr;

use http::Method;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jwt::{By, Meant, Rules};
use crate::IssuerFacts;

const NOW: u64 = 1_800_000_000_000;
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn issuer() -> Arc<Issuer> {
    let rules: Rules = serde_json::from_value(json!({
        "issuer": "urn:lockgate:people", "audiences": ["people"], "algorithms": ["RS256"], "types": ["jwt"],
        "skew_ms": 0, "max_age_ms": null, "require": [], "token_bytes": 256, "stale_for_ms": 1,
        "keys": {"published": "people:urn:lockgate:people"},
    }))
    .unwrap();
    Arc::new(Issuer::new("people", &rules, None).unwrap())
}

fn config() -> Config {
    Config {
        issuer: "people".to_owned(),
        source: "people:urn:lockgate:people".to_owned(),
        realm: "orders".to_owned(),
        forward: false,
        cache_ms: 60_000,
        negative_ms: 10_000,
        timeout_ms: 1_000,
    }
}

fn pepper() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"pepper")
}

fn policy(known: &Arc<Known>) -> Basic {
    Basic::new(&config(), issuer(), Arc::clone(known), &pepper()).unwrap()
}

fn said(policy: &Basic, value: &[u8], answers: &Answers, now_ms: u64) -> Verdict {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
    let view = RequestView {
        method: &Method::GET,
        host: "a.example",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    policy.decide(&view, CLIENT, answers, now_ms).unwrap()
}

fn sent(plain: &str) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(plain)).into_bytes()
}

/// What becomes of a password of which only is known what was heard before.
fn code(policy: &Basic, plain: &str, facts: &IssuerFacts, now_ms: u64) -> &'static str {
    named(&said(
        policy,
        &sent(plain),
        &Answers::Issuer(facts.clone()),
        now_ms,
    ))
}

fn named(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Identify(_) => "identify",
        Verdict::Need(Need::Ask(_)) => "ask",
        Verdict::Deny(denial) => denial.reason.code,
        verdict => panic!("{verdict:?}"),
    }
}

fn heard(text: &str, now_ms: u64) -> Heard {
    let whose = (NAME, "people", "urn:lockgate:people");
    Heard::of(Answer::read(text.as_bytes()).unwrap(), whose, now_ms)
}

fn hear(known: &Known, policy: &Basic, plain: &str, text: &str, now_ms: u64) {
    let mark = policy.marks.mark(plain.as_bytes());
    known.hear(&mark, &heard(text, now_ms), 100, now_ms);
}

const RIGHT: &str = r#"{"active":true,"sub":"ann","iat":1800000000}"#;

fn revoked_until(ms: u64) -> IssuerFacts {
    let facts = IssuerFacts::default();
    let meant = Meant {
        issuer: "urn:lockgate:people".to_owned(),
        by: By::Subject,
        value: "ann".to_owned(),
    };
    facts.revoked.put(&meant, Some(ms), None, ms);
    facts
}

#[test]
fn what_was_heard_holds_for_a_while() {
    let known = Arc::default();
    let policy = policy(&known);
    let facts = IssuerFacts::default();
    assert_eq!(code(&policy, "ann:right", &facts, NOW), "ask");
    hear(&known, &policy, "ann:right", RIGHT, NOW);
    hear(&known, &policy, "ann:wrong", r#"{"active":false}"#, NOW);
    assert_eq!(code(&policy, "ann:right", &facts, NOW + 59_999), "identify");
    assert_eq!(code(&policy, "ann:right", &facts, NOW + 60_000), "ask");
    assert_eq!(
        code(&policy, "ann:wrong", &facts, NOW + 9_999),
        "basic-wrong"
    );
    assert_eq!(code(&policy, "ann:wrong", &facts, NOW + 10_000), "ask");
    assert_eq!(code(&policy, "ann:rightx", &facts, NOW), "ask");
    assert_eq!(code(&policy, "annr:ight", &facts, NOW), "ask");
}

#[test]
fn what_was_revoked_since_is_asked_about_anew() {
    let known = Arc::default();
    let policy = policy(&known);
    hear(&known, &policy, "ann:right", RIGHT, NOW);
    let before = revoked_until(NOW - 1_000);
    assert_eq!(code(&policy, "ann:right", &before, NOW), "identify");
    let facts = revoked_until(NOW + 5_000);
    assert_eq!(code(&policy, "ann:right", &facts, NOW + 5_000), "ask");
    assert_eq!(
        known.find(&policy.marks.mark(b"ann:right")),
        None,
        "it is forgotten"
    );
    // Asked about before it was revoked, and answered after.
    let late = Answers::Asked(heard(RIGHT, NOW + 5_001), facts.clone());
    let verdict = said(&policy, &sent("ann:right"), &late, NOW + 5_001);
    assert_eq!(named(&verdict), "basic-wrong");
    let anew = r#"{"active":true,"sub":"ann","iat":1800000006}"#;
    let good = Answers::Asked(heard(anew, NOW + 6_000), facts);
    let verdict = said(&policy, &sent("ann:right"), &good, NOW + 6_000);
    assert_eq!(named(&verdict), "identify");
}

#[test]
fn who_cannot_wait_has_the_word_of_before() {
    let known = Arc::default();
    let policy = policy(&known);
    let later = |plain: &str, now_ms| {
        let answers = Answers::Asked(Heard::Later, IssuerFacts::default());
        named(&said(&policy, &sent(plain), &answers, now_ms))
    };
    assert_eq!(later("ann:right", NOW), "basic-unavailable");
    hear(&known, &policy, "ann:right", RIGHT, NOW);
    assert_eq!(later("ann:right", NOW + 60_000 + OPEN_MS - 1), "identify");
    assert_eq!(
        later("ann:right", NOW + 60_000 + OPEN_MS),
        "basic-unavailable"
    );
}

#[test]
fn what_nobody_could_say_is_said() {
    let policy = policy(&Arc::default());
    for (heard, code) in [
        (Heard::Busy, "basic-busy"),
        (Heard::Unavailable(3), "basic-unavailable"),
    ] {
        let answers = Answers::Asked(heard, IssuerFacts::default());
        assert_eq!(named(&said(&policy, &sent("a:b"), &answers, NOW)), code);
    }
    assert_eq!(
        named(&said(&policy, &sent("a:b"), &Answers::Stale, NOW)),
        "basic-unavailable"
    );
    let wrong = policy.decide(
        &RequestView {
            method: &Method::GET,
            host: "a",
            path: "/",
            query: None,
            headers: &HeaderMap::from_iter([(
                AUTHORIZATION,
                HeaderValue::from_static("Basic YTpi"),
            )]),
            content_length: None,
            api: "shop",
            operation: None,
            readings: &[],
        },
        CLIENT,
        &Answers::Refetched(IssuerFacts::default()),
        NOW,
    );
    assert!(wrong.is_err(), "an answer to another question");
}

#[test]
fn a_question_is_never_printed_and_no_mark_is_a_tokens() {
    let policy = policy(&Arc::default());
    let Verdict::Need(Need::Ask(question)) = said(
        &policy,
        &sent("ann:secret"),
        &Answers::Issuer(IssuerFacts::default()),
        NOW,
    ) else {
        panic!("it asks");
    };
    assert_eq!(&*question.token, STANDARD.encode("ann:secret").as_bytes());
    assert!(!format!("{question:?}").contains(&STANDARD.encode("ann:secret")));
    let parts = [
        "people",
        "urn:lockgate:people",
        "people:urn:lockgate:people",
    ];
    let other = Marks::of(&pepper(), b"introspected tokens", parts);
    assert_ne!(question.mark, other.mark(b"ann:secret"));
}

#[test]
fn a_realm_breaks_no_header() {
    for realm in ["", "a\"b", "a\\b", "a\r\nb", "ä"] {
        let config = Config {
            realm: realm.to_owned(),
            ..config()
        };
        let refused = Basic::new(&config, issuer(), Arc::default(), &pepper());
        assert_eq!(refused.unwrap_err().code, "not-a-realm", "{realm:?}");
    }
}

#[test]
fn the_password_is_taken_off_unless_it_is_wanted() {
    let own = policy(&Arc::default());
    assert_eq!(own.edits().count(), 1);
    let config = Config {
        forward: true,
        ..config()
    };
    let passed = Basic::new(&config, issuer(), Arc::default(), &pepper()).unwrap();
    assert_eq!(passed.edits().count(), 0);
}

proptest! {
    #[test]
    fn whatever_comes_is_judged(value in prop::collection::vec(32_u8..=255, 0..80)) {
        prop_assume!(HeaderValue::from_bytes(&value).is_ok());
        let policy = policy(&Arc::default());
        let facts = Answers::Issuer(IssuerFacts::default());
        match said(&policy, &value, &facts, NOW) {
            Verdict::Deny(denial) => prop_assert_eq!(denial.reason.status, 401),
            Verdict::Need(Need::Ask(question)) => {
                let plain = STANDARD.decode(&*question.token).unwrap();
                prop_assert!(check(&plain).is_ok());
            }
            verdict => prop_assert!(false, "{:?}", verdict),
        }
    }
}
