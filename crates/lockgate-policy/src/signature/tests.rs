#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use aws_lc_rs::digest::SHA256;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jwt::{read_key_set, Algorithm as Jose, KeySource, Rules};

const NOW_MS: u64 = 1_800_000_000_000;
const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

fn shared(keyid: &str) -> NamedKey {
    NamedKey {
        name: format!("the {keyid}"),
        keyid: keyid.into(),
        algorithm: Algorithm::HmacSha256,
        key: KeyForm::Secret {
            reference: "env:SECRET".into(),
            encoding: Encoding::Text,
        },
    }
}

fn config() -> Config {
    Config {
        keys: vec![shared("one")],
        issuer: None,
        components: vec!["\"@method\"".into(), "\"@authority\"".into()],
        content_digest: true,
        max_age_ms: 300_000,
        skew_ms: 30_000,
        expires: false,
        nonce: false,
        tag: None,
        label: None,
        body_bytes: 64,
        forward: false,
    }
}

fn policy(config: &Config) -> Signature {
    Signature::new(config, None, &|_| Some(SECRET.to_vec())).unwrap()
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

fn tag(base: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    hmac::sign(&key, base.as_bytes()).as_ref().to_vec()
}

/// Adds a signature over method and authority.
fn sign(
    headers: &mut HeaderMap,
    label: &str,
    authority: &str,
    params: &str,
    make: &dyn Fn(&str) -> Vec<u8>,
) {
    let list = format!("(\"@method\" \"@authority\"){params}");
    let base =
        format!("\"@method\": GET\n\"@authority\": {authority}\n\"@signature-params\": {list}");
    let signature = format!("{label}=:{}:", STANDARD.encode(make(&base)));
    headers.append(
        SIGNATURE_INPUT,
        HeaderValue::try_from(format!("{label}={list}")).unwrap(),
    );
    headers.append(SIGNATURE, HeaderValue::try_from(signature).unwrap());
}

const PARAMS: &str = ";created=1800000000;keyid=\"one\"";

fn shown(authority: &str) -> Shown<'_> {
    Shown {
        authority,
        target: "/",
        ..Shown::default()
    }
}

fn decide(policy: &Signature, headers: &HeaderMap, shown: &Shown<'_>, now_ms: u64) -> Verdict {
    policy
        .decide(&view(headers), shown, false, &Answers::None, now_ms)
        .unwrap()
}

fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deny(denial) => denial.reason.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_authority_is_the_one_that_the_client_meant() {
    let policy = policy(&config());
    let cases = [
        ("A.Example", None, false, "a.example"),
        ("a.example:80", None, false, "a.example"),
        ("a.example:443", None, false, "a.example:443"),
        ("a.example:443", None, true, "a.example"),
        ("a.example:8443", None, true, "a.example:8443"),
        ("a.example", Some("8443"), true, "a.example:8443"),
        ("a.example:9000", Some("443"), true, "a.example"),
        ("[::1]:8080", None, false, "[::1]:8080"),
    ];
    for (host, port, secure, meant) in cases {
        let mut headers = HeaderMap::new();
        sign(&mut headers, "sig", meant, PARAMS, &tag);
        let shown = Shown {
            port,
            secure,
            ..shown(host)
        };
        let verdict = decide(&policy, &headers, &shown, NOW_MS);
        assert!(
            matches!(verdict, Verdict::Identify(_)),
            "{host}: {verdict:?}"
        );
    }
}

#[test]
fn any_signature_will_do_and_whose_key_is_known_is_ours_to_judge() {
    let policy = policy(&config());
    let foreign = ";created=1800000000;keyid=\"somebody\"";
    let mut headers = HeaderMap::new();
    for label in ["a", "b", "c"] {
        sign(&mut headers, label, "a.example", foreign, &|_| vec![0; 32]);
    }
    let unknown = decide(&policy, &headers, &shown("a.example"), NOW_MS);
    assert_eq!(reason(&unknown), "signature-key-unknown");
    sign(&mut headers, "d", "a.example", PARAMS, &tag);
    let verdict = decide(&policy, &headers, &shown("a.example"), NOW_MS);
    assert!(matches!(verdict, Verdict::Identify(_)), "{verdict:?}");
    let mut wrong = HeaderMap::new();
    sign(&mut wrong, "a", "a.example", foreign, &|_| vec![0; 32]);
    sign(&mut wrong, "b", "a.example", PARAMS, &|_| vec![0; 32]);
    let verdict = decide(&policy, &wrong, &shown("a.example"), NOW_MS);
    assert_eq!(reason(&verdict), "signature-wrong");
}

