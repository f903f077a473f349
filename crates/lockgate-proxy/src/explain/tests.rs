#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use lockgate_policy::{api_key, body_limit, ip_filter, Mode};
use serde_json::{json, Value};

use super::*;
use crate::testing::{api, bundle, exact, key_fact, keyed, placed, prefix, template, NOW, PEPPER};

fn question(method: &str, target: &str) -> Question {
    Question {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: vec![("Host".to_owned(), "shop.example.com".to_owned())],
        peer: [127, 0, 0, 1].into(),
        listener: None,
        certificate: None,
        device: None,
        decision: None,
        others: 0,
        body: None,
        now_ms: Some(NOW),
    }
}

impl Question {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }
}

fn engine(bundle: &Bundle, facts: &[Vec<u8>]) -> Engine {
    Engine::new(&serde_json::to_vec(bundle).unwrap(), facts, PEPPER).unwrap()
}

/// The decision as Python gets it.
fn told(engine: &Engine, question: &Question) -> Value {
    serde_json::to_value(engine.evaluate(question)).unwrap()
}

fn shop() -> Bundle {
    let mut limited = api("upload", &[prefix("/upload")]);
    limited.policies.body_limit = Some(placed(body_limit::Config { bytes: 20_000 }, 21));
    let mut stripped = api("api", &[prefix("/api")]);
    stripped.strip_path = true;
    bundle(vec![
        api("open", &[template("/open/{id}")]),
        keyed("keyed", &[exact("/keyed")]),
        limited,
        stripped,
    ])
}

#[test]
fn a_request_that_is_allowed_is_told_in_whole() {
    let engine = engine(&shop(), &[]);
    let told = told(&engine, &question("GET", "/open/./7?x=1"));
    let text = serde_json::to_string(&shop()).unwrap();
    let span = |line: u32| json!({"file": "lockgate.yaml", "line": line, "column": 1});
    assert_eq!(
        told,
        json!({
            "request": {"method": "GET", "host": "shop.example.com", "path": "/open/7", "query": "x=1", "rewritten": true},
            "route": {"api": "open", "route": null, "conditions": "", "pattern": "/open/{id}", "span": span(10), "version": null, "operation": null},
            "steps": [{"policy": "authorize", "part": "", "names": [], "phase": "head", "verdict": "allow", "reason": null, "grounds": [], "span": span(11)}],
            "verdict": "allow",
            "status": null,
            "reason": null,
            "errors": [],
            "identity": null,
            "location": null,
            "upstream": {"name": "shop", "chosen_by": "api", "shares": [], "mirror": null, "targets": ["127.0.0.1:9"], "target": "/open/7?x=1"},
            "changes": {"request": [], "response": []},
            "client": "127.0.0.1",
            "place": null,
            "scans": [],
            "waf": null,
            "bundle": hash(&text),
        })
    );
}

#[test]
fn a_refusal_says_who_where_and_what_to_do() {
    let engine = engine(&shop(), &[]);
    let told = told(&engine, &question("GET", "/keyed"));
    assert_eq!(
        (&told["verdict"], &told["status"]),
        (&json!("deny"), &json!(401))
    );
    let why = &told["reason"];
    assert_eq!(
        (&why["code"], &why["room"]),
        (&json!("key-missing"), &json!("api_key"))
    );
    assert_eq!(why["span"]["line"], 12);
    assert!(why["advice"].as_str().unwrap().len() > 10);
    assert_eq!(told["upstream"], Value::Null);
    assert_eq!(told["steps"][0]["verdict"], "deny");
    assert_eq!(told["steps"][1]["verdict"], "not-reached");
}

#[test]
fn a_key_that_facts_know_identifies() {
    let key = api_key::mint("live").unwrap();
    let engine = engine(&shop(), &[key_fact(1, "key_1", &key, "")]);
    let told = told(&engine, &question("GET", "/keyed").with("X-API-Key", &key));
    assert_eq!(told["verdict"], "allow");
    assert_eq!(
        told["identity"],
        json!({"proved_by": "api_key", "credential": "key_1", "owner": "ann", "app": null})
    );
}

#[test]
fn what_has_no_route_has_no_steps() {
    let engine = engine(&shop(), &[]);
    let told = told(&engine, &question("GET", "/nowhere"));
    assert_eq!(told["reason"]["code"], "no-route");
    assert_eq!((&told["route"], &told["steps"]), (&Value::Null, &json!([])));
    assert_eq!(told["request"]["path"], "/nowhere");
}

