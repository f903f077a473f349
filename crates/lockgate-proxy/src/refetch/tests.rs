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
fn a_herd_of_made_up_names_is_two_wishes() {
    let refetches = Refetches::new().expect("there are sockets");
    let issuer = name("company");
    runtime().block_on(async {
        let mut herd: Vec<_> = (0..500)
            .map(|number| {
                let (refetches, issuer) = (&refetches, &issuer);
                Box::pin(async move {
                    refetches
                        .ask(issuer, &format!("k{number}"), 0, &|| false)
                        .await
                })
            })
            .collect();
        for asking in &mut herd {
            let asking = pin!(tokio::task::unconstrained(asking.as_mut()));
            assert!(!over(asking), "it waits for the answer");
        }
        assert_eq!(refetches.wishes(), ["company"]);
        assert!(refetches.wishes().is_empty(), "each is told once");
        refetches.answered("company");
        for (number, asking) in herd.iter_mut().enumerate() {
            // Their keys may be newer than what was asked before they came.
            let asking = pin!(tokio::task::unconstrained(asking.as_mut()));
            assert_eq!(over(asking), number == 0);
        }
        drop(herd.remove(0));
        assert_eq!(refetches.wishes(), ["company"]);
        refetches.answered("company");
        for asking in &mut herd {
            // So many at once would use up what tokio grants one task.
            let asking = pin!(tokio::task::unconstrained(asking.as_mut()));
            assert!(over(asking), "all go on");
        }
        assert_eq!(refetches.waiting.load(Ordering::Relaxed), 0);

        // Who comes now asks anew, but for a name that was just not there.
        refetches.ask(&issuer, "k0", 0, &|| false).await;
        assert!(refetches.wishes().is_empty());
        assert_eq!(refetches.counts(), (2, 1));
        // Another issuer is another matter.
        let mut other = pin!(async { refetches.ask(&name("other"), "k", 0, &|| false).await });
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
        refetches.ask(&name("company"), "k", 0, &|| false).await;
        assert!(began.elapsed() >= refetches.patience);
        // An answer that never came keeps nobody from asking again.
        assert_eq!(refetches.wishes(), ["company"]);
        refetches
            .ask(&name("company"), "another", 0, &|| false)
            .await;
        assert_eq!(refetches.wishes(), ["company"]);
    });
}

#[test]
fn a_control_process_that_is_away_is_not_waited_for() {
    let refetches = Refetches::new().expect("there are sockets");
    runtime().block_on(async {
        let mut asking = pin!(async {
            refetches
                .ask(&name("company"), "k", SILENCE_MS + 1, &|| false)
                .await
        });
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
    assert!(begun("a"));
    assert!(begun("b"), "it joins");
    refetches.answered("company");
    assert!(!begun("a"), "it is known not to be there");
    assert!(
        begun("b"),
        "whose key may be newer than the answer is asked for"
    );
}

#[test]
fn who_joined_and_did_not_find_it_waits_for_what_is_asked_after_it_came() {
    let refetches = Refetches::new().expect("there are sockets");
    let issuer = name("company");
    runtime().block_on(async {
        let mut first = pin!(refetches.ask(&issuer, "made-up", 0, &|| false));
        assert!(!over(first.as_mut()));
        assert_eq!(refetches.wishes(), ["company"]);
        // The answer that is under way is older than this one's key.
        let mut second = pin!(refetches.ask(&issuer, "new", 0, &|| false));
        let mut third = pin!(refetches.ask(&issuer, "found", 0, &|| true));
        assert!(!over(second.as_mut()) && !over(third.as_mut()));
        refetches.answered("company");
        assert!(over(first.as_mut()), "it is told what there is");
        assert!(over(third.as_mut()), "what it looks for is there");
        assert!(!over(second.as_mut()), "it asks once more");
        assert_eq!(refetches.wishes(), ["company"]);
        refetches.answered("company");
        assert!(over(second.as_mut()), "and takes that for an answer");
    });
}

#[test]
fn the_bell_rings_for_a_wish() {
    let refetches = Refetches::new().expect("there are sockets");
    assert!(refetches.begin(&name("company"), 1, 0).is_some());
    assert!(refetches.bell.silence(), "it rings");
    assert!(!refetches.bell.silence());
}
