//! A handshake with a client, from its first byte to a connection that is safe.

use std::cell::{Cell, RefCell};
use std::future::{poll_fn, Future};
use std::io;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::task::{ready, Poll};

use aws_lc_rs::digest;
use http::HeaderValue;
use lockgate_policy::mtls::ClientCertificate;
use lockgate_policy::ReasonRef;
use lockgate_wire::client_hello::{ClientHello as WireHello, Ja4, Progress, Reader};
use rustls::pki_types::CertificateDer;
use rustls::server::{Acceptor, ClientHello};
use rustls::{Error, HandshakeKind, PeerIncompatible, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio_rustls::StartHandshake;

use super::{clients, reasons, Lack, Managed, Tls};
use crate::bundle::Protocol;
use crate::clock::wall_ms;
use crate::net::{ConnectionState, Incoming, Stream};
use crate::ocsp::Known;

/// The alert `unrecognized_name` (RFC 6066 section 3), before there is a key.
const NAME_UNKNOWN_ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 112];
/// The alert `protocol_version`, in a record that clients of such an age take. The TLS library
/// misses what only younger ones say, and calls that what is wrong.
const OLD_ALERT: &[u8] = &[21, 3, 1, 0, 2, 2, 70];
const TLS_1_2: u16 = 0x0303;
/// The alert `internal_error`.
const INTERNAL_ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// The alert `access_denied`.
const DENIED_ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 49];

/// How long a client's certificate that was verified is taken for good, milliseconds. Lists run out,
/// and authorities, while no file changes.
const VERIFY_MS: u64 = 60_000;

/// One read; a hello has some 500 to 1,900 bytes.
const HEARD: usize = 4096;

/// Said to who speaks HTTP where TLS is wanted.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
content-type: text/plain; charset=utf-8\r\n\
content-length: 50\r\n\
connection: close\r\n\
\r\n\
This port speaks HTTPS: ask with https:// instead.";

/// What is known of a connection from its handshake.
#[derive(Debug)]
pub struct Secured {
    /// The name that the client asked for, in lower case.
    pub name: Option<Box<str>>,
    /// The protocol that was agreed on by ALPN; HTTP/1.1 where none was.
    pub protocol: Protocol,
    /// By which certificates and rules the handshake went.
    pub by: Arc<Tls>,
    pub(super) client: Option<Box<ClientCertificate>>,
    /// The version of TLS, `1.2` or `1.3`.
    pub version: &'static str,
    /// The fingerprint JA4 of what the client offered.
    pub ja4: Option<Box<str>>,
    /// By which rules the client was found good last, where they are not those of the handshake.
    pub(super) good_by: RefCell<Option<Arc<Tls>>>,
    /// When it was, milliseconds since the epoch.
    pub(super) verified_ms: Cell<u64>,
    /// What its authority's responder said of the client.
    pub(crate) known: RefCell<Option<Known>>,
}

