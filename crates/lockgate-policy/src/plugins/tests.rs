#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::Ipv4Addr;

use http::{HeaderValue, Method};
use proptest::prelude::*;

use super::*;
use crate::verdict::Edits;
use crate::Edit;

const VECTORS: &str = include_str!("../../../../tests/vectors/plugins.yaml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    hook: Option<String>,
    #[serde(default)]
    said: Option<Value>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    credentials: Vec<String>,
    #[serde(default)]
    authenticate: Vec<String>,
    #[serde(default)]
    hidden: Vec<String>,
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    request: Vec<String>,
    #[serde(default)]
    response: Vec<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    refused: Option<String>,
}

fn config() -> Config {
    Config {
        name: "checks:Tenant".into(),
        plugin: 3,
        digest: String::new(),
        deadline_ms: 50,
        request: true,
        response: true,
        credentials: Vec::new(),
    }
}

fn subject() -> Subject<'static> {
    Subject {
        request_id: "01J",
        client: Ipv4Addr::LOCALHOST.into(),
        identity: None,
        api: "shop",
        operation: None,
        device: None,
        program: None,
        place: None,
    }
}

fn fields(pairs: &[(String, String)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let name = HeaderName::try_from(name.as_str()).unwrap();
        (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    pairs.collect()
}

fn view<'a>(method: &'a Method, headers: &'a HeaderMap) -> RequestView<'a> {
    RequestView {
        method,
        host: "a.example",
        path: "/",
        query: None,
        headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    }
}

fn written(edits: &[Edit]) -> Vec<String> {
    let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
    let written = edits.iter().map(|edit| match edit {
        Edit::Set(name, value) => format!("set {name}: {}", text(value)),
        Edit::Add(name, value) => format!("add {name}: {}", text(value)),
        Edit::Remove(name) => format!("remove {name}"),
        Edit::RemoveCookie(name) => format!("remove cookie {name}"),
    });
    written.collect()
}

impl Case {
    fn run(&self) {
        let keys = self.authenticate.iter();
        let keys: Vec<HeaderName> = keys.map(|name| name.parse().unwrap()).collect();
        let made = Plugin::new(
            &Config {
                credentials: self.credentials.clone(),
                ..config()
            },
            (&keys, &keys),
        );
        let plugin = match (&self.refused, made) {
            (Some(code), Err(error)) => return assert_eq!(error.code, code, "{}", self.name),
            (None, Ok(plugin)) => plugin,
            (wanted, got) => panic!("{}: {wanted:?}, {got:?}", self.name),
        };
        let headers = fields(&self.headers);
        let view = view(&Method::GET, &headers);
        let shown = plugin.request(&view, &subject());
        let seen = shown["headers"].as_array().unwrap().iter();
        let seen: Vec<&str> = seen.map(|pair| pair[0].as_str().unwrap()).collect();
        for (name, _) in &self.headers {
            let name = name.to_ascii_lowercase();
            let hidden = self.hidden.contains(&name);
            assert_eq!(!seen.contains(&name.as_str()), hidden, "{}", self.name);
        }
        let said: Result<Said, _> = serde_json::from_value(self.said.clone().unwrap());
        let said = Answers::Plugin(said.map_err(|error| Silent::failed(error.to_string())));
        let verdict = if self.hook.as_deref() == Some("response") {
            plugin.decide_answer(&shown, (StatusCode::OK, &HeaderMap::new()), &said)
        } else {
            plugin.decide(&view, &subject(), &said)
        };
        match (self.verdict.as_deref(), verdict) {
            (Some("allow"), Ok(Verdict::Allow(Edits { request, answer }))) => {
                assert_eq!(written(&request), self.request, "{}", self.name);
                assert_eq!(written(&answer), self.response, "{}", self.name);
            }
            (Some("deny"), Ok(Verdict::Deny(denial))) => {
                assert_eq!(denial.reason, &DENIED, "{}", self.name);
                assert_eq!(Some(denial.status()), self.status, "{}", self.name);
                let code = denial.own.map(|own| own.code.to_string());
                assert_eq!(code, self.code, "{}", self.name);
            }
            (Some("failed"), Err(error)) => assert_eq!(error.reason, &FAILED, "{}", self.name),
            (wanted, got) => panic!("{}: {wanted:?}, {got:?}", self.name),
        }
    }
}

#[test]
fn the_cases_hold() {
    let vectors: Vectors = serde_saphyr::from_str(VECTORS).unwrap();
    assert!(vectors.cases.len() > 30);
    vectors.cases.iter().for_each(Case::run);
}

#[test]
fn a_plugin_without_a_hook_or_without_time_is_refused() {
    let never = Config {
        request: false,
        response: false,
        ..config()
    };
    let error = Plugin::new(&never, (&[], &[])).unwrap_err();
    assert_eq!(error.code, "plugin-without-hook");
    for deadline_ms in [0, 10_001] {
        let config = Config {
            deadline_ms,
            ..config()
        };
        let error = Plugin::new(&config, (&[], &[])).unwrap_err();
        assert_eq!(error.code, "plugin-deadline");
    }
}

#[test]
fn only_the_hooks_that_it_has_are_asked() {
    let config = Config {
        request: false,
        ..config()
    };
    let plugin = Plugin::new(&config, (&[], &[])).unwrap();
    let headers = HeaderMap::new();
    let verdict = plugin.decide(&view(&Method::GET, &headers), &subject(), &Answers::None);
    assert!(matches!(verdict, Ok(Verdict::Allow(edits)) if edits.is_empty()));
    let answer = (StatusCode::OK, &headers);
    let Ok(Verdict::Need(Need::Plugin(call))) =
        plugin.decide_answer(&json!({}), answer, &Answers::None)
    else {
        panic!("it is asked about the answer");
    };
    assert_eq!(
        (call.plugin, call.hook, call.deadline_ms),
        (3, "response", 50)
    );
    assert_eq!(call.heads["response"]["status"], 200);
}

#[test]
fn why_it_said_nothing_is_told() {
    let plugin = Plugin::new(&config(), (&[], &[])).unwrap();
    let headers = HeaderMap::new();
    for reason in [&SLOW, &OVERLOADED, &FAILED] {
        let cause = "it thinks".to_owned();
        let answers = Answers::Plugin(Err(Silent { reason, cause }));
        let verdict = plugin.decide(&view(&Method::GET, &headers), &subject(), &answers);
        let error = verdict.unwrap_err();
        assert_eq!((error.reason, error.policy), (reason, NAME));
        assert_eq!(error.cause, "checks:Tenant: it thinks");
    }
}

#[test]
fn values_that_are_no_text_are_shown_byte_by_byte() {
    let plugin = Plugin::new(&config(), (&[], &[])).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-latin", HeaderValue::from_bytes(b"caf\xe9").unwrap());
    headers.insert("x-utf", HeaderValue::from_bytes("café".as_bytes()).unwrap());
    let shown = plugin.request(&view(&Method::GET, &headers), &subject());
    assert_eq!(
        shown["headers"],
        json!([["x-latin", "café"], ["x-utf", "café"]])
    );
}

proptest! {
    /// Whatever a worker says, nothing of it breaks a line or frames a message.
    #[test]
    fn no_answer_breaks_a_line(
        verb in "set|add|remove|drop",
        name in ".{0,12}|[Xx]-[A-Za-z-]{1,8}|Content-Length|Host",
        value in ".{0,20}|[ -~]{0,20}\r?\n[ -~]{0,8}",
        answer in any::<bool>(),
    ) {
        let plugin = Plugin::new(&config(), (&[], &[])).unwrap();
        let (change, none) = (vec![(verb, name, value)], Vec::new());
        let (request, answer) = if answer { (none, change) } else { (change, none) };
        let said = Answers::Plugin(Ok(Said::Allow { request, answer }));
        let headers = HeaderMap::new();
        let verdict = plugin.decide(&view(&Method::GET, &headers), &subject(), &said);
        if let Ok(Verdict::Allow(edits)) = verdict {
            for line in written(&edits.request).iter().chain(&written(&edits.answer)) {
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
                prop_assert!(!line.contains("content-length") && !line.contains(" host"));
            }
        }
    }
}
