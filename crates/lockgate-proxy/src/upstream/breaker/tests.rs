use super::*;

fn limits(concurrent: u32, queue: u32, wait_ms: u32) -> Limits {
    Limits {
        concurrent,
        queue,
        wait_ms,
    }
}

#[tokio::test]
async fn no_more_are_under_way_than_may_be() {
    let breaker = Arc::<Breaker>::default();
    let limits = limits(2, 0, 1000);
    let first = breaker.enter(&limits).await.expect("the first has a place");
    let _second = breaker.enter(&limits).await.expect("so has the second");
    assert_eq!(breaker.enter(&limits).await.err(), Some(Full::Queue));
    drop(first);
    let _third = breaker.enter(&limits).await.expect("a place came free");
    assert_eq!(breaker.load(), (2, 0));
}

#[tokio::test]
async fn places_are_handed_on_in_order() {
    let breaker = Arc::<Breaker>::default();
    let limits = limits(1, 2, 60_000);
    let held = breaker.enter(&limits).await.expect("it is empty");
    let mut first = Box::pin(breaker.enter(&limits));
    let mut second = Box::pin(breaker.enter(&limits));
    for waiting in [&mut first, &mut second] {
        assert!(futures_poll(waiting).is_none(), "it waits");
    }
    assert_eq!(breaker.enter(&limits).await.err(), Some(Full::Queue));
    assert_eq!(breaker.load(), (1, 2));
    drop(held);
    let permit = first.await.expect("the first in the queue");
    assert!(
        futures_poll(&mut second).is_none(),
        "the second still waits"
    );
    drop(permit);
    assert!(second.await.is_ok());
    assert_eq!(breaker.load(), (0, 0));
}

#[tokio::test]
async fn nobody_waits_for_ever_and_no_place_is_lost() {
    let breaker = Arc::<Breaker>::default();
    let limits = limits(1, 5, 20);
    let held = breaker.enter(&limits).await.expect("it is empty");
    assert_eq!(breaker.enter(&limits).await.err(), Some(Full::Late));
    // One who goes away while waiting leaves no hole either.
    let mut gone = Box::pin(breaker.enter(&limits));
    assert!(futures_poll(&mut gone).is_none());
    drop(gone);
    drop(held);
    assert_eq!(breaker.load(), (0, 0));
    assert!(breaker.enter(&limits).await.is_ok());
}

#[tokio::test]
async fn a_place_that_came_too_late_goes_to_the_next() {
    let breaker = Arc::<Breaker>::default();
    let limits = limits(1, 5, 60_000);
    let held = breaker.enter(&limits).await.expect("it is empty");
    let mut first = Box::pin(breaker.enter(&limits));
    let mut second = Box::pin(breaker.enter(&limits));
    assert!(futures_poll(&mut first).is_none() && futures_poll(&mut second).is_none());
    drop(held);
    // It was given the place and went away before it looked.
    drop(first);
    assert!(second.await.is_ok());
    assert_eq!(breaker.load().0, 0);
}

#[tokio::test]
async fn a_lower_limit_holds_at_once_and_a_higher_one_lets_more_in() {
    let breaker = Arc::<Breaker>::default();
    let wide = limits(3, 5, 60_000);
    let held: Vec<Permit> = [
        breaker.enter(&wide).await,
        breaker.enter(&wide).await,
        breaker.enter(&wide).await,
    ]
    .into_iter()
    .flatten()
    .collect();
    let narrow = limits(1, 5, 60_000);
    let mut waiting = Box::pin(breaker.enter(&narrow));
    assert!(futures_poll(&mut waiting).is_none());
    let mut held = held.into_iter();
    drop(held.next());
    drop(held.next());
    assert!(
        futures_poll(&mut waiting).is_none(),
        "one is still under way"
    );
    let wider = limits(2, 5, 60_000);
    let mut another = Box::pin(breaker.enter(&wider));
    assert!(
        futures_poll(&mut another).is_none(),
        "the place is the first one's"
    );
    assert!(waiting.await.is_ok());
    assert!(another.await.is_ok());
}

/// Polls once.
fn futures_poll<F: std::future::Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let waker = std::task::Waker::noop();
    match std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
