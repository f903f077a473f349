#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use std::sync::Arc;

use super::*;
use crate::testing::{bundle, snapshot};

/// When the connections of these tests begin.
const START: u64 = 1_000_000;

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A watched connection, and how often it was woken.
struct Watched {
    watch: Watch,
    state: Rc<ConnectionState>,
    woken: Arc<Woken>,
}

fn watched_with(change: impl Fn(&mut ListenerLimits)) -> Watched {
    let mut bundle = bundle(Vec::new());
    change(&mut bundle.listeners[0].limits);
    let snapshot = snapshot(bundle);
    let peer = [127, 0, 0, 1].into();
    let state = ConnectionState::new(peer, &snapshot.listeners[0], 8080, START);
    let woken = Arc::new(Woken::default());
    state.wake_with(&Waker::from(Arc::clone(&woken)));
    let watch = Watch::default();
    watch.add(Rc::clone(&state));
    Watched {
        watch,
        state,
        woken,
    }
}

fn watched() -> Watched {
    watched_with(|limits| {
        limits.head_timeout_ms = 10_000;
        limits.idle_timeout_ms = 75_000;
        limits.body_rate_min = 1000;
        limits.write_timeout_ms = 60_000;
    })
}

impl Watched {
    /// What a sweep so long after the start does.
    fn at(&self, after_ms: u64) -> Option<Trip> {
        let before = self.woken.0.load(Ordering::Relaxed);
        self.watch.sweep(START + after_ms, |_| ());
        let trip = self.state.tripped();
        let woken = self.woken.0.load(Ordering::Relaxed) > before;
        assert_eq!(
            woken,
            trip.is_some(),
            "whoever trips is woken, and nobody else"
        );
        trip
    }

