//! The watermark's file, whole and damaged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::super::testing::Dir;
use super::*;

const NAME: Name = Name {
    start_ms: 5,
    seq: 1,
};

fn at(offset: u64) -> Option<Cursor> {
    Some(Cursor { name: NAME, offset })
}

#[test]
fn the_last_publication_is_read() {
    let dir = Dir::new();
    assert_eq!(read(&dir).unwrap(), None);
    let mut watermark = Watermark::open(&dir).unwrap();
    assert_eq!(read(&dir).unwrap(), None);
    for offset in [10, 20, 30] {
        watermark.publish(NAME, offset).unwrap();
        assert_eq!(read(&dir).unwrap(), at(offset));
    }
}

#[test]
fn a_restart_goes_on_counting() {
    let dir = Dir::new();
    for offset in 1..=5 {
        Watermark::open(&dir)
            .unwrap()
            .publish(NAME, offset)
            .unwrap();
        assert_eq!(read(&dir).unwrap(), at(offset));
    }
}

#[test]
fn a_torn_publication_leaves_the_one_before() {
    let dir = Dir::new();
    let mut watermark = Watermark::open(&dir).unwrap();
    watermark.publish(NAME, 10).unwrap();
    watermark.publish(NAME, 20).unwrap();
    let path = dir.join(FILE);
    let whole = std::fs::read(&path).unwrap();
    // The second publication is in the first slot.
    for byte in 0..RECORD_BYTES {
        let mut torn = whole.clone();
        torn[byte] ^= 0x40;
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(read(&dir).unwrap(), at(10), "byte {byte}");
    }
}