impl Secured {
    #[cfg(test)]
    pub(crate) fn for_tests(
        tls: &Arc<Tls>,
        name: Option<&str>,
        chain: &[CertificateDer<'static>],
    ) -> Self {
        Self {
            name: name.map(Into::into),
            protocol: Protocol::Http1,
            by: Arc::clone(tls),
            client: ClientCertificate::read(chain).map(Box::new),
            version: "1.3",
            ja4: None,
            good_by: RefCell::default(),
            verified_ms: Cell::new(wall_ms()),
            known: RefCell::default(),
        }
    }

    /// Whether the client was found good by these rules of late: to verify it anew with each
    /// request would cost as much as a handshake each time.
    #[must_use]
    pub fn was_good_by(&self, tls: &Arc<Tls>, now_ms: u64) -> bool {
        let is = |by: &Arc<Tls>| Arc::ptr_eq(tls, by);
        let by_these = is(&self.by) || self.good_by.borrow().as_ref().is_some_and(is);
        by_these && now_ms < self.verified_ms.get() + VERIFY_MS
    }

    /// Notes that it was.
    pub fn is_good_by(&self, tls: &Arc<Tls>, now_ms: u64) {
        self.verified_ms.set(now_ms);
        if !Arc::ptr_eq(tls, &self.by) {
            self.good_by.replace(Some(Arc::clone(tls)));
        }
    }

    /// Value of `Strict-Transport-Security`, where the listener has one.
    #[must_use]
    pub fn hsts(&self) -> Option<&[u8]> {
        self.by.hsts.as_ref().map(HeaderValue::as_bytes)
    }

    /// The certificate that the client showed; it was trusted.
    #[must_use]
    pub fn client(&self) -> Option<&ClientCertificate> {
        self.client.as_deref()
    }
}

/// What a connection is, once its client has spoken.
// Nearly all are safe, and it is taken apart at once: a box would be one more for each connection.
#[allow(clippy::large_enum_variant)]
pub enum Handshake {
    /// Safe.
    Safe(Stream, Secured),
    /// For a name that is ended elsewhere. In a box, since few are.
    Carried(Box<Carried>),
    /// Over: the handshake was all that was wanted of it.
    Over,
}

/// A handshake that came to nothing.
pub struct Failed {
    /// Why.
    pub reason: ReasonRef,
    /// What the client said before.
    pub hello: Hello,
    /// The connection, where the client was told why and may not have read it yet.
    pub told: Option<Incoming>,
}

/// Why a handshake comes to nothing, with the connection as in [`Failed`].
struct Refused(ReasonRef, Option<Incoming>);

impl From<ReasonRef> for Refused {
    fn from(reason: ReasonRef) -> Self {
        Self(reason, None)
    }
}

/// What is known of a client by its hello.
#[derive(Debug, Clone, Default)]
pub struct Hello {
    /// The name that it asks for, in lower case.
    pub name: Option<Box<str>>,
    /// The fingerprint JA4 of what it offers.
    pub ja4: Option<Box<str>>,
}

impl From<ReasonRef> for Failed {
    fn from(reason: ReasonRef) -> Self {
        Self {
            reason,
            hello: Hello::default(),
            told: None,
        }
    }
}

/// A connection that is carried on as it is.
pub struct Carried {
    /// Nothing was said to the client.
    pub stream: Incoming,
    /// All that was read of it.
    pub heard: Vec<u8>,
    /// The name that the client asks for, in lower case.
    pub name: Box<str>,
    /// The number of the listener's entry that has it.
    pub entry: usize,
    /// The fingerprint JA4 of what the client offers.
    pub ja4: Option<Box<str>>,
}

/// Takes a client's handshake. The connection's state bounds its time.
///
/// # Errors
/// Why there is none. The client was told by an alert, as far as that can be.
pub async fn accept(
    stream: Incoming,
    tls: &Arc<Tls>,
    managed: &Managed,
    state: &ConnectionState,
) -> Result<Handshake, Failed> {
    let hello = Cell::default();
    let mut shaking = pin!(shake(stream, tls, managed, &hello));
    let shaken = poll_fn(|cx| {
        state.wake_with(cx.waker());
        match shaking.as_mut().poll(cx) {
            Poll::Pending if state.tripped().is_some() || state.draining.get() => {
                Poll::Ready(Err(Refused::from(&reasons::HANDSHAKE_TOO_SLOW)))
            }
            polled => polled,
        }
    });
    let shaken = shaken.await;
    shaken.map_err(|Refused(reason, told)| Failed {
        reason,
        hello: hello.take(),
        told,
    })
}

/// What the client said is left in `known`, in case that it comes to nothing.
async fn shake(
    stream: Incoming,
    tls: &Arc<Tls>,
    managed: &Managed,
    known: &Cell<Hello>,
) -> Result<Handshake, Refused> {
    let (started, ja4) = match hear(stream, tls, known).await? {
        Heard::Started(started, ja4) => (started, ja4),
        Heard::Carried(carried) => return Ok(Handshake::Carried(carried)),
    };
    let hello = started.client_hello();
    if let Some(config) = managed.handshake(&hello) {
        let mut stream = started
            .into_stream(config)
            .await
            .map_err(|error| why(&error))?;
        // What the authority wanted to see was in the handshake.
        let _ = stream.shutdown().await;
        return Ok(Handshake::Over);
    }
    let name = asked(&hello);
    known.set(Hello {
        name: name.clone(),
        ja4: ja4.clone(),
    });
    let Some(place) = tls.place(name.as_deref()) else {
        let (alert, reason) = if name.as_deref().and_then(|name| tls.carries(name)).is_some() {
            // The TLS library read what our own reader did not, or not in one way alone.
            (NAME_UNKNOWN_ALERT, &reasons::PASSTHROUGH_UNCLEAR)
        } else {
            match tls.lacks(name.as_deref()) {
                Lack::Expired => (INTERNAL_ALERT, &reasons::GATE_EXPIRED),
                Lack::Waiting => (INTERNAL_ALERT, &reasons::NO_CERTIFICATE),
                Lack::Unknown => (NAME_UNKNOWN_ALERT, &reasons::NAME_UNKNOWN),
            }
        };
        // Nothing was written so far: the alert is all that is said.
        let stream = say(started.io, alert).await;
        return Err(Refused(reason, Some(stream)));
    };
    let rules = &tls.rules[place.rules];
    let shaking = started.into_stream(Arc::clone(&rules.config));
    let stream = match shaking.into_fallible().await {
        Ok(stream) => stream,
        // The alert is on its way.
        Err((error, stream)) => return Err(Refused(why(&error), Some(say(stream, &[]).await))),
    };
    let (_, connection) = stream.get_ref();
    let secured = Secured {
        name,
        protocol: match connection.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        },
        by: Arc::clone(tls),
        client: shown(connection.peer_certificates())?,
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            // The gate offers no third one.
            _ => "1.3",
        },
        ja4,
        good_by: RefCell::default(),
        verified_ms: Cell::new(wall_ms()),
        known: RefCell::default(),
    };
    // A resumed session brings the certificate of its first handshake along,
    // which was trusted then.
    if connection.handshake_kind() == Some(HandshakeKind::Resumed) {
        if let Some(clients) = &rules.clients {
            clients.check(secured.client())?;
        }
    }
    Ok(Handshake::Safe(Stream::Tls(Box::new(stream)), secured))
}

