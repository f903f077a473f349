//! A client's connection, HTTP/3 (RFC 9114) over QUIC. Each request is served by a
//! task of its own, through the same pipeline as HTTP/1.1 and HTTP/2.

use std::future::{poll_fn, Future};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h3::error::{Code, ConnectionError, LocalError};
use h3::server::{builder, Connection, RequestResolver};
use lockgate_policy::ReasonRef;
use lockgate_wire::http3::reasons::MOVED;
use tokio::time::{interval, MissedTickBehavior};

use crate::net::{ConnectionState, Trip};
use crate::tls::{quic_failure, reasons::HANDSHAKE_TOO_SLOW, Secured, Tls};
use crate::worker::{Origin, Worker};
use std::sync::Arc;
use transport::{Told, Transport};

mod cids;
mod endpoint;
pub mod reasons;
mod serving;
mod socket;
mod transport;
mod upload;

pub use endpoint::Shared;
pub use socket::Socket;
pub use upload::Upload;

/// Between two looks at what QUIC itself has carried.
const LOOK: Duration = Duration::from_secs(1);
/// How much larger a head may be than the listener's bound before the library refuses
/// it: below that the guard of all protocols does, in words.
const HEAD_MARGIN: u64 = 2;

/// Waits for the end of a handshake. The connection's state bounds its time.
///
/// # Errors
/// Why there is none.
pub async fn shake(
    connecting: quinn::Connecting,
    tls: &Arc<Tls>,
    state: &ConnectionState,
) -> Result<(quinn::Connection, Secured), ReasonRef> {
    let mut connecting = pin!(connecting);
    let connected = poll_fn(|cx| {
        state.wake_with(cx.waker());
        match connecting.as_mut().poll(cx) {
            Poll::Pending if state.tripped().is_some() || state.draining.get() => {
                Poll::Ready(Err(&HANDSHAKE_TOO_SLOW))
            }
            polled => polled.map(|connected| connected.map_err(|error| quic_failure(&error))),
        }
    });
    let connection = connected.await?;
    let secured = Secured::over_quic(tls, connection.handshake_data(), connection.peer_identity());
    match secured {
        Ok(secured) => Ok((connection, secured)),
        Err(reason) => {
            connection.close(0x0100_u32.into(), b"");
            Err(reason)
        }
    }
}

/// Serves a connection until either side has enough.
pub async fn converse(
    connection: quinn::Connection,
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
    let head_bytes = HEAD_MARGIN * u64::from(limits.head_bytes);
    let clock = worker.clock.clone();
    let told = Told::new(connection.clone(), clock, head_bytes, limits.control_frames);
    let failed = {
        let mut builder = builder();
        builder
            .max_field_section_size(head_bytes)
            .send_grease(false);
        let mut building = pin!(builder.build::<_, Bytes>(Transport::new(Rc::clone(&told))));
        let built = poll_fn(|cx| match building.as_mut().poll(cx) {
            Poll::Pending if state.tripped().is_some() || state.draining.get() => Poll::Ready(None),
            polled => polled.map(Result::ok),
        });
        match built.await {
            Some(http3) => {
                state.await_request(worker.clock.coarse_ms());
                serve(http3, &connection, &told, (worker, origin, state)).await
            }
            None => None,
        }
    };
    let failed = told.breach().map(|breach| breach.reason).or(failed);
    if let Some(reason) = failed {
        worker.broken_off(origin, state, reason);
    }
    connection.close(code(Code::H3_NO_ERROR), b"");
    state.all_answered().await;
}

enum Next {
    Request(Box<RequestResolver<Transport, Bytes>>),
    /// It is time to tell the client to ask no more.
    Leave,
    Over,
    Failed(ReasonRef),
}

/// Why it ended, where that is the client's doing.
async fn serve(
    mut http3: Connection<Transport, Bytes>,
    connection: &quinn::Connection,
    told: &Rc<Told>,
    (worker, origin, state): (&Rc<Worker>, &Rc<Origin>, &Rc<ConnectionState>),
) -> Option<ReasonRef> {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leaving = false;
    loop {
        let next = {
            let mut accepting = pin!(http3.accept());
            poll_fn(|cx| {
                while look.poll_tick(cx).is_ready() {
                    told.look();
                }
                let idle = match state.tripped() {
                    // It does not have all yet, which has a bound of its own.
                    Some(_) if leaving && told.owes() => {
                        state.linger(worker.clock.coarse_ms());
                        false
                    }
                    // It was told already, and is still there.
                    Some(_) if leaving => return Poll::Ready(Next::Over),
                    tripped => matches!(tripped, Some(Trip::Close)),
                };
                if !leaving && (idle || state.draining.get() || state.retiring.get()) {
                    return Poll::Ready(Next::Leave);
                }
                accepting.as_mut().poll(cx).map(|accepted| match accepted {
                    Ok(Some(resolver)) => Next::Request(Box::new(resolver)),
                    Ok(None) => Next::Over,
                    Err(error) => fault(&error).map_or(Next::Over, Next::Failed),
                })
            })
            .await
        };
        match next {
            Next::Over => return None,
            Next::Failed(reason) => return Some(reason),
            Next::Leave => {
                leaving = true;
                // RFC 9114 section 5.2: what is named was not looked at, and nothing after it.
                let mut telling = pin!(http3.shutdown(1));
                // A client that takes not even this gets no more time.
                poll_fn(|cx| Poll::Ready(telling.as_mut().poll(cx).is_ready())).await;
                // The client has what it asked for once no request is under way.
                state.linger(worker.clock.coarse_ms());
            }
            Next::Request(resolver) => {
                told.look();
                let Some(handle) = told.accepted() else {
                    continue;
                };
                // quinn goes along to another address before that is proved (RFC 9000 section 9.3): a
                // datagram with a forged one would be judged as its owner's. The address that the
                // Retry proved is all that is known of the client; elsewhere it has to begin anew.
                if connection.remote_address().ip().to_canonical() != state.source.peer {
                    worker.metrics.refused(&MOVED);
                    handle.reset_with(Code::H3_REQUEST_REJECTED);
                    state.retiring.set(true);
                    continue;
                }
                let stream = state.stream(worker.clock.coarse_ms());
                let under_way = match worker.under_way(origin, state, &stream) {
                    // The client was told that it is not.
                    Ok(_) if leaving => {
                        handle.reset_with(Code::H3_REQUEST_REJECTED);
                        continue;
                    }
                    Ok(under_way) => under_way,
                    Err(full) => {
                        // RFC 9114 section 4.1.1: it was not looked at, and may be sent once more.
                        worker.turned_away(full);
                        handle.reset_with(Code::H3_REQUEST_REJECTED);
                        continue;
                    }
                };
                tokio::task::spawn_local(Box::pin(serving::serve(
                    Rc::clone(worker),
                    Rc::clone(origin),
                    (stream, under_way),
                    *resolver,
                    (Rc::clone(told), handle),
                )));
            }
        }
    }
}

/// Whether the client broke the rules of the protocol.
fn fault(error: &ConnectionError) -> Option<ReasonRef> {
    match error {
        ConnectionError::Local {
            error: LocalError::Application { code, .. },
            ..
        } if *code != Code::H3_NO_ERROR && *code != Code::H3_INTERNAL_ERROR => {
            Some(&reasons::PROTOCOL)
        }
        _ => None,
    }
}

fn code(code: Code) -> quinn::VarInt {
    quinn::VarInt::from_u64(code.value()).unwrap_or(quinn::VarInt::MAX)
}
