use std::net::Ipv4Addr;

use http::HeaderValue;
use serde_json::{json, Value};

use super::*;
use crate::roles::{Role, Who};
use crate::{api_key, Reading, Span};

const KEY: HeaderName = HeaderName::from_static("x-api-key");

fn opa() -> Config {
    Config {
        upstream: "opa".into(),
        way: Way::Opa {
            path: "/v1/data/httpapi/allow".into(),
        },
        deadline_ms: 50,
        cache_ms: 0,
        headers: Vec::new(),
        to_upstream: Vec::new(),
    }
}

fn http(path: Option<&str>, prefix: &str) -> Config {
    Config {
        way: Way::ExtAuthz {
            path: path.map(str::to_owned),
            prefix: prefix.into(),
            to_client: vec!["Location".into(), "WWW-Authenticate".into()],
            body: true,
        },
        to_upstream: vec!["X-User".into()],
        ..opa()
    }
}

fn book() -> Arc<Book> {
    Arc::new(Book::default())
}

fn compiled(config: &Config) -> Decide {
    Decide::new(config, 3, &book(), (&[KEY], &[KEY])).unwrap()
}

fn who(owner: &str) -> Identity {
    let claims = json!({"sub": owner, "scope": "orders:read orders:write"});
    Identity {
        proved_by: api_key::NAME,
        credential: "key_1".into(),
        owner: owner.into(),
        app: None,
        claims: claims.as_object().cloned().map(Arc::new),
    }
}

fn around(identity: Option<&Identity>) -> Around<'_> {
    Around {
        identity,
        client: Ipv4Addr::new(192, 0, 2, 7).into(),
        place: None,
        device: None,
        risk: None,
        secure: true,
        authority: "a.example:8443",
    }
}

fn view<'a>(method: &'a Method, path: &'a str, headers: &'a HeaderMap) -> RequestView<'a> {
    RequestView {
        method,
        host: "a.example",
        path,
        query: Some("tag=a&tag=b+c&x"),
        headers,
        content_length: None,
        api: "shop",
        operation: Some("getOrder"),
        readings: &[],
    }
}

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let lines = lines.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    let mut made = HeaderMap::new();
    lines.for_each(|(name, value)| {
        made.append(name, value);
    });
    made
}

fn asked(policy: &Decide, view: &RequestView<'_>, around: &Around<'_>) -> Question {
    match policy.decide(view, around, &Answers::None).unwrap().verdict {
        Verdict::Need(Need::Decision(question)) => *question,
        other => panic!("{other:?}"),
    }
}

fn input(question: &Question) -> Value {
    let mut body: Value = serde_json::from_slice(&question.body).unwrap();
    body["input"].take()
}

#[test]
fn opa_is_told_of_a_request_what_rules_look_at_and_no_credential() {
    let sent = fields(&[
        ("x-api-key", "lg_secret"),
        ("authorization", "Bearer secret"),
        ("cookie", "a=secret"),
        ("x-copy", "lg_secret"),
        ("x-tenant", "a"),
        ("x-tenant", "b"),
    ]);
    let identity = who("ada");
    let all = Config {
        headers: vec!["*".into()],
        ..opa()
    };
    let roles = [Role {
        name: "support".into(),
        who: vec![vec![Who::Owner(vec!["ada".into()])]],
        includes: Vec::new(),
        span: Span::default(),
    }];
    let book = Arc::new(Book::new(&roles).unwrap());
    let policy = Decide::new(&all, 3, &book, (&[KEY], &[])).unwrap();
    let view = view(&Method::PUT, "/orders/a%2Fb/", &sent);
    let question = asked(&policy, &view, &around(Some(&identity)));
    assert_eq!(
        (question.method.as_str(), question.target.as_str()),
        ("POST", "/v1/data/httpapi/allow")
    );
    assert_eq!(question.headers["content-type"], "application/json");
    assert_eq!(
        input(&question),
        json!({
            "method": "PUT",
            "host": "a.example",
            "path": ["orders", "a/b", ""],
            "target": "/orders/a%2Fb/",
            "query": {"tag": ["a", "b c"], "x": [""]},
            "headers": {"x-tenant": "a, b"},
            "api": "shop",
            "operation": "getOrder",
            "caller": {
                "id": "key_1", "owner": "ada", "way": "api_key", "app": null, "issuer": null,
                "scopes": ["orders:read", "orders:write"], "roles": ["support"],
                "claims": {"sub": "ada", "scope": "orders:read orders:write"},
            },
            "client": {"address": "192.0.2.7", "country": null, "network": null},
            "device": null,
            "risk": null,
        })
    );
    assert!(!format!("{question:?}").contains("ada"));
}

