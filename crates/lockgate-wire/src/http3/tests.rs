//! The frames' watcher and the budgets.

use proptest::prelude::*;

use super::{reasons, Breach, Counters, Frames, Step, StreamKind, Sums};
use crate::reason::ReasonRef;

const HEADER_BYTES: u64 = 1000;
/// `GET / `, as the static table of QPACK has it, and an authority.
const HEAD: &[u8] = &[0, 0, 0xd1, 0xd7, 0xc1, 0x50, 1, b'a'];
const TRAILERS: &[u8] = &[0, 0, 0x21, b'x', 1, b'1'];

fn integer(value: u64) -> Vec<u8> {
    match value {
        0..=0x3f => vec![u8::try_from(value).unwrap()],
        0x40..=0x3fff => u16::try_from(value | 0x4000)
            .unwrap()
            .to_be_bytes()
            .to_vec(),
        0x4000..=0x3fff_ffff => u32::try_from(value | 0x8000_0000)
            .unwrap()
            .to_be_bytes()
            .to_vec(),
        _ => (value | 0xc000_0000_0000_0000).to_be_bytes().to_vec(),
    }
}

fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [
        integer(kind),
        integer(payload.len() as u64),
        payload.to_vec(),
    ]
    .concat()
}

/// Feeds all of it; what goes on, piece by piece.
fn feed(
    frames: &mut Frames,
    mut bytes: &[u8],
    counters: &mut Counters,
    now_ms: u64,
) -> Result<Vec<Vec<u8>>, Breach> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (count, step) = frames.step(bytes, counters, now_ms)?;
        let (here, rest) = bytes.split_at(count);
        match step {
            Step::Held | Step::Drop => {}
            Step::Head => pieces.push(frames.head().to_vec()),
            Step::Pass => pieces.push(here.to_vec()),
            Step::Malformed => return Err((&reasons::PSEUDO_FIELDS).into()),
        }
        bytes = rest;
    }
    Ok(pieces)
}

fn watch(kind: StreamKind, bytes: &[u8]) -> Result<(), Breach> {
    let mut counters = Counters::new(1, 0);
    feed(
        &mut Frames::new(kind, HEADER_BYTES),
        bytes,
        &mut counters,
        0,
    )
    .map(|_| ())
}

fn reason<T>(watched: Result<T, Breach>) -> Option<ReasonRef> {
    watched.err().map(|breach| breach.reason)
}

#[test]
fn a_request_passes() {
    let long = [HEAD, b"!x\x7f\xdc\x06", &[7; 987]].concat();
    let request = [frame(1, &long), frame(0, &[1; 70_000]), frame(1, TRAILERS)].concat();
    assert_eq!(watch(StreamKind::Request, &request), Ok(()));
}

#[test]
fn a_header_block_that_says_it_is_long_is_refused_at_its_first_bytes() {
    for length in [HEADER_BYTES + 1, 1 << 40, (1 << 62) - 1] {
        let begun = [integer(1), integer(length)].concat();
        let refused = watch(StreamKind::Request, &begun);
        assert_eq!(reason(refused), Some(&reasons::HEADER_BLOCK_TOO_LARGE));
    }
}

#[test]
fn a_frame_of_an_unknown_kind_may_carry_little() {
    assert_eq!(watch(StreamKind::Request, &frame(0x21, &[0; 4096])), Ok(()));
    let begun = [integer(0x21), integer(4097)].concat();
    let refused = watch(StreamKind::Request, &begun);
    assert_eq!(reason(refused), Some(&reasons::FRAME_TOO_LARGE));
}

#[test]
fn each_request_may_send_one_frame_without_meaning_and_no_flood_of_them() {
    let mut counters = Counters::new(1, 0);
    let request = [frame(1, HEAD), frame(0x21, b"grease")].concat();
    for _ in 0..1000 {
        let mut frames = Frames::new(StreamKind::Request, HEADER_BYTES);
        assert!(feed(&mut frames, &request, &mut counters, 0).is_ok());
    }
    let mut frames = Frames::new(StreamKind::Request, HEADER_BYTES);
    let flood = frame(0x21, b"grease").repeat(1 + 100);
    assert!(feed(&mut frames, &flood, &mut counters, 0).is_ok());
    let refused = feed(&mut frames, &frame(0x21, b""), &mut counters, 0);
    assert_eq!(reason(refused), Some(&reasons::CONTROL_FLOOD));
}

#[test]
fn the_control_stream_is_watched_and_others_are_not() {
    let long = [integer(4), integer(1 << 30)].concat();
    let control = [integer(0), long.clone()].concat();
    let refused = watch(StreamKind::OneWay, &control);
    assert_eq!(reason(refused), Some(&reasons::FRAME_TOO_LARGE));
    let encoder = [integer(2), long].concat();
    assert_eq!(watch(StreamKind::OneWay, &encoder), Ok(()));
}

