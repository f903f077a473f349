//! What is written down of a connection that was carried on, once it is over,
//! however that came.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use lockgate_policy::{Place, ReasonRef};

use crate::events::{blotted_text, AccessRecord};
use crate::id::RequestId;
use crate::net::ConnectionState;
use crate::reasons;
use crate::snapshot::Passthrough;
use crate::tls::Carried;
use crate::upstream::{Raw, Target};
use crate::worker::{Origin, Worker};

/// What such a connection is called among the protocols of events.
pub const PROTOCOL: &str = "tls-passthrough";

/// One connection.
pub(super) struct Told {
    worker: Rc<Worker>,
    bundle: Arc<str>,
    /// Whether it is written down where nothing was wrong.
    access: bool,
    listener: Arc<str>,
    upstream: Arc<str>,
    peer: IpAddr,
    id: RequestId,
    name: Box<str>,
    ja4: Option<Box<str>>,
    /// Where the client is, where there are databases.
    place: Option<Place>,
    started_ms: u64,
    started_us: u64,
    upstream_us: Option<u64>,
    /// The server that it goes to.
    pub target: Option<Arc<Target>>,
    /// Bytes of the client.
    pub bytes_in: u64,
    /// Bytes for it.
    pub bytes_out: u64,
    /// Why it ended, where it did not by itself.
    pub reason: Option<ReasonRef>,
}

impl Told {
    /// Begins once it is known whom the client asks for.
    pub fn begin(
        worker: &Rc<Worker>,
        origin: &Origin,
        state: &ConnectionState,
        carried: &Carried,
        way: &Passthrough,
    ) -> Self {
        let (snapshot, listener) = worker.snapshot(origin);
        let started_ms = worker.clock.coarse_ms();
        Self {
            bundle: Arc::clone(&snapshot.hash),
            access: snapshot.events.access,
            listener: Arc::clone(&listener.name),
            upstream: Arc::clone(&way.upstream.name),
            peer: state.source.peer,
            id: worker.ids.next(started_ms),
            name: carried.name.clone(),
            ja4: carried.ja4.clone(),
            place: snapshot.geo.ask(&state.source.peer),
            started_ms,
            started_us: worker.clock.precise_us(),
            upstream_us: None,
            target: None,
            bytes_in: carried.heard.len() as u64,
            bytes_out: 0,
            reason: None,
            worker: Rc::clone(worker),
        }
    }

    /// A server took it.
    pub fn connected(&mut self, upstream: &Raw) {
        self.target = Some(Arc::clone(upstream.target()));
        self.upstream_us = Some(self.age_us());
    }

    /// The name that the client asked for.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn age_us(&self) -> u64 {
        let now_us = self.worker.clock.precise_us();
        now_us.saturating_sub(self.started_us)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.reason = Some(&reasons::INTERNAL_PANIC);
        }
        if let Some(reason) = self.reason {
            self.worker.metrics.refused(reason);
        }
        let refused = self
            .reason
            .is_some_and(|reason| reason != &reasons::CLIENT_GONE);
        if !refused && !self.access {
            return;
        }
        let target = self.target.as_ref().map(ToString::to_string);
        let host = blotted_text(&self.name);
        let record = AccessRecord {
            at_ms: self.started_ms,
            host: &host,
            listener: &self.listener,
            reason: self.reason.map(|reason| reason.code),
            room: self.reason.map(|reason| reason.room),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            took_us: self.age_us(),
            upstream_us: self.upstream_us,
            upstream: Some(&self.upstream),
            target: target.as_deref(),
            bundle: &self.bundle,
            worker: self.worker.number,
            ja4: self.ja4.as_deref(),
            country: self.place.as_ref().and_then(Place::code),
            network: self.place.as_ref().and_then(|place| place.network),
            ..AccessRecord::of_connection(PROTOCOL, self.id.as_str(), self.peer)
        };
        if refused {
            self.worker.sink.security(&record);
        } else {
            self.worker.sink.access(&record);
        }
    }
}
