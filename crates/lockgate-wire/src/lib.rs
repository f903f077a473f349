//! What arrives, in normal form: framing, targets, headers. No I/O.
//!
//! | module | what it does |
//! |---|---|
//! | [`framing`] | checks HTTP/1.1 bytes before anything reads them: [`framing::RequestGuard`] and [`framing::ResponseGuard`], with [`framing::HeadLimits`], [`framing::Phase`], [`framing::Expect`] |
//! | [`target`] | the one form of a path ([`target::normalize`], [`target::TargetSwitches`], [`target::for_matching`], [`target::after_match`]) and of a host ([`target::normalize_host`]) |
//! | [`http2`] | what a client sends on HTTP/2, counted and bounded, and its fingerprint: [`http2::Watcher`], [`http2::Budgets`] |
//! | [`query`] | names and values in a query: [`query::find`], [`query::pairs`] |
//! | [`headers`] | [`headers::remove_hop_by_hop`], [`headers::strip_identity`], [`headers::remove_look_alikes`], [`headers::reserved`] |
//! | [`headers::forwarded`] | the client's address through trusted proxies: [`headers::forwarded::client_address`] |
//! | [`headers::forwarding`] | `Forwarded` and `X-Forwarded-*` for the upstream: [`headers::forwarding::Hop`] |
//! | [`headers::trace`] | W3C Trace Context: [`headers::trace::continue_or_begin`] |
//! | [`websocket`] | handshakes, and frames as they pass: [`websocket::check_handshake`], [`websocket::Watcher`] |
//! | [`grpc`] | gRPC and gRPC-Web: content types, statuses, deadlines, messages: [`grpc::request`], [`grpc::Code`], [`grpc::Messages`] |
//! | [`coding`] | content codings: [`coding::preferred`], [`coding::codings`], [`coding::Inflater`], [`coding::Packer`] |
//! | [`content`] | bodies, queries and cookies as names and values: [`content::Sink`], [`content::json::Reader`] and its like |
//! | [`client_hello`] | a TLS client's first message, and JA4: [`client_hello::Reader`], [`client_hello::ClientHello`], [`client_hello::Ja4`] |
//! | [`proxy_protocol`] | whom a load balancer speaks for: [`proxy_protocol::parse`], [`proxy_protocol::write_v1`], [`proxy_protocol::V2`] |
//! | [`reason`] | what a refusal is; all of this crate's are in [`REASONS`] |
//!
//! The life of a request through them:
//!
//! ```
//! use http::HeaderMap;
//! use lockgate_wire::{framing, headers, target};
//!
//! # fn main() -> Result<(), lockgate_wire::reason::ReasonRef> {
//! // 1. Bytes from the socket, before anything reads them.
//! let mut guard = framing::RequestGuard::new(framing::HeadLimits::default());
//! let mut passed = Vec::new();
//! guard.feed(b"GET /a/./b HTTP/1.1\r\nHost: Example.com\r\n\r\n", &mut |run| {
//!     passed.extend_from_slice(run);
//! })?;
//! assert_eq!((guard.phase(), guard.heads()), (framing::Phase::Idle, 1));
//!
//! // 2. What is asked for, before matching and policy; the upstream gets it so.
//! let asked = target::normalize("/a/./b", &target::TargetSwitches::default())?;
//! assert_eq!((asked.path.as_ref(), asked.changed), ("/a/b", true));
//! assert_eq!(target::normalize_host("Example.com")?.name, "example.com");
//!
//! // 3. Who it came from. The hop is made once for a connection.
//! let mut fields = HeaderMap::new();
//! let peer = std::net::Ipv4Addr::LOCALHOST.into();
//! let client = headers::forwarded::client_address(&fields, peer, |_| false)?;
//! assert_eq!(client, peer);
//! let hop = headers::forwarding::Hop::new(peer, false, 8080);
//!
//! // 4. When policies let it on: what the upstream is told.
//! headers::remove_hop_by_hop(&mut fields);
//! headers::strip_identity(&mut fields, false);
//! hop.write(&mut fields, &headers::forwarded::Told::default());
//! headers::trace::continue_or_begin(&mut fields, [7; 24]);
//! # Ok(())
//! # }
//! ```

#[macro_use]
mod declare;
mod base64;
mod chars;
pub mod client_hello;
pub mod coding;
pub mod content;
pub mod framing;
pub mod grpc;
pub mod headers;
mod host;
pub mod http2;
pub mod http3;
pub mod json;
pub mod proxy_protocol;
pub mod query;
pub mod reason;
pub mod target;
pub mod websocket;

use reason::ReasonRef;

/// The reasons of this crate, room by room; a list to build docs and metrics from.
pub static REASONS: &[&[ReasonRef]] = &[
    framing::reasons::REASONS,
    framing::upstream_reasons::REASONS,
    target::reasons::REASONS,
    content::reasons::REASONS,
    headers::reasons::REASONS,
    http2::reasons::REASONS,
    http3::reasons::REASONS,
    websocket::reasons::REASONS,
    grpc::reasons::REASONS,
    proxy_protocol::reasons::REASONS,
];
