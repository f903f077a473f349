use aws_lc_rs::signature::{UnparsedPublicKey, ECDSA_P256_SHA256_FIXED};
use serde_json::Value;

use super::*;

fn signer(rotation: u32) -> Arc<Signer> {
    let pepper = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let config = bundle::Assertions {
        issuer: "https://gate.example".into(),
        rotation,
    };
    Arc::new(Signer::new(&config, &pepper).unwrap())
}

fn assertion(header: &str, claims: &[&str]) -> Assertion {
    let config = bundle::Assertion {
        header: header.into(),
        audience: vec!["orders".into()],
        claims: claims.iter().map(|one| (*one).to_owned()).collect(),
        lifetime_s: 60,
    };
    Assertion::new(&config, signer(1)).unwrap()
}

fn ada(email: &str) -> Identity {
    let claims = json!({"email": email, "groups": ["a"], "iss": "https://elsewhere", "secret": 1});
    Identity {
        proved_by: "session",
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: Some("portal".into()),
        claims: Some(Arc::new(claims.as_object().unwrap().clone())),
    }
}

fn parts(value: &HeaderValue) -> (Value, Value) {
    let text = value.to_str().unwrap();
    let text = text.strip_prefix("Bearer ").unwrap_or(text);
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let read = |part: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let head = read(head);
    // With nothing but what is published.
    let keys: Value = serde_json::from_slice(signer(1).published()).unwrap();
    let key = keys["keys"].as_array().unwrap().iter();
    let key = key.clone().find(|key| key["kid"] == head["kid"]).unwrap();
    let mut point = vec![4];
    for name in ["x", "y"] {
        point.extend(URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap());
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(signed.as_bytes(), &signature)
        .unwrap();
    (head, read(claims))
}

#[test]
fn it_says_who_calls_for_one_upstream_and_a_minute() {
    let assertion = assertion("authorization", &["email", "iss", "none"]);
    let mut headers = HeaderMap::new();
    headers.insert(
        AUTHORIZATION,
        HeaderValue::from_static("Bearer the-client's"),
    );
    assert!(assertion.make(&mut headers, Some(&ada("ada@example.com")), 1_000));
    let value = &headers[AUTHORIZATION];
    assert!(value.is_sensitive() && value.to_str().unwrap().starts_with("Bearer "));
    let (head, said) = parts(value);
    assert_eq!(
        (&head["alg"], &head["typ"]),
        (&json!("ES256"), &json!("JWT"))
    );
    let wanted = json!({
        "iss": "https://gate.example", "aud": "orders", "sub": "ada", "iat": 1_000, "exp": 1_060,
        "email": "ada@example.com", "client_id": "portal", "proved_by": "session",
        "credential": "company/ada",
    });
    assert_eq!(said, wanted, "its own claims stand above the caller's");
}

#[test]
fn it_is_used_again_for_half_of_its_time_and_for_the_same_alone() {
    let assertion = assertion("x-identity", &["email"]);
    let made = |email: &str, now_s: u64| {
        let mut headers = HeaderMap::new();
        assert!(assertion.make(&mut headers, Some(&ada(email)), now_s));
        headers["x-identity"].clone()
    };
    let first = made("ada@example.com", 1_000);
    assert_eq!(made("ada@example.com", 1_029), first);
    assert_ne!(
        made("new@example.com", 1_001),
        first,
        "what is said of her has changed"
    );
    let again = made("ada@example.com", 1_030);
    assert_eq!(parts(&again).1["exp"], 1_090);
    assert_ne!(made("ada@example.com", 900), again, "the clock went back");
}

#[test]
fn of_nobody_nothing_is_said_and_nothing_of_the_client_is_left() {
    let assertion = assertion("x-identity", &["email"]);
    let mut headers = HeaderMap::new();
    headers.insert("x-identity", HeaderValue::from_static("forged"));
    headers.insert("x_identity", HeaderValue::from_static("forged"));
    assert!(assertion.make(&mut headers, None, 1_000));
    assert!(headers.is_empty(), "{headers:?}");
    let long = "x".repeat(BYTES);
    assert!(!assertion.make(&mut headers, Some(&ada(&long)), 1_000));
}

#[test]
fn a_change_of_the_number_is_published_before_and_after() {
    let kids = |rotation: u32| -> Vec<String> {
        let keys: Value = serde_json::from_slice(signer(rotation).published()).unwrap();
        let keys = keys["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    };
    for (now, next) in [(1, 2), (2, 3), (u32::MAX - 1, u32::MAX)] {
        assert!(kids(now).contains(&signer(next).kid));
        assert!(kids(next).contains(&signer(now).kid));
    }
    assert_eq!(kids(0).len(), 2);
    assert_eq!(kids(u32::MAX).len(), 2);
}
