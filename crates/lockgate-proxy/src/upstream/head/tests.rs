#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::{HeaderMap, HeaderValue};
use lockgate_wire::framing::{Expect, HeadLimits, ResponseGuard};
use proptest::prelude::*;

use super::*;
use crate::http1::Chunks;

fn written(request: &Request<()>, own: &[u8], chunked: bool) -> String {
    let mut out = Vec::new();
    write(request, own, chunked, &mut out);
    String::from_utf8(out).unwrap()
}

/// Reads an answer's head that the guard passes, and whatever follows it.
fn answered(raw: &str, no_body: bool) -> (Head, BytesMut) {
    let mut guard = ResponseGuard::new(HeadLimits::default());
    guard.expect(if no_body {
        Expect::NoBody
    } else {
        Expect::Body
    });
    let mut inbox = BytesMut::new();
    guard
        .feed(raw.as_bytes(), &mut |run| inbox.extend_from_slice(run))
        .unwrap_or_else(|reason| panic!("{}: {raw}", reason.code));
    let head = read(&mut inbox, no_body)
        .expect("the guard passes whole heads")
        .expect("http takes what the guard took");
    (head, inbox)
}

fn head(raw: &str) -> Head {
    answered(raw, false).0
}

fn headers(head: &Head) -> HeaderMap {
    match &head.fields {
        Fields::Own(headers) => headers.clone(),
        Fields::Passed(lines) => {
            lines
                .map(HeaderMap::new())
                .expect("http takes what the guard took")
                .0
        }
    }
}

#[test]
fn a_request_is_written_with_its_headers_and_the_gates_own() {
    let request = Request::builder()
        .method("POST")
        .uri("/a/b?c=d")
        .header("host", "shop.example.com")
        .header("accept", "a")
        .header("accept", "b")
        .header("content-length", "3")
        .body(())
        .unwrap();
    assert_eq!(
        written(&request, b"via: 1.1 lockgate\r\n", false),
        "POST /a/b?c=d HTTP/1.1\r\nhost: shop.example.com\r\naccept: a\r\naccept: b\r\n\
         content-length: 3\r\nvia: 1.1 lockgate\r\n\r\n"
    );
}

#[test]
fn a_body_of_unknown_length_goes_in_chunks_and_has_no_length_besides() {
    let request = Request::builder()
        .method("POST")
        .uri("/")
        .header("content-length", "3")
        .body(())
        .unwrap();
    assert_eq!(
        written(&request, b"", true),
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    );
}

#[test]
fn the_target_is_written_in_origin_form() {
    for (uri, line) in [
        ("http://a.example/x?y", "GET /x?y HTTP/1.1"),
        ("http://a.example", "GET / HTTP/1.1"),
        ("/", "GET / HTTP/1.1"),
        ("*", "GET * HTTP/1.1"),
    ] {
        let request = Request::builder().uri(uri).body(()).unwrap();
        assert!(written(&request, b"", false).starts_with(line), "{uri}");
    }
}

#[test]
fn bytes_beyond_ascii_in_a_value_are_passed_on_as_they_are() {
    let value = HeaderValue::from_bytes(b"caf\xe9").unwrap();
    let request = Request::builder()
        .uri("/")
        .header("x-a", value)
        .body(())
        .unwrap();
    let mut out = Vec::new();
    write(&request, b"", false, &mut out);
    assert_eq!(out, b"GET / HTTP/1.1\r\nx-a: caf\xe9\r\n\r\n");
}

#[test]
fn an_answer_is_read_with_its_fields() {
    let raw = "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 5\r\nX-A:  one \t\r\nx-a:two\r\n\
               X-Empty:\r\nX-Blank:  \t \r\n\r\nhello";
    let (head, rest) = answered(raw, false);
    assert_eq!(&rest[..], b"hello");
    assert_eq!(head.status, 418);
    let headers = headers(&head);
    let all: Vec<&HeaderValue> = headers.get_all("x-a").iter().collect();
    assert_eq!(all, ["one", "two"]);
    assert_eq!(headers["x-empty"], "");
    assert_eq!(headers["x-blank"], "");
    assert_eq!(headers.len(), 5);
    assert_eq!(head.coding, Coding::Length(5));
    assert!(head.keep_alive);
}

#[test]
fn a_head_without_fields_or_words_is_read() {
    for raw in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 \r\n\r\n"] {
        let head = head(raw);
        assert_eq!(head.status, 200);
        assert!(headers(&head).is_empty());
    }
}

#[test]
fn values_may_hold_colons_and_bytes_beyond_ascii() {
    let head = head("HTTP/1.1 200 OK\r\nlocation: http://a:1/b\r\nx: café\r\n\r\n");
    assert_eq!(headers(&head)["location"], "http://a:1/b");
    assert_eq!(headers(&head)["x"].as_bytes(), "café".as_bytes());
}

#[test]
fn a_head_that_is_not_whole_is_waited_for_at_every_byte() {
    let raw = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: y\r\n\r\n";
    for cut in 0..raw.len() {
        let mut inbox = BytesMut::from(&raw[..cut]);
        assert!(read(&mut inbox, false).is_none(), "cut at {cut}");
        assert_eq!(inbox.len(), cut, "nothing is taken off early");
        inbox.extend_from_slice(&raw[cut..]);
        assert!(read(&mut inbox, false).is_some_and(|head| head.is_ok()));
        assert!(inbox.is_empty());
    }
}

