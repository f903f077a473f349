#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{json, Value};

use super::*;
use crate::risk::{Signal, Weight};
use crate::roles::{ClaimTest, ClaimValue, Is, Role, Who};
use crate::{Content, Reading, Span};

const NOW_MS: u64 = 1_800_000_000_000;

fn one(name: &str, scalar: Scalar, required: bool) -> Field {
    Field {
        name: name.to_owned(),
        shape: Shape::One(scalar),
        required,
    }
}

fn many(name: &str) -> Field {
    Field {
        name: name.to_owned(),
        shape: Shape::Many(Scalar::Text),
        required: false,
    }
}

fn operation(name: &str, groups: &[&str]) -> Operation {
    Operation {
        name: name.to_owned(),
        groups: groups.iter().map(|one| (*one).to_owned()).collect(),
        path: Vec::new(),
        query: Vec::new(),
        body: None,
        body_required: false,
    }
}

fn orders() -> Vec<Operation> {
    let get = Operation {
        path: vec![one("id", Scalar::Text, true)],
        query: vec![one("limit", Scalar::Whole, false), many("tag")],
        ..operation("getOrder", &["GET"])
    };
    let order = vec![
        one("customer", Scalar::Text, true),
        one("amount", Scalar::Whole, false),
        Field {
            name: "ship".to_owned(),
            shape: Shape::Record(vec![one("country", Scalar::Text, true)]),
            required: false,
        },
    ];
    let new = Operation {
        body: Some(order),
        body_required: true,
        ..operation("newOrder", &["POST"])
    };
    vec![get, new, operation("GET /prices", &["GET", "public"])]
}

fn config(text: &str) -> Config {
    Config {
        sources: vec![Source {
            file: 3,
            name: "orders.cedar".to_owned(),
            text: text.to_owned(),
        }],
        operations: orders(),
        claims: vec![
            one("tenant", Scalar::Text, false),
            one("level", Scalar::Whole, false),
            many("groups"),
        ],
        body_bytes: 1_000,
    }
}

fn role(name: &str, includes: &[&str]) -> Role {
    let test = ClaimTest {
        path: vec!["groups".to_owned()],
        test: Is::Contains(vec![ClaimValue::Text(name.to_owned())]),
    };
    Role {
        name: name.to_owned(),
        who: vec![vec![Who::Claim(test)]],
        includes: includes.iter().map(|one| (*one).to_owned()).collect(),
        span: Span::default(),
    }
}

fn book() -> Arc<Book> {
    Arc::new(Book::new(&[role("support", &[]), role("manager", &["support"])]).unwrap())
}

fn policy(text: &str) -> Cedar {
    Cedar::new(&config(text), &book()).unwrap()
}

fn wrong(text: &str) -> Vec<(&'static str, u32, u32, String)> {
    let errors = Cedar::new(&config(text), &book()).unwrap_err();
    let told = errors.into_iter().map(|one| {
        let span = one.span.unwrap_or_default();
        assert_eq!(span.file, 3, "{}", one.message);
        (one.code, span.line, span.column, one.message)
    });
    told.collect()
}

