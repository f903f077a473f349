//! The cases of `apps`.

use lockgate_policy::apps::{self, App, Apps, AppsPolicy, Book, Record, Registry, Tier, Tiers};
use lockgate_policy::only::Only;
use lockgate_policy::{scopes, Span, Terms};
use serde_json::Value;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    registry: Registered,
    told: Vec<Told>,
    bulk: Vec<String>,
    cases: Vec<Case>,
}

/// As a bundle has it, but for places in a configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registered {
    named: Vec<Value>,
    tiers: Tiers,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    id: String,
    tier: Tier,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    apis: Option<Vec<String>>,
    #[serde(default)]
    stopped: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    app: Option<String>,
    scopes: Vec<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    operation: Option<String>,
    verdict: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    left: Vec<String>,
    #[serde(default)]
    grounds: Vec<String>,
}

fn named(mut app: Value) -> App {
    app["span"] = serde_json::to_value(Span::default()).unwrap();
    serde_json::from_value(app).unwrap()
}

fn known(told: &[Told]) -> Apps {
    let apps = Apps::default();
    let texts = |all: &Vec<String>| all.iter().map(|one| one.as_str().into()).collect();
    for one in told {
        let record = Record {
            id: one.id.as_str().into(),
            tier: one.tier,
            scopes: one.scopes.as_ref().map(texts),
            apis: one.apis.as_ref().map(texts),
            operations: Box::default(),
            until_ms: 0,
            grounds: Record::words(&one.id, one.tier),
        };
        apps.put(record, Vec::new(), one.stopped);
    }
    apps
}

#[test]
fn apps() {
    let text = include_str!("../../../../../tests/vectors/apps.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    let registry = Registry {
        named: vectors.registry.named.into_iter().map(named).collect(),
        tiers: vectors.registry.tiers,
        own: Vec::new(),
    };
    let config = apps::Config {
        registered: true,
        bulk: vec![Only {
            operations: vectors.bulk,
            ..Only::default()
        }],
    };
    let book = Arc::new(Book::new(&registry).unwrap());
    let pepper = lockgate_policy::api_key::pepper(&[7; 32]);
    let policy = AppsPolicy::new(&config, &book, &pepper).unwrap();
    let known = Answers::Apps(Arc::new(known(&vectors.told)));
    let headers = HeaderMap::new();
    for case in vectors.cases {
        let who = Identity {
            proved_by: "api_key",
            credential: "key_1".into(),
            owner: "ada".into(),
            app: case.app.as_deref().map(Into::into),
            claims: Terms::claims(&case.scopes),
        };
        let method = case.method.as_deref().unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let view = RequestView {
            api: "orders",
            operation: Some(case.operation.as_deref().unwrap_or("listOrders")),
            ..view(&method, &headers, None)
        };
        let decide = |answers: &Answers| {
            policy
                .decide(&view, Some(&who), answers, 1_800_000_000_000)
                .unwrap()
        };
        let first = decide(&Answers::None);
        let said = match first {
            Verdict::Need(_) => decide(&known),
            other => other,
        };
        let (verdict, reason, left, grounds) = match &said {
            Verdict::Allow(_) => ("silent", None, Vec::new(), Vec::new()),
            Verdict::Narrowed(now, grounds) => (
                "narrowed",
                None,
                scopes::all(now).map(str::to_owned).collect(),
                grounds.iter().map(ToString::to_string).collect(),
            ),
            Verdict::Deny(denial) => ("deny", Some(denial.reason.code), Vec::new(), Vec::new()),
            other => panic!("{}: {other:?}", case.name),
        };
        let told = (verdict, reason, left, grounds);
        let wanted = (
            &*case.verdict,
            case.reason.as_deref(),
            case.left,
            case.grounds,
        );
        assert_eq!(told, wanted, "{}", case.name);
    }
}
