#![allow(clippy::unwrap_used, missing_docs)]

use super::*;

#[test]
fn what_stands_across_pieces_is_judged_as_one() {
    let mut slices = Slices::behind(b"a stack", 20);
    assert_eq!(slices.take(b"a stack"), None, "it was judged before");
    assert_eq!(slices.take(b" trace").unwrap(), b"a stack trace");
    assert_eq!(slices.take(b"").as_deref(), None);
}

#[test]
fn so_many_bytes_are_looked_at_and_of_a_stream_each_piece() {
    let mut slices = Slices::behind(b"abc", 5);
    assert_eq!(slices.take(b"abcdefg").unwrap(), b"abcde");
    assert_eq!(slices.take(b"h"), None);
    let mut stream = Slices::of_stream(2);
    assert_eq!(stream.take(b"abc").unwrap(), b"ab");
    assert_eq!(stream.take(b"d").unwrap(), b"abd");
}

#[test]
fn what_is_kept_before_a_piece_is_bounded() {
    let mut stream = Slices::of_stream(1 << 20);
    stream.take(&[b'x'; 5000]);
    assert_eq!(stream.take(b"y").unwrap().len(), BEFORE + 1);
}

#[test]
fn streams_are_known_by_their_type() {
    assert!(is_stream(b"Text/Event-Stream ; charset=utf-8"));
    assert!(!is_stream(b"text/plain"));
}
