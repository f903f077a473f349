//! A token taken apart: the compact form of a signed object (RFC 7515 section
//! 7.1), and nothing else. Reads bytes of strangers, so it is fuzzed.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::reasons::{ALGORITHM, CRITICAL, ENCRYPTED, MALFORMED, NESTED};
use super::refusal::{quoted, refuse};
use super::strict::{self, Flaw};
use crate::{Denial, ReasonRef};

/// Longest header, in base64url: real ones have 60 to 200 characters, and a
/// certificate chain in `x5c`, which is of no use here, some 6,000.
pub const HEADER_BYTES: usize = 8 * 1024;
/// Longest signature, bytes: RSA with 8192 bits.
pub const SIGNATURE_BYTES: usize = 1024;
/// Longest `kid`, bytes. Real ones are thumbprints or UUIDs.
pub const KID_BYTES: usize = 256;

/// A signed token, its signature not yet verified.
#[derive(Debug)]
pub struct Token<'t> {
    /// What the signature is over.
    pub signed: &'t [u8],
    /// The signature.
    pub signature: Vec<u8>,
    /// What is needed of the header.
    pub header: Header,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// What is needed of a token's header. Keys and addresses of keys in it (`jwk`,
/// `jku`, `x5c`, `x5u`) are not even read: a key comes from the issuer's set.
#[derive(Debug)]
pub struct Header {
    /// How it is signed.
    pub alg: Algorithm,
    /// Which of the issuer's keys signed it.
    pub kid: Option<String>,
    /// What kind of token it is.
    pub typ: Option<String>,
}

/// Why something is no signed token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    reason: ReasonRef,
    detail: String,
}

impl Broken {
    fn new(reason: ReasonRef, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }

    /// What is wrong, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The refusal.
    #[must_use]
    pub fn denial(self) -> Denial {
        refuse(self.reason, self.detail)
    }
}

/// A signed object taken apart, whatever it is for.
#[derive(Debug)]
pub struct Parts<'t> {
    /// What the signature is over.
    pub signed: &'t [u8],
    /// The signature.
    pub signature: Vec<u8>,
    /// The header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

impl<'t> Parts<'t> {
    /// Takes it apart.
    ///
    /// # Errors
    /// Why it is none.
    pub fn split(text: &'t [u8]) -> Result<Self, Broken> {
        let mut parts = text.split(|byte| *byte == b'.');
        let (Some(header), Some(claims), Some(signature)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(Broken::new(&MALFORMED, "it has not three parts"));
        };
        match parts.count() {
            0 => {}
            // RFC 7516 section 9: five parts are an encrypted one.
            2 => return Err(Broken::new(&ENCRYPTED, "it has five parts")),
            _ => return Err(Broken::new(&MALFORMED, "it has not three parts")),
        }
        if header.len() > HEADER_BYTES {
            return Err(Broken::new(&MALFORMED, "its header is too long"));
        }
        let signed = &text[..header.len() + 1 + claims.len()];
        let header = part(header, "header")?;
        for name in ["crit", "b64", "zip", "enc"] {
            if header.contains_key(name) {
                return Err(Broken::new(&CRITICAL, format!("its header has `{name}`")));
            }
        }
        let signature = decoded(signature)
            .filter(|bytes| bytes.len() <= SIGNATURE_BYTES)
            .ok_or_else(|| Broken::new(&MALFORMED, "its signature is not base64url"))?;
        Ok(Self {
            signed,
            signature,
            header,
            claims: part(claims, "payload")?,
        })
    }
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &'t [u8]) -> Result<Self, Broken> {
        let parts = Parts::split(text)?;
        Ok(Self {
            header: Header::read(&parts.header)?,
            signed: parts.signed,
            signature: parts.signature,
            claims: parts.claims,
        })
    }
}

impl Header {
    fn read(fields: &Map<String, Value>) -> Result<Self, Broken> {
        let text = |name: &str| match fields.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => {
                let detail = format!("`{name}` in its header is not a text");
                Err(Broken::new(&MALFORMED, detail))
            }
        };
        // RFC 7519 section 5.2; media types compare without case.
        if text("cty")?.is_some_and(|kind| media(kind).eq_ignore_ascii_case("jwt")) {
            return Err(Broken::new(&NESTED, "its header has `cty`: JWT"));
        }
        let kid = text("kid")?;
        if kid.is_some_and(|kid| kid.len() > KID_BYTES) {
            return Err(Broken::new(
                &MALFORMED,
                "the `kid` in its header is too long",
            ));
        }
        let alg = text("alg")?.ok_or_else(|| Broken::new(&MALFORMED, "its header has no `alg`"))?;
        let alg = Algorithm::named(alg).ok_or_else(|| {
            let detail = format!("`{}` is not taken", quoted(alg));
            Broken::new(&ALGORITHM, detail)
        })?;
        Ok(Self {
            alg,
            kid: kid.map(str::to_owned),
            typ: text("typ")?.map(str::to_owned),
        })
    }
}

/// A media type without the prefix that may be left out (RFC 7515 section 4.1.9).
pub(super) fn media(kind: &str) -> &str {
    match kind.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => &kind[12..],
        _ => kind,
    }
}

fn part(text: &[u8], what: &str) -> Result<Map<String, Value>, Broken> {
    let broken = |how: &str| Broken::new(&MALFORMED, format!("its {what} {how}"));
    let bytes = decoded(text).ok_or_else(|| broken("is not base64url"))?;
    strict::object(&bytes).map_err(|flaw: Flaw| broken(flaw.words()))
}

/// Base64url without padding, without line breaks, and with no bits left over,
/// so that no two spellings are one token.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
