//! Walks over whole, torn and damaged segments.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::PathBuf;

use super::super::testing::Dir;
use super::*;

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::append(&mut out, 1, |out| {
        out.extend_from_slice(payload);
        Ok::<(), ()>(())
    })
    .unwrap();
    out
}

fn file(dir: &Dir, bytes: &[u8]) -> PathBuf {
    let path = dir.join("file");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn walk(path: &Path) -> (Vec<Vec<u8>>, Scan) {
    let mut scan = Scan::open(path, 0).unwrap();
    let mut payloads = Vec::new();
    while let Some(found) = scan.next().unwrap() {
        payloads.push(found.frame.payload().to_vec());
    }
    (payloads, scan)
}

/// What a crash leaves: the file ends anywhere.
#[test]
fn a_file_cut_at_any_byte_gives_exactly_the_whole_frames_below() {
    let dir = Dir::new();
    let frames = [
        framed(b"first"),
        framed(&[0xE7; 40]),
        framed(b""),
        framed(b"the last"),
    ];
    let bytes = frames.concat();
    for cut in 0..=bytes.len() {
        let mut whole = 0;
        let mut end = 0;
        while whole < frames.len() && end + frames[whole].len() <= cut {
            end += frames[whole].len();
            whole += 1;
        }
        let (payloads, scan) = walk(&file(&dir, &bytes[..cut]));
        assert_eq!(payloads.len(), whole, "cut at {cut}");
        assert_eq!(
            (scan.offset(), scan.damaged),
            (end as u64, 0),
            "cut at {cut}"
        );
    }
}

/// What a bad sector leaves: one byte is another.
#[test]
fn one_damaged_byte_costs_one_frame() {
    let dir = Dir::new();
    let frames: Vec<Vec<u8>> = (0..5_u8).map(|n| framed(&[b'a' + n; 30])).collect();
    let bytes = frames.concat();
    let size = frames[0].len();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xFF;
        let (payloads, scan) = walk(&file(&dir, &damaged));
        let hit = at / size;
        let expected: Vec<_> = (0..5_u8)
            .filter(|n| usize::from(*n) != hit)
            .map(|n| vec![b'a' + n; 30])
            .collect();
        assert_eq!(payloads, expected, "byte {at}");
        // Damage in the last frame may as well be a frame being written.
        let counted = if hit == 4 { 0 } else { size as u64 };
        assert_eq!(scan.damaged, counted, "byte {at}");
    }
}

#[test]
fn a_walk_goes_on_where_more_was_written() {
    let dir = Dir::new();
    let bytes = [framed(b"one"), framed(b"two")].concat();
    for cut in 0..bytes.len() {
        let path = file(&dir, &bytes[..cut]);
        let mut scan = Scan::open(&path, 0).unwrap();
        let mut seen = 0;
        while scan.next().unwrap().is_some() {
            seen += 1;
        }
        std::fs::write(&path, &bytes).unwrap();
        while scan.next().unwrap().is_some() {
            seen += 1;
        }
        assert_eq!((seen, scan.damaged), (2, 0), "cut at {cut}");
    }
}

#[test]
fn frames_across_windows_and_the_largest_are_read() {
    let dir = Dir::new();
    let sizes = [
        frame::PAYLOAD_MAX,
        10,
        50_000,
        1,
        65_000,
        frame::PAYLOAD_MAX,
        30_000,
        7,
    ];
    let bytes: Vec<u8> = sizes
        .iter()
        .cycle()
        .take(64)
        .flat_map(|size| framed(&vec![1; *size]))
        .collect();
    let (payloads, scan) = walk(&file(&dir, &bytes));
    let read: Vec<_> = payloads.iter().map(Vec::len).collect();
    assert_eq!(
        read,
        sizes.iter().copied().cycle().take(64).collect::<Vec<_>>()
    );
    assert_eq!(scan.offset(), bytes.len() as u64);
}

#[test]
fn a_stretch_of_garbage_longer_than_a_window_is_passed_over() {
    let dir = Dir::new();
    let garbage = [0xE7, 1].repeat(WINDOW);
    let bytes = [framed(b"before"), garbage.clone(), framed(b"after")].concat();
    let (payloads, scan) = walk(&file(&dir, &bytes));
    assert_eq!(payloads, [b"before".to_vec(), b"after".to_vec()]);
    assert_eq!(scan.damaged, garbage.len() as u64);
}

#[test]
fn a_walk_may_begin_at_any_frame() {
    let dir = Dir::new();
    let first = framed(b"one");
    let path = file(&dir, &[first.clone(), framed(b"two")].concat());
    let mut scan = Scan::open(&path, first.len() as u64).unwrap();
    let found = scan.next().unwrap().unwrap();
    assert_eq!(
        (found.frame.payload(), found.begin),
        (&b"two"[..], first.len() as u64)
    );
}
