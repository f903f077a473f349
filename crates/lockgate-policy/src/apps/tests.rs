#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Reading, Span};

const NOW_MS: u64 = 1_800_000_000_000;

fn bound(bulk: bool, never: &[&str]) -> Bound {
    Bound {
        rate: None,
        methods: None,
        bulk,
        never: texts(never),
    }
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

fn app(name: &str, tier: Tier, scopes: Option<&[&str]>) -> App {
    App {
        name: name.to_owned(),
        clients: vec![Client {
            issuer: "company".to_owned(),
            client: format!("{name}-client"),
        }],
        tier,
        scopes: scopes.map(texts),
        apis: Some(texts(&["orders"])),
        operations: Vec::new(),
        until_ms: None,
        span: Span::default(),
    }
}

fn registry(named: Vec<App>) -> Registry {
    Registry {
        named,
        own: texts(&["here"]),
        tiers: Tiers {
            unreviewed: bound(false, &["*admin*"]),
            reviewed: bound(true, &["*admin*"]),
            trusted: bound(true, &[]),
        },
    }
}

fn policy(registry: &Registry) -> AppsPolicy {
    let config = Config {
        registered: true,
        bulk: vec![Only {
            operations: texts(&["exportOrders"]),
            ..Only::default()
        }],
    };
    let pepper = crate::api_key::pepper(&[7; 32]);
    AppsPolicy::new(&config, &Arc::new(Book::new(registry).unwrap()), &pepper).unwrap()
}

fn caller(client: &str, scope: &str) -> Identity {
    Identity {
        proved_by: "jwt",
        credential: "company/ada".into(),
        owner: "ada".into(),
        app: Some(client.into()),
        claims: Some(Arc::new(
            json!({ "scope": scope, "tenant": 7 })
                .as_object()
                .unwrap()
                .clone(),
        )),
    }
}

fn view<'v>(operation: Option<&'v str>, readings: &'v [Reading]) -> RequestView<'v> {
    static HEADERS: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
    RequestView {
        method: &Method::GET,
        host: "shop.example.com",
        path: "/orders",
        query: None,
        headers: &HEADERS,
        content_length: None,
        api: "orders",
        operation,
        readings,
    }
}

fn told(apps: Apps) -> Answers {
    Answers::Apps(Arc::new(apps))
}

fn known() -> Answers {
    told(Apps::default())
}

fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deny(denial) => denial.reason.code,
        Verdict::Narrowed(..) => "narrowed",
        Verdict::Allow(_) => "allow",
        Verdict::Need(_) => "need",
        other => panic!("{other:?}"),
    }
}

fn decide(policy: &AppsPolicy, who: &Identity, answers: &Answers) -> Verdict {
    let view = view(Some("listOrders"), &[]);
    policy.decide(&view, Some(who), answers, NOW_MS).unwrap()
}

fn fact(id: &str, tier: Tier, scopes: &[&str]) -> Record {
    Record {
        id: id.into(),
        tier,
        scopes: Some(scopes.iter().map(|one| (*one).into()).collect()),
        apis: None,
        operations: Box::default(),
        until_ms: 0,
        grounds: Record::words(id, tier),
    }
}

#[test]
fn what_was_not_given_is_withheld() {
    let policy = policy(&registry(vec![app(
        "crm",
        Tier::Reviewed,
        Some(&["orders:read"]),
    )]));
    let who = caller("crm-client", "orders:read orders:write");
    assert_eq!(reason(&decide(&policy, &who, &Answers::None)), "need");
    let Verdict::Narrowed(now, grounds) = decide(&policy, &who, &known()) else {
        panic!("it is let through with less");
    };
    assert_eq!(scopes::all(&now).collect::<Vec<_>>(), ["orders:read"]);
    assert_eq!(
        now.app.as_deref(),
        Some("crm"),
        "by its own name from here on"
    );
    assert_eq!(now.claims.unwrap()["tenant"], 7);
    let words: Vec<&str> = grounds.iter().map(|word| &**word).collect();
    assert_eq!(words, ["app crm", "tier reviewed", "withheld orders:write"]);
}

