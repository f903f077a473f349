#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair, ECDSA_P256_SHA256_FIXED_SIGNING};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{json, Value};

use super::cache::weight;
use super::*;
use crate::{First, Proved};

mod foreign;

const NOW: u64 = 1_800_000_000_000;
const SOURCE: &str = "url:https://keys.example.com/set";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key of an issuer's, which signs.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn set(&self, kid: &str, confirmed_ms: u64) -> KeySet {
        let point = self.0.public_key().as_ref();
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "kid": kid,
            "x": b64(&point[1..33]), "y": b64(&point[33..]),
        });
        let text = json!({"keys": [jwk]}).to_string();
        let read = read_key_set(text.as_bytes()).unwrap();
        read.into_key_set(SOURCE, confirmed_ms)
    }

    fn token(&self, kid: &str, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"});
        let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", b64(signature))
    }
}

fn rules() -> Rules {
    Rules {
        issuer: "https://login.example.com".to_owned(),
        audiences: vec!["shop".to_owned()],
        algorithms: vec![Algorithm::ES256],
        types: vec!["at+jwt".to_owned()],
        skew_ms: 0,
        max_age_ms: None,
        require: Vec::new(),
        token_bytes: 8192,
        stale_for_ms: 86_400_000,
        keys: KeySource::Published(SOURCE.to_owned()),
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example.com", "aud": "shop", "sub": "ann",
        "azp": "crm", "exp": NOW / 1000 + 60,
    })
}

fn policy(rules: &Rules) -> Jwt {
    let config = Config {
        issuer: "company".to_owned(),
        place: Place::Header("Authorization".to_owned()),
        forward: false,
        bound: Vec::new(),
        proof: ProofRules::default(),
    };
    let issuer = Issuer::new("company", rules, None).unwrap();
    Jwt::new(&config, Arc::new(issuer), Arc::default(), &pepper()).unwrap()
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    headers.insert("authorization", value);
    headers
}

fn view(headers: &HeaderMap) -> RequestView<'_> {
    RequestView {
        method: &Method::GET,
        host: "a.example",
        path: "/",
        query: None,
        headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    }
}

fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deny(denial) => denial.reason.code,
        other => panic!("{other:?}"),
    }
}

fn pepper() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"pepper")
}

fn known(set: KeySet) -> IssuerFacts {
    IssuerFacts {
        keys: Some(Arc::new(set)),
        ..IssuerFacts::default()
    }
}

fn with(policy: &Jwt, headers: &HeaderMap, set: KeySet, now_ms: u64) -> Verdict {
    let answer = Answers::Issuer(known(set));
    policy
        .decide(&view(headers), &Shown::default(), &answer, now_ms)
        .unwrap()
}

#[test]
fn a_good_token_says_who_calls() {
    let (signer, policy) = (Signer::new(), policy(&rules()));
    let headers = bearer(&signer.token("k", &claims()));
    let Verdict::Identify(identity) = with(&policy, &headers, signer.set("k", NOW), NOW) else {
        panic!("it is refused");
    };
    assert_eq!(&*identity.credential, "company/ann");
    assert_eq!(&*identity.owner, "ann");
    assert_eq!(identity.app.as_deref(), Some("crm"));
    assert_eq!(identity.claims.unwrap()["aud"], "shop");
}

#[test]
fn it_asks_for_keys_and_then_once_for_newer_ones() {
    let (signer, policy) = (Signer::new(), policy(&rules()));
    let headers = bearer(&signer.token("new", &claims()));
    let first = policy
        .decide(&view(&headers), &Shown::default(), &Answers::None, NOW)
        .unwrap();
    assert!(matches!(first, Verdict::Need(Need::Issuer(name)) if &*name == "company"));

    let second = with(&policy, &headers, signer.set("old", NOW), NOW);
    let Verdict::Need(Need::Refetch { issuer, kid }) = second else {
        panic!("{second:?}");
    };
    assert_eq!((&*issuer, &*kid), ("company", "new"));

    let still = Answers::Refetched(known(signer.set("old", NOW)));
    let third = policy
        .decide(&view(&headers), &Shown::default(), &still, NOW)
        .unwrap();
    assert_eq!(reason(&third), "jwt-key-unknown");

    let found = Answers::Refetched(known(signer.set("new", NOW)));
    let third = policy
        .decide(&view(&headers), &Shown::default(), &found, NOW)
        .unwrap();
    assert!(matches!(third, Verdict::Identify(_)));
}

