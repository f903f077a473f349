//! What is dismissed at a glance is what would have been found innocent.

use proptest::prelude::*;

use super::super::{cannot_be_sqli, cannot_be_xss, sqli, xss, SQLI_NEEDS};
use super::attacks;
use crate::bytes::ByteSet;

/// The letters that may be left of a value that is dismissed, by whether it has
/// operators and ends of statements, variables or strings.
const LEFT: [&str; 3] = ["N1O,.:;{}?\\", "N1V,.:{}?\\", "N1S,.:{}?\\"];

#[test]
fn no_attack_comes_to_what_is_dismissed() {
    for attack in attacks() {
        for left in LEFT {
            assert!(
                attack.chars().any(|letter| !left.contains(letter)),
                "{attack} of {left}"
            );
        }
    }
}

/// One piece for each kind of token, and what makes others of them.
const PIECES: &[&str] = &[
    "a", "1", "+", "-", "not", ",", ".", ":", ";", "?", "\\", "{", "}", "[", "]", "``", "`", "@",
    "@a", "&", "|", "=", "#", "--", "/*", "(", ")", "'", "\"", "select", "union", "and", "in",
    "is", "like", "if", "user", "int", "null", "sin", "collate", "a_b", "current", "date", "$",
    "$$", "0x", "1e", "<", "/",
];

fn judge(value: &[u8]) {
    let text = String::from_utf8_lossy(value);
    assert!(
        !cannot_be_sqli(value) || sqli(value).is_none(),
        "{text} is SQL"
    );
    assert!(!cannot_be_xss(value) || !xss(value), "{text} is HTML");
}

#[test]
fn three_pieces_in_any_order() {
    let mut dismissed = 0;
    let mut value = Vec::new();
    for first in PIECES {
        for second in PIECES {
            for third in PIECES {
                for between in ["", " "] {
                    value.clear();
                    for piece in [first, between, second, between, third] {
                        value.extend_from_slice(piece.as_bytes());
                    }
                    judge(&value);
                    dismissed += u32::from(cannot_be_sqli(&value));
                }
            }
        }
    }
    assert!(dismissed > 10_000, "only {dismissed} were dismissed");
}

/// What is not needed for an attack, one byte for each that is read alike.
const NOT_NEEDED: &[u8] = b"01.,:;?\\[]{}=<>!%+^~/_ \n\0\xA0\xE9";

#[test]
fn four_bytes_that_are_not_needed() {
    assert!(!ByteSet::of(NOT_NEEDED).meets(&SQLI_NEEDS));
    let alike = |byte: u8| {
        NOT_NEEDED.contains(&byte) || byte.is_ascii_digit() || !(33..=126).contains(&byte)
    };
    assert!(SQLI_NEEDS.complement().iter().all(alike));
    let mut value = [0; 4];
    for number in 0..NOT_NEEDED.len().pow(4) {
        let mut left = number;
        for byte in &mut value {
            *byte = NOT_NEEDED[left % NOT_NEEDED.len()];
            left /= NOT_NEEDED.len();
        }
        assert_eq!(sqli(&value), None, "{}", value.escape_ascii());
    }
}

#[test]
fn what_people_write_is_dismissed() {
    for value in [
        "John Smith",
        "alice@example.com",
        "2024-05-06T07:08:09Z",
        "550e8400-e29b-41d4-a716-446655440000",
        "order-2024-0001",
        "a1b2c3d4e5f60718",
        "image/png",
        "O'Brien",
        "-12.5e3",
        "",
    ] {
        assert!(cannot_be_sqli(value.as_bytes()), "{value}");
        assert!(cannot_be_xss(value.as_bytes()), "{value}");
    }
}

proptest! {
    #[test]
    fn any_bytes(value in prop::collection::vec(any::<u8>(), 0..64)) {
        judge(&value);
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12), spaced in any::<bool>()) {
        judge(pieces.join(if spaced { " " } else { "" }).as_bytes());
    }

    #[test]
    fn bytes_that_are_not_needed(value in prop::collection::vec(prop::sample::select(NOT_NEEDED), 0..64)) {
        judge(&value);
    }

    #[test]
    fn any_printable(value in "[ -~]{0,40}") {
        judge(value.as_bytes());
    }
}
