#![allow(clippy::unwrap_used, missing_docs)]

use super::super::testing::{options, record, request_ids, Dir};
use super::super::{durable_until, Event, EventLog};
use super::*;

fn exported(
    dir: &Dir,
    from: Option<Cursor>,
    until: Option<Cursor>,
    limit: u64,
) -> (Exported, Vec<Event>) {
    let mut out = Vec::new();
    let mut reader = Reader::new(dir, from).until(until);
    let told = export(&mut reader, &Filter::default(), limit, &mut out).unwrap();
    let lines = out
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let events = lines.map(|line| serde_json::from_slice(line).unwrap());
    (told, events.collect())
}

#[test]
fn pieces_of_any_size_make_up_the_whole() {
    let dir = Dir::new();
    let log = EventLog::start(&dir, options()).unwrap();
    let sink = log.sink();
    let ids: Vec<String> = (0..50).map(|n| format!("r{n}")).collect();
    for id in &ids {
        sink.access(&record(id));
    }
    drop(sink);
    log.flush().unwrap();
    for limit in [1, 7, 100] {
        let (mut cursor, mut found) = (None, Vec::new());
        loop {
            let (told, events) = exported(&dir, cursor, None, limit);
            assert_eq!(told.events, events.len() as u64);
            assert!(told.events <= limit);
            found.extend(request_ids(&events));
            cursor = told.cursor;
            if !told.more {
                break;
            }
        }
        assert_eq!(found, ids, "by {limit}");
    }
}

#[test]
fn what_is_not_known_to_be_on_disk_is_left_for_later() {
    let dir = Dir::new();
    let log = EventLog::start(&dir, options()).unwrap();
    let sink = log.sink();
    sink.access(&record("first"));
    sink.flush();
    log.flush().unwrap();
    let durable = durable_until(&dir).unwrap();
    assert!(durable.is_some());
    sink.access(&record("second"));
    drop(sink);
    log.flush().unwrap();

    let (told, events) = exported(&dir, None, durable, 100);
    assert_eq!(request_ids(&events), ["first"]);
    assert_eq!((told.cursor, told.more), (durable, false));
    let (told, events) = exported(&dir, told.cursor, durable, 100);
    assert_eq!((told.events, told.cursor, events.len()), (0, durable, 0));
    let (_, events) = exported(&dir, durable, None, 100);
    assert_eq!(request_ids(&events), ["second"]);
}
