//! Every case of `tests/vectors/webhook.yaml`, against the policy itself. Python runs the same
//! cases against the whole engine, a running gate and the middlewares.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use lockgate_policy::webhook::{Config, Webhook};
use lockgate_policy::{RequestView, Verdict};
use serde::Deserialize;
use serde_json::Value;

use crate::signed::{filled, refined, told, Once};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    now: u64,
    secrets: BTreeMap<String, Shared>,
    forms: BTreeMap<String, Value>,
    config: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    text: String,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    now: Option<u64>,
    form: Option<String>,
    #[serde(default)]
    config: BTreeMap<String, Value>,
    headers: Vec<(String, String)>,
    signed: Option<String>,
    body: Option<String>,
    times: Option<usize>,
    verdict: String,
    reason: Option<String>,
}

#[test]
fn webhook() {
    let text = include_str!("../../../../tests/vectors/webhook.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 45);
    for case in &vectors.cases {
        run(case, &vectors);
    }
}

/// The text with HMACs filled in.
fn tagged(text: &str, signed: &str, vectors: &Vectors) -> String {
    let mut tagged = text.to_owned();
    for (name, shared) in &vectors.secrets {
        let key = STANDARD.decode(&shared.key).unwrap();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
        let hex: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        tagged = tagged.replace(&format!("{{{name}:base64}}"), &STANDARD.encode(tag));
        tagged = tagged.replace(&format!("{{{name}:hex}}"), &hex);
    }
    tagged
}

fn run(case: &Case, vectors: &Vectors) {
    let now = case.now.unwrap_or(vectors.now);
    let mut config = refined(&vectors.config, &case.config);
    config["form"] = vectors.forms[case.form.as_deref().unwrap_or("standard")].clone();
    let config: Config = serde_json::from_value(config).unwrap();
    let secret = |name: &str| Some(vectors.secrets.get(name)?.text.clone().into_bytes());
    let policy = Webhook::new(&config, &secret).unwrap();
    let signed = case.signed.as_deref().map(|signed| filled(signed, now));
    let mut headers = HeaderMap::new();
    for (name, value) in &case.headers {
        let value = filled(value, now);
        let value = signed
            .as_ref()
            .map_or(value.clone(), |signed| tagged(&value, signed, vectors));
        let name = HeaderName::try_from(name.as_str()).unwrap();
        headers.append(name, HeaderValue::try_from(value).unwrap());
    }
    let view = RequestView {
        method: &Method::POST,
        host: "a.example",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    let body = case.body.as_deref().map(str::as_bytes);
    let mut once = Once::default();
    let mut verdict = None;
    for _ in 0..case.times.unwrap_or(1) {
        verdict = Some(told(&mut once, body, |answers| {
            let came = (body.is_some(), false);
            policy.decide(&view, came, answers, now * 1000).unwrap()
        }));
    }
    match verdict.unwrap() {
        Verdict::Identify(identity) => {
            assert_eq!(case.verdict, "identify", "{}", case.name);
            assert_eq!(&*identity.credential, "webhook:sender", "{}", case.name);
        }
        Verdict::Deny(denial) => {
            assert_eq!(case.verdict, "deny", "{}: {denial:?}", case.name);
            assert_eq!(
                Some(denial.reason.code),
                case.reason.as_deref(),
                "{}: {denial:?}",
                case.name
            );
            let has = |header| denial.headers.iter().any(|(name, _)| name == header);
            assert_eq!(
                has(WWW_AUTHENTICATE),
                denial.reason.status == 401,
                "{}",
                case.name
            );
            assert!(!has(RETRY_AFTER), "{}", case.name);
        }
        other => panic!("{}: {other:?}", case.name),
    }
}
