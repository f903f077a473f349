//! Connections that were over before there was a request: why is written down.

use std::cell::Cell;

use lockgate_policy::Place;

use super::{Origin, Worker};
use crate::events::{blotted_text, AccessRecord};
use crate::net::ConnectionState;
use crate::tls::reasons::{HANDSHAKE_BROKEN, HANDSHAKE_TOO_SLOW};
use crate::tls::{part, Failed};

/// What a handshake that came to nothing is called among the protocols of events.
pub const HANDSHAKE: &str = "tls-handshake";
/// The same of a PROXY protocol's header.
pub const HEADER: &str = "proxy-protocol";

/// Events of a second, of each worker. More are counted alone: strangers, who need no more than a
/// connection for one, shall not push everybody else's out of the store.
const EACH_SECOND: u32 = 10;

/// How many were written in which second.
#[derive(Debug, Default)]
pub(super) struct Written(Cell<(u64, u32)>);

impl Written {
    /// Whether one more may be.
    fn may(&self, now_ms: u64) -> bool {
        let second = now_ms / 1000;
        let (before, count) = self.0.get();
        let count = if before == second { count } else { 0 };
        self.0.set((second, count + 1));
        count < EACH_SECOND
    }
}

impl Worker {
    /// Ends a connection whose handshake came to nothing.
    pub(crate) async fn part(&self, (origin, state): (&Origin, &ConnectionState), failed: Failed) {
        self.failed(HANDSHAKE, (origin, state), &failed);
        if let Some(stream) = failed.told {
            state.linger(self.clock.coarse_ms());
            part(stream, state).await;
        }
    }

    /// Counts a connection that came to nothing, and writes it down.
    pub(crate) fn failed(
        &self,
        protocol: &str,
        (origin, state): (&Origin, &ConnectionState),
        failed: &Failed,
    ) {
        let (reason, hello) = (failed.reason, &failed.hello);
        self.metrics.refused(reason);
        // Who looks whether somebody listens, as balancers do, or connects ahead of need, as
        // browsers do, says nothing that it would be refused for.
        let went = reason == &HANDSHAKE_BROKEN || reason == &HANDSHAKE_TOO_SLOW;
        let now_ms = self.clock.coarse_ms();
        if (went && hello.ja4.is_none()) || !self.written.may(now_ms) {
            return;
        }
        let (snapshot, listener) = self.snapshot(origin);
        let place = snapshot.geo.ask(&state.source.peer);
        let took_ms = state.waited_ms(now_ms);
        let id = self.ids.next(now_ms);
        let host = blotted_text(hello.name.as_deref().unwrap_or_default());
        self.sink.security(&AccessRecord {
            at_ms: now_ms.saturating_sub(took_ms),
            host: &host,
            listener: &listener.name,
            reason: Some(reason.code),
            room: Some(reason.room),
            took_us: took_ms.saturating_mul(1000),
            bundle: &snapshot.hash,
            worker: self.number,
            ja4: hello.ja4.as_deref(),
            country: place.as_ref().and_then(Place::code),
            network: place.as_ref().and_then(|place| place.network),
            ..AccessRecord::of_connection(protocol, id.as_str(), state.source.peer)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_written_in_a_second() {
        let written = Written::default();
        let told = |now_ms| (0..100).filter(|_| written.may(now_ms)).count();
        assert_eq!(told(5_000), 10);
        assert_eq!(told(5_999), 0);
        assert_eq!(told(6_000), 10);
    }
}
