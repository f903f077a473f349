#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

#[test]
fn an_id_is_twenty_six_characters_that_cannot_be_mistaken() {
    let id = Ids::new([3; 16]).next(1_700_000_000_000);
    assert_eq!(id.as_str().len(), 26);
    assert!(id.as_str().bytes().all(|byte| ALPHABET.contains(&byte)));
    assert!(!id.as_str().contains(['I', 'L', 'O', 'U']));
    assert_eq!(id.header(), id.as_str());
}

#[test]
fn the_time_stands_in_front_as_in_a_ulid() {
    // The example of the ULID specification: 01ARZ3NDEK is 1469922850259.
    let id = Ids::new([0; 16]).next(1_469_922_850_259);
    assert_eq!(&id.as_str()[..10], "01ARZ3NDEK");
}

#[test]
fn a_million_ids_are_all_different() {
    let ids = Ids::new([9; 16]);
    let mut seen = HashSet::with_capacity(1_000_000);
    for _ in 0..1_000_000 {
        assert!(seen.insert(ids.next(5).0));
    }
}

#[test]
fn two_workers_make_different_ids() {
    let (one, other) = (Ids::new([1; 16]), Ids::new([2; 16]));
    let made: HashSet<[u8; 26]> = (0..10_000)
        .flat_map(|_| [one.next(5).0, other.next(5).0])
        .collect();
    assert_eq!(made.len(), 20_000);
}

#[test]
fn bytes_differ_from_call_to_call() {
    let ids = Ids::new([1; 16]);
    let made: HashSet<[u8; 24]> = (0..1000).map(|_| ids.bytes()).collect();
    assert_eq!(made.len(), 1000);
    assert!(!made.contains(&[0; 24]));
}

proptest! {
    #[test]
    fn later_ids_sort_behind_earlier_ones(
        seed in any::<[u8; 16]>(),
        early in 0..1_u64 << 48,
        late in 0..1_u64 << 48,
    ) {
        prop_assume!(early != late);
        let ids = Ids::new(seed);
        let (one, other) = (ids.next(early), ids.next(late));
        prop_assert_eq!(one.as_str() < other.as_str(), early < late);
    }
}
