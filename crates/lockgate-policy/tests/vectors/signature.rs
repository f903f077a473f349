//! Every case of `tests/vectors/signature.yaml`, against the policy itself. Python runs the same
//! cases against the whole engine, a running gate and the middlewares.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use http::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use lockgate_policy::jwt::Shown;
use lockgate_policy::signature::{Config, Signature, ACCEPT_SIGNATURE, SIGNATURE, SIGNATURE_INPUT};
use lockgate_policy::{RequestView, Verdict};
use serde::Deserialize;
use serde_json::Value;

use crate::signed::{filled, refined, told, Once};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    now: u64,
    secret: String,
    config: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    now: Option<u64>,
    #[serde(default)]
    config: BTreeMap<String, Value>,
    method: Option<String>,
    host: Option<String>,
    target: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    input: Option<String>,
    /// The list as the signature base has it, where that is not how it was sent.
    sent: Option<String>,
    base: Option<Vec<String>>,
    times: Option<usize>,
    who: Option<String>,
    verdict: String,
    reason: Option<String>,
}

#[test]
fn signature() {
    let text = include_str!("../../../../tests/vectors/signature.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 90);
    for case in &vectors.cases {
        run(case, &vectors);
    }
}

fn run(case: &Case, vectors: &Vectors) {
    let now = case.now.unwrap_or(vectors.now);
    let config: Config = serde_json::from_value(refined(&vectors.config, &case.config)).unwrap();
    let secret = |reference: &str| {
        (reference == "env:LOCKGATE_SIGNING_SECRET").then(|| vectors.secret.clone().into_bytes())
    };
    let policy = Signature::new(&config, None, &secret).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in &case.headers {
        let name = HeaderName::try_from(name.as_str()).unwrap();
        headers.append(name, HeaderValue::try_from(filled(value, now)).unwrap());
    }
    if let (Some(input), Some(base)) = (&case.input, &case.base) {
        let sent = filled(case.sent.as_ref().unwrap_or(input), now);
        let mut lines: Vec<String> = base.iter().map(|line| filled(line, now)).collect();
        lines.push(format!("\"@signature-params\": {sent}"));
        let key = STANDARD.decode(&vectors.secret).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let tag = hmac::sign(&key, lines.join("\n").as_bytes());
        let signature = format!("sig1=:{}:", STANDARD.encode(tag));
        let input = format!("sig1={}", filled(input, now));
        headers.append(SIGNATURE_INPUT, HeaderValue::try_from(input).unwrap());
        headers.append(SIGNATURE, HeaderValue::try_from(signature).unwrap());
    }
    let method = Method::from_bytes(case.method.as_deref().unwrap_or("GET").as_bytes()).unwrap();
    let view = RequestView {
        method: &method,
        host: "a.example",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let shown = Shown {
        authority: case.host.as_deref().unwrap_or("a.example"),
        target: case.target.as_deref().unwrap_or("/"),
        ..Shown::default()
    };
    let mut once = Once::default();
    let body = case.body.as_deref().map(str::as_bytes);
    let mut verdict = None;
    for _ in 0..case.times.unwrap_or(1) {
        verdict = Some(told(&mut once, body, |answers| {
            let verdict = policy.decide(&view, &shown, body.is_some(), answers, now * 1000);
            verdict.unwrap()
        }));
    }
    match verdict.unwrap() {
        Verdict::Identify(identity) => {
            assert_eq!(case.verdict, "identify", "{}", case.name);
            let who = case.who.as_deref().unwrap();
            assert_eq!(
                &*identity.credential,
                format!("signature:{who}"),
                "{}",
                case.name
            );
        }
        Verdict::Deny(denial) => {
            assert_eq!(case.verdict, "deny", "{}: {denial:?}", case.name);
            assert_eq!(
                Some(denial.reason.code),
                case.reason.as_deref(),
                "{}: {denial:?}",
                case.name
            );
            let names = denial.headers.iter().map(|(name, _)| name);
            let challenged =
                names.filter(|name| [WWW_AUTHENTICATE, ACCEPT_SIGNATURE].contains(name));
            let wanted = if denial.reason.status == 401 { 2 } else { 0 };
            assert_eq!(challenged.count(), wanted, "{}", case.name);
        }
        other => panic!("{}: {other:?}", case.name),
    }
}
