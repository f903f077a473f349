//! The cases of `device`.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_policy::broker::Brought;
use lockgate_policy::device::{Config, Device, Seen, Then};
use serde_json::{json, Map, Value};

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    config: Said,
    claims: Option<Map<String, Value>>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    proved_by: Option<String>,
    standing: Option<Value>,
    verdict: String,
    reason: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Said {
    without: Option<Then>,
    unapproved: Option<Then>,
    new: Option<Then>,
    changed: Option<Then>,
    travel: Option<Then>,
    most: Option<u32>,
}

#[test]
fn device() {
    let text = include_str!("../../../../../tests/vectors/device.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 20);
    for case in vectors.cases {
        let said = case.config;
        let policy = Device::new(&Config {
            without: said.without == Some(Then::Allow),
            unapproved: said.unapproved != Some(Then::Deny),
            new: said.new.unwrap_or(Then::StepUp),
            changed: said.changed.unwrap_or(Then::StepUp),
            travel: said.travel.unwrap_or(Then::StepUp),
            most: said.most,
            amr: vec!["mfa".into()],
            acr: Vec::new(),
            sign_in: Some("staff".into()),
        })
        .unwrap();
        let mut claims = json!({"iss": "https://login.example.com", "sub": "ada"});
        let device = || Map::from_iter([("device".to_owned(), json!("b-1"))]);
        let more = case.claims.unwrap_or_else(device);
        claims.as_object_mut().unwrap().extend(more);
        let proved_by = case.proved_by.as_deref().unwrap_or("session");
        let identity = Identity {
            proved_by: lockgate_policy::NAMES
                .iter()
                .find(|name| **name == proved_by)
                .unwrap(),
            credential: "company/ada".into(),
            owner: "ada".into(),
            app: None,
            claims: Some(Arc::new(claims.as_object().unwrap().clone())),
        };
        let mut fields = HeaderMap::new();
        for (name, value) in &case.headers {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            fields.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let view = view(&Method::GET, &fields, None);
        let seen = Seen {
            address: [192, 0, 2, 1].into(),
            ja4: None,
            http2: None,
            country: None,
            network: None,
            location: None,
        };
        let brought = case.standing.map_or(Brought::Unavailable(1), |standing| {
            Brought::Got(standing.to_string().into())
        });
        let decide = |answers: &Answers| {
            let decided = policy.decide(&view, &seen, Some(&identity), answers, 0);
            decided.map(|decided| decided.verdict)
        };
        let mut verdict = decide(&Answers::None);
        if let Ok(Verdict::Need(Need::Order(_))) = &verdict {
            verdict = decide(&Answers::Brought(brought));
        }
        match verdict {
            Ok(verdict) => check(&case.name, &verdict, &case.verdict, case.reason.as_deref()),
            Err(error) => {
                let said = (error.reason.code, "error");
                assert_eq!(Some(said.0), case.reason.as_deref(), "{}", case.name);
                assert_eq!(said.1, case.verdict, "{}", case.name);
            }
        }
    }
}
