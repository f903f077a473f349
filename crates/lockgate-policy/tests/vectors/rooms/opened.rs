//! The cases of `properties` and `minimise`.

use std::sync::Arc;

use lockgate_policy::fields::Opening;
use lockgate_policy::minimise::{self, Errors, Fate, Minimise};
use lockgate_policy::only::Only;
use lockgate_policy::properties::{self, Asked, Properties};
use lockgate_policy::roles::{self, Book, Role};
use lockgate_policy::Span;
use lockgate_wire::json::{Places, Scan};

use super::*;

fn role(name: &str, includes: &[&str]) -> Role {
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

fn book() -> Arc<Book> {
    let all = [role("support", &[]), role("manager", &["support"])];
    Arc::new(Book::new(&all).unwrap())
}

fn who(groups: &[String]) -> Identity {
    let claims = serde_json::json!({"sub": "ann", "groups": groups});
    Identity {
        proved_by: "session",
        credential: "company/ann".into(),
        owner: "ann".into(),
        app: None,
        claims: claims.as_object().cloned().map(Arc::new),
    }
}

fn of_type(kind: Option<&str>) -> HeaderMap {
    let kind = HeaderValue::try_from(kind.unwrap_or("application/json")).unwrap();
    HeaderMap::from_iter([(http::header::CONTENT_TYPE, kind)])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfProperties {
    open: Vec<Opening>,
    cases: Vec<PropertyCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PropertyCase {
    name: String,
    method: Option<String>,
    target: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    drop: bool,
    #[serde(default)]
    query: bool,
    body: String,
    left: Option<String>,
    verdict: String,
    reason: Option<String>,
}

#[test]
fn properties() {
    let text = include_str!("../../../../../tests/vectors/properties.yaml");
    let vectors: OfProperties = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 70);
    for case in vectors.cases {
        let config = properties::Config {
            rules: vec![properties::RuleConfig {
                what: vec![Only::default()],
                open: vectors.open.clone(),
                drop: case.drop,
                query: case.query,
                span: Span::default(),
            }],
            body_bytes: 1_000,
        };
        let policy = Properties::new(&config, &book()).unwrap();
        let method = case.method.as_deref().unwrap_or("PATCH");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let headers = of_type(case.kind.as_deref());
        let query = case
            .target
            .as_deref()
            .and_then(|target| target.split_once('?'));
        let view = RequestView {
            query: query.map(|(_, query)| query),
            ..view(&method, &headers, None)
        };
        let identity = who(&case.groups);
        let asked = Asked {
            identity: Some(&identity),
            body: !case.body.is_empty(),
        };
        let mut decided = policy.decide(&view, &asked, &Answers::None).unwrap();
        if let Verdict::Need(Need::Content(gather)) = decided.verdict {
            let answers = Answers::content(gather, Some(case.body.as_bytes()));
            decided = policy.decide(&view, &asked, &answers).unwrap();
        }
        let said = match &decided.verdict {
            Verdict::Allow(_) => ("allow", None),
            Verdict::Deny(denial) => ("deny", Some(denial.reason.code)),
            other => panic!("{other:?}"),
        };
        let wanted = (&*case.verdict, case.reason.as_deref());
        assert_eq!(said, wanted, "{}: {:?}", case.name, decided.verdict);
        let left = decided
            .left
            .map(|left| String::from_utf8(left.body).unwrap());
        assert_eq!(left, case.left, "{}", case.name);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfMinimise {
    open: Vec<Opening>,
    cases: Vec<MinimiseCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MinimiseCase {
    name: String,
    method: Option<String>,
    status: Option<u16>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    errors: Option<Errors>,
    answer: String,
    left: Option<String>,
    verdict: String,
    reason: Option<String>,
}

#[test]
fn minimise() {
    let text = include_str!("../../../../../tests/vectors/minimise.yaml");
    let vectors: OfMinimise = serde_saphyr::from_str(text).unwrap();
    assert!(vectors.cases.len() > 25);
    for case in vectors.cases {
        let config = minimise::Config {
            rules: vec![minimise::RuleConfig {
                what: vec![Only::default()],
                open: vectors.open.clone(),
                span: Span::default(),
            }],
            errors: case.errors.unwrap_or(Errors::Known),
            types: vec!["application/pdf".to_owned()],
            answer_bytes: 256,
        };
        let policy = Minimise::new(&config, &book()).unwrap();
        let method = case.method.as_deref().unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let none = HeaderMap::new();
        let (verdict, pending) =
            policy.decide(&view(&method, &none, None), Some(&who(&case.groups)));
        assert!(matches!(verdict, Verdict::Allow(_)), "{}", case.name);
        let pending = pending.unwrap();
        let headers = of_type(case.kind.as_deref());
        let answer = case.answer.as_bytes();
        let fate = policy.fate(&pending, case.status.unwrap_or(200), &headers);
        let cutting = match fate {
            Fate::CutError => Minimise::cutting_error(),
            _ => policy.cutting(&pending),
        };
        let scan = Scan::cutting(answer, &Places::default(), Some(&cutting));
        let left = match (fate, &scan) {
            _ if answer.is_empty() => Ok(None),
            (Fate::Pass, _) => Ok(None),
            (Fate::Refuse(told), _) => Err(policy.refusal(&pending, told)),
            _ if answer.len() as u64 > policy.answer_bytes() => {
                Err(policy.refusal(&pending, "it is too long"))
            }
            (_, Ok(scan)) if scan.cuts.is_empty() => Ok(None),
            (_, Ok(scan)) => Ok(Some(scan.without(answer, &[], true))),
            (Fate::CutError, Err(_)) => Ok(Some(Vec::new())),
            (_, Err(wrong)) => Err(policy.unreadable(&pending, *wrong)),
        };
        let said = match &left {
            Ok(_) => ("allow", None),
            Err(denial) => ("deny", Some(denial.reason.code)),
        };
        assert_eq!(
            said,
            (&*case.verdict, case.reason.as_deref()),
            "{}",
            case.name
        );
        let left = left
            .ok()
            .flatten()
            .map(|left| String::from_utf8(left).unwrap());
        assert_eq!(left, case.left, "{}", case.name);
    }
}