#[test]
fn who_holds_the_key_has_not_guessed_it() {
    let policy = policy(&config());
    let mut headers = HeaderMap::new();
    sign(
        &mut headers,
        "sig",
        "a.example",
        ";created=1700000000;keyid=\"one\"",
        &tag,
    );
    let Verdict::Deny(denial) = decide(&policy, &headers, &shown("a.example"), NOW_MS) else {
        panic!("it is old");
    };
    assert_eq!(denial.reason.code, "signature-expired");
    assert_eq!(&*denial.known.unwrap().credential, "signature:the one");
    let mut guessed = HeaderMap::new();
    sign(
        &mut guessed,
        "sig",
        "a.example",
        ";created=1700000000;keyid=\"one\"",
        &|_| vec![0; 32],
    );
    let Verdict::Deny(denial) = decide(&policy, &guessed, &shown("a.example"), NOW_MS) else {
        panic!("it is wrong");
    };
    assert_eq!(
        (denial.reason.code, denial.known),
        ("signature-wrong", None)
    );
}

#[test]
fn what_is_still_open_is_held_to_no_time_and_to_no_nonce_again() {
    let policy = policy(&config());
    let mut headers = HeaderMap::new();
    let params = format!("{PARAMS};nonce=\"n\"");
    sign(&mut headers, "sig", "a.example", &params, &tag);
    let first = decide(&policy, &headers, &shown("a.example"), NOW_MS);
    assert!(matches!(first, Verdict::Need(Need::First(_))), "{first:?}");
    let again = Shown {
        again: true,
        ..shown("a.example")
    };
    let verdict = decide(&policy, &headers, &again, NOW_MS + 3_600_000);
    assert!(matches!(verdict, Verdict::Identify(_)), "{verdict:?}");
}

#[test]
fn a_nonce_is_its_keys_and_is_remembered_as_long_as_the_signature_holds() {
    let two = Config {
        keys: vec![shared("one"), shared("two")],
        ..config()
    };
    let policy = policy(&two);
    let marked = |params: &str| {
        let mut headers = HeaderMap::new();
        sign(&mut headers, "sig", "a.example", params, &tag);
        match decide(&policy, &headers, &shown("a.example"), NOW_MS) {
            Verdict::Need(Need::First(proved)) => (proved.mark, proved.until_ms),
            other => panic!("{other:?}"),
        }
    };
    let (mark, until_ms) = marked(";created=1800000000;keyid=\"one\";nonce=\"n\"");
    assert_eq!(until_ms, NOW_MS + 330_000);
    assert_ne!(
        mark,
        marked(";created=1800000000;keyid=\"two\";nonce=\"n\"").0
    );
    let ends = marked(";created=1800000000;expires=1800000010;keyid=\"one\";nonce=\"n\"");
    assert_eq!(ends, (mark, NOW_MS + 40_000));
}

#[test]
fn where_there_is_no_room_to_remember_nobody_is_let_in() {
    let policy = policy(&config());
    let mut headers = HeaderMap::new();
    sign(
        &mut headers,
        "sig",
        "a.example",
        &format!("{PARAMS};nonce=\"n\""),
        &tag,
    );
    let Verdict::Need(Need::First(proved)) = decide(&policy, &headers, &shown("a.example"), NOW_MS)
    else {
        panic!("it is asked whether it was used");
    };
    let full = Answers::First(proved, First::Full);
    let verdict = policy.decide(&view(&headers), &shown("a.example"), false, &full, NOW_MS);
    assert_eq!(reason(&verdict.unwrap()), "signature-replays-full");
}

#[test]
fn one_key_needs_no_name() {
    let mut headers = HeaderMap::new();
    sign(
        &mut headers,
        "sig",
        "a.example",
        ";created=1800000000",
        &tag,
    );
    let verdict = decide(&policy(&config()), &headers, &shown("a.example"), NOW_MS);
    assert!(matches!(verdict, Verdict::Identify(_)), "{verdict:?}");
}

