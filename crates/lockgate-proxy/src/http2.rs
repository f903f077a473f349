//! A client's connection, HTTP/2 (RFC 9113). Each request is served by a task
//! of its own, through the same pipeline as HTTP/1.1.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use lockgate_policy::ReasonRef;
use lockgate_wire::http2::Budgets;

use crate::net::{ConnectionState, Stream, Trip};
use crate::worker::{Origin, Worker};

pub(crate) mod head;
pub mod reasons;
pub(crate) mod serving;
mod tunnel;
mod upload;
mod watched;

pub use upload::Upload;
use watched::{Found, Watched, Wire};

/// What a stream may send before it is read on, bytes; enough for 5 MB/s over
/// 50 ms. A stream whose policies read slowly holds no more than this.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection together. nginx's is fixed at 2 GiB
/// and Envoy's default 256 MiB: a few connections then hold all memory.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What of an answer waits for a client's window, bytes, for each stream.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that the client reset before they were looked at, beyond as many as
/// it may have under way (CVE-2023-44487): who leaves a page resets all of it.
const RESETS_PENDING: usize = 20;
/// Streams that were reset because of a client's mistakes, in a connection's life.
const RESETS_EARNED: usize = 256;

/// Serves a connection until either side has enough.
pub async fn converse(
    stream: Stream,
    worker: &Rc<Worker>,
    origin: &Rc<Origin>,
    state: &Rc<ConnectionState>,
) {
    poll_fn(|cx| {
        state.wake_with(cx.waker());
        Poll::Ready(())
    })
    .await;
    let limits = state.limits();
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head_bytes)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(RESETS_PENDING + limits.streams as usize)
        .max_local_error_reset_streams(Some(RESETS_EARNED));
    if worker.snapshot(origin).0.websockets {
        builder.enable_connect_protocol();
    }
    let budgets = Budgets::default().times(limits.control_frames);
    let (stream, wire, seen) = Watched::new(stream, budgets, worker.clock.clone());
    state.source.speaks_http2(seen.fingerprint);
    let found = seen.found;
    let mut shaking = Box::pin(builder.handshake::<_, Bytes>(stream));
    let shaken = poll_fn(|cx| match std::future::Future::poll(shaking.as_mut(), cx) {
        Poll::Pending if state.tripped().is_some() || state.draining.get() => Poll::Ready(None),
        // Nothing more is read, so the library would wait for a preface that never comes.
        Poll::Pending if watched::has_found(&found) => Poll::Ready(None),
        Poll::Pending => match wire.poll_send(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(None),
            _ => Poll::Pending,
        },
        polled => polled.map(Result::ok),
    });
    let Some(mut connection) = shaken.await else {
        if let Some(breach) = found.take() {
            worker.broken_off(origin, state, breach.reason);
        }
        return;
    };
    state.await_request(worker.clock.coarse_ms());
    let mut ending = Ending {
        told: false,
        found,
        failed: None,
        stuck_at: None,
    };
    loop {
        let next =
            poll_fn(|cx| ending.poll_next((&mut connection, &wire), (worker, state), cx)).await;
        let (request, mut respond) = match next {
            Next::Request(next) => *next,
            Next::Over => break,
            Next::Failed(reason) => {
                worker.broken_off(origin, state, reason);
                break;
            }
        };
        let stream = state.stream(worker.clock.coarse_ms());
        let under_way = match worker.under_way(origin, state, &stream) {
            Ok(under_way) => under_way,
            Err(full) => {
                // RFC 9113 section 8.7: it was not looked at, and may be sent once more.
                worker.turned_away(full);
                respond.send_reset(Reason::REFUSED_STREAM);
                continue;
            }
        };
        let task = serving::serve(
            Rc::clone(worker),
            Rc::clone(origin),
            (stream, under_way),
            (request, respond),
            Rc::clone(&wire.room),
        );
        // In a box: the runtime moves what it is given about, at the end of it as well.
        tokio::task::spawn_local(Box::pin(task));
    }
    poll_fn(|cx| {
        // As far as the client takes it: its last frames say why it is turned away.
        let _ = wire.poll_send(cx);
        Poll::Ready(())
    })
    .await;
    drop((connection, wire));
    state.all_answered().await;
}

enum Next {
    Request(Box<(Request<RecvStream>, SendResponse<Bytes>)>),
    Over,
    /// The client broke the rules of the protocol, or asked too much of it.
    Failed(ReasonRef),
}

/// How far the end of a connection has come.
struct Ending {
    /// The client was told to ask no more.
    told: bool,
    /// What the watcher found.
    found: Found,
    /// Why the connection is ended.
    failed: Option<ReasonRef>,
    /// How much the client had taken when it began to take nothing.
    stuck_at: Option<u64>,
}

impl Ending {
    /// Sends what was answered, and notes since when the client takes nothing.
    fn poll_sent(
        &mut self,
        wire: &Wire,
        (worker, state): (&Worker, &ConnectionState),
        cx: &mut Context<'_>,
    ) -> Poll<Next> {
        match wire.poll_send(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(self.over()),
            Poll::Ready(Ok(())) => {
                if self.stuck_at.take().is_some() {
                    state.stalled(0);
                }
            }
            Poll::Pending => {
                let taken = Some(wire.taken());
                if std::mem::replace(&mut self.stuck_at, taken) != taken {
                    state.stalled(0);
                    state.stalled(worker.clock.coarse_ms());
                }
            }
        }
        Poll::Pending
    }

    fn over(&self) -> Next {
        self.failed.map_or(Next::Over, Next::Failed)
    }

    fn poll_next(
        &mut self,
        (connection, wire): (&mut Connection<Watched, Bytes>, &Wire),
        (worker, state): (&Worker, &ConnectionState),
        cx: &mut Context<'_>,
    ) -> Poll<Next> {
        if let Some(breach) = self.found.take() {
            self.told = true;
            self.failed = Some(breach.reason);
            connection.abrupt_shutdown(breach.error_code.into());
            state.linger(worker.clock.coarse_ms());
        }
        let idle = match state.tripped() {
            // It was told already, and is still there; or would not take it.
            Some(_) if self.told || self.stuck_at.is_some() => return Poll::Ready(self.over()),
            tripped => matches!(tripped, Some(Trip::Close)),
        };
        if !self.told && (idle || state.draining.get() || state.retiring.get()) {
            self.told = true;
            connection.graceful_shutdown();
            state.leave(worker.clock.coarse_ms());
        }
        match connection.poll_accept(cx) {
            Poll::Pending => self.poll_sent(wire, (worker, state), cx),
            Poll::Ready(None) => Poll::Ready(self.over()),
            Poll::Ready(Some(Ok(next))) => Poll::Ready(Next::Request(Box::new(next))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(match error.reason() {
                _ if error.is_io() || self.failed.is_some() => self.over(),
                Some(Reason::ENHANCE_YOUR_CALM) => Next::Failed(&reasons::FLOOD),
                Some(Reason::NO_ERROR) | None => Next::Over,
                Some(_) if error.is_remote() => Next::Over,
                Some(_) => Next::Failed(&reasons::PROTOCOL),
            }),
        }
    }
}
