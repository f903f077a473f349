#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::future::{poll_fn, Future};

use super::testing::connected;
use super::*;
use crate::respond::Answer;

fn on_a_runtime<F: Future>(work: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io().build().unwrap().block_on(work)
}

async fn next(client: &mut Client) -> Next {
    poll_fn(|cx| client.poll_next(cx)).await
}

async fn path(client: &mut Client) -> String {
    match next(client).await {
        Next::Request(head) => head.parts.uri.path().to_owned(),
        Next::Refused(reason) => reason.code.to_owned(),
        Next::Over => "over".to_owned(),
    }
}

#[test]
fn pipelined_requests_come_in_their_turn_and_then_what_is_wrong() {
    on_a_runtime(async {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        let raw = [&get("/1"), &get("/2"), "GET /3 HTTP/1.1\nhost: a\r\n\r\n"].concat();
        let (mut client, _) = connected(raw.into(), false).await;
        assert_eq!(path(&mut client).await, "/1");
        assert_eq!(path(&mut client).await, "/2");
        assert_eq!(path(&mut client).await, "framing-bare-lf");
    });
}

#[test]
fn a_client_that_goes_between_requests_is_over_and_one_in_a_head_is_refused() {
    on_a_runtime(async {
        let (mut client, _) = connected(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), true).await;
        assert_eq!(path(&mut client).await, "/");
        assert_eq!(path(&mut client).await, "over");
        let (mut client, _) = connected(b"GET / HT".to_vec(), true).await;
        assert_eq!(path(&mut client).await, "client-closed-early");
    });
}

#[test]
fn a_client_that_goes_while_it_is_served_is_seen() {
    on_a_runtime(async {
        let (mut client, _) = connected(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), true).await;
        assert_eq!(path(&mut client).await, "/");
        poll_fn(|cx| {
            if client.is_gone(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    });
}

#[test]
fn what_follows_a_request_in_work_waits_and_bounds_what_is_read() {
    on_a_runtime(async {
        let get = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let (mut client, _) = connected(get.repeat(20_000), false).await;
        assert_eq!(path(&mut client).await, "/");
        for _ in 0..100 {
            assert!(!poll_fn(|cx| Poll::Ready(client.is_gone(cx))).await);
            tokio::task::yield_now().await;
        }
        assert!(
            client.inbox.len() <= 2 * 64 * 1024,
            "{}",
            client.inbox.len()
        );
    });
}

#[test]
fn a_short_rest_of_a_body_is_thrown_away_and_a_long_one_is_not() {
    for (length, kept) in [(DISCARD_BYTES, true), (DISCARD_BYTES + 1, false)] {
        on_a_runtime(async {
            let raw = format!("POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
                .into_bytes();
            let body = vec![b'x'; usize::try_from(length).unwrap()];
            let tail = b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\n";
            let (mut client, _) = connected(raw, false).await;
            assert_eq!(path(&mut client).await, "/1");
            assert_eq!(client.discards(), kept);
            let passed: Vec<u8> = [&body[..], tail].concat();
            let inbox = &mut client.inbox;
            client
                .guard
                .feed(&passed, &mut |run| inbox.extend_from_slice(run))
                .unwrap();
            // All of it is here already: that costs nothing to throw away.
            assert!(poll_fn(|cx| client.poll_discarded(cx, u64::MAX / 2)).await);
            assert_eq!(path(&mut client).await, "/2");
        });
    }
}

#[test]
fn a_connection_at_rest_holds_no_memory_of_requests() {
    on_a_runtime(async {
        let (mut client, _) = connected(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(), false).await;
        assert_eq!(path(&mut client).await, "/");
        assert_eq!((client.inbox.capacity(), client.guard.withheld()), (0, 0));
    });
}

#[test]
fn once_an_answer_has_begun_no_interim_answer_can_come_into_it() {
    on_a_runtime(async {
        let raw =
            b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
        let (mut client, _) = connected(raw.to_vec(), false).await;
        let Next::Request(head) = next(&mut client).await else {
            panic!("a request was said");
        };
        assert!(client.expects && head.asked.persistent);
        let answer = crate::respond::after_panic("/");
        let answer = Answer {
            close: false,
            ..answer
        };
        let sending = sending::Sending::begin(&mut client, answer, head.asked);
        assert!(!client.expects);
        assert!(!sending.persistent, "whether the body comes is not known");
    });
}
