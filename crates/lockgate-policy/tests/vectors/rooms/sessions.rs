//! The cases of `session`.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use http::header::COOKIE;
use lockgate_policy::jwt::{Meant, Revoked};
use lockgate_policy::session::{Config, Opened, Seal, Session};
use lockgate_policy::IssuerFacts;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    now_ms: u64,
    pepper: String,
    iss: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    session: Option<Said>,
    of: Option<String>,
    cookie: Option<String>,
    #[serde(default)]
    origins: Vec<String>,
    revoked: Option<BTreeMap<String, String>>,
    verdict: String,
    reason: Option<String>,
    credential: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    until_ms: u64,
    issuer: Option<String>,
}

#[test]
fn session() {
    let text = include_str!("../../../../../tests/vectors/session.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 20);
    let pepper = lockgate_policy::Digest::from_hex(&vectors.pepper)
        .unwrap()
        .0;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &pepper);
    for case in vectors.cases {
        let config = Config {
            sign_in: "staff".into(),
            issuers: vec!["company".into()],
            origins: case.origins,
            grace_ms: 0,
        };
        let policy = Session::new(&config, &key, Arc::default()).unwrap();
        let sealed = case.session.map(|said| {
            let claims = serde_json::json!({
                "iss": vectors.iss, "sub": "ada", "jti": "s-1", "sid": "idp-9",
            });
            let seal = Seal::under(&pepper, case.of.as_deref().unwrap_or("staff"));
            seal.seal(&Opened {
                issuer: said.issuer.unwrap_or_else(|| "company".into()),
                until_ms: said.until_ms,
                fresh_until_ms: None,
                claims: claims.as_object().unwrap().clone(),
            })
            .unwrap()
        });
        let mut fields = HeaderMap::new();
        fields.insert("host", HeaderValue::from_static("a.example"));
        for (name, value) in &case.headers {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            fields.insert(name, HeaderValue::from_str(value).unwrap());
        }
        if let Some(cookie) = sealed.or(case.cookie) {
            let pair = format!("__Host-lockgate-staff={cookie}");
            fields.insert(COOKIE, HeaderValue::from_str(&pair).unwrap());
        }
        let revoked = Revoked::default();
        if let Some(said) = &case.revoked {
            let by = serde_json::from_value(said["by"].clone().into()).unwrap();
            let meant = Meant {
                issuer: vectors.iss.clone(),
                by,
                value: said["value"].clone(),
            };
            revoked.put(&meant, None, None, vectors.now_ms);
        }
        let facts = IssuerFacts {
            revoked: Arc::new(revoked),
            ..IssuerFacts::default()
        };
        let method: Method = case.method.as_deref().unwrap_or("GET").parse().unwrap();
        let view = view(&method, &fields, None);
        let first = policy.decide(&view, &Answers::None, vectors.now_ms);
        let verdict = match first.unwrap() {
            Verdict::Need(Need::Issuer(_)) => policy
                .decide(&view, &Answers::Issuer(facts), vectors.now_ms)
                .unwrap(),
            verdict => verdict,
        };
        check(&case.name, &verdict, &case.verdict, case.reason.as_deref());
        if let (Verdict::Identify(identity), Some(credential)) = (&verdict, case.credential) {
            assert_eq!(*identity.credential, *credential, "{}", case.name);
        }
    }
}
