//! The cases of `tests/vectors/waf.yaml`, by the policy itself.

use bytes::Bytes;
use http::Version;
use lockgate_policy::waf::{self, Arrived, Config, Exclude, Longer, Waf, Watched};
use lockgate_policy::{BodyMachine, BodyVerdict, Span, Waiver};

use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Guarded {
    cases: Vec<GuardedCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardedCase {
    name: String,
    config: SaidOfGuard,
    target: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    r#type: Option<String>,
    body: Option<String>,
    fill: Option<usize>,
    verdict: String,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidOfGuard {
    threshold: Option<u32>,
    #[serde(default)]
    exclude: Vec<SaidExclude>,
    inspect_bytes: Option<u64>,
    longer: Option<Longer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidExclude {
    rule: String,
    at: Option<String>,
    request: Option<String>,
}

fn config(said: SaidOfGuard) -> Config {
    let exclude = said.exclude.into_iter().map(|said| Exclude {
        rule: said.rule,
        at: said.at,
        request: said.request,
        waiver: Waiver {
            owner: "team".into(),
            reason: "a test".into(),
            until_ms: u64::MAX,
            span: Span::default(),
        },
    });
    Config {
        set: None,
        native: true,
        overrule: false,
        variables: std::collections::BTreeMap::new(),
        threshold: said.threshold.unwrap_or(5),
        exclude: exclude.collect(),
        inspect_bytes: said.inspect_bytes.unwrap_or(1 << 20),
        longer: said.longer.unwrap_or_default(),
        answers: None,
        scan: None,
    }
}

fn verdict(policy: &Waf, case: &GuardedCase) -> Option<&'static str> {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("a.example"));
    for (name, value) in &case.headers {
        let name: http::HeaderName = name.parse().unwrap();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    if let Some(kind) = &case.r#type {
        headers.insert("content-type", HeaderValue::from_str(kind).unwrap());
    }
    let mut inspection = policy.begin(&Arrived {
        method: "POST",
        target: case.target.as_deref().unwrap_or("/"),
        path: "/",
        version: Version::HTTP_11,
        headers: &headers,
        client: std::net::IpAddr::from([127, 0, 0, 1]),
        port: 80,
        id: "id",
        now_ms: 0,
    });
    let filled = case.fill.map(|count| "x".repeat(count));
    let Some(body) = case.body.as_ref().or(filled.as_ref()) else {
        return waf::whole(&mut inspection)
            .err()
            .map(|denial| denial.reason.code);
    };
    while inspection.request_head() == lockgate_waf::engine::Progress::More {}
    let mut machine = Watched::new(inspection, policy.inspects());
    for piece in body.as_bytes().chunks(500) {
        if let BodyVerdict::Deny(denial) = machine.on_chunk(&Bytes::copy_from_slice(piece)) {
            return Some(denial.reason.code);
        }
    }
    match machine.on_end() {
        BodyVerdict::Deny(denial) => Some(denial.reason.code),
        _ => None,
    }
}

#[test]
fn waf() {
    let text = include_str!("../../../../tests/vectors/waf.yaml");
    let vectors: Guarded = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 15);
    for mut case in vectors.cases {
        let said = std::mem::replace(
            &mut case.config,
            SaidOfGuard {
                threshold: None,
                exclude: Vec::new(),
                inspect_bytes: None,
                longer: None,
            },
        );
        let policy = Waf::new(&config(said), None).unwrap();
        let got = verdict(&policy, &case);
        assert_eq!(got, case.reason.as_deref(), "{}", case.name);
        assert_eq!(got.is_none(), case.verdict == "allow", "{}", case.name);
    }
}
