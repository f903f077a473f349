//! Connections for names whose TLS is ended elsewhere: what the client said is sent
//! on as it came, and from then on every byte of either side. Nothing of it is read,
//! so nothing of it is judged.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use lockgate_policy::ReasonRef;
use socket2::{SockRef, TcpKeepalive};

use crate::net::{ConnectionState, Incoming, Trip, Waiting};
use crate::reasons;
use crate::snapshot::Passthrough;
use crate::tls::reasons::{PASSTHROUGH_ENDED, PASSTHROUGH_IDLE};
use crate::tls::{give_up, part, turn_away, Carried, Failed, Hello};
use crate::upstream::{Led, Raw};
use crate::worker::{Origin, Worker};

mod half;
mod told;

use half::{Broke, Half};
use told::Told;

pub use told::PROTOCOL;

/// After this long a peer of whom nothing comes is asked whether it is there. Below the
/// idle times of firewalls and translators of addresses.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Carries a connection on until it is over, and writes it down.
pub(crate) async fn carry(
    carried: Carried,
    worker: &Rc<Worker>,
    origin: &Origin,
    state: &Rc<ConnectionState>,
) {
    let Some(way) = origin.accepted.passthrough.get(carried.entry).cloned() else {
        return;
    };
    // Who may not come is told so before a server hears of it, and written down like others who
    // are turned away.
    let geo = &worker.snapshot(origin).0.geo;
    if let Some(reason) = way.refuses(state.source.peer, geo) {
        let told = Some(turn_away(carried.stream).await);
        let hello = Hello {
            name: Some(carried.name),
            ja4: carried.ja4,
        };
        let failed = Failed {
            reason,
            hello,
            told,
        };
        return worker.part((origin, state), failed).await;
    }
    // The handshake's time is over; connecting has its own.
    state.wait(Waiting::Nothing, worker.clock.coarse_ms());
    let mut told = Told::begin(worker, origin, state, &carried, &way);
    let stream = carried.stream;
    let own = |led: Led<'_>| worker.listens_at(led);
    let connecting = worker.pools.raw(&way.upstream, state, &carried.name, &own);
    let connected = connecting.await;
    let upstream = match connected {
        Ok(upstream) => upstream,
        Err(failure) => {
            told.reason = failure.reason;
            told.target = failure.target;
            let stream = give_up(stream).await;
            drop(told);
            state.linger(worker.clock.coarse_ms());
            return part(stream, state).await;
        }
    };
    told.connected(&upstream);
    upstream.count(told.bytes_in, 0);
    ask_after(&stream);
    // Whatever was told of the handshake's time is of no account any more.
    let _ = state.tripped();
    state.carried(way.idle_ms, worker.clock.coarse_ms());
    let mut talk = Talk {
        client: stream,
        upstream,
        up: Half::holding(carried.heard),
        down: Half::default(),
        spoke: false,
        lost: None,
        way,
        told,
    };
    talk.told.reason = poll_fn(|cx| talk.poll(cx, worker, origin, state)).await;
}

/// Has the kernel find out whether a client is gone without a word.
fn ask_after(stream: &Incoming) {
    // Over a socket in the file system nobody goes without a word.
    let Incoming::Tcp(stream) = stream else {
        return;
    };
    // Without it, it only takes longer to learn.
    let _ = stream.set_nodelay(true);
    let asking = TcpKeepalive::new().with_time(KEEPALIVE);
    let _ = SockRef::from(stream).set_tcp_keepalive(&asking);
}

/// Both directions of a connection.
struct Talk {
    client: Incoming,
    upstream: Raw,
    /// From the client.
    up: Half,
    /// From the upstream.
    down: Half,
    /// Whether the upstream said anything.
    spoke: bool,
    /// Why what the upstream said could not be delivered.
    lost: Option<ReasonRef>,
    way: Passthrough,
    told: Told,
}

