#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::{HeaderMap, Method};

use super::*;

fn policy(origins: &[&str]) -> WebSocket {
    WebSocket::new(&Config {
        origins: origins.iter().map(|&origin| origin.into()).collect(),
        frame_bytes: 100,
        message_bytes: 1000,
        messages: 10,
        idle_ms: 1000,
    })
    .unwrap()
}

fn handshake(origin: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(origin) = origin {
        headers.insert("origin", origin.parse().unwrap());
    }
    headers
}

fn reason(policy: &WebSocket, headers: &HeaderMap) -> Option<&'static str> {
    let view = RequestView {
        method: &Method::GET,
        host: "shop.example",
        path: "/",
        query: None,
        headers,
        content_length: None,
        api: "shop",
        operation: None,
        readings: &[],
    };
    match policy.decide(&view) {
        Verdict::Allow(_) => None,
        Verdict::Deny(denial) => Some(denial.reason.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_of_other_hosts_may_not_open_one_unless_they_are_named() {
    let own = policy(&[]);
    let named = policy(&["https://other.example"]);
    let any = policy(&["*"]);
    for (origin, expected) in [
        (None, [None, None, None]),
        (Some("https://shop.example"), [None, None, None]),
        (Some("http://SHOP.example:8080"), [None, None, None]),
        (
            Some("https://other.example"),
            [Some(ORIGIN.code), None, None],
        ),
        (
            Some("https://shop.example.evil.example"),
            [Some(ORIGIN.code), Some(ORIGIN.code), None],
        ),
        (Some("null"), [Some(ORIGIN.code), Some(ORIGIN.code), None]),
    ] {
        let told = [&own, &named, &any].map(|policy| reason(policy, &handshake(origin)));
        assert_eq!(told, expected, "{origin:?}");
    }
}

#[test]
fn a_wrong_handshake_is_told_what_is_wrong() {
    let policy = policy(&[]);
    let mut old = handshake(None);
    old.insert("sec-websocket-version", HeaderValue::from_static("8"));
    assert_eq!(reason(&policy, &old), Some("websocket-version"));
    let mut keyless = handshake(None);
    keyless.remove("sec-websocket-key");
    assert_eq!(reason(&policy, &keyless), Some("websocket-key"));
    assert_eq!(
        reason(&policy, &HeaderMap::new()),
        None,
        "it is asked for none"
    );
}

#[test]
fn what_is_bounded_to_nothing_is_refused() {
    let config = Config {
        origins: Vec::new(),
        frame_bytes: 0,
        message_bytes: 1,
        messages: 0,
        idle_ms: 1,
    };
    assert_eq!(
        WebSocket::new(&config).unwrap_err().code,
        "websocket-malformed"
    );
}
