//! Reading in pages, while the log is written, rotated and cut.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::super::testing::{
    options, read_all, record, request_ids, segment_files, system_codes, Dir,
};
use super::super::{AccessRecord, Class, EventLog, Options};
use super::*;

const ALL: fn() -> Filter = Filter::default;

fn small(dir: &Path) -> EventLog {
    let options = Options {
        retain_bytes: 8 << 20,
        segment_bytes: 10_000,
        ..options()
    };
    EventLog::start(dir, options).unwrap()
}

/// Writes so many events and waits until they are in the segments.
fn write(log: &EventLog, numbers: std::ops::Range<u32>) -> Vec<String> {
    let ids: Vec<String> = numbers.map(|n| format!("r{n}")).collect();
    for some in ids.chunks(20) {
        let sink = log.sink();
        for id in some {
            sink.access(&record(id));
        }
        drop(sink);
        log.flush().unwrap();
    }
    ids
}

#[test]
fn pages_of_any_size_give_every_event_once_and_in_order() {
    let dir = Dir::new();
    let log = small(&dir);
    let ids = write(&log, 0..300);
    assert!(segment_files(&dir).len() > 2);
    for limit in [1, 7, 100, 300, 1000] {
        let mut read = Vec::new();
        let mut cursor = None;
        loop {
            // A fresh reader each time, as a caller that keeps only the text.
            let page = Reader::new(&dir, cursor).page(&ALL(), limit).unwrap();
            assert!(page.events.len() <= limit && page.damaged_bytes == 0 && !page.gap);
            read.extend(request_ids(&page.events));
            cursor = Some(page.cursor.unwrap().to_string().parse().unwrap());
            if !page.more {
                break;
            }
        }
        assert_eq!(read, ids, "by {limit}");
    }
}

#[test]
fn a_follower_sees_what_is_appended_over_rotations() {
    let dir = Dir::new();
    let log = small(&dir);
    let mut reader = Reader::new(&dir, None);
    assert_eq!(reader.page(&ALL(), 10).unwrap(), Page::default());
    let mut read = Vec::new();
    for round in 0..40 {
        let ids = write(&log, round * 10..round * 10 + 10);
        let mut seen = Vec::new();
        loop {
            let page = reader.page(&ALL(), 1000).unwrap();
            assert!(page.damaged_bytes == 0 && !page.gap, "{page:?}");
            seen.extend(request_ids(&page.events));
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, ids, "round {round}");
        read.extend(seen);
    }
    assert!(segment_files(&dir).len() > 3);
    assert_eq!(read, request_ids(&read_all(&dir)));
}

#[test]
fn a_half_written_frame_is_waited_for_and_a_sealed_one_passed_over() {
    let dir = Dir::new();
    let log = small(&dir);
    let ids = write(&log, 0..2);
    let path = segment_files(&dir).remove(0);
    let whole = std::fs::read(&path).unwrap();
    log.close();
    drop(log);
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let mut reader = Reader::new(&dir, None);
    let page = reader.page(&ALL(), 10).unwrap();
    assert_eq!(
        (request_ids(&page.events), page.damaged_bytes),
        (ids[..1].to_vec(), 0)
    );
    std::fs::write(&path, &whole).unwrap();
    let page = reader.page(&ALL(), 10).unwrap();
    assert_eq!(
        (request_ids(&page.events), page.damaged_bytes),
        (ids[1..].to_vec(), 0)
    );

    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let next = Name {
        start_ms: u64::from(u32::MAX),
        seq: 77,
    };
    std::fs::write(next.path(&dir), b"").unwrap();
    let page = Reader::new(&dir, None).page(&ALL(), 10).unwrap();
    assert_eq!(request_ids(&page.events), ids[..1]);
    assert!(page.damaged_bytes > 0 && !page.more);
}

#[test]
fn a_cursor_whose_segment_was_deleted_goes_on_at_the_oldest_and_says_so() {
    let dir = Dir::new();
    let log = small(&dir);
    write(&log, 0..200);
    let cursor = Reader::new(&dir, None).page(&ALL(), 3).unwrap().cursor;
    std::fs::remove_file(segment_files(&dir).remove(0)).unwrap();
    let page = Reader::new(&dir, cursor).page(&ALL(), 1000).unwrap();
    assert!(page.gap);
    assert_eq!(request_ids(&page.events), request_ids(&read_all(&dir)));
    assert!(!page.events.is_empty());
}