#[test]
fn fields_are_shown_that_are_named() {
    let sent = fields(&[("x-tenant", "a"), ("x-trace", "1")]);
    for (named, shown) in [
        (vec![], json!({})),
        (vec!["X-Tenant".to_owned()], json!({"x-tenant": "a"})),
        (
            vec!["*".to_owned()],
            json!({"x-tenant": "a", "x-trace": "1"}),
        ),
    ] {
        let config = Config {
            headers: named,
            ..opa()
        };
        let question = asked(
            &compiled(&config),
            &view(&Method::GET, "/", &sent),
            &around(None),
        );
        assert_eq!(input(&question)["headers"], shown);
        assert_eq!(input(&question)["path"], json!([]));
    }
}

#[test]
fn nothing_goes_by_a_field_that_the_api_does_not_get_or_takes_for_another() {
    let policy = compiled(&Config {
        headers: vec!["X-Tenant".into()],
        ..opa()
    });
    let shown = |lines: &[(&'static str, &'static str)]| {
        let headers = fields(lines);
        let view = view(&Method::GET, "/orders", &headers);
        let decided = policy.decide(&view, &around(None), &Answers::None).unwrap();
        match decided.verdict {
            Verdict::Need(Need::Decision(question)) => Ok(input(&question)["headers"].take()),
            Verdict::Deny(denial) => Err(denial.reason.code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        shown(&[("x-tenant", "acme")]),
        Ok(json!({"x-tenant": "acme"}))
    );
    let named = [("x-tenant", "acme"), ("connection", "close, X-Tenant")];
    assert_eq!(shown(&named), Ok(json!({})));
    let twice = [("x-tenant", "acme"), ("x_tenant", "evil")];
    assert_eq!(shown(&twice), Err(UNREADABLE.code));
    for held in ["lg_live_x", "Bearer lg_live_x", "a=b; k=lg_live_x"] {
        assert_eq!(shown(&[("x-tenant", held)]), Ok(json!({})), "{held}");
    }
    assert_eq!(
        shown(&[("x-tenant", "orlg_x")]),
        Ok(json!({"x-tenant": "orlg_x"}))
    );
}

#[test]
fn the_same_is_known_again_and_nothing_else() {
    let none = HeaderMap::new();
    let (ada, bob) = (who("ada"), who("bob"));
    let policy = compiled(&http(Some("/verify"), ""));
    let mark = |policy: &Decide, path: &str, identity| {
        asked(policy, &view(&Method::GET, path, &none), &around(identity)).mark
    };
    let first = mark(&policy, "/a", Some(&ada));
    assert_eq!(mark(&policy, "/a", Some(&ada)), first);
    assert_ne!(mark(&policy, "/b", Some(&ada)), first);
    assert_ne!(mark(&policy, "/a", None), first);
    // Nothing of who calls is in what this one is sent.
    assert_ne!(mark(&policy, "/a", Some(&bob)), first);
    let other = Decide::new(&http(Some("/verify"), ""), 4, &book(), (&[], &[])).unwrap();
    assert_ne!(mark(&other, "/a", Some(&ada)), first);
    let mut scoped = ada.clone();
    scoped.claims = None;
    assert_ne!(mark(&policy, "/a", Some(&scoped)), first);
}

#[test]
fn others_are_asked_as_traefik_and_envoy_ask() {
    let sent = fields(&[
        ("cookie", "__Host-lockgate-staff=secret; theirs=1"),
        ("authorization", "Bearer theirs"),
        ("content-length", "7"),
        ("x-forwarded-uri", "/free"),
        ("x_real_ip", "192.0.2.1"),
        ("remote-user", "eve"),
        ("x-tenant", "a"),
    ]);
    let named = |path, prefix| Config {
        headers: ["*", "Cookie"].map(str::to_owned).into(),
        ..http(path, prefix)
    };
    let traefik = asked(
        &compiled(&named(Some("/verify?rule=a"), "")),
        &view(&Method::POST, "/orders", &sent),
        &around(None),
    );
    assert_eq!(
        (traefik.method.as_str(), traefik.target.as_str()),
        ("GET", "/verify?rule=a")
    );
    let expected = fields(&[
        ("cookie", "theirs=1"),
        ("x-tenant", "a"),
        ("x-forwarded-method", "POST"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "a.example:8443"),
        ("x-forwarded-uri", "/orders?tag=a&tag=b+c&x"),
        ("x-forwarded-for", "192.0.2.7"),
    ]);
    assert_eq!(traefik.headers, expected);
    assert!(traefik.body.is_empty());
    let envoy = asked(
        &compiled(&named(None, "/authz")),
        &view(&Method::POST, "/orders", &sent),
        &around(None),
    );
    assert_eq!(
        (envoy.method.as_str(), envoy.target.as_str()),
        ("POST", "/authz/orders?tag=a&tag=b+c&x")
    );
}

#[test]
fn what_others_answer() {
    let policy = compiled(&http(Some("/verify"), ""));
    let told = fields(&[
        ("x-user", "ada"),
        ("x-admin", "1"),
        ("location", "/login"),
        ("content-type", "text/html"),
        ("set-cookie", "a=b"),
    ]);
    let read = |status, body: &[u8]| policy.point().read(status, &told, body);
    for status in [200, 204, 299] {
        let Ok(Said::Allow { fields, .. }) = read(status, b"") else {
            panic!("{status}");
        };
        let user = (
            HeaderName::from_static("x-user"),
            HeaderValue::from_static("ada"),
        );
        assert_eq!(fields, [user]);
    }
    for status in [302, 307, 401, 403, 404, 429] {
        let Ok(Said::Deny { own: Some(own), .. }) = read(status, b"<p>") else {
            panic!("{status}");
        };
        let location = (
            HeaderName::from_static("location"),
            HeaderValue::from_static("/login"),
        );
        assert_eq!((own.status, own.fields), (status, vec![location]));
        let html = HeaderValue::from_static("text/html");
        assert_eq!(own.body, Some((html, Bytes::from_static(b"<p>"))));
    }
    for (status, reason) in [
        (100, &MALFORMED),
        (304, &MALFORMED),
        (407, &MALFORMED),
        (500, &UNAVAILABLE),
        (503, &UNAVAILABLE),
    ] {
        assert_eq!(read(status, b"").unwrap_err().reason, reason, "{status}");
    }
    let long = vec![b'a'; 16 * 1024 + 1];
    assert_eq!(read(403, &long).unwrap_err().reason, &MALFORMED);
}

#[test]
fn a_refusal_has_the_point_s_own_status_fields_and_body() {
    let policy = compiled(&http(Some("/verify"), ""));
    let told = fields(&[("location", "/login")]);
    let said = policy.point().read(302, &told, b"").unwrap();
    let heard = Answers::Decision(Heard::Said(said.into()));
    let none = HeaderMap::new();
    let view = view(&Method::GET, "/", &none);
    let decided = policy.decide(&view, &around(None), &heard).unwrap();
    let Verdict::Deny(denial) = decided.verdict else {
        panic!("{decided:?}");
    };
    assert_eq!((denial.reason, denial.status()), (&DENIED, 302));
    assert_eq!(denial.headers[0].1, "/login");
    assert_eq!(&*denial.grounds.unwrap()[0], "decision of opa: deny");
}

#[test]
fn opa_answers_with_a_status_of_200_and_an_object() {
    let policy = compiled(&opa());
    let none = HeaderMap::new();
    let read = |status, body: &[u8]| policy.point().read(status, &none, body);
    assert_eq!(read(200, b"{}"), Ok(Said::Undefined));
    for (status, body, reason) in [
        (200, &b"true"[..], &MALFORMED),
        (200, b"", &MALFORMED),
        (200, b"{\"result\": tru", &MALFORMED),
        (204, b"", &MALFORMED),
        (404, b"{}", &MALFORMED),
        (500, b"{\"result\": true}", &UNAVAILABLE),
    ] {
        assert_eq!(read(status, body).unwrap_err().reason, reason);
    }
    // What it says of its own errors is for the log, and on one line.
    let told = read(500, b"bad\nrule").unwrap_err();
    assert_eq!(told.cause, "it answered with the status 500: badrule");
}

#[test]
fn who_hears_nothing_fails_and_who_may_not_be_asked_denies() {
    let policy = compiled(&opa());
    let none = HeaderMap::new();
    let view = view(&Method::GET, "/", &none);
    let decide = |answers: &Answers| policy.decide(&view, &around(None), answers);
    for reason in [&UNAVAILABLE, &SLOW, &OVERLOADED, &MALFORMED] {
        let silent = Heard::Silent(Silent::new(reason, "so"));
        let error = decide(&Answers::Decision(silent)).unwrap_err();
        assert_eq!((error.reason, &*error.cause), (reason, "opa: so"));
    }
    assert_eq!(
        decide(&Answers::Decision(Heard::Later)).unwrap_err().reason,
        &UNAVAILABLE
    );
    assert!(decide(&Answers::Stale).is_err());
    // Whatever `on_error` says: it was tried, not asked.
    let unstated = Heard::Silent(Silent::new(&UNSTATED, ""));
    let decided = decide(&Answers::Decision(unstated)).unwrap();
    assert!(matches!(decided.verdict, Verdict::Deny(denial) if denial.reason == &UNSTATED));
}

#[test]
fn a_path_that_can_be_taken_for_another_is_not_asked_about() {
    let none = HeaderMap::new();
    let readings = [Reading {
        path: "/b".into(),
        operation: None,
    }];
    let view = RequestView {
        readings: &readings,
        ..view(&Method::GET, "//b", &none)
    };
    let decided = compiled(&opa()).decide(&view, &around(None), &Answers::None);
    let Verdict::Deny(denial) = decided.unwrap().verdict else {
        panic!("asked");
    };
    assert_eq!(denial.reason.code, "decision-unreadable");
}

#[test]
fn who_calls_may_be_told_and_nothing_that_the_gate_says_itself() {
    let told = |name: &str| {
        let config = Config {
            to_upstream: vec![name.into()],
            ..opa()
        };
        Decide::new(&config, 0, &book(), (&[KEY], &[KEY])).is_ok()
    };
    for name in [
        "Remote-User",
        "X-Auth-Request-Email",
        "X-Forwarded-User",
        "X-Team",
    ] {
        assert!(told(name), "{name}");
    }
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Real-IP",
        "Client-Cert",
        "X-Original-URL",
        "X-HTTP-Method-Override",
        "X-Lockgate-User",
        "X-Request-Id",
        "Authorization",
        "Cookie",
        "Connection",
    ] {
        assert!(!told(name), "{name}");
    }
}

#[test]
fn what_could_not_be_asked_is_refused() {
    type Change = Box<dyn Fn(&mut Config)>;
    let changes: Vec<(&str, &str, Change)> = vec![
        (
            "decide-deadline",
            "/deadline_ms",
            Box::new(|one| one.deadline_ms = 0),
        ),
        (
            "decide-deadline",
            "/deadline_ms",
            Box::new(|one| one.deadline_ms = 10_001),
        ),
        (
            "decide-cache",
            "/cache_ms",
            Box::new(|one| one.cache_ms = 3_600_001),
        ),
        (
            "decide-fields",
            "/headers",
            Box::new(|one| one.headers = vec!["X-A".into(); MOST_FIELDS + 1]),
        ),
        (
            "decide-field",
            "/headers/0",
            Box::new(|one| one.headers = vec!["a b".into()]),
        ),
        (
            "decide-credential",
            "/headers/0",
            Box::new(|one| one.headers = vec!["X-API-Key".into()]),
        ),
        (
            "decide-field",
            "/to_upstream/0",
            Box::new(|one| one.to_upstream = vec!["Content-Length".into()]),
        ),
        (
            "decide-field",
            "/to_upstream/0",
            Box::new(|one| one.to_upstream = vec!["X-API-Key".into()]),
        ),
    ];
    for (code, pointer, change) in changes {
        for base in [opa(), http(Some("/verify"), "")] {
            let mut config = base;
            change(&mut config);
            let wrong = Decide::new(&config, 0, &book(), (&[KEY], &[KEY])).unwrap_err();
            assert_eq!((wrong.code, &*wrong.pointer), (code, pointer));
        }
    }
    let cookies = Config {
        headers: vec!["Cookie".into()],
        ..opa()
    };
    let wrong = Decide::new(&cookies, 0, &book(), (&[], &[])).unwrap_err();
    assert_eq!(wrong.code, "decide-credential");
    for (path, prefix) in [
        (Some("verify"), ""),
        (Some("/a b"), ""),
        (Some("/a"), "/b"),
        (None, "/b/"),
        (None, "/b?c"),
        (None, "b"),
    ] {
        let wrong = Decide::new(&http(path, prefix), 0, &book(), (&[], &[])).unwrap_err();
        assert_eq!(wrong.code, "decide-path", "{path:?} {prefix}");
    }
    for name in ["Content-Length", "Content-Type"] {
        let mut config = http(None, "");
        if let Way::ExtAuthz { to_client, .. } = &mut config.way {
            to_client.push(name.into());
        }
        let wrong = Decide::new(&config, 0, &book(), (&[], &[])).unwrap_err();
        assert_eq!(wrong.pointer, "/way/ext_authz/to_client/2");
    }
}