impl Talk {
    /// Ready once it is over, with the reason where it did not end by itself.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        origin: &Origin,
        state: &ConnectionState,
    ) -> Poll<Option<ReasonRef>> {
        state.wake_with(cx.waker());
        let now_ms = worker.clock.coarse_ms();
        if let Some(Trip::Close) = state.tripped() {
            return Poll::Ready(Some(if self.down.is_held() {
                &reasons::CLIENT_TAKES_NOTHING
            } else {
                &PASSTHROUGH_IDLE
            }));
        }
        // A gate that goes down leaves it the time that requests get; a listener that goes does not.
        let leaving = state.draining.get() && !worker.shared.draining.load(Ordering::Acquire);
        if leaving || (state.looks() && !self.is_still_carried(worker, origin, state)) {
            return Poll::Ready(Some(&PASSTHROUGH_ENDED));
        }
        match self.pass(cx, worker, state) {
            Err(reason) => return Poll::Ready(reason),
            Ok(false) => {}
            Ok(true) => state.passed(now_ms),
        }
        let ended = self.down.is_over();
        if self.down.is_held() {
            state.stalled(now_ms);
        }
        if ended && self.up.is_told() && self.down.is_told() {
            return Poll::Ready(self.lost);
        }
        if ended {
            // A client that does not take the end for one holds its place no longer than one at rest.
            let rest_ms = state.limits().idle_timeout_ms;
            state.carried_for(self.way.idle_ms.min(rest_ms));
        }
        Poll::Pending
    }

    /// Passes on what there is of both sides; whether anything was.
    fn pass(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        state: &ConnectionState,
    ) -> Result<bool, Option<ReasonRef>> {
        let mut scratch = worker.scratch.borrow_mut();
        let mut moved = false;
        match self
            .up
            .pass(cx, (&mut self.client, &mut self.upstream), &mut scratch)
        {
            Ok(passed) => {
                self.told.bytes_in += passed.bytes;
                self.upstream.count(passed.bytes, 0);
                moved |= passed.moved;
            }
            // What the upstream said last may still be on its way, and says how it ended.
            Err(Broke::Writer) => self.up = Half::ended(),
            Err(Broke::Reader) if self.down.is_through() => return Err(None),
            Err(Broke::Reader) => return Err(Some(&reasons::CLIENT_GONE)),
        }
        let before = self.down.is_over();
        match self
            .down
            .pass(cx, (&mut self.upstream, &mut self.client), &mut scratch)
        {
            Ok(passed) => {
                self.told.bytes_out += passed.bytes;
                self.upstream.count(0, passed.bytes);
                moved |= passed.moved;
                // Nothing is read before the client took what there was.
                if passed.moved {
                    state.stalled(0);
                }
                self.spoke |= passed.bytes > 0;
                // Of the server's health it says nothing: who sends what it does not like brings that about.
                let mute = self.down.is_over() && !before && !self.spoke;
                if mute && !self.up.is_over() {
                    return Err(Some(&reasons::RESET));
                }
            }
            Err(Broke::Writer) => {
                self.down = Half::ended();
                self.lost = Some(&reasons::CLIENT_GONE);
            }
            Err(Broke::Reader) => return Err(Some(&reasons::RESET)),
        }
        Ok(moved)
    }

    /// Whether the configuration at work still carries it where it goes, for this client.
    fn is_still_carried(&self, worker: &Worker, origin: &Origin, state: &ConnectionState) -> bool {
        let (snapshot, listener) = worker.snapshot(origin);
        let tls = listener.tls.as_ref();
        let entry = tls.and_then(|tls| tls.carries(self.told.name()));
        let way = entry.and_then(|entry| listener.passthrough.get(entry));
        way.is_some_and(|way| {
            let may_come = way.refuses(state.source.peer, &snapshot.geo).is_none();
            may_come && way.upstream.name == self.way.upstream.name
        })
    }
}