#[test]
fn a_list_of_scopes_under_another_name_is_narrowed_as_well() {
    let policy = policy(&registry(vec![app("crm", Tier::Reviewed, Some(&["a"]))]));
    let mut who = caller("crm-client", "a b");
    let claims = json!({ "scp": ["a", "c"], "scope": "b" });
    who.claims = Some(Arc::new(claims.as_object().unwrap().clone()));
    let Verdict::Narrowed(now, _) = decide(&policy, &who, &known()) else {
        panic!("it is let through with less");
    };
    assert_eq!(scopes::all(&now).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_tier_never_has_some_scopes_whoever_gave_them() {
    let policy = policy(&registry(vec![app("crm", Tier::Reviewed, None)]));
    let who = caller("crm-client", "orders:read Admin:all");
    let Verdict::Narrowed(now, _) = decide(&policy, &who, &known()) else {
        panic!("it is let through with less");
    };
    assert_eq!(scopes::all(&now).collect::<Vec<_>>(), ["orders:read"]);
}

#[test]
fn who_is_nobodys_program_is_let_through_or_refused() {
    let policy = policy(&registry(vec![app("crm", Tier::Reviewed, None)]));
    assert_eq!(
        reason(&decide(&policy, &caller("other", "a"), &known())),
        "app-unknown"
    );
    // Its name is not what the issuer calls it.
    assert_eq!(
        reason(&decide(&policy, &caller("crm", "a"), &known())),
        "app-unknown"
    );
    // Another issuer may call another so.
    let mut who = caller("crm-client", "a");
    who.credential = "partner/ada".into();
    assert_eq!(reason(&decide(&policy, &who, &known())), "app-unknown");
    who.app = None;
    assert_eq!(reason(&decide(&policy, &who, &Answers::None)), "allow");
}

#[test]
fn a_key_names_its_program() {
    let policy = policy(&registry(vec![app("crm", Tier::Reviewed, Some(&[]))]));
    let mut who = caller("crm", "a");
    who.proved_by = "api_key";
    who.credential = "key_1".into();
    assert_eq!(reason(&decide(&policy, &who, &known())), "narrowed");
    who.app = Some("crm-client".into());
    assert_eq!(reason(&decide(&policy, &who, &known())), "app-unknown");
}

#[test]
fn what_was_stopped_does_nothing() {
    let policy = policy(&registry(vec![app("crm", Tier::Trusted, None)]));
    let apps = Apps::default();
    apps.put(fact("crm", Tier::Trusted, &[]), Vec::new(), true);
    let who = caller("crm-client", "a");
    assert_eq!(reason(&decide(&policy, &who, &told(apps))), "app-stopped");
    let apps = Apps::default();
    let clients = vec![("company".into(), "0oa1".into())];
    apps.put(fact("other", Tier::Trusted, &["a"]), clients.clone(), false);
    let other = caller("0oa1", "a");
    assert!(apps.of(Some("company"), "0oa1").is_some());
    assert!(!apps.is_stopped("other"));
    apps.put(fact("other", Tier::Trusted, &["a"]), clients, true);
    assert!(apps.is_stopped("other"));
    assert_eq!(apps.len(), 1);
    assert_eq!(reason(&decide(&policy, &other, &told(apps))), "app-stopped");
}

#[test]
fn a_program_that_is_forgotten_is_unknown() {
    let apps = Apps::default();
    let client = |name: &str| vec![("company".into(), name.into())];
    apps.put(fact("a", Tier::Trusted, &[]), client("one"), false);
    apps.put(fact("b", Tier::Trusted, &[]), client("one"), false);
    apps.forget("a");
    assert_eq!(
        &*apps.of(Some("company"), "one").unwrap().0.id,
        "b",
        "whose it is now"
    );
    // What it was called before it is called no more.
    apps.put(fact("b", Tier::Trusted, &[]), client("two"), false);
    assert!(apps.of(Some("company"), "one").is_none());
    apps.forget("b");
    assert!(apps.is_empty());
    assert!(apps.of(Some("company"), "two").is_none());
}

#[test]
fn what_was_given_bounds_apis_operations_and_time() {
    let mut narrow = app("crm", Tier::Reviewed, None);
    narrow.operations = vec![Operations {
        api: "orders".to_owned(),
        names: texts(&["listOrders"]),
    }];
    let policy = policy(&registry(vec![narrow.clone()]));
    let who = caller("crm-client", "");
    let asked = |view: &RequestView<'_>| {
        reason(&policy.decide(view, Some(&who), &known(), NOW_MS).unwrap())
    };
    assert_eq!(asked(&view(Some("listOrders"), &[])), "narrowed");
    assert_eq!(asked(&view(Some("getOrder"), &[])), "app-not-for-operation");
    assert_eq!(asked(&view(None, &[])), "app-not-for-operation");
    let both = [Reading {
        path: "/Orders".to_owned(),
        operation: Some("getOrder".into()),
    }];
    assert_eq!(
        asked(&view(Some("listOrders"), &both)),
        "app-not-for-operation"
    );
    let elsewhere = RequestView {
        api: "payments",
        ..view(Some("listOrders"), &[])
    };
    assert_eq!(asked(&elsewhere), "app-not-for-api");
    narrow.until_ms = Some(NOW_MS);
    let policy = super::tests::policy(&registry(vec![narrow]));
    assert_eq!(reason(&decide(&policy, &who, &known())), "app-expired");
}

#[test]
fn tiers_bound_methods_and_bulk() {
    let mut registry = registry(vec![app("crm", Tier::Unreviewed, None)]);
    registry.tiers.unreviewed.methods = Some(texts(&["GET"]));
    let policy = policy(&registry);
    let who = caller("crm-client", "");
    let asked = |view: &RequestView<'_>| {
        reason(&policy.decide(view, Some(&who), &known(), NOW_MS).unwrap())
    };
    assert_eq!(asked(&view(Some("exportOrders"), &[])), "app-tier-bulk");
    let perhaps = [Reading {
        path: "/export".to_owned(),
        operation: Some("exportOrders".into()),
    }];
    assert_eq!(asked(&view(Some("listOrders"), &perhaps)), "app-tier-bulk");
    let head = RequestView {
        method: &Method::HEAD,
        ..view(Some("listOrders"), &[])
    };
    assert_eq!(asked(&head), "narrowed");
    let post = RequestView {
        method: &Method::POST,
        ..view(Some("listOrders"), &[])
    };
    assert_eq!(asked(&post), "app-tier-method");
}

