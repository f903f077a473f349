//! The whole log: what goes in comes out, whatever the disk does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod crash;

use std::path::PathBuf;

use serde_json::Value;

use super::super::faults::Faults;
use super::super::testing::{options, read_all, record, request_ids, system_codes, Dir};
use super::super::{chain, durable_until, Audit, Body, Event};
use super::*;

/// Small, so that little fills it: eight chunks.
const POOL: usize = 8 * CHUNK_BYTES;

fn log_with(dir: &Path) -> (EventLog, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let options = Options {
        pool_bytes: POOL,
        retry_every: Duration::from_millis(1),
        faults: Arc::clone(&faults),
        ..options()
    };
    (EventLog::start(dir, options).unwrap(), faults)
}

fn audit(action: &str) -> Event {
    Event::new(Body::Audit(Audit {
        actor: "admin".to_owned(),
        action: action.to_owned(),
        object: "key_1".to_owned(),
        ..Audit::default()
    }))
}

fn dropped_said(events: &[Event]) -> u64 {
    let details = events.iter().filter_map(|event| match &event.body {
        Body::System(system) if system.code == "events-dropped" => Some(&system.detail),
        _ => None,
    });
    details
        .flat_map(|it| it.as_object().unwrap().values())
        .map(|n| n.as_u64().unwrap())
        .sum()
}

#[test]
fn many_workers_write_and_nothing_is_lost() {
    let dir = Dir::new();
    let log = EventLog::start(&dir, options()).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let sink = log.sink();
            scope.spawn(move || {
                for n in 0..1000 {
                    sink.access(&record(&format!("w{worker}-{n}")));
                    if n % 100 == 0 {
                        sink.flush();
                    }
                }
            });
        }
    });
    log.close();
    let ids = request_ids(&read_all(&dir));
    for worker in 0..4 {
        let of_worker: Vec<_> = ids
            .iter()
            .filter(|id| id.starts_with(&format!("w{worker}-")))
            .collect();
        let expected: Vec<_> = (0..1000).map(|n| format!("w{worker}-{n}")).collect();
        assert!(
            of_worker.into_iter().eq(&expected),
            "worker {worker}'s events, in its order"
        );
    }
    let counters = log.counters();
    assert_eq!(
        (counters.written.total(), counters.dropped.total()),
        (4000, 0)
    );
    assert_eq!(counters.last_error, "");
}

#[test]
fn after_a_close_everything_is_durable() {
    let dir = Dir::new();
    let log = EventLog::start(&dir, options()).unwrap();
    let sink = log.sink();
    sink.access(&record("r1"));
    drop(sink);
    log.close();
    assert!(!log.alive());
    let watermark = durable_until(&dir).unwrap().unwrap();
    let size = std::fs::metadata(watermark.name.path(&dir)).unwrap().len();
    assert_eq!(watermark.offset, size);
    assert!(matches!(
        log.append(audit("late")),
        Err(AppendError::Closed)
    ));
}

#[test]
fn drops_behind_a_stalled_disk_are_counted_exactly_and_said_in_the_log() {
    let dir = Dir::new();
    let (log, faults) = log_with(&dir);
    faults.stall(true);
    let sink = log.sink();
    sink.access(&record("first"));
    sink.flush();
    faults.await_stalled();
    for n in 0..5000 {
        sink.access(&record(&format!("r{n}")));
        if n % 10 == 0 {
            sink.security(&record(&format!("s{n}")));
        }
    }
    let before = log.counters().dropped;
    assert!(before.of(Class::Access) > 0);
    assert_eq!(before.of(Class::Security), 0, "there is room kept for them");
    faults.stall(false);
    drop(sink);
    log.flush().unwrap();
    log.close();

    let counters = log.counters();
    let events = read_all(&dir);
    assert_eq!(
        request_ids(&events).len() as u64 + counters.dropped.total(),
        5501
    );
    let requests = counters.written.of(Class::Access) + counters.written.of(Class::Security);
    assert_eq!(requests, request_ids(&events).len() as u64);
    assert_eq!(counters.written.of(Class::Security), 500);
    assert_eq!(dropped_said(&events), counters.dropped.total());
}

