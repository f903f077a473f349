//! The cases of `risk`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use lockgate_policy::device::Standing;
use lockgate_policy::risk::{Around, Config, Hours, Risk, Signal, Weight};
use serde_json::{json, Map, Value};

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
    weights: BTreeMap<String, u8>,
    claims: Map<String, Value>,
    proved_by: Option<String>,
    device: Option<Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    address: Option<IpAddr>,
    hours: Option<Hours>,
    score: u8,
    verdict: String,
    reason: Option<String>,
}

#[test]
fn risk() {
    let text = include_str!("../../../../../tests/vectors/risk.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 20);
    for case in vectors.cases {
        let weights = case.weights.iter().map(|(name, points)| Weight {
            signal: serde_json::from_value::<Signal>(json!(name)).unwrap(),
            points: *points,
        });
        let policy = Risk::new(&Config {
            step_up_at: Some(60),
            deny_at: Some(85),
            weights: weights.collect(),
            within_s: 900,
            amr: vec!["mfa".into()],
            acr: Vec::new(),
            old_s: 43_200,
            countries: Vec::new(),
            networks: Vec::new(),
            addresses: vec!["203.0.113.0/24".into()],
            hours: case.hours,
            sign_in: Some("staff".into()),
        })
        .unwrap();
        let proved_by = case.proved_by.as_deref().unwrap_or("session");
        let mut claims = case.claims;
        claims.insert("iss".into(), json!("https://login.example.com"));
        claims.insert("sub".into(), json!("ada"));
        let identity = Identity {
            proved_by: lockgate_policy::NAMES
                .iter()
                .find(|name| **name == proved_by)
                .unwrap(),
            credential: "company/ada".into(),
            owner: "ada".into(),
            app: None,
            claims: Some(Arc::new(claims)),
        };
        let mut fields = HeaderMap::new();
        for (name, value) in &case.headers {
            let name = HeaderName::try_from(name.as_str()).unwrap();
            fields.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let standing = case
            .device
            .map(|said| Standing::read(&said.to_string()).unwrap());
        let around = Around {
            identity: Some(&identity),
            device: standing.as_ref(),
            place: None,
            client: case.address.unwrap_or_else(|| Ipv4Addr::LOCALHOST.into()),
            ja4: None,
            failing: false,
            now_ms: vectors.now_ms,
        };
        let decision = policy.decide(&view(&Method::GET, &fields, None), &around);
        let reason = case.reason.as_deref();
        check(&case.name, &decision.verdict, &case.verdict, reason);
        assert_eq!(decision.score.points, case.score, "{}", case.name);
    }
}
