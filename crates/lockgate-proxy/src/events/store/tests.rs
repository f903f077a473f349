//! Rotation, retention, and what is called durable.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use super::super::faults::Faults;
use super::super::reader::durable_until;
use super::super::testing::{options, read_all, record, request_ids, segment_files, Dir};
use super::super::{frame, Cursor};
use super::*;

fn open(dir: &Path, faults: &Arc<Faults>) -> Store {
    let options = Options {
        retain_bytes: 40_000,
        segment_bytes: 10_000,
        faults: Arc::clone(faults),
        ..options()
    };
    Store::open(dir, &options).unwrap().0
}

fn event(id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    frame::append(&mut out, 1, |out| {
        record(id).encode(out);
        Ok::<(), ()>(())
    })
    .unwrap();
    out
}

fn total(dir: &Path) -> u64 {
    segment::list(dir)
        .unwrap()
        .iter()
        .map(|listed| listed.bytes)
        .sum()
}

#[test]
fn a_full_segment_is_followed_by_the_next() {
    let dir = Dir::new();
    let mut store = open(&dir, &Arc::default());
    let ids: Vec<String> = (0..150).map(|n| format!("r{n}")).collect();
    for id in &ids {
        store.append(&event(id), 1000).unwrap();
    }
    let segments = segment::list(&dir).unwrap();
    assert!(segments.len() > 1);
    assert!(
        segments.iter().all(|listed| listed.bytes <= 10_000),
        "{segments:?}"
    );
    assert_eq!(request_ids(&read_all(&dir)), ids);
}

#[test]
fn an_old_segment_is_followed_by_the_next_unless_it_is_empty() {
    let dir = Dir::new();
    let options = Options {
        segment_age: Duration::from_millis(50),
        ..options()
    };
    let mut store = Store::open(&dir, &options).unwrap().0;
    for now in [100, 149, 150, 151, 300] {
        store.append(&event("r"), now).unwrap();
    }
    let starts: Vec<u64> = segment::list(&dir)
        .unwrap()
        .iter()
        .map(|it| it.name.start_ms)
        .collect();
    assert_eq!(starts, [100, 150, 300]);
}

#[test]
fn a_clock_that_goes_back_does_not_disorder_segments() {
    let dir = Dir::new();
    let mut store = open(&dir, &Arc::default());
    for now in (0..200).rev() {
        store.append(&event("r"), 1000 + now).unwrap();
    }
    let starts: Vec<u64> = segment::list(&dir)
        .unwrap()
        .iter()
        .map(|it| it.name.start_ms)
        .collect();
    assert!(starts.len() > 1 && starts.is_sorted(), "{starts:?}");
}

#[test]
fn the_oldest_segments_go_and_the_open_one_stays() {
    let dir = Dir::new();
    let mut store = open(&dir, &Arc::default());
    for n in 0..1000 {
        store.append(&event(&format!("r{n}")), 1000).unwrap();
        assert!(total(&dir) <= 40_000, "{} bytes after {n}", total(&dir));
    }
    assert!(store.deleted > 0);
    assert!(total(&dir) > 20_000, "most of what may stay does");
    let ids = request_ids(&read_all(&dir));
    assert_eq!(ids.last().unwrap(), "r999");
    // What is left is the newest, without a hole.
    let first: u32 = ids[0][1..].parse().unwrap();
    assert_eq!(ids.len() as u32, 1000 - first);
}

#[test]
fn the_directory_has_one_writer() {
    let dir = Dir::new();
    let store = open(&dir, &Arc::default());
    let error = Store::open(&dir, &options()).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(store);
    open(&dir, &Arc::default());
}

#[test]
fn the_watermark_is_what_was_synced_and_never_more() {
    let dir = Dir::new();
    let faults = Arc::default();
    let mut store = open(&dir, &faults);
    assert_eq!(durable_until(&dir).unwrap(), None);
    store.append(&event("r1"), 1000).unwrap();
    assert_eq!(
        durable_until(&dir).unwrap(),
        None,
        "written is not yet durable"
    );
    store.sync(1000).unwrap();
    let first = segment::list(&dir).unwrap()[0];
    let synced = Some(Cursor {
        name: first.name,
        offset: first.bytes,
    });
    assert_eq!(durable_until(&dir).unwrap(), synced);

    store.append(&event("r2"), 1000).unwrap();
    faults.fail_syncs(true);
    store.sync(1000).unwrap_err();
    store.append(&event("r3"), 1000).unwrap();
    store.sync(1000).unwrap_err();
    assert_eq!(durable_until(&dir).unwrap(), synced);
}

/// Linux tells of a failed write-back once: the next success proves nothing
/// about the bytes before it.
#[test]
fn after_a_failed_sync_its_events_are_written_again_elsewhere() {
    let dir = Dir::new();
    let faults = Arc::default();
    let mut store = open(&dir, &faults);
    store.append(&event("r1"), 1000).unwrap();
    store.sync(1000).unwrap();
    store.append(&event("r2"), 1000).unwrap();
    faults.fail_syncs(true);
    for _ in 0..3 {
        store.sync(1000).unwrap_err();
    }
    store.append(&event("r3"), 1000).unwrap();
    faults.fail_syncs(false);
    store.sync(1000).unwrap();
    assert_eq!(request_ids(&read_all(&dir)), ["r1", "r2", "r3"]);
    let segments = segment::list(&dir).unwrap();
    assert_eq!(
        segments.len(),
        2,
        "the first to its last synced byte, and a new one"
    );
    let newest = segments[1];
    let end = Some(Cursor {
        name: newest.name,
        offset: newest.bytes,
    });
    assert_eq!(durable_until(&dir).unwrap(), end);
}

#[test]
fn a_failed_sync_at_a_rotation_is_not_passed_over() {
    let dir = Dir::new();
    let faults = Arc::default();
    let mut store = open(&dir, &faults);
    faults.fail_syncs(true);
    let mut written = 0;
    while store.append(&event(&format!("r{written}")), 1000).is_ok() {
        written += 1;
    }
    assert_eq!(
        segment_files(&dir).len(),
        1,
        "no next segment before the last one is durable"
    );
    faults.fail_syncs(false);
    store.append(&event("after"), 1000).unwrap();
    store.sync(1000).unwrap();
    let mut ids: Vec<String> = (0..written).map(|n| format!("r{n}")).collect();
    ids.push("after".to_owned());
    assert_eq!(request_ids(&read_all(&dir)), ids);
}

#[test]
fn the_directory_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    let inner = dir.join("gate/events");
    open(&inner, &Arc::default());
    let mode = std::fs::metadata(&inner).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
