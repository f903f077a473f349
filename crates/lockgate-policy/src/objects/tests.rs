#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{json, Value};

use super::relations::MAX_WALKED;
use super::*;
use crate::only::Only;
use crate::roles::{Role, Who};
use crate::{Content, Edit, Reading};

fn rule(whose: Whose, must: Must) -> Rule {
    Rule {
        what: vec![Only::default()],
        whose,
        must,
        unless: Vec::new(),
        hidden: false,
        span: Span {
            file: 0,
            line: 7,
            column: 3,
        },
    }
}

fn answer(pointer: &str, filter: bool) -> Whose {
    Whose::Answer(Answer {
        pointer: pointer.to_owned(),
        filter,
    })
}

fn claim(name: &str) -> Known {
    Known::Claim(name.split('.').map(str::to_owned).collect())
}

fn book() -> Arc<Book> {
    let role = Role {
        name: "support".to_owned(),
        who: vec![vec![Who::Owner(vec!["helper".to_owned()])]],
        includes: Vec::new(),
        span: Span::default(),
    };
    Arc::new(Book::new(&[role]).unwrap())
}

fn relation(name: &str, pairs: &[(&str, &[&str])]) -> Relation {
    let pairs = pairs.iter().map(|(from, to)| {
        let to = to.iter().map(|to| (*to).to_owned()).collect();
        ((*from).to_owned(), to)
    });
    Relation {
        name: name.to_owned(),
        pairs: pairs.collect(),
    }
}

fn relations() -> Relations {
    let teams = relation("teams", &[("ann", &["red", "blue"]), ("7", &["green"])]);
    let accounts = relation(
        "accounts",
        &[("red", &["a1"]), ("blue", &["a2", "a1"]), ("grey", &["a9"])],
    );
    let above = relation("above", &[("ann", &["bea"]), ("bea", &["ann"])]);
    Relations::new(&[teams, accounts, above]).unwrap()
}

fn related(known: Known, via: &[&str]) -> Must {
    Must::Related(Related {
        known,
        via: via.iter().map(|name| (*name).to_owned()).collect(),
    })
}

fn policy(rules: Vec<Rule>) -> Objects {
    let config = Config {
        rules,
        body_bytes: 100,
        answer_bytes: 1_000,
        not_found: None,
    };
    Objects::new(&config, &book(), &relations()).unwrap()
}

fn ann() -> Identity {
    let claims = json!({
        "sub": "ann", "number": 7, "accounts": ["a1", 9007199254740993_i64], "org": {"id": "o1"}, "half": 1.5, "empty": "",
    });
    Identity {
        proved_by: "jwt",
        credential: "company/ann".into(),
        owner: "ann".into(),
        app: Some("crm".into()),
        claims: Some(Arc::new(claims.as_object().unwrap().clone())),
    }
}

/// A body that was judged when it came.
const GONE: &str = "gone";

struct Ask<'a> {
    identity: Option<&'a Identity>,
    captures: Vec<(Arc<str>, String)>,
    query: Option<&'static str>,
    body: Option<&'static str>,
    readings: Vec<Reading>,
    headers: HeaderMap,
}

fn ask(identity: &Identity) -> Ask<'_> {
    Ask {
        identity: Some(identity),
        captures: vec![("customer".into(), "ann".to_owned())],
        query: Some("customer=ann"),
        body: Some(r#"{"order": {"customer": "ann"}}"#),
        readings: Vec::new(),
        headers: HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )]),
    }
}

fn decided(policy: &Objects, ask: &Ask<'_>) -> Decided {
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/orders/ann",
        query: ask.query,
        headers: &ask.headers,
        content_length: None,
        api: "shop",
        operation: Some("getOrders"),
        readings: &ask.readings,
    };
    let asked = Asked {
        identity: ask.identity,
        captures: &ask.captures,
        body: ask.body.is_some(),
    };
    let first = policy.decide(&view, &asked, &Answers::None).unwrap();
    let Verdict::Need(Need::Content(gather)) = first.verdict else {
        return first;
    };
    let content = match ask.body {
        Some(GONE) => Content::Gone,
        body => Content::Whole(Bytes::from_static(body.unwrap().as_bytes())),
    };
    policy
        .decide(&view, &asked, &Answers::Content(gather, content))
        .unwrap()
}

