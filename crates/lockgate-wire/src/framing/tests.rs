#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::{Expect, HeadLimits, Phase, RequestGuard, ResponseGuard};

fn request(input: &[u8]) -> (Vec<u8>, Result<Phase, &'static str>) {
    let mut guard = RequestGuard::new(HeadLimits::default());
    let mut out = Vec::new();
    let result = guard.feed(input, &mut |run| out.extend_from_slice(run));
    (
        out,
        result.map(|()| guard.phase()).map_err(|reason| reason.code),
    )
}

fn response(kind: Expect, input: &[u8]) -> (Vec<u8>, Result<Phase, &'static str>) {
    let mut guard = ResponseGuard::new(HeadLimits::default());
    guard.expect(kind);
    let mut out = Vec::new();
    let result = guard.feed(input, &mut |run| out.extend_from_slice(run));
    (
        out,
        result.map(|()| guard.phase()).map_err(|reason| reason.code),
    )
}

#[test]
fn a_plain_request_passes_without_a_copy() {
    let input = b"GET /a?b=c HTTP/1.1\r\nHost: shop.example.com:8080\r\nAccept: */*\r\n\r\n";
    let mut guard = RequestGuard::new(HeadLimits::default());
    let mut runs = Vec::new();
    guard
        .feed(input, &mut |run| runs.push(run.as_ptr_range()))
        .unwrap();
    assert_eq!(runs, [input.as_ptr_range()]);
    assert_eq!(
        (guard.phase(), guard.heads(), guard.withheld()),
        (Phase::Idle, 1, 0)
    );
}

#[test]
fn pipelined_requests_pass_up_to_the_bad_one() {
    let good = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let both = [&good[..], b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"].concat();
    assert_eq!(
        request(&both),
        (good.to_vec(), Err("framing-space-before-colon"))
    );
}

#[test]
fn a_failed_guard_stays_failed_and_releases_nothing() {
    let mut guard = RequestGuard::new(HeadLimits::default());
    guard
        .feed(b"\x16\x03\x01", &mut |_| panic!("released"))
        .unwrap_err();
    let again = guard.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut |_| {
        panic!("released")
    });
    assert_eq!(again.unwrap_err().code, "framing-not-http");
    assert_eq!(guard.phase(), Phase::Failed);
    assert_eq!(guard.eof().unwrap_err().code, "framing-not-http");
}

#[test]
fn a_body_passes_as_it_comes() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345";
    let (out, phase) = request(head);
    assert_eq!((out, phase), (head.to_vec(), Ok(Phase::Body)));
    let chunks = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
    assert_eq!(request(chunks), (chunks.to_vec(), Ok(Phase::Idle)));
}

#[test]
fn a_tunnel_passes_everything() {
    let mut guard = RequestGuard::new(HeadLimits::default());
    guard.tunnel();
    let mut out = Vec::new();
    guard
        .feed(b"\0\x01\n", &mut |run| out.extend_from_slice(run))
        .unwrap();
    assert_eq!(
        (out.as_slice(), guard.phase()),
        (&b"\0\x01\n"[..], Phase::Tunnel)
    );
}

#[test]
fn a_client_that_closes_within_a_message_is_told_apart() {
    for (input, expected) in [
        (&b""[..], Ok(())),
        (b"\r\n", Ok(())),
        (b"GET /", Err("client-closed-early")),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
            Err("client-closed-early"),
        ),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            Ok(()),
        ),
    ] {
        let mut guard = RequestGuard::new(HeadLimits::default());
        guard.feed(input, &mut |_| {}).unwrap();
        assert_eq!(
            guard.eof().map_err(|reason| reason.code),
            expected,
            "{input:?}"
        );
    }
}

#[test]
fn limits_are_reached_to_the_byte() {
    let head = b"GET /abc HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    let exact = HeadLimits {
        head_bytes: head.len(),
        headers: 2,
        target_bytes: 4,
    };
    let verdict = |limits| {
        let mut guard = RequestGuard::new(limits);
        guard.feed(head, &mut |_| {}).map_err(|reason| reason.code)
    };
    assert_eq!(verdict(exact), Ok(()));
    let head_bytes = head.len() - 1;
    assert_eq!(
        verdict(HeadLimits {
            head_bytes,
            ..exact
        }),
        Err("head-too-large")
    );
    assert_eq!(
        verdict(HeadLimits {
            headers: 1,
            ..exact
        }),
        Err("too-many-headers")
    );
    // A head shorter than the target may be: it is the head that is too large.
    assert_eq!(
        verdict(HeadLimits {
            head_bytes: 10,
            ..HeadLimits::default()
        }),
        Err("head-too-large")
    );
    assert_eq!(
        verdict(HeadLimits {
            target_bytes: 3,
            ..exact
        }),
        Err("target-too-long")
    );
}

