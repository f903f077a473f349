//! Who has signed, and what a nonce of theirs is known again by.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

use super::fields::Signed;
use super::keys::Algorithm;
use super::NAME;
use crate::jwt::ProofMark;
use crate::Identity;

/// What is said of a message that was signed, as claims.
pub const CLAIMS: [&str; 4] = ["alg", "covered", "keyid", "tag"];

/// Who calls, by a key of this name.
pub(super) fn identity(name: &str, owner: &str, algorithm: Algorithm, signed: &Signed) -> Identity {
    let covered = signed.components.iter().map(|one| Value::from(one.text()));
    let text = |said: &Option<_>| said.as_deref().map(Value::from);
    let values = [
        Some(algorithm.as_str().into()),
        Some(covered.collect()),
        text(&signed.keyid),
        text(&signed.tag),
    ];
    let claims = CLAIMS.into_iter().zip(values);
    let claims = claims.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Identity {
        proved_by: NAME,
        // With the room's name, so that a key's is nobody else's of another room.
        credential: format!("{NAME}:{name}").into(),
        owner: owner.into(),
        app: None,
        claims: Some(Arc::new(claims.collect())),
    }
}

/// What a nonce is known again by: it is its key's.
pub(super) fn mark(credential: &str, nonce: &str) -> ProofMark {
    let mut hash = Context::new(&SHA256);
    for part in [NAME, credential] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(nonce.as_bytes());
    let mut mark = ProofMark::default();
    mark.copy_from_slice(&hash.finish().as_ref()[..16]);
    mark
}
