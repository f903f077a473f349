#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::sync::atomic::AtomicUsize;

use lockgate_policy::users::Seat;

use super::*;
use crate::testing::Dir;

const DAY_MS: u64 = 86_400_000;
const NOON_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;

fn seat(key: u64, user: u64, distinct: u32, concurrent: u32) -> Seat {
    Seat {
        key: CounterKey(key),
        cap: CounterKey(3),
        user,
        distinct,
        concurrent,
        idle_ms: 60_000,
    }
}

fn one(seat: Seat) -> Seats {
    Seats(vec![seat])
}

fn what(full: Option<Full>) -> Option<Many> {
    full.map(|full| full.what)
}

#[test]
fn all_places_are_taken_or_none() {
    let places = Places::default();
    let narrow = |user| seat(1 << 40, user, 1, 0);
    let wide = |user| seat(2 << 40, user, 2, 0);
    assert_eq!(places.take(&one(narrow(1)), false, NOON_MS), None);
    let both = Seats(vec![wide(2), narrow(2)]);
    let full = places.take(&both, false, NOON_MS).unwrap();
    assert_eq!((full.seat, full.what), (1, Many::Distinct));
    // The wide one was not taken by who was refused.
    assert_eq!(places.take(&one(wide(3)), false, NOON_MS), None);
    assert_eq!(places.take(&one(wide(4)), false, NOON_MS), None);
    assert_eq!(
        what(places.take(&one(wide(5)), false, NOON_MS)),
        Some(Many::Distinct)
    );
    assert_eq!((places.refused(), places.users()), (2, 3));
}

#[test]
fn many_at_once_are_counted_exactly() {
    let places = Places::default();
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (places, taken) = (&places, &taken);
            scope.spawn(move || {
                for user in 0..500 {
                    // Half of them come twice, from two threads.
                    let user = (thread / 2) * 1_000 + user;
                    let wanted = one(seat(7, user, 100, 0));
                    if places.take(&wanted, false, NOON_MS).is_none() {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(places.users(), 100);
    assert!(taken.load(Ordering::Relaxed) >= 100);
}

#[test]
fn who_is_under_way_keeps_the_place() {
    let places = Places::default();
    let of = |user| one(seat(7, user, 0, 1));
    assert_eq!(places.take(&of(1), true, NOON_MS), None);
    let later_ms = NOON_MS + 600_000;
    assert_eq!(
        what(places.take(&of(2), true, later_ms)),
        Some(Many::Concurrent)
    );
    places.leave(&of(1), later_ms);
    let full = places.take(&of(2), true, later_ms + 59_999).unwrap();
    assert_eq!(full.until_ms, later_ms + 60_000);
    assert_eq!(places.take(&of(2), true, later_ms + 60_000), None);
}

#[test]
fn a_restart_gives_no_places_away() {
    let folder = Dir::new();
    let path = folder.join("users");
    let of = |user| one(seat(7, user, 2, 0));
    let places = Places::open(&path, NOON_MS).unwrap();
    for user in [1, 1, 2] {
        assert_eq!(places.take(&of(user), false, NOON_MS), None);
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), 48, "each once");
    drop(places);
    // The process was killed while it wrote.
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([1, 2, 3]);
    fs::write(&path, bytes).unwrap();
    let places = Places::open(&path, NOON_MS).unwrap();
    assert_eq!(places.users(), 2);
    assert_eq!(places.take(&of(2), false, NOON_MS), None);
    assert_eq!(
        what(places.take(&of(3), false, NOON_MS)),
        Some(Many::Distinct)
    );
    let tomorrow_ms = NOON_MS + DAY_MS;
    assert_eq!(places.take(&of(3), false, tomorrow_ms), None);
    assert_eq!(fs::metadata(&path).unwrap().len(), 24, "of today alone");
    let places = Places::open(&path, tomorrow_ms + DAY_MS).unwrap();
    assert_eq!((places.users(), fs::metadata(&path).unwrap().len()), (0, 0));
}

#[test]
fn nobody_comes_in_who_cannot_be_counted() {
    let places = Places::with_room(2, 8);
    let of = |key: u64, user| one(seat(key << 40, user, 100, 0));
    assert_eq!(places.take(&of(1, 1), false, NOON_MS), None);
    assert_eq!(places.take(&of(2, 1), false, NOON_MS), None);
    assert_eq!(
        what(places.take(&of(3, 1), false, NOON_MS)),
        Some(Many::Crowded)
    );
    for user in 2..7 {
        assert_eq!(places.take(&of(1, user), false, NOON_MS), None);
    }
    assert_eq!(
        what(places.take(&of(1, 9), false, NOON_MS)),
        Some(Many::Crowded)
    );
    assert_eq!(
        places.take(&of(1, 2), false, NOON_MS),
        None,
        "who is in goes on"
    );
    assert_eq!(places.crowded(), 2);
    // On the next day there is room again.
    let tomorrow_ms = NOON_MS + DAY_MS;
    assert_eq!(
        what(places.take(&of(3, 1), false, tomorrow_ms)),
        Some(Many::Crowded)
    );
    assert_eq!(places.take(&of(3, 1), false, tomorrow_ms), None);
}

#[test]
fn the_fullest_of_a_cap_is_told() {
    let places = Places::default();
    for (key, users) in [(1_u64, 2), (2, 5), (3, 1)] {
        for user in 0..users {
            let seat = seat(key << 40, user, 9, u32::from(key < 3) * 9);
            assert_eq!(places.take(&one(seat), false, NOON_MS), None);
        }
    }
    let fullest = |now_ms| places.fullest(now_ms).get(&CounterKey(3)).copied();
    assert_eq!(fullest(NOON_MS), Some((5, 5)));
    assert_eq!(fullest(NOON_MS + 61_000), Some((5, 0)), "they are gone");
    assert_eq!(fullest(NOON_MS + DAY_MS), Some((0, 0)));
    assert_eq!(places.users(), 0);
}