#[test]
fn what_the_framing_refuses_is_refused_here_too() {
    let engine = engine(&shop(), &[]);
    let twice = question("GET", "/open/1").with("host", "b");
    let both = question("POST", "/open/1")
        .with("content-length", "1")
        .with("transfer-encoding", "chunked");
    let mut many = question("GET", "/open/1");
    many.headers
        .extend((0..100).map(|number| (format!("x-{number}"), String::new())));
    let large = question("GET", "/open/1").with("x", &"y".repeat(33_000));
    let mut nameless = question("GET", "/open/1");
    nameless.headers.clear();
    for (asked, why) in [
        (question("GE T", "/open/1"), "a method with a blank"),
        (question("GET", "/open/ 1"), "a target with a blank"),
        (question("GET", ""), "no target"),
        (question("GET", "open"), "no slash"),
        (
            question("GET", "/open/1").with("a b", "c"),
            "a name with a blank",
        ),
        (question("GET", "/open/1").with("x", "a\nb"), "a line feed"),
        (
            question("GET", "/open/1").with("content-length", "-1"),
            "a length that is none",
        ),
        (twice, "two hosts"),
        (both, "two lengths"),
        (many, "too many headers"),
        (large, "too long a head"),
        (nameless, "no host"),
    ] {
        let told = told(&engine, &asked);
        assert_eq!(told["verdict"], "deny", "{why}: {told}");
        assert!(told["status"].as_u64().unwrap() >= 400, "{why}");
        assert_eq!(
            (&told["route"], &told["steps"]),
            (&Value::Null, &json!([])),
            "{why}"
        );
        assert!(told["reason"]["advice"].as_str().unwrap().len() > 10);
    }
}

#[test]
fn the_listeners_own_bounds_hold() {
    let mut tight = shop();
    tight.listeners[0].limits.headers = 2;
    let mut wide = tight.listeners[0].clone();
    wide.name = "wide".to_owned();
    wide.limits.headers = 10;
    tight.listeners.push(wide);
    let engine = engine(&tight, &[]);
    let mut asked = question("GET", "/open/1").with("a", "b").with("c", "d");
    // The first listener, where none or an unknown one is named.
    for (listener, verdict) in [
        (None, "deny"),
        (Some("wide"), "allow"),
        (Some("none"), "deny"),
    ] {
        asked.listener = listener.map(str::to_owned);
        assert_eq!(told(&engine, &asked)["verdict"], verdict, "{listener:?}");
    }
}

#[test]
fn a_bundle_without_listeners_is_judged_all_the_same() {
    let mut none = shop();
    none.listeners.clear();
    assert_eq!(
        told(&engine(&none, &[]), &question("GET", "/open/1"))["verdict"],
        "allow"
    );
}

#[test]
fn a_whole_url_names_its_host() {
    let mut hosted = shop();
    hosted.apis[0].hosts = vec!["a.example".to_owned()];
    let engine = engine(&hosted, &[]);
    let mut asked = question("GET", "http://a.example/open/1");
    asked.headers.clear();
    let told = told(&engine, &asked);
    assert_eq!(told["route"]["api"], "open");
    assert_eq!(told["request"]["host"], "a.example");
    assert_eq!(told["upstream"]["target"], "/open/1");
}

#[test]
fn the_prefix_is_taken_off_in_what_is_told() {
    let told = told(&engine(&shop(), &[]), &question("GET", "/api/a%3Ab?c"));
    assert_eq!(told["upstream"]["target"], "/a%3Ab?c");
}

#[test]
fn bodies_are_shown_to_those_who_watch_them() {
    let engine = engine(&shop(), &[]);
    let (fits, over) = (vec![b'x'; 20_000], vec![b'x'; 20_001]);
    for chunked in [false, true] {
        for (body, verdict) in [(&fits, "allow"), (&over, "deny")] {
            let mut asked = question("POST", "/upload").body(body);
            if chunked {
                asked = asked.with("transfer-encoding", "chunked");
            }
            let told = told(&engine, &asked);
            assert_eq!(told["verdict"], verdict, "{chunked}");
            if verdict == "deny" {
                assert_eq!(told["reason"]["code"], "body-too-large");
                assert_eq!(told["reason"]["span"]["line"], 21);
                assert_eq!(told["steps"][1]["verdict"], "deny");
                assert_eq!(told["upstream"], Value::Null);
            }
        }
    }
}

#[test]
fn a_bound_that_observes_says_so_of_a_chunked_body() {
    let mut observing = shop();
    if let Some(limit) = &mut observing.apis[2].policies.body_limit {
        limit.mode = Mode::Observe;
    }
    let engine = engine(&observing, &[]);
    let asked = question("POST", "/upload")
        .body(&[b'x'; 20_001])
        .with("transfer-encoding", "chunked");
    let told = told(&engine, &asked);
    assert_eq!(told["verdict"], "allow");
    assert_eq!(told["steps"][1]["verdict"], "observe-deny");
    assert_eq!(told["steps"][1]["reason"], "body-too-large");
}

