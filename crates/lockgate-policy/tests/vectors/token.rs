//! Every case of `tests/vectors/jwt.yaml`, against the policy itself. Python runs
//! the same cases against the whole engine and a running gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use lockgate_policy::jwt::{
    self, Config, Issuer, Jwt, KeySet, KeySource, Place, ProofRules, Rules, Shown,
};
use lockgate_policy::{Answers, IssuerFacts, Need, RequestView, Verdict};
use serde::Deserialize;
use serde_json::{json, Value};

const API: &str = "shop";

/// Compares a verdict with what the case expects.
fn check(name: &str, verdict: &Verdict, expected: &str, reason: Option<&str>) {
    let said = match verdict {
        Verdict::Allow(_) | Verdict::Granted(_) => ("allow", None),
        Verdict::Identify(_) | Verdict::Renewed(..) => ("identify", None),
        Verdict::Narrowed(..) => ("narrowed", None),
        Verdict::Deny(denial) => ("deny", Some(denial.reason.code)),
        Verdict::Respond(_) => ("respond", None),
        Verdict::Need(_) => ("need", None),
    };
    assert_eq!(said, (expected, reason), "{name}");
}

fn view<'a>(method: &'a Method, headers: &'a HeaderMap) -> RequestView<'a> {
    RequestView {
        method,
        host: "a.example",
        path: "/",
        query: None,
        headers,
        content_length: None,
        api: API,
        operation: None,
        readings: &[],
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    now_ms: u64,
    source: String,
    rules: Value,
    published: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    rules: BTreeMap<String, Value>,
    secret: Option<String>,
    keys: Option<Vec<String>>,
    source: Option<String>,
    confirmed_ms: Option<u64>,
    place: Option<Place>,
    headers: Option<Vec<(String, String)>>,
    token: Option<String>,
    verdict: String,
    reason: Option<String>,
}

impl Vectors {
    fn rules(&self, case: &Case) -> Rules {
        let mut rules = self.rules.clone();
        for (name, value) in &case.rules {
            rules[name] = value.clone();
        }
        serde_json::from_value(rules).unwrap()
    }

    fn keys(&self, case: &Case) -> Option<Arc<KeySet>> {
        let keys: Vec<&Value> = match &case.keys {
            Some(names) => names.iter().map(|name| &self.published[name]).collect(),
            None => self.published.values().collect(),
        };
        if keys.is_empty() {
            return None;
        }
        let text = json!({ "keys": keys }).to_string();
        let read = jwt::read_key_set(text.as_bytes()).unwrap();
        assert!(read.unusable.is_empty(), "{:?}", read.unusable);
        let source = case.source.as_ref().unwrap_or(&self.source);
        let confirmed = case.confirmed_ms.unwrap_or(self.now_ms);
        Some(Arc::new(read.into_key_set(source, confirmed)))
    }
}

fn pepper() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"pepper")
}

#[test]
fn jwt() {
    let text = include_str!("../../../../tests/vectors/jwt.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 120);
    for case in &vectors.cases {
        let rules = vectors.rules(case);
        let secret = case.secret.as_ref().map(|text| text.as_bytes());
        let shared = matches!(rules.keys, KeySource::Secret(_));
        let issuer = Issuer::new("company", &rules, secret).unwrap();
        let config = Config {
            issuer: "company".to_owned(),
            place: (case.place.clone()).unwrap_or(Place::Header("Authorization".to_owned())),
            forward: false,
            bound: Vec::new(),
            proof: ProofRules::default(),
        };
        let policy = Jwt::new(&config, Arc::new(issuer), Arc::default(), &pepper()).unwrap();
        let mut headers = HeaderMap::new();
        let bearer = case.token.iter();
        let bearer = bearer.map(|text| ("authorization".to_owned(), format!("Bearer {text}")));
        for (name, value) in bearer.chain(case.headers.iter().flatten().cloned()) {
            let name = HeaderName::try_from(name).unwrap();
            headers.append(name, HeaderValue::try_from(value).unwrap());
        }
        let facts = || IssuerFacts {
            keys: vectors.keys(case),
            ..IssuerFacts::default()
        };
        let mut answers = Answers::None;
        let verdict = loop {
            let view = view(&Method::GET, &headers);
            match policy
                .decide(&view, &Shown::default(), &answers, vectors.now_ms)
                .unwrap()
            {
                Verdict::Need(Need::Issuer(name)) => {
                    assert_eq!(&*name, "company", "{}", case.name);
                    answers = Answers::Issuer(facts());
                }
                Verdict::Need(Need::Refetch { .. }) => {
                    let asked = matches!(answers, Answers::Issuer(_));
                    assert!(asked && !shared, "{}", case.name);
                    answers = Answers::Refetched(facts());
                }
                verdict => break verdict,
            }
        };
        challenged(&case.name, &verdict);
        check(&case.name, &verdict, &case.verdict, case.reason.as_deref());
    }
}

/// RFC 6750, section 3: a refused token is told of in the challenge.
fn challenged(name: &str, verdict: &Verdict) {
    if let Verdict::Deny(denial) = verdict {
        let challenge = denial
            .headers
            .iter()
            .find(|(name, _)| name == "www-authenticate");
        let said = challenge.map(|(_, value)| value.to_str().unwrap());
        match denial.reason.status {
            401 if denial.reason.code == "jwt-missing" => {
                assert_eq!(said, Some("Bearer"), "{name}")
            }
            // RFC 9449, section 7.1.
            401 if denial.reason.code.starts_with("jwt-proof") => {
                let error = "DPoP error=\"invalid_dpop_proof\"";
                assert!(said.unwrap().starts_with(error), "{name}");
            }
            401 => assert!(said.unwrap().contains("error=\"invalid_token\""), "{name}"),
            400 => assert!(
                said.unwrap().contains("error=\"invalid_request\""),
                "{name}"
            ),
            _ => assert_eq!(said, None, "{name}"),
        }
    }
}
