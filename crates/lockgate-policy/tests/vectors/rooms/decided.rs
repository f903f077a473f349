//! The cases of `decide`.

use std::net::Ipv4Addr;

use lockgate_policy::decide::{Around, Config, Decide, Heard, Way};
use lockgate_policy::roles::Book;
use serde_json::{json, Value};

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    to_upstream: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    result: Value,
    verdict: String,
    reason: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    sets: BTreeMap<String, String>,
}

#[test]
fn decide() {
    let text = include_str!("../../../../../tests/vectors/decide.yaml");
    let vectors: Vectors = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 20);
    let config = Config {
        upstream: "opa".into(),
        way: Way::Opa {
            path: "/v1/data/httpapi/allow".into(),
        },
        deadline_ms: 50,
        cache_ms: 0,
        headers: Vec::new(),
        to_upstream: vectors.to_upstream,
    };
    let book = Arc::new(Book::default());
    let policy = Decide::new(&config, 0, &book, (&[], &[])).unwrap();
    let around = Around {
        identity: None,
        client: Ipv4Addr::LOCALHOST.into(),
        place: None,
        device: None,
        risk: None,
        secure: false,
        authority: "a.example",
    };
    let fields = HeaderMap::new();
    for case in vectors.cases {
        let answer = match &case.result {
            Value::Null => json!({}),
            result => json!({ "result": result }),
        };
        let read = policy
            .point()
            .read(200, &HeaderMap::new(), answer.to_string().as_bytes());
        let heard = read.map_or_else(Heard::Silent, |said| Heard::Said(said.into()));
        let view = view(&Method::GET, &fields, None);
        let decided = policy.decide(&view, &around, &Answers::Decision(heard));
        let decided = match decided {
            Ok(decided) => decided.verdict,
            Err(error) => {
                let told = ("error", Some(error.reason.code));
                assert_eq!(
                    told,
                    (&*case.verdict, case.reason.as_deref()),
                    "{}",
                    case.name
                );
                continue;
            }
        };
        check(&case.name, &decided, &case.verdict, case.reason.as_deref());
        match decided {
            Verdict::Allow(edits) => {
                let set: BTreeMap<String, String> = edits
                    .request
                    .iter()
                    .map(|edit| match edit {
                        Edit::Add(name, value) => {
                            (name.to_string(), value.to_str().unwrap().to_owned())
                        }
                        other => panic!("{other:?}"),
                    })
                    .collect();
                assert_eq!(set, case.sets, "{}", case.name);
            }
            Verdict::Deny(denial) => {
                assert_eq!(
                    denial.detail.as_deref(),
                    case.detail.as_deref(),
                    "{}",
                    case.name
                );
            }
            other => panic!("{other:?}"),
        }
    }
}
