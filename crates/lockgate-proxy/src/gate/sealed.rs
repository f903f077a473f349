//! A bundle's envelope: its text, and the signature over it.

use aws_lc_rs::digest::{digest, SHA256};
use aws_lc_rs::signature::{UnparsedPublicKey, ED25519};
use serde::{Deserialize, Serialize};

use super::GateError;

/// A bundle as it is sent and kept: its exact text and a signature over it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    pub bundle: String,
    pub key_id: String,
    pub signature: String,
}

/// The text of a bundle, if the signature over it holds.
pub(super) fn verify(signed: &[u8], public_key: &[u8]) -> Result<String, GateError> {
    let signed: Signed =
        serde_json::from_slice(signed).map_err(|error| GateError::Malformed(error.to_string()))?;
    let signature = unhex(&signed.signature)
        .ok_or_else(|| GateError::Signature("it is not hexadecimal".to_owned()))?;
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(signed.bundle.as_bytes(), &signature)
        .map_err(|_| {
            GateError::Signature(format!(
                "it was not made with this installation's key (it names {})",
                signed.key_id
            ))
        })?;
    Ok(signed.bundle)
}

/// The first 16 hexadecimal digits of a bundle's SHA-256.
#[must_use]
pub fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes())
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    digits
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

#[cfg(test)]
mod tests;
