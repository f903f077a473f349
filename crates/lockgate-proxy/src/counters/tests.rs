#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::atomic::AtomicUsize;
use std::sync::Barrier;

use lockgate_policy::limits::{Quota, SECOND_NS};
use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000_000;

/// A key as scattered as a hash.
fn key(number: u64) -> CounterKey {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    CounterKey(word ^ (word >> 31))
}

fn quota(count: u64, seconds: u64) -> Quota {
    Quota::new(count, seconds * SECOND_NS, count).unwrap()
}

fn charge(number: u64, quota: Quota) -> Charge {
    Charge {
        key: key(number),
        shared: key(u64::MAX),
        quota,
        cost: 1,
        chosen: false,
        limit: 0,
        slot: key(number),
        due_ns: 0,
    }
}

fn take(store: &Local, charges: &[Charge], now_ms: u64) -> Take {
    let want = Take {
        charges: charges.to_vec(),
        ..Take::default()
    };
    store.take(want, now_ms)
}

fn admits(store: &Local, charges: &[Charge], now_ms: u64) -> bool {
    take(store, charges, now_ms).refused.is_none()
}

#[test]
fn threads_together_take_what_there_is_and_no_more() {
    const THREADS: usize = 8;
    const EACH: usize = 5_000;
    let store = Local::default();
    let (wide, narrow) = (quota(10_000, 3600), quota(4_000, 3600));
    let (admitted, both) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, admitted, both, start) = (&store, &admitted, &both, &start);
            scope.spawn(move || {
                start.wait();
                for turn in 0..EACH {
                    // Every second request takes from both, in either order.
                    let mut charges = vec![charge(1, wide), charge(2, narrow)];
                    if (turn + thread) % 2 == 0 {
                        charges.truncate(1);
                    } else if turn % 3 == 0 {
                        charges.reverse();
                    }
                    if admits(store, &charges, NOW) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                        both.fetch_add(charges.len() - 1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (admitted, both) = (admitted.into_inner(), both.into_inner());
    assert_eq!(admitted, 10_000, "neither more nor fewer");
    assert!(both <= 4_000);
    let due = |number| store.look(key(number)).0.unwrap();
    assert_eq!(wide.left(due(1), NOW * 1_000_000), 0);
    assert_eq!(narrow.left(due(2), NOW * 1_000_000), 4_000 - both as u64);
}

#[test]
fn all_or_none() {
    let store = Local::default();
    let (wide, narrow) = (charge(1, quota(10, 60)), charge(2, quota(1, 60)));
    assert!(admits(&store, &[wide, narrow], NOW));
    for _ in 0..50 {
        let refused = take(&store, &[wide, narrow], NOW);
        assert_eq!(refused.refused, Some((1, 60 * SECOND_NS)));
    }
    assert_eq!(
        wide.quota
            .left(store.look(key(1)).0.unwrap(), NOW * 1_000_000),
        9
    );
}

#[test]
fn what_goes_back_is_there_again() {
    let store = Local::default();
    let house = charge(1, quota(2, 60));
    let person = charge(2, quota(1, 60));
    assert!(admits(&store, &[person], NOW));
    for _ in 0..50 {
        let taken = take(&store, &[house], NOW);
        assert!(taken.refused.is_none());
        let refused = store.take(
            Take {
                charges: vec![person],
                back: taken.charges,
                refused: None,
            },
            NOW,
        );
        assert!(refused.refused.is_some());
    }
    assert!(admits(&store, &[house], NOW) && admits(&store, &[house], NOW));
    assert!(!admits(&store, &[house], NOW));
}

#[test]
fn idle_counters_make_room_and_busy_ones_stay() {
    let store = Local::with_room(SHARDS * 16, SHARDS);
    let busy = charge(0, quota(1, 3600));
    assert!(admits(&store, &[busy], NOW));
    // A counter of one a second is idle after a second: a hundred times the room comes and goes.
    for number in 1..=(SHARDS as u64 * 1600) {
        let passing = charge(number, quota(1, 1));
        assert!(admits(&store, &[passing], NOW + number * 10));
    }
    let stats = store.stats();
    assert!(stats.counters <= SHARDS * 16, "{stats:?}");
    assert_eq!(stats.crowded, 0, "there was room all the time");
    assert!(
        !admits(&store, &[busy], NOW + 1_100_000),
        "it was not forgotten"
    );
}

#[test]
fn a_flood_of_keys_frees_nobody_and_is_itself_bounded() {
    let most = SHARDS * 16;
    let store = Local::with_room(most, SHARDS);
    let quota = quota(2, 86_400);
    let victim = charge(0, quota);
    assert!(admits(&store, &[victim], NOW) && admits(&store, &[victim], NOW));
    let flood = 200_000_u64;
    let admitted = (1..=flood)
        .filter(|number| admits(&store, &[charge(*number, quota)], NOW + number / 100))
        .count();
    let stats = store.stats();
    // Whoever came first has a counter; all others share one in each shard.
    assert!(admitted <= most + 2 * SHARDS, "{admitted} of {flood}");
    assert!(stats.counters <= most + SHARDS, "{stats:?}");
    assert!(stats.crowded > flood / 2, "{stats:?}");
    assert!(
        !admits(&store, &[victim], NOW + 2_000),
        "nobody's own counter was forgotten"
    );
}

#[test]
fn the_last_quarter_is_for_those_who_cannot_choose() {
    let store = Local::with_room(SHARDS * 64, SHARDS);
    let quota = quota(1, 86_400);
    for number in 0..200_000 {
        let mut chosen = charge(number, quota);
        chosen.chosen = true;
        let _ = admits(&store, &[chosen], NOW);
    }
    let crowded = store.stats().crowded;
    let clients =
        (1_000_000..1_000_200).filter(|number| admits(&store, &[charge(*number, quota)], NOW));
    assert_eq!(clients.count(), 200);
    assert_eq!(store.stats().crowded, crowded);
}

#[test]
fn after_a_flood_the_memory_is_given_back() {
    let store = Local::default();
    for number in 0..200_000 {
        let _ = admits(&store, &[charge(number, quota(1, 60))], NOW);
    }
    assert!(store.stats().counters >= 199_000);
    // Any traffic afterwards sweeps the shards that it falls into.
    for number in 200_000..400_000 {
        let _ = admits(
            &store,
            &[charge(number, quota(1, 1))],
            NOW + 120_000 + number,
        );
    }
    let room: usize = store
        .shards
        .iter()
        .map(|shard| lock(shard).table.capacity())
        .sum();
    assert!(room < 60_000, "{room}");
}

#[test]
fn addresses_that_fail_are_bounded_and_counted() {
    let store = Local::with_room(SHARDS, SHARDS * 4);
    let strike = |number| Strike {
        key: key(number),
        quota: quota(1, 3600),
        first_ns: 5 * SECOND_NS,
        longest_ns: 60 * SECOND_NS,
    };
    for _ in 0..2 {
        store.strike(&[strike(0)], NOW);
    }
    assert_eq!(store.standing(key(0), NOW), Some((NOW + 5_000) * 1_000_000));
    for number in 1..10_000 {
        store.strike(&[strike(number)], NOW + number / 10);
    }
    let stats = store.stats();
    assert!(
        stats.failing <= SHARDS * 4 && stats.uncounted > 9_000,
        "{stats:?}"
    );
    assert!(
        store.standing(key(0), NOW + 4_999).is_some(),
        "a flood ends no penalty"
    );
    assert_eq!(store.standing(key(0), NOW + 5_000), None);
    assert!(store.clear(key(0)) && !store.clear(key(0)));
}

proptest! {
    /// Against a bucket kept as a fraction, by other arithmetic.
    #[test]
    fn it_decides_as_a_bucket_does(
        count in 1_u64..500, seconds in 1_u64..100, burst in 1_u64..50,
        steps in prop::collection::vec((0_u64..4_000, 0_u64..4), 1..200),
    ) {
        let store = Local::default();
        let quota = Quota::new(count, seconds * SECOND_NS, burst).unwrap();
        let interval = u128::from((seconds * SECOND_NS).div_ceil(count));
        // What the bucket holds, in nanoseconds' worth of requests.
        let mut holds = [interval * u128::from(burst); 4];
        let mut filled = [u128::from(NOW) * 1_000_000; 4];
        let mut now_ms = NOW;
        for (later, who) in steps {
            now_ms += later;
            let (at, now_ns) = (who as usize, u128::from(now_ms) * 1_000_000);
            holds[at] = (holds[at] + now_ns - filled[at]).min(interval * u128::from(burst));
            filled[at] = now_ns;
            let wanted = holds[at] >= interval;
            if wanted {
                holds[at] -= interval;
            }
            let taken = take(&store, &[charge(who, quota)], now_ms);
            prop_assert_eq!(taken.refused.is_none(), wanted);
            let left = quota.left(taken.charges[0].due_ns, now_ms * 1_000_000);
            prop_assert_eq!(u128::from(left), holds[at] / interval);
            if let Some((_, wait_ns)) = taken.refused {
                prop_assert_eq!(u128::from(wait_ns), interval - holds[at]);
            }
        }
    }

    /// In no window gets more through than the burst and what the window earns.
    #[test]
    fn no_window_has_too_much(
        count in 1_u64..200, burst in 1_u64..50,
        gaps in prop::collection::vec(0_u64..300, 1..300),
        from in 0_usize..300, length in 0_usize..300,
    ) {
        let store = Local::default();
        let quota = Quota::new(count, 10 * SECOND_NS, burst).unwrap();
        let mut now_ms = NOW;
        let passed: Vec<(u64, bool)> = gaps
            .iter()
            .map(|gap| {
                now_ms += gap;
                (now_ms, admits(&store, &[charge(7, quota)], now_ms))
            })
            .collect();
        let from = from.min(passed.len() - 1);
        let window = &passed[from..(from + length + 1).min(passed.len())];
        let span_ms = window[window.len() - 1].0 - window[0].0;
        let through = window.iter().filter(|(_, through)| *through).count() as u64;
        prop_assert!(through <= burst + span_ms * count / 10_000 + 1);
    }
}
