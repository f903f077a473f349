#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use lockgate_policy::only::{Only, PathPattern};
use lockgate_policy::roles::{self, ClaimTest, Is, Opening, Role, Who};
use lockgate_policy::scopes::{self, Scheme, SchemeKind, Security};
use lockgate_policy::{conditions, step_up};

use super::*;
use crate::bundle::{Authorize, Open, Operation, VersionBy, Versions};
use crate::testing::{api, bundle, keyed, line, placed, prefix, waiver, NOW};

fn only(methods: &[&str], operations: &[&str], paths: &[PathPattern]) -> Only {
    let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    Only {
        methods: texts(methods),
        operations: texts(operations),
        paths: paths.to_vec(),
    }
}

fn template(path: &str) -> PathPattern {
    PathPattern::Template(path.to_owned())
}

fn role(name: &str, includes: &[&str]) -> Role {
    let test = ClaimTest {
        path: vec![name.to_owned()],
        test: Is::Present(true),
    };
    Role {
        name: name.to_owned(),
        who: vec![vec![Who::Claim(test)]],
        includes: includes.iter().map(|one| (*one).to_owned()).collect(),
        span: line(3),
    }
}

fn opening(role: &str, what: Only) -> Opening {
    Opening {
        role: role.to_owned(),
        what: vec![what],
    }
}

/// An API whose callers have keys, with these roles.
fn ruled(opens: Vec<Opening>) -> Api {
    let mut api = keyed("shop", &[prefix("/shop")]);
    api.authorize = Authorize::Ruled;
    api.policies.roles = Some(placed(roles::Config { opens }, 22));
    api
}

fn made(api: Api) -> Bundle {
    let mut made = bundle(vec![api]);
    made.roles = vec![role("viewer", &[]), role("manager", &["viewer"])];
    made
}

fn operation(name: &str, method: &str, path: &str, security: Option<u32>) -> Operation {
    Operation {
        name: name.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        bases: None,
        security,
        span: line(31),
    }
}

fn documented(mut made: Bundle, operations: Vec<Operation>) -> Bundle {
    let scheme = |kind, scopes: &[&str]| Scheme {
        name: "key".to_owned(),
        kind,
        scopes: scopes.iter().map(|one| (*one).to_owned()).collect(),
    };
    made.documents = vec![ApiDocument {
        bases: vec!["/shop".to_owned()],
        security: vec![
            Security {
                any: vec![vec![scheme(SchemeKind::ApiKey, &["read"])]],
            },
            Security { any: Vec::new() },
            Security {
                any: vec![vec![scheme(SchemeKind::Token, &["read"])]],
            },
        ],
        operations,
        span: line(30),
    }];
    made.apis[0].openapi = Some(Attached {
        document: 0,
        mode: Mode::Enforce,
        span: line(30),
    });
    made
}

fn told(bundle: &Bundle) -> Vec<Part> {
    access(&serde_json::to_vec(bundle).unwrap(), None, Some(NOW)).unwrap()
}

/// What stands in a matrix: the part, who may, and by which roles.
fn rows(parts: &[Part]) -> Vec<(String, MayCall, Vec<String>)> {
    let row = |part: &Part| {
        let roles = part
            .rules
            .iter()
            .flat_map(|rule| rule.roles.as_array().unwrap());
        let roles = roles.map(|one| match one["through"].as_str() {
            Some(through) => format!("{} through {through}", one["role"].as_str().unwrap()),
            None => one["role"].as_str().unwrap().to_owned(),
        });
        (
            format!("{} {}", part.method, part.path),
            part.who,
            roles.collect(),
        )
    };
    parts.iter().map(row).collect()
}

fn row(part: &str, who: MayCall, roles: &[&str]) -> (String, MayCall, Vec<String>) {
    let roles = roles.iter().map(|one| (*one).to_owned());
    (part.to_owned(), who, roles.collect())
}

#[test]
fn without_a_document_there_are_the_parts_that_rules_name() {
    let mut api = ruled(vec![
        opening("viewer", only(&["GET"], &[], &[])),
        opening("manager", only(&["PATCH"], &[], &[template("/shop/{id}")])),
        opening(
            "manager",
            only(&[], &[], &[PathPattern::Prefix("/shop/admin".to_owned())]),
        ),
    ]);
    api.open = vec![Open {
        only: only(
            &["GET"],
            &[],
            &[PathPattern::Exact("/shop/prices".to_owned())],
        ),
        waiver: waiver(u64::MAX),
    }];
    let parts = told(&made(api));
    let both = ["viewer", "manager through viewer"];
    assert_eq!(
        rows(&parts),
        [
            row("GET /shop/*", MayCall::Entitled, &both),
            row("PATCH /shop/{id}", MayCall::Entitled, &["manager"]),
            row("* /shop/admin/*", MayCall::Entitled, &["manager"]),
            row("GET /shop/prices", MayCall::Anyone, &[]),
            row("* /shop/*", MayCall::Nobody, &[]),
        ]
    );
    assert_eq!(parts[4].reason, Some("operation-without-rule"));
    assert!(parts[4].rest && !parts[0].rest);
    assert_eq!(parts[3].waiver.as_ref().unwrap().owner, "ops");
    // What stands for `*` is a method that no rule names.
    assert_eq!(parts[4].request.as_ref().unwrap().method, "POST");
}