/// What a client's hello says. It lives for a moment, in the box of its handshake.
#[allow(clippy::large_enum_variant)]
enum Heard {
    /// A handshake that is ended here.
    Started(StartHandshake<Incoming>, Option<Box<str>>),
    /// Whom it asks for is elsewhere.
    Carried(Box<Carried>),
}

/// Reads a client's hello, and what it tells of its program.
async fn hear(mut stream: Incoming, tls: &Tls, known: &Cell<Hello>) -> Result<Heard, Refused> {
    let mut acceptor = Acceptor::default();
    let mut reader = Reader::default();
    let mut bytes = [0; HEARD];
    let mut first = true;
    // Where some names are carried on, the TLS library hears nothing before it is known which this
    // one is: it would refuse what is for others to judge.
    let mut held = (!tls.carried.is_empty()).then(Vec::new);
    loop {
        let count = match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return Err(Refused::from(&reasons::HANDSHAKE_BROKEN)),
            Ok(count) => count,
        };
        let mut came = &bytes[..count];
        // A TLS record begins with its type, 22; HTTP begins with a method.
        if std::mem::take(&mut first) && came[0].is_ascii_uppercase() {
            // Version 1 of the PROXY protocol does so too, and is no request.
            if came.starts_with(b"PROXY ") {
                return Err(Refused::from(&reasons::NOT_TLS));
            }
            let stream = say(stream, PLAIN_ANSWER).await;
            return Err(Refused(&reasons::PLAIN_HTTP, Some(stream)));
        }
        let mut ja4 = None;
        let progress = reader.feed(came);
        if let Progress::Done(message) = progress {
            ja4 = fingerprint(message, false);
        }
        let whole;
        if let Some(mut heard) = held.take() {
            heard.extend_from_slice(came);
            match progress {
                // No more than the reader's own bound comes together here.
                Progress::Need => {
                    held = Some(heard);
                    continue;
                }
                Progress::Done(message) => {
                    let name = WireHello::parse(message).and_then(|hello| hello.host());
                    let entry = name.as_deref().and_then(|name| tls.carries(name));
                    if let (Some(name), Some(entry)) = (name, entry) {
                        return Ok(Heard::Carried(Box::new(Carried {
                            stream,
                            heard,
                            name: name.into(),
                            entry,
                            ja4,
                        })));
                    }
                }
                Progress::NotTls => {}
            }
            whole = heard;
            came = &whole;
        }
        while !came.is_empty() {
            if acceptor.read_tls(&mut came).is_err() {
                return Err(Refused::from(&reasons::NOT_TLS));
            }
            match acceptor.accept() {
                // What follows in the same read belongs to a client that did not wait:
                // before the gate's own hello there is nothing more to say.
                Ok(Some(_)) if !came.is_empty() => return Err(Refused::from(&reasons::NOT_TLS)),
                Ok(Some(accepted)) => {
                    return Ok(Heard::Started(
                        StartHandshake::from_parts(accepted, stream),
                        ja4,
                    ))
                }
                Ok(None) => {}
                Err((error, mut alert)) => {
                    let hello = match progress {
                        Progress::Done(message) => WireHello::parse(message),
                        _ => None,
                    };
                    let old = hello
                        .as_ref()
                        .is_some_and(|hello| hello.is_older_than(TLS_1_2));
                    if let Some(hello) = hello {
                        let name = hello.host().map(Into::into);
                        known.set(Hello { name, ja4 });
                    }
                    if old {
                        let stream = say(stream, OLD_ALERT).await;
                        return Err(Refused(&reasons::TOO_OLD, Some(stream)));
                    }
                    let mut words = Vec::new();
                    // Writing to memory cannot fail.
                    let _ = alert.write_all(&mut words);
                    let stream = say(stream, &words).await;
                    return Err(Refused(reason(&error), Some(stream)));
                }
            }
        }
    }
}