#[test]
fn while_the_disk_is_full_events_wait_and_are_written_when_there_is_room() {
    let dir = Dir::new();
    let (log, faults) = log_with(&dir);
    faults.fail_writes(Some(io::ErrorKind::StorageFull));
    let sink = log.sink();
    for n in 0..50 {
        sink.access(&record(&format!("r{n}")));
    }
    drop(sink);
    let refused = log.append_durable(audit("refused")).unwrap_err();
    assert!(
        matches!(&refused, AppendError::Disk(error) if error.kind() == io::ErrorKind::StorageFull)
    );
    assert!(log.flush().is_err());
    let counters = log.counters();
    assert!(counters.write_errors > 0 && !counters.last_error.is_empty() && log.alive());
    assert_eq!((counters.written.total(), counters.dropped.total()), (0, 0));

    faults.fail_writes(None);
    while log.flush().is_err() {}
    assert_eq!(log.counters().last_error, "");
    log.append_durable(audit("accepted")).unwrap();
    log.close();
    let events = read_all(&dir);
    let expected: Vec<String> = (0..50).map(|n| format!("r{n}")).collect();
    assert_eq!(request_ids(&events), expected);
    let verified = chain::verify(&dir).unwrap();
    assert_eq!(
        (verified.events, verified.breaks.len()),
        (1, 0),
        "the refused one left no link"
    );
}

#[test]
fn what_a_full_disk_never_took_is_counted_at_the_end() {
    let dir = Dir::new();
    let (log, faults) = log_with(&dir);
    faults.fail_writes(Some(io::ErrorKind::StorageFull));
    let sink = log.sink();
    for _ in 0..5000 {
        sink.access(&record("r"));
    }
    drop(sink);
    log.close();
    let counters = log.counters();
    assert_eq!(
        (counters.written.total(), counters.dropped.of(Class::Access)),
        (0, 5000)
    );
}

#[test]
fn a_durable_append_fails_if_its_sync_does() {
    let dir = Dir::new();
    let (log, faults) = log_with(&dir);
    faults.fail_syncs(true);
    let error = log.append_durable(audit("one")).unwrap_err();
    assert!(matches!(error, AppendError::Disk(_)), "{error}");
    assert_eq!(durable_until(&dir).unwrap(), None);
    assert!(log.counters().sync_errors > 0);
    faults.fail_syncs(false);
    log.append_durable(audit("two")).unwrap();
    log.close();
    let verified = chain::verify(&dir).unwrap();
    assert_eq!((verified.events, verified.breaks.len()), (2, 0));
}

#[test]
fn a_durable_append_is_below_the_watermark_when_it_returns() {
    let dir = Dir::new();
    let log = EventLog::start(&dir, options()).unwrap();
    for _ in 0..5 {
        log.append_durable(Event::system("c", "m".to_owned(), Value::Null))
            .unwrap();
        let watermark = durable_until(&dir).unwrap().unwrap();
        assert_eq!(
            std::fs::metadata(watermark.name.path(&dir)).unwrap().len(),
            watermark.offset
        );
    }
}

#[test]
fn a_durable_append_does_not_wait_for_ever() {
    let dir = Dir::new();
    let faults = Arc::new(Faults::default());
    let options = Options {
        durable_timeout: Duration::from_millis(5),
        faults: Arc::clone(&faults),
        ..options()
    };
    let log = EventLog::start(&dir, options).unwrap();
    faults.stall(true);
    for _ in 0..=super::super::pool::JOBS_MAX {
        assert!(matches!(
            log.append_durable(audit("a")),
            Err(AppendError::TimedOut)
        ));
    }
    assert!(matches!(
        log.append_durable(audit("a")),
        Err(AppendError::Busy)
    ));
    faults.stall(false);
}

#[test]
fn system_events_without_number_are_not_all_written() {
    let dir = Dir::new();
    let log = EventLog::start(&dir, options()).unwrap();
    for _ in 0..1000 {
        log.system("often", "m").unwrap();
    }
    log.system("once", "m").unwrap();
    log.close();
    let codes = read_all(&dir)
        .into_iter()
        .filter_map(|event| match event.body {
            Body::System(system) => Some(system.code),
            _ => None,
        });
    let (often, once): (Vec<String>, Vec<String>) = codes.partition(|code| code == "often");
    // A slow machine may see some seconds pass.
    assert!((10..500).contains(&often.len()), "{}", often.len());
    assert_eq!(once, ["once"]);
}

