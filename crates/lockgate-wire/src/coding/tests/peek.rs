//! How what is packed begins.

use super::super::peek;

/// A block that is stored as it is.
fn stored(text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let lengths = [length.to_le_bytes(), (!length).to_le_bytes()].concat();
    [&[1], &lengths[..], text].concat()
}

#[test]
fn the_beginning_of_a_stream_is_unpacked_as_far_as_there_is_room() {
    let zlib = [&[0x78, 0x9c], &stored(b"a long text")[..]].concat();
    let gzip = [
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
        &stored(b"a long text")[..],
    ]
    .concat();
    for packed in [&zlib, &gzip] {
        let mut room = [0; 64];
        let length = peek(packed, &mut room).unwrap();
        assert_eq!(&room[..length], b"a long text");
        // What is cut off is told up to there.
        let length = peek(&packed[..packed.len() - 5], &mut room).unwrap();
        assert_eq!(&room[..length], b"a long");
        let mut little = [0; 6];
        assert_eq!(peek(packed, &mut little), Some(6));
        assert_eq!(&little, b"a long");
    }
}

#[test]
fn what_is_no_stream_is_left_alone() {
    let mut room = [0; 16];
    let texts: [&[u8]; 6] = [
        b"",
        b"x",
        b"xyz = 2 * y",
        b"\x1f\x8b",
        b"\x1f\x8b\x07\x00abc",
        b"a text",
    ];
    for text in texts {
        assert_eq!(peek(text, &mut room), None, "{text:?}");
    }
}
