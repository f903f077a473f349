//! Whose certificates clients may show.

use std::sync::Arc;

use lockgate_policy::ReasonRef;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, Error, RootCertStore};

use super::reasons;

/// Authorities of one listener: a bundle with old and new ones holds a handful.
const MAX_AUTHORITIES: usize = 1_000;
/// Revocation lists of one listener.
const MAX_LISTS: usize = 100;

/// Whose certificates clients may show, and which of them were revoked.
#[derive(Debug)]
pub struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    require: bool,
}

impl Clients {
    /// Reads authorities and revocation lists, all PEM.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn read(authorities: &[Vec<u8>], lists: &[Vec<u8>], require: bool) -> Result<Self, String> {
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
        let mut read = Vec::new();
        for pem in lists {
            let before = read.len();
            for der in CertificateRevocationListDer::pem_slice_iter(pem) {
                read.push(der.map_err(|_| "`crl` is no PEM file of revocation lists")?);
            }
            if read.len() == before {
                return Err("`crl` holds no revocation list in PEM".to_owned());
            }
            if read.len() > MAX_LISTS {
                return Err(format!("`crl` holds more than {MAX_LISTS} lists"));
            }
        }
        let mut building =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), super::provider())
                .with_crls(read)
                // Of authorities without a list nothing is known to be revoked.
                .allow_unknown_revocation_status();
        if !require {
            building = building.allow_unauthenticated();
        }
        let verifier = building
            .build()
            .map_err(|error| format!("`trust` or `crl` cannot be used: {error}"))?;
        Ok(Self { verifier, require })
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    /// Looks again at a chain that was shown before.
    ///
    /// # Errors
    /// Why it is not trusted any more.
    pub(super) fn check(&self, chain: &[CertificateDer<'_>]) -> Result<(), ReasonRef> {
        let [leaf, rest @ ..] = chain else {
            return if self.require {
                Err(&reasons::CERTIFICATE_MISSING)
            } else {
                Ok(())
            };
        };
        let verified = self
            .verifier
            .verify_client_cert(leaf, rest, UnixTime::now());
        match verified {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(CertificateError::Revoked)) => {
                Err(&reasons::CERTIFICATE_REVOKED)
            }
            Err(_) => Err(&reasons::CERTIFICATE_REFUSED),
        }
    }
}
