//! Lockgate's gate: sockets, routing, the pipeline and its order, upstreams, events.
//!
//! To read a request's life: [`worker`] accepts, [`client`] reads, [`pipeline`]
//! serves, a policy decides, [`upstream`] forwards, [`respond`] refuses,
//! [`exchange`] writes down.

pub mod assertion;
mod bell;
pub mod body;
pub mod broker;
pub mod bundle;
pub mod client;
pub mod clock;
pub mod compile;
pub mod content;
pub mod continuous;
pub mod counters;
pub mod decisions;
mod edits;
pub mod events;
pub mod exchange;
pub mod explain;
pub mod facts;
mod flights;
pub mod gate;
pub mod geo;
pub mod grpc;
pub mod guards;
pub mod head;
mod hops;
pub mod http1;
pub mod http2;
pub mod http3;
pub mod id;
pub mod inprocess;
mod inspect;
pub mod introspections;
pub mod judge;
pub mod memory;
pub mod metrics;
pub mod mirror;
pub mod net;
pub mod normal;
pub mod ocsp;
pub mod operations;
mod passthrough;
pub mod pipeline;
pub mod places;
pub mod plugins;
mod program;
pub mod proofs;
pub mod reasons;
mod refetch;
pub mod replay;
pub mod respond;
pub mod route;
pub mod scan;
pub mod sightings;
pub mod snapshot;
pub mod split;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod token;
pub mod trace;
pub mod upstream;
pub mod versions;
pub mod worker;

use lockgate_policy::ReasonRef;

/// Every reason that the gate can give, room by room.
#[must_use]
pub fn reasons() -> Vec<ReasonRef> {
    let wire = lockgate_wire::REASONS
        .iter()
        .flat_map(|room| room.iter().copied());
    wire.chain(lockgate_policy::reasons())
        .chain(reasons::REASONS.iter().copied())
        .chain(tls::reasons::REASONS.iter().copied())
        .chain(http2::reasons::REASONS.iter().copied())
        .chain(http3::reasons::REASONS.iter().copied())
        .collect()
}