#[test]
fn interim_answers_and_the_one_after_them_are_read_in_turn() {
    let raw = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
    let (first, mut rest) = answered(raw, false);
    assert_eq!(
        (first.status.as_u16(), first.coding),
        (103, Coding::Length(0))
    );
    let second = read(&mut rest, false).unwrap().unwrap();
    assert_eq!(
        (second.status.as_u16(), second.coding),
        (200, Coding::Length(1))
    );
    assert_eq!(&rest[..], b"x");
}

#[test]
fn the_coding_follows_the_book() {
    for (status, fields, no_body, coding) in [
        (200, "content-length: 7\r\n", false, Coding::Length(7)),
        (200, "content-length: 0\r\n", false, Coding::Length(0)),
        (
            200,
            "transfer-encoding: chunked\r\n",
            false,
            Coding::Chunked(Chunks::Size),
        ),
        (
            200,
            "Transfer-Encoding: Chunked\r\n",
            false,
            Coding::Chunked(Chunks::Size),
        ),
        (200, "", false, Coding::UntilClose),
        // HEAD, 204 and 304 have no body, whatever their fields say.
        (200, "content-length: 7\r\n", true, Coding::Length(0)),
        (
            200,
            "transfer-encoding: chunked\r\n",
            true,
            Coding::Length(0),
        ),
        (200, "", true, Coding::Length(0)),
        (304, "content-length: 7\r\n", false, Coding::Length(0)),
        (304, "", false, Coding::Length(0)),
        (204, "", false, Coding::Length(0)),
        (103, "", false, Coding::Length(0)),
        (404, "", false, Coding::UntilClose),
    ] {
        let raw = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
        let (head, _) = answered(&raw, no_body);
        assert_eq!(head.coding, coding, "{raw}");
    }
}

#[test]
fn a_connection_is_kept_unless_somebody_says_otherwise() {
    for (version, fields, keep) in [
        ("1.1", "", true),
        ("1.1", "connection: close\r\n", false),
        ("1.1", "connection: Close\r\n", false),
        ("1.1", "connection: x-a, CLOSE ,x-b\r\n", false),
        ("1.1", "connection: x-a\r\nconnection: close\r\n", false),
        ("1.1", "connection: keep-alive\r\n", true),
        ("1.1", "connection: closed, x-close\r\n", true),
        ("1.0", "", false),
        ("1.0", "connection: keep-alive\r\n", true),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "connection: keep-alive, close\r\n", false),
    ] {
        let raw = format!("HTTP/{version} 200 OK\r\ncontent-length: 0\r\n{fields}\r\n");
        assert_eq!(head(&raw).keep_alive, keep, "{raw}");
    }
}

#[test]
fn a_body_that_ends_with_the_connection_ends_the_connection() {
    let until_close = head("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\r\n");
    assert_eq!(until_close.coding, Coding::UntilClose);
    assert!(!until_close.keep_alive);
}

#[test]
fn what_connection_names_is_taken_off_and_the_rest_passes_as_it_came() {
    let raw = |connection: &str| {
        format!("HTTP/1.1 200 OK\r\nX-A: 1\r\nX-Hop: 2\r\nConnection: {connection}\r\n\r\n")
    };
    assert!(matches!(head(&raw("Keep-Alive")).fields, Fields::Passed(_)));
    let named = head(&raw("close, x-hop"));
    let Fields::Own(headers) = &named.fields else {
        panic!("somebody had to look");
    };
    assert_eq!(
        (headers.len(), &headers["x-a"]),
        (1, &HeaderValue::from_static("1"))
    );
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = "([!-~]([ -~\\t]{0,20}[!-~])?)?";
    prop::collection::vec(("x-[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,12}", value), 0..12)
}

proptest! {
    /// Each head that the guard passes is read, and says what was written.
    #[test]
    fn what_was_written_is_read(
        fields in fields(),
        status in 200..600_u16,
        words in "[ -~]{0,10}",
        blank in "[ \\t]{0,3}",
    ) {
        let mut raw = format!("HTTP/1.1 {status} {words}\r\n");
        for (name, value) in &fields {
            raw.push_str(&format!("{name}:{blank}{value}{blank}\r\n"));
        }
        raw.push_str("\r\n");
        let (head, rest) = answered(&raw, true);
        prop_assert!(rest.is_empty());
        prop_assert_eq!(head.status.as_u16(), status);
        prop_assert_eq!(headers(&head).len(), fields.len());
        for (name, _) in &fields {
            let wanted: Vec<&str> = fields
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
                .collect();
            let taken = headers(&head);
            let found: Vec<&str> = taken
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap())
                .collect();
            prop_assert_eq!(found, wanted);
        }
    }

    /// Any bytes that the guard passes are read: the two agree on what a head is.
    #[test]
    fn whatever_the_guard_passes_can_be_read(
        line in "HTTP/1\\.[01] [1-5][0-9]{2}( [\\PC\\t]{0,8})?",
        fields in prop::collection::vec("[ -~\\t\u{e9}]{0,16}", 0..4),
        no_body in any::<bool>(),
    ) {
        let raw = format!("{line}\r\n{}\r\n", fields.iter().map(|field| format!("{field}\r\n")).collect::<String>());
        let mut guard = ResponseGuard::new(HeadLimits::default());
        guard.expect(if no_body { Expect::NoBody } else { Expect::Body });
        let mut inbox = BytesMut::new();
        let passed = guard.feed(raw.as_bytes(), &mut |run| inbox.extend_from_slice(run));
        if passed.is_ok() && guard.heads() > 0 {
            prop_assert!(read(&mut inbox, no_body).is_some_and(|head| head.is_ok()), "{raw:?}");
        }
    }
}
