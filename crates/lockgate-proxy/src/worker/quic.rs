//! Connections over QUIC: where a listener speaks HTTP/3.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use tokio::sync::Notify;

use super::failed::HANDSHAKE;
use super::{Listening, Origin, Registered, Vital, Worker};
use crate::http3;
use crate::net::{ConnectionState, Ends, Permit};
use crate::tls::{self, Said};

/// A listener's UDP sockets, as long as it speaks HTTP/3.
pub struct Datagrams {
    /// Whose they are.
    pub listening: Arc<Listening>,
    /// Set as they close.
    pub closed: AtomicBool,
    /// Told as they close.
    pub stop: Notify,
}

impl Datagrams {
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.stop.notify_waiters();
    }
}

impl Worker {
    pub(super) fn take(self: &Rc<Self>, datagrams: Arc<Datagrams>, socket: std::net::UdpSocket) {
        // As it is now: it may have been opened without HTTP/3.
        let listener = self.origin(&datagrams.listening).accepted;
        let Some(tls) = &listener.tls else { return };
        let quic = &self.shared.quic;
        match quic.endpoint(socket, tls, &listener.limits) {
            Ok((endpoint, socket)) => {
                let kept = (Arc::clone(&datagrams), socket);
                self.datagrams.borrow_mut().push(kept);
                tokio::task::spawn_local(Rc::clone(self).receive(datagrams, endpoint));
            }
            Err(error) => self.tell("listen-failed", &error.to_string()),
        }
    }

    pub(super) fn leave(&self, datagrams: &Arc<Datagrams>) {
        self.datagrams
            .borrow_mut()
            .retain(|(open, _)| !Arc::ptr_eq(open, datagrams));
        datagrams.close();
        let address = &datagrams.listening.opened.address;
        self.watch
            .drain(|state| state.source.listener == *address && state.source.is_http3());
    }

    async fn receive(self: Rc<Self>, datagrams: Arc<Datagrams>, endpoint: quinn::Endpoint) {
        let _vital = Vital(&self);
        while !datagrams.closed.load(Ordering::Acquire) {
            let incoming = tokio::select! {
                biased;
                () = datagrams.stop.notified() => break,
                incoming = endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else { break };
            // Who cannot be reached at its address is not there: no place is taken for it, and
            // none of the address that it names. It is not answered but by this (decision 0150).
            if !incoming.remote_address_validated() {
                self.shared.metrics.retried.fetch_add(1, Ordering::Relaxed);
                // It was not validated, and so it may be asked.
                let _ = incoming.retry();
                continue;
            }
            self.admit_quic(&datagrams.listening, incoming);
        }
        endpoint.set_server_config(None);
    }

    fn admit_quic(self: &Rc<Self>, listening: &Arc<Listening>, incoming: quinn::Incoming) {
        let from = incoming.remote_address();
        let peer = from.ip().to_canonical();
        let origin = self.origin(listening);
        let Some(permit) = self.permit(&origin, peer) else {
            return incoming.refuse();
        };
        tokio::task::spawn_local(Rc::clone(self).converse_quic(incoming, from, origin, permit));
    }

    async fn converse_quic(
        self: Rc<Self>,
        incoming: quinn::Incoming,
        from: SocketAddr,
        origin: Origin,
        permit: Permit,
    ) {
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let peer = from.ip().to_canonical();
        let bound = origin.listening.bound.network();
        let port = origin.listening.bound.port();
        let state = ConnectionState::new(peer, &origin.accepted, port, self.clock.coarse_ms());
        state.source.ends.set(Ends {
            port: from.port(),
            to: bound.filter(|bound| !bound.ip().is_unspecified()),
        });
        let _registered = Registered {
            number: self.watch.add(Rc::clone(&state)),
            worker: &self,
            _permit: permit,
            also: None,
        };
        let accepted = &origin.accepted;
        // By the certificates and rules of now, whatever they were as the socket was opened.
        let spoken = accepted.tls.as_ref().filter(|_| accepted.speaks_http3());
        let said = Said::default();
        let config = spoken.and_then(|tls| {
            let config = self.shared.quic.server(tls, &accepted.limits, &said)?;
            Some((tls, config))
        });
        let Some((tls, config)) = config else {
            return incoming.refuse();
        };
        let connecting = match incoming.accept_with(config) {
            Ok(connecting) => connecting,
            Err(error) => {
                let failed = said.failed(tls::quic_failure(&error));
                return self.failed(HANDSHAKE, (&origin, &state), &failed);
            }
        };
        match Box::pin(http3::shake(connecting, tls, &state)).await {
            Ok((connection, secured)) => {
                state.secured(secured, self.clock.coarse_ms());
                let origin = Rc::new(origin);
                Box::pin(http3::converse(connection, &self, &origin, &state)).await;
            }
            Err(reason) => self.failed(HANDSHAKE, (&origin, &state), &said.failed(reason)),
        }
    }
}