#[test]
fn a_tiers_rate_is_of_each_program() {
    let mut registry = registry(vec![
        app("crm", Tier::Unreviewed, None),
        app("erp", Tier::Unreviewed, None),
    ]);
    registry.tiers.unreviewed.rate = Some(Rate {
        allow: 1,
        per_ms: 60_000,
        burst: 1,
    });
    let policy = policy(&registry);
    let take = |client: &str| match decide(&policy, &caller(client, "a"), &known()) {
        Verdict::Need(Need::Spend(spend)) => spend,
        other => panic!("{other:?}"),
    };
    let (mut spend, other) = (take("crm-client"), take("erp-client"));
    assert_ne!(spend.take.charges[0].key, other.take.charges[0].key);
    let who = caller("crm-client", "a");
    let let_in = decide(&policy, &who, &Answers::Spent(other));
    assert_eq!(reason(&let_in), "narrowed");
    spend.take.refused = Some((0, 5_000_000_000));
    let Verdict::Deny(denial) = decide(&policy, &who, &Answers::Spent(spend)) else {
        panic!("it was too much");
    };
    assert_eq!(denial.reason.code, "app-tier-rate");
    assert!(denial
        .headers
        .iter()
        .any(|(name, _)| name == http::header::RETRY_AFTER));
}

#[test]
fn what_has_not_been_heard_is_not_believed() {
    let policy = policy(&registry(vec![app("crm", Tier::Trusted, None)]));
    let who = caller("crm-client", "a");
    assert_eq!(
        reason(&decide(&policy, &who, &Answers::Stale)),
        "facts-stale"
    );
    let view = view(None, &[]);
    assert!(policy
        .decide(&view, Some(&who), &Answers::Standing(None), 0)
        .is_err());
}

