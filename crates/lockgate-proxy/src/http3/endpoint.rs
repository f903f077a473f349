//! Where QUIC comes in: an endpoint for each UDP socket, and what all of them share.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{hkdf, hmac, rand};
use quinn::crypto::{HandshakeTokenKey, HmacKey};
use quinn::{
    Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig,
    ValidationTokenConfig, VarInt,
};

use super::cids::{Generator, Keys};
use super::socket::{Exchange, Socket};
use super::transport::FIRST_ROOM;
use crate::bundle::ListenerLimits;
use crate::metrics::Metrics;
use crate::tls::{Quic, Said, Tls};

/// What a stream may send before it is read on, bytes, as over HTTP/2.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Streams in one direction that are open at once: three that HTTP/3 wants, and some
/// of unknown kinds.
const ONE_WAY_STREAMS: u32 = 8;
/// Handshakes that wait to be looked at; they are looked at as they come.
const INCOMING: usize = 1024;
/// What comes beside a handshake's first packet before it is looked at, bytes.
const INCOMING_BYTES: u64 = 16 * 1024;
/// The same of all of them.
const INCOMING_BYTES_ALL: u64 = 1024 * 1024;
/// How long a client may take to come back with a token of Retry, which is one round
/// trip of an address that is real.
const RETRY_LIFETIME: Duration = Duration::from_secs(10);
/// Quiet for longer than the gate lets a connection rest; the gate ends it first.
const IDLE_MARGIN_MS: u32 = 10_000;
/// PINGs within the time that a connection may rest: while a request is under way
/// the client is known to be there, however long its answer takes.
const PINGS: u32 = 3;

/// What all endpoints of a gate share.
pub struct Shared {
    keys: Arc<Keys>,
    exchange: Arc<Exchange>,
    token: Arc<dyn HandshakeTokenKey>,
    reset: Arc<dyn HmacKey>,
}

impl Shared {
    /// Of a gate whose folder this is. Keys are made of `secret`, so that a gate that
    /// takes the place of another knows its tokens and connection IDs.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn new(folder: &Path, secret: &[u8], metrics: &Arc<Metrics>) -> io::Result<Self> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derive = |label: &str| hmac::sign(&secret, label.as_bytes());
        let mut process = [0; 4];
        rand::fill(&mut process)
            .map_err(|_| io::Error::other("the system has no randomness to give"))?;
        let id_key = derive("lockgate quic connection ids 1");
        let keys = Keys::new(&id_key.as_ref()[..16])
            .ok_or_else(|| io::Error::other("connection IDs cannot be made"))?;
        let keys = Arc::new(keys);
        let process = u32::from_be_bytes(process);
        let token = derive("lockgate quic address tokens 1");
        let reset = derive("lockgate quic stateless resets 1");
        Ok(Self {
            exchange: Arc::new(Exchange::open(
                &folder.join("quic"),
                Arc::clone(&keys),
                Arc::clone(metrics),
                process,
            )?),
            keys,
            token: Arc::new(hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, token.as_ref())),
            reset: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, reset.as_ref())),
        })
    }

    /// Whether there are sockets on this address, and be it for connections that end.
    #[must_use]
    pub fn holds(&self, address: SocketAddr) -> bool {
        self.exchange.holds(address)
    }

    /// An endpoint on a socket that is bound.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn endpoint(
        &self,
        socket: UdpSocket,
        tls: &Arc<Tls>,
        limits: &ListenerLimits,
    ) -> io::Result<(Endpoint, Arc<Socket>)> {
        let socket = Arc::new(Socket::new(socket, Arc::clone(&self.exchange))?);
        let mut config = EndpointConfig::new(Arc::clone(&self.reset));
        let (keys, owner) = (Arc::clone(&self.keys), socket.owner());
        config.cid_generator(move || Box::new(Generator::new(Arc::clone(&keys), owner)));
        let server = self.server(tls, limits, &Said::default());
        let endpoint = Endpoint::new_with_abstract_socket(
            config,
            server.map(|server| (*server).clone()),
            Arc::clone(&socket) as _,
            Arc::new(TokioRuntime),
        )?;
        Ok((endpoint, socket))
    }

    /// By what a connection goes that begins now; none without certificates for QUIC.
    #[must_use]
    pub fn server(
        &self,
        tls: &Arc<Tls>,
        limits: &ListenerLimits,
        said: &Said,
    ) -> Option<Arc<ServerConfig>> {
        let crypto = Quic::new(tls, said)?;
        let mut config = ServerConfig::new(Arc::new(crypto), Arc::clone(&self.token));
        config
            .transport_config(Arc::new(transport(limits)))
            .retry_token_lifetime(RETRY_LIFETIME)
            .max_incoming(INCOMING)
            .incoming_buffer_size(INCOMING_BYTES)
            .incoming_buffer_size_total(INCOMING_BYTES_ALL);
        // None are given out: each address is asked each time (decision 0150).
        let mut tokens = ValidationTokenConfig::default();
        tokens.sent(0);
        config.validation_token_config(tokens);
        Some(Arc::new(config))
    }
}

fn transport(limits: &ListenerLimits) -> TransportConfig {
    let mut config = TransportConfig::default();
    let idle_ms = limits.idle_timeout_ms;
    config
        .max_concurrent_bidi_streams(limits.streams.into())
        .max_concurrent_uni_streams(ONE_WAY_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(FIRST_ROOM)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(
            idle_ms.saturating_add(IDLE_MARGIN_MS),
        ))))
        .keep_alive_interval(Some(Duration::from_millis(u64::from(
            (idle_ms / PINGS).max(1_000),
        ))));
    config
}
