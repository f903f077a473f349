//! Looking back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::super::testing::{options, read_all, record, request_ids, segment_files, Dir};
use super::super::{AccessRecord, Body, Class, EventLog, Options, Reader};
use super::*;

fn written(dir: &Path, count: u32) -> EventLog {
    let options = Options {
        retain_bytes: 8 << 20,
        segment_bytes: 10_000,
        ..options()
    };
    let log = EventLog::start(dir, options).unwrap();
    for begin in (0..count).step_by(20) {
        let sink = log.sink();
        for n in begin..count.min(begin + 20) {
            let id = format!("r{n}");
            let status = if n % 10 == 0 { 404 } else { 200 };
            sink.access(&AccessRecord {
                status,
                ..record(&id)
            });
        }
        drop(sink);
        log.flush().unwrap();
    }
    log
}

#[test]
fn an_event_is_found_by_its_id_in_any_segment() {
    let dir = Dir::new();
    let _log = written(&dir, 300);
    assert!(segment_files(&dir).len() > 2);
    for n in [0, 1, 150, 299] {
        let event = find(&dir, &format!("r{n}")).unwrap().unwrap();
        assert_eq!((event.id, event.node.as_str()), (format!("r{n}"), "node-1"));
    }
    for id in ["r300", "r", "", "shop"] {
        assert_eq!(find(&dir, id).unwrap(), None, "{id}");
    }
}

#[test]
fn of_two_with_one_id_the_newer_is_found() {
    let dir = Dir::new();
    let log = written(&dir, 1);
    let sink = log.sink();
    sink.security(&record("r0"));
    drop(sink);
    log.flush().unwrap();
    let found = find(&dir, "r0").unwrap().unwrap();
    assert_eq!(found.body.class(), Class::Security);
}

#[test]
fn the_last_events_come_in_order_whatever_segments_they_are_in() {
    let dir = Dir::new();
    let _log = written(&dir, 300);
    let all = request_ids(&read_all(&dir));
    for count in [0, 1, 50, 299, 300, 1000] {
        let page = last(&dir, &Filter::default(), count).unwrap();
        assert_eq!(
            request_ids(&page.events),
            all[300 - count.min(300)..],
            "last {count}"
        );
    }
}

#[test]
fn the_last_events_may_be_filtered() {
    let dir = Dir::new();
    let _log = written(&dir, 300);
    let filter = Filter {
        status_min: Some(400),
        ..Filter::default()
    };
    let page = last(&dir, &filter, 12).unwrap();
    let expected: Vec<String> = (18..30).map(|n| format!("r{}", n * 10)).collect();
    assert_eq!(request_ids(&page.events), expected);
}

#[test]
fn what_comes_after_the_last_is_read_from_its_cursor() {
    let dir = Dir::new();
    let log = written(&dir, 100);
    let cursor = last(&dir, &Filter::default(), 1).unwrap().cursor;
    let sink = log.sink();
    sink.access(&record("new"));
    drop(sink);
    log.flush().unwrap();
    let page = Reader::new(&dir, cursor)
        .page(&Filter::default(), 100)
        .unwrap();
    assert_eq!(request_ids(&page.events), ["new"]);
}

#[test]
fn an_empty_log_has_no_last_event_and_no_cursor() {
    let dir = Dir::new();
    assert_eq!(last(&dir, &Filter::default(), 5).unwrap(), Page::default());
    assert_eq!(find(&dir, "r").unwrap(), None);
}

#[test]
fn segments_that_ended_before_what_is_wanted_are_not_opened() {
    let dir = Dir::new();
    let log = written(&dir, 100);
    log.close();
    let newest = segment_files(&dir).pop().unwrap();
    std::fs::write(&segment_files(&dir)[0], b"not a frame at all").unwrap();
    let start = newest.file_name().unwrap().to_str().unwrap()[..13]
        .parse()
        .unwrap();
    let filter = Filter {
        since_ms: Some(start),
        ..Filter::default()
    };
    assert_eq!(last(&dir, &filter, 10_000).unwrap().damaged_bytes, 0);
    assert!(matches!(read_all(&dir)[0].body, Body::Access(_)));
}
