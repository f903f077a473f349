//! What a policy may look at.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method};

/// A request in normal form: what was judged is what the upstream gets.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    /// The method, upper-case as it arrived.
    pub method: &'a Method,
    /// Host in lower case, without port or trailing dot.
    pub host: &'a str,
    /// Path in normal form.
    pub path: &'a str,
    /// Query without `?`, as it arrived.
    pub query: Option<&'a str>,
    /// Headers as they arrived, names in lower case.
    pub headers: &'a HeaderMap,
    /// Length of the body where the head tells it; `None` for chunked bodies.
    pub content_length: Option<u64>,
    /// The API that the request was routed to.
    pub api: &'a str,
    /// The operation of the API's document that it is, where there is a document.
    pub operation: Option<&'a str>,
    /// What else the path might be taken for; nearly always nothing.
    pub readings: &'a [Reading],
}

/// What a reader might take a path for who folds what an API keeps, such as
/// `//` or `;x`. A rule for that path must not be walked around by a spelling:
/// what restricts one restricts the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The path, in the form that is compared with patterns.
    pub path: String,
    /// The operation that it would be.
    pub operation: Option<Arc<str>>,
}

/// What a client's program looks like from outside, whatever it calls itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// The fingerprint JA4 of its TLS.
    pub ja4: Option<Box<str>>,
    /// How it begins HTTP/2, as Akamai writes it.
    pub http2: Option<Box<str>>,
    /// In which order, and with which letters, it writes the fields of the request.
    pub header_order: Option<Box<str>>,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The client's address: the peer's, or what a trusted proxy says.
    pub address: IpAddr,
    /// The address at the other end of the socket.
    pub peer: IpAddr,
}