#[test]
fn one_slip_is_told_once_whatever_it_applies_to() {
    let found = wrong("forbid(principal, action, resource) when { context.time.hours > 3 };\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .3
            .contains("attribute `time.hours` in context not found"),
        "{found:?}"
    );
    let found = wrong("forbid(principal, action, resource) when { resource.methods == \"x\" };\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].3.contains("(and so in 2 more)"), "{found:?}");
}

/// A request, with what is usual.
#[derive(Clone)]
struct Ask {
    operation: Option<&'static str>,
    method: Method,
    captures: Vec<(Arc<str>, String)>,
    query: Option<&'static str>,
    claims: Value,
    body: Option<&'static str>,
    device: Option<Standing>,
    risk: Option<Score>,
    place: Place,
    readings: Vec<Reading>,
}

fn get() -> Ask {
    Ask {
        operation: Some("getOrder"),
        method: Method::GET,
        captures: vec![("id".into(), "7".to_owned())],
        query: None,
        claims: json!({}),
        body: None,
        device: None,
        risk: None,
        place: Place::default(),
        readings: Vec::new(),
    }
}

fn post(body: &'static str) -> Ask {
    Ask {
        operation: Some("newOrder"),
        method: Method::POST,
        captures: Vec::new(),
        body: Some(body),
        ..get()
    }
}

fn asked(policy: &Cedar, ask: &Ask, answers: &Answers) -> Verdict {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let identity = Identity {
        proved_by: "jwt",
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: Some("crm".into()),
        claims: Some(Arc::new(ask.claims.as_object().unwrap().clone())),
    };
    let view = RequestView {
        method: &ask.method,
        host: "shop.example.com",
        path: "/orders/7",
        query: ask.query,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: ask.operation,
        readings: &ask.readings,
    };
    let around = Around {
        identity: Some(&identity),
        captures: &ask.captures,
        client: Ipv4Addr::new(10, 1, 2, 3).into(),
        place: Some(&ask.place),
        device: ask.device.as_ref(),
        risk: ask.risk.as_ref(),
        body: ask.body.is_some(),
        now_ms: NOW_MS,
    };
    policy.decide(&view, &around, answers).unwrap()
}

fn told(policy: &Cedar, ask: &Ask) -> (String, String) {
    let mut verdict = asked(policy, ask, &Answers::None);
    if let Verdict::Need(Need::Content(gather)) = verdict {
        let content = Content::Whole(Bytes::from_static(ask.body.unwrap().as_bytes()));
        verdict = asked(policy, ask, &Answers::Content(gather, content));
    }
    match verdict {
        Verdict::Granted(grounds) => ("granted".to_owned(), grounds[0].to_string()),
        Verdict::Deny(denial) => {
            let told = denial.detail.map(Cow::into_owned);
            (denial.reason.code.to_owned(), told.unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

fn code(policy: &Cedar, ask: &Ask) -> String {
    told(policy, ask).0
}

#[test]
fn what_a_policy_permits_is_granted_by_it() {
    let named =
        policy("@id(\"read\") permit(principal, action == Action::\"getOrder\", resource);");
    assert_eq!(
        told(&named, &get()),
        ("granted".into(), "policy read".into())
    );
    assert_eq!(code(&named, &post("{}")), "cedar-not-permitted");
    let placed = policy("\n\n  permit(principal, action in Action::\"GET\", resource);");
    assert_eq!(
        told(&placed, &get()),
        ("granted".into(), "policy orders.cedar:3".into())
    );
    let prices = Ask {
        operation: Some("GET /prices"),
        captures: Vec::new(),
        ..get()
    };
    assert_eq!(code(&placed, &prices), "granted");
    let grouped =
        policy("permit(principal, action in [Action::\"public\"], resource is GET__prices);");
    assert_eq!(code(&grouped, &prices), "granted");
    assert_eq!(code(&grouped, &get()), "cedar-not-permitted");
}

#[test]
fn what_one_forbids_nothing_permits() {
    let text = "permit(principal, action, resource);\n\
        @id(\"abroad\") @advice(\"Ask from within the EU.\")\n\
        forbid(principal in Role::\"support\", action, resource)\n\
        unless { context.network has country && context.network.country == \"DE\" };";
    let policy = policy(text);
    assert_eq!(code(&policy, &get()), "granted");
    let support = Ask {
        claims: json!({"groups": ["support"]}),
        ..get()
    };
    assert_eq!(
        told(&policy, &support),
        ("cedar-forbidden".into(), "Ask from within the EU.".into())
    );
    let Verdict::Deny(denial) = asked(&policy, &support, &Answers::None) else {
        panic!("it is forbidden");
    };
    assert_eq!(
        denial.span,
        Some(Span {
            file: 3,
            line: 2,
            column: 1
        })
    );
    assert_eq!(denial.grounds.unwrap().to_vec(), ["policy abroad".into()]);
    assert!(policy.locates());
}

#[test]
fn who_has_a_role_is_in_it_and_in_those_that_it_includes() {
    let by_scope = policy("permit(principal in Role::\"support\", action, resource);");
    let by_condition =
        policy("permit(principal, action, resource) when { principal in Role::\"support\" };");
    for policy in [by_scope, by_condition] {
        for (groups, wanted) in [
            (json!(["support"]), "granted"),
            (json!(["manager"]), "granted"),
            (json!(["other"]), "cedar-not-permitted"),
        ] {
            let ask = Ask {
                claims: json!({ "groups": groups }),
                ..get()
            };
            assert_eq!(code(&policy, &ask), wanted, "{groups}");
        }
    }
}

#[test]
fn callers_and_what_they_ask_for_have_attributes() {
    for (text, ask, wanted) in [
        (
            "principal.id == \"company/ada\" && principal.owner == \"ada\"",
            get(),
            true,
        ),
        (
            "principal has app && principal.app == \"crm\" && principal.way == \"jwt\"",
            get(),
            true,
        ),
        (
            "principal has issuer && principal.issuer == \"company\"",
            get(),
            true,
        ),
        (
            "resource.path.id == \"7\" && resource.method == \"GET\"",
            get(),
            true,
        ),
        ("resource.path.id == \"8\"", get(), false),
        (
            "resource.api == \"shop\" && resource.host == \"shop.example.com\"",
            get(),
            true,
        ),
        ("resource.target like \"/orders/*\"", get(), true),
        (
            "principal.scopes.contains(\"read\")",
            Ask {
                claims: json!({"scope": "read write"}),
                ..get()
            },
            true,
        ),
        (
            "principal.claims has tenant && principal.claims.tenant == \"acme\"",
            Ask {
                claims: json!({"tenant": "acme", "level": "not looked at"}),
                ..get()
            },
            true,
        ),
        ("principal.claims has tenant", get(), false),
        (
            "resource.query has limit && resource.query.limit <= 10",
            Ask {
                query: Some("limit=10"),
                ..get()
            },
            true,
        ),
        (
            "resource.query has limit && resource.query.limit <= 10",
            Ask {
                query: Some("limit=11"),
                ..get()
            },
            false,
        ),
        (
            "resource.query has tag && resource.query.tag.contains(\"b c\")",
            Ask {
                query: Some("tag=a&tag=b+c"),
                ..get()
            },
            true,
        ),
        (
            "context.network.address.isInRange(ip(\"10.0.0.0/8\"))",
            get(),
            true,
        ),
        (
            "context.time.hour == 8 && context.time.weekday == 5",
            get(),
            true,
        ),
        (
            "context.time.now < datetime(\"2027-01-15T08:00:01Z\")",
            get(),
            true,
        ),
        (
            "context.time.now >= datetime(\"2027-01-15T08:00:00Z\")",
            get(),
            true,
        ),
        (
            "context.proof has age && context.proof.age <= 60",
            Ask {
                claims: json!({"auth_time": NOW_MS / 1000 - 60}),
                ..get()
            },
            true,
        ),
        ("context.proof has age", get(), false),
        (
            "context.proof.means.contains(\"mfa\")",
            Ask {
                claims: json!({"amr": ["pwd", "mfa"]}),
                ..get()
            },
            true,
        ),
    ] {
        let policy = policy(&format!(
            "permit(principal, action == Action::\"getOrder\", resource) when {{ {text} }};"
        ));
        let wanted = if wanted {
            "granted"
        } else {
            "cedar-not-permitted"
        };
        assert_eq!(code(&policy, &ask), wanted, "{text}");
    }
}

#[test]
fn devices_are_looked_at_where_the_api_asks_for_them() {
    let text = "permit(principal, action, resource) when { context has device && context.device.approved };";
    let known = |approved| Ask {
        device: Some(Standing {
            id: "dev_1".into(),
            revoked: false,
            new: false,
            approved,
            changed: false,
            travel: false,
            at_once: 1,
            since_s: 0,
        }),
        ..get()
    };
    let policy = policy(text);
    assert_eq!(code(&policy, &known(true)), "granted");
    assert_eq!(code(&policy, &known(false)), "cedar-not-permitted");
    assert_eq!(code(&policy, &get()), "cedar-not-permitted");
}

#[test]
fn what_speaks_against_a_request_is_part_of_what_is_around_it() {
    let text = r#"permit(principal, action, resource)
        when { context has risk && context.risk.score < 30 && !context.risk.signals.contains("old_tls") };"#;
    let policy = policy(text);
    let at = |points, signal| {
        let score = Score {
            points,
            signals: vec![Weight { signal, points }],
        };
        let ask = Ask {
            risk: Some(score),
            ..get()
        };
        code(&policy, &ask)
    };
    assert_eq!(code(&policy, &get()), "cedar-not-permitted");
    assert_eq!(at(30, Signal::NewDevice), "cedar-not-permitted");
    assert_eq!(at(29, Signal::OldTls), "cedar-not-permitted");
    assert_eq!(at(29, Signal::NewDevice), "granted");
}

#[test]
fn a_body_is_awaited_where_a_policy_looks_at_it() {
    let text = "permit(principal, action == Action::\"newOrder\", resource)\n\
        when { resource.body.customer == principal.owner && resource.body has ship && resource.body.ship.country == \"DE\" };";
    let looks = policy(text);
    assert_eq!(
        code(
            &looks,
            &post(r#"{"customer": "ada", "ship": {"country": "DE"}, "more": [1]}"#)
        ),
        "granted"
    );
    assert_eq!(
        code(&looks, &post(r#"{"customer": "ada"}"#)),
        "cedar-not-permitted"
    );
    assert_eq!(
        code(
            &looks,
            &post(r#"{"customer": "bob", "ship": {"country": "DE"}}"#)
        ),
        "cedar-not-permitted"
    );
    let Verdict::Need(Need::Content(gather)) = asked(&looks, &post("{}"), &Answers::None) else {
        panic!("the body is wanted");
    };
    let gone = Answers::Content(gather, Content::Gone);
    let verdict = asked(&looks, &post("{}"), &gone);
    assert!(
        matches!(verdict, Verdict::Allow(_)),
        "what was said of it holds on"
    );
    for body in [
        r#"{"customer": "bob", "customer": "ada"}"#,
        r#"{"customer": 7}"#,
        r#"{"ship": {"country": "DE"}}"#,
        r#"{"customer": "ada", "ship": "DE"}"#,
        r#"["ada"]"#,
        "customer=ada",
        "",
    ] {
        assert_eq!(code(&looks, &post(body)), "cedar-unreadable", "{body}");
    }
    let blind = policy("permit(principal, action, resource);");
    assert!(matches!(
        asked(&blind, &post("x"), &Answers::None),
        Verdict::Granted(_)
    ));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let looks = policy("permit(principal, action == Action::\"getOrder\", resource) unless { resource.query has limit && resource.query.limit > 10 };");
    for (query, wanted) in [
        ("limit=5", "granted"),
        ("", "granted"),
        ("limit=50", "cedar-not-permitted"),
        ("limit=5&limit=50", "cedar-unreadable"),
        ("limit=+5", "cedar-unreadable"),
        ("limit=05", "cedar-unreadable"),
        ("limit=5e1", "cedar-unreadable"),
        ("limit=", "cedar-unreadable"),
        ("a=1;limit=50", "cedar-unreadable"),
    ] {
        assert_eq!(
            code(
                &looks,
                &Ask {
                    query: Some(query),
                    ..get()
                }
            ),
            wanted,
            "{query}"
        );
    }
    let spelt = Ask {
        readings: vec![Reading {
            path: "/orders".to_owned(),
            operation: Some("newOrder".into()),
        }],
        ..get()
    };
    assert_eq!(code(&looks, &spelt), "cedar-unreadable");
    let lost = Ask {
        captures: Vec::new(),
        ..get()
    };
    let by_path = policy("forbid(principal, action == Action::\"getOrder\", resource) when { resource.path.id == \"7\" };\npermit(principal, action, resource);");
    assert_eq!(code(&by_path, &lost), "cedar-unreadable");
}

#[test]
fn a_policy_that_fails_refuses() {
    let policy = policy("permit(principal, action, resource);\n@id(\"sum\") forbid(principal, action == Action::\"getOrder\", resource) when { resource.query has limit && resource.query.limit * 4 > 10 };");
    assert_eq!(
        code(
            &policy,
            &Ask {
                query: Some("limit=1"),
                ..get()
            }
        ),
        "granted"
    );
    let large = Ask {
        query: Some("limit=9223372036854775807"),
        ..get()
    };
    assert_eq!(code(&policy, &large), "cedar-undecided");
}

#[test]
fn an_operation_that_the_document_has_not_is_refused() {
    let policy = policy("permit(principal, action, resource);");
    for operation in [None, Some("other")] {
        assert_eq!(
            code(&policy, &Ask { operation, ..get() }),
            "cedar-not-permitted"
        );
    }
}

#[test]
fn without_a_document_methods_are_asked_for() {
    let mut config = config("permit(principal, action == Action::\"GET\", resource);");
    config.operations = vec![operation("GET", &[]), operation("POST", &[])];
    let policy = Cedar::new(&config, &book()).unwrap();
    for (method, wanted) in [
        (Method::GET, "granted"),
        (Method::HEAD, "granted"),
        (Method::POST, "cedar-not-permitted"),
        (Method::DELETE, "cedar-not-permitted"),
    ] {
        let ask = Ask {
            operation: None,
            method: method.clone(),
            ..get()
        };
        assert_eq!(code(&policy, &ask), wanted, "{method}");
    }
}

#[test]
fn mistakes_stand_at_their_places() {
    let syntax = wrong("permit(principal, action, resource);\npermit(principal, action resource);");
    assert_eq!(
        (syntax[0].0, syntax[0].1),
        ("cedar-syntax", 2),
        "{syntax:?}"
    );
    for (text, line, column, words) in [
        ("permit(principal, action == Action::\"getOder\", resource);", 1, 29, "getOder"),
        ("\npermit(principal, action == Action::\"getOrder\", resource)\n  when { resource.path.di == \"7\" };", 3, 10, "di"),
        ("permit(principal, action == Action::\"getOrder\", resource) when { resource.path.id == 7 };", 1, 66, ""),
        ("permit(principal, action, resource) when { principal.claims.tenant == \"x\" };", 1, 44, "tenant"),
        ("permit(principal, action, resource) when { context.weather == \"x\" };", 1, 44, "weather"),
        ("permit(principal is User, action, resource);", 1, 21, "User"),
    ] {
        let found = wrong(text);
        let (code, at_line, at_column, message) = &found[0];
        assert_eq!((*code, *at_line), ("cedar-type", line), "{text}: {found:?}");
        assert_eq!(*at_column, column, "{text}: {found:?}");
        assert!(message.contains(words), "{found:?}");
    }
    let role = wrong("permit(principal, action, resource);\npermit(principal in Role::\"suport\", action, resource);");
    assert_eq!((role[0].0, role[0].1), ("role-unknown", 2));
    let twice = wrong("@id(\"a\") permit(principal, action, resource);\n@id(\"a\") forbid(principal, action, resource);");
    assert_eq!((twice[0].0, twice[0].1), ("cedar-id", 2));
    let large = " ".repeat(MAX_BYTES + 1);
    assert_eq!(wrong(&large)[0].0, "cedar-too-large");
}

#[test]
fn names_that_would_be_one_type_are_two() {
    let operations =
        ["get-order", "get_order", "Caller", "7", "getOrder"].map(|name| operation(name, &[]));
    assert_eq!(
        schema::kinds(&operations),
        ["get_order", "get_order_", "Caller_", "Op_7", "getOrder"]
    );
    assert!(schema::schema(&operations, &[]).is_ok());
}

fn some_policy() -> impl Strategy<Value = String> {
    let effect = prop_oneof![Just("permit"), Just("forbid")];
    let principal = prop_oneof![
        Just("principal"),
        Just("principal in Role::\"support\""),
        Just("principal in Role::\"manager\""),
        Just("principal is Caller in Role::\"manager\""),
        Just("principal == Caller::\"company/ada\""),
        Just("principal == Caller::\"company/bob\""),
    ];
    let action = prop_oneof![
        Just("action"),
        Just("action == Action::\"getOrder\""),
        Just("action == Action::\"newOrder\""),
        Just("action in [Action::\"GET\", Action::\"newOrder\"]"),
    ];
    let resource = prop_oneof![
        Just("resource"),
        Just("resource is getOrder"),
        Just("resource is newOrder")
    ];
    let when = prop_oneof![
        Just(""),
        Just(" when { principal.owner == \"ada\" }"),
        Just(" unless { principal in Role::\"support\" }"),
        Just(" when { context.time.hour > 12 }"),
        Just(" when { principal.claims has level && principal.claims.level > 2 }"),
    ];
    (effect, principal, action, resource, when).prop_map(
        |(effect, principal, action, resource, when)| {
            format!("{effect}({principal}, {action}, {resource}){when};\n")
        },
    )
}

/// What Cedar itself says of all policies at once.
fn naive(policies: &[String], ask: &Ask) -> bool {
    use std::collections::{HashMap, HashSet};
    use std::str::FromStr;

    use cedar_policy::{
        Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request,
        RestrictedExpression as Expr,
    };
    let set = PolicySet::from_str(&policies.concat()).unwrap();
    let uid = |text: &str| EntityUid::from_str(text).unwrap();
    let groups = ask.claims["groups"].as_array().cloned().unwrap_or_default();
    let mut parents = HashSet::new();
    if groups.contains(&json!("manager")) {
        parents.extend([uid("Role::\"manager\""), uid("Role::\"support\"")]);
    }
    if groups.contains(&json!("support")) {
        parents.insert(uid("Role::\"support\""));
    }
    let level = ask.claims["level"].as_i64();
    let level = level.map(|level| ("level".to_owned(), Expr::new_long(level)));
    let claims = Expr::new_record(level).unwrap();
    let attributes = HashMap::from([
        ("owner".to_owned(), Expr::new_string("ada".to_owned())),
        ("claims".to_owned(), claims),
    ]);
    let caller = Entity::new(uid("Caller::\"company/ada\""), attributes, parents).unwrap();
    let action = Entity::new(
        uid("Action::\"getOrder\""),
        HashMap::new(),
        HashSet::from([uid("Action::\"GET\"")]),
    )
    .unwrap();
    let time = Expr::new_record([("hour".to_owned(), Expr::new_long(8))]).unwrap();
    let request = Request::new(
        caller.uid(),
        action.uid(),
        uid("getOrder::\"/orders/7\""),
        Context::from_pairs([("time".to_owned(), time)]).unwrap(),
        None,
    );
    let entities = Entities::from_entities([caller, action], None).unwrap();
    Authorizer::new()
        .is_authorized(&request.unwrap(), &set, &entities)
        .decision()
        == Decision::Allow
}

proptest! {
    /// What is sorted out beforehand changes nothing of what is decided; and one more that forbids opens nothing.
    #[test]
    fn the_index_decides_as_all_policies_do(
        policies in proptest::collection::vec(some_policy(), 0..8),
        groups in proptest::sample::subsequence(vec!["support", "manager"], 0..3),
        level in 0_i64..5,
    ) {
        let ask = Ask { claims: json!({"groups": groups, "level": level}), ..get() };
        let granted = |policies: &[String]| code(&policy(&policies.concat()), &ask) == "granted";
        prop_assert_eq!(granted(&policies), naive(&policies, &ask));
        let forbidding: Vec<String> = policies.iter().filter(|one| one.starts_with("forbid")).cloned().collect();
        for one in forbidding {
            let without: Vec<String> = policies.iter().filter(|other| **other != one).cloned().collect();
            prop_assert!(granted(&without) || !granted(&policies));
        }
    }
}
