#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use lockgate_wire::framing::{HeadLimits, Phase, RequestGuard};
use proptest::prelude::*;

use super::*;
use crate::http1::{Chunks, Piece};

fn head(raw: &str) -> Head {
    let mut inbox = BytesMut::from(raw);
    let head = read(&mut inbox, &SpareMap::default())
        .expect("it is whole")
        .expect("it is right");
    assert!(inbox.is_empty(), "nothing is left of {raw:?}");
    head
}

fn with(fields: &str) -> Head {
    head(&format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n"))
}

#[test]
fn a_head_is_read_with_method_target_and_fields() {
    let head = head("PATCH /a/b?c=d%20 HTTP/1.1\r\nHost: a\r\nX-A:  one \t\r\nx-a:two\r\n\r\n");
    assert_eq!(head.parts.method, "PATCH");
    assert_eq!(head.parts.uri, "/a/b?c=d%20");
    assert_eq!(head.parts.headers["host"], "a");
    let all: Vec<_> = head.parts.headers.get_all("x-a").iter().collect();
    assert_eq!(all, ["one", "two"]);
    assert!(head.body.is_over() && !head.expects);
}

#[test]
fn every_form_of_a_target_is_read() {
    for target in [
        "/",
        "*",
        "http://a.example/x?y",
        "/a?b?c",
        "/%e2%82%ac",
        "http://a?x",
    ] {
        let method = if target == "*" { "OPTIONS" } else { "GET" };
        let head = head(&format!("{method} {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        let wanted: Uri = target.parse().unwrap();
        assert_eq!(head.parts.uri, wanted);
    }
}

#[test]
fn empty_lines_before_a_request_are_passed_over() {
    let read = head("\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(
        (read.parts.method, read.parts.uri.path()),
        (Method::GET, "/a")
    );
    let mut alone = BytesMut::from("\r\n");
    assert!(super::read(&mut alone, &SpareMap::default()).is_none() && alone.is_empty());
}

#[test]
fn a_body_is_told_by_the_fields() {
    assert_eq!(with("").body, Coding::OVER);
    assert_eq!(with("content-length: 0\r\n").body, Coding::OVER);
    assert_eq!(with("Content-Length: 7\r\n").body, Coding::Length(7));
    let chunked = Coding::Chunked(Chunks::Size);
    assert_eq!(with("Transfer-Encoding: Chunked\r\n").body, chunked);
    let expecting = "expect: 100-continue\r\ncontent-length: 7\r\n";
    assert!(with(expecting).expects);
    assert!(!head(&format!("POST / HTTP/1.0\r\n{expecting}\r\n")).expects);
}

#[test]
fn what_the_answer_goes_by_is_told_by_the_head() {
    for (version, fields, persistent) in [
        ("1.1", "", true),
        ("1.1", "connection: x, CLOSE\r\n", false),
        ("1.1", "connection: keep-alive\r\n", true),
        ("1.0", "", false),
        ("1.0", "connection: Keep-Alive\r\n", true),
        ("1.0", "connection: keep-alive, close\r\n", false),
    ] {
        let asked = head(&format!("GET / HTTP/{version}\r\nhost: a\r\n{fields}\r\n")).asked;
        assert_eq!(asked.persistent, persistent, "{version} {fields}");
        assert_eq!(asked.http_10, version == "1.0");
    }
    assert!(head("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").asked.head);
    assert!(with("te: gzip, Trailers\r\n").asked.trailers);
    assert!(!with("te: gzip\r\n").asked.trailers);
}

fn written(
    status: u16,
    fields: &[(&str, &str)],
    how: (Shape, bool, bool),
    id: Option<&str>,
) -> String {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    let raw: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let passed = Lines::of(&format!("\n{raw}\r\n").into(), 1);
    let of = |fields: Fields| {
        let mut out = Vec::new();
        let own = OwnFields {
            id,
            date: b"now",
            hsts: None,
            alt_svc: None,
        };
        write((status, &fields), how, own, &mut out);
        String::from_utf8(out).unwrap()
    };
    let (own, passed) = (of(Fields::Own(headers)), of(Fields::Passed(passed)));
    assert_eq!(own, passed, "whoever said the fields");
    own
}

#[test]
fn an_answer_says_how_long_it_is_and_whether_more_may_follow() {
    let of = |how| written(200, &[("date", "then")], how, None);
    let begin = "HTTP/1.1 200 OK\r\ndate: then\r\n";
    for (how, end) in [
        ((Shape::Length(7), true, false), "content-length: 7\r\n\r\n"),
        (
            (Shape::Length(7), false, false),
            "content-length: 7\r\nconnection: close\r\n\r\n",
        ),
        (
            (Shape::Length(7), true, true),
            "content-length: 7\r\nconnection: keep-alive\r\n\r\n",
        ),
        (
            (Shape::Chunked, true, false),
            "transfer-encoding: chunked\r\n\r\n",
        ),
        ((Shape::Bodiless, true, false), "\r\n"),
        (
            (Shape::UntilClose, false, true),
            "connection: close\r\n\r\n",
        ),
    ] {
        assert_eq!(of(how), format!("{begin}{end}"));
    }
}

#[test]
fn an_answer_never_says_two_lengths() {
    let fields = [
        ("content-length", "7"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "timeout=5"),
        ("upgrade", "h2c"),
    ];
    let of = |shape| written(200, &fields, (shape, true, false), None);
    assert_eq!(
        of(Shape::Length(7)),
        "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ndate: now\r\n\r\n"
    );
    assert_eq!(
        of(Shape::Bodiless),
        "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ndate: now\r\n\r\n"
    );
    assert_eq!(
        of(Shape::Chunked),
        "HTTP/1.1 200 OK\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    assert_eq!(
        of(Shape::UntilClose),
        "HTTP/1.1 200 OK\r\ndate: now\r\n\r\n"
    );
}

#[test]
fn the_id_is_the_gates_and_not_the_upstreams() {
    let fields = [("x-request-id", "theirs"), ("date", "then")];
    let how = (Shape::Bodiless, true, false);
    assert_eq!(
        written(204, &fields, how, Some("ours")),
        "HTTP/1.1 204 No Content\r\ndate: then\r\nx-request-id: ours\r\n\r\n"
    );
    // After a panic there is no request left that could have one.
    assert!(
        written(500, &[], how, None).starts_with("HTTP/1.1 500 Internal Server Error\r\ndate: now")
    );
}

#[test]
fn a_status_without_a_name_has_none() {
    let raw = written(799, &[("date", "x")], (Shape::Bodiless, true, false), None);
    assert!(raw.starts_with("HTTP/1.1 799 \r\n"));
}

/// Requests and bodies as the reader finds them.
fn reads(mut inbox: BytesMut) -> (u64, usize, bool) {
    let (mut heads, mut bytes, mut body) = (0, 0, Coding::OVER);
    loop {
        match body.next(&mut inbox) {
            Some(Piece::Data(data)) => bytes += data.len(),
            Some(Piece::Trailers(_)) => {}
            None => return (heads, bytes, false),
            Some(Piece::End) => match read(&mut inbox, &SpareMap::default()) {
                Some(Ok(head)) => {
                    heads += 1;
                    body = head.body;
                }
                Some(Err(_)) => panic!("http takes what the guard takes"),
                None => return (heads, bytes, inbox.is_empty()),
            },
        }
    }
}

fn request() -> impl Strategy<Value = String> {
    let chunk = "[a-z\\r\\n]{1,20}";
    let chunked =
        (prop::collection::vec(chunk, 0..4), any::<bool>()).prop_map(|(chunks, trailer)| {
            let mut raw =
                "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
            for chunk in chunks {
                raw.push_str(&format!("{:X}\r\n{chunk}\r\n", chunk.len()));
            }
            raw.push_str(if trailer {
                "0\r\nx-sum: 1\r\n\r\n"
            } else {
                "0\r\n\r\n"
            });
            raw
        });
    prop_oneof![
        Just("GET /g HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()),
        Just("\r\nGET / HTTP/1.0\r\n\r\n".to_owned()),
        "[ -~]{0,30}".prop_map(|body| format!(
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )),
        chunked,
    ]
}

proptest! {
    /// The reader and the guard agree on where each request ends: what one
    /// took for a body and the other for a request would be smuggled.
    #[test]
    fn the_reader_finds_the_requests_that_the_guard_passed(
        requests in prop::collection::vec(request(), 1..6),
        spoil in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut raw = requests.concat().into_bytes();
        if let Some((at, byte)) = spoil {
            let at = at.index(raw.len());
            raw[at] = byte;
        }
        raw.truncate(cut.index(raw.len()) + 1);
        let mut guard = RequestGuard::new(HeadLimits::default());
        let mut inbox = BytesMut::new();
        let verdict = guard.feed(&raw, &mut |run| inbox.extend_from_slice(run));
        let (heads, _, whole) = reads(inbox);
        prop_assert_eq!(heads, guard.heads());
        if verdict.is_ok() {
            prop_assert_eq!(whole, matches!(guard.phase(), Phase::Idle | Phase::Head));
        }
    }

    /// No bytes at all make the two disagree, and none make the reader panic.
    #[test]
    fn whatever_the_guard_passes_can_be_read(
        line in "(GET|POST|[!-~]{1,6}) [!-~]{1,20} HTTP/1\\.[01]",
        fields in prop::collection::vec("(Host: a|[ -~\\t\u{e9}]{0,16})", 0..4),
    ) {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let raw = format!("{line}\r\n{fields}\r\n");
        let mut guard = RequestGuard::new(HeadLimits::default());
        let mut inbox = BytesMut::new();
        let _ = guard.feed(raw.as_bytes(), &mut |run| inbox.extend_from_slice(run));
        prop_assert_eq!(reads(inbox).0, guard.heads(), "{:?}", raw);
    }
}
