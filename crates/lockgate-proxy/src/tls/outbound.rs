//! TLS towards upstreams: verified, unless a waiver says otherwise.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{digest, SHA256};
use lockgate_policy::Waiver;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate::Certificate;
use crate::bundle::{Protocol, TlsVersion};
use crate::upstream::{At, Target};

/// Keys that an upstream may be held to: the present one and those to come.
const MAX_PINS: usize = 16;

/// How the gate speaks TLS with an upstream.
#[derive(Debug)]
pub struct Outbound {
    /// What connections are made with.
    pub config: Arc<ClientConfig>,
    /// The name that is asked for in the place of the target's own.
    name: Option<ServerName<'static>>,
    /// What allows that certificates are not verified.
    pub unverified: Option<Waiver>,
}

/// What [`Outbound::new`] makes it of, read.
#[derive(Debug)]
pub struct Parts {
    /// Authorities, PEM; none for the system's.
    pub trust: Vec<Vec<u8>>,
    /// SHA-256 of public keys, one of which the server's has to be.
    pub pins: Vec<[u8; 32]>,
    /// What the gate shows.
    pub client: Option<Arc<Certificate>>,
    /// The oldest version that is spoken.
    pub minimum: TlsVersion,
    /// What is spoken over it.
    pub protocol: Protocol,
    /// Whom to ask for, instead of the target.
    pub server_name: Option<String>,
    /// What allows that certificates are not verified.
    pub unverified: Option<Waiver>,
}

impl Outbound {
    /// Makes it.
    ///
    /// # Errors
    /// What is wrong with its parts, in words.
    pub fn new(parts: Parts) -> Result<Self, String> {
        let provider = super::provider();
        let inner = if parts.unverified.is_some() {
            None
        } else {
            let roots = if parts.trust.is_empty() {
                system()?
            } else {
                roots(&parts.trust)?
            };
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build();
            Some(built.map_err(|error| format!("`trust` cannot be used: {error}"))?)
        };
        if parts.pins.len() > MAX_PINS {
            return Err(format!("at most {MAX_PINS} keys can be pinned"));
        }
        let verifier = Arc::new(Verifier {
            inner,
            pins: parts.pins,
            provider: Arc::clone(&provider),
        });
        let building = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(super::versions(parts.minimum))
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match parts.client {
            Some(client) => {
                building.with_client_cert_resolver(Arc::new(Shown(Arc::clone(&client.key))))
            }
            None => building.with_no_client_auth(),
        };
        config.alpn_protocols = parts
            .protocol
            .alpn()
            .iter()
            .map(|name| name.to_vec())
            .collect();
        let name = parts.server_name.map(ServerName::try_from).transpose();
        Ok(Self {
            config: Arc::new(config),
            name: name.map_err(|_| "`server_name` is not a host's name".to_owned())?,
            unverified: parts.unverified,
        })
    }

    /// The name that a target is asked for, and has to prove.
    #[must_use]
    pub fn name_of(&self, target: &Target) -> Option<ServerName<'static>> {
        if let Some(name) = &self.name {
            return Some(name.clone());
        }
        match target.at() {
            At::Address(address) => Some(ServerName::IpAddress(address.ip().into())),
            At::Localhost(_) => ServerName::try_from("localhost").ok(),
            At::Name(name, _) | At::Srv(name) => ServerName::try_from(name.clone()).ok(),
            At::Unix(_) => None,
        }
    }
}

/// Reads authorities.
fn roots(files: &[Vec<u8>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for pem in files {
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| "`trust` is no PEM file of certificates")?;
            roots
                .add(der)
                .map_err(|_| "`trust` holds a certificate that cannot be read")?;
        }
    }
    if roots.is_empty() {
        return Err("`trust` holds no certificate".to_owned());
    }
    Ok(roots)
}

/// The system's authorities.
fn system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let told = "this machine has no authorities: install its package of them (ca-certificates), or name `trust`";
        return Err(told.to_owned());
    }
    Ok(roots)
}

/// Shows one certificate to whoever asks for one.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Verifies an upstream's certificate, and holds it to its pins.
#[derive(Debug)]
struct Verifier {
    /// `None` where a waiver allows any certificate.
    inner: Option<Arc<WebPkiServerVerifier>>,
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// The server's own key has to be a pinned one: of what else it sends
    /// nothing is proved to be on the way to an authority.
    fn pinned(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        if self.pins.is_empty() {
            return Ok(());
        }
        let (_, parsed) = X509Certificate::from_der(leaf)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let print = digest(&SHA256, parsed.public_key().raw);
        let known = |pin: &[u8; 32]| verify_slices_are_equal(pin, print.as_ref()).is_ok();
        if self.pins.iter().any(known) {
            Ok(())
        } else {
            Err(Error::General("its key is none of `pins`".to_owned()))
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(inner) = &self.inner {
            inner.verify_server_cert(leaf, rest, name, ocsp, now)?;
        }
        self.pinned(leaf)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
