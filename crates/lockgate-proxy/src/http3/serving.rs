//! One request of an HTTP/3 connection and its answer.

use std::future::{poll_fn, Future};
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use http::header::CONTENT_LENGTH;
use http::Method;
use http_body::Body;
use lockgate_wire::framing::reasons::HEAD_TOO_SLOW;
use lockgate_wire::http3::reasons::{HEADER_BLOCK_TOO_LARGE, PSEUDO_FIELDS};

use super::reasons;
use super::transport::{Handle, SendStream, Told, Transport};
use super::upload::Upload;
use crate::body::AnswerBody;
use crate::client;
use crate::http2::head;
use crate::http2::serving::{begin, judged, Gone};
use crate::net::{ConnectionState, Waiting};
use crate::pipeline::refuse_head;
use crate::respond::Answer;
use crate::worker::{Origin, UnderWay, Worker};

type Sending = RequestStream<SendStream<Bytes>, Bytes>;

/// Serves one request and sends its answer.
pub(super) async fn serve(
    worker: Rc<Worker>,
    origin: Rc<Origin>,
    (state, mut under_way): (Rc<ConnectionState>, UnderWay),
    resolver: RequestResolver<Transport, Bytes>,
    (told, mut handle): (Rc<Told>, Handle),
) {
    poll_fn(|cx| {
        state.wake_with(cx.waker());
        Poll::Ready(())
    })
    .await;
    state.wait(Waiting::Head, worker.clock.coarse_ms());
    let mut resolving = pin!(resolver.resolve_request());
    let resolved = poll_fn(|cx| match state.tripped() {
        Some(_) => Poll::Ready(None),
        None => resolving.as_mut().poll(cx).map(Some),
    });
    let (request, stream) = match resolved.await {
        Some(Ok(resolved)) => resolved,
        Some(Err(_)) if told.malformed() => {
            worker.metrics.refused(&PSEUDO_FIELDS);
            return;
        }
        Some(Err(error)) => {
            match error {
                StreamError::HeaderTooBig { .. } => worker.metrics.refused(&HEADER_BLOCK_TOO_LARGE),
                StreamError::StreamError { .. } => worker.metrics.refused(&reasons::PROTOCOL),
                // The client went away, or the connection tells why it ends.
                _ => {}
            }
            return;
        }
        None => {
            worker.metrics.refused(&HEAD_TOO_SLOW);
            handle.reset_with(Code::H3_REQUEST_REJECTED);
            return;
        }
    };
    state.wait(Waiting::Nothing, worker.clock.coarse_ms());
    let (mut sending, receiving) = stream.split();
    let head_only = request.method() == Method::HEAD;
    let (mut parts, ()) = request.into_parts();
    let taken = {
        let mut scratch = worker.pools.lines.take();
        let taken = head::take(
            &mut parts,
            origin.head_limits(),
            &head::HTTP_3,
            &mut scratch,
        );
        worker.pools.lines.replace(scratch);
        taken
    };
    let upload = match taken {
        Ok(()) => {
            let length = parts.headers.get(CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
            let clock = worker.clock.clone();
            let mut receiving = Some((receiving, Rc::clone(&told)));
            let begun = poll_fn(|cx| {
                Poll::Ready(match receiving.take() {
                    Some(stream) => Upload::begin(stream, &state, clock.clone(), length, cx),
                    None => Ok(None),
                })
            });
            match (begun.await, state.body.broken.get()) {
                (Ok(upload), _) => Ok(upload.map(client::Upload::Http3)),
                (Err(_), Some(reason)) => Err(reason),
                (Err(_), None) => return,
            }
        }
        Err(reason) => Err(reason),
    };
    let answer = match upload {
        Err(reason) => refuse_head(&worker, &origin, &state, reason),
        Ok(upload) => {
            let gone = |cx: &mut std::task::Context<'_>| handle.poll_gone(cx).is_ready();
            match judged((&worker, &origin, &state), parts, upload, gone).await {
                Ok(answer) => answer,
                Err(Gone) => {
                    handle.reset_with(Code::H3_REQUEST_CANCELLED);
                    return;
                }
            }
        }
    };
    let client = (&mut sending, &mut handle);
    let sent = send(&worker, &state, answer, head_only, client).await;
    if sent.is_ok() {
        let _owing = told.owe();
        under_way.answered();
        delivered(&worker, &state, &told, &mut handle).await;
    }
}

async fn send(
    worker: &Worker,
    state: &ConnectionState,
    answer: Answer,
    head_only: bool,
    (sending, handle): (&mut Sending, &mut Handle),
) -> Result<(), Gone> {
    let (response, mut body, over) = begin((worker, state), answer, head_only).ok_or(Gone)?;
    let sent = async {
        taken((worker, state), &mut body, sending.send_response(response)).await?;
        loop {
            if over {
                break;
            }
            // While an upstream has nothing to say, nothing is written that would tell of a client's end.
            let frame = poll_fn(|cx| {
                if state.tripped().is_some() {
                    return Poll::Ready(Err(Gone));
                }
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Pending if handle.poll_gone(cx).is_ready() => {
                        handle.reset_with(Code::H3_REQUEST_CANCELLED);
                        Poll::Ready(Err(Gone))
                    }
                    polled => polled.map(Ok),
                }
            });
            let frame = match frame.await? {
                None => break,
                Some(Err(_)) => return Err(Gone),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => taken((worker, state), &mut body, sending.send_data(data)).await?,
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    taken((worker, state), &mut body, sending.send_trailers(trailers)).await?;
                    break;
                }
            }
        }
        taken((worker, state), &mut body, sending.finish()).await
    };
    let sent = sent.await;
    if sent.is_err() {
        body.lost();
    }
    sent
}

/// Waits until what is written is taken, as long as the client takes anything.
async fn taken(
    (worker, state): (&Worker, &ConnectionState),
    body: &mut AnswerBody,
    writing: impl Future<Output = Result<(), StreamError>>,
) -> Result<(), Gone> {
    let mut writing = pin!(writing);
    poll_fn(|cx| {
        if state.tripped().is_some() {
            return Poll::Ready(Err(Gone));
        }
        match writing.as_mut().poll(cx) {
            Poll::Pending => {
                if body.look(cx).is_err() {
                    return Poll::Ready(Err(Gone));
                }
                state.stalled(worker.clock.coarse_ms());
                Poll::Pending
            }
            Poll::Ready(written) => {
                state.stalled(0);
                Poll::Ready(written.map_err(|_| Gone))
            }
        }
    })
    .await
}

/// Waits until the client has all of an answer, as long as it takes anything: the
/// connection is not ended before.
async fn delivered(worker: &Worker, state: &ConnectionState, told: &Told, handle: &mut Handle) {
    let mut frames = told.sent();
    poll_fn(|cx| {
        if handle.poll_gone(cx).is_ready() {
            return Poll::Ready(());
        }
        if state.tripped().is_some() {
            let now = told.sent();
            if std::mem::replace(&mut frames, now) == now {
                return Poll::Ready(());
            }
        }
        state.stalled(worker.clock.coarse_ms());
        Poll::Pending
    })
    .await;
}
