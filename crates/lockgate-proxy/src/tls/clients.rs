//! Whose certificates clients may show.

use std::sync::Arc;

use lockgate_policy::mtls::ClientCertificate;
use lockgate_policy::ReasonRef;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::{reasons, revocation};
use crate::bundle::{Ocsp, UnknownRevocation};
use crate::ocsp::Asking;

/// Authorities of one listener: a bundle with old and new ones holds a handful.
const MAX_AUTHORITIES: usize = 1_000;

/// Certificates that a client may show besides its own: real chains have one to three, and none
/// is followed over more than six (webpki's own bound on the depth).
const MAX_OTHERS: usize = 8;
/// Bytes of all that a client shows: a chain of four with RSA keys of 4,096 bits has some 8 KiB.
/// TLS itself would take 64 KiB (rustls's bound on a message of the handshake).
const MAX_SHOWN: usize = 32 * 1024;

/// Whose certificates clients may show, and which of them were revoked.
#[derive(Debug)]
pub struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    require: bool,
    /// How responders are asked, where they are.
    pub(super) ocsp: Option<Arc<Asking>>,
}

impl Clients {
    /// Reads authorities and revocation lists, all PEM. Without lists none are asked; what
    /// responders say comes after the handshake.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn read(
        authorities: &[Vec<u8>],
        lists: &[Vec<u8>],
        (require, unknown): (bool, UnknownRevocation),
        ocsp: Option<&Ocsp>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for pem in authorities {
            for der in CertificateDer::pem_slice_iter(pem) {
                let der = der.map_err(|_| "`trust` is no PEM file of certificates")?;
                roots
                    .add(der)
                    .map_err(|_| "`trust` holds a certificate that cannot be read")?;
                if roots.len() > MAX_AUTHORITIES {
                    return Err(format!(
                        "`trust` holds more than {MAX_AUTHORITIES} authorities"
                    ));
                }
            }
        }
        if roots.is_empty() {
            return Err("`trust` holds no certificate".to_owned());
        }
        let read = revocation::read(lists)?;
        if unknown == UnknownRevocation::Deny && read.is_empty() && ocsp.is_none() {
            let told = "`unknown_revocation: deny` wants `crl` or `ocsp`: without either nobody could come in";
            return Err(told.to_owned());
        }
        let roots = Arc::new(roots);
        let built = |lists| {
            let building =
                WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), super::provider())
                    .with_crls(lists);
            let building = match unknown {
                // Of authorities without a list nothing is known to be revoked; and a list that is
                // out of date still says what was revoked before.
                UnknownRevocation::Allow => building.allow_unknown_revocation_status(),
                UnknownRevocation::Deny => building.enforce_revocation_expiration(),
            };
            let building = if require {
                building
            } else {
                building.allow_unauthenticated()
            };
            building
                .build()
                .map_err(|error| format!("`trust` or `crl` cannot be used: {error}"))
        };
        let mut sets = revocation::sets(read)?.into_iter();
        let first = built(sets.next().unwrap_or_default())?;
        let others = sets
            .map(|set| Ok(built(set)? as Arc<dyn ClientCertVerifier>))
            .collect::<Result<_, String>>()?;
        let verifier = Arc::new(Verifier { first, others });
        let ocsp = ocsp.map(|wanted| Arc::new(Asking::new(wanted, unknown)));
        Ok(Self {
            verifier,
            require,
            ocsp,
        })
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    /// Why a client that shows this is turned away in the handshake.
    #[must_use]
    pub fn refuses(&self, shown: &ClientCertificate) -> Option<ReasonRef> {
        self.check(Some(shown)).err()
    }

    /// Looks again at a certificate that was shown before.
    ///
    /// # Errors
    /// Why it is not trusted any more.
    pub(super) fn check(&self, shown: Option<&ClientCertificate>) -> Result<(), ReasonRef> {
        let Some(shown) = shown else {
            return if self.require {
                Err(&reasons::CERTIFICATE_MISSING)
            } else {
                Ok(())
            };
        };
        let chain = shown.chain().iter().map(|der| CertificateDer::from(&**der));
        let chain: Vec<_> = chain.collect();
        let [leaf, rest @ ..] = &*chain else {
            return Err(&reasons::CERTIFICATE_MISSING);
        };
        let verified = self
            .verifier
            .verify_client_cert(leaf, rest, UnixTime::now());
        match verified {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(error)) => Err(reason(&error)),
            Err(_) => Err(&reasons::CERTIFICATE_REFUSED),
        }
    }
}

/// What a client would show, from PEM: its own certificate first.
#[must_use]
pub fn read_client_certificate(pem: &[u8]) -> Option<ClientCertificate> {
    let shown = CertificateDer::pem_slice_iter(pem).take(MAX_OTHERS + 1);
    let chain = shown.collect::<Result<Vec<_>, _>>().ok()?;
    ClientCertificate::read(&chain)
}

/// The reason for an error of a client's certificate.
pub(super) fn reason(error: &CertificateError) -> ReasonRef {
    match error {
        CertificateError::Revoked => &reasons::CERTIFICATE_REVOKED,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => &reasons::CERTIFICATE_EXPIRED,
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => {
            &reasons::CERTIFICATE_UNKNOWN_STATUS
        }
        CertificateError::Other(OtherError(cause)) if cause.is::<TooLarge>() => {
            &reasons::CERTIFICATE_TOO_LARGE
        }
        _ => &reasons::CERTIFICATE_REFUSED,
    }
}

/// More was shown than is looked at.
#[derive(Debug)]
struct TooLarge;

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too many certificates, or too large ones")
    }
}

impl std::error::Error for TooLarge {}

/// Looks at no more than a client may show, before any signature is verified, and at it with
/// each set of revocation lists.
#[derive(Debug)]
struct Verifier {
    first: Arc<dyn ClientCertVerifier>,
    others: Vec<Arc<dyn ClientCertVerifier>>,
}

impl Verifier {
    /// Trusts whom one set lets in, and none has anything against. A set with the list of another
    /// authority of the same name only says that the list's signature is not its issuer's.
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut verified = self.first.verify_client_cert(leaf, rest, now);
        for each in &self.others {
            if matches!(&verified, Err(error) if !of_another_key(error)) {
                break;
            }
            match each.verify_client_cert(leaf, rest, now) {
                Err(error) if of_another_key(&error) => {}
                told => verified = told,
            }
        }
        verified
    }
}

/// Whether a list, or a certificate on one of the ways to an authority, was signed by another key
/// than its issuer's. What a list says ranks higher with the library (webpki's `Error::rank`).
fn of_another_key(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertRevocationList(_)
            | Error::InvalidCertificate(
                CertificateError::BadSignature
                    | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
            )
    )
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.first.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.first.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.first.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bytes: usize = rest.iter().map(|each| each.len()).sum();
        if rest.len() > MAX_OTHERS || leaf.len() + bytes > MAX_SHOWN {
            let cause = OtherError(Arc::new(TooLarge));
            return Err(CertificateError::Other(cause).into());
        }
        self.verify(leaf, rest, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.first.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.first.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.first.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.first.requires_raw_public_keys()
    }
}
