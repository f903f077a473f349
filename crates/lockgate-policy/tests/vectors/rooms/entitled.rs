//! The cases of `roles`, `scopes`, `cedar` and `objects`.

use std::sync::Arc;

use std::net::Ipv4Addr;

use lockgate_policy::cedar::{self, Around, Cedar, Field, Operation, Source};
use lockgate_policy::objects::{self, Asked, Must, Objects, Whose};
use lockgate_policy::only::Only;
use lockgate_policy::roles::{self, Book, Role, Roles};
use lockgate_policy::scopes::{self, Demand, Scheme, SchemeWays, Scopes, Security, Shown};
use lockgate_policy::ways::Ways;
use lockgate_policy::Span;
use serde_json::{Map, Value};

use super::*;

fn who(proved_by: &'static str, claims: &Map<String, Value>) -> Identity {
    Identity {
        proved_by,
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: None,
        claims: Some(Arc::new(claims.clone())),
    }
}

fn asked<'a>(method: &'a Method, headers: &'a HeaderMap) -> RequestView<'a> {
    RequestView {
        path: "/orders/7",
        ..view(method, headers, None)
    }
}

fn by_method(method: &str) -> Only {
    Only {
        methods: vec![method.to_owned()],
        ..Only::default()
    }
}

fn of_json() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)])
}