#[test]
fn two_programs_are_not_one_client() {
    let mut twice = registry(vec![
        app("crm", Tier::Trusted, None),
        app("crm", Tier::Trusted, None),
    ]);
    let codes = |registry: &Registry| -> Vec<_> {
        let wrong = Book::new(registry).unwrap_err();
        wrong
            .iter()
            .map(|error| (error.code, error.pointer.clone()))
            .collect()
    };
    assert_eq!(
        codes(&twice),
        [
            ("app-twice", "/named/1/name".to_owned()),
            ("app-client-twice", "/named/1/clients/0".to_owned()),
        ]
    );
    twice.named.clear();
    twice.tiers.reviewed.methods = Some(texts(&["GET", "PO ST"]));
    assert_eq!(
        codes(&twice),
        [("not-a-method", "/tiers/reviewed/methods/1".to_owned())]
    );
}

#[test]
fn past_requests_are_judged_by_what_they_used() {
    let policy = policy(&registry(vec![app("crm", Tier::Reviewed, Some(&["a"]))]));
    let view = view(Some("listOrders"), &[]);
    let past = |app: &str, used: &[&str]| {
        policy
            .past(&view, app, used, NOW_MS)
            .map(|said| reason(&said))
    };
    assert_eq!(past("crm", &["a"]), Some("allow"));
    assert_eq!(past("crm", &["a", "b"]), Some("scope-missing"));
    assert_eq!(past("other", &["a"]), None);
}

proptest! {
    /// Whatever a token says and a program was given: what is left is in both, and nothing else is lost.
    #[test]
    fn no_more_is_left_than_both_say(
        token in proptest::collection::vec("[ab]{1,2}|admin", 0..6),
        given in proptest::option::of(proptest::collection::vec("[ab]{1,2}|admin", 0..6)),
    ) {
        let names: Option<Vec<&str>> = given.as_ref().map(|all| all.iter().map(String::as_str).collect());
        let policy = policy(&registry(vec![app("crm", Tier::Reviewed, names.as_deref())]));
        let who = caller("crm-client", &token.join(" "));
        let Verdict::Narrowed(now, _) = decide(&policy, &who, &known()) else {
            panic!("it is let through");
        };
        let left: Vec<&str> = scopes::all(&now).collect();
        for scope in &token {
            let both = scope != "admin" && given.as_ref().is_none_or(|all| all.contains(scope));
            prop_assert_eq!(left.contains(&scope.as_str()), both);
        }
        prop_assert!(left.iter().all(|scope| token.iter().any(|one| one == scope)));
    }
}

#[test]
fn facts_give_a_program_of_the_configuration_no_other_clients() {
    let policy = policy(&registry(vec![app("crm", Tier::Reviewed, Some(&["a"]))]));
    let apps = Apps::default();
    let other = vec![("company".into(), "another".into())];
    apps.put(fact("crm", Tier::Trusted, &["a", "b"]), other, false);
    let who = caller("another", "a b");
    assert_eq!(reason(&decide(&policy, &who, &told(apps))), "app-unknown");
}

#[test]
fn an_issuer_that_is_this_installation_calls_programs_by_their_names() {
    let policy = policy(&registry(vec![app("crm", Tier::Trusted, None)]));
    let of = |issuer: &str, client: &str| Identity {
        credential: format!("{issuer}/ada").into(),
        ..caller(client, "orders:read")
    };
    let decide = |who: Identity| {
        let view = view(Some("listOrders"), &[]);
        let verdict = policy.decide(&view, Some(&who), &known(), NOW_MS).unwrap();
        reason(&verdict)
    };
    assert_eq!(decide(of("here", "crm")), "narrowed");
    assert_eq!(decide(of("here", "crm-client")), "app-unknown");
    assert_eq!(decide(of("company", "crm-client")), "narrowed");
    assert_eq!(decide(of("company", "crm")), "app-unknown");
}
