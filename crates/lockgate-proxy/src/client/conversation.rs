//! A connection from its first request to its last answer.

use std::cell::RefCell;
use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::head::{Asked, Head};
use super::sending::Sending;
use super::{tunnel, Client, Gone, Next, Tunnel, Upload, LINGER_BYTES};
use crate::body::AnswerBody;
use crate::net::ConnectionState;
use crate::pipeline::{refuse_head, serve_request};
use crate::respond::{after_panic, Answer};
use crate::worker::{Origin, Worker};

/// Serves one request after the other, until either side has enough.
pub async fn converse(
    client: Rc<RefCell<Client>>,
    worker: &Rc<Worker>,
    origin: &Origin,
    state: &Rc<ConnectionState>,
) {
    poll_fn(|cx| {
        state.wake_with(cx.waker());
        Poll::Ready(())
    })
    .await;
    loop {
        let next = poll_fn(|cx| client.borrow_mut().poll_next(cx)).await;
        let (answer, asked) = match next {
            Next::Over => break,
            Next::Refused(reason) => (refuse_head(worker, origin, state, reason), Asked::default()),
            Next::Request(head) => {
                let asked = head.asked;
                match serve(&client, worker, origin, state, head).await {
                    Ok(answer) => (answer, asked),
                    Err(Gone) => return,
                }
            }
        };
        if let AnswerBody::Tunnel(_) = &answer.body {
            if let Some(tunnel) = switch(&client, answer, asked) {
                // In a box: no idle connection carries a tunnel's size along.
                Box::pin(tunnel::run(&client, tunnel, worker, state)).await;
            }
            return;
        }
        match send(&client, answer, asked).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(Gone) => return,
        }
    }
    let mut linger = LINGER_BYTES;
    poll_fn(|cx| client.borrow_mut().poll_close(cx, &mut linger)).await;
}

/// Serves one request, also if that panics, as long as its client is there.
async fn serve(
    client: &Rc<RefCell<Client>>,
    worker: &Rc<Worker>,
    origin: &Origin,
    state: &Rc<ConnectionState>,
    head: Head,
) -> Result<Answer, Gone> {
    let upload = (!head.body.is_over()).then(|| Upload::Http1(Rc::clone(client)));
    let mut serving = pin!(serve_request(
        worker,
        origin,
        state,
        head.parts,
        (upload, Some(head.lines))
    ));
    poll_fn(|cx| {
        // The exchange in work is dropped by the unwinding, and writes its event.
        match catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Ok(Poll::Pending) if client.borrow_mut().is_gone(cx) => Poll::Ready(Err(Gone)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => {
                let panics = &worker.shared.metrics.panics;
                panics.fetch_add(1, Ordering::Relaxed);
                let base = &worker.snapshot(origin).0.problem_base;
                Poll::Ready(Ok(after_panic(base)))
            }
        }
    })
    .await
}

/// Puts the head of an answer into the outbox with which the connection becomes a tunnel.
fn switch(client: &Rc<RefCell<Client>>, answer: Answer, asked: Asked) -> Option<Box<Tunnel>> {
    Sending::begin(&mut client.borrow_mut(), answer, asked).into_tunnel()
}

/// Sends an answer. Whether another request may follow.
async fn send(client: &Rc<RefCell<Client>>, answer: Answer, asked: Asked) -> Result<bool, Gone> {
    let mut sending = Sending::begin(&mut client.borrow_mut(), answer, asked);
    poll_fn(|cx| sending.poll(client, cx)).await?;
    let persistent = sending.persistent;
    // The exchange ends here; what is left of its request's body is nobody's.
    drop(sending);
    if !persistent {
        return Ok(false);
    }
    let since_ms = client.borrow().clock.coarse_ms();
    Ok(poll_fn(|cx| client.borrow_mut().poll_discarded(cx, since_ms)).await)
}
