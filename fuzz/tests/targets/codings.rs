//! Fuzz targets for packed bodies.

use bolero::check;
use lockgate_fuzz::codings;

/// What begins a body of each coding, so that more than its head is read.
const HEADS: [&[u8]; 5] = [
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    b"\x78\x9c",
    b"\x1b",
    b"\x28\xb5\x2f\xfd\x00\x30",
    b"",
];

#[test]
fn raw_bodies() {
    check!()
        .with_type::<(u8, Vec<u8>, Vec<u16>)>()
        .for_each(|(pick, body, cuts)| {
            for (number, head) in HEADS.iter().enumerate() {
                let body = [head, &body[..]].concat();
                codings::inflate(&[number as u8], &body, cuts);
                codings::inflate(&[number as u8, *pick], &body, cuts);
            }
        });
}

/// Bodies that were right before a few bytes were changed.
#[test]
fn edited_bodies() {
    check!()
        .with_type::<(Vec<u8>, Vec<u8>, Vec<(u16, u8)>, Vec<u16>)>()
        .for_each(|(picks, content, edits, cuts)| {
            codings::edited(picks, content, edits, cuts);
        });
}

#[test]
fn there_and_back() {
    check!()
        .with_type::<(Vec<u8>, Vec<u8>, Vec<u16>)>()
        .for_each(|(picks, content, cuts)| codings::there_and_back(picks, content, cuts));
}