    fn wait(&self, waiting: Waiting, after_ms: u64) {
        self.state.wait(waiting, START + after_ms);
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed_when_a_heads_time_is_over() {
    let connection = watched();
    assert_eq!(connection.at(0), None);
    assert_eq!(connection.at(9_999), None);
    assert_eq!(connection.at(10_000), Some(Trip::Close));
    // It is told once, and then nothing more is awaited.
    assert_eq!(connection.at(20_000), None);
}

#[test]
fn a_head_that_takes_too_long_is_refused() {
    let connection = watched();
    connection.wait(Waiting::Head, 4_000);
    // More bytes of the same head buy no time.
    connection.wait(Waiting::Head, 8_000);
    assert_eq!(connection.at(13_999), None);
    assert_eq!(connection.at(14_000), Some(Trip::Refuse(&HEAD_TOO_SLOW)));
}

#[test]
fn a_kept_connection_is_closed_when_its_idle_time_is_over() {
    let connection = watched();
    connection.wait(Waiting::Request, 1_000);
    assert_eq!(connection.at(75_999), None);
    assert_eq!(connection.at(76_000), Some(Trip::Close));
}

#[test]
fn the_idle_time_runs_from_the_answers_end() {
    let connection = watched();
    connection.wait(Waiting::Request, 0);
    connection.state.active.set(1);
    assert_eq!(connection.at(500_000), None);
    connection.state.active.set(0);
    connection.state.rest(START + 500_000);
    assert_eq!(connection.at(574_999), None);
    assert_eq!(connection.at(575_000), Some(Trip::Close));
}

#[test]
fn resting_does_not_stretch_a_heads_time() {
    let connection = watched();
    connection.wait(Waiting::Head, 0);
    connection.state.rest(START + 9_000);
    assert_eq!(connection.at(10_000), Some(Trip::Refuse(&HEAD_TOO_SLOW)));
}

#[test]
fn nothing_is_due_while_the_gate_or_the_upstream_works() {
    let connection = watched();
    connection.wait(Waiting::Nothing, 0);
    assert_eq!(connection.at(u64::from(u32::MAX)), None);
}

#[test]
fn a_body_below_the_floor_is_refused_after_the_grace() {
    let connection = watched();
    connection.state.begin_body();
    connection.wait(Waiting::Body, 0);
    // Not a byte in the grace, which belongs to it wholly.
    assert_eq!(connection.at(5_000), None);
    assert_eq!(connection.at(5_001), Some(Trip::Refuse(&BODY_TOO_SLOW)));
}

#[test]
fn a_body_at_the_floor_goes_on() {
    let connection = watched();
    connection.state.begin_body();
    for second in 0..100 {
        connection.wait(Waiting::Body, second * 1000);
        connection.state.body_came(1000);
        assert_eq!(connection.at(second * 1000 + 999), None, "second {second}");
    }
    // Once it stalls it is refused within the stretch that follows.
    connection.wait(Waiting::Body, 100_000);
    let mut after = (100_000..=110_250).step_by(250);
    let refused = after.find_map(|ms| connection.at(ms).map(|trip| (ms, trip)));
    let (ms, trip) = refused.unwrap();
    assert_eq!(trip, Trip::Refuse(&BODY_TOO_SLOW));
    assert!(ms > 100_000);
}

#[test]
fn what_a_body_sent_ahead_buys_no_time_later() {
    let connection = watched();
    connection.state.begin_body();
    connection.wait(Waiting::Body, 0);
    connection.state.body_came(60_000);
    assert_eq!(connection.at(5_001), None);
    assert_eq!(connection.at(10_001), None);
    assert_eq!(connection.at(10_002), Some(Trip::Refuse(&BODY_TOO_SLOW)));
}

#[test]
fn only_the_time_that_a_body_was_waited_for_counts() {
    let connection = watched();
    connection.state.begin_body();
    connection.wait(Waiting::Body, 0);
    connection.state.body_came(1);
    // An upstream that takes nothing for an hour is not the client's fault.
    connection.wait(Waiting::Nothing, 4_000);
    assert_eq!(connection.at(3_600_000), None);
    connection.wait(Waiting::Body, 3_600_000);
    assert_eq!(connection.at(3_601_000), None);
    assert_eq!(connection.at(3_601_001), Some(Trip::Refuse(&BODY_TOO_SLOW)));
}

#[test]
fn each_body_has_a_grace_and_a_rate_of_its_own() {
    let connection = watched();
    connection.state.begin_body();
    connection.wait(Waiting::Body, 0);
    connection.state.body_came(1_000_000);
    connection.wait(Waiting::Request, 4_000);
    connection.wait(Waiting::Head, 5_000);
    connection.wait(Waiting::Body, 6_000);
    connection.state.begin_body();
    assert_eq!(connection.at(11_000), None);
    assert_eq!(connection.at(11_001), Some(Trip::Refuse(&BODY_TOO_SLOW)));
}

#[test]
fn without_a_floor_a_body_may_take_for_ever() {
    let connection = watched_with(|limits| limits.body_rate_min = 0);
    connection.state.begin_body();
    connection.wait(Waiting::Body, 0);
    assert_eq!(connection.at(u64::from(u32::MAX)), None);
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_let_go() {
    let connection = watched();
    connection.wait(Waiting::Nothing, 0);
    connection.state.stalled(START + 2_000);
    // Trying again and getting nowhere is the same stall.
    connection.state.stalled(START + 30_000);
    assert_eq!(connection.at(61_999), None);
    assert_eq!(connection.at(62_000), Some(Trip::Close));
    assert_eq!(connection.at(200_000), None);
}

#[test]
fn a_client_that_takes_something_has_its_time_again() {
    let connection = watched();
    connection.wait(Waiting::Nothing, 0);
    connection.state.stalled(START);
    connection.state.stalled(0);
    assert_eq!(connection.at(60_000), None);
    connection.state.stalled(START + 60_000);
    assert_eq!(connection.at(119_999), None);
    assert_eq!(connection.at(120_000), Some(Trip::Close));
}

#[test]
fn a_refused_requests_end_is_waited_for_two_seconds() {
    let connection = watched();
    connection.wait(Waiting::Linger, 100);
    assert_eq!(connection.at(2_099), None);
    assert_eq!(connection.at(2_100), Some(Trip::Close));
}

#[test]
fn an_upstream_that_is_late_wakes_the_exchange_and_closes_nothing() {
    let Watched {
        watch,
        state,
        woken,
    } = watched();
    state.wait(Waiting::Nothing, START);
    state.upstream_until(START + 30_000);
    watch.sweep(START + 29_999, |_| ());
    assert!(!state.upstream_late());
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    watch.sweep(START + 30_000, |_| ());
    assert!(state.upstream_late());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(state.tripped(), None);
    // Once is enough; a new time clears it.
    watch.sweep(START + 31_000, |_| ());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    state.upstream_until(START + 40_000);
    assert!(!state.upstream_late());
    watch.sweep(START + 39_999, |_| ());
    assert!(!state.upstream_late());
}

#[test]
fn an_upstream_that_is_awaited_already_keeps_its_time() {
    let Watched { watch, state, .. } = watched();
    state.wait(Waiting::Nothing, START);
    state.upstream_wait(START + 10);
    state.upstream_wait(START + 1_000);
    watch.sweep(START + 10, |_| ());
    assert!(state.upstream_late());
    state.upstream_until(0);
    assert!(!state.upstream_late());
    state.upstream_wait(START + 1_000);
    watch.sweep(START + 999, |_| ());
    assert!(!state.upstream_late());
    watch.sweep(START + 1_000, |_| ());
    assert!(state.upstream_late());
}

#[test]
fn a_clock_that_stands_still_or_goes_back_trips_nobody() {
    let connection = watched();
    connection.wait(Waiting::Head, 50_000);
    assert_eq!(connection.at(0), None);
    connection.state.begin_body();
    connection.wait(Waiting::Body, 50_000);
    assert_eq!(connection.at(0), None);
}

#[test]
fn each_connection_is_watched_for_itself_and_its_place_used_again() {
    let first = watched();
    let second = watched();
    let number = first.watch.add(Rc::clone(&second.state));
    first.wait(Waiting::Nothing, 0);
    first.watch.sweep(START + 10_000, |_| ());
    assert_eq!(first.state.tripped(), None);
    assert_eq!(second.state.tripped(), Some(Trip::Close));

    first.watch.remove(number);
    second.wait(Waiting::Head, 20_000);
    first.watch.sweep(START + 90_000, |_| ());
    assert_eq!(second.state.tripped(), None);
    assert_eq!(first.watch.add(Rc::clone(&second.state)), number);
    first.watch.sweep(START + 90_000, |_| ());
    assert!(second.state.tripped().is_some());
}

#[test]
fn draining_wakes_those_concerned() {
    let first = watched();
    let second = watched();
    first.watch.add(Rc::clone(&second.state));
    first
        .watch
        .drain(|state| std::ptr::eq(state, &raw const *second.state));
    assert!(!first.state.draining.get() && second.state.draining.get());
    assert_eq!(first.woken.0.load(Ordering::Relaxed), 0);
    assert_eq!(second.woken.0.load(Ordering::Relaxed), 1);
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let connection = watched();
    let later = Arc::new(Woken::default());
    connection.state.wake_with(&Waker::from(Arc::clone(&later)));
    connection.watch.sweep(START + 10_000, |_| ());
    assert_eq!(connection.woken.0.load(Ordering::Relaxed), 0);
    assert_eq!(later.0.load(Ordering::Relaxed), 1);
}

#[test]
fn the_limit_that_was_met_is_told_once() {
    let connection = watched();
    let met = |after_ms| {
        let told = RefCell::new(Vec::new());
        let note = |overdue| told.borrow_mut().push(overdue);
        connection.watch.sweep(START + after_ms, note);
        told.into_inner()
    };
    connection.wait(Waiting::Head, 0);
    assert_eq!(met(9_999), []);
    assert_eq!(met(10_000), [Overdue::Head]);
    assert_eq!(met(20_000), []);
    connection.wait(Waiting::Request, 20_000);
    assert_eq!(met(95_000), [Overdue::Idle]);
    assert_eq!(connection.state.gone().code, "client-gone");
    connection.state.stalled(START + 100_000);
    assert_eq!(met(160_000), [Overdue::Write]);
    assert_eq!(connection.state.gone().code, "client-takes-nothing");
    // That the rest of what nobody wants does not come is nobody's limit.
    connection.wait(Waiting::Linger, 160_000);
    assert_eq!(met(162_000), []);
    assert_eq!(connection.state.tripped(), Some(Trip::Close));
}

#[test]
fn what_lasts_is_looked_at_within_each_second() {
    /// The longest time between two sweeps: four ticks of the worker's.
    const SWEEP_MS: u64 = 200;
    let connection = watched();
    let looks = |after_ms: u64| {
        connection.watch.sweep(START + after_ms, |_| ());
        connection.state.looks()
    };
    assert!(!looks(60_000), "nothing is under way");
    connection.state.look_from(START);
    assert!(!looks(LONG_MS - 1));
    assert!(looks(LONG_MS));
    assert!(!connection.state.looks(), "told once");
    assert!(!looks(LONG_MS + LOOK_MS - 1));
    assert!(looks(LONG_MS + LOOK_MS), "and then again and again");
    connection.state.look_from(START);
    connection.state.stream_from(START + 1_000);
    assert!(!looks(1_000 + LOOK_MS - 1));
    assert!(looks(1_000 + LOOK_MS), "a stream from its beginning");
    connection.state.stream_from(START + 9_000);
    assert!(
        looks(1_000 + 2 * LOOK_MS),
        "and no later for being one twice"
    );
    connection.state.look_no_more();
    assert!(!looks(60_000));
    const { assert!(LOOK_MS + SWEEP_MS < 1_000) };
}

#[test]
fn what_is_carried_unread_has_no_caller_to_be_looked_at() {
    let connection = watched();
    connection.state.tunnel(60_000, START);
    connection.watch.sweep(START + LOOK_MS, |_| ());
    assert!(connection.state.looks());
    connection.state.carried(60_000, START + LOOK_MS);
    connection.watch.sweep(START + 10 * LOOK_MS, |_| ());
    assert!(!connection.state.looks());
}
