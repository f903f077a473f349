//! A client's connection, with TLS or without. Never waits: a process that
//! sleeps has to be woken by the one that writes to it.

use crate::args::Args;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a connection may take to open, and to answer where it is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The host that certificates of the benchmark name.
const HOST: &str = "shop.example.com";

/// How connections are made.
#[derive(Clone)]
pub struct Dialer {
    target: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Dialer {
    /// To `--target`; with TLS where `--trust` names who issued its certificate.
    pub fn new(args: &Args) -> Result<Self, String> {
        let trust: Option<String> = args.optional("trust")?;
        let tls = trust.map(|file| config(&file)).transpose()?;
        Ok(Self { target: args.target()?, tls })
    }

    /// The same, beginning no session where another one ended.
    pub fn forgetful(mut self) -> Self {
        self.tls = self.tls.map(|tls| {
            let mut tls = ClientConfig::clone(&tls);
            tls.resumption = Resumption::disabled();
            Arc::new(tls)
        });
        self
    }

    /// Connects, and shakes hands.
    pub fn dial(&self) -> Result<Wire, String> {
        let failed = |error| format!("cannot connect to {}: {error}", self.target);
        let stream = TcpStream::connect_timeout(&self.target, PATIENCE).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_nonblocking(true).map_err(failed)?;
        let Some(tls) = &self.tls else { return Ok(Wire { stream, tls: None }) };
        let name = ServerName::try_from(HOST).map_err(|error| error.to_string())?;
        let connection = ClientConnection::new(Arc::clone(tls), name);
        let connection = connection.map_err(|error| error.to_string())?;
        let mut wire = Wire { stream, tls: Some(Box::new(connection)) };
        wire.shake()?;
        Ok(wire)
    }
}

fn config(file: &str) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let told = |error: &dyn std::fmt::Display| format!("{file}: {error}");
    for each in CertificateDer::pem_file_iter(file).map_err(|error| told(&error))? {
        roots.add(each.map_err(|error| told(&error))?).map_err(|error| told(&error))?;
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A connection.
pub struct Wire {
    /// The socket, non-blocking.
    pub stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    fn shake(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            let tls = self.tls.as_mut().ok_or("no TLS")?;
            match tls.complete_io(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() > end {
                        return Err(format!("no handshake within {PATIENCE:?}"));
                    }
                    std::hint::spin_loop();
                }
                Err(error) => return Err(format!("the handshake failed: {error}")),
            }
        }
        self.flush()
    }

    /// Whether the session of an earlier connection went on.
    pub fn resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.handshake_kind());
        kind == Some(rustls::HandshakeKind::Resumed)
    }

    /// Sends all of it.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = match &mut self.tls {
            None => self.stream.write_all(bytes),
            Some(tls) => tls.writer().write_all(bytes),
        };
        sent.map_err(|error| format!("cannot send: {error}"))?;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), String> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            match tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
                Err(error) => return Err(format!("cannot send: {error}")),
            }
        }
        Ok(())
    }

    /// Reads once; `None` where there is nothing yet.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, String> {
        let read = match &mut self.tls {
            None => self.stream.read(buffer),
            Some(tls) => {
                match tls.read_tls(&mut self.stream) {
                    Ok(0) => return Err("the connection was closed".to_owned()),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(format!("cannot receive: {error}")),
                }
                tls.process_new_packets().map_err(|error| error.to_string())?;
                // An answer has one record, and fits into one read beside two tickets.
                tls.reader().read(buffer)
            }
        };
        match read {
            Ok(0) => Err("the connection was closed".to_owned()),
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(format!("cannot receive: {error}")),
        }
    }

    /// Whether nothing has come, not even an end.
    pub fn is_silent(&self) -> bool {
        matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}