#[test]
fn each_operation_of_a_document_is_told_of() {
    let mut api = ruled(vec![opening("viewer", only(&[], &["list", "one"], &[]))]);
    let from_openapi = scopes::Config {
        from_openapi: true,
        ..scopes::Config::default()
    };
    api.policies.scopes = Some(placed(from_openapi, 23));
    let operations = vec![
        operation("list", "GET", "/", Some(0)),
        operation("one", "GET", "/{id}", None),
        operation("fixed", "GET", "/1", Some(1)),
        operation("token", "PUT", "/{id}", Some(2)),
        operation("silent", "DELETE", "/{id}", None),
    ];
    let parts = told(&documented(made(api), operations));
    let both = ["viewer", "manager through viewer"];
    assert_eq!(
        rows(&parts),
        [
            row("GET /", MayCall::Entitled, &both),
            row("GET /{id}", MayCall::Entitled, &both),
            row("GET /1", MayCall::Known, &[]),
            row("PUT /{id}", MayCall::Nobody, &[]),
            row("DELETE /{id}", MayCall::Nobody, &[]),
        ]
    );
    let reasons: Vec<_> = parts.iter().map(|part| part.reason).collect();
    let unfit = Some("credential-unfit");
    assert_eq!(
        reasons,
        [None, None, None, unfit, Some("operation-without-rule")]
    );
    let ways = &parts[0].rules[0].ways;
    assert_eq!(
        (&ways[0]["words"], &ways[0]["fits"]),
        (&"`key` (read)".into(), &true.into())
    );
    assert_eq!(parts[3].rules[0].ways[0]["fits"], false);
    // `/1` is an operation of its own.
    assert_eq!(parts[1].request.as_ref().unwrap().target, "/shop/any");
}

#[test]
fn what_does_not_hold_says_so() {
    let mut api = ruled(vec![opening("viewer", only(&["GET"], &[], &[]))]);
    let roles = api.policies.roles.as_mut().unwrap();
    (roles.mode, roles.waiver) = (Mode::Observe, Some(waiver(NOW + 1)));
    let observed = made(api);
    let parts = told(&observed);
    assert_eq!(
        (parts[0].who, parts[0].rules[0].mode),
        (MayCall::Known, Mode::Observe)
    );
    // And what was excepted holds once the exception has ended.
    let after = access(&serde_json::to_vec(&observed).unwrap(), None, Some(NOW + 1)).unwrap();
    assert_eq!(
        (after[0].who, after[0].rules[0].mode),
        (MayCall::Entitled, Mode::Enforce)
    );
    let mut open = api_open(NOW);
    assert_eq!(told(&open)[0].reason, Some("waiver-expired"));
    open = api_open(u64::MAX);
    assert_eq!(told(&open)[0].who, MayCall::Anyone);
}

fn api_open(until_ms: u64) -> Bundle {
    let mut open = api("open", &[prefix("/open")]);
    open.public = Some(waiver(until_ms));
    bundle(vec![open])
}

#[test]
fn a_role_that_nobody_can_have_opens_nothing() {
    let mut made = made(ruled(vec![opening("viewer", only(&["GET"], &[], &[]))]));
    made.roles = vec![Role {
        who: Vec::new(),
        ..role("viewer", &[])
    }];
    let parts = told(&made);
    assert_eq!(
        (parts[0].who, parts[0].reason),
        (MayCall::Nobody, Some("role-missing"))
    );
}

#[test]
fn what_asks_for_more_stands_behind() {
    let mut api = ruled(vec![opening("viewer", only(&["GET", "POST"], &[], &[]))]);
    let wanted = step_up::Wanted {
        methods: vec!["POST".to_owned()],
        within_s: Some(300),
        ..step_up::Wanted::default()
    };
    let config = step_up::Config {
        rules: vec![wanted],
        sign_in: None,
    };
    api.policies.step_up = Some(placed(config, 24));
    let parts = told(&made(api));
    let behind = |number: usize| {
        parts[number]
            .behind
            .iter()
            .map(|one| one.policy)
            .collect::<Vec<_>>()
    };
    assert_eq!((behind(0), behind(1)), (vec![], vec!["step_up"]));
}

