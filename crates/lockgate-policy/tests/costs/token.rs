//! What a token costs that was not seen before, beside the library's own time
//! for its signature, and one that was. For numbers to quote:
//! `cargo test --release -p lockgate-policy --test costs token -- --nocapture`.

// What is measured here is time.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::digest::{digest, SHA256};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_SHA256,
};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use http::header::HeaderValue;
use http::{HeaderMap, Method};
use lockgate_policy::introspection::{self, Answer, Introspection};
use lockgate_policy::jwt::{
    self, Algorithm, Config, Issuer, Jwt, KeySource, Place, ProofRules, Rules, Shown,
};
use lockgate_policy::{Answers, First, IssuerFacts, Need, RequestView, Verdict};
use serde_json::{json, Value};

const NOW_MS: u64 = 1_800_000_000_000;
const SOURCE: &str = "discovery:https://login.example.com";
/// Tokens of each algorithm; each is new once.
const TOKENS: usize = 1_000;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Makes the signature of a text.
type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A kind of key, as an issuer has it.
struct Kind {
    algorithm: Algorithm,
    name: &'static str,
    jwk: Value,
    public: Vec<u8>,
    library: &'static dyn VerificationAlgorithm,
    sign: Sign,
}

fn kinds() -> Vec<Kind> {
    let random = SystemRandom::new();
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let ed = Ed25519KeyPair::generate().unwrap();
    let point = ec.public_key().as_ref().to_vec();
    let edwards = ed.public_key().as_ref().to_vec();
    let whole = rsa.public_key().as_ref().to_vec();
    // PKCS #1 in DER: a sequence of the modulus, behind nine bytes that say so, and 65537 (RFC 8017 appendix A.1.1).
    let modulus = whole[9..265].to_vec();
    vec![
        Kind {
            algorithm: Algorithm::ES256,
            name: "ES256",
            jwk: json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..])}),
            public: point,
            library: &ECDSA_P256_SHA256_FIXED,
            sign: Box::new(move |text| {
                let random = SystemRandom::new();
                ec.sign(&random, text).unwrap().as_ref().to_vec()
            }),
        },
        Kind {
            algorithm: Algorithm::RS256,
            name: "RS256",
            jwk: json!({"kty": "RSA", "n": b64(modulus), "e": "AQAB"}),
            public: whole,
            library: &RSA_PKCS1_2048_8192_SHA256,
            sign: Box::new(move |text| {
                let mut signature = vec![0; rsa.public_modulus_len()];
                rsa.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature)
                    .unwrap();
                signature
            }),
        },
        Kind {
            algorithm: Algorithm::EdDSA,
            name: "EdDSA",
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": b64(&edwards)}),
            public: edwards,
            library: &ED25519,
            sign: Box::new(move |text| ed.sign(text).as_ref().to_vec()),
        },
    ]
}

fn rules(kind: &Kind) -> Rules {
    Rules {
        issuer: "https://login.example.com".to_owned(),
        audiences: vec!["shop".to_owned()],
        algorithms: vec![kind.algorithm],
        types: vec!["at+jwt".to_owned()],
        skew_ms: 0,
        max_age_ms: None,
        require: Vec::new(),
        token_bytes: 8192,
        stale_for_ms: 86_400_000,
        keys: KeySource::Published(SOURCE.to_owned()),
    }
}

