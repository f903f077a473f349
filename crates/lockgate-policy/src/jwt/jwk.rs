//! Key sets as issuers publish them (RFC 7517): which of their keys can be used,
//! and why the others cannot. The control process asks this of what it fetched,
//! and a gate of what it is told, so that both mean the same.

use aws_lc_rs::digest::{digest, SHA256};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, VerificationAlgorithm,
};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde_json::{json, Map, Value};

use super::algorithm::Algorithm;
use super::keys::{Key, KeySet, Verifier};
use super::strict;
use super::token::KID_BYTES;

/// Keys of one set. Issuers publish two to six; some large ones twenty.
pub const KEYS: usize = 64;
/// RSA's exponent in practice is 3 bytes; a longer one only costs time.
const EXPONENT_BYTES: usize = 4;
/// RSA keys of 2048 to 8192 bits (RFC 7518 section 3.3 demands the lower bound).
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key set that was read.
#[derive(Debug)]
pub struct Published {
    /// The usable keys, each with the members that matter, in the set's order.
    pub keys: Vec<Value>,
    /// The others.
    pub unusable: Vec<Unusable>,
    ready: Vec<Key>,
}

/// A key that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// Its `kid`, as far as it has one.
    pub kid: Option<String>,
    /// In words.
    pub why: String,
}

/// Reads a key set.
///
/// # Errors
/// Why it is none, in words.
pub fn read_key_set(text: &[u8]) -> Result<Published, String> {
    let mut set = strict::object(text).map_err(|flaw| format!("the key set {}", flaw.words()))?;
    let Some(Value::Array(list)) = set.remove("keys") else {
        return Err("the key set has no list `keys` (RFC 7517 section 5)".to_owned());
    };
    if list.len() > KEYS {
        return Err(format!(
            "the key set has {} keys, more than {KEYS}",
            list.len()
        ));
    }
    let mut read = Published {
        keys: Vec::new(),
        unusable: Vec::new(),
        ready: Vec::new(),
    };
    for entry in list {
        let Value::Object(jwk) = entry else {
            return Err("the key set's `keys` holds what is no key".to_owned());
        };
        match usable(&jwk) {
            Ok((kept, key)) => {
                read.keys.push(kept);
                read.ready.push(key);
            }
            Err(why) => read.unusable.push(Unusable {
                kid: jwk.get("kid").and_then(Value::as_str).map(str::to_owned),
                why,
            }),
        }
    }
    Ok(read)
}

impl Published {
    /// The set, ready to verify with.
    #[must_use]
    pub fn into_key_set(self, source: &str, confirmed_ms: u64) -> KeySet {
        let text = json!([source, self.keys]).to_string();
        let hash = digest(&SHA256, text.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_ref()[..8]);
        KeySet::new(source, u64::from_le_bytes(first), confirmed_ms, self.ready)
    }
}

/// What of a key is kept, and the key, ready to verify with.
///
/// # Errors
/// Why it is not used, in words.
pub(crate) fn usable(jwk: &Map<String, Value>) -> Result<(Value, Key), String> {
    if jwk.contains_key("d") || jwk.contains_key("k") {
        return Err("it is published with its private part: it must be replaced".to_owned());
    }
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err("it is not for signatures (`use`)".to_owned());
    }
    if let Some(operations) = jwk.get("key_ops") {
        let verify = |list: &Vec<Value>| list.iter().any(|one| one == "verify");
        if !operations.as_array().is_some_and(verify) {
            return Err("it is not for verifying (`key_ops`)".to_owned());
        }
    }
    let kid = text(jwk, "kid")?;
    if kid.is_some_and(|kid| kid.len() > KID_BYTES) {
        return Err(format!("its `kid` is longer than {KID_BYTES} bytes"));
    }
    let only = match text(jwk, "alg")? {
        None => None,
        Some(name) => Some(
            Algorithm::named(name).ok_or_else(|| format!("its `alg` {name:.32} is not known"))?,
        ),
    };
    let mut kept = Map::new();
    for name in ["kty", "crv", "kid", "alg", "n", "e", "x", "y"] {
        if let Some(value) = jwk.get(name) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    let mut verifiers = match text(jwk, "kty")? {
        Some("RSA") => rsa(jwk, only)?,
        Some("EC") => vec![elliptic(jwk)?],
        Some("OKP") => vec![edwards(jwk)?],
        Some("oct") => return Err("a secret is never taken from a published set".to_owned()),
        _ => return Err("its `kty` is not known".to_owned()),
    };
    verifiers.retain(|(alg, _)| only.is_none_or(|only| only == *alg));
    if verifiers.is_empty() {
        return Err("its `alg` is for keys of another kind".to_owned());
    }
    let key = Key {
        kid: kid.map(Into::into),
        verifiers,
    };
    Ok((Value::Object(kept), key))
}

