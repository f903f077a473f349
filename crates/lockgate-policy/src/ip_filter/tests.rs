#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;

fn judge(filter: &IpFilter, address: IpAddr) -> &'static str {
    // The peer is somebody else: only the client's address counts.
    let peer = Ipv4Addr::new(198, 51, 100, 1).into();
    match filter.decide(&Caller { address, peer }) {
        Verdict::Allow(edits) if edits.is_empty() => "allow",
        Verdict::Deny(denial) => denial.reason.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_network_is_named_with_its_place() {
    // The entry, its list and place, and a part of the message.
    let no_address = "is not an IP address or network";
    for (text, says) in [
        ("example.com", no_address),
        ("", no_address),
        ("10.0.0.1:80", no_address),
        ("010.0.0.1", no_address),
        ("10.0.1", no_address),
        ("fe80::1%eth0", no_address),
        (" 10.0.0.1", no_address),
        ("10.0.0.1/8", "did you mean `10.0.0.0/8`?"),
        ("2001:db8::1/32", "did you mean `2001:db8::/32`?"),
        ("10.0.0.0/33", "from 0 to 32"),
        ("::/129", "from 0 to 128"),
        ("10.0.0.0/+8", "from 0 to 32"),
        ("10.0.0.0/", "from 0 to 32"),
        ("10.0.0.0/0008", "from 0 to 32"),
        ("10.0.0.0/255.0.0.0", "from 0 to 32"),
    ] {
        let list = vec!["10.0.0.0/8".to_owned(), text.to_owned()];
        for (config, at) in [
            (
                Config {
                    allow: list.clone(),
                    deny: Vec::new(),
                },
                "/allow/1",
            ),
            (
                Config {
                    allow: Vec::new(),
                    deny: list.clone(),
                },
                "/deny/1",
            ),
        ] {
            let error = IpFilter::new(&config).expect_err(text);
            assert_eq!((error.code, error.pointer.as_str()), ("not-a-network", at));
            assert!(error.message.contains(says), "{text}: {}", error.message);
        }
    }
}

#[test]
fn only_the_clients_address_counts() {
    let filter = IpFilter::new(&Config {
        allow: Vec::new(),
        deny: vec!["198.51.100.1".to_owned()],
    })
    .unwrap();
    // The peer is on the list; the client behind it is not.
    assert_eq!(judge(&filter, Ipv4Addr::new(192, 0, 2, 1).into()), "allow");
}

#[test]
fn every_reason_is_the_rooms() {
    assert!(REASONS.iter().all(|reason| reason.room == NAME));
    assert_eq!(REASONS, [&DENIED, &NOT_ALLOWED]);
}

fn network() -> impl Strategy<Value = String> {
    (any::<u32>(), 0_u32..=32).prop_map(|(address, length)| {
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        format!("{}/{length}", Ipv4Addr::from(address & mask))
    })
}

/// As a person would check it: network by network.
fn listed(networks: &[String], address: Ipv4Addr) -> bool {
    networks.iter().any(|network| {
        let (base, length) = network.split_once('/').unwrap();
        let mask = u32::MAX
            .checked_shl(32 - length.parse::<u32>().unwrap())
            .unwrap_or(0);
        u32::from(base.parse::<Ipv4Addr>().unwrap()) == u32::from(address) & mask
    })
}

proptest! {
    #[test]
    fn the_verdict_is_what_the_lists_say(
        allow in proptest::collection::vec(network(), 0..6),
        deny in proptest::collection::vec(network(), 0..6),
        address in any::<u32>().prop_map(Ipv4Addr::from),
    ) {
        let config = Config { allow: allow.clone(), deny: deny.clone() };
        let expected = if listed(&deny, address) {
            DENIED.code
        } else if allow.is_empty() || listed(&allow, address) {
            "allow"
        } else {
            NOT_ALLOWED.code
        };
        let filter = IpFilter::new(&config).unwrap();
        prop_assert_eq!(judge(&filter, address.into()), expected);
        prop_assert_eq!(judge(&filter, address.to_ipv6_mapped().into()), expected);
    }

    #[test]
    fn no_text_makes_it_panic(entries in proptest::collection::vec(".{0,40}", 0..4)) {
        if let Err(error) = IpFilter::new(&Config { allow: entries.clone(), deny: Vec::new() }) {
            prop_assert!(error.message.contains('`'), "the entry is named: {}", error.message);
        }
    }
}
