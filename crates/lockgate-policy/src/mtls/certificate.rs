//! A client's certificate as policies see it. Whether it is to be trusted was
//! decided by TLS; here is only what it says.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{digest, SHA256};
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use http::HeaderValue;
use serde_json::{json, Map, Value};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{name, spiffe};

/// Names of one certificate that are looked at: those of public web servers have up to 100, and
/// CAs take no more than a few hundred.
const MAX_NAMES: usize = 256;
/// Longest name that is looked at, bytes: a SPIFFE ID has at most 2,048.
const MAX_NAME: usize = 2_048;

/// What a certificate says, as claims.
pub const CLAIMS: [&str; 10] = [
    "subject", "issuer", "serial", "dns", "uri", "email", "ip", "spki", "x5t#S256", "exp",
];

/// A certificate that a client showed, and that was trusted.
pub struct ClientCertificate {
    /// DNS names, in lower case.
    pub(super) dns: Box<[Box<str>]>,
    /// URIs, as they are.
    pub(super) uris: Box<[Box<str>]>,
    /// Its SPIFFE ID.
    pub(super) spiffe: Option<Box<str>>,
    /// Addresses of e-mail, the host in lower case.
    pub(super) emails: Box<[Box<str>]>,
    /// IP addresses.
    pub(super) addresses: Box<[IpAddr]>,
    /// The subject's attributes that have a short name.
    pub(super) subject: Box<[name::Attribute]>,
    /// The whole subject (RFC 4514).
    pub(super) subject_text: Box<str>,
    /// SHA-256 of the public key.
    pub(super) key: [u8; 32],
    fingerprint: [u8; 32],
    not_before_ms: u64,
    not_after_ms: u64,
    claims: OnceLock<Arc<Map<String, Value>>>,
    issuer: Box<str>,
    serial: Box<str>,
    /// The certificate, and then those that came with it, DER.
    chain: Box<[Box<[u8]>]>,
    told: OnceLock<Option<HeaderValue>>,
    told_chain: OnceLock<Option<HeaderValue>>,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClientCertificate")
            .field(&self.subject_text)
            .finish()
    }
}

impl ClientCertificate {
    /// Reads what a client showed: its own certificate first, all DER. `None` where the first
    /// cannot be read as a whole, or says more than can be looked at.
    #[must_use]
    pub fn read<D: AsRef<[u8]>>(chain: &[D]) -> Option<Self> {
        let leaf = chain.first()?.as_ref();
        let (rest, parsed) = X509Certificate::from_der(leaf).ok()?;
        // `subject_alternative_name` is an error where there are two of them.
        let extension = parsed.subject_alternative_name().ok()?;
        let names = extension.map_or(&[][..], |found| &found.value.general_names);
        if !rest.is_empty() || names.len() > MAX_NAMES {
            return None;
        }
        let validity = parsed.validity();
        let ms = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000);
        let mut serial = String::new();
        for byte in parsed.raw_serial() {
            let _ = write!(serial, "{byte:02x}");
        }
        Some(Self {
            dns: texts(names, |name| match name {
                GeneralName::DNSName(text) => Some(text.to_ascii_lowercase()),
                _ => None,
            }),
            uris: texts(names, |name| match name {
                GeneralName::URI(text) => Some((*text).to_owned()),
                _ => None,
            }),
            spiffe: spiffe::id(names.iter().filter_map(|name| match name {
                GeneralName::URI(text) => Some(*text),
                _ => None,
            }))
            .map(Into::into),
            emails: texts(names, |name| match name {
                GeneralName::RFC822Name(text) => {
                    let (local, host) = text.rsplit_once('@')?;
                    Some(format!("{local}@{}", host.to_ascii_lowercase()))
                }
                _ => None,
            }),
            addresses: names.iter().filter_map(address).collect(),
            subject: name::parts(parsed.subject()),
            subject_text: name::text(parsed.subject()).into(),
            key: sha256(parsed.public_key().raw),
            fingerprint: sha256(leaf),
            not_before_ms: ms(validity.not_before.timestamp()),
            // Its last second is still its own (RFC 5280 section 4.1.2.5).
            not_after_ms: ms(validity.not_after.timestamp().saturating_add(1)),
            claims: OnceLock::new(),
            issuer: name::text(parsed.issuer()).into(),
            serial: serial.into(),
            chain: chain.iter().map(|each| each.as_ref().into()).collect(),
            told: OnceLock::new(),
            told_chain: OnceLock::new(),
        })
    }

    /// Whether it is valid at this time.
    #[must_use]
    pub const fn holds(&self, now_ms: u64) -> bool {
        self.not_before_ms <= now_ms && now_ms < self.not_after_ms
    }

    /// SHA-256 of the whole certificate.
    #[must_use]
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// The certificate, and then those that came with it, DER.
    #[must_use]
    pub fn chain(&self) -> &[Box<[u8]>] {
        &self.chain
    }

    /// The value of `Client-Cert` (RFC 9440 section 2.2).
    #[must_use]
    pub fn client_cert(&self) -> Option<&HeaderValue> {
        let made = self.told.get_or_init(|| listed(&self.chain[..1]));
        made.as_ref()
    }

    /// The value of `Client-Cert-Chain` (RFC 9440 section 2.3); none where nothing came with it.
    #[must_use]
    pub fn client_cert_chain(&self) -> Option<&HeaderValue> {
        let made = self.told_chain.get_or_init(|| listed(&self.chain[1..]));
        made.as_ref()
    }

    /// What it says, as claims: by `claim:NAME` others ask for it.
    pub(super) fn claims(&self) -> Arc<Map<String, Value>> {
        let made = self.claims.get_or_init(|| {
            let addresses = self.addresses.iter().map(ToString::to_string);
            // As a token that is bound to it says it (RFC 8705 section 3.1).
            let thumbprint =
                base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.fingerprint);
            let values = [
                json!(self.subject_text),
                json!(self.issuer),
                json!(self.serial),
                json!(self.dns),
                json!(self.uris),
                json!(self.emails),
                json!(addresses.collect::<Vec<_>>()),
                json!(pin(&self.key)),
                json!(thumbprint),
                json!((self.not_after_ms / 1_000).saturating_sub(1)),
            ];
            Arc::new(CLAIMS.map(str::to_owned).into_iter().zip(values).collect())
        });
        Arc::clone(made)
    }
}

/// The SHA-256 of a public key in its usual spelling (RFC 7469).
pub(super) fn pin(key: &[u8; 32]) -> String {
    format!("sha256/{}", STANDARD.encode(key))
}

/// Certificates as byte sequences of a structured field (RFC 8941 section 3.3.5).
fn listed(chain: &[Box<[u8]>]) -> Option<HeaderValue> {
    let each = chain
        .iter()
        .map(|der| format!(":{}:", STANDARD.encode(der)));
    let text = each.collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        return None;
    }
    HeaderValue::try_from(text).ok()
}

/// Names of one kind. What is not plain ASCII, is too long or has a `*` of its own names nobody.
fn texts(
    names: &[GeneralName<'_>],
    pick: impl Fn(&GeneralName<'_>) -> Option<String>,
) -> Box<[Box<str>]> {
    let plain = |text: &String| {
        (1..=MAX_NAME).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'*')
    };
    let found = names.iter().filter_map(pick).filter(plain);
    found.map(String::into_boxed_str).collect()
}

fn address(name: &GeneralName<'_>) -> Option<IpAddr> {
    let GeneralName::IPAddress(bytes) = name else {
        return None;
    };
    match bytes.len() {
        4 => <[u8; 4]>::try_from(*bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(*bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}
