#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Reading, Span};

fn role(name: &str, group: &str, includes: &[&str]) -> Role {
    let test = ClaimTest {
        path: vec!["groups".to_owned()],
        test: Is::Contains(vec![ClaimValue::Text(group.to_owned())]),
    };
    Role {
        name: name.to_owned(),
        who: vec![vec![Who::Claim(test)]],
        includes: includes.iter().map(|one| (*one).to_owned()).collect(),
        span: Span::default(),
    }
}

fn book(roles: &[Role]) -> Arc<Book> {
    Arc::new(Book::new(roles).unwrap())
}

fn member(groups: &[&str]) -> Identity {
    Identity {
        proved_by: "jwt",
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: None,
        claims: Some(Arc::new(
            json!({ "groups": groups }).as_object().unwrap().clone(),
        )),
    }
}

fn operations(names: &[&str]) -> Only {
    Only {
        operations: names.iter().map(|one| (*one).to_owned()).collect(),
        ..Only::default()
    }
}

fn policy(roles: &[Role], opens: &[(&str, &[&str])]) -> Roles {
    let opens = opens.iter().map(|(role, what)| Opening {
        role: (*role).to_owned(),
        what: vec![operations(what)],
    });
    let opens = opens.collect();
    Roles::new(&Config { opens }, &book(roles)).unwrap()
}

fn asked<'v>(operation: &'v str, readings: &'v [Reading]) -> RequestView<'v> {
    static HEADERS: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
    RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/orders",
        query: None,
        headers: &HEADERS,
        content_length: None,
        api: "shop",
        operation: Some(operation),
        readings,
    }
}

fn judged(policy: &Roles, operation: &str, readings: &[&str], groups: &[&str]) -> Verdict {
    let readings: Vec<Reading> = readings
        .iter()
        .map(|one| Reading {
            path: "/other".to_owned(),
            operation: Some((*one).into()),
        })
        .collect();
    policy.decide(&asked(operation, &readings), Some(&member(groups)))
}

