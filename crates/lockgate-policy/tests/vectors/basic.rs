//! Every case of `tests/vectors/basic.yaml`, against the policy itself. Python runs the same cases
//! against the whole engine and a running gate.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use lockgate_policy::basic::{Basic, Config};
use lockgate_policy::introspection::{Answer, Heard};
use lockgate_policy::jwt::{Issuer, Rules};
use lockgate_policy::{Answers, IssuerFacts, Need, RequestView, Verdict};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    now_ms: u64,
    rules: Rules,
    config: Config,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    plain: Option<String>,
    long: Option<(usize, usize)>,
    headers: Option<Vec<(String, String)>>,
    answer: Option<String>,
    asked: Option<bool>,
    verdict: String,
    reason: Option<String>,
}

impl Case {
    fn sent(&self) -> Vec<(String, String)> {
        let plain = match (self.long, &self.plain) {
            (Some((name, password)), _) => format!("{}:{}", "n".repeat(name), "p".repeat(password)),
            (None, plain) => plain.clone().unwrap_or_default(),
        };
        let usual = || {
            vec![(
                "authorization".into(),
                format!("Basic {}", STANDARD.encode(plain)),
            )]
        };
        self.headers.clone().unwrap_or_else(usual)
    }
}

#[test]
fn basic() {
    let text = include_str!("../../../../tests/vectors/basic.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 25);
    let pepper = hmac::Key::new(hmac::HMAC_SHA256, b"pepper");
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for case in &vectors.cases {
        let issuer = Arc::new(Issuer::new("people", &vectors.rules, None).unwrap());
        let policy = Basic::new(&vectors.config, issuer, Arc::default(), &pepper).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in case.sent() {
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
            let said = policy.decide(&view, client, &answers, vectors.now_ms);
            match said.unwrap() {
                Verdict::Need(Need::Issuer(_)) => {
                    answers = Answers::Issuer(IssuerFacts::default());
                }
                Verdict::Need(Need::Ask(question)) => {
                    assert!(!asked, "{}", case.name);
                    asked = true;
                    assert_eq!((question.room, question.source), ("basic", Some(client)));
                    let read = |text: &String| Answer::read(text.as_bytes()).ok();
                    let whose = (question.room, &*question.issuer, &*question.iss);
                    let heard = match case.answer.as_ref().and_then(read) {
                        Some(answer) => Heard::of(answer, whose, vectors.now_ms),
                        None => Heard::Unavailable(7),
                    };
                    answers = Answers::Asked(heard, IssuerFacts::default());
                }
                verdict => break verdict,
            }
        };
        assert_eq!(asked, case.asked.unwrap_or(true), "{}", case.name);
        let said = match &verdict {
            Verdict::Identify(identity) => {
                assert_eq!(identity.proved_by, "basic");
                assert_eq!(&*identity.credential, "people/ann");
                let claims = identity.claims.as_deref().unwrap();
                assert_eq!(claims["iss"], vectors.rules.issuer, "revocations go by it");
                ("identify", None)
            }
            Verdict::Deny(denial) => ("deny", Some(denial.reason.code)),
            verdict => panic!("{}: {verdict:?}", case.name),
        };
        let wanted = (&*case.verdict, case.reason.as_deref());
        assert_eq!(said, wanted, "{}", case.name);
        if let Verdict::Deny(denial) = &verdict {
            let header = |name| denial.headers.iter().find(|(key, _)| *key == name);
            let challenge = "Basic realm=\"orders\", charset=\"UTF-8\"";
            match denial.reason.status {
                401 => assert_eq!(header(WWW_AUTHENTICATE).unwrap().1, challenge),
                _ => assert_eq!(header(RETRY_AFTER).unwrap().1, "7", "{}", case.name),
            }
        }
    }
}
