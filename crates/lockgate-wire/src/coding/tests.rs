use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, ACCEPT_ENCODING, CONTENT_ENCODING};
use proptest::prelude::*;

mod memory;
mod peek;

use super::{codings, preferred, reasons, Bounds, Coding, Inflater, Levels, Packer, Unknown};
use crate::reason::ReasonRef;

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Br, Coding::Zstd];
const LEVELS: Levels = Levels {
    gzip: 5,
    br: 4,
    zstd: 3,
};
const BOUNDS: Bounds = Bounds {
    ratio: 100,
    window: 8 * 1024 * 1024,
};

fn accepts(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
    headers
}

fn packed(coding: Coding, content: &[u8]) -> Vec<u8> {
    let mut packer = Packer::new(coding, LEVELS).unwrap();
    let mut out = Vec::new();
    packer.put(content, &mut out).unwrap();
    packer.end(&mut out).unwrap();
    out
}

/// Unpacks with pieces of `size`; what came out, and the most at once.
fn unpacked(
    codings: &[Coding],
    body: &[u8],
    (size, bounds): (usize, Bounds),
) -> Result<Vec<u8>, ReasonRef> {
    let mut inflater = Inflater::new(codings, bounds)?;
    let mut out = Vec::new();
    for piece in body.chunks(size) {
        inflater.take(Bytes::copy_from_slice(piece))?;
        while let Some(piece) = inflater.unpack()? {
            assert!(piece.len() <= super::PIECE, "a bomb may not fill memory");
            out.extend_from_slice(&piece);
        }
    }
    inflater.end()?;
    Ok(out)
}

