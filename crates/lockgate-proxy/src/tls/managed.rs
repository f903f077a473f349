//! Certificates that the control process looks after, and what it wants said
//! while an authority (ACME, RFC 8555) asks who has a name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::server::ResolvesServerCert;
use rustls::{server::ClientHello, sign::CertifiedKey, ServerConfig};
use serde::{Deserialize, Serialize};

use super::{Certificate, Pem};

/// The protocol of a tls-alpn-01 challenge (RFC 8737 section 6.2).
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";
/// Where an http-01 challenge is asked for (RFC 8555 section 8.3).
const HTTP_PREFIX: &str = "/.well-known/acme-challenge/";
/// The file that all of it is kept in.
const FILE: &str = "certificates.json";
/// What is kept, bytes: some thousand certificates.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Certificates and challenges, as the control process hands them over.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Handed {
    certificates: Vec<Named>,
    challenges: Vec<Challenge>,
}

/// A certificate with its key, both PEM.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    chain: String,
    key: String,
}

/// What an authority asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Challenge {
    /// Over plain HTTP.
    Http {
        /// The last part of the path.
        token: String,
        /// The key authorization.
        answer: String,
    },
    /// In a handshake.
    TlsAlpn(Named),
}

/// What is answered to authorities.
#[derive(Debug, Default)]
struct Challenges {
    http: HashMap<String, String>,
    tls: HashMap<String, Arc<ServerConfig>>,
}

/// Certificates and challenges of a gate.
#[derive(Debug)]
pub struct Managed {
    file: PathBuf,
    certificates: Mutex<Certificates>,
    /// They have changed, and are not at work yet.
    due: AtomicBool,
    challenges: ArcSwap<Challenges>,
}

impl Managed {
    /// What was kept in `folder`. What cannot be read is wanted again from the control process.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let managed = Self {
            file: folder.join(FILE),
            certificates: Mutex::default(),
            due: AtomicBool::new(false),
            challenges: ArcSwap::default(),
        };
        if let Ok(text) = crate::gate::secret::file(&managed.file, MAX_BYTES) {
            if let Ok((certificates, _)) = read(&text) {
                *lock(&managed.certificates) = certificates;
            }
        }
        managed
    }

    /// Takes what the control process hands over in the place of what was
    /// there. Whether certificates have to be put to work; [`Self::at_work`] wants to hear of it.
    ///
    /// # Errors
    /// Why it cannot be taken, in words; what was there stays.
    pub fn put(&self, text: &[u8]) -> Result<bool, String> {
        let (certificates, challenges) = read(text)?;
        let kept = crate::gate::keep(&self.file, text);
        self.challenges.store(Arc::new(challenges));
        let mut before = lock(&self.certificates);
        if *before != certificates {
            self.due.store(true, Ordering::Release);
        }
        *before = certificates;
        kept.map_err(|error| format!("{}: {error}", self.file.display()))?;
        Ok(self.due.load(Ordering::Acquire))
    }

    /// What was handed over last is at work.
    pub fn at_work(&self) {
        self.due.store(false, Ordering::Release);
    }

    /// The chain and key of this name.
    #[must_use]
    pub fn certificate(&self, name: &str) -> Option<Pem> {
        lock(&self.certificates).get(name).cloned()
    }

    /// What an authority that asks for this path is answered.
    #[must_use]
    pub fn http_answer(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(HTTP_PREFIX)?;
        self.challenges.load().http.get(token).cloned()
    }

    /// How the handshake of an authority goes on.
    pub(super) fn handshake(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut offered = hello.alpn()?;
        // Whoever offers anything beside it is no authority.
        if offered.next() != Some(ACME_TLS) || offered.next().is_some() {
            return None;
        }
        let name = hello.server_name()?.to_ascii_lowercase();
        self.challenges.load().tls.get(&name).cloned()
    }
}

type Certificates = HashMap<String, Pem>;

fn read(text: &[u8]) -> Result<(Certificates, Challenges), String> {
    // What stands in it is secret: the error of the reader would quote it.
    let handed: Handed =
        serde_json::from_slice(text).map_err(|_| "this is no list of certificates".to_owned())?;
    let mut challenges = Challenges::default();
    for challenge in handed.challenges {
        match challenge {
            Challenge::Http { token, answer } => {
                challenges.http.insert(token, answer);
            }
            Challenge::TlsAlpn(named) => {
                let config = config(&named)?;
                challenges
                    .tls
                    .insert(named.name.to_ascii_lowercase(), config);
            }
        }
    }
    let mut certificates = HashMap::new();
    for named in handed.certificates {
        Certificate::read(named.chain.as_bytes(), named.key.as_bytes())
            .map_err(|why| format!("the certificate `{}`: {why}", named.name))?;
        let pair = (named.chain.into_bytes(), named.key.into_bytes());
        certificates.insert(named.name, pair);
    }
    Ok((certificates, challenges))
}

fn config(named: &Named) -> Result<Arc<ServerConfig>, String> {
    let certificate = Certificate::read(named.chain.as_bytes(), named.key.as_bytes())
        .map_err(|why| format!("the challenge for `{}`: {why}", named.name))?;
    let unusable = |error: rustls::Error| format!("TLS cannot be set up: {error}");
    let mut config = ServerConfig::builder_with_provider(super::provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(One(certificate.key)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(Arc::new(config))
}

/// Shows one certificate.
#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