#[test]
fn what_is_refused_anyway_asks_for_no_keys() {
    let (signer, policy) = (Signer::new(), policy(&rules()));
    let mut expired = claims();
    expired["exp"] = json!(NOW / 1000);
    for (claims, code) in [
        (expired, "jwt-expired"),
        (json!({"iss": "https://other.example"}), "jwt-issuer"),
    ] {
        let headers = bearer(&signer.token("unknown", &claims));
        let verdict = with(&policy, &headers, signer.set("k", NOW), NOW);
        assert_eq!(reason(&verdict), code);
        let none = policy.decide(
            &view(&headers),
            &Shown::default(),
            &Answers::Issuer(IssuerFacts::default()),
            NOW,
        );
        assert_eq!(reason(&none.unwrap()), code, "without any keys");
    }
}

#[test]
fn a_verified_token_is_remembered_until_it_expires() {
    let (signer, policy) = (Signer::new(), policy(&rules()));
    let headers = bearer(&signer.token("k", &claims()));
    for _ in 0..3 {
        let verdict = with(&policy, &headers, signer.set("k", NOW), NOW);
        assert!(matches!(verdict, Verdict::Identify(_)));
    }
    let counts = policy.remembered.counts();
    assert_eq!((counts.tokens, counts.hits, counts.misses), (1, 2, 1));
    let late = with(&policy, &headers, signer.set("k", NOW), NOW + 60_000);
    assert_eq!(reason(&late), "jwt-expired");
    // Keys that are too old are not made younger by what they once verified.
    let old = with(&policy, &headers, signer.set("k", NOW - 86_400_000), NOW);
    assert_eq!(reason(&old), "jwt-keys-stale");
}

#[test]
fn a_good_token_whose_time_is_over_was_not_guessed() {
    let (signer, policy) = (Signer::new(), policy(&rules()));
    let who = |verdict: Verdict| {
        let Verdict::Deny(denial) = verdict else {
            panic!("{verdict:?}");
        };
        denial.known.map(|identity| identity.credential.to_string())
    };
    let good = bearer(&signer.token("k", &claims()));
    let late = NOW + 60_000;
    let verdict = with(&policy, &good, signer.set("k", NOW), late);
    assert_eq!(who(verdict).as_deref(), Some("company/ann"));
    with(&policy, &good, signer.set("k", NOW), NOW);
    let remembered = with(&policy, &good, signer.set("k", NOW), late);
    assert_eq!(who(remembered).as_deref(), Some("company/ann"));
    let forged = bearer(&Signer::new().token("k", &claims()));
    assert_eq!(
        who(with(&policy, &forged, signer.set("k", NOW), late)),
        None
    );
}

#[test]
fn other_keys_and_other_rules_find_nothing_that_is_remembered() {
    let (signer, other) = (Signer::new(), Signer::new());
    let headers = bearer(&signer.token("k", &claims()));
    let first = policy(&rules());
    let verdict = with(&first, &headers, signer.set("k", NOW), NOW);
    assert!(matches!(verdict, Verdict::Identify(_)));
    // The issuer replaced the key under the same name.
    let verdict = with(&first, &headers, other.set("k", NOW), NOW);
    assert_eq!(reason(&verdict), "jwt-signature");
    // The rules were changed; the same cache goes on.
    let changed = Rules {
        audiences: vec!["orders".to_owned()],
        ..rules()
    };
    let second = Jwt {
        issuer: Arc::new(Issuer::new("company", &changed, None).unwrap()),
        ..first.clone()
    };
    let verdict = with(&second, &headers, signer.set("k", NOW), NOW);
    assert_eq!(reason(&verdict), "jwt-audience");
    // The same keys, confirmed later, are the same keys.
    let verdict = with(&first, &headers, signer.set("k", NOW + 9), NOW + 9);
    assert!(matches!(verdict, Verdict::Identify(_)));
    assert_eq!(first.remembered.counts().hits, 1);
}

