//! Every case of `tests/vectors/introspection.yaml`, against the policy itself. Python runs the
//! same cases against the whole engine and a running gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use lockgate_policy::introspection::{Answer, Config, Heard, Introspection};
use lockgate_policy::jwt::{Issuer, Rules, Shown};
use lockgate_policy::{Answers, IssuerFacts, Need, RequestView, Verdict};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    now_ms: u64,
    rules: Value,
    config: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    rules: BTreeMap<String, Value>,
    #[serde(default)]
    config: BTreeMap<String, Value>,
    #[serde(default)]
    left: bool,
    token: Option<String>,
    headers: Option<Vec<(String, String)>>,
    answer: Option<String>,
    asked: Option<bool>,
    owner: Option<String>,
    verdict: String,
    reason: Option<String>,
}

fn refined(above: &Value, case: &BTreeMap<String, Value>) -> Value {
    let mut refined = above.clone();
    for (name, value) in case {
        refined[name] = value.clone();
    }
    refined
}

#[test]
fn introspection() {
    let text = include_str!("../../../../tests/vectors/introspection.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 60);
    let pepper = hmac::Key::new(hmac::HMAC_SHA256, b"pepper");
    for case in &vectors.cases {
        let rules: Rules = serde_json::from_value(refined(&vectors.rules, &case.rules)).unwrap();
        let config: Config =
            serde_json::from_value(refined(&vectors.config, &case.config)).unwrap();
        let issuer = Arc::new(Issuer::new("company", &rules, None).unwrap());
        let left = case.left.then(|| Arc::clone(&issuer)).into_iter().collect();
        let policy = Introspection::new(&config, issuer, left, Arc::default(), &pepper).unwrap();
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", case.token.as_deref().unwrap_or("opaque"));
        let usual = vec![("authorization".to_owned(), bearer)];
        for (name, value) in case.headers.as_ref().unwrap_or(&usual) {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            headers.append(name, HeaderValue::try_from(value).unwrap());
        }
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
        let (mut answers, mut asked) = (Answers::None, false);
        let verdict = loop {
            let said = policy.decide(&view, &Shown::default(), &answers, vectors.now_ms);
            match said.unwrap() {
                Verdict::Need(Need::Issuer(_)) => {
                    answers = Answers::Issuer(IssuerFacts::default());
                }
                Verdict::Need(Need::Ask(question)) => {
                    assert!(!asked, "{}", case.name);
                    asked = true;
                    let told = case
                        .answer
                        .as_ref()
                        .map(|text| Answer::read(text.as_bytes()));
                    let heard = match told {
                        Some(Ok(answer)) => {
                            let issuer = (question.room, &*question.issuer, &*question.iss);
                            Heard::of(answer, issuer, vectors.now_ms)
                        }
                        Some(Err(_)) | None => Heard::Unavailable(7),
                    };
                    answers = Answers::Asked(heard, IssuerFacts::default());
                }
                verdict => break verdict,
            }
        };
        assert_eq!(asked, case.asked.unwrap_or(true), "{}", case.name);
        let said = match &verdict {
            Verdict::Identify(identity) => {
                assert_eq!(identity.proved_by, "introspection");
                let owner = case.owner.as_deref().unwrap_or("ann");
                assert_eq!(&*identity.credential, format!("company/{owner}"));
                let claims = identity.claims.as_deref().unwrap();
                assert_eq!(claims["iss"], rules.issuer, "revocations go by it");
                ("identify", None)
            }
            Verdict::Deny(denial) => ("deny", Some(denial.reason.code)),
            verdict => panic!("{}: {verdict:?}", case.name),
        };
        assert_eq!(
            said,
            (&*case.verdict, case.reason.as_deref()),
            "{}",
            case.name
        );
        if let Verdict::Deny(denial) = &verdict {
            let has = |header| denial.headers.iter().any(|(name, _)| name == header);
            assert_eq!(
                has(WWW_AUTHENTICATE),
                denial.status() < 500,
                "{}",
                case.name
            );
            assert_eq!(has(RETRY_AFTER), denial.status() == 503, "{}", case.name);
        }
    }
}
