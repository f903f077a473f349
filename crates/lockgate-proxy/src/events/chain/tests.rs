//! Hashes as texts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

#[test]
fn a_hash_is_sha_256() {
    // The answer of FIPS 180-4's first example.
    let hash = Hash::of_payload(b"abc").to_hex();
    assert_eq!(
        hash,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(Hash::from_hex(&hash), Some(Hash::of_payload(b"abc")));
}

#[test]
fn the_first_event_has_no_predecessor() {
    assert_eq!(Hash::from_hex(""), Some(Hash::GENESIS));
    assert_eq!(Hash::GENESIS.to_hex(), "0".repeat(64));
}

#[test]
fn what_is_no_hash_is_refused() {
    for text in [
        "0",
        &"0".repeat(63),
        &"0".repeat(65),
        &"g".repeat(64),
        &"+1".repeat(32),
        &"é".repeat(32),
    ] {
        assert_eq!(Hash::from_hex(text), None, "{text}");
    }
}