fn issuer() -> Arc<Issuer> {
    let rules = Rules {
        issuer: "https://login.example.com".into(),
        audiences: vec!["shop".into()],
        algorithms: vec![Jose::RS256],
        types: vec!["jwt".into()],
        skew_ms: 0,
        max_age_ms: None,
        require: Vec::new(),
        token_bytes: 4096,
        stale_for_ms: 60_000,
        keys: KeySource::Published("url:keys".into()),
    };
    Arc::new(Issuer::new("partners", &rules, None).unwrap())
}

#[test]
fn a_key_that_an_issuer_publishes_is_asked_for_once_and_only_for_what_is_good_in_all_else() {
    let own = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let x = URL_SAFE_NO_PAD.encode(own.public_key());
    let published = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1"}]});
    let set = read_key_set(published.to_string().as_bytes()).unwrap();
    let facts = IssuerFacts {
        keys: Some(Arc::new(set.into_key_set("url:keys", NOW_MS))),
        ..IssuerFacts::default()
    };
    let config = Config {
        keys: Vec::new(),
        issuer: Some("partners".into()),
        ..config()
    };
    let policy = Signature::new(&config, Some(issuer()), &|_| None).unwrap();
    let ask = |params: &str, answers: &Answers, now_ms| {
        let mut headers = HeaderMap::new();
        let make = |base: &str| own.sign(base.as_bytes()).as_ref().to_vec();
        sign(&mut headers, "sig", "a.example", params, &make);
        policy
            .decide(&view(&headers), &shown("a.example"), false, answers, now_ms)
            .unwrap()
    };
    let params = ";created=1800000000;keyid=\"k1\"";
    let first = ask(params, &Answers::None, NOW_MS);
    assert!(matches!(first, Verdict::Need(Need::Issuer(_))), "{first:?}");
    let known = Answers::Issuer(facts.clone());
    match ask(params, &known, NOW_MS) {
        Verdict::Identify(identity) => {
            assert_eq!(&*identity.credential, "signature:partners/k1");
            assert_eq!(&*identity.owner, "k1");
        }
        other => panic!("{other:?}"),
    }
    let other = ";created=1800000000;keyid=\"k2\"";
    match ask(other, &known, NOW_MS) {
        Verdict::Need(Need::Refetch { kid, .. }) => assert_eq!(&*kid, "k2"),
        verdict => panic!("{verdict:?}"),
    }
    let asked = Answers::Refetched(facts);
    assert_eq!(reason(&ask(other, &asked, NOW_MS)), "signature-key-unknown");
    let old = ";created=1700000000;keyid=\"k2\"";
    assert_eq!(reason(&ask(old, &known, NOW_MS)), "signature-expired");
    let alg = ";created=1800000000;keyid=\"k1\";alg=\"rsa-pss-sha512\"";
    assert_eq!(reason(&ask(alg, &known, NOW_MS)), "signature-algorithm");
    assert_eq!(
        reason(&ask(params, &known, NOW_MS + 60_000)),
        "jwt-keys-stale"
    );
    assert_eq!(
        reason(&ask(params, &Answers::Stale, NOW_MS)),
        "jwt-keys-stale"
    );
    let none = Answers::Refetched(IssuerFacts::default());
    assert_eq!(reason(&ask(params, &none, NOW_MS)), "jwt-keys-missing");
}

#[test]
fn the_body_that_is_asked_for_is_held_against_what_was_signed() {
    let policy = policy(&config());
    let mut headers = HeaderMap::new();
    let digest = format!(
        "sha-256=:{}:",
        STANDARD.encode(aws_lc_rs::digest::digest(&SHA256, b"{}"))
    );
    let list = format!("(\"@method\" \"@authority\" \"content-digest\"){PARAMS}");
    let base = format!(
        "\"@method\": GET\n\"@authority\": a.example\n\"content-digest\": {digest}\n\"@signature-params\": {list}"
    );
    headers.insert(CONTENT_DIGEST, HeaderValue::try_from(&digest).unwrap());
    headers.insert(
        SIGNATURE_INPUT,
        HeaderValue::try_from(format!("sig={list}")).unwrap(),
    );
    let signature = format!("sig=:{}:", STANDARD.encode(tag(&base)));
    headers.insert(SIGNATURE, HeaderValue::try_from(signature).unwrap());
    let ask = |answers: &Answers| {
        let verdict = policy.decide(&view(&headers), &shown("a.example"), true, answers, NOW_MS);
        verdict.unwrap()
    };
    let Verdict::Need(Need::Content(gather)) = ask(&Answers::None) else {
        panic!("the body is wanted");
    };
    let answer = |content| Answers::Content(gather.clone(), content);
    let whole = |body: &'static [u8]| answer(Content::Whole(Bytes::from_static(body)));
    assert!(matches!(ask(&whole(b"{}")), Verdict::Identify(_)));
    assert_eq!(reason(&ask(&whole(b"{ }"))), "signature-digest-wrong");
    // Of what is still open it was held against it when it came.
    assert!(matches!(ask(&answer(Content::Gone)), Verdict::Identify(_)));
    assert_eq!(
        reason(&ask(&answer(Content::TooLong))),
        "signature-body-too-long"
    );
    let refused = Content::Refused(Denial::new(&FULL));
    assert_eq!(reason(&ask(&answer(refused))), "signature-replays-full");
}

