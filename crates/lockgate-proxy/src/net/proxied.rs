//! The PROXY protocol at a listener: whom a load balancer speaks for, before
//! anything else is said.

use std::future::{poll_fn, Future};
use std::pin::pin;
use std::task::Poll;

use lockgate_policy::ReasonRef;
use lockgate_wire::proxy_protocol::{parse, reasons, Addresses, Progress, MAX_HEADER};
use tokio::io::AsyncReadExt;

use super::{ConnectionState, Incoming};

/// Whom the connection is for; `None` where it is the load balancer's own. Not
/// a byte of what follows is read. The connection's state bounds the time.
///
/// # Errors
/// Why that cannot be told; then nothing else can be believed.
pub async fn client_of(
    stream: &mut Incoming,
    state: &ConnectionState,
) -> Result<Option<Addresses>, ReasonRef> {
    let mut reading = pin!(read(stream));
    poll_fn(|cx| {
        state.wake_with(cx.waker());
        match reading.as_mut().poll(cx) {
            Poll::Pending if state.tripped().is_some() || state.draining.get() => {
                Poll::Ready(Err(&reasons::MISSING))
            }
            polled => polled,
        }
    })
    .await
}

async fn read(stream: &mut Incoming) -> Result<Option<Addresses>, ReasonRef> {
    let mut bytes = Vec::new();
    loop {
        let wanted = match parse(&bytes)? {
            Progress::Done(header) => return Ok(header.addresses),
            Progress::Need(wanted) => wanted.min(MAX_HEADER),
        };
        let before = bytes.len();
        bytes.resize(wanted.max(before + 1), 0);
        // A load balancer that goes away says no more than one that says nothing.
        let read = stream.read_exact(&mut bytes[before..]).await;
        read.map_err(|_| &reasons::MISSING)?;
    }
}