#[test]
fn each_frame_is_a_head_and_its_payload_and_what_carries_nothing_is_left_out() {
    let request = [
        frame(1, HEAD),
        frame(0, b""),
        frame(0, b"one"),
        frame(0x21, b"grease"),
        frame(0, b"two"),
    ]
    .concat();
    let mut counters = Counters::new(1, 0);
    let mut frames = Frames::new(StreamKind::Request, HEADER_BYTES);
    let pieces = feed(&mut frames, &request, &mut counters, 0).unwrap();
    let wanted: [&[u8]; 6] = [&[1, 8], HEAD, &[0, 3], b"one", &[0, 3], b"two"];
    assert_eq!(pieces, wanted);
    assert!(!frames.is_cut());
    assert_eq!(frames.step(&[0x40], &mut counters, 0), Ok((1, Step::Held)));
    assert!(frames.is_cut());
    assert_eq!(frames.head(), [0x40]);
}

#[test]
fn a_frame_whose_stream_ends_is_cut_off() {
    let mut counters = Counters::new(1, 0);
    for (cut, is_cut) in [
        (frame(0, b"data"), false),
        (frame(0x21, b"grease"), false),
        (vec![0, 60], true),
        (vec![0, 60, b'd'], true),
        (vec![0x21, 2, b'g'], true),
        (vec![1, 8, 0], true),
    ] {
        let mut frames = Frames::new(StreamKind::Request, HEADER_BYTES);
        feed(
            &mut frames,
            &[frame(1, HEAD), cut].concat(),
            &mut counters,
            0,
        )
        .unwrap();
        let end = frames.end();
        assert_eq!(end.is_err(), is_cut);
        assert!(
            end.is_ok()
                || end
                    == Err(Breach {
                        reason: &reasons::FRAME_CUT,
                        error_code: 0x106
                    })
        );
    }
}

#[test]
fn small_frames_are_counted() {
    let mut counters = Counters::new(1, 0);
    let mut frames = Frames::new(StreamKind::Request, HEADER_BYTES);
    let empty = frame(0, b"");
    for _ in 0..100 {
        assert_eq!(feed(&mut frames, &empty, &mut counters, 0), Ok(vec![]));
    }
    let refused = feed(&mut frames, &empty, &mut counters, 0);
    assert_eq!(reason(refused), Some(&reasons::EMPTY_FRAMES_FLOOD));
    let mut frames = Frames::new(StreamKind::OneWay, HEADER_BYTES);
    let control = [vec![0], frame(0xd, &[1]).repeat(100)].concat();
    assert!(feed(&mut frames, &control, &mut counters, 0).is_ok());
    let refused = feed(&mut frames, &frame(0xd, &[1]), &mut counters, 0);
    assert_eq!(reason(refused), Some(&reasons::CONTROL_FLOOD));
    // Ten more a second.
    assert!(feed(&mut frames, &frame(0xd, &[1]), &mut counters, 100).is_ok());
}

#[test]
fn sums_are_taken_from_the_budgets_once() {
    let mut counters = Counters::new(1, 0);
    let resets = |resets| Sums {
        resets,
        ..Sums::default()
    };
    assert_eq!(counters.transport(resets(1_000), 0), Ok(()));
    assert_eq!(counters.transport(resets(1_000), 0), Ok(()));
    let refused = counters.transport(resets(1_001), 0);
    assert_eq!(refused, Err(&reasons::RESET_FLOOD));
}

#[test]
fn each_sum_has_its_budget() {
    let far = 1_000_000;
    let base = Sums::default();
    for (sums, reason) in [
        (Sums { pings: far, ..base }, &reasons::PING_FLOOD),
        (Sums { paths: far, ..base }, &reasons::PATH_FLOOD),
        (
            Sums {
                windows: far,
                ..base
            },
            &reasons::WINDOW_UPDATE_FLOOD,
        ),
    ] {
        assert_eq!(Counters::new(1, 0).transport(sums, 0), Err(reason));
    }
    let bought = Sums {
        windows: 50_000,
        sent_bytes: 50_000 * 2048,
        ..base
    };
    let mut counters = Counters::new(1, 0);
    // What was sent buys no more than the budget holds.
    assert_eq!(
        counters.transport(bought, 0),
        Err(&reasons::WINDOW_UPDATE_FLOOD)
    );
}

#[test]
fn streams_in_one_direction_are_counted() {
    let mut counters = Counters::new(2, 0);
    for _ in 0..40 {
        assert_eq!(counters.one_way(0), Ok(()));
    }
    assert_eq!(counters.one_way(0), Err(&reasons::CONTROL_FLOOD));
}

#[test]
fn reasons_keep_their_codes() {
    let codes = [
        (&reasons::FRAME_TOO_LARGE, "http3-frame-too-large"),
        (&reasons::PSEUDO_FIELDS, "http3-pseudo-fields"),
        (&reasons::PATH_FLOOD, "http3-path-flood"),
        (&reasons::WINDOW_UPDATE_FLOOD, "http3-window-update-flood"),
        (&reasons::EMPTY_FRAMES_FLOOD, "http3-empty-frames-flood"),
        (&reasons::CONTROL_FLOOD, "http3-control-flood"),
    ];
    for (reason, code) in codes {
        assert_eq!(reason.code, code);
    }
}