#[test]
fn a_configuration_that_could_let_anybody_in_is_none() {
    let wrong = |change: &dyn Fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        Signature::new(&config, None, &|_| None)
            .unwrap_err()
            .pointer
    };
    assert_eq!(wrong(&|config| config.keys.clear()), "/keys");
    assert_eq!(wrong(&|config| config.keys.push(shared("one"))), "/keys");
    assert_eq!(
        wrong(&|config| config.keys[0].algorithm = Algorithm::Ed25519),
        "/keys/0/key"
    );
    assert_eq!(
        wrong(&|config| config.body_bytes = MAX_BODY_BYTES + 1),
        "/body_bytes"
    );
    assert_eq!(
        wrong(&|config| config.components.push("@method".into())),
        "/components/2"
    );
    assert_eq!(
        wrong(&|config| config.components.push("\"@status\"".into())),
        "/components/2"
    );
    let public = |config: &mut Config| config.keys[0].key = KeyForm::Public(BTreeMap::new());
    assert_eq!(wrong(&public), "/keys/0/key");
    let unfit = |config: &mut Config| {
        public(config);
        config.keys[0].algorithm = Algorithm::EcdsaP256Sha256;
    };
    assert_eq!(wrong(&unfit), "/keys/0/key");
}

#[test]
fn a_secret_that_is_missing_or_short_closes_its_own_key_alone() {
    let config = Config {
        keys: vec![shared("one"), shared("two")],
        ..config()
    };
    let short = Signature::new(&config, None, &|_| Some(b"short".to_vec())).unwrap();
    assert_eq!(short.lacking().collect::<Vec<_>>(), ["the one", "the two"]);
    let policy = policy(&config);
    assert_eq!(policy.lacking().count(), 0);
    assert!(
        !format!("{policy:?}").contains("thirty"),
        "no secret is told"
    );
    assert_eq!(policy.edits().count(), 2);
}

#[test]
fn what_is_wanted_is_said_as_structured_fields_say_it() {
    let config = Config {
        expires: true,
        tag: Some("a \"b\"".into()),
        label: Some("mine".into()),
        ..config()
    };
    let policy = policy(&config);
    let told = policy
        .accept
        .each_ref()
        .map(|value| value.to_str().unwrap());
    let parameters = ";created;expires;tag=\"a \\\"b\\\"\"";
    assert_eq!(
        told[0],
        format!("mine=(\"@method\" \"@authority\"){parameters}")
    );
    assert_eq!(
        told[1],
        format!("mine=(\"@method\" \"@authority\" \"content-digest\"){parameters}")
    );
    for value in told {
        sfv::Parser::new(value).parse::<sfv::Dictionary>().unwrap();
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_is_judged(input in "\\PC{0,80}", signature in "\\PC{0,80}", target in "/\\PC{0,20}") {
        let mut headers = HeaderMap::new();
        let values = (HeaderValue::try_from(format!("sig={input}")), HeaderValue::try_from(format!("sig={signature}")));
        if let (Ok(input), Ok(signature)) = values {
            headers.append(SIGNATURE_INPUT, input);
            headers.append(SIGNATURE, signature);
        }
        let shown = Shown { target: &target, ..shown("a.example") };
        prop_assert!(matches!(decide(&policy(&config()), &headers, &shown, NOW_MS), Verdict::Deny(_)));
    }
}