#[test]
fn a_revoked_token_opens_nothing_whether_it_is_remembered_or_not() {
    let (signer, policy) = (Signer::new(), policy(&rules()));
    let headers = bearer(&signer.token("k", &claims()));
    let facts = known(signer.set("k", NOW));
    let ask = || {
        let answer = Answers::Issuer(facts.clone());
        policy
            .decide(&view(&headers), &Shown::default(), &answer, NOW)
            .unwrap()
    };
    let meant = |value: &str| Meant {
        issuer: "https://login.example.com".to_owned(),
        by: By::Subject,
        value: value.to_owned(),
    };
    facts.revoked.put(&meant("ann"), Some(NOW), None, NOW);
    let Verdict::Deny(denial) = ask() else {
        panic!("it is new, and revoked");
    };
    assert_eq!(denial.reason.code, "jwt-revoked");
    assert_eq!(&*denial.known.unwrap().credential, "company/ann");
    assert_eq!(policy.remembered.counts().tokens, 0);

    facts.revoked.lift(&meant("ann"));
    assert!(matches!(ask(), Verdict::Identify(_)));
    facts.revoked.put(&meant("bob"), Some(NOW), None, NOW);
    assert!(matches!(ask(), Verdict::Identify(_)));
    facts.revoked.put(&meant("ann"), Some(NOW), None, NOW);
    assert_eq!(reason(&ask()), "jwt-revoked");
    assert_eq!(policy.remembered.counts().hits, 2, "it was remembered");

    // What a stranger makes up is told nothing of who was revoked.
    let forged = bearer(&Signer::new().token("k", &claims()));
    let answer = Answers::Issuer(facts);
    let verdict = policy
        .decide(&view(&forged), &Shown::default(), &answer, NOW)
        .unwrap();
    assert_eq!(reason(&verdict), "jwt-signature");
}

#[test]
fn a_proof_counts_once_and_what_cannot_be_remembered_does_not_count() {
    let (signer, policy) = (Signer::new(), policy(&rules()));
    let headers = bearer(&signer.token("k", &claims()));
    let Verdict::Identify(identity) = with(&policy, &headers, signer.set("k", NOW), NOW) else {
        panic!("it is refused");
    };
    let told = |first| {
        let proved = Proved {
            identity: identity.clone(),
            mark: [7; 16],
            until_ms: NOW,
        };
        let answer = Answers::First(Box::new(proved), first);
        let verdict = policy.decide(&view(&headers), &Shown::default(), &answer, NOW);
        verdict.unwrap()
    };
    assert!(matches!(told(First::Yes), Verdict::Identify(who) if who == identity));
    for (first, code, status) in [
        (First::No, "jwt-proof-replayed", 401),
        (First::Full, "jwt-proofs-full", 503),
    ] {
        let Verdict::Deny(denial) = told(first) else {
            panic!("{code}");
        };
        assert_eq!((denial.reason.code, denial.status()), (code, status));
        assert_eq!(denial.known.as_deref(), Some(&identity));
    }
}

#[test]
fn what_is_used_stays_longer_than_what_is_not() {
    let cache = TokenCache::bounded(64 * 3);
    let memo = |number: u8| {
        let mut token = [0; 32];
        token[8] = number;
        Memo {
            token,
            rules: 1,
            keys: 1,
        }
    };
    let known = Remembered {
        value: (),
        until_ms: NOW + 1,
        checked: 0,
    };
    for number in 0..3 {
        cache.keep(memo(number), &known, 1, NOW);
    }
    assert!(cache.find(&memo(0)).is_some());
    cache.keep(memo(3), &known, 1, NOW);
    let there = |number| cache.find(&memo(number)).is_some();
    assert_eq!([0, 1, 2, 3].map(there), [true, false, true, true]);
    cache.keep(memo(4), &known, 4, NOW);
    assert_eq!(
        cache.counts().tokens,
        3,
        "what is larger than all room makes none"
    );
    cache.forget(&memo(2));
    assert_eq!((there(2), cache.counts().tokens), (false, 2));
}

