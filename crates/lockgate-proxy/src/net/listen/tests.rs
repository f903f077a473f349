#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use super::*;

/// How many of these addresses are admitted, where each may have `each`.
fn admitted(addresses: &[&str], most: u32, each: Option<u32>) -> usize {
    let admission = Arc::new(Admission::default());
    let permits: Vec<_> = addresses
        .iter()
        .filter_map(|address| admission.admit(address.parse().unwrap(), most, each))
        .collect();
    assert_eq!(admission.count() as usize, permits.len());
    permits.len()
}

#[test]
fn each_address_has_its_share_and_all_together_theirs() {
    assert_eq!(admitted(&["10.0.0.1"; 5], 100, Some(2)), 2);
    assert_eq!(
        admitted(&["10.0.0.1", "10.0.0.2", "10.0.0.1"], 100, Some(1)),
        2
    );
    assert_eq!(admitted(&["10.0.0.1"; 5], 3, Some(100)), 3);
}

#[test]
fn a_trusted_proxy_is_bounded_by_what_all_may_have() {
    assert_eq!(admitted(&["10.0.0.1"; 5], 4, None), 4);
}

#[test]
fn a_network_of_64_bits_counts_as_one_client() {
    assert_eq!(admitted(&["2001:db8::1", "2001:db8::2"], 9, Some(1)), 1);
    assert_eq!(admitted(&["2001:db8::1", "2001:db8:0:1::1"], 9, Some(1)), 2);
}

#[test]
fn what_is_given_back_can_be_had_again() {
    let admission = Arc::new(Admission::default());
    let address = "2001:db8::1".parse().unwrap();
    for _ in 0..3 {
        let permit = admission.admit(address, 1, Some(1)).expect("there is room");
        assert!(admission.admit(address, 1, Some(1)).is_none());
        drop(permit);
    }
    assert!(admission.shard(holder(address)).is_empty());
}
