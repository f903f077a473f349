#![allow(clippy::unwrap_used, missing_docs)]

use lockgate_policy::enumeration::Unusual;

use super::*;

const BOUNDS: Bounds = Bounds {
    objects: 3,
    steps: 0,
    percent: 50,
    of: 4,
    window_ms: 1_000,
    block_ms: 500,
};

fn sighting(caller: u64, object: u32) -> Sighting {
    Sighting {
        key: CounterKey(caller),
        chosen: true,
        object,
        numbers: [None; 2],
        bounds: BOUNDS,
    }
}

#[test]
fn a_caller_is_found_and_counted_once() {
    let all = Sightings::default();
    for object in 0..3 {
        assert_eq!(all.see(&sighting(7, object), 0), None);
    }
    let flag = all.see(&sighting(7, 3), 10).unwrap();
    assert_eq!((flag.why, flag.until_ms), (Unusual::Objects, 510));
    assert_eq!(all.see(&sighting(7, 0), 20), Some(flag));
    assert_eq!(all.see(&sighting(8, 0), 20), None, "others are not refused");
    assert_eq!(all.flagged(), 1);
    assert_eq!(all.see(&sighting(7, 0), 510), None, "it begins anew");
}

#[test]
fn what_ends_with_a_refusal_counts() {
    let all = Sightings::default();
    for _ in 0..4 {
        all.see(&sighting(7, 0), 0);
    }
    all.refuse(CounterKey(7), BOUNDS, 1);
    assert_eq!(all.see(&sighting(7, 0), 1), None);
    all.refuse(CounterKey(7), BOUNDS, 2);
    all.refuse(CounterKey(7), BOUNDS, 2);
    let flag = all.see(&sighting(7, 0), 3).unwrap();
    assert_eq!(flag.why, Unusual::Refused);
    all.refuse(CounterKey(9), BOUNDS, 3);
    assert_eq!(all.flagged(), 1);
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let all = Sightings::with_room(64 * 4, 64 * 8);
    for caller in 0..10_000_u64 {
        all.see(&sighting(caller << 32, 0), 0);
    }
    let held = || -> usize {
        all.shards
            .iter()
            .map(|one| one.lock().unwrap().callers.len())
            .sum()
    };
    assert!(held() <= 64 * 3, "{}", held());
    assert!(all.crowded() > 9_000);
    let known = Sighting {
        chosen: false,
        ..sighting(u64::MAX, 0)
    };
    let before = all.crowded();
    all.see(&known, 0);
    assert_eq!(
        all.crowded(),
        before,
        "room is kept for those who are known"
    );
    all.see(&sighting(1 << 60, 0), 2_000);
    assert!(held() < 64 * 3, "what is idle makes room");
}

#[test]
fn objects_of_all_are_bounded() {
    let all = Sightings::with_room(64 * 100, 64 * 8);
    for caller in 0..50_u64 {
        for object in 0..3 {
            all.see(&sighting(caller, object), 0);
        }
    }
    let objects = all.shards[0].lock().unwrap().objects;
    assert!(objects <= 8, "{objects}");
    assert!(all.crowded() > 100);
}
