#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jwt::{By, Meant, Rules};
use crate::IssuerFacts;

const NOW: u64 = 1_800_000_000_000;

fn issuer() -> Arc<Issuer> {
    let rules: Rules = serde_json::from_value(json!({
        "issuer": "https://a.example", "audiences": ["shop"], "algorithms": ["RS256"], "types": ["jwt"],
        "skew_ms": 0, "max_age_ms": null, "require": [], "token_bytes": 256, "stale_for_ms": 1,
        "keys": {"published": "discovery:https://a.example"},
    }))
    .unwrap();
    Arc::new(Issuer::new("a", &rules, None).unwrap())
}

fn config() -> Config {
    Config {
        issuer: "a".to_owned(),
        source: "discovery".to_owned(),
        place: Place::Header("Authorization".to_owned()),
        forward: false,
        bound: Vec::new(),
        proof: ProofRules::default(),
        audiences: Vec::new(),
        scopes: Vec::new(),
        require: Vec::new(),
        cache_ms: 60_000,
        negative_ms: 10_000,
        timeout_ms: 1_000,
    }
}

fn pepper() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"pepper")
}

fn policy(config: &Config, known: &Arc<Known>) -> Introspection {
    Introspection::new(config, issuer(), Vec::new(), Arc::clone(known), &pepper()).unwrap()
}

fn said(policy: &Introspection, token: &str, answers: &Answers, now_ms: u64) -> Verdict {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
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
    policy
        .decide(&view, &Shown::default(), answers, now_ms)
        .unwrap()
}

/// What becomes of a token of which only is known what was heard before.
fn code(policy: &Introspection, token: &str, facts: &IssuerFacts, now_ms: u64) -> &'static str {
    match said(policy, token, &Answers::Issuer(facts.clone()), now_ms) {
        Verdict::Identify(_) => "identify",
        Verdict::Need(Need::Ask(_)) => "ask",
        Verdict::Deny(denial) => denial.reason.code,
        verdict => panic!("{verdict:?}"),
    }
}