fn policy(kind: &Kind) -> (Jwt, IssuerFacts) {
    let rules = rules(kind);
    let config = Config {
        issuer: "company".to_owned(),
        place: Place::Header("Authorization".to_owned()),
        forward: false,
        bound: Vec::new(),
        proof: ProofRules::default(),
    };
    let issuer = Issuer::new("company", &rules, None).unwrap();
    let mut jwk = kind.jwk.clone();
    jwk["kid"] = json!("k");
    let read = jwt::read_key_set(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
    assert!(read.unusable.is_empty(), "{:?}", read.unusable);
    let facts = IssuerFacts {
        keys: Some(Arc::new(read.into_key_set(SOURCE, NOW_MS))),
        ..IssuerFacts::default()
    };
    let policy = Jwt::new(&config, Arc::new(issuer), Arc::default(), &pepper()).unwrap();
    (policy, facts)
}

fn claims(number: usize) -> Value {
    json!({
        "iss": "https://login.example.com", "aud": "shop", "sub": format!("user-{number}"),
        "client_id": "crm", "exp": NOW_MS / 1000 + 300, "iat": NOW_MS / 1000, "scope": "orders:read",
    })
}

/// What is signed, and the signature.
fn signed(kind: &Kind, header: &Value, claims: &Value) -> (String, Vec<u8>) {
    let signed = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let signature = (kind.sign)(signed.as_bytes());
    (signed, signature)
}

/// What is signed, the signature, and the request that carries both.
fn token(kind: &Kind, number: usize) -> (String, Vec<u8>, HeaderMap) {
    let header = json!({"alg": kind.name, "kid": "k", "typ": "at+jwt"});
    let (signed, signature) = signed(kind, &header, &claims(number));
    let mut headers = HeaderMap::new();
    let value = format!("Bearer {signed}.{}", b64(&signature));
    headers.insert("authorization", HeaderValue::try_from(value).unwrap());
    (signed, signature, headers)
}

/// A token that is bound to the key of a proof (RFC 9449), and the request that carries both.
fn proved(issuer: &Kind, client: &Kind, number: usize) -> ([(String, Vec<u8>); 2], HeaderMap) {
    let members: &[&str] = match client.name {
        "ES256" => &["crv", "kty", "x", "y"],
        "RS256" => &["e", "kty", "n"],
        _ => &["crv", "kty", "x"],
    };
    // RFC 7638 section 3: the members that a key must have, in the order of their names.
    let members: Vec<_> = members
        .iter()
        .map(|name| format!("\"{name}\":{}", client.jwk[name]))
        .collect();
    let thumbprint = sha256(format!("{{{}}}", members.join(",")).as_bytes());
    let mut claims = claims(number);
    claims["cnf"] = json!({"jkt": thumbprint});
    let header = json!({"alg": issuer.name, "kid": "k", "typ": "at+jwt"});
    let (token, signature) = signed(issuer, &header, &claims);
    let sent = format!("{token}.{}", b64(&signature));
    let header = json!({"typ": "dpop+jwt", "alg": client.name, "jwk": client.jwk});
    let claims = json!({
        "jti": format!("{number:036}"), "htm": "GET", "htu": "https://shop.example.com/orders/7",
        "iat": NOW_MS / 1000, "ath": sha256(sent.as_bytes()),
    });
    let (proof, proof_signature) = signed(client, &header, &claims);
    let mut headers = HeaderMap::new();
    let value = format!("{proof}.{}", b64(&proof_signature));
    headers.insert("dpop", HeaderValue::try_from(value).unwrap());
    let value = HeaderValue::try_from(format!("DPoP {sent}")).unwrap();
    headers.insert("authorization", value);
    ([(token, signature), (proof, proof_signature)], headers)
}

fn sha256(bytes: &[u8]) -> String {
    b64(digest(&SHA256, bytes))
}

fn view(headers: &HeaderMap) -> RequestView<'_> {
    RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/orders/7",
        query: None,
        headers,
        content_length: None,
        api: "orders",
        operation: None,
        readings: &[],
    }
}

fn identified(policy: &Jwt, facts: &IssuerFacts, headers: &HeaderMap) -> bool {
    let answer = Answers::Issuer(facts.clone());
    let verdict = policy.decide(&view(headers), &Shown::default(), &answer, NOW_MS);
    matches!(black_box(verdict), Ok(Verdict::Identify(_)))
}

fn each_us(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6 / TOKENS as f64
}

fn pepper() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"pepper")
}

#[test]
fn a_new_token_costs_its_signature_and_little_more() {
    for kind in kinds() {
        let (policy, set) = policy(&kind);
        let tokens: Vec<_> = (0..TOKENS).map(|number| token(&kind, number)).collect();
        let library = UnparsedPublicKey::new(kind.library, &kind.public);
        let begun = Instant::now();
        for (signed, signature, _) in &tokens {
            black_box(library.verify(signed.as_bytes(), signature)).unwrap();
        }
        let alone = each_us(begun);
        let begun = Instant::now();
        for (_, _, headers) in &tokens {
            assert!(identified(&policy, &set, headers));
        }
        let whole = each_us(begun);
        let begun = Instant::now();
        for (_, _, headers) in &tokens {
            assert!(identified(&policy, &set, headers));
        }
        println!(
            "{}: {whole:.1} µs for a new token, of which the library's {alone:.1}; {:.2} µs for one seen before",
            kind.name,
            each_us(begun),
        );
    }
}