#[test]
fn a_head_without_end_is_cut_off_at_the_limit() {
    let limits = HeadLimits {
        head_bytes: 64,
        ..HeadLimits::default()
    };
    let mut guard = RequestGuard::new(limits);
    guard.feed(b"GET / HTTP/1.1\r\nX: ", &mut |_| {}).unwrap();
    let mut fed = guard.withheld();
    let reason = loop {
        match guard.feed(b"y", &mut |_| {}) {
            Ok(()) => fed += 1,
            Err(reason) => break reason,
        }
        assert_eq!(guard.withheld(), fed);
    };
    assert_eq!(
        (reason.code, fed, guard.withheld()),
        ("head-too-large", 64, 0)
    );
}

#[test]
fn answers_end_where_their_method_and_status_say() {
    let idle: &[(Expect, &[u8])] = &[
        (
            Expect::Body,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ),
        (
            Expect::Body,
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            Expect::Body,
            b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        (Expect::Body, b"HTTP/1.1 204 No Content\r\n\r\n"),
        (
            Expect::Body,
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        ),
        (
            Expect::NoBody,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        ),
        (
            Expect::NoBody,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (
            Expect::Body,
            b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 \r\n\r\n",
        ),
    ];
    for (kind, input) in idle {
        assert_eq!(response(*kind, input), (input.to_vec(), Ok(Phase::Idle)));
    }
    let waiting = b"HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(
        response(Expect::Body, waiting),
        (waiting.to_vec(), Ok(Phase::Waiting))
    );
    let until_close = b"HTTP/1.0 200 OK\r\n\r\nanything\nat all";
    assert_eq!(
        response(Expect::Body, until_close),
        (until_close.to_vec(), Ok(Phase::Body))
    );
}

#[test]
fn an_answer_is_refused_with_its_own_reason() {
    let cases: &[(&[u8], &str)] = &[
        (b"ICY 200 OK\r\n\r\n", "upstream-status-line"),
        (b"HTTP/2 200\r\n\r\n", "upstream-status-line"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "upstream-status-line"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "upstream-status-line"),
        (b"HTTP/1.1 200OK\r\n\r\n", "upstream-status-line"),
        (b"HTTP/1.1 200 O\0K\r\n\r\n", "upstream-status-line"),
        (b"HTTP/1.1 200 OK\n\n", "upstream-bare-lf"),
        (b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "upstream-bare-cr"),
        (b"HTTP/1.1 200 OK\r\nA b\r\n\r\n", "upstream-field-name"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "upstream-field-name"),
        (
            b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "upstream-obs-fold",
        ),
        (
            b"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n",
            "upstream-field-value",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "upstream-content-length",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "upstream-content-length-repeated",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "upstream-transfer-encoding",
        ),
        (
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "upstream-transfer-encoding",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "upstream-length-conflict",
        ),
        (
            b"HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n",
            "upstream-body-not-allowed",
        ),
        (
            b"HTTP/1.1 100 Go\r\nTransfer-Encoding: chunked\r\n\r\n",
            "upstream-body-not-allowed",
        ),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "upstream-upgrade"),
        (b"HTTP/1.1 204 No\r\n\r\nx", "upstream-unexpected-bytes"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "upstream-chunk-size",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\n",
            "upstream-chunk-extension",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
            "upstream-chunk-data",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSet-Cookie: a\r\n\r\n",
            "upstream-trailer-field",
        ),
    ];
    for (input, code) in cases {
        let (_, verdict) = response(Expect::Body, input);
        assert_eq!(verdict, Err(*code), "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn an_upstream_may_not_speak_out_of_turn_nor_without_end() {
    let mut guard = ResponseGuard::new(HeadLimits::default());
    let early = guard.feed(b"HTTP/1.1 200 OK\r\n\r\n", &mut |_| panic!("released"));
    assert_eq!(early.unwrap_err().code, "upstream-unexpected-bytes");
    let flood = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(33);
    assert_eq!(
        response(Expect::Body, &flood).1,
        Err("upstream-too-many-interim")
    );
    let large = [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'y'; 40_000]].concat();
    assert_eq!(
        response(Expect::Body, &large).1,
        Err("upstream-head-too-large")
    );
    let many = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(101)].concat();
    assert_eq!(
        response(Expect::Body, &many).1,
        Err("upstream-too-many-headers")
    );
    let many = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let many = [&many[..], &b"X: y\r\n".repeat(101)].concat();
    assert_eq!(
        response(Expect::Body, &many).1,
        Err("upstream-trailers-too-large")
    );
    let trailers = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ";
    let trailers = [&trailers[..], &[b'y'; 9_000]].concat();
    assert_eq!(
        response(Expect::Body, &trailers).1,
        Err("upstream-trailers-too-large")
    );
}

