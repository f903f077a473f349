#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Mutex;

use lockgate_policy::{BodyMachine, BodyVerdict, Denial, POLICY_FAILED};

use super::*;
use crate::client::testing::said;
use crate::clock::Clock;
use crate::net::BodyRefusal;

/// A policy that says of each chunk what it was told to say, then `Pass`.
struct Script {
    chunks: VecDeque<BodyVerdict>,
    end: Option<BodyVerdict>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl BodyMachine for Script {
    fn on_chunk(&mut self, chunk: &Bytes) -> BodyVerdict {
        self.seen.lock().unwrap().extend_from_slice(chunk);
        self.chunks.pop_front().unwrap_or(BodyVerdict::Pass)
    }

    fn on_end(&mut self) -> BodyVerdict {
        self.end.take().unwrap_or(BodyVerdict::Pass)
    }
}

fn watcher(chunks: Vec<BodyVerdict>, end: BodyVerdict) -> (Watcher, Arc<Mutex<Vec<u8>>>) {
    let seen = Arc::<Mutex<Vec<u8>>>::default();
    let machine = Box::new(Script {
        chunks: chunks.into(),
        end: Some(end),
        seen: Arc::clone(&seen),
    });
    let watcher = Watcher {
        machine,
        step: 3,
        enforced: true,
    };
    (watcher, seen)
}

fn script(chunks: Vec<BodyVerdict>, end: BodyVerdict) -> Watcher {
    watcher(chunks, end).0
}

/// What came through to the upstream.
struct Through {
    frames: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    broken: bool,
    state: Rc<ConnectionState>,
    hint: SizeHint,
}

impl Through {
    fn refused(&self) -> Option<(&'static str, usize, bool)> {
        let refused = self.state.body.refused.borrow();
        let told =
            |refusal: &BodyRefusal| (refusal.denial.reason.code, refusal.step, refusal.enforced);
        refused.as_ref().map(told)
    }

    fn text(&self) -> Vec<u8> {
        self.frames.concat()
    }
}

fn through(chunks: &[&[u8]], watchers: Vec<Watcher>) -> Through {
    let mut raw = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in chunks {
        raw.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        raw.extend_from_slice(chunk);
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"0\r\n\r\n");
    arriving(raw, watchers, false)
}

/// Sends a request over a socket, and its body through [`RequestBody`].
fn arriving(raw: Vec<u8>, watchers: Vec<Watcher>, goes: bool) -> Through {
    said(&raw, goes, |upload, state| async move {
        let mut body = RequestBody::arriving(
            upload,
            watchers,
            Rc::clone(&state),
            Clock::default(),
            1000,
            Rc::new(Arc::new(Snapshot::empty())),
        );
        let hint = body.size_hint();
        let (mut frames, mut trailers) = (Vec::new(), None);
        let broken = loop {
            match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                None => break false,
                Some(Err(Broken)) => break true,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => frames.push(data),
                    Err(frame) => trailers = frame.into_trailers().ok(),
                },
            }
        };
        Through {
            frames,
            trailers,
            broken,
            state,
            hint,
        }
    })
}

fn replace(text: &'static str) -> BodyVerdict {
    BodyVerdict::Replace(Bytes::from_static(text.as_bytes()))
}

fn refuse() -> BodyVerdict {
    BodyVerdict::Deny(Denial::new(&POLICY_FAILED))
}

#[test]
fn a_body_that_nobody_watches_passes_and_is_counted() {
    let through = through(&[b"abc", b"de"], Vec::new());
    assert_eq!(through.text(), b"abcde");
    assert!(!through.broken);
    assert_eq!(through.state.body.bytes.get(), 5);
    assert_eq!(through.refused(), None);
}

#[test]
fn a_length_is_told_on_where_nobody_watches() {
    let raw = || b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc".to_vec();
    assert_eq!(arriving(raw(), Vec::new(), false).hint.exact(), Some(3));
    let watched = arriving(raw(), vec![script(Vec::new(), BodyVerdict::Pass)], false);
    assert_eq!(watched.hint.exact(), None);
    assert_eq!(watched.text(), b"abc");
}

#[test]
fn a_body_that_is_cut_off_is_broken() {
    let raw = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc".to_vec();
    let through = arriving(raw, Vec::new(), true);
    assert!(through.broken);
    assert_eq!(through.refused(), None);
}

#[test]
fn what_is_held_goes_with_the_chunk_that_passes() {
    let watcher = script(
        vec![BodyVerdict::Hold, BodyVerdict::Hold],
        BodyVerdict::Pass,
    );
    let through = through(&[b"a", b"b", b"c", b"d"], vec![watcher]);
    assert_eq!(through.frames, ["abc", "d"]);
    assert_eq!(through.state.body.bytes.get(), 4);
}

#[test]
fn what_is_held_at_the_end_is_sent() {
    for end in [BodyVerdict::Pass, BodyVerdict::Hold] {
        let watcher = script(
            vec![BodyVerdict::Pass, BodyVerdict::Hold, BodyVerdict::Hold],
            end,
        );
        let through = through(&[b"a", b"b", b"c"], vec![watcher]);
        assert_eq!(through.frames, ["a", "bc"]);
    }
}

#[test]
fn a_replacement_stands_for_the_chunk_and_what_was_held() {
    let verdicts = vec![BodyVerdict::Pass, BodyVerdict::Hold, replace("X")];
    let through = through(
        &[b"a", b"b", b"c", b"d"],
        vec![script(verdicts, BodyVerdict::Pass)],
    );
    assert_eq!(through.text(), b"aXd");
    // What arrived is counted, not what goes on.
    assert_eq!(through.state.body.bytes.get(), 4);
}

