//! A strict checker of the HTTP/1.1 byte stream, in front of whatever reads it.
//!
//! A common parser such as hyper's takes Content-Length together with Transfer-Encoding, equal
//! repeated Content-Lengths, bare LF and chunk extensions, and answers what it
//! cannot parse with an empty 400. A gate must not: what two readers take
//! differently is how requests are smuggled (RFC 9112, 11.2), and a refusal
//! without a reason helps nobody. So the bytes pass this guard first, and
//! readers see only what it released.
//!
//! A guard is fed whatever the socket gave and calls `out` with what may go
//! on. **What it has released is at any time a prefix of what it was fed**:
//! it holds back an incomplete head (or trailers), and never changes, adds or
//! drops a byte. So a caller that read straight into its own buffer may count
//! what came out and copy nothing in the usual case; what one call releases
//! is at most [`RequestGuard::withheld`] before it and the input together.
//!
//! The verdict depends on the bytes alone, never on how they were cut.

mod chunked;
mod field;
mod flaw;
mod length;
pub mod reasons;
mod request;
mod response;
mod stream;
#[cfg(test)]
mod tests;
pub mod trailer;
pub mod upstream_reasons;

use crate::reason::ReasonRef;
use flaw::Flaw;
pub(crate) use request::has_second_type;
use request::RequestHead;
use response::ResponseHead;
use stream::Stream;

/// Bounds on a head. See [`HeadLimits::bounded`] for the bounds of the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Start line and fields together, with their line ends.
    pub head_bytes: usize,
    /// Number of field lines.
    pub headers: usize,
    /// The request target alone.
    pub target_bytes: usize,
}

impl Default for HeadLimits {
    /// 32 KiB as HAProxy and nginx have it (4 buffers of 8 KiB), 100 headers
    /// as Apache, 8 KiB of target as RFC 9112, 3 recommends.
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            headers: 100,
            target_bytes: 8192,
        }
    }
}

impl HeadLimits {
    /// Brings the limits into what `http` can take: 256 KiB of head, 1,000
    /// headers, 65,534 bytes of target (`http::Uri` counts in 16 bits). The
    /// guards do this by themselves.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            head_bytes: self.head_bytes.min(256 * 1024),
            headers: self.headers.min(1000),
            target_bytes: self.target_bytes.min(65_534),
        }
    }
}

/// Where in its stream a guard stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Between messages; nothing is pending. An empty line may have come.
    Idle,
    /// An answer is due, and none of it has come (answers only).
    Waiting,
    /// A part of a head has arrived and is withheld.
    Head,
    /// In a body, or in the trailers after it.
    Body,
    /// Something was wrong; nothing more is released.
    Failed,
    /// Everything passes.
    Tunnel,
}

/// What an upstream's answer may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// An answer to HEAD: none, whatever its fields say.
    NoBody,
    /// An answer to any other method.
    Body,
    /// As `Body`, and 101 may turn the connection into a tunnel.
    Upgrade,
}

/// Guards the bytes that a client sends.
#[derive(Debug)]
pub struct RequestGuard(Stream<RequestHead>);

impl RequestGuard {
    /// A guard for a new connection. Allocates nothing.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self(Stream::new(limits))
    }

    /// Looks at newly read bytes and gives those that may go on to `out`, in
    /// order, borrowed from `input` unless a head arrived in pieces.
    ///
    /// # Errors
    /// The reason for the first thing wrong. What was released before stays
    /// released, and every later call gives the same error.
    pub fn feed(&mut self, input: &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), ReasonRef> {
        self.0.feed(input, out)
    }

    /// The client closed its side.
    ///
    /// # Errors
    /// `client-closed-early` within a message; the old reason after a failure.
    pub fn eof(&mut self) -> Result<(), ReasonRef> {
        self.0.eof()
    }

    /// Where in the stream the guard stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.phase()
    }

    /// Whether the guard stands in a body, or failed in one: then the body's
    /// reader is to be told, and no further message is awaited.
    #[must_use]
    pub fn in_body(&self) -> bool {
        self.0.in_body()
    }

    /// Whole heads released so far.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.0.heads()
    }

    /// Bytes held back at the moment.
    #[must_use]
    pub fn withheld(&self) -> usize {
        self.0.withheld()
    }

    /// Passes everything from now on, after a 101.
    pub fn tunnel(&mut self) {
        self.0.tunnel();
    }
}

/// Guards the bytes that an upstream answers. Before each request on its
/// connection, [`ResponseGuard::expect`] says that an answer is due.
#[derive(Debug)]
pub struct ResponseGuard(Stream<ResponseHead>);

impl ResponseGuard {
    /// A guard for a new connection; `target_bytes` has no meaning here.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self(Stream::new(limits))
    }

    /// One answer is due. Bytes that come while none is due are refused.
    pub fn expect(&mut self, kind: Expect) {
        self.0.head.expect = Some(kind);
        self.0.head.interim = 0;
    }

    /// As [`RequestGuard::feed`].
    ///
    /// # Errors
    /// An `upstream-…` reason for the first thing wrong, again at every later call.
    pub fn feed(&mut self, input: &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), ReasonRef> {
        self.0.feed(input, out)
    }

    /// The upstream closed: right when no answer is due, and the end of a body
    /// without a length.
    ///
    /// # Errors
    /// `upstream-closed-early` while an answer is due or not whole; the old
    /// reason after a failure.
    pub fn eof(&mut self) -> Result<(), ReasonRef> {
        if self.phase() == Phase::Waiting {
            return Err(self.0.fail(Flaw::ClosedEarly));
        }
        self.0.eof()
    }

    /// Where in the stream the guard stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.phase() {
            Phase::Idle if self.0.head.expect.is_some() => Phase::Waiting,
            phase => phase,
        }
    }

    /// Whole heads released so far, interim ones included.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.0.heads()
    }

    /// Bytes held back at the moment.
    #[must_use]
    pub fn withheld(&self) -> usize {
        self.0.withheld()
    }
}