/// The verdict's name, the reason of a refusal, and what entitles.
fn told(verdict: &Verdict) -> (&'static str, Option<&'static str>, Vec<String>) {
    match verdict {
        Verdict::Allow(_) => ("silent", None, Vec::new()),
        Verdict::Granted(grounds) => (
            "granted",
            None,
            grounds.iter().map(ToString::to_string).collect(),
        ),
        Verdict::Deny(denial) => ("deny", Some(denial.reason.code), Vec::new()),
        other => panic!("{other:?}"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRoles {
    roles: Vec<Named>,
    cases: Vec<RoleCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    who: Vec<Vec<roles::Who>>,
    includes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleCase {
    name: String,
    role: String,
    what: Option<Vec<Only>>,
    claims: Map<String, Value>,
    verdict: String,
    reason: Option<String>,
    by: Option<String>,
}

#[test]
fn roles() {
    let text = include_str!("../../../../../tests/vectors/roles.yaml");
    let vectors: OfRoles = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 40);
    let all: Vec<Role> = vectors
        .roles
        .into_iter()
        .map(|one| Role {
            name: one.name,
            who: one.who,
            includes: one.includes,
            span: Span::default(),
        })
        .collect();
    let book = Arc::new(Book::new(&all).unwrap());
    let headers = HeaderMap::new();
    for case in vectors.cases {
        let opens = vec![roles::Opening {
            role: case.role,
            what: case.what.unwrap_or_else(|| vec![by_method("GET")]),
        }];
        let policy = Roles::new(&roles::Config { opens }, &book).unwrap();
        let identity = who("session", &case.claims);
        let verdict = policy.decide(&asked(&Method::GET, &headers), Some(&identity));
        let wanted = (
            &*case.verdict,
            case.reason.as_deref(),
            Vec::from_iter(case.by),
        );
        let (said, reason, by) = told(&verdict);
        assert_eq!((said, reason, by), wanted, "{}", case.name);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfScopes {
    demands: BTreeMap<String, Vec<Vec<Scheme>>>,
    cases: Vec<ScopeCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeCase {
    name: String,
    demand: Option<String>,
    #[serde(default)]
    schemes: Vec<SchemeWays>,
    opens: Option<BTreeMap<String, Vec<String>>>,
    ways: Option<Vec<String>>,
    claims: Map<String, Value>,
    verdict: String,
    reason: Option<String>,
    #[serde(default)]
    by: Vec<String>,
}

#[test]
fn scopes() {
    let text = include_str!("../../../../../tests/vectors/scopes.yaml");
    let vectors: OfScopes = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 30);
    let headers = HeaderMap::new();
    for case in vectors.cases {
        let opens = case
            .opens
            .iter()
            .flatten()
            .map(|(scope, methods)| scopes::Opening {
                scope: scope.clone(),
                what: methods.iter().map(|method| by_method(method)).collect(),
            });
        let policy = Scopes::new(&scopes::Config {
            from_openapi: case.opens.is_none(),
            opens: opens.collect(),
            schemes: case.schemes,
        })
        .unwrap();
        let demand = case.demand.map(|name| {
            let any = vectors.demands[&name].clone();
            Demand::new(&Security { any })
        });
        let ways = case.ways.unwrap_or_else(|| vec!["jwt".to_owned()]);
        let names: Vec<&str> = ways.iter().map(String::as_str).collect();
        let identity = who("jwt", &case.claims);
        let shown = Shown {
            identity: Some(&identity),
            ways: Ways::of(&names).unwrap(),
        };
        let verdict = policy.decide(&asked(&Method::GET, &headers), shown, &[demand.as_ref()]);
        let (said, reason, by) = told(&verdict);
        let wanted = (&*case.verdict, case.reason.as_deref(), case.by);
        assert_eq!((said, reason, by), wanted, "{}", case.name);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfCedar {
    operations: Vec<Operation>,
    claims: Vec<Field>,
    cases: Vec<CedarCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CedarCase {
    name: String,
    policies: String,
    method: Option<String>,
    target: Option<String>,
    body: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    verdict: String,
    reason: Option<String>,
    by: Option<String>,
}

fn groups(name: &str, includes: &[&str]) -> Role {
    let test = roles::ClaimTest {
        path: vec!["groups".to_owned()],
        test: roles::Is::Contains(vec![roles::ClaimValue::Text(name.to_owned())]),
    };
    Role {
        name: name.to_owned(),
        who: vec![vec![roles::Who::Claim(test)]],
        includes: includes.iter().map(|one| (*one).to_owned()).collect(),
        span: Span::default(),
    }
}

#[test]
fn cedar() {
    let text = include_str!("../../../../../tests/vectors/cedar.yaml");
    let vectors: OfCedar = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 25);
    let all = [groups("support", &[]), groups("manager", &["support"])];
    let book = Arc::new(Book::new(&all).unwrap());
    let headers = of_json();
    for case in vectors.cases {
        let config = cedar::Config {
            sources: vec![Source {
                file: 0,
                name: "test.cedar".to_owned(),
                text: case.policies,
            }],
            operations: vectors.operations.clone(),
            claims: vectors.claims.clone(),
            body_bytes: 64,
        };
        let policy = Cedar::new(&config, &book).unwrap();
        let method =
            Method::from_bytes(case.method.as_deref().unwrap_or("GET").as_bytes()).unwrap();
        let target = case.target.as_deref().unwrap_or("/orders/7");
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let id = path.strip_prefix("/orders/");
        let id = id.map(|id| lockgate_wire::query::decoded_segment(id).into_owned());
        let captures: Vec<(Arc<str>, String)> =
            id.map(|id| (Arc::from("id"), id)).into_iter().collect();
        let view = RequestView {
            path,
            query,
            operation: Some(if captures.is_empty() {
                "newOrder"
            } else {
                "getOrder"
            }),
            ..view(&method, &headers, None)
        };
        let identity = who("session", &case.claims);
        let around = Around {
            identity: Some(&identity),
            captures: &captures,
            client: Ipv4Addr::LOCALHOST.into(),
            place: None,
            device: None,
            risk: None,
            body: case.body.is_some(),
            now_ms: 1_800_000_000_000,
        };
        let mut verdict = policy.decide(&view, &around, &Answers::None).unwrap();
        if let Verdict::Need(Need::Content(gather)) = verdict {
            let answers = Answers::content(gather, case.body.as_deref().map(str::as_bytes));
            verdict = policy.decide(&view, &around, &answers).unwrap();
        }
        let (said, reason, by) = told(&verdict);
        assert_eq!(
            (said, reason),
            (&*case.verdict, case.reason.as_deref()),
            "{}",
            case.name
        );
        if let Some(wanted) = case.by {
            assert_eq!(by, [wanted], "{}", case.name);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfObjects {
    relations: Vec<objects::Relation>,
    cases: Vec<ObjectCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectCase {
    name: String,
    whose: Whose,
    must: Must,
    #[serde(default)]
    hidden: bool,
    method: Option<String>,
    target: String,
    body: Option<String>,
    answer: Option<String>,
    left: Option<String>,
    verdict: String,
    reason: Option<String>,
}

#[test]
fn objects() {
    let text = include_str!("../../../../../tests/vectors/objects.yaml");
    let vectors: OfObjects = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 20);
    let relations = objects::Relations::new(&vectors.relations).unwrap();
    let claims = serde_json::json!({"sub": "ann", "accounts": ["a1", "a2"]});
    let identity = Identity {
        owner: "ann".into(),
        ..who("session", claims.as_object().unwrap())
    };
    let headers = of_json();
    for case in vectors.cases {
        let rules = vec![objects::Rule {
            what: vec![Only::default()],
            whose: case.whose,
            must: case.must,
            unless: Vec::new(),
            hidden: case.hidden,
            span: Span::default(),
        }];
        let config = objects::Config {
            rules,
            body_bytes: 100,
            answer_bytes: 1_000,
            not_found: None,
        };
        let policy = Objects::new(&config, &Arc::default(), &relations).unwrap();
        let method = case.method.as_deref().unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (path, query) = match case.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&*case.target, None),
        };
        let id = lockgate_wire::query::decoded_segment(path.strip_prefix("/orders/").unwrap());
        let captures = [(Arc::from("id"), id.into_owned())];
        let view = RequestView {
            path,
            query,
            ..view(&method, &headers, None)
        };
        let asked = Asked {
            identity: Some(&identity),
            captures: &captures,
            body: case.body.is_some(),
        };
        let mut decided = policy.decide(&view, &asked, &Answers::None).unwrap();
        if let Verdict::Need(Need::Content(gather)) = decided.verdict {
            let answers = Answers::content(gather, case.body.as_deref().map(str::as_bytes));
            decided = policy.decide(&view, &asked, &answers).unwrap();
        }
        let mut said = match &decided.verdict {
            Verdict::Allow(_) => ("allow", None),
            Verdict::Deny(denial) => ("deny", Some(denial.reason.code)),
            other => panic!("{other:?}"),
        };
        if let (Some(pending), Some(answer)) = (&decided.pending, &case.answer) {
            match policy.judge(pending, answer.as_bytes()) {
                Ok(left) => {
                    let left = left.map(|left| String::from_utf8(left).unwrap());
                    assert_eq!(left, case.left, "{}", case.name);
                }
                Err(denial) => said = ("deny", Some(denial.reason.code)),
            }
        }
        assert_eq!(
            said,
            (&*case.verdict, case.reason.as_deref()),
            "{}",
            case.name
        );
    }
}
