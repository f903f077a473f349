#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod cookies;
mod forwarded;
mod trace;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    forwarding, identity, is_identity, remove_hop_by_hop, remove_look_alikes, reserved,
    strip_identity, Reserved, HOP_BY_HOP,
};

/// A map out of `name: value` lines.
pub(super) fn map(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// The sorted lines of a map.
pub(super) fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

#[test]
fn fields_of_one_connection_end_here() {
    let mut headers = map(&[
        "Host: a",
        "Connection: Keep-Alive",
        "Connection: X-Private, close",
        "X-Private: 1",
        "X-Public: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authenticate: Basic",
        "Proxy-Authorization: Basic Og==",
        "Proxy-Authentication-Info: x",
        "Transfer-Encoding: chunked",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
        "TE: gzip",
        "Trailer: X-Sum",
    ]);
    remove_hop_by_hop(&mut headers);
    assert_eq!(
        lines(&headers),
        ["host: a", "trailer: X-Sum", "x-public: 1"]
    );
}

#[test]
fn nothing_is_touched_where_nothing_is_hop_by_hop() {
    let before = map(&["Host: a", "Cookie: b", "X-Upgrade: c", "Content-Length: 1"]);
    let mut after = before.clone();
    remove_hop_by_hop(&mut after);
    assert_eq!(before, after);
}

#[test]
fn te_trailers_stays_and_nothing_else_of_it() {
    for (sent, kept) in [
        ("trailers", true),
        ("gzip, Trailers;q=0.5", true),
        ("gzip", false),
        ("trailersx", false),
    ] {
        let mut headers = map(&["Connection: TE, close"]);
        headers.insert("te", HeaderValue::from_static(sent));
        remove_hop_by_hop(&mut headers);
        let expected: &[&str] = if kept {
            &["connection: te", "te: trailers"]
        } else {
            &[]
        };
        assert_eq!(lines(&headers), expected, "{sent}");
    }
}

#[test]
fn connection_cannot_take_away_what_the_upstream_must_see() {
    let mut headers = map(&[
        "Connection: host, Authorization, x-forwarded-for, forwarded, x-lockgate-user, \
         content-length, cookie, x-api-key, traceparent",
        "Host: a",
        "Authorization: b",
        "X-Forwarded-For: 192.0.2.1",
        "Forwarded: for=192.0.2.1",
        "X-Lockgate-User: c",
        "Content-Length: 1",
        "Cookie: d",
        "X-API-Key: e",
        "Traceparent: f",
    ]);
    let before = headers.len();
    remove_hop_by_hop(&mut headers);
    assert_eq!(headers.len(), before - 1, "only Connection itself goes");
}

#[test]
fn however_many_are_named_all_of_them_go() {
    let mut headers = map(&["X-First: 1", "X-Last: 1", "X-Kept: 1", "Host: a"]);
    let list = format!(
        "X-First, {}host, \u{e9}, x y, x-LAST",
        "x-none,, ".repeat(5000)
    );
    let list = HeaderValue::from_bytes(list.as_bytes()).unwrap();
    headers.insert("connection", list);
    remove_hop_by_hop(&mut headers);
    assert_eq!(lines(&headers), ["host: a", "x-kept: 1"]);

    // As one field with all of them, so with a field for each.
    let mut headers = map(&["X-Last: 1"]);
    for _ in 0..100 {
        headers.append("connection", HeaderValue::from_static("x-none"));
    }
    headers.append("connection", HeaderValue::from_static("x-last"));
    remove_hop_by_hop(&mut headers);
    assert!(headers.is_empty());
}

#[test]
fn nobody_outside_says_who_is_calling() {
    let mut headers = map(&[
        "Forwarded: for=1.1.1.1",
        "X-Forwarded-For: 1.1.1.1",
        "X-Forwarded-Client-Cert: Hash=1",
        "X-Real-IP: 1.1.1.1",
        "X-User: root",
        "X-User-Id: 0",
        "X-Username: root",
        "X-Consumer-ID: 1",
        "X-Remote-User: root",
        "Remote-User: root",
        "X-Original-URL: /admin",
        "Client-Cert: :AA==:",
        "X-SSL-Client-Verify: SUCCESS",
        "X-Lockgate-Identity: root",
        "True-Client-IP: 1.1.1.1",
        "CF-Connecting-IP: 1.1.1.1",
        "Tailscale-User-Login: root",
        "Accept: a",
        "Content-Type: b",
        "Cookie: c",
        "Referer: d",
        "X-User-Agent: grpc-web",
        "X-API-Key: e",
        "X-Request-Id: f",
        "Clear-Site-Data: g",
        "X-Forwarder: h",
    ]);
    strip_identity(&mut headers, false);
    assert_eq!(
        lines(&headers),
        [
            "accept: a",
            "clear-site-data: g",
            "content-type: b",
            "cookie: c",
            "referer: d",
            "x-api-key: e",
            "x-forwarder: h",
            "x-request-id: f",
            "x-user-agent: grpc-web",
        ]
    );
}

#[test]
fn underscores_are_no_way_around() {
    let mut headers = map(&[
        "X_Forwarded_For: 1.1.1.1",
        "X-Forwarded_For: 1.1.1.1",
        "X_User_Id: 0",
        "Content_Length: 5",
        "Transfer_Encoding: chunked",
        "Host_: a",
        "Authorization: b",
        "my_own_header: c",
    ]);
    strip_identity(&mut headers, true);
    assert_eq!(
        lines(&headers),
        ["authorization: b", "host_: a", "my_own_header: c"]
    );
}

#[test]
fn a_trusted_proxy_keeps_what_is_read_here_and_nothing_else() {
    let mut headers = map(&[
        "Forwarded: for=1.1.1.1",
        "X-Forwarded-For: 1.1.1.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-User: root",
        "X-Real-IP: 1.1.1.1",
    ]);
    strip_identity(&mut headers, true);
    assert_eq!(
        lines(&headers),
        [
            "forwarded: for=1.1.1.1",
            "x-forwarded-for: 1.1.1.1",
            "x-forwarded-proto: https"
        ]
    );
}

#[test]
fn look_alikes_of_our_own_header_go() {
    let ours = HeaderName::from_static("x-gate-token");
    let mut headers = map(&[
        "X_Gate_Token: 1",
        "X-Gate_Token: 2",
        "X-Gate-Token: 3",
        "X-Gate-Tokens: 4",
    ]);
    remove_look_alikes(&mut headers, &ours);
    assert_eq!(lines(&headers), ["x-gate-token: 3", "x-gate-tokens: 4"]);
}

#[test]
fn every_entry_of_the_list_can_be_found() {
    // The look at the first letters must let each entry through.
    for entry in super::identity::IDENTITY {
        let name = entry.replace('*', "-anything");
        assert!(is_identity(&name), "{name}");
    }
}

#[test]
fn what_is_written_or_taken_off_here_is_reserved() {
    let forwarding = forwarding::WRITTEN.iter().copied();
    for name in identity::IDENTITY.iter().copied().chain(forwarding) {
        let name = name.replace('*', "-anything");
        assert_eq!(reserved(&name), Some(Reserved::Identity), "{name}");
    }
    for (name, _) in HOP_BY_HOP {
        let kind = reserved(name);
        assert!(
            matches!(kind, Some(Reserved::HopByHop | Reserved::Framing)),
            "{name}"
        );
    }
    let trace = [super::trace::TRACEPARENT, super::trace::TRACESTATE];
    let trace = trace.iter().map(HeaderName::as_str);
    for name in trace.chain(["X-Request-Id", "X_Request_ID", "VIA"]) {
        assert_eq!(reserved(name), Some(Reserved::Written), "{name}");
    }
    for name in ["Host", "Content_Length", "expect", "trailer"] {
        assert_eq!(reserved(name), Some(Reserved::Framing), "{name}");
    }
    let free = [
        "authorization",
        "x-api-key",
        "x-gate-token",
        "cookie",
        "x-user-agent",
        "",
    ];
    for name in free {
        assert_eq!(reserved(name), None, "{name}");
    }
}
