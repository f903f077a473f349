#![allow(clippy::unwrap_used, missing_docs)]

use super::*;

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let bytes = |unit: u16| match little {
        true => unit.to_le_bytes(),
        false => unit.to_be_bytes(),
    };
    text.encode_utf16().flat_map(bytes).collect()
}

fn utf32(text: &str, little: bool) -> Vec<u8> {
    let bytes = |letter: char| match little {
        true => u32::from(letter).to_le_bytes(),
        false => u32::from(letter).to_be_bytes(),
    };
    text.chars().flat_map(bytes).collect()
}

#[test]
fn each_width_is_known_by_its_mark_and_by_its_zeros() {
    let text = "{\"a\": \"ü 😀\"}";
    for (encode, four) in [(utf16 as fn(&str, bool) -> Vec<u8>, false), (utf32, true)] {
        for little in [true, false] {
            let wide = Wide { four, little };
            let bytes = encode(text, little);
            assert_eq!(Wide::guessed(&bytes), Some(wide));
            assert_eq!(Wide::marked(&bytes), None);
            assert_eq!(wide.decoded(&bytes), text.as_bytes());
            let marked = encode(&format!("\u{feff}{text}"), little);
            assert_eq!(Wide::marked(&marked), Some((wide, &bytes[..])));
        }
    }
}

#[test]
fn what_is_no_wide_text_is_none() {
    for text in [
        &b""[..],
        b"{}",
        b"{\"a\": 1}",
        b"\xef\xbb\xbf{}",
        b"\x89PNG",
        b"\0\0\x01\0",
    ] {
        assert_eq!(Wide::guessed(text), None, "{text:?}");
        assert_eq!(Wide::marked(text), None, "{text:?}");
    }
}

#[test]
fn character_sets_are_known_by_their_names() {
    let known = |name: &str| Wide::named(name.as_bytes()).map(|wide| (wide.four, wide.little));
    assert_eq!(known("UTF-16"), Some((false, true)));
    assert_eq!(known("utf-16le"), Some((false, true)));
    assert_eq!(known("utf-16BE"), Some((false, false)));
    assert_eq!(known("utf-32be"), Some((true, false)));
    assert_eq!(known("unicode"), Some((false, true)));
    assert_eq!(known("utf-8"), None);
    assert_eq!(known("unicode-1-1-utf-7"), None);
}

#[test]
fn what_is_no_letter_and_what_is_cut_short_hurt_nobody() {
    let two = Wide::named(b"utf-16").unwrap();
    assert_eq!(two.decoded(b"\x00\xd8a\0b"), "\u{fffd}a".as_bytes());
    let four = Wide::named(b"utf-32").unwrap();
    assert_eq!(
        four.decoded(b"\xff\xff\xff\xffa\0\0\0b"),
        "\u{fffd}a".as_bytes()
    );
}