fn detail(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Deny(denial) => denial.detail.as_deref().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn codes(roles: &[Role]) -> Vec<(&'static str, String)> {
    let errors = Book::new(roles).unwrap_err();
    errors
        .into_iter()
        .map(|one| (one.code, one.pointer))
        .collect()
}

#[test]
fn roles_that_cannot_be_are_all_told() {
    let roles = [
        role("a", "a", &["b"]),
        role("b", "b", &["c"]),
        role("c", "c", &["a"]),
        role("own", "own", &["own"]),
        role("lost", "lost", &["nobody"]),
        role("own", "again", &[]),
    ];
    let found = codes(&roles);
    for wanted in [
        ("role-twice", "/5/name"),
        ("role-unknown", "/4/includes/0"),
        ("role-cycle", "/0/includes"),
        ("role-cycle", "/1/includes"),
        ("role-cycle", "/2/includes"),
    ] {
        let wanted = (wanted.0, wanted.1.to_owned());
        assert!(found.contains(&wanted), "{wanted:?} in {found:?}");
    }
    assert_eq!(
        codes(&[role("own", "own", &["own"])]),
        [("role-cycle", "/0/includes".into())]
    );
}

#[test]
fn a_diamond_is_no_cycle() {
    let roles = [
        role("viewer", "v", &[]),
        role("left", "l", &["viewer"]),
        role("right", "r", &["viewer"]),
        role("top", "t", &["left", "right"]),
    ];
    let policy = policy(&roles, &[("viewer", &["read"])]);
    for group in ["v", "l", "r", "t"] {
        assert!(
            matches!(judged(&policy, "read", &[], &[group]), Verdict::Granted(_)),
            "{group}"
        );
    }
}

#[test]
fn holders_are_told_with_what_they_have_it_through() {
    let roles = [
        Role {
            who: Vec::new(),
            ..role("viewer", "v", &[])
        },
        role("support", "s", &["viewer"]),
        role("manager", "m", &["support"]),
        role("other", "o", &[]),
    ];
    let policy = policy(&roles, &[("viewer", &["read"]), ("manager", &["read"])]);
    let view = asked("read", &[]);
    let told: Vec<_> = policy
        .holders(&view)
        .into_iter()
        .map(|one| (one.role, one.through, one.given))
        .collect();
    assert_eq!(
        told,
        [
            ("viewer", None, false),
            ("manager", None, true),
            ("support", Some("viewer"), true)
        ]
    );
    assert!(policy.holders(&asked("write", &[])).is_empty());
}

#[test]
fn what_nobody_can_be_is_told() {
    let mut one = role("a", "a", &[]);
    one.who.push(vec![Who::Way(vec!["password".to_owned()])]);
    one.who.push(vec![Who::Claim(ClaimTest {
        path: Vec::new(),
        test: Is::Present(true),
    })]);
    assert_eq!(
        codes(&[one]),
        [
            ("role-who", "/0/who/1".to_owned()),
            ("role-who", "/0/who/2".to_owned())
        ]
    );
}

#[test]
fn a_role_that_there_is_not_opens_nothing() {
    let opens = vec![Opening {
        role: "boss".to_owned(),
        what: vec![operations(&["read"])],
    }];
    let error = Roles::new(&Config { opens }, &book(&[role("a", "a", &[])])).unwrap_err();
    assert_eq!(
        (error.code, &*error.pointer),
        ("role-unknown", "/opens/0/role")
    );
}

#[test]
fn a_refusal_names_the_roles() {
    let names: Vec<String> = (0..10).map(|one| format!("role{one}")).collect();
    let roles: Vec<Role> = names.iter().map(|one| role(one, one, &[])).collect();
    let all: Vec<(&str, &[&str])> = names
        .iter()
        .map(|one| (&**one, &["read"] as &[_]))
        .collect();
    let two = policy(&roles, &all[..2]);
    assert_eq!(
        detail(&judged(&two, "read", &[], &[])),
        "it takes one of the roles `role0`, `role1`"
    );
    assert_eq!(
        detail(&judged(&policy(&roles, &all[..1]), "read", &[], &[])),
        "it takes the role `role0`"
    );
    let told = judged(&policy(&roles, &all), "read", &[], &[]);
    assert!(detail(&told).ends_with("`role7`, …"), "{told:?}");
}

#[test]
fn nobody_has_no_role() {
    let policy = policy(&[role("a", "a", &[])], &[("a", &["read"])]);
    let headers = HeaderMap::new();
    let view = RequestView {
        method: &Method::GET,
        host: "",
        path: "/",
        query: None,
        headers: &headers,
        content_length: None,
        api: "shop",
        operation: Some("read"),
        readings: &[],
    };
    assert!(
        matches!(policy.decide(&view, None), Verdict::Deny(denial) if *denial.reason == MISSING)
    );
}

#[test]
fn a_role_opens_what_it_opens_under_every_reading() {
    let roles = [role("a", "a", &[]), role("b", "b", &[])];
    let policy = policy(&roles, &[("a", &["read"]), ("b", &["read", "write"])]);
    assert!(matches!(
        judged(&policy, "read", &["write"], &["b"]),
        Verdict::Granted(_)
    ));
    assert!(matches!(
        judged(&policy, "read", &["write"], &["a"]),
        Verdict::Deny(_)
    ));
    // What one reader takes for something that a role opens is not silently let through for another.
    assert!(matches!(
        judged(&policy, "other", &["read"], &["a", "b"]),
        Verdict::Deny(_)
    ));
    assert!(matches!(
        judged(&policy, "other", &["another"], &["a"]),
        Verdict::Allow(_)
    ));
}

proptest! {
    /// Whoever is told of is let in, and nobody else.
    #[test]
    fn holders_are_those_who_are_let_in(
        edges in proptest::collection::vec((0_usize..6, 0_usize..6), 0..8),
        opens in proptest::collection::vec((0_usize..6, 0_usize..3), 0..6),
        operation in 0_usize..3,
    ) {
        let name = |one: usize| format!("r{one}");
        let roles: Vec<Role> = (0..6)
            .map(|one| {
                let below = edges.iter().filter(|(from, to)| *from == one && to < from);
                let below: Vec<String> = below.map(|(_, to)| name(*to)).collect();
                let below: Vec<&str> = below.iter().map(String::as_str).collect();
                role(&name(one), &name(one), &below)
            })
            .collect();
        let opens: Vec<(String, String)> =
            opens.iter().map(|(one, what)| (name(*one), name(*what))).collect();
        let opens: Vec<(&str, [&str; 1])> = opens.iter().map(|(one, what)| (&**one, [&**what])).collect();
        let opens: Vec<(&str, &[&str])> = opens.iter().map(|(one, what)| (*one, &what[..])).collect();
        let policy = policy(&roles, &opens);
        let operation = name(operation);
        let holders = policy.holders(&asked(&operation, &[]));
        for one in (0..6).map(name) {
            let let_in = matches!(judged(&policy, &operation, &[], &[&*one]), Verdict::Granted(_));
            prop_assert_eq!(let_in, holders.iter().any(|holder| holder.role == one));
        }
    }

    /// Who has more roles, or whose roles include more, may do no less.
    #[test]
    fn more_never_closes(
        held in proptest::collection::vec(0_usize..6, 0..4),
        more in 0_usize..6,
        edges in proptest::collection::vec((0_usize..6, 0_usize..6), 0..8),
        operation in 0_usize..6,
    ) {
        let name = |one: usize| format!("r{one}");
        let made = |edges: &[(usize, usize)]| -> Vec<Role> {
            (0..6)
                .map(|one| {
                    // Downwards alone, so that there is no cycle.
                    let below = edges.iter().filter(|(from, to)| *from == one && to < from);
                    let below: Vec<String> = below.map(|(_, to)| name(*to)).collect();
                    let below: Vec<&str> = below.iter().map(String::as_str).collect();
                    role(&name(one), &name(one), &below)
                })
                .collect()
        };
        let names: Vec<String> = (0..6).map(name).collect();
        let opens: Vec<(&str, Vec<&str>)> = names.iter().map(|one| (&**one, vec![&**one])).collect();
        let opens: Vec<(&str, &[&str])> = opens.iter().map(|(one, what)| (*one, &**what)).collect();
        let groups: Vec<String> = held.iter().map(|one| name(*one)).collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let granted = |edges: &[(usize, usize)], groups: &[&str]| {
            let policy = policy(&made(edges), &opens);
            matches!(judged(&policy, &name(operation), &[], groups), Verdict::Granted(_))
        };
        let fewer = edges.len().saturating_sub(1);
        if granted(&edges[..fewer], &groups) {
            prop_assert!(granted(&edges, &groups));
            let one = name(more);
            prop_assert!(granted(&edges, &[&groups[..], &[&*one]].concat()));
        }
    }
}
