#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use http::HeaderValue;
use lockgate_wire::framing::{Expect, HeadLimits, ResponseGuard};
use proptest::prelude::*;

use super::*;

/// What came out of a body: its bytes, and its trailers if it had any.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    data: Vec<u8>,
    trailers: Option<Vec<(String, String)>>,
    over: bool,
}

impl Taken {
    /// Takes what there is; whether the end came is noted.
    fn take(&mut self, chunks: &mut Chunks, inbox: &mut BytesMut) {
        while !self.over {
            match chunks.next(inbox) {
                None => return,
                Some(Piece::Data(bytes)) => {
                    assert!(!bytes.is_empty(), "an empty piece would say nothing");
                    self.data.extend_from_slice(&bytes);
                }
                Some(Piece::End) => self.over = true,
                Some(Piece::Trailers(trailers)) => {
                    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
                    let pairs = trailers
                        .iter()
                        .map(|(name, value)| (name.to_string(), text(value)));
                    self.trailers = Some(pairs.collect());
                    self.over = true;
                }
            }
        }
    }
}

fn whole(raw: &[u8]) -> Taken {
    let (mut chunks, mut inbox) = (Chunks::Size, BytesMut::from(raw));
    let mut taken = Taken::default();
    taken.take(&mut chunks, &mut inbox);
    assert!(taken.over, "{}", String::from_utf8_lossy(raw));
    assert_eq!(chunks, Chunks::End);
    assert!(inbox.is_empty());
    taken
}

const BODY: &[u8] =
    b"5\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\nX-Sum: abc \r\nx-sum:\tdef\r\n\r\n";

#[test]
fn chunks_are_put_together() {
    let taken = whole(BODY);
    assert_eq!(taken.data, b"hello 0123456789");
    let pairs = [("x-sum", "abc"), ("x-sum", "def")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(taken.trailers.unwrap(), pairs);
}

#[test]
fn an_empty_body_is_over_at_once() {
    let taken = whole(b"0\r\n\r\n");
    assert_eq!((taken.data.len(), taken.trailers), (0, None));
}

#[test]
fn sizes_are_hexadecimal_in_either_case_with_zeroes_before_them() {
    for size in ["1f", "1F", "0000000001f"] {
        let raw = [size.as_bytes(), b"\r\n", &[b'x'; 31], b"\r\n000\r\n\r\n"].concat();
        assert_eq!(whole(&raw).data, [b'x'; 31]);
    }
}

#[test]
fn a_body_cut_anywhere_gives_the_same() {
    let all = whole(BODY);
    for cut in 0..BODY.len() {
        let (mut chunks, mut inbox) = (Chunks::Size, BytesMut::from(&BODY[..cut]));
        let mut taken = Taken::default();
        taken.take(&mut chunks, &mut inbox);
        assert!(!taken.over, "cut at {cut}");
        inbox.extend_from_slice(&BODY[cut..]);
        taken.take(&mut chunks, &mut inbox);
        assert_eq!(taken, all, "cut at {cut}");
    }
}

#[test]
fn a_body_that_comes_byte_by_byte_gives_the_same() {
    let (mut chunks, mut inbox) = (Chunks::Size, BytesMut::new());
    let mut taken = Taken::default();
    for byte in BODY {
        assert!(!taken.over);
        inbox.extend_from_slice(&[*byte]);
        taken.take(&mut chunks, &mut inbox);
    }
    assert_eq!(taken, whole(BODY));
}

#[test]
fn data_is_not_kept_back_until_its_chunk_is_whole() {
    let (mut chunks, mut inbox) = (Chunks::Size, BytesMut::from(&b"ffff\r\nab"[..]));
    let Some(Piece::Data(bytes)) = chunks.next(&mut inbox) else {
        panic!("two bytes are there");
    };
    assert_eq!(bytes, "ab");
    assert_eq!(chunks, Chunks::Data(0xfffd));
    assert!(chunks.next(&mut inbox).is_none());
}

#[test]
fn what_follows_the_end_is_left_alone() {
    let (mut chunks, mut inbox) = (Chunks::Size, BytesMut::from(&b"0\r\n\r\nHTTP/1.1 200"[..]));
    assert!(matches!(chunks.next(&mut inbox), Some(Piece::End)));
    assert!(matches!(chunks.next(&mut inbox), Some(Piece::End)));
    assert_eq!(&inbox[..], b"HTTP/1.1 200");
}

#[test]
fn chunks_of_more_than_four_gibibytes_are_counted() {
    let (mut chunks, mut inbox) = (Chunks::Size, BytesMut::from(&b"100000001\r\nx"[..]));
    assert!(matches!(chunks.next(&mut inbox), Some(Piece::Data(_))));
    assert_eq!(chunks, Chunks::Data(1 << 32));
}

/// Bytes in chunks of any sizes, as an upstream would write them.
fn coded(pieces: &[Vec<u8>], trailers: &[(String, String)]) -> Vec<u8> {
    let mut raw = Vec::new();
    for piece in pieces {
        raw.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        raw.extend_from_slice(piece);
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        raw.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    raw.extend_from_slice(b"\r\n");
    raw
}

proptest! {
    /// Whatever the guard passes, in whatever pieces, is taken off rightly.
    #[test]
    fn what_was_coded_is_taken_off(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        trailers in prop::collection::vec(("x-[a-z]{1,5}", "[!-~]([ -~]{0,8}[!-~])?"), 0..4),
        step in 1..50_usize,
    ) {
        let raw = coded(&pieces, &trailers);
        let mut guard = ResponseGuard::new(HeadLimits::default());
        guard.expect(Expect::Body);
        let mut head = Vec::new();
        let line = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        guard.feed(line, &mut |run| head.extend_from_slice(run)).unwrap();
        prop_assert_eq!(&head[..], &line[..]);

        let (mut chunks, mut inbox) = (Chunks::Size, BytesMut::new());
        let mut taken = Taken::default();
        for part in raw.chunks(step) {
            guard.feed(part, &mut |run| inbox.extend_from_slice(run)).unwrap();
            taken.take(&mut chunks, &mut inbox);
        }
        prop_assert!(taken.over);
        prop_assert_eq!(taken.data, pieces.concat());
        let mut expected = trailers;
        let mut found = taken.trailers.unwrap_or_default();
        // A map of headers keeps the order of equal names alone.
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        found.sort_by(|one, other| one.0.cmp(&other.0));
        prop_assert_eq!(found, expected);
    }
}
