//! Whom a connection comes from: what is known of it before its first request,
//! and the same for all its streams.

use std::cell::{Cell, OnceCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;
use lockgate_wire::headers::forwarding::Hop;

use crate::bundle::Protocol;
use crate::net::{Endpoint, NO_ADDRESS};
use crate::snapshot::CompiledListener;
use crate::tls::Secured;

/// What else is known of a connection's ends, where it matters to an upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// The client's port; 0 where it is not known.
    pub port: u16,
    /// Where the client came to.
    pub to: Option<SocketAddr>,
}

/// Whom a connection comes from, and where it arrived.
pub struct Source {
    /// The other end of the socket, or whom a proxy named.
    pub peer: IpAddr,
    /// The listener's address, as the configuration says it.
    pub listener: Endpoint,
    /// The port that it arrived at; 0 where there is none.
    pub port: u16,
    /// What the PROXY protocol tells besides the client's address.
    pub ends: Cell<Ends>,
    /// What the upstream is told of the connection, where no trusted proxy told more.
    pub hop: Hop,
    /// What it says of whom it forwards for is not believed, though it is a trusted proxy's.
    pub own_word: Cell<bool>,
    /// The peer is whom a proxy named, by the PROXY protocol.
    pub named: Cell<bool>,
    /// What its handshake came to, where it has TLS.
    secured: OnceCell<Secured>,
    /// Where else its host is to be found, over HTTP/3 (RFC 7838).
    alt_svc: Option<HeaderValue>,
    /// How an HTTP/2 client began, which is known only some frames later.
    http2: OnceCell<Rc<OnceCell<Box<str>>>>,
}

impl Source {
    /// Of a connection that was just accepted.
    pub(super) fn new(peer: IpAddr, listener: &CompiledListener, port: u16) -> Self {
        let public = listener.reached_at(port);
        Self {
            peer,
            listener: listener.address.clone(),
            port,
            ends: Cell::default(),
            hop: Hop::new(peer, listener.secure, public),
            own_word: Cell::new(false),
            named: Cell::new(false),
            secured: OnceCell::new(),
            alt_svc: listener.speaks_http3().then(|| alt_svc(public)).flatten(),
            http2: OnceCell::new(),
        }
    }

    /// The listener as it believes this connection: less, where somebody spoke for it or should have.
    #[must_use]
    pub fn believing(&self, listener: Arc<CompiledListener>) -> Arc<CompiledListener> {
        if self.own_word.get() {
            return Arc::new(listener.believing_nobody());
        }
        // Only then would its address be taken for none.
        if self.named.get() && listener.trusts_callers && self.peer == NO_ADDRESS {
            return Arc::new(listener.of_the_named());
        }
        listener
    }

    /// What its handshake came to, where it has TLS.
    pub fn tls(&self) -> Option<&Secured> {
        self.secured.get()
    }

    /// Whether it speaks HTTP/3.
    pub fn is_http3(&self) -> bool {
        self.tls()
            .is_some_and(|secured| secured.protocol == Protocol::Http3)
    }

    /// Value of `Alt-Svc` in its answers, where its host also speaks HTTP/3.
    pub fn alt_svc(&self) -> Option<&HeaderValue> {
        self.alt_svc.as_ref().filter(|_| !self.is_http3())
    }

    /// It speaks HTTP/2, and its client's fingerprint is to be had there.
    pub fn speaks_http2(&self, fingerprint: Rc<OnceCell<Box<str>>>) {
        // A connection begins once.
        let _ = self.http2.set(fingerprint);
    }

    /// What it speaks, by its name in ALPN (RFC 7301), where it is not HTTP/1.
    pub fn protocol(&self) -> Option<&'static str> {
        match self.http2.get() {
            Some(_) => Some("h2"),
            None => self.is_http3().then_some("h3"),
        }
    }

    /// The fingerprint of an HTTP/2 client.
    pub fn http2(&self) -> Option<&str> {
        self.http2.get()?.get().map(AsRef::as_ref)
    }

    /// Its handshake is over.
    pub(super) fn secured(&self, secured: Secured) {
        // There is one handshake to a connection.
        let _ = self.secured.set(secured);
    }
}

/// That the same port, as clients know it, speaks HTTP/3. Once that is turned off, clients try it for as
/// long as this says, and find the way back by themselves.
fn alt_svc(port: u16) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("h3=\":{port}\"; ma=3600")).ok()
}
