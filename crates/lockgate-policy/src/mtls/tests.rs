#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    now_ms: u64,
    certificates: BTreeMap<String, String>,
}

fn vectors() -> Vectors {
    serde_saphyr::from_str(include_str!("../../../../tests/vectors/mtls.yaml")).unwrap()
}

fn der(name: &str) -> Vec<u8> {
    STANDARD.decode(&vectors().certificates[name]).unwrap()
}

fn policy(allow: Vec<Wanted>) -> Result<Mtls, ConfigError> {
    Mtls::new(&Config {
        allow,
        known_by: KnownBy::Any,
    })
}

fn text(like: &str) -> Option<Like> {
    Some(Like::Text(like.to_owned()))
}

#[test]
fn entries_that_cannot_be_used_are_refused() {
    let subject = |name: &str| BTreeMap::from([(name.to_owned(), Like::Text("a".to_owned()))]);
    for (wanted, code, pointer) in [
        (Wanted::default(), "certificate-rule-empty", "/allow/0"),
        (
            Wanted {
                subject: subject("cn"),
                ..Wanted::default()
            },
            "subject-attribute-unknown",
            "/allow/0/subject",
        ),
        (
            Wanted {
                ip: Some("10.0.0.1/8".to_owned()),
                ..Wanted::default()
            },
            "network-malformed",
            "/allow/0/ip",
        ),
        (
            Wanted {
                spki: Some("sha256/abc".to_owned()),
                ..Wanted::default()
            },
            "pin-malformed",
            "/allow/0/spki",
        ),
        (
            Wanted {
                dns: text(&"*".repeat(1_000)),
                ..Wanted::default()
            },
            "regex-too-large",
            "/allow/0/dns",
        ),
    ] {
        let error = policy(vec![wanted.clone()]).unwrap_err();
        assert_eq!((error.code, &*error.pointer), (code, pointer), "{wanted:?}");
    }
    let wanted = Wanted {
        dns: text("a"),
        ..Wanted::default()
    };
    assert!(policy(vec![wanted.clone(); MAX_ALLOW]).is_ok());
    let error = policy(vec![wanted; MAX_ALLOW + 1]).unwrap_err();
    assert_eq!(error.code, "list-too-long");
}

#[test]
fn every_attribute_can_be_looked_for() {
    for name in attributes() {
        let subject = BTreeMap::from([(name.to_owned(), Like::Text("*".to_owned()))]);
        let wanted = Wanted {
            subject,
            ..Wanted::default()
        };
        assert!(policy(vec![wanted]).is_ok(), "{name}");
    }
}

#[test]
fn claims_say_what_the_certificate_says() {
    let read = ClientCertificate::read(&[der("cart")]).unwrap();
    let claims = read.claims();
    assert_eq!(claims["subject"], "CN=cart");
    assert_eq!(claims["issuer"], "CN=vectors");
    assert_eq!(claims["uri"][0], "spiffe://example.org/ns/shop/sa/cart");
    assert_eq!(claims["dns"][0], "cart.internal");
    assert_eq!(claims["x5t#S256"].as_str().unwrap().len(), 43);
    let host = ClientCertificate::read(&[der("host")]).unwrap();
    assert_eq!(
        host.claims()["ip"],
        serde_json::json!(["10.20.0.5", "2001:db8::5"])
    );
}

#[test]
fn upstreams_are_told_in_structured_fields() {
    let (leaf, other) = (der("cart"), der("crm"));
    let read = ClientCertificate::read(&[leaf.clone(), other.clone(), other.clone()]).unwrap();
    let encoded = |der: &[u8]| format!(":{}:", STANDARD.encode(der));
    assert_eq!(*read.client_cert().unwrap(), *encoded(&leaf));
    let chain = format!("{}, {}", encoded(&other), encoded(&other));
    assert_eq!(*read.client_cert_chain().unwrap(), *chain);
    let alone = ClientCertificate::read(&[leaf]).unwrap();
    assert!(alone.client_cert_chain().is_none());
}

#[test]
fn who_is_refused_is_still_known() {
    let now_ms = vectors().now_ms;
    let read = ClientCertificate::read(&[der("crm")]).unwrap();
    let wanted = Wanted {
        spiffe: text("spiffe://example.org/**"),
        ..Wanted::default()
    };
    let Verdict::Deny(denial) = policy(vec![wanted]).unwrap().decide(Some(&read), now_ms) else {
        panic!("it is none of those");
    };
    assert_eq!(
        &*denial.known.unwrap().credential,
        "dns:crm.partners.example.com"
    );
    assert!(!denial.absent);
}

#[test]
fn what_is_no_certificate_is_not_read() {
    let whole = der("crm");
    assert!(ClientCertificate::read::<Vec<u8>>(&[]).is_none());
    assert!(ClientCertificate::read(&[&[][..]]).is_none());
    assert!(ClientCertificate::read(&[&whole[..whole.len() - 1]]).is_none());
    let more = [&whole[..], b"x"].concat();
    assert!(ClientCertificate::read(&[more]).is_none());
}

proptest! {
    #[test]
    fn whatever_is_read_is_judged_without_a_panic(at in 0_usize..400, byte: u8, more: u64) {
        let mut der = der("cart");
        let at = at % der.len();
        der[at] = byte;
        if let Some(read) = ClientCertificate::read(&[der]) {
            let verdict = policy(Vec::new()).unwrap().decide(Some(&read), more);
            prop_assert!(matches!(verdict, Verdict::Identify(_) | Verdict::Deny(_)));
            prop_assert!(read.client_cert().is_some());
            if let Verdict::Identify(identity) = verdict {
                prop_assert!(identity.credential.len() < 300);
                let printable = identity.credential.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                prop_assert!(printable);
            }
        }
    }

    #[test]
    fn bytes_are_read_without_a_panic(der: Vec<u8>) {
        let _ = ClientCertificate::read(&[der]);
    }
}
