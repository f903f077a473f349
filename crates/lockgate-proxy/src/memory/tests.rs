use std::sync::Arc;

use super::*;

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn held(budget: &Budget) -> usize {
    let shards = budget.by_address.iter();
    shards.map(|shard| shard.lock().unwrap().len()).sum()
}

#[test]
fn what_is_taken_comes_back() {
    let budget = Arc::<Budget>::default();
    let mut first = budget.take(10, 100, address("10.0.0.1")).unwrap();
    let second = budget.take(30, 100, None).unwrap();
    assert!(first.grow_to(25) && first.grow_to(5));
    assert_eq!(budget.taken(), 55);
    assert!(!first.grow_to(71));
    assert_eq!(budget.taken(), 55);
    drop(second);
    assert_eq!(budget.taken(), 25);
    drop(first);
    assert_eq!((budget.taken(), held(&budget)), (0, 0));
}

#[test]
fn one_address_has_half_of_it() {
    let budget = Arc::<Budget>::default();
    let take = |from| budget.take(10, 100, address(from));
    let mine: Vec<_> = std::iter::from_fn(|| take("10.0.0.1")).collect();
    assert_eq!(mine.len(), 5);
    // A network of IPv6 is one.
    let other = take("2001:db8::1").unwrap();
    let others: Vec<_> = std::iter::from_fn(|| take("2001:db8::2")).collect();
    assert_eq!(others.len(), 4);
    assert!(take("10.0.0.3").is_none());
    drop((mine, other));
    assert!(take("10.0.0.3").is_some());
    drop(others);
    assert_eq!((budget.taken(), held(&budget)), (0, 0));
}

#[test]
fn who_speaks_for_many_may_have_all() {
    let budget = Arc::<Budget>::default();
    let all: Vec<_> = std::iter::from_fn(|| budget.take(10, 100, None)).collect();
    assert_eq!(all.len(), 10);
}

#[test]
fn a_bound_that_was_lowered_holds_for_what_comes() {
    let budget = Arc::<Budget>::default();
    let before = budget.take(80, 100, None).unwrap();
    assert!(budget.take(1, 50, None).is_none());
    drop(before);
    assert!(budget.take(50, 50, None).is_some());
}

#[test]
fn workers_take_from_the_same() {
    let budget = Arc::<Budget>::default();
    std::thread::scope(|threads| {
        for number in 0..4 {
            let budget = &budget;
            threads.spawn(move || {
                let from = address(&format!("10.0.0.{number}"));
                for _ in 0..1_000 {
                    let charge = budget.take(30, 100, from);
                    assert!(budget.taken() <= 100 + 4 * 30);
                    drop(charge);
                }
            });
        }
    });
    assert_eq!((budget.taken(), held(&budget)), (0, 0));
}