/// The thumbprint of a public key, as tokens name it (RFC 7638); nothing of what is none.
pub(super) fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let mut members = Map::new();
    for name in names {
        members.insert((*name).to_owned(), jwk.get(*name)?.as_str()?.into());
    }
    // Without blanks, and in the order of their names, as they stand above.
    let text = Value::Object(members).to_string();
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes())))
}

type Verifiers = Vec<(Algorithm, Verifier)>;

fn rsa(jwk: &Map<String, Value>, only: Option<Algorithm>) -> Result<Verifiers, String> {
    let kinds: [(Algorithm, &'static RsaParameters); 6] = [
        (Algorithm::RS256, &signature::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::RS384, &signature::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::RS512, &signature::RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::PS256, &signature::RSA_PSS_2048_8192_SHA256),
        (Algorithm::PS384, &signature::RSA_PSS_2048_8192_SHA384),
        (Algorithm::PS512, &signature::RSA_PSS_2048_8192_SHA512),
    ];
    let (n, e) = (number(jwk, "n")?, number(jwk, "e")?);
    if !MODULUS_BYTES.contains(&n.len()) || n.len() == 256 && n.first().is_some_and(|b| *b < 0x80) {
        return Err("RSA keys are taken from 2048 to 8192 bits".to_owned());
    }
    if e.len() > EXPONENT_BYTES || e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
        return Err("its exponent is not one of RSA's".to_owned());
    }
    let mut verifiers = Vec::new();
    for (alg, parameters) in kinds {
        if only.is_none_or(|only| only == alg) {
            let parts = PublicKeyComponents { n: &n, e: &e };
            let key = parts
                .to_parsed_public_key(parameters)
                .map_err(|_| rejected())?;
            verifiers.push((alg, Verifier::Public(key)));
        }
    }
    Ok(verifiers)
}

fn elliptic(jwk: &Map<String, Value>) -> Result<(Algorithm, Verifier), String> {
    let (alg, kind, length): (_, &'static EcdsaVerificationAlgorithm, _) = match text(jwk, "crv")? {
        Some("P-256") => (Algorithm::ES256, &signature::ECDSA_P256_SHA256_FIXED, 32),
        Some("P-384") => (Algorithm::ES384, &signature::ECDSA_P384_SHA384_FIXED, 48),
        Some("P-521") => (Algorithm::ES512, &signature::ECDSA_P521_SHA512_FIXED, 66),
        _ => return Err("its curve is not known".to_owned()),
    };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    // RFC 7518 section 6.2.1.2: the full length, leading zeroes too.
    if x.len() != length || y.len() != length {
        return Err("its coordinates are not as long as its curve's".to_owned());
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    Ok((alg, parsed(kind, &point)?))
}

fn edwards(jwk: &Map<String, Value>) -> Result<(Algorithm, Verifier), String> {
    if text(jwk, "crv")? != Some("Ed25519") {
        return Err("its curve is not known".to_owned());
    }
    Ok((
        Algorithm::EdDSA,
        parsed(&signature::ED25519, &bytes(jwk, "x")?)?,
    ))
}

/// Checks, among others, that a point lies on its curve.
fn parsed(kind: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> Result<Verifier, String> {
    let key = ParsedPublicKey::new(kind, bytes).map_err(|_| rejected())?;
    Ok(Verifier::Public(key))
}

fn rejected() -> String {
    "its numbers make no key".to_owned()
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Result<Option<&'j str>, String> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("its `{name}` is not a text")),
    }
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let text = text(jwk, name)?.ok_or_else(|| format!("it has no `{name}`"))?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| format!("its `{name}` is not base64url"))
}

/// A number, leading zeroes taken off, which some issuers write.
fn number(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let bytes = bytes(jwk, name)?;
    let zeroes = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeroes..].to_vec())
}