#[test]
fn an_event_gets_what_it_left_out() {
    let dir = Dir::new();
    let log = EventLog::start(&dir, options()).unwrap();
    log.append(Event::system("one", "m".to_owned(), Value::Null))
        .unwrap();
    let receipt = log.append_durable(audit("two")).unwrap();
    log.close();
    let events = read_all(&dir);
    assert_eq!(events.len(), 2);
    assert!(events
        .iter()
        .all(|event| event.at_ms > 0 && event.node == "node-1"));
    assert_ne!(events[0].id, events[1].id);
    let Body::Audit(audit) = &events
        .iter()
        .find(|event| event.id == receipt.id)
        .unwrap()
        .body
    else {
        panic!("the receipt's id is the audit event's");
    };
    assert_eq!(Some(&audit.hash), receipt.hash.as_ref());
    assert_eq!(audit.prev, "0".repeat(64));
}

#[test]
fn an_event_too_large_is_refused_and_the_next_is_not() {
    let dir = Dir::new();
    let log = EventLog::start(&dir, options()).unwrap();
    let large = |size| Event::system("c", "m".repeat(size), Value::Null);
    assert!(matches!(
        log.append(large(100_000)),
        Err(AppendError::TooLarge)
    ));
    assert!(matches!(
        log.append_durable(large(100_000)),
        Err(AppendError::TooLarge)
    ));
    log.append_durable(large(60_000)).unwrap();
    log.close();
    assert_eq!(system_codes(&read_all(&dir)), ["c"]);
}

#[test]
fn how_much_may_stay_can_change_while_it_is_written() {
    let dir = Dir::new();
    let options = Options {
        segment_bytes: 300_000,
        ..options()
    };
    let log = EventLog::start(&dir, options).unwrap();
    let fill = |bytes: u64| {
        let before = log.counters().bytes;
        while log.counters().bytes < before + bytes {
            let sink = log.sink();
            for _ in 0..100 {
                sink.access(&record("r"));
            }
            drop(sink);
            log.flush().unwrap();
        }
    };
    let kept = || -> u64 {
        let files = super::super::testing::segment_files(&dir);
        files
            .iter()
            .map(|file| std::fs::metadata(file).unwrap().len())
            .sum()
    };
    fill(3 << 20);
    assert!(kept() > 3 << 20);
    log.retain(2 << 20);
    fill(1000);
    assert!((1 << 20..=2 << 20).contains(&kept()), "{} bytes", kept());
    assert!(log.counters().segments_deleted > 0);
    log.retain(0);
    fill(2 << 20);
    assert!(
        (1 << 19..=1 << 20).contains(&kept()),
        "the least that may be asked for: {}",
        kept()
    );
}

#[test]
fn a_log_that_cannot_be_made_is_an_error_at_the_start() {
    let dir = Dir::new();
    let file = dir.join("file");
    std::fs::write(&file, b"").unwrap();
    assert!(EventLog::start(&file.join("events"), options()).is_err());
}

#[test]
fn the_chain_holds_over_restarts_and_shows_every_change() {
    let dir = Dir::new();
    for round in 0..3 {
        let log = EventLog::start(&dir, options()).unwrap();
        for n in 0..3 {
            log.append(audit(&format!("change-{round}-{n}"))).unwrap();
        }
    }
    let whole = chain::verify(&dir).unwrap();
    assert_eq!(
        (whole.events, whole.anchor, whole.breaks.len()),
        (9, chain::Hash::GENESIS, 0)
    );

    // Somebody changes one word, and mends the checksum.
    let path: PathBuf = super::super::testing::segment_files(&dir).remove(1);
    let bytes = std::fs::read(&path).unwrap();
    let mut changed = Vec::new();
    let mut rest = bytes.as_slice();
    while let super::super::frame::Parsed::Good(size) = super::super::frame::parse(rest) {
        let frame = super::super::frame::Frame::of(&rest[..size]);
        let mut payload = frame.payload().to_vec();
        if let Some(at) = payload.windows(10).position(|part| part == b"change-1-1") {
            payload[at] = b'C';
        }
        super::super::frame::append(&mut changed, frame.class_code(), |out| {
            out.extend_from_slice(&payload);
            Ok::<(), ()>(())
        });
        rest = &rest[size..];
    }
    assert_eq!(changed.len(), bytes.len());
    std::fs::write(&path, changed).unwrap();
    assert_eq!(chain::verify(&dir).unwrap().breaks.len(), 1);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(chain::verify(&dir).unwrap(), whole);

    // Somebody takes a whole segment away.
    std::fs::remove_file(&path).unwrap();
    let verified = chain::verify(&dir).unwrap();
    assert_eq!((verified.events, verified.breaks.len()), (6, 1));
}
