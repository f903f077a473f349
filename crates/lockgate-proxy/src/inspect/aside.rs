//! Large bodies are judged beside the worker: a single value can be as long as
//! the body, and no other client waits for it.

use bytes::Bytes;
use lockgate_waf::engine::Progress;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::judge::Inspecting;

/// Longer bodies are judged aside. To hand one over takes some 20 µs; so much
/// of good JSON takes some milliseconds.
const LARGE: usize = 256 * 1024;

/// Bodies that are judged aside at once, so that they leave room for those that are not.
const AT_ONCE: usize = 4;

static ROOM: Semaphore = Semaphore::const_new(AT_ONCE);

/// Judges a body.
pub(super) async fn judge(
    mut inspecting: Box<Inspecting>,
    bytes: &Bytes,
    whole: bool,
) -> Box<Inspecting> {
    if bytes.len() <= LARGE {
        let inspection = &mut inspecting.inspection;
        while inspection.body(bytes, whole) == Progress::More {
            tokio::task::yield_now().await;
        }
        while inspection.request_body() == Progress::More {
            tokio::task::yield_now().await;
        }
        return inspecting;
    }
    // Nobody closes it.
    let room = ROOM.acquire().await;
    let bytes = bytes.clone();
    let work = spawn_blocking(move || {
        while inspecting.inspection.body(&bytes, whole) == Progress::More {}
        while inspecting.inspection.request_body() == Progress::More {}
        // Held until here, whoever has gone meanwhile.
        drop(room);
        inspecting
    });
    match work.await {
        Ok(inspecting) => inspecting,
        // It is never cancelled: what is left is a panic, which ends the request as any does.
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