fn active(more: &str) -> Answer {
    let text = format!(r#"{{"active":true,"sub":"ann","client_id":"crm","aud":"shop"{more}}}"#);
    Answer::read(text.as_bytes()).unwrap()
}

fn hear(known: &Known, policy: &Introspection, token: &str, answer: Answer, now_ms: u64) {
    let heard = Heard::of(answer, (NAME, "a", "https://a.example"), now_ms);
    known.hear(&policy.marks.mark(token.as_bytes()), &heard, 100, now_ms);
}

#[test]
fn what_was_heard_holds_for_a_while_and_never_beyond_its_end() {
    let known = Arc::default();
    let policy = policy(&config(), &known);
    let facts = IssuerFacts::default();
    let at = |token, ms| code(&policy, token, &facts, NOW + ms);
    assert_eq!(at("t", 0), "ask");
    hear(&known, &policy, "t", active(""), NOW);
    assert_eq!((at("t", 59_999), at("t", 60_000)), ("identify", "ask"));
    let ends = format!(r#","exp":{}"#, NOW / 1000 + 5);
    hear(&known, &policy, "short", active(&ends), NOW);
    assert_eq!(
        (at("short", 4_999), at("short", 5_000)),
        ("identify", "ask")
    );
    hear(&known, &policy, "t", Answer::Inactive, NOW);
    let inactive = "introspection-inactive";
    assert_eq!((at("t", 9_999), at("t", 10_000)), (inactive, "ask"));
    // What it was before is forgotten, both ways.
    hear(&known, &policy, "t", active(""), NOW + 11_000);
    assert_eq!(at("t", 11_000), "identify");
    let (good, others) = known.counts();
    assert_eq!((good.tokens, others.tokens), (2, 0));
}

#[test]
fn an_entry_believes_no_longer_than_it_says_itself() {
    let known = Arc::default();
    let long = policy(&config(), &known);
    let never = policy(
        &Config {
            cache_ms: 0,
            negative_ms: 0,
            ..config()
        },
        &known,
    );
    hear(&known, &long, "t", active(""), NOW);
    let facts = IssuerFacts::default();
    assert_eq!(code(&long, "t", &facts, NOW), "identify");
    assert_eq!(code(&never, "t", &facts, NOW), "ask");
    hear(&known, &long, "t", Answer::Inactive, NOW);
    assert_eq!(code(&never, "t", &facts, NOW), "ask");
}

#[test]
fn what_was_heard_elsewhere_or_of_another_is_another_tokens() {
    let known = Arc::default();
    let here = policy(&config(), &known);
    let elsewhere = policy(
        &Config {
            source: "url:https://b.example".to_owned(),
            ..config()
        },
        &known,
    );
    hear(&known, &here, "t", active(""), NOW);
    let facts = IssuerFacts::default();
    assert_eq!(code(&here, "t", &facts, NOW), "identify");
    assert_eq!(code(&here, "T", &facts, NOW), "ask");
    assert_eq!(code(&elsewhere, "t", &facts, NOW), "ask");
    let other = hmac::Key::new(hmac::HMAC_SHA256, b"another");
    assert_ne!(
        Marks::of(&other, LABEL, ["a", "b", "c"]).mark(b"t"),
        Marks::of(&pepper(), LABEL, ["a", "b", "c"]).mark(b"t")
    );
    assert_ne!(
        Marks::of(&pepper(), LABEL, ["a", "bc", ""]).mark(b"t"),
        Marks::of(&pepper(), LABEL, ["ab", "c", ""]).mark(b"t")
    );
}

#[test]
fn a_revocation_of_ours_counts_at_once_for_what_is_known() {
    let known = Arc::default();
    let policy = policy(&config(), &known);
    hear(&known, &policy, "t", active(""), NOW);
    let facts = IssuerFacts::default();
    assert_eq!(code(&policy, "t", &facts, NOW), "identify");
    let meant = Meant {
        issuer: "https://a.example".to_owned(),
        by: By::Client,
        value: "crm".to_owned(),
    };
    facts.revoked.put(&meant, None, None, NOW);
    assert_eq!(code(&policy, "t", &facts, NOW), "jwt-revoked");
    facts.revoked.lift(&meant);
    assert_eq!(code(&policy, "t", &facts, NOW), "identify");
    let old = Answers::Stale;
    let Verdict::Deny(denial) = said(&policy, "t", &old, NOW) else {
        panic!("facts that are too old are believed");
    };
    assert_eq!(denial.reason.code, "introspection-unavailable");
}

#[test]
fn who_does_not_wait_goes_on_for_a_moment() {
    let known = Arc::default();
    let policy = policy(&config(), &known);
    hear(&known, &policy, "t", active(""), NOW);
    let later = |ms| match said(
        &policy,
        "t",
        &Answers::Asked(Heard::Later, IssuerFacts::default()),
        NOW + ms,
    ) {
        Verdict::Identify(_) => "identify",
        Verdict::Deny(denial) => denial.reason.code,
        verdict => panic!("{verdict:?}"),
    };
    assert_eq!(later(89_999), "identify");
    assert_eq!(later(90_000), "introspection-unavailable");
}

#[test]
fn what_is_wrong_with_the_asking_is_nobodys_guess() {
    let policy = policy(&config(), &Arc::default());
    for (heard, code, retry) in [
        (Heard::Unavailable(7), "introspection-unavailable", "7"),
        (Heard::Unavailable(0), "introspection-unavailable", "1"),
        (Heard::Busy, "introspection-busy", "1"),
    ] {
        let answers = Answers::Asked(heard, IssuerFacts::default());
        let Verdict::Deny(denial) = said(&policy, "t", &answers, NOW) else {
            panic!("{code}");
        };
        assert_eq!((denial.reason.code, denial.status()), (code, 503));
        assert_eq!(denial.headers, [(RETRY_AFTER, retry.parse().unwrap())]);
    }
}

#[test]
fn made_up_tokens_push_out_no_good_one_and_memory_is_bounded() {
    // A shard has room for four of each kind.
    let known = Arc::new(Known::bounded(64 * 4 * 1_000, 64 * 4 * 256));
    let policy = policy(&config(), &known);
    hear(&known, &policy, "good", active(""), NOW);
    for number in 0..5_000 {
        let token = format!("made-up-{number}");
        hear(&known, &policy, &token, Answer::Inactive, NOW);
    }
    let (good, others) = known.counts();
    assert_eq!((good.tokens, others.tokens), (1, 64 * 4));
    let facts = IssuerFacts::default();
    assert_eq!(code(&policy, "good", &facts, NOW), "identify");
    for number in 0..5_000 {
        hear(&known, &policy, &format!("good-{number}"), active(""), NOW);
        // What is used stays.
        assert_eq!(code(&policy, "good", &facts, NOW), "identify", "{number}");
    }
    assert!(known.counts().0.tokens <= 64 * 4);
}

#[test]
fn a_question_does_not_show_its_token() {
    let policy = policy(&config(), &Arc::default());
    let asked = said(
        &policy,
        "hush",
        &Answers::Issuer(IssuerFacts::default()),
        NOW,
    );
    let Verdict::Need(Need::Ask(question)) = &asked else {
        panic!("{asked:?}");
    };
    assert_eq!(&*question.token, b"hush");
    assert!(!format!("{asked:?}").contains("104, 117"), "{asked:?}");
    assert!(!format!("{asked:?}").contains("hush"), "{asked:?}");
}

#[test]
fn a_scope_that_would_end_the_challenge_is_refused() {
    for scope in ["", "a b", "a\"", "a\\", "\u{e4}"] {
        let config = Config {
            scopes: vec![scope.to_owned()],
            ..config()
        };
        let made = Introspection::new(&config, issuer(), Vec::new(), Arc::default(), &pepper());
        assert_eq!(
            made.err().map(|error| error.code),
            Some("not-a-scope"),
            "{scope}"
        );
    }
}

#[test]
fn an_answer_is_bounded() {
    let long = format!(r#"{{"active":true,"x":"{}"}}"#, "a".repeat(ANSWER_BYTES));
    assert_eq!(Answer::read(long.as_bytes()), Err("is longer than 64 KiB"));
}

proptest! {
    #[test]
    fn whatever_comes_is_an_answer_or_none(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for text in [text.as_bytes(), &bytes] {
            if let Ok(answer) = Answer::read(text) {
                let value: Value = serde_json::from_slice(text).unwrap();
                prop_assert_eq!(value["active"].as_bool(), Some(answer != Answer::Inactive));
            }
        }
    }

    #[test]
    fn only_what_could_be_a_token_is_asked_about(token in "[ -~]{0,300}") {
        let policy = policy(&config(), &Arc::default());
        let form = token.trim_end_matches('=');
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._~+/".contains(letter);
        let fits = !form.is_empty() && form.chars().all(plain) && token.len() <= 256;
        let asked = policy.question(token.as_bytes(), Mark::default()).is_ok();
        prop_assert_eq!(asked, fits);
    }

    #[test]
    fn nothing_but_a_good_answer_lets_anybody_in(claims in proptest::collection::btree_map("active|sub|aud|exp|nbf|iss|cnf|token_type|client_id", prop_oneof![Just(json!(true)), Just(json!(false)), Just(json!("shop")), Just(json!(1)), Just(json!(null)), Just(json!(["shop"])), Just(json!({}))], 0..9)) {
        let known = Arc::default();
        let policy = policy(&config(), &known);
        let text = json!(claims).to_string();
        let heard = match Answer::read(text.as_bytes()) {
            Ok(answer) => Heard::of(answer, (NAME, "a", "https://a.example"), NOW),
            Err(_) => Heard::Unavailable(1),
        };
        let answers = Answers::Asked(heard, IssuerFacts::default());
        if let Verdict::Identify(identity) = said(&policy, "t", &answers, NOW) {
            prop_assert_eq!(claims.get("active"), Some(&json!(true)));
            prop_assert_eq!(&*identity.owner, "shop");
            prop_assert!(!claims.contains_key("cnf") && !claims.contains_key("iss"));
        }
    }
}
