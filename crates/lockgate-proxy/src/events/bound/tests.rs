#![allow(missing_docs)]

use super::*;

/// What each of `count` events at `now_ms` is told.
fn burst(bound: &mut Bound, count: u32, now_ms: u64) -> Vec<Option<u64>> {
    (0..count).map(|_| bound.admit("one", now_ms)).collect()
}

#[test]
fn a_burst_is_cut_off_and_counted_in_the_next_event() {
    let mut bound = Bound::default();
    let told = burst(&mut bound, A_SECOND + 5, 1_000);
    let (written, left_out) = told.split_at(A_SECOND as usize);
    assert!(written.iter().all(|told| *told == Some(0)));
    assert_eq!(left_out, [None; 5]);
    assert_eq!(burst(&mut bound, 1, 1_999), [None]);
    // The next second has room, and its first event tells of the six.
    assert_eq!(burst(&mut bound, 2, 2_000), [Some(6), Some(0)]);
}

#[test]
fn each_kind_has_a_bound_of_its_own() {
    let mut bound = Bound::default();
    burst(&mut bound, A_SECOND + 1, 5_000);
    assert_eq!(bound.admit("other", 5_000), Some(0));
    assert_eq!(bound.admit("one", 5_000), None);
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let mut bound = Bound::default();
    burst(&mut bound, A_SECOND + 1, 9_000_000);
    assert_eq!(bound.admit("one", 1_000), Some(1));
}