#[test]
fn an_upstream_that_closes_is_judged_by_where_it_was() {
    let close = |kind: Option<Expect>, input: &[u8]| {
        let mut guard = ResponseGuard::new(HeadLimits::default());
        if let Some(kind) = kind {
            guard.expect(kind);
        }
        guard.feed(input, &mut |_| {}).unwrap();
        guard.eof().map_err(|reason| reason.code)
    };
    let early = Err("upstream-closed-early");
    assert_eq!(close(None, b""), Ok(()));
    assert_eq!(close(Some(Expect::Body), b""), early);
    assert_eq!(close(Some(Expect::Body), b"HTTP/1.1 200"), early);
    assert_eq!(
        close(Some(Expect::Body), b"HTTP/1.1 100 Continue\r\n\r\n"),
        early
    );
    assert_eq!(
        close(
            Some(Expect::Body),
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"
        ),
        early
    );
    assert_eq!(
        close(Some(Expect::Body), b"HTTP/1.1 200 OK\r\n\r\nall"),
        Ok(())
    );
    assert_eq!(
        close(Some(Expect::Body), b"HTTP/1.1 204 No\r\n\r\n"),
        Ok(())
    );
}

#[test]
fn an_asked_for_switch_opens_a_tunnel() {
    let input = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello";
    assert_eq!(
        response(Expect::Upgrade, input),
        (input.to_vec(), Ok(Phase::Tunnel))
    );
}

#[test]
fn a_failure_within_a_body_is_told_from_one_between_messages() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (rest, in_body) in [
        (&b"x"[..], true),
        (b"0\r\n: y\r\n\r\n", true),
        (b"0\r\n\r\n\0", false),
    ] {
        let mut guard = RequestGuard::new(HeadLimits::default());
        guard.feed(head, &mut |_| {}).unwrap();
        assert!(guard.in_body());
        guard.feed(rest, &mut |_| {}).unwrap_err();
        assert_eq!(guard.in_body(), in_body, "{rest:?}");
    }
}

#[test]
fn limits_that_http_could_not_take_are_brought_down() {
    let endless = HeadLimits {
        head_bytes: usize::MAX,
        headers: usize::MAX,
        target_bytes: usize::MAX,
    };
    let verdict = |head: Vec<u8>| {
        let mut guard = RequestGuard::new(endless);
        guard.feed(&head, &mut |_| {}).map_err(|reason| reason.code)
    };
    let line = |target: usize| {
        format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
            "a".repeat(target - 1)
        )
        .into_bytes()
    };
    assert_eq!(verdict(line(65_534)), Ok(()));
    assert_eq!(verdict(line(65_535)), Err("target-too-long"));
    let head = |field: &str, times: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", field.repeat(times)).into_bytes()
    };
    assert_eq!(verdict(head("X: y\r\n", 999)), Ok(()));
    assert_eq!(verdict(head("X: y\r\n", 1000)), Err("too-many-headers"));
    let long = format!("X: {}\r\n", "y".repeat(1024));
    assert_eq!(verdict(head(&long, 255)), Err("head-too-large"));
}

#[test]
fn what_one_answer_was_like_is_forgotten_for_the_next() {
    let mut guard = ResponseGuard::new(HeadLimits::default());
    for _ in 0..3 {
        guard.expect(Expect::Body);
        let interim = b"HTTP/1.0 102 Processing\r\n\r\n".repeat(20);
        guard.feed(&interim, &mut |_| {}).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        guard.feed(answer, &mut |_| {}).unwrap();
        assert_eq!(guard.phase(), Phase::Idle);
    }
    assert_eq!(guard.heads(), 63);
}
