#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn set(networks: &[&str]) -> Ranges {
    Ranges::new(networks).unwrap()
}

fn has(ranges: &Ranges, address: &str) -> bool {
    ranges.contains(address.parse().unwrap())
}

#[test]
fn nothing_is_in_an_empty_set() {
    let empty = set(&[]);
    assert!(empty.is_empty());
    assert!(!has(&empty, "0.0.0.0"));
    assert!(!has(&empty, "::"));
}

#[test]
fn either_family_makes_it_not_empty() {
    assert!(!set(&["192.0.2.1"]).is_empty());
    assert!(!set(&["2001:db8::1"]).is_empty());
}

#[test]
fn what_touches_or_overlaps_becomes_one() {
    assert_eq!(
        set(&["10.0.0.128/25", "10.0.0.0/25"]),
        set(&["10.0.0.0/24"])
    );
    assert_eq!(
        set(&["10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/8"]),
        set(&["10.0.0.0/8"])
    );
    assert_eq!(
        set(&["2001:db8::/33", "2001:db8:8000::/33"]),
        set(&["2001:db8::/32"])
    );
    assert_eq!(
        set(&["255.255.255.255", "255.255.255.254"]),
        set(&["255.255.255.254/31"])
    );
    assert_eq!(set(&["10.0.0.0/25", "10.0.1.0/25"]).v4.len(), 2);
}

#[test]
fn the_last_number_of_a_family_is_no_overflow() {
    let all = set(&[
        "0.0.0.0/0",
        "255.255.255.255",
        "::/0",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ]);
    assert_eq!((all.v4.len(), all.v6.len()), (1, 1));
    assert!(has(&all, "255.255.255.255"));
    assert!(has(&all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

#[test]
fn a_network_of_ipv6_that_holds_more_than_ipv4_stays_ipv6() {
    // ::ffff:0:0/95 is not all of it mapped; what is shorter than 96 bits is IPv6.
    let wide = set(&["::fffe:0:0/95"]);
    assert_eq!((wide.v4.len(), wide.v6.len()), (0, 1));
    assert_eq!(set(&["::ffff:0:0/96"]), set(&["0.0.0.0/0"]));
}

#[test]
fn the_first_wrong_entry_is_named() {
    let (index, message) = Ranges::new(&["10.0.0.0/8", "10.0.0.1/8", "nonsense"]).unwrap_err();
    assert_eq!(index, 1);
    assert_eq!(
        message,
        "`10.0.0.1/8` has bits set beyond its prefix length; did you mean `10.0.0.0/8`?"
    );
}

#[test]
fn a_suggestion_is_itself_a_network() {
    for text in [
        "10.9.8.7/9",
        "2001:db8::1/33",
        "255.255.255.255/1",
        "1.2.3.4/0",
    ] {
        let (_, message) = Ranges::new(&[text]).unwrap_err();
        let suggested = message.rsplit('`').nth(1).unwrap();
        assert!(Ranges::new(&[suggested]).is_ok(), "{message}");
    }
}

fn networks() -> impl Strategy<Value = Vec<(Ipv4Addr, u32)>> {
    // Few bits, so that networks meet.
    proptest::collection::vec((0_u32..64, 26_u32..=32), 0..20).prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(low, length)| {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                (Ipv4Addr::from((0x0a00_0000 + low) & mask), length)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn a_set_holds_what_its_networks_hold(networks in networks()) {
        let texts: Vec<String> = networks.iter().map(|(base, length)| format!("{base}/{length}")).collect();
        let ranges = Ranges::new(&texts).unwrap();
        for low in 0..80_u32 {
            let address = 0x0a00_0000 - 8 + low;
            let expected = networks.iter().any(|(base, length)| {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                address & mask == u32::from(*base)
            });
            prop_assert_eq!(ranges.contains(Ipv4Addr::from(address).into()), expected);
        }
        // Sorted, apart from each other, and none empty: what the search relies on.
        for pair in ranges.v4.windows(2) {
            prop_assert!(pair[0].1 < pair[1].0 - 1);
        }
        prop_assert!(ranges.v4.iter().all(|(start, end)| start <= end));
    }

    #[test]
    fn the_order_has_no_meaning(mut networks in networks()) {
        let text = |all: &[(Ipv4Addr, u32)]| -> Vec<String> {
            all.iter().map(|(base, length)| format!("{base}/{length}")).collect()
        };
        let one = Ranges::new(&text(&networks)).unwrap();
        networks.reverse();
        prop_assert_eq!(one, Ranges::new(&text(&networks)).unwrap());
    }

    #[test]
    fn every_address_is_in_its_own_networks(bits in any::<u128>(), length in 0_u32..=128) {
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        let network = format!("{}/{length}", Ipv6Addr::from(bits & mask));
        let address = IpAddr::from(Ipv6Addr::from(bits));
        let ranges = Ranges::new(&[&network]).unwrap();
        // A mapped address counts as IPv4, which a network of IPv6 shorter than 96 bits does not hold.
        let mapped = address.to_canonical().is_ipv4() && length < 96;
        prop_assert_eq!(ranges.contains(address), !mapped);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}") {
        let _ = Ranges::new(&[text]);
    }
}
