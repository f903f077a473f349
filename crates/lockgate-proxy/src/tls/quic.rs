//! TLS within QUIC (RFC 9001): the same certificates and the same rules for clients
//! as over TCP. Which rules hold is known once the client's hello is whole, so a
//! session begins by listening for it.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use lockgate_policy::ReasonRef;
use lockgate_wire::client_hello::{ClientHello as WireHello, MAX_MESSAGE};
use quinn_proto::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn_proto::crypto::{
    ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig, Session,
    UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::pki_types::CertificateDer;

use super::accept::{distrusts, fingerprint, shown, Failed, Hello};
use super::{reasons, Clients, Lack, Names, Secured, Tls};
use crate::bundle::{Protocol, TlsVersion};
use crate::clock::wall_ms;

/// Alerts (RFC 8446, 6).
const DECODE_ERROR: u8 = 50;
const INTERNAL_ERROR: u8 = 80;
const UNRECOGNIZED_NAME: u8 = 112;
/// Goes with the alert, which says the same of a certificate that there is none of yet.
const EXPIRED: &str = "the certificate for this name expired";
/// Bytes of a handshake message's type and length.
const HEADER: usize = 4;

/// What one client said in its hello, once it is whole; its handshake may still come to nothing.
#[derive(Clone, Default)]
pub struct Said(Arc<OnceLock<Hello>>);

impl Said {
    /// A handshake that came to nothing after it.
    #[must_use]
    pub fn failed(&self, reason: ReasonRef) -> Failed {
        Failed {
            reason,
            hello: self.0.get().cloned().unwrap_or_default(),
            told: None,
        }
    }
}

/// How a listener speaks TLS within QUIC with one client.
pub struct Quic {
    tls: Arc<Tls>,
    first: Arc<QuicServerConfig>,
    said: Said,
}

/// What a session tells of its hello.
struct Heard {
    rules: usize,
    name: Option<Box<str>>,
    ja4: Option<Box<str>>,
}

impl Quic {
    /// None where the listener does not speak HTTP/3.
    #[must_use]
    pub fn new(tls: &Arc<Tls>, said: &Said) -> Option<Self> {
        let first = tls.rules.first()?.quic.clone()?;
        Some(Self {
            tls: Arc::clone(tls),
            first,
            said: said.clone(),
        })
    }
}

impl ServerConfig for Quic {
    fn initial_keys(&self, version: u32, id: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.first.initial_keys(version, id)
    }

    fn retry_tag(&self, version: u32, id: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.first.retry_tag(version, id, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        params: &TransportParameters,
    ) -> Box<dyn Session> {
        Box::new(Shaking {
            version,
            params: *params,
            hello: Vec::new(),
            chosen: None,
            config: self,
        })
    }
}

/// A handshake: first the hello, then what rustls makes of it.
struct Shaking {
    config: Arc<Quic>,
    version: u32,
    params: TransportParameters,
    hello: Vec<u8>,
    chosen: Option<(Box<dyn Session>, Heard)>,
}

impl Shaking {
    fn session(&self) -> Option<&dyn Session> {
        self.chosen.as_ref().map(|(session, _)| &**session)
    }

    /// Chooses by the hello once it is whole.
    fn choose(&mut self) -> Result<bool, TransportError> {
        let [_, a, b, c, ..] = self.hello[..] else {
            return Ok(false);
        };
        let whole = HEADER + u32::from_be_bytes([0, a, b, c]) as usize;
        if whole > MAX_MESSAGE {
            return Err(alert(DECODE_ERROR, "the hello is too long"));
        }
        let Some(message) = self.hello.get(..whole) else {
            return Ok(false);
        };
        let hello = WireHello::parse(message)
            .ok_or_else(|| alert(DECODE_ERROR, "the hello cannot be read"))?;
        let ja4 = fingerprint(message, true);
        // There is one hello to a connection.
        let _ = self.config.said.0.set(Hello {
            name: hello.host().map(Into::into),
            ja4: ja4.clone(),
        });
        let name = hello.server_name.map(std::str::from_utf8).transpose();
        let name = name.map_err(|_| alert(DECODE_ERROR, "the name cannot be read"))?;
        let name: Option<Box<str>> = name.map(|name| name.to_ascii_lowercase().into());
        let tls = &self.config.tls;
        let Some(place) = tls.place(name.as_deref()) else {
            return Err(match tls.lacks(name.as_deref()) {
                Lack::Expired => alert(INTERNAL_ERROR, EXPIRED),
                Lack::Waiting => alert(INTERNAL_ERROR, "there is no certificate yet"),
                Lack::Unknown => alert(UNRECOGNIZED_NAME, "no certificate is good for this name"),
            });
        };
        let Some(config) = &tls.rules[place.rules].quic else {
            return Err(alert(INTERNAL_ERROR, "HTTP/3 is not spoken here"));
        };
        let heard = Heard {
            rules: place.rules,
            name,
            ja4,
        };
        let session = Arc::clone(config).start_session(self.version, &self.params);
        self.chosen = Some((session, heard));
        Ok(true)
    }
}

fn alert(code: u8, words: &str) -> TransportError {
    TransportError {
        code: TransportErrorCode::crypto(code),
        frame: None,
        reason: words.to_owned(),
    }
}

impl Session for Shaking {
    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        match self.session() {
            Some(session) => session.initial_keys(id, side),
            // What they are depends on the version alone.
            None => Arc::clone(&self.config.first)
                .start_session(self.version, &self.params)
                .initial_keys(id, side),
        }
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let (session, heard) = self.chosen.as_ref()?;
        let said = session.handshake_data()?.downcast::<HandshakeData>().ok()?;
        let name = said.server_name.map(|name| name.to_ascii_lowercase());
        Some(Box::new(Heard {
            rules: heard.rules,
            // Two readers of one hello have to agree on whom it asks for.
            name: (name.as_deref() == heard.name.as_deref()).then(|| heard.name.clone())?,
            ja4: heard.ja4.clone(),
        }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.session()?.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        // No 0-RTT: what comes in it may be a copy of what was said before.
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.session()
            .is_none_or(|session| session.is_handshaking())
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        if let Some((session, _)) = &mut self.chosen {
            return session.read_handshake(bytes);
        }
        self.hello.extend_from_slice(bytes);
        if !self.choose()? {
            return Ok(false);
        }
        let hello = std::mem::take(&mut self.hello);
        match &mut self.chosen {
            Some((session, _)) => session.read_handshake(&hello),
            None => Ok(false),
        }
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        match self.session() {
            Some(session) => session.transport_parameters(),
            None => Ok(None),
        }
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        self.chosen.as_mut()?.0.write_handshake(out)
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.chosen.as_mut()?.0.next_1rtt_keys()
    }

    fn is_valid_retry(&self, id: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.session()
            .is_some_and(|session| session.is_valid_retry(id, header, payload))
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        match self.session() {
            Some(session) => session.export_keying_material(output, label, context),
            None => Err(ExportKeyingMaterialError),
        }
    }
}

impl Secured {
    /// What a handshake within QUIC came to.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn over_quic(
        tls: &Arc<Tls>,
        data: Option<Box<dyn Any>>,
        identity: Option<Box<dyn Any>>,
    ) -> Result<Self, ReasonRef> {
        let heard = data.and_then(|data| data.downcast::<Heard>().ok());
        let heard = heard.ok_or(&reasons::HANDSHAKE_BROKEN)?;
        let identity =
            identity.and_then(|shown| shown.downcast::<Vec<CertificateDer<'static>>>().ok());
        let secured = Self {
            name: heard.name,
            protocol: Protocol::Http3,
            by: Arc::clone(tls),
            client: shown(identity.as_ref().map(|chain| chain.as_slice()))?,
            version: "1.3",
            ja4: heard.ja4,
            good_by: std::cell::RefCell::default(),
            verified_ms: std::cell::Cell::new(wall_ms()),
            known: std::cell::RefCell::default(),
        };
        // A resumed session brings the certificate of its first handshake along,
        // which was trusted then.
        if let Some(clients) = &tls.rules[heard.rules].clients {
            clients.check(secured.client())?;
        }
        Ok(secured)
    }
}

/// What rustls goes by within QUIC, which knows TLS 1.3 alone (RFC 9001, 4.2).
pub(super) fn config(
    clients: Option<&Clients>,
    certificates: &Arc<Names>,
) -> Result<Arc<QuicServerConfig>, String> {
    let config = super::config(TlsVersion::Tls13, &[b"h3"], clients, certificates)
        .map_err(|cause| cause.to_string())?;
    let config = QuicServerConfig::try_from(config).map_err(|cause| cause.to_string())?;
    Ok(Arc::new(config))
}

/// Why a handshake within QUIC came to nothing.
#[must_use]
pub fn failure(error: &quinn_proto::ConnectionError) -> ReasonRef {
    use quinn_proto::ConnectionError as Lost;
    let code = match error {
        Lost::TransportError(error) if error.reason == EXPIRED => return &reasons::GATE_EXPIRED,
        Lost::TransportError(error) => u64::from(error.code),
        // Its alert is the client's own word.
        Lost::ConnectionClosed(closed) => {
            let alert = u64::from(closed.error_code).checked_sub(0x100);
            let alert = alert.and_then(|alert| u8::try_from(alert).ok());
            return if alert.is_some_and(distrusts) {
                &reasons::CERTIFICATE_NOT_TAKEN
            } else {
                &reasons::HANDSHAKE_BROKEN
            };
        }
        Lost::TimedOut => return &reasons::HANDSHAKE_TOO_SLOW,
        _ => 0,
    };
    // Alerts are told as 0x100 and on (RFC 9001, 4.8).
    match code.checked_sub(0x100) {
        Some(45) => &reasons::CERTIFICATE_EXPIRED,
        Some(42 | 43 | 46 | 48) => &reasons::CERTIFICATE_REFUSED,
        Some(44) => &reasons::CERTIFICATE_REVOKED,
        Some(116) => &reasons::CERTIFICATE_MISSING,
        Some(40 | 47 | 70 | 71 | 109 | 120) => &reasons::NOTHING_COMMON,
        Some(112) => &reasons::NAME_UNKNOWN,
        Some(80) => &reasons::NO_CERTIFICATE,
        Some(50) => &reasons::NOT_TLS,
        _ => &reasons::HANDSHAKE_BROKEN,
    }
}
