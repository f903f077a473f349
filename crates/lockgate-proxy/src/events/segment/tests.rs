//! Names, listing, and appends that fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;

use super::super::testing::Dir;
use super::*;

fn create(dir: &Path, faults: &Arc<Faults>) -> Segment {
    let name = Name {
        start_ms: 3,
        seq: 9,
    };
    Segment::create(dir, name, "n", Hash::GENESIS, Arc::clone(faults)).unwrap()
}

#[test]
fn segments_are_ordered_by_number_not_by_clock_or_text() {
    let dir = Dir::new();
    let names = [(9, 100_000_000), (5, 1), (7, 99_999_999), (1, 3)];
    for (start_ms, seq) in names {
        std::fs::write(Name { start_ms, seq }.path(&dir), b"xy").unwrap();
    }
    for other in ["watermark", "lock", "1-2.txt", "x.seg", "1-+2.seg"] {
        std::fs::write(dir.join(other), b"").unwrap();
    }
    let listed = list(&dir).unwrap();
    assert_eq!(
        listed.iter().map(|it| it.name.seq).collect::<Vec<_>>(),
        [1, 3, 99_999_999, 100_000_000]
    );
    assert!(listed.iter().all(|it| it.bytes == 2));
}

#[test]
fn a_segment_says_who_and_when_it_is() {
    let dir = Dir::new();
    let segment = create(&dir, &Arc::default());
    let bytes = std::fs::read(segment.name.path(&dir)).unwrap();
    assert_eq!(frame::parse(&bytes), frame::Parsed::Good(bytes.len()));
    let header = Header::read(frame::Frame::of(&bytes).payload()).unwrap();
    assert_eq!(header, Header::new(segment.name, "n", Hash::GENESIS));
    assert_eq!(segment.begin, bytes.len() as u64);
}

#[test]
fn a_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    let segment = create(&dir, &Arc::default());
    let mode = std::fs::metadata(segment.name.path(&dir))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_failed_append_leaves_no_trace() {
    let dir = Dir::new();
    let faults = Arc::default();
    let mut segment = create(&dir, &faults);
    segment.append(b"one").unwrap();
    faults.fail_writes(Some(io::ErrorKind::StorageFull));
    let error = segment.append(b"two").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    faults.fail_writes(None);
    segment.append(b"three").unwrap();
    let bytes = std::fs::read(segment.name.path(&dir)).unwrap();
    assert!(bytes.ends_with(b"onethree"));
}

#[test]
fn what_a_failed_sync_covers_is_not_called_synced() {
    let dir = Dir::new();
    let faults = Arc::default();
    let mut segment = create(&dir, &faults);
    segment.sync(&dir).unwrap();
    let synced = segment.synced;
    segment.append(b"more").unwrap();
    faults.fail_syncs(true);
    segment.sync(&dir).unwrap_err();
    assert_eq!(segment.synced, synced);
}
