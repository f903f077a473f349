#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;

fn judge(filter: &IpFilter, address: IpAddr) -> &'static str {
    // The peer is somebody else: only the client's address counts.
    let peer = Ipv4Addr::new(198, 51, 100, 1).into();
    match filter.decide(&Caller { address, peer }, None).unwrap() {
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
                    ..Config::default()
                },
                "/allow/1",
            ),
            (
                Config {
                    deny: list.clone(),
                    ..Config::default()
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
        deny: vec!["198.51.100.1".to_owned()],
        ..Config::default()
    })
    .unwrap();
    // The peer is on the list; the client behind it is not.
    assert_eq!(judge(&filter, Ipv4Addr::new(192, 0, 2, 1).into()), "allow");
}

#[test]
fn every_reason_is_the_rooms() {
    assert!(REASONS.iter().all(|reason| reason.room == NAME));
    let geo = [&COUNTRY_DENIED, &COUNTRY_NOT_ALLOWED, &NETWORK_DENIED];
    assert_eq!(REASONS, [&[&DENIED, &NOT_ALLOWED][..], &geo[..]].concat());
}

fn by_place(config: PlaceRules, allow: &[&str]) -> IpFilter {
    let allow = allow.iter().map(ToString::to_string).collect();
    let config = Config {
        allow,
        geo: Some(config),
        ..Config::default()
    };
    IpFilter::new(&config).unwrap()
}

fn codes(codes: &[&str]) -> Vec<String> {
    codes.iter().map(ToString::to_string).collect()
}

#[test]
fn what_cannot_be_read_lets_nobody_in_by_what_it_might_say() {
    let address = IpAddr::from([203, 0, 113, 9]);
    let unread = Place {
        countries_unread: true,
        networks_unread: true,
        ..Place::default()
    };
    let deny_countries = PlaceRules {
        deny_countries: codes(&["FR"]),
        ..PlaceRules::default()
    };
    let deny_networks = PlaceRules {
        deny_networks: vec![64500],
        ..PlaceRules::default()
    };
    let allow_countries = PlaceRules {
        allow_countries: codes(&["DE"]),
        ..PlaceRules::default()
    };
    for config in [&deny_countries, &deny_networks, &allow_countries] {
        let filter = by_place(config.clone(), &[]);
        for place in [None, Some(&unread)] {
            let error = filter.refuses(address, place).expect_err("it is not known");
            assert!(error.cause.contains("could not be read"));
        }
    }
    // What says nothing of countries wants no database of them, and who is listed wants none at all.
    let networks = Place {
        countries_unread: true,
        ..Place::default()
    };
    let filter = by_place(deny_networks, &[]);
    assert_eq!(filter.refuses(address, Some(&networks)).unwrap(), None);
    let filter = by_place(allow_countries, &["203.0.113.9"]);
    assert_eq!(filter.refuses(address, Some(&unread)).unwrap(), None);
}

#[test]
fn what_is_no_country_is_named_with_its_place() {
    for (list, config) in [
        (
            "allow_countries",
            PlaceRules {
                allow_countries: codes(&["DE", "Germany"]),
                ..PlaceRules::default()
            },
        ),
        (
            "deny_countries",
            PlaceRules {
                deny_countries: codes(&["DE", "D1"]),
                ..PlaceRules::default()
            },
        ),
    ] {
        let config = Config {
            geo: Some(config),
            ..Config::default()
        };
        let error = IpFilter::new(&config).expect_err("it is no country");
        assert_eq!(error.code, "not-a-country");
        assert_eq!(error.pointer, format!("/geo/{list}/1"));
    }
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
        let config = Config { allow: allow.clone(), deny: deny.clone(), geo: None };
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
        if let Err(error) = IpFilter::new(&Config { allow: entries.clone(), ..Config::default() }) {
            prop_assert!(error.message.contains('`'), "the entry is named: {}", error.message);
        }
    }
}
