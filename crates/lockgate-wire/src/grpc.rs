//! gRPC and gRPC-Web: telling them from other requests, their statuses,
//! deadlines and messages.
//!
//! A gRPC client reads `grpc-status`, not the HTTP status: a gateway that
//! refuses with a plain 403 leaves it with a guess. So the gate answers in the
//! client's protocol, with [`Code::of_refusal`].

mod content_type;
mod cutter;
mod message;
mod messages;
mod prefix;
pub mod reasons;
mod status;
#[cfg(test)]
mod tests;
mod timeout;
mod web;

pub use content_type::{ContentType, Protocol};
pub use cutter::{Cutter, Message, Piece};
pub use message::{decode_message, encode_message};
pub use messages::Messages;
pub use prefix::Prefix;
pub use status::Code;
pub use timeout::{format_timeout, parse_timeout};
pub use web::{trailer_frame, TextDecoder, TextEncoder};

use http::{header::CONTENT_TYPE, HeaderMap, HeaderName, Method};

/// How a call went, as a number.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The same in words.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// More of it, as a message in base64.
pub const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The content type of a gRPC request: POST, with one of gRPC's types.
#[must_use]
pub fn request<'a>(method: &Method, headers: &'a HeaderMap) -> Option<ContentType<'a>> {
    if *method != Method::POST {
        return None;
    }
    ContentType::parse(headers.get(CONTENT_TYPE)?.to_str().ok()?)
}
