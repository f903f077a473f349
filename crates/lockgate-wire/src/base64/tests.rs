#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::{decode, encode};
use proptest::prelude::*;

fn encoded(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    encode(bytes, &mut out);
    String::from_utf8(out).unwrap()
}

/// RFC 4648, 10.
#[test]
fn the_rfcs_examples() {
    let texts = [
        "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
    ];
    for (length, text) in texts.into_iter().enumerate() {
        assert_eq!(encoded(&b"foobar"[..length]), text);
    }
}

#[test]
fn what_is_not_base64_is_refused() {
    for quad in [
        b"Zh==", b"Zm9=", b"Z===", b"====", b"Zm=v", b"Zm-_", b"Zm9\n", b"=m9v",
    ] {
        assert_eq!(decode(*quad), None, "{quad:?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
        let mut read: Vec<u8> = Vec::new();
        for quad in encoded(&bytes).as_bytes().as_chunks::<4>().0 {
            let (three, count) = decode(*quad).unwrap();
            read.extend(&three[..count]);
        }
        prop_assert_eq!(read, bytes);
    }

    #[test]
    fn what_is_read_is_written_alike(quad: [u8; 4]) {
        if let Some((bytes, count)) = decode(quad) {
            let text = encoded(&bytes[..count]);
            prop_assert_eq!(text.as_bytes(), quad);
        }
    }
}