#[test]
fn the_client_is_the_one_that_a_trusted_proxy_names() {
    let mut trusting = shop();
    trusting.listeners[0].trusted_proxies = vec!["127.0.0.1".to_owned()];
    trusting.apis[0].policies.ip_filter = Some(placed(
        ip_filter::Config {
            deny: vec!["192.0.2.7".to_owned()],
            ..ip_filter::Config::default()
        },
        20,
    ));
    let engine = engine(&trusting, &[]);
    let told = told(
        &engine,
        &question("GET", "/open/1").with("X-Forwarded-For", "192.0.2.7"),
    );
    assert_eq!(told["client"], "192.0.2.7");
    assert_eq!(told["reason"]["code"], "address-denied");
}

#[test]
fn the_engine_says_what_the_judge_says() {
    let engine = engine(&shop(), &[]);
    for (method, target) in [
        ("GET", "/open/1"),
        ("GET", "/keyed"),
        ("DELETE", "/keyed"),
        ("GET", "/x/../keyed"),
        ("GET", "/a%2Fb"),
        ("GET", "/../a"),
        ("GET", "/api"),
        ("HEAD", "/.lockgate/reasons/no-route"),
        ("OPTIONS", "*"),
    ] {
        let asked = question(method, target);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("shop.example.com"));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let listener = &engine.snapshot.listeners[0];
        let arrival = Arrival {
            version: http::Version::HTTP_11,
            method: &method,
            target,
            host: "shop.example.com",
            headers: &headers,
            content_length: None,
            body: false,
            peer: asked.peer,
            listener,
            certificate: None,
            id: "",
        };
        let mut judgement = Judgement::default();
        let mut judging = Judging::new(&engine.snapshot, arrival, NOW, &mut judgement);
        let stores = Stores {
            facts: &engine.facts,
            counters: &engine.counters,
            proofs: &engine.proofs,
            sightings: &engine.sightings,
            places: &engine.places,
            stays: false,
            introspections: None,
            broker: None,
            plugins: None,
        };
        judging.complete(&|need| answer(&stores, false, need, NOW));
        let wanted = match &judgement.end {
            End::Forward => "allow".to_owned(),
            End::Refuse(denial) => denial.reason.code.to_owned(),
            End::Respond(_) => "respond".to_owned(),
        };
        let told = told(&engine, &asked);
        let code = told["reason"]["code"].as_str();
        assert_eq!(
            code.or(told["verdict"].as_str()),
            Some(wanted.as_str()),
            "{target}"
        );
    }
}

#[test]
fn a_check_tells_everything_that_is_wrong() {
    assert!(check(&serde_json::to_vec(&shop()).unwrap())
        .unwrap()
        .is_empty());
    let mut wrong = shop();
    wrong.apis[0].upstream = Some("nowhere".to_owned());
    wrong.apis[1].paths.clear();
    let errors = check(&serde_json::to_vec(&wrong).unwrap()).unwrap();
    let codes: Vec<&str> = errors.iter().map(|error| error.code).collect();
    assert_eq!(codes, ["no-upstream", "no-paths"]);
    for none in [&b"{}"[..], b"", b"\xff", b"[1]"] {
        assert_eq!(check(none).unwrap_err().code(), "bundle-malformed");
    }
}

#[test]
fn an_engine_wants_a_bundle_and_facts_that_are_some() {
    let bundle = serde_json::to_vec(&shop()).unwrap();
    let error = Engine::new(&bundle, &[b"nonsense"], b"").err().unwrap();
    assert_eq!(error.code(), "bundle-malformed");
    let mut wrong = shop();
    wrong.apis[0].paths.clear();
    let none: [&[u8]; 0] = [];
    let error = Engine::new(&serde_json::to_vec(&wrong).unwrap(), &none, b"")
        .err()
        .unwrap();
    assert_eq!(error.code(), "bundle-config");
}

#[test]
fn the_outline_names_routes_as_the_engine_does_and_what_each_policy_can_say() {
    let engine = engine(&shop(), &[]);
    let outline = serde_json::to_value(engine.outline()).unwrap();
    let open = &outline[0];
    assert_eq!(open["api"], "open");
    assert_eq!(open["routes"], json!(["/open/{id}"]));
    // Anyone may call until its day; where keys are asked for, nobody unknown comes so far.
    assert_eq!(open["steps"][0]["policy"], "authorize");
    assert_eq!(open["steps"][0]["refuses"], true);
    let keyed = outline[1]["steps"].as_array().unwrap();
    let refuses: Vec<_> = keyed
        .iter()
        .map(|step| {
            (
                step["policy"].as_str().unwrap(),
                step["refuses"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(refuses, [("api_key", true), ("authorize", false)]);
    for (path, api) in [("/upload/x", 2), ("/api", 3)] {
        let told = told(&engine, &question("GET", path));
        assert_eq!(outline[api]["routes"], json!([told["route"]["pattern"]]));
    }
}
