//! Who has signed, and what a nonce of theirs is known again by.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Map, Value};

use super::fields::Signed;
use super::keys::Algorithm;
use super::NAME;
use crate::jwt::ProofMark;
use crate::Identity;

/// Who calls, by a key of this name.
pub(super) fn identity(name: &str, owner: &str, algorithm: Algorithm, signed: &Signed) -> Identity {
    let mut claims = Map::new();
    claims.insert("alg".into(), algorithm.as_str().into());
    let covered = signed.components.iter().map(|one| Value::from(one.text()));
    claims.insert("covered".into(), covered.collect());
    for (name, value) in [("keyid", &signed.keyid), ("tag", &signed.tag)] {
        if let Some(value) = value {
            claims.insert(name.into(), value.as_str().into());
        }
    }
    Identity {
        proved_by: NAME,
        // With the room's name, so that a key's is nobody else's of another room.
        credential: format!("{NAME}:{name}").into(),
        owner: owner.into(),
        app: None,
        claims: Some(Arc::new(claims)),
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