/// A name and a value, written out.
fn written(name: &[u8], huffman: bool, value: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    let length = u8::try_from(name.len()).unwrap();
    let first = 0x20 | if huffman { 8 } else { 0 };
    match length {
        0..=6 => line.push(first | length),
        _ => line.extend([first | 7, length - 7]),
    }
    line.extend(name);
    line.push(u8::try_from(value.len()).unwrap());
    line.extend(value);
    line
}

#[test]
fn pseudo_header_fields_come_once_and_first_however_they_are_written() {
    let plain = |name: &[u8]| written(name, false, b"x");
    let coded = |name: &[u8]| written(name, true, b"x");
    let path = b"\xb9\x58\xd3\x3f";
    let fine: [&[&[u8]]; 6] = [
        &[HEAD],
        &[
            HEAD,
            &plain(b"x-more"),
            &plain(b"x-more"),
            &plain(b"cookie"),
        ],
        &[&[0, 0, 0xd1, 0xd7], &coded(path), &plain(b":authority")],
        &[
            &[0, 0, 0xd4],
            &plain(b":scheme"),
            &plain(b":path"),
            &plain(b":protocol"),
        ],
        // Names that begin as a colon does but for a bit.
        &[HEAD, &coded(b"\xba\x58"), &plain(b";path")],
        // Longer than any of them.
        &[
            HEAD,
            &plain(b"x-a-name-that-is-longer"),
            &coded(&[0x20; 20]),
        ],
    ];
    for lines in fine {
        let request = frame(1, &lines.concat());
        assert_eq!(watch(StreamKind::Request, &request), Ok(()), "{lines:?}");
    }
    let wrong: [&[&[u8]]; 16] = [
        // Twice: by the table, by a name of it, written out, and coded.
        &[HEAD, &[0xd1]],
        &[HEAD, &[0xd4]],
        &[HEAD, &[0x51, 1, b'/']],
        &[HEAD, &plain(b":path")],
        &[HEAD, &coded(path)],
        &[
            &[0, 0],
            &coded(b"\xb8\x3b\x53\x39\xec\x32\x7d\x7f"),
            &[0xc0],
        ],
        &[&[0, 0], &coded(b"\xb9\x49\x53\x39\xe4"), &[0xd1]],
        &[&[0, 0], &coded(b"\xb8\x82\x4e\x5a\x4b"), &[0xd7]],
        &[
            &[0, 0],
            &coded(b"\xb9\x5d\x87\x49\xc8\x7a\x3f"),
            &plain(b":protocol"),
        ],
        // Behind another.
        &[
            &[0, 0, 0xd1, 0xd7, 0xc1],
            &plain(b"x"),
            &plain(b":authority"),
        ],
        &[&[0, 0, 0xd1, 0xd7, 0xc1, 0xdf, 0xc0]],
        // None of a request's, and one that nobody knows, or in an odd spelling.
        &[HEAD, &[0xd9]],
        &[HEAD, &plain(b":path-too")],
        &[HEAD, &coded(b"\xb9\x58\xd3\x3e")],
        // Out of a dynamic table, and a number that does not end.
        &[HEAD, &[0x80]],
        &[HEAD, &[0x27, 0x80, 0x80, 0x80, 0x80, 0x80, 0, b'x']],
    ];
    for lines in wrong {
        let request = frame(1, &lines.concat());
        let refused = reason(watch(StreamKind::Request, &request));
        assert_eq!(refused, Some(&reasons::PSEUDO_FIELDS), "{lines:?}");
    }
    let trailers = |lines: &[u8]| [frame(1, HEAD), frame(0, b"body"), frame(1, lines)].concat();
    assert_eq!(watch(StreamKind::Request, &trailers(TRAILERS)), Ok(()));
    for lines in [&[0, 0, 0xc1][..], &[0, 0, 0x21, b'x', 0, 0xd9]] {
        let refused = watch(StreamKind::Request, &trailers(lines));
        assert_eq!(reason(refused), Some(&reasons::PSEUDO_FIELDS));
    }
}

proptest! {
    /// The verdict does not depend on how the bytes were cut.
    #[test]
    fn cutting_changes_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(0usize..200, 0..8),
        one_way in any::<bool>(),
    ) {
        let kind = if one_way { StreamKind::OneWay } else { StreamKind::Request };
        let begin = || (Frames::new(kind, HEADER_BYTES), Counters::new(1, 0));
        let (mut frames, mut counters) = begin();
        let whole = feed(&mut frames, &bytes, &mut counters, 0).map(|pieces| pieces.concat());
        let (mut frames, mut counters) = begin();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let cut = cuts
            .windows(2)
            .map(|pair| feed(&mut frames, &bytes[pair[0]..pair[1]], &mut counters, 0))
            .collect::<Result<Vec<_>, _>>()
            .map(|pieces| pieces.concat().concat());
        prop_assert_eq!(whole, cut);
    }
}