#[test]
fn a_reader_whose_segment_is_deleted_under_it_reads_it_to_its_end() {
    let dir = Dir::new();
    let log = small(&dir);
    let ids = write(&log, 0..200);
    let mut reader = Reader::new(&dir, None);
    let mut read = request_ids(&reader.page(&ALL(), 3).unwrap().events);
    std::fs::remove_file(segment_files(&dir).remove(0)).unwrap();
    loop {
        let page = reader.page(&ALL(), 1000).unwrap();
        read.extend(request_ids(&page.events));
        if !page.more {
            break;
        }
    }
    assert_eq!(read, ids);
}

#[test]
fn damage_is_passed_over_and_counted() {
    let dir = Dir::new();
    let log = small(&dir);
    write(&log, 0..3);
    log.close();
    let path = segment_files(&dir).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(2).position(|part| part == b"r1").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let page = Reader::new(&dir, None).page(&ALL(), 10).unwrap();
    assert_eq!(request_ids(&page.events), ["r0", "r2"]);
    assert!(page.damaged_bytes > 100);
}

#[test]
fn a_damaged_header_costs_the_node_and_nothing_else() {
    let dir = Dir::new();
    let log = small(&dir);
    let ids = write(&log, 0..3);
    log.close();
    let path = segment_files(&dir).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[9] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let page = Reader::new(&dir, None).page(&ALL(), 10).unwrap();
    assert_eq!(request_ids(&page.events), ids);
    assert_eq!(page.events[0].node, "");
}

#[test]
fn what_a_later_version_wrote_is_passed_over_and_counted() {
    let dir = Dir::new();
    let name = Name {
        start_ms: 1,
        seq: 1,
    };
    let mut bytes = Vec::new();
    for (class, payload) in [(9, &b"new class"[..]), (1, b"\xA0"), (4, b"no event")] {
        super::super::frame::append(&mut bytes, class, |out| {
            out.extend_from_slice(payload);
            Ok::<(), ()>(())
        });
    }
    std::fs::write(name.path(&dir), bytes).unwrap();
    let page = Reader::new(&dir, None).page(&ALL(), 10).unwrap();
    assert_eq!((page.events.len(), page.unreadable), (0, 3));
}

#[test]
fn a_filter_that_wants_late_events_opens_no_early_segment() {
    let dir = Dir::new();
    let log = small(&dir);
    write(&log, 0..100);
    let (first, second) = (segment_files(&dir).remove(0), segment_files(&dir).remove(1));
    let start_ms = |path: &Path| -> u64 {
        path.file_name().unwrap().to_str().unwrap()[..13]
            .parse()
            .unwrap()
    };
    // Were it opened, the first segment would show as damage.
    std::fs::write(&first, b"not a frame at all").unwrap();
    let since = Filter {
        since_ms: Some(start_ms(&second)),
        ..Filter::default()
    };
    assert_eq!(
        Reader::new(&dir, None)
            .page(&since, 10)
            .unwrap()
            .damaged_bytes,
        0
    );
    assert!(
        Reader::new(&dir, None)
            .page(&ALL(), 10)
            .unwrap()
            .damaged_bytes
            > 0
    );
}

#[test]
fn events_of_all_classes_carry_their_node() {
    let dir = Dir::new();
    let log = small(&dir);
    let sink = log.sink();
    sink.security(&AccessRecord {
        reason: Some("no-route"),
        ..record("r1")
    });
    drop(sink);
    log.append(Event::system(
        "started",
        "It began.".to_owned(),
        serde_json::Value::Null,
    ))
    .unwrap();
    log.flush().unwrap();
    let events = read_all(&dir);
    assert!(events
        .iter()
        .all(|event| event.node == "node-1" && event.v == 1));
    assert_eq!(events[0].body.class(), Class::Security);
    assert_eq!(system_codes(&events), ["started"]);
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let dir = Dir::new();
    assert!(Reader::new(&dir.join("none"), None)
        .page(&ALL(), 1)
        .is_err());
}
