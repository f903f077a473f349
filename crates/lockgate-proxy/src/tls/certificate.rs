//! A certificate of the gate's own with its key: read, and checked before it
//! is shown to anybody.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{digest, SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Certificates in a chain; real ones have two to four.
const MAX_CHAIN: usize = 16;

/// Why a certificate is of no use to a host.
pub const NAMELESS: &str = "the certificate names no host: it wants a Subject Alternative Name, since no client looks at the common name";

/// A certificate of the gate's own.
#[derive(Debug)]
pub struct Certificate {
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
    /// The hosts that it is good for, in lower case; `*.` stands for one label.
    pub names: Vec<String>,
    /// Who issued it.
    pub issuer: String,
    /// Not good before, seconds since the epoch.
    pub not_before: i64,
    /// Not good after, seconds since the epoch.
    pub not_after: i64,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
}

impl Certificate {
    /// Reads a chain, the certificate itself first, and its key; both PEM.
    ///
    /// # Errors
    /// What is wrong with them and what to do, in words; nothing of the key.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, String> {
        let given = chain;
        let chain = read_chain(chain)?;
        let [leaf, rest @ ..] = &*chain else {
            return Err(no_chain(given).to_owned());
        };
        if holds(key, "BEGIN ENCRYPTED PRIVATE KEY") || holds(key, "Proc-Type: 4,ENCRYPTED") {
            return Err(PASSWORD.to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| no_key(key))?;
        let (_, parsed) = X509Certificate::from_der(leaf)
            .map_err(|_| "the certificate cannot be read: it is no X.509")?;
        follows(&parsed, rest)?;
        let names = names(&parsed);
        let told = Self {
            names,
            issuer: parsed.issuer().to_string(),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            fingerprint: hex(digest(&SHA256, leaf).as_ref()),
            key: Arc::new(certified(chain.clone(), key, parsed.subject_pki.raw)?),
        };
        Ok(told)
    }

    /// Refuses one that is not good at `now_s`, seconds since the epoch.
    ///
    /// # Errors
    /// When it was or will be, in words.
    pub fn valid_at(&self, now_s: i64) -> Result<(), String> {
        if now_s > self.not_after {
            let days = (now_s - self.not_after) / 86_400;
            let plural = if days == 1 { "" } else { "s" };
            return Err(match days {
                0 => "the certificate expired today: renew it".to_owned(),
                _ => format!("the certificate expired {days} day{plural} ago: renew it"),
            });
        }
        if now_s < self.not_before {
            return Err("the certificate is not valid yet: look at the clock".to_owned());
        }
        Ok(())
    }
}

const PASSWORD: &str = "the key has a password: `openssl pkey -in KEY -out NEW.key` writes it without one; give that file to nobody (mode 0600)";

/// What a file without certificates is, as far as it shows.
fn no_chain(given: &[u8]) -> &'static str {
    if holds(given, "PRIVATE KEY-----") {
        "the chain holds a private key and no certificate: the files of `chain` and `key` may be swapped"
    } else if is_der(given) {
        "the chain is in DER and not in PEM: `openssl x509 -inform DER -in CHAIN -out NEW.pem` turns it into that"
    } else {
        "the chain holds no certificate"
    }
}

/// What a file without a key is, as far as it shows.
fn no_key(given: &[u8]) -> &'static str {
    if holds(given, "BEGIN CERTIFICATE-----") {
        "the key's file holds a certificate and no key: name the file with the private key"
    } else if is_der(given) {
        "the key is in DER and not in PEM: `openssl pkey -inform DER -in KEY -out NEW.key` turns it into that"
    } else {
        "the key is no private key in PEM (PKCS#8, PKCS#1 or SEC1) without a password"
    }
}

fn holds(given: &[u8], words: &str) -> bool {
    given
        .windows(words.len())
        .any(|window| window == words.as_bytes())
}

/// Whether it begins as a DER sequence of more than 127 bytes does, and so no text.
fn is_der(given: &[u8]) -> bool {
    matches!(given, [0x30, 0x81..=0x83, ..])
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    public: &[u8],
) -> Result<CertifiedKey, String> {
    let told = "the key cannot be used: it wants RSA of at least 2048 bits, ECDSA P-256 or P-384, or Ed25519";
    let key = super::provider()
        .key_provider
        .load_private_key(key)
        .map_err(|_| told)?;
    // Compared by ourselves: rustls would read the certificate as one that it verifies, and
    // refuse a challenge's for the extension that it must have (RFC 8737 section 3).
    if key.public_key().is_some_and(|own| own.as_ref() != public) {
        let told = "certificate and key do not belong together: take the key that the certificate was asked for with";
        return Err(told.to_owned());
    }
    Ok(CertifiedKey::new(chain, key))
}

/// Reads certificates in PEM.
///
/// # Errors
/// What is wrong with them, in words.
pub(super) fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem)
        .take(MAX_CHAIN + 1)
        .collect();
    let chain = read.map_err(|_| "this is no PEM file of certificates")?;
    if chain.len() > MAX_CHAIN {
        return Err(format!("a chain holds at most {MAX_CHAIN} certificates"));
    }
    Ok(chain)
}

/// Whether each certificate of a chain was issued by the next one: clients
/// may take others, and some refuse them.
fn follows(leaf: &X509Certificate<'_>, rest: &[CertificateDer<'_>]) -> Result<(), String> {
    let mut issuer = leaf.issuer().as_raw().to_vec();
    for (number, der) in rest.iter().enumerate() {
        let number = number + 2;
        let (_, parsed) = X509Certificate::from_der(der)
            .map_err(|_| format!("certificate {number} of the chain cannot be read"))?;
        if parsed.subject().as_raw() != issuer {
            return Err(format!(
                "certificate {number} of the chain did not issue the one before it: put the host's own first, then who issued it, and so on"
            ));
        }
        issuer = parsed.issuer().as_raw().to_vec();
    }
    Ok(())
}

fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let extension = parsed.subject_alternative_name().ok().flatten();
    let named = extension
        .iter()
        .flat_map(|found| &found.value.general_names);
    named
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes)
                    .ok()
                    .map(|bytes| std::net::Ipv4Addr::from(bytes).to_string()),
                16 => <[u8; 16]>::try_from(*bytes)
                    .ok()
                    .map(|bytes| format!("[{}]", std::net::Ipv6Addr::from(bytes))),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
