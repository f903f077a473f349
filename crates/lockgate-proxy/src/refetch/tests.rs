use std::future::Future;
use std::pin::{pin, Pin};
use std::task::{Context, Poll, Waker};

use super::*;

fn name(text: &str) -> Arc<str> {
    text.into()
}

/// Whether the asking is over by now.
fn over(asking: Pin<&mut impl Future<Output = ()>>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    asking.poll(&mut context) == Poll::Ready(())
}

fn runtime() -> tokio::runtime::Runtime {
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    built.expect("there are timers")
}

#[test]
fn a_herd_of_made_up_names_is_one_wish() {
    let refetches = Refetches::new().expect("there are sockets");
    let issuer = name("company");
    runtime().block_on(async {
        let mut herd: Vec<_> = (0..500)
            .map(|number| {
                let (refetches, issuer) = (&refetches, &issuer);
                Box::pin(async move { refetches.ask(issuer, &format!("k{number}"), 0).await })
            })
            .collect();
        for asking in &mut herd {
            let asking = pin!(tokio::task::unconstrained(asking.as_mut()));
            assert!(!over(asking), "it waits for the answer");
        }
        assert_eq!(refetches.wishes(), ["company"]);
        assert!(refetches.wishes().is_empty(), "each is told once");
        refetches.answered("company");
        for asking in &mut herd {
            // So many at once would use up what tokio grants one task.
            let asking = pin!(tokio::task::unconstrained(asking.as_mut()));
            assert!(over(asking), "all go on");
        }
        assert_eq!(refetches.waiting.load(Ordering::Relaxed), 0);

        // Just asked: nobody is asked again, whatever the name.
        refetches.ask(&issuer, "another", 0).await;
        assert!(refetches.wishes().is_empty());
        assert_eq!(refetches.counts(), (1, 1));
        // Another issuer is another matter.
        let mut other = pin!(async { refetches.ask(&name("other"), "k", 0).await });
        assert!(!over(other.as_mut()));
        assert_eq!(refetches.wishes(), ["other"]);
    });
}

#[test]
fn whoever_waits_waits_no_longer_than_a_while() {
    let mut refetches = Refetches::new().expect("there are sockets");
    refetches.patience = Duration::from_millis(20);
    runtime().block_on(async {
        let began = Instant::now();
        refetches.ask(&name("company"), "k", 0).await;
        assert!(began.elapsed() >= refetches.patience);
        // An answer that never came keeps nobody from asking again.
        assert_eq!(refetches.wishes(), ["company"]);
        refetches.ask(&name("company"), "another", 0).await;
        assert_eq!(refetches.wishes(), ["company"]);
    });
}

#[test]
fn a_control_process_that_is_away_is_not_waited_for() {
    let refetches = Refetches::new().expect("there are sockets");
    runtime().block_on(async {
        let mut asking = pin!(async { refetches.ask(&name("company"), "k", SILENCE_MS + 1).await });
        assert!(over(asking.as_mut()), "at once");
        assert!(refetches.wishes().is_empty());
    });
}

#[test]
fn a_name_that_was_not_there_is_not_asked_for_again() {
    let refetches = Refetches::new().expect("there are sockets");
    let issuer = name("company");
    let begun = |kid| {
        refetches
            .begin(&issuer, refetches.hasher.hash_one(kid), 0)
            .is_some()
    };
    let long_ago = || {
        let mut issuers = refetches.lock();
        let flight = issuers.get_mut(&issuer).expect("it was asked");
        flight.answered = flight.answered.and_then(|at| at.checked_sub(PAUSE));
    };
    assert!(begun("a"));
    assert!(begun("b"), "it joins");
    refetches.answered("company");
    assert!(!begun("c"), "just asked");
    long_ago();
    assert!(!begun("a"), "it is known not to be there");
    assert!(
        begun("b"),
        "whose key may be newer than the answer is asked for"
    );
}

#[test]
fn the_bell_rings_for_a_wish() {
    let refetches = Refetches::new().expect("there are sockets");
    assert!(refetches.begin(&name("company"), 1, 0).is_some());
    assert!(refetches.bell.silence(), "it rings");
    assert!(!refetches.bell.silence());
}
