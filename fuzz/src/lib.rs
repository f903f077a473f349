//! What must hold for whatever a stranger sends. The targets in `tests/` feed
//! these; each panics with the input when its promise is broken.

pub mod certificate;
pub mod client_hello;
pub mod codings;
pub mod content;
pub mod detect;
pub mod grpc;
pub mod guards;
pub mod proxy_protocol;
pub mod seclang;
pub mod seeds;
pub mod signed;
pub mod text;
pub mod transform;
pub mod watchers;
