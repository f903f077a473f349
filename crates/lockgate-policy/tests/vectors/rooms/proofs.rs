//! The cases of `step_up`.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_policy::step_up::{Config, StepUp, Wanted};
use serde_json::{Map, Value};

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    now_ms: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    rule: Said,
    claims: Map<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    proved_by: Option<String>,
    verdict: String,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Said {
    methods: Vec<String>,
    within_s: Option<u32>,
    amr: Vec<String>,
    acr: Vec<String>,
}

#[test]
fn step_up() {
    let text = include_str!("../../../../../tests/vectors/step_up.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 15);
    for case in vectors.cases {
        let rule = Wanted {
            methods: case.rule.methods,
            within_s: case.rule.within_s,
            amr: case.rule.amr,
            acr: case.rule.acr,
            ..Wanted::default()
        };
        let policy = StepUp::new(&Config {
            rules: vec![rule],
            sign_in: Some("staff".into()),
        })
        .unwrap();
        let proved_by = case.proved_by.as_deref().unwrap_or("jwt");
        let identity = Identity {
            proved_by: lockgate_policy::NAMES
                .iter()
                .find(|name| **name == proved_by)
                .unwrap(),
            credential: "company/ada".into(),
            owner: "ada".into(),
            app: None,
            claims: Some(Arc::new(case.claims)),
        };
        let mut fields = HeaderMap::new();
        for (name, value) in &case.headers {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            fields.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let view = view(&Method::GET, &fields, None);
        let verdict = policy.decide(&view, Some(&identity), vectors.now_ms);
        check(&case.name, &verdict, &case.verdict, case.reason.as_deref());
    }
}
