//! Masking (RFC 6455, 5.3): exclusive or with four bytes in turn.

/// Masks or unmasks `bytes`, of which the first stands `at` in the payload.
pub(super) fn apply(bytes: &mut [u8], mut key: [u8; 4], at: u64) {
    // The remainder is below four, so the cast loses nothing.
    key.rotate_left((at % 4) as usize);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (eights, rest) = bytes.as_chunks_mut::<8>();
    for eight in eights {
        *eight = (u64::from_ne_bytes(*eight) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
