//! What a worker's end keeps and what it drops.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::VecDeque;

use super::super::schema::System;
use super::super::testing::record;
use super::super::Body;
use super::*;

const CHUNK: usize = 32 * 1024;
const CHUNKS: usize = 8;

fn pool() -> Arc<Pool> {
    Arc::new(Pool::new(CHUNKS * CHUNK, CHUNK, 0))
}

/// The events in chunks that were handed over, by class.
fn handed_over(pool: &Pool) -> [u32; 4] {
    let (mut chunks, mut jobs) = (VecDeque::new(), VecDeque::new());
    pool.begin_close();
    pool.wait(None, &mut chunks, &mut jobs);
    let mut counts = [0; 4];
    for chunk in chunks {
        let mut bytes = chunk.bytes.as_slice();
        while let frame::Parsed::Good(size) = frame::parse(bytes) {
            let class = frame::Frame::of(&bytes[..size]).class().unwrap();
            counts[class.index()] += 1;
            bytes = &bytes[size..];
        }
        assert!(bytes.is_empty(), "a chunk holds whole frames");
    }
    counts
}

#[test]
fn dropping_a_sink_hands_over_what_it_holds() {
    let pool = pool();
    let sink = Sink::new(Arc::clone(&pool));
    sink.access(&record("a"));
    sink.security(&record("b"));
    drop(sink);
    assert_eq!(handed_over(&pool), [1, 1, 0, 0]);
}

#[test]
fn a_flush_hands_over_and_an_empty_one_does_nothing() {
    let pool = pool();
    let sink = Sink::new(Arc::clone(&pool));
    sink.flush();
    sink.access(&record("a"));
    sink.flush();
    assert_eq!(handed_over(&pool), [1, 0, 0, 0]);
}

#[test]
fn access_events_leave_a_quarter_of_the_pool_to_the_others() {
    let pool = pool();
    let sink = Sink::new(Arc::clone(&pool));
    let path = "p".repeat(4000);
    let large = AccessRecord {
        path: &path,
        ..record("r")
    };
    let per_chunk = CHUNK / 4200;
    for _ in 0..CHUNKS * per_chunk * 2 {
        sink.access(&large);
    }
    let dropped = pool.counting.dropped();
    assert!(dropped.of(Class::Access) > 0);
    for _ in 0..per_chunk * CHUNKS / 4 {
        sink.security(&large);
        // Nor may access events use what security events have opened.
        sink.access(&large);
    }
    assert_eq!(pool.counting.dropped().of(Class::Security), 0);
    for _ in 0..per_chunk * 2 {
        sink.security(&large);
    }
    let dropped = pool.counting.dropped();
    assert!(
        dropped.of(Class::Security) > 0,
        "the reserve has an end too"
    );
    drop(sink);

    let total = CHUNKS * per_chunk * 2 + per_chunk * CHUNKS / 4 * 2 + per_chunk * 2;
    let kept: u64 = handed_over(&pool)
        .iter()
        .map(|count| u64::from(*count))
        .sum();
    assert_eq!(
        kept + dropped.total(),
        total as u64,
        "each event is kept or counted"
    );
}

#[test]
fn flushes_of_few_events_do_not_use_up_the_pool_while_the_writer_stands() {
    let pool = pool();
    let sink = Sink::new(Arc::clone(&pool));
    for _ in 0..CHUNKS * 10 {
        sink.access(&record("r"));
        sink.flush();
    }
    assert_eq!(pool.counting.dropped().total(), 0);
    drop(sink);
    assert_eq!(handed_over(&pool)[0], CHUNKS as u32 * 10);
}

#[test]
fn chunks_go_round_without_new_memory() {
    let pool = pool();
    let sink = Sink::new(Arc::clone(&pool));
    let (mut chunks, mut jobs) = (VecDeque::new(), VecDeque::new());
    let mut memory = None;
    for _ in 0..100 {
        sink.access(&record("r"));
        sink.flush();
        pool.wait(None, &mut chunks, &mut jobs);
        let chunk = chunks.pop_front().unwrap();
        assert_eq!(
            *memory.get_or_insert(chunk.bytes.as_ptr()),
            chunk.bytes.as_ptr()
        );
        pool.recycle(chunk);
    }
}

#[test]
fn a_chunk_never_grows() {
    let pool = pool();
    let sink = Sink::new(Arc::clone(&pool));
    let path = "p".repeat(3000);
    for n in 0..100 {
        sink.access(&AccessRecord {
            path: &path[..n * 30],
            ..record("r")
        });
    }
    drop(sink);
    let (mut chunks, mut jobs) = (VecDeque::new(), VecDeque::new());
    pool.wait(None, &mut chunks, &mut jobs);
    assert!(chunks.iter().all(|chunk| chunk.bytes.capacity() == CHUNK));
}

#[test]
fn an_event_too_large_for_a_chunk_is_refused() {
    let sink = Sink::new(pool());
    let mut event = Event::system("c", "m".repeat(RECORD_MAX), serde_json::Value::Null);
    assert!(!sink.event(&event));
    event.body = Body::System(System::default());
    assert!(sink.event(&event));
}

#[test]
fn what_comes_after_the_end_is_dropped_and_counted() {
    let pool = pool();
    let sink = Sink::new(Arc::clone(&pool));
    sink.access(&record("before"));
    pool.end();
    sink.flush();
    sink.access(&record("after"));
    assert_eq!(pool.counting.dropped().of(Class::Access), 2);
}