#[test]
fn a_replacement_at_the_end_stands_for_what_was_held() {
    let verdicts = vec![BodyVerdict::Hold, BodyVerdict::Hold];
    let through = through(&[b"a", b"b"], vec![script(verdicts, replace("whole"))]);
    assert_eq!(through.text(), b"whole");
}

#[test]
fn a_later_watcher_sees_what_an_earlier_one_put_in_place() {
    let first = script(vec![replace("X")], BodyVerdict::Pass);
    let (second, seen) = watcher(Vec::new(), BodyVerdict::Pass);
    let through = through(&[b"a", b"b"], vec![first, second]);
    assert_eq!(through.text(), b"Xb");
    assert_eq!(*seen.lock().unwrap(), b"Xb");
}

#[test]
fn a_later_watcher_sees_what_an_earlier_one_held() {
    let first = script(vec![BodyVerdict::Hold], BodyVerdict::Pass);
    let (second, seen) = watcher(Vec::new(), BodyVerdict::Pass);
    let through = through(&[b"a", b"b"], vec![first, second]);
    assert_eq!(through.text(), b"ab");
    assert_eq!(*seen.lock().unwrap(), b"ab");
}

#[test]
fn what_is_held_to_the_end_passes_the_watchers_behind() {
    let first = script(vec![BodyVerdict::Hold, BodyVerdict::Hold], replace("X"));
    let (second, seen) = watcher(vec![BodyVerdict::Hold], BodyVerdict::Pass);
    let (third, last) = watcher(Vec::new(), BodyVerdict::Pass);
    let through = through(&[b"a", b"b"], vec![first, second, third]);
    assert_eq!(through.text(), b"X");
    assert_eq!(
        (&seen.lock().unwrap()[..], &last.lock().unwrap()[..]),
        (&b"X"[..], &b"X"[..])
    );
}

#[test]
fn trailers_end_a_body_for_its_watchers_too() {
    let raw = |trailer: &str| {
        format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{trailer}\r\n\r\n")
    };
    let holder = script(vec![BodyVerdict::Hold], replace("X"));
    let held = arriving(raw("x-sum: 1").into(), vec![holder], false);
    assert_eq!(held.text(), b"X");
    assert_eq!(held.trailers.unwrap()["x-sum"], "1");
    let refusing = script(vec![BodyVerdict::Hold], refuse());
    let refused = arriving(raw("x-sum: 1").into(), vec![refusing], false);
    assert!(refused.broken && refused.frames.is_empty() && refused.trailers.is_none());
}

#[test]
fn a_refusal_breaks_the_body_off_and_says_why() {
    let verdicts = vec![BodyVerdict::Pass, refuse()];
    let refused = through(
        &[b"a", b"b", b"c"],
        vec![script(verdicts, BodyVerdict::Pass)],
    );
    assert!(refused.broken);
    assert_eq!(refused.text(), b"a");
    assert_eq!(refused.refused(), Some(("policy-failed", 3, true)));

    let at_end = through(&[b"a"], vec![script(vec![BodyVerdict::Hold], refuse())]);
    assert!(at_end.broken && at_end.frames.is_empty());
    assert_eq!(at_end.refused(), Some(("policy-failed", 3, true)));
}

#[test]
fn a_refusal_that_is_observed_is_noted_and_the_body_goes_on() {
    let mut observer = script(vec![refuse(), refuse()], refuse());
    observer.enforced = false;
    let seen = through(&[b"a", b"b", b"c"], vec![observer]);
    assert!(!seen.broken);
    assert_eq!(seen.text(), b"abc");
    assert_eq!(seen.refused(), Some(("policy-failed", 3, false)));
}

#[test]
fn a_refusal_that_holds_counts_more_than_one_that_is_observed() {
    let mut observer = script(vec![refuse()], BodyVerdict::Pass);
    observer.enforced = false;
    observer.step = 1;
    let enforcing = script(vec![BodyVerdict::Pass, refuse()], BodyVerdict::Pass);
    let through = through(&[b"a", b"b"], vec![observer, enforcing]);
    assert!(through.broken);
    assert_eq!(through.refused(), Some(("policy-failed", 3, true)));
}

#[test]
fn no_more_than_a_mebibyte_is_held() {
    let half = vec![b'x'; MAX_HELD / 2];
    let hold = || (0..2000).map(|_| BodyVerdict::Hold).collect();
    let fits = through(&[&half, &half], vec![script(hold(), BodyVerdict::Pass)]);
    assert!(!fits.broken);
    assert_eq!(fits.text().len(), MAX_HELD);
    let over = through(
        &[&half, &half, b"x"],
        vec![script(hold(), BodyVerdict::Pass)],
    );
    assert!(over.broken && over.frames.is_empty());
    assert_eq!(over.refused(), Some(("body-held-too-long", 3, true)));
}

#[test]
fn no_body_is_over_at_once() {
    let mut body = RequestBody::empty();
    assert!(body.is_empty() && body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    let polled = Pin::new(&mut body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()));
    assert!(matches!(polled, Poll::Ready(None)));
}

#[test]
fn an_answer_of_the_gates_own_is_one_piece() {
    let mut body = AnswerBody::own(Bytes::from_static(b"abc"), None);
    assert_eq!(
        (body.size_hint().exact(), body.is_end_stream()),
        (Some(3), false)
    );
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) else {
        panic!("it is there");
    };
    assert_eq!(frame.into_data().unwrap(), "abc");
    assert_eq!(
        (body.size_hint().exact(), body.is_end_stream()),
        (Some(0), true)
    );
    assert!(matches!(
        Pin::new(&mut body).poll_frame(&mut cx),
        Poll::Ready(None)
    ));
    assert!(AnswerBody::own(Bytes::new(), None).is_end_stream());
}
