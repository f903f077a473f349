//! A body that a policy wants whole before it says who calls: it is held, within the memory
//! for that, and goes on as if it arrived then.

use std::future::poll_fn;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use lockgate_policy::{Content, Denial};

use crate::body::Broken;
use crate::client::{Kept, Upload};
use crate::inspect::held;
use crate::net::ConnectionState;
use crate::reasons;
use crate::snapshot::CompiledListener;
use crate::worker::Worker;

/// Seconds after which there may be room again: bodies are short.
const RETRY_AFTER_S: u64 = 1;

/// Reads a body of at most so many bytes; one that is longer stays readable to its end.
///
/// # Errors
/// If it does not arrive.
pub async fn whole(
    upload: &mut Option<Upload>,
    most: u64,
    (worker, state, listener): (&Worker, &ConnectionState, &CompiledListener),
    holder: Option<IpAddr>,
) -> Result<Content, Broken> {
    let Some(mut arriving) = upload.take() else {
        return Ok(Content::Whole(Bytes::new()));
    };
    // Another policy of the list has asked before.
    if let Some(bytes) = arriving.kept() {
        let content = match bytes.len() as u64 > most {
            true => Content::TooLong,
            false => Content::Whole(bytes.clone()),
        };
        *upload = Some(arriving);
        return Ok(content);
    }
    let left = arriving.left();
    if left.is_some_and(|left| left > most) {
        // Not a byte of it need be read.
        *upload = Some(arriving);
        return Ok(Content::TooLong);
    }
    let budget = &worker.shared.memory.inspecting;
    let mut charge = budget.take(0, listener.limits.inspect_memory, holder);
    // Not the pieces as they came: each can be one byte of a buffer that it keeps.
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| arriving.poll_frame(cx)).await {
        // Trailers are no part of what anybody signs, and do not go on (RFC 9110 section 6.5).
        let Ok(piece) = frame?.into_data() else {
            continue;
        };
        read.extend_from_slice(&piece);
        let length = read.len();
        state.body.bytes.set(length as u64);
        let charged = charge.as_mut().is_some_and(|charge| charge.grow_to(length));
        if !charged || length as u64 > most {
            let begun = Kept::begun(held(read, charge), arriving);
            *upload = Some(Upload::Kept(Box::new(begun)));
            return Ok(match charged {
                true => Content::TooLong,
                false => Content::Refused(full()),
            });
        }
    }
    let bytes = match read.is_empty() {
        true => Bytes::new(),
        false => held(read, charge),
    };
    let kept = Kept::whole(bytes.clone(), left.is_some());
    *upload = Some(Upload::Kept(Box::new(kept)));
    Ok(Content::Whole(bytes))
}

/// There is no memory to hold more.
fn full() -> Denial {
    Denial::new(&reasons::INSPECT_FULL).header(RETRY_AFTER, RETRY_AFTER_S.into())
}