#[test]
fn a_proof_costs_its_signature_and_little_more() {
    let shown = Shown {
        secure: true,
        authority: "shop.example.com",
        target: "/orders/7",
        ..Shown::default()
    };
    for (issuer, client) in kinds().into_iter().zip(kinds()) {
        let (policy, facts) = policy(&issuer);
        let sent: Vec<_> = (0..TOKENS)
            .map(|number| proved(&issuer, &client, number))
            .collect();
        let libraries = [&issuer, &client]
            .map(|kind| UnparsedPublicKey::new(kind.library, kind.public.as_slice()));
        let begun = Instant::now();
        for (signatures, _) in &sent {
            for ((signed, signature), library) in signatures.iter().zip(&libraries) {
                black_box(library.verify(signed.as_bytes(), signature)).unwrap();
            }
        }
        let alone = each_us(begun);
        let identify = || {
            let begun = Instant::now();
            for (_, headers) in &sent {
                let answer = Answers::Issuer(facts.clone());
                let verdict = policy.decide(&view(headers), &shown, &answer, NOW_MS);
                // The gate keeps what was proved, so that it counts once.
                let Ok(Verdict::Need(Need::First(proved))) = verdict else {
                    panic!("{}: {verdict:?}", client.name);
                };
                let answer = Answers::First(proved, First::Yes);
                let verdict = policy.decide(&view(headers), &shown, &answer, NOW_MS);
                assert!(matches!(black_box(verdict), Ok(Verdict::Identify(_))));
            }
            each_us(begun)
        };
        let (both, proof) = (identify(), identify());
        println!(
            "DPoP, {}: {both:.1} µs for token and proof, the library's two {alone:.1} (x {:.2}); {proof:.1} µs where \
             the token was seen before",
            client.name,
            both / alone,
        );
    }
}

#[test]
fn a_token_that_its_issuer_was_asked_about_costs_a_keyed_hash() {
    let kind = kinds().remove(0);
    let rules = rules(&kind);
    let issuer = Arc::new(Issuer::new("company", &rules, None).unwrap());
    let config = introspection::Config {
        issuer: "company".to_owned(),
        source: SOURCE.to_owned(),
        place: Place::Header("Authorization".to_owned()),
        forward: false,
        bound: Vec::new(),
        proof: ProofRules::default(),
        audiences: Vec::new(),
        scopes: vec!["orders:read".to_owned()],
        require: vec!["aud".to_owned(), "token_type".to_owned()],
        cache_ms: 60_000,
        negative_ms: 10_000,
        timeout_ms: 5_000,
    };
    let made = Introspection::new(&config, issuer, Vec::new(), Arc::default(), &pepper());
    let (policy, facts) = (made.unwrap(), IssuerFacts::default());
    let answer = json!({
        "active": true, "iss": rules.issuer, "aud": rules.audiences[0], "sub": "ann", "client_id": "crm",
        "scope": "orders:read orders:write", "token_type": "Bearer", "exp": NOW_MS / 1000 + 300,
    });
    let answer = Answer::read(answer.to_string().as_bytes()).unwrap();
    let tokens: Vec<_> = (0..TOKENS)
        .map(|number| {
            let token = format!("{number:043}");
            policy.hear(token.as_bytes(), answer.clone());
            let mut headers = HeaderMap::new();
            let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
            headers.insert("authorization", value);
            headers
        })
        .collect();
    let judge = |headers: &HeaderMap| {
        let answer = Answers::Issuer(facts.clone());
        policy.decide(&view(headers), &Shown::default(), &answer, NOW_MS)
    };
    // Once for what was revoked, as with every token.
    assert!(tokens.iter().all(|headers| judge(headers).is_ok()));
    let begun = Instant::now();
    for headers in &tokens {
        let verdict = judge(headers);
        assert!(matches!(black_box(verdict), Ok(Verdict::Identify(_))));
    }
    println!("opaque: {:.2} µs for one seen before", each_us(begun));
}
