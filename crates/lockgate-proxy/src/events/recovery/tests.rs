//! What a crash leaves, and what a start makes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::super::segment::Name;
use super::super::testing::{
    options, read_all, record, request_ids, segment_files, system_codes, Dir,
};
use super::super::{Audit, Body, Event, EventLog};
use super::*;

fn write(dir: &Path, ids: &[&str]) {
    let log = EventLog::start(dir, options()).unwrap();
    let sink = log.sink();
    for id in ids {
        sink.access(&record(id));
    }
    drop(sink);
    log.close();
}

fn audit(log: &EventLog) -> String {
    let audit = Audit {
        actor: "a".to_owned(),
        action: "b".to_owned(),
        ..Audit::default()
    };
    log.append_durable(Event::new(Body::Audit(audit)))
        .unwrap()
        .hash
        .unwrap()
}

/// A power loss at any byte of what had not been synced.
#[test]
fn a_tail_torn_at_any_byte_is_cut_to_the_last_whole_event() {
    let dir = Dir::new();
    write(&dir, &["one", "two"]);
    let path = segment_files(&dir).remove(0);
    let bytes = std::fs::read(&path).unwrap();
    let mut last = 0;
    let mut scan = Scan::open(&path, 0).unwrap();
    while let Some(found) = scan.next().unwrap() {
        last = found.begin;
    }
    for cut in usize::try_from(last).unwrap()..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let recovered = recover(&dir).unwrap();
        assert_eq!(recovered.torn_bytes, cut as u64 - last, "cut at {cut}");
        assert_eq!(
            std::fs::metadata(&path).unwrap().len(),
            last,
            "cut at {cut}"
        );
        assert_eq!(request_ids(&read_all(&dir)), ["one"], "cut at {cut}");
    }
}

#[test]
fn a_start_goes_on_in_a_new_segment_and_says_what_was_cut() {
    let dir = Dir::new();
    write(&dir, &["one", "two"]);
    let path = segment_files(&dir).remove(0);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    write(&dir, &["three"]);
    let events = read_all(&dir);
    assert_eq!(request_ids(&events), ["one", "three"]);
    assert_eq!(system_codes(&events), ["events-recovered"]);
}

#[test]
fn bytes_that_the_watermark_had_promised_are_missed() {
    let dir = Dir::new();
    write(&dir, &["one", "two"]);
    let path = segment_files(&dir).remove(0);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let recovered = recover(&dir).unwrap();
    assert_eq!(recovered.lost_bytes, recovered.torn_bytes + 1);
    assert!(recovered.torn_bytes > 0);
}

#[test]
fn damage_in_the_middle_does_not_cost_what_follows() {
    let dir = Dir::new();
    write(&dir, &["one", "two", "three"]);
    let path = segment_files(&dir).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let two = bytes.windows(3).position(|part| part == b"two").unwrap();
    bytes[two] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(recover(&dir).unwrap().torn_bytes, 0);
    assert_eq!(request_ids(&read_all(&dir)), ["one", "three"]);
}

#[test]
fn a_segment_without_events_is_deleted() {
    let dir = Dir::new();
    write(&dir, &["one"]);
    std::fs::write(
        Name {
            start_ms: u64::MAX,
            seq: 99,
        }
        .path(&dir),
        b"",
    )
    .unwrap();
    recover(&dir).unwrap();
    assert_eq!(segment_files(&dir).len(), 1);
    write(&dir, &["two"]);
    assert_eq!(request_ids(&read_all(&dir)), ["one", "two"]);
}

#[test]
fn the_audit_chain_goes_on_after_a_start_even_over_segments_without_audit_events() {
    let dir = Dir::new();
    let log = EventLog::start(&dir, options()).unwrap();
    let head = audit(&log);
    log.close();
    write(&dir, &["no audit event here"]);
    assert_eq!(recover(&dir).unwrap().chain.to_hex(), head);
    // Nor when the newest segment has lost its header.
    let path = segment_files(&dir).remove(1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(recover(&dir).unwrap().chain.to_hex(), head);
}