#[test]
fn where_somebody_else_is_asked_only_what_is_ours_is_refused_here() {
    let signer = Signer::new();
    let policy = policy(&rules()).shared();
    let mut others = claims();
    others["iss"] = "https://other.example".into();
    let none = signer.token("k", &claims());
    let (_, rest) = none.split_once('.').unwrap();
    let (unsigned, _) = none.rsplit_once('.').unwrap();
    for (token, code, absent) in [
        ("opaque".to_owned(), "jwt-malformed", true),
        ("a.b.c.d.e".to_owned(), "jwt-encrypted", true),
        ("a".repeat(20_000), "jwt-too-large", true),
        (signer.token("k", &others), "jwt-issuer", true),
        // By its own word it is ours.
        (
            format!("eyJhbGciOiJub25lIn0.{rest}"),
            "jwt-algorithm",
            false,
        ),
        (format!("{unsigned}.AAAA"), "jwt-signature", false),
    ] {
        let verdict = with(&policy, &bearer(&token), signer.set("k", NOW), NOW);
        let Verdict::Deny(denial) = verdict else {
            panic!("{code}");
        };
        assert_eq!((denial.reason.code, denial.absent), (code, absent));
        let challenge = denial.headers[0].1.to_str().unwrap();
        assert_eq!(challenge == "Bearer", absent, "{code}");
    }
}

#[test]
fn memory_for_tokens_is_bounded_and_the_expired_go_first() {
    let cache = TokenCache::default();
    let known = |until_ms| Remembered {
        value: Identity {
            proved_by: NAME,
            credential: "c".into(),
            owner: "o".into(),
            app: None,
            claims: None,
        },
        until_ms,
        checked: 0,
    };
    // All of one shard.
    let memo = |number: u32| {
        let mut token = [0; 32];
        token[8..12].copy_from_slice(&number.to_le_bytes());
        Memo {
            token,
            rules: 1,
            keys: 1,
        }
    };
    for number in 0..10_000 {
        cache.keep(memo(number), &known(NOW + 1), weight(1000), NOW);
    }
    let most = 512 * 1024 / (512 + 4 * 1000);
    assert_eq!(cache.counts().tokens, most);
    assert!(cache.find(&memo(9_999)).is_some());
    assert!(cache.find(&memo(0)).is_none(), "the oldest is gone");
    cache.keep(memo(10_000), &known(NOW + 9), weight(1000), NOW + 5);
    assert_eq!(cache.counts().tokens, 1, "all others had expired");
    // The same again takes no more room; one beyond all room is not kept.
    cache.keep(memo(10_000), &known(NOW + 9), weight(1000), NOW + 5);
    cache.keep(memo(10_001), &known(NOW + 9), weight(1_000_000), NOW + 5);
    assert!(cache.counts().tokens <= 1);
}

#[test]
fn the_token_is_taken_off_unless_it_is_to_be_passed_on() {
    let jwt = policy(&rules());
    let mut headers = bearer("x");
    headers.append("dpop", HeaderValue::from_static("its proof"));
    jwt.edits().for_each(|edit| edit.apply(&mut headers));
    assert!(headers.is_empty());

    let config = Config {
        issuer: "company".to_owned(),
        place: Place::Cookie("at".to_owned()),
        forward: false,
        bound: Vec::new(),
        proof: ProofRules::default(),
    };
    let cookie = Jwt::new(&config, Arc::clone(&jwt.issuer), Arc::default(), &pepper()).unwrap();
    headers.append("cookie", HeaderValue::from_static("a=b; at=x; ata=c"));
    headers.append("cookie", HeaderValue::from_static("at=y"));
    cookie.edits().for_each(|edit| edit.apply(&mut headers));
    let left: Vec<_> = headers.get_all("cookie").iter().collect();
    assert_eq!(left, ["a=b; ata=c"]);

    let forward = Config {
        forward: true,
        ..config
    };
    let passed = Jwt::new(&forward, Arc::clone(&jwt.issuer), Arc::default(), &pepper()).unwrap();
    assert_eq!(passed.edits().count(), 0);
}