/// Ends a connection to which nothing was said yet, with an alert that something is amiss here.
pub async fn give_up(stream: Incoming) -> Incoming {
    say(stream, INTERNAL_ALERT).await
}

/// Throws away what still comes of a client that was told the last word, until it ends or is not
/// waited for any more. What is not read would make the kernel reset the connection, and the word
/// be lost: with TLS 1.3 a client asks before it hears what becomes of its certificate.
pub async fn part(mut stream: Incoming, state: &ConnectionState) {
    let mut thrown = [0; HEARD];
    poll_fn(|cx| {
        state.wake_with(cx.waker());
        loop {
            if state.tripped().is_some() {
                return Poll::Ready(());
            }
            let mut thrown = ReadBuf::new(&mut thrown);
            match ready!(Pin::new(&mut stream).poll_read(cx, &mut thrown)) {
                Ok(()) if !thrown.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Ends one whose client may not come.
pub async fn turn_away(stream: Incoming) -> Incoming {
    say(stream, DENIED_ALERT).await
}

pub(super) fn fingerprint(message: &[u8], quic: bool) -> Option<Box<str>> {
    let sha256 = |bytes: &[u8]| {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        hash
    };
    let hello = WireHello::parse(message)?;
    let ja4 = Ja4::new(&hello.parts(quic)).fingerprint(sha256);
    Some(ja4.into())
}

fn asked(hello: &ClientHello<'_>) -> Option<Box<str>> {
    hello
        .server_name()
        .map(|name| name.to_ascii_lowercase().into())
}

/// What the client showed. What is trusted and still cannot be read as a whole is nobody's name.
pub(super) fn shown(
    chain: Option<&[CertificateDer<'static>]>,
) -> Result<Option<Box<ClientCertificate>>, ReasonRef> {
    match chain {
        None | Some([]) => Ok(None),
        Some(chain) => match ClientCertificate::read(chain) {
            Some(read) => Ok(Some(Box::new(read))),
            None => Err(&reasons::CERTIFICATE_REFUSED),
        },
    }
}

/// The last word, after which no other is said.
async fn say(mut stream: Incoming, words: &[u8]) -> Incoming {
    // Whoever is gone needs no word.
    let _ = stream.write_all(words).await;
    let _ = stream.shutdown().await;
    stream
}

/// The reason for an error of the handshake.
fn why(error: &io::Error) -> ReasonRef {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.map_or(&reasons::HANDSHAKE_BROKEN, reason)
}

/// Whether a client says by this alert that it does not take the gate's certificate (RFC 8446 section 6.2).
pub(super) const fn distrusts(alert: u8) -> bool {
    matches!(alert, 42..=46 | 48)
}

fn reason(error: &Error) -> ReasonRef {
    match error {
        Error::NoCertificatesPresented => &reasons::CERTIFICATE_MISSING,
        Error::InvalidCertificate(error) => clients::reason(error),
        Error::PeerIncompatible(
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => &reasons::TOO_OLD,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => &reasons::NOTHING_COMMON,
        Error::InvalidMessage(_) => &reasons::NOT_TLS,
        Error::AlertReceived(alert) if distrusts((*alert).into()) => {
            &reasons::CERTIFICATE_NOT_TAKEN
        }
        _ => &reasons::HANDSHAKE_BROKEN,
    }
}