fn code(decided: &Decided) -> &'static str {
    match &decided.verdict {
        Verdict::Allow(_) => "allow",
        Verdict::Deny(denial) => denial.reason.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_said_of_a_body_that_is_gone_holds_on_and_the_other_rules_are_asked() {
    let ann = ann();
    let body = || {
        rule(
            Whose::Body("/customer".to_owned()),
            Must::Equal(claim("sub")),
        )
    };
    let path = rule(
        Whose::Path("customer".to_owned()),
        Must::Equal(claim("sub")),
    );
    let gone = || Ask {
        body: Some(GONE),
        ..ask(&ann)
    };
    assert_eq!(code(&decided(&policy(vec![body()]), &gone())), "allow");
    let others = Ask {
        captures: vec![("customer".into(), "bob".to_owned())],
        ..gone()
    };
    let both = policy(vec![body(), path]);
    assert_eq!(code(&decided(&both, &gone())), "allow");
    assert_eq!(code(&decided(&both, &others)), "object-not-own");
}

#[test]
fn a_path_a_query_and_a_body_tell_whose_it_is() {
    let ann = ann();
    let by = |whose: Whose| policy(vec![rule(whose, Must::Equal(claim("sub")))]);
    for from in [
        Whose::Path("customer".to_owned()),
        Whose::Query("customer".to_owned()),
        Whose::Body("/order/customer".to_owned()),
    ] {
        let policy = by(from.clone());
        assert_eq!(code(&decided(&policy, &ask(&ann))), "allow", "{from:?}");
        let other = Ask {
            captures: vec![("customer".into(), "bob".to_owned())],
            query: Some("customer=bob"),
            body: Some(r#"{"order": {"customer": "bob"}}"#),
            ..ask(&ann)
        };
        assert_eq!(
            code(&decided(&policy, &other)),
            "object-not-own",
            "{from:?}"
        );
        let lacking = Ask {
            captures: Vec::new(),
            query: None,
            body: Some("{}"),
            ..ask(&ann)
        };
        assert_eq!(
            code(&decided(&policy, &lacking)),
            "object-unreadable",
            "{from:?}"
        );
        let nobody = Ask {
            identity: None,
            ..ask(&ann)
        };
        assert_eq!(
            code(&decided(&policy, &nobody)),
            "object-not-own",
            "{from:?}"
        );
    }
    let query = by(Whose::Query("customer".to_owned()));
    for twice in [
        "customer=ann&customer=bob",
        "customer=ann&cus%74omer=bob",
        "a=b;customer=ann",
        "customer=ann;x",
    ] {
        let ask = Ask {
            query: Some(twice),
            ..ask(&ann)
        };
        assert_eq!(code(&decided(&query, &ask)), "object-unreadable", "{twice}");
    }
    let body = by(Whose::Body("/order/customer".to_owned()));
    for text in [
        r#"{"order": {"customer": "bob", "customer": "ann"}}"#,
        "order=ann",
        r#"{"order": ["ann"]}"#,
    ] {
        let ask = Ask {
            body: Some(text),
            ..ask(&ann)
        };
        assert_eq!(code(&decided(&body, &ask)), "object-unreadable", "{text}");
    }
}

#[test]
fn what_it_must_be_is_what_is_verified_of_the_caller() {
    let ann = ann();
    let large = "9007199254740993";
    for (must, said, holds) in [
        (Must::Equal(claim("sub")), "ann", true),
        (Must::Equal(claim("sub")), "Ann", false),
        (Must::Equal(claim("sub")), "", false),
        (Must::Equal(claim("empty")), "", false),
        (Must::Equal(claim("none")), "", false),
        (Must::Equal(claim("number")), "7", true),
        (Must::Equal(claim("number")), "07", false),
        (Must::Equal(claim("half")), "1.5", false),
        (Must::Equal(claim("org.id")), "o1", true),
        (Must::Equal(claim("accounts")), "a1", false),
        (Must::BeIn(claim("accounts")), "a1", true),
        (Must::BeIn(claim("accounts")), large, true),
        (Must::BeIn(claim("accounts")), "9007199254740992", false),
        (Must::BeIn(claim("sub")), "ann", false),
        (Must::Equal(Known::Owner), "ann", true),
        (Must::Equal(Known::App), "crm", true),
        (Must::Equal(Known::Credential), "company/ann", true),
        (Must::Equal(Known::Credential), "ann", false),
        (related(claim("sub"), &["teams"]), "red", true),
        (related(claim("sub"), &["teams"]), "green", false),
        (related(claim("sub"), &["teams"]), "", false),
        (related(claim("number"), &["teams"]), "green", true),
        (related(claim("none"), &["teams"]), "red", false),
        (related(claim("half"), &["teams"]), "red", false),
        (related(Known::Owner, &["teams", "accounts"]), "a2", true),
        (related(Known::Owner, &["teams", "accounts"]), "red", false),
        (related(Known::Owner, &["teams", "accounts"]), "a9", false),
        (related(Known::Owner, &["above"]), "ann", false),
        (related(Known::Owner, &["above", "above"]), "ann", true),
        (related(claim("accounts"), &["teams"]), "red", false),
    ] {
        let policy = policy(vec![rule(Whose::Path("customer".to_owned()), must.clone())]);
        let ask = Ask {
            captures: vec![("customer".into(), said.to_owned())],
            ..ask(&ann)
        };
        let wanted = if holds { "allow" } else { "object-not-own" };
        assert_eq!(code(&decided(&policy, &ask)), wanted, "{must:?} {said}");
    }
}

#[test]
fn a_rule_is_not_for_some_roles_and_may_hide() {
    let helper = Identity {
        owner: "helper".into(),
        ..ann()
    };
    let mut one = rule(
        Whose::Path("customer".to_owned()),
        Must::Equal(claim("number")),
    );
    one.unless = vec!["support".to_owned()];
    one.hidden = true;
    let policy = policy(vec![one.clone()]);
    assert_eq!(code(&decided(&policy, &ask(&helper))), "allow");
    let told = decided(&policy, &ask(&ann()));
    let Verdict::Deny(denial) = told.verdict else {
        panic!("it is somebody else's")
    };
    assert_eq!(
        (denial.reason.code, denial.status(), denial.span),
        ("object-hidden", 404, Some(one.span))
    );
}

#[test]
fn a_path_that_could_be_another_operations_is_refused() {
    let ann = ann();
    let policy = policy(vec![rule(
        Whose::Path("customer".to_owned()),
        Must::Equal(claim("sub")),
    )]);
    let spelt = Ask {
        readings: vec![Reading {
            path: "/x".to_owned(),
            operation: None,
        }],
        ..ask(&ann)
    };
    assert_eq!(code(&decided(&policy, &spelt)), "object-unreadable");
}

#[test]
fn an_answer_is_asked_for_whole_and_anew() {
    let ann = ann();
    let policy = policy(vec![rule(
        answer("/owner", false),
        Must::Equal(claim("sub")),
    )]);
    let mut headers = HeaderMap::new();
    for name in [
        "range",
        "if-none-match",
        "if-modified-since",
        "accept-encoding",
    ] {
        headers.insert(name, HeaderValue::from_static("x"));
    }
    let told = decided(
        &policy,
        &Ask {
            headers,
            ..ask(&ann)
        },
    );
    assert!(told.pending.is_some());
    let Verdict::Allow(edits) = told.verdict else {
        panic!("the answer tells")
    };
    let removed: Vec<&str> = edits
        .request
        .iter()
        .filter_map(|edit| match edit {
            Edit::Remove(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(removed, ["range", "if-none-match", "if-modified-since"]);
    let identity = HeaderValue::from_static("identity");
    assert!(edits
        .request
        .contains(&Edit::Set(http::header::ACCEPT_ENCODING, identity)));
}

/// What becomes of an answer: what goes out, or the reason.
fn judged(rules: Vec<Rule>, body: &str) -> Result<String, &'static str> {
    let ann = ann();
    let policy = policy(rules);
    let pending = decided(&policy, &ask(&ann)).pending.unwrap();
    match policy.judge(&pending, body.as_bytes()) {
        Ok(None) => Ok(body.to_owned()),
        Ok(Some(left)) => Ok(String::from_utf8(left).unwrap()),
        Err(denial) => {
            assert!(denial.span.is_some());
            Err(denial.reason.code)
        }
    }
}

#[test]
fn an_answer_tells_whose_it_is() {
    let by = |pointer: &str| vec![rule(answer(pointer, false), Must::Equal(claim("sub")))];
    for (pointer, body, wanted) in [
        ("/owner", r#"{"owner": "ann"}"#, None),
        ("/owner", r#"{"owner": "bob"}"#, Some("object-not-own")),
        ("/owner", r#"{"owner": null}"#, Some("object-not-own")),
        ("/owner", r#"{"owner": ["ann"]}"#, Some("object-not-own")),
        ("/owner/id", r#"{"owner": "ann"}"#, Some("object-not-own")),
        ("/owner", "{}", Some("object-answer-unreadable")),
        ("/owner", "[]", Some("object-not-own")),
        (
            "/owner",
            r#"{"owner": "bob", "owner": "ann"}"#,
            Some("object-answer-unreadable"),
        ),
        ("/owner", "<html>", Some("object-answer-unreadable")),
        ("/owner", "", Some("object-answer-unreadable")),
        (
            "/orders/*/by",
            r#"{"orders": [{"by": "ann"}, {"by": "ann"}]}"#,
            None,
        ),
        (
            "/orders/*/by",
            r#"{"orders": [{"by": "ann"}, {"by": "bob"}]}"#,
            Some("object-not-own"),
        ),
        (
            "/orders/*/by",
            r#"{"orders": [{"by": "ann"}, {}]}"#,
            Some("object-not-own"),
        ),
        (
            "/orders/*/by",
            r#"{"orders": [{"by": "ann"}, "ann"]}"#,
            Some("object-not-own"),
        ),
        ("/orders/*/by", r#"{"orders": []}"#, None),
        ("/orders/*/by", r#"{"orders": null}"#, None),
        (
            "/orders/*/by",
            r#"{"orders": {"by": "ann"}}"#,
            Some("object-not-own"),
        ),
        ("/orders/*/by", "{}", Some("object-answer-unreadable")),
        ("/*", r#"["ann", "ann"]"#, None),
        ("/*", r#"["ann", "bob"]"#, Some("object-not-own")),
        (
            "/*/in/*/by",
            r#"[{"in": [{"by": "ann"}]}, {"in": [{"by": "ann"}, {"by": "ann"}]}]"#,
            None,
        ),
        (
            "/*/in/*/by",
            r#"[{"in": [{"by": "ann"}]}, {"in": [{"by": "bob"}]}]"#,
            Some("object-not-own"),
        ),
        (
            "/*/in/*/by",
            r#"[{"in": {"by": "bob"}}]"#,
            Some("object-not-own"),
        ),
        ("/*/in/*/by", "[]", None),
    ] {
        let told = judged(by(pointer), body);
        assert_eq!(told.as_ref().err().copied(), wanted, "{pointer} {body}");
        if wanted.is_none() {
            assert_eq!(told.unwrap(), body);
        }
    }
}

#[test]
fn lists_are_filtered_to_the_callers_own() {
    let filter = |pointer: &str| vec![rule(answer(pointer, true), Must::Equal(claim("sub")))];
    for (body, wanted) in [
        (
            r#"{"n": 1.0, "orders": [{"by": "bob"}, {"by": "ann"}, {}]}"#,
            Ok(r#"{"n": 1.0, "orders": [{"by": "ann"}]}"#),
        ),
        (r#"{"orders": [{"by": "bob"}]}"#, Ok(r#"{"orders": []}"#)),
        (
            r#"{"orders": [{"by": "ann"}]}"#,
            Ok(r#"{"orders": [{"by": "ann"}]}"#),
        ),
        (r#"{"orders": {"0": {"by": "bob"}}}"#, Err("object-not-own")),
        (r#"{"order": []}"#, Err("object-answer-unreadable")),
    ] {
        assert_eq!(
            judged(filter("/orders/*/by"), body),
            wanted.map(str::to_owned),
            "{body}"
        );
    }
    let two = vec![
        rule(answer("/orders/*/by", true), Must::Equal(claim("sub"))),
        rule(answer("/owner", false), Must::Equal(claim("sub"))),
    ];
    assert_eq!(
        judged(two.clone(), r#"{"owner": "bob", "orders": []}"#),
        Err("object-not-own")
    );
    assert_eq!(
        judged(two, r#"{"owner": "ann", "orders": [{"by": "bob"}]}"#),
        Ok(r#"{"owner": "ann", "orders": []}"#.to_owned())
    );
}

#[test]
fn a_config_that_makes_no_sense_is_refused() {
    let wrong = |rule: Rule| {
        let config = Config {
            rules: vec![rule],
            body_bytes: 1,
            answer_bytes: 1,
            not_found: None,
        };
        let error = Objects::new(&config, &book(), &relations()).unwrap_err();
        assert_eq!(error.span.map(|span| span.line), Some(7));
        (error.code, error.pointer)
    };
    let own = Must::Equal(Known::Owner);
    let pointer = |pointer: &str| rule(answer(pointer, false), own.clone());
    assert_eq!(
        wrong(pointer("owner")),
        ("not-a-pointer", "/rules/0/whose".to_owned())
    );
    assert_eq!(
        wrong(rule(Whose::Body("/a~".to_owned()), own.clone())).0,
        "not-a-pointer"
    );
    let mut lost = rule(Whose::Path("id".to_owned()), own.clone());
    lost.unless = vec!["nobody".to_owned()];
    assert_eq!(
        wrong(lost),
        ("role-unknown", "/rules/0/unless/0".to_owned())
    );
    let path = |must: Must| rule(Whose::Path("id".to_owned()), must);
    assert_eq!(
        wrong(path(related(Known::Owner, &["teams", "lost"]))),
        ("relation-unknown", "/rules/0/must".to_owned())
    );
    for via in [&[][..], &["above"; MAX_STEPS + 1]] {
        assert_eq!(wrong(path(related(Known::Owner, via))).0, "relation-steps");
    }
    let many = vec![rule(Whose::Path("id".to_owned()), own); MAX_RULES + 1];
    let config = Config {
        rules: many,
        body_bytes: 1,
        answer_bytes: 1,
        not_found: None,
    };
    assert_eq!(
        Objects::new(&config, &book(), &relations())
            .unwrap_err()
            .code,
        "too-many-rules"
    );
}

#[test]
fn relations_are_bounded_and_each_has_a_name() {
    let twice = [relation("teams", &[]), relation("teams", &[])];
    assert_eq!(Relations::new(&twice).unwrap_err().code, "relation-twice");
    let many = vec![""; MAX_PAIRS];
    let most = relation("most", &[("ann", &many)]);
    assert!(Relations::new(std::slice::from_ref(&most)).is_ok());
    let over = [most, relation("over", &[("ann", &["red"])])];
    assert_eq!(
        Relations::new(&over).unwrap_err().code,
        "relations-too-large"
    );
}

#[test]
fn who_is_led_too_far_has_nothing() {
    let ann = ann();
    let names: Vec<String> = (0..=MAX_WALKED)
        .map(|number| format!("t{number}"))
        .collect();
    let of = |count: usize| {
        names[..count]
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
    };
    for (count, holds) in [(MAX_WALKED, true), (MAX_WALKED + 1, false)] {
        let relations = Relations::new(&[relation("teams", &[("ann", &of(count))])]).unwrap();
        let way = relations.way(&["teams".to_owned()]).unwrap();
        let reached = way.leads_to(&Known::Owner, &ann);
        assert_eq!(reached.contains("t7"), holds);
    }
}

#[test]
fn a_list_is_filtered_by_what_is_looked_up() {
    let rules = vec![rule(
        answer("/*", true),
        related(Known::Owner, &["teams", "accounts"]),
    )];
    assert_eq!(
        judged(rules, r#"["a1", "a9", "a2"]"#),
        Ok(r#"["a1", "a2"]"#.to_owned())
    );
}

#[test]
fn what_the_api_says_of_what_there_is_not_is_kept() {
    let said = |content_type: &str| Config {
        rules: Vec::new(),
        body_bytes: 1,
        answer_bytes: 1,
        not_found: Some(NotFound {
            content_type: content_type.to_owned(),
            body: "{}".to_owned(),
        }),
    };
    let new = |config: &Config| Objects::new(config, &book(), &relations());
    let good = new(&said("application/json")).unwrap();
    let (kind, body) = good.not_found().unwrap();
    assert_eq!(
        (kind, &**body),
        (&HeaderValue::from_static("application/json"), &b"{}"[..])
    );
    let wrong = new(&said("a\nb")).unwrap_err();
    assert_eq!(
        (wrong.code, &*wrong.pointer),
        ("not-a-header", "/not_found/content_type")
    );
}

proptest! {
    /// Whatever comes of an answer, nobody else's item is in it.
    #[test]
    fn nothing_of_others_goes_out(owners in proptest::collection::vec(prop_oneof![
        Just(json!("ann")), Just(json!("bob")), Just(json!(null)), Just(json!(7)), Just(json!(["ann"])), Just(json!({})),
    ], 0..8), filter in any::<bool>()) {
        let items: Vec<Value> = owners.iter().map(|owner| json!({"by": owner, "x": [1, {"by": "bob"}]})).collect();
        let body = json!({"orders": items}).to_string();
        let rules = vec![rule(answer("/orders/*/by", filter), Must::Equal(claim("sub")))];
        match judged(rules, &body) {
            Ok(left) => {
                let left: Value = serde_json::from_str(&left).unwrap();
                let left = left["orders"].as_array().unwrap();
                prop_assert!(left.iter().all(|item| item["by"] == "ann"));
                let own = owners.iter().filter(|owner| **owner == "ann").count();
                prop_assert_eq!(left.len(), own);
            }
            Err(reason) => {
                prop_assert_eq!(reason, "object-not-own");
                prop_assert!(!filter && owners.iter().any(|owner| *owner != "ann"));
            }
        }
    }
}