#[test]
fn contradictory_rules_are_refused() {
    let refused = |change: &dyn Fn(&mut Rules)| {
        let mut changed = rules();
        change(&mut changed);
        Issuer::new("company", &changed, None).unwrap_err().pointer
    };
    assert_eq!(refused(&|rules| rules.algorithms.clear()), "/algorithms");
    assert_eq!(refused(&|rules| rules.audiences.clear()), "/audiences");
    assert_eq!(refused(&|rules| rules.types.clear()), "/types");
    assert_eq!(
        refused(&|rules| rules.algorithms.push(Algorithm::HS256)),
        "/algorithms"
    );
    assert_eq!(
        refused(&|rules| rules.keys = KeySource::Secret("env:X".to_owned())),
        "/algorithms"
    );
    assert!(serde_json::from_str::<Algorithm>("\"none\"").is_err());
    for place in [
        Place::Header("X Y".to_owned()),
        Place::Header("Cookie".to_owned()),
        Place::Header("Host".to_owned()),
        Place::Cookie("a b".to_owned()),
        Place::Cookie(String::new()),
    ] {
        assert!(place::Reader::new(&place).is_err(), "{place:?}");
    }
}

#[test]
fn a_401_carries_a_challenge_of_plain_words() {
    for reason in REASONS.iter().filter(|reason| reason.status == 401) {
        let denial = refuse(reason, "x");
        let (name, value) = &denial.headers[0];
        assert_eq!(name, "www-authenticate");
        assert!(value
            .to_str()
            .unwrap()
            .starts_with("Bearer error=\"invalid_token\""));
        assert!(!reason.title.contains(['"', '\\']), "{}", reason.code);
    }
}

#[test]
fn a_refusal_of_another_issuers_token_gives_way() {
    let (signer, policy) = (Signer::new(), policy(&rules()));
    let headers = bearer(&signer.token("k", &json!({"iss": "https://other.example"})));
    let verdict = with(&policy, &headers, signer.set("k", NOW), NOW);
    let Verdict::Deny(denial) = verdict else {
        panic!("{verdict:?}");
    };
    assert!(denial.absent, "the entry of that issuer says more");
}

#[test]
fn a_wrong_answer_is_an_error_and_stale_facts_a_refusal() {
    let policy = policy(&rules());
    let headers = bearer("x");
    let key = Answers::Key(crate::Digest([0; 32]), None);
    assert!(policy
        .decide(&view(&headers), &Shown::default(), &key, NOW)
        .is_err());
    let stale = policy
        .decide(&view(&headers), &Shown::default(), &Answers::Stale, NOW)
        .unwrap();
    assert_eq!(reason(&stale), "jwt-keys-stale");
}

/// Names that tokens use, so that made-up ones meet the checks.
fn objects() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("ES256")),
        Just(json!("https://login.example.com")),
        Just(json!("shop")),
    ];
    let value = leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    let names = "(alg|kid|typ|crit|iss|aud|exp|nbf|iat|sub|azp|cnf|[a-z]{1,4})";
    prop::collection::btree_map(names, value, 0..8)
        .prop_map(|map: BTreeMap<String, Value>| json!(map))
}

proptest! {
    #[test]
    fn nothing_but_the_signed_token_is_ever_let_in(header in objects(), claims in objects(), signature in any::<[u8; 64]>()) {
        let (signer, policy) = (Signer::new(), policy(&rules()));
        let made = format!("{}.{}.{}", b64(header.to_string()), b64(claims.to_string()), b64(signature));
        let headers = bearer(&made);
        let set = Answers::Refetched(known(signer.set("k", NOW)));
        let verdict = policy.decide(&view(&headers), &Shown::default(), &set, NOW).unwrap();
        prop_assert!(matches!(verdict, Verdict::Deny(_)));
    }

    #[test]
    fn strict_json_reads_what_serde_json_reads(value in objects()) {
        let text = value.to_string();
        let read = strict::object(text.as_bytes()).map(Value::Object);
        prop_assert_eq!(read, Ok(serde_json::from_str::<Value>(&text).unwrap()));
    }

    #[test]
    fn one_byte_changed_is_another_token(place in 0_usize..400, to in any::<u8>()) {
        let (signer, policy) = (Signer::new(), policy(&rules()));
        let token = signer.token("k", &claims());
        let mut bytes = token.clone().into_bytes();
        let place = place % bytes.len();
        prop_assume!(bytes[place] != to && to.is_ascii_graphic());
        bytes[place] = to;
        let headers = bearer(&String::from_utf8(bytes).unwrap());
        let answer = Answers::Refetched(known(signer.set("k", NOW)));
        let verdict = policy.decide(&view(&headers), &Shown::default(), &answer, NOW).unwrap();
        prop_assert!(matches!(verdict, Verdict::Deny(_)));
    }
}