#[test]
fn a_request_carries_what_leads_to_its_route_and_version() {
    let mut route = ruled(vec![opening("viewer", only(&[], &["one"], &[]))]);
    route.hosts = vec!["*.example.com".to_owned()];
    let condition = |part, name: &str, test| conditions::Config {
        part,
        name: name.to_owned(),
        test,
    };
    route.conditions = vec![
        condition(
            conditions::Part::Header,
            "x-beta",
            conditions::Test::Present(true),
        ),
        condition(
            conditions::Part::Query,
            "a b",
            conditions::Test::Exact("ü".to_owned()),
        ),
        condition(
            conditions::Part::Cookie,
            "c",
            conditions::Test::Exact("2".to_owned()),
        ),
        condition(
            conditions::Part::Header,
            "x-no",
            conditions::Test::Present(false),
        ),
    ];
    let mut made = documented(made(route), vec![operation("one", "GET", "/{id}", None)]);
    let openapi = made.apis[0].openapi.take();
    let version = |name: &str| crate::bundle::Version {
        name: name.to_owned(),
        upstream: None,
        openapi: openapi.clone(),
        deprecated_ms: None,
        sunset_ms: None,
        brownouts: Vec::new(),
        successor: None,
        notice: None,
        span: line(40),
    };
    made.apis[0].versions = Some(Versions {
        by: VersionBy::Header("x-version".to_owned()),
        default: None,
        list: vec![version("v1"), version("v2")],
        span: line(40),
    });
    let parts = told(&made);
    let versions: Vec<_> = parts.iter().map(|part| part.version.as_deref()).collect();
    assert_eq!(versions, [Some("v1"), Some("v2")]);
    assert!(parts.iter().all(|part| part.who == MayCall::Entitled));
    let request = parts[1].request.clone().unwrap();
    assert_eq!(request.target, "/shop/1?a%20b=%C3%BC");
    let headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(
        headers,
        [
            ("Host", "any.example.com"),
            ("x-beta", "1"),
            ("x-version", "v2"),
            ("Cookie", "c=2")
        ]
    );
    made.apis[0].conditions[0].test = conditions::Test::Regex("a|b".to_owned());
    let parts = told(&made);
    assert!(parts
        .iter()
        .all(|part| part.who == MayCall::Unreached && part.request.is_none()));
}

#[test]
fn versions_in_paths_are_reached_below_the_prefix() {
    let mut api = ruled(vec![opening("viewer", only(&[], &["one"], &[]))]);
    api.strip_path = true;
    let mut made = documented(made(api), vec![operation("one", "GET", "/{id}", None)]);
    made.documents[0].bases = vec![String::new()];
    let openapi = made.apis[0].openapi.take();
    made.apis[0].versions = Some(Versions {
        by: VersionBy::Path {},
        default: None,
        list: vec![crate::bundle::Version {
            name: "v1".to_owned(),
            upstream: None,
            openapi,
            deprecated_ms: None,
            sunset_ms: None,
            brownouts: Vec::new(),
            successor: None,
            notice: None,
            span: line(40),
        }],
        span: line(40),
    });
    let parts = told(&made);
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].request.as_ref().unwrap().target, "/shop/v1/1");
}

#[test]
fn what_a_request_may_be_made_by_is_told() {
    let made = made(ruled(vec![opening("viewer", only(&["GET"], &[], &[]))]));
    let asked = |method: &str, target: &str| {
        let sample = Sample {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("Host".to_owned(), "localhost".to_owned())],
            listener: None,
        };
        access(
            &serde_json::to_vec(&made).unwrap(),
            Some(&sample),
            Some(NOW),
        )
        .unwrap()
    };
    let get = asked("GET", "/shop/x/y");
    assert_eq!(get[0].who, MayCall::Entitled);
    assert_eq!(get[0].rules[0].roles[0]["role"], "viewer");
    assert_eq!(asked("PUT", "/shop/x/y")[0].who, MayCall::Nobody);
    assert!(asked("GET", "/elsewhere").is_empty());
}

#[test]
fn routes_of_an_api_share_its_operations() {
    let whole = ruled(vec![opening("viewer", only(&[], &["one", "refund"], &[]))]);
    let mut route = whole.clone();
    (route.route, route.paths) = (Some("refunds".to_owned()), vec![prefix("/shop/refunds")]);
    let operations = [
        operation("one", "GET", "/{id}", None),
        operation("refund", "POST", "/refunds/{id}", None),
        operation("elsewhere", "GET", "/{id}", None),
    ];
    let mut made = documented(made(whole), operations[..2].to_vec());
    route.openapi = made.apis[0].openapi.clone();
    made.apis.push(route);
    // An operation to which no path of the API leads.
    made.documents[0].operations.push(Operation {
        bases: Some(vec!["/other".to_owned()]),
        ..operations[2].clone()
    });
    let parts = told(&made);
    let told: Vec<_> = parts
        .iter()
        .map(|part| {
            (
                part.operation.as_deref().unwrap(),
                part.route.as_deref(),
                part.who,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("one", None, MayCall::Entitled),
            ("refund", Some("refunds"), MayCall::Entitled),
            ("elsewhere", None, MayCall::Unreached),
        ]
    );
}
