//! One request of an HTTP/2 connection and its answer.

use std::cell::RefCell;
use std::future::{poll_fn, Future};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{ready, Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;

use super::watched::Room;
use super::{head, tunnel, upload};
use crate::body::AnswerBody;
use crate::client::{carry, Upload};
use crate::net::ConnectionState;
use crate::pipeline::{refuse_head, serve_request};
use crate::respond::{after_panic, Answer};
use crate::worker::{Origin, UnderWay, Worker};

/// The client went away, or has to.
pub(crate) struct Gone;

/// Serves one request and sends its answer.
pub(super) async fn serve(
    worker: Rc<Worker>,
    origin: Rc<Origin>,
    (state, _under_way): (Rc<ConnectionState>, UnderWay),
    (request, mut respond): (Request<RecvStream>, SendResponse<Bytes>),
    room: Rc<Room>,
) {
    poll_fn(|cx| {
        state.wake_with(cx.waker());
        Poll::Ready(())
    })
    .await;
    let head_only = request.method() == Method::HEAD;
    let (answer, tunnelled) = match asked(&worker, &origin, &state, request, &mut respond).await {
        Ok(answer) => answer,
        Err(Gone) => return,
    };
    if let Some(receiving) = tunnelled {
        if matches!(answer.body, AnswerBody::Tunnel(_)) {
            switch(&worker, &state, answer, receiving, &mut respond).await;
            return;
        }
        if answer.status.is_success() {
            // To whoever asked for a tunnel this would say that there is one.
            respond.send_reset(Reason::CANCEL);
            return;
        }
    }
    let answered = (answer, head_only);
    if send(&worker, &state, answered, &mut respond, &room)
        .await
        .is_err()
    {
        respond.send_reset(Reason::INTERNAL_ERROR);
    }
}

async fn asked(
    worker: &Rc<Worker>,
    origin: &Rc<Origin>,
    state: &Rc<ConnectionState>,
    request: Request<RecvStream>,
    respond: &mut SendResponse<Bytes>,
) -> Result<(Answer, Option<RecvStream>), Gone> {
    let (mut parts, stream) = request.into_parts();
    let tunnelled = head::asks_for_websocket(&parts);
    if tunnelled {
        // RFC 8441 section 5: it is what GET is over HTTP/1.1.
        parts.method = Method::GET;
    }
    let taken = {
        let mut scratch = worker.pools.lines.take();
        let limits = origin.head_limits();
        let taken = head::take(&mut parts, limits, &head::HTTP_2, &mut scratch);
        worker.pools.lines.replace(scratch);
        taken
    };
    if let Err(reason) = taken {
        return Ok((refuse_head(worker, origin, state, reason), None));
    }
    if tunnelled {
        head::as_upgrade(&mut parts, worker.ids.bytes());
        let gone = |cx: &mut Context<'_>| respond.poll_reset(cx).is_ready();
        let answer = judged((worker, origin, state), parts, None, gone).await?;
        return Ok((answer, Some(stream)));
    }
    let upload = (!stream.is_end_stream()).then(|| {
        let length = parts.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let (state, clock) = (Rc::clone(state), worker.clock.clone());
        Upload::Http2(Box::new(upload::Upload::new(stream, state, clock, length)))
    });
    let gone = |cx: &mut Context<'_>| respond.poll_reset(cx).is_ready();
    let answer = judged((worker, origin, state), parts, upload, gone).await?;
    Ok((answer, None))
}

/// The answer to one request of several that are under way, until its client is
/// `gone`; of HTTP/2 and HTTP/3 alike.
pub(crate) async fn judged(
    (worker, origin, state): (&Rc<Worker>, &Rc<Origin>, &Rc<ConnectionState>),
    parts: Parts,
    upload: Option<Upload>,
    mut gone: impl FnMut(&mut Context<'_>) -> bool,
) -> Result<Answer, Gone> {
    let mut serving = pin!(serve_request(
        worker,
        origin,
        state,
        Box::new(parts),
        (upload, None)
    ));
    poll_fn(|cx| {
        // The exchange in work is dropped by the unwinding, and writes its event.
        match catch_unwind(AssertUnwindSafe(|| serving.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Ok(Poll::Pending) if gone(cx) => Poll::Ready(Err(Gone)),
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

/// Says that the stream is a tunnel from now on, and lets everything pass.
async fn switch(
    worker: &Rc<Worker>,
    state: &Rc<ConnectionState>,
    mut answer: Answer,
    receiving: RecvStream,
    respond: &mut SendResponse<Bytes>,
) {
    let AnswerBody::Tunnel(body) = &mut answer.body else {
        return;
    };
    let Some(tunnel) = body.take() else {
        return;
    };
    let hsts = state
        .source
        .tls()
        .and_then(|secured| secured.by.hsts.as_ref());
    let (alt_svc, date) = (state.source.alt_svc(), worker.clock.date());
    let id = Some(tunnel.exchange().id.as_str());
    let Some(mut headers) = head::fields(answer.fields, true, id, &date, hsts, alt_svc) else {
        return;
    };
    // RFC 8441 section 5: the key and its proof are those of HTTP/1.1.
    headers.remove(SEC_WEBSOCKET_ACCEPT);
    let mut response = Response::new(());
    *response.headers_mut() = headers;
    let Ok(sending) = respond.send_response(response, false) else {
        return;
    };
    let (state, clock) = (Rc::clone(state), worker.clock.clone());
    let stream = RefCell::new(tunnel::Stream::new(
        receiving,
        sending,
        Rc::clone(&state),
        clock,
    ));
    carry(&stream, tunnel, (worker, &state)).await;
    stream.into_inner().end();
}

/// An answer's head, what follows it, and whether that is nothing; of HTTP/2 and
/// HTTP/3 alike.
pub(crate) fn begin(
    (worker, state): (&Worker, &ConnectionState),
    answer: Answer,
    head_only: bool,
) -> Option<(Response<()>, AnswerBody, bool)> {
    let Answer {
        status,
        fields,
        mut body,
        ..
    } = answer;
    let empty = status == StatusCode::NO_CONTENT;
    let bodiless = empty || head_only || status == StatusCode::NOT_MODIFIED;
    if bodiless {
        body.skip();
    }
    let hsts = state
        .source
        .tls()
        .and_then(|secured| secured.by.hsts.as_ref());
    let alt_svc = state.source.alt_svc();
    let date = worker.clock.date();
    let headers = head::fields(fields, empty, body.id(), &date, hsts, alt_svc)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let over = bodiless || body.is_end_stream();
    Some((response, body, over))
}

async fn send(
    worker: &Worker,
    state: &ConnectionState,
    (answer, head_only): (Answer, bool),
    respond: &mut SendResponse<Bytes>,
    room: &Room,
) -> Result<(), Gone> {
    let (response, mut body, over) = begin((worker, state), answer, head_only).ok_or(Gone)?;
    let Ok(mut stream) = respond.send_response(response, over) else {
        body.lost();
        return Err(Gone);
    };
    if over {
        return Ok(());
    }
    let mut piece = Piece::default();
    let sent = poll_fn(|cx| {
        let sending = (&mut body, &mut piece);
        poll_body(sending, (&mut stream, room), (worker, state), cx)
    });
    let sent = sent.await;
    if sent.is_err() {
        body.lost();
    }
    sent
}

/// What was read of an answer and does not fit into the client's window.
#[derive(Default)]
struct Piece {
    data: Bytes,
    /// Nothing comes after it.
    last: bool,
}

/// Sends on; ready when all was handed over.
fn poll_body(
    (body, piece): (&mut AnswerBody, &mut Piece),
    (stream, room): (&mut SendStream<Bytes>, &Room),
    (worker, state): (&Worker, &ConnectionState),
    cx: &mut Context<'_>,
) -> Poll<Result<(), Gone>> {
    loop {
        // A body that is refused once its answer has begun ends the stream.
        if state.tripped().is_some() || stream.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Gone));
        }
        // Room first: what waits for a window or a client waits with the upstream, not here.
        stream.reserve_capacity(piece.data.len().max(1));
        let mut there = room.poll(cx);
        while there.is_ready() && stream.capacity() == 0 {
            match stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return Poll::Ready(Err(Gone)),
                Poll::Pending => there = Poll::Pending,
            }
        }
        if there.is_pending() {
            if body.look(cx).is_err() {
                return Poll::Ready(Err(Gone));
            }
            state.stalled(worker.clock.coarse_ms());
            return Poll::Pending;
        }
        state.stalled(0);
        if piece.data.is_empty() {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None => piece.last = true,
                Some(Err(_)) => return Poll::Ready(Err(Gone)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        piece.last = body.is_end_stream();
                        piece.data = data;
                        if !(piece.last && piece.data.is_empty()) {
                            continue;
                        }
                    }
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return Poll::Ready(stream.send_trailers(trailers).map_err(|_| Gone));
                    }
                },
            }
        }
        let fits = piece.data.len().min(stream.capacity());
        let data = piece.data.split_to(fits);
        let over = piece.last && piece.data.is_empty();
        room.give(fits);
        if stream.send_data(data, over).is_err() {
            return Poll::Ready(Err(Gone));
        }
        if over {
            return Poll::Ready(Ok(()));
        }
    }
}
