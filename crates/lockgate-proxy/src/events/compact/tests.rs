//! Held to what a general decoder reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use minicbor::Decoder;

use super::*;

fn written(write: impl FnOnce(&mut Compact<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Compact(&mut out));
    out
}

#[test]
fn numbers_are_shortest_on_both_sides_of_every_border() {
    let borders = [
        0,
        23,
        24,
        0xFF,
        0x100,
        0xFFFF,
        0x1_0000,
        0xFFFF_FFFF,
        0x1_0000_0000,
        u64::MAX,
    ];
    for number in borders {
        let bytes = written(|c| c.number(number));
        assert_eq!(Decoder::new(&bytes).u64().unwrap(), number);
        assert_eq!(bytes, minicbor::to_vec(number).unwrap());
    }
}

#[test]
fn texts_and_bytes_read_back_at_every_length() {
    for length in [0, 1, 23, 24, 255, 256, 65_535, 65_536] {
        let text = "t".repeat(length);
        let bytes = written(|c| c.text(&text, length));
        assert_eq!(Decoder::new(&bytes).str().unwrap(), text);
        let bytes = written(|c| c.bytes(text.as_bytes()));
        assert_eq!(Decoder::new(&bytes).bytes().unwrap(), text.as_bytes());
    }
}

#[test]
fn a_cut_never_splits_a_character() {
    for max in 3..20 {
        let bytes = written(|c| c.text(&"aé漢𝄞".repeat(5), max));
        let text = Decoder::new(&bytes).str().unwrap();
        assert!(text.len() <= max && text.ends_with('…'), "{text}");
    }
}

#[test]
fn maps_and_arrays_nest() {
    let bytes = written(|c| {
        c.map(1);
        c.key(7);
        c.open_map();
        c.key(2);
        c.array(2);
        c.number(5);
        c.printable(b"x\0", 10);
        c.end();
    });
    let mut decoder = Decoder::new(&bytes);
    assert_eq!(decoder.map().unwrap(), Some(1));
    assert_eq!(decoder.u8().unwrap(), 7);
    assert_eq!(decoder.map().unwrap(), None);
    assert_eq!(decoder.u8().unwrap(), 2);
    assert_eq!(decoder.array().unwrap(), Some(2));
    assert_eq!(decoder.u8().unwrap(), 5);
    assert_eq!(decoder.str().unwrap(), "x?");
    assert_eq!(decoder.datatype().unwrap(), minicbor::data::Type::Break);
}