#[test]
fn weights_are_those_of_the_rfc() {
    use Coding::{Br, Gzip, Zstd};
    let offered = [Zstd, Br, Gzip];
    for (said, wanted) in [
        ("gzip", Some(Gzip)),
        ("GZIP", Some(Gzip)),
        ("x-gzip", Some(Gzip)),
        ("gzip, br, zstd", Some(Zstd)),
        ("gzip;q=1.0, br;q=0.5", Some(Gzip)),
        ("gzip ; q=0.5 , br;Q=0.501", Some(Br)),
        ("", None),
        ("identity", None),
        ("deflate", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("*", Some(Zstd)),
        ("*;q=0", None),
        ("*;q=0, gzip", Some(Gzip)),
        ("*, zstd;q=0", Some(Br)),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0.5, identity;q=0.5", Some(Gzip)),
        ("gzip;q=0.1, identity;q=0", Some(Gzip)),
        ("identity;q=0", None),
        ("compress, gzip;q=0.2, compress;q=0.1", Some(Gzip)),
        // Not to be read in one way: the answer stays as it is.
        ("gzip;q=1.001", None),
        ("gzip;q=2", None),
        ("gzip;q=0.1234", None),
        ("gzip;level=5", None),
        ("gzip;q=", None),
        ("gzip;q=-1", None),
        ("gzip;q=1, gzip;q=0", None),
    ] {
        assert_eq!(preferred(&accepts(said), &offered), wanted, "{said:?}");
    }
    assert_eq!(preferred(&HeaderMap::new(), &offered), None);
    let many = format!("{}gzip", "x, ".repeat(1000));
    let _ = preferred(&accepts(&many), &offered);
}

#[test]
fn a_list_of_codings_is_read() {
    let mut headers = HeaderMap::new();
    assert_eq!(codings(&headers), Ok(vec![]));
    headers.append(
        CONTENT_ENCODING,
        HeaderValue::from_static("identity, X-Gzip"),
    );
    headers.append(CONTENT_ENCODING, HeaderValue::from_static("br"));
    assert_eq!(codings(&headers), Ok(vec![Coding::Gzip, Coding::Br]));
    headers.append(CONTENT_ENCODING, HeaderValue::from_static("compress"));
    assert_eq!(codings(&headers), Err(Unknown));
}

#[test]
fn what_is_cut_short_or_goes_on_is_refused() {
    let content = b"some content, some content, some content".repeat(50);
    for coding in ALL {
        let body = packed(coding, &content);
        for end in 1..body.len() {
            let cut = unpacked(&[coding], &body[..end], (7, BOUNDS));
            assert_eq!(cut, Err(&reasons::MALFORMED), "{coding:?} {end}");
        }
        for size in [1, body.len(), body.len() + 1] {
            let more = [&body[..], b"x"].concat();
            let more = unpacked(&[coding], &more, (size, BOUNDS));
            assert_eq!(more, Err(&reasons::MALFORMED), "{coding:?} {size}");
            let twice = unpacked(&[coding], &body.repeat(2), (size, BOUNDS));
            assert_eq!(twice, Err(&reasons::MALFORMED), "{coding:?} {size}");
        }
        assert_eq!(
            unpacked(&[coding], b"", (1, BOUNDS)),
            Err(&reasons::MALFORMED)
        );
        let other = unpacked(&[coding], b"{\"plain\": \"text\"}", (64, BOUNDS));
        assert_eq!(other, Err(&reasons::MALFORMED), "{coding:?}");
    }
    // Bare deflate has no frame that says what it is.
    let zlib = packed(Coding::Deflate, &content);
    let bare = unpacked(&[Coding::Deflate], &zlib[2..zlib.len() - 4], (64, BOUNDS));
    assert_eq!(bare, Err(&reasons::MALFORMED));
}

#[test]
fn a_check_sum_that_does_not_hold_is_found() {
    for coding in [Coding::Gzip, Coding::Deflate] {
        let mut body = packed(coding, b"some content");
        let last = body.len() - if coding == Coding::Gzip { 5 } else { 1 };
        body[last] ^= 1;
        assert_eq!(
            unpacked(&[coding], &body, (64, BOUNDS)),
            Err(&reasons::MALFORMED)
        );
    }
}

#[test]
fn bombs_are_held_by_the_ratio() {
    let zeros = vec![0; 32 * 1024 * 1024];
    let free = Bounds {
        ratio: u64::MAX,
        ..BOUNDS
    };
    for coding in ALL {
        let bomb = packed(coding, &zeros);
        for size in [1, 1024, bomb.len()] {
            let held = unpacked(&[coding], &bomb, (size, BOUNDS));
            assert_eq!(held, Err(&reasons::RATIO), "{coding:?} {size}");
        }
        // Without the bound all of it comes out.
        let all = unpacked(&[coding], &bomb, (bomb.len(), free)).unwrap();
        assert_eq!(all.len(), zeros.len());
        // One within another is one too.
        let nested = packed(Coding::Gzip, &bomb);
        let held = unpacked(&[coding, Coding::Gzip], &nested, (4096, BOUNDS));
        assert_eq!(held, Err(&reasons::RATIO), "{coding:?} within gzip");
    }
}

#[test]
fn windows_are_held() {
    // Frames that want 16 MiB, and one of each coding that wants far more.
    let zstd = |descriptor: u8| [0x28, 0xb5, 0x2f, 0xfd, 0x00, descriptor, 0x01, 0x00, 0x00];
    let large = Bounds {
        window: 16 * 1024 * 1024,
        ..BOUNDS
    };
    let ask = |coding, body: &[u8], bounds| unpacked(&[coding], body, (64, bounds));
    assert_eq!(ask(Coding::Zstd, &zstd(13 << 3), BOUNDS), Ok(vec![]));
    assert_eq!(
        ask(Coding::Zstd, &zstd(14 << 3), BOUNDS),
        Err(&reasons::WINDOW)
    );
    assert_eq!(ask(Coding::Zstd, &zstd(14 << 3), large), Ok(vec![]));
    assert_eq!(
        ask(Coding::Zstd, &zstd(21 << 3), large),
        Err(&reasons::WINDOW)
    );
    // WBITS 23 and 24, then the last, empty metablock.
    assert_eq!(ask(Coding::Br, &[0b0011_1101], BOUNDS), Ok(vec![]));
    assert_eq!(
        ask(Coding::Br, &[0b0011_1111], BOUNDS),
        Err(&reasons::WINDOW)
    );
    assert_eq!(ask(Coding::Br, &[0b0011_1111], large), Ok(vec![]));
    // The large windows of brotli are no part of its RFC.
    let wide = ask(Coding::Br, &[0b0001_0001, 30, 3], large);
    assert_eq!(wide, Err(&reasons::MALFORMED));
}

#[test]
fn what_gives_nothing_does_not_go_on_for_ever() {
    // Empty stored blocks, behind zlib's header; skippable frames of zstd.
    let empty = [&[0x78, 0x9c][..], &[0, 0, 0, 0xff, 0xff].repeat(60_000)].concat();
    let held = unpacked(&[Coding::Deflate], &empty, (4096, BOUNDS));
    assert_eq!(held, Err(&reasons::MALFORMED));
    let mut skipped = vec![0x50, 0x2a, 0x4d, 0x18];
    skipped.extend_from_slice(&300_000_u32.to_le_bytes());
    skipped.extend_from_slice(&vec![0; 300_000]);
    let held = unpacked(&[Coding::Zstd], &skipped, (4096, BOUNDS));
    assert_eq!(held, Err(&reasons::MALFORMED));
}

#[test]
fn what_was_flushed_can_be_read() {
    for coding in ALL {
        let mut packer = Packer::new(coding, LEVELS).unwrap();
        let mut inflater = Inflater::new(&[coding], BOUNDS).unwrap();
        for said in [&b"data: one\n\n"[..], b"data: two\n\n"] {
            let (mut out, mut read) = (Vec::new(), Vec::new());
            packer.put(said, &mut out).unwrap();
            assert!(packer.owes());
            packer.flush(&mut out).unwrap();
            assert!(!packer.owes());
            inflater.take(out.into()).unwrap();
            while let Some(piece) = inflater.unpack().unwrap() {
                read.extend_from_slice(&piece);
            }
            assert_eq!(read, said, "{coding:?}");
        }
    }
}

#[test]
fn no_call_leaves_more_than_a_turn_of_slow_work_for_another() {
    let slow = [(Coding::Br, 5..=11), (Coding::Zstd, 4..=19)];
    for (coding, level) in slow
        .into_iter()
        .flat_map(|(coding, levels)| levels.map(move |level| (coding, level)))
    {
        let levels = Levels {
            gzip: 4,
            br: level,
            zstd: level,
        };
        let mut packer = Packer::new(coding, levels).unwrap();
        let turn = packer.turn();
        let content: Vec<u8> = (0..3 * turn).map(|at| (at % 251) as u8).collect();
        // Whatever the pieces, a turn's worth has come out once it was put in.
        for (cut, owes) in [(turn, false), (1, true), (2 * turn - 1, false)] {
            let mut out = Vec::new();
            packer.put(&content[..cut], &mut out).unwrap();
            assert_eq!(packer.owes(), owes, "{coding:?} {level} {cut}");
            assert_eq!(out.is_empty(), owes, "{coding:?} {level} {cut}");
        }
    }
}

#[test]
fn the_harder_a_coding_tries_the_sooner_others_have_a_turn() {
    let turns = |coding, levels: std::ops::RangeInclusive<u32>| {
        let turn = |level| {
            Packer::turn_of(
                coding,
                Levels {
                    gzip: level,
                    br: level,
                    zstd: level,
                },
            )
        };
        levels.map(turn).collect::<Vec<_>>()
    };
    for (coding, levels) in [
        (Coding::Gzip, 1..=9),
        (Coding::Br, 0..=11),
        (Coding::Zstd, 1..=19),
    ] {
        let turns = turns(coding, levels);
        assert!(
            turns.is_sorted_by(|one, next| one >= next),
            "{coding:?} {turns:?}"
        );
        assert!(
            turns
                .iter()
                .all(|turn| (4 << 10..=128 << 10).contains(turn)),
            "{turns:?}"
        );
    }
    assert_eq!(turns(Coding::Br, 11..=11), [4 << 10]);
}

proptest! {
    #[test]
    fn what_is_packed_unpacks(
        pieces in prop::collection::vec(prop::collection::vec(0_u8..4, 0..40_000), 0..6),
        size in 1_usize..5000,
        coding in 0_usize..4,
        under in 0_usize..4,
    ) {
        let codings = [ALL[under], ALL[coding]];
        let content = pieces.concat();
        let mut body = Vec::new();
        let mut inner = Packer::new(codings[0], LEVELS).unwrap();
        for piece in &pieces {
            inner.put(piece, &mut body).unwrap();
            inner.flush(&mut body).unwrap();
        }
        inner.end(&mut body).unwrap();
        let body = packed(codings[1], &body);
        let back = unpacked(&codings, &body, (size, BOUNDS)).unwrap();
        prop_assert_eq!(back, content);
    }

    #[test]
    fn anything_is_refused_or_unpacked(
        body in prop::collection::vec(any::<u8>(), 0..2000),
        coding in 0_usize..4,
        size in 1_usize..500,
    ) {
        let _ = unpacked(&[ALL[coding]], &body, (size, BOUNDS));
    }
}
